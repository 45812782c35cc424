// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/iommufd.h>
#include <linux/pci_regs.h>

#include "sys.h"
#include "vfio.h"

#define DEVICES	"/sys/bus/pci/devices/"

int device_unbind(const char *bdf)
{
	int ret = file_write(bdf, DEVICES "%s/driver/unbind", bdf);

	return ret == -ENOENT ? 0 : ret;
}

int device_set_default_domain(const char *bdf, const char *type)
{
	return file_write(type, DEVICES "%s/iommu_group/type", bdf);
}

int device_to_vfio(const char *bdf)
{
	char path[128], link[256];
	ssize_t n;

	snprintf(path, sizeof(path), DEVICES "%s/driver", bdf);
	n = readlink(path, link, sizeof(link) - 1);
	link[n > 0 ? n : 0] = '\0';
	if (strstr(link, "/vfio-pci"))
		return 0;
	return device_unbind(bdf) ?:
	       file_write("vfio-pci", DEVICES "%s/driver_override", bdf) ?:
	       file_write(bdf, "/sys/bus/pci/drivers_probe");
}

int device_without_reset(const char *bdf)
{
	return file_write("\n", DEVICES "%s/reset_method", bdf);
}

int space_add_ioas(struct space *space, uint32_t *ioas)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	int ret = sys_ioctl(space->fd, IOMMU_IOAS_ALLOC, &alloc);

	*ioas = alloc.out_ioas_id;
	return ret;
}

int space_open(struct space *space, enum backend backend)
{
	const char *container = getenv("CONTAINER") ?: "/dev/vfio/vfio";
	int ret;

	*space = (struct space) { .backend = backend };
	space->fd = open(backend == TYPE1 ? container : "/dev/iommu",
			 O_RDWR | O_CLOEXEC);
	if (space->fd < 0)
		return -errno;
	ret = backend == TYPE1 ? 0 : space_add_ioas(space, &space->ioas);
	if (ret)
		space_close(space);
	return ret;
}

int space_map(struct space *space, void *at, uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_map dma = {
		.argsz = sizeof(dma),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)at, .iova = iova, .size = size,
	};
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = space->ioas,
		.user_va = (uintptr_t)at, .iova = iova, .length = size,
	};

	return space->backend == TYPE1 ?
	       sys_ioctl(space->fd, VFIO_IOMMU_MAP_DMA, &dma) :
	       sys_ioctl(space->fd, IOMMU_IOAS_MAP, &map);
}

void space_close(struct space *space)
{
	if (space->fd >= 0)
		close(space->fd);
	space->fd = -1;
}

/* The group that VFIO makes for a device without an IOMMU */
static bool device_without_iommu(const char *bdf)
{
	char name[16] = "";
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), DEVICES "%s/iommu_group/name", bdf);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (!fgets(name, sizeof(name), file))
		name[0] = '\0';
	fclose(file);
	return !strncmp(name, "vfio-noiommu", 12);
}

int device_group(const char *bdf, char *path, size_t size)
{
	char dir[128], link[256];
	ssize_t n;

	snprintf(dir, sizeof(dir), DEVICES "%s/iommu_group", bdf);
	n = readlink(dir, link, sizeof(link) - 1);
	if (n < 0)
		return -errno;
	link[n] = '\0';
	snprintf(path, size, "/dev/vfio/%s%.64s",
		 device_without_iommu(bdf) ? "noiommu-" : "", strrchr(link, '/') + 1);
	return 0;
}

int device_cdev(const char *bdf, char *path, size_t size)
{
	struct dirent *entry;
	char name[128];
	DIR *dir;

	snprintf(name, sizeof(name), DEVICES "%s/vfio-dev", bdf);
	dir = opendir(name);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir)) && entry->d_name[0] == '.')
		;
	if (entry)
		snprintf(path, size, "/dev/vfio/devices/%.32s", entry->d_name);
	closedir(dir);
	return entry ? 0 : -ENODEV;
}

static int open_type1(struct device *dev, const char *bdf)
{
	char path[128];
	int ret = device_group(bdf, path, sizeof(path));

	if (ret)
		return ret;
	dev->group = open(path, O_RDWR | O_CLOEXEC);
	if (dev->group < 0)
		return -errno;
	ret = sys_ioctl(dev->group, VFIO_GROUP_SET_CONTAINER, &dev->space->fd);
	if (ret)
		return ret;
	if (!dev->space->ready) {
		if (ioctl(dev->space->fd, VFIO_SET_IOMMU,
			  device_without_iommu(bdf) ? VFIO_NOIOMMU_IOMMU : VFIO_TYPE1v2_IOMMU))
			return -errno;
		dev->space->ready = true;
	}
	dev->fd = ioctl(dev->group, VFIO_GROUP_GET_DEVICE_FD, bdf);
	return dev->fd < 0 ? -errno : 0;
}

