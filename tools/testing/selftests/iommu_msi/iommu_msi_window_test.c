// SPDX-License-Identifier: GPL-2.0-only
/*
 * The window for MSI doorbells in the hands of user space
 *
 * The environment may have EDU and NVME, the devices' addresses. Needs
 * test_modules/msi_quirk.ko next to the program.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/iommufd.h>

#include "lib/doorbells.h"
#include "lib/edu.h"
#include "lib/events.h"
#include "lib/module.h"
#include "lib/nvme.h"
#include "lib/sys.h"
#include "lib/window.h"
#include "backends.h"

#define OLD		0x8000000ULL	/* default window, 1 MiB */
#define NEW		0x10000000ULL
#define OTHER		0x20000000ULL

#define NO_WINDOW "user space cannot set the MSI window: boot a kernel with the msi-iommu series and CONFIG_IOMMU_MSI=y"

static int quirk(const char *bdf, const char *what)
{
	char options[128];

	snprintf(options, sizeof(options), "device=%s %s", bdf, what);
	return module_load("msi_quirk", options);
}

/* All that a refusal must leave as it is */
struct state {
	struct window window;
	struct ranges ranges;
};

static int state_read(struct space *space, struct state *state)
{
	memset(state, 0, sizeof(*state));
	return window_query(space, &state->window) ?:
	       space_ranges(space, &state->ranges);
}

static bool state_same(struct space *space, const struct state *before)
{
	struct state now;

	return !state_read(space, &now) && !memcmp(&now, before, sizeof(now));
}

FIXTURE(aperture)
{
	struct space space;
	struct device edu, nvme;
	int eventfd, nvme_fd;
	void *memory;
};

FIXTURE_OF_BACKENDS(aperture);

static int attach_edu(FIXTURE_DATA(aperture) *self)
{
	return edu_open(&self->edu, &self->space);
}

static int attach_nvme(FIXTURE_DATA(aperture) *self)
{
	int ret = device_open(&self->nvme, &self->space, nvme_address());

	if (ret)
		device_close(&self->nvme);
	return ret;
}

static int irq_on(FIXTURE_DATA(aperture) *self)
{
	return irqs_set(&self->edu, MSI, 0, 1, &self->eventfd);
}

/* Is there one doorbell, and is it in the window? */
static bool doorbell_in(uint64_t start, uint64_t size)
{
	struct doorbells d;

	return !doorbells_read(&d) && d.count == 1 && d.at[0].iova >= start &&
	       d.at[0].iova + d.at[0].size <= start + size;
}

FIXTURE_SETUP(aperture)
{
	struct window window;

	module_unload("msi_quirk");
	ASSERT_EQ(0, device_to_vfio(edu_address()));
	ASSERT_EQ(0, device_to_vfio(nvme_address()));
	self->nvme = (struct device) { .fd = -1, .group = -1 };
	self->eventfd = event_new();
	self->nvme_fd = event_new();
	self->memory = memory_new(MIB);
	ASSERT_NE(NULL, self->memory);
	ASSERT_EQ(0, space_open(&self->space, variant->backend));
	ASSERT_EQ(0, attach_edu(self));
	if (window_query(&self->space, &window) == -ENOSYS)
		SKIP(return, NO_WINDOW);
}

FIXTURE_TEARDOWN(aperture)
{
	device_close(&self->edu);
	device_close(&self->nvme);
	space_close(&self->space);
	munmap(self->memory, MIB);
	module_unload("msi_quirk");
	EXPECT_EQ(0, doorbells_count());
}

TEST_F(aperture, query)
{
	struct window w;

	ASSERT_EQ(0, window_query(&self->space, &w));
	EXPECT_EQ(WINDOW_TRANSLATED | WINDOW_PROGRAMMABLE, w.flags);
	EXPECT_EQ(OLD, w.start);
	EXPECT_EQ(OLD + MIB - 1, w.last);
	EXPECT_EQ(0, w.used);
	EXPECT_EQ(MIB / w.granule, w.free);
	EXPECT_EQ(1, w.needed);

	ASSERT_EQ(0, irq_on(self));
	ASSERT_EQ(0, window_query(&self->space, &w));
	EXPECT_EQ(WINDOW_TRANSLATED, w.flags);
	EXPECT_EQ(1, w.used);
	EXPECT_EQ(MIB / w.granule - 1, w.free);

	ASSERT_EQ(0, irqs_off(&self->edu, MSI));
	ASSERT_EQ(0, window_query(&self->space, &w));
	EXPECT_EQ(WINDOW_TRANSLATED | WINDOW_PROGRAMMABLE, w.flags);
	EXPECT_EQ(0, w.used);
}

