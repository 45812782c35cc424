/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Something that an operation needs fails the first time, the second time, and
 * so on until none is left to fail. Included by the tests that do this, after
 * kselftest_harness.h.
 *
 * The environment may have NVME, the address of an NVMe disk with a few
 * vectors; EDU; and VECTORS, how many of them it is given.
 */
#ifndef IOMMU_MSI_FAIL_EACH_H
#define IOMMU_MSI_FAIL_EACH_H

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/doorbells.h"
#include "lib/edu.h"
#include "lib/events.h"

#define NVME		(getenv("NVME") ?: "0000:00:04.0")
#define MAX_VECTORS	64
#define FAIL_MAX	5000

/* What the tests use: an edu device and a disk in one space */
struct testbed {
	struct space space;
	struct device edu, nvme;
	uint32_t ioas;		/* another one, of iommufd */
	int vectors, eventfd;
	int fds[MAX_VECTORS];
	int fail_nth, make_it_fail;
	bool and_later;		/* what follows the n-th fails, too */
};

/*
 * Only @call is made to fail. @same must hold before it, and also after it when
 * it has failed or has been undone.
 */
struct step {
	int (*before)(struct testbed *bed);
	int (*call)(struct testbed *bed);
	bool (*done)(struct testbed *bed);	/* as it must be after success */
	int (*undo)(struct testbed *bed);
	bool (*same)(struct testbed *bed);
	int (*after)(struct testbed *bed);
	bool (*says)(int error);		/* what a failure must say */
};

/* The @n-th one from now on is to fail; 0 or a negative errno */
static int fail_arm(struct testbed *bed, int n);
/* Whether there were so many, or a negative errno; none fails any more */
static int fail_disarm(struct testbed *bed);

static int testbed_open(struct testbed *bed, enum backend backend)
{
	int ret;

	bed->vectors = atoi(getenv("VECTORS") ?: "8");
	if (bed->vectors > MAX_VECTORS)
		return -E2BIG;
	ret = events_open(bed->fds, bed->vectors) ?: events_open(&bed->eventfd, 1);
	return ret ?: device_to_vfio(edu_address()) ?: device_to_vfio(NVME) ?:
	       space_open(&bed->space, backend) ?:
	       edu_open(&bed->edu, &bed->space) ?:
	       device_open(&bed->nvme, &bed->space, NVME) ?:
	       (backend == IOMMUFD ? space_add_ioas(&bed->space, &bed->ioas) : 0);
}

static void testbed_close(struct testbed *bed)
{
	device_close(&bed->nvme);
	device_close(&bed->edu);
	space_close(&bed->space);
	events_close(bed->fds, bed->vectors);
	close(bed->eventfd);
}

/*
 * One doorbell, for @vectors vectors; none with 0. Of a kernel that keeps no
 * account of them, told so by DOORBELLS=0, nothing is known.
 */
static bool holds(unsigned int vectors)
{
	struct doorbells d;
	int ret = doorbells_read(&d);

	if (ret == -ENOENT)
		return !translated(1);
	return !ret && d.count == translated(!!vectors) &&
	       d.vectors == (uint64_t)translated(vectors);
}

/* Makes the call with the @n-th one failing; what the call says in @ret */
static int call_and_fail(struct testbed *bed, const struct step *step, int n, int *ret)
{
	int error = fail_arm(bed, n);

	if (error)
		return error;
	*ret = step->call(bed);
	return fail_disarm(bed);
}

/* How often the call must fail before nothing that it needs is left to fail */
static void fail_each(struct __test_metadata *_metadata, struct testbed *bed,
		      const struct step *step, int at_least, int at_most)
{
	int n, ret = 0, injected = 1, failures = 0;

	/* What is kept from the first time on is not for a failure to undo */
	ASSERT_EQ(0, step->before(bed));
	ASSERT_EQ(0, step->call(bed));
	ASSERT_EQ(0, step->undo(bed));
	for (n = 1; injected && n < FAIL_MAX; n++) {
		ASSERT_TRUE(step->same(bed));
		injected = call_and_fail(bed, step, n, &ret);
		ASSERT_LE(0, injected);
		if (ret) {
			ASSERT_EQ(1, injected) TH_LOG("failed by itself: %d", ret);
			failures++;
			if (step->says)
				ASSERT_TRUE(step->says(ret)) TH_LOG("failure %d said %d", n, ret);
			ASSERT_TRUE(step->same(bed)) TH_LOG("after failure %d: %d", n, ret);
		} else {
			/* with something that the kernel can do without */
			ASSERT_TRUE(step->done(bed)) TH_LOG("after failure %d", n);
			ASSERT_EQ(0, step->undo(bed));
			ASSERT_TRUE(step->same(bed)) TH_LOG("undone, failure %d", n);
		}
		if (step->after)
			ASSERT_EQ(0, step->after(bed)) TH_LOG("after failure %d", n);
	}
	TH_LOG("%d failed, %d calls with them", n - 2, failures);
	ASSERT_EQ(0, injected);
	ASSERT_LE(at_least, failures);
	ASSERT_GE(at_most, failures);
}

static int nothing(struct testbed *bed) { return 0; }

/* --- what both do -------------------------------------------------------- */

static bool no_vector(struct testbed *bed) { return holds(0); }
static bool two_vectors(struct testbed *bed) { return holds(2); }
static bool all_vectors(struct testbed *bed) { return holds(bed->vectors); }
static int vectors_off(struct testbed *bed) { return irqs_off(&bed->nvme, MSIX); }

static int enable_all(struct testbed *bed)
{
	return irqs_set(&bed->nvme, MSIX, 0, bed->vectors, bed->fds);
}

static int enable_one(struct testbed *bed)
{
	return irqs_set(&bed->nvme, MSIX, 0, 1, bed->fds);
}

static int add_one(struct testbed *bed)
{
	return irqs_set(&bed->nvme, MSIX, 1, 1, &bed->fds[1]);
}

/*
 * VFIO keeps a vector that was added until all of them go, also if it fails
 * after that: trying again must not take another one.
 */
static bool one_vector(struct testbed *bed) { return holds(1) || holds(2); }

static int enable_one_again(struct testbed *bed)
{
	return irqs_off(&bed->nvme, MSIX) ?: enable_one(bed);
}

static int edu_live(struct testbed *bed)
{
	return irqs_set(&bed->edu, MSI, 0, 1, &bed->eventfd);
}

/* In whatever space, with interrupts arriving */
static bool edu_works(struct testbed *bed)
{
	return holds(1) && edu_fire(&bed->edu, bed->eventfd, 3) == 3;
}

static int replace(struct testbed *bed) { return device_replace(&bed->edu, bed->ioas); }

static int replace_back(struct testbed *bed)
{
	return device_replace(&bed->edu, bed->space.ioas);
}

#endif