int device_replace(struct device *dev, uint32_t pt)
{
	struct vfio_device_attach_iommufd_pt attach = {
		.argsz = sizeof(attach), .pt_id = pt,
	};
	int ret = sys_ioctl(dev->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach);

	if (!ret)
		dev->hwpt = attach.pt_id;
	return ret;
}

int device_detach(struct device *dev)
{
	struct vfio_device_detach_iommufd_pt detach = { .argsz = sizeof(detach) };

	return sys_ioctl(dev->fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach);
}

int device_add_hwpt(struct device *dev, uint32_t *hwpt)
{
	struct iommu_hwpt_alloc alloc = {
		.size = sizeof(alloc), .dev_id = dev->id,
		.pt_id = dev->space->ioas,
	};
	int ret = sys_ioctl(dev->space->fd, IOMMU_HWPT_ALLOC, &alloc);

	*hwpt = alloc.out_hwpt_id;
	return ret;
}

static int open_iommufd(struct device *dev, const char *bdf)
{
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind), .iommufd = dev->space->fd,
	};
	char path[128];
	int ret = device_cdev(bdf, path, sizeof(path));

	if (ret)
		return ret;
	dev->fd = open(path, O_RDWR | O_CLOEXEC);
	if (dev->fd < 0)
		return -errno;
	ret = sys_ioctl(dev->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind);
	dev->id = bind.out_devid;
	return ret ?: device_replace(dev, dev->space->ioas);
}

int device_open(struct device *dev, struct space *space, const char *bdf)
{
	int ret;

	*dev = (struct device) { .bdf = bdf, .space = space, .fd = -1, .group = -1 };
	ret = space->backend == TYPE1 ? open_type1(dev, bdf) :
					open_iommufd(dev, bdf);
	if (ret)
		device_close(dev);
	return ret;
}

int device_start(struct device *dev, struct space *space, const char *bdf)
{
	int ret = device_open(dev, space, bdf);

	if (ret)
		return ret;
	ret = device_enable(dev) ?: device_map_bar(dev, 0);
	if (ret)
		device_close(dev);
	return ret;
}

void device_close(struct device *dev)
{
	if (dev->bar)
		munmap((void *)dev->bar, dev->bar_size);
	if (dev->fd >= 0)
		close(dev->fd);
	if (dev->group >= 0)
		close(dev->group);
	*dev = (struct device) { .fd = -1, .group = -1 };
}

static int region(struct device *dev, int index, struct vfio_region_info *info)
{
	*info = (struct vfio_region_info) {
		.argsz = sizeof(*info), .index = index,
	};
	return sys_ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, info);
}

int device_enable(struct device *dev)
{
	uint16_t command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	struct vfio_region_info info;
	int ret = region(dev, VFIO_PCI_CONFIG_REGION_INDEX, &info);

	if (ret)
		return ret;
	if (pwrite(dev->fd, &command, 2, info.offset + PCI_COMMAND) != 2)
		return -EIO;
	return 0;
}

int device_command(struct device *dev)
{
	struct vfio_region_info info;
	uint16_t command;

	if (region(dev, VFIO_PCI_CONFIG_REGION_INDEX, &info) ||
	    pread(dev->fd, &command, 2, info.offset + PCI_COMMAND) != 2)
		return -1;
	return command;
}

int device_map_bar(struct device *dev, int index)
{
	struct vfio_region_info info;
	int ret = region(dev, index, &info);
	void *at;

	if (ret)
		return ret;
	at = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, dev->fd,
		  info.offset);
	if (at == MAP_FAILED)
		return -errno;
	dev->bar = at;
	dev->bar_size = info.size;
	return 0;
}

int irqs_info(struct device *dev, int index, uint32_t *count, bool *dynamic)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = index };
	int ret = sys_ioctl(dev->fd, VFIO_DEVICE_GET_IRQ_INFO, &info);

	*count = info.count;
	*dynamic = !(info.flags & VFIO_IRQ_INFO_NORESIZE);
	return ret;
}

int irqs_set(struct device *dev, int index, int start, int count,
	     const int *eventfds)
{
	size_t size = sizeof(struct vfio_irq_set) + count * sizeof(int);
	struct vfio_irq_set *set = calloc(1, size);
	int ret;

	if (!set)
		return -ENOMEM;
	set->argsz = size;
	set->flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	set->index = index;
	set->start = start;
	set->count = count;
	memcpy(set->data, eventfds, count * sizeof(int));
	ret = sys_ioctl(dev->fd, VFIO_DEVICE_SET_IRQS, set);
	free(set);
	return ret;
}

int irqs_off(struct device *dev, int index)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set), .index = index,
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
	};

	return sys_ioctl(dev->fd, VFIO_DEVICE_SET_IRQS, &set);
}