TEST_F(aperture, set_move_unset)
{
	struct state before, s;

	ASSERT_EQ(0, state_read(&self->space, &before));
	EXPECT_FALSE(ranges_hold(&before.ranges, OLD, OLD));
	ASSERT_EQ(0, window_set(&self->space, NEW, MIB));
	ASSERT_EQ(0, state_read(&self->space, &s));
	EXPECT_EQ(WINDOW_TRANSLATED | WINDOW_PROGRAMMABLE | WINDOW_USER,
		  s.window.flags);
	EXPECT_EQ(NEW, s.window.start);
	EXPECT_EQ(NEW + MIB - 1, s.window.last);
	EXPECT_TRUE(ranges_hold(&s.ranges, 0, NEW - 1));
	EXPECT_FALSE(ranges_hold(&s.ranges, NEW, NEW));
	EXPECT_FALSE(ranges_hold(&s.ranges, NEW + MIB - 1, NEW + MIB - 1));
	EXPECT_TRUE(ranges_hold(&s.ranges, NEW + MIB, OTHER));

	EXPECT_EQ(0, window_set(&self->space, NEW, MIB));
	ASSERT_EQ(0, irq_on(self));
	EXPECT_TRUE(doorbell_in(NEW, MIB));
	EXPECT_EQ(5, edu_fire(&self->edu, self->eventfd, 5));
	ASSERT_EQ(0, irqs_off(&self->edu, MSI));

	ASSERT_EQ(0, window_set(&self->space, OTHER, 2 * MIB));
	ASSERT_EQ(0, irq_on(self));
	EXPECT_TRUE(doorbell_in(OTHER, 2 * MIB));
	EXPECT_EQ(5, edu_fire(&self->edu, self->eventfd, 5));
	ASSERT_EQ(0, irqs_off(&self->edu, MSI));

	ASSERT_EQ(0, window_unset(&self->space, OTHER, 2 * MIB));
	EXPECT_TRUE(state_same(&self->space, &before));
	ASSERT_EQ(0, irq_on(self));
	EXPECT_TRUE(doorbell_in(OLD, MIB));
	EXPECT_EQ(5, edu_fire(&self->edu, self->eventfd, 5));
}

/* From 0 on, and across the default window */
TEST_F(aperture, at_zero)
{
	ASSERT_EQ(0, window_set(&self->space, 0, MIB));
	ASSERT_EQ(0, irq_on(self));
	EXPECT_TRUE(doorbell_in(0, MIB));
	EXPECT_EQ(5, edu_fire(&self->edu, self->eventfd, 5));
	ASSERT_EQ(0, irqs_off(&self->edu, MSI));
	ASSERT_EQ(0, window_set(&self->space, OLD - MIB, 4 * MIB));
	ASSERT_EQ(0, irq_on(self));
	EXPECT_TRUE(doorbell_in(OLD - MIB, MIB));
	EXPECT_EQ(5, edu_fire(&self->edu, self->eventfd, 5));
}

TEST_F(aperture, default_is_memory)
{
	ASSERT_NE(0, space_map(&self->space, self->memory, OLD, MIB));
	ASSERT_EQ(0, window_set(&self->space, NEW, MIB));
	ASSERT_EQ(0, space_map(&self->space, self->memory, OLD, MIB));
	EXPECT_EQ(-EINVAL, space_map(&self->space, self->memory, NEW, MIB));
	EXPECT_EQ(-EINVAL, space_map(&self->space, self->memory,
				     NEW - MIB / 2, MIB));
	ASSERT_EQ(0, irq_on(self));
	EXPECT_EQ(5, edu_fire(&self->edu, self->eventfd, 5));
	ASSERT_EQ(0, irqs_off(&self->edu, MSI));

	/* The way back is taken */
	EXPECT_EQ(-EEXIST, window_unset(&self->space, NEW, MIB));
	ASSERT_EQ(0, irq_on(self));
	EXPECT_TRUE(doorbell_in(NEW, MIB));
	ASSERT_EQ(0, irqs_off(&self->edu, MSI));
	ASSERT_EQ(0, space_unmap(&self->space, OLD, MIB));
	EXPECT_EQ(0, window_unset(&self->space, NEW, MIB));
}

TEST_F(aperture, unmap_all)
{
	struct state before;

	ASSERT_EQ(0, window_set(&self->space, NEW, MIB));
	ASSERT_EQ(0, irq_on(self));
	ASSERT_EQ(0, state_read(&self->space, &before));
	ASSERT_EQ(0, space_map(&self->space, self->memory, OLD, MIB));
	ASSERT_EQ(0, space_unmap_all(&self->space));
	EXPECT_TRUE(state_same(&self->space, &before));
	EXPECT_EQ(5, edu_fire(&self->edu, self->eventfd, 5));
	ASSERT_EQ(0, space_map(&self->space, self->memory, OLD, MIB));
}

TEST_F(aperture, busy)
{
	struct state before;

	ASSERT_EQ(0, window_set(&self->space, NEW, MIB));
	ASSERT_EQ(0, irq_on(self));
	ASSERT_EQ(0, state_read(&self->space, &before));
	EXPECT_EQ(-EBUSY, window_set(&self->space, OTHER, MIB));
	EXPECT_TRUE(state_same(&self->space, &before));
	EXPECT_EQ(-EBUSY, window_unset(&self->space, NEW, MIB));
	EXPECT_TRUE(state_same(&self->space, &before));
	EXPECT_EQ(0, window_set(&self->space, NEW, MIB));
	EXPECT_TRUE(state_same(&self->space, &before));
	EXPECT_EQ(5, edu_fire(&self->edu, self->eventfd, 5));
}

/* Who sets the window at each start and hotplug need not know which one it is */
TEST_F(aperture, same_as_default)
{
	struct window w;

	ASSERT_EQ(0, irq_on(self));
	EXPECT_EQ(0, window_set(&self->space, OLD, MIB));
	ASSERT_EQ(0, window_query(&self->space, &w));
	EXPECT_EQ(WINDOW_TRANSLATED | WINDOW_USER, w.flags);
	EXPECT_EQ(OLD, w.start);
	EXPECT_EQ(-EBUSY, window_set(&self->space, NEW, MIB));
	EXPECT_TRUE(doorbell_in(OLD, MIB));
	EXPECT_EQ(5, edu_fire(&self->edu, self->eventfd, 5));
}

