// SPDX-License-Identifier: GPL-2.0-only
/*
 * A user-space driver of QEMU's edu device and an NVMe disk, behind an SMMUv1 or v2
 * whose registers are memory. It sets windows, enables vectors, and after each step
 * has the walker (lib/walker.h) tell where the messages of each device lead. Nothing
 * is translated: it has edu raise interrupts where a window has the doorbell at the
 * doorbell's own address, and counts those that arrive. Once by VFIO type1, once by
 * iommufd.
 *
 * Each line on standard output is for smmu-report. What is not as it should be is
 * said, and no error: status 1 is for what keeps the demo from being run at all.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/doorbells.h"
#include "lib/edu.h"
#include "lib/events.h"
#include "lib/nvme.h"
#include "lib/walker.h"
#include "lib/window.h"

#define ELSEWHERE	0x10000000ULL
#define OWN_SIZE	0x20000ULL	/* two pages of 64K */
#define VECTORS		4	/* of the disk */
#define RAISES		100

struct demo {
	const char *name;	/* of the way to the devices */
	struct walker walker;
	struct space space, second;
	struct device edu, nvme;
	uint64_t own;		/* the first byte of the doorbell's 64K */
	int eventfd, fds[VECTORS];
};

static const char *result(int ret)
{
	return ret ? strerrorname_np(-ret) : "ok";
}

static int failed(const struct demo *demo, const char *what, int ret)
{
	if (ret)
		printf("demo: error %s: %s: %s\n", demo->name, what, strerror(-ret));
	return ret;
}

/* --- steps --------------------------------------------------------------- */

/* What the walker says of one device and its window, which starts at @start */
static void say_walk(struct demo *demo, const char *step, const char *bdf,
		     uint64_t start, uint64_t size)
{
	struct walker *walker = &demo->walker;
	const struct smmu_stream *stream = &walker->stream;
	const struct smmu_walk *walk = &walker->walk;
	bool right = walker_check(walker, bdf, NULL, start, start + size - 1);

	printf("demo: walk %s %s %s %#x %d %d %d %d ", demo->name, step, bdf, stream->id,
	       stream->smr, stream->bank, stream->stage, walker->vectors);
	if (walker->vectors)
		printf("%#" PRIx64 " %#" PRIx64 " %s%s%s %s:%#x %#" PRIx64,
		       walker->message, walk->pa, walk->read ? "r" : "-",
		       walk->write ? "w" : "-", walk->execute ? "x" : "-",
		       walk->device ? "device" : "normal", walk->attributes, walk->size);
	else
		printf("- - - - -");
	printf(" %d %d %s\n", walker->pages - walker->mapped, walker->faults,
	       right ? "ok" : walker->wrong);
}

static void say_edu(struct demo *demo, const char *step, uint64_t start, uint64_t size)
{
	say_walk(demo, step, edu_address(), start, size);
}

static void say_both(struct demo *demo, const char *step, uint64_t start, uint64_t size)
{
	say_edu(demo, step, start, size);
	say_walk(demo, step, nvme_address(), start, size);
}

static void raise_interrupts(struct demo *demo, const char *step)
{
	printf("demo: interrupts %s %s %d %d\n", demo->name, step, RAISES,
	       edu_fire(&demo->edu, demo->eventfd, RAISES));
}

static void set_window(struct demo *demo, const char *step, struct space *space,
		       uint64_t start, uint64_t size)
{
	int ret = window_set(space, start, size);

	printf("demo: set %s %s %#" PRIx64 " %#" PRIx64 " %s\n", demo->name, step, start,
	       start + size - 1, result(ret));
}

static int vectors_on(struct demo *demo)
{
	int ret = irqs_set(&demo->edu, MSI, 0, 1, &demo->eventfd) ?:
		  irqs_set(&demo->nvme, MSIX, 0, VECTORS, demo->fds);

	return failed(demo, "enabling vectors", ret);
}

static int vectors_off(struct demo *demo)
{
	int ret = irqs_off(&demo->edu, MSI) ?: irqs_off(&demo->nvme, MSIX);

	return failed(demo, "disabling vectors", ret);
}

/* --- a run ---------------------------------------------------------------- */

