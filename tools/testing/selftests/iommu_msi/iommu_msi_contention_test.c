// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver of the kernel's own allocates its vectors, as the host's NVMe disk does
 * when it is reset, beside those who take the locks of IOMMU groups: readers of
 * reserved regions, who wait for memory until the very disk that is reset has taken
 * some, and VFIO owners whose vectors, windows and attachments come and go. And it
 * does so while such a lock is held all the time.
 *
 * The environment may have NVME, the disk, which must be swapped to already; EDUS,
 * the addresses of up to four edu devices; RESETS, how often the disk is reset.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cgroup.h"
#include "lib/clock.h"
#include "lib/doorbells.h"
#include "lib/edu.h"
#include "lib/events.h"
#include "lib/module.h"
#include "lib/nvme.h"
#include "lib/sys.h"
#include "lib/window.h"
#include "lib/workers.h"
#include "backends.h"

#define LIMIT		"4M"
#define HOG_SIZE	(12 * MIB)
#define READERS		2
#define MAX_OWNERS	4
#define REGIONS		"/sys/kernel/iommu_groups/*/reserved_regions"
#define PAGE		4096
#define SWAP_MAGIC	"SWAPSPACE2"	/* ends the first page of a disk for swap */
#define WINDOW		0x10000000ULL
#define PATIENCE	paced(60)	/* seconds, for what must come to its end */
#define SECONDS		900

#define MUST(call) do {							\
	int ret_ = (call);						\
									\
	if (ret_)							\
		errx(1, "line %d: %s: %s", __LINE__, #call, strerror(-ret_)); \
} while (0)

/* --- the disk ------------------------------------------------------------ */

struct disk {
	char controller[16], reset[64], state[64], device[32];
};

static int disk_find(struct disk *disk)
{
	char pattern[128];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "/sys/bus/pci/devices/%s/nvme/nvme*",
		 nvme_address());
	if (glob(pattern, 0, NULL, &found))
		return -ENODEV;
	snprintf(disk->controller, sizeof(disk->controller), "%.15s",
		 strrchr(found.gl_pathv[0], '/') + 1);
	globfree(&found);
	snprintf(disk->reset, sizeof(disk->reset),
		 "/sys/class/nvme/%s/reset_controller", disk->controller);
	snprintf(disk->state, sizeof(disk->state), "/sys/class/nvme/%s/state",
		 disk->controller);
	snprintf(disk->device, sizeof(disk->device), "/dev/%sn1", disk->controller);
	return 0;
}

static bool file_has(const char *path, const char *text)
{
	char content[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, content, sizeof(content) - 1);
	close(fd);
	content[n > 0 ? n : 0] = '\0';
	return strstr(content, text);
}

/* The disk itself, not what the kernel has read before */
static bool disk_readable(const struct disk *disk)
{
	int fd = open(disk->device, O_RDONLY | O_DIRECT | O_CLOEXEC);
	char *page = aligned_alloc(PAGE, PAGE);
	size_t length = strlen(SWAP_MAGIC);
	bool good;

	good = fd >= 0 && page && pread(fd, page, PAGE, 0) == PAGE &&
	       !memcmp(page + PAGE - length, SWAP_MAGIC, length);
	free(page);
	close(fd);
	return good;
}

/* Returns when the reset is over */
static int disk_reset(const struct disk *disk)
{
	return file_write("1", "%s", disk->reset);
}

/* --- who is in the way --------------------------------------------------- */

/* Never fits, so that whoever is in the cgroup has to reclaim */
static void hog(struct worker *self)
{
	char *memory = memory_new(HOG_SIZE);
	size_t at;

	if (!memory)
		err(1, "memory");
	MUST(cgroup_join(CGROUP));
	for (at = 0;; at = (at + PAGE) % HOG_SIZE, self->steps++)
		memset(memory + at, self->steps, PAGE);
}

static void reader(struct worker *self, const glob_t *files)
{
	char text[1024];
	size_t i;
	int fd;

	MUST(cgroup_join(CGROUP));
	for (;; self->steps++) {
		for (i = 0; i < files->gl_pathc; i++) {
			fd = open(files->gl_pathv[i], O_RDONLY | O_CLOEXEC);
			if (fd < 0 || read(fd, text, sizeof(text)) <= 0)
				err(1, "%s", files->gl_pathv[i]);
			close(fd);
		}
	}
}

