// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSI doorbells in IOMMU domains that the DMA layer does not own
 *
 * A domain whose MSIs are translated has a cookie: a window of IOVA, the
 * aperture, and the doorbells that are mapped in it, each once, however many
 * vectors, devices and groups write to it. See
 * Documentation/driver-api/iommu-msi.rst.
 */
#define pr_fmt(fmt) "iommu-msi: " fmt

#include <linux/bitmap.h>
#include <linux/cleanup.h>
#include <linux/hash.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/msi-iommu.h>
#include <linux/overflow.h>
#include <linux/rculist.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "msi-iommu.h"

#define CREATE_TRACE_POINTS
#include <trace/events/iommu_msi.h>

/* What used_map covers at first: the whole of the usual 1 MiB of 4K pages */
#define IOMMU_MSI_MAP_PAGES	256UL
/* What it can grow to. Beyond that nothing is handed out: no machine has it. */
#define IOMMU_MSI_MAX_PAGES	SZ_1M
/* What doorbells are hashed into at most, a head for 16 pages */
#define IOMMU_MSI_MAX_HEADS	512UL

/* All cookies by id; a cookie that is in here has its domain */
DEFINE_XARRAY_ALLOC1(iommu_msi_cookies);
/* Keeps the cookies where they are for who looks at all of them */
DEFINE_MUTEX(iommu_msi_cookies_lock);

static bool iommu_domain_has_msi(const struct iommu_domain *domain)
{
	return domain->type == IOMMU_DOMAIN_UNMANAGED &&
	       domain->iommu_msi_supported;
}

static struct iommu_msi_cookie *iommu_msi_cookie(struct iommu_domain *domain)
{
	/* Pairs with the cmpxchg_release() in iommu_get_msi_cookie() */
	return smp_load_acquire(&domain->msi_cookie);
}

/* For an aperture of @pages, in which nothing is mapped yet */
static struct iommu_msi_table *iommu_msi_table_alloc(unsigned long pages)
{
	unsigned int bits = ilog2(clamp(pages / 16, 2UL, IOMMU_MSI_MAX_HEADS));
	struct iommu_msi_table *table;

	table = kvzalloc(struct_size(table, heads, BIT(bits)),
			 GFP_KERNEL_ACCOUNT);
	if (!table)
		return NULL;

	table->used_map = bitmap_zalloc(IOMMU_MSI_MAP_PAGES, GFP_KERNEL_ACCOUNT);
	if (!table->used_map) {
		kvfree(table);
		return NULL;
	}
	table->bits = bits;
	return table;
}

/* Those who look doorbells up may still be doing so */
static void iommu_msi_table_free(struct iommu_msi_table *table)
{
	if (!table)
		return;
	bitmap_free(table->used_map);
	kvfree_rcu(table, rcu);
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
	INIT_LIST_HEAD(&cookie->doorbells);

	mutex_lock(&iommu_msi_cookies_lock);
	ret = xa_alloc(&iommu_msi_cookies, &cookie->id, cookie, xa_limit_31b,
		       GFP_KERNEL);
	mutex_unlock(&iommu_msi_cookies_lock);
	if (ret) {
		kfree(cookie);
		return ERR_PTR(ret);
	}
	return cookie;
}

static struct iommu_msi_table *iommu_msi_table(struct iommu_msi_cookie *cookie)
{
	return rcu_dereference_protected(cookie->table,
					 lockdep_is_held(&cookie->lock));
}

static void iommu_msi_cookie_unlist(struct iommu_msi_cookie *cookie)
{
	mutex_lock(&iommu_msi_cookies_lock);
	xa_erase(&iommu_msi_cookies, cookie->id);
	mutex_unlock(&iommu_msi_cookies_lock);
}

static void iommu_msi_cookie_put(struct iommu_msi_cookie *cookie)
{
	if (!refcount_dec_and_test(&cookie->users))
		return;
	iommu_msi_table_free(rcu_dereference_protected(cookie->table, 1));
	mutex_destroy(&cookie->lock);
	kfree(cookie);
}

/**
 * iommu_get_msi_cookie - Make sure that a domain has its MSI state
 * @domain: domain that takes part in this API
 *
 * iommu_msi_set_aperture() does this by itself; call it beforehand where the
 * memory should be allocated earlier. A domain has one cookie: getting it
 * again is no error. It ends with the domain, so that no caller can leak it,
 * or by iommu_put_msi_cookie().
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
		iommu_msi_cookie_unlist(cookie);
		iommu_msi_cookie_put(cookie);
	}
	return 0;
}
EXPORT_SYMBOL_GPL(iommu_get_msi_cookie);

/*
 * The reader's loop ends because a writer keeps interrupts off: it cannot be
 * interrupted by a reader on its own CPU.
 */
static void iommu_msi_store_aperture(struct iommu_msi_cookie *cookie,
				     dma_addr_t start, dma_addr_t end)
{
	unsigned long flags;

	lockdep_assert_held(&cookie->lock);

	local_irq_save(flags);
	write_seqcount_begin(&cookie->seq);
	cookie->aperture_start = start;
	cookie->aperture_end = end;
	write_seqcount_end(&cookie->seq);
	local_irq_restore(flags);
}

/* What DOMAIN_ATTR_MSI_GEOMETRY reads. Any context but NMI. */
void iommu_msi_get_geometry(struct iommu_domain *domain,
			    struct iommu_domain_msi_geometry *geometry)
{
	struct iommu_msi_cookie *cookie = iommu_msi_cookie(domain);
	unsigned int seq;

	*geometry = (struct iommu_domain_msi_geometry) {
		.iommu_msi_supported = iommu_domain_has_msi(domain),
	};
	if (!cookie || !geometry->iommu_msi_supported)
		return;

