// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: window-demo FIRST LAST
 *
 * A user-space driver of QEMU's edu device that owns the MSI window: it moves
 * the window to FIRST-LAST, maps its memory where the window was by default,
 * has the device copy through that memory, and takes the device's interrupts.
 * Once by VFIO type1, once by iommufd.
 *
 * Each line on standard output is for window-report, each on standard error
 * tells where it is. What the kernel refuses is said, and no error: status 1
 * is for what keeps the demo from being run at all.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/doorbells.h"
#include "lib/edu.h"
#include "lib/events.h"
#include "lib/window.h"

#define EDU		"0000:00:02.0"
#define EDU_DMA_SRC	0x80
#define EDU_DMA_DST	0x88
#define EDU_DMA_COUNT	0x90
#define EDU_DMA_CMD	0x98
#define  EDU_DMA_RUN		0x1
#define  EDU_DMA_TO_MEMORY	0x2
#define  EDU_DMA_INTERRUPT	0x4
#define EDU_DMA_STATUS	0x100	/* in what EDU_ACK takes */
#define EDU_BUFFER	0x40000	/* its address as the DMA engine sees it */

#define RAISES		100
#define BLOCKS		8
#define BLOCK_SIZE	2048	/* edu refuses one that fills its buffer */
#define PATIENCE_MS	5000

/* Both inclusive */
struct range {
	uint64_t first, last;
};

/* The window that Linux proposes by default; this program's memory goes there */
static const struct range memory_iova = { 0x8000000, 0x80fffff };

struct driver {
	const char *name;
	struct space space;
	struct device dev;
	int eventfd;
	uint8_t *memory;
	int sent;
	uint64_t received;
};

static uint64_t range_size(struct range range)
{
	return range.last - range.first + 1;
}

