// SPDX-License-Identifier: GPL-2.0-only
/*
 * An IOMMU driver, an irqchip and an owner of DMA, each in a module of its own,
 * that have nothing of the MSI layer but what it exports, and nothing of the
 * machine: they bring their hardware along. What the owner has asked for and
 * checked is in test_modules/msi_mock_owner.c; it does not load if something was
 * not as it should be.
 */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/doorbells.h"
#include "lib/module.h"
#include "kselftest_harness.h"

/* Nowhere in QEMU's machine */
#define DOORBELL	"doorbell=0x4000000040"
#define REGIONS		"/sys/bus/platform/devices/msi_mock_owner/iommu_group/reserved_regions"

FIXTURE(modules) {};

static void unload_all(void)
{
	module_unload("msi_mock_owner");
	module_unload("msi_mock_irqchip");
	module_unload("msi_mock_iommu");
}

FIXTURE_SETUP(modules)
{
	unload_all();
	ASSERT_EQ(0, module_load("msi_mock_iommu", ""));
	ASSERT_EQ(0, module_load("msi_mock_irqchip", DOORBELL));
}

FIXTURE_TEARDOWN(modules)
{
	unload_all();
	EXPECT_TRUE(nothing_left("modules"));
}

/* The window that the IOMMU driver has the MSI layer suggest */
static bool suggests_window(void)
{
	FILE *file = fopen(REGIONS, "re");
	char line[128];
	bool found = false;

	while (file && fgets(line, sizeof(line), file))
		found |= !strcmp(line, "0x0000000008000000 0x00000000080fffff msi\n");
	if (file)
		fclose(file);
	return found;
}

/* Twice: the first time leaves nothing that the second one meets */
TEST_F(modules, whole_path)
{
	int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, module_load("msi_mock_owner", DOORBELL));
		EXPECT_TRUE(suggests_window());
		EXPECT_TRUE(nothing_left("owner"));
		EXPECT_EQ(0, module_unload("msi_mock_owner"));
	}
	EXPECT_EQ(0, module_unload("msi_mock_irqchip"));
	EXPECT_EQ(0, module_unload("msi_mock_iommu"));
}

TEST_HARNESS_MAIN
