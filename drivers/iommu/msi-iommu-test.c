// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the MSI doorbell layer over a mock IOMMU
 *
 * The mock driver is registered with the IOMMU core like any other, and its
 * devices are probed, grouped and attached by the core. It keeps its page
 * table in an xarray and notes every call that a page table would choke on.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/debugfs.h>
#include <linux/fault-inject.h>
#include <linux/fwnode.h>
#include <linux/iommu.h>
#include <linux/irqdomain.h>
#include <linux/kthread.h>
#include <linux/msi-iommu.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <linux/property.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/xarray.h>

#include <trace/events/iommu_msi.h>

#include "iommu-priv.h"
#include "msi-iommu.h"

#define WINDOW		0x08000000ULL
#define WINDOW_END	0x080fffffULL
#define DOORBELL	0x40008090040ULL	/* Above 4G, not at a page's start */
#define PROT		IOMMU_MSI_PROT

static struct {
	struct iommu_device iommu;
	struct platform_device *hw;
	struct fwnode_handle *fwnode;
	/* What the tests set */
	unsigned long pgsizes;
	unsigned long pgsizes_at_attach;
	struct iommu_domain_geometry geometry;
	struct iommu_domain_geometry geometry_at_attach;
	bool unsupported;
	bool hw_msi;
	bool finish_at_attach;
	struct range reserved;
	bool relaxable;
	struct range reach;
	unsigned int default_type;
	int fail_map;
	int map_error;
	int fail_unmap;
	int fail_attach;
	/* What the driver saw */
	atomic_t errors;
	atomic_t ptes;
} mock;

struct mock_pte {
	phys_addr_t pa;
	int prot;
};

struct mock_domain {
	struct iommu_domain domain;
	struct xarray ptes;	/* By IOVA in units of 4K */
	bool finished;
};

static struct mock_domain *to_mock(struct iommu_domain *domain)
{
	return container_of(domain, struct mock_domain, domain);
}

/* --- the mock driver ----------------------------------------------------- */

static int mock_map_pages(struct iommu_domain *domain, unsigned long iova,
			  phys_addr_t pa, size_t pgsize, size_t count, int prot,
			  gfp_t gfp, size_t *mapped)
{
	unsigned long smallest = 1UL << __ffs(domain->pgsize_bitmap);
	struct mock_pte *pte;

	if (!to_mock(domain)->finished)
		return -ENODEV;
	if (mock.fail_map && !--mock.fail_map)
		return mock.map_error;
	if (pgsize != smallest || !IS_ALIGNED(iova | pa, pgsize))
		atomic_inc(&mock.errors);

	for (; count; count--, iova += pgsize, pa += pgsize) {
		int ret;

		pte = kmalloc(sizeof(*pte), gfp);
		if (!pte)
			return -ENOMEM;
		*pte = (struct mock_pte) { .pa = pa, .prot = prot };
		ret = xa_insert(&to_mock(domain)->ptes, iova >> 12, pte, gfp);
		if (ret) {
			if (ret == -EBUSY)
				atomic_inc(&mock.errors);
			kfree(pte);
			return ret;
		}
		atomic_inc(&mock.ptes);
		*mapped += pgsize;
	}
	return 0;
}

static size_t mock_unmap_pages(struct iommu_domain *domain, unsigned long iova,
			       size_t pgsize, size_t count,
			       struct iommu_iotlb_gather *gather)
{
	size_t unmapped = 0;

	if (mock.fail_unmap && !--mock.fail_unmap)
		return 0;
	for (; count; count--, iova += pgsize) {
		struct mock_pte *pte = xa_erase(&to_mock(domain)->ptes,
						iova >> 12);

		if (!pte) {
			atomic_inc(&mock.errors);
			continue;
		}
		kfree(pte);
		atomic_dec(&mock.ptes);
		unmapped += pgsize;
	}
	return unmapped;
}

static phys_addr_t mock_iova_to_phys(struct iommu_domain *domain,
				     dma_addr_t iova)
{
	unsigned long mask = (1UL << __ffs(domain->pgsize_bitmap)) - 1;
	struct mock_pte *pte = xa_load(&to_mock(domain)->ptes,
				       (iova & ~mask) >> 12);

	return pte ? pte->pa + (iova & mask) : 0;
}

static int mock_attach(struct iommu_domain *domain, struct device *dev)
{
	if (mock.fail_attach && !--mock.fail_attach)
		return -EINVAL;
	if (domain->type == IOMMU_DOMAIN_UNMANAGED)
		to_mock(domain)->finished = true;
	if (domain->type == IOMMU_DOMAIN_UNMANAGED && mock.pgsizes_at_attach)
		domain->pgsize_bitmap = mock.pgsizes_at_attach;
	if (domain->type == IOMMU_DOMAIN_UNMANAGED &&
	    mock.geometry_at_attach.aperture_end)
		domain->geometry = mock.geometry_at_attach;
	return 0;
}

static void mock_free(struct iommu_domain *domain)
{
	struct mock_pte *pte;
	unsigned long index;

	if (!xa_empty(&to_mock(domain)->ptes))
		atomic_inc(&mock.errors);
	xa_for_each(&to_mock(domain)->ptes, index, pte) {
		atomic_dec(&mock.ptes);
		kfree(pte);
	}
	xa_destroy(&to_mock(domain)->ptes);
	kfree(to_mock(domain));
}

static const struct iommu_domain_ops mock_static_ops = {
	.attach_dev = mock_attach,
};

static struct iommu_domain mock_identity = {
	.type = IOMMU_DOMAIN_IDENTITY,
	.ops = &mock_static_ops,
};

static struct iommu_domain mock_blocked = {
	.type = IOMMU_DOMAIN_BLOCKED,
	.ops = &mock_static_ops,
};

static const struct iommu_ops mock_ops;

static struct iommu_domain *mock_domain_alloc(struct device *dev)
{
	struct mock_domain *domain = kzalloc(sizeof(*domain), GFP_KERNEL);

	if (!domain)
		return NULL;
	xa_init(&domain->ptes);
	domain->domain.pgsize_bitmap = mock.pgsizes;
	domain->domain.geometry = mock.geometry;
	domain->finished = !mock.finish_at_attach;
	return &domain->domain;
}

static struct iommu_device *mock_probe(struct device *dev)
{
	return &mock.iommu;
}

static bool mock_capable(struct device *dev, enum iommu_cap cap)
{
	return cap == IOMMU_CAP_CACHE_COHERENCY;
}

static void mock_get_resv_regions(struct device *dev, struct list_head *head)
{
	struct iommu_resv_region *region;

	if (mock.reserved.end) {
		region = iommu_alloc_resv_region(mock.reserved.start,
						 range_len(&mock.reserved), 0,
						 mock.relaxable ?
						 IOMMU_RESV_DIRECT_RELAXABLE :
						 IOMMU_RESV_RESERVED,
						 GFP_KERNEL);
		if (region)
			list_add_tail(&region->list, head);
	}
	if (mock.hw_msi) {
		region = iommu_alloc_resv_region(DOORBELL & ~0xfffULL, SZ_4K, 0,
						 IOMMU_RESV_MSI, GFP_KERNEL);
		if (region)
			list_add_tail(&region->list, head);
	}
	if (!mock.unsupported)
		iommu_msi_get_resv_region(dev, head, mock.reach.start,
					  mock.reach.end);
}

static int mock_def_domain_type(struct device *dev)
{
	return mock.default_type;
}

static const struct iommu_ops mock_ops = {
	.identity_domain = &mock_identity,
	.blocked_domain = &mock_blocked,
	.capable = mock_capable,
	.domain_alloc_paging = mock_domain_alloc,
	.probe_device = mock_probe,
	.device_group = generic_device_group,
	.get_resv_regions = mock_get_resv_regions,
	.def_domain_type = mock_def_domain_type,
	.pgsize_bitmap = SZ_4K,
	.default_domain_ops = &(const struct iommu_domain_ops) {
		.attach_dev = mock_attach,
		.map_pages = mock_map_pages,
		.unmap_pages = mock_unmap_pages,
		.iova_to_phys = mock_iova_to_phys,
		.free = mock_free,
	},
};

static int mock_suite_init(struct kunit_suite *suite)
{
	int ret, i;

	/* So that the doorbells of most tests have a place in a window of 1 MiB */
	for (i = 0; i < 16; i++)
		iommu_msi_number(DOORBELL + i * SZ_4K, 12);

	mock.fwnode = fwnode_create_software_node(NULL, NULL);
	if (IS_ERR(mock.fwnode))
		return PTR_ERR(mock.fwnode);
	mock.hw = platform_device_register_simple("msi-mock-iommu", -1, NULL, 0);
	if (IS_ERR(mock.hw)) {
		ret = PTR_ERR(mock.hw);
		goto err_fwnode;
	}
	ret = iommu_device_sysfs_add(&mock.iommu, NULL, NULL, "msi-mock");
	if (ret)
		goto err_hw;
	/* Without a fwnode every device that has no IOMMU would be the mock's */
	mock.iommu.fwnode = mock.fwnode;
	ret = iommu_device_register(&mock.iommu, &mock_ops, NULL);
	if (ret)
		goto err_sysfs;
	return 0;

err_sysfs:
	iommu_device_sysfs_remove(&mock.iommu);
err_hw:
	platform_device_unregister(mock.hw);
err_fwnode:
	fwnode_remove_software_node(mock.fwnode);
	return ret;
}

static void mock_suite_exit(struct kunit_suite *suite)
{
	iommu_device_unregister(&mock.iommu);
	iommu_device_sysfs_remove(&mock.iommu);
	platform_device_unregister(mock.hw);
	fwnode_remove_software_node(mock.fwnode);
}

/* --- fixture ------------------------------------------------------------- */

static struct device *mock_device(struct kunit *test, int id)
{
	struct platform_device *pdev = platform_device_alloc("msi-mock", id);
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, pdev);
	mutex_lock(&iommu_probe_device_lock);
	ret = iommu_fwspec_init(&pdev->dev, mock.fwnode);
	mutex_unlock(&iommu_probe_device_lock);
	KUNIT_ASSERT_EQ(test, ret, 0);
	KUNIT_ASSERT_EQ(test, platform_device_add(pdev), 0);
	KUNIT_ASSERT_NOT_NULL(test, pdev->dev.iommu_group);
	return &pdev->dev;
}

static struct iommu_domain *mock_domain_for(struct kunit *test,
					    struct device *dev)
{
	struct iommu_domain *domain = iommu_paging_domain_alloc(dev);

	KUNIT_ASSERT_FALSE(test, IS_ERR(domain));
	return domain;
}

/* One that the irq layer and its owner leave alone */
static struct iommu_domain *mock_domain_unsupported(struct kunit *test,
						    struct device *dev)
{
	struct iommu_domain *domain = mock_domain_for(test, dev);

	domain->iommu_msi_supported = false;
	return domain;
}

struct fixture {
	struct device *dev;
	struct iommu_domain *domain;	/* @dev is attached to it */
	/* For the tests that need them */
	struct iommu_domain *other;
	struct msi_desc desc;
	struct completion over;
	phys_addr_t page;
};

static int fixture_init(struct kunit *test)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, f);
	mock.pgsizes = SZ_4K | SZ_2M | SZ_1G;
	mock.pgsizes_at_attach = 0;
	mock.geometry_at_attach = (struct iommu_domain_geometry) {};
	mock.geometry = (struct iommu_domain_geometry) {
		.aperture_end = ULONG_MAX, .force_aperture = true,
	};
	mock.unsupported = false;
	mock.hw_msi = false;
	mock.finish_at_attach = false;
	mock.reserved = (struct range) {};
	mock.relaxable = false;
	mock.reach = (struct range) { 0, ULONG_MAX };
	mock.default_type = IOMMU_DOMAIN_IDENTITY;
	mock.fail_map = 0;
	mock.map_error = -ENOMEM;
	mock.fail_unmap = 0;
	mock.fail_attach = 0;
	atomic_set(&mock.errors, 0);
	atomic_set(&mock.ptes, 0);
	test->priv = f;
	return 0;
}

/* The rest of it, for the knobs as they are set now */
static struct fixture *fixture_attach(struct kunit *test)
{
	struct fixture *f = test->priv;

	f->dev = mock_device(test, 0);
	f->domain = mock_domain_for(test, f->dev);
	KUNIT_ASSERT_EQ(test, iommu_attach_device(f->domain, f->dev), 0);
	return f;
}

static struct fixture *fixture_window(struct kunit *test)
{
	struct fixture *f = fixture_attach(test);

	KUNIT_ASSERT_EQ(test, iommu_msi_set_aperture(f->domain, WINDOW,
						     WINDOW_END), 0);
	return f;
}

static void fixture_free_domain(struct fixture *f)
{
	iommu_detach_device(f->domain, f->dev);
	iommu_domain_free(f->domain);
	f->domain = NULL;
}

static void fixture_exit(struct kunit *test)
{
	struct fixture *f = test->priv;

	if (f->domain)
		fixture_free_domain(f);
	if (f->dev)
		platform_device_unregister(to_platform_device(f->dev));

	KUNIT_EXPECT_EQ_MSG(test, atomic_read(&mock.errors), 0,
			    "the page table was misused");
	KUNIT_EXPECT_EQ_MSG(test, atomic_read(&mock.ptes), 0,
			    "something is still mapped");
	KUNIT_EXPECT_TRUE_MSG(test, xa_empty(&iommu_msi_cookies),
			      "a cookie is left");
}

static void expect_mapped(struct kunit *test, struct iommu_domain *domain,
			  dma_addr_t iova, phys_addr_t pa)
{
	unsigned long mask = (1UL << __ffs(domain->pgsize_bitmap)) - 1;
	struct mock_pte *pte = xa_load(&to_mock(domain)->ptes,
				       (iova & ~mask) >> 12);

	KUNIT_ASSERT_NOT_NULL_MSG(test, pte, "IOVA %pad is not mapped", &iova);
	KUNIT_EXPECT_EQ(test, pte->pa, pa & ~(phys_addr_t)mask);
	KUNIT_EXPECT_EQ(test, pte->prot, IOMMU_WRITE | IOMMU_NOEXEC | IOMMU_MMIO);
	KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(domain, iova), pa);
}

static void expect_window(struct kunit *test, struct iommu_domain *domain,
			  dma_addr_t start, dma_addr_t end)
{
	struct iommu_domain_msi_geometry geometry;

	iommu_domain_msi_geometry(domain, &geometry);
	KUNIT_EXPECT_EQ(test, geometry.aperture_start, start);
	KUNIT_EXPECT_EQ(test, geometry.aperture_end, end);
	KUNIT_EXPECT_EQ(test, iommu_domain_msi_aperture_valid(domain),
			start < end);
}

static int get(struct iommu_domain *domain, phys_addr_t addr, size_t size,
	       dma_addr_t *iova)
{
	return iommu_msi_get_doorbell_iova(domain, addr, size, PROT, iova);
}

static struct iommu_msi_doorbell *find(struct iommu_domain *domain,
				       phys_addr_t addr)
{
	struct iommu_msi_cookie *cookie = domain->msi_cookie;

	return xa_load(&cookie->doorbells, iommu_msi_index(cookie, addr));
}

/* References on a doorbell: of callers, and one of each group with vectors */
static unsigned int refs_of(struct iommu_domain *domain, phys_addr_t addr)
{
	struct iommu_msi_doorbell *doorbell = find(domain, addr);

	return doorbell ? doorbell->bindings + doorbell->gets : 0;
}

/* Where a doorbell goes in a window where nothing else is mapped */
static dma_addr_t place(struct iommu_domain *domain, phys_addr_t addr)
{
	struct iommu_msi_cookie *cookie = domain->msi_cookie;
	unsigned int shift = __ffs(domain->pgsize_bitmap);
	dma_addr_t mask = (1UL << shift) - 1;
	int number = iommu_msi_number(addr, shift);

	if (number >= cookie->total_pages)
		number = cookie->total_pages - 1;
	return cookie->aperture_start + ((dma_addr_t)number << shift) +
	       (addr & mask);
}

static const unsigned long granules[] = { SZ_4K, SZ_16K, SZ_64K };

static void granule_desc(const unsigned long *granule, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%luK", *granule / SZ_1K);
}

KUNIT_ARRAY_PARAM(granule, granules, granule_desc);

/* --- doorbells ----------------------------------------------------------- */

