// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSI doorbells as user space meets them: QEMU's edu device through VFIO
 *
 * The environment has EDU, the device's address; default 0000:00:02.0.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/doorbells.h"
#include "lib/edu.h"
#include "lib/events.h"
#include "lib/module.h"
#include "backends.h"

#define WINDOW_START	0x8000000ULL
#define WINDOW_END	0x80fffffULL

FIXTURE(edu)
{
	struct space space;
	struct device dev;
	int eventfd;
};

FIXTURE_OF_BACKENDS(edu);

FIXTURE_SETUP(edu)
{
	ASSERT_EQ(0, device_to_vfio(edu_address()));
	self->eventfd = event_new();
	ASSERT_LE(0, self->eventfd);
	ASSERT_EQ(0, space_open(&self->space, variant->backend));
	ASSERT_EQ(0, edu_open(&self->dev, &self->space));
}

FIXTURE_TEARDOWN(edu)
{
	device_close(&self->dev);
	space_close(&self->space);
	close(self->eventfd);
	EXPECT_EQ(0, doorbells_count());
}

TEST_F(edu, one_vector)
{
	struct doorbells d;

	ASSERT_EQ(0, irqs_set(&self->dev, MSI, 0, 1, &self->eventfd));
	ASSERT_EQ(0, doorbells_read(&d));
	ASSERT_EQ(translated(1), d.count);
	EXPECT_EQ(translated(1), d.vectors);
	if (d.count) {
		EXPECT_LE(WINDOW_START, d.at[0].iova);
		EXPECT_GE(WINDOW_END, d.at[0].iova + d.at[0].size - 1);
	}
	EXPECT_EQ(100, edu_fire(&self->dev, self->eventfd, 100));
	ASSERT_EQ(0, irqs_off(&self->dev, MSI));
	EXPECT_EQ(0, doorbells_count());
}

TEST_F(edu, enable_disable)
{
	struct doorbells d;
	int i;

	for (i = 0; i < 50; i++) {
		ASSERT_EQ(0, irqs_set(&self->dev, MSI, 0, 1, &self->eventfd));
		ASSERT_EQ(5, edu_fire(&self->dev, self->eventfd, 5));
		ASSERT_EQ(0, doorbells_read(&d));
		ASSERT_EQ(translated(1), d.vectors);
		ASSERT_EQ(0, irqs_off(&self->dev, MSI));
		ASSERT_EQ(0, doorbells_count());
	}
}

TEST_F(edu, killed)
{
	struct doorbells d;
	pid_t child;
	int status;

	device_close(&self->dev);
	space_close(&self->space);
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		if (space_open(&self->space, variant->backend) ||
		    edu_open(&self->dev, &self->space) ||
		    irqs_set(&self->dev, MSI, 0, 1, &self->eventfd) ||
		    edu_fire(&self->dev, self->eventfd, 3) != 3 ||
		    doorbells_read(&d) || d.vectors != translated(1))
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(0, doorbells_count());
	ASSERT_EQ(0, space_open(&self->space, variant->backend));
}

FIXTURE(replace)
{
	struct space space;
	struct device dev;
	int eventfd;
};

FIXTURE_SETUP(replace)
{
	ASSERT_EQ(0, device_to_vfio(edu_address()));
	self->eventfd = event_new();
	ASSERT_LE(0, self->eventfd);
	ASSERT_EQ(0, space_open(&self->space, IOMMUFD));
	ASSERT_EQ(0, edu_open(&self->dev, &self->space));
}

FIXTURE_TEARDOWN(replace)
{
	device_close(&self->dev);
	space_close(&self->space);
	EXPECT_EQ(0, doorbells_count());
}

/* The message that the device holds must reach its doorbell in either domain */
TEST_F(replace, live_msi)
{
	uint32_t ioas[2] = { self->space.ioas };
	struct doorbells d;
	int i;

	ASSERT_EQ(0, space_add_ioas(&self->space, &ioas[1]));
	ASSERT_EQ(0, irqs_set(&self->dev, MSI, 0, 1, &self->eventfd));
	for (i = 1; i <= 20; i++) {
		ASSERT_EQ(0, device_replace(&self->dev, ioas[i & 1]));
		EXPECT_EQ(3, edu_fire(&self->dev, self->eventfd, 3));
		ASSERT_EQ(0, doorbells_read(&d));
		EXPECT_EQ(translated(1), d.count);
		EXPECT_EQ(translated(1), d.vectors);
	}
}

/* vhost-vdpa changes the token of what it has registered */
TEST(irq_bypass_token)
{
	ASSERT_EQ(0, module_load("msi_bypass", ""));
	EXPECT_EQ(0, module_unload("msi_bypass"));
}

TEST_HARNESS_MAIN
