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
#include <linux/of_iommu.h>
#include <linux/pci.h>
#include <linux/range.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "dma-iommu.h"
#include "msi-iommu.h"

#define CREATE_TRACE_POINTS
#include <trace/events/iommu_msi.h>

/* Some PCI devices cannot write a message to an address above 4 GiB */
static u64 iommu_msi_device_limit(struct device *dev)
{
	/* The bits beside it change */
	if (dev_is_pci(dev) && data_race(!!to_pci_dev(dev)->no_64bit_msi))
		return U32_MAX;
	return min_t(u64, ULONG_MAX, PHYS_ADDR_MAX);
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
		.limit = ULONG_MAX,
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
 * Return: 0, which stands for going on to the next.
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
 * iommu_msi_window_refused - Trace why a window is not taken
 * @window: first and last IOVA
 * @fmt: what is against it, as for printf
 *
 * Who sets a window has an errno; this is for whoever looks what is behind it.
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

/* -EINVAL if it is not made of the domain's pages, -ERANGE if out of its reach */
int iommu_msi_check_bounds(const struct iommu_domain *domain, u64 start, u64 end)
{
	const struct iommu_domain_geometry *geo = &domain->geometry;
	u64 mask;

	if (start >= end || end > ULONG_MAX || !domain->pgsize_bitmap)
		return -EINVAL;

	/* end + 1 may wrap round to 0, which is aligned as it should be */
	mask = (1UL << __ffs(domain->pgsize_bitmap)) - 1;
	if ((start | (end + 1)) & mask)
		return -EINVAL;

	/* Some drivers tell the geometry no sooner than a device attaches */
	if (geo->aperture_start < geo->aperture_end &&
	    (start < geo->aperture_start || end > geo->aperture_end))
		return -ERANGE;
	return 0;
}

static int iommu_msi_check_limit(const struct range *window,
				 const struct iommu_msi_survey *survey)
{
	if (window->end <= survey->limit)
		return 0;
	iommu_msi_window_refused(window, "is above what a device can write to: %#llx",
				 survey->limit);
	return -ERANGE;
}

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
	int ret = iommu_msi_check_bounds(domain, window->start, window->end);

	if (ret) {
		iommu_msi_window_refused(window, "is not in pages of %#lx in %pad-%pad",
					 domain->pgsize_bitmap,
					 &domain->geometry.aperture_start,
					 &domain->geometry.aperture_end);
		return ret;
	}
	if (((window->end - window->start) >> __ffs(survey->page_size)) + 1 <
	    survey->pages) {
		iommu_msi_window_refused(window, "has fewer pages than the devices need: %lu",
					 survey->pages);
		return -ENOSPC;
	}
	return iommu_msi_check_limit(window, survey);
}
EXPORT_SYMBOL_NS_GPL(iommu_msi_check_window, IOMMU_MSI);

/**
 * iommu_msi_check_devices - Tell whether a window does for devices that share it
 * @window: first and last IOVA; it does if it is not set
 * @survey: of the devices
 * @regions: &struct iommu_resv_region of the devices
 *
 * What drivers suggest for MSIs makes room for a window, and so do regions that
 * may be relaxed.
 *
 * Return: 0; -ERANGE if one of the devices cannot address all of it; -EADDRINUSE
 * if something else is reserved there.
 */
int iommu_msi_check_devices(const struct range *window,
			    const struct iommu_msi_survey *survey,
			    struct list_head *regions)
{
	struct iommu_resv_region *region = iommu_msi_reserved_in(window, regions);