#define EXPECT_REFUSED(error, start, size) do {				\
	EXPECT_EQ(-(error), window_set(&self->space, start, size));	\
	EXPECT_TRUE(state_same(&self->space, &before));			\
} while (0)

TEST_F(aperture, refuse_malformed)
{
	struct state before;

	ASSERT_EQ(0, state_read(&self->space, &before));
	EXPECT_REFUSED(EINVAL, NEW + 0x800, MIB);
	EXPECT_REFUSED(EINVAL, NEW, MIB + 0x800);
	EXPECT_REFUSED(EINVAL, NEW + before.window.granule / 2, MIB);
	EXPECT_REFUSED(EINVAL, -MIB, 2 * MIB);
	if (variant->backend == TYPE1)
		EXPECT_REFUSED(EINVAL, NEW, 0);
}

TEST_F(aperture, refuse_mapped)
{
	struct state before;

	ASSERT_EQ(0, space_map(&self->space, self->memory, NEW, MIB));
	ASSERT_EQ(0, state_read(&self->space, &before));
	EXPECT_REFUSED(EEXIST, NEW, MIB);
	EXPECT_REFUSED(EEXIST, NEW - MIB, 4 * MIB);
	EXPECT_REFUSED(EEXIST, NEW + MIB / 2, MIB);
	EXPECT_EQ(0, window_set(&self->space, NEW + MIB, MIB));
}

TEST_F(aperture, refuse_outside)
{
	struct state before;
	uint64_t last;

	ASSERT_EQ(0, state_read(&self->space, &before));
	last = before.ranges.at[before.ranges.count - 1].last;
	ASSERT_GT(UINT64_MAX, last);
	EXPECT_REFUSED(ERANGE, last + 1, MIB);
	EXPECT_REFUSED(ERANGE, last + 1 - MIB, 2 * MIB);
	EXPECT_EQ(0, window_set(&self->space, last + 1 - MIB, MIB));
	ASSERT_EQ(0, irq_on(self));
	EXPECT_EQ(5, edu_fire(&self->edu, self->eventfd, 5));
}

TEST_F(aperture, refuse_32bit)
{
	struct state before;

	ASSERT_EQ(0, quirk(edu_address(), "msi32=1"));
	ASSERT_EQ(0, state_read(&self->space, &before));
	EXPECT_REFUSED(ERANGE, 1ULL << 32, MIB);
	EXPECT_REFUSED(ERANGE, (1ULL << 32) - MIB, 2 * MIB);
	EXPECT_EQ(0, window_set(&self->space, (1ULL << 32) - MIB, MIB));
	EXPECT_EQ(0, window_unset(&self->space, (1ULL << 32) - MIB, MIB));
	ASSERT_EQ(0, module_unload("msi_quirk"));
	EXPECT_EQ(0, window_set(&self->space, 1ULL << 32, MIB));
	ASSERT_EQ(0, irq_on(self));
	EXPECT_TRUE(doorbell_in(1ULL << 32, MIB));
	EXPECT_EQ(5, edu_fire(&self->edu, self->eventfd, 5));
}

TEST_F(aperture, refuse_small)
{
	struct state before;
	uint64_t granule;

	ASSERT_EQ(0, quirk(edu_address(), "doorbells=3"));
	ASSERT_EQ(0, state_read(&self->space, &before));
	EXPECT_EQ(4, before.window.needed);
	granule = before.window.granule;
	EXPECT_REFUSED(ENOSPC, NEW, granule * 3);
	EXPECT_EQ(0, window_set(&self->space, NEW, granule * 4));
}

TEST_F(aperture, refuse_reserved)
{
	struct state before;

	device_close(&self->edu);
	ASSERT_EQ(0, quirk(edu_address(), "reserved=0x10000000"));
	space_close(&self->space);
	ASSERT_EQ(0, space_open(&self->space, variant->backend));
	ASSERT_EQ(0, attach_edu(self));
	ASSERT_EQ(0, state_read(&self->space, &before));
	EXPECT_REFUSED(EADDRINUSE, NEW, MIB);
	EXPECT_REFUSED(EADDRINUSE, NEW - MIB, 4 * MIB);
	EXPECT_EQ(0, window_set(&self->space, NEW + MIB, MIB));
	EXPECT_EQ(0, window_unset(&self->space, NEW + MIB, MIB));
	EXPECT_TRUE(state_same(&self->space, &before));
}

/* A device that comes later gets the window, too */
TEST_F(aperture, join)
{
	struct doorbells d;

	ASSERT_EQ(0, window_set(&self->space, NEW, MIB));
	ASSERT_EQ(0, attach_nvme(self));
	ASSERT_EQ(0, irqs_set(&self->nvme, MSIX, 0, 1, &self->nvme_fd));
	EXPECT_TRUE(doorbell_in(NEW, MIB));
	ASSERT_EQ(0, irq_on(self));
	ASSERT_EQ(0, doorbells_read(&d));
	EXPECT_EQ(1, d.count);
	EXPECT_EQ(2, d.vectors);
	EXPECT_EQ(5, edu_fire(&self->edu, self->eventfd, 5));
}

/* One that the window does not suit does not come, and nothing else suffers */
TEST_F(aperture, join_refused)
{
	struct state before;

	ASSERT_EQ(0, window_set(&self->space, NEW, MIB));
	ASSERT_EQ(0, irq_on(self));
	ASSERT_EQ(0, state_read(&self->space, &before));
	ASSERT_EQ(0, quirk(nvme_address(), "reserved=0x10000000"));
	EXPECT_EQ(-EADDRINUSE, attach_nvme(self));
	EXPECT_TRUE(state_same(&self->space, &before));
	EXPECT_EQ(5, edu_fire(&self->edu, self->eventfd, 5));

	ASSERT_EQ(0, module_unload("msi_quirk"));
	EXPECT_EQ(0, attach_nvme(self));
}

