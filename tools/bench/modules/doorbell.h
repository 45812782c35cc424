/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A domain with a device and an MSI window, and the calls that map doorbells
 * in it, under one name for a kernel with the series and for one without.
 *
 * What is not exported to modules comes as a parameter, an address from
 * /proc/kallsyms.
 */
#ifndef MSI_BENCH_DOORBELL_H
#define MSI_BENCH_DOORBELL_H

#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/msi.h>
#include <linux/pci.h>
#include <linux/sizes.h>

#if __has_include(<linux/msi-iommu.h>)
#define SERIES
#include <linux/msi-iommu.h>
MODULE_IMPORT_NS(IOMMU_MSI);
#endif

#define PROT		(IOMMU_WRITE | IOMMU_NOEXEC | IOMMU_MMIO)
/* Larger than the usual window, to have room for all that is measured */
#define WINDOW		0x8000000UL
#define WINDOW_PAGES	8192UL
#define DEFAULT_PAGES	256UL	/* of the window that VFIO asks for */
/* Above all that QEMU's machine has, and far enough apart for any page size */
#define FIRST_DOORBELL	(1ULL << 38)
#define GRANULE		SZ_4K

/* iommu_dma_prepare_msi */
static unsigned long prepare;
module_param(prepare, ulong, 0444);
/* iommu_msi_release_desc, or 0 */
static unsigned long release;
module_param(release, ulong, 0444);
/* iommu_put_msi_cookie, or 0 */
static unsigned long put_cookie;
module_param(put_cookie, ulong, 0444);

struct target {
	struct device *dev;
	struct iommu_domain *domain;
};

static inline phys_addr_t nth(unsigned int n)
{
	return FIRST_DOORBELL + (phys_addr_t)n * SZ_64K;
}

#ifdef SERIES

static inline int window_open(struct iommu_domain *domain, unsigned long pages)
{
	return iommu_msi_set_aperture(domain, WINDOW,
				      WINDOW + pages * GRANULE - 1);
}

static inline int desc_prepare(struct msi_desc *desc, phys_addr_t pa)
{
	int (*function)(struct msi_desc *, phys_addr_t) = (void *)prepare;

	return function(desc, pa);
}

static inline void desc_release(struct msi_desc *desc)
{
	void (*function)(struct msi_desc *) = (void *)release;

	function(desc);
}

#else /* SERIES */

static inline int window_open(struct iommu_domain *domain, unsigned long pages)
{
	return iommu_get_msi_cookie(domain, WINDOW);
}

static inline int desc_prepare(struct msi_desc *desc, phys_addr_t pa)
{
	int (*function)(struct msi_desc *, phys_addr_t) = (void *)prepare;

	return function(desc, pa);
}

/* The base keeps what it mapped until the domain ends */
static inline void desc_release(struct msi_desc *desc)
{
}

#endif /* SERIES */

static inline void target_close(struct target *target)
{
	iommu_detach_device(target->domain, target->dev);
	iommu_domain_free(target->domain);
	put_device(target->dev);
}

static inline int target_open(struct target *target, const char *device)
{
	int ret;

	target->dev = bus_find_device_by_name(&pci_bus_type, NULL, device);
	if (!target->dev)
		return -ENODEV;
	target->domain = iommu_paging_domain_alloc(target->dev);
	if (IS_ERR(target->domain)) {
		ret = PTR_ERR(target->domain);
		goto err_device;
	}
	ret = iommu_attach_device(target->domain, target->dev);
	if (ret)
		goto err_domain;
	ret = window_open(target->domain, WINDOW_PAGES);
	if (ret)
		goto err_attached;
	return 0;

err_attached:
	iommu_detach_device(target->domain, target->dev);
err_domain:
	iommu_domain_free(target->domain);
err_device:
	put_device(target->dev);
	return ret;
}

#endif
