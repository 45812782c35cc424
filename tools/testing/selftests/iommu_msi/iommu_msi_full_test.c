// SPDX-License-Identifier: GPL-2.0-only
/*
 * A full MSI window: test_modules/msi_fill.ko, next to this program, fills it
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/doorbells.h"
#include "lib/edu.h"
#include "lib/events.h"
#include "lib/module.h"
#include "lib/nvme.h"
#include "lib/sys.h"
#include "backends.h"

#define NVME_VECTORS	4

static int fill(const char *bdf)
{
	char option[64];

	snprintf(option, sizeof(option), "device=%s", bdf);
	return module_load("msi_fill", option);
}

static int empty(void)
{
	return module_unload("msi_fill");
}

static int filled(void)
{
	return file_number("/sys/module/msi_fill/parameters/pages");
}

/* The messages since @kmsg was opened that name all three */
static int complaints(int kmsg, const char *device, const char *window)
{
	char line[1024];
	int found = 0;
	ssize_t n;

	while ((n = read(kmsg, line, sizeof(line) - 1)) > 0) {
		line[n] = '\0';
		found += strstr(line, device) && strstr(line, window) &&
			 strstr(line, "doorbell 0x00000000080");
	}
	return found;
}

FIXTURE(full)
{
	struct space space[2];
	struct device edu, nvme;
	int eventfd, nvme_fds[NVME_VECTORS], kmsg;
};

FIXTURE_OF_BACKENDS(full);

FIXTURE_SETUP(full)
{
	int i;

	empty();
	ASSERT_EQ(0, device_to_vfio(edu_address()));
	ASSERT_EQ(0, device_to_vfio(nvme_address()));
	self->eventfd = event_new();
	ASSERT_EQ(0, events_open(self->nvme_fds, NVME_VECTORS));
	self->kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ASSERT_LE(0, self->kmsg);
	ASSERT_LE(0, lseek(self->kmsg, 0, SEEK_END));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, space_open(&self->space[i], variant->backend));
	ASSERT_EQ(0, edu_open(&self->edu, &self->space[0]));
	ASSERT_EQ(0, device_open(&self->nvme, &self->space[1], nvme_address()));
}

FIXTURE_TEARDOWN(full)
{
	int i;

	empty();
	device_close(&self->edu);
	device_close(&self->nvme);
	for (i = 0; i < 2; i++)
		space_close(&self->space[i]);
	EXPECT_EQ(0, doorbells_count());
}

/* A doorbell of many pages is one */
TEST_F(full, frame)
{
	struct doorbells d;
	char option[64];

	snprintf(option, sizeof(option), "device=%s most=1 size=0x20000", nvme_address());
	ASSERT_EQ(0, module_load("msi_fill", option));
	ASSERT_EQ(0, doorbells_read(&d));
	ASSERT_EQ(1, d.count);
	EXPECT_EQ(0x20000, d.at[0].size);
}

/* No vector for one device; the other one's, in its own window, goes on */
TEST_F(full, new_vector)
{
	ASSERT_EQ(0, irqs_set(&self->edu, MSI, 0, 1, &self->eventfd));
	ASSERT_EQ(0, fill(nvme_address()));
	EXPECT_EQ(0x100000 / getpagesize(), filled());
	EXPECT_EQ(-ENOSPC, irqs_set(&self->nvme, MSIX, 0, NVME_VECTORS,
				    self->nvme_fds));
	EXPECT_EQ(1, complaints(self->kmsg, nvme_address(),
				"0x0000000008000000-0x00000000080fffff"));
	EXPECT_EQ(10, edu_fire(&self->edu, self->eventfd, 10));
	ASSERT_EQ(0, empty());
	EXPECT_EQ(0, irqs_set(&self->nvme, MSIX, 0, NVME_VECTORS,
			      self->nvme_fds));
	EXPECT_EQ(10, edu_fire(&self->edu, self->eventfd, 10));
}

