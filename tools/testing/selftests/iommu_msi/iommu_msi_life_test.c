// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens to a machine while user space has vectors of its devices: they move to
 * other CPUs, CPUs go, the machine sleeps, a device sleeps, is taken away, or has
 * functions made and removed. Every interrupt is counted, before and after.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/wait.h>

#include "lib/doorbells.h"
#include "lib/edu.h"
#include "lib/events.h"
#include "lib/nvme.h"
#include "lib/sys.h"
#include "lib/window.h"
#include "backends.h"

#define VECTORS		4	/* of the disk: of its admin queue and three others */
#define MEMORY_IOVA	0x100000000ULL
#define SECONDS		180
#define ROUND		50	/* interrupts of edu, and of each queue of the disk */
/* A disk with virtual functions, below a port, and the first of these */
#define PHYSICAL	"0000:01:00.0"
#define VIRTUAL		"0000:01:00.1"

FIXTURE(life)
{
	struct space space;
	struct device edu, disk;
	struct nvme nvme;
	int edu_fd, fds[VECTORS];
};

FIXTURE_OF_BACKENDS(life);

static int use_disk(FIXTURE_DATA(life) *self)
{
	int ret = irqs_set(&self->disk, MSIX, 0, VECTORS, self->fds) ?:
		  nvme_start(&self->nvme, &self->disk, MEMORY_IOVA);
	int id;

	for (id = 1; !ret && id < VECTORS; id++)
		ret = nvme_create_queue(&self->nvme, id, id);
	return ret;
}

FIXTURE_SETUP(life)
{
	ASSERT_EQ(0, device_to_vfio(edu_address()));
	ASSERT_EQ(0, device_to_vfio(nvme_address()));
	self->edu_fd = event_new();
	ASSERT_LE(0, self->edu_fd);
	ASSERT_EQ(0, events_open(self->fds, VECTORS));
	ASSERT_EQ(0, space_open(&self->space, variant->backend));
	ASSERT_EQ(0, edu_open(&self->edu, &self->space));
	ASSERT_EQ(0, device_start(&self->disk, &self->space, nvme_address()));
	ASSERT_EQ(0, irqs_set(&self->edu, MSI, 0, 1, &self->edu_fd));
	ASSERT_EQ(0, use_disk(self));
}

FIXTURE_TEARDOWN(life)
{
	if (self->nvme.dev)
		nvme_stop(&self->nvme);
	device_close(&self->edu);
	device_close(&self->disk);
	space_close(&self->space);
	events_close(self->fds, VECTORS);
	close(self->edu_fd);
	EXPECT_EQ(0, doorbells_count());
}

/* How many interrupts arrive, of ROUND that each of @queues queues raises */
static int disk_fires(FIXTURE_DATA(life) *self, int queues)
{
	int id, i, arrived = 0;

	for (i = 0; i < ROUND; i++) {
		for (id = 1; id <= queues; id++) {
			nvme_submit(&self->nvme, id);
			arrived += event_wait(self->fds[id], 2000);
			if (nvme_complete(&self->nvme, id))
				return -1;
		}
	}
	interrupts_settle();
	for (id = 1; id <= queues; id++)
		arrived += event_wait(self->fds[id], 0);
	return arrived;
}

/* Each interrupt that is raised arrives, once */
#define EXPECT_ALIVE() do {						\
	EXPECT_EQ(ROUND, edu_fire(&self->edu, self->edu_fd, ROUND));	\
	EXPECT_EQ((VECTORS - 1) * ROUND, disk_fires(self, VECTORS - 1)); \
	EXPECT_EQ(translated(1), doorbells_count());			\
} while (0)

/* The vectors of VFIO, each on one CPU after the other, until it is killed */
static void move_vectors(void)
{
	int irqs[VECTORS + 1], found = 0, turn = 0, i;
	FILE *file = fopen("/proc/interrupts", "re");
	char line[512];

	while (file && fgets(line, sizeof(line), file))
		if (strstr(line, "vfio-msi") && found < VECTORS + 1)
			irqs[found++] = atoi(line);
	if (found != VECTORS + 1)
		_exit(1);
	for (;; turn++) {
		for (i = 0; i < found; i++)
			if (file_write((turn + i) % 2 ? "1" : "2",
				       "/proc/irq/%d/smp_affinity", irqs[i]))
				_exit(1);
		usleep(500);
	}
}

TEST_F_TIMEOUT(life, affinity, SECONDS)
{
	int status, i;
	pid_t child = fork();

	ASSERT_LE(0, child);
	if (!child)
		move_vectors();
	for (i = 0; i < 4; i++)
		EXPECT_ALIVE();
	EXPECT_EQ(0, waitpid(child, &status, WNOHANG));
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
}

