// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of what virtio-iommu says about MSIs; included by virtio-iommu.c
 */
#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/sizes.h>

static bool viommu_test_supported(struct kunit *test, bool hw_msi)
{
	struct viommu_endpoint *vdev;
	struct iommu_domain *domain;
	struct viommu_dev *viommu;
	struct dev_iommu *param;
	struct device *dev;
	bool supported;

	dev = kunit_device_register(test, "viommu-endpoint");
	KUNIT_ASSERT_FALSE(test, IS_ERR(dev));
	viommu = kunit_kzalloc(test, sizeof(*viommu), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, viommu);
	vdev = kunit_kzalloc(test, sizeof(*vdev), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, vdev);
	param = kunit_kzalloc(test, sizeof(*param), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, param);

	ida_init(&viommu->domain_ids);
	viommu->last_domain = 1;
	viommu->pgsize_bitmap = SZ_4K;
	param->hw_msi = hw_msi;
	vdev->viommu = viommu;
	vdev->dev = dev;

	domain = viommu_domain_alloc(IOMMU_DOMAIN_UNMANAGED);
	KUNIT_ASSERT_NOT_NULL(test, domain);
	domain->type = IOMMU_DOMAIN_UNMANAGED;
	KUNIT_EXPECT_TRUE(test, domain->iommu_msi_supported);

	/* The device was not probed: nothing else may see the parameters */
	dev->iommu = param;
	KUNIT_EXPECT_EQ(test, viommu_domain_finalise(vdev, domain), 0);
	dev->iommu = NULL;

	supported = domain->iommu_msi_supported;
	viommu_domain_free(domain);
	ida_destroy(&viommu->domain_ids);
	return supported;
}

static void viommu_test_translated(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, viommu_test_supported(test, false));
}

static void viommu_test_hw_msi(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, viommu_test_supported(test, true));
}

static struct kunit_case viommu_test_cases[] = {
	KUNIT_CASE(viommu_test_translated),
	KUNIT_CASE(viommu_test_hw_msi),
	{}
};

static struct kunit_suite viommu_test_suite = {
	.name = "iommu_msi_virtio",
	.test_cases = viommu_test_cases,
};

kunit_test_suite(viommu_test_suite);