/* Who tries again cannot fill the log: ten lines in five seconds at most */
TEST_F(full, seldom_told)
{
	static const char window[] = "0x0000000008000000-0x00000000080fffff";
	time_t start = now();
	int i, told;

	ASSERT_EQ(0, fill(nvme_address()));
	for (i = 0; i < 1000; i++)
		ASSERT_EQ(-ENOSPC, irqs_set(&self->nvme, MSIX, 0, 1, self->nvme_fds));
	told = complaints(self->kmsg, nvme_address(), window);
	EXPECT_LE(1, told);
	EXPECT_GE(10 * ((now() - start) / 5 + 2), told);

	/* Later it is told again; other tests look for it, too */
	for (told = i = 0; !told && i < paced(100); i++) {
		poll(NULL, 0, 100);	/* also a program of 32 bits */
		ASSERT_EQ(-ENOSPC, irqs_set(&self->nvme, MSIX, 0, 1, self->nvme_fds));
		told = complaints(self->kmsg, nvme_address(), window);
	}
	EXPECT_LT(0, told);
}

/* What was live before its own window was full stays live */
TEST_F(full, live_vector)
{
	ASSERT_EQ(0, irqs_set(&self->edu, MSI, 0, 1, &self->eventfd));
	ASSERT_EQ(0, fill(edu_address()));
	EXPECT_EQ(0x100000 / getpagesize() - 1, filled());
	EXPECT_EQ(10, edu_fire(&self->edu, self->eventfd, 10));
	ASSERT_EQ(0, irqs_off(&self->edu, MSI));
	ASSERT_EQ(0, irqs_set(&self->edu, MSI, 0, 1, &self->eventfd));
	EXPECT_EQ(10, edu_fire(&self->edu, self->eventfd, 10));
	ASSERT_EQ(0, empty());
	EXPECT_EQ(10, edu_fire(&self->edu, self->eventfd, 10));
}

/* --- doorbells of several controllers ------------------------------------ */

FIXTURE(order)
{
	struct space space;
	struct device edu, nvme;
	int eventfd;
};

FIXTURE_SETUP(order)
{
	empty();
	ASSERT_EQ(0, device_to_vfio(edu_address()));
	ASSERT_EQ(0, device_to_vfio(nvme_address()));
	self->eventfd = event_new();
	ASSERT_LE(0, self->eventfd);
	ASSERT_EQ(0, space_open(&self->space, IOMMUFD));
	ASSERT_EQ(0, edu_open(&self->edu, &self->space));
	ASSERT_EQ(0, device_open(&self->nvme, &self->space, nvme_address()));
}

FIXTURE_TEARDOWN(order)
{
	empty();
	device_close(&self->edu);
	device_close(&self->nvme);
	space_close(&self->space);
	EXPECT_EQ(0, doorbells_count());
}

/* A live device moves to a domain where others' doorbells were mapped first */
TEST_F(order, replace)
{
	struct doorbells d;
	char option[64];
	uint32_t ioas;

	ASSERT_EQ(0, space_add_ioas(&self->space, &ioas));
	ASSERT_EQ(0, device_replace(&self->nvme, ioas));
	snprintf(option, sizeof(option), "device=%s most=3", nvme_address());
	ASSERT_EQ(0, module_load("msi_fill", option));
	ASSERT_EQ(3, filled());
	ASSERT_EQ(0, irqs_set(&self->edu, MSI, 0, 1, &self->eventfd));

	ASSERT_EQ(0, device_replace(&self->edu, ioas));
	ASSERT_EQ(0, doorbells_read(&d));
	EXPECT_EQ(1, d.domains);
	EXPECT_EQ(4, d.count);
	EXPECT_EQ(3, edu_fire(&self->edu, self->eventfd, 3));
	ASSERT_EQ(0, device_replace(&self->edu, self->space.ioas));
	EXPECT_EQ(3, edu_fire(&self->edu, self->eventfd, 3));
}

TEST_HARNESS_MAIN