/* The disk on another platform, from before there is a domain: with a quirk that
 * came later it could not share one.
 */
static int disk_elsewhere(FIXTURE_DATA(aperture) *self, const char *what)
{
	enum backend backend = self->space.backend;

	device_close(&self->edu);
	space_close(&self->space);
	return quirk(nvme_address(), what) ?: space_open(&self->space, backend) ?:
	       attach_edu(self);
}

/* A second group, on whose platform the first one's window is not free */
TEST_F(aperture, second_group)
{
	struct doorbells d;
	int i, outside = 0;

	ASSERT_EQ(0, disk_elsewhere(self, "reserved=0x8000000"));
	ASSERT_EQ(0, irq_on(self));
	ASSERT_EQ(0, attach_nvme(self));
	ASSERT_EQ(0, irqs_set(&self->nvme, MSIX, 0, 1, &self->nvme_fd));
	ASSERT_EQ(0, doorbells_read(&d));
	EXPECT_EQ(2, d.count);
	for (i = 0; i < d.count; i++)
		outside += d.at[i].iova >= OLD + MIB;
	EXPECT_EQ(1, outside);
}

/* Nor does the window go back there when the second one came to the user's */
TEST_F(aperture, default_is_taken)
{
	struct state before;

	ASSERT_EQ(0, disk_elsewhere(self, "reserved=0x8000000"));
	ASSERT_EQ(0, window_set(&self->space, NEW, MIB));
	ASSERT_EQ(0, attach_nvme(self));
	if (variant->backend == TYPE1) {
		/* What was suggested for the latest group is the default there */
		device_close(&self->edu);
		ASSERT_EQ(0, attach_edu(self));
	}
	ASSERT_EQ(0, state_read(&self->space, &before));
	EXPECT_EQ(-EADDRINUSE, window_unset(&self->space, NEW, MIB));
	EXPECT_TRUE(state_same(&self->space, &before));
	ASSERT_EQ(0, irqs_set(&self->nvme, MSIX, 0, 1, &self->nvme_fd));
	EXPECT_TRUE(doorbell_in(NEW, MIB));

	device_close(&self->nvme);
	EXPECT_EQ(0, window_unset(&self->space, NEW, MIB));
	ASSERT_EQ(0, irq_on(self));
	EXPECT_TRUE(doorbell_in(OLD, MIB));
}

/* The window that one group brought is that of the other when the first leaves */
TEST_F(aperture, first_group_leaves)
{
	struct ranges ranges;

	ASSERT_EQ(0, disk_elsewhere(self, "sw_msi=0x10000000"));
	ASSERT_EQ(0, attach_nvme(self));
	ASSERT_EQ(0, irqs_set(&self->nvme, MSIX, 0, 1, &self->nvme_fd));
	EXPECT_TRUE(doorbell_in(OLD, MIB));
	device_close(&self->edu);
	ASSERT_EQ(0, space_ranges(&self->space, &ranges));
	EXPECT_FALSE(ranges_hold(&ranges, OLD, OLD + MIB - 1));
	EXPECT_NE(0, space_map(&self->space, self->memory, OLD, MIB));
	EXPECT_TRUE(doorbell_in(OLD, MIB));
}

/*
 * The user's window stays with any group. With the last one a container loses its
 * IOMMU, and all that it knew; an IOAS stays, also where /dev/iommu is the container.
 */
TEST_F(aperture, last_group_leaves)
{
	bool kept = variant->backend == IOMMUFD || getenv("CONTAINER");
	struct window w;

	ASSERT_EQ(0, window_set(&self->space, NEW, MIB));
	ASSERT_EQ(0, attach_nvme(self));
	device_close(&self->edu);
	ASSERT_EQ(0, window_query(&self->space, &w));
	EXPECT_EQ(NEW, w.start);
	EXPECT_EQ(WINDOW_TRANSLATED | WINDOW_PROGRAMMABLE | WINDOW_USER, w.flags);

	device_close(&self->nvme);
	self->space.ready = false;
	ASSERT_EQ(0, attach_edu(self));
	ASSERT_EQ(0, window_query(&self->space, &w));
	EXPECT_EQ(kept ? NEW : OLD, w.start);
	EXPECT_EQ(kept ? WINDOW_USER : 0, w.flags & WINDOW_USER);
	ASSERT_EQ(0, irq_on(self));
	EXPECT_TRUE(doorbell_in(kept ? NEW : OLD, MIB));
	EXPECT_EQ(5, edu_fire(&self->edu, self->eventfd, 5));
}

/* Does sysfs list the region for the edu device's group? */
static bool sysfs_lists(const char *region)
{
	char path[128], line[128];
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path),
		 "/sys/bus/pci/devices/%s/iommu_group/reserved_regions", edu_address());
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		found |= !strcmp(line, region);
	if (file)
		fclose(file);
	return found;
}

