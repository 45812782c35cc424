// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two devices: in one address space they share a doorbell, in two they do not.
 * Two threads: what one does with a container, the other may end.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "lib/clock.h"
#include "lib/doorbells.h"
#include "lib/edu.h"
#include "lib/events.h"
#include "lib/nvme.h"
#include "backends.h"

#define NVME_VECTORS	4

FIXTURE(pair)
{
	struct space space[2];
	struct device edu, nvme;
	int eventfd, nvme_fds[NVME_VECTORS];
};

FIXTURE_OF_BACKENDS(pair);

static int start(struct device *edu, struct space *edu_space,
		 struct device *nvme, struct space *nvme_space)
{
	return edu_open(edu, edu_space) ?: device_open(nvme, nvme_space, nvme_address());
}

FIXTURE_SETUP(pair)
{
	int i;

	ASSERT_EQ(0, device_to_vfio(edu_address()));
	ASSERT_EQ(0, device_to_vfio(nvme_address()));
	self->eventfd = event_new();
	ASSERT_EQ(0, events_open(self->nvme_fds, NVME_VECTORS));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, space_open(&self->space[i], variant->backend));
}

FIXTURE_TEARDOWN(pair)
{
	int i;

	device_close(&self->edu);
	device_close(&self->nvme);
	for (i = 0; i < 2; i++)
		space_close(&self->space[i]);
	EXPECT_EQ(0, doorbells_count());
}

TEST_F(pair, one_space)
{
	struct doorbells d;

	ASSERT_EQ(0, start(&self->edu, &self->space[0],
			   &self->nvme, &self->space[0]));
	ASSERT_EQ(0, irqs_set(&self->nvme, MSIX, 0, NVME_VECTORS,
			      self->nvme_fds));
	ASSERT_EQ(0, irqs_set(&self->edu, MSI, 0, 1, &self->eventfd));
	ASSERT_EQ(0, doorbells_read(&d));
	ASSERT_EQ(translated(1), d.count);
	EXPECT_EQ(translated(NVME_VECTORS + 1), d.vectors);
	EXPECT_EQ(10, edu_fire(&self->edu, self->eventfd, 10));

	device_close(&self->nvme);
	ASSERT_EQ(0, doorbells_read(&d));
	ASSERT_EQ(translated(1), d.count);
	EXPECT_EQ(translated(1), d.vectors);
	EXPECT_EQ(10, edu_fire(&self->edu, self->eventfd, 10));
}

TEST_F(pair, two_spaces)
{
	struct doorbells d;

	ASSERT_EQ(0, start(&self->edu, &self->space[0],
			   &self->nvme, &self->space[1]));
	ASSERT_EQ(0, irqs_set(&self->nvme, MSIX, 0, NVME_VECTORS,
			      self->nvme_fds));
	ASSERT_EQ(0, irqs_set(&self->edu, MSI, 0, 1, &self->eventfd));
	ASSERT_EQ(0, doorbells_read(&d));
	ASSERT_EQ(translated(2), d.count);
	EXPECT_EQ(translated(2), d.domains);
	EXPECT_EQ(translated(NVME_VECTORS + 1), d.vectors);
	EXPECT_EQ(10, edu_fire(&self->edu, self->eventfd, 10));

	device_close(&self->nvme);
	ASSERT_EQ(0, doorbells_read(&d));
	ASSERT_EQ(translated(1), d.count);
	EXPECT_EQ(translated(1), d.vectors);
	EXPECT_EQ(10, edu_fire(&self->edu, self->eventfd, 10));
}

/* --- two threads --------------------------------------------------------- */

#define MAPPED		(32UL << 20)	/* takes a while to unmap */
#define ROUNDS		20
#define MOST		1000000		/* microseconds, between the two */

FIXTURE(container)
{
	int fd, group, error;
	int delay;		/* of the call, or below 0 of leaving: microseconds */
	struct vfio_iommu_type1_dma_map map;
	pthread_barrier_t begin;
};

FIXTURE_SETUP(container)
{
	char path[64];
	void *memory = mmap(NULL, MAPPED, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	ASSERT_NE(MAP_FAILED, memory);
	self->map = (struct vfio_iommu_type1_dma_map) {
		.argsz = sizeof(self->map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)memory,
		.iova = 1ULL << 30,
		.size = MAPPED,
	};
	ASSERT_EQ(0, pthread_barrier_init(&self->begin, NULL, 2));
	ASSERT_EQ(0, device_to_vfio(edu_address()));
	ASSERT_EQ(0, device_group(edu_address(), path, sizeof(path)));
	self->fd = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	self->group = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->group);
}

FIXTURE_TEARDOWN(container)
{
	EXPECT_EQ(0, close(self->group));
	EXPECT_EQ(0, close(self->fd));
	pthread_barrier_destroy(&self->begin);
	munmap((void *)(uintptr_t)self->map.vaddr, MAPPED);
}

static void pause_for(int microseconds)
{
	if (microseconds > 0)
		usleep(microseconds);
}

static void *get_info(void *data)
{
	FIXTURE_DATA(container) *self = data;
	struct vfio_iommu_type1_info info = { .argsz = sizeof(info) };

	pthread_barrier_wait(&self->begin);
	pause_for(self->delay);
	self->error = ioctl(self->fd, VFIO_IOMMU_GET_INFO, &info) ? errno : 0;
	if (!self->error && !(info.iova_pgsizes & getpagesize()))
		self->error = EPROTO;
	return NULL;
}

/* The result of the call, and whether the call came before the group left */
static int leave_meanwhile(FIXTURE_DATA(container) *self, bool *before)
{
	pthread_t thread;
	int ret = 0;

	if (ioctl(self->group, VFIO_GROUP_SET_CONTAINER, &self->fd) ||
	    ioctl(self->fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) ||
	    ioctl(self->fd, VFIO_IOMMU_MAP_DMA, &self->map))
		return -errno;
	if (pthread_create(&thread, NULL, get_info, self))
		return -EAGAIN;
	pthread_barrier_wait(&self->begin);
	pause_for(-self->delay);
	if (ioctl(self->group, VFIO_GROUP_UNSET_CONTAINER))
		ret = -errno;
	pthread_join(thread, NULL);
	*before = !self->error;
	return ret ?: self->error == EINVAL ? 0 : -self->error;
}

/*
 * When the last group leaves a container, the kernel frees what the container
 * knows. The other thread's call may be waiting to read that: a kernel with
 * KASAN says so if it reads it all the same. Any kernel must answer a call that
 * comes before the group leaves, and refuse one that comes after. The delays
 * grow until this machine has shown both.
 */
TEST_F(container, last_group_leaves)
{
	int low = 0, high = 0, calls = 0, i;
	bool before;

	for (before = false; !before; low = 2 * low - 1) {
		ASSERT_GT(paced(MOST), -low) TH_LOG("no call came before");
		self->delay = low;
		ASSERT_EQ(0, leave_meanwhile(self, &before));
	}
	for (before = true; before; high = 2 * high + 1) {
		ASSERT_GT(paced(MOST), high) TH_LOG("no call came after");
		self->delay = high;
		ASSERT_EQ(0, leave_meanwhile(self, &before));
	}
	for (i = 0; i < ROUNDS; i++) {
		self->delay = i * 500;
		ASSERT_EQ(0, leave_meanwhile(self, &before));
		calls += before;
	}
	TH_LOG("%d of %d calls came before", calls, ROUNDS);
}

TEST_HARNESS_MAIN
