// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver of SMMUv1 and v2 where its registers are memory: after each step, where
 * do the messages of each enabled vector lead, by what the driver has written? See
 * lib/walker.h. A device's writes are not translated there, so a window that begins
 * at the doorbell's own page lets interrupts arrive for real.
 *
 * The environment may have EDU and NVME, the devices' addresses, and VECTORS, how
 * many of them the disk is given. Two edu functions are in one group, at 00:05.0 and
 * 00:05.1. Needs test_modules/msi_phys.ko next to the program.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/doorbells.h"
#include "lib/edu.h"
#include "lib/events.h"
#include "lib/nvme.h"
#include "lib/phys.h"
#include "lib/walker.h"
#include "lib/window.h"
#include "backends.h"

#define OLD		0x8000000ULL	/* default window, 1 MiB */
#define NEW		0x10000000ULL
#define OTHER		0x100000000ULL
#define OWN_SIZE	0x10000ULL	/* of any granule, and no other doorbell in it */
#define MAX_VECTORS	2048
#define SECONDS		300	/* thousands of vectors, on an emulated machine */

/* Two devices, and two address spaces to put them in */
FIXTURE(smmu)
{
	struct walker walker;
	struct space space[2];
	struct device edu, nvme;
	int eventfd, vectors, fds[MAX_VECTORS];
	uint64_t own;		/* the first byte of the doorbell's 64K */
};

FIXTURE_OF_BACKENDS(smmu);

static int open_all(FIXTURE_DATA(smmu) *self, enum backend backend)
{
	struct rlimit files = { MAX_VECTORS + 64, MAX_VECTORS + 64 };
	int i, ret;

	self->vectors = atoi(getenv("VECTORS") ?: "2048");
	self->nvme = (struct device) { .fd = -1, .group = -1 };
	self->own = self->walker.doorbell & ~(OWN_SIZE - 1);
	self->eventfd = event_new();
	ret = self->vectors > MAX_VECTORS ? -E2BIG : setrlimit(RLIMIT_NOFILE, &files);
	ret = ret ?: events_open(self->fds, self->vectors) ?:
	      device_to_vfio(edu_address()) ?: device_to_vfio(nvme_address());
	for (i = 0; !ret && i < 2; i++)
		ret = space_open(&self->space[i], backend);
	return ret ?: edu_open(&self->edu, &self->space[0]);
}

static void close_all(FIXTURE_DATA(smmu) *self)
{
	device_close(&self->edu);
	device_close(&self->nvme);
	space_close(&self->space[0]);
	space_close(&self->space[1]);
	events_close(self->fds, self->vectors);
	close(self->eventfd);
	walker_close(&self->walker);
}

#define NO_SMMU "no SMMUv1 or v2 in the device tree: scripts/boot.sh --iommu smmuv2"

FIXTURE_SETUP(smmu)
{
	int ret = walker_open(&self->walker);

	if (ret == -ENOENT)
		SKIP(return, NO_SMMU);
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, open_all(self, variant->backend));
}

FIXTURE_TEARDOWN(smmu)
{
	close_all(self);
	EXPECT_EQ(0, doorbells_count());
}

static int edu_on(FIXTURE_DATA(smmu) *self)
{
	return irqs_set(&self->edu, MSI, 0, 1, &self->eventfd);
}

/* @count enabled vectors lead to the doorbell, and the rest of the window nowhere */
#define ASSERT_WALK(count, other, start, size) do {				\
	ASSERT_TRUE(walker_check(&self->walker, edu_address(), other, start,	\
				 (start) + (size) - 1))				\
		TH_LOG("%s", self->walker.wrong);				\
	ASSERT_EQ(count, self->walker.vectors);					\
	ASSERT_EQ(!!(count), self->walker.mapped);				\
	ASSERT_EQ((int)((size) >> self->walker.stream.granule), self->walker.pages); \
} while (0)

TEST_F(smmu, one_vector)
{
	static const uint64_t starts[] = { OLD, NEW, OTHER };
	struct window window;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		if (i)
			ASSERT_EQ(0, window_set(&self->space[0], starts[i], MIB));
		ASSERT_EQ(0, window_query(&self->space[0], &window));
		ASSERT_EQ(0, edu_on(self));
		ASSERT_WALK(1, NULL, starts[i], MIB);
		ASSERT_EQ(window.granule, 1U << self->walker.stream.granule);
		TH_LOG("stream %#x: SMR %d, bank %d, stage %d, %#llx leads to %#llx, %s%s%s%s, %#x",
		       self->walker.stream.id, self->walker.stream.smr,
		       self->walker.stream.bank, self->walker.stream.stage,
		       (long long)self->walker.message, (long long)self->walker.walk.pa,
		       self->walker.walk.read ? "read " : "",
		       self->walker.walk.write ? "write " : "",
		       self->walker.walk.execute ? "execute " : "",
		       self->walker.walk.device ? "device" : "memory",
		       self->walker.walk.attributes);
		ASSERT_EQ(0, irqs_off(&self->edu, MSI));
		ASSERT_WALK(0, NULL, starts[i], MIB);
	}
}

