// SPDX-License-Identifier: GPL-2.0-only
/*
 * User space has a device reach for what is not its own: by way of the window
 * that doorbells are mapped in, and past it. Behind an SMMUv3, whose faults are
 * counted by the interrupts of its event queue.
 *
 * The attacker is an NVMe disk, the victim QEMU's edu device in a space of its
 * own. The environment may have NVME and EDU, their addresses.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/doorbells.h"
#include "lib/edu.h"
#include "lib/events.h"
#include "lib/nvme.h"
#include "lib/sys.h"
#include "lib/window.h"
#include "backends.h"

#define MEMORY		0x100000	/* the same for all page sizes */
#define QUEUES_IOVA	0x100000000ULL
#define OWN_IOVA	0x140000000ULL
#define VICTIM_IOVA	0x180000000ULL
#define VICTIM_WINDOW	0x20000000ULL
#define NOBODY		65534
#define FLOOD		5000
#define HOST_DISK	"/dev/nvme0n1"

/* How often SMMUs have reported faults, or -ENOENT without an SMMUv3 */
static long faults(void)
{
	return interrupts_count("arm-smmu-v3-evtq");
}

static bool fault_since(long before)
{
	int i, limit = paced(1000);

	for (i = 0; i < limit && faults() == before; i++)
		usleep(1000);
	return faults() > before;
}

#define NO_QUEUE "no event queue of an SMMUv3 in /proc/interrupts: run it behind one"

/* --- faults without end, before the host's disk is taken ------------------ */

FIXTURE(flood)
{
	struct space space;
	struct device edu;
	void *page;
	int fd, disk, kmsg;
};

