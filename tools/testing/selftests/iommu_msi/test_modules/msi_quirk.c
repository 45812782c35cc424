// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes a PCI device look as if it were on another platform, until it is
 * unloaded: with a reserved region, with a hardware MSI region, with another MSI
 * window, with MSIs of 32 bits, with more doorbells (not on the base).
 */
#include <linux/iommu.h>
#include <linux/irqdomain.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/sizes.h>

#if __has_include(<linux/msi-iommu.h>)
#define SERIES
#include <linux/msi-iommu.h>
#endif

/* Above all that QEMU's machine has, and far enough apart for any page size */
#define FIRST	(1ULL << 38)

static char *device;
module_param(device, charp, 0444);
MODULE_PARM_DESC(device, "name of the PCI device");

static unsigned long reserved;
module_param(reserved, ulong, 0444);
MODULE_PARM_DESC(reserved, "first byte of a reserved region of 1 MiB, or 0");

static unsigned long hw_msi;
module_param(hw_msi, ulong, 0444);
MODULE_PARM_DESC(hw_msi, "first byte of a hardware MSI region of 64 KiB, or 0");

static long sw_msi = -1;
module_param(sw_msi, long, 0444);
MODULE_PARM_DESC(sw_msi, "first byte of the MSI window that the IOMMU suggests");

static bool msi32;
module_param(msi32, bool, 0444);
MODULE_PARM_DESC(msi32, "the device cannot write messages above 4 GiB");

static int doorbells;
module_param(doorbells, int, 0444);
MODULE_PARM_DESC(doorbells, "how many doorbells the device has besides its own");

static const struct iommu_ops *ops;
static struct iommu_ops quirky;
static struct pci_dev *pdev;

static void add_region(struct list_head *head, unsigned long start,
		       size_t size, enum iommu_resv_type type)
{
	struct iommu_resv_region *region;

	if (!start)
		return;
	region = iommu_alloc_resv_region(start, size, 0, type, GFP_KERNEL);
	if (region)
		list_add_tail(&region->list, head);
}

/* The driver of the IOMMU comes last: it keeps out of the way of the others */
static void get_resv_regions(struct device *dev, struct list_head *head)
{
	struct iommu_resv_region *region;
	bool ours = dev == &pdev->dev;

	if (ours) {
		add_region(head, reserved, SZ_1M, IOMMU_RESV_RESERVED);
		add_region(head, hw_msi, SZ_64K, IOMMU_RESV_MSI);
	}
	ops->get_resv_regions(dev, head);
	if (!ours || sw_msi < 0)
		return;
	list_for_each_entry(region, head, list)
		if (region->type == IOMMU_RESV_SW_MSI)
			region->start = sw_msi;
}

#ifdef SERIES

/* The core does it when it finds the device */
static void note_hw_msi(bool present)
{
	if (hw_msi)
		pdev->dev.iommu->sw_msi = !present;
}

/* An ancestor of the device's irq domains that has no doorbell of its own */
static struct irq_domain *doorbell_domain(void)
{
	return dev_get_msi_domain(&pdev->dev)->parent;
}

static int add_doorbells(void)
{
	struct range doorbell, frame;
	int i, ret;

	for (i = 0; i < doorbells; i++) {
		doorbell.start = FIRST + (phys_addr_t)i * SZ_64K;
		doorbell.end = doorbell.start + 3;
		frame.start = doorbell.start;
		frame.end = doorbell.start + SZ_64K - 1;
		ret = iommu_msi_register_doorbell(doorbell_domain(), &doorbell,
						  &frame);
		if (ret)
			return ret;
	}
	return 0;
}

static void remove_doorbells(void)
{
	if (doorbells)
		iommu_msi_unregister_doorbells(doorbell_domain());
}

MODULE_IMPORT_NS(IOMMU_MSI);

#else /* SERIES */

static void note_hw_msi(bool present) { }
static int add_doorbells(void) { return doorbells ? -EOPNOTSUPP : 0; }
static void remove_doorbells(void) { }

#endif /* SERIES */

static int __init msi_quirk_init(void)
{
	struct device *dev = bus_find_device_by_name(&pci_bus_type, NULL, device);
	struct iommu_device *iommu;
	int ret;

	if (!dev)
		return -ENODEV;
	pdev = to_pci_dev(dev);
	ret = add_doorbells();
	if (ret) {
		remove_doorbells();
		put_device(dev);
		return ret;
	}
	if (msi32)
		pdev->no_64bit_msi = 1;
	note_hw_msi(true);
	if (reserved || hw_msi || sw_msi >= 0) {
		iommu = dev->iommu->iommu_dev;
		ops = iommu->ops;
		quirky = *ops;
		quirky.get_resv_regions = get_resv_regions;
		iommu->ops = &quirky;
	}
	return 0;
}

static void __exit msi_quirk_exit(void)
{
	if (ops)
		pdev->dev.iommu->iommu_dev->ops = ops;
	note_hw_msi(false);
	if (msi32)
		pdev->no_64bit_msi = 0;
	remove_doorbells();
	pci_dev_put(pdev);
}

module_init(msi_quirk_init);
module_exit(msi_quirk_exit);
MODULE_DESCRIPTION("Gives a PCI device what other platforms have");
MODULE_LICENSE("GPL");
