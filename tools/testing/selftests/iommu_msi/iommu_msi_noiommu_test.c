// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSIs of a device that has no IOMMU, and that user space owns all the same: there is
 * no domain to map a doorbell in, and messages have its physical address
 */
#define _GNU_SOURCE
#include <unistd.h>

#include "lib/edu.h"
#include "lib/doorbells.h"
#include "lib/events.h"
#include "lib/sys.h"
#include "kselftest_harness.h"

FIXTURE(noiommu)
{
	struct space space;
	struct device edu;
	int eventfd;
};

FIXTURE_SETUP(noiommu)
{
	ASSERT_EQ(0, file_write("Y", "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"));
	ASSERT_EQ(0, device_to_vfio(edu_address()));
	ASSERT_EQ(0, space_open(&self->space, TYPE1));
	self->eventfd = event_new();
	ASSERT_LE(0, self->eventfd);
	ASSERT_EQ(0, edu_open(&self->edu, &self->space));
}

FIXTURE_TEARDOWN(noiommu)
{
	device_close(&self->edu);
	space_close(&self->space);
	close(self->eventfd);
}

TEST_F(noiommu, interrupts)
{
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, irqs_set(&self->edu, MSI, 0, 1, &self->eventfd));
		EXPECT_EQ(0, doorbells_count());
		EXPECT_EQ(20, edu_fire(&self->edu, self->eventfd, 20));
		ASSERT_EQ(0, irqs_off(&self->edu, MSI));
	}
}

TEST_HARNESS_MAIN