static void test_share(struct kunit *test)
{
	const unsigned long granule = *(const unsigned long *)test->param_value;
	dma_addr_t iova, again;
	struct fixture *f;

	mock.pgsizes = granule | SZ_1G;
	f = fixture_window(test);

	KUNIT_ASSERT_EQ(test, get(f->domain, DOORBELL, 4, &iova), 0);
	KUNIT_EXPECT_EQ(test, iova, place(f->domain, DOORBELL));
	expect_mapped(test, f->domain, iova, DOORBELL);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 1);

	/* The same, and another register of the page: one mapping */
	KUNIT_ASSERT_EQ(test, get(f->domain, DOORBELL, 4, &again), 0);
	KUNIT_EXPECT_EQ(test, again, iova);
	KUNIT_ASSERT_EQ(test, get(f->domain, DOORBELL + 8, 4, &again), 0);
	KUNIT_EXPECT_EQ(test, again, iova + 8);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 1);
	KUNIT_EXPECT_EQ(test, refs_of(f->domain, DOORBELL), 3);

	/* Another page */
	KUNIT_ASSERT_EQ(test, get(f->domain, DOORBELL + granule, 4, &again), 0);
	KUNIT_EXPECT_EQ(test, again, place(f->domain, DOORBELL + granule));
	expect_mapped(test, f->domain, again, DOORBELL + granule);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 2);
	iommu_msi_put_doorbell_iova(f->domain, DOORBELL + granule);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 1);

	iommu_msi_put_doorbell_iova(f->domain, DOORBELL);
	iommu_msi_put_doorbell_iova(f->domain, DOORBELL + 8);
	expect_mapped(test, f->domain, iova, DOORBELL);
	iommu_msi_put_doorbell_iova(f->domain, DOORBELL);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 0);
}

static void test_straddle(struct kunit *test)
{
	const unsigned long granule = *(const unsigned long *)test->param_value;
	phys_addr_t edge = DOORBELL - (DOORBELL & (granule - 1)) + granule;
	dma_addr_t iova, again;
	struct fixture *f;

	mock.pgsizes = granule;
	f = fixture_window(test);

	/* Two pages side by side, of which a doorbell within one is a part */
	KUNIT_ASSERT_EQ(test, get(f->domain, edge - 4, 8, &iova), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 2);
	expect_mapped(test, f->domain, iova, edge - 4);
	expect_mapped(test, f->domain, iova + 4, edge);
	KUNIT_ASSERT_EQ(test, get(f->domain, edge, 4, &again), 0);
	KUNIT_EXPECT_EQ(test, again, iova + 4);
	KUNIT_EXPECT_EQ(test, refs_of(f->domain, edge - 4), 2);

	/* Only a part of these is mapped */
	KUNIT_EXPECT_EQ(test, get(f->domain, edge + granule - 4, 8, &again),
			-EBUSY);
	KUNIT_EXPECT_EQ(test, get(f->domain, edge - granule - 4, 8, &again),
			-EBUSY);
	KUNIT_EXPECT_EQ(test, get(f->domain, edge - granule - 4, 3 * granule,
				  &again), -EBUSY);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 2);

	iommu_msi_put_doorbell_iova(f->domain, edge);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 2);
	iommu_msi_put_doorbell_iova(f->domain, edge - 4);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 0);
}

static void test_bad_doorbell(struct kunit *test)
{
	struct fixture *f = fixture_window(test);
	struct iommu_domain *d = f->domain;
	dma_addr_t iova = 1;

	KUNIT_EXPECT_EQ(test, get(d, DOORBELL, 0, &iova), -EINVAL);
	KUNIT_EXPECT_EQ(test, get(d, PHYS_ADDR_MAX - 2, 4, &iova), -EINVAL);
	KUNIT_EXPECT_EQ(test, get(d, DOORBELL, SIZE_MAX, &iova), -EINVAL);
	KUNIT_EXPECT_EQ(test, get(d, DOORBELL, SZ_1G, &iova), -ENOSPC);
	KUNIT_EXPECT_EQ(test, iommu_msi_get_doorbell_iova(d, DOORBELL, 4,
							  PROT | IOMMU_READ,
							  &iova), -EINVAL);
	KUNIT_EXPECT_EQ(test, iommu_msi_get_doorbell_iova(d, DOORBELL, 4,
							  IOMMU_MMIO, &iova),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, iova, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 0);

	/* The last byte of the address space is a doorbell like any other */
	KUNIT_EXPECT_EQ(test, get(d, PHYS_ADDR_MAX - 3, 4, &iova), 0);
	iommu_msi_put_doorbell_iova(d, PHYS_ADDR_MAX - 3);

	/* Mapped already, with another protection or smaller than asked for */
	KUNIT_ASSERT_EQ(test, get(d, DOORBELL, 4, &iova), 0);
	KUNIT_EXPECT_EQ(test, iommu_msi_get_doorbell_iova(d, DOORBELL, 4,
							  IOMMU_WRITE, &iova),
			-EBUSY);
	KUNIT_EXPECT_EQ(test, get(d, DOORBELL, SZ_4K, &iova), -EBUSY);
	KUNIT_EXPECT_EQ(test, refs_of(d, DOORBELL), 1);
	iommu_msi_put_doorbell_iova(d, DOORBELL);
}

static void test_full(struct kunit *test)
{
	struct fixture *f = fixture_window(test);
	dma_addr_t iova, freed;
	unsigned int i;

	for (i = 0; i < 256; i++) {
		KUNIT_ASSERT_EQ(test, get(f->domain, DOORBELL + i * SZ_4K, 4,
					  &iova), 0);
		KUNIT_ASSERT_GE(test, iova, WINDOW);
		KUNIT_ASSERT_LE(test, iova, WINDOW_END);
		expect_mapped(test, f->domain, iova, DOORBELL + i * SZ_4K);
		if (i == 77)
			freed = iova;
	}

	/* Full: an error and nothing else, but what is mapped can be shared */
	iova = 1;
	KUNIT_EXPECT_EQ(test, get(f->domain, DOORBELL - SZ_4K, 4, &iova), -ENOSPC);
	KUNIT_EXPECT_EQ(test, iova, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 256);
	KUNIT_EXPECT_EQ(test, get(f->domain, DOORBELL, 4, &iova), 0);
	iommu_msi_put_doorbell_iova(f->domain, DOORBELL);

	/* A page that is given back is used again, two are not there */
	iommu_msi_put_doorbell_iova(f->domain, DOORBELL + 77 * SZ_4K);
	KUNIT_EXPECT_EQ(test, get(f->domain, DOORBELL - SZ_4K - 4 - 0x40, 8,
				  &iova), -ENOSPC);
	KUNIT_EXPECT_EQ(test, get(f->domain, DOORBELL - SZ_4K, 4, &iova), 0);
	KUNIT_EXPECT_EQ(test, iova, freed);
	iommu_msi_put_doorbell_iova(f->domain, DOORBELL - SZ_4K);

	/* Two are free, but not side by side */
	iommu_msi_put_doorbell_iova(f->domain, DOORBELL + 79 * SZ_4K);
	KUNIT_EXPECT_EQ(test, get(f->domain, DOORBELL - SZ_4K - 4 - 0x40, 8,
				  &iova), -ENOSPC);
	KUNIT_EXPECT_EQ(test, f->domain->msi_cookie->used_pages, 254);
	iommu_msi_put_doorbell_iova(f->domain, DOORBELL + 78 * SZ_4K);
	KUNIT_EXPECT_EQ(test, get(f->domain, DOORBELL - SZ_4K - 4 - 0x40, 8,
				  &iova), 0);
	expect_mapped(test, f->domain, iova, DOORBELL - SZ_4K - 4 - 0x40);
	expect_mapped(test, f->domain, iova + 4, DOORBELL - SZ_4K - 0x40);
	iommu_msi_put_doorbell_iova(f->domain, DOORBELL - SZ_4K - 4 - 0x40);

	for (i = 0; i < 256; i++)
		if (i < 77 || i > 79)
			iommu_msi_put_doorbell_iova(f->domain,
						    DOORBELL + i * SZ_4K);
}

static struct iommu_msi_survey survey_domain(struct iommu_domain *domain)
{
	struct iommu_msi_survey survey;

	iommu_msi_survey_init(&survey, SZ_64K, NULL);
	iommu_msi_survey_domain(&survey, domain);
	return survey;
}

/* 4 GiB: far more pages than are used */
static void test_max_pages(struct kunit *test)
{
	struct fixture *f;
	dma_addr_t iova;
	unsigned int i;

	/* The core maps by the largest page that fits; the mock has one size */
	mock.pgsizes = SZ_4K;
	f = fixture_attach(test);

	KUNIT_ASSERT_EQ(test, iommu_msi_set_aperture(f->domain, SZ_4G,
						     2ULL * SZ_4G - 1), 0);
	KUNIT_EXPECT_EQ(test, survey_domain(f->domain).pages_free,
			IOMMU_MSI_MAX_PAGES);
	for (i = 0; i < 600; i++) {
		KUNIT_ASSERT_EQ(test, get(f->domain, DOORBELL + i * SZ_4K, 4,
					  &iova), 0);
		KUNIT_ASSERT_EQ(test, iova, place(f->domain, DOORBELL + i * SZ_4K));
	}
	/* All that is left is one area too small */
	KUNIT_EXPECT_EQ(test, get(f->domain, SZ_1G, SZ_16M, &iova), -ENOSPC);
	KUNIT_EXPECT_EQ(test, get(f->domain, SZ_1G, SZ_16M + 1, &iova), -ENOSPC);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 600);
	for (i = 0; i < 600; i++)
		iommu_msi_put_doorbell_iova(f->domain, DOORBELL + i * SZ_4K);
	KUNIT_EXPECT_EQ(test, get(f->domain, SZ_1G, SZ_16M, &iova), 0);
	KUNIT_EXPECT_EQ(test, iova, SZ_4G);
	iommu_msi_put_doorbell_iova(f->domain, SZ_1G);
	KUNIT_EXPECT_EQ(test, f->domain->msi_cookie->used_pages, 0);
}

static void test_fail_map(struct kunit *test)
{
	struct fixture *f = fixture_window(test);
	phys_addr_t edge = ALIGN(DOORBELL, SZ_4K);
	dma_addr_t iova;
	int i;

	/* One page, then the second of two, which takes the first back */
	mock.fail_map = 1;
	KUNIT_EXPECT_EQ(test, get(f->domain, DOORBELL, 4, &iova), -ENOMEM);
	mock.fail_map = 1;
	mock.map_error = -EIO;
	KUNIT_EXPECT_EQ(test, get(f->domain, DOORBELL, 4, &iova), -EIO);
	mock.map_error = -ENOMEM;
	for (i = 1; i <= 2; i++) {
		mock.fail_map = i;
		if (!get(f->domain, edge - 4, 8, &iova)) {
			/* The core maps both by one call */
			KUNIT_EXPECT_EQ(test, i, 2);
			iommu_msi_put_doorbell_iova(f->domain, edge - 4);
		}
		KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 0);
		KUNIT_EXPECT_EQ(test, f->domain->msi_cookie->used_pages, 0);
	}
	mock.fail_map = 0;
	KUNIT_EXPECT_EQ(test, get(f->domain, DOORBELL, 4, &iova), 0);
	KUNIT_EXPECT_EQ(test, iova, place(f->domain, DOORBELL));
	iommu_msi_put_doorbell_iova(f->domain, DOORBELL);
}

/* What the driver could not unmap is not given to another doorbell */
static void test_fail_unmap(struct kunit *test)
{
	struct fixture *f = fixture_window(test);
	dma_addr_t iova, again;

	KUNIT_ASSERT_EQ(test, get(f->domain, DOORBELL, 4, &iova), 0);
	mock.fail_unmap = 1;
	iommu_msi_put_doorbell_iova(f->domain, DOORBELL);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 1);
	KUNIT_EXPECT_EQ(test, refs_of(f->domain, DOORBELL), 0);
	KUNIT_EXPECT_EQ(test, f->domain->msi_cookie->used_pages, 1);

	KUNIT_ASSERT_EQ(test, get(f->domain, DOORBELL, 4, &again), 0);
	KUNIT_EXPECT_NE(test, again, iova);
	KUNIT_EXPECT_EQ(test, again, WINDOW_END - SZ_4K + 1 + 0x40);
	expect_mapped(test, f->domain, again, DOORBELL);
	iommu_msi_put_doorbell_iova(f->domain, DOORBELL);
	KUNIT_EXPECT_EQ(test, iommu_msi_set_aperture(f->domain, SZ_4G,
						     SZ_4G + SZ_1M - 1), -EBUSY);

	/* The mock's page table is not empty at the end, which is no fault here */
	fixture_free_domain(f);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.errors), 1);
	atomic_set(&mock.errors, 0);
}

/* --- numbers ------------------------------------------------------------- */

static struct irq_domain *mock_irq_domain(struct kunit *test,
					  struct irq_domain *parent)
{
	struct irq_domain *domain;

	domain = irq_domain_create_hierarchy(parent, 0, 4, NULL,
					     &irq_domain_simple_ops, NULL);
	KUNIT_ASSERT_NOT_NULL(test, domain);
	return domain;
}

static int register_bytes(struct irq_domain *domain, phys_addr_t addr,
			  size_t size)
{
	struct range range = { .start = addr, .end = addr + size - 1 };

	return iommu_msi_register_doorbell(domain, &range, &range);
}

/* Far from all that other tests use: nobody has given these a number yet */
#define NUMBERED	(DOORBELL + SZ_1T)

static void test_numbers(struct kunit *test)
{
	struct irq_domain *irqs = mock_irq_domain(test, NULL);
	int first, i;

	/* By a frame of three pages, one after the other; the last one ends there */
	KUNIT_ASSERT_EQ(test, register_bytes(irqs, NUMBERED, 2 * SZ_4K), 0);
	first = iommu_msi_number(NUMBERED, 12);
	KUNIT_EXPECT_GE(test, first, 0);
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, iommu_msi_number(NUMBERED + i * SZ_4K, 12),
				first + i);
	/* At first use, and from then on */
	KUNIT_EXPECT_EQ(test, iommu_msi_number(NUMBERED + SZ_1M, 12), first + 3);
	KUNIT_EXPECT_EQ(test, iommu_msi_number(NUMBERED + SZ_1M, 12), first + 3);
	KUNIT_EXPECT_EQ(test, iommu_msi_number(NUMBERED + SZ_1M + SZ_4K, 12), first + 4);

	/* Known pages among others: those keep theirs. Gone and come again, too */
	KUNIT_ASSERT_EQ(test, register_bytes(irqs, NUMBERED + SZ_1M - SZ_4K,
					     3 * SZ_4K), 0);
	KUNIT_EXPECT_EQ(test, iommu_msi_number(NUMBERED + SZ_1M - SZ_4K, 12), first + 5);
	KUNIT_EXPECT_EQ(test, iommu_msi_number(NUMBERED + SZ_1M, 12), first + 3);
	KUNIT_EXPECT_EQ(test, iommu_msi_number(NUMBERED + SZ_1M + 2 * SZ_4K, 12),
			first + 6);
	iommu_msi_unregister_doorbells(irqs);
	KUNIT_ASSERT_EQ(test, register_bytes(irqs, NUMBERED, 2 * SZ_4K), 0);
	KUNIT_EXPECT_EQ(test, iommu_msi_number(NUMBERED + SZ_4K, 12), first + 1);

	/* The lowest of a larger page, whichever has it; one if there is none */
	KUNIT_EXPECT_EQ(test, iommu_msi_number(NUMBERED + SZ_8K, 16), first);
	KUNIT_EXPECT_EQ(test, iommu_msi_number(NUMBERED + SZ_1M + SZ_8K, 16), first + 3);
	KUNIT_EXPECT_EQ(test, iommu_msi_number(NUMBERED + SZ_2M + SZ_32K, 16), first + 7);
	KUNIT_EXPECT_EQ(test, iommu_msi_number(NUMBERED + SZ_2M, 16), first + 7);
	KUNIT_EXPECT_EQ(test, iommu_msi_number(NUMBERED + SZ_2M + SZ_32K, 12), first + 7);

	/* A doorbell for each device: as they are used */
	KUNIT_ASSERT_EQ(test, register_bytes(irqs, NUMBERED + SZ_4M, SZ_4M), 0);
	KUNIT_EXPECT_EQ(test, iommu_msi_number(NUMBERED + SZ_4M + SZ_1M, 12), first + 8);

	iommu_msi_unregister_doorbells(irqs);
	irq_domain_remove(irqs);
}

/* --- aperture ------------------------------------------------------------ */

