// SPDX-License-Identifier: GPL-2.0-only
/*
 * What VFIO_DEVICE_SET_IRQS costs for an MSI-X device.
 *
 * usage: irqs_bench vectors RUNS DEVICE COUNT...
 *        irqs_bench parallel RUNS VECTORS DEVICE...
 *        irqs_bench churn VECTORS [DEVICE...]
 *        irqs_bench memory DEVICE VECTORS
 *
 * Churn says so when all devices have begun, and goes on until it is killed. The
 * others print medians, a line each:
 *
 *	bench vfio enable|disable <vectors> <nanoseconds altogether>
 *	bench vfio-parallel floor|vfio <threads> <operations a second altogether>
 *	bench memory vector 0 <bytes>
 */
#define _GNU_SOURCE
#include <err.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/resource.h>

#include "lib/clock.h"
#include "lib/events.h"
#include "lib/vfio.h"

#define MAX_VECTORS	2048
#define MAX_RUNS	63
#define MAX_THREADS	4
#define MAX_OWNERS	16
#define REPEAT		2	/* enables and disables of a thread in a run */

struct subject {
	struct space space;
	struct device dev;
	int *fds;
};

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t median(uint64_t *values, int count)
{
	qsort(values, count, sizeof(*values), compare);
	return values[count / 2];
}

static int number(const char *text, int max)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*end || n < 1 || n > max)
		errx(2, "'%s' is not a number from 1 to %d", text, max);
	return n;
}

/* ret is a negative errno, as what lib/ returns */
static void must(int ret, const char *what)
{
	if (ret < 0)
		errx(1, "%s: %s", what, strerror(-ret));
}

static void subject_open(struct subject *subject, const char *device, int vectors)
{
	must(device_to_vfio(device), device);
	must(space_open(&subject->space, TYPE1), "container");
	must(device_open(&subject->dev, &subject->space, device), device);
	must(device_enable(&subject->dev), device);
	subject->fds = calloc(vectors, sizeof(int));
	if (!subject->fds)
		err(1, "memory");
	must(events_open(subject->fds, vectors), "eventfd");
}

static void subject_close(struct subject *subject, int vectors)
{
	device_close(&subject->dev);
	space_close(&subject->space);
	events_close(subject->fds, vectors);
	free(subject->fds);
}

static void enable(struct subject *subject, int vectors)
{
	must(irqs_set(&subject->dev, MSIX, 0, vectors, subject->fds), "enabling");
}

static void disable(struct subject *subject)
{
	must(irqs_off(&subject->dev, MSIX), "disabling");
}

/* --- one device ---------------------------------------------------------- */

static void measure_vectors(struct subject *subject, int runs, int vectors)
{
	uint64_t on[MAX_RUNS], off[MAX_RUNS], start, middle;
	int i;

	/* The first time is not like the others: tables grow */
	enable(subject, vectors);
	disable(subject);
	for (i = 0; i < runs; i++) {
		start = now_ns();
		enable(subject, vectors);
		middle = now_ns();
		disable(subject);
		off[i] = now_ns() - middle;
		on[i] = middle - start;
	}
	printf("bench vfio enable %d %" PRIu64 "\n", vectors, median(on, runs));
	printf("bench vfio disable %d %" PRIu64 "\n", vectors, median(off, runs));
}

static void bench_vectors(int argc, char **argv)
{
	int runs = number(argv[0], MAX_RUNS), i;
	struct subject subject;

	subject_open(&subject, argv[1], MAX_VECTORS);
	for (i = 2; i < argc; i++)
		measure_vectors(&subject, runs, number(argv[i], MAX_VECTORS));
	subject_close(&subject, MAX_VECTORS);
}

/* --- many at once -------------------------------------------------------- */

static struct worker {
	struct subject subject;
	pthread_t thread;
	int cpu;
	bool floor;
} workers[MAX_THREADS];
static pthread_barrier_t barrier;
static int parallel_vectors;

static void compute(void)
{
	volatile unsigned int n = 0;

	while (n < 2000000)
		n++;
}

