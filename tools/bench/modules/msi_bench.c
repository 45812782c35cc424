// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the calls around an MSI doorbell cost: nanoseconds a call, which on a
 * machine whose time counts instructions are instructions. All is measured
 * when the module is loaded, a line a result:
 *
 *	bench <domain> <what> <parameter> <value>
 *
 * The domain is of the device's own IOMMU, or it is a mock that maps nothing,
 * so that what remains is the cost of the layer above.
 */
#include <linux/delay.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/vmstat.h>

#include "doorbell.h"

#define MAX_RUNS	15
#define FEW		16	/* new doorbells at once, all in one table */
#define REPLACEMENTS	64	/* of a domain in a run, an even number */

static char *device;
module_param(device, charp, 0444);
MODULE_PARM_DESC(device, "name of a PCI device that has no driver");

static unsigned int rounds = 4096;
module_param(rounds, uint, 0444);
MODULE_PARM_DESC(rounds, "calls in a run");

static unsigned int runs = 5;
module_param(runs, uint, 0444);
MODULE_PARM_DESC(runs, "runs, of which the median counts");

static unsigned int most = 4096;
module_param(most, uint, 0444);
MODULE_PARM_DESC(most, "most doorbells that are mapped at once");

/* iommu_dma_compose_msi_msg without the series */
static unsigned long compose;
module_param(compose, ulong, 0444);

/* iommu_group_replace_domain */
static unsigned long replace;
module_param(replace, ulong, 0444);

struct samples {
	u64 ns[MAX_RUNS];
	unsigned int taken;
};

static struct msi_desc *descs;	/* @rounds of them */
static struct msi_msg msg;
static u64 nothing;		/* what a run of empty rounds takes */

/* Time that @call takes @count times; it may use the count i */
#define TIME(count, call) ({						\
	u64 start_ = ktime_get_ns();					\
	unsigned int i;							\
									\
	for (i = 0; i < (count); i++) {					\
		call;							\
		barrier();						\
	}								\
	ktime_get_ns() - start_;					\
})

#define SAMPLE(samples, count, call)					\
	((samples)->ns[(samples)->taken++] = TIME(count, call))

static int compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static u64 median(struct samples *s)
{
	sort(s->ns, s->taken, sizeof(s->ns[0]), compare, NULL);
	return s->ns[s->taken / 2];
}

static void report(const char *domain, const char *what, unsigned int parameter,
		   struct samples *s, unsigned int count)
{
	u64 hundredths, empty = nothing * count / rounds, ns = median(s);

	ns -= min(ns, empty);
	hundredths = ns * 100 / count;
	pr_info("bench %s %s %u %llu.%02llu\n", domain, what, parameter,
		hundredths / 100, hundredths % 100);
}

/* What earlier rounds left to be freed must not be freed in later ones */
static void settle(void)
{
	rcu_barrier();
	kvfree_rcu_barrier();
}

/* --- the mock ------------------------------------------------------------ */

static int mock_map(struct iommu_domain *domain, unsigned long iova,
		    phys_addr_t paddr, size_t pgsize, size_t pgcount, int prot,
		    gfp_t gfp, size_t *mapped)
{
	*mapped = pgsize * pgcount;
	return 0;
}

static size_t mock_unmap(struct iommu_domain *domain, unsigned long iova,
			 size_t pgsize, size_t pgcount,
			 struct iommu_iotlb_gather *gather)
{
	return pgsize * pgcount;
}

static const struct iommu_domain_ops mock_ops = {
	.map_pages = mock_map,
	.unmap_pages = mock_unmap,
};

struct subject {
	struct target target;
	const char *name;
	const struct iommu_domain_ops *ops;
};

/* The table that the window is in exists before anything is measured */
static int warm_up(struct iommu_domain *domain)
{
	unsigned long at, size = WINDOW_PAGES * GRANULE;
	int ret;

	for (at = WINDOW; at < WINDOW + size; at += SZ_2M) {
		ret = iommu_map(domain, at, FIRST_DOORBELL, GRANULE, PROT,
				GFP_KERNEL);
		if (ret)
			return ret;
		iommu_unmap(domain, at, GRANULE);
	}
	return 0;
}

