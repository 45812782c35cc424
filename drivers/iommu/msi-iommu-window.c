// SPDX-License-Identifier: GPL-2.0-only
/*
 * The doorbells that a machine has, and what devices ask of an MSI window
 *
 * Irqchips say where their doorbells are and what else may be exposed along
 * with them. That decides how many pages of a window a device needs, and
 * whether a page may be mapped at all. And a device whose owner sets no window
 * gets one from here.
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

/* The file is a part of msi-iommu, and so are its parameters */
#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "msi_iommu."

bool iommu_msi_allow_unsafe_doorbells;
module_param_named(allow_unsafe_doorbells, iommu_msi_allow_unsafe_doorbells, bool, 0600);
MODULE_PARM_DESC(allow_unsafe_doorbells,
		 "Map a doorbell even if the smallest page of the IOMMU exposes registers next to it (default: no)");

/**
 * struct iommu_msi_frame - a doorbell that an irqchip has registered
 * @node: in iommu_msi_frames
 * @domain: irq domain whose interrupts arrive there
 * @addr: physical address that messages are written to, lowest if several
 * @start: first byte of what is harmless when exposed with it
 * @last: last byte
 * @rcu: readers of iommu_msi_frames may hold on to it
 *
 * Nothing in it changes once it is listed.
 */
struct iommu_msi_frame {
	struct list_head node;
	struct irq_domain *domain;
	phys_addr_t addr;
	phys_addr_t start;
	phys_addr_t last;
	struct rcu_head rcu;
};

/* Changed under the mutex, read under RCU */
static LIST_HEAD(iommu_msi_frames);
static DEFINE_MUTEX(iommu_msi_frames_lock);

/**
 * iommu_msi_register_doorbell - Tell of a doorbell that the machine has
 * @domain: irq domain whose interrupts arrive at the doorbell; an ancestor of
 *	    those of the devices, or their own
 * @addr: physical address that devices write to; the lowest, if there are
 *	  several next to each other
 * @start: first byte of the frame that @addr is in
 * @size: bytes of that frame, which holds nothing but doorbells
 *
 * Where the smallest page of an IOMMU reaches beyond the frame, devices that
 * user space owns could write to whatever else is there. Such a page is not
 * mapped unless the administrator allows it.
 *
 * Context: Process context. May sleep.
 * Return: 0; -EINVAL if @addr is outside of the frame; -ENOMEM.
 */
int iommu_msi_register_doorbell(struct irq_domain *domain, phys_addr_t addr,
				phys_addr_t start, phys_addr_t size)
{
	struct iommu_msi_frame *frame;

	if (addr < start || addr - start >= size)
		return -EINVAL;

	frame = kzalloc(sizeof(*frame), GFP_KERNEL);
	if (!frame)
		return -ENOMEM;
	frame->domain = domain;
	frame->addr = addr;
	frame->start = start;
	frame->last = start + size - 1;

	guard(mutex)(&iommu_msi_frames_lock);
	list_add_tail_rcu(&frame->node, &iommu_msi_frames);
	return 0;
}
EXPORT_SYMBOL_GPL(iommu_msi_register_doorbell);

/**
 * iommu_msi_unregister_doorbells - Tell that an irq domain is going away
 * @domain: irq domain as given to iommu_msi_register_doorbell()
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
EXPORT_SYMBOL_GPL(iommu_msi_unregister_doorbells);

/*
 * Are the pages from @pa on, which hold the doorbell at @addr, harmless when
 * devices that user space owns can write to them? Nothing is known of a
 * doorbell that nobody has registered: it is its caller's business.
 */
int iommu_msi_check_exposure(phys_addr_t addr, phys_addr_t pa, size_t size)
{
	phys_addr_t last = pa + size - 1;
	struct iommu_msi_frame *frame;

	guard(rcu)();
	list_for_each_entry_rcu(frame, &iommu_msi_frames, node) {
		if (addr < frame->start || addr > frame->last)
			continue;
		if (pa >= frame->start && last <= frame->last)
			return 0;
		if (iommu_msi_allow_unsafe_doorbells)
			return 0;
		pr_err_ratelimited("the page of MSI doorbell %pa is %pa-%pa and would expose what is outside of %pa-%pa to user space; msi_iommu.allow_unsafe_doorbells=1 allows it\n",
				   &addr, &pa, &last, &frame->start,
				   &frame->last);
		return -EPERM;
	}
	return 0;
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
static dma_addr_t iommu_msi_device_limit(struct device *dev)
{
	struct pci_dev *pdev;
	u16 flags;

	if (!dev_is_pci(dev))
		return U64_MAX;

	pdev = to_pci_dev(dev);
	/* Known since the device was found; the bits beside it change */
	if (data_race(!!pdev->no_64bit_msi))
		return U32_MAX;
	if (pdev->msi_cap &&
	    !pci_read_config_word(pdev, pdev->msi_cap + PCI_MSI_FLAGS, &flags) &&
	    !(flags & PCI_MSI_FLAGS_64BIT))
		return U32_MAX;
	return U64_MAX;
}

/**
 * iommu_msi_survey_init - Begin to ask devices what they need of a window
 * @survey: to be ended by iommu_msi_survey_end()
 * @page_size: bytes of a page in the window
 */
void iommu_msi_survey_init(struct iommu_msi_survey *survey,
			   unsigned long page_size)
{
	*survey = (struct iommu_msi_survey) {
		.page_size = page_size,
		.limit = U64_MAX,
	};
	xa_init(&survey->pfns);
}
EXPORT_SYMBOL_GPL(iommu_msi_survey_init);

/* Counts each page once, however many devices and doorbells share it */
static int iommu_msi_survey_frame(struct iommu_msi_survey *survey,
				  const struct iommu_msi_frame *frame)
{
	unsigned long pfn = frame->addr >> __ffs(survey->page_size);
	int ret;

	ret = xa_insert(&survey->pfns, pfn, xa_mk_value(1), GFP_KERNEL);
	if (ret)
		return ret == -EBUSY ? 0 : ret;
	survey->pages++;
	return 0;
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
 * Return: 0; -ENOMEM.
 */
int iommu_msi_survey_device(struct device *dev, void *data)
{
	struct irq_domain *domain = dev_get_msi_domain(dev);
	struct iommu_msi_survey *survey = data;
	struct iommu_msi_frame *frame;
	int ret;

	survey->devices++;
	iommu_msi_survey_regions(survey, dev);
	if (!iommu_dev_translates_msi(dev))
		return 0;

	survey->limit = min(survey->limit, iommu_msi_device_limit(dev));

	guard(mutex)(&iommu_msi_frames_lock);
	list_for_each_entry(frame, &iommu_msi_frames, node) {
		if (!iommu_msi_domain_descends(domain, frame->domain))
			continue;
		ret = iommu_msi_survey_frame(survey, frame);
		if (ret)
			return ret;
	}
	return 0;
}
EXPORT_SYMBOL_GPL(iommu_msi_survey_device);

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
EXPORT_SYMBOL_GPL(iommu_msi_survey_check);

/**
 * iommu_msi_survey_end - End a survey
 * @survey: begun by iommu_msi_survey_init(); its counts stay
 */
void iommu_msi_survey_end(struct iommu_msi_survey *survey)
{
	xa_destroy(&survey->pfns);
}
EXPORT_SYMBOL_GPL(iommu_msi_survey_end);

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
EXPORT_SYMBOL_GPL(iommu_msi_get_resv_region);
