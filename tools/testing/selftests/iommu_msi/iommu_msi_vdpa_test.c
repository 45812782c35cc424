// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSI doorbells of a device that vhost-vdpa owns: a virtio network device of QEMU's,
 * behind an SMMUv3
 *
 * With ISOLATED=0 in the environment the MSI controller does not isolate devices,
 * or the kernel is one that sets no window: interrupts do not arrive, and all else
 * is as ever. The environment may have VDPA, the device's address.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/doorbells.h"
#include "lib/events.h"
#include "lib/sys.h"
#include "lib/vdpa.h"
#include "kselftest_harness.h"

#define FOUR_GIB	0x100000000ULL
#define MIB		0x100000ULL
#define IOVA		0x40000000ULL
#define ROUNDS		50

static bool isolated(void)
{
	const char *value = getenv("ISOLATED");

	return !value || strcmp(value, "0");
}

/* How often the machine has counted interrupts of a queue, or -ENOENT */
static long interrupts(int queue)
{
	char name[64];

	snprintf(name, sizeof(name), "vp-vdpa[%s]-%d", vdpa_address(), queue);
	return interrupts_count(name);
}

/* Do as many interrupts arrive as buffers are used? Else none may */
static bool exchange(struct vdpa *vdpa, int rounds)
{
	long before[VDPA_QUEUES];
	int i, queue;

	for (queue = 0; queue < VDPA_QUEUES; queue++)
		before[queue] = interrupts(queue);
	for (i = 0; i < rounds; i++) {
		int ret = vdpa_exchange(vdpa);

		if (ret) {
			printf("# round %d: %d\n", i, ret);
			return false;
		}
		interrupts_settle();
		for (queue = 0; queue < VDPA_QUEUES; queue++) {
			uint64_t arrived = event_wait(vdpa->call[queue], isolated() ? 1000 : 0);

			if (arrived != isolated()) {
				printf("# round %d: %d interrupts of queue %d\n", i,
				       (int)arrived, queue);
				return false;
			}
		}
	}
	for (queue = 0; queue < VDPA_QUEUES; queue++) {
		long count = interrupts(queue) - before[queue];

		if (before[queue] < 0 || count != (isolated() ? rounds : 0)) {
			printf("# %ld interrupts of queue %d\n", count, queue);
			return false;
		}
	}
	return true;
}

/* As with a kernel that knows of no windows, which has no table either */
static bool nothing_mapped(void)
{
	int count = doorbells_count();

	return !count || count == -ENOENT;
}

FIXTURE(vdpa)
{
	struct vdpa vdpa;
	void *memory;
};

FIXTURE_SETUP(vdpa)
{
	ASSERT_EQ(0, vdpa_add(vdpa_address()));
	ASSERT_EQ(0, vdpa_open(&self->vdpa));
	self->memory = memory_new(2 * VDPA_MEMORY);
	ASSERT_NE(NULL, self->memory);
}

FIXTURE_TEARDOWN(vdpa)
{
	vdpa_close(&self->vdpa);
	munmap(self->memory, 2 * VDPA_MEMORY);
	EXPECT_TRUE(nothing_mapped());
}

TEST_F(vdpa, interrupts)
{
	ASSERT_EQ(0, vdpa_start(&self->vdpa, IOVA));
	EXPECT_TRUE(exchange(&self->vdpa, ROUNDS));
}

/* The range ends before the window, which has the doorbell of all vectors */
TEST_F(vdpa, window)
{
	struct doorbells d;

	ASSERT_EQ(0, vdpa_start(&self->vdpa, IOVA));
	if (!isolated()) {
		/* All that the IOMMU translates */
		EXPECT_EQ(0, (self->vdpa.last + 1) & self->vdpa.last);
		ASSERT_TRUE(nothing_mapped());
		return;
	}
	ASSERT_EQ(0, doorbells_read(&d));
	ASSERT_EQ(1, d.count);
	/* Of each queue, and of changes to the configuration */
	EXPECT_EQ(VDPA_QUEUES + 1, d.vectors);
	EXPECT_LE(FOUR_GIB, self->vdpa.last + 1);
	EXPECT_LT(self->vdpa.last, d.at[0].iova);
	EXPECT_GT(self->vdpa.last + 1 + MIB, d.at[0].iova + d.at[0].size - 1);
	/* The highest: nothing is reserved at the end of what the IOMMU translates */
	EXPECT_EQ(0, (self->vdpa.last + 1 + MIB) & (self->vdpa.last + MIB));
}

/* All that is advertised: the device's own memory is at its end, some at its start */
TEST_F(vdpa, all_of_range)
{
	uint64_t end = self->vdpa.last + 1;

	/* Neither the window nor what reaches into it; vhost has one errno for all */
	EXPECT_EQ(-EFAULT, vdpa_map(&self->vdpa, self->memory, end - VDPA_MEMORY,
				    2 * VDPA_MEMORY));
	EXPECT_EQ(-EFAULT, vdpa_map(&self->vdpa, self->memory, end, VDPA_MEMORY));
	ASSERT_EQ(0, vdpa_map(&self->vdpa, self->memory, self->vdpa.first,
			      2 * VDPA_MEMORY));
	ASSERT_EQ(0, vdpa_start(&self->vdpa, end - VDPA_MEMORY));
	EXPECT_TRUE(exchange(&self->vdpa, ROUNDS));
	EXPECT_EQ(-EFAULT, vdpa_map(&self->vdpa, self->memory, end, VDPA_MEMORY));
	EXPECT_TRUE(exchange(&self->vdpa, ROUNDS));
}

/*
 * Memory where VFIO would have the window, and where the doorbells of QEMU's machine
 * are for who is not translated: messages that nobody has made translated end there
 */
TEST_F(vdpa, own_address)
{
	unsigned char *memory = memory_new(MIB);
	unsigned int i, changed = 0;

	ASSERT_NE(NULL, memory);
	memset(memory, 0xa5, MIB);
	ASSERT_EQ(0, vdpa_start(&self->vdpa, IOVA));
	ASSERT_EQ(0, vdpa_map(&self->vdpa, memory, 0x8000000, MIB));
	EXPECT_TRUE(exchange(&self->vdpa, ROUNDS));
	for (i = 0; i < MIB; i++)
		changed += memory[i] != 0xa5;
	EXPECT_EQ(!isolated(), !!changed);
	munmap(memory, MIB);
}

TEST_F(vdpa, reopened)
{
	uint64_t last = self->vdpa.last;
	int i;

	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, vdpa_start(&self->vdpa, IOVA));
		ASSERT_TRUE(exchange(&self->vdpa, 3));
		ASSERT_EQ(isolated() ? 1 : 0, nothing_mapped() ? 0 : doorbells_count());
		vdpa_close(&self->vdpa);
		ASSERT_TRUE(nothing_mapped());
		ASSERT_EQ(0, vdpa_open(&self->vdpa));
		ASSERT_EQ(last, self->vdpa.last);
	}
}

TEST_F(vdpa, killed)
{
	pid_t child;
	int status;

	vdpa_close(&self->vdpa);
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		if (vdpa_open(&self->vdpa) || vdpa_start(&self->vdpa, IOVA) ||
		    !exchange(&self->vdpa, 3))
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_TRUE(WIFSIGNALED(status));
	EXPECT_TRUE(nothing_mapped());
	ASSERT_EQ(0, vdpa_open(&self->vdpa));
}

TEST_HARNESS_MAIN