static int subject_open(struct subject *subject, bool mock)
{
	int ret = target_open(&subject->target, device);

	if (ret)
		return ret;
	ret = warm_up(subject->target.domain);
	if (ret) {
		target_close(&subject->target);
		return ret;
	}
	subject->name = mock ? "mock" : "smmuv3";
	subject->ops = subject->target.domain->ops;
	if (mock)
		subject->target.domain->ops = &mock_ops;
	return 0;
}

static void subject_close(struct subject *subject)
{
	void (*function)(struct iommu_domain *) = (void *)put_cookie;

	/* Before the real page table could be asked for what the mock mapped */
	if (function)
		function(subject->target.domain);
	subject->target.domain->ops = subject->ops;
	target_close(&subject->target);
	settle();
}

static void descs_reset(struct device *dev)
{
	unsigned int i;

	memset(descs, 0, rounds * sizeof(*descs));
	for (i = 0; i < rounds; i++)
		descs[i].dev = dev;
}

/* --- doorbells ----------------------------------------------------------- */

#ifdef SERIES

static int get(struct subject *subject, unsigned int n)
{
	dma_addr_t iova;

	return iommu_msi_get_doorbell_iova(subject->target.domain, nth(n),
					   sizeof(u32), PROT, &iova);
}

static void put(struct subject *subject, unsigned int n)
{
	iommu_msi_put_doorbell_iova(subject->target.domain, nth(n));
}

#else /* SERIES */

static int get(struct subject *subject, unsigned int n)
{
	struct msi_desc desc = { .dev = subject->target.dev };

	return desc_prepare(&desc, nth(n));
}

#endif /* SERIES */

static int get_all(struct subject *subject, unsigned int count)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < count; i++)
		ret = get(subject, i);
	return ret;
}

/* Doorbells that are mapped, each in turn: there are @count, a power of two */
static int bench_mapped(bool mock, unsigned int count)
{
	struct samples getting = {}, putting = {}, preparing = {}, releasing = {};
	unsigned int run, mask = count - 1;
	struct subject subject;
	int ret;

	ret = subject_open(&subject, mock);
	if (ret)
		return ret;
	ret = get_all(&subject, count);
	for (run = 0; !ret && run < runs; run++) {
#ifdef SERIES
		SAMPLE(&getting, rounds, ret |= get(&subject, i & mask));
		SAMPLE(&putting, rounds, put(&subject, i & mask));
#endif
		descs_reset(subject.target.dev);
		SAMPLE(&preparing, rounds,
		       ret |= desc_prepare(&descs[i], nth(i & mask)));
		SAMPLE(&releasing, rounds, desc_release(&descs[i]));
	}
	subject_close(&subject);
	if (ret)
		return ret;
	report(subject.name, "prepare", count, &preparing, rounds);
	if (!IS_ENABLED(CONFIG_IOMMU_MSI))
		return 0;
	report(subject.name, "get", count, &getting, rounds);
	report(subject.name, "put", count, &putting, rounds);
	report(subject.name, "release", count, &releasing, rounds);
	return 0;
}

/* What a kernel driver's vectors are prepared with: the DMA layer's domain */
static int bench_dma_domain(void)
{
	struct device *dev = bus_find_device_by_name(&pci_bus_type, NULL, device);
	struct samples preparing = {};
	unsigned int run;
	int ret = 0;

	if (!dev)
		return -ENODEV;
	for (run = 0; !ret && run < runs; run++) {
		descs_reset(dev);
		SAMPLE(&preparing, rounds, ret |= desc_prepare(&descs[i], nth(0)));
	}
	put_device(dev);
	if (!ret)
		report("dma", "prepare", 1, &preparing, rounds);
	return ret;
}

static int replace_domain(struct iommu_group *group, struct iommu_domain *domain)
{
	int (*function)(struct iommu_group *, struct iommu_domain *) = (void *)replace;

	return function(group, domain);
}

