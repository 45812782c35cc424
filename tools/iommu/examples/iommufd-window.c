// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: iommufd-window DEVICE	(0000:00:02.0: QEMU's edu, bound to vfio-pci)
 *
 * What a VMM does with iommufd whose guest has memory where MSIs have their window by
 * default: ask, move it, map the memory, take an MSI, undo. Status 2: this kernel cannot.
 */
#include <dirent.h>
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
#include <linux/iommufd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>

#define RAM_FIRST	0x7000000ULL
#define RAM_END		0x9000000ULL
#define WINDOW_SIZE	0x100000ULL	/* as the default: doorbells have places of their own */

static _Noreturn void fail(const char *what, const char *advice)
{
	fprintf(stderr, "%s: %s\n  %s\n", what, strerror(errno), advice);
	exit(1);
}

static const char *advice(int error)
{
	switch (error) {
	case EINVAL: return "a bound is no multiple of the granule";
	case EEXIST: return "something is mapped there: set the window before memory is mapped";
	case EADDRINUSE: return "the platform needs that range: see reserved_regions";
	case ERANGE: return "a device or its IOMMU cannot address it: choose below 4 GiB";
	case ENOSPC: return "the devices need out_pages_needed pages of granule bytes";
	case EBUSY: return "a vector is enabled: disable it, or leave the window";
	case EAGAIN: return "other devices came meanwhile: try again";
	default: return "linux/iommufd.h does not know that error";
	}
}

/* Not where memory will be, and below 4 GiB, as there are devices with 32-bit MSIs */
static uint64_t choose(int iommufd, uint32_t ioas)
{
	struct iommu_iova_range ranges[16];
	struct iommu_ioas_iova_ranges cmd = { .size = sizeof(cmd), .ioas_id = ioas,
		.num_iovas = 16, .allowed_iovas = (uintptr_t)ranges };
	uint64_t at;
	uint32_t i;

	if (ioctl(iommufd, IOMMU_IOAS_IOVA_RANGES, &cmd))
		fail("IOMMU_IOAS_IOVA_RANGES", "EMSGSIZE: there are num_iovas of them");
	for (i = 0; i < cmd.num_iovas; i++) {
		at = ranges[i].start;
		at = at < RAM_END ? RAM_END : (at + WINDOW_SIZE - 1) & -WINDOW_SIZE;
		if (at + WINDOW_SIZE - 1 <= ranges[i].last && at >> 32 == 0)
			return at;
	}
	errno = ENOSPC;
	fail("choosing a window", "no room below 4 GiB: a smaller one, or less memory");
}

static struct iommu_msi_info ask(int iommufd, uint32_t ioas)
{
	struct iommu_msi_info info = { .size = sizeof(info), .object_id = ioas };

	if (!ioctl(iommufd, IOMMU_MSI_INFO, &info))
		return info;
	if (errno != ENOTTY && errno != EOPNOTSUPP)
		fail("IOMMU_MSI_INFO", "object_id is an IOAS or a HWPT");
	/* The window stays in reserved_regions, where its type is "msi" */
	puts(errno == ENOTTY ? "old kernel: it does not know the call" :
			       "no subsystem: a kernel without CONFIG_IOMMU_MSI");
	exit(2);
}

/* The range that memory leaves out; out_start > out_last if there is none */
static struct iommu_msi_info move_window(int iommufd, uint32_t ioas)
{
	struct iommu_ioas_msi_window window = { .size = sizeof(window), .ioas_id = ioas };
	struct iommu_msi_info info = ask(iommufd, ioas);

