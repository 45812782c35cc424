// SPDX-License-Identifier: GPL-2.0-only
/* An iommufd, its objects, its window, and the devices that are bound to it */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "op.h"

#define MAX_ALLOWED	3

void prepare_iommu(struct op *op) { open_for(op, "/dev/iommu", IOMMU, 2); }
void prepare_cdev(struct op *op) { open_for(op, cdev_path, CDEV_DEVICE, 1); }

void prepare_alloc(struct op *op)
{
	use(op, IOMMU, 2, op->call->a);
	ioctl_on(op, IOMMU_IOAS_ALLOC);
	op->arg.alloc = (struct iommu_ioas_alloc) {
		.size = argsz(op, sizeof(op->arg.alloc)),
		.flags = choose(op->call->bits, 0, 0, 0, 1),
	};
}

void finish_alloc(struct op *op)
{
	if (op->result)
		return;
	object_add(op->slot, false, op->arg.alloc.out_ioas_id);
	op->space = (struct space) {
		.backend = IOMMUFD, .fd = op->fd,
		.ioas = op->arg.alloc.out_ioas_id,
	};
	no_overlap(op);
}

void prepare_destroy(struct op *op)
{
	const struct object *object = use_object(op, op->call->a, true);

	ioctl_on(op, IOMMU_DESTROY);
	op->arg.destroy = (struct iommu_destroy) {
		.size = argsz(op, sizeof(op->arg.destroy)), .id = object->id,
	};
}

void finish_destroy(struct op *op)
{
	if (!op->result || op->result == -ENOENT)
		object_drop(op->slot, op->arg.destroy.id);
}

void prepare_ioas_map(struct op *op)
{
	uint32_t ioas = use_object(op, op->call->a, false)->id;

	ioctl_on(op, IOMMU_IOAS_MAP);
	op->arg.ioas_map = (struct iommu_ioas_map) {
		.size = argsz(op, sizeof(op->arg.ioas_map)),
		.flags = choose(op->call->bits,
				IOMMU_IOAS_MAP_FIXED_IOVA |
				IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE,
				IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE,
				IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
				0, ~0u),
		.ioas_id = ioas,
		.user_va = (uintptr_t)memory +
			   choose(op->call->bits >> 12, 0, 0x1000, 0x1ff000, 1),
		.iova = at_of(op), .length = size_of(op),
	};
}

void finish_ioas_map(struct op *op)
{
	const struct iommu_ioas_map *map = &op->arg.ioas_map;

	if (op->result)
		return;
	mapping_add(op, map->ioas_id, map->iova, map->length);
	no_overlap(op);
}

void prepare_ioas_unmap(struct op *op)
{
	uint32_t ioas = use_object(op, op->call->a, false)->id;

	ioctl_on(op, IOMMU_IOAS_UNMAP);
	op->arg.ioas_unmap = (struct iommu_ioas_unmap) {
		.size = argsz(op, sizeof(op->arg.ioas_unmap)),
		.ioas_id = ioas, .iova = at_of(op), .length = size_of(op),
	};
	if (choose(op->call->bits, 0, 0, 0, 1)) {
		op->arg.ioas_unmap.iova = 0;
		op->arg.ioas_unmap.length = UINT64_MAX;
	}
	op->length = op->arg.ioas_unmap.length;
}

void finish_ioas_unmap(struct op *op)
{
	const struct iommu_ioas_unmap *unmap = &op->arg.ioas_unmap;

	mappings_drop(op->slot, unmap->ioas_id, unmap->iova,
		      unmap->iova + op->length - 1);
}

void prepare_copy(struct op *op)
{
	uint32_t to = use_object(op, op->call->a, false)->id;
	const struct object *from = object_pick(op, op->call->b, false);
	const struct mapping *m = NULL;

	if (mapping_count)
		m = &mappings[op->call->size.index % mapping_count];
	ioctl_on(op, IOMMU_IOAS_COPY);
	op->arg.copy = (struct iommu_ioas_copy) {
		.size = argsz(op, sizeof(op->arg.copy)),
		.flags = choose(op->call->bits, IOMMU_IOAS_MAP_FIXED_IOVA |
				IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE,
				IOMMU_IOAS_MAP_READABLE, ~0u),
		.dst_ioas_id = to,
		.src_ioas_id = m && m->ioas ? m->ioas : from->id,
		.length = m ? m->last - m->iova + 1 : 0x1000,
		.dst_iova = at_of(op),
		.src_iova = m ? m->iova : 0,
	};
}