static void test_aperture(struct kunit *test)
{
	struct fixture *f = fixture_attach(test);
	struct iommu_domain *d = f->domain;
	dma_addr_t iova;

	expect_window(test, d, 0, 0);
	KUNIT_EXPECT_EQ(test, get(d, DOORBELL, 4, &iova), -ENXIO);
	KUNIT_EXPECT_EQ(test, iommu_get_msi_cookie(d), 0);
	KUNIT_EXPECT_EQ(test, iommu_get_msi_cookie(d), 0);
	expect_window(test, d, 0, 0);
	KUNIT_EXPECT_EQ(test, get(d, DOORBELL, 4, &iova), -ENXIO);
	/* It reads like this, but this is none */
	KUNIT_EXPECT_EQ(test, iommu_msi_set_aperture(d, 0, 0), -EINVAL);

	KUNIT_EXPECT_EQ(test, iommu_msi_set_aperture(d, WINDOW, WINDOW_END), 0);
	expect_window(test, d, WINDOW, WINDOW_END);
	KUNIT_EXPECT_EQ(test, iommu_msi_set_aperture(d, WINDOW, WINDOW_END), 0);

	/* What cannot be leaves what is */
	KUNIT_EXPECT_EQ(test, iommu_msi_set_aperture(d, WINDOW_END, WINDOW), -EINVAL);
	KUNIT_EXPECT_EQ(test, iommu_msi_set_aperture(d, WINDOW, WINDOW), -EINVAL);
	KUNIT_EXPECT_EQ(test, iommu_msi_set_aperture(d, 0, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, iommu_msi_set_aperture(d, WINDOW + 1, WINDOW_END),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, iommu_msi_set_aperture(d, WINDOW, WINDOW_END - 1),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, iommu_msi_set_aperture(d, WINDOW, WINDOW_END + 1),
			-EINVAL);
	expect_window(test, d, WINDOW, WINDOW_END);

	/* Another one while it is in use, and afterwards */
	KUNIT_EXPECT_EQ(test, get(d, DOORBELL, 4, &iova), 0);
	KUNIT_EXPECT_EQ(test, iommu_msi_set_aperture(d, WINDOW, WINDOW_END), 0);
	KUNIT_EXPECT_EQ(test, iommu_msi_set_aperture(d, SZ_4G, SZ_4G + SZ_64K - 1),
			-EBUSY);
	expect_window(test, d, WINDOW, WINDOW_END);
	expect_mapped(test, d, iova, DOORBELL);
	iommu_msi_put_doorbell_iova(d, DOORBELL);
	KUNIT_EXPECT_EQ(test, iommu_msi_set_aperture(d, SZ_4G, SZ_4G + SZ_64K - 1),
			0);
	expect_window(test, d, SZ_4G, SZ_4G + SZ_64K - 1);
	KUNIT_EXPECT_EQ(test, get(d, DOORBELL, 4, &iova), 0);
	KUNIT_EXPECT_EQ(test, iova, place(d, DOORBELL));
	iommu_msi_put_doorbell_iova(d, DOORBELL);
}

static void test_aperture_edges(struct kunit *test)
{
	struct fixture *f = fixture_attach(test);
	struct iommu_domain *d = f->domain;
	dma_addr_t iova;
	int i;

	/* At 0, one page, where IOVA 0 is as good as any other */
	KUNIT_EXPECT_EQ(test, iommu_msi_set_aperture(d, 0, SZ_4K - 1), 0);
	expect_window(test, d, 0, SZ_4K - 1);
	for (i = 0; i < 2; i++) {
		KUNIT_ASSERT_EQ(test, get(d, DOORBELL - 0x40, 4, &iova), 0);
		KUNIT_EXPECT_EQ(test, iova, 0);
		expect_mapped(test, d, 0, DOORBELL - 0x40);
		KUNIT_EXPECT_EQ(test, get(d, DOORBELL + SZ_4K, 4, &iova), -ENOSPC);
		iommu_msi_put_doorbell_iova(d, DOORBELL - 0x40);
	}

	/* At the top of the address space */
	KUNIT_EXPECT_EQ(test, iommu_msi_set_aperture(d, ULONG_MAX - SZ_8K + 1,
						     ULONG_MAX), 0);
	KUNIT_ASSERT_EQ(test, get(d, DOORBELL, 4, &iova), 0);
	expect_mapped(test, d, iova, DOORBELL);
	KUNIT_ASSERT_EQ(test, get(d, DOORBELL + SZ_4K, 4, &iova), 0);
	expect_mapped(test, d, iova, DOORBELL + SZ_4K);
	expect_mapped(test, d, ULONG_MAX, (iova >> 12 == ULONG_MAX >> 12 ?
					   DOORBELL + SZ_4K : DOORBELL) | 0xfff);
	KUNIT_EXPECT_EQ(test, get(d, DOORBELL + SZ_8K, 4, &iova), -ENOSPC);
	iommu_msi_put_doorbell_iova(d, DOORBELL);
	iommu_msi_put_doorbell_iova(d, DOORBELL + SZ_4K);

	/* All of it */
	KUNIT_EXPECT_EQ(test, iommu_msi_set_aperture(d, 0, ULONG_MAX), 0);
	KUNIT_EXPECT_EQ(test, d->msi_cookie->total_pages, IOMMU_MSI_MAX_PAGES);
	KUNIT_ASSERT_EQ(test, get(d, DOORBELL, 4, &iova), 0);
	iommu_msi_put_doorbell_iova(d, DOORBELL);
}

static void test_aperture_geometry(struct kunit *test)
{
	struct iommu_domain *d;

	mock.geometry = (struct iommu_domain_geometry) {
		.aperture_start = SZ_64M, .aperture_end = SZ_256M - 1,
	};
	d = fixture_attach(test)->domain;
	KUNIT_EXPECT_EQ(test, iommu_msi_set_aperture(d, SZ_64M - SZ_4K,
						     SZ_64M + SZ_4K - 1),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, iommu_msi_set_aperture(d, SZ_256M - SZ_4K,
						     SZ_256M + SZ_4K - 1),
			-EINVAL);
	expect_window(test, d, 0, 0);
	KUNIT_EXPECT_EQ(test, iommu_msi_set_aperture(d, SZ_64M, SZ_256M - 1), 0);
}

static void test_aperture_late(struct kunit *test)
{
	struct fixture *f = test->priv;
	dma_addr_t iova;

	/* The driver settles on 64K pages when the device attaches */
	mock.pgsizes_at_attach = SZ_64K;
	f->dev = mock_device(test, 0);
	f->domain = mock_domain_for(test, f->dev);
	KUNIT_ASSERT_EQ(test, iommu_msi_set_aperture(f->domain, SZ_1M + SZ_4K,
						     SZ_2M - 1), 0);
	KUNIT_ASSERT_EQ(test, iommu_attach_device(f->domain, f->dev), 0);
	KUNIT_EXPECT_EQ(test, get(f->domain, DOORBELL, 4, &iova), -EINVAL);
	KUNIT_ASSERT_EQ(test, iommu_msi_set_aperture(f->domain, SZ_1M,
						     SZ_2M - 1), 0);
	KUNIT_EXPECT_EQ(test, f->domain->msi_cookie->total_pages, 16);
	KUNIT_ASSERT_EQ(test, get(f->domain, DOORBELL, 4, &iova), 0);
	KUNIT_EXPECT_EQ(test, iova, place(f->domain, DOORBELL));
	iommu_msi_put_doorbell_iova(f->domain, DOORBELL);

	/* The same window, aligned for both sizes, needs no setting again */
	fixture_free_domain(f);
	f->domain = mock_domain_for(test, f->dev);
	KUNIT_ASSERT_EQ(test, iommu_msi_set_aperture(f->domain, WINDOW,
						     WINDOW_END), 0);
	KUNIT_ASSERT_EQ(test, iommu_attach_device(f->domain, f->dev), 0);
	KUNIT_EXPECT_EQ(test, f->domain->msi_cookie->total_pages, 16);
	KUNIT_ASSERT_EQ(test, get(f->domain, DOORBELL, 4, &iova), 0);
	iommu_msi_put_doorbell_iova(f->domain, DOORBELL);
}

static void test_geometry_late(struct kunit *test)
{
	struct fixture *f = test->priv;
	dma_addr_t iova;

	/* The window lies outside of what the driver settles on */
	mock.geometry = (struct iommu_domain_geometry) {};
	mock.geometry_at_attach.aperture_end = SZ_64M - 1;
	f->dev = mock_device(test, 0);
	f->domain = mock_domain_for(test, f->dev);
	KUNIT_ASSERT_EQ(test, iommu_msi_set_aperture(f->domain, SZ_256M,
						     SZ_256M + SZ_1M - 1), 0);
	KUNIT_ASSERT_EQ(test, iommu_attach_device(f->domain, f->dev), 0);
	KUNIT_EXPECT_EQ(test, get(f->domain, DOORBELL, 4, &iova), -EINVAL);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 0);
}

static void test_no_page_size(struct kunit *test)
{
	struct fixture *f = fixture_attach(test);

	f->domain->pgsize_bitmap = 0;
	KUNIT_EXPECT_EQ(test, iommu_msi_set_aperture(f->domain, WINDOW,
						     WINDOW_END), -EINVAL);
	expect_window(test, f->domain, 0, 0);
}

static void test_get_attr(struct kunit *test)
{
	struct iommu_domain_msi_geometry geometry;
	struct fixture *f = fixture_window(test);

	memset(&geometry, 0x55, sizeof(geometry));
	KUNIT_EXPECT_EQ(test, iommu_domain_get_attr(f->domain,
						    DOMAIN_ATTR_MSI_GEOMETRY + 1,
						    &geometry), -EINVAL);
	KUNIT_EXPECT_EQ(test, geometry.aperture_end, 0x5555555555555555ULL);
	KUNIT_EXPECT_EQ(test, iommu_domain_get_attr(f->domain,
						    DOMAIN_ATTR_MSI_GEOMETRY,
						    &geometry), 0);
	KUNIT_EXPECT_TRUE(test, geometry.iommu_msi_supported);
	KUNIT_EXPECT_EQ(test, geometry.aperture_start, WINDOW);
	KUNIT_EXPECT_EQ(test, geometry.aperture_end, WINDOW_END);
}

static void test_unsupported(struct kunit *test)
{
	struct iommu_domain_msi_geometry geometry;
	struct fixture *f;
	dma_addr_t iova;

	mock.unsupported = true;
	f = fixture_attach(test);

	memset(&geometry, 0x55, sizeof(geometry));
	iommu_domain_msi_geometry(f->domain, &geometry);
	KUNIT_EXPECT_FALSE(test, geometry.iommu_msi_supported);
	KUNIT_EXPECT_EQ(test, geometry.aperture_end, 0);

	/* A domain without support takes part in nothing */
	KUNIT_EXPECT_EQ(test, iommu_get_msi_cookie(f->domain), -ENODEV);
	KUNIT_EXPECT_EQ(test, iommu_msi_set_aperture(f->domain, WINDOW,
						     WINDOW_END), -ENODEV);
	KUNIT_EXPECT_EQ(test, get(f->domain, DOORBELL, 4, &iova), -ENODEV);
	iommu_put_msi_cookie(f->domain);
}

static void test_support_late(struct kunit *test)
{
	struct fixture *f = fixture_window(test);
	dma_addr_t iova;

	/* As a driver does that finds out when the first device attaches */
	f->domain->iommu_msi_supported = false;
	expect_window(test, f->domain, 0, 0);
	KUNIT_EXPECT_EQ(test, get(f->domain, DOORBELL, 4, &iova), -ENODEV);
	KUNIT_EXPECT_EQ(test, iommu_msi_set_aperture(f->domain, WINDOW,
						     WINDOW_END), -ENODEV);
	KUNIT_EXPECT_NULL(test, iommu_msi_domain(f->dev));
	f->domain->iommu_msi_supported = true;
}

/* --- the end of a domain ------------------------------------------------- */

static void test_cookie_api_refs(struct kunit *test)
{
	struct fixture *f = fixture_window(test);
	dma_addr_t iova;
	int i;

	for (i = 0; i < 8; i++)
		KUNIT_ASSERT_EQ(test, get(f->domain, DOORBELL + i / 2 * SZ_4K, 4,
					  &iova), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 4);

	/* By hand; the domain can be used again then */
	iommu_put_msi_cookie(f->domain);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 0);
	expect_window(test, f->domain, 0, 0);
	KUNIT_EXPECT_EQ(test, get(f->domain, DOORBELL, 4, &iova), -ENXIO);
	KUNIT_EXPECT_EQ(test, iommu_msi_set_aperture(f->domain, WINDOW,
						     WINDOW_END), 0);
	KUNIT_EXPECT_EQ(test, get(f->domain, DOORBELL, 4, &iova), 0);

	/* With the domain; fixture_exit() sees what is left */
	fixture_free_domain(f);
}

static void desc_init(struct msi_desc *desc, struct device *dev)
{
	memset(desc, 0, sizeof(*desc));
	desc->dev = dev;
	desc->nvec_used = 1;
}

static int prepare(struct msi_desc *desc, struct device *dev, phys_addr_t addr)
{
	desc_init(desc, dev);
	return iommu_dma_prepare_msi(desc, addr);
}

/* Where the message of a descriptor goes */
static u64 message_of(struct msi_desc *desc, phys_addr_t addr)
{
	struct msi_msg msg = {
		.address_hi = upper_32_bits(addr),
		.address_lo = lower_32_bits(addr),
	};

	iommu_dma_compose_msi_msg(desc, &msg);
	return (u64)msg.address_hi << 32 | msg.address_lo;
}

static struct iommu_domain *mock_window_for(struct kunit *test,
					    struct device *dev, u64 start,
					    u64 end)
{
	struct iommu_domain *domain = mock_domain_for(test, dev);

	KUNIT_ASSERT_EQ(test, iommu_msi_set_aperture(domain, start, end), 0);
	return domain;
}

/* Vectors live through their domain's end, and work in the next one */
static void test_desc_outlives_domain(struct kunit *test)
{
	struct fixture *f = fixture_window(test);
	struct msi_desc desc[3], elsewhere;
	dma_addr_t iova;
	u64 to[3];
	int i;

	/* Descriptors alone on one page, together with the API on another */
	for (i = 0; i < ARRAY_SIZE(desc); i++) {
		KUNIT_ASSERT_EQ(test, prepare(&desc[i], f->dev,
					      DOORBELL + i / 2 * SZ_4K), 0);
		to[i] = message_of(&desc[i], DOORBELL + i / 2 * SZ_4K);
	}
	KUNIT_ASSERT_EQ(test, get(f->domain, DOORBELL + SZ_4K, 4, &iova), 0);
	KUNIT_ASSERT_EQ(test, get(f->domain, DOORBELL + SZ_8K, 4, &iova), 0);
	KUNIT_EXPECT_EQ(test, refs_of(f->domain, DOORBELL + SZ_4K), 2);

	/* Detached: nothing is mapped for vectors, and nothing changes for them */
	iommu_detach_device(f->domain, f->dev);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 2);
	KUNIT_EXPECT_EQ(test, refs_of(f->domain, DOORBELL), 0);
	iommu_domain_free(f->domain);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 0);
	KUNIT_EXPECT_EQ(test, message_of(&desc[0], DOORBELL), to[0]);

	/* The next one has the same window: as if nothing had been */
	f->domain = mock_window_for(test, f->dev, WINDOW, WINDOW_END);
	KUNIT_ASSERT_EQ(test, iommu_attach_device(f->domain, f->dev), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 2);
	for (i = 0; i < ARRAY_SIZE(desc); i++)
		expect_mapped(test, f->domain, to[i], DOORBELL + i / 2 * SZ_4K);
	fixture_free_domain(f);

	/* One without: it is attached, they are dead, new ones are not */
	f->domain = mock_window_for(test, f->dev, SZ_4G, SZ_4G + SZ_1M - 1);
	KUNIT_ASSERT_EQ(test, iommu_attach_device(f->domain, f->dev), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 0);
	KUNIT_ASSERT_EQ(test, prepare(&elsewhere, f->dev, DOORBELL), 0);
	KUNIT_EXPECT_PTR_NE(test, elsewhere.iommu_msi_binding,
			    desc[0].iommu_msi_binding);
	expect_mapped(test, f->domain, place(f->domain, DOORBELL), DOORBELL);
	fixture_free_domain(f);

	/* Back again: what has its place first has it */
	f->domain = mock_window_for(test, f->dev, WINDOW, WINDOW_END);
	KUNIT_ASSERT_EQ(test, iommu_attach_device(f->domain, f->dev), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 2);
	expect_mapped(test, f->domain, to[0], DOORBELL);
	expect_mapped(test, f->domain, to[2], DOORBELL + SZ_4K);
	fixture_free_domain(f);

	iommu_msi_release_desc(&elsewhere);
	for (i = 0; i < ARRAY_SIZE(desc); i++) {
		KUNIT_EXPECT_NOT_NULL(test, desc[i].iommu_msi_binding);
		iommu_msi_release_desc(&desc[i]);
		KUNIT_EXPECT_NULL(test, desc[i].iommu_msi_binding);
	}
}