/* A domain is replaced under @vectors of one doorbell */
static int bench_replacement(unsigned int vectors)
{
	struct iommu_domain *domains[2];
	struct samples replacing = {};
	struct iommu_group *group;
	struct subject subject;
	unsigned int i, run;
	int ret;

	ret = subject_open(&subject, false);
	if (ret)
		return ret;
	domains[0] = iommu_paging_domain_alloc(subject.target.dev);
	domains[1] = subject.target.domain;
	if (IS_ERR(domains[0])) {
		ret = PTR_ERR(domains[0]);
		goto out_close;
	}
	group = iommu_group_get(subject.target.dev);
	descs_reset(subject.target.dev);
	ret = window_open(domains[0], WINDOW_PAGES);
	for (i = 0; !ret && i < vectors; i++)
		ret = desc_prepare(&descs[i], nth(0));
	for (run = 0; !ret && run < runs; run++)
		SAMPLE(&replacing, REPLACEMENTS,
		       ret |= replace_domain(group, domains[i & 1]));
	for (i = 0; i < vectors; i++)
		desc_release(&descs[i]);
	iommu_group_put(group);
	iommu_domain_free(domains[0]);
out_close:
	subject_close(&subject);
	if (!ret)
		report(subject.name, "replace", vectors, &replacing, REPLACEMENTS);
	return ret;
}

/* Doorbells that are not mapped yet, each run in a new domain */
static int bench_new(bool mock)
{
	struct samples getting = {}, putting = {};
	struct subject subject;
	unsigned int run;
	int ret = 0;

	for (run = 0; !ret && run < runs; run++) {
		ret = subject_open(&subject, mock);
		if (ret)
			return ret;
		SAMPLE(&getting, FEW, ret |= get(&subject, i));
#ifdef SERIES
		SAMPLE(&putting, FEW, put(&subject, i));
#endif
		subject_close(&subject);
	}
	if (ret)
		return ret;
	report(subject.name, "new", FEW, &getting, FEW);
	if (IS_ENABLED(CONFIG_IOMMU_MSI))
		report(subject.name, "last", FEW, &putting, FEW);
	return 0;
}

static int map_unmap(struct iommu_domain *domain, phys_addr_t pa)
{
	int ret = iommu_map(domain, WINDOW, pa, GRANULE, PROT, GFP_KERNEL);

	if (!ret)
		iommu_unmap(domain, WINDOW, GRANULE);
	return ret;
}

/* The floor under all that maps a doorbell and takes it away */
static int bench_floor(bool mock)
{
	struct samples mapping = {};
	struct subject subject;
	unsigned int run;
	int ret;

	ret = subject_open(&subject, mock);
	if (ret)
		return ret;
	for (run = 0; run < runs; run++)
		SAMPLE(&mapping, rounds,
		       ret |= map_unmap(subject.target.domain, nth(0)));
	subject_close(&subject);
	if (!ret)
		report(subject.name, "floor", 0, &mapping, rounds);
	return ret;
}

#ifdef SERIES

static int get_put(struct subject *subject, unsigned int n)
{
	int ret = get(subject, n);

	if (!ret)
		put(subject, n);
	return ret;
}

/* One doorbell comes and goes beside @others that stay */
static int bench_cycle(bool mock, unsigned int others)
{
	struct samples cycling = {};
	struct subject subject;
	unsigned int run;
	int ret;

	ret = subject_open(&subject, mock);
	if (ret)
		return ret;
	ret = get_all(&subject, others);
	for (run = 0; !ret && run < runs; run++) {
		SAMPLE(&cycling, rounds, ret |= get_put(&subject, others));
		settle();
	}
	subject_close(&subject);
	if (!ret)
		report(subject.name, "cycle", others, &cycling, rounds);
	return ret;
}

#else /* SERIES */

static int bench_cycle(bool mock, unsigned int others)
{
	return 0;
}

#endif /* SERIES */

/* --- messages ------------------------------------------------------------ */

static inline void desc_compose(struct msi_desc *desc)
{
#ifdef SERIES
	iommu_dma_compose_msi_msg(desc, &msg);
#else
	void (*function)(struct msi_desc *, struct msi_msg *) = (void *)compose;

	function(desc, &msg);
#endif
}

static inline struct iommu_domain *domain_of(struct device *dev)
{
#ifdef SERIES
	return iommu_msi_domain(dev);
#else
	return iommu_get_domain_for_dev(dev);
#endif
}