/* What an owner does with a device that it keeps for a while */
static void churn(struct device *dev, enum backend backend, uint32_t other, int fd)
{
	MUST(window_set(dev->space, WINDOW, MIB));
	MUST(irqs_set(dev, MSI, 0, 1, &fd));
	if (edu_fire(dev, fd, 2) != 2)
		errx(1, "interrupts are lost");
	MUST(irqs_off(dev, MSI));
	MUST(window_unset(dev->space, WINDOW, MIB));
	if (backend == TYPE1)
		return;
	MUST(irqs_set(dev, MSI, 0, 1, &fd));
	MUST(device_replace(dev, other));
	MUST(device_replace(dev, dev->space->ioas));
	MUST(irqs_off(dev, MSI));
	MUST(device_detach(dev));
	MUST(device_replace(dev, dev->space->ioas));
}

static void owner(struct worker *self, const char *address, enum backend backend)
{
	int fd = event_new(), i;
	uint32_t other = 0;

	for (;;) {
		struct space space;
		struct device dev;

		MUST(space_open(&space, backend));
		MUST(device_start(&dev, &space, address));
		if (backend == IOMMUFD)
			MUST(space_add_ioas(&space, &other));
		for (i = 0; i < 8; i++, self->steps++)
			churn(&dev, backend, other, fd);
		device_close(&dev);
		space_close(&space);
	}
}

/* --- resets beside them -------------------------------------------------- */

FIXTURE(contention)
{
	struct disk disk;
	struct worker *workers;
	struct crew crew;
	glob_t files;
	char *owned[MAX_OWNERS];
	int owners;
};

FIXTURE_SETUP(contention)
{
	char *edus = strdup(getenv("EDUS") ?: "0000:00:02.0 0000:00:04.0");
	size_t i;

	ASSERT_EQ(0, disk_find(&self->disk));
	if (!file_has("/proc/swaps", self->disk.device))
		SKIP(return, "nothing is swapped to the disk");
	if (cgroup_make() ?: file_write(LIMIT, CGROUP "/memory.max"))
		SKIP(return, "no memory cgroups");
	while (self->owners < MAX_OWNERS &&
	       (self->owned[self->owners] = strsep(&edus, " ")))
		ASSERT_EQ(0, device_to_vfio(self->owned[self->owners++]));
	/*
	 * Kept open, so that nobody in the cgroup has to look them up: that
	 * allocates with a lock of sysfs held which a reset needs, on any kernel
	 */
	ASSERT_EQ(0, glob(REGIONS, 0, NULL, &self->files));
	for (i = 0; i < self->files.gl_pathc; i++)
		ASSERT_LE(0, open(self->files.gl_pathv[i], O_RDONLY | O_CLOEXEC));
	self->workers = memory_new(MAX_WORKERS * sizeof(struct worker));
	ASSERT_NE(NULL, self->workers);
}

static void workers_end(FIXTURE_DATA(contention) *self)
{
	int i;

	for (i = 0; i < self->crew.count; i++)
		kill(self->workers[i].pid, SIGKILL);
	for (i = 0; i < self->crew.count; i++)
		waitpid(self->workers[i].pid, NULL, 0);
	self->crew.count = 0;
}

FIXTURE_TEARDOWN(contention)
{
	workers_end(self);
	EXPECT_EQ(0, rmdir(CGROUP));
	EXPECT_TRUE(nothing_left("#"));
}

static bool start(FIXTURE_DATA(contention) *self, const char *name)
{
	if (!worker_start(&self->crew, &self->workers[self->crew.count], name))
		return false;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return true;
}

static void workers_start(FIXTURE_DATA(contention) *self)
{
	struct worker *all = self->workers;
	int i;

	if (start(self, "hog"))
		hog(&all[self->crew.count - 1]);
	for (i = 0; i < READERS; i++)
		if (start(self, "reader"))
			reader(&all[self->crew.count - 1], &self->files);
	for (i = 0; i < self->owners; i++)
		if (start(self, self->owned[i]))
			owner(&all[self->crew.count - 1], self->owned[i], i & 1);
}

/* NULL when each worker has got something done since @before, or who has not */
static const char *workers_wait(FIXTURE_DATA(contention) *self, const uint64_t *before)
{
	time_t end = now() + PATIENCE;
	int i;

	for (i = 0; i < self->crew.count; i++) {
		while (self->workers[i].steps == before[i]) {
			if (now() > end || waitpid(self->workers[i].pid, NULL, WNOHANG))
				return self->workers[i].name;
			usleep(1000);
		}
	}
	return NULL;
}

/* How often the cgroup had to reclaim memory */
static int limit_hits(void)
{
	FILE *file = fopen(CGROUP "/memory.events", "re");
	int hits = -1, number;
	char word[64];

	if (!file)
		return -errno;
	while (hits < 0 && fscanf(file, "%63s %d", word, &number) == 2)
		if (!strcmp(word, "max"))
			hits = number;
	fclose(file);
	return hits;
}