/* --- descriptors --------------------------------------------------------- */

static void test_desc(struct kunit *test)
{
	struct fixture *f = fixture_window(test);
	struct msi_desc desc[2];

	KUNIT_ASSERT_EQ(test, prepare(&desc[0], f->dev, DOORBELL), 0);
	/* One descriptor for several vectors */
	desc_init(&desc[1], f->dev);
	desc[1].nvec_used = 5;
	KUNIT_ASSERT_EQ(test, iommu_dma_prepare_msi(&desc[1], DOORBELL + 8), 0);
	expect_mapped(test, f->domain, place(f->domain, DOORBELL), DOORBELL);
	KUNIT_EXPECT_PTR_EQ(test, desc[0].iommu_msi_binding,
			    desc[1].iommu_msi_binding);
	KUNIT_EXPECT_EQ(test, desc[0].iommu_msi_binding->vectors, 6);
	KUNIT_EXPECT_EQ(test, refs_of(f->domain, DOORBELL), 1);

	/* Any register of the page */
	KUNIT_EXPECT_EQ(test, message_of(&desc[0], DOORBELL + 8),
			place(f->domain, DOORBELL + 8));

	/* Prepared again without having been released: nothing is lost */
	KUNIT_ASSERT_EQ(test, iommu_dma_prepare_msi(&desc[0], DOORBELL), 0);
	KUNIT_EXPECT_EQ(test, desc[0].iommu_msi_binding->vectors, 6);

	iommu_msi_release_desc(&desc[1]);
	iommu_msi_release_desc(&desc[1]);
	KUNIT_EXPECT_EQ(test, desc[0].iommu_msi_binding->vectors, 1);
	KUNIT_EXPECT_EQ(test, refs_of(f->domain, DOORBELL), 1);
	KUNIT_EXPECT_EQ(test, message_of(&desc[1], 0x1234), 0x1234);
	iommu_msi_release_desc(&desc[0]);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 0);
}

/* A descriptor has fewer than 64 bits for the page of an IOVA */
static void test_desc_highest(struct kunit *test)
{
	struct fixture *f = fixture_attach(test);

	KUNIT_ASSERT_EQ(test, iommu_msi_set_aperture(f->domain, U64_MAX - SZ_1M + 1,
						     U64_MAX), 0);
	KUNIT_ASSERT_EQ(test, prepare(&f->desc, f->dev, DOORBELL), 0);
	KUNIT_EXPECT_GE(test, message_of(&f->desc, DOORBELL), U64_MAX - SZ_1M + 1);
	iommu_msi_release_desc(&f->desc);
}

/* Registers on both of a doorbell's pages, in this order or backwards */
static void bind_extent(struct kunit *test, bool backwards)
{
	static const int at[] = { 0, 8, 12, -8 };
	phys_addr_t edge = ALIGN(DOORBELL, SZ_4K);
	struct msi_desc desc[ARRAY_SIZE(at)];
	struct fixture *f = test->priv;
	struct iommu_domain *next;
	dma_addr_t iova;
	int i;

	KUNIT_ASSERT_EQ(test, get(f->domain, edge - 8, 24, &iova), 0);
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		int n = backwards ? ARRAY_SIZE(at) - 1 - i : i;

		KUNIT_ASSERT_EQ(test, prepare(&desc[i], f->dev, edge + at[n]), 0);
		KUNIT_EXPECT_PTR_EQ(test, desc[i].iommu_msi_binding,
				    desc[0].iommu_msi_binding);
		KUNIT_EXPECT_EQ(test, message_of(&desc[i], edge + at[n]),
				iova + 8 + at[n]);
	}
	KUNIT_EXPECT_EQ(test, refs_of(f->domain, edge), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 2);

	/* All that they were prepared for moves */
	next = mock_window_for(test, f->dev, WINDOW, WINDOW_END);
	KUNIT_ASSERT_EQ(test, iommu_group_replace_domain(f->dev->iommu_group,
							 next), 0);
	KUNIT_EXPECT_EQ(test, refs_of(f->domain, edge), 1);
	KUNIT_EXPECT_EQ(test, refs_of(next, edge), 1);
	expect_mapped(test, next, iova, edge - 8);
	expect_mapped(test, next, iova + 20, edge + 12);
	iommu_domain_free(f->domain);
	f->domain = next;
	for (i = 0; i < ARRAY_SIZE(at); i++)
		iommu_msi_release_desc(&desc[i]);
}

static void test_desc_extent(struct kunit *test)
{
	fixture_window(test);
	bind_extent(test, false);
	bind_extent(test, true);
}

static void test_desc_fails(struct kunit *test)
{
	struct fixture *f = fixture_attach(test);
	struct msi_desc desc;
	dma_addr_t iova;

	/* Who sets no aperture has not opted in: as without this layer, but said */
	KUNIT_EXPECT_FALSE(test, f->dev->iommu->msi_warned);
	KUNIT_EXPECT_EQ(test, prepare(&desc, f->dev, DOORBELL), 0);
	KUNIT_EXPECT_TRUE(test, f->dev->iommu->msi_warned);
	KUNIT_EXPECT_NULL(test, desc.iommu_msi_binding);
	KUNIT_EXPECT_EQ(test, message_of(&desc, DOORBELL), DOORBELL);
	KUNIT_ASSERT_EQ(test, iommu_get_msi_cookie(f->domain), 0);
	KUNIT_EXPECT_EQ(test, prepare(&desc, f->dev, DOORBELL), 0);
	KUNIT_EXPECT_EQ(test, message_of(&desc, DOORBELL), DOORBELL);

	KUNIT_ASSERT_EQ(test, iommu_msi_set_aperture(f->domain, WINDOW,
						     WINDOW + SZ_4K - 1), 0);
	KUNIT_ASSERT_EQ(test, get(f->domain, DOORBELL + SZ_4K, 4, &iova), 0);
	KUNIT_EXPECT_EQ(test, prepare(&desc, f->dev, DOORBELL), -ENOSPC);
	KUNIT_EXPECT_NULL(test, desc.iommu_msi_binding);
	KUNIT_EXPECT_EQ(test, message_of(&desc, DOORBELL), DOORBELL);
	expect_mapped(test, f->domain, iova, DOORBELL + SZ_4K);
	iommu_msi_put_doorbell_iova(f->domain, DOORBELL + SZ_4K);

	mock.fail_map = 1;
	KUNIT_EXPECT_EQ(test, prepare(&desc, f->dev, DOORBELL), -ENOMEM);
	KUNIT_EXPECT_EQ(test, prepare(&desc, f->dev, DOORBELL), 0);
	iommu_msi_release_desc(&desc);
}

static void test_desc_untranslated(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct device *plain = &mock.hw->dev;
	struct msi_desc desc;

	/* No IOMMU at all */
	desc_init(&desc, plain);
	msi_desc_set_iommu_msi_iova(&desc, SZ_4K, 12);
	KUNIT_EXPECT_EQ(test, iommu_dma_prepare_msi(&desc, DOORBELL), 0);
	KUNIT_EXPECT_EQ(test, message_of(&desc, DOORBELL), DOORBELL);
	KUNIT_EXPECT_NULL(test, iommu_msi_domain(plain));

	/* A default domain, identity here */
	f->dev = mock_device(test, 0);
	KUNIT_EXPECT_EQ(test, prepare(&desc, f->dev, DOORBELL), 0);
	KUNIT_EXPECT_EQ(test, message_of(&desc, DOORBELL), DOORBELL);
	KUNIT_EXPECT_NULL(test, iommu_msi_domain(f->dev));

	/* A domain that does not take part: nothing is said of it either */
	f->domain = mock_domain_unsupported(test, f->dev);
	KUNIT_ASSERT_EQ(test, iommu_attach_device(f->domain, f->dev), 0);
	KUNIT_EXPECT_EQ(test, prepare(&desc, f->dev, DOORBELL), 0);
	KUNIT_EXPECT_EQ(test, message_of(&desc, DOORBELL), DOORBELL);
	KUNIT_EXPECT_FALSE(test, f->dev->iommu->msi_warned);
	KUNIT_EXPECT_NULL(test, iommu_msi_domain(f->dev));
}

/* Whose device is not known when it is allocated takes no part */
static void test_alloc_by_bus(struct kunit *test)
{
	struct iommu_domain_msi_geometry geometry;
	struct fixture *f = fixture_attach(test);
	struct iommu_domain *domain = iommu_domain_alloc(f->dev->bus);

	if (!domain)
		kunit_skip(test, "the platform bus has devices of two IOMMU drivers");
	iommu_domain_msi_geometry(domain, &geometry);
	KUNIT_EXPECT_FALSE(test, geometry.iommu_msi_supported);
	iommu_domain_free(domain);
	iommu_domain_msi_geometry(f->domain, &geometry);
	KUNIT_EXPECT_TRUE(test, geometry.iommu_msi_supported);
}

static void test_hw_msi(struct kunit *test)
{
	struct msi_msg msg = { .address_lo = 0x8090040 }, before = msg;
	struct iommu_domain *domain;
	struct msi_desc desc;
	struct device *other;
	struct fixture *f;

	/* Allocated for a device with a hardware MSI region: not supported */
	mock.hw_msi = true;
	f = fixture_attach(test);
	KUNIT_EXPECT_FALSE(test, iommu_dev_translates_msi(f->dev));
	KUNIT_EXPECT_EQ(test, iommu_msi_set_aperture(f->domain, WINDOW,
						     WINDOW_END), -ENODEV);
	KUNIT_EXPECT_NULL(test, iommu_msi_domain(f->dev));

	/* It bypasses translation in another device's domain just as well */
	mock.hw_msi = false;
	other = mock_device(test, 1);
	KUNIT_EXPECT_TRUE(test, iommu_dev_translates_msi(other));
	domain = mock_domain_for(test, other);
	KUNIT_ASSERT_EQ(test, iommu_msi_set_aperture(domain, WINDOW,
						     WINDOW_END), 0);
	KUNIT_ASSERT_EQ(test, iommu_attach_device(domain, other), 0);
	KUNIT_EXPECT_PTR_EQ(test, iommu_msi_domain(other), domain);
	fixture_free_domain(f);
	KUNIT_ASSERT_EQ(test, iommu_attach_device(domain, f->dev), 0);
	KUNIT_EXPECT_NULL(test, iommu_msi_domain(f->dev));
	KUNIT_EXPECT_EQ(test, prepare(&desc, f->dev, DOORBELL), 0);
	KUNIT_EXPECT_EQ(test, message_of(&desc, DOORBELL), DOORBELL);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 0);
	KUNIT_EXPECT_EQ(test, iommu_msi_msg_pa_to_va(f->dev, &msg), 0);
	KUNIT_EXPECT_MEMEQ(test, &msg, &before, sizeof(msg));

	iommu_detach_device(domain, f->dev);
	iommu_detach_device(domain, other);
	iommu_domain_free(domain);
	platform_device_unregister(to_platform_device(other));
}

#ifdef CONFIG_IOMMU_DMA
static void test_desc_dma(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct iommu_domain *domain;
	struct msi_desc desc;
	unsigned long granule;
	u64 iova;

	/* The DMA layer's own: not ours to map, but the message is rewritten */
	mock.default_type = IOMMU_DOMAIN_DMA;
	f->dev = mock_device(test, 0);
	domain = iommu_get_domain_for_dev(f->dev);
	if (!iommu_is_dma_domain(domain))
		kunit_skip(test, "the default domain is not the DMA layer's");
	KUNIT_EXPECT_NULL(test, iommu_msi_domain(f->dev));
	KUNIT_EXPECT_EQ(test, iommu_msi_set_aperture(domain, WINDOW,
						     WINDOW_END), -ENODEV);

	KUNIT_ASSERT_EQ(test, prepare(&desc, f->dev, DOORBELL), 0);
	KUNIT_EXPECT_NULL(test, desc.iommu_msi_binding);
	iova = message_of(&desc, DOORBELL);
	KUNIT_EXPECT_NE(test, iova, DOORBELL);
	KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(domain, iova), DOORBELL);
	iommu_msi_release_desc(&desc);
	/* It stays mapped for as long as the domain */
	granule = 1UL << __ffs(domain->pgsize_bitmap);
	iommu_unmap(domain, ALIGN_DOWN(iova, granule), granule);
}
#endif

static int replace(struct fixture *f, struct iommu_domain *domain)
{
	return iommu_group_replace_domain(f->dev->iommu_group, domain);
}

static void test_replace(struct kunit *test)
{
	struct fixture *f = fixture_window(test);
	struct iommu_domain *next, *none;
	struct msi_desc desc[3];
	dma_addr_t iova;
	u64 to[3];
	int i;

	for (i = 0; i < 3; i++) {
		KUNIT_ASSERT_EQ(test, prepare(&desc[i], f->dev,
					      DOORBELL + i / 2 * SZ_4K), 0);
		to[i] = message_of(&desc[i], DOORBELL + i / 2 * SZ_4K);
	}

	/* A window that does not have the IOVA, or none: refused, untouched */
	none = mock_domain_for(test, f->dev);
	KUNIT_EXPECT_EQ(test, replace(f, none), -EINVAL);
	KUNIT_ASSERT_EQ(test, iommu_get_msi_cookie(none), 0);
	KUNIT_EXPECT_EQ(test, replace(f, none), -EINVAL);
	KUNIT_ASSERT_EQ(test, iommu_msi_set_aperture(none, SZ_4G,
						     SZ_4G + SZ_1M - 1), 0);
	KUNIT_EXPECT_EQ(test, replace(f, none), -EINVAL);
	/* One of the two does not fit: nothing is left of the other */
	KUNIT_ASSERT_EQ(test, iommu_msi_set_aperture(none, WINDOW,
						     max(to[0], to[2]) - 0x40 - 1), 0);
	KUNIT_EXPECT_EQ(test, replace(f, none), -EINVAL);
	KUNIT_EXPECT_PTR_EQ(test, iommu_get_domain_for_dev(f->dev), f->domain);
	KUNIT_EXPECT_EQ(test, none->msi_cookie->used_pages, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 2);

	/* It is there, elsewhere */
	KUNIT_ASSERT_EQ(test, iommu_msi_set_aperture(none, WINDOW + SZ_1M,
						     WINDOW_END + SZ_1M), 0);
	KUNIT_ASSERT_EQ(test, get(none, DOORBELL, 4, &iova), 0);
	KUNIT_EXPECT_EQ(test, replace(f, none), -EINVAL);
	KUNIT_EXPECT_EQ(test, refs_of(none, DOORBELL), 1);
	iommu_domain_free(none);

	/* A domain that takes no part cannot have it, and a static one need not */
	none = mock_domain_unsupported(test, f->dev);
	KUNIT_EXPECT_EQ(test, replace(f, none), -EINVAL);
	iommu_domain_free(none);
	KUNIT_EXPECT_EQ(test, replace(f, &mock_blocked), 0);
	KUNIT_EXPECT_EQ(test, refs_of(f->domain, DOORBELL), 0);
	KUNIT_EXPECT_EQ(test, replace(f, f->domain), 0);
	KUNIT_EXPECT_EQ(test, replace(f, f->domain), 0);
	KUNIT_EXPECT_EQ(test, refs_of(f->domain, DOORBELL), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 2);

	/* It fits, but the driver refuses to attach */
	next = mock_window_for(test, f->dev, WINDOW, WINDOW_END);
	mock.fail_attach = 1;
	KUNIT_EXPECT_EQ(test, replace(f, next), -EINVAL);
	KUNIT_EXPECT_EQ(test, refs_of(f->domain, DOORBELL), 1);
	KUNIT_EXPECT_EQ(test, refs_of(next, DOORBELL), 0);

	/* It cannot be mapped for lack of memory */
	mock.fail_map = 2;
	KUNIT_EXPECT_EQ(test, replace(f, next), -ENOMEM);
	KUNIT_EXPECT_EQ(test, next->msi_cookie->used_pages, 0);

	/* It fits: all moves, no message changes */
	KUNIT_ASSERT_EQ(test, replace(f, next), 0);
	KUNIT_EXPECT_EQ(test, refs_of(f->domain, DOORBELL), 0);
	KUNIT_EXPECT_EQ(test, refs_of(next, DOORBELL), 1);
	KUNIT_EXPECT_EQ(test, refs_of(next, DOORBELL + SZ_4K), 1);
	KUNIT_EXPECT_EQ(test, desc[0].iommu_msi_binding->vectors, 2);
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, message_of(&desc[i], DOORBELL + i / 2 * SZ_4K),
				to[i]);
		expect_mapped(test, next, to[i], DOORBELL + i / 2 * SZ_4K);
	}

	/* A driver that refuses in a domain that it has finished means it */
	mock.map_error = -EEXIST;
	mock.fail_map = 1;
	KUNIT_EXPECT_EQ(test, replace(f, f->domain), -EINVAL);
	expect_mapped(test, next, to[0], DOORBELL);
	iommu_domain_free(f->domain);
	f->domain = next;

	for (i = 0; i < 3; i++)
		iommu_msi_release_desc(&desc[i]);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 0);
}