/* For real: each one is raised, and counted */
TEST_F(smmu, interrupts)
{
	ASSERT_EQ(0, window_set(&self->space[0], self->own, OWN_SIZE));
	ASSERT_EQ(0, edu_on(self));
	ASSERT_WALK(1, NULL, self->own, OWN_SIZE);
	ASSERT_EQ(self->walker.doorbell, self->walker.message);
	EXPECT_EQ(100, edu_fire(&self->edu, self->eventfd, 100));
	ASSERT_EQ(0, irqs_off(&self->edu, MSI));
	ASSERT_WALK(0, NULL, self->own, OWN_SIZE);
}

/* What is refused changes nothing */
TEST_F(smmu, refused)
{
	ASSERT_EQ(0, window_set(&self->space[0], self->own, OWN_SIZE));
	ASSERT_EQ(0, edu_on(self));
	EXPECT_EQ(-EBUSY, window_set(&self->space[0], NEW, MIB));
	ASSERT_WALK(1, NULL, self->own, OWN_SIZE);
	EXPECT_EQ(10, edu_fire(&self->edu, self->eventfd, 10));
	ASSERT_EQ(0, irqs_off(&self->edu, MSI));
	EXPECT_EQ(-EINVAL, window_set(&self->space[0], NEW + 0x800, MIB));
	EXPECT_EQ(-ERANGE, window_set(&self->space[0], 1ULL << 56, MIB));
	ASSERT_EQ(0, edu_on(self));
	ASSERT_WALK(1, NULL, self->own, OWN_SIZE);
}

/* As many as the disk may have; some come later, if they can */
TEST_F_TIMEOUT(smmu, vectors, SECONDS)
{
	uint32_t count;
	bool dynamic;
	int i;

	ASSERT_EQ(0, device_start(&self->nvme, &self->space[0], nvme_address()));
	ASSERT_EQ(0, irqs_info(&self->nvme, MSIX, &count, &dynamic));
	ASSERT_EQ(0, irqs_set(&self->nvme, MSIX, 0, dynamic ? 1 : self->vectors, self->fds));
	for (i = 1; dynamic && i < 4; i++) {
		ASSERT_EQ(0, irqs_set(&self->nvme, MSIX, i, 1, &self->fds[i]));
		ASSERT_TRUE(walker_check(&self->walker, nvme_address(), NULL, OLD, OLD + MIB - 1))
			TH_LOG("%s", self->walker.wrong);
		ASSERT_EQ(i + 1, self->walker.vectors);
	}
	ASSERT_EQ(0, irqs_off(&self->nvme, MSIX));
	ASSERT_EQ(0, irqs_set(&self->nvme, MSIX, 0, self->vectors, self->fds));
	ASSERT_TRUE(walker_check(&self->walker, nvme_address(), NULL, OLD, OLD + MIB - 1))
		TH_LOG("%s", self->walker.wrong);
	EXPECT_EQ(self->vectors, self->walker.vectors);
	EXPECT_EQ(1, self->walker.mapped);
}

TEST_F(smmu, two_in_one_domain)
{
	ASSERT_EQ(0, device_start(&self->nvme, &self->space[0], nvme_address()));
	ASSERT_EQ(0, window_set(&self->space[0], self->own, OWN_SIZE));
	ASSERT_EQ(0, edu_on(self));
	ASSERT_EQ(0, irqs_set(&self->nvme, MSIX, 0, 4, self->fds));
	ASSERT_WALK(5, nvme_address(), self->own, OWN_SIZE);
	EXPECT_EQ(10, edu_fire(&self->edu, self->eventfd, 10));
	ASSERT_EQ(0, irqs_off(&self->nvme, MSIX));
	ASSERT_WALK(1, nvme_address(), self->own, OWN_SIZE);
	ASSERT_EQ(0, irqs_off(&self->edu, MSI));
	ASSERT_WALK(0, nvme_address(), self->own, OWN_SIZE);
}