	do {
		seq = read_seqcount_begin(&cookie->seq);
		geometry->aperture_start = cookie->aperture_start;
		geometry->aperture_end = cookie->aperture_end;
	} while (read_seqcount_retry(&cookie->seq, seq));
}

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

	iommu_msi_get_geometry(domain, &geometry);
	return geometry.aperture_start < geometry.aperture_end;
}
EXPORT_SYMBOL_GPL(iommu_domain_msi_aperture_valid);

static bool iommu_msi_aperture_acceptable(const struct iommu_domain *domain,
					  dma_addr_t start, dma_addr_t end)
{
	const struct iommu_domain_geometry *geo = &domain->geometry;
	dma_addr_t mask;

	if (start >= end || end > ULONG_MAX || !domain->pgsize_bitmap)
		return false;

	/* end + 1 may wrap round to 0, which is aligned as it should be */
	mask = (1UL << __ffs(domain->pgsize_bitmap)) - 1;
	if ((start | (end + 1)) & mask)
		return false;

	/* Some drivers tell the geometry no sooner than a device attaches */
	if (geo->aperture_start < geo->aperture_end &&
	    (start < geo->aperture_start || end > geo->aperture_end))
		return false;
	return true;
}

/* The bounds have been checked */
static unsigned long iommu_msi_count_pages(const struct iommu_domain *domain,
					   dma_addr_t start, dma_addr_t end)
{
	u64 pages = ((u64)(end - start) >> __ffs(domain->pgsize_bitmap)) + 1;

	return min_t(u64, pages, IOMMU_MSI_MAX_PAGES);
}

/* Only those who look doorbells up can still know it */
static void iommu_msi_forget_dormant(struct iommu_msi_cookie *cookie)
{
	struct iommu_msi_doorbell *doorbell = cookie->dormant;

	lockdep_assert_held(&cookie->lock);

	if (!doorbell)
		return;
	cookie->dormant = NULL;
	hlist_del_rcu(&doorbell->pages[0].node);
	kvfree_rcu(doorbell, rcu);
}

/* The bounds have been checked, and nothing is mapped: used_map is empty */
static void iommu_msi_size_aperture(struct iommu_msi_cookie *cookie,
				    dma_addr_t start, dma_addr_t end)
{
	iommu_msi_forget_dormant(cookie);
	cookie->settled = false;
	cookie->total_pages = iommu_msi_count_pages(cookie->domain, start, end);
	cookie->map_pages = min(cookie->total_pages, IOMMU_MSI_MAP_PAGES);
	WRITE_ONCE(cookie->pgshift, __ffs(cookie->domain->pgsize_bitmap));
}

/*
 * The first half of setting an aperture, which can fail: @table is for the
 * second half, or NULL if the aperture is as it shall be.
 */
static int iommu_msi_prepare_aperture(struct iommu_msi_cookie *cookie,
				      dma_addr_t start, dma_addr_t end,
				      struct iommu_msi_table **table)
{
	lockdep_assert_held(&cookie->lock);

	*table = NULL;
	if (start == cookie->aperture_start && end == cookie->aperture_end &&
	    cookie->total_pages)
		return 0;
	if (!iommu_msi_aperture_acceptable(cookie->domain, start, end)) {
		/* User space is told by its own errors; this is for a default */
		pr_warn_ratelimited("no MSI window can be at %pad-%pad in a domain of %pad-%pad with pages of %#lx\n",
				    &start, &end,
				    &cookie->domain->geometry.aperture_start,
				    &cookie->domain->geometry.aperture_end,
				    cookie->domain->pgsize_bitmap);
		return -EINVAL;
	}
	if (cookie->used_pages) {
		pr_info_ratelimited("window %pad-%pad stays: interrupts use %lu of its pages\n",
				    &cookie->aperture_start,
				    &cookie->aperture_end, cookie->used_pages);
		return -EBUSY;
	}

	*table = iommu_msi_table_alloc(iommu_msi_count_pages(cookie->domain,
							     start, end));
	return *table ? 0 : -ENOMEM;
}

static void iommu_msi_commit_aperture(struct iommu_msi_cookie *cookie,
				      dma_addr_t start, dma_addr_t end,
				      struct iommu_msi_table *table)
{
	lockdep_assert_held(&cookie->lock);

	if (!table)
		return;

	iommu_msi_size_aperture(cookie, start, end);
	table = rcu_replace_pointer(cookie->table, table,
				    lockdep_is_held(&cookie->lock));
	iommu_msi_table_free(table);
	iommu_msi_store_aperture(cookie, start, end);
	trace_iommu_msi_set_aperture(cookie->id, start, end);
}

/*
 * A driver that settles page sizes and geometry when the first device attaches
 * may do so after the aperture was set.
 */
static int iommu_msi_settle_aperture(struct iommu_msi_cookie *cookie)
{
	struct iommu_domain *domain = cookie->domain;

	lockdep_assert_held(&cookie->lock);

	if (!cookie->total_pages)
		return -ENXIO;
	if (cookie->settled)
		return 0;
	if (!iommu_msi_aperture_acceptable(domain, cookie->aperture_start,
					   cookie->aperture_end))
		return -EINVAL;
	if (cookie->pgshift != __ffs(domain->pgsize_bitmap))
		iommu_msi_size_aperture(cookie, cookie->aperture_start,
					cookie->aperture_end);
	return 0;
}

