// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two MSI controllers in one machine, each with a doorbell: an ITS or GICv2m, and
 * beside it an LS-SCFG, which has no model to raise an interrupt. Where a doorbell
 * is in a window does not depend on which one was there first.
 *
 * Needs four edu devices: see TWO_CONTROLLERS in scripts/selftests.sh.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <linux/pci_regs.h>

#include "lib/doorbells.h"
#include "lib/edu.h"
#include "lib/events.h"
#include "kselftest_harness.h"

/*
 * In the order in which they come to have a vector. The first two start in one
 * domain, which meets the doorbell of A before that of B; the others in another
 * one, which meets them the other way round.
 */
enum { A1, B1, B2, A2, DEVICES };

static const char * const address[DEVICES] = {
	[A1] = "0000:00:02.0",
	[A2] = "0000:00:04.0",
	[B1] = "0000:00:05.0",	/* both to the LS-SCFG */
	[B2] = "0000:00:06.0",
};

#define PAGE(iova)	((iova) & ~0xfffULL)

/* Where the device writes its MSI, by what its own registers say; or 0 */
static uint64_t message(int which)
{
	uint8_t config[256], at;
	uint32_t low, high;
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", address[which]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = read(fd, config, sizeof(config));
	close(fd);
	if (n != sizeof(config))
		return 0;
	for (at = config[PCI_CAPABILITY_LIST]; at; at = config[at + PCI_CAP_LIST_NEXT])
		if (config[at] == PCI_CAP_ID_MSI)
			break;
	if (!at || !(config[at + PCI_MSI_FLAGS] & PCI_MSI_FLAGS_ENABLE))
		return 0;
	memcpy(&low, &config[at + PCI_MSI_ADDRESS_LO], sizeof(low));
	memcpy(&high, &config[at + PCI_MSI_ADDRESS_HI], sizeof(high));
	return (uint64_t)high << 32 | low;
}

FIXTURE(controllers)
{
	struct space space;
	uint32_t hwpt[2];	/* named, as for an IOAS iommufd would make another */
	struct device dev[DEVICES];
	int eventfd[DEVICES];
	int at[DEVICES];		/* which of them the device is in */
	uint64_t message[DEVICES];	/* that it was given at first */
};

FIXTURE_SETUP(controllers)
{
	int i;

	for (i = 0; i < DEVICES; i++)
		self->dev[i] = (struct device) { .fd = -1, .group = -1 };
	ASSERT_EQ(0, space_open(&self->space, IOMMUFD));
	for (i = 0; i < DEVICES; i++) {
		self->at[i] = i / 2;
		self->eventfd[i] = event_new();
		ASSERT_EQ(0, device_to_vfio(address[i]));
		if (i == 2)
			ASSERT_EQ(0, space_add_ioas(&self->space, &self->space.ioas));
		ASSERT_EQ(0, device_start(&self->dev[i], &self->space, address[i]));
		if (i % 2 == 0)
			ASSERT_EQ(0, device_add_hwpt(&self->dev[i], &self->hwpt[i / 2]));
		ASSERT_EQ(0, device_replace(&self->dev[i], self->hwpt[i / 2]));
		ASSERT_EQ(0, irqs_set(&self->dev[i], MSI, 0, 1, &self->eventfd[i]));
		self->message[i] = message(i);
		ASSERT_NE(0, self->message[i]);
	}
}

FIXTURE_TEARDOWN(controllers)
{
	int i;

	for (i = 0; i < DEVICES; i++) {
		device_close(&self->dev[i]);
		close(self->eventfd[i]);
	}
	space_close(&self->space);
	EXPECT_TRUE(nothing_left("controllers"));
}

