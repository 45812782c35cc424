// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes the calls that the series offers to user space, or that reach its code,
 * in short programs with arguments that tend to be interesting, by a process for
 * each device. A program that goes where none had been, by what KCOV tells, is
 * kept, and others are made from it. What must be true after a call is checked
 * as it is made. In the end every kind of call must have succeeded, nothing may
 * be left behind, and the first device must work.
 *
 * usage: fuzz CALLS SEED KEPT ADDRESS...
 *
 * KEPT is a log with the programs that an earlier run kept, or - for none. The
 * first ADDRESS is that of an edu device. PACE of the environment gives a slow
 * machine as many times longer, see lib/clock.h.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/doorbells.h"
#include "lib/edu.h"
#include "lib/events.h"
#include "lib/sys.h"
#include "lib/window.h"
#include "lib/workers.h"
#include "fuzz.h"

#define STALLED		paced(120)	/* seconds without a call */
#define ENOUGH		25000		/* calls, for each kind to succeed */
#define INTERRUPTS	10

struct fuzzer *self;

static struct fuzzer *fuzzers;
static int fuzzer_count;
static struct crew crew = { .program = "fuzz" };
static time_t begin;
static uint32_t seed;
static uint64_t wanted;

static uint64_t calls_made(void)
{
	uint64_t sum = 0;
	int i;

	for (i = 0; i < fuzzer_count; i++)
		sum += fuzzers[i].worker.steps;
	return sum;
}

/* --- a process ----------------------------------------------------------- */

void fail(const char *format, ...)
{
	va_list args;

	printf("fuzz: %s, program %" PRIu64 ": ", self->worker.name, self->programs);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	program_print();
	exit(1);
}

static void work(const char *kept)
{
	int number = self - fuzzers;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	calls_init(self->worker.name);
	cover_init(FIRST);
	corpus_init(seed, number, kept);
	while (calls_made() < wanted) {
		corpus_result(program_run(corpus_next()));
		self->programs++;
	}
	exit(0);
}

static void start(int index, const char *address, const char *kept)
{
	self = &fuzzers[index];
	if (worker_start(&crew, &self->worker, address))
		work(kept);
}

/* vfio-pci has the device, and does not reset it: that takes a tenth of a second */
static void take(const char *address)
{
	int ret = device_to_vfio(address);

	if (ret)
		errx(2, "%s cannot be given to vfio-pci: %s", address, strerror(-ret));
	ret = device_without_reset(address);
	if (ret && ret != -ENOENT)	/* it has no way to be reset */
		errx(2, "%s would be reset: %s", address, strerror(-ret));
}

/* --- all of them --------------------------------------------------------- */

static int edges_found(void)
{
	int i, j, sum = 0;

	for (j = 0; j < EDGES / 8; j++) {
		unsigned int any = 0;

		for (i = 0; i < fuzzer_count; i++)
			any |= fuzzers[i].edges[j];
		sum += __builtin_popcount(any);
	}
	return sum;
}

static uint32_t corpus_size(void)
{
	uint32_t sum = 0;
	int i;

	for (i = 0; i < fuzzer_count; i++)
		sum += fuzzers[i].corpus;
	return sum;
}

/* @seconds since the last time */
static void progress(time_t seconds)
{
	static uint64_t before;
	uint64_t calls = calls_made();

	printf("fuzz: %4ld s, %" PRIu64 " calls, %" PRIu64 " a second, corpus %u, edges %d\n",
	       now() - begin, calls, (calls - before) / (seconds ?: 1),
	       corpus_size(), edges_found());
	before = calls;
}

static void stop_all(void)
{
	int i;

	for (i = 0; i < fuzzer_count; i++)
		if (fuzzers[i].worker.pid > 0)
			kill(fuzzers[i].worker.pid, SIGKILL);
	while (wait(NULL) > 0)
		;
}

/* --- the end ------------------------------------------------------------- */

static void table_errnos(int kind)
{
	int i, j;

	for (j = 1; j < MAX_ERRNO; j++) {
		uint64_t sum = 0;

		for (i = 0; i < fuzzer_count; i++)
			sum += fuzzers[i].kinds[kind].errnos[j];
		if (sum)
			printf(" %s %" PRIu64, strerrorname_np(j), sum);
	}
	printf("\n");
}

