// SPDX-License-Identifier: GPL-2.0-only
/*
 * What MSI descriptors hold of the doorbells that their messages are for
 *
 * The descriptors of a group share a doorbell by a binding, which has one
 * reference on the doorbell's mapping.
 *
 * Messages are written to devices when vectors are enabled and stay there, so a
 * binding keeps the IOVA for as long as there are vectors, and takes it to
 * whatever domain the group is attached to next.
 */
#define pr_fmt(fmt) "iommu-msi: " fmt

#include <kunit/static_stub.h>
#include <linux/device.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/msi.h>
#include <linux/msi-iommu.h>
#include <linux/slab.h>

#include "msi-iommu.h"

void iommu_msi_group_init(struct iommu_msi_group *msi, struct iommu_group *group)
{
	spin_lock_init(&msi->lock);
	msi->group = group;
	INIT_LIST_HEAD(&msi->bindings);
}

static bool iommu_msi_covers(const struct iommu_msi_doorbell *doorbell,
			     phys_addr_t addr)
{
	return addr - doorbell->pa < doorbell->size;
}

/* Nearly always the first of one or two */
static struct iommu_msi_binding *
iommu_msi_find_binding(const struct iommu_msi_group *msi, phys_addr_t addr)
{
	struct iommu_msi_binding *binding;

	list_for_each_entry(binding, &msi->bindings, node)
		if (binding->doorbell && iommu_msi_covers(binding->doorbell, addr))
			return binding;
	return NULL;
}

static void iommu_msi_use_binding(struct iommu_msi_binding *binding,
				  struct msi_desc *desc, phys_addr_t addr)
{
	binding->users++;
	binding->vectors += desc->nvec_used;
	desc->iommu_msi_binding = binding;
	msi_desc_set_iommu_msi_iova(desc, addr + binding->offset,
				    binding->doorbell->cookie->pgshift);
}

/* Drops a user of the binding, and the lock of its group */
static void iommu_msi_put_binding_unlock(struct iommu_msi_binding *binding)
	__releases(&binding->msi->lock)
{
	struct iommu_msi_group *msi = binding->msi;

	if (--binding->users) {
		spin_unlock(&msi->lock);
		return;
	}
	list_del(&binding->node);
	spin_unlock(&msi->lock);

	if (binding->doorbell)
		iommu_msi_put_doorbell(binding->doorbell);
	if (!IS_ERR_OR_NULL(binding->next))
		iommu_msi_put_doorbell(binding->next);
	iommu_group_put(msi->group);
	kfree(binding);
}

/*
 * The cookie of the domain that the group is attached to, with a reference; -ENODEV
 * if that does not translate MSIs, -ENXIO if its owner has set nothing up
 */
static struct iommu_msi_cookie *
iommu_msi_group_cookie(struct iommu_msi_group *msi)
{
	struct iommu_msi_cookie *cookie = ERR_PTR(-ENODEV);

	spin_lock(&msi->lock);
	if (msi->domain && iommu_domain_has_msi(msi->domain)) {
		cookie = iommu_msi_cookie(msi->domain);
		if (cookie)
			refcount_inc(&cookie->users);
		else
			cookie = ERR_PTR(-ENXIO);
	}
	spin_unlock(&msi->lock);
	return cookie;
}

/*
 * Makes @desc a user of the binding for @doorbell, for which @new is used if it
 * is the first. -ESTALE if the group is not attached to the doorbell's domain any
 * more. The caller puts @doorbell then, or if @new has not been used.
 */
static int iommu_msi_join_binding(struct iommu_msi_group *msi,
				  struct msi_desc *desc, phys_addr_t addr,
				  struct iommu_msi_doorbell *doorbell,
				  struct iommu_msi_binding **new)
{
	struct iommu_msi_binding *binding;

	lockdep_assert_held(&msi->lock);

	if (!msi->domain || iommu_msi_cookie(msi->domain) != doorbell->cookie)
		return -ESTALE;

	binding = iommu_msi_find_binding(msi, addr);
	if (!binding) {
		binding = *new;
		*new = NULL;
		*binding = (struct iommu_msi_binding) {
			.msi = msi,
			.doorbell = doorbell,
			.addr = addr,
			.pa = doorbell->pa,
			.size = doorbell->size,
			.offset = doorbell->iova - (u64)doorbell->pa,
		};
		iommu_group_ref_get(msi->group);
		list_add(&binding->node, &msi->bindings);
	}
	iommu_msi_use_binding(binding, desc, addr);
	return 0;
}

