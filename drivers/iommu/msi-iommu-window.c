// SPDX-License-Identifier: GPL-2.0-only
/*
 * What devices ask of an MSI window, and the window of those whose owner sets none
 */
#define pr_fmt(fmt) "iommu-msi: " fmt

#include <linux/iommu.h>
#include <linux/kstrtox.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/moduleparam.h>
#include <linux/msi-iommu.h>
#include <linux/pci.h>
#include <linux/range.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "msi-iommu.h"

#define CREATE_TRACE_POINTS
#include <trace/events/iommu_msi.h>

/* Some PCI devices cannot write a message to an address above 4 GiB */
static u64 iommu_msi_device_limit(struct device *dev)
{
	/* Known since the device was found; the bits beside it change */
	if (dev_is_pci(dev) && data_race(!!to_pci_dev(dev)->no_64bit_msi))
		return U32_MAX;
	return U64_MAX;
}

/**
 * iommu_msi_survey_init - Begin to ask what a window for MSIs is, and has to be
 * @survey: where the answers are gathered
 * @page_size: bytes of a page in the window, as long as no domain has one
 * @window: the user's, or NULL
 */
void iommu_msi_survey_init(struct iommu_msi_survey *survey,
			   unsigned long page_size, const struct range *window)
{
	*survey = (struct iommu_msi_survey) {
		.window = { 1, 0 },
		.page_size = page_size,
		.limit = U64_MAX,
	};
	if (window && iommu_msi_window_set(window))
		survey->window = *window;
}
EXPORT_SYMBOL_NS_GPL(iommu_msi_survey_init, IOMMU_MSI);

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
		if (iommu_msi_window_set(&survey->window))
			continue;
		survey->window.start = region->start;
		survey->window.end = region->start + region->length - 1;
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
	struct iommu_msi_survey *survey = data;

	survey->devices++;
	iommu_msi_survey_regions(survey, dev);
	if (!iommu_dev_translates_msi(dev))
		return 0;

	survey->limit = min(survey->limit, iommu_msi_device_limit(dev));
	iommu_msi_survey_frames(survey, dev);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(iommu_msi_survey_device, IOMMU_MSI);

/* The region in the way of a window, or NULL */
static struct iommu_resv_region *
iommu_msi_reserved_in(const struct range *window, struct list_head *regions)
{
	struct iommu_resv_region *region;

	list_for_each_entry(region, regions, list)
		if (region->type != IOMMU_RESV_SW_MSI &&
		    region->type != IOMMU_RESV_DIRECT_RELAXABLE &&
		    iommu_msi_window_meets(window, region->start,
					   region->start + (region->length - 1)))
			return region;
	return NULL;
}

/**
 * iommu_msi_window_refused - Trace why a window of the user's is refused
 * @window: first and last IOVA
 * @fmt: what is against it, as for printf
 *
 * The user has an errno; this is for whoever looks what is behind it.
 */
void iommu_msi_window_refused(const struct range *window, const char *fmt, ...)
{
	struct va_format reason = { .fmt = fmt };
	va_list args;

	va_start(args, fmt);
	reason.va = &args;
	trace_iommu_msi_window_refused(window, &reason);
	va_end(args);
}
EXPORT_SYMBOL_NS_GPL(iommu_msi_window_refused, IOMMU_MSI);

/**
 * iommu_msi_check_window - Tell whether a window of the user's does for a domain
 * @domain: the domain
 * @survey: of the devices that are attached to it, and of others that share the
 *	    window
 * @window: first and last IOVA
 *
 * What else is mapped or reserved there is for the domain's owner to check.
 *
 * Return: 0; -EINVAL if the window is not made of the domain's smallest pages;
 * -ERANGE if it is not within the domain's geometry or if one of the devices
 * cannot address all of it; -ENOSPC if the devices' doorbells need more pages.
 */
int iommu_msi_check_window(const struct iommu_domain *domain,
			   const struct iommu_msi_survey *survey,
			   const struct range *window)
{
	const struct iommu_domain_geometry *geo = &domain->geometry;
	unsigned long granule = 1UL << __ffs(domain->pgsize_bitmap);

	if ((window->start | (window->end + 1)) & (granule - 1)) {
		iommu_msi_window_refused(window, "is not made of the IOMMU's pages of %#lx",
					 granule);
		return -EINVAL;
	}
	/* Some drivers tell the geometry no sooner than a device attaches */
	if (geo->aperture_start < geo->aperture_end &&
	    (window->start < geo->aperture_start ||
	     window->end > geo->aperture_end)) {
		iommu_msi_window_refused(window, "is not within the IOMMU's %pad-%pad",
					 &geo->aperture_start, &geo->aperture_end);
		return -ERANGE;
	}
	if (window->end > survey->limit) {
		iommu_msi_window_refused(window, "is above what a device can write to: %#llx",
					 survey->limit);
		return -ERANGE;
	}
	if (((window->end - window->start) >> __ffs(survey->page_size)) + 1 <
	    survey->pages) {
		iommu_msi_window_refused(window, "has fewer pages than the devices need: %lu",
					 survey->pages);
		return -ENOSPC;
	}
	return 0;
}
EXPORT_SYMBOL_NS_GPL(iommu_msi_check_window, IOMMU_MSI);