/* The default moves out of the way of what the platform reserves */
TEST_F(aperture, default_moves)
{
	struct window w;

	device_close(&self->edu);
	EXPECT_TRUE(sysfs_lists("0x0000000008000000 0x00000000080fffff msi\n"));
	ASSERT_EQ(0, quirk(edu_address(), "reserved=0x8000000"));
	EXPECT_TRUE(sysfs_lists("0x0000000008100000 0x00000000081fffff msi\n"));
	space_close(&self->space);
	ASSERT_EQ(0, space_open(&self->space, variant->backend));
	ASSERT_EQ(0, attach_edu(self));
	ASSERT_EQ(0, window_query(&self->space, &w));
	EXPECT_EQ(OLD + MIB, w.start);
	EXPECT_EQ(OLD + 2 * MIB - 1, w.last);
	ASSERT_EQ(0, irq_on(self));
	EXPECT_TRUE(doorbell_in(OLD + MIB, MIB));
	EXPECT_EQ(5, edu_fire(&self->edu, self->eventfd, 5));
}

/* What a platform says of the edu device before that is attached */
FIXTURE(platform)
{
	struct space space;
	struct device edu;
	int eventfd;
};

FIXTURE_OF_BACKENDS(platform);

FIXTURE_SETUP(platform)
{
	module_unload("msi_quirk");
	ASSERT_EQ(0, device_to_vfio(edu_address()));
	self->eventfd = event_new();
	self->edu = (struct device) { .fd = -1, .group = -1 };
	ASSERT_EQ(0, space_open(&self->space, variant->backend));
}

FIXTURE_TEARDOWN(platform)
{
	device_close(&self->edu);
	space_close(&self->space);
	module_unload("msi_quirk");
}

/* The IOMMU suggests a window, and firmware says that the device needs none */
TEST_F(platform, both_regions)
{
	struct window w;

	ASSERT_EQ(0, quirk(edu_address(), "hw_msi=0x20000000"));
	ASSERT_EQ(0, edu_open(&self->edu, &self->space));
	ASSERT_EQ(0, irqs_set(&self->edu, MSI, 0, 1, &self->eventfd));
	EXPECT_EQ(0, doorbells_count());
	ASSERT_EQ(0, window_query(&self->space, &w));
	EXPECT_EQ(WINDOW_BYPASS, w.flags & (WINDOW_TRANSLATED | WINDOW_BYPASS));
}

/* An IOVA of 0 is as good as any other */
TEST_F(platform, window_at_zero)
{
	ASSERT_EQ(0, quirk(edu_address(), "sw_msi=0"));
	ASSERT_EQ(0, edu_open(&self->edu, &self->space));
	ASSERT_EQ(0, irqs_set(&self->edu, MSI, 0, 1, &self->eventfd));
	EXPECT_EQ(5, edu_fire(&self->edu, self->eventfd, 5));
	EXPECT_TRUE(doorbell_in(0, MIB));
}

FIXTURE(type1)
{
	struct space space;
	struct device edu;
};

FIXTURE_SETUP(type1)
{
	struct window window;

	ASSERT_EQ(0, device_to_vfio(edu_address()));
	ASSERT_EQ(0, space_open(&self->space, TYPE1));
	ASSERT_EQ(0, device_open(&self->edu, &self->space, edu_address()));
	if (window_query(&self->space, &window) == -ENOSYS)
		SKIP(return, NO_WINDOW);
}

FIXTURE_TEARDOWN(type1)
{
	device_close(&self->edu);
	space_close(&self->space);
}

/* There is no window to be set in a container that no group has given an IOMMU */
TEST_F(type1, before_groups)
{
	struct space empty;
	struct window w;

	ASSERT_EQ(0, space_open(&empty, TYPE1));
	EXPECT_EQ(-EINVAL, window_query(&empty, &w));
	EXPECT_EQ(-EINVAL, window_set(&empty, NEW, MIB));
	space_close(&empty);
}

static int map_flags(struct space *space, uint32_t flags, uint64_t vaddr)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map), .flags = flags, .vaddr = vaddr,
		.iova = NEW, .size = MIB,
	};

	return sys_ioctl(space->fd, VFIO_IOMMU_MAP_DMA, &map);
}

TEST_F(type1, refuse_flags)
{
	const uint32_t flag = VFIO_DMA_MAP_FLAG_MSI_RESERVED_IOVA;
	struct state before;

	ASSERT_EQ(0, state_read(&self->space, &before));
	EXPECT_EQ(-EINVAL, map_flags(&self->space, flag | VFIO_DMA_MAP_FLAG_READ, 0));
	EXPECT_EQ(-EINVAL, map_flags(&self->space, flag | VFIO_DMA_MAP_FLAG_VADDR, 0));
	EXPECT_EQ(-EINVAL, map_flags(&self->space, flag << 1, 0));
	EXPECT_EQ(-EINVAL, map_flags(&self->space, flag, 0x10000));
	EXPECT_TRUE(state_same(&self->space, &before));
	EXPECT_EQ(0, map_flags(&self->space, flag, 0));
	/* Only exactly that range brings the default back */
	EXPECT_EQ(-ENOENT, space_unmap(&self->space, NEW, 2 * MIB));
	EXPECT_EQ(0, space_unmap(&self->space, NEW, MIB));
	EXPECT_TRUE(state_same(&self->space, &before));
}

/* A container has an IOMMU, and a window, from its first group to its last */
TEST_F(type1, first_to_last)
{
	struct space bare;
	struct window w;

	ASSERT_EQ(0, space_open(&bare, TYPE1));
	EXPECT_EQ(-EINVAL, window_query(&bare, &w));
	EXPECT_EQ(-EINVAL, window_set(&bare, NEW, MIB));
	space_close(&bare);

	ASSERT_EQ(0, window_set(&self->space, NEW, MIB));
	device_close(&self->edu);
	self->space.ready = false;
	ASSERT_EQ(0, device_open(&self->edu, &self->space, edu_address()));
	ASSERT_EQ(0, window_query(&self->space, &w));
	EXPECT_EQ(WINDOW_TRANSLATED | WINDOW_PROGRAMMABLE, w.flags);
	EXPECT_EQ(OLD, w.start);
}

