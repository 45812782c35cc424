// SPDX-License-Identifier: GPL-2.0-only
/*
 * The doorbells that a machine has, and what devices ask of an MSI window
 *
 * Irqchips say where their doorbells are. That gives each of their pages a
 * number, which decides where it goes in a window, tells how many pages a device
 * needs, and what is exposed to whoever owns a device. And a device whose owner
 * sets no window gets one from here.
 */
#define pr_fmt(fmt) "iommu-msi: " fmt

#include <linux/iommu.h>
#include <linux/irqdomain.h>
#include <linux/kstrtox.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/moduleparam.h>
#include <linux/msi-iommu.h>
#include <linux/pci.h>
#include <linux/range.h>
#include <linux/rculist.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/xarray.h>

#include "msi-iommu.h"

/* Doorbell pages, whatever the kernel's and the IOMMU's are */
#define IOMMU_MSI_PAGE_SHIFT	12U
/* A larger frame has one doorbell for each device */
#define IOMMU_MSI_FRAME_PAGES	16

/* The number of each doorbell page of the machine by its PFN; kept for ever */
static DEFINE_XARRAY(iommu_msi_numbers);
/* The next one, protected by the xarray's lock */
static unsigned int iommu_msi_numbered;

/**
 * struct iommu_msi_frame - doorbells that an irqchip has registered
 * @node: in iommu_msi_frames
 * @domain: irq domain whose interrupts arrive there
 * @first: lowest byte that messages are written to
 * @last: highest byte
 * @harmless: what may be exposed along with it
 * @index: how many were registered before
 * @warned: what else is exposed has been said
 * @rcu: readers of iommu_msi_frames may hold on to it
 *
 * Nothing but @warned changes once it is listed.
 */
struct iommu_msi_frame {
	struct list_head node;
	struct irq_domain *domain;
	phys_addr_t first;
	phys_addr_t last;
	struct range harmless;
	unsigned int index;
	atomic_t warned;
	struct rcu_head rcu;
};

/* Changed under the mutex, read under RCU */
static LIST_HEAD(iommu_msi_frames);
static DEFINE_MUTEX(iommu_msi_frames_lock);
static unsigned int iommu_msi_frames_registered;

/* The lowest number of a doorbell page in [first, last], or -ENOENT */
static int iommu_msi_lowest_number(unsigned long first, unsigned long last)
{
	int lowest = INT_MAX;
	unsigned long pfn;
	void *entry;

	xa_for_each_range(&iommu_msi_numbers, pfn, entry, first, last)
		lowest = min_t(int, lowest, xa_to_value(entry));
	return lowest == INT_MAX ? -ENOENT : lowest;
}

/* Gives the doorbell page a number for ever; its place has been reserved */
static void iommu_msi_give_number(unsigned long pfn)
{
	if (!xa_load(&iommu_msi_numbers, pfn))
		__xa_store(&iommu_msi_numbers, pfn,
			   xa_mk_value(iommu_msi_numbered++), GFP_NOWAIT);
}

/*
 * The number of the doorbell page that @addr is in; of the lowest one in an IOMMU
 * page of more. What was not registered gets one here. -ENOMEM if it cannot.
 */
int iommu_msi_number(phys_addr_t addr, unsigned int pgshift)
{
	unsigned int order = max(pgshift, IOMMU_MSI_PAGE_SHIFT) - IOMMU_MSI_PAGE_SHIFT;
	unsigned long pfn = addr >> IOMMU_MSI_PAGE_SHIFT;
	unsigned long first = pfn >> order << order;
	unsigned long last = first + (1UL << order) - 1;
	int number, ret;

	number = iommu_msi_lowest_number(first, last);
	if (number >= 0)
		return number;

	ret = xa_reserve(&iommu_msi_numbers, pfn, GFP_KERNEL);
	if (ret)
		return ret;
	xa_lock(&iommu_msi_numbers);
	/* Somebody else may have been faster, with a page beside it */
	if (iommu_msi_lowest_number(first, last) < 0)
		iommu_msi_give_number(pfn);
	xa_unlock(&iommu_msi_numbers);
	return iommu_msi_lowest_number(first, last);
}

/* One after the other; what cannot be had is numbered when it is first used */
static void iommu_msi_number_frame(const struct iommu_msi_frame *frame)
{
	unsigned long first = frame->first >> IOMMU_MSI_PAGE_SHIFT;
	unsigned long last = frame->last >> IOMMU_MSI_PAGE_SHIFT;
	unsigned long pfn;
	int ret = 0;

	if (last - first >= IOMMU_MSI_FRAME_PAGES)
		return;
	for (pfn = first; pfn <= last && !ret; pfn++)
		ret = xa_reserve(&iommu_msi_numbers, pfn, GFP_KERNEL);

	xa_lock(&iommu_msi_numbers);
	for (pfn = first; pfn <= last && !ret; pfn++)
		iommu_msi_give_number(pfn);
	xa_unlock(&iommu_msi_numbers);
}