FIXTURE_SETUP(flood)
{
	if (faults() < 0)
		SKIP(return, NO_QUEUE);
	self->disk = open(HOST_DISK, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (self->disk < 0)
		SKIP(return, "no " HOST_DISK ": run it where the host has a disk");
	self->page = memory_new(MEMORY);
	ASSERT_NE(NULL, self->page);
	self->kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ASSERT_LE(0, lseek(self->kmsg, 0, SEEK_END));
	self->fd = event_new();
	ASSERT_EQ(0, device_to_vfio(edu_address()));
	ASSERT_EQ(0, space_open(&self->space, IOMMUFD));
	ASSERT_EQ(0, edu_open(&self->edu, &self->space));
	ASSERT_EQ(0, irqs_set(&self->edu, MSI, 0, 1, &self->fd));
}

FIXTURE_TEARDOWN(flood)
{
	device_close(&self->edu);
	space_close(&self->space);
	munmap(self->page, MEMORY);
	close(self->fd);
	close(self->kmsg);
	close(self->disk);
	EXPECT_EQ(0, doorbells_count());
}

/* How many lines of SMMUs the log has since then */
static int lines_of_smmu(int kmsg)
{
	char line[1024];
	int lines = 0;
	ssize_t n;

	/* EPIPE: some were lost, as there were so many */
	while ((n = read(kmsg, line, sizeof(line) - 1)) > 0 || errno == EPIPE) {
		line[n > 0 ? n : 0] = '\0';
		lines += !!strstr(line, "arm-smmu-v3");
	}
	return lines;
}

/*
 * A vector whose doorbell is gone is raised over and over. The driver says ten events
 * in five seconds, each in five lines; and the host's disk goes on, with its interrupts.
 */
TEST_F_TIMEOUT(flood, of_events, 300)
{
	time_t start = now();
	int i, lines;
	long before;

	ASSERT_EQ(0, device_detach(&self->edu));
	ASSERT_EQ(0, window_set(&self->space, VICTIM_WINDOW, MIB));
	ASSERT_EQ(0, device_replace(&self->edu, self->space.ioas));
	before = faults();
	for (i = 0; i < FLOOD; i++) {
		edu_write(&self->edu, EDU_RAISE, 1);
		if (i % 100 == 0)
			ASSERT_EQ(MEMORY, pread(self->disk, self->page, MEMORY, 0));
	}
	edu_write(&self->edu, EDU_ACK, 1);
	EXPECT_TRUE(fault_since(before));
	EXPECT_EQ(0, event_wait(self->fd, 0));
	lines = lines_of_smmu(self->kmsg);
	EXPECT_LE(5, lines);
	EXPECT_GE(50 * ((now() - start) / 5 + 2), lines);

	ASSERT_EQ(0, irqs_off(&self->edu, MSI));
	ASSERT_EQ(0, irqs_set(&self->edu, MSI, 0, 1, &self->fd));
	EXPECT_EQ(5, edu_fire(&self->edu, self->fd, 5));
}

/* --- a disk reaches for what is another's -------------------------------- */

FIXTURE(attack)
{
	struct space space, victim_space;
	struct device dev, victim;
	struct nvme nvme;
	struct window window;
	uint64_t doorbell, victim_doorbell;
	void *memory, *victim_memory;
	int fds[2], victim_fd;
};

FIXTURE_OF_BACKENDS(attack);

static bool write_faults(FIXTURE_DATA(attack) *self, uint64_t to)
{
	long before = faults();

	return !nvme_write_to(&self->nvme, to) && fault_since(before);
}

static bool read_faults(FIXTURE_DATA(attack) *self, uint64_t from)
{
	long before = faults();

	return !nvme_read_from(&self->nvme, from) && fault_since(before);
}

/* Its interrupts arrive, and no others; its memory is as it was */
static bool victim_unharmed(FIXTURE_DATA(attack) *self)
{
	const unsigned char *byte = self->victim_memory;
	int i;

	interrupts_settle();
	if (event_wait(self->victim_fd, 0))
		return false;
	for (i = 0; i < MEMORY; i++)
		if (byte[i] != 0xa5)
			return false;
	return edu_fire(&self->victim, self->victim_fd, 5) == 5;
}

static void *memory(int content)
{
	void *at = memory_new(MEMORY);

	return at ? memset(at, content, MEMORY) : NULL;
}

static int start_victim(FIXTURE_DATA(attack) *self, enum backend backend)
{
	return space_open(&self->victim_space, backend) ?:
	       edu_open(&self->victim, &self->victim_space) ?:
	       window_set(&self->victim_space, VICTIM_WINDOW, MIB) ?:
	       space_map(&self->victim_space, self->victim_memory, VICTIM_IOVA,
			 MEMORY) ?:
	       irqs_set(&self->victim, MSI, 0, 1, &self->victim_fd);
}

static int start_attacker(FIXTURE_DATA(attack) *self, enum backend backend)
{
	return space_open(&self->space, backend) ?:
	       device_start(&self->dev, &self->space, nvme_address()) ?:
	       space_map(&self->space, self->memory, OWN_IOVA, MEMORY) ?:
	       irqs_set(&self->dev, MSIX, 0, 2, self->fds) ?:
	       nvme_start(&self->nvme, &self->dev, QUEUES_IOVA) ?:
	       window_query(&self->space, &self->window);
}

FIXTURE_SETUP(attack)
{
	struct doorbells d;
	int i;

	if (faults() < 0)
		SKIP(return, NO_QUEUE);
	ASSERT_EQ(0, events_open(self->fds, 2));
	self->victim_fd = event_new();
	self->memory = memory(0x5a);
	self->victim_memory = memory(0xa5);
	ASSERT_NE(NULL, self->memory);
	ASSERT_NE(NULL, self->victim_memory);
	ASSERT_EQ(0, device_to_vfio(edu_address()));
	ASSERT_EQ(0, device_to_vfio(nvme_address()));
	ASSERT_EQ(0, start_victim(self, variant->backend));
	ASSERT_EQ(0, start_attacker(self, variant->backend));
	ASSERT_EQ(0, doorbells_read(&d));
	ASSERT_EQ(2, d.count);
	for (i = 0; i < 2; i++) {
		if (d.at[i].iova - VICTIM_WINDOW < MIB)
			self->victim_doorbell = d.at[i].iova;
		else
			self->doorbell = d.at[i].iova;
	}
	ASSERT_NE(0, self->doorbell);
	ASSERT_NE(0, self->victim_doorbell);
}

FIXTURE_TEARDOWN(attack)
{
	if (self->nvme.memory)
		nvme_stop(&self->nvme);
	device_close(&self->dev);
	device_close(&self->victim);
	space_close(&self->space);
	space_close(&self->victim_space);
	EXPECT_EQ(0, doorbells_count());
}

/* The attacker writes where it may. If it could not, the other tests would prove nothing. */
TEST_F(attack, own_memory)
{
	const unsigned char *byte = self->memory;
	long before = faults();
	int i;

	ASSERT_EQ(0, nvme_write_to(&self->nvme, OWN_IOVA));
	EXPECT_EQ(0, nvme_read_from(&self->nvme, OWN_IOVA));
	for (i = 0; i < 4096 && byte[i] == 0x5a; i++)
		;
	EXPECT_GT(4096, i);
	EXPECT_EQ(before, faults());
	EXPECT_TRUE(victim_unharmed(self));
}

/* Every page of the window but the doorbell's, and those before and after it */
TEST_F_TIMEOUT(attack, pages_around, 120)
{
	uint64_t granule = self->window.granule, at;

	for (at = self->window.start - granule;
	     at <= self->window.last + 1; at += granule) {
		if (at != self->doorbell)
			ASSERT_TRUE(write_faults(self, at))
				TH_LOG("no fault at %#llx", (long long)at);
	}
	EXPECT_TRUE(victim_unharmed(self));
}

/*
 * A page that is mapped for writing alone can be read where the page table has
 * no way to say so, as in stage 1 on ARM. Reading it does nothing: no interrupt
 * comes of it, and those that are due do come.
 */
TEST_F(attack, doorbell_read_does_nothing)
{
	long before = faults();
	uint64_t at;

	/* Of the commands that started the disk */
	interrupts_settle();
	event_wait(self->fds[0], 0);
	for (at = 0; at < self->window.granule; at += 64) {
		ASSERT_EQ(0, nvme_read_from(&self->nvme, self->doorbell + at));
		/* A command completes with one of its own, at the first vector */
		ASSERT_EQ(1, event_wait(self->fds[0], 2000));
	}
	interrupts_settle();
	EXPECT_EQ(0, event_wait(self->fds[0], 0));
	EXPECT_EQ(0, event_wait(self->fds[1], 0));
	EXPECT_EQ(before, faults());
	EXPECT_TRUE(victim_unharmed(self));
}

TEST_F(attack, memory_of_another)
{
	EXPECT_TRUE(write_faults(self, VICTIM_IOVA));
	EXPECT_TRUE(write_faults(self, VICTIM_IOVA + MEMORY - 4096));
	EXPECT_TRUE(read_faults(self, VICTIM_IOVA));
	EXPECT_TRUE(victim_unharmed(self));
}

TEST_F(attack, doorbell_of_another)
{
	EXPECT_TRUE(write_faults(self, self->victim_doorbell));
	EXPECT_TRUE(read_faults(self, self->victim_doorbell));
	EXPECT_TRUE(victim_unharmed(self));
}

TEST_F(attack, doorbell_after_the_last_vector)
{
	ASSERT_EQ(0, irqs_off(&self->dev, MSIX));
	EXPECT_TRUE(write_faults(self, self->doorbell));
	EXPECT_TRUE(read_faults(self, self->doorbell));
	EXPECT_TRUE(victim_unharmed(self));
}

/* Nor does it reach the doorbell by its physical address */
TEST_F(attack, physical_addresses)
{
	struct doorbells d;
	int i;

	ASSERT_EQ(0, doorbells_read(&d));
	for (i = 0; i < d.count; i++)
		if (d.at[i].pa != self->doorbell)
			EXPECT_TRUE(write_faults(self, d.at[i].pa));
	EXPECT_TRUE(victim_unharmed(self));
}

/* --- those who have no device -------------------------------------------- */

static int try_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

TEST(nobody_looks_or_sets)
{
	static const char * const paths[] = {
		"/sys/kernel/debug/iommu_msi/domains",
		"/sys/kernel/debug/iommu_msi/groups",
	};
	unsigned int i;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, try_open(paths[i], O_RDONLY));
	ASSERT_EQ(0, seteuid(NOBODY));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(-EACCES, try_open(paths[i], O_RDONLY));
		EXPECT_EQ(-EACCES, try_open(paths[i], O_WRONLY));
	}
	EXPECT_EQ(-EACCES, try_open("/sys/module/msi_iommu/parameters/window",
				    O_WRONLY));
	ASSERT_EQ(0, seteuid(0));
}

