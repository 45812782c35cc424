// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver of an IOMMU that is nothing but a page table. All that it does about
 * MSIs is to say that they are translated: see mock_ops.
 */
#include <linux/iommu.h>
#include <linux/limits.h>
#include <linux/module.h>
#include <linux/msi-iommu.h>
#include <linux/platform_device.h>
#include <linux/property.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/xarray.h>

MODULE_IMPORT_NS(IOMMU_MSI);

#define NAME	"msi_mock_iommu"
#define PAGE	SZ_4K	/* the IOMMU's, whatever the CPU's */

struct mock_domain {
	struct iommu_domain domain;
	struct xarray table;	/* physical pages by pages of IOVA */
};

static struct platform_device *pdev;
static struct iommu_device iommu;

static struct xarray *table_of(struct iommu_domain *domain)
{
	return &container_of(domain, struct mock_domain, domain)->table;
}

static int mock_attach_dev(struct iommu_domain *domain, struct device *dev)
{
	return 0;
}

static int mock_map_pages(struct iommu_domain *domain, unsigned long iova,
			  phys_addr_t pa, size_t pgsize, size_t pgcount,
			  int prot, gfp_t gfp, size_t *mapped)
{
	int ret;

	for (; pgcount; pgcount--, iova += PAGE, pa += PAGE, *mapped += PAGE) {
		ret = xa_insert(table_of(domain), iova / PAGE,
				xa_mk_value(pa / PAGE), gfp);
		if (ret)
			return ret;
	}
	return 0;
}

static size_t mock_unmap_pages(struct iommu_domain *domain, unsigned long iova,
			       size_t pgsize, size_t pgcount,
			       struct iommu_iotlb_gather *gather)
{
	size_t unmapped;

	for (unmapped = 0; unmapped < pgcount * PAGE; unmapped += PAGE)
		if (!xa_erase(table_of(domain), (iova + unmapped) / PAGE))
			break;
	return unmapped;
}

static phys_addr_t mock_iova_to_phys(struct iommu_domain *domain, dma_addr_t iova)
{
	void *entry = xa_load(table_of(domain), iova / PAGE);

	return entry ? xa_to_value(entry) * PAGE + iova % PAGE : 0;
}

/* Whoever mapped something has unmapped it by now */
static void mock_free(struct iommu_domain *domain)
{
	WARN_ON(!xa_empty(table_of(domain)));
	kfree(container_of(domain, struct mock_domain, domain));
}

static const struct iommu_domain_ops mock_domain_ops = {
	.attach_dev	= mock_attach_dev,
	.map_pages	= mock_map_pages,
	.unmap_pages	= mock_unmap_pages,
	.iova_to_phys	= mock_iova_to_phys,
	.free		= mock_free,
};

static struct iommu_domain *mock_domain_alloc_paging(struct device *dev)
{
	struct mock_domain *mock = kzalloc(sizeof(*mock), GFP_KERNEL);

	if (!mock)
		return NULL;
	xa_init(&mock->table);
	mock->domain.geometry.aperture_end = U32_MAX;
	mock->domain.geometry.force_aperture = true;
	return &mock->domain;
}

static struct iommu_device *mock_probe_device(struct device *dev)
{
	return &iommu;
}

static void mock_get_resv_regions(struct device *dev, struct list_head *head)
{
	iommu_msi_get_resv_region(dev, head, 0, U32_MAX);
}

static const struct iommu_ops mock_ops = {
	.owner			= THIS_MODULE,
	.pgsize_bitmap		= PAGE,
	.domain_alloc_paging	= mock_domain_alloc_paging,
	.probe_device		= mock_probe_device,
	.device_group		= generic_device_group,
	.get_resv_regions	= mock_get_resv_regions,
	.default_domain_ops	= &mock_domain_ops,
};

static int __init msi_mock_iommu_init(void)
{
	/* That has it given a node, by which devices name it */
	static const struct property_entry properties[] = { {} };
	const struct platform_device_info info = {
		.name = NAME, .id = PLATFORM_DEVID_NONE, .properties = properties,
	};
	int ret;

	pdev = platform_device_register_full(&info);
	if (IS_ERR(pdev))
		return PTR_ERR(pdev);
	ret = iommu_device_sysfs_add(&iommu, &pdev->dev, NULL, NAME);
	if (ret)
		goto err_device;
	ret = iommu_device_register(&iommu, &mock_ops, &pdev->dev);
	if (ret)
		goto err_sysfs;
	return 0;

err_sysfs:
	iommu_device_sysfs_remove(&iommu);
err_device:
	platform_device_unregister(pdev);
	return ret;
}

static void __exit msi_mock_iommu_exit(void)
{
	iommu_device_unregister(&iommu);
	iommu_device_sysfs_remove(&iommu);
	platform_device_unregister(pdev);
}

module_init(msi_mock_iommu_init);
module_exit(msi_mock_iommu_exit);
MODULE_DESCRIPTION("Drives an IOMMU of software that translates MSIs");
MODULE_LICENSE("GPL");