/* Each has its bank, its tables and its window */
TEST_F(smmu, two_domains)
{
	struct smmu_stream edu;

	ASSERT_EQ(0, device_start(&self->nvme, &self->space[1], nvme_address()));
	ASSERT_EQ(0, window_set(&self->space[0], self->own, OWN_SIZE));
	ASSERT_EQ(0, edu_on(self));
	ASSERT_EQ(0, irqs_set(&self->nvme, MSIX, 0, 4, self->fds));
	ASSERT_WALK(1, NULL, self->own, OWN_SIZE);
	edu = self->walker.stream;
	ASSERT_TRUE(walker_check(&self->walker, nvme_address(), NULL, OLD, OLD + MIB - 1))
		TH_LOG("%s", self->walker.wrong);
	EXPECT_EQ(4, self->walker.vectors);
	EXPECT_NE(edu.bank, self->walker.stream.bank);
	EXPECT_NE(edu.root, self->walker.stream.root);
	EXPECT_FALSE(walker_check(&self->walker, edu_address(), nvme_address(), OLD,
				  OLD + MIB - 1));
	EXPECT_EQ(10, edu_fire(&self->edu, self->eventfd, 10));
}

/* --- two devices in one group ---------------------------------------------- */

#define FUNCTION0	"0000:00:05.0"
#define FUNCTION1	"0000:00:05.1"

FIXTURE(group)
{
	struct walker walker;
	struct space space;
	struct device dev[2];
	int eventfd[2];
	uint64_t own;
};

static bool one_group(void)
{
	char path[2][128];

	return !device_group(FUNCTION0, path[0], sizeof(path[0])) &&
	       !device_group(FUNCTION1, path[1], sizeof(path[1])) &&
	       !strcmp(path[0], path[1]);
}

FIXTURE_SETUP(group)
{
	static const char * const functions[] = { FUNCTION0, FUNCTION1 };
	int i, ret = walker_open(&self->walker);

	if (ret == -ENOENT)
		SKIP(return, NO_SMMU);
	ASSERT_EQ(0, ret);
	self->own = self->walker.doorbell & ~(OWN_SIZE - 1);
	ASSERT_EQ(0, space_open(&self->space, IOMMUFD));
	ASSERT_EQ(0, window_set(&self->space, self->own, OWN_SIZE));
	/* Neither can be had while the other one is with another driver */
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, device_to_vfio(functions[i]));
	ASSERT_TRUE(one_group());
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, device_start(&self->dev[i], &self->space, functions[i]));
		self->eventfd[i] = event_new();
	}
}

FIXTURE_TEARDOWN(group)
{
	device_close(&self->dev[0]);
	device_close(&self->dev[1]);
	space_close(&self->space);
	walker_close(&self->walker);
	EXPECT_EQ(0, doorbells_count());
}

#define ASSERT_GROUP(count) do {						\
	ASSERT_TRUE(walker_check(&self->walker, FUNCTION0, FUNCTION1, self->own,	\
				 self->own + OWN_SIZE - 1))			\
		TH_LOG("%s", self->walker.wrong);				\
	ASSERT_EQ(count, self->walker.vectors);					\
	ASSERT_EQ(!!(count), self->walker.mapped);				\
} while (0)

/* They share a doorbell, a domain, and go to another one together */
TEST_F(group, two_devices)
{
	struct space other = self->space;
	int i;

	ASSERT_EQ(0, space_add_ioas(&self->space, &other.ioas));
	ASSERT_EQ(0, window_set(&other, self->own, OWN_SIZE));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, irqs_set(&self->dev[i], MSI, 0, 1, &self->eventfd[i]));
		ASSERT_GROUP(i + 1);
	}
	for (i = 0; i < 2; i++)
		EXPECT_EQ(5, edu_fire(&self->dev[i], self->eventfd[i], 5));

	ASSERT_EQ(0, device_replace(&self->dev[0], other.ioas));
	ASSERT_GROUP(2);
	for (i = 0; i < 2; i++)
		EXPECT_EQ(5, edu_fire(&self->dev[i], self->eventfd[i], 5));

	ASSERT_EQ(0, irqs_off(&self->dev[0], MSI));
	ASSERT_GROUP(1);
	EXPECT_EQ(5, edu_fire(&self->dev[1], self->eventfd[1], 5));
	ASSERT_EQ(0, irqs_off(&self->dev[1], MSI));
	ASSERT_GROUP(0);
}

/* --- live vectors go from domain to domain -------------------------------- */

