/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Something that an operation needs fails the first time, the second time, and
 * so on until none is left to fail. Included by the tests that do this, after
 * kselftest_harness.h.
 *
 * The environment may have NVME, the address of an NVMe disk with a few
 * vectors; EDU; and VECTORS, how many of them it is given.
 */
#ifndef IOMMU_MSI_SWEEP_H
#define IOMMU_MSI_SWEEP_H

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
#define SWEEP_MAX	5000

struct machine {
	struct space space;
	struct device edu, nvme;
	uint32_t ioas;		/* another one, of iommufd */
	int vectors, eventfd;
	int fds[MAX_VECTORS];
	int fail_nth, make_it_fail;
	bool all;		/* that follow the n-th fail, too */
};

/*
 * Everything that is not @call itself is done without faults. @same must hold
 * before the call, and after it when it has failed or been undone.
 */
struct step {
	int (*before)(struct machine *m);
	int (*call)(struct machine *m);
	bool (*done)(struct machine *m);	/* as it must be after success */
	int (*undo)(struct machine *m);
	bool (*same)(struct machine *m);
	int (*after)(struct machine *m);
	bool (*says)(int error);		/* what a failure must say */
};

/* The @n-th one from now on is to fail; 0 or a negative errno */
static int fail_arm(struct machine *m, int n);
/* Whether there were so many, or a negative errno; none fails any more */
static int fail_disarm(struct machine *m);

static int machine_open(struct machine *m, enum backend backend)
{
	int ret;

	m->vectors = atoi(getenv("VECTORS") ?: "8");
	if (m->vectors > MAX_VECTORS)
		return -E2BIG;
	ret = events_open(m->fds, m->vectors) ?: events_open(&m->eventfd, 1);
	return ret ?: device_to_vfio(edu_address()) ?: device_to_vfio(NVME) ?:
	       space_open(&m->space, backend) ?:
	       edu_open(&m->edu, &m->space) ?:
	       device_open(&m->nvme, &m->space, NVME) ?:
	       (backend == IOMMUFD ? space_add_ioas(&m->space, &m->ioas) : 0);
}

static void machine_close(struct machine *m)
{
	device_close(&m->nvme);
	device_close(&m->edu);
	space_close(&m->space);
	events_close(m->fds, m->vectors);
	close(m->eventfd);
}

/*
 * One doorbell, with @refs references; none with 0. Of a kernel that keeps no
 * account of them, told so by DOORBELLS=0, nothing is known.
 */
static bool holds(unsigned int refs)
{
	struct doorbells d;
	int ret = doorbells_read(&d);

	if (ret == -ENOENT)
		return !translated(1);
	return !ret && d.count == translated(!!refs) &&
	       d.refs == (uint64_t)translated(refs);
}

/* Makes the call with the @n-th one failing; what the call says in @ret */
static int call_and_fail(struct machine *m, const struct step *step, int n, int *ret)
{
	int error = fail_arm(m, n);

	if (error)
		return error;
	*ret = step->call(m);
	return fail_disarm(m);
}

/* How often the call must fail before nothing that it needs is left to fail */
static void sweep(struct __test_metadata *_metadata, struct machine *m,
		  const struct step *step, int at_least, int at_most)
{
	int n, ret = 0, injected = 1, failures = 0;

	/* What is kept from the first time on is not for a failure to undo */
	ASSERT_EQ(0, step->before(m));
	ASSERT_EQ(0, step->call(m));
	ASSERT_EQ(0, step->undo(m));
	for (n = 1; injected && n < SWEEP_MAX; n++) {
		ASSERT_TRUE(step->same(m));
		injected = call_and_fail(m, step, n, &ret);
		ASSERT_LE(0, injected);
		if (ret) {
			ASSERT_EQ(1, injected) TH_LOG("failed by itself: %d", ret);
			failures++;
			if (step->says)
				ASSERT_TRUE(step->says(ret)) TH_LOG("failure %d said %d", n, ret);
			ASSERT_TRUE(step->same(m)) TH_LOG("after failure %d: %d", n, ret);
		} else {
			/* with something that the kernel can do without */
			ASSERT_TRUE(step->done(m)) TH_LOG("after failure %d", n);
			ASSERT_EQ(0, step->undo(m));
			ASSERT_TRUE(step->same(m)) TH_LOG("undone, failure %d", n);
		}
		if (step->after)
			ASSERT_EQ(0, step->after(m)) TH_LOG("after failure %d", n);
	}
	TH_LOG("%d failed, %d calls with them", n - 2, failures);
	ASSERT_EQ(0, injected);
	ASSERT_LE(at_least, failures);
	ASSERT_GE(at_most, failures);
}

static int nothing(struct machine *m) { return 0; }

/* --- what both do -------------------------------------------------------- */

static bool no_vector(struct machine *m) { return holds(0); }
static bool two_vectors(struct machine *m) { return holds(2); }
static bool all_vectors(struct machine *m) { return holds(m->vectors); }
static int vectors_off(struct machine *m) { return irqs_off(&m->nvme, MSIX); }

static int enable_all(struct machine *m)
{
	return irqs_set(&m->nvme, MSIX, 0, m->vectors, m->fds);
}

static int enable_one(struct machine *m)
{
	return irqs_set(&m->nvme, MSIX, 0, 1, m->fds);
}

static int add_one(struct machine *m)
{
	return irqs_set(&m->nvme, MSIX, 1, 1, &m->fds[1]);
}

/*
 * VFIO keeps a vector that was added until all of them go, also if it fails
 * after that: trying again must not take another one.
 */
static bool one_vector(struct machine *m) { return holds(1) || holds(2); }

static int enable_one_again(struct machine *m)
{
	return irqs_off(&m->nvme, MSIX) ?: enable_one(m);
}

static int edu_live(struct machine *m)
{
	return irqs_set(&m->edu, MSI, 0, 1, &m->eventfd);
}

/* In whatever space, with interrupts arriving */
static bool edu_works(struct machine *m)
{
	return holds(1) && edu_fire(&m->edu, m->eventfd, 3) == 3;
}

static int replace(struct machine *m) { return device_replace(&m->edu, m->ioas); }

static int replace_back(struct machine *m)
{
	return device_replace(&m->edu, m->space.ioas);
}

#endif
