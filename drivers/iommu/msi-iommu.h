/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * MSI doorbells in IOMMU domains: what the IOMMU core and the tests share
 *
 * Lock order: the MSI descriptors' mutex of a device, the irq domain's root
 * mutex, iommu_group::mutex, iommu_msi_cookies_lock, iommu_msi_cookie::lock,
 * whatever the IOMMU driver takes to map and unmap.
 */
#ifndef __MSI_IOMMU_H
#define __MSI_IOMMU_H

#include <linux/iommu.h>
#include <linux/msi-iommu.h>
#include <linux/mutex.h>
#include <linux/range.h>
#include <linux/refcount.h>
#include <linux/seqlock.h>

/* A doorbell is written to, by nobody but devices */
#define IOMMU_MSI_PROT	(IOMMU_WRITE | IOMMU_NOEXEC | IOMMU_MMIO)

/**
 * struct iommu_msi_table - what is mapped in an aperture
 * @used_map: a bit for each page at the start of the aperture. Protected by the
 *	      cookie's lock.
 * @rcu: readers of @heads may hold on to it
 * @bits: log2 of the number of @heads
 * @heads: &struct iommu_msi_page by a hash of their PFN. Written under the
 *	   cookie's lock, read under RCU.
 */
struct iommu_msi_table {
	unsigned long *used_map;
	struct rcu_head rcu;
	unsigned int bits;
	struct hlist_head heads[];
};

/**
 * struct iommu_msi_cookie - the MSI aperture of a domain and what is in it
 * @lock: serialises every change
 * @users: the domain and each &struct iommu_msi_doorbell that has references;
 *	   the last one frees
 * @pgshift: log2 of the domain's smallest page. Written under @lock, while
 *	     nothing is mapped.
 * @domain: owner, NULL once it is gone. Protected by @lock.
 * @id: identifies the domain in messages, tracepoints and debugfs
 * @seq: lets the aperture be read in any context. Written with @lock held and
 *	 interrupts off.
 * @aperture_start: first byte; written under @lock and @seq
 * @aperture_end: last byte; written under @lock and @seq
 * @table: the doorbells' pages and the IOVA that is in use, NULL before an
 *	   aperture is set. Replaced under @lock, read under RCU.
 * @doorbells: &struct iommu_msi_doorbell that are mapped. Protected by @lock.
 * @dormant: the doorbell of one page that was unmapped last, or NULL. It can be
 *	     found in @table and has no reference. Protected by @lock.
 * @settled: a doorbell has been mapped in the aperture since it was set, so it
 *	     is fit for the domain. Protected by @lock.
 * @map_pages: how many pages the table's map of IOVA covers; it grows by need.
 *	       Protected by @lock.
 * @total_pages: how many pages the aperture has. Protected by @lock.
 * @used_pages: how many of them are mapped. Protected by @lock.
 */
struct iommu_msi_cookie {
	struct mutex lock;	/* See above for what it protects */
	refcount_t users;
	unsigned int pgshift;
	struct iommu_domain *domain;
	u32 id;

	seqcount_t seq;
	dma_addr_t aperture_start;
	dma_addr_t aperture_end;

	struct iommu_msi_table __rcu *table;
	struct list_head doorbells;
	struct iommu_msi_doorbell *dormant;
	bool settled;

	unsigned long map_pages;
	unsigned long total_pages;
	unsigned long used_pages;
};

/**
 * struct iommu_msi_page - a physical page of a doorbell
 * @node: in &iommu_msi_table.heads
 * @pfn: in units of &iommu_msi_cookie.pgshift
 * @doorbell: which it is a part of
 */
struct iommu_msi_page {
	struct hlist_node node;
	unsigned long pfn;
	struct iommu_msi_doorbell *doorbell;
};