FIXTURE(live)
{
	FIXTURE_DATA(smmu) all;
	uint32_t ioas;		/* another one */
};

/* In both, the window begins with the doorbell's own page */
static int both_windows(FIXTURE_DATA(live) *self)
{
	struct space second = self->all.space[0];
	int ret = space_add_ioas(&self->all.space[0], &self->ioas);

	second.ioas = self->ioas;
	return ret ?: window_set(&self->all.space[0], self->all.own, OWN_SIZE) ?:
	       window_set(&second, self->all.own, OWN_SIZE);
}

FIXTURE_SETUP(live)
{
	int ret = walker_open(&self->all.walker);

	if (ret == -ENOENT)
		SKIP(return, NO_SMMU);
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, open_all(&self->all, IOMMUFD));
	ASSERT_EQ(0, both_windows(self));
	ASSERT_EQ(0, edu_on(&self->all));
}

FIXTURE_TEARDOWN(live)
{
	close_all(&self->all);
	EXPECT_EQ(0, doorbells_count());
}

static bool still_leads(FIXTURE_DATA(live) *self)
{
	return walker_check(&self->all.walker, edu_address(), NULL, self->all.own,
			    self->all.own + OWN_SIZE - 1) &&
	       self->all.walker.vectors == 1 &&
	       self->all.walker.message == self->all.walker.doorbell;
}

/* The driver finishes a domain when it is attached, and maps nothing before */
TEST_F(live, replaced)
{
	uint32_t ioas[2] = { self->all.space[0].ioas, self->ioas };
	uint64_t root = 0;
	int i;

	for (i = 1; i <= 20; i++) {
		ASSERT_EQ(0, device_replace(&self->all.edu, ioas[i & 1]));
		ASSERT_TRUE(still_leads(self)) TH_LOG("%s", self->all.walker.wrong);
		EXPECT_NE(root, self->all.walker.stream.root);
		root = self->all.walker.stream.root;
		EXPECT_EQ(3, edu_fire(&self->all.edu, self->all.eventfd, 3));
	}
}

TEST_F(live, detached)
{
	int i;

	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, device_detach(&self->all.edu));
		EXPECT_EQ(0, doorbells_count());
		EXPECT_FALSE(still_leads(self));
		EXPECT_EQ(SMMU_FAULTS, self->all.walker.stream.fate);
		ASSERT_EQ(0, device_replace(&self->all.edu, i & 1 ? self->ioas :
							    self->all.space[0].ioas));
		ASSERT_TRUE(still_leads(self)) TH_LOG("%s", self->all.walker.wrong);
		EXPECT_EQ(3, edu_fire(&self->all.edu, self->all.eventfd, 3));
	}
}

/* Another window has no place for it: dead, until it is enabled anew */
TEST_F(live, detached_and_lost)
{
	struct space *space = &self->all.space[0];

	ASSERT_EQ(0, device_detach(&self->all.edu));
	ASSERT_EQ(0, window_set(space, NEW, MIB));
	ASSERT_EQ(0, device_replace(&self->all.edu, space->ioas));
	EXPECT_FALSE(still_leads(self));
	EXPECT_STREQ("not mapped", self->all.walker.walk.fault ?: "");
	ASSERT_EQ(0, irqs_off(&self->all.edu, MSI));
	ASSERT_EQ(0, edu_on(&self->all));
	EXPECT_TRUE(walker_check(&self->all.walker, edu_address(), NULL, NEW, NEW + MIB - 1))
		TH_LOG("%s", self->all.walker.wrong);
	EXPECT_EQ(1, self->all.walker.vectors);
}

/* --- the walker must see what is wrong ------------------------------------ */

FIXTURE(lie)
{
	FIXTURE_DATA(smmu) all;
	struct smmu_stream stream;
	struct smmu_walk walk;
	uint64_t last_table;
	int pages;
};

FIXTURE_SETUP(lie)
{
	int ret = walker_open(&self->all.walker);

	if (ret == -ENOENT)
		SKIP(return, NO_SMMU);
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, open_all(&self->all, TYPE1));
	ASSERT_EQ(0, edu_on(&self->all));
	ASSERT_TRUE(walker_check(&self->all.walker, edu_address(), NULL, OLD, OLD + MIB - 1))
		TH_LOG("%s", self->all.walker.wrong);
	self->stream = self->all.walker.stream;
	self->walk = self->all.walker.walk;
	self->last_table = self->walk.entry >> self->stream.granule << self->stream.granule;
	self->pages = self->all.walker.pages;
}

