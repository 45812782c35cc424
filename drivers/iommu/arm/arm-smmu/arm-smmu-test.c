// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of what arm-smmu says about MSIs; included by arm-smmu.c
 */
#include <kunit/device.h>
#include <kunit/test.h>

static bool arm_smmu_test_supported(struct kunit *test, struct device *dev)
{
	struct iommu_domain *domain = arm_smmu_domain_alloc_paging(dev);
	bool supported;

	KUNIT_ASSERT_NOT_NULL(test, domain);
	supported = domain->iommu_msi_supported;
	/* No device was attached: there is nothing else to free */
	kfree(to_smmu_domain(domain));
	return supported;
}

static void arm_smmu_test_msi(struct kunit *test)
{
	struct dev_iommu *param;
	struct device *dev;

	dev = kunit_device_register(test, "smmu-master");
	KUNIT_ASSERT_FALSE(test, IS_ERR(dev));
	param = kunit_kzalloc(test, sizeof(*param), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, param);

	/* Allocated for no device in particular, and for one without an IOMMU */
	KUNIT_EXPECT_TRUE(test, arm_smmu_test_supported(test, NULL));
	KUNIT_EXPECT_TRUE(test, arm_smmu_test_supported(test, dev));

	/* The device was not probed: nothing else may see the parameters */
	dev->iommu = param;
	KUNIT_EXPECT_TRUE(test, arm_smmu_test_supported(test, dev));
	param->hw_msi = 1;
	KUNIT_EXPECT_FALSE(test, arm_smmu_test_supported(test, dev));
	dev->iommu = NULL;
}

static struct kunit_case arm_smmu_test_cases[] = {
	KUNIT_CASE(arm_smmu_test_msi),
	{}
};

static struct kunit_suite arm_smmu_test_suite = {
	.name = "iommu_msi_arm_smmu",
	.test_cases = arm_smmu_test_cases,
};

kunit_test_suite(arm_smmu_test_suite);
