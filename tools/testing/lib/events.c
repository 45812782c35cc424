// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "events.h"

int event_new(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int events_open(int *fds, int count)
{
	int i;

	for (i = 0; i < count; i++) {
		fds[i] = event_new();
		if (fds[i] < 0) {
			events_close(fds, i);
			return fds[i];
		}
	}
	return 0;
}

void events_close(const int *fds, int count)
{
	while (count--)
		close(fds[count]);
}

uint64_t event_wait(int fd, int milliseconds)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	uint64_t value = 0;

	if (poll(&poll_fd, 1, paced(milliseconds)) <= 0)
		return 0;
	return read(fd, &value, sizeof(value)) == sizeof(value) ? value : 0;
}

/*
 * To run on a CPU, in user space, is to have let it take its interrupts. Also on
 * those that this process is usually kept from; not on one that is offline.
 */
void interrupts_settle(void)
{
	int cpu, cpus = sysconf(_SC_NPROCESSORS_CONF);
	cpu_set_t before, one;

	if (sched_getaffinity(0, sizeof(before), &before))
		return;
	for (cpu = 0; cpu < cpus && cpu < CPU_SETSIZE; cpu++) {
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		sched_setaffinity(0, sizeof(one), &one);
	}
	sched_setaffinity(0, sizeof(before), &before);
}

long interrupts_count(const char *name)
{
	FILE *file = fopen("/proc/interrupts", "re");
	long sum = -ENOENT;
	char line[512];

	while (file && fgets(line, sizeof(line), file)) {
		char *at = strchr(line, ':'), *end;

		if (!at || !strstr(line, name))
			continue;
		for (at++, sum = sum < 0 ? 0 : sum;; at = end) {
			long n = strtol(at, &end, 10);

			if (end == at)
				break;
			sum += n;
		}
	}
	if (file)
		fclose(file);
	return sum;
}
