// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: type1-window DEVICE	(0000:00:02.0: QEMU's edu, bound to vfio-pci)
 *
 * What a VMM does with VFIO type1 whose guest has memory where MSIs have their window by
 * default: ask, move it, map the memory, take an MSI, undo. Status 2: this kernel cannot.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>

#define RAM_FIRST	0x7000000ULL
#define RAM_END		0x9000000ULL
#define WINDOW_SIZE	0x100000ULL	/* as the default: doorbells have places of their own */

static union {
	struct vfio_iommu_type1_info type1;
	char bytes[4096];
} info;

static _Noreturn void fail(const char *what, const char *advice)
{
	fprintf(stderr, "%s: %s\n  %s\n", what, strerror(errno), advice);
	exit(1);
}

static void *capability(int container, uint16_t id)
{
	struct vfio_info_cap_header *cap;
	uint32_t at;

	memset(&info, 0, sizeof(info));
	info.type1.argsz = sizeof(info);
	if (ioctl(container, VFIO_IOMMU_GET_INFO, &info))
		fail("VFIO_IOMMU_GET_INFO", "put a group into the container, and set its IOMMU");
	at = info.type1.flags & VFIO_IOMMU_INFO_CAPS ? info.type1.cap_offset : 0;
	for (; at; at = cap->next) {
		cap = (void *)(info.bytes + at);
		if (cap->id == id)
			return cap;
	}
	return NULL;
}

static int map(int container, uint32_t flags, void *vaddr, uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map), .flags = flags,
		.vaddr = (uintptr_t)vaddr, .iova = iova, .size = size };

	return ioctl(container, VFIO_IOMMU_MAP_DMA, &map);
}

static const char *advice(int error)
{
	switch (error) {
	case EINVAL: return "a bound is no multiple of the granule";
	case EEXIST: return "something is mapped there: set the window before memory is mapped";
	case EADDRINUSE: return "the platform needs that range: see reserved_regions";
	case ERANGE: return "a device or its IOMMU cannot address it: choose below 4 GiB";
	case ENOSPC: return "the devices need pages_needed pages of granule bytes";
	case EBUSY: return "a vector is enabled: disable it, or leave the window";
	default: return "linux/vfio.h does not know that error";
	}
}

/* Not where memory will be, and below 4 GiB, as there are devices with 32-bit MSIs */
static uint64_t choose(int container)
{
	struct vfio_iommu_type1_info_cap_iova_range *cap =
		capability(container, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);
	uint64_t at;
	uint32_t i;

	for (i = 0; cap && i < cap->nr_iovas; i++) {
		at = cap->iova_ranges[i].start;
		at = at < RAM_END ? RAM_END : (at + WINDOW_SIZE - 1) & -WINDOW_SIZE;
		if (at + WINDOW_SIZE - 1 <= cap->iova_ranges[i].end && at >> 32 == 0)
			return at;
	}
	errno = ENOSPC;
	fail("choosing a window", "no room below 4 GiB: a smaller one, or less memory");
}

/* The range that memory leaves out; first > last if there is none */
static struct vfio_iommu_type1_info_cap_msi_aperture move_window(int container)
{
	struct vfio_iommu_type1_info_cap_msi_aperture *cap;
	uint64_t first = choose(container);

	cap = capability(container, VFIO_IOMMU_TYPE1_INFO_CAP_MSI_APERTURE);
	if (cap && !(cap->flags & VFIO_IOMMU_MSI_APERTURE_TRANSLATED)) {
		printf("bypass: 0x%llx-0x%llx, no window\n", cap->start, cap->last);
		return *cap;
	}
	if (cap)
		printf("window: 0x%llx-0x%llx, granule 0x%llx, %llu pages needed\n",
		       cap->start, cap->last, cap->granule, cap->pages_needed);
	if (map(container, VFIO_DMA_MAP_FLAG_MSI_RESERVED_IOVA, NULL, first, WINDOW_SIZE)) {
		if (cap)
			fail("moving the window", advice(errno));
		/* It stays in reserved_regions, where its type is "msi" */
		puts(errno == ENODEV ? "no subsystem: a kernel without CONFIG_IOMMU_MSI" :
				       "old kernel: it does not know the call");
		exit(2);
	}
	cap = capability(container, VFIO_IOMMU_TYPE1_INFO_CAP_MSI_APERTURE);
	printf("window: 0x%llx-0x%llx, %llu pages free\n", cap->start, cap->last,
	       cap->pages_free);
	return *cap;
}

