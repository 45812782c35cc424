// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSI doorbells in IOMMU domains that the DMA layer does not own
 *
 * A domain whose MSIs are translated has a cookie: a window of IOVA, the
 * aperture, and the doorbells that are mapped in it, each once, however many
 * vectors, devices and groups write to it.
 *
 * See Documentation/driver-api/iommu-msi.rst.
 */
#define pr_fmt(fmt) "iommu-msi: " fmt

#include <linux/bitmap.h>
#include <linux/cleanup.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/msi-iommu.h>
#include <linux/overflow.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>
#include <linux/xarray.h>

#include "msi-iommu.h"

#include <trace/events/iommu_msi.h>

/* All cookies by id; one that is in here has its domain's reference */
DEFINE_XARRAY_FLAGS(iommu_msi_cookies, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);

/* NULL if there is none, or if the domain takes no part */
struct iommu_msi_cookie *iommu_msi_cookie(struct iommu_domain *domain)
{
	if (!iommu_domain_has_msi(domain))
		return NULL;
	/* Pairs with the cmpxchg_release() in iommu_get_msi_cookie() */
	return smp_load_acquire(&domain->msi_cookie);
}

static struct iommu_msi_cookie *iommu_msi_cookie_alloc(struct iommu_domain *domain)
{
	struct iommu_msi_cookie *cookie;
	int ret;

	cookie = kzalloc(sizeof(*cookie), GFP_KERNEL_ACCOUNT);
	if (!cookie)
		return ERR_PTR(-ENOMEM);

	mutex_init(&cookie->lock);
	refcount_set(&cookie->users, 1);
	cookie->domain = domain;
	seqcount_init(&cookie->seq);
	xa_init(&cookie->doorbells);

	ret = xa_alloc(&iommu_msi_cookies, &cookie->id, cookie, xa_limit_31b,
		       GFP_KERNEL_ACCOUNT);
	if (ret) {
		kfree(cookie);
		return ERR_PTR(ret);
	}
	return cookie;
}

void iommu_msi_cookie_put(struct iommu_msi_cookie *cookie)
{
	if (!refcount_dec_and_test(&cookie->users))
		return;
	/* A store that failed for lack of memory may have left nodes */
	xa_destroy(&cookie->doorbells);
	mutex_destroy(&cookie->lock);
	kfree(cookie);
}

/* The first cookie with at least that @id, with a reference, or NULL */
struct iommu_msi_cookie *iommu_msi_next_cookie(unsigned long *id)
{
	struct iommu_msi_cookie *cookie;

	xa_lock(&iommu_msi_cookies);
	cookie = xa_find(&iommu_msi_cookies, id, ULONG_MAX, XA_PRESENT);
	if (cookie)
		refcount_inc(&cookie->users);
	xa_unlock(&iommu_msi_cookies);
	return cookie;
}

/**
 * iommu_get_msi_cookie - Make sure that a domain has its MSI state
 * @domain: domain that takes part in this API
 *
 * iommu_msi_set_aperture() does this by itself; call it beforehand where the
 * memory should be allocated earlier. A domain has one cookie: getting it
 * again is no error. It ends with the domain, so that no caller can leak it.
 *
 * Context: Process context. May sleep.
 * Return: 0; -ENODEV if @domain does not translate MSIs or belongs to the DMA
 * layer; -ENOMEM.
 */
int iommu_get_msi_cookie(struct iommu_domain *domain)
{
	struct iommu_msi_cookie *cookie;

	if (!iommu_domain_has_msi(domain))
		return -ENODEV;
	if (iommu_msi_cookie(domain))
		return 0;

	cookie = iommu_msi_cookie_alloc(domain);
	if (IS_ERR(cookie))
		return PTR_ERR(cookie);

	/* Somebody else may have been faster. Pairs with iommu_msi_cookie() */
	if (cmpxchg_release(&domain->msi_cookie, NULL, cookie)) {
		xa_erase(&iommu_msi_cookies, cookie->id);
		iommu_msi_cookie_put(cookie);
	}
	return 0;
}
EXPORT_SYMBOL_NS_GPL(iommu_get_msi_cookie, IOMMU_MSI);

