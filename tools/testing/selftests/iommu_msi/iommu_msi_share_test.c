// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two devices: in one address space they share a doorbell, in two they do not
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/eventfd.h>
#include <linux/vfio.h>

#include "edu_util.h"
#include "kselftest_harness.h"

#define MSI		VFIO_PCI_MSI_IRQ_INDEX
#define MSIX		VFIO_PCI_MSIX_IRQ_INDEX
#define NVME		(getenv("NVME") ?: "0000:00:03.0")
#define NVME_VECTORS	4

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

static int start(struct device *edu, struct space *edu_space,
		 struct device *nvme, struct space *nvme_space)
{
	return edu_open(edu, edu_space) ?: device_open(nvme, nvme_space, NVME);
}

FIXTURE_SETUP(pair)
{
	int i;

	ASSERT_EQ(0, device_to_vfio(edu_address()));
	ASSERT_EQ(0, device_to_vfio(NVME));
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
	EXPECT_EQ(10, edu_fire(&self->edu, self->eventfd, 10));

	device_close(&self->nvme);
	ASSERT_EQ(0, doorbells_read(&d));
	ASSERT_EQ(translated(1), d.count);
	EXPECT_EQ(translated(1), d.refs);
	EXPECT_EQ(10, edu_fire(&self->edu, self->eventfd, 10));
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
	EXPECT_EQ(10, edu_fire(&self->edu, self->eventfd, 10));

	device_close(&self->nvme);
	ASSERT_EQ(0, doorbells_read(&d));
	ASSERT_EQ(translated(1), d.count);
	EXPECT_EQ(translated(1), d.refs);
	EXPECT_EQ(10, edu_fire(&self->edu, self->eventfd, 10));
}

TEST_HARNESS_MAIN