/* The group has no binding for the doorbell yet */
static int iommu_msi_bind_new(struct iommu_msi_group *msi, struct msi_desc *desc,
			      phys_addr_t addr)
{
	struct iommu_msi_binding *new;
	int ret;

	/* Nor does this wait for a device, see iommu_msi_find_or_map() */
	new = kmalloc(sizeof(*new), GFP_NOIO);
	if (!new)
		return -ENOMEM;

	do {
		struct iommu_msi_doorbell *doorbell;
		struct iommu_msi_cookie *cookie;

		cookie = iommu_msi_group_cookie(msi);
		if (IS_ERR(cookie)) {
			ret = PTR_ERR(cookie);
			break;
		}

		doorbell = iommu_msi_get_doorbell(cookie, addr, 1,
						  IOMMU_MSI_PROT, NULL);
		if (IS_ERR(doorbell)) {
			ret = PTR_ERR(doorbell);
		} else {
			spin_lock(&msi->lock);
			ret = iommu_msi_join_binding(msi, desc, addr, doorbell,
						     &new);
			spin_unlock(&msi->lock);
			/* An existing binding already holds a reference */
			if (ret || new)
				iommu_msi_put_doorbell(doorbell);
		}
		iommu_msi_cookie_put(cookie);
		/* The domain has been replaced: try again */
	} while (ret == -ESTALE);

	kfree(new);
	return ret;
}

/* The irq core turns most errors into one; say here which it was */
static void iommu_msi_complain(struct iommu_msi_group *msi, struct device *dev,
			       phys_addr_t addr, int ret)
{
	struct iommu_domain_msi_geometry geometry = {};

	spin_lock(&msi->lock);
	if (msi->domain)
		iommu_domain_msi_geometry(msi->domain, &geometry);
	spin_unlock(&msi->lock);
	dev_err_ratelimited(dev, "no IOVA for MSI doorbell %pa in window %pad-%pad: %pe\n",
			    &addr, &geometry.aperture_start,
			    &geometry.aperture_end, ERR_PTR(ret));
}

/*
 * Maps the doorbell at @addr for a descriptor, in the domain that the group is
 * attached to and that is not the DMA layer's. Vectors are allocated under a
 * lock that all devices share: nothing here waits for the group's mutex.
 */
int iommu_msi_bind_desc(struct iommu_msi_group *msi, struct msi_desc *desc,
			phys_addr_t addr)
{
	struct device *dev = msi_desc_to_dev(desc);
	struct iommu_msi_binding *binding;
	int ret;

	/* A descriptor may be used again, and by then in another domain */
	if (desc->iommu_msi_binding)
		iommu_msi_release_desc(desc);
	if (!iommu_dev_translates_msi(dev))
		return 0;

	spin_lock(&msi->lock);
	binding = iommu_msi_find_binding(msi, addr);
	if (binding)
		iommu_msi_use_binding(binding, desc, addr);
	spin_unlock(&msi->lock);
	if (binding)
		return 0;

	ret = iommu_msi_bind_new(msi, desc, addr);
	if (ret == -ENODEV)
		return 0;
	if (ret == -ENXIO) {
		/* An owner that has set no aperture has not asked for this */
		if (!dev->iommu->msi_warned)
			dev_warn(dev, "MSI to %pa is not mapped: the owner of the IOMMU domain has set no MSI aperture\n",
				 &addr);
		dev->iommu->msi_warned = true;
		return 0;
	}
	if (ret)
		iommu_msi_complain(msi, dev, addr, ret);
	return ret;
}

/**
 * iommu_msi_release_desc - Drop a descriptor's hold on its doorbell
 * @desc: descriptor; nothing is done where it has none
 *
 * The core that owns descriptors calls this whenever one loses its interrupt
 * or never came to have it, after its device has stopped using the doorbell.
 * The domain may have gone before.
 *
 * Context: Process context. May sleep.
 */
void iommu_msi_release_desc(struct msi_desc *desc)
{
	struct iommu_msi_binding *binding = desc->iommu_msi_binding;

	msi_desc_set_iommu_msi_iova(desc, 0, 0);
	if (!binding)
		return;

	desc->iommu_msi_binding = NULL;
	spin_lock(&binding->msi->lock);
	binding->vectors -= desc->nvec_used;
	iommu_msi_put_binding_unlock(binding);
}

/*
 * A binding whose doorbell was not looked for yet in the next domain. Those that
 * are mapped come first, and with @mapped alone.
 */
static struct iommu_msi_binding *
iommu_msi_next_binding(const struct iommu_msi_group *msi, bool mapped)
{
	struct iommu_msi_binding *binding, *other = NULL;

	list_for_each_entry(binding, &msi->bindings, node) {
		if (binding->next)
			continue;
		if (binding->doorbell)
			return binding;
		other = other ?: binding;
	}
	return mapped ? NULL : other;
}

/*
 * Maps what the bindings stand for in the next domain, by its @cookie, where the
 * messages point; NULL is a domain that has nothing mapped. With @must it is an
 * error if something that is mapped now cannot be mapped there, and nothing else is
 * mapped.
 */
int iommu_msi_map_next(struct iommu_msi_group *msi,
		       struct iommu_msi_cookie *cookie, bool must)
{
	struct iommu_msi_binding *binding;
	struct iommu_msi_doorbell *next;
	dma_addr_t at;