static void *work(void *data)
{
	struct worker *worker = data;
	cpu_set_t cpus;
	int i;

	CPU_ZERO(&cpus);
	CPU_SET(worker->cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		err(1, "CPU %d", worker->cpu);
	pthread_barrier_wait(&barrier);
	for (i = 0; i < REPEAT; i++) {
		if (worker->floor) {
			compute();
		} else {
			enable(&worker->subject, parallel_vectors);
			disable(&worker->subject);
		}
	}
	pthread_barrier_wait(&barrier);
	return NULL;
}

static uint64_t run_parallel(int threads, bool floor)
{
	uint64_t start;
	int i;

	if (pthread_barrier_init(&barrier, NULL, threads + 1))
		errx(1, "barrier");
	for (i = 0; i < threads; i++) {
		workers[i].cpu = i;
		workers[i].floor = floor;
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			errx(1, "thread");
	}
	pthread_barrier_wait(&barrier);
	start = now_ns();
	pthread_barrier_wait(&barrier);
	start = now_ns() - start;
	for (i = 0; i < threads; i++)
		pthread_join(workers[i].thread, NULL);
	pthread_barrier_destroy(&barrier);
	return start;
}

static void measure_parallel(int runs, int threads, bool floor)
{
	uint64_t ns[MAX_RUNS], operations;
	int i;

	for (i = 0; i < runs; i++)
		ns[i] = run_parallel(threads, floor);
	operations = (uint64_t)threads * REPEAT * (floor ? 1000 : parallel_vectors);
	printf("bench vfio-parallel %s %d %" PRIu64 "\n",
	       floor ? "floor" : "vfio", threads,
	       operations * 1000000000 / median(ns, runs));
}

static void bench_parallel(int argc, char **argv)
{
	int runs = number(argv[0], MAX_RUNS), threads, i;
	int devices = argc - 2;

	if (devices > MAX_THREADS)
		errx(2, "at most %d devices", MAX_THREADS);
	parallel_vectors = number(argv[1], MAX_VECTORS);
	for (i = 0; i < devices; i++)
		subject_open(&workers[i].subject, argv[2 + i], parallel_vectors);
	for (threads = 1; threads <= devices; threads *= 2) {
		measure_parallel(runs, threads, true);
		measure_parallel(runs, threads, false);
	}
	for (i = 0; i < devices; i++)
		subject_close(&workers[i].subject, parallel_vectors);
}

/* --- in the way of somebody else ------------------------------------------ */

static void *churn(void *subject)
{
	enable(subject, parallel_vectors);
	pthread_barrier_wait(&barrier);
	for (;;) {
		disable(subject);
		enable(subject, parallel_vectors);
	}
	return NULL;
}

static void bench_churn(int argc, char **argv)
{
	static struct subject owners[MAX_OWNERS];
	pthread_t thread;
	int i;

	if (argc - 1 > MAX_OWNERS)
		errx(2, "at most %d devices", MAX_OWNERS);
	parallel_vectors = number(argv[0], MAX_VECTORS);
	if (pthread_barrier_init(&barrier, NULL, argc))
		errx(1, "barrier");
	for (i = 0; i < argc - 1; i++) {
		subject_open(&owners[i], argv[1 + i], parallel_vectors);
		if (pthread_create(&thread, NULL, churn, &owners[i]))
			errx(1, "thread");
	}
	pthread_barrier_wait(&barrier);
	printf("churn: %d devices\n", argc - 1);
	pause();
}

/* --- memory -------------------------------------------------------------- */

/* The kernel's counters are right when their worker has come by */
static long slab_kilobytes(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	char line[128];
	long slab = -1;

	if (!file)
		err(1, "/proc/meminfo");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "Slab: %ld", &slab) == 1)
			break;
	fclose(file);
	return slab;
}

static long settled_slab_kilobytes(void)
{
	sleep(3);
	return slab_kilobytes();
}

static void bench_memory(char **argv)
{
	int vectors = number(argv[1], MAX_VECTORS);
	struct subject subject;
	long before;

	subject_open(&subject, argv[0], vectors);
	enable(&subject, 1);
	before = settled_slab_kilobytes();
	disable(&subject);
	enable(&subject, vectors);
	printf("bench memory vector 0 %ld\n",
	       (settled_slab_kilobytes() - before) * 1024 / vectors);
	disable(&subject);
	subject_close(&subject, vectors);
}

int main(int argc, char **argv)
{
	struct rlimit files = { 65536, 65536 };

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (setrlimit(RLIMIT_NOFILE, &files))
		err(1, "open files");
	if (argc > 4 && !strcmp(argv[1], "vectors"))
		bench_vectors(argc - 2, argv + 2);
	else if (argc > 4 && !strcmp(argv[1], "parallel"))
		bench_parallel(argc - 2, argv + 2);
	else if (argc > 2 && !strcmp(argv[1], "churn"))
		bench_churn(argc - 2, argv + 2);
	else if (argc == 4 && !strcmp(argv[1], "memory"))
		bench_memory(argv + 2);
	else
		errx(2, "usage: irqs_bench vectors RUNS DEVICE COUNT... | parallel RUNS VECTORS DEVICE... | churn VECTORS [DEVICE...] | memory DEVICE VECTORS");
	return 0;
}
