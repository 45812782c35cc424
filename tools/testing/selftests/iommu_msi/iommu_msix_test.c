// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSI-X doorbells as user space meets them: an NVMe disk through VFIO
 *
 * The environment may have NVME, the device's address, and VECTORS, how many
 * the machine has to give, where that is less than the disk has; a controller
 * without LPIs has few. What is on the disk may be lost.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/resource.h>

#include "lib/doorbells.h"
#include "lib/events.h"
#include "lib/nvme.h"
#include "backends.h"

#define MAX_VECTORS	2048
#define MIN_VECTORS	8	/* for the places below to be different */
#define MEMORY_IOVA	0x100000000ULL
#define SECONDS		180	/* thousands of vectors, on an emulated machine */

/* How many doorbells how many messages are for */
static int held(int *doorbells, uint64_t *vectors)
{
	struct doorbells d;
	int ret = doorbells_read(&d);

	*doorbells = d.count;
	*vectors = d.vectors;
	return ret;
}

#define ASSERT_HELD(bells, vectors) do {				\
	uint64_t vectors_;					\
	int bells_;						\
								\
	ASSERT_EQ(0, held(&bells_, &vectors_));			\
	ASSERT_EQ(translated(bells), bells_);				\
	ASSERT_EQ(translated(vectors), vectors_);		\
} while (0)

FIXTURE(nvme)
{
	struct space space;
	struct device dev;
	struct nvme nvme;
	int vectors;
	int fds[MAX_VECTORS];
};

FIXTURE_OF_BACKENDS(nvme);

static int wanted_vectors(struct device *dev, int *vectors)
{
	const char *text = getenv("VECTORS");
	uint32_t count;
	bool dynamic;
	int ret = irqs_info(dev, MSIX, &count, &dynamic);

	*vectors = text ? atoi(text) : count < MAX_VECTORS ? (int)count : MAX_VECTORS;
	return ret;
}

FIXTURE_SETUP(nvme)
{
	struct rlimit files = { MAX_VECTORS + 64, MAX_VECTORS + 64 };

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
	ASSERT_EQ(0, device_to_vfio(nvme_address()));
	ASSERT_EQ(0, space_open(&self->space, variant->backend));
	ASSERT_EQ(0, device_start(&self->dev, &self->space, nvme_address()));
	ASSERT_EQ(0, wanted_vectors(&self->dev, &self->vectors));
	ASSERT_LE(MIN_VECTORS, self->vectors);
	ASSERT_GE(MAX_VECTORS, self->vectors);
	ASSERT_EQ(0, events_open(self->fds, self->vectors));
}

FIXTURE_TEARDOWN(nvme)
{
	device_close(&self->dev);
	space_close(&self->space);
	events_close(self->fds, self->vectors);
	ASSERT_HELD(0, 0);
}

TEST_F_TIMEOUT(nvme, vectors, SECONDS)
{
	int counts[] = { 1, 2, self->vectors };
	unsigned int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, irqs_set(&self->dev, MSIX, 0, counts[i], self->fds));
		ASSERT_HELD(1, counts[i]);
		ASSERT_EQ(0, irqs_off(&self->dev, MSIX));
		ASSERT_HELD(0, 0);
	}
}

/* Three commands at each queue: as many interrupts, and at its vector only */
static int fire(struct nvme *nvme, int id, int eventfd)
{
	int i, arrived = 0;

	for (i = 0; i < 3; i++) {
		nvme_submit(nvme, id);
		arrived += event_wait(eventfd, 2000);
		if (nvme_complete(nvme, id))
			return -1;
	}
	return arrived;
}

TEST_F_TIMEOUT(nvme, interrupts, SECONDS)
{
	int vectors[] = { 1, self->vectors / 4, self->vectors / 2,
			  self->vectors - 1 };
	unsigned int i;
	uint64_t v;

	ASSERT_EQ(0, irqs_set(&self->dev, MSIX, 0, self->vectors, self->fds));
	ASSERT_EQ(0, nvme_start(&self->nvme, &self->dev, MEMORY_IOVA));
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, nvme_create_queue(&self->nvme, i + 1, vectors[i]));
	/* One for the features and two for each queue, as they please */
	EXPECT_LE(1, event_wait(self->fds[0], 1000));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(3, fire(&self->nvme, i + 1, self->fds[vectors[i]]));
	interrupts_settle();
	for (i = 1; i < (unsigned int)self->vectors; i++)
		EXPECT_EQ(-1, read(self->fds[i], &v, sizeof(v)));
	ASSERT_HELD(1, self->vectors);
	nvme_stop(&self->nvme);
	ASSERT_EQ(0, irqs_off(&self->dev, MSIX));
}

TEST_F(nvme, dynamic)
{
	int vectors[] = { 0, self->vectors / 4, self->vectors / 2,
			  self->vectors - 3 };
	bool dynamic;
	uint32_t count;
	int i;

	ASSERT_EQ(0, irqs_info(&self->dev, MSIX, &count, &dynamic));
	if (!dynamic)
		SKIP(return, "the MSI controller cannot add vectors");
	ASSERT_LE(self->vectors, (int)count);
	ASSERT_EQ(0, nvme_start(&self->nvme, &self->dev, MEMORY_IOVA));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, irqs_set(&self->dev, MSIX, vectors[i], 1,
				      &self->fds[vectors[i]]));
		ASSERT_HELD(1, i + 1);
		if (!i)
			continue;
		ASSERT_EQ(0, nvme_create_queue(&self->nvme, i, vectors[i]));
		EXPECT_EQ(3, fire(&self->nvme, i, self->fds[vectors[i]]));
	}
	nvme_stop(&self->nvme);
	ASSERT_EQ(0, irqs_off(&self->dev, MSIX));
	ASSERT_HELD(0, 0);
}

TEST_HARNESS_MAIN