/* Waits while iommu_msi_set_apertures() changes the aperture */
static void iommu_msi_lock(struct iommu_msi_cookie *cookie)
{
	mutex_lock(&cookie->lock);
	while (cookie->frozen) {
		mutex_unlock(&cookie->lock);
		wait_var_event(&cookie->frozen, !READ_ONCE(cookie->frozen));
		mutex_lock(&cookie->lock);
	}
}

/**
 * iommu_domain_msi_geometry - Tell where a domain maps MSI doorbells
 * @domain: domain to ask
 * @geometry: where to store it
 *
 * It may be called while iommu_msi_set_aperture() runs on the same domain. The
 * two bounds are then those from before or those from after, never one of each.
 *
 * Context: Any context but NMI.
 */
void iommu_domain_msi_geometry(struct iommu_domain *domain,
			       struct iommu_domain_msi_geometry *geometry)
{
	struct iommu_msi_cookie *cookie = iommu_msi_cookie(domain);
	unsigned int seq;

	*geometry = (struct iommu_domain_msi_geometry) {
		.iommu_msi_supported = iommu_domain_has_msi(domain),
	};
	if (!cookie)
		return;

	do {
		seq = read_seqcount_begin(&cookie->seq);
		geometry->aperture_start = cookie->aperture_start;
		geometry->aperture_end = cookie->aperture_end;
	} while (read_seqcount_retry(&cookie->seq, seq));
}
EXPORT_SYMBOL_NS_GPL(iommu_domain_msi_geometry, IOMMU_MSI);

/**
 * iommu_domain_msi_aperture_valid - Tell whether an MSI aperture is set
 * @domain: domain to ask
 *
 * Context: Any context but NMI.
 * Return: true once iommu_msi_set_aperture() has succeeded for @domain.
 */
bool iommu_domain_msi_aperture_valid(struct iommu_domain *domain)
{
	struct iommu_domain_msi_geometry geometry;

	iommu_domain_msi_geometry(domain, &geometry);
	return geometry.aperture_start < geometry.aperture_end;
}
EXPORT_SYMBOL_NS_GPL(iommu_domain_msi_aperture_valid, IOMMU_MSI);

/* The bounds have been checked, and nothing is mapped */
static void iommu_msi_size_aperture(struct iommu_msi_cookie *cookie,
				    dma_addr_t start, dma_addr_t end)
{
	unsigned int pgshift = __ffs(cookie->domain->pgsize_bitmap);

	WRITE_ONCE(cookie->pgshift, pgshift);
	cookie->total_pages = min_t(u64, ((u64)(end - start) >> pgshift) + 1,
				    IOMMU_MSI_MAX_PAGES);
}

/*
 * A driver that settles page sizes and geometry when the first device attaches
 * may do so after the aperture was set. Once a doorbell is mapped it is settled.
 */
static int iommu_msi_settle_aperture(struct iommu_msi_cookie *cookie)
{
	struct iommu_domain *domain = cookie->domain;

	if (cookie->used_pages)
		return 0;
	if (!cookie->total_pages)
		return -ENXIO;
	if (iommu_msi_check_bounds(domain, cookie->aperture_start,
				   cookie->aperture_end))
		return -EINVAL;
	iommu_msi_size_aperture(cookie, cookie->aperture_start,
				cookie->aperture_end);
	return 0;
}

/*
 * A device has been attached to the domain: its driver has finished it, and who
 * asks for page sizes is to hear of those that it has now. Where the aperture does
 * not fit any more, that is for who maps a doorbell.
 */
void iommu_msi_domain_finished(struct iommu_msi_cookie *cookie)
{
	guard(mutex)(&cookie->lock);
	cookie->attached = true;
	iommu_msi_settle_aperture(cookie);
}

static bool iommu_msi_has_aperture(const struct iommu_msi_cookie *cookie,
				   const struct iommu_msi_aperture *aperture)
{
	return cookie->total_pages &&
	       cookie->aperture_start == aperture->start &&
	       cookie->aperture_end == aperture->end;
}