/* Two domains, in each of which another doorbell was first; and back again */
static void test_replace_order(struct kunit *test)
{
	struct fixture *f = fixture_window(test);
	struct iommu_domain *d = f->domain;
	struct iommu_domain *other = mock_window_for(test, f->dev, SZ_1G,
						     SZ_1G + SZ_16M - 1);
	/* Two pages, and one that nobody has registered; each first in one domain */
	phys_addr_t wide = NUMBERED + SZ_8M + SZ_4K - 0x40 - 4;
	phys_addr_t plain = NUMBERED + SZ_16M;
	struct irq_domain *irqs = mock_irq_domain(test, NULL);
	struct msi_desc desc[2];
	dma_addr_t iova;

	/* As many pages as there are doorbells, with those of all tests */
	KUNIT_ASSERT_EQ(test, iommu_msi_set_aperture(d, SZ_1G, SZ_1G + SZ_16M - 1), 0);
	KUNIT_ASSERT_EQ(test, register_bytes(irqs, wide, 8), 0);
	KUNIT_ASSERT_EQ(test, get(other, wide, 8, &iova), 0);
	KUNIT_ASSERT_EQ(test, prepare(&desc[0], f->dev, plain), 0);
	KUNIT_ASSERT_EQ(test, get(d, DOORBELL, 4, &iova), 0);
	KUNIT_ASSERT_EQ(test, prepare(&desc[1], f->dev, wide), 0);

	KUNIT_EXPECT_EQ(test, replace(f, other), 0);
	expect_mapped(test, other, message_of(&desc[0], plain), plain);
	expect_mapped(test, other, message_of(&desc[1], wide), wide);
	KUNIT_EXPECT_EQ(test, replace(f, d), 0);
	expect_mapped(test, d, message_of(&desc[0], plain), plain);
	iommu_msi_release_desc(&desc[0]);
	iommu_msi_release_desc(&desc[1]);
	iommu_domain_free(other);
	iommu_msi_unregister_doorbells(irqs);
	irq_domain_remove(irqs);
}

/* What is mapped is not made of the next domain's pages, or not there */
static void test_replace_pages(struct kunit *test)
{
	struct fixture *f = fixture_window(test);
	struct iommu_domain *next;
	u64 to;

	KUNIT_ASSERT_EQ(test, prepare(&f->desc, f->dev, DOORBELL + SZ_4K), 0);
	to = message_of(&f->desc, DOORBELL + SZ_4K) & ~0xfffULL;
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 1);

	/* By how much the IOVA is off within 64K depends on the number */
	mock.pgsizes = SZ_64K;
	next = mock_window_for(test, f->dev, WINDOW - SZ_64K, WINDOW_END);
	KUNIT_EXPECT_EQ(test, replace(f, next),
			(to ^ (DOORBELL + SZ_4K)) & 0xf000 ? -EINVAL : 0);
	if (iommu_get_domain_for_dev(f->dev) == next)
		KUNIT_EXPECT_EQ(test, replace(f, f->domain), 0);
	iommu_domain_free(next);

	/* Above the window, below it, and beyond what of it is used */
	mock.pgsizes = SZ_4K;
	next = mock_window_for(test, f->dev, to - SZ_4K, to - 1);
	KUNIT_EXPECT_EQ(test, replace(f, next), -EINVAL);
	KUNIT_ASSERT_EQ(test, iommu_msi_set_aperture(next, to + SZ_4K, to + SZ_8K - 1), 0);
	KUNIT_EXPECT_EQ(test, replace(f, next), -EINVAL);
	KUNIT_ASSERT_EQ(test, iommu_msi_set_aperture(next, to - IOMMU_MSI_MAX_PAGES * SZ_4K,
						     to + SZ_4K - 1), 0);
	KUNIT_EXPECT_EQ(test, replace(f, next), -EINVAL);
	KUNIT_EXPECT_EQ(test, next->msi_cookie->used_pages, 0);
	KUNIT_ASSERT_EQ(test, iommu_msi_set_aperture(next, to, to + SZ_4K - 1), 0);
	KUNIT_EXPECT_EQ(test, replace(f, next), 0);
	expect_mapped(test, next, to + 0x40, DOORBELL + SZ_4K);
	iommu_domain_free(f->domain);
	f->domain = next;
	iommu_msi_release_desc(&f->desc);
}

/* A driver that can map in a domain no sooner than a device is attached to it */
static void test_finish_at_attach(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct iommu_domain *next;
	struct msi_desc desc;
	u64 to;

	mock.finish_at_attach = true;
	fixture_window(test);
	KUNIT_ASSERT_EQ(test, prepare(&desc, f->dev, DOORBELL), 0);
	to = message_of(&desc, DOORBELL);

	/* Replaced, and by one that has no room: that is known before */
	next = mock_window_for(test, f->dev, SZ_4G, SZ_4G + SZ_1M - 1);
	KUNIT_EXPECT_EQ(test, replace(f, next), -EINVAL);
	KUNIT_ASSERT_EQ(test, iommu_msi_set_aperture(next, WINDOW, WINDOW_END), 0);
	KUNIT_ASSERT_EQ(test, replace(f, next), 0);
	expect_mapped(test, next, to, DOORBELL);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 1);
	iommu_domain_free(f->domain);

	/* Detached and attached */
	f->domain = next;
	fixture_free_domain(f);
	f->domain = mock_window_for(test, f->dev, WINDOW, WINDOW_END);
	KUNIT_ASSERT_EQ(test, iommu_attach_device(f->domain, f->dev), 0);
	expect_mapped(test, f->domain, to, DOORBELL);

	/* Attached, and then there is no memory: dead until enabled anew */
	fixture_free_domain(f);
	f->domain = mock_window_for(test, f->dev, WINDOW, WINDOW_END);
	mock.fail_map = 1;
	KUNIT_ASSERT_EQ(test, iommu_attach_device(f->domain, f->dev), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 0);
	KUNIT_ASSERT_EQ(test, iommu_dma_prepare_msi(&desc, DOORBELL), 0);
	expect_mapped(test, f->domain, to, DOORBELL);
	iommu_msi_release_desc(&desc);
}

/*
 * Vectors that come and go in the middle of a replacement: when that has mapped the
 * next domain's doorbells for the nth time, of which the last is before the switch
 */
static unsigned int vectors_at;

static int map_next_and_vectors(struct iommu_msi_group *msi,
				struct iommu_msi_cookie *cookie, bool must)
{
	struct kunit *test = kunit_get_current_test();
	struct fixture *f = test->priv;
	int ret;

	kunit_deactivate_static_stub(test, iommu_msi_map_next);
	ret = iommu_msi_map_next(msi, cookie, must);
	if (--vectors_at) {
		kunit_activate_static_stub(test, iommu_msi_map_next, map_next_and_vectors);
		return ret;
	}
	iommu_msi_release_desc(&f->desc);
	KUNIT_EXPECT_EQ(test, prepare(&f->desc, f->dev, DOORBELL + SZ_4K), 0);
	return ret;
}

static void test_replace_amid(struct kunit *test)
{
	struct fixture *f = fixture_window(test);
	struct iommu_domain *next;
	struct msi_desc desc;
	unsigned int nth;

	KUNIT_ASSERT_EQ(test, prepare(&desc, f->dev, DOORBELL), 0);
	/* Before the switch: to know that it can be, to be there first, to miss nothing */
	for (nth = 1; nth <= 3; nth++) {
		KUNIT_ASSERT_EQ(test, prepare(&f->desc, f->dev, DOORBELL + SZ_8K), 0);
		next = mock_window_for(test, f->dev, WINDOW, WINDOW_END);
		vectors_at = nth;
		kunit_activate_static_stub(test, iommu_msi_map_next, map_next_and_vectors);
		KUNIT_ASSERT_EQ(test, replace(f, next), 0);
		KUNIT_EXPECT_EQ(test, vectors_at, 0);

		expect_mapped(test, next, message_of(&desc, DOORBELL), DOORBELL);
		expect_mapped(test, next, message_of(&f->desc, DOORBELL + SZ_4K),
			      DOORBELL + SZ_4K);
		KUNIT_EXPECT_EQ(test, refs_of(next, DOORBELL + SZ_8K), 0);
		KUNIT_EXPECT_EQ(test, f->domain->msi_cookie->used_pages, 0);
		KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 2);
		iommu_msi_release_desc(&f->desc);
		iommu_domain_free(f->domain);
		f->domain = next;
	}
	iommu_msi_release_desc(&desc);
}

/* --- windows ------------------------------------------------------------- */

static void test_apertures(struct kunit *test)
{
	struct fixture *f = fixture_window(test);
	struct iommu_domain *other = mock_domain_for(test, f->dev);
	struct iommu_msi_aperture both[] = {
		{ .domain = f->domain, .start = SZ_1M, .end = 2 * SZ_1M - 1 },
		{ .domain = other, .start = 0, .end = SZ_4K - 1 },
	};
	struct iommu_domain *never;
	dma_addr_t iova;

	KUNIT_EXPECT_EQ(test, iommu_msi_set_apertures(NULL, 0), 0);
	KUNIT_EXPECT_EQ(test, iommu_msi_set_apertures(both, 2), 0);
	expect_window(test, f->domain, SZ_1M, 2 * SZ_1M - 1);
	expect_window(test, other, 0, SZ_4K - 1);
	KUNIT_EXPECT_EQ(test, iommu_msi_set_apertures(both, 2), 0);

	/* One refuses, whichever: both keep what they have */
	both[0].start = 0;
	both[1].start = 1;
	KUNIT_EXPECT_EQ(test, iommu_msi_set_apertures(both, 2), -EINVAL);
	swap(both[0], both[1]);
	KUNIT_EXPECT_EQ(test, iommu_msi_set_apertures(both, 2), -EINVAL);
	both[0].start = SZ_4K;
	both[0].end = SZ_64K - 1;
	KUNIT_ASSERT_EQ(test, get(f->domain, DOORBELL, 4, &iova), 0);
	KUNIT_EXPECT_EQ(test, iommu_msi_set_apertures(both, 2), -EBUSY);
	expect_window(test, f->domain, SZ_1M, 2 * SZ_1M - 1);
	expect_window(test, other, 0, SZ_4K - 1);
	iommu_msi_put_doorbell_iova(f->domain, DOORBELL);
	KUNIT_EXPECT_EQ(test, iommu_msi_set_apertures(both, 2), 0);
	expect_window(test, f->domain, 0, 2 * SZ_1M - 1);
	expect_window(test, other, SZ_4K, SZ_64K - 1);

	never = mock_domain_unsupported(test, f->dev);
	both[1].domain = never;
	both[0].end = SZ_32K - 1;
	KUNIT_EXPECT_EQ(test, iommu_msi_set_apertures(both, 2), -ENODEV);
	expect_window(test, other, SZ_4K, SZ_64K - 1);
	iommu_domain_free(never);
	iommu_domain_free(other);
}

static void test_usage(struct kunit *test)
{
	const struct range user = { SZ_1M, SZ_2M - 1 };
	struct fixture *f = fixture_attach(test);
	struct iommu_domain *fuller;
	struct iommu_msi_survey survey;
	dma_addr_t iova;

	KUNIT_EXPECT_FALSE(test, survey_domain(f->domain).translated);
	KUNIT_ASSERT_EQ(test, iommu_get_msi_cookie(f->domain), 0);
	KUNIT_EXPECT_FALSE(test, survey_domain(f->domain).translated);

	KUNIT_ASSERT_EQ(test, iommu_msi_set_aperture(f->domain, WINDOW,
						     WINDOW_END), 0);
	KUNIT_ASSERT_EQ(test, get(f->domain, DOORBELL, SZ_4K, &iova), 0);
	survey = survey_domain(f->domain);
	KUNIT_EXPECT_TRUE(test, survey.translated);
	KUNIT_EXPECT_TRUE(test, survey.in_use);
	KUNIT_EXPECT_EQ(test, survey.page_size, SZ_4K);
	KUNIT_EXPECT_EQ(test, survey.window.start, WINDOW);
	KUNIT_EXPECT_EQ(test, survey.window.end, WINDOW_END);
	KUNIT_EXPECT_EQ(test, survey.pages_used, 2);
	KUNIT_EXPECT_EQ(test, survey.pages_free, 254);

	/* Of two domains the fuller one, and in use is what one of them has */
	fuller = mock_domain_for(test, f->dev);
	KUNIT_ASSERT_EQ(test, iommu_msi_set_aperture(fuller, SZ_1G,
						     SZ_1G + SZ_16K - 1), 0);
	iommu_msi_survey_init(&survey, SZ_64K, &user);
	KUNIT_EXPECT_EQ(test, survey.window.start, user.start);
	KUNIT_EXPECT_EQ(test, survey.window.end, user.end);
	KUNIT_EXPECT_TRUE(test, iommu_msi_survey_programmable(&survey));
	iommu_msi_survey_domain(&survey, fuller);
	KUNIT_EXPECT_TRUE(test, iommu_msi_survey_programmable(&survey));
	iommu_msi_survey_domain(&survey, f->domain);
	KUNIT_EXPECT_EQ(test, survey.window.start, SZ_1G);
	KUNIT_EXPECT_EQ(test, survey.pages_used, 0);
	KUNIT_EXPECT_EQ(test, survey.pages_free, 4);
	KUNIT_EXPECT_TRUE(test, survey.in_use);
	KUNIT_EXPECT_FALSE(test, iommu_msi_survey_programmable(&survey));
	iommu_domain_free(fuller);

	iommu_msi_put_doorbell_iova(f->domain, DOORBELL);
	KUNIT_EXPECT_FALSE(test, survey_domain(f->domain).in_use);
	KUNIT_EXPECT_EQ(test, survey_domain(f->domain).pages_used, 0);

	f->domain->iommu_msi_supported = false;
	KUNIT_EXPECT_FALSE(test, survey_domain(f->domain).translated);
	f->domain->iommu_msi_supported = true;
}

static void test_parse_window(struct kunit *test)
{
	static const char * const bad[] = {
		"", "-", "0x10000", "0x10000-", "-0x1ffff", "0x10000-0x1fffe",
		"0x18000-0x2ffff", "0x20000-0x1ffff", "0x10000+0x1ffff",
		"0x10000-0x1ffffx", "0x10000-0x1ffff-0x2ffff",
		"0x10000-0x1ffffffffffffffff", "0-0xffffffffffffffff",
		"0x00000000000000000000000000000010000-0x00000000000000000001ffff",
	};
	struct range window;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		KUNIT_EXPECT_EQ_MSG(test, iommu_msi_parse_window(bad[i], &window),
				    -EINVAL, "%s", bad[i]);

	KUNIT_EXPECT_EQ(test, iommu_msi_parse_window("0xfe000000-0xfe0fffff",
						     &window), 0);
	KUNIT_EXPECT_EQ(test, window.start, 0xfe000000ULL);
	KUNIT_EXPECT_EQ(test, window.end, 0xfe0fffffULL);
	KUNIT_EXPECT_EQ(test, iommu_msi_parse_window("0-0xffff\n", &window), 0);
	KUNIT_EXPECT_EQ(test, window.start, 0);
	KUNIT_EXPECT_EQ(test, window.end, 0xffffULL);
}

/* Where a window is suggested when [start, end] is reserved; 1 for none */
static u64 suggested(struct device *dev, u64 start, u64 end)
{
	struct iommu_resv_region *region;
	u64 found = 1;
	LIST_HEAD(regions);

	mock.reserved = (struct range) { start, end };
	iommu_get_resv_regions(dev, &regions);
	list_for_each_entry(region, &regions, list) {
		if (region->type == IOMMU_RESV_SW_MSI &&
		    region->length == SZ_1M)
			found = region->start;
	}
	iommu_put_resv_regions(dev, &regions);
	return found;
}

