/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * MSI doorbells in IOMMU domains: what the IOMMU core and the tests share
 *
 * Lock order:
 *
 *   a device's MSI descriptors, the root irq domain's mutex, a cookie's lock, what
 *   the IOMMU driver takes to map and unmap
 *   what an owner has of its own, iommu_group::mutex, a cookie's lock
 *   iommu_msi_group::lock: a spinlock, within which nothing is taken
 *
 * Whoever allocates or releases a vector never takes iommu_group::mutex.
 */
#ifndef __MSI_IOMMU_H
#define __MSI_IOMMU_H

#include <linux/iommu.h>
#include <linux/msi-iommu.h>
#include <linux/mutex.h>
#include <linux/range.h>
#include <linux/refcount.h>
#include <linux/seqlock.h>
#include <linux/spinlock.h>
#include <linux/xarray.h>

/* A doorbell is written to, by nobody but devices */
#define IOMMU_MSI_PROT	(IOMMU_WRITE | IOMMU_NOEXEC | IOMMU_MMIO)

/* How many pages of a window are handed out, from its start */
#define IOMMU_MSI_MAX_PAGES	4096U

/**
 * struct iommu_msi_cookie - the MSI aperture of a domain and what is in it
 * @lock: protects everything but @users and @id
 * @users: the domain, each doorbell, and whoever else holds on to it for a
 *	   while; the last one frees
 * @domain: owner, NULL once it is gone
 * @id: identifies the domain in messages, tracepoints and debugfs
 * @attached: a device has been attached to the domain, which its driver has
 *	      finished
 * @frozen: the aperture is about to change: no doorbell is mapped. Changed
 *	    under @lock.
 * @pgshift: log2 of the domain's smallest page. Written under @lock, while
 *	     nothing is mapped; read without.
 * @first_pfn: what was mapped first when nothing was, likewise
 * @seq: lets the aperture be read in any context. Written with @lock held and
 *	 interrupts off.
 * @aperture_start: first byte; written under @lock and @seq
 * @aperture_end: last byte; written under @lock and @seq
 * @total_pages: how many pages can be handed out, 0 before an aperture is set
 * @used_pages: how many of them are
 * @used: a bit for each page that is
 * @doorbells: &struct iommu_msi_doorbell by iommu_msi_index() of each of their
 *	       pages. Written under @lock, read under RCU.
 */
struct iommu_msi_cookie {
	struct mutex lock;	/* See above for what it protects */
	refcount_t users;
	struct iommu_domain *domain;
	u32 id;
	bool attached;
	bool frozen;
	unsigned int pgshift;
	unsigned long first_pfn;

	seqcount_t seq;
	dma_addr_t aperture_start;
	dma_addr_t aperture_end;

	unsigned int total_pages;
	unsigned int used_pages;
	DECLARE_BITMAP(used, IOMMU_MSI_MAX_PAGES);
	struct xarray doorbells;
};

/**
 * struct iommu_msi_doorbell - the IOMMU pages that cover a doorbell
 * @cookie: whose aperture it is in; holds a reference
 * @pa: physical address of the first page
 * @iova: what @pa is mapped at
 * @size: bytes mapped, a multiple of the domain's smallest page
 * @prot: IOMMU_* protection that it is mapped with
 * @bindings: references of &struct iommu_msi_binding
 * @gets: references of iommu_msi_get_doorbell_iova(), which end with the domain
 *	  at the latest
 * @rcu: readers of &iommu_msi_cookie.doorbells may hold on to it
 *
 * The two counts are protected by the cookie's lock, the rest is constant.
 */
struct iommu_msi_doorbell {
	struct iommu_msi_cookie *cookie;
	phys_addr_t pa;
	dma_addr_t iova;
	size_t size;
	int prot;
	unsigned int bindings;
	unsigned int gets;
	struct rcu_head rcu;
};

/**
 * struct iommu_msi_group - the part of an IOMMU group that MSIs concern
 * @lock: protects the rest, and the bindings
 * @group: the group, constant
 * @domain: what the group is attached to, NULL if nothing
 * @bindings: &struct iommu_msi_binding
 */
struct iommu_msi_group {
	spinlock_t lock;	/* See above for what it protects */
	struct iommu_group *group;
	struct iommu_domain *domain;
	struct list_head bindings;
};

