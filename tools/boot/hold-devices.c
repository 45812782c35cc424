// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: hold-devices type1|iommufd
 *
 * Owns edu and an NVMe disk, which raise interrupts without an end. Says so when one of
 * each vector has arrived, and goes on until the kernel ends.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/edu.h"
#include "lib/events.h"
#include "lib/nvme.h"
#include "lib/window.h"

#define VECTORS		4	/* of the disk: of its admin queue and three others */
#define MEMORY_IOVA	0x100000000ULL

static struct space space;
static struct device edu, disk;
static struct nvme nvme;
static int edu_fd, fds[VECTORS];

static int take(enum backend backend)
{
	int id, ret = space_open(&space, backend) ?:
		      edu_open(&edu, &space) ?:
		      device_start(&disk, &space, nvme_address()) ?:
		      irqs_set(&edu, MSI, 0, 1, &edu_fd) ?:
		      irqs_set(&disk, MSIX, 0, VECTORS, fds) ?:
		      nvme_start(&nvme, &disk, MEMORY_IOVA);

	for (id = 1; !ret && id < VECTORS; id++)
		ret = nvme_create_queue(&nvme, id, id);
	return ret;
}

/* One interrupt of each vector */
static int use(void)
{
	int id;

	if (edu_fire(&edu, edu_fd, 1) != 1)
		return -EIO;
	for (id = 1; id < VECTORS; id++) {
		nvme_submit(&nvme, id);
		if (!event_wait(fds[id], 2000) || nvme_complete(&nvme, id))
			return -EIO;
	}
	return 0;
}

int main(int argc, char **argv)
{
	enum backend backend = argc > 1 && !strcmp(argv[1], "iommufd") ? IOMMUFD : TYPE1;
	int ret;

	edu_fd = event_new();
	ret = edu_fd < 0 ? edu_fd : events_open(fds, VECTORS);
	ret = ret ?: device_to_vfio(edu_address()) ?: device_to_vfio(nvme_address()) ?:
	      take(backend) ?: use();
	if (!ret) {
		puts("held");
		fflush(stdout);
	}
	while (!ret)
		ret = use();
	fprintf(stderr, "hold-devices: %s\n", strerror(-ret));
	return 1;
}