static void test_default_window(struct kunit *test)
{
	struct fixture *f = fixture_attach(test);

	KUNIT_EXPECT_EQ(test, suggested(f->dev, 0, 0), WINDOW);
	KUNIT_EXPECT_EQ(test, suggested(f->dev, 0, WINDOW - 1), WINDOW);
	KUNIT_EXPECT_EQ(test, suggested(f->dev, WINDOW + SZ_1M, U32_MAX), WINDOW);
	KUNIT_EXPECT_EQ(test, suggested(f->dev, WINDOW, WINDOW), WINDOW + SZ_1M);
	KUNIT_EXPECT_EQ(test, suggested(f->dev, 0, WINDOW), WINDOW + SZ_1M);
	KUNIT_EXPECT_EQ(test, suggested(f->dev, WINDOW_END, 0x12345678), SZ_1M);
	KUNIT_EXPECT_EQ(test, suggested(f->dev, SZ_1M, SZ_256M - 1), SZ_256M);
	KUNIT_EXPECT_EQ(test, suggested(f->dev, 0, SZ_1G - 1), SZ_4G - SZ_1M);
	KUNIT_EXPECT_EQ(test, suggested(f->dev, 0, SZ_4G - SZ_64K), SZ_4G);
	KUNIT_EXPECT_EQ(test, suggested(f->dev, 0, SZ_64G - SZ_64K), WINDOW);

	/* What may be relaxed is in nobody's way, but not looked for either */
	mock.relaxable = true;
	KUNIT_EXPECT_EQ(test, suggested(f->dev, 0, U32_MAX), WINDOW);
	mock.relaxable = false;

	/* What the IOMMU reaches */
	mock.reach.end = WINDOW_END - 1;
	KUNIT_EXPECT_EQ(test, suggested(f->dev, 0, 0), SZ_1M);
	mock.reach.start = SZ_2M;
	KUNIT_EXPECT_EQ(test, suggested(f->dev, 0, 0), SZ_2M);
	mock.reach = (struct range) { WINDOW + SZ_16M, ULONG_MAX };
	KUNIT_EXPECT_EQ(test, suggested(f->dev, 0, 0), WINDOW + SZ_16M);

	/* If nothing will do, VMMs at least know this one */
	mock.reach = (struct range) { SZ_64G, ULONG_MAX };
	KUNIT_EXPECT_EQ(test, suggested(f->dev, 0, 0), WINDOW);
	/* which is said of a device of which nothing has been said yet */
	f->dev->iommu->msi_window_said = false;
	KUNIT_EXPECT_EQ(test, suggested(f->dev, 0, 0), WINDOW);
	KUNIT_EXPECT_TRUE(test, f->dev->iommu->msi_window_said);
}

/* Where the highest window begins when [start, end] is reserved; 1 for none */
static u64 highest(struct kunit *test, struct device *dev, u64 start, u64 end)
{
	struct fixture *f = test->priv;
	struct range window;

	mock.reserved = (struct range) { start, end };
	window = iommu_msi_highest_window(f->domain, dev);
	if (!iommu_msi_window_set(&window))
		return 1;
	return range_len(&window) == SZ_1M ? window.start : 2;
}

static void test_highest_window(struct kunit *test)
{
	struct irq_domain *irqs = mock_irq_domain(test, NULL);
	struct iommu_domain_geometry *geometry;
	struct fixture *f = fixture_attach(test);
	const u64 top = BIT_ULL(44);
	struct device *other;
	int i;

	/* Of 64 bits all but the last one are looked at */
	KUNIT_EXPECT_EQ(test, highest(test, f->dev, 0, 0), U64_MAX - SZ_2M + 1);
	geometry = &f->domain->geometry;
	geometry->aperture_end = top - 1;
	KUNIT_EXPECT_EQ(test, highest(test, f->dev, 0, 0), top - SZ_1M);
	geometry->aperture_end = top - 2;
	KUNIT_EXPECT_EQ(test, highest(test, f->dev, 0, 0), top - SZ_2M);
	geometry->aperture_end = top - 1;

	/* What is reserved, and may be so as far as it goes, is jumped over */
	KUNIT_EXPECT_EQ(test, highest(test, f->dev, WINDOW, U32_MAX), top - SZ_1M);
	KUNIT_EXPECT_EQ(test, highest(test, f->dev, top - 1, top - 1), top - SZ_2M);
	KUNIT_EXPECT_EQ(test, highest(test, f->dev, top - SZ_1M - 1, top - 1),
			top - 3ULL * SZ_1M);
	KUNIT_EXPECT_EQ(test, highest(test, f->dev, SZ_4G + SZ_1M, top - 1), SZ_4G);
	KUNIT_EXPECT_EQ(test, highest(test, f->dev, SZ_4G + SZ_1M - 1, top - 1), 1);
	KUNIT_EXPECT_EQ(test, highest(test, f->dev, 1, top - 1), 1);
	mock.relaxable = true;
	KUNIT_EXPECT_EQ(test, highest(test, f->dev, top - 1, top - 1), top - SZ_2M);
	mock.relaxable = false;

	/* What the bus passes, and what the IOMMU reaches, at either end */
	f->dev->bus_dma_limit = BIT_ULL(40) - 1;
	KUNIT_EXPECT_EQ(test, highest(test, f->dev, 0, 0), BIT_ULL(40) - SZ_1M);
	f->dev->bus_dma_limit = 0;
	geometry->aperture_start = top - SZ_1M;
	KUNIT_EXPECT_EQ(test, highest(test, f->dev, 0, 0), top - SZ_1M);
	geometry->aperture_start += SZ_4K;
	KUNIT_EXPECT_EQ(test, highest(test, f->dev, 0, 0), 1);
	geometry->aperture_start = 0;
	geometry->aperture_end = SZ_4G + SZ_1M - 1;
	KUNIT_EXPECT_EQ(test, highest(test, f->dev, 0, 0), SZ_4G);
	geometry->aperture_end--;
	KUNIT_EXPECT_EQ(test, highest(test, f->dev, 0, 0), 1);
	geometry->aperture_end = top - 1;

	/* More doorbells than 1 MiB has pages of 64K for */
	f->domain->pgsize_bitmap = SZ_64K;
	dev_set_msi_domain(f->dev, irqs);
	for (i = 0; i < 16; i++)
		KUNIT_ASSERT_EQ(test, register_bytes(irqs, DOORBELL + i * SZ_64K, 4), 0);
	KUNIT_EXPECT_EQ(test, highest(test, f->dev, 0, 0), top - SZ_1M);
	KUNIT_ASSERT_EQ(test, register_bytes(irqs, DOORBELL + i * SZ_64K, 4), 0);
	KUNIT_EXPECT_EQ(test, highest(test, f->dev, 0, 0), 1);
	dev_set_msi_domain(f->dev, NULL);
	iommu_msi_unregister_doorbells(irqs);
	irq_domain_remove(irqs);

	/* No MSIs that are translated */
	mock.hw_msi = true;
	other = mock_device(test, 1);
	KUNIT_EXPECT_EQ(test, highest(test, other, 0, 0), 1);
	platform_device_unregister(to_platform_device(other));
}

static struct iommu_resv_region *region_of(struct kunit *test,
					   struct list_head *head, u64 start,
					   size_t length,
					   enum iommu_resv_type type)
{
	struct iommu_resv_region *region;

	region = iommu_alloc_resv_region(start, length, 0, type, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, region);
	list_add_tail(&region->list, head);
	return region;
}

static bool suggestion_reserved(struct list_head *regions)
{
	struct range window = iommu_msi_suggested_window(regions);
	struct iommu_msi_survey survey;

	iommu_msi_survey_init(&survey, SZ_4K, NULL);
	return iommu_msi_check_devices(&window, &survey, regions);
}

/* One window for all devices of a group */
static void test_suggested_window(struct kunit *test)
{
	struct iommu_resv_region *region, *next, *reserved;
	LIST_HEAD(regions);

	KUNIT_EXPECT_EQ(test, iommu_msi_suggested_window(&regions).end, 0);
	region_of(test, &regions, WINDOW, SZ_1M, IOMMU_RESV_SW_MSI);
	KUNIT_EXPECT_EQ(test, iommu_msi_suggested_window(&regions).start, WINDOW);
	KUNIT_EXPECT_EQ(test, iommu_msi_suggested_window(&regions).end, WINDOW_END);
	/* The second device's, in a region of its own or the same */
	reserved = region_of(test, &regions, WINDOW, SZ_4K, IOMMU_RESV_RESERVED);
	KUNIT_EXPECT_EQ(test, iommu_msi_suggested_window(&regions).start, WINDOW);
	KUNIT_EXPECT_TRUE(test, suggestion_reserved(&regions));
	region = region_of(test, &regions, SZ_256M, SZ_1M, IOMMU_RESV_SW_MSI);
	KUNIT_EXPECT_EQ(test, iommu_msi_suggested_window(&regions).start, SZ_256M);
	KUNIT_EXPECT_FALSE(test, suggestion_reserved(&regions));
	list_del(&region->list);
	kfree(region);
	region = list_first_entry(&regions, struct iommu_resv_region, list);
	region->length = SZ_2M;
	KUNIT_EXPECT_EQ(test, iommu_msi_suggested_window(&regions).start,
			WINDOW + SZ_1M);
	KUNIT_EXPECT_EQ(test, iommu_msi_suggested_window(&regions).end,
			WINDOW + SZ_2M - 1);
	reserved->type = IOMMU_RESV_DIRECT_RELAXABLE;
	KUNIT_EXPECT_EQ(test, iommu_msi_suggested_window(&regions).end,
			WINDOW + SZ_2M - 1);
	KUNIT_EXPECT_EQ(test, iommu_msi_suggested_window(&regions).start, WINDOW);
	reserved->type = IOMMU_RESV_MSI;
	KUNIT_EXPECT_EQ(test, iommu_msi_suggested_window(&regions).end, 0);

	list_for_each_entry_safe(region, next, &regions, list)
		kfree(region);
}

static void test_exposure(struct kunit *test)
{
	struct irq_domain *irqs = mock_irq_domain(test, NULL);
	struct range frame = {
		.start = DOORBELL & ~0xfffULL, .end = DOORBELL | 0xfff,
	};
	struct range bytes = { .start = DOORBELL, .end = DOORBELL + 3 };
	struct range none = { .start = DOORBELL, .end = DOORBELL - 1 };
	struct fixture *f;
	dma_addr_t iova;

	KUNIT_EXPECT_EQ(test, iommu_msi_register_doorbell(irqs, &none, &frame),
			-EINVAL);
	/* A doorbell is harmless wherever the frame is said to be */
	KUNIT_ASSERT_EQ(test, iommu_msi_register_doorbell(irqs, &bytes, &none), 0);
	KUNIT_ASSERT_EQ(test, iommu_msi_register_doorbell(irqs, &bytes, &frame), 0);

	/* What is exposed is said, and mapped: whoever set the window may */
	mock.pgsizes = SZ_64K | SZ_512M;
	f = fixture_window(test);
	KUNIT_EXPECT_EQ(test, get(f->domain, DOORBELL, 4, &iova), 0);
	expect_mapped(test, f->domain, iova, DOORBELL);
	iommu_msi_put_doorbell_iova(f->domain, DOORBELL);
	KUNIT_EXPECT_EQ(test, get(f->domain, DOORBELL + SZ_1M, 4, &iova), 0);
	iommu_msi_put_doorbell_iova(f->domain, DOORBELL + SZ_1M);
	iommu_msi_unregister_doorbells(irqs);
	irq_domain_remove(irqs);
}

static void register_at(struct kunit *test, struct irq_domain *domain,
			phys_addr_t addr)
{
	KUNIT_ASSERT_EQ(test, register_bytes(domain, addr, 4), 0);
}

/* @end is not in the window */
static int check_window(struct iommu_domain *domain,
			const struct iommu_msi_survey *survey, u64 start, u64 end)
{
	const struct range window = { start, end - 1 };

	return iommu_msi_check_window(domain, survey, &window);
}

static void test_survey(struct kunit *test)
{
	const struct range named = { SZ_1M, SZ_2M - 1 };
	struct irq_domain *root = mock_irq_domain(test, NULL);
	struct irq_domain *leaf = mock_irq_domain(test, root);
	struct irq_domain *alien = mock_irq_domain(test, NULL);
	struct fixture *f = fixture_attach(test);
	struct iommu_domain_geometry geometry;
	struct iommu_msi_survey survey;
	struct device *other;

	register_at(test, root, DOORBELL);
	register_at(test, leaf, DOORBELL + 8);
	register_at(test, leaf, DOORBELL + SZ_4K);
	register_at(test, alien, DOORBELL + SZ_1M);

	/* No MSIs */
	iommu_msi_survey_init(&survey, SZ_4K, NULL);
	KUNIT_EXPECT_EQ(test, iommu_msi_survey_device(f->dev, &survey), 0);
	KUNIT_EXPECT_EQ(test, survey.pages, 0);

	/* Each frame once, however often it is asked */
	dev_set_msi_domain(f->dev, leaf);
	KUNIT_EXPECT_EQ(test, iommu_msi_survey_device(f->dev, &survey), 0);
	KUNIT_EXPECT_EQ(test, iommu_msi_survey_device(f->dev, &survey), 0);
	KUNIT_EXPECT_EQ(test, survey.devices, 3);
	KUNIT_EXPECT_EQ(test, survey.pages, 3);
	KUNIT_EXPECT_FALSE(test, survey.hw_msi);
	KUNIT_EXPECT_EQ(test, check_window(f->domain, &survey, 0, 3 * SZ_4K), 0);
	KUNIT_EXPECT_EQ(test, check_window(f->domain, &survey, 0, SZ_8K), -ENOSPC);
	KUNIT_EXPECT_EQ(test, check_window(f->domain, &survey, SZ_1K, SZ_64K),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, check_window(f->domain, &survey, 0, SZ_64K + 1),
			-EINVAL);
	survey.limit = U32_MAX;
	KUNIT_EXPECT_EQ(test, check_window(f->domain, &survey, SZ_4G - SZ_16K,
					   SZ_4G), 0);
	KUNIT_EXPECT_EQ(test, check_window(f->domain, &survey, SZ_4G - SZ_16K,
					   SZ_4G + SZ_4K), -ERANGE);
	survey.limit = ULONG_MAX;
	geometry = f->domain->geometry;
	f->domain->geometry.aperture_start = SZ_1M;
	f->domain->geometry.aperture_end = SZ_2M - 1;
	KUNIT_EXPECT_EQ(test, check_window(f->domain, &survey, SZ_1M, SZ_2M), 0);
	KUNIT_EXPECT_EQ(test, check_window(f->domain, &survey, SZ_1M - SZ_4K,
					   SZ_2M), -ERANGE);
	KUNIT_EXPECT_EQ(test, check_window(f->domain, &survey, SZ_1M,
					   SZ_2M + SZ_4K), -ERANGE);
	f->domain->geometry = geometry;

	/* Of a doorbell for each device every device needs one; of a frame all */
	KUNIT_ASSERT_EQ(test, register_bytes(root, DOORBELL + SZ_4M, SZ_1M), 0);
	KUNIT_ASSERT_EQ(test, register_bytes(root, DOORBELL + SZ_8M, SZ_8K), 0);
	iommu_msi_survey_init(&survey, SZ_4K, NULL);
	KUNIT_EXPECT_EQ(test, iommu_msi_survey_device(f->dev, &survey), 0);
	KUNIT_EXPECT_EQ(test, iommu_msi_survey_device(f->dev, &survey), 0);
	KUNIT_EXPECT_EQ(test, survey.pages, 3 + 2 + 3);

	/* One whose messages pass by the IOMMU needs nothing */
	mock.hw_msi = true;
	other = mock_device(test, 1);
	dev_set_msi_domain(other, leaf);
	iommu_msi_survey_init(&survey, SZ_4K, NULL);
	KUNIT_EXPECT_EQ(test, iommu_msi_survey_device(other, &survey), 0);
	KUNIT_EXPECT_EQ(test, survey.pages, 0);
	KUNIT_EXPECT_TRUE(test, survey.hw_msi);
	KUNIT_EXPECT_EQ(test, survey.window.start, DOORBELL & ~0xfffULL);
	KUNIT_EXPECT_EQ(test, survey.window.end, DOORBELL | 0xfffULL);
	KUNIT_EXPECT_FALSE(test, iommu_msi_survey_programmable(&survey));

	/* A window with a name goes before what the IOMMU lets pass */
	iommu_msi_survey_init(&survey, SZ_4K, &named);
	KUNIT_EXPECT_EQ(test, iommu_msi_survey_device(other, &survey), 0);
	KUNIT_EXPECT_TRUE(test, survey.hw_msi);
	KUNIT_EXPECT_EQ(test, survey.window.start, named.start);

	dev_set_msi_domain(other, NULL);
	platform_device_unregister(to_platform_device(other));
	dev_set_msi_domain(f->dev, NULL);
	iommu_msi_unregister_doorbells(leaf);
	iommu_msi_unregister_doorbells(root);
	iommu_msi_unregister_doorbells(alien);
	irq_domain_remove(leaf);
	irq_domain_remove(root);
	irq_domain_remove(alien);
}

