// SPDX-License-Identifier: GPL-2.0-only
/*
 * The window for MSI doorbells where the IOMMU lets doorbells pass
 *
 * The environment may have DOORBELL, where the machine's is: an ITS' by default.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>

#include "lib/edu.h"
#include "lib/window.h"
#include "backends.h"

static uint64_t doorbell(void)
{
	return strtoull(getenv("DOORBELL") ?: "0x8090040", NULL, 0);
}

FIXTURE(bypass)
{
	struct space space;
	struct device dev;
};

FIXTURE_OF_BACKENDS(bypass);

FIXTURE_SETUP(bypass)
{
	ASSERT_EQ(0, device_to_vfio(edu_address()));
	ASSERT_EQ(0, space_open(&self->space, variant->backend));
	ASSERT_EQ(0, device_open(&self->dev, &self->space, edu_address()));
}

FIXTURE_TEARDOWN(bypass)
{
	device_close(&self->dev);
	space_close(&self->space);
}

TEST_F(bypass, query_and_refuse)
{
	struct window w;
	struct ranges before, after;

	ASSERT_EQ(0, window_query(&self->space, &w));
	EXPECT_EQ(WINDOW_BYPASS, w.flags);
	EXPECT_GE(doorbell(), w.start);
	EXPECT_LE(doorbell() + 3, w.last);
	EXPECT_EQ(0, w.needed);
	ASSERT_EQ(0, space_ranges(&self->space, &before));
	EXPECT_EQ(-ENODEV, window_set(&self->space, 0x10000000, 0x100000));
	ASSERT_EQ(0, space_ranges(&self->space, &after));
	EXPECT_EQ(before.count, after.count);
	EXPECT_TRUE(ranges_hold(&after, 0x10000000, 0x100fffff));
	ASSERT_EQ(0, window_query(&self->space, &w));
	EXPECT_EQ(WINDOW_BYPASS, w.flags);
}

/* A window that is there before the device is in nobody's way, and can go */
TEST(before_attach)
{
	struct ranges ranges;
	struct space space;
	struct device dev;

	ASSERT_EQ(0, device_to_vfio(edu_address()));
	ASSERT_EQ(0, space_open(&space, IOMMUFD));
	ASSERT_EQ(0, window_set(&space, 0x10000000, 0x100000));
	ASSERT_EQ(0, device_open(&dev, &space, edu_address()));
	ASSERT_EQ(0, space_ranges(&space, &ranges));
	EXPECT_FALSE(ranges_hold(&ranges, 0x10000000, 0x100fffff));
	EXPECT_EQ(0, window_unset(&space, 0x10000000, 0x100000));
	ASSERT_EQ(0, space_ranges(&space, &ranges));
	EXPECT_TRUE(ranges_hold(&ranges, 0x10000000, 0x100fffff));
	device_close(&dev);
	space_close(&space);
}

TEST_HARNESS_MAIN
