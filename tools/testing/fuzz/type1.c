// SPDX-License-Identifier: GPL-2.0-only
/* A VFIO container, its groups, its window */
#include <string.h>

#include "op.h"

void prepare_container(struct op *op) { open_for(op, "/dev/vfio/vfio", CONTAINER, 2); }
void prepare_group(struct op *op) { open_for(op, group_path, GROUP, 1); }

/* A container, or an iommufd that is to be one */
static int container_pick(const struct op *op)
{
	int slot = slot_pick(CONTAINER, 2, op->call->a);

	return op->call->b < 6 && fds[slot] >= 0 ? slot :
	       slot_pick(IOMMU, 2, op->call->a);
}

static void use_container(struct op *op)
{
	op->slot = container_pick(op);
	op->fd = fds[op->slot];
	if (op->slot < IOMMU)
		op->space = (struct space) { .backend = TYPE1, .fd = op->fd };
}

void prepare_set_container(struct op *op)
{
	use(op, GROUP, 1, 0);
	ioctl_on(op, VFIO_GROUP_SET_CONTAINER);
	op->arg.ints[0] = fds[container_pick(op)];
}

void prepare_unset_container(struct op *op)
{
	use(op, GROUP, 1, 0);
	ioctl_on(op, VFIO_GROUP_UNSET_CONTAINER);
}

void finish_unset_container(struct op *op)
{
	if (!op->result)
		containers_drop();
}

void prepare_set_iommu(struct op *op)
{
	use_container(op);
	ioctl_on(op, VFIO_SET_IOMMU);
	op->offset = choose(op->call->bits, VFIO_TYPE1v2_IOMMU, VFIO_TYPE1_IOMMU,
			    VFIO_TYPE1_NESTING_IOMMU, VFIO_NOIOMMU_IOMMU, 99);
}

void finish_set_iommu(struct op *op)
{
	if (!op->result)
		no_overlap(op);
}

void prepare_get_device(struct op *op)
{
	use(op, GROUP, 1, 0);
	op->slot = GROUP_DEVICE;
	op->installs = true;
	ioctl_on(op, VFIO_GROUP_GET_DEVICE_FD);
	strcpy(op->arg.text, device_address);
}

void prepare_map(struct op *op)
{
	use_container(op);
	ioctl_on(op, VFIO_IOMMU_MAP_DMA);
	op->arg.map = (struct vfio_iommu_type1_dma_map) {
		.argsz = argsz(op, sizeof(op->arg.map)),
		.flags = choose(op->call->bits,
				VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
				VFIO_DMA_MAP_FLAG_READ, VFIO_DMA_MAP_FLAG_WRITE,
				0, VFIO_DMA_MAP_FLAG_VADDR,
				VFIO_DMA_MAP_FLAG_MSI_RESERVED_IOVA |
				VFIO_DMA_MAP_FLAG_READ, ~0u),
		.vaddr = (uintptr_t)memory +
			 choose(op->call->bits >> 12, 0, 0x1000, 0x1ff000, 1),
		.iova = at_of(op), .size = size_of(op),
	};
}

void finish_map(struct op *op)
{
	const struct vfio_iommu_type1_dma_map *map = &op->arg.map;

	if (op->result || op->slot >= IOMMU)
		return;
	if (!(map->flags & VFIO_DMA_MAP_FLAG_VADDR))
		mapping_add(op, 0, map->iova, map->size);
	no_overlap(op);
}

void prepare_unmap(struct op *op)
{
	use_container(op);
	ioctl_on(op, VFIO_IOMMU_UNMAP_DMA);
	op->arg.unmap = (struct vfio_iommu_type1_dma_unmap) {
		.argsz = argsz(op, sizeof(op->arg.unmap)),
		.flags = choose(op->call->bits, 0, 0, 0, VFIO_DMA_UNMAP_FLAG_ALL,
				VFIO_DMA_UNMAP_FLAG_VADDR, ~0u),
		.iova = at_of(op), .size = size_of(op),
	};
	if (op->arg.unmap.flags == VFIO_DMA_UNMAP_FLAG_ALL) {
		op->arg.unmap.iova = 0;
		op->arg.unmap.size = 0;
	}
	op->length = op->arg.unmap.size;
}

/* Forgets what may be unmapped now. Which IOAS of an iommufd is not known: all */
void finish_unmap(struct op *op)
{
	uint64_t first = op->arg.unmap.iova, last = first + op->length - 1;

	if (op->slot >= IOMMU)
		mappings_drop(op->slot, ~0u, 0, UINT64_MAX);
	else if (op->arg.unmap.flags || last < first)
		mappings_drop(op->slot, 0, 0, UINT64_MAX);
	else
		mappings_drop(op->slot, 0, first, last);
}

void prepare_window(struct op *op)
{
	use_container(op);
	remember_window(op);
	ioctl_on(op, VFIO_IOMMU_MAP_DMA);
	op->arg.map = (struct vfio_iommu_type1_dma_map) {
		.argsz = argsz(op, sizeof(op->arg.map)),
		.flags = VFIO_DMA_MAP_FLAG_MSI_RESERVED_IOVA |
			 choose(op->call->bits, 0, 0, 0, 0,
				VFIO_DMA_MAP_FLAG_READ, VFIO_DMA_MAP_FLAG_VADDR),
		.vaddr = choose(op->call->bits >> 12, 0, 0, 0, 0x1000),
		.iova = at_of(op), .size = size_of(op),
	};
}

void finish_window(struct op *op)
{
	window_changed(op, op->arg.map.iova, op->arg.map.size);
}

void prepare_no_window(struct op *op)
{
	use_container(op);
	remember_window(op);
	ioctl_on(op, VFIO_IOMMU_UNMAP_DMA);
	op->arg.unmap = (struct vfio_iommu_type1_dma_unmap) {
		.argsz = argsz(op, sizeof(op->arg.unmap)),
		.iova = at_of(op), .size = size_of(op),
	};
	op->length = op->arg.unmap.size;
}

/* Only the range of the whole window removes it */
void finish_no_window(struct op *op)
{
	const struct window *was = &op->before;
	bool same = op->known && was->flags & WINDOW_USER &&
		    op->arg.unmap.iova == was->start &&
		    op->length == was->last - was->start + 1;

	finish_unmap(op);
	if (op->result < 0 || same)
		window_changed(op, 0, 0);
}

void prepare_info(struct op *op)
{
	use_container(op);
	ioctl_on(op, VFIO_IOMMU_GET_INFO);
	op->arg.info.argsz = choose(op->call->bits, 4096,
				    sizeof(struct vfio_iommu_type1_info),
				    16, 100, 0, ARG);
	op->length = op->arg.info.argsz;
}

/* A chain of capabilities ends, within what it says to be its size */
void finish_info(struct op *op)
{
	const struct vfio_iommu_type1_info *info = &op->arg.info;
	uint32_t offset, steps = 0;

	if (op->result || info->argsz > op->length ||
	    !(info->flags & VFIO_IOMMU_INFO_CAPS))
		return;
	for (offset = info->cap_offset; offset; steps++) {
		struct vfio_info_cap_header header;

		if (offset % 8 || offset + sizeof(header) > info->argsz ||
		    steps > 16)
			fail("a capability at %#x, step %u, of %#x bytes",
			     offset, steps, info->argsz);
		memcpy(&header, op->arg.bytes + offset, sizeof(header));
		offset = header.next;
	}
	if (info->cap_offset && !steps)
		fail("no capability");
}