/* From here to iommu_msi_thaw() nothing is mapped, and nothing can fail */
static int iommu_msi_freeze(const struct iommu_msi_aperture *aperture)
{
	struct iommu_msi_cookie *cookie = aperture->domain->msi_cookie;
	int ret = 0;

	iommu_msi_lock(cookie);
	if (!iommu_msi_has_aperture(cookie, aperture)) {
		if (iommu_msi_check_bounds(cookie->domain, aperture->start,
					   aperture->end))
			ret = -EINVAL;
		else if (cookie->used_pages)
			ret = -EBUSY;
	}
	if (ret) {
		struct range window = { aperture->start, aperture->end };

		iommu_msi_window_refused(&window, "%s for domain %u",
					 ret == -EBUSY ? "comes too late" : "is not fit",
					 cookie->id);
	}
	if (!ret)
		WRITE_ONCE(cookie->frozen, true);
	mutex_unlock(&cookie->lock);
	return ret;
}

/*
 * The reader's loop ends because a writer keeps interrupts off: it cannot be
 * interrupted by a reader on its own CPU.
 */
static void iommu_msi_store_aperture(struct iommu_msi_cookie *cookie,
				     dma_addr_t start, dma_addr_t end)
{
	unsigned long flags;

	local_irq_save(flags);
	write_seqcount_begin(&cookie->seq);
	cookie->aperture_start = start;
	cookie->aperture_end = end;
	write_seqcount_end(&cookie->seq);
	local_irq_restore(flags);
}

static void iommu_msi_thaw(const struct iommu_msi_aperture *aperture, bool set)
{
	struct iommu_msi_cookie *cookie = aperture->domain->msi_cookie;

	mutex_lock(&cookie->lock);
	if (set && !iommu_msi_has_aperture(cookie, aperture)) {
		iommu_msi_size_aperture(cookie, aperture->start, aperture->end);
		iommu_msi_store_aperture(cookie, aperture->start, aperture->end);
		trace_iommu_msi_set_aperture(cookie->id, aperture->start,
					     aperture->end);
	}
	WRITE_ONCE(cookie->frozen, false);
	mutex_unlock(&cookie->lock);
	/* Who waits has been seen by now, or sees that it need not */
	smp_mb();
	wake_up_var(&cookie->frozen);
}

/**
 * iommu_msi_set_apertures - Program the windows of several domains at once
 * @apertures: domains, each named once, and their windows; bounds as for
 *	       iommu_msi_set_aperture()
 * @count: how many
 *
 * Either each domain gets its window or none does, and no doorbell is mapped
 * by anybody in between.
 *
 * Context: Process context. May sleep. The caller sees to it that no other call
 * of this kind has some of the domains, and that they stay.
 * Return: 0; else what iommu_msi_set_aperture() returns for the first domain
 * that refuses, and nothing has changed.
 */
int iommu_msi_set_apertures(const struct iommu_msi_aperture *apertures,
			    unsigned int count)
{
	unsigned int frozen, i;
	int ret = 0;

	for (i = 0; i < count; i++) {
		ret = iommu_get_msi_cookie(apertures[i].domain);
		if (ret)
			return ret;
	}

	for (frozen = 0; frozen < count; frozen++) {
		ret = iommu_msi_freeze(&apertures[frozen]);
		if (ret)
			break;
	}
	while (frozen--)
		iommu_msi_thaw(&apertures[frozen], !ret);
	return ret;
}
EXPORT_SYMBOL_NS_GPL(iommu_msi_set_apertures, IOMMU_MSI);