/**
 * struct iommu_msi_doorbell - the IOMMU pages that cover a doorbell
 * @refs: references, those of descriptors and those of @api_refs together.
 *	  Reaches zero, and leaves it, only under the cookie's lock.
 * @api_refs: the references taken by iommu_msi_get_doorbell_iova(), which end
 *	      with the domain at the latest
 * @cookie: whose aperture it is in; holds a reference unless it is dormant
 * @pa: physical address of the first page
 * @iova: what @pa is mapped at
 * @size: bytes mapped, a multiple of the domain's smallest page
 * @prot: IOMMU_* protection that it is mapped with
 * @rcu: readers of &iommu_msi_table.heads may hold on to it
 * @node: in &iommu_msi_cookie.doorbells, while it is mapped
 * @nr_pages: how many pages it has; nearly always one
 * @pages: them
 *
 * Everything but the counts is constant once the doorbell can be found.
 *
 * A device that stops using interrupts mostly comes back for them. When the last
 * reference on a doorbell of one page is dropped it is unmapped, and its IOVA
 * may be given to another; but it stays in the table as the cookie's @dormant,
 * and if what is asked for next is the same, it is mapped where it was.
 */
struct iommu_msi_doorbell {
	refcount_t refs;
	atomic_t api_refs;
	struct iommu_msi_cookie *cookie;
	phys_addr_t pa;
	dma_addr_t iova;
	size_t size;
	int prot;
	unsigned int nr_pages;
	struct rcu_head rcu;
	struct list_head node;
	struct iommu_msi_page pages[] __counted_by(nr_pages);
};

/**
 * struct iommu_msi_binding - what the descriptors of a group share a doorbell by
 * @node: in the group's list
 * @group: on which every descriptor has a reference
 * @doorbell: on which every descriptor has a reference
 * @next: while the group's domain is being replaced, the same in the next one
 * @first: lowest byte, by physical address, that a descriptor was prepared for
 * @last: highest byte
 * @users: number of descriptors
 *
 * It lets a replacement of the domain move the references of all descriptors
 * without knowing them. Everything is protected by the group's mutex.
 */
struct iommu_msi_binding {
	struct list_head node;
	struct iommu_group *group;
	struct iommu_msi_doorbell *doorbell;
	struct iommu_msi_doorbell *next;
	phys_addr_t first;
	phys_addr_t last;
	unsigned int users;
};

#ifdef CONFIG_IOMMU_MSI

extern struct xarray iommu_msi_cookies;
extern struct mutex iommu_msi_cookies_lock;
extern bool iommu_msi_allow_unsafe_doorbells;

void iommu_msi_get_geometry(struct iommu_domain *domain,
			    struct iommu_domain_msi_geometry *geometry);

struct iommu_msi_doorbell *iommu_msi_get_doorbell(struct iommu_domain *domain,
						  phys_addr_t addr, size_t size,
						  int prot);
void iommu_msi_put_doorbell(struct iommu_msi_doorbell *doorbell);
struct iommu_msi_doorbell *
iommu_msi_find_doorbell(struct iommu_msi_cookie *cookie, phys_addr_t addr,
			size_t size);
int iommu_msi_bind_desc(struct iommu_domain *domain, struct iommu_group *group,
			struct list_head *bindings, struct msi_desc *desc,
			phys_addr_t addr, size_t size);
void iommu_msi_unbind_desc(struct msi_desc *desc);
int iommu_msi_parse_window(const char *val, struct range *window);
int iommu_msi_check_exposure(phys_addr_t addr, phys_addr_t pa, size_t size);
int iommu_msi_carry_over(struct list_head *bindings, struct iommu_domain *old,
			 struct iommu_domain *new);
void iommu_msi_carried_over(struct list_head *bindings, bool replaced);
void iommu_msi_for_each_group(void (*fn)(int id, struct iommu_domain *domain,
					 struct list_head *bindings,
					 void *data),
			      void *data);

#else /* CONFIG_IOMMU_MSI */

static inline void
iommu_msi_get_geometry(struct iommu_domain *domain,
		       struct iommu_domain_msi_geometry *geometry)
{
	*geometry = (struct iommu_domain_msi_geometry) {};
}

static inline int iommu_msi_bind_desc(struct iommu_domain *domain,
				      struct iommu_group *group,
				      struct list_head *bindings,
				      struct msi_desc *desc, phys_addr_t addr,
				      size_t size)
{
	return 0;
}

static inline int iommu_msi_carry_over(struct list_head *bindings,
				       struct iommu_domain *old,
				       struct iommu_domain *new)
{
	return 0;
}

static inline void iommu_msi_carried_over(struct list_head *bindings,
					  bool replaced)
{
}

#endif /* CONFIG_IOMMU_MSI */
#endif /* __MSI_IOMMU_H */