/* Whether every kind did what it can */
static bool table(void)
{
	bool good = true;
	int kind, i;

	printf("fuzz: %-30s %9s %9s  errors\n", "call", "made", "succeeded");
	for (kind = 0; kind < kind_count; kind++) {
		uint64_t called = 0, succeeded = 0;

		for (i = 0; i < fuzzer_count; i++) {
			called += fuzzers[i].kinds[kind].called;
			succeeded += fuzzers[i].kinds[kind].succeeded;
		}
		printf("fuzz: %-30s %9" PRIu64 " %9" PRIu64 " ", kinds[kind].name,
		       called, succeeded);
		table_errnos(kind);
		if (kinds[kind].never ? succeeded :
		    !succeeded && calls_made() >= ENOUGH) {
			printf("fuzz: %s %s\n", kinds[kind].name, succeeded ?
			       "succeeded, which it never can" : "never succeeded");
			good = false;
		}
	}
	return good;
}

static bool works(enum backend backend)
{
	int fd = event_new(), ret, arrived = 0;
	const char *name = backend == TYPE1 ? "type1" : "iommufd";
	struct device dev = { .fd = -1, .group = -1 };
	struct space space = { .fd = -1 };
	struct window window = {};

	ret = fd < 0 ? fd : 0;
	ret = ret ?: space_open(&space, backend) ?: edu_open(&dev, &space) ?:
	      window_query(&space, &window) ?: irqs_set(&dev, MSI, 0, 1, &fd);
	if (!ret)
		arrived = edu_fire(&dev, fd, INTERRUPTS);
	device_close(&dev);
	space_close(&space);
	if (fd >= 0)
		close(fd);
	printf("fuzz: afterwards, %s: %s, window %#" PRIx64 "-%#" PRIx64
	       ", %d of %d interrupts\n", name, ret ? strerror(-ret) : "attached",
	       window.start, window.last, arrived, INTERRUPTS);
	return !ret && arrived == INTERRUPTS && window.start == 0x8000000 &&
	       window.last == 0x80fffff && !(window.flags & WINDOW_USER);
}

static bool clean(void)
{
	bool good = true;

	setenv("EDU", fuzzers[0].worker.name, 1);
	good &= nothing_left("fuzz:");
	good &= works(TYPE1);
	good &= works(IOMMUFD);
	good &= nothing_left("fuzz:");
	return good;
}

/* Both threads, of one process at least; few calls may have no two at once */
static bool traced(void)
{
	static const char * const names[THREADS] = { "first", "second" };
	uint64_t sums[THREADS] = {};
	bool good = true;
	int i, j;

	for (i = 0; i < fuzzer_count; i++)
		for (j = 0; j < THREADS; j++)
			sums[j] += fuzzers[i].traced[j];
	for (j = 0; j < THREADS; j++) {
		printf("fuzz: KCOV has traced %" PRIu64 " places in calls of a %s thread\n",
		       sums[j], names[j]);
		good &= sums[j] || (j && calls_made() < ENOUGH);
	}
	return good;
}

static int verdict(bool good)
{
	int i;

	good &= table();
	for (i = 0; i < fuzzer_count; i++)
		printf("fuzz: %s: %" PRIu64 " calls, %" PRIu64 " programs, corpus %u\n",
		       fuzzers[i].worker.name, fuzzers[i].worker.steps, fuzzers[i].programs,
		       fuzzers[i].corpus);
	good &= traced();
	good &= clean();
	printf("fuzz: %" PRIu64 " calls in %ld s, corpus %u, edges %d, seed %u: %s\n",
	       calls_made(), now() - begin, corpus_size(), edges_found(), seed,
	       good ? "passed" : "failed");
	return !good;
}

int main(int argc, char **argv)
{
	const char *kept;
	bool good;
	int i;

	if (argc < 5 || argc - 4 > MAX_WORKERS)
		errx(2, "usage: fuzz CALLS SEED KEPT ADDRESS..., at most %d of them",
		     MAX_WORKERS);
	setvbuf(stdout, NULL, _IOLBF, 0);
	wanted = strtoull(argv[1], NULL, 0);
	seed = strtoul(argv[2], NULL, 0);
	kept = strcmp(argv[3], "-") ? argv[3] : NULL;
	fuzzers = memory_new(sizeof(*fuzzers) * MAX_WORKERS);
	if (!fuzzers)
		errx(1, "no memory");
	printf("fuzz: seed %u, %" PRIu64 " calls\n", seed, wanted);
	fuzzer_count = argc - 4;
	for (i = 0; i < fuzzer_count; i++)
		take(argv[4 + i]);
	begin = now();
	for (i = 0; i < fuzzer_count; i++)
		start(i, argv[4 + i], kept);
	crew.patience = STALLED;
	crew.progress = progress;
	good = crew_wait(&crew);
	stop_all();
	return verdict(good);
}