/* The interrupts of a device with an IOMMU, and of one without */
static int bench_messages(void)
{
	struct samples translated = {}, bypassing = {}, looking = {};
	struct iommu_domain *volatile domain;
	struct subject subject;
	unsigned int run;
	int ret;

	ret = subject_open(&subject, false);
	if (ret)
		return ret;
	descs_reset(subject.target.dev);
	ret = desc_prepare(&descs[0], nth(0));
	for (run = 0; !ret && run < runs; run++) {
		SAMPLE(&translated, rounds, desc_compose(&descs[0]));
		SAMPLE(&bypassing, rounds, desc_compose(&descs[1]));
		SAMPLE(&looking, rounds, domain = domain_of(subject.target.dev));
	}
	desc_release(&descs[0]);
	subject_close(&subject);
	if (ret)
		return ret;
	report(subject.name, "compose", 1, &translated, rounds);
	report(subject.name, "compose", 0, &bypassing, rounds);
	report(subject.name, "domain", 0, &looking, rounds);
	return 0;
}

/* --- memory -------------------------------------------------------------- */

/* The counters are right when their worker has come by, once a second */
static s64 slab_bytes(void)
{
	settle();
	msleep(2500);
	return (s64)PAGE_SIZE *
	       (global_node_page_state_pages(NR_SLAB_RECLAIMABLE_B) +
		global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B));
}

static void report_bytes(const char *what, s64 bytes, unsigned int count)
{
	pr_info("bench memory %s 0 %lld\n", what, bytes / count);
}

static int bench_domain_memory(void)
{
	struct device *dev = bus_find_device_by_name(&pci_bus_type, NULL, device);
	unsigned int i, count = 0;
	struct iommu_domain **domains;
	s64 before, without = 0;
	int ret = -ENOMEM;

	domains = kvcalloc(most, sizeof(*domains), GFP_KERNEL);
	if (!domains)
		goto out;
	ret = 0;
	before = slab_bytes();
	for (; count < most; count++) {
		domains[count] = iommu_paging_domain_alloc(dev);
		if (IS_ERR(domains[count])) {
			ret = PTR_ERR(domains[count]);
			goto out;
		}
	}
	without = slab_bytes();
	for (i = 0; !ret && i < count; i++)
		ret = window_open(domains[i], DEFAULT_PAGES);
	if (!ret) {
		report_bytes("domain", without - before, count);
		report_bytes("window", slab_bytes() - without, count);
	}
out:
	while (count--)
		iommu_domain_free(domains[count]);
	kvfree(domains);
	put_device(dev);
	return ret;
}

static int bench_doorbell_memory(void)
{
	struct subject subject;
	s64 before;
	int ret;

	ret = subject_open(&subject, true);
	if (ret)
		return ret;
	before = slab_bytes();
	ret = get_all(&subject, most);
	if (!ret)
		report_bytes("doorbell", slab_bytes() - before, most);
	subject_close(&subject);
	return ret;
}

/* ------------------------------------------------------------------------- */

static int bench_domain(bool mock)
{
	unsigned int n;
	int ret;

	ret = bench_floor(mock) ?: bench_new(mock) ?: bench_cycle(mock, 0) ?:
	      bench_cycle(mock, 1) ?: bench_cycle(mock, most / 16);
	for (n = 1; !ret && n <= most; n *= 16)
		ret = bench_mapped(mock, n);
	return ret;
}

static int __init msi_bench_init(void)
{
	struct samples empty = {};
	unsigned int run;
	int ret;

	if (!device || !prepare || !replace || !runs || runs > MAX_RUNS || !rounds ||
	    most > WINDOW_PAGES / 2)
		return -EINVAL;
	descs = kvcalloc(rounds, sizeof(*descs), GFP_KERNEL);
	if (!descs)
		return -ENOMEM;

	for (run = 0; run < runs; run++)
		SAMPLE(&empty, rounds, );
	nothing = median(&empty);
	report_bytes("descriptor", kmalloc_size_roundup(sizeof(*descs)), 1);
	/* Memory first: later, slabs that are not full would hide what is taken */
	ret = bench_doorbell_memory() ?: bench_domain_memory() ?:
	      bench_dma_domain() ?: bench_messages() ?: bench_domain(false) ?:
	      bench_domain(true) ?: bench_replacement(1) ?:
	      bench_replacement(rounds / 2);
	kvfree(descs);
	return ret;
}

static void __exit msi_bench_exit(void)
{
}

module_init(msi_bench_init);
module_exit(msi_bench_exit);
MODULE_DESCRIPTION("Measures what mapping MSI doorbells costs");
MODULE_LICENSE("GPL");