FIXTURE(ioas)
{
	struct space space;
	struct device edu, nvme;
	int eventfd;
};

FIXTURE_SETUP(ioas)
{
	struct window window;

	ASSERT_EQ(0, device_to_vfio(edu_address()));
	ASSERT_EQ(0, device_to_vfio(nvme_address()));
	ASSERT_EQ(0, space_open(&self->space, IOMMUFD));
	self->edu = self->nvme = (struct device) { .fd = -1, .group = -1 };
	self->eventfd = event_new();
	if (window_query(&self->space, &window) == -ENOSYS)
		SKIP(return, NO_WINDOW);
}

FIXTURE_TEARDOWN(ioas)
{
	device_close(&self->edu);
	device_close(&self->nvme);
	space_close(&self->space);
	module_unload("msi_quirk");
}

TEST_F(ioas, before_attach)
{
	struct window w;

	ASSERT_EQ(0, window_query(&self->space, &w));
	EXPECT_EQ(WINDOW_PROGRAMMABLE, w.flags);
	EXPECT_LT(w.last, w.start);

	ASSERT_EQ(0, window_set(&self->space, NEW, MIB));
	ASSERT_EQ(0, window_query(&self->space, &w));
	EXPECT_EQ(WINDOW_PROGRAMMABLE | WINDOW_USER, w.flags);
	EXPECT_EQ(NEW, w.start);
	EXPECT_EQ(NEW + MIB - 1, w.last);
	/* Both bounds at once, where one alone would meet the old window */
	ASSERT_EQ(0, window_set(&self->space, OTHER, 2 * MIB));

	ASSERT_EQ(0, device_open(&self->edu, &self->space, edu_address()));
	ASSERT_EQ(0, window_query(&self->space, &w));
	EXPECT_EQ(WINDOW_TRANSLATED | WINDOW_PROGRAMMABLE | WINDOW_USER, w.flags);
	EXPECT_EQ(OTHER, w.start);
	EXPECT_EQ(OTHER + 2 * MIB - 1, w.last);
}

/* Another IOAS of the same context keeps to the default */
TEST_F(ioas, other_ioas)
{
	struct space other = self->space;
	struct window w;

	ASSERT_EQ(0, space_add_ioas(&self->space, &other.ioas));
	ASSERT_EQ(0, window_set(&other, NEW, MIB));
	ASSERT_EQ(0, device_open(&self->edu, &other, edu_address()));
	self->edu.space = &self->space;
	ASSERT_EQ(0, window_query(&other, &w));
	EXPECT_EQ(NEW, w.start);
	EXPECT_EQ(WINDOW_TRANSLATED, w.flags & WINDOW_TRANSLATED);

	ASSERT_EQ(0, device_replace(&self->edu, self->space.ioas));
	ASSERT_EQ(0, window_query(&self->space, &w));
	EXPECT_EQ(OLD, w.start);
}

/* What IOMMU_MSI_INFO says of one object */
static int query(struct space *space, uint32_t object, struct window *window)
{
	struct space at = *space;

	at.ioas = object;
	return window_query(&at, window);
}

/* Two domains in one IOAS have one window, and each its own pages of it */
TEST_F(ioas, two_domains)
{
	struct space *space = &self->space;
	struct window all, edu, second;
	uint32_t hwpt;

	ASSERT_EQ(0, edu_open(&self->edu, space));
	ASSERT_EQ(0, device_open(&self->nvme, space, nvme_address()));
	ASSERT_EQ(self->edu.hwpt, self->nvme.hwpt);
	ASSERT_EQ(0, device_add_hwpt(&self->nvme, &hwpt));
	/* No device has brought that one a window yet */
	ASSERT_EQ(0, query(space, hwpt, &second));
	EXPECT_EQ(WINDOW_PROGRAMMABLE, second.flags);
	EXPECT_LT(second.last, second.start);
	ASSERT_EQ(0, device_replace(&self->nvme, hwpt));

	ASSERT_EQ(0, irqs_set(&self->edu, MSI, 0, 1, &self->eventfd));
	ASSERT_EQ(0, query(space, space->ioas, &all));
	ASSERT_EQ(0, query(space, self->edu.hwpt, &edu));
	ASSERT_EQ(0, query(space, hwpt, &second));
	EXPECT_EQ(WINDOW_TRANSLATED, all.flags);
	EXPECT_EQ(1, all.used);
	EXPECT_EQ(MIB / all.granule - 1, all.free);
	EXPECT_EQ(0, memcmp(&all, &edu, sizeof(all)));
	/* Nor can that of the second be set, which the first one uses */
	EXPECT_EQ(WINDOW_TRANSLATED, second.flags);
	EXPECT_EQ(OLD, second.start);
	EXPECT_EQ(0, second.used);
	EXPECT_EQ(MIB / second.granule, second.free);

	/* One of them is in use: both stay */
	EXPECT_EQ(-EBUSY, window_set(space, NEW, MIB));
	ASSERT_EQ(0, query(space, hwpt, &second));
	EXPECT_EQ(OLD, second.start);
	ASSERT_EQ(0, irqs_off(&self->edu, MSI));
	ASSERT_EQ(0, window_set(space, NEW, MIB));
	ASSERT_EQ(0, query(space, self->edu.hwpt, &edu));
	ASSERT_EQ(0, query(space, hwpt, &second));
	EXPECT_EQ(NEW, edu.start);
	EXPECT_EQ(NEW, second.start);
	ASSERT_EQ(0, irqs_set(&self->edu, MSI, 0, 1, &self->eventfd));
	EXPECT_TRUE(doorbell_in(NEW, MIB));
	EXPECT_EQ(5, edu_fire(&self->edu, self->eventfd, 5));

	/* What is left is that of the domain with less, whichever it is */
	ASSERT_EQ(0, irqs_off(&self->edu, MSI));
	ASSERT_EQ(0, irqs_set(&self->nvme, MSIX, 0, 1, &self->eventfd));
	ASSERT_EQ(0, query(space, space->ioas, &all));
	EXPECT_EQ(1, all.used);
	EXPECT_EQ(MIB / all.granule - 1, all.free);
}