/**
 * iommu_msi_window_reserved - Tell whether something else is reserved in a window
 * @window: first and last IOVA; nothing is if it is not set
 * @regions: &struct iommu_resv_region of devices
 *
 * What drivers suggest for MSIs makes room for a window, and so do regions that
 * may be relaxed.
 *
 * Return: true if so, which is traced.
 */
bool iommu_msi_window_reserved(const struct range *window,
			       struct list_head *regions)
{
	struct iommu_resv_region *region = iommu_msi_reserved_in(window, regions);

	if (region)
		iommu_msi_window_refused(window, "meets reserved region %pa of %#zx bytes",
					 &region->start, region->length);
	return region;
}
EXPORT_SYMBOL_NS_GPL(iommu_msi_window_reserved, IOMMU_MSI);

/* What VMMs know, and leave free of memory */
#define IOMMU_MSI_WINDOW_START	0x8000000ULL
#define IOMMU_MSI_WINDOW_SIZE	SZ_1M

/**
 * iommu_msi_suggested_window - Tell where the doorbells of a group should go
 * @regions: &struct iommu_resv_region of all devices of the group
 *
 * The devices may have been suggested different windows, which are one region if
 * they are side by side; what is wanted is one that serves all.
 *
 * Return: the window; unset if MSIs are not translated. Where one of the devices
 * has something reserved in each, it is a window that is not to be used.
 */
struct range iommu_msi_suggested_window(struct list_head *regions)
{
	struct range window = {}, part;
	struct iommu_resv_region *region;

	/* That the IOMMU lets MSIs pass has precedence */
	list_for_each_entry(region, regions, list)
		if (region->type == IOMMU_RESV_MSI)
			return window;

	list_for_each_entry(region, regions, list) {
		if (region->type != IOMMU_RESV_SW_MSI)
			continue;
		window.start = region->start;
		window.end = region->start + (region->length - 1);
		if (!iommu_msi_reserved_in(&window, regions))
			return window;
		for (part.start = window.start; part.start < window.end;
		     part.start = part.end + 1) {
			part.end = part.start + IOMMU_MSI_WINDOW_SIZE - 1;
			if (part.end <= window.end &&
			    !iommu_msi_reserved_in(&part, regions))
				return part;
		}
	}
	return window;
}
EXPORT_SYMBOL_NS_GPL(iommu_msi_suggested_window, IOMMU_MSI);

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
	pr_info("msi_iommu.window=%#llx-%#llx\n", window.start, window.end);
	return 0;
}

static int iommu_msi_show_window(char *buffer, const struct kernel_param *kp)
{
	if (!iommu_msi_window_set(&iommu_msi_window))
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

/* Where a window is looked for that the usual one cannot be, in this order */
static const struct iommu_msi_area {
	u64 first;	/* what begins from here on */
	u64 last;
	bool down;	/* from its end */
} iommu_msi_areas[] = {
	/* Devices of virtual machines: no VMM has memory there */
	{ IOMMU_MSI_WINDOW_START, SZ_256M - 1 },
	{ SZ_1M, IOMMU_MSI_WINDOW_START - 1 },
	{ SZ_256M, SZ_1G - 1 },
	/* Memory of virtual machines begins here, and is seldom that large */
	{ SZ_1G, SZ_4G - 1, true },
	{ SZ_4G, SZ_64G - 1 },
};

static bool iommu_msi_bridge_meets(const struct range *window,
				   struct list_head *resources)
{
	struct resource_entry *entry;

	resource_list_for_each_entry(entry, resources)
		if (resource_type(entry->res) == IORESOURCE_MEM &&
		    iommu_msi_window_meets(window,
					   entry->res->start - entry->offset,
					   entry->res->end - entry->offset))
			return true;
	return false;
}

/* Does the host bridge let messages through? It may tell what it does. */
static bool iommu_msi_bridge_passes(const struct range *window,
				    struct list_head *dma_ranges)
{
	struct resource_entry *entry;

	resource_list_for_each_entry(entry, dma_ranges)
		if (window->start >= entry->res->start - entry->offset &&
		    window->end <= entry->res->end - entry->offset)
			return true;
	return list_empty(dma_ranges);
}

static struct pci_host_bridge *iommu_msi_host_bridge(struct device *dev)
{
	if (!IS_ENABLED(CONFIG_PCI) || !dev_is_pci(dev))
		return NULL;
	return pci_find_host_bridge(to_pci_dev(dev)->bus);
}

/* Can messages to a window reach a doorbell? */
static bool iommu_msi_window_works(struct device *dev, struct list_head *regions,
				   const struct range *window)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);
	struct pci_host_bridge *bridge = iommu_msi_host_bridge(dev);

	if (window->end > iommu_msi_device_limit(dev))
		return false;
	/* That of another domain of the device is the same */
	if (domain && domain->geometry.aperture_end > domain->geometry.aperture_start &&
	    (window->start < domain->geometry.aperture_start ||
	     window->end > domain->geometry.aperture_end))
		return false;
	return !iommu_msi_reserved_in(window, regions) &&
	       (!bridge || iommu_msi_bridge_passes(window, &bridge->dma_ranges));
}