	KUNIT_STATIC_STUB_REDIRECT(iommu_msi_map_next, msi, cookie, must);
	for (;;) {
		spin_lock(&msi->lock);
		binding = iommu_msi_next_binding(msi, must);
		if (binding)
			binding->users++;
		spin_unlock(&msi->lock);
		if (!binding)
			return 0;

		at = binding->pa + binding->offset;
		next = ERR_PTR(-EINVAL);
		if (cookie)
			next = iommu_msi_get_doorbell(cookie, binding->pa,
						      binding->size,
						      IOMMU_MSI_PROT, &at);

		spin_lock(&msi->lock);
		binding->next = next;
		iommu_msi_put_binding_unlock(binding);
		if (must && IS_ERR(next) && next != ERR_PTR(-EAGAIN))
			return PTR_ERR(next);
	}
}

/*
 * Maps the doorbells of a group that is attached to another domain by now, in
 * @domain, which is to replace that. The messages in the devices hold IOVAs, so
 * each doorbell goes where it is. iommu_msi_switch() must follow, or
 * iommu_msi_keep(). The caller holds the group's mutex.
 *
 * -EINVAL if @domain cannot have a doorbell at the same IOVA, or takes no part, or
 * -ENOMEM; nothing has changed then.
 */
int iommu_msi_carry_over(struct iommu_msi_group *msi, struct iommu_domain *domain)
{
	int ret;

	/* Nothing but another paging domain could translate the messages */
	if (domain == msi->domain || domain->type != IOMMU_DOMAIN_UNMANAGED)
		return 0;

	ret = iommu_msi_map_next(msi, iommu_msi_cookie(domain), true);
	if (!ret)
		return 0;
	iommu_msi_keep(msi);
	return ret == -ENOMEM ? ret : -EINVAL;
}

/*
 * The group is about to be attached to @domain: what it has vectors for is mapped
 * there, where that can be. iommu_msi_switch() must follow, or iommu_msi_keep().
 * The caller holds the group's mutex.
 */
void iommu_msi_map_ahead(struct iommu_msi_group *msi, struct iommu_domain *domain)
{
	iommu_msi_map_next(msi, iommu_msi_cookie(domain), false);
}

/*
 * Gives up what was mapped for the next domain: the group keeps the one that it
 * has. The caller holds the group's mutex.
 */
void iommu_msi_keep(struct iommu_msi_group *msi)
{
	struct iommu_msi_doorbell *doorbell;
	struct iommu_msi_binding *binding;

	do {
		doorbell = NULL;
		spin_lock(&msi->lock);
		list_for_each_entry(binding, &msi->bindings, node) {
			swap(doorbell, binding->next);
			if (!IS_ERR_OR_NULL(doorbell))
				break;
			doorbell = NULL;
		}
		spin_unlock(&msi->lock);
		if (doorbell)
			iommu_msi_put_doorbell(doorbell);
	} while (doorbell);
}

/* Returns how many vectors have lost their doorbell by that */
static unsigned int iommu_msi_switch_bindings(struct iommu_msi_group *msi,
					      bool translates)
{
	struct iommu_msi_binding *binding;
	unsigned int lost = 0;

	lockdep_assert_held(&msi->lock);

	list_for_each_entry(binding, &msi->bindings, node) {
		if (IS_ERR(binding->next))
			binding->next = NULL;
		swap(binding->doorbell, binding->next);
		if (translates && !binding->doorbell && !binding->lost)
			lost += binding->vectors;
		binding->lost = translates && !binding->doorbell;
	}
	return lost;
}

/* What the driver refused before it had a device is tried again */
static void iommu_msi_retry(struct iommu_msi_group *msi)
{
	struct iommu_msi_binding *binding;

	spin_lock(&msi->lock);
	list_for_each_entry(binding, &msi->bindings, node)
		if (IS_ERR(binding->next))
			binding->next = NULL;
	spin_unlock(&msi->lock);
}

/*
 * The group has been attached to @domain, or to nothing. The caller holds the
 * group's mutex, and both domains still exist.
 *
 * Descriptors take the mappings there for those in the domain before: what
 * iommu_msi_carry_over() mapped, what has been prepared since, and what the group
 * could not keep mapped while it was attached to something else. Where @domain
 * cannot have a doorbell where the messages point, those interrupts do not arrive
 * until their vectors are enabled anew.
 */
void iommu_msi_switch(struct iommu_msi_group *msi, struct iommu_domain *domain)
{
	struct iommu_msi_cookie *cookie = domain ? iommu_msi_cookie(domain) : NULL;
	bool translates = domain && iommu_domain_has_msi(domain);
	unsigned int lost = 0;
	bool late;

	if (cookie)
		iommu_msi_domain_finished(cookie);
	iommu_msi_retry(msi);
	do {
		iommu_msi_map_next(msi, cookie, false);

		spin_lock(&msi->lock);
		/* What was prepared since is mapped in the domain before */
		late = iommu_msi_next_binding(msi, false);
		if (!late) {
			msi->domain = domain;
			lost = iommu_msi_switch_bindings(msi, translates);
		}
		spin_unlock(&msi->lock);
	} while (late);

	iommu_msi_keep(msi);
	if (lost)
		pr_warn_ratelimited("group %d: %u interrupts do not arrive until they are enabled anew: their new domain does not have the doorbell where it was\n",
				    iommu_group_id(msi->group), lost);
}