/**
 * iommu_msi_set_aperture - Program the window in which doorbells are mapped
 * @domain: domain that takes part in this API; best with a device attached,
 *	    as some drivers settle page sizes and geometry only then
 * @start: first IOVA, in bytes; a multiple of the domain's smallest page
 * @end: last IOVA, in bytes, inclusive; @end + 1 is such a multiple too
 *
 * The caller sees to it that nothing else is mapped in the window, now and
 * later, and that it meets no reserved region of an attached device.
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
	struct iommu_msi_cookie *cookie;
	struct iommu_msi_table *table;
	int ret;

	ret = iommu_get_msi_cookie(domain);
	if (ret)
		return ret;
	cookie = iommu_msi_cookie(domain);

	guard(mutex)(&cookie->lock);

	ret = iommu_msi_prepare_aperture(cookie, start, end, &table);
	if (ret)
		return ret;
	iommu_msi_commit_aperture(cookie, start, end, table);
	return 0;
}
EXPORT_SYMBOL_GPL(iommu_msi_set_aperture);

/* Locks the cookies of the first @count apertures together */
static void iommu_msi_lock_cookies(struct iommu_msi_aperture *apertures,
				   unsigned int count)
{
	unsigned int i;

	mutex_lock(&iommu_msi_cookies_lock);
	for (i = 0; i < count; i++)
		mutex_lock_nest_lock(&iommu_msi_cookie(apertures[i].domain)->lock,
				     &iommu_msi_cookies_lock);
}