void finish_copy(struct op *op)
{
	const struct iommu_ioas_copy *copy = &op->arg.copy;

	if (op->result)
		return;
	mapping_add(op, copy->dst_ioas_id, copy->dst_iova, copy->length);
	no_overlap(op);
}

/* The ranges are after the structure: @at, and what begins 16 MiB on */
void prepare_allow(struct op *op)
{
	uint32_t ioas = use_object(op, op->call->a, false)->id;
	struct iommu_iova_range *range = (void *)(op->arg.bytes + 256);
	int i;

	ioctl_on(op, IOMMU_IOAS_ALLOW_IOVAS);
	for (i = 0; i < MAX_ALLOWED; i++) {
		range[i].start = at_of(op) + i * 0x1000000;
		range[i].last = range[i].start + size_of(op) - 1;
	}
	op->arg.allow = (struct iommu_ioas_allow_iovas) {
		.size = argsz(op, sizeof(op->arg.allow)), .ioas_id = ioas,
		.num_iovas = choose(op->call->bits, 1, 0, 2, MAX_ALLOWED),
		.allowed_iovas = (uintptr_t)range,
	};
}

void prepare_ranges(struct op *op)
{
	uint32_t ioas = use_object(op, op->call->a, false)->id;

	ioctl_on(op, IOMMU_IOAS_IOVA_RANGES);
	op->arg.ranges = (struct iommu_ioas_iova_ranges) {
		.size = argsz(op, sizeof(op->arg.ranges)), .ioas_id = ioas,
		.num_iovas = choose(op->call->bits, 16, 16, 0, 1, 2),
		.allowed_iovas = (uintptr_t)(op->arg.bytes + 256),
	};
}

void finish_ranges(struct op *op)
{
	const struct iommu_iova_range *range = (void *)(op->arg.bytes + 256);
	struct window now;
	uint32_t i;

	if (op->result || !op->alone || !query(&op->space, &now) || !in_force(&now))
		return;
	for (i = 0; i < op->arg.ranges.num_iovas; i++)
		if (range[i].start <= now.last && range[i].last >= now.start)
			fail("range %#llx-%#llx is in window %#" PRIx64 "-%#"
			     PRIx64, range[i].start, range[i].last, now.start,
			     now.last);
}

void prepare_msi_window(struct op *op)
{
	uint32_t ioas = use_object(op, op->call->a, false)->id;
	uint32_t flags = choose(op->call->bits, 0, 0, 0, 0, IOMMU_IOAS_MSI_WINDOW_DEFAULT,
				IOMMU_IOAS_MSI_WINDOW_DEFAULT, ~0u);
	bool none = flags == IOMMU_IOAS_MSI_WINDOW_DEFAULT && op->call->bits >> 8 & 7;

	remember_window(op);
	ioctl_on(op, IOMMU_IOAS_MSI_WINDOW);
	op->arg.msi_window = (struct iommu_ioas_msi_window) {
		.size = argsz(op, sizeof(op->arg.msi_window)), .ioas_id = ioas,
		.flags = flags,
		.__reserved = choose(op->call->bits >> 16, 0, 0, 0, 0, 0, 0, 1),
		.start = none ? 0 : at_of(op),
		.last = none ? 0 : at_of(op) + size_of(op) - 1,
	};
}

void finish_msi_window(struct op *op)
{
	const struct iommu_ioas_msi_window *cmd = &op->arg.msi_window;

	/* All of the IOVA space is a window, before there is a device; it has no size */
	if (cmd->last - cmd->start == UINT64_MAX)
		return no_overlap(op);
	window_changed(op, cmd->start, cmd->last ? cmd->last - cmd->start + 1 : 0);
}

