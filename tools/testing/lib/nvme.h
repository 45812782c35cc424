/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * As much of an NVMe driver as it takes to have the controller send a chosen
 * MSI-X message: each I/O queue pair raises the vector it was created with.
 */
#ifndef MSI_LIB_NVME_H
#define MSI_LIB_NVME_H

#include "vfio.h"

struct nvme {
	struct device *dev;
	void *memory;
	uint64_t iova;
	struct {
		unsigned int tail, head, phase;
	} queue[8];
};

/* Its address: NVME of the environment, or 0000:00:03.0 */
const char *nvme_address(void);

/* All return 0, or a negative errno */
int nvme_start(struct nvme *nvme, struct device *dev, uint64_t iova);
/* Queue pair @id, from 1 to 7, raises @vector */
int nvme_create_queue(struct nvme *nvme, int id, int vector);
/* One command on queue pair @id; it completes with one interrupt */
void nvme_submit(struct nvme *nvme, int id);
int nvme_complete(struct nvme *nvme, int id);
/* The device writes a page to @to, or reads 8 bytes from @from. Whether it could
 * is not for it to say.
 */
int nvme_write_to(struct nvme *nvme, uint64_t to);
int nvme_read_from(struct nvme *nvme, uint64_t from);
void nvme_stop(struct nvme *nvme);

#endif