static int demo_open(struct demo *demo, enum backend backend)
{
	demo->eventfd = event_new();
	demo->own = demo->walker.doorbell & ~(OWN_SIZE / 2 - 1);
	demo->nvme.fd = -1;
	demo->nvme.group = -1;
	return events_open(demo->fds, VECTORS) ?:
	       space_open(&demo->space, backend) ?:
	       space_open(&demo->second, backend) ?:
	       edu_open(&demo->edu, &demo->space) ?:
	       device_start(&demo->nvme, &demo->space, nvme_address());
}

static void demo_close(struct demo *demo)
{
	device_close(&demo->edu);
	device_close(&demo->nvme);
	space_close(&demo->space);
	space_close(&demo->second);
	events_close(demo->fds, VECTORS);
	close(demo->eventfd);
}

static int one_domain(struct demo *demo)
{
	set_window(demo, "own", &demo->space, demo->own, OWN_SIZE);
	if (vectors_on(demo))
		return -1;
	say_both(demo, "own", demo->own, OWN_SIZE);
	raise_interrupts(demo, "own");
	set_window(demo, "live", &demo->space, ELSEWHERE, MIB);
	say_both(demo, "live", demo->own, OWN_SIZE);
	if (vectors_off(demo))
		return -1;
	say_both(demo, "off", demo->own, OWN_SIZE);
	set_window(demo, "moved", &demo->space, ELSEWHERE, MIB);
	if (vectors_on(demo))
		return -1;
	say_both(demo, "moved", ELSEWHERE, MIB);
	return vectors_off(demo);
}

/* The disk goes to a domain of its own, whose window stays elsewhere */
static int two_domains(struct demo *demo)
{
	int ret;

	device_close(&demo->nvme);
	ret = device_start(&demo->nvme, &demo->second, nvme_address());
	if (failed(demo, "opening the disk", ret))
		return ret;
	set_window(demo, "two", &demo->space, demo->own, OWN_SIZE);
	set_window(demo, "two", &demo->second, ELSEWHERE, MIB);
	if (vectors_on(demo))
		return -1;
	say_edu(demo, "two", demo->own, OWN_SIZE);
	say_walk(demo, "two", nvme_address(), ELSEWHERE, MIB);
	raise_interrupts(demo, "two");
	return 0;
}

/* Of edu, with its vector live, within one iommufd file */
static int other_domains(struct demo *demo)
{
	struct space other = demo->space;
	int ret = space_add_ioas(&demo->space, &other.ioas);

	if (failed(demo, "another IOAS", ret))
		return ret;
	set_window(demo, "replaced", &other, demo->own, OWN_SIZE);
	ret = device_replace(&demo->edu, other.ioas);
	if (failed(demo, "replacing the domain", ret))
		return ret;
	say_edu(demo, "replaced", demo->own, OWN_SIZE);
	raise_interrupts(demo, "replaced");

	ret = device_detach(&demo->edu);
	if (failed(demo, "detaching", ret))
		return ret;
	say_edu(demo, "detached", demo->own, OWN_SIZE);
	ret = device_replace(&demo->edu, demo->space.ioas);
	if (failed(demo, "attaching", ret))
		return ret;
	say_edu(demo, "attached", demo->own, OWN_SIZE);
	raise_interrupts(demo, "attached");
	return 0;
}

static int run(const char *name, enum backend backend)
{
	struct demo demo = { .name = name };
	int ret = walker_open(&demo.walker) ?: demo_open(&demo, backend);

	if (failed(&demo, "opening the devices", ret))
		return ret;
	ret = one_domain(&demo) ?: two_domains(&demo) ?:
	      (backend == IOMMUFD ? other_domains(&demo) : 0) ?: vectors_off(&demo);
	demo_close(&demo);
	walker_close(&demo.walker);
	printf("demo: left %s %d\n", name, doorbells_count());
	return ret;
}

int main(void)
{
	int ret = device_to_vfio(edu_address()) ?: device_to_vfio(nvme_address());

	if (ret) {
		printf("demo: error vfio-pci does not take the devices: %s\n", strerror(-ret));
		return 1;
	}
	return run("type1", TYPE1) || run("iommufd", IOMMUFD);
}