#ifdef CONFIG_PCI
static struct pci_bus mock_bus;

/* As much of a PCI device as is looked at, with the fixture's IOMMU */
static struct pci_dev *mock_pci_device(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct pci_dev *pdev = kunit_kzalloc(test, sizeof(*pdev), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, pdev);
	pdev->bus = &mock_bus;
	pdev->dev.init_name = "msi-mock-pci";
	pdev->dev.bus = &pci_bus_type;
	pdev->dev.iommu = f->dev->iommu;
	return pdev;
}

/* Up to where a device can write messages */
static u64 limit_of(struct kunit *test, struct pci_dev *pdev)
{
	struct iommu_msi_survey survey;

	iommu_msi_survey_init(&survey, SZ_4K, NULL);
	KUNIT_EXPECT_EQ(test, iommu_msi_survey_device(&pdev->dev, &survey), 0);
	return survey.limit;
}

static void test_pci_limit(struct kunit *test)
{
	struct pci_host_bridge *bridge = pci_alloc_host_bridge(0);
	struct pci_dev *pdev;

	KUNIT_ASSERT_NOT_NULL(test, bridge);
	mock_bus.bridge = &bridge->dev;
	fixture_attach(test);
	pdev = mock_pci_device(test);

	KUNIT_EXPECT_EQ(test, limit_of(test, pdev), ULONG_MAX);
	pdev->no_64bit_msi = true;
	KUNIT_EXPECT_EQ(test, limit_of(test, pdev), U32_MAX);
	pci_free_host_bridge(bridge);
}

static void test_pci_bridge(struct kunit *test)
{
	struct pci_host_bridge *bridge = pci_alloc_host_bridge(0);
	/* At WINDOW to WINDOW + 3M - 1 on the bus, and where that has I/O ports */
	struct resource memory = DEFINE_RES_MEM(SZ_1G + WINDOW, 3 * SZ_1M);
	struct resource ports = DEFINE_RES_IO(WINDOW + 3 * SZ_1M, SZ_1M);
	/* From 1G to 4G on the bus */
	struct resource inbound = DEFINE_RES_MEM(SZ_2G, 3ULL * SZ_1G);
	struct pci_dev *pdev;

	KUNIT_ASSERT_NOT_NULL(test, bridge);
	mock_bus.bridge = &bridge->dev;
	fixture_attach(test);
	pdev = mock_pci_device(test);

	KUNIT_EXPECT_EQ(test, suggested(&pdev->dev, 0, 0), WINDOW);
	/* That is where it stays, though it may not work: VMMs know it */
	pci_add_resource(&bridge->windows, &ports);
	pci_add_resource_offset(&bridge->windows, &memory, SZ_1G);
	KUNIT_EXPECT_EQ(test, suggested(&pdev->dev, 0, 0), WINDOW);
	/* If it has to go, then to where nothing is in doubt */
	KUNIT_EXPECT_EQ(test, suggested(&pdev->dev, WINDOW, WINDOW),
			WINDOW + 3 * SZ_1M);
	KUNIT_EXPECT_EQ(test, suggested(&pdev->dev, WINDOW + 3 * SZ_1M, U32_MAX),
			WINDOW);

	/* The bridge tells what it lets through */
	pci_add_resource_offset(&bridge->dma_ranges, &inbound, SZ_1G);
	KUNIT_EXPECT_EQ(test, suggested(&pdev->dev, 0, 0), SZ_4G - SZ_1M);
	inbound.start = SZ_1G;
	KUNIT_EXPECT_EQ(test, suggested(&pdev->dev, 0, 0), WINDOW);
	/* No doubt is better, but with doubt is better than none */
	KUNIT_EXPECT_EQ(test, suggested(&pdev->dev, WINDOW, WINDOW),
			WINDOW + 3 * SZ_1M);
	inbound.end = SZ_1G + WINDOW + 2 * SZ_1M - 1;
	inbound.start = SZ_1G + WINDOW;
	KUNIT_EXPECT_EQ(test, suggested(&pdev->dev, WINDOW, WINDOW),
			WINDOW + SZ_1M);
	/* A message of 32 bits */
	inbound.start = 5ULL * SZ_1G;
	inbound.end = 6ULL * SZ_1G - 1;
	KUNIT_EXPECT_EQ(test, suggested(&pdev->dev, 0, 0), SZ_4G);
	KUNIT_EXPECT_EQ(test, highest(test, &pdev->dev, 0, 0), 5ULL * SZ_1G - SZ_1M);
	pdev->no_64bit_msi = true;
	KUNIT_EXPECT_EQ(test, suggested(&pdev->dev, 0, 0), WINDOW);
	KUNIT_EXPECT_EQ(test, highest(test, &pdev->dev, 0, 0), 1);
	pdev->no_64bit_msi = false;

	/* In what it lets through, and below its own window */
	memory.start = 6ULL * SZ_1G - SZ_64K;
	memory.end = 7ULL * SZ_1G;
	KUNIT_EXPECT_EQ(test, highest(test, &pdev->dev, 0, 0), 5ULL * SZ_1G - SZ_2M);
	KUNIT_EXPECT_EQ(test, highest(test, &pdev->dev, SZ_4G + SZ_64K, U64_MAX - 1), 1);
	pci_free_host_bridge(bridge);
}
#endif /* CONFIG_PCI */

/* --- messages ------------------------------------------------------------ */

static void test_pa_to_va(struct kunit *test)
{
	struct fixture *f = fixture_attach(test);
	struct msi_msg msg = {
		.address_hi = upper_32_bits(DOORBELL),
		.address_lo = lower_32_bits(DOORBELL) + 4,
		.data = 7,
	};
	struct msi_msg before = msg;
	static DEFINE_RAW_SPINLOCK(lock);
	unsigned long flags;
	dma_addr_t iova;
	int ret;

	KUNIT_EXPECT_PTR_EQ(test, iommu_msi_domain(f->dev), f->domain);
	KUNIT_EXPECT_EQ(test, iommu_msi_msg_pa_to_va(f->dev, &msg), -ENXIO);
	KUNIT_ASSERT_EQ(test, iommu_get_msi_cookie(f->domain), 0);
	KUNIT_EXPECT_EQ(test, iommu_msi_msg_pa_to_va(f->dev, &msg), -ENXIO);
	KUNIT_ASSERT_EQ(test, iommu_msi_set_aperture(f->domain, WINDOW,
						     WINDOW_END), 0);
	KUNIT_EXPECT_EQ(test, iommu_msi_msg_pa_to_va(f->dev, &msg), -ENOENT);
	KUNIT_EXPECT_MEMEQ(test, &msg, &before, sizeof(msg));

	KUNIT_ASSERT_EQ(test, get(f->domain, DOORBELL, 4, &iova), 0);
	raw_spin_lock_irqsave(&lock, flags);
	ret = iommu_msi_msg_pa_to_va(f->dev, &msg);
	raw_spin_unlock_irqrestore(&lock, flags);
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_EQ(test, msg.address_hi, 0);
	KUNIT_EXPECT_EQ(test, msg.address_lo, iova + 4);
	KUNIT_EXPECT_EQ(test, msg.data, 7);

	/* A reader may still have the first page of before: another index */
	f->domain->msi_cookie->first_pfn ^= 1;
	msg.address_hi = before.address_hi;
	msg.address_lo = before.address_lo + SZ_4K;
	KUNIT_EXPECT_EQ(test, iommu_msi_msg_pa_to_va(f->dev, &msg), -ENOENT);
	f->domain->msi_cookie->first_pfn ^= 1;
	iommu_msi_put_doorbell_iova(f->domain, DOORBELL);

	/* Once it is gone the message cannot be rewritten any more */
	msg = before;
	KUNIT_EXPECT_EQ(test, iommu_msi_msg_pa_to_va(f->dev, &msg), -ENOENT);
	KUNIT_EXPECT_MEMEQ(test, &msg, &before, sizeof(msg));

	/* Back in the default domain nothing needs to be rewritten */
	fixture_free_domain(f);
	KUNIT_EXPECT_NULL(test, iommu_msi_domain(f->dev));
	KUNIT_EXPECT_EQ(test, iommu_msi_msg_pa_to_va(f->dev, &msg), 0);
	KUNIT_EXPECT_MEMEQ(test, &msg, &before, sizeof(msg));
}

/* --- tracepoints --------------------------------------------------------- */

#ifdef CONFIG_TRACEPOINTS
/* What a tracepoint said last, and how often it was heard */
struct heard {
	u32 domain;
	phys_addr_t pa;
	dma_addr_t iova;
	size_t size;
	unsigned int refs, times;
};

static struct heard heard_map, heard_get, heard_put, heard_unmap;

static void hear(void *data, u32 domain, phys_addr_t pa, dma_addr_t iova,
		 size_t size, unsigned int refs)
{
	struct heard *h = data;

	*h = (struct heard) {
		.domain = domain, .pa = pa, .iova = iova, .size = size,
		.refs = refs, .times = h->times + 1,
	};
}

static void expect_heard(struct kunit *test, const struct heard *h,
			 unsigned int times, unsigned int refs)
{
	struct fixture *f = test->priv;

	KUNIT_EXPECT_EQ(test, h->times, times);
	KUNIT_EXPECT_EQ(test, h->domain, f->domain->msi_cookie->id);
	KUNIT_EXPECT_EQ(test, h->pa, DOORBELL - 0x40);
	KUNIT_EXPECT_EQ(test, h->iova, place(f->domain, DOORBELL) - 0x40);
	KUNIT_EXPECT_EQ(test, h->size, SZ_4K);
	KUNIT_EXPECT_EQ(test, h->refs, refs);
}

static void unhear(void *unused)
{
	unregister_trace_iommu_msi_map(hear, &heard_map);
	unregister_trace_iommu_msi_get(hear, &heard_get);
	unregister_trace_iommu_msi_put(hear, &heard_put);
	unregister_trace_iommu_msi_unmap(hear, &heard_unmap);
	tracepoint_synchronize_unregister();
}

static void test_trace(struct kunit *test)
{
	struct fixture *f = fixture_window(test);
	struct msi_desc desc;
	dma_addr_t iova;

	heard_map = (struct heard) {};
	heard_get = (struct heard) {};
	heard_put = (struct heard) {};
	heard_unmap = (struct heard) {};
	KUNIT_ASSERT_EQ(test, kunit_add_action(test, unhear, NULL), 0);
	KUNIT_ASSERT_EQ(test, register_trace_iommu_msi_map(hear, &heard_map), 0);
	KUNIT_ASSERT_EQ(test, register_trace_iommu_msi_get(hear, &heard_get), 0);
	KUNIT_ASSERT_EQ(test, register_trace_iommu_msi_put(hear, &heard_put), 0);
	KUNIT_ASSERT_EQ(test, register_trace_iommu_msi_unmap(hear, &heard_unmap), 0);

	KUNIT_ASSERT_EQ(test, get(f->domain, DOORBELL, 4, &iova), 0);
	expect_heard(test, &heard_map, 1, 1);
	KUNIT_EXPECT_EQ(test, heard_get.times, 0);

	/* By a caller, and by a group, however many vectors that has */
	KUNIT_ASSERT_EQ(test, get(f->domain, DOORBELL, 4, &iova), 0);
	expect_heard(test, &heard_get, 1, 2);
	KUNIT_ASSERT_EQ(test, prepare(&desc, f->dev, DOORBELL), 0);
	expect_heard(test, &heard_get, 2, 3);
	KUNIT_ASSERT_EQ(test, prepare(&f->desc, f->dev, DOORBELL), 0);
	expect_heard(test, &heard_get, 2, 3);

	iommu_msi_release_desc(&desc);
	KUNIT_EXPECT_EQ(test, heard_put.times, 0);
	iommu_msi_release_desc(&f->desc);
	expect_heard(test, &heard_put, 1, 2);
	iommu_msi_put_doorbell_iova(f->domain, DOORBELL);
	expect_heard(test, &heard_put, 2, 1);
	KUNIT_EXPECT_EQ(test, heard_unmap.times, 0);
	iommu_msi_put_doorbell_iova(f->domain, DOORBELL);
	expect_heard(test, &heard_put, 3, 0);
	expect_heard(test, &heard_unmap, 1, 0);
	expect_heard(test, &heard_map, 1, 1);
}

/* A group that is moved to another domain while a doorbell is mapped for it */
static struct {
	struct iommu_msi_group *msi;
	struct iommu_domain *from, *to;
} moved;

static void find_group(struct iommu_msi_group *msi, void *unused)
{
	if (msi->domain == moved.from)
		moved.msi = msi;
}

static void move_group(struct iommu_domain *to)
{
	spin_lock(&moved.msi->lock);
	moved.msi->domain = to;
	spin_unlock(&moved.msi->lock);
}

static void move_at_map(void *unused, u32 domain, phys_addr_t pa, dma_addr_t iova,
			size_t size, unsigned int refs)
{
	if (moved.to)
		move_group(moved.to);
	moved.to = NULL;
}

static void stop_moving(void *unused)
{
	unregister_trace_iommu_msi_map(move_at_map, NULL);
}

static void test_desc_moved(struct kunit *test)
{
	struct fixture *f = fixture_window(test);

	f->other = mock_window_for(test, f->dev, WINDOW, WINDOW_END);
	moved.msi = NULL;
	moved.from = f->domain;
	iommu_msi_for_each_group(find_group, NULL);
	KUNIT_ASSERT_NOT_NULL(test, moved.msi);
	KUNIT_ASSERT_EQ(test, kunit_add_action(test, stop_moving, NULL), 0);
	KUNIT_ASSERT_EQ(test, register_trace_iommu_msi_map(move_at_map, NULL), 0);

	moved.to = f->other;
	KUNIT_EXPECT_EQ(test, prepare(&f->desc, f->dev, DOORBELL), 0);
	KUNIT_EXPECT_NULL(test, moved.to);
	KUNIT_EXPECT_EQ(test, refs_of(f->domain, DOORBELL), 0);
	KUNIT_EXPECT_EQ(test, refs_of(f->other, DOORBELL), 1);
	iommu_msi_release_desc(&f->desc);

	/* It is attached to nothing by then */
	move_group(f->domain);
	moved.to = f->other;
	iommu_put_msi_cookie(f->other);
	KUNIT_EXPECT_EQ(test, prepare(&f->desc, f->dev, DOORBELL), 0);
	KUNIT_EXPECT_NULL(test, f->desc.iommu_msi_binding);
	KUNIT_EXPECT_EQ(test, refs_of(f->domain, DOORBELL), 0);
	move_group(f->domain);
	iommu_domain_free(f->other);
}
#endif

/* --- threads ------------------------------------------------------------- */

#define THREADS	4

struct racer {
	struct task_struct *task;
	struct completion done;
	void (*run)(struct racer *r);
	struct iommu_domain *domain;
	struct iommu_domain *other;
	struct device *dev;
	struct completion *over;
	unsigned int id;
	int bad;
};

static void race_get_put(struct racer *r)
{
	dma_addr_t iova;
	int i;

	for (i = 0; i < 2000; i++) {
		phys_addr_t addr = DOORBELL +
				   (i & 1 ? 0 : (r->id + 1) * SZ_4K);

		if (get(r->domain, addr, 4, &iova) ||
		    iommu_iova_to_phys(r->domain, iova) != addr)
			r->bad++;
		else
			iommu_msi_put_doorbell_iova(r->domain, addr);
		cond_resched();
	}
}

static void race_set(struct racer *r)
{
	int i;

	for (i = 0; i < 4000; i++) {
		u64 at = (u64)(i % 16 + 1) << 32;

		if (iommu_msi_set_aperture(r->domain, at, at + SZ_64K - 1))
			r->bad++;
		cond_resched();
	}
}

static void race_read(struct racer *r)
{
	struct iommu_domain_msi_geometry g;
	int i;

	for (i = 0; i < 20000; i++) {
		iommu_domain_msi_geometry(r->domain, &g);
		if (g.aperture_start < g.aperture_end &&
		    g.aperture_end - g.aperture_start != SZ_64K - 1)
			r->bad++;
		if (!(i % 64))
			cond_resched();
	}
}