/* Are there @count doorbells, and each where messages are written to? */
static bool doorbells_in_place(FIXTURE_DATA(controllers) *self, int count)
{
	uint64_t pa[2] = {}, page;
	struct doorbells d;
	int i, which;

	if (doorbells_read(&d) || d.count != count || d.vectors != DEVICES)
		return false;
	for (i = 0; i < d.count; i++) {
		page = PAGE(d.at[i].iova);
		which = page == PAGE(self->message[B1]);
		if (!which && page != PAGE(self->message[A1]))
			return false;
		if (pa[which] && pa[which] != d.at[i].pa)
			return false;
		pa[which] = d.at[i].pa;
	}
	return pa[0] && pa[1] && pa[0] != pa[1];
}

static bool messages_unchanged(FIXTURE_DATA(controllers) *self)
{
	int i;

	for (i = 0; i < DEVICES && message(i) == self->message[i]; i++)
		;
	return i == DEVICES;
}

/* To the other domain, with its live vector */
static int move(FIXTURE_DATA(controllers) *self, int which)
{
	self->at[which] ^= 1;
	return device_replace(&self->dev[which], self->hwpt[self->at[which]]);
}

/* By the doorbell's number, not by the order of use */
TEST_F(controllers, same_place)
{
	EXPECT_EQ(self->message[A1], self->message[A2]);
	EXPECT_EQ(self->message[B1], self->message[B2]);
	EXPECT_NE(PAGE(self->message[A1]), PAGE(self->message[B1]));
	EXPECT_TRUE(doorbells_in_place(self, 4));
}

TEST_F(controllers, replace)
{
	static const int orders[][DEVICES] = {
		{ A1, B1, A2, B2 }, { B1, A1, B2, A2 },
		{ A2, B1, B2, A1 }, { B2, B1, A1, A2 },
	};
	const int *order;
	int i;

	for (order = orders[0]; order < orders[0] + sizeof(orders) / sizeof(int);
	     order += DEVICES) {
		for (i = 0; i < DEVICES; i++) {
			ASSERT_EQ(0, move(self, order[i]))
				TH_LOG("device %s", address[order[i]]);
			EXPECT_TRUE(messages_unchanged(self));
			EXPECT_EQ(3, edu_fire(&self->dev[A1], self->eventfd[A1], 3));
			EXPECT_EQ(3, edu_fire(&self->dev[A2], self->eventfd[A2], 3));
		}
		EXPECT_TRUE(doorbells_in_place(self, 4));
	}
}

static int vectors_off(FIXTURE_DATA(controllers) *self, int one, int other)
{
	return irqs_off(&self->dev[one], MSI) ?: irqs_off(&self->dev[other], MSI);
}

static int vector_on(FIXTURE_DATA(controllers) *self, int which)
{
	return irqs_set(&self->dev[which], MSI, 0, 1, &self->eventfd[which]);
}

/* Is there nothing but the page that this device writes to? */
static bool alone(FIXTURE_DATA(controllers) *self, int which)
{
	struct doorbells d;

	return !doorbells_read(&d) && d.count == 1 &&
	       PAGE(d.at[0].iova) == PAGE(self->message[which]);
}

/* Both doorbells in one domain, of which either goes without the other */
TEST_F(controllers, one_domain)
{
	ASSERT_EQ(0, move(self, B2));
	ASSERT_EQ(0, move(self, A2));
	EXPECT_TRUE(messages_unchanged(self));
	EXPECT_TRUE(doorbells_in_place(self, 2));

	ASSERT_EQ(0, vectors_off(self, B1, B2));
	EXPECT_TRUE(alone(self, A1));
	EXPECT_EQ(3, edu_fire(&self->dev[A1], self->eventfd[A1], 3));
	EXPECT_EQ(3, edu_fire(&self->dev[A2], self->eventfd[A2], 3));
	ASSERT_EQ(0, vector_on(self, B1));
	EXPECT_EQ(self->message[B1], message(B1));

	ASSERT_EQ(0, vectors_off(self, A1, A2));
	EXPECT_TRUE(alone(self, B1));
	ASSERT_EQ(0, vector_on(self, A2));
	EXPECT_EQ(PAGE(self->message[A2]), PAGE(message(A2)));
	EXPECT_EQ(3, edu_fire(&self->dev[A2], self->eventfd[A2], 3));
}

TEST_HARNESS_MAIN
