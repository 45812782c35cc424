// SPDX-License-Identifier: GPL-2.0-only
/*
 * Takes what is left of the MSI window of a device's domain, until it is
 * unloaded. The device must stay in that domain meanwhile.
 */
#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/msi-iommu.h>
#include <linux/pci.h>
#include <linux/sizes.h>

#define PROT	(IOMMU_WRITE | IOMMU_NOEXEC | IOMMU_MMIO)
/* Above all that QEMU's machine has, and far enough apart for any page size */
#define FIRST	(1ULL << 38)

static char *device;
module_param(device, charp, 0444);
MODULE_PARM_DESC(device, "name of the PCI device");

static int pages;
module_param(pages, int, 0444);
MODULE_PARM_DESC(pages, "how many were taken");

static struct iommu_domain *domain;

static phys_addr_t nth(int n)
{
	return FIRST + (phys_addr_t)n * SZ_64K;
}

static void give_back(void)
{
	while (pages)
		iommu_msi_put_doorbell_iova(domain, nth(--pages));
}

static int __init msi_fill_init(void)
{
	struct device *dev = bus_find_device_by_name(&pci_bus_type, NULL, device);
	dma_addr_t iova;
	int ret;

	if (!dev)
		return -ENODEV;
	domain = iommu_msi_domain(dev);
	put_device(dev);
	if (!domain)
		return -ENXIO;
	do {
		ret = iommu_msi_get_doorbell_iova(domain, nth(pages), 4, PROT,
						  &iova);
	} while (!ret && ++pages);
	if (ret == -ENOSPC)
		return 0;
	give_back();
	return ret;
}

static void __exit msi_fill_exit(void)
{
	give_back();
}

module_init(msi_fill_init);
module_exit(msi_fill_exit);
MODULE_DESCRIPTION("Fills the MSI window of an IOMMU domain");
MODULE_LICENSE("GPL");
