// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two devices: in one address space they share a doorbell, in two they do not
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/eventfd.h>
#include <linux/vfio.h>

#include "vfio_util.h"
#include "kselftest_harness.h"

#define MSI		VFIO_PCI_MSI_IRQ_INDEX
#define MSIX		VFIO_PCI_MSIX_IRQ_INDEX
#define NVME_VECTORS	4
#define EDU_RAISE	(0x60 / 4)
#define EDU_ACK		(0x64 / 4)

FIXTURE(pair)
{
	struct space space[2];
	struct device edu, nvme;
	int eventfd, nvme_fds[NVME_VECTORS];
};

FIXTURE_VARIANT(pair)
{
	enum backend backend;
};

FIXTURE_VARIANT_ADD(pair, type1) { .backend = TYPE1 };
FIXTURE_VARIANT_ADD(pair, iommufd) { .backend = IOMMUFD };

static const char *address(const char *name, const char *otherwise)
{
	return getenv(name) ?: otherwise;
}

static int start(struct device *edu, struct space *edu_space,
		 struct device *nvme, struct space *nvme_space)
{
	return device_open(edu, edu_space, address("EDU", "0000:00:02.0")) ?:
	       device_enable(edu) ?: device_map_bar(edu, 0) ?:
	       device_open(nvme, nvme_space, address("NVME", "0000:00:03.0"));
}

/* How many of 10 interrupts of the edu device arrive */
static int fire(struct device *dev, int eventfd)
{
	volatile uint32_t *regs = dev->bar;
	int i, arrived = 0;

	for (i = 0; i < 10; i++) {
		regs[EDU_RAISE] = 1;
		arrived += event_wait(eventfd, 1000);
		regs[EDU_ACK] = 1;
	}
	return arrived;
}

FIXTURE_SETUP(pair)
{
	int i;

	ASSERT_EQ(0, device_to_vfio(address("EDU", "0000:00:02.0")));
	ASSERT_EQ(0, device_to_vfio(address("NVME", "0000:00:03.0")));
	self->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	for (i = 0; i < NVME_VECTORS; i++)
		self->nvme_fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, space_open(&self->space[i], variant->backend));
}

FIXTURE_TEARDOWN(pair)
{
	struct doorbells d;
	int i;

	device_close(&self->edu);
	device_close(&self->nvme);
	for (i = 0; i < 2; i++)
		space_close(&self->space[i]);
	ASSERT_EQ(0, doorbells_read(&d));
	EXPECT_EQ(0, d.count);
}

TEST_F(pair, one_space)
{
	struct doorbells d;

	ASSERT_EQ(0, start(&self->edu, &self->space[0],
			   &self->nvme, &self->space[0]));
	ASSERT_EQ(0, irqs_set(&self->nvme, MSIX, 0, NVME_VECTORS,
			      self->nvme_fds));
	ASSERT_EQ(0, irqs_set(&self->edu, MSI, 0, 1, &self->eventfd));
	ASSERT_EQ(0, doorbells_read(&d));
	ASSERT_EQ(translated(1), d.count);
	EXPECT_EQ(translated(NVME_VECTORS + 1), d.refs);
	EXPECT_EQ(10, fire(&self->edu, self->eventfd));

	device_close(&self->nvme);
	ASSERT_EQ(0, doorbells_read(&d));
	ASSERT_EQ(translated(1), d.count);
	EXPECT_EQ(translated(1), d.refs);
	EXPECT_EQ(10, fire(&self->edu, self->eventfd));
}

TEST_F(pair, two_spaces)
{
	struct doorbells d;

	ASSERT_EQ(0, start(&self->edu, &self->space[0],
			   &self->nvme, &self->space[1]));
	ASSERT_EQ(0, irqs_set(&self->nvme, MSIX, 0, NVME_VECTORS,
			      self->nvme_fds));
	ASSERT_EQ(0, irqs_set(&self->edu, MSI, 0, 1, &self->eventfd));
	ASSERT_EQ(0, doorbells_read(&d));
	ASSERT_EQ(translated(2), d.count);
	EXPECT_EQ(translated(2), d.domains);
	EXPECT_EQ(translated(NVME_VECTORS + 1), d.refs);
	EXPECT_EQ(10, fire(&self->edu, self->eventfd));

	device_close(&self->nvme);
	ASSERT_EQ(0, doorbells_read(&d));
	ASSERT_EQ(translated(1), d.count);
	EXPECT_EQ(translated(1), d.refs);
	EXPECT_EQ(10, fire(&self->edu, self->eventfd));
}

TEST_HARNESS_MAIN