static void iommu_msi_unlock_cookies(struct iommu_msi_aperture *apertures,
				     unsigned int count)
{
	while (count--)
		mutex_unlock(&iommu_msi_cookie(apertures[count].domain)->lock);
	mutex_unlock(&iommu_msi_cookies_lock);
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
 * Context: Process context. May sleep.
 * Return: 0; else what iommu_msi_set_aperture() returns for the first domain
 * that refuses, and nothing has changed.
 */
int iommu_msi_set_apertures(struct iommu_msi_aperture *apertures,
			    unsigned int count)
{
	unsigned int i;
	int ret;

	for (i = 0; i < count; i++) {
		apertures[i].table = NULL;
		ret = iommu_get_msi_cookie(apertures[i].domain);
		if (ret)
			return ret;
	}

	iommu_msi_lock_cookies(apertures, count);
	for (i = 0; i < count; i++) {
		struct iommu_msi_aperture *a = &apertures[i];

		ret = iommu_msi_prepare_aperture(iommu_msi_cookie(a->domain),
						 a->start, a->end,
						 &a->table);
		if (ret)
			break;
	}
	if (i < count) {
		while (i--)
			iommu_msi_table_free(apertures[i].table);
	} else {
		ret = 0;
		for (i = 0; i < count; i++)
			iommu_msi_commit_aperture(iommu_msi_cookie(apertures[i].domain),
						  apertures[i].start,
						  apertures[i].end,
						  apertures[i].table);
	}
	iommu_msi_unlock_cookies(apertures, count);
	return ret;
}
EXPORT_SYMBOL_GPL(iommu_msi_set_apertures);

/**
 * iommu_msi_get_usage - Tell how much of a domain's MSI aperture is in use
 * @domain: any domain
 * @usage: where to store it; all zero without an aperture
 *
 * Context: Process context. May sleep. @domain must not be freed meanwhile.
 */
void iommu_msi_get_usage(struct iommu_domain *domain,
			 struct iommu_msi_usage *usage)
{
	struct iommu_msi_cookie *cookie = iommu_msi_cookie(domain);

	*usage = (struct iommu_msi_usage) {};
	if (!cookie || !iommu_domain_has_msi(domain))
		return;

	guard(mutex)(&cookie->lock);
	if (!cookie->total_pages)
		return;
	usage->page_size = 1UL << cookie->pgshift;
	usage->used_pages = cookie->used_pages;
	usage->total_pages = cookie->total_pages;
}
EXPORT_SYMBOL_GPL(iommu_msi_get_usage);

/* Doubles the map at least, so that it covers @pages if the aperture has them */
static int iommu_msi_grow_map(struct iommu_msi_cookie *cookie,
			      unsigned long pages)
{
	struct iommu_msi_table *table = iommu_msi_table(cookie);
	unsigned long map_pages, *used_map;

	map_pages = min(cookie->total_pages, max(2 * cookie->map_pages, pages));
	used_map = bitmap_zalloc(map_pages, GFP_KERNEL_ACCOUNT);
	if (!used_map)
		return -ENOMEM;

	bitmap_copy(used_map, table->used_map, cookie->map_pages);
	bitmap_free(table->used_map);
	table->used_map = used_map;
	cookie->map_pages = map_pages;
	return 0;
}

/* Nearly all doorbells have one page */
static unsigned long iommu_msi_find_unused(const struct iommu_msi_table *table,
					   unsigned long map_pages,
					   unsigned long pages)
{
	if (pages == 1)
		return find_first_zero_bit(table->used_map, map_pages);
	return bitmap_find_next_zero_area(table->used_map, map_pages, 0, pages,
					  0);
}

static void iommu_msi_set_used(struct iommu_msi_table *table,
			       unsigned long first, unsigned long pages)
{
	if (pages == 1)
		__set_bit(first, table->used_map);
	else
		bitmap_set(table->used_map, first, pages);
}

static void iommu_msi_clear_used(struct iommu_msi_table *table,
				 unsigned long first, unsigned long pages)
{
	if (pages == 1)
		__clear_bit(first, table->used_map);
	else
		bitmap_clear(table->used_map, first, pages);
}

/* Takes @pages adjacent pages of the aperture, the lowest that are free */
static int iommu_msi_alloc_iova(struct iommu_msi_cookie *cookie,
				unsigned long pages, dma_addr_t *iova)
{
	struct iommu_msi_table *table = iommu_msi_table(cookie);
	unsigned long first;
	int ret;

	lockdep_assert_held(&cookie->lock);

	if (pages > cookie->total_pages - cookie->used_pages)
		return -ENOSPC;

	for (;;) {
		first = iommu_msi_find_unused(table, cookie->map_pages, pages);
		if (first < cookie->map_pages)
			break;
		if (cookie->map_pages == cookie->total_pages)
			return -ENOSPC;
		ret = iommu_msi_grow_map(cookie, cookie->map_pages + pages);
		if (ret)
			return ret;
	}

	iommu_msi_set_used(table, first, pages);
	cookie->used_pages += pages;
	*iova = cookie->aperture_start + ((dma_addr_t)first << cookie->pgshift);
	return 0;
}

/* Takes the @pages from @iova on, if the aperture has them and they are free */
static int iommu_msi_take_iova(struct iommu_msi_cookie *cookie, dma_addr_t iova,
			       unsigned long pages)
{
	struct iommu_msi_table *table = iommu_msi_table(cookie);
	dma_addr_t offset = iova - cookie->aperture_start;
	dma_addr_t first = offset >> cookie->pgshift;
	int ret;

	lockdep_assert_held(&cookie->lock);

	if (iova < cookie->aperture_start || first >= cookie->total_pages ||
	    pages > cookie->total_pages - first ||
	    offset & ((1UL << cookie->pgshift) - 1))
		return -EINVAL;

	if (cookie->map_pages < first + pages) {
		ret = iommu_msi_grow_map(cookie, first + pages);
		if (ret)
			return ret;
	}

	if (find_next_bit(table->used_map, first + pages, first) < first + pages)
		return -EBUSY;

	iommu_msi_set_used(table, first, pages);
	cookie->used_pages += pages;
	return 0;
}

static void iommu_msi_free_iova(struct iommu_msi_cookie *cookie,
				dma_addr_t iova, unsigned long pages)
{
	lockdep_assert_held(&cookie->lock);

	iommu_msi_clear_used(iommu_msi_table(cookie),
			     (iova - cookie->aperture_start) >> cookie->pgshift,
			     pages);
	cookie->used_pages -= pages;
}

static void iommu_msi_unmap(struct iommu_msi_cookie *cookie, dma_addr_t iova,
			    size_t size)
{
	lockdep_assert_held(&cookie->lock);

	WARN_ON(iommu_unmap(cookie->domain, iova, size) != size);
	iommu_msi_free_iova(cookie, iova, size >> cookie->pgshift);
}

/* Where the page @pfn is, if it is a doorbell's */
static struct hlist_head *iommu_msi_head(struct iommu_msi_table *table,
					 unsigned long pfn)
{
	return &table->heads[hash_32(pfn, table->bits)];
}

/*
 * The doorbell that covers all of [addr, addr + size), or NULL. The caller
 * holds the cookie's lock, under which what is found has references, or is in
 * an RCU read-side critical section.
 */
static __always_inline struct iommu_msi_doorbell *
__iommu_msi_find_doorbell(struct iommu_msi_cookie *cookie, phys_addr_t addr,
			  size_t size)
{
	unsigned long pfn = addr >> READ_ONCE(cookie->pgshift);
	struct iommu_msi_doorbell *doorbell;
	struct iommu_msi_table *table;
	struct iommu_msi_page *page;
	phys_addr_t offset;

	table = rcu_dereference_check(cookie->table,
				      lockdep_is_held(&cookie->lock));
	if (!table)
		return NULL;

	hlist_for_each_entry_rcu(page, iommu_msi_head(table, pfn), node,
				 lockdep_is_held(&cookie->lock)) {
		if (page->pfn != pfn)
			continue;
		doorbell = page->doorbell;
		offset = addr - doorbell->pa;
		/* A @size of 0 is not within anything */
		if (offset >= doorbell->size ||
		    size - 1 >= doorbell->size - offset)
			return NULL;
		return doorbell;
	}
	return NULL;
}

struct iommu_msi_doorbell *
iommu_msi_find_doorbell(struct iommu_msi_cookie *cookie, phys_addr_t addr,
			size_t size)
{
	return __iommu_msi_find_doorbell(cookie, addr, size);
}

/* Is any of the @count pages from @pfn on part of a doorbell? */
static bool iommu_msi_has_pages(struct iommu_msi_cookie *cookie,
				unsigned long pfn, unsigned long count)
{
	while (count--) {
		phys_addr_t pa = (phys_addr_t)pfn++ << cookie->pgshift;

		if (iommu_msi_find_doorbell(cookie, pa, 1))
			return true;
	}
	return false;
}

/* From here on the doorbell can be found */
static void iommu_msi_publish_doorbell(struct iommu_msi_doorbell *doorbell,
				       unsigned long pfn)
{
	struct iommu_msi_table *table = iommu_msi_table(doorbell->cookie);
	unsigned int i;

	for (i = 0; i < doorbell->nr_pages; i++, pfn++) {
		struct iommu_msi_page *page = &doorbell->pages[i];

		page->pfn = pfn;
		page->doorbell = doorbell;
		hlist_add_head_rcu(&page->node, iommu_msi_head(table, pfn));
	}
}

static void iommu_msi_hide_doorbell(struct iommu_msi_doorbell *doorbell)
{
	unsigned int i;

	for (i = 0; i < doorbell->nr_pages; i++)
		hlist_del_rcu(&doorbell->pages[i].node);
}

/* What it holds is for the caller to set */
static struct iommu_msi_doorbell *iommu_msi_doorbell_alloc(unsigned long pages)
{
	struct iommu_msi_doorbell *doorbell;

	/* The usual size is known to the compiler */
	if (pages == 1)
		return kmalloc(struct_size(doorbell, pages, 1),
			       GFP_KERNEL_ACCOUNT);
	return kvmalloc(struct_size(doorbell, pages, pages), GFP_KERNEL_ACCOUNT);
}

/*
 * Puts a doorbell that has its IOVA, and was asked for as @addr, into the page
 * table. It gets its first reference.
 */
static int iommu_msi_enter_doorbell(struct iommu_msi_doorbell *doorbell,
				    phys_addr_t addr)
{
	struct iommu_msi_cookie *cookie = doorbell->cookie;
	int ret;

	lockdep_assert_held(&cookie->lock);

	ret = iommu_msi_check_exposure(addr, doorbell->pa, doorbell->size);
	if (ret)
		return ret;
	ret = iommu_map(cookie->domain, doorbell->iova, doorbell->pa,
			doorbell->size, doorbell->prot, GFP_KERNEL_ACCOUNT);
	if (ret)
		return ret;

	cookie->settled = true;
	list_add_tail(&doorbell->node, &cookie->doorbells);
	refcount_inc(&cookie->users);
	trace_iommu_msi_map(cookie->id, doorbell->pa, doorbell->iova,
			    doorbell->size, 1);

	/* Who takes a reference without the lock finds the page mapped */
	smp_wmb();
	refcount_set(&doorbell->refs, 1);
	return 0;
}

/*
 * Maps the dormant doorbell again if it has what is asked for, as below;
 * returns NULL, and forgets it, if not.
 */
static struct iommu_msi_doorbell *
iommu_msi_wake_doorbell(struct iommu_msi_cookie *cookie, phys_addr_t addr,
			int prot, const dma_addr_t *at)
{
	struct iommu_msi_doorbell *doorbell = cookie->dormant;
	dma_addr_t offset = doorbell->iova - cookie->aperture_start;
	unsigned long first = offset >> cookie->pgshift;
	unsigned long *used_map = iommu_msi_table(cookie)->used_map;
	int ret;

	if (doorbell->prot != prot || test_bit(first, used_map) ||
	    (at && *at != doorbell->iova + (addr - doorbell->pa))) {
		iommu_msi_forget_dormant(cookie);
		return NULL;
	}

	ret = iommu_msi_enter_doorbell(doorbell, addr);
	if (ret)
		return ERR_PTR(ret);

	__set_bit(first, used_map);
	cookie->used_pages++;
	cookie->dormant = NULL;
	return doorbell;
}

/*
 * Maps the pages of [addr, addr + size) and makes them known. @at is where
 * @addr must be mapped, or NULL if that does not matter.
 */
static struct iommu_msi_doorbell *
iommu_msi_map_doorbell(struct iommu_msi_cookie *cookie, phys_addr_t addr,
		       size_t size, int prot, const dma_addr_t *at)
{
	unsigned long first = addr >> cookie->pgshift;
	unsigned long pages = ((addr + size - 1) >> cookie->pgshift) - first + 1;
	struct iommu_msi_doorbell *doorbell;
	int ret;

	lockdep_assert_held(&cookie->lock);

	if (pages > cookie->total_pages)
		return ERR_PTR(at ? -EINVAL : -ENOSPC);
	if (pages > 1) {
		iommu_msi_forget_dormant(cookie);
		/* What is found is mapped as a part of something smaller */
		if (iommu_msi_has_pages(cookie, first, pages))
			return ERR_PTR(-EBUSY);
	}

	doorbell = iommu_msi_doorbell_alloc(pages);
	if (!doorbell)
		return ERR_PTR(-ENOMEM);

	atomic_set(&doorbell->api_refs, 0);
	doorbell->nr_pages = pages;
	doorbell->cookie = cookie;
	doorbell->pa = (phys_addr_t)first << cookie->pgshift;
	doorbell->size = pages << cookie->pgshift;
	doorbell->prot = prot;

	if (at) {
		doorbell->iova = *at - (addr - doorbell->pa);
		ret = iommu_msi_take_iova(cookie, doorbell->iova, pages);
	} else {
		ret = iommu_msi_alloc_iova(cookie, pages, &doorbell->iova);
	}
	if (ret)
		goto err_free;

	ret = iommu_msi_enter_doorbell(doorbell, addr);
	if (ret)
		goto err_free_iova;

	iommu_msi_publish_doorbell(doorbell, first);
	return doorbell;

err_free_iova:
	iommu_msi_free_iova(cookie, doorbell->iova, pages);
err_free:
	kvfree(doorbell);
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

static noinline void
iommu_msi_do_trace_get(const struct iommu_msi_doorbell *doorbell)
{
	trace_iommu_msi_get(doorbell->cookie->id, doorbell->pa, doorbell->iova,
			    doorbell->size, refcount_read(&doorbell->refs));
}

static __always_inline void
iommu_msi_trace_get(const struct iommu_msi_doorbell *doorbell)
{
	if (trace_iommu_msi_get_enabled())
		iommu_msi_do_trace_get(doorbell);
}

/* Takes one more reference, where there is one that stays meanwhile */
static void iommu_msi_ref_doorbell(struct iommu_msi_doorbell *doorbell)
{
	refcount_inc(&doorbell->refs);
	iommu_msi_trace_get(doorbell);
}

/*
 * Takes a reference on a doorbell that is mapped; neither locks nor sleeps.
 * The domain and the arguments were acceptable when it was mapped.
 */
static __always_inline struct iommu_msi_doorbell *
iommu_msi_try_get_doorbell(struct iommu_domain *domain, phys_addr_t addr,
			   size_t size, int prot)
{
	struct iommu_msi_cookie *cookie = iommu_msi_cookie(domain);
	struct iommu_msi_doorbell *doorbell;

	if (unlikely(!cookie))
		return NULL;

	guard(rcu)();

	doorbell = __iommu_msi_find_doorbell(cookie, addr, size);
	if (!doorbell || doorbell->prot != prot ||
	    !refcount_inc_not_zero(&doorbell->refs))
		return NULL;

	iommu_msi_trace_get(doorbell);
	return doorbell;
}

/* For what iommu_msi_try_get_doorbell() did not find */
static noinline struct iommu_msi_doorbell *
iommu_msi_get_doorbell_locked(struct iommu_domain *domain, phys_addr_t addr,
			      size_t size, int prot, const dma_addr_t *at)
{
	struct iommu_msi_cookie *cookie = iommu_msi_cookie(domain);
	struct iommu_msi_doorbell *doorbell;
	int ret;

	if (!iommu_domain_has_msi(domain))
		return ERR_PTR(-ENODEV);
	if (!iommu_msi_doorbell_acceptable(addr, size, prot))
		return ERR_PTR(-EINVAL);
	if (!cookie)
		return ERR_PTR(-ENXIO);

	guard(mutex)(&cookie->lock);

	/* Under the lock what can be found has references, or is dormant */
	doorbell = __iommu_msi_find_doorbell(cookie, addr, size);
	if (doorbell && doorbell == cookie->dormant) {
		doorbell = iommu_msi_wake_doorbell(cookie, addr, prot, at);
		if (doorbell)
			return doorbell;
	} else if (doorbell) {
		if (doorbell->prot != prot)
			return ERR_PTR(-EBUSY);
		iommu_msi_ref_doorbell(doorbell);
		return doorbell;
	}

	ret = iommu_msi_settle_aperture(cookie);
	if (ret)
		return ERR_PTR(ret);
	return iommu_msi_map_doorbell(cookie, addr, size, prot, at);
}

/* Maps the doorbell, or takes one more reference on it */
struct iommu_msi_doorbell *iommu_msi_get_doorbell(struct iommu_domain *domain,
						  phys_addr_t addr, size_t size,
						  int prot)
{
	struct iommu_msi_doorbell *doorbell;

	doorbell = iommu_msi_try_get_doorbell(domain, addr, size, prot);
	return doorbell ?: iommu_msi_get_doorbell_locked(domain, addr, size,
							 prot, NULL);
}

/* Takes the doorbell out of the page table; it can still be found */
static void iommu_msi_leave_doorbell(struct iommu_msi_doorbell *doorbell)
{
	struct iommu_msi_cookie *cookie = doorbell->cookie;

	list_del(&doorbell->node);
	iommu_msi_unmap(cookie, doorbell->iova, doorbell->size);
	trace_iommu_msi_unmap(cookie->id, doorbell->pa, doorbell->iova,
			      doorbell->size, refcount_read(&doorbell->refs));
}

/* The last reference is gone */
static void iommu_msi_end_doorbell(struct iommu_msi_doorbell *doorbell)
{
	struct iommu_msi_cookie *cookie = doorbell->cookie;

	lockdep_assert_held(&cookie->lock);

	/* Without a domain it has left already and cannot be found */
	if (cookie->domain) {
		iommu_msi_leave_doorbell(doorbell);
		if (doorbell->nr_pages == 1) {
			iommu_msi_forget_dormant(cookie);
			cookie->dormant = doorbell;
			return;
		}
		iommu_msi_hide_doorbell(doorbell);
	}
	kvfree_rcu(doorbell, rcu);
}

/*
 * Drops one reference. The domain need not exist any more; its end took the
 * doorbell out of the page table then, and what remains is to free memory.
 */
void iommu_msi_put_doorbell(struct iommu_msi_doorbell *doorbell)
{
	struct iommu_msi_cookie *cookie = doorbell->cookie;

	trace_iommu_msi_put(cookie->id, doorbell->pa, doorbell->iova,
			    doorbell->size,
			    refcount_read(&doorbell->refs) - 1);

	if (refcount_dec_not_one(&doorbell->refs))
		return;
	mutex_lock(&cookie->lock);
	if (refcount_dec_and_test(&doorbell->refs))
		iommu_msi_end_doorbell(doorbell);
	else
		/* Whoever has it by now may end all while this unlocks */
		refcount_inc(&cookie->users);
	mutex_unlock(&cookie->lock);

	iommu_msi_cookie_put(cookie);
}

/**
 * iommu_put_msi_cookie - End a domain's MSI state
 * @domain: any domain; nothing else may be using its MSI state
 *
 * Unmaps every doorbell and forgets the aperture. iommu_domain_free() calls
 * it. References that MSI descriptors hold on a doorbell stay good for being
 * dropped and for nothing else; those taken by iommu_msi_get_doorbell_iova()
 * are gone.
 *
 * Context: Process context. May sleep.
 */
void iommu_put_msi_cookie(struct iommu_domain *domain)
{
	struct iommu_msi_cookie *cookie = domain->msi_cookie;
	struct iommu_msi_doorbell *doorbell, *next;

	if (!cookie)
		return;

	domain->msi_cookie = NULL;
	iommu_msi_cookie_unlist(cookie);

	mutex_lock(&cookie->lock);
	list_for_each_entry_safe(doorbell, next, &cookie->doorbells, node) {
		int api_refs = atomic_read(&doorbell->api_refs);

		iommu_msi_leave_doorbell(doorbell);
		iommu_msi_hide_doorbell(doorbell);
		if (api_refs && refcount_sub_and_test(api_refs, &doorbell->refs)) {
			kvfree_rcu(doorbell, rcu);
			iommu_msi_cookie_put(cookie);
		}
	}
	iommu_msi_forget_dormant(cookie);
	cookie->domain = NULL;
	mutex_unlock(&cookie->lock);

	iommu_msi_cookie_put(cookie);
}
EXPORT_SYMBOL_GPL(iommu_put_msi_cookie);

/* Out of the way of the doorbell that is mapped already */
static noinline int
iommu_msi_map_doorbell_iova(struct iommu_domain *domain, phys_addr_t addr,
			    size_t size, int prot, dma_addr_t *iova)
{
	struct iommu_msi_doorbell *doorbell;

	doorbell = iommu_msi_get_doorbell_locked(domain, addr, size, prot, NULL);
	if (IS_ERR(doorbell))
		return PTR_ERR(doorbell);

	atomic_inc(&doorbell->api_refs);
	*iova = doorbell->iova + (addr - doorbell->pa);
	return 0;
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
 * set; -EINVAL if @size is 0, if @addr + @size - 1 wraps round, or for a @prot
 * as above; -EBUSY if only some of the pages are mapped already, or with
 * another @prot; -EPERM if an irqchip has registered the doorbell and the
 * domain's pages reach beyond its frame; -ENODEV if @domain does not translate
 * MSIs or belongs to the DMA layer; -ENOMEM or what else the IOMMU driver fails
 * to map with. On failure nothing has changed.
 */
int iommu_msi_get_doorbell_iova(struct iommu_domain *domain, phys_addr_t addr,
				size_t size, int prot, dma_addr_t *iova)
{
	struct iommu_msi_doorbell *doorbell;

	doorbell = iommu_msi_try_get_doorbell(domain, addr, size, prot);
	if (unlikely(!doorbell))
		return iommu_msi_map_doorbell_iova(domain, addr, size, prot,
						   iova);

	atomic_inc(&doorbell->api_refs);
	*iova = doorbell->iova + (addr - doorbell->pa);
	return 0;
}
EXPORT_SYMBOL_GPL(iommu_msi_get_doorbell_iova);

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
		rcu_read_lock();
		doorbell = __iommu_msi_find_doorbell(cookie, addr, 1);
		if (doorbell && atomic_dec_if_positive(&doorbell->api_refs) < 0)
			doorbell = NULL;
		rcu_read_unlock();
	}
	/* What was counted in api_refs keeps the doorbell until it is put */
	if (!WARN_ONCE(!doorbell, "unbalanced put of MSI doorbell %pa\n", &addr))
		iommu_msi_put_doorbell(doorbell);
}
EXPORT_SYMBOL_GPL(iommu_msi_put_doorbell_iova);

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
EXPORT_SYMBOL_GPL(iommu_msi_domain);

/**
 * iommu_msi_msg_pa_to_va - Rewrite a composed message from PA to IOVA
 * @dev: device that the message is for
 * @msg: message with the doorbell's physical address
 *
 * This is for code that has a device and a message. An irqchip has the
 * descriptor as well, where the IOVA is cached: it uses
 * iommu_msi_compose_msg().
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
	struct iommu_domain *domain = iommu_msi_domain(dev);
	struct iommu_msi_doorbell *doorbell;
	struct iommu_msi_cookie *cookie;
	u64 addr;

	if (!domain)
		return 0;
	cookie = iommu_msi_cookie(domain);
	if (!cookie || !iommu_domain_msi_aperture_valid(domain))
		return -ENXIO;

	addr = (u64)msg->address_hi << 32 | msg->address_lo;

	guard(rcu)();
	doorbell = iommu_msi_find_doorbell(cookie, addr, 1);
	if (!doorbell || !refcount_read(&doorbell->refs))
		return -ENOENT;

	addr += doorbell->iova - doorbell->pa;
	msg->address_hi = upper_32_bits(addr);
	msg->address_lo = lower_32_bits(addr);
	return 0;
}
EXPORT_SYMBOL_GPL(iommu_msi_msg_pa_to_va);

static void iommu_msi_use_binding(struct iommu_msi_binding *binding,
				  struct msi_desc *desc)
{
	const struct iommu_msi_doorbell *doorbell = binding->doorbell;

	binding->users++;
	iommu_group_ref_get(binding->group);
	desc->iommu_msi_binding = binding;
	desc->iommu_msi_offset = doorbell->iova - (u64)doorbell->pa;
}

/*
 * All descriptors of a device use one doorbell, and so do nearly all groups:
 * if that is what the group used last, it need not be looked for.
 */
static bool iommu_msi_reuse_binding(struct iommu_msi_cookie *cookie,
				    struct list_head *bindings,
				    struct msi_desc *desc, phys_addr_t addr,
				    size_t size)
{
	struct iommu_msi_binding *binding;

	binding = list_first_entry_or_null(bindings, struct iommu_msi_binding,
					   node);
	/* A @size of 0 is not within anything */
	if (!binding || binding->doorbell->cookie != cookie ||
	    addr < binding->first || addr > binding->last ||
	    size - 1 > binding->last - addr)
		return false;

	iommu_msi_ref_doorbell(binding->doorbell);
	iommu_msi_use_binding(binding, desc);
	return true;
}

static struct iommu_msi_binding *
iommu_msi_find_binding(struct list_head *bindings,
		       const struct iommu_msi_doorbell *doorbell)
{
	struct iommu_msi_binding *binding;

	/* As many as doorbells that the group's devices use: one or two */
	list_for_each_entry(binding, bindings, node)
		if (binding->doorbell == doorbell)
			return binding;
	return NULL;
}

/* Makes @desc a user of the binding to @doorbell, on which it has a reference */
static int iommu_msi_join_binding(struct iommu_group *group,
				  struct list_head *bindings,
				  struct msi_desc *desc,
				  struct iommu_msi_doorbell *doorbell,
				  phys_addr_t addr, size_t size)
{
	struct iommu_msi_binding *binding;
	phys_addr_t last = addr + size - 1;

	binding = iommu_msi_find_binding(bindings, doorbell);
	if (!binding) {
		binding = kzalloc(sizeof(*binding), GFP_KERNEL_ACCOUNT);
		if (!binding)
			return -ENOMEM;
		binding->group = group;
		binding->doorbell = doorbell;
		binding->first = addr;
		binding->last = last;
		list_add(&binding->node, bindings);
	}

	binding->first = min(binding->first, addr);
	binding->last = max(binding->last, last);
	iommu_msi_use_binding(binding, desc);
	return 0;
}

/*
 * Maps the doorbell for a descriptor, which then owns a reference on it. The
 * caller holds the mutex of @group, to which the descriptor's device belongs
 * and which has the @bindings, so that @domain stays.
 */
int iommu_msi_bind_desc(struct iommu_domain *domain, struct iommu_group *group,
			struct list_head *bindings, struct msi_desc *desc,
			phys_addr_t addr, size_t size)
{
	struct device *dev = msi_desc_to_dev(desc);
	struct iommu_domain_msi_geometry geometry;
	struct iommu_msi_doorbell *doorbell;
	int ret;

	if (!iommu_domain_has_msi(domain) || !iommu_dev_translates_msi(dev))
		return 0;

	if (iommu_msi_reuse_binding(iommu_msi_cookie(domain), bindings, desc,
				    addr, size))
		return 0;

	doorbell = iommu_msi_get_doorbell(domain, addr, size, IOMMU_MSI_PROT);
	if (!IS_ERR(doorbell)) {
		ret = iommu_msi_join_binding(group, bindings, desc, doorbell,
					     addr, size);
		if (ret)
			iommu_msi_put_doorbell(doorbell);
		return ret;
	}

	/* The irq core turns most errors into one; say here which it was */
	iommu_msi_get_geometry(domain, &geometry);
	dev_err_ratelimited(dev, "no IOVA for MSI doorbell %pa in window %pad-%pad: %pe\n",
			    &addr, &geometry.aperture_start,
			    &geometry.aperture_end, doorbell);
	return PTR_ERR(doorbell);
}

/*
 * Drops a descriptor's reference, with the mutex of the binding's group held.
 * The caller puts that group once it has released the mutex.
 */
void iommu_msi_unbind_desc(struct msi_desc *desc)
{
	struct iommu_msi_binding *binding = desc->iommu_msi_binding;

	desc->iommu_msi_binding = NULL;
	desc->iommu_msi_offset = 0;
	iommu_msi_put_doorbell(binding->doorbell);

	if (--binding->users)
		return;
	list_del(&binding->node);
	kfree(binding);
}

/* Maps in @domain what @binding stands for, at the IOVA that it has */
static struct iommu_msi_doorbell *
iommu_msi_get_next(struct iommu_domain *domain,
		   const struct iommu_msi_binding *binding)
{
	struct iommu_msi_doorbell *doorbell = binding->doorbell, *next;
	dma_addr_t iova = doorbell->iova + (binding->first - doorbell->pa);

	next = iommu_msi_get_doorbell_locked(domain, binding->first,
					     binding->last - binding->first + 1,
					     doorbell->prot, &iova);
	if (!IS_ERR(next) && next->iova + (binding->first - next->pa) != iova) {
		iommu_msi_put_doorbell(next);
		return ERR_PTR(-EBUSY);
	}
	/* Without support or an aperture it does not fit either */
	if (next == ERR_PTR(-ENODEV) || next == ERR_PTR(-ENXIO))
		return ERR_PTR(-EINVAL);
	return next;
}

/*
 * Maps the doorbells that a group has @bindings to in domain @old in domain
 * @new as well, which is to replace it. The messages in the devices hold IOVAs,
 * so each doorbell goes where it is now. iommu_msi_carried_over() must follow
 * success. The caller holds the group's mutex: no vector is prepared meanwhile.
 *
 * Fails with -EINVAL if @new has no aperture with these IOVAs, with -EBUSY if
 * something else is mapped there, or as mapping fails. Nothing has changed then.
 */
int iommu_msi_carry_over(struct list_head *bindings, struct iommu_domain *old,
			 struct iommu_domain *new)
{
	struct iommu_msi_cookie *cookie = old ? iommu_msi_cookie(old) : NULL;
	struct iommu_msi_binding *binding;

	/* Nothing but another paging domain could translate the messages */
	if (!cookie || old == new || new->type != IOMMU_DOMAIN_UNMANAGED)
		return 0;

	list_for_each_entry(binding, bindings, node) {
		struct iommu_msi_doorbell *next;

		/* Descriptors may have outlived a domain before this one */
		if (binding->doorbell->cookie != cookie)
			continue;

		next = iommu_msi_get_next(new, binding);
		if (IS_ERR(next)) {
			iommu_msi_carried_over(bindings, false);
			return PTR_ERR(next);
		}
		binding->next = next;
	}
	return 0;
}

/*
 * Settles what iommu_msi_carry_over() began: moves the references of all
 * descriptors to the doorbells in the next domain if the group is attached to
 * it, and gives those up if not. The caller holds the group's mutex.
 */
void iommu_msi_carried_over(struct list_head *bindings, bool replaced)
{
	struct iommu_msi_binding *binding;
	unsigned int i;

	list_for_each_entry(binding, bindings, node) {
		if (!binding->next)
			continue;

		if (replaced) {
			swap(binding->doorbell, binding->next);
			for (i = 1; i < binding->users; i++) {
				refcount_inc(&binding->doorbell->refs);
				iommu_msi_put_doorbell(binding->next);
			}
		}
		iommu_msi_put_doorbell(binding->next);
		binding->next = NULL;
	}
}