/**
 * struct iommu_msi_binding - what the descriptors of a group share a doorbell by
 * @node: in &iommu_msi_group.bindings
 * @msi: the group, which it holds a reference on
 * @doorbell: the mapping in the domain that the group is attached to, which it
 *	      holds a reference on; NULL if there is none: the group is detached,
 *	      or what it was attached to since could not have the doorbell where
 *	      the messages point
 * @next: while the domain changes, the mapping in the next one, an error, or
 *	  what @doorbell was before
 * @addr: physical address that the first descriptor was prepared for
 * @pa: physical address of the first page that @doorbell covered at first
 * @size: bytes of those pages
 * @offset: what to add to a physical address for its IOVA; it is in the messages
 *	    of devices
 * @lost: there is no @doorbell where messages point, which has been said
 * @users: descriptors, and who looks at it without the lock
 * @vectors: interrupts of those descriptors
 *
 * @addr to @offset are constant.
 */
struct iommu_msi_binding {
	struct list_head node;
	struct iommu_msi_group *msi;
	struct iommu_msi_doorbell *doorbell;
	struct iommu_msi_doorbell *next;
	phys_addr_t addr;
	phys_addr_t pa;
	size_t size;
	u64 offset;
	bool lost;
	unsigned int users;
	unsigned int vectors;
};

/* An only doorbell has index 0, for which an xarray needs no memory */
static inline unsigned long
iommu_msi_index(const struct iommu_msi_cookie *cookie, phys_addr_t addr)
{
	return addr >> READ_ONCE(cookie->pgshift) ^ READ_ONCE(cookie->first_pfn);
}

static inline bool iommu_domain_has_msi(const struct iommu_domain *domain)
{
	return domain->type == IOMMU_DOMAIN_UNMANAGED &&
	       domain->iommu_msi_supported;
}

#ifdef CONFIG_IOMMU_MSI

extern struct xarray iommu_msi_cookies;

/* msi-iommu.c */
struct iommu_msi_cookie *iommu_msi_cookie(struct iommu_domain *domain);
struct iommu_msi_cookie *iommu_msi_next_cookie(unsigned long *id);
void iommu_msi_cookie_put(struct iommu_msi_cookie *cookie);
void iommu_msi_domain_finished(struct iommu_msi_cookie *cookie);
struct iommu_msi_doorbell *
iommu_msi_get_doorbell(struct iommu_msi_cookie *cookie, phys_addr_t addr,
		       size_t size, int prot, const dma_addr_t *at);
void iommu_msi_put_doorbell(struct iommu_msi_doorbell *doorbell);

/* msi-iommu-desc.c */
void iommu_msi_group_init(struct iommu_msi_group *msi,
			  struct iommu_group *group);
int iommu_msi_bind_desc(struct iommu_msi_group *msi, struct msi_desc *desc,
			phys_addr_t addr);
int iommu_msi_map_next(struct iommu_msi_group *msi,
		       struct iommu_msi_cookie *cookie, bool must);
int iommu_msi_carry_over(struct iommu_msi_group *msi,
			 struct iommu_domain *domain);
void iommu_msi_map_ahead(struct iommu_msi_group *msi,
			 struct iommu_domain *domain);
void iommu_msi_keep(struct iommu_msi_group *msi);
void iommu_msi_switch(struct iommu_msi_group *msi, struct iommu_domain *domain);

/* msi-iommu-frame.c */
int iommu_msi_number(phys_addr_t addr, unsigned int pgshift);
void iommu_msi_warn_exposure(phys_addr_t addr, phys_addr_t pa, size_t size);
void iommu_msi_survey_frames(struct iommu_msi_survey *survey, struct device *dev);

/* msi-iommu-window.c */
int iommu_msi_check_bounds(const struct iommu_domain *domain, u64 start, u64 end);
int iommu_msi_parse_window(const char *val, struct range *window);

/* iommu.c */
void iommu_msi_for_each_group(void (*fn)(struct iommu_msi_group *msi,
					 void *data), void *data);

#else /* CONFIG_IOMMU_MSI */

static inline void iommu_msi_group_init(struct iommu_msi_group *msi,
					struct iommu_group *group)
{
}

static inline int iommu_msi_bind_desc(struct iommu_msi_group *msi,
				      struct msi_desc *desc, phys_addr_t addr)
{
	return 0;
}

static inline int iommu_msi_carry_over(struct iommu_msi_group *msi,
				       struct iommu_domain *domain)
{
	return 0;
}

static inline void iommu_msi_map_ahead(struct iommu_msi_group *msi,
				       struct iommu_domain *domain)
{
}

static inline void iommu_msi_keep(struct iommu_msi_group *msi)
{
}

static inline void iommu_msi_switch(struct iommu_msi_group *msi,
				    struct iommu_domain *domain)
{
}

#endif /* CONFIG_IOMMU_MSI */
#endif /* __MSI_IOMMU_H */