/* Waits until the cgroup has had to reclaim memory more often than @hits times */
static bool limit_hit(int hits)
{
	time_t end = now() + PATIENCE;

	while (limit_hits() <= hits && now() < end)
		usleep(1000);
	return limit_hits() > hits;
}

TEST_F_TIMEOUT(contention, resets, SECONDS)
{
	int resets = atoi(getenv("RESETS") ?: "30"), hits, i, n;
	uint64_t before[MAX_WORKERS] = {};
	const char *idle;

	workers_start(self);
	ASSERT_TRUE(limit_hit(0));
	idle = workers_wait(self, before);
	ASSERT_EQ(NULL, idle) TH_LOG("%s does nothing", idle);
	for (n = 0; n < resets; n++) {
		for (i = 0; i < self->crew.count; i++)
			before[i] = self->workers[i].steps;
		hits = limit_hits();
		ASSERT_EQ(0, disk_reset(&self->disk)) TH_LOG("reset %d", n);
		ASSERT_TRUE(file_has(self->disk.state, "live")) TH_LOG("reset %d", n);
		ASSERT_TRUE(disk_readable(&self->disk)) TH_LOG("reset %d", n);
		ASSERT_TRUE(limit_hit(hits)) TH_LOG("reset %d", n);
		idle = workers_wait(self, before);
		ASSERT_EQ(NULL, idle) TH_LOG("%s does nothing, reset %d", idle, n);
	}
	ASSERT_LT(0, file_number(CGROUP "/memory.swap.current"));
	for (i = 0; i < self->crew.count; i++)
		TH_LOG("%-12s  %llu steps", self->workers[i].name,
		       (unsigned long long)self->workers[i].steps);
	TH_LOG("%d resets, the limit was hit %d times, %d bytes are swapped out", n,
	       limit_hits(), file_number(CGROUP "/memory.swap.current"));
}

/* --- while the lock of the group is held --------------------------------- */

/*
 * What a reader allocates with the lock held is charged to no cgroup, so that it
 * waits only where the whole machine is short of memory: there a reset may wait for
 * the disk itself, on any kernel. A module holds the lock instead.
 */

FIXTURE(held)
{
	struct space space;
	struct device edu;
	int eventfd;
};

FIXTURE_OF_BACKENDS(held);

FIXTURE_SETUP(held)
{
	ASSERT_EQ(0, device_to_vfio(edu_address()));
	ASSERT_EQ(0, space_open(&self->space, variant->backend));
	ASSERT_EQ(0, edu_open(&self->edu, &self->space));
	self->eventfd = event_new();
}

FIXTURE_TEARDOWN(held)
{
	EXPECT_EQ(0, module_unload("msi_hold"));
	/* Who has waited for the lock all the time */
	while (wait(NULL) > 0)
		;
	device_close(&self->edu);
	space_close(&self->space);
	EXPECT_TRUE(nothing_left("#"));
}

static int hold(const char *address)
{
	char option[64];

	snprintf(option, sizeof(option), "device=%s", address);
	return module_load("msi_hold", option);
}

static int raise_one(void *data)
{
	FIXTURE_DATA(held) *self = data;

	return irqs_set(&self->edu, MSI, 0, 1, &self->eventfd) ?:
	       edu_fire(&self->edu, self->eventfd, 1) - 1 ?:
	       irqs_off(&self->edu, MSI);
}

static int reset(void *disk)
{
	return disk_reset(disk);
}

/* Done by a process of its own, as nobody can be killed who waits for the lock */
static bool succeeds(int (*action)(void *), void *data)
{
	time_t end = now() + PATIENCE / 4;
	int status, ended = 0;
	pid_t pid = fork();

	if (!pid)
		_exit(!!action(data));
	while (pid > 0 && !ended && now() < end) {
		usleep(1000);
		ended = waitpid(pid, &status, WNOHANG);
	}
	return ended == pid && !status;
}

TEST_F_TIMEOUT(held, of_owner, SECONDS)
{
	ASSERT_EQ(0, hold(edu_address()));
	EXPECT_TRUE(succeeds(raise_one, self));
}

/* The owner, of another group, only meets what the reset has locked */
TEST_F_TIMEOUT(held, of_disk, SECONDS)
{
	struct disk disk;

	ASSERT_EQ(0, disk_find(&disk));
	ASSERT_EQ(0, hold(nvme_address()));
	EXPECT_TRUE(succeeds(reset, &disk));
	EXPECT_TRUE(succeeds(raise_one, self));
	EXPECT_TRUE(file_has(disk.state, "live"));
}

TEST_HARNESS_MAIN