/* --- interrupts that are not isolated ------------------------------------ */

FIXTURE(isolation)
{
	struct space space;
	struct device dev;
	char before;
	bool isolated;
};

FIXTURE_VARIANT(isolation)
{
	enum backend backend;
	const char *parameter;
};

FIXTURE_VARIANT_ADD(isolation, type1) {
	.backend = TYPE1,
	.parameter = "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts",
};

FIXTURE_VARIANT_ADD(isolation, iommufd) {
	.backend = IOMMUFD,
	.parameter = "/sys/module/iommufd/parameters/allow_unsafe_interrupts",
};

static int parameter(const char *path, char *before, char value)
{
	int fd = open(path, O_RDWR | O_CLOEXEC), ret = 0;

	if (fd < 0 || read(fd, before, 1) != 1 || pwrite(fd, &value, 1, 0) != 1)
		ret = -errno ?: -EIO;
	if (fd >= 0)
		close(fd);
	return ret;
}

/* Does the controller of VFIO's interrupts know who writes? */
static bool isolated(void)
{
	char line[512];
	FILE *file = fopen("/proc/interrupts", "re");
	bool its = false;

	while (file && fgets(line, sizeof(line), file))
		its |= strstr(line, "vfio-msi") && strstr(line, "ITS-");
	if (file)
		fclose(file);
	return its;
}

FIXTURE_SETUP(isolation)
{
	int fd = event_new();
	char ignored;

	ASSERT_EQ(0, device_to_vfio(edu_address()));
	ASSERT_EQ(0, parameter(variant->parameter, &self->before, 'Y'));
	ASSERT_EQ(0, space_open(&self->space, variant->backend));
	ASSERT_EQ(0, device_open(&self->dev, &self->space, edu_address()));
	ASSERT_EQ(0, irqs_set(&self->dev, MSI, 0, 1, &fd));
	self->isolated = isolated();
	device_close(&self->dev);
	space_close(&self->space);
	close(fd);
	ASSERT_EQ(0, space_open(&self->space, variant->backend));
	ASSERT_EQ(0, parameter(variant->parameter, &ignored, 'N'));
}

FIXTURE_TEARDOWN(isolation)
{
	char ignored;

	device_close(&self->dev);
	space_close(&self->space);
	ASSERT_EQ(0, parameter(variant->parameter, &ignored, self->before));
}

TEST_F(isolation, unsafe_is_refused)
{
	EXPECT_EQ(self->isolated ? 0 : -EPERM,
		  device_open(&self->dev, &self->space, edu_address()));
}

TEST_HARNESS_MAIN