/* @ram is at RAM_FIRST; nothing if @from is not below @end */
static void map_ram(int container, char *ram, uint64_t from, uint64_t end)
{
	const uint64_t page = info.type1.iova_pgsizes & -info.type1.iova_pgsizes;

	/* By pages of the kernel, which may be larger than those of what is left out */
	from = (from + page - 1) & -page;
	end &= -page;
	if (from < end && map(container, VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
			      ram + (from - RAM_FIRST), from, end - from))
		fail("mapping memory", "EINVAL: it meets the window or a reserved region");
}

static int open_group(const char *device)
{
	char path[128], link[128] = "";
	int group;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", device);
	if (readlink(path, link, sizeof(link) - 1) < 0)
		fail(path, "no such device, or no IOMMU for it");
	snprintf(path, sizeof(path), "/dev/vfio/%s", strrchr(link, '/') + 1);
	group = open(path, O_RDWR | O_CLOEXEC);
	if (group < 0)
		fail(path, "ENOENT: bind the device to vfio-pci; EBUSY: it is in use");
	return group;
}

static void poke(int device, uint32_t region, uint64_t at, const void *value, size_t size)
{
	struct vfio_region_info bar = { .argsz = sizeof(bar), .index = region };

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &bar) ||
	    pwrite(device, value, size, bar.offset + at) != (ssize_t)size)
		fail("writing to the device", "it has no such region, or none so large");
}

/* The device's first MSI, by an eventfd */
static void take_msi(int device)
{
	const uint16_t command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	const uint32_t one = 1;
	struct pollfd event = { .fd = eventfd(0, EFD_CLOEXEC), .events = POLLIN };
	struct vfio_irq_set *set = malloc(sizeof(*set) + sizeof(int));
	uint64_t count;

	if (!set || event.fd < 0)
		fail("an eventfd", "there is no memory left, or no descriptor");
	*set = (struct vfio_irq_set) { .argsz = sizeof(*set) + sizeof(int), .count = 1,
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = VFIO_PCI_MSI_IRQ_INDEX };
	memcpy(set->data, &event.fd, sizeof(int));
	poke(device, VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, &command, sizeof(command));
	if (ioctl(device, VFIO_DEVICE_SET_IRQS, set))
		fail("enabling a vector", "ENOSPC: the window is full: take a larger one");
	poke(device, VFIO_PCI_BAR0_REGION_INDEX, 0x60, &one, sizeof(one));	/* edu: raise */
	errno = ETIMEDOUT;
	if (poll(&event, 1, 60000) != 1 || read(event.fd, &count, sizeof(count)) < 0)
		fail("waiting for the MSI", "the kernel's log has what the IOMMU refused");
	poke(device, VFIO_PCI_BAR0_REGION_INDEX, 0x64, &one, sizeof(one));	/* handled */
	printf("MSI: %llu arrived\n", (unsigned long long)count);
	*set = (struct vfio_irq_set) { .argsz = sizeof(*set), .index = VFIO_PCI_MSI_IRQ_INDEX,
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER };
	if (ioctl(device, VFIO_DEVICE_SET_IRQS, set))
		fail("disabling the vector", "close the device, which does it, too");
	close(event.fd);
	free(set);
}

int main(int argc, char **argv)
{
	struct vfio_iommu_type1_dma_unmap unmap = { .argsz = sizeof(unmap) };
	int container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC), group, device;
	char *ram = mmap(NULL, RAM_END - RAM_FIRST, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vfio_iommu_type1_info_cap_msi_aperture window;

	if (argc != 2 || container < 0 || ram == MAP_FAILED)
		fail("starting", "usage: type1-window DEVICE, with the module vfio loaded");
	/* The first group always comes to the default window: there is no IOMMU before */
	group = open_group(argv[1]);
	if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) ||
	    ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		fail("attaching the group", "all its devices must be bound to vfio-pci");
	window = move_window(container);
	map_ram(container, ram, RAM_FIRST, window.start < RAM_END ? window.start : RAM_END);
	map_ram(container, ram, window.last < RAM_FIRST ? RAM_FIRST : window.last + 1, RAM_END);
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, argv[1]);
	if (device < 0)
		fail(argv[1], "it is not bound to vfio-pci");
	take_msi(device);

	/* Back to the default, where memory is: it goes first. Closing all would do as well */
	unmap.flags = VFIO_DMA_UNMAP_FLAG_ALL;
	if (ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap))
		fail("unmapping memory", "linux/vfio.h has no reason for that");
	unmap.flags = 0;
	unmap.iova = window.start;
	unmap.size = window.last - window.start + 1;
	if (window.flags & VFIO_IOMMU_MSI_APERTURE_USER &&
	    ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap))
		fail("going back to the default window", advice(errno));
	return 0;
}