/**
 * iommu_msi_set_aperture - Program the window in which doorbells are mapped
 * @domain: domain that takes part in this API; best with a device attached,
 *	    as some drivers settle page sizes and geometry only then
 * @start: first IOVA, in bytes; a multiple of the domain's smallest page
 * @end: last IOVA, in bytes, inclusive; @end + 1 is such a multiple too
 *
 * The caller sees to it that nothing else is mapped in the window, now and
 * later, and that it meets no reserved region of an attached device. The first
 * 4,096 pages are used.
 *
 * Setting the same window again does nothing. Another one can be set while no
 * doorbell is mapped. On failure the window stays as it was.
 *
 * Context: Process context. May sleep.
 * Return: 0; -EINVAL if @start >= @end, if a bound is not aligned to the
 * domain's smallest page or lies outside of the domain's geometry; -EBUSY if a
 * doorbell is mapped in the present window; -ENODEV if @domain does not translate
 * MSIs or belongs to the DMA layer; -ENOMEM.
 */
int iommu_msi_set_aperture(struct iommu_domain *domain, dma_addr_t start,
			   dma_addr_t end)
{
	struct iommu_msi_aperture aperture = {
		.domain = domain, .start = start, .end = end,
	};

	return iommu_msi_set_apertures(&aperture, 1);
}
EXPORT_SYMBOL_NS_GPL(iommu_msi_set_aperture, IOMMU_MSI);

/**
 * iommu_msi_survey_domain - Ask a domain for its window and what is in it
 * @survey: where the answers are gathered; of several domains the window and the
 *	    pages are those of the one with fewest pages left. Before any device is
 *	    asked.
 * @domain: any domain
 *
 * Context: Process context. May sleep. @domain must not be freed meanwhile.
 */
void iommu_msi_survey_domain(struct iommu_msi_survey *survey,
			     struct iommu_domain *domain)
{
	struct iommu_msi_cookie *cookie = iommu_msi_cookie(domain);
	unsigned int free;

	if (!cookie)
		return;

	guard(mutex)(&cookie->lock);
	free = cookie->total_pages - cookie->used_pages;
	if (!cookie->total_pages)
		return;
	survey->in_use |= cookie->used_pages;
	if (survey->translated && free >= survey->pages_free)
		return;
	survey->translated = true;
	survey->window.start = cookie->aperture_start;
	survey->window.end = cookie->aperture_end;
	survey->page_size = 1UL << cookie->pgshift;
	survey->pages_used = cookie->used_pages;
	survey->pages_free = free;
}
EXPORT_SYMBOL_NS_GPL(iommu_msi_survey_domain, IOMMU_MSI);

/* Are the @pages from @first on in the aperture, and free? */
static bool iommu_msi_pages_free(const struct iommu_msi_cookie *cookie,
				 u64 first, unsigned int pages)
{
	return first + pages <= cookie->total_pages &&
	       find_next_bit(cookie->used, first + pages, first) >= first + pages;
}

/*
 * Where in the aperture a doorbell goes: to the page of its number, so that it
 * is at the same place in every domain with that aperture, whatever was mapped
 * first. Beyond the numbers that the aperture has pages for, from its end down.
 */
static int iommu_msi_choose_page(const struct iommu_msi_cookie *cookie,
				 phys_addr_t addr, unsigned int pages)
{
	int number, first;

	if (pages > cookie->total_pages - cookie->used_pages)
		return -ENOSPC;

	number = iommu_msi_number(addr, cookie->pgshift);
	if (number < 0 || iommu_msi_pages_free(cookie, number, pages))
		return number;
	for (first = cookie->total_pages - pages; first >= 0; first--)
		if (iommu_msi_pages_free(cookie, first, pages))
			return first;
	return -ENOSPC;
}

/* The page of the aperture at @iova, if @pages from there on are free */
static int iommu_msi_check_page(const struct iommu_msi_cookie *cookie,
				dma_addr_t iova, unsigned int pages)
{
	dma_addr_t offset = iova - cookie->aperture_start;
	u64 first = offset >> cookie->pgshift;

	if (iova < cookie->aperture_start ||
	    offset & ((1UL << cookie->pgshift) - 1) ||
	    !iommu_msi_pages_free(cookie, first, pages))
		return -EINVAL;
	return first;
}

/*
 * @entry is what is found for each page of the doorbell from here on: itself, as
 * nothing else has its pages, or NULL
 */