	if (region) {
		iommu_msi_window_refused(window, "meets reserved region %pa of %#zx bytes",
					 &region->start, region->length);
		return -EADDRINUSE;
	}
	return iommu_msi_check_limit(window, survey);
}
EXPORT_SYMBOL_NS_GPL(iommu_msi_check_devices, IOMMU_MSI);

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
		for (part.start = window.start;
		     window.end - part.start >= IOMMU_MSI_WINDOW_SIZE - 1;
		     part.start = part.end + 1) {
			part.end = part.start + IOMMU_MSI_WINDOW_SIZE - 1;
			if (!iommu_msi_reserved_in(&part, regions))
				return part;
			if (part.end == window.end)
				break;
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
	/* What a reserved region can tell; nothing wraps where it ends */
	if (window->end > min_t(u64, ULONG_MAX, PHYS_ADDR_MAX) - IOMMU_MSI_WINDOW_SIZE ||
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

/**
 * struct iommu_msi_search - what a device's window has to do for
 * @dev: the device
 * @bridge: its PCI host bridge, or NULL
 * @regions: what is reserved for the device
 * @bridge_regions: what firmware reserves for the bridge
 * @reach: what the IOMMU can translate for the device
 */
struct iommu_msi_search {
	struct device *dev;
	struct pci_host_bridge *bridge;
	struct list_head *regions;
	struct list_head bridge_regions;
	struct range reach;
};

/* Can messages to a window reach a doorbell? */
static bool iommu_msi_window_works(struct iommu_msi_search *search,
				   const struct range *window)
{
	return window->start >= search->reach.start &&
	       window->end <= min(search->reach.end,
				  iommu_msi_device_limit(search->dev)) &&
	       !iommu_msi_reserved_in(window, search->regions) &&
	       !iommu_msi_reserved_in(window, &search->bridge_regions);
}

/* Does the host bridge let messages through? Not all firmware tells right. */
static bool iommu_msi_window_passes(struct iommu_msi_search *search,
				    const struct range *window)
{
	return !search->bridge ||
	       iommu_dma_bridge_passes(search->bridge, window->start, window->end);
}

/*
 * May messages go astray all the same? A write to a window of the host bridge may
 * reach another device instead; and who assigns a device relaxes regions.
 */
static bool iommu_msi_window_doubtful(struct iommu_msi_search *search,
				      const struct range *window)
{
	struct iommu_resv_region *region;
	struct resource_entry *entry;

	list_for_each_entry(region, search->regions, list)
		if (iommu_msi_window_meets(window, region->start,
					   region->start + (region->length - 1)))
			return true;
	if (!search->bridge)
		return false;
	resource_list_for_each_entry(entry, &search->bridge->windows)
		if (resource_type(entry->res) == IORESOURCE_MEM &&
		    iommu_msi_window_meets(window,
					   entry->res->start - entry->offset,
					   entry->res->end - entry->offset))
			return true;
	return !iommu_msi_window_passes(search, window);
}

static bool iommu_msi_search_area(struct iommu_msi_search *search,
				  const struct iommu_msi_area *area,
				  bool doubtful, struct range *window)
{
	u64 offset, end = area->last - area->first + 1;

	for (offset = 0; offset < end; offset += IOMMU_MSI_WINDOW_SIZE) {
		window->start = area->first + offset;
		if (area->down)
			window->start = area->last + 1 - IOMMU_MSI_WINDOW_SIZE - offset;
		window->end = window->start + IOMMU_MSI_WINDOW_SIZE - 1;
		if (iommu_msi_window_works(search, window) &&
		    (doubtful ? iommu_msi_window_passes(search, window) :
				!iommu_msi_window_doubtful(search, window)))
			return true;
	}
	return false;
}

static bool iommu_msi_search_window(struct iommu_msi_search *search,
				    struct range *window)
{
	unsigned int i;

	for (i = 0; i < 2 * ARRAY_SIZE(iommu_msi_areas); i++)
		if (iommu_msi_search_area(search,
					  &iommu_msi_areas[i % ARRAY_SIZE(iommu_msi_areas)],
					  i >= ARRAY_SIZE(iommu_msi_areas), window))
			return true;
	return false;
}

static u64 iommu_msi_highest_start(struct list_head *regions, u64 end)
{
	struct iommu_resv_region *region;
	u64 highest = 0;

	list_for_each_entry(region, regions, list)
		if (region->start < end)
			highest = max_t(u64, highest, region->start);
	return highest;
}

/*
 * The highest address below @end at which something that may be in the way of a
 * window begins, or something that a window may have to be in ends; or 0
 */
static u64 iommu_msi_lower_end(struct iommu_msi_search *search, u64 end)
{
	u64 highest = max(iommu_msi_highest_start(search->regions, end),
			  iommu_msi_highest_start(&search->bridge_regions, end));
	struct resource_entry *entry;

	if (!search->bridge)
		return highest;
	resource_list_for_each_entry(entry, &search->bridge->windows) {
		u64 start = entry->res->start - entry->offset;

		if (start < end)
			highest = max(highest, start);
	}
	return max(highest, iommu_dma_bridge_end(search->bridge, end));
}

/* From above down to 4 GiB, with no doubt. Not by steps: that is a long way. */
static bool iommu_msi_search_highest(struct iommu_msi_search *search,
				     struct range *window)
{
	u64 end = min3(search->reach.end, iommu_msi_device_limit(search->dev),
		       U64_MAX - 1) + 1;

	for (; end >= SZ_4G + IOMMU_MSI_WINDOW_SIZE;
	     end = iommu_msi_lower_end(search, end)) {
		window->end = ALIGN_DOWN(end, IOMMU_MSI_WINDOW_SIZE) - 1;
		window->start = window->end - (IOMMU_MSI_WINDOW_SIZE - 1);
		if (iommu_msi_window_works(search, window) &&
		    !iommu_msi_window_doubtful(search, window))
			return true;
	}
	return false;
}

/* The window of a device. What is unusual of it is said once. */
static struct range iommu_msi_device_window(struct iommu_msi_search *search)
{
	struct range window, wanted = {
		IOMMU_MSI_WINDOW_START,
		IOMMU_MSI_WINDOW_START + IOMMU_MSI_WINDOW_SIZE - 1,
	};
	bool named = iommu_msi_window_set(&iommu_msi_window);
	struct device *dev = search->dev;
	bool said = dev->iommu->msi_window_said;

	if (named)
		wanted = iommu_msi_window;
	if (iommu_msi_window_works(search, &wanted) &&
	    (named || iommu_msi_window_passes(search, &wanted))) {
		if (!named || said || !iommu_msi_window_doubtful(search, &wanted))
			return wanted;
		dev_warn(dev, "msi_iommu.window meets a bridge or relaxed region: MSIs may be lost\n");
		window = wanted;
	} else if (iommu_msi_search_window(search, &window)) {
		if (!said)
			dev_warn(dev, "the MSI window is %#llx-%#llx: %s%#llx-%#llx is reserved or out of reach\n",
				 window.start, window.end,
				 named ? "msi_iommu.window=" : "",
				 wanted.start, wanted.end);
	} else {
		if (!said)
			dev_err(dev, "no 1 MiB is free for MSI doorbells: MSIs may be lost\n");
		window = wanted;
	}
	dev->iommu->msi_window_said = true;
	return window;
}

/* What the device's host bridge has to do with it; iommu_msi_search_end() follows */
static void iommu_msi_search_begin(struct iommu_msi_search *search)
{
	INIT_LIST_HEAD(&search->bridge_regions);
	if (IS_ENABLED(CONFIG_PCI) && dev_is_pci(search->dev))
		search->bridge = pci_find_host_bridge(to_pci_dev(search->dev)->bus);
	if (search->bridge && search->bridge->dev.parent)
		of_iommu_get_resv_regions(search->bridge->dev.parent,
					  &search->bridge_regions);
}

static void iommu_msi_search_end(struct iommu_msi_search *search)
{
	struct iommu_resv_region *region, *next;

	list_for_each_entry_safe(region, next, &search->bridge_regions, list)
		kfree(region);
}

/**
 * iommu_msi_get_resv_region - Suggest a window for a device's MSI doorbells
 * @dev: device whose MSIs are translated
 * @head: list of its reserved regions, complete but for this one, which is
 *	  added with the type IOMMU_RESV_SW_MSI, unless one says that MSIs pass
 * @first: first IOVA that the IOMMU can translate for the device
 * @last: last IOVA, inclusive
 *
 * For IOMMU drivers, at the end of their &iommu_ops.get_resv_regions. The
 * window is the one that msi_iommu.window names, else 0x8000000-0x80fffff. If
 * that cannot work, it is 1 MiB elsewhere that can: for a reserved region that may
 * not be relaxed, of the device or of its PCI host bridge; for what device and
 * IOMMU reach; and unless it was named, for the bridge's dma-ranges.
 *
 * Context: Process context. May sleep.
 */
void iommu_msi_get_resv_region(struct device *dev, struct list_head *head,
			       dma_addr_t first, dma_addr_t last)
{
	struct iommu_msi_search search = {
		.dev = dev, .regions = head, .reach = { first, last },
	};
	struct iommu_resv_region *region;
	struct range window;

	list_for_each_entry(region, head, list)
		if (region->type == IOMMU_RESV_MSI)
			return;

	iommu_msi_search_begin(&search);
	window = iommu_msi_device_window(&search);
	iommu_msi_search_end(&search);

	region = iommu_alloc_resv_region(window.start, range_len(&window),
					 IOMMU_MSI_PROT, IOMMU_RESV_SW_MSI,
					 GFP_KERNEL);
	if (region)
		list_add_tail(&region->list, head);
}
EXPORT_SYMBOL_NS_GPL(iommu_msi_get_resv_region, IOMMU_MSI);

/**
 * iommu_msi_highest_window - Find a window above what the owner of a domain maps
 * @domain: the domain, best with @dev attached, as some drivers settle page sizes
 *	    and geometry only then
 * @dev: device, alone in its group
 *
 * For an owner whose user may map anything up to an IOVA that the owner tells: that
 * ends before the window then, and all below is the user's as it always was.
 *
 * Context: Process context. May sleep.
 * Return: the highest 1 MiB, at or above 4 GiB, that iommu_msi_check_window() lets
 * pass, that @dev, its bus and @domain reach, and that meets nothing reserved nor a
 * window of the PCI host bridge; unset if there is none, or if MSIs are not translated.
 */
struct range iommu_msi_highest_window(const struct iommu_domain *domain,
				      struct device *dev)
{
	const struct iommu_domain_geometry *geo = &domain->geometry;
	struct iommu_msi_search search = {
		.dev = dev, .reach = { geo->aperture_start, geo->aperture_end },
	};
	struct range window = {}, none = {};
	struct iommu_msi_survey survey;
	LIST_HEAD(regions);
	bool found;

	if (!iommu_dev_translates_msi(dev))
		return none;

	/* Firmware may say that the bus passes less than the IOMMU translates */
	if (dev->bus_dma_limit)
		search.reach.end = min(search.reach.end, dev->bus_dma_limit);
	iommu_get_resv_regions(dev, &regions);
	search.regions = &regions;
	iommu_msi_search_begin(&search);
	found = iommu_msi_search_highest(&search, &window);
	iommu_msi_search_end(&search);
	iommu_put_resv_regions(dev, &regions);
	if (!found)
		return none;

	iommu_msi_survey_init(&survey, 1UL << __ffs(domain->pgsize_bitmap), NULL);
	iommu_msi_survey_device(dev, &survey);
	return iommu_msi_check_window(domain, &survey, &window) ? none : window;
}
EXPORT_SYMBOL_NS_GPL(iommu_msi_highest_window, IOMMU_MSI);
