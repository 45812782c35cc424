// SPDX-License-Identifier: GPL-2.0-only
/*
 * A group of two devices, of which firmware reserves something for one, right where
 * the default window is: that of the group is elsewhere, whichever device comes first.
 * And a device of another group that has the default window.
 *
 * See GROUP_RESERVED in scripts/selftests.sh for the machine.
 */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "lib/doorbells.h"
#include "lib/edu.h"
#include "lib/events.h"
#include "lib/window.h"
#include "backends.h"

#define OLD		0x8000000ULL	/* default window, whose first page is reserved */
#define NEW		(OLD + MIB)

enum { FREE, BOUND, ALONE, DEVICES };

static const char * const address[DEVICES] = {
	[FREE] = "0000:00:05.0",
	[BOUND] = "0000:00:05.1",
	[ALONE] = "0000:00:02.0",
};

FIXTURE(group)
{
	struct space space;
	struct device dev[DEVICES];
	int eventfd[DEVICES];
};

FIXTURE_VARIANT(group)
{
	enum backend backend;
	int first, last;	/* of the group, in the order of attaching */
};

/* With type1 a group is attached as one, by any of its devices */
FIXTURE_VARIANT_ADD(group, type1_free) { TYPE1, FREE, FREE };
FIXTURE_VARIANT_ADD(group, type1_bound) { TYPE1, BOUND, BOUND };
FIXTURE_VARIANT_ADD(group, iommufd_free_first) { IOMMUFD, FREE, BOUND };
FIXTURE_VARIANT_ADD(group, iommufd_bound_first) { IOMMUFD, BOUND, FREE };

static bool one_group(void)
{
	char path[DEVICES][128];
	int i;

	for (i = 0; i < DEVICES; i++)
		if (device_group(address[i], path[i], sizeof(path[i])))
			return false;
	return !strcmp(path[FREE], path[BOUND]) && strcmp(path[FREE], path[ALONE]);
}

FIXTURE_SETUP(group)
{
	int i;

	for (i = 0; i < DEVICES; i++) {
		self->dev[i] = (struct device) { .fd = -1, .group = -1 };
		self->eventfd[i] = event_new();
		ASSERT_LE(0, self->eventfd[i]);
		ASSERT_EQ(0, device_to_vfio(address[i]));
	}
	ASSERT_TRUE(one_group());
	ASSERT_EQ(0, space_open(&self->space, variant->backend));
}

FIXTURE_TEARDOWN(group)
{
	int i;

	for (i = 0; i < DEVICES; i++) {
		device_close(&self->dev[i]);
		close(self->eventfd[i]);
	}
	space_close(&self->space);
	EXPECT_TRUE(nothing_left("group"));
}

static int start(FIXTURE_DATA(group) *self, int which)
{
	return device_start(&self->dev[which], &self->space, address[which]) ?:
	       irqs_set(&self->dev[which], MSI, 0, 1, &self->eventfd[which]);
}

static int fire(FIXTURE_DATA(group) *self, int which)
{
	return edu_fire(&self->dev[which], self->eventfd[which], 5);
}

/* How many doorbells are in @start to @last, or -1 if there are not @count */
static int doorbells_in(int count, uint64_t start, uint64_t last)
{
	struct doorbells d;
	int i, n = 0;

	if (doorbells_read(&d) || d.count != count)
		return -1;
	for (i = 0; i < d.count; i++)
		n += d.at[i].iova >= start && d.at[i].iova + d.at[i].size - 1 <= last;
	return n;
}

/* The group is alone. That the devices have different windows suggested takes both. */
TEST_F(group, whole)
{
	struct ranges ranges;

	ASSERT_EQ(0, start(self, variant->first));
	EXPECT_EQ(5, fire(self, variant->first));
	if (variant->last != variant->first) {
		ASSERT_EQ(0, start(self, variant->last));
		EXPECT_EQ(5, fire(self, variant->last));
		EXPECT_EQ(5, fire(self, variant->first));
	}
	EXPECT_EQ(1, doorbells_in(1, NEW, NEW + MIB - 1));
	ASSERT_EQ(0, space_ranges(&self->space, &ranges));
	EXPECT_TRUE(ranges_hold(&ranges, 0, OLD - 1));
	EXPECT_TRUE(ranges_hold(&ranges, NEW + MIB, NEW + 2 * MIB));
	EXPECT_FALSE(ranges_hold(&ranges, OLD, OLD));
	EXPECT_FALSE(ranges_hold(&ranges, NEW, NEW));

	if (variant->last != variant->first) {
		device_close(&self->dev[variant->first]);
		EXPECT_EQ(5, fire(self, variant->last));
	}
}

/* What another group has does not do for this one: a domain of its own */
TEST_F(group, own_domain)
{
	ASSERT_EQ(0, start(self, ALONE));
	EXPECT_EQ(5, fire(self, ALONE));
	EXPECT_EQ(1, doorbells_in(1, OLD, OLD + MIB - 1));
	ASSERT_EQ(0, start(self, variant->first));
	EXPECT_EQ(5, fire(self, variant->first));
	if (variant->last != variant->first) {
		ASSERT_EQ(0, start(self, variant->last));
		EXPECT_EQ(5, fire(self, variant->last));
	}
	EXPECT_EQ(1, doorbells_in(2, OLD, OLD + MIB - 1));
	EXPECT_EQ(1, doorbells_in(2, NEW, NEW + MIB - 1));
	EXPECT_EQ(5, fire(self, ALONE));

	device_close(&self->dev[ALONE]);
	EXPECT_EQ(1, doorbells_in(1, NEW, NEW + MIB - 1));
	EXPECT_EQ(5, fire(self, variant->first));
}

TEST_HARNESS_MAIN