static int iommu_msi_store_pages(const struct iommu_msi_doorbell *doorbell,
				 struct iommu_msi_doorbell *entry)
{
	struct iommu_msi_cookie *cookie = doorbell->cookie;
	size_t offset;
	int ret = 0;

	for (offset = 0; offset < doorbell->size && !ret; offset += 1UL << cookie->pgshift)
		ret = xa_err(xa_store(&cookie->doorbells,
				      iommu_msi_index(cookie, doorbell->pa + offset),
				      entry, GFP_KERNEL));
	return ret;
}

/* Also if only some of its pages could be stored */
static void iommu_msi_unmap_pages(const struct iommu_msi_doorbell *doorbell)
{
	struct iommu_msi_cookie *cookie = doorbell->cookie;
	dma_addr_t offset = doorbell->iova - cookie->aperture_start;
	unsigned int pages = doorbell->size >> cookie->pgshift;

	iommu_msi_store_pages(doorbell, NULL);
	if (iommu_unmap(cookie->domain, doorbell->iova, doorbell->size) !=
	    doorbell->size) {
		/* Who is given the IOVA next must not meet what is there */
		pr_warn_ratelimited("doorbell %pa cannot be unmapped from %pad, which is lost to domain %u\n",
				    &doorbell->pa, &doorbell->iova, cookie->id);
		return;
	}
	bitmap_clear(cookie->used, offset >> cookie->pgshift, pages);
	cookie->used_pages -= pages;
}

static void iommu_msi_unmap_doorbell(const struct iommu_msi_doorbell *doorbell)
{
	struct iommu_msi_cookie *cookie = doorbell->cookie;

	iommu_msi_unmap_pages(doorbell);
	trace_iommu_msi_unmap(cookie->id, doorbell->pa, doorbell->iova,
			      doorbell->size,
			      doorbell->bindings + doorbell->gets);
}

/*
 * Maps the pages of [addr, addr + size) and makes them known. @at is where
 * @addr must be mapped, or NULL if that does not matter.
 */
static struct iommu_msi_doorbell *
iommu_msi_map_doorbell(struct iommu_msi_cookie *cookie, phys_addr_t addr,
		       size_t size, int prot, const dma_addr_t *at)
{
	phys_addr_t pa = addr & ~(phys_addr_t)((1UL << cookie->pgshift) - 1);
	u64 pages = ((addr - pa + (size - 1)) >> cookie->pgshift) + 1;
	struct iommu_msi_doorbell *doorbell;
	int first, ret;
	u64 i;

	if (pages > cookie->total_pages)
		return ERR_PTR(at ? -EINVAL : -ENOSPC);
	if (xa_empty(&cookie->doorbells))
		WRITE_ONCE(cookie->first_pfn, pa >> cookie->pgshift);
	/* Only a part of the range is mapped already */
	for (i = 1; i < pages; i++)
		if (xa_load(&cookie->doorbells,
			    iommu_msi_index(cookie, pa + (i << cookie->pgshift))))
			return ERR_PTR(at ? -EINVAL : -EBUSY);
	if (at)
		first = iommu_msi_check_page(cookie, *at - (addr - pa), pages);
	else
		first = iommu_msi_choose_page(cookie, addr, pages);
	if (first < 0)
		return ERR_PTR(first);

	doorbell = kmalloc(sizeof(*doorbell), GFP_KERNEL);
	if (!doorbell)
		return ERR_PTR(-ENOMEM);
	*doorbell = (struct iommu_msi_doorbell) {
		.cookie = cookie,
		.pa = pa,
		.iova = cookie->aperture_start + ((dma_addr_t)first << cookie->pgshift),
		.size = pages << cookie->pgshift,
		.prot = prot,
	};

	ret = iommu_map(cookie->domain, doorbell->iova, pa, doorbell->size,
			prot, GFP_KERNEL);
	if (ret && ret != -ENOMEM && at && !cookie->attached)
		ret = -EAGAIN;
	if (ret)
		goto err_free;
	bitmap_set(cookie->used, first, pages);
	cookie->used_pages += pages;
	ret = iommu_msi_store_pages(doorbell, doorbell);
	if (ret)
		goto err_unmap;

	iommu_msi_warn_exposure(addr, pa, doorbell->size);
	refcount_inc(&cookie->users);
	trace_iommu_msi_map(cookie->id, pa, doorbell->iova, doorbell->size, 1);
	return doorbell;

err_unmap:
	iommu_msi_unmap_pages(doorbell);
err_free:
	/* Its first pages may have been seen */
	kfree_rcu(doorbell, rcu);
	return ERR_PTR(ret);
}

