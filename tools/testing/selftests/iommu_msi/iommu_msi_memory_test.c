// SPDX-License-Identifier: GPL-2.0-only
/*
 * What windows and domains take of memory is charged to the memory cgroup of who
 * makes them, and given back. Needs a kernel with CONFIG_MEMCG, and pages of 4K.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include "lib/cgroup.h"
#include "lib/clock.h"
#include "lib/doorbells.h"
#include "lib/edu.h"
#include "lib/sys.h"
#include "lib/window.h"
#include "backends.h"

#define WINDOW		0x10000000ULL
#define IOASES		10000
#define IOAS_TAKES	64	/* bytes at least, for its window */
#define DOMAINS		2000
#define DOMAIN_TAKES	512	/* a bit for each of 4,096 pages, and some more */
#define CHURNS		3000
/* A CPU has so many pages charged beforehand */
#define INEXACT		(64 * 4096)
#define SECONDS		300

/* Bytes, or a negative errno */
static long charged(void)
{
	return file_number(CGROUP "/memory.current");
}

#define NO_CGROUPS "no memory cgroups: boot a kernel with MEMCG"

/* Is what was charged given back? Some of it later, when RCU's readers are gone. */
static bool given_back(long before)
{
	int i, limit = paced(100);

	for (i = 0; i < limit && charged() > before + INEXACT; i++)
		usleep(100000);
	if (i < limit)
		return true;
	printf("# %ld bytes were charged, and are %ld\n", before, charged());
	return false;
}

/* On one CPU, as each would be inexact by as much */
static int join(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		return -errno;
	return cgroup_join(CGROUP);
}

/* A device in a space, with what is kept from the first window on */
static int start(struct space *space, struct device *edu, enum backend backend)
{
	return device_to_vfio(edu_address()) ?: join() ?: space_open(space, backend) ?:
	       edu_open(edu, space) ?: window_set(space, WINDOW, MIB) ?:
	       window_unset(space, WINDOW, MIB);
}

FIXTURE(churn)
{
	struct space space;
	struct device edu;
	long before;
};

FIXTURE_OF_BACKENDS(churn);

FIXTURE_SETUP(churn)
{
	if (cgroup_make())
		SKIP(return, NO_CGROUPS);
	ASSERT_EQ(0, start(&self->space, &self->edu, variant->backend));
	self->before = charged();
	ASSERT_LT(0, self->before);
}

FIXTURE_TEARDOWN(churn)
{
	device_close(&self->edu);
	space_close(&self->space);
	EXPECT_TRUE(given_back(self->before));
	EXPECT_EQ(0, cgroup_join(CGROUP_ROOT));
	EXPECT_TRUE(nothing_left("churn"));
}

TEST_F_TIMEOUT(churn, windows, SECONDS)
{
	int i;

	for (i = 0; i < CHURNS; i++) {
		ASSERT_EQ(0, window_set(&self->space, WINDOW, MIB));
		ASSERT_EQ(0, window_unset(&self->space, WINDOW, MIB));
	}
	EXPECT_TRUE(given_back(self->before));
}

FIXTURE(charge)
{
	struct space space;
	struct device edu;
	long before;
	uint32_t ids[IOASES];
};

FIXTURE_SETUP(charge)
{
	if (cgroup_make())
		SKIP(return, NO_CGROUPS);
	ASSERT_EQ(0, start(&self->space, &self->edu, IOMMUFD));
	self->before = charged();
	ASSERT_LT(0, self->before);
}

FIXTURE_TEARDOWN(charge)
{
	device_close(&self->edu);
	space_close(&self->space);
	EXPECT_TRUE(given_back(self->before));
	EXPECT_EQ(0, cgroup_join(CGROUP_ROOT));
	EXPECT_TRUE(nothing_left("charge"));
}

TEST_F_TIMEOUT(charge, windows, SECONDS)
{
	struct space one = self->space;
	long before, with;
	int i;

	for (i = 0; i < IOASES; i++)
		ASSERT_EQ(0, space_add_ioas(&self->space, &self->ids[i]));
	before = charged();
	for (i = 0; i < IOASES; i++) {
		one.ioas = self->ids[i];
		ASSERT_EQ(0, window_set(&one, WINDOW, MIB));
	}
	with = charged();
	EXPECT_LE(IOASES * IOAS_TAKES - INEXACT, with - before);
	for (i = 0; i < IOASES; i++) {
		one.ioas = self->ids[i];
		ASSERT_EQ(0, window_unset(&one, WINDOW, MIB));
	}
	EXPECT_TRUE(given_back(before));
}

/* By the device, which gives each its window as it comes by */
TEST_F_TIMEOUT(charge, domains, SECONDS)
{
	long before, with;
	int i;

	for (i = 0; i < DOMAINS; i++)
		ASSERT_EQ(0, device_add_hwpt(&self->edu, &self->ids[i]));
	before = charged();
	for (i = 0; i < DOMAINS; i++)
		ASSERT_EQ(0, device_replace(&self->edu, self->ids[i]));
	with = charged();
	EXPECT_LE(DOMAINS * DOMAIN_TAKES - INEXACT, with - before);
	printf("# %ld bytes a domain\n", (with - before) / DOMAINS);
}

TEST_HARNESS_MAIN