/* One line of the report */
static void say(const struct driver *drv, const char *format, ...)
{
	va_list args;

	printf("demo: %s ", drv->name);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

static void say_range(const struct driver *drv, const char *what,
		      struct range range, const char *how)
{
	say(drv, "%s 0x%016" PRIx64 " 0x%016" PRIx64 " %s", what, range.first,
	    range.last, how);
}

static const char *result(int ret)
{
	return ret ? strerrorname_np(-ret) : "ok";
}

static int failed(const struct driver *drv, const char *what, int ret)
{
	printf("demo: error %s: %s: %s\n", drv->name, what, strerror(-ret));
	return ret;
}

static void say_window(struct driver *drv, const char *when)
{
	struct window window;
	int ret = window_query(&drv->space, &window);

	if (ret)
		say(drv, "%s - - %s", when, result(ret));
	else
		say_range(drv, when, (struct range) { window.start, window.last }, "ok");
}

/* --- the device --------------------------------------------------------- */

static void write64(struct driver *drv, int at, uint64_t value)
{
	*(volatile uint64_t *)((volatile uint8_t *)drv->dev.bar + at) = value;
}

/* One interrupt was asked for: did it come? */
static bool interrupted(struct driver *drv)
{
	uint64_t arrived = event_wait(drv->eventfd, PATIENCE_MS);

	drv->sent++;
	drv->received += arrived;
	return arrived;
}

static void raise_interrupts(struct driver *drv)
{
	bool arrived = true;
	int i;

	for (i = 0; i < RAISES && arrived; i++) {
		edu_write(&drv->dev, EDU_RAISE, 1);
		arrived = interrupted(drv);
		edu_write(&drv->dev, EDU_ACK, 1);
	}
}

/* Its end is told by an interrupt alone: without one the copying stops. */
static bool dma(struct driver *drv, uint64_t from, uint64_t to, uint64_t cmd)
{
	bool arrived;

	write64(drv, EDU_DMA_SRC, from);
	write64(drv, EDU_DMA_DST, to);
	write64(drv, EDU_DMA_COUNT, BLOCK_SIZE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	write64(drv, EDU_DMA_CMD, cmd | EDU_DMA_RUN | EDU_DMA_INTERRUPT);
	arrived = interrupted(drv);
	edu_write(&drv->dev, EDU_ACK, EDU_DMA_STATUS);
	return arrived;
}

/* --- copying ------------------------------------------------------------ */

/*
 * Sources are in the first half of the memory, the first of them at its first
 * byte; destinations in the second half, the last of them up to its last byte.
 */
static uint64_t stride(void)
{
	return range_size(memory_iova) / 2 / BLOCKS;
}

static uint64_t source(int block)
{
	return block * stride();
}

static uint64_t destination(int block)
{
	return (BLOCKS + block + 1) * stride() - BLOCK_SIZE;
}

static void fill(uint8_t *memory)
{
	uint32_t state = 1;
	uint64_t i;

	for (i = 0; i < range_size(memory_iova) / 2; i++) {
		state = state * 1664525 + 1013904223;
		memory[i] = state >> 24;
	}
}

static void copy(struct driver *drv)
{
	int i;

	for (i = 0; i < BLOCKS; i++)
		if (!dma(drv, memory_iova.first + source(i), EDU_BUFFER, 0) ||
		    !dma(drv, EDU_BUFFER, memory_iova.first + destination(i),
			 EDU_DMA_TO_MEMORY))
			return;
}

/* Bytes of the blocks that are right, and bytes that no DMA was to change */
static void say_bytes(const struct driver *drv)
{
	uint64_t size = range_size(memory_iova), right = 0, stray = 0, i;
	uint8_t *expected = calloc(1, size), *is_copy = calloc(1, size);
	int block;

	if (!expected || !is_copy) {
		failed(drv, "memory", -ENOMEM);
		goto out;
	}
	fill(expected);
	for (block = 0; block < BLOCKS; block++) {
		memcpy(expected + destination(block), expected + source(block),
		       BLOCK_SIZE);
		memset(is_copy + destination(block), 1, BLOCK_SIZE);
	}
	for (i = 0; i < size; i++) {
		bool same = drv->memory[i] == expected[i];

		right += same && is_copy[i];
		stray += !same && !is_copy[i];
	}
	say(drv, "bytes %" PRIu64 " %d %" PRIu64, right, BLOCKS * BLOCK_SIZE,
	    stray);
out:
	free(expected);
	free(is_copy);
}

/* --- a run -------------------------------------------------------------- */

static int driver_open(struct driver *drv)
{
	drv->eventfd = event_new();
	drv->memory = mmap(NULL, range_size(memory_iova), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (drv->eventfd < 0 || drv->memory == MAP_FAILED)
		return -errno;
	fill(drv->memory);
	return space_open(&drv->space, drv->space.backend) ?:
	       device_start(&drv->dev, &drv->space, EDU);
}

static void driver_close(struct driver *drv)
{
	device_close(&drv->dev);
	space_close(&drv->space);
	close(drv->eventfd);
	munmap(drv->memory, range_size(memory_iova));
}

static void say_doorbells(const struct driver *drv, const char *when)
{
	struct doorbells d;
	int i, ret = doorbells_read(&d);

	if (ret) {
		say(drv, "%s - %s", when, result(ret));
		return;
	}
	for (i = 0; i < d.count; i++)
		say(drv, "doorbell 0x%016" PRIx64 " 0x%016" PRIx64 " 0x%" PRIx64
		    " %" PRIu64, d.at[i].pa, d.at[i].iova, d.at[i].size,
		    d.at[i].refs);
	say(drv, "%s %d ok", when, d.count);
}

static int work(struct driver *drv)
{
	int ret = irqs_set(&drv->dev, MSI, 0, 1, &drv->eventfd);

	say(drv, "vector %s", result(ret));
	if (ret)
		return 0;
	raise_interrupts(drv);
	copy(drv);
	say_bytes(drv);
	drv->received += event_wait(drv->eventfd, 0);
	say(drv, "interrupts %d %" PRIu64, drv->sent, drv->received);
	say_doorbells(drv, "live");
	ret = irqs_off(&drv->dev, MSI);
	return ret ? failed(drv, "switching interrupts off", ret) : 0;
}

static int run(struct driver *drv, struct range window)
{
	int set, map, ret = driver_open(drv);

	if (ret)
		return failed(drv, "opening " EDU, ret);
	say_window(drv, "before");
	set = window_set(&drv->space, window.first, range_size(window));
	say_range(drv, "set", window, result(set));
	say_window(drv, "after");
	map = space_map(&drv->space, drv->memory, memory_iova.first,
			range_size(memory_iova));
	say_range(drv, "map", memory_iova, result(map));
	if (!set && !map)
		ret = work(drv);
	driver_close(drv);
	say_doorbells(drv, "left");
	fprintf(stderr, "demo: step driver through %s has ended\n", drv->name);
	return ret;
}

static bool parse(const char *text, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 0);
	return !errno && *text && !*end;
}

int main(int argc, char **argv)
{
	struct driver type1 = { .name = "type1", .space.backend = TYPE1 };
	struct driver iommufd = { .name = "iommufd", .space.backend = IOMMUFD };
	struct range window;

	if (argc != 3 || !parse(argv[1], &window.first) ||
	    !parse(argv[2], &window.last) || window.first > window.last) {
		fputs("usage: window-demo FIRST LAST\n", stderr);
		return 2;
	}
	return run(&type1, window) || run(&iommufd, window);
}