/* Of an IOAS, or of the context */
static void prepare_option(struct op *op, uint32_t id, uint16_t what, uint64_t to)
{
	bool context = op->call->b == 1;
	uint32_t ioas = use_object(op, op->call->a, false)->id;

	if (context)
		op->space.fd = -1;
	ioctl_on(op, IOMMU_OPTION);
	op->arg.option = (struct iommu_option) {
		.size = argsz(op, sizeof(op->arg.option)), .option_id = id,
		.op = what, .object_id = context ? 0 : ioas, .val64 = to,
	};
}

void prepare_option_get(struct op *op)
{
	prepare_option(op, choose(op->call->bits, IOMMU_OPTION_HUGE_PAGES,
				  IOMMU_OPTION_RLIMIT_MODE, 77),
		       IOMMU_OPTION_OP_GET, 0);
}

void prepare_option_other(struct op *op)
{
	prepare_option(op, choose(op->call->bits, IOMMU_OPTION_HUGE_PAGES,
				  IOMMU_OPTION_RLIMIT_MODE, 77),
		       choose(op->call->bits >> 8, IOMMU_OPTION_OP_SET, 2, 0xffff),
		       op->call->bits >> 16 & 1);
}

void prepare_msi_info(struct op *op)
{
	uint32_t id = use_object(op, op->call->a, true)->id;

	ioctl_on(op, IOMMU_MSI_INFO);
	op->arg.msi_info = (struct iommu_msi_info) {
		.size = argsz(op, sizeof(op->arg.msi_info)), .object_id = id,
		.__reserved = choose(op->call->bits, 0, 0, 0, 1),
	};
}

void prepare_hwpt_alloc(struct op *op)
{
	uint32_t ioas = use_object(op, op->call->a, op->call->b > 5)->id;

	ioctl_on(op, IOMMU_HWPT_ALLOC);
	op->arg.hwpt = (struct iommu_hwpt_alloc) {
		.size = argsz(op, sizeof(op->arg.hwpt)),
		.flags = choose(op->call->bits, 0, IOMMU_HWPT_ALLOC_NEST_PARENT,
				IOMMU_HWPT_ALLOC_DIRTY_TRACKING, ~0u),
		.dev_id = op->call->b == 5 ? op->call->bits : device_id,
		.pt_id = ioas,
		.data_type = choose(op->call->bits >> 8, IOMMU_HWPT_DATA_NONE, 1, 7),
	};
}

void finish_hwpt_alloc(struct op *op)
{
	if (!op->result)
		object_add(op->slot, true, op->arg.hwpt.out_hwpt_id);
}

void prepare_bind(struct op *op)
{
	use(op, GROUP_DEVICE, 2, 1 + op->call->a);
	ioctl_on(op, VFIO_DEVICE_BIND_IOMMUFD);
	op->arg.bind = (struct vfio_device_bind_iommufd) {
		.argsz = argsz(op, sizeof(op->arg.bind)),
		.flags = choose(op->call->bits, 0, 0, 0, 1),
		.iommufd = fds[slot_pick(IOMMU, 2, op->call->b)],
	};
}

void finish_bind(struct op *op)
{
	if (!op->result)
		device_id = op->arg.bind.out_devid;
}

void prepare_attach(struct op *op)
{
	const struct object *object = use_object(op, op->call->b, true);

	op->space.ioas = object->id;
	op->length = object->slot;	/* where the answer belongs */
	use(op, GROUP_DEVICE, 2, 1 + op->call->a);
	ioctl_on(op, VFIO_DEVICE_ATTACH_IOMMUFD_PT);
	op->arg.attach = (struct vfio_device_attach_iommufd_pt) {
		.argsz = argsz(op, sizeof(op->arg.attach)),
		.flags = choose(op->call->bits, 0, 0, 0, 1),
		.pt_id = object->id,
	};
}

void finish_attach(struct op *op)
{
	if (op->result)
		return;
	object_add(op->length, true, op->arg.attach.pt_id);
	op->slot = op->length;
	no_overlap(op);
}

void prepare_detach(struct op *op)
{
	use(op, GROUP_DEVICE, 2, 1 + op->call->a);
	ioctl_on(op, VFIO_DEVICE_DETACH_IOMMUFD_PT);
	op->arg.detach = (struct vfio_device_detach_iommufd_pt) {
		.argsz = argsz(op, sizeof(op->arg.detach)),
		.flags = choose(op->call->bits, 0, 0, 0, 1),
	};
}