/*
 * A device that is detached with a live vector takes its doorbell out of the
 * domain, and finds it where it was when it comes back. The window is still not
 * to be mapped over.
 */
TEST_F(ioas, detached)
{
	struct space *space = &self->space;
	uint32_t hwpt;
	void *memory;

	memory = memory_new(2 * MIB);
	ASSERT_NE(NULL, memory);
	ASSERT_EQ(0, edu_open(&self->edu, space));
	ASSERT_EQ(0, device_add_hwpt(&self->edu, &hwpt));
	ASSERT_EQ(0, device_replace(&self->edu, hwpt));
	ASSERT_EQ(0, irqs_set(&self->edu, MSI, 0, 1, &self->eventfd));
	ASSERT_EQ(0, device_detach(&self->edu));
	EXPECT_EQ(0, doorbells_count());
	EXPECT_NE(0, space_map(space, memory, OLD, 2 * MIB));
	ASSERT_EQ(0, device_replace(&self->edu, hwpt));
	EXPECT_TRUE(doorbell_in(OLD, MIB));
	EXPECT_EQ(5, edu_fire(&self->edu, self->eventfd, 5));

	/* It comes back to another window: until it is enabled anew it is dead */
	ASSERT_EQ(0, device_detach(&self->edu));
	ASSERT_EQ(0, window_set(space, NEW, MIB));
	EXPECT_EQ(0, space_map(space, memory, OLD, 2 * MIB));
	ASSERT_EQ(0, device_replace(&self->edu, hwpt));
	EXPECT_EQ(0, doorbells_count());
	ASSERT_EQ(0, irqs_off(&self->edu, MSI));
	ASSERT_EQ(0, irqs_set(&self->edu, MSI, 0, 1, &self->eventfd));
	EXPECT_TRUE(doorbell_in(NEW, MIB));
	EXPECT_EQ(5, edu_fire(&self->edu, self->eventfd, 5));
	/* The default is not free to go back to */
	ASSERT_EQ(0, irqs_off(&self->edu, MSI));
	EXPECT_EQ(-EEXIST, window_unset(space, NEW, MIB));
	ASSERT_EQ(0, space_unmap(space, OLD, 2 * MIB));
	EXPECT_EQ(0, window_unset(space, NEW, MIB));
	munmap(memory, 2 * MIB);
}

/* How often the log since @kmsg was opened says that interrupts were lost */
static int losses_told(int kmsg)
{
	char line[1024];
	int told = 0;
	ssize_t n;

	while ((n = read(kmsg, line, sizeof(line) - 1)) > 0) {
		line[n] = '\0';
		told += !!strstr(line, "interrupts do not arrive until");
	}
	return told;
}

/* Who has the descriptor cannot fill the log: ten lines in five seconds at most */
TEST_F(ioas, lost_seldom_told)
{
	int i, told, kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	ASSERT_LE(0, lseek(kmsg, 0, SEEK_END));
	ASSERT_EQ(0, edu_open(&self->edu, &self->space));
	ASSERT_EQ(0, irqs_set(&self->edu, MSI, 0, 1, &self->eventfd));
	ASSERT_EQ(0, device_detach(&self->edu));
	ASSERT_EQ(0, window_set(&self->space, NEW, MIB));
	for (i = 0; i < 300; i++) {
		ASSERT_EQ(0, device_replace(&self->edu, self->space.ioas));
		ASSERT_EQ(0, device_detach(&self->edu));
	}
	told = losses_told(kmsg);
	EXPECT_LE(1, told);
	EXPECT_GT(100, told);
	close(kmsg);
}

/* A live message means one IOVA: an IOAS that has the doorbell elsewhere is refused */
TEST_F(ioas, replace_live)
{
	struct space other = self->space;

	ASSERT_EQ(0, window_set(&self->space, NEW, MIB));
	ASSERT_EQ(0, edu_open(&self->edu, &self->space));
	ASSERT_EQ(0, irqs_set(&self->edu, MSI, 0, 1, &self->eventfd));
	ASSERT_EQ(0, space_add_ioas(&self->space, &other.ioas));
	EXPECT_EQ(-EINVAL, device_replace(&self->edu, other.ioas));
	EXPECT_TRUE(doorbell_in(NEW, MIB));
	EXPECT_EQ(5, edu_fire(&self->edu, self->eventfd, 5));

	ASSERT_EQ(0, window_set(&other, NEW, MIB));
	ASSERT_EQ(0, device_replace(&self->edu, other.ioas));
	EXPECT_TRUE(doorbell_in(NEW, MIB));
	EXPECT_EQ(5, edu_fire(&self->edu, self->eventfd, 5));
}

