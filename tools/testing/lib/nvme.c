// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"
#include "nvme.h"
#include "sys.h"

#define PAGE		0x1000
#define DEPTH		16
#define QUEUES		8	/* number 0 is the admin queue */
#define MEMORY		(2 * QUEUES * PAGE)

#define REG_CC		0x14
#define REG_CSTS	0x1c
#define REG_AQA		0x24
#define REG_ASQ		0x28
#define REG_ACQ		0x30
#define DOORBELL(n)	(0x1000 + 4 * (n))

#define PATIENCE	paced(30000)	/* milliseconds */

#define ADMIN_CREATE_SQ	0x01
#define ADMIN_CREATE_CQ	0x05
#define ADMIN_IDENTIFY	0x06
#define ADMIN_FEATURES	0x09
#define FEATURE_QUEUES	0x07
#define FEATURE_TIME	0x0e
#define IDENTIFY_CTRL	0x01
#define IO_FLUSH	0x00

struct command {
	uint32_t dw0, nsid, reserved[4];
	uint64_t prp1, prp2;
	uint32_t dw10, dw11, dw12[4];
};

struct completion {
	uint32_t result, reserved;
	uint16_t sq_head, sq_id, id;
	volatile uint16_t status;
};

const char *nvme_address(void)
{
	return getenv("NVME") ?: "0000:00:03.0";
}

static volatile uint32_t *reg(struct nvme *nvme, int offset)
{
	return (volatile uint32_t *)((volatile char *)nvme->dev->bar + offset);
}

static struct command *sq(struct nvme *nvme, int id)
{
	return (void *)((char *)nvme->memory + 2 * id * PAGE);
}

static struct completion *cq(struct nvme *nvme, int id)
{
	return (void *)((char *)nvme->memory + (2 * id + 1) * PAGE);
}

/* What was waited for, and what the controller says of itself meanwhile */
static int timed_out(struct nvme *nvme, const char *what)
{
	fprintf(stderr, "nvme: no %s within %d ms: CC %#x, CSTS %#x, AQA %#x, "
		"ASQ %#x%08x, ACQ %#x%08x, PCI command %#x, admin queue at %u, %u\n",
		what, PATIENCE, *reg(nvme, REG_CC), *reg(nvme, REG_CSTS),
		*reg(nvme, REG_AQA), *reg(nvme, REG_ASQ + 4), *reg(nvme, REG_ASQ),
		*reg(nvme, REG_ACQ + 4), *reg(nvme, REG_ACQ),
		device_command(nvme->dev), nvme->queue[0].tail,
		nvme->queue[0].head);
	return -ETIMEDOUT;
}

static int wait_ready(struct nvme *nvme, uint32_t ready)
{
	int i, limit = PATIENCE;

	for (i = 0; i < limit; i++) {
		if ((*reg(nvme, REG_CSTS) & 1) == ready)
			return 0;
		usleep(1000);
	}
	return timed_out(nvme, ready ? "CSTS.RDY = 1" : "CSTS.RDY = 0");
}

static void submit(struct nvme *nvme, int id, const struct command *command)
{
	sq(nvme, id)[nvme->queue[id].tail] = *command;
	nvme->queue[id].tail = (nvme->queue[id].tail + 1) % DEPTH;
	__sync_synchronize();
	*reg(nvme, DOORBELL(2 * id)) = nvme->queue[id].tail;
}

int nvme_complete(struct nvme *nvme, int id)
{
	struct completion *entry = &cq(nvme, id)[nvme->queue[id].head];
	int i, limit = PATIENCE;
	uint16_t status = 0;

	for (i = 0; i < limit; i++) {
		status = entry->status;
		if ((status & 1) == nvme->queue[id].phase)
			break;
		usleep(1000);
	}
	if (i == limit)
		return timed_out(nvme, id ? "I/O completion" : "admin completion");
	if (++nvme->queue[id].head == DEPTH) {
		nvme->queue[id].head = 0;
		nvme->queue[id].phase ^= 1;
	}
	*reg(nvme, DOORBELL(2 * id + 1)) = nvme->queue[id].head;
	return status >> 1 ? -EIO : 0;
}

static int admin(struct nvme *nvme, const struct command *command)
{
	submit(nvme, 0, command);
	return nvme_complete(nvme, 0);
}

int nvme_start(struct nvme *nvme, struct device *dev, uint64_t iova)
{
	struct command queues = {
		.dw0 = ADMIN_FEATURES, .dw10 = FEATURE_QUEUES,
		.dw11 = (QUEUES - 1) << 16 | (QUEUES - 1),
	};
	int i, ret;

	*nvme = (struct nvme) { .dev = dev, .iova = iova };
	nvme->memory = memory_new(MEMORY);
	if (!nvme->memory)
		return -ENOMEM;
	for (i = 0; i < QUEUES; i++)
		nvme->queue[i].phase = 1;
	ret = space_map(dev->space, nvme->memory, iova, MEMORY);
	if (ret)
		return ret;
	*reg(nvme, REG_CC) = 0;
	ret = wait_ready(nvme, 0);
	if (ret)
		return ret;
	*reg(nvme, REG_AQA) = (DEPTH - 1) << 16 | (DEPTH - 1);
	*reg(nvme, REG_ASQ) = iova;
	*reg(nvme, REG_ASQ + 4) = iova >> 32;
	*reg(nvme, REG_ACQ) = iova + PAGE;
	*reg(nvme, REG_ACQ + 4) = (iova + PAGE) >> 32;
	*reg(nvme, REG_CC) = 4 << 20 | 6 << 16 | 1;
	return wait_ready(nvme, 1) ?: admin(nvme, &queues);
}

int nvme_create_queue(struct nvme *nvme, int id, int vector)
{
	uint64_t at = nvme->iova + 2 * id * PAGE;
	struct command completion = {
		.dw0 = ADMIN_CREATE_CQ, .prp1 = at + PAGE,
		.dw10 = (DEPTH - 1) << 16 | id, .dw11 = vector << 16 | 3,
	};
	struct command submission = {
		.dw0 = ADMIN_CREATE_SQ, .prp1 = at,
		.dw10 = (DEPTH - 1) << 16 | id, .dw11 = id << 16 | 1,
	};

	return admin(nvme, &completion) ?: admin(nvme, &submission);
}

void nvme_submit(struct nvme *nvme, int id)
{
	struct command flush = { .dw0 = IO_FLUSH, .nsid = 1 };

	submit(nvme, id, &flush);
}

int nvme_write_to(struct nvme *nvme, uint64_t to)
{
	struct command command = {
		.dw0 = ADMIN_IDENTIFY, .prp1 = to, .dw10 = IDENTIFY_CTRL,
	};

	return admin(nvme, &command);
}

int nvme_read_from(struct nvme *nvme, uint64_t from)
{
	struct command command = {
		.dw0 = ADMIN_FEATURES, .prp1 = from, .dw10 = FEATURE_TIME,
	};

	return admin(nvme, &command);
}

void nvme_stop(struct nvme *nvme)
{
	*reg(nvme, REG_CC) = 0;
	wait_ready(nvme, 0);
	munmap(nvme->memory, MEMORY);
}