/**
 * iommu_msi_register_doorbell - Tell of doorbells that the machine has
 * @domain: irq domain whose interrupts arrive at the doorbells; an ancestor of
 *	    those of the devices, or their own
 * @doorbell: first and last byte, by physical address, that messages are written
 *	      to
 * @harmless: first and last byte of what may be exposed to who owns a device: a
 *	      frame that holds nothing but doorbells
 *
 * This is advice. The doorbell of an irqchip that does not call it, or whose call
 * fails, is mapped all the same; but where in a window depends on when it is
 * first used, how many pages a window needs does not include it, and what is
 * exposed with it is not said. So an irqchip logs a failure, and goes on.
 *
 * Context: Process context. May sleep.
 * Return: 0; -EINVAL if @doorbell ends before it starts; -ENOMEM.
 */
int iommu_msi_register_doorbell(struct irq_domain *domain,
				const struct range *doorbell,
				const struct range *harmless)
{
	struct iommu_msi_frame *frame;

	if (doorbell->end < doorbell->start)
		return -EINVAL;

	frame = kzalloc(sizeof(*frame), GFP_KERNEL);
	if (!frame)
		return -ENOMEM;
	frame->domain = domain;
	frame->first = doorbell->start;
	frame->last = doorbell->end;
	/* Messages reach all of the doorbells anyway */
	frame->harmless.start = min(doorbell->start, harmless->start);
	frame->harmless.end = max(doorbell->end, harmless->end);

	guard(mutex)(&iommu_msi_frames_lock);
	frame->index = iommu_msi_frames_registered++;
	iommu_msi_number_frame(frame);
	list_add_tail_rcu(&frame->node, &iommu_msi_frames);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(iommu_msi_register_doorbell, IOMMU_MSI);

/**
 * iommu_msi_unregister_doorbells - Tell that an irq domain is going away
 * @domain: irq domain as given to iommu_msi_register_doorbell()
 *
 * The pages of its doorbells keep their numbers.
 *
 * Context: Process context. May sleep.
 */
void iommu_msi_unregister_doorbells(struct irq_domain *domain)
{
	struct iommu_msi_frame *frame, *next;

	guard(mutex)(&iommu_msi_frames_lock);
	list_for_each_entry_safe(frame, next, &iommu_msi_frames, node) {
		if (frame->domain != domain)
			continue;
		list_del_rcu(&frame->node);
		kfree_rcu(frame, rcu);
	}
}
EXPORT_SYMBOL_NS_GPL(iommu_msi_unregister_doorbells, IOMMU_MSI);

/*
 * Says what else devices that user space owns can write to now that the pages
 * from @pa on are mapped for the doorbell at @addr. Whoever set the window has
 * seen to it that the user may.
 */
void iommu_msi_warn_exposure(phys_addr_t addr, phys_addr_t pa, size_t size)
{
	phys_addr_t last = pa + (size - 1);
	struct iommu_msi_frame *frame;

	guard(rcu)();
	list_for_each_entry_rcu(frame, &iommu_msi_frames, node) {
		if (addr < frame->first || addr > frame->last)
			continue;
		if ((pa < frame->harmless.start || last > frame->harmless.end) &&
		    !atomic_xchg(&frame->warned, 1))
			pr_warn("the page of MSI doorbell %pa is %pa-%pa and exposes what is outside of %#llx-%#llx to the owner of a device\n",
				&addr, &pa, &last, frame->harmless.start,
				frame->harmless.end);
		return;
	}
}

static bool iommu_msi_domain_descends(const struct irq_domain *domain,
				      const struct irq_domain *from)
{
	for (; domain; domain = domain->parent)
		if (domain == from)
			return true;
	return false;
}

/* Some PCI devices cannot write a message to an address above 4 GiB */
static u64 iommu_msi_device_limit(struct device *dev)
{
	/* Known since the device was found; the bits beside it change */
	if (dev_is_pci(dev) && data_race(!!to_pci_dev(dev)->no_64bit_msi))
		return U32_MAX;
	return U64_MAX;
}

/**
 * iommu_msi_survey_init - Begin to ask devices what they need of a window
 * @survey: where the answers are gathered
 * @page_size: bytes of a page in the window
 */
void iommu_msi_survey_init(struct iommu_msi_survey *survey,
			   unsigned long page_size)
{
	*survey = (struct iommu_msi_survey) {
		.page_size = page_size,
		.limit = U64_MAX,
	};
}
EXPORT_SYMBOL_NS_GPL(iommu_msi_survey_init, IOMMU_MSI);

/*
 * Counts the pages of each frame once, however many devices share it. Of a frame
 * with a doorbell for each device every device has one.
 */
static void iommu_msi_survey_frame(struct iommu_msi_survey *survey,
				   const struct iommu_msi_frame *frame)
{
	unsigned int pgshift = __ffs(survey->page_size);
	u64 pages = (frame->last >> pgshift) - (frame->first >> pgshift) + 1;

	if (frame->last - frame->first >= IOMMU_MSI_FRAME_PAGES << IOMMU_MSI_PAGE_SHIFT)
		survey->pages++;
	else if (frame->index < IOMMU_MSI_SURVEY_FRAMES &&
		 !__test_and_set_bit(frame->index, survey->frames))
		survey->pages += pages;
}

static void iommu_msi_survey_regions(struct iommu_msi_survey *survey,
				     struct device *dev)
{
	struct iommu_resv_region *region;
	LIST_HEAD(regions);

	iommu_get_resv_regions(dev, &regions);
	list_for_each_entry(region, &regions, list) {
		if (region->type != IOMMU_RESV_MSI || survey->hw_msi)
			continue;
		survey->hw_msi = true;
		survey->hw_start = region->start;
		survey->hw_last = region->start + region->length - 1;
	}
	iommu_put_resv_regions(dev, &regions);
}

/**
 * iommu_msi_survey_device - Ask a device what it needs of a window
 * @dev: the device
 * @data: &struct iommu_msi_survey
 *
 * In the form that iommu_group_for_each_dev() takes.
 *
 * Context: Process context. May sleep.
 * Return: 0.
 */
int iommu_msi_survey_device(struct device *dev, void *data)
{
	struct irq_domain *domain = dev_get_msi_domain(dev);
	struct iommu_msi_survey *survey = data;
	struct iommu_msi_frame *frame;

	survey->devices++;
	iommu_msi_survey_regions(survey, dev);
	if (!iommu_dev_translates_msi(dev))
		return 0;

	survey->limit = min(survey->limit, iommu_msi_device_limit(dev));

	guard(rcu)();
	list_for_each_entry_rcu(frame, &iommu_msi_frames, node)
		if (iommu_msi_domain_descends(domain, frame->domain))
			iommu_msi_survey_frame(survey, frame);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(iommu_msi_survey_device, IOMMU_MSI);

/**
 * iommu_msi_survey_check - Tell whether a window does for the devices
 * @survey: of the devices
 * @start: first IOVA of the window
 * @end: last IOVA of the window, inclusive
 *
 * Return: 0; -ERANGE if one of the devices cannot address all of the window;
 * -ENOSPC if their doorbells need more pages.
 */
int iommu_msi_survey_check(const struct iommu_msi_survey *survey,
			   dma_addr_t start, dma_addr_t end)
{
	if (end > survey->limit) {
		pr_info_ratelimited("a device cannot write messages to all of window %pad-%pad, but up to %#llx\n",
				    &start, &end, survey->limit);
		return -ERANGE;
	}
	if (((u64)(end - start) >> __ffs(survey->page_size)) + 1 < survey->pages) {
		pr_info_ratelimited("window %pad-%pad has fewer than the %lu pages that the devices' doorbells take\n",
				    &start, &end, survey->pages);
		return -ENOSPC;
	}
	return 0;
}
EXPORT_SYMBOL_NS_GPL(iommu_msi_survey_check, IOMMU_MSI);

/* What VMMs know, and leave free of memory */
#define IOMMU_MSI_WINDOW_START	0x8000000ULL
#define IOMMU_MSI_WINDOW_SIZE	SZ_1M

/* The administrator's choice, if end > start. Both are inclusive. */
static struct range iommu_msi_window;

int iommu_msi_parse_window(const char *val, struct range *window)
{
	char buffer[48], *text = buffer, *first;

	/* It is too early for an allocation when the command line is parsed */
	if (strscpy(buffer, val) < 0)
		return -EINVAL;

	first = strsep(&text, "-");
	if (!text || kstrtou64(first, 0, &window->start) ||
	    kstrtou64(strim(text), 0, &window->end) ||
	    window->start >= window->end)
		return -EINVAL;
	/* What a reserved region can tell */
	if (window->end > PHYS_ADDR_MAX ||
	    window->end - window->start >= SIZE_MAX)
		return -EINVAL;
	/* The smallest page of any IOMMU divides 64K */
	if ((window->start | (window->end + 1)) & (SZ_64K - 1))
		return -EINVAL;
	return 0;
}

static int iommu_msi_set_window(const char *val, const struct kernel_param *kp)
{
	struct range window;

	if (iommu_msi_parse_window(val, &window)) {
		pr_err("msi_iommu.window=%s is not <first>-<last>, inclusive, in multiples of 0x10000: ignored\n",
		       val);
		return -EINVAL;
	}
	iommu_msi_window = window;
	return 0;
}

static int iommu_msi_show_window(char *buffer, const struct kernel_param *kp)
{
	if (iommu_msi_window.start >= iommu_msi_window.end)
		return sysfs_emit(buffer, "\n");
	return sysfs_emit(buffer, "%#llx-%#llx\n", iommu_msi_window.start,
			  iommu_msi_window.end);
}

static const struct kernel_param_ops iommu_msi_window_ops = {
	.set = iommu_msi_set_window,
	.get = iommu_msi_show_window,
};

module_param_cb(window, &iommu_msi_window_ops, NULL, 0400);
MODULE_PARM_DESC(window,
		 "Where MSI doorbells are mapped unless the owner of a domain says so: <first>-<last> (default: 0x8000000-0x80fffff, or what is free)");

static bool iommu_msi_window_meets(const struct range *window, u64 start, u64 end)
{
	return start <= window->end && end >= window->start;
}

/* A write to a bridge's window may go to another device instead */
static bool iommu_msi_meets_bridge(struct device *dev,
				   const struct range *window)
{
	struct pci_host_bridge *bridge;
	struct resource_entry *entry;

	if (!IS_ENABLED(CONFIG_PCI) || !dev_is_pci(dev))
		return false;

	bridge = pci_find_host_bridge(to_pci_dev(dev)->bus);
	resource_list_for_each_entry(entry, &bridge->windows) {
		if (resource_type(entry->res) == IORESOURCE_MEM &&
		    iommu_msi_window_meets(window,
					   entry->res->start - entry->offset,
					   entry->res->end - entry->offset))
			return true;
	}
	return false;
}

static bool iommu_msi_window_free(struct device *dev, struct list_head *regions,
				  const struct range *window)
{
	struct iommu_resv_region *region;

	list_for_each_entry(region, regions, list) {
		if (iommu_msi_window_meets(window, region->start,
					   region->start + region->length - 1))
			return false;
	}
	return !iommu_msi_meets_bridge(dev, window);
}

/* The first free one from the default on to the end of 4 GiB, or below it */
static bool iommu_msi_search_window(struct device *dev,
				    struct list_head *regions,
				    struct range *window)
{
	u64 offset;

	for (offset = 0; offset < SZ_4G; offset += IOMMU_MSI_WINDOW_SIZE) {
		window->start = lower_32_bits(IOMMU_MSI_WINDOW_START + offset);
		window->end = window->start + IOMMU_MSI_WINDOW_SIZE - 1;
		if (iommu_msi_window_free(dev, regions, window))
			return true;
	}
	return false;
}

/**
 * iommu_msi_get_resv_region - Suggest a window for a device's MSI doorbells
 * @dev: device whose MSIs are translated
 * @head: list of its reserved regions, complete but for this one, which is
 *	  added with the type IOMMU_RESV_SW_MSI
 *
 * For IOMMU drivers, at the end of their &iommu_ops.get_resv_regions. The
 * window is the one that msi_iommu.window names, else 0x8000000-0x80fffff,
 * else the first one as large as that which meets no other reserved region
 * and no window of the device's PCI host bridge.
 *
 * Context: Process context. May sleep.
 */
void iommu_msi_get_resv_region(struct device *dev, struct list_head *head)
{
	struct iommu_resv_region *region;
	struct range window = iommu_msi_window;

	if (window.start < window.end &&
	    !iommu_msi_window_free(dev, head, &window)) {
		dev_warn_once(dev, "msi_iommu.window meets what is reserved for this device: another one is searched\n");
		window = (struct range) {};
	}
	if (window.start >= window.end) {
		if (!iommu_msi_search_window(dev, head, &window)) {
			dev_err_once(dev, "no 1 MiB below 4 GiB is free for MSI doorbells\n");
			return;
		}
		if (window.start != IOMMU_MSI_WINDOW_START)
			dev_info_once(dev, "the MSI window is %#llx-%#llx, as %#llx is reserved\n",
				      window.start, window.end,
				      IOMMU_MSI_WINDOW_START);
	}

	region = iommu_alloc_resv_region(window.start,
					 window.end - window.start + 1,
					 IOMMU_MSI_PROT, IOMMU_RESV_SW_MSI,
					 GFP_KERNEL);
	if (region)
		list_add_tail(&region->list, head);
}
EXPORT_SYMBOL_NS_GPL(iommu_msi_get_resv_region, IOMMU_MSI);
