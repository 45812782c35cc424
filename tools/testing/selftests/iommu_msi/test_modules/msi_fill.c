// SPDX-License-Identifier: GPL-2.0-only
/*
 * Takes what is left of the MSI window of a device's domain, until it is
 * unloaded. The device must stay in that domain meanwhile.
 */
#include <linux/iommu.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/msi.h>
#include <linux/pci.h>
#include <linux/sizes.h>

/* Above all that QEMU's machine has, and far enough apart for any page size */
#define FIRST	(1ULL << 38)

static char *device;
module_param(device, charp, 0444);
MODULE_PARM_DESC(device, "name of the PCI device");

static int most = INT_MAX;
module_param(most, int, 0444);
MODULE_PARM_DESC(most, "how many doorbells are mapped at most");

static ulong size = 4;
module_param(size, ulong, 0444);
MODULE_PARM_DESC(size, "bytes of each, in as many pages as that takes");

static int pages;
module_param(pages, int, 0444);
MODULE_PARM_DESC(pages, "how many were taken");

static struct device *dev;

static phys_addr_t nth(int n)
{
	return FIRST + (phys_addr_t)n * SZ_64K;
}

#if __has_include(<linux/msi-iommu.h>)
#include <linux/msi-iommu.h>

MODULE_IMPORT_NS(IOMMU_MSI);

#define PROT	(IOMMU_WRITE | IOMMU_NOEXEC | IOMMU_MMIO)

static struct iommu_domain *domain;

static int find_window(void)
{
	domain = iommu_msi_domain(dev);
	return domain ? 0 : -ENXIO;
}

static int take_page(void)
{
	dma_addr_t iova;

	return iommu_msi_get_doorbell_iova(domain, nth(pages), size, PROT, &iova);
}

static void give_back(void)
{
	while (pages)
		iommu_msi_put_doorbell_iova(domain, nth(--pages));
}

#else /* the base: never says that it is full, and keeps the pages */

#define WINDOW_PAGES	(SZ_1M / PAGE_SIZE)

static int (*prepare)(struct msi_desc *desc, phys_addr_t addr);

/* It is not exported */
static int find_window(void)
{
	struct kprobe probe = { .symbol_name = "iommu_dma_prepare_msi" };
	int ret = register_kprobe(&probe);

	if (ret)
		return ret;
	prepare = (void *)probe.addr;
	unregister_kprobe(&probe);
	return 0;
}

static int take_page(void)
{
	struct msi_desc desc = { .dev = dev };

	return pages == WINDOW_PAGES ? -ENOSPC : prepare(&desc, nth(pages));
}

static void give_back(void) { }

#endif

static int __init msi_fill_init(void)
{
	int ret;

	dev = bus_find_device_by_name(&pci_bus_type, NULL, device);
	if (!dev)
		return -ENODEV;
	ret = find_window();
	while (!ret && pages < most) {
		ret = take_page();
		pages += !ret;
	}
	put_device(dev);
	if (!ret || ret == -ENOSPC)
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
