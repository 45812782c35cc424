// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/iommufd.h>

#include "sys.h"
#include "window.h"

static int set_iommufd(struct space *space, uint64_t start, uint64_t last,
		       uint32_t flags)
{
	struct iommu_ioas_msi_window cmd = {
		.size = sizeof(cmd), .ioas_id = space->ioas, .flags = flags,
		.start = start, .last = last,
	};

	return sys_ioctl(space->fd, IOMMU_IOAS_MSI_WINDOW, &cmd);
}

int window_set(struct space *space, uint64_t start, uint64_t size)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map), .iova = start, .size = size,
		.flags = VFIO_DMA_MAP_FLAG_MSI_RESERVED_IOVA,
	};

	return space->backend == TYPE1 ?
	       sys_ioctl(space->fd, VFIO_IOMMU_MAP_DMA, &map) :
	       set_iommufd(space, start, start + size - 1, 0);
}

int window_unset(struct space *space, uint64_t start, uint64_t size)
{
	return space->backend == TYPE1 ? space_unmap(space, start, size) :
	       set_iommufd(space, 0, 0, IOMMU_IOAS_MSI_WINDOW_DEFAULT);
}

/* The whole answer of VFIO_IOMMU_GET_INFO, to be freed */
static int type1_info(struct space *space, struct vfio_iommu_type1_info **answer)
{
	size_t size = 4096;
	struct vfio_iommu_type1_info *info = calloc(1, size);
	int ret;

	if (!info)
		return -ENOMEM;
	info->argsz = size;
	ret = sys_ioctl(space->fd, VFIO_IOMMU_GET_INFO, info);
	if (!ret && info->argsz > size)
		ret = -E2BIG;
	if (ret)
		free(info);
	else
		*answer = info;
	return ret;
}

static void *type1_cap(struct vfio_iommu_type1_info *info, uint16_t id)
{
	uint32_t offset = info->flags & VFIO_IOMMU_INFO_CAPS ? info->cap_offset : 0;

	while (offset) {
		struct vfio_info_cap_header *header = (void *)((char *)info + offset);

		if (header->id == id)
			return header;
		offset = header->next;
	}
	return NULL;
}

static int query_type1(struct space *space, struct window *window)
{
	struct vfio_iommu_type1_info_cap_msi_aperture *cap;
	struct vfio_iommu_type1_info *info;
	int ret = type1_info(space, &info);

	if (ret)
		return ret;
	cap = type1_cap(info, VFIO_IOMMU_TYPE1_INFO_CAP_MSI_APERTURE);
	if (cap)
		*window = (struct window) {
			.flags = cap->flags, .start = cap->start,
			.last = cap->last, .granule = cap->granule,
			.used = cap->pages_used, .free = cap->pages_free,
			.needed = cap->pages_needed,
		};
	free(info);
	return cap ? 0 : -ENOSYS;
}

static int query_iommufd(struct space *space, struct window *window)
{
	struct iommu_msi_info info = {
		.size = sizeof(info), .object_id = space->ioas,
	};
	int ret = sys_ioctl(space->fd, IOMMU_MSI_INFO, &info);

	*window = (struct window) {
		.flags = info.out_flags, .start = info.out_start,
		.last = info.out_last, .granule = info.out_granule,
		.used = info.out_pages_used, .free = info.out_pages_free,
		.needed = info.out_pages_needed,
	};
	return ret == -ENOTTY || ret == -EOPNOTSUPP ? -ENOSYS : ret;
}

int window_query(struct space *space, struct window *window)
{
	memset(window, 0, sizeof(*window));
	return space->backend == TYPE1 ? query_type1(space, window) :
					 query_iommufd(space, window);
}

static int ranges_type1(struct space *space, struct ranges *ranges)
{
	struct vfio_iommu_type1_info_cap_iova_range *cap;
	struct vfio_iommu_type1_info *info;
	int ret = type1_info(space, &info);
	unsigned int i;

	if (ret)
		return ret;
	cap = type1_cap(info, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);
	for (i = 0; cap && i < cap->nr_iovas && i < MAX_RANGES; i++) {
		ranges->at[i].start = cap->iova_ranges[i].start;
		ranges->at[i].last = cap->iova_ranges[i].end;
		ranges->count++;
	}
	free(info);
	return 0;
}

static int ranges_iommufd(struct space *space, struct ranges *ranges)
{
	struct iommu_iova_range at[MAX_RANGES];
	struct iommu_ioas_iova_ranges cmd = {
		.size = sizeof(cmd), .ioas_id = space->ioas,
		.num_iovas = MAX_RANGES, .allowed_iovas = (uintptr_t)at,
	};
	int ret = sys_ioctl(space->fd, IOMMU_IOAS_IOVA_RANGES, &cmd);
	unsigned int i;

	for (i = 0; !ret && i < cmd.num_iovas; i++) {
		ranges->at[i].start = at[i].start;
		ranges->at[i].last = at[i].last;
		ranges->count++;
	}
	return ret;
}

int space_ranges(struct space *space, struct ranges *ranges)
{
	memset(ranges, 0, sizeof(*ranges));
	return space->backend == TYPE1 ? ranges_type1(space, ranges) :
					 ranges_iommufd(space, ranges);
}

bool ranges_hold(const struct ranges *ranges, uint64_t start, uint64_t last)
{
	int i;

	for (i = 0; i < ranges->count; i++)
		if (ranges->at[i].start <= start && last <= ranges->at[i].last)
			return true;
	return false;
}

int space_unmap(struct space *space, uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_unmap dma = {
		.argsz = sizeof(dma), .iova = iova, .size = size,
	};
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = space->ioas,
		.iova = iova, .length = size,
	};
	int ret;

	if (space->backend == IOMMUFD)
		return sys_ioctl(space->fd, IOMMU_IOAS_UNMAP, &unmap);
	ret = sys_ioctl(space->fd, VFIO_IOMMU_UNMAP_DMA, &dma);
	return ret ?: dma.size == size ? 0 : -ENOENT;
}

int space_unmap_all(struct space *space)
{
	struct vfio_iommu_type1_dma_unmap dma = {
		.argsz = sizeof(dma), .flags = VFIO_DMA_UNMAP_FLAG_ALL,
	};

	if (space->backend == IOMMUFD)
		return space_unmap(space, 0, UINT64_MAX);
	return sys_ioctl(space->fd, VFIO_IOMMU_UNMAP_DMA, &dma);
}