	if (!(info.out_flags & IOMMU_MSI_INFO_TRANSLATED)) {
		printf("bypass: 0x%llx-0x%llx, no window\n", info.out_start, info.out_last);
		return info;
	}
	printf("window: 0x%llx-0x%llx, granule 0x%llx, %llu pages needed\n", info.out_start,
	       info.out_last, info.out_granule, info.out_pages_needed);
	window.start = choose(iommufd, ioas);
	window.last = window.start + WINDOW_SIZE - 1;
	if (ioctl(iommufd, IOMMU_IOAS_MSI_WINDOW, &window))
		fail("moving the window", advice(errno));
	info = ask(iommufd, ioas);
	printf("window: 0x%llx-0x%llx, %llu pages free\n", info.out_start, info.out_last,
	       info.out_pages_free);
	return info;
}

/* @ram is at RAM_FIRST; nothing if @from is not below @end */
static void map_ram(int iommufd, uint32_t ioas, char *ram, uint64_t from, uint64_t end)
{
	struct iommu_ioas_map map = { .size = sizeof(map), .ioas_id = ioas,
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.user_va = (uintptr_t)ram + (from - RAM_FIRST), .iova = from,
		.length = end - from };

	if (from < end && ioctl(iommufd, IOMMU_IOAS_MAP, &map))
		fail("mapping memory", "EINVAL: it meets the window or a reserved region");
}

static int open_device(const char *device)
{
	char path[300];
	struct dirent *entry;
	DIR *dir;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%.32s/vfio-dev", device);
	dir = opendir(path);
	if (!dir)
		fail(path, "bind the device to vfio-pci; the kernel needs VFIO_DEVICE_CDEV");
	while ((entry = readdir(dir)) && entry->d_name[0] == '.')
		;
	snprintf(path, sizeof(path), "/dev/vfio/devices/%s", entry ? entry->d_name : "");
	closedir(dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		fail(path, "the device, or another of its group, is in use");
	return fd;
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
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach) };
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	struct iommu_ioas_unmap unmap = { .size = sizeof(unmap), .length = UINT64_MAX };
	struct iommu_ioas_msi_window undo = { .size = sizeof(undo),
		.flags = IOMMU_IOAS_MSI_WINDOW_DEFAULT };
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	int iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC), device;
	char *ram = mmap(NULL, RAM_END - RAM_FIRST, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iommu_msi_info info;
	uint32_t ioas;

	if (argc != 2 || iommufd < 0 || ram == MAP_FAILED)
		fail("starting", "usage: iommufd-window DEVICE, with the module iommufd loaded");
	if (ioctl(iommufd, IOMMU_IOAS_ALLOC, &alloc))
		fail("IOMMU_IOAS_ALLOC", "/dev/iommu is something else");
	ioas = alloc.out_ioas_id;
	ask(iommufd, ioas);
	device = open_device(argv[1]);
	bind.iommufd = iommufd;
	if (ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		fail("VFIO_DEVICE_BIND_IOMMUFD", "bind all of the group to vfio-pci");
	/*
	 * The window can be set before this, too, and is kept: then it is the attach that
	 * fails, with the same errors, where the window is not fit for the device.
	 */
	attach.pt_id = ioas;
	if (ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach))
		fail("VFIO_DEVICE_ATTACH_IOMMUFD_PT", "EINVAL: its reserved regions hold mappings");
	info = move_window(iommufd, ioas);
	map_ram(iommufd, ioas, ram, RAM_FIRST,
		info.out_start < RAM_END ? info.out_start : RAM_END);
	map_ram(iommufd, ioas, ram,
		info.out_last < RAM_FIRST ? RAM_FIRST : info.out_last + 1, RAM_END);
	take_msi(device);

	/* Back to the default, where memory is: it goes first. Closing all would do as well */
	unmap.ioas_id = ioas;
	if (ioctl(iommufd, IOMMU_IOAS_UNMAP, &unmap))
		fail("unmapping memory", "ENOENT: none was mapped");
	undo.ioas_id = ioas;
	if (info.out_flags & IOMMU_MSI_INFO_USER && ioctl(iommufd, IOMMU_IOAS_MSI_WINDOW, &undo))
		fail("going back to the default window", advice(errno));
	return 0;
}