static int race(void *data)
{
	struct racer *r = data;

	r->run(r);
	complete(&r->done);
	return 0;
}

static void start_race(struct kunit *test, struct racer *racers,
		       struct iommu_domain *domain,
		       void (*first)(struct racer *r),
		       void (*others)(struct racer *r))
{
	struct fixture *f = test->priv;
	int i;

	init_completion(&f->over);
	for (i = 0; i < THREADS; i++) {
		racers[i] = (struct racer) {
			.run = i ? others : first, .domain = domain, .id = i,
			.other = f->other, .dev = f->dev, .over = &f->over,
		};
		init_completion(&racers[i].done);
		racers[i].task = kthread_create(race, &racers[i], "msi-race/%d", i);
		KUNIT_ASSERT_FALSE(test, IS_ERR(racers[i].task));
		get_task_struct(racers[i].task);
	}
	for (i = 0; i < THREADS; i++)
		wake_up_process(racers[i].task);
}

/* Not by kthread_stop(): it may come before the thread has begun */
static void end_race(struct kunit *test, struct racer *racers)
{
	int i;

	for (i = 0; i < THREADS; i++) {
		wait_for_completion(&racers[i].done);
		put_task_struct(racers[i].task);
		KUNIT_EXPECT_EQ_MSG(test, racers[i].bad, 0, "thread %d", i);
	}
}

static void run_race(struct kunit *test, struct iommu_domain *domain,
		     void (*first)(struct racer *r),
		     void (*others)(struct racer *r))
{
	struct racer racers[THREADS];

	start_race(test, racers, domain, first, others);
	end_race(test, racers);
}

static void test_race_get_put(struct kunit *test)
{
	struct fixture *f = fixture_window(test);

	run_race(test, f->domain, race_get_put, race_get_put);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 0);
	KUNIT_EXPECT_EQ(test, f->domain->msi_cookie->used_pages, 0);
}

static void test_race_geometry(struct kunit *test)
{
	struct fixture *f = fixture_attach(test);

	run_race(test, f->domain, race_set, race_read);
}

static void race_cookie(struct racer *r)
{
	r->bad = iommu_get_msi_cookie(r->domain);
}

static void test_race_cookie(struct kunit *test)
{
	struct fixture *f = fixture_attach(test);
	struct iommu_msi_cookie *cookie;
	unsigned int cookies, round;
	unsigned long id;

	for (round = 0; round < 100; round++) {
		run_race(test, f->domain, race_cookie, race_cookie);
		cookies = 0;
		xa_for_each(&iommu_msi_cookies, id, cookie) {
			KUNIT_EXPECT_PTR_EQ(test, cookie, f->domain->msi_cookie);
			cookies++;
		}
		KUNIT_EXPECT_EQ(test, cookies, 1);
		iommu_put_msi_cookie(f->domain);
	}
}

/* Its window changes together with another's while doorbells come and go */
static void race_apertures(struct racer *r)
{
	struct iommu_msi_aperture both[] = {
		{ .domain = r->domain, }, { .domain = r->other },
	};
	int i, ret;

	for (i = 0; i < 2000; i++) {
		both[0].start = (u64)(i % 2 + 1) << 32;
		both[0].end = both[0].start + SZ_1M - 1;
		both[1].start = both[0].start;
		both[1].end = both[0].end;
		ret = iommu_msi_set_apertures(both, 2);
		if (ret && ret != -EBUSY)
			r->bad++;
		cond_resched();
	}
}

static void test_race_apertures(struct kunit *test)
{
	struct fixture *f = fixture_window(test);
	struct racer racers[THREADS];
	int i;

	f->other = mock_window_for(test, f->dev, WINDOW, WINDOW_END);
	start_race(test, racers, f->domain, race_apertures, race_get_put);
	end_race(test, racers);
	/* Both changed each time, or none */
	i = iommu_domain_msi_aperture_valid(f->other);
	KUNIT_EXPECT_TRUE(test, i);
	KUNIT_EXPECT_EQ(test, f->domain->msi_cookie->aperture_start,
			f->other->msi_cookie->aperture_start);
	iommu_domain_free(f->other);
}

/* Vectors come and go while the domain is replaced, detached and attached */
static void race_replace(struct racer *r)
{
	struct iommu_domain *to[] = { r->other, r->domain };
	int i;

	for (i = 0; i < 400; i++) {
		if (iommu_group_replace_domain(r->dev->iommu_group, to[i & 1]))
			r->bad++;
		if (i & 1) {
			iommu_detach_device(r->domain, r->dev);
			if (iommu_attach_device(r->domain, r->dev))
				r->bad++;
		}
		cond_resched();
	}
	complete_all(r->over);
}

static void race_prepare(struct racer *r)
{
	phys_addr_t addr = DOORBELL + r->id / 2 * SZ_4K;
	struct msi_desc desc;

	desc_init(&desc, r->dev);
	while (!completion_done(r->over)) {
		if (iommu_dma_prepare_msi(&desc, addr))
			r->bad++;
		cond_resched();
		/* Whatever came between, no domain is without its doorbell */
		if (desc.iommu_msi_binding &&
		    READ_ONCE(desc.iommu_msi_binding->lost))
			r->bad++;
		iommu_msi_release_desc(&desc);
	}
	/* In whatever domain it is by now */
	if (iommu_dma_prepare_msi(&desc, addr) ||
	    iommu_iova_to_phys(r->domain, message_of(&desc, addr)) != addr)
		r->bad++;
	iommu_msi_release_desc(&desc);
}

static void test_race_replace(struct kunit *test)
{
	struct fixture *f = fixture_window(test);
	struct racer racers[THREADS];
	struct msi_desc desc;
	u64 to;

	f->other = mock_window_for(test, f->dev, WINDOW, WINDOW_END);
	/* One that stays, and never meets a domain where it is not mapped */
	KUNIT_ASSERT_EQ(test, prepare(&desc, f->dev, DOORBELL + SZ_1M), 0);
	to = message_of(&desc, DOORBELL + SZ_1M);
	start_race(test, racers, f->domain, race_replace, race_prepare);
	end_race(test, racers);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 1);
	expect_mapped(test, f->domain, to, DOORBELL + SZ_1M);
	KUNIT_EXPECT_EQ(test, refs_of(f->other, DOORBELL + SZ_1M), 0);
	iommu_msi_release_desc(&desc);
	iommu_domain_free(f->other);
}

/* --- allocation failures ------------------------------------------------- */

#ifdef CONFIG_FAILSLAB
static void *failslab_knob(const char *name)
{
	struct dentry *dir = debugfs_lookup("failslab", NULL), *knob = NULL;
	void *value = NULL;

	if (dir)
		knob = debugfs_lookup(name, dir);
	if (knob)
		value = d_inode(knob)->i_private;
	dput(knob);
	dput(dir);
	return value;
}

/*
 * What a test would write to debugfs: let failslab fail allocations that may
 * reclaim, without a stack trace for each, and all those of a task that has
 * make_it_fail. Returns false if it cannot.
 */
static bool failslab_setup(bool on)
{
	unsigned long *probability = failslab_knob("probability");
	bool *ignore = failslab_knob("ignore-gfp-wait");
	struct fault_attr *attr;

	if (!probability || !ignore)
		return false;
	attr = container_of(probability, struct fault_attr, probability);
	attr->verbose = on ? 0 : 2;
	attr->task_filter = on;
	attr->probability = on ? 100 : 0;
	atomic_set(&attr->times, on ? -1 : 1);
	*ignore = !on;
	return true;
}

/*
 * Makes @call with its first, its second, ... allocation failing, or @all from
 * that one on, until there are no more. @undo is told whether @call failed, and
 * looks at what is left. Returns how many calls failed.
 */
static unsigned int fail_from(struct kunit *test, bool all,
			      int (*call)(struct kunit *test),
			      void (*undo)(struct kunit *test, bool failed))
{
	unsigned int n, failures = 0;
	int ret = -ENOMEM;

	for (n = 1; ret && n < 100; n++) {
		int left;

		current->make_it_fail = all;
		current->fail_nth = n;
		ret = call(test);
		left = current->fail_nth;
		current->fail_nth = 0;
		current->make_it_fail = 0;

		/* Retried inside, or failed; never half done */
		undo(test, ret);
		if (ret) {
			KUNIT_EXPECT_EQ(test, ret, -ENOMEM);
			KUNIT_EXPECT_EQ(test, left, 0);
			failures++;
		} else if (!left) {
			ret = -EAGAIN;
		}
	}
	KUNIT_EXPECT_EQ(test, ret, 0);
	return failures;
}

/*
 * With all allocations failing from some one on, at least @expected calls fail.
 * With one alone, only the first is sure to be met: debugging allocates, too,
 * and not the same number each time.
 */
static void fail_each(struct kunit *test, unsigned int expected,
		      int (*call)(struct kunit *test),
		      void (*undo)(struct kunit *test, bool failed))
{
	unsigned int one, all;

	if (!failslab_setup(true))
		kunit_skip(test, "failslab is not in debugfs (FAULT_INJECTION_DEBUG_FS)");
	one = fail_from(test, false, call, undo);
	all = fail_from(test, true, call, undo);
	failslab_setup(false);

	KUNIT_EXPECT_GT(test, one, 0);
	KUNIT_EXPECT_GE(test, all, expected);
}

static int set_get_prepare(struct kunit *test)
{
	struct fixture *f = test->priv;
	dma_addr_t iova;

	return iommu_msi_set_aperture(f->domain, WINDOW, WINDOW_END) ?:
	       get(f->domain, ALIGN(DOORBELL, SZ_4K) - 4, 8, &iova) ?:
	       iommu_dma_prepare_msi(&f->desc, DOORBELL);
}

static void end_cookie(struct kunit *test, bool failed)
{
	struct fixture *f = test->priv;

	if (failed)
		KUNIT_EXPECT_NULL(test, f->desc.iommu_msi_binding);
	iommu_msi_release_desc(&f->desc);
	iommu_put_msi_cookie(f->domain);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 0);
	KUNIT_EXPECT_TRUE(test, xa_empty(&iommu_msi_cookies));
}

static void test_fail_alloc(struct kunit *test)
{
	struct fixture *f = fixture_attach(test);

	desc_init(&f->desc, f->dev);
	/* Cookie, its id, doorbell, its place in the table, and binding */
	fail_each(test, 3, set_get_prepare, end_cookie);
}

static int replace_by_other(struct kunit *test)
{
	struct fixture *f = test->priv;

	return replace(f, f->other);
}

static void replace_back(struct kunit *test, bool failed)
{
	struct fixture *f = test->priv;

	KUNIT_EXPECT_EQ(test, refs_of(f->domain, DOORBELL), failed);
	KUNIT_EXPECT_EQ(test, refs_of(f->other, DOORBELL), !failed);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock.ptes), 1);
	KUNIT_EXPECT_PTR_EQ(test, iommu_get_domain_for_dev(f->dev),
			    failed ? f->domain : f->other);
	if (!failed)
		KUNIT_EXPECT_EQ(test, replace(f, f->domain), 0);
}

static void test_fail_replace(struct kunit *test)
{
	struct fixture *f = fixture_window(test);

	KUNIT_ASSERT_EQ(test, prepare(&f->desc, f->dev, DOORBELL), 0);
	f->other = mock_window_for(test, f->dev, WINDOW, WINDOW_END);

	/* Doorbell, its place in the table, the mock's page table entry */
	fail_each(test, 2, replace_by_other, replace_back);
	expect_mapped(test, f->domain, place(f->domain, DOORBELL), DOORBELL);
	iommu_domain_free(f->other);
	iommu_msi_release_desc(&f->desc);
}

static int register_and_survey(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct irq_domain *irqs = dev_get_msi_domain(f->dev);
	struct iommu_msi_survey survey;
	int ret;

	ret = register_bytes(irqs, DOORBELL, 4);
	if (ret)
		return ret;
	iommu_msi_survey_init(&survey, SZ_4K, NULL);
	ret = iommu_msi_survey_device(f->dev, &survey);
	if (survey.pages != !ret)
		ret = -EBADE;
	return ret;
}

static void unregister(struct kunit *test, bool failed)
{
	struct fixture *f = test->priv;

	iommu_msi_unregister_doorbells(dev_get_msi_domain(f->dev));
}

static void test_fail_survey(struct kunit *test)
{
	struct irq_domain *irqs = mock_irq_domain(test, NULL);
	struct fixture *f = fixture_attach(test);

	dev_set_msi_domain(f->dev, irqs);
	fail_each(test, 1, register_and_survey, unregister);
	dev_set_msi_domain(f->dev, NULL);
	irq_domain_remove(irqs);
}

/* A doorbell page that was never heard of, which gets its number for ever */
static int number_page(struct kunit *test)
{
	struct fixture *f = test->priv;

	f->page += SZ_1T;
	return min(iommu_msi_number(f->page, PAGE_SHIFT), 0);
}

static void forget_page(struct kunit *test, bool failed)
{
}

static void test_fail_number(struct kunit *test)
{
	unsigned int failures;

	if (!failslab_setup(true))
		kunit_skip(test, "failslab is not in debugfs (FAULT_INJECTION_DEBUG_FS)");
	/* After one alone the xarray tries again */
	failures = fail_from(test, true, number_page, forget_page);
	failslab_setup(false);
	KUNIT_EXPECT_NE(test, failures, 0);
}
#endif /* CONFIG_FAILSLAB */

static struct kunit_case iommu_msi_cases[] = {
	KUNIT_CASE_PARAM(test_share, granule_gen_params),
	KUNIT_CASE_PARAM(test_straddle, granule_gen_params),
	KUNIT_CASE(test_bad_doorbell),
	KUNIT_CASE(test_full),
	KUNIT_CASE(test_max_pages),
	KUNIT_CASE(test_fail_map),
	KUNIT_CASE(test_fail_unmap),
	KUNIT_CASE(test_numbers),
	KUNIT_CASE(test_aperture),
	KUNIT_CASE(test_aperture_edges),
	KUNIT_CASE(test_aperture_geometry),
	KUNIT_CASE(test_aperture_late),
	KUNIT_CASE(test_geometry_late),
	KUNIT_CASE(test_no_page_size),
	KUNIT_CASE(test_get_attr),
	KUNIT_CASE(test_unsupported),
	KUNIT_CASE(test_support_late),
	KUNIT_CASE(test_cookie_api_refs),
	KUNIT_CASE(test_desc_outlives_domain),
	KUNIT_CASE(test_desc),
	KUNIT_CASE(test_desc_highest),
	KUNIT_CASE(test_desc_extent),
	KUNIT_CASE(test_desc_fails),
	KUNIT_CASE(test_desc_untranslated),
	KUNIT_CASE(test_alloc_by_bus),
	KUNIT_CASE(test_hw_msi),
#ifdef CONFIG_IOMMU_DMA
	KUNIT_CASE(test_desc_dma),
#endif
	KUNIT_CASE(test_replace),
	KUNIT_CASE(test_replace_order),
	KUNIT_CASE(test_replace_pages),
	KUNIT_CASE(test_replace_amid),
	KUNIT_CASE(test_finish_at_attach),
	KUNIT_CASE(test_apertures),
	KUNIT_CASE(test_usage),
	KUNIT_CASE(test_parse_window),
	KUNIT_CASE(test_default_window),
	KUNIT_CASE(test_suggested_window),
	KUNIT_CASE(test_highest_window),
	KUNIT_CASE(test_exposure),
	KUNIT_CASE(test_survey),
#ifdef CONFIG_PCI
	KUNIT_CASE(test_pci_limit),
	KUNIT_CASE(test_pci_bridge),
#endif
	KUNIT_CASE(test_pa_to_va),
#ifdef CONFIG_TRACEPOINTS
	KUNIT_CASE(test_trace),
	KUNIT_CASE(test_desc_moved),
#endif
	KUNIT_CASE_SLOW(test_race_get_put),
	KUNIT_CASE_SLOW(test_race_geometry),
	KUNIT_CASE(test_race_cookie),
	KUNIT_CASE_SLOW(test_race_apertures),
	KUNIT_CASE_SLOW(test_race_replace),
#ifdef CONFIG_FAILSLAB
	KUNIT_CASE(test_fail_alloc),
	KUNIT_CASE(test_fail_replace),
	KUNIT_CASE(test_fail_survey),
	KUNIT_CASE(test_fail_number),
#endif
	{}
};

static struct kunit_suite iommu_msi_suite = {
	.name = "iommu_msi",
	.suite_init = mock_suite_init,
	.suite_exit = mock_suite_exit,
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = iommu_msi_cases,
};

kunit_test_suite(iommu_msi_suite);