/* A vector that is enabled while nothing is attached has no doorbell to come to */
TEST_F(ioas, enabled_detached)
{
	struct space *space = &self->space;

	ASSERT_EQ(0, edu_open(&self->edu, space));
	ASSERT_EQ(0, device_detach(&self->edu));
	ASSERT_EQ(0, irqs_set(&self->edu, MSI, 0, 1, &self->eventfd));
	EXPECT_EQ(0, doorbells_count());
	ASSERT_EQ(0, device_replace(&self->edu, space->ioas));
	EXPECT_EQ(0, doorbells_count());
	ASSERT_EQ(0, irqs_off(&self->edu, MSI));
	ASSERT_EQ(0, irqs_set(&self->edu, MSI, 0, 1, &self->eventfd));
	EXPECT_TRUE(doorbell_in(OLD, MIB));
	EXPECT_EQ(5, edu_fire(&self->edu, self->eventfd, 5));
}

static int window_call(struct space *space, struct iommu_ioas_msi_window cmd)
{
	cmd.size = sizeof(cmd);
	cmd.ioas_id = space->ioas;
	return sys_ioctl(space->fd, IOMMU_IOAS_MSI_WINDOW, &cmd);
}

TEST_F(ioas, refuse)
{
	struct iommu_msi_info info = {
		.size = sizeof(info), .object_id = self->space.ioas, .__reserved = 1,
	};
	struct iommu_ioas_msi_window good = { .start = NEW, .last = NEW + MIB - 1 };
	struct iommu_ioas_msi_window bad;
	struct space gone = self->space;
	struct state before;
	struct window w;

	ASSERT_EQ(0, state_read(&self->space, &before));
	gone.ioas = 4711;
	EXPECT_EQ(-ENOENT, window_set(&gone, NEW, MIB));
	EXPECT_EQ(-ENOENT, window_query(&gone, &w));
	EXPECT_EQ(-EOPNOTSUPP, sys_ioctl(self->space.fd, IOMMU_MSI_INFO, &info));

	bad = good;
	bad.flags = IOMMU_IOAS_MSI_WINDOW_DEFAULT << 1;
	EXPECT_EQ(-EOPNOTSUPP, window_call(&self->space, bad));
	bad.flags = IOMMU_IOAS_MSI_WINDOW_DEFAULT;
	EXPECT_EQ(-EINVAL, window_call(&self->space, bad));
	bad.last = 0;
	EXPECT_EQ(-EINVAL, window_call(&self->space, bad));
	bad = good;
	bad.__reserved = 1;
	EXPECT_EQ(-EOPNOTSUPP, window_call(&self->space, bad));
	bad = good;
	bad.start += 0x800;
	EXPECT_EQ(-EINVAL, window_call(&self->space, bad));
	bad = good;
	bad.last -= 0x800;
	EXPECT_EQ(-EINVAL, window_call(&self->space, bad));
	bad.last = bad.start - 1;
	EXPECT_EQ(-EINVAL, window_call(&self->space, bad));
	EXPECT_TRUE(state_same(&self->space, &before));
	EXPECT_EQ(0, window_call(&self->space, good));

	/* A device is neither an IOAS nor a HWPT */
	ASSERT_EQ(0, device_open(&self->edu, &self->space, edu_address()));
	EXPECT_EQ(-EINVAL, query(&self->space, self->edu.id, &w));
	gone.ioas = self->edu.id;
	EXPECT_EQ(-ENOENT, window_set(&gone, NEW, MIB));
}

static int allow(struct space *space, uint64_t start)
{
	struct iommu_iova_range range = { .start = start, .last = start + MIB - 1 };
	struct iommu_ioas_allow_iovas allow = {
		.size = sizeof(allow), .ioas_id = space->ioas, .num_iovas = 1,
		.allowed_iovas = (uintptr_t)&range,
	};

	return sys_ioctl(space->fd, IOMMU_IOAS_ALLOW_IOVAS, &allow);
}

/* What user space said that it will map is kept free of windows */
TEST_F(ioas, allowed)
{
	ASSERT_EQ(0, allow(&self->space, NEW));
	EXPECT_EQ(-EADDRINUSE, window_set(&self->space, NEW, MIB));
	EXPECT_EQ(0, window_set(&self->space, OTHER, MIB));
	EXPECT_EQ(-EADDRINUSE, allow(&self->space, OTHER));

	/* Also where the default is, which is back if no other one is set */
	ASSERT_EQ(0, allow(&self->space, OLD));
	ASSERT_EQ(0, device_open(&self->edu, &self->space, edu_address()));
	EXPECT_EQ(-EADDRINUSE, window_unset(&self->space, OTHER, MIB));
	device_close(&self->edu);
	ASSERT_EQ(0, window_unset(&self->space, OTHER, MIB));
	EXPECT_EQ(-EADDRINUSE, device_open(&self->edu, &self->space, edu_address()));
}

/* A window that does not suit a device keeps it out */
TEST_F(ioas, keeps_out)
{
	ASSERT_EQ(0, quirk(edu_address(), "msi32=1"));
	ASSERT_EQ(0, window_set(&self->space, 1ULL << 32, MIB));
	EXPECT_EQ(-ERANGE, device_open(&self->edu, &self->space, edu_address()));
	device_close(&self->edu);
	EXPECT_EQ(0, module_unload("msi_quirk"));
	EXPECT_EQ(0, device_open(&self->edu, &self->space, edu_address()));
}

TEST_HARNESS_MAIN