/*
 * May they go astray all the same? A write to a window of the host bridge may
 * reach another device instead; and who assigns a device relaxes regions.
 */
static bool iommu_msi_window_doubtful(struct device *dev,
				      struct list_head *regions,
				      const struct range *window)
{
	struct pci_host_bridge *bridge = iommu_msi_host_bridge(dev);
	struct iommu_resv_region *region;

	list_for_each_entry(region, regions, list)
		if (iommu_msi_window_meets(window, region->start,
					   region->start + (region->length - 1)))
			return true;
	return bridge && iommu_msi_bridge_meets(window, &bridge->windows);
}

static bool iommu_msi_search_area(struct device *dev, struct list_head *regions,
				  const struct iommu_msi_area *area,
				  bool doubtful, struct range *window)
{
	u64 offset, end = area->last - area->first + 1;

	for (offset = 0; offset < end; offset += IOMMU_MSI_WINDOW_SIZE) {
		window->start = area->first + offset;
		if (area->down)
			window->start = area->last + 1 - IOMMU_MSI_WINDOW_SIZE - offset;
		window->end = window->start + IOMMU_MSI_WINDOW_SIZE - 1;
		if (window->end <= PHYS_ADDR_MAX &&
		    iommu_msi_window_works(dev, regions, window) &&
		    (doubtful || !iommu_msi_window_doubtful(dev, regions, window)))
			return true;
	}
	return false;
}

static bool iommu_msi_search_window(struct device *dev, struct list_head *regions,
				    struct range *window)
{
	unsigned int i;

	for (i = 0; i < 2 * ARRAY_SIZE(iommu_msi_areas); i++)
		if (iommu_msi_search_area(dev, regions,
					  &iommu_msi_areas[i % ARRAY_SIZE(iommu_msi_areas)],
					  i >= ARRAY_SIZE(iommu_msi_areas), window))
			return true;
	return false;
}

/* The window of a device; unset if there is none. Says what is unusual, once. */
static struct range iommu_msi_device_window(struct device *dev,
					    struct list_head *regions)
{
	const struct range usual = {
		IOMMU_MSI_WINDOW_START,
		IOMMU_MSI_WINDOW_START + IOMMU_MSI_WINDOW_SIZE - 1,
	};
	bool named = iommu_msi_window_set(&iommu_msi_window);
	struct range wanted = named ? iommu_msi_window : usual;
	struct range window = wanted;
	bool said = dev->iommu->msi_window_said;

	if (iommu_msi_window_works(dev, regions, &wanted)) {
		if (named && !said &&
		    iommu_msi_window_doubtful(dev, regions, &wanted)) {
			dev_warn(dev, "msi_iommu.window meets a bridge or relaxed region: MSIs may be lost\n");
			dev->iommu->msi_window_said = true;
		}
		return wanted;
	}

	dev->iommu->msi_window_said = true;
	if (!iommu_msi_search_window(dev, regions, &window)) {
		if (!said)
			dev_err(dev, "no 1 MiB is free for MSI doorbells\n");
		return (struct range) {};
	}
	if (!said)
		dev_warn(dev, "the MSI window is %#llx-%#llx: %s%#llx-%#llx is reserved or out of reach\n",
			 window.start, window.end,
			 named ? "msi_iommu.window=" : "", wanted.start,
			 wanted.end);
	return window;
}

/**
 * iommu_msi_get_resv_region - Suggest a window for a device's MSI doorbells
 * @dev: device whose MSIs are translated
 * @head: list of its reserved regions, complete but for this one, which is
 *	  added with the type IOMMU_RESV_SW_MSI
 *
 * For IOMMU drivers, at the end of their &iommu_ops.get_resv_regions. The
 * window is the one that msi_iommu.window names, else 0x8000000-0x80fffff. If
 * that cannot work, for a reserved region that may not be relaxed, for what the
 * device, its domain or the dma-ranges of its PCI host bridge reach, it is 1 MiB
 * elsewhere that can.
 *
 * Context: Process context. May sleep.
 */
void iommu_msi_get_resv_region(struct device *dev, struct list_head *head)
{
	struct range window = iommu_msi_device_window(dev, head);
	struct iommu_resv_region *region;

	if (!iommu_msi_window_set(&window))
		return;
	region = iommu_alloc_resv_region(window.start, range_len(&window),
					 IOMMU_MSI_PROT, IOMMU_RESV_SW_MSI,
					 GFP_KERNEL);
	if (region)
		list_add_tail(&region->list, head);
}
EXPORT_SYMBOL_NS_GPL(iommu_msi_get_resv_region, IOMMU_MSI);