static bool iommu_msi_doorbell_acceptable(phys_addr_t addr, size_t size,
					  int prot)
{
	phys_addr_t last;

	/* A device has no business reading what is next to a doorbell */
	if (!(prot & IOMMU_WRITE) || (prot & IOMMU_READ))
		return false;
	return size && !check_add_overflow(addr, (phys_addr_t)size - 1, &last);
}

/*
 * The doorbell that covers [addr, addr + size), which is mapped if it is not. The
 * caller counts its reference.
 *
 * Vectors are allocated under a lock that all devices share. Who maps for one, or
 * keeps one waiting, must not wait for a device that memory is written to.
 */
static struct iommu_msi_doorbell *
iommu_msi_find_or_map(struct iommu_msi_cookie *cookie, phys_addr_t addr,
		      size_t size, int prot, const dma_addr_t *at)
{
	struct iommu_msi_doorbell *doorbell;
	phys_addr_t offset;
	unsigned int noio;
	int ret;

	lockdep_assert_held(&cookie->lock);

	if (!cookie->domain)
		return ERR_PTR(-ESTALE);
	if (!iommu_msi_doorbell_acceptable(addr, size, prot))
		return ERR_PTR(-EINVAL);
	doorbell = xa_load(&cookie->doorbells, iommu_msi_index(cookie, addr));
	if (doorbell) {
		offset = addr - doorbell->pa;
		if (doorbell->prot != prot || size > doorbell->size - offset ||
		    (at && *at != doorbell->iova + offset))
			return ERR_PTR(at ? -EINVAL : -EBUSY);
		trace_iommu_msi_get(cookie->id, doorbell->pa, doorbell->iova,
				    doorbell->size,
				    doorbell->bindings + doorbell->gets + 1);
		return doorbell;
	}
	ret = iommu_msi_settle_aperture(cookie);
	if (ret)
		return ERR_PTR(ret);

	noio = memalloc_noio_save();
	doorbell = iommu_msi_map_doorbell(cookie, addr, size, prot, at);
	memalloc_noio_restore(noio);
	return doorbell;
}

/* A reference has been dropped */
static void iommu_msi_put_locked(struct iommu_msi_doorbell *doorbell)
{
	struct iommu_msi_cookie *cookie = doorbell->cookie;

	lockdep_assert_held(&cookie->lock);

	trace_iommu_msi_put(cookie->id, doorbell->pa, doorbell->iova,
			    doorbell->size, doorbell->bindings + doorbell->gets);
	if (doorbell->bindings || doorbell->gets)
		return;
	/* The end of a domain has unmapped it already */
	if (cookie->domain)
		iommu_msi_unmap_doorbell(doorbell);
	refcount_dec(&cookie->users);
	kfree_rcu(doorbell, rcu);
}

/*
 * Maps the doorbell in the aperture of @cookie, or takes one more reference on
 * it, for a binding. @at is where @addr must be mapped, or NULL if that does not
 * matter; -EINVAL is for what the aperture does not have free. -ESTALE says that
 * the domain is gone. Else as iommu_msi_get_doorbell_iova().
 * -EAGAIN is for what the driver refuses to map before a device is attached: it
 * may finish the domain then.
 */
struct iommu_msi_doorbell *
iommu_msi_get_doorbell(struct iommu_msi_cookie *cookie, phys_addr_t addr,
		       size_t size, int prot, const dma_addr_t *at)
{
	struct iommu_msi_doorbell *doorbell;

	iommu_msi_lock(cookie);
	doorbell = iommu_msi_find_or_map(cookie, addr, size, prot, at);
	if (!IS_ERR(doorbell))
		doorbell->bindings++;
	mutex_unlock(&cookie->lock);
	return doorbell;
}