TEST_F_TIMEOUT(life, cpu, SECONDS)
{
	const char *file = "/sys/devices/system/cpu/cpu1/online";
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, file_write("0", "%s", file));
		EXPECT_ALIVE();
		ASSERT_EQ(0, file_write("1", "%s", file));
		EXPECT_ALIVE();
	}
}

/* To idle, with all devices asleep, and back at once */
TEST_F_TIMEOUT(life, sleep, SECONDS)
{
	int i;

	ASSERT_EQ(0, file_write("platform", "/sys/power/pm_test"));
	ASSERT_EQ(0, file_write("0", "/sys/module/suspend/parameters/pm_test_delay"));
	for (i = 0; i < 2; i++) {
		EXPECT_ALIVE();
		ASSERT_EQ(0, file_write("freeze", "/sys/power/state"));
		EXPECT_ALIVE();
	}
}

/* Whether the disk gets into that state, of which the kernel has its own idea of time */
static bool disk_is(const char *wanted)
{
	char path[128], state[16];
	int i;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/power_state", nvme_address());
	for (i = 0; i < 500; i++) {
		FILE *file = fopen(path, "re");
		bool is = file && fgets(state, sizeof(state), file) &&
			  !strncmp(state, wanted, strlen(wanted));

		if (file)
			fclose(file);
		if (is)
			return true;
		usleep(10000);
	}
	return false;
}

static int feature(struct device *dev, int what)
{
	struct vfio_device_feature feature = {
		.argsz = sizeof(feature),
		.flags = VFIO_DEVICE_FEATURE_SET | what,
	};

	return sys_ioctl(dev->fd, VFIO_DEVICE_FEATURE, &feature);
}

TEST_F_TIMEOUT(life, low_power, SECONDS)
{
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, feature(&self->disk, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY));
		EXPECT_TRUE(disk_is("D3hot"));
		EXPECT_EQ(ROUND, edu_fire(&self->edu, self->edu_fd, ROUND));
		ASSERT_EQ(0, feature(&self->disk, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT));
		EXPECT_TRUE(disk_is("D0"));
		EXPECT_ALIVE();
	}
}

/* The kernel waits for who has it, and asks for it back */
TEST_F_TIMEOUT(life, removal, SECONDS)
{
	int request = event_new(), status;
	pid_t child;

	ASSERT_LE(0, request);
	ASSERT_EQ(0, irqs_set(&self->disk, VFIO_PCI_REQ_IRQ_INDEX, 0, 1, &request));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		device_close(&self->disk);	/* it must not wait for itself */
		_exit(file_write("1", "/sys/bus/pci/devices/%s/remove", nvme_address()) ? 1 : 0);
	}
	EXPECT_LE(1, event_wait(request, 5000));
	EXPECT_ALIVE();
	nvme_stop(&self->nvme);
	self->nvme.dev = NULL;
	device_close(&self->disk);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(ROUND, edu_fire(&self->edu, self->edu_fd, ROUND));

	ASSERT_EQ(0, file_write("1", "/sys/bus/pci/rescan"));
	ASSERT_EQ(0, device_to_vfio(nvme_address()));
	ASSERT_EQ(0, space_unmap_all(&self->space));
	ASSERT_EQ(0, device_start(&self->disk, &self->space, nvme_address()));
	ASSERT_EQ(0, use_disk(self));
	EXPECT_ALIVE();
	close(request);
}

/* Functions are made, one of them is given its vector, and they are removed */
TEST_F_TIMEOUT(life, functions, SECONDS)
{
	const char *count = "/sys/bus/pci/devices/" PHYSICAL "/sriov_numvfs";
	struct device function;
	struct space space;
	int i, fd = event_new();

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, file_write("0", "/sys/bus/pci/devices/" PHYSICAL "/sriov_drivers_autoprobe"));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, file_write("2", "%s", count));
		ASSERT_EQ(0, device_to_vfio(VIRTUAL));
		ASSERT_EQ(0, space_open(&space, variant->backend));
		ASSERT_EQ(0, device_open(&function, &space, VIRTUAL));
		ASSERT_EQ(0, irqs_set(&function, MSIX, 0, 1, &fd));
		EXPECT_EQ(translated(2), doorbells_count());
		device_close(&function);
		space_close(&space);
		EXPECT_EQ(translated(1), doorbells_count());
		ASSERT_EQ(0, file_write("0", "%s", count));
		EXPECT_ALIVE();
	}
	close(fd);
}

TEST_HARNESS_MAIN
