// SPDX-License-Identifier: GPL-2.0-only
/*
 * A doorbell whose frame is smaller than the IOMMU's smallest page: GICv2m
 * with pages of 64K
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/doorbells.h"
#include "lib/edu.h"
#include "lib/events.h"
#include "lib/sys.h"
#include "lib/window.h"
#include "backends.h"

/* Does the log since @kmsg was opened say what would have been exposed? */
static bool complained(int kmsg)
{
	char line[1024];
	ssize_t n;

	while ((n = read(kmsg, line, sizeof(line) - 1)) > 0) {
		line[n] = '\0';
		if (strstr(line, "doorbell 0x0000000008020040") &&
		    strstr(line, "0x0000000008020000-0x000000000802ffff") &&
		    strstr(line, "outside of 0x8020000-0x8020fff"))
			return true;
	}
	return false;
}

FIXTURE(exposure)
{
	struct space space;
	struct device edu;
	int eventfd, kmsg;
};

FIXTURE_OF_BACKENDS(exposure);

FIXTURE_SETUP(exposure)
{
	struct window window;

	ASSERT_EQ(0, device_to_vfio(edu_address()));
	self->eventfd = event_new();
	self->kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ASSERT_LE(0, lseek(self->kmsg, 0, SEEK_END));
	ASSERT_EQ(0, space_open(&self->space, variant->backend));
	ASSERT_EQ(0, edu_open(&self->edu, &self->space));
	ASSERT_EQ(0, window_query(&self->space, &window));
	if (window.granule != 0x10000)
		SKIP(return, "the IOMMU has pages of less than 64K: boot a kernel with pages of 64K");
}

FIXTURE_TEARDOWN(exposure)
{
	device_close(&self->edu);
	space_close(&self->space);
	EXPECT_EQ(0, doorbells_count());
}

/* Mapped, as user space was given the device at all; and said, but once */
TEST_F(exposure, mapped_and_said)
{
	struct doorbells d;

	ASSERT_EQ(0, irqs_set(&self->edu, MSI, 0, 1, &self->eventfd));
	ASSERT_EQ(0, doorbells_read(&d));
	ASSERT_EQ(1, d.count);
	EXPECT_EQ(0x8020000, d.at[0].pa);
	EXPECT_EQ(0x10000, d.at[0].size);
	EXPECT_EQ(1, edu_fire(&self->edu, self->eventfd, 1));

	/* The first test of all has heard it */
	if (variant->backend == TYPE1)
		EXPECT_TRUE(complained(self->kmsg));
	ASSERT_EQ(0, irqs_off(&self->edu, MSI));
	ASSERT_EQ(0, irqs_set(&self->edu, MSI, 0, 1, &self->eventfd));
	EXPECT_FALSE(complained(self->kmsg));
}

TEST_HARNESS_MAIN