/*
 * Drops a binding's reference. The domain need not exist any more; its end took
 * the doorbell out of the page table then, and what remains is to free memory.
 */
void iommu_msi_put_doorbell(struct iommu_msi_doorbell *doorbell)
{
	struct iommu_msi_cookie *cookie = doorbell->cookie;

	/* mutex_unlock() may touch the lock when another task can free the cookie */
	refcount_inc(&cookie->users);
	mutex_lock(&cookie->lock);
	doorbell->bindings--;
	iommu_msi_put_locked(doorbell);
	mutex_unlock(&cookie->lock);
	iommu_msi_cookie_put(cookie);
}

/**
 * iommu_put_msi_cookie - End a domain's MSI state
 * @domain: any domain; nothing else may be using its MSI state
 *
 * Unmaps every doorbell and forgets the aperture. References that were taken by
 * iommu_msi_get_doorbell_iova() are gone. iommu_domain_free() calls it.
 *
 * Context: Process context. May sleep.
 */
void iommu_put_msi_cookie(struct iommu_domain *domain)
{
	struct iommu_msi_cookie *cookie = domain->msi_cookie;
	struct iommu_msi_doorbell *doorbell;
	unsigned long index;

	if (!cookie)
		return;

	domain->msi_cookie = NULL;
	xa_erase(&iommu_msi_cookies, cookie->id);

	mutex_lock(&cookie->lock);
	xa_for_each(&cookie->doorbells, index, doorbell) {
		iommu_msi_unmap_doorbell(doorbell);
		doorbell->gets = 0;
		/* A vector that is being prepared drops its own later */
		if (doorbell->bindings)
			continue;
		refcount_dec(&cookie->users);
		kfree_rcu(doorbell, rcu);
	}
	cookie->domain = NULL;
	mutex_unlock(&cookie->lock);

	iommu_msi_cookie_put(cookie);
}

/**
 * iommu_msi_get_doorbell_iova - Map a doorbell, or share the mapping of it
 * @domain: domain with a valid aperture
 * @addr: physical address of the doorbell, in bytes
 * @size: its extent, in bytes
 * @prot: IOMMU_WRITE with any of the other IOMMU_* flags but IOMMU_READ
 * @iova: where to store what @addr itself is mapped at
 *
 * Maps the IOMMU pages that cover [@addr, @addr + @size), no more, side by
 * side, and once: getting a doorbell within pages that are mapped already
 * takes a reference on those. Each call that succeeds is undone by one
 * iommu_msi_put_doorbell_iova(), or by the end of the domain.
 *
 * Context: Process context. May sleep. @domain must not be freed meanwhile.
 * Return: 0; -ENOSPC if the aperture is full; -ENXIO if no aperture has been
 * set; -EINVAL if @size is 0, if @addr + @size - 1 wraps round, for a @prot
 * other than above, or if the aperture does not fit what the IOMMU driver told
 * of the domain since; -EBUSY if only some of the pages are mapped already, or
 * with another @prot; -ENODEV if @domain does not translate MSIs or belongs to
 * the DMA layer; -ENOMEM or what else the IOMMU driver fails to map with. On
 * failure nothing has changed.
 */
int iommu_msi_get_doorbell_iova(struct iommu_domain *domain, phys_addr_t addr,
				size_t size, int prot, dma_addr_t *iova)
{
	struct iommu_msi_cookie *cookie = iommu_msi_cookie(domain);
	struct iommu_msi_doorbell *doorbell;

	if (!cookie)
		return iommu_domain_has_msi(domain) ? -ENXIO : -ENODEV;

	iommu_msi_lock(cookie);
	doorbell = iommu_msi_find_or_map(cookie, addr, size, prot, NULL);
	if (!IS_ERR(doorbell)) {
		doorbell->gets++;
		*iova = doorbell->iova + (addr - doorbell->pa);
	}
	mutex_unlock(&cookie->lock);
	return PTR_ERR_OR_ZERO(doorbell);
}
EXPORT_SYMBOL_NS_GPL(iommu_msi_get_doorbell_iova, IOMMU_MSI);