FIXTURE_TEARDOWN(lie)
{
	close_all(&self->all);
}

#define RIGHT	"all is right"

/* What the walker says when bits of what it reads at @where are not as they are */
static const char *told(FIXTURE_DATA(lie) *self, uint64_t where, uint64_t change)
{
	struct walker *walker = &self->all.walker;
	bool right;

	walker->smmu.lie = (struct smmu_lie) { where, change };
	right = walker_check(walker, edu_address(), NULL, OLD, OLD + MIB - 1);
	walker->smmu.lie = (struct smmu_lie) {};
	if (right && walker->pages != self->pages)
		return "the window has other pages";
	return right ? RIGHT : walker->wrong;
}

/*
 * The walker says @what, or if that is empty, what one table says where another is
 * looked for. It says that all is right when it is not lied to.
 */
#define EXPECT_TOLD(what, where, change) do {					\
	const char *told_ = told(self, where, change);				\
										\
	TH_LOG("%s: %s", #where, told_);					\
	EXPECT_STRNE(RIGHT, told_);						\
	EXPECT_NE(NULL, strstr(told_, what));					\
	EXPECT_STREQ(RIGHT, told(self, 0, 0));					\
} while (0)

static uint64_t smr(FIXTURE_DATA(lie) *self)
{
	return smmu_smr(&self->all.walker.smmu, self->stream.smr);
}

static uint64_t s2cr(FIXTURE_DATA(lie) *self)
{
	return smmu_s2cr(&self->all.walker.smmu, self->stream.smr);
}

static uint64_t bank(FIXTURE_DATA(lie) *self, int offset)
{
	return smmu_bank(&self->all.walker.smmu, self->stream.bank, offset);
}

TEST_F(lie, stream)
{
	EXPECT_TOLD("no SMR matches", smr(self), 1 << 3);
	EXPECT_TOLD("no SMR matches", smr(self), 1U << 31);
	EXPECT_TOLD("S2CR: bypass", s2cr(self), 1 << 16);
	EXPECT_TOLD("S2CR: fault", s2cr(self), 2 << 16);
	EXPECT_TOLD("the context bank does not translate", s2cr(self), 8);
	EXPECT_TOLD("no such context bank", s2cr(self), 0x80);
	EXPECT_TOLD("the context bank does not translate", bank(self, 0x0), 1);
}

TEST_F(lie, tables)
{
	uint64_t other = self->last_table ^ self->stream.root;

	EXPECT_TOLD("", bank(self, 0x20), other);
	EXPECT_TOLD("a table is not in memory", bank(self, 0x24), 0x80);
	EXPECT_TOLD("not mapped", self->walk.parent, 1);
	EXPECT_TOLD("", self->walk.parent, other);
	EXPECT_TOLD("not mapped", self->walk.entry, 1);
	EXPECT_TOLD("leads to", self->walk.entry, 1 << 16);
	EXPECT_TOLD("access flag", self->walk.entry, 1 << 10);
}

TEST_F(lie, permissions)
{
	EXPECT_TOLD("cannot be written to", self->walk.entry, 1 << 7);
	EXPECT_TOLD("can be executed", self->walk.entry, 3ULL << 53);
	if (self->stream.stage == 2) {
		EXPECT_TOLD("can be read", self->walk.entry, 1 << 6);
		EXPECT_TOLD("is not device memory", self->walk.entry, 0xe << 2);
	} else {
		EXPECT_TOLD("cannot be written to", self->walk.entry, 1 << 6);
		EXPECT_TOLD("is not device memory", self->walk.entry, 1 << 2);
		EXPECT_TOLD("is not device memory", bank(self, 0x38), 0xff << 16);
	}
}

/* With another granule the tables mean something else; and one that is a block */
TEST_F(lie, page_size)
{
	if (self->stream.aarch64)
		EXPECT_TOLD("", bank(self, 0x30), 1 << 14);
	EXPECT_TOLD("TCR has no such tables", bank(self, 0x30), 0x10);
	EXPECT_TOLD("", self->walk.parent, 2);
}

/* A page that stays when the vector has gone */
TEST_F(lie, stale)
{
	uint64_t entry;

	ASSERT_EQ(0, phys_memory(self->all.walker.smmu.phys, self->walk.entry, &entry));
	ASSERT_EQ(0, irqs_off(&self->all.edu, MSI));
	EXPECT_TOLD("is mapped", self->walk.entry, entry);
}

TEST_HARNESS_MAIN
