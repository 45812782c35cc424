// SPDX-License-Identifier: GPL-2.0-only
#include <err.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/kcov.h>

#include "fuzz.h"

#define AREA	(1UL << 16)	/* words */

static struct {
	uint64_t *area;		/* a count, and as many addresses */
	uint64_t count;		/* when the calls had been made */
} covers[THREADS];

/* KCOV traces the thread that says so */
void cover_init(enum thread thread)
{
	uint64_t *area;
	int fd = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		err(1, "/sys/kernel/debug/kcov: a kernel with CONFIG_KCOV is needed");
	if (ioctl(fd, KCOV_INIT_TRACE, AREA))
		err(1, "KCOV_INIT_TRACE");
	area = mmap(NULL, AREA * sizeof(*area), PROT_READ | PROT_WRITE,
		    MAP_SHARED, fd, 0);
	if (area == MAP_FAILED)
		err(1, "the memory of KCOV");
	if (ioctl(fd, KCOV_ENABLE, KCOV_TRACE_PC))
		err(1, "KCOV_ENABLE");
	covers[thread].area = area;
}

void cover_begin(enum thread thread)
{
	__atomic_store_n(&covers[thread].area[0], 0, __ATOMIC_RELAXED);
}

void cover_end(enum thread thread)
{
	covers[thread].count = __atomic_load_n(&covers[thread].area[0],
					       __ATOMIC_RELAXED);
}

int cover_new(enum thread thread)
{
	const uint64_t *area = covers[thread].area;
	uint64_t from = 0, i;
	int found = 0;

	self->traced[thread] += covers[thread].count;
	for (i = 1; i <= covers[thread].count; i++) {
		uint32_t edge = ((area[i] ^ from * 3) * 0x9e3779b97f4a7c15ULL) >> 40;

		edge %= EDGES;
		from = area[i];
		if (self->edges[edge / 8] & 1 << edge % 8)
			continue;
		self->edges[edge / 8] |= 1 << edge % 8;
		found++;
	}
	return found;
}