/**
 * iommu_msi_put_doorbell_iova - Drop a reference on a mapped doorbell
 * @domain: domain that it was mapped in
 * @addr: physical address as given to iommu_msi_get_doorbell_iova()
 *
 * The last reference unmaps the doorbell and frees its IOVA. A reference that
 * was never taken is complained about, and not dropped.
 *
 * Context: Process context. May sleep. @domain must not be freed meanwhile.
 */
void iommu_msi_put_doorbell_iova(struct iommu_domain *domain, phys_addr_t addr)
{
	struct iommu_msi_cookie *cookie = iommu_msi_cookie(domain);
	struct iommu_msi_doorbell *doorbell = NULL;

	if (cookie) {
		mutex_lock(&cookie->lock);
		doorbell = xa_load(&cookie->doorbells, iommu_msi_index(cookie, addr));
		if (doorbell && !doorbell->gets)
			doorbell = NULL;
		if (doorbell) {
			doorbell->gets--;
			iommu_msi_put_locked(doorbell);
		}
		mutex_unlock(&cookie->lock);
	}
	WARN_ONCE(!doorbell, "unbalanced put of MSI doorbell %pa\n", &addr);
}
EXPORT_SYMBOL_NS_GPL(iommu_msi_put_doorbell_iova, IOMMU_MSI);

/**
 * iommu_msi_domain - Tell in which domain a device's doorbells must be mapped
 * @dev: device that raises MSIs
 *
 * That an aperture has been set for the domain is not said: mapping a
 * doorbell fails with -ENXIO where it has not.
 *
 * Context: Any context. The caller sees to it that @dev stays attached to its
 * domain for as long as it uses the answer.
 * Return: the domain; NULL if @dev has none, if the domain is the DMA layer's
 * or an identity domain, or if MSIs are not translated.
 */
struct iommu_domain *iommu_msi_domain(struct device *dev)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);

	if (!domain || !iommu_domain_has_msi(domain) ||
	    !iommu_dev_translates_msi(dev))
		return NULL;
	return domain;
}
EXPORT_SYMBOL_NS_GPL(iommu_msi_domain, IOMMU_MSI);

/**
 * iommu_msi_msg_pa_to_va - Rewrite a composed message from PA to IOVA
 * @dev: device that the message is for
 * @msg: message with the doorbell's physical address
 *
 * This is for code that has a device and a message. An irqchip has the
 * descriptor as well, where the IOVA is cached: it uses
 * iommu_dma_compose_msi_msg().
 *
 * Context: Any context but NMI; raw spinlocks may be held and interrupts be
 * off. Neither sleeps nor takes a lock. The caller sees to it that @dev stays
 * attached to its domain.
 * Return: 0 if @msg has been rewritten, or needs no rewriting; -ENXIO if no
 * aperture has been set; -ENOENT if the doorbell is not mapped. On failure
 * @msg is untouched.
 */
int iommu_msi_msg_pa_to_va(struct device *dev, struct msi_msg *msg)
{
	u64 addr = (u64)msg->address_hi << 32 | msg->address_lo;
	struct iommu_domain *domain = iommu_msi_domain(dev);
	struct iommu_msi_doorbell *doorbell;
	struct iommu_msi_cookie *cookie;

	if (!domain)
		return 0;
	cookie = iommu_msi_cookie(domain);
	if (!cookie || !iommu_domain_msi_aperture_valid(domain))
		return -ENXIO;

	guard(rcu)();
	doorbell = xa_load(&cookie->doorbells, iommu_msi_index(cookie, addr));
	/* What the index is relative to may just have changed */
	if (!doorbell || addr - doorbell->pa >= doorbell->size)
		return -ENOENT;

	addr = (u64)doorbell->iova + (addr - doorbell->pa);
	msg->address_hi = upper_32_bits(addr);
	msg->address_lo = lower_32_bits(addr);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(iommu_msi_msg_pa_to_va, IOMMU_MSI);
