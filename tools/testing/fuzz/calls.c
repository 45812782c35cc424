// SPDX-License-Identifier: GPL-2.0-only
/*
 * The calls: how each is made, what is remembered of it, and what must be true
 * after it. What is remembered as mapped is mapped, if not the other way round:
 * where two calls were made at the same time, only what both leave is known.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/iommufd.h>
#include <linux/vfio.h>

#include "fuzz.h"
#include "window_util.h"

#define ARRAY_SIZE(a)	(int)(sizeof(a) / sizeof((a)[0]))
#define MEMORY		0x200000UL
#define ARG		16384
#define MAX_EVENTS	8
#define MAX_VECTORS	2048
#define MAX_OBJECTS	8
#define MAX_MAPPINGS	32
#define MAX_ALLOWED	3

/* Where descriptors are */
enum slot {
	CONTAINER,
	IOMMU		= CONTAINER + 2,
	GROUP		= IOMMU + 2,
	GROUP_DEVICE,
	CDEV_DEVICE,
	DEBUG,
	PARAM		= DEBUG + 2,
	SLOTS		= PARAM + 2,
};

enum what { OPEN, CLOSE, IOCTL, READ, PREAD, WRITE, SEEK };

/* A call with its arguments, to be made */
struct op {
	const struct call *call;
	enum what what;
	int fd;
	int slot;		/* of fd, or that the new descriptor is for */
	bool installs;		/* a new descriptor */
	const char *path;
	int flags;		/* of open, or whence */
	unsigned long request;
	uint64_t offset;
	size_t length;
	int64_t result;
	bool alone;		/* no other call was made at the same time */
	struct space space;	/* that it is about, if the descriptor is there */
	struct window before;	/* if known */
	bool known;
	union {
		uint8_t bytes[ARG];
		uint32_t ints[ARG / 4];
		char text[64];
		struct vfio_iommu_type1_dma_map map;
		struct vfio_iommu_type1_dma_unmap unmap;
		struct vfio_iommu_type1_info info;
		struct vfio_irq_set irq_set;
		struct vfio_irq_info irq_info;
		struct vfio_device_bind_iommufd bind;
		struct vfio_device_attach_iommufd_pt attach;
		struct vfio_device_detach_iommufd_pt detach;
		struct iommu_destroy destroy;
		struct iommu_ioas_alloc alloc;
		struct iommu_ioas_map ioas_map;
		struct iommu_ioas_unmap ioas_unmap;
		struct iommu_ioas_copy copy;
		struct iommu_ioas_allow_iovas allow;
		struct iommu_ioas_iova_ranges ranges;
		struct iommu_option option;
		struct iommu_msi_info msi_info;
		struct iommu_hwpt_alloc hwpt;
	} arg;
};

struct object {
	int slot;		/* its iommufd */
	bool hwpt;
	uint32_t id;
};

struct mapping {
	int slot;
	uint32_t ioas;		/* 0: a container */
	uint64_t iova, last;
};

static const struct program *running;
static const char *device_address;
static char group_path[64], cdev_path[64];
static char *memory;
static int events[MAX_EVENTS];

/* Of the program that is running */
static int fds[SLOTS];
static struct object objects[MAX_OBJECTS];
static int object_next;
static uint32_t device_id;
static struct mapping mappings[MAX_MAPPINGS];
static int mapping_count;
static struct window window;
static uint32_t live_index;	/* of the interrupts that were set last */
static int found;		/* edges, and results of calls, that are new */
static struct op ops[2];

enum kind_index {
	CLOSE_ANY, CONTAINER_OPEN, GROUP_OPEN, SET_CONTAINER, UNSET_CONTAINER,
	SET_IOMMU, GET_DEVICE, TYPE1_MAP, TYPE1_UNMAP, TYPE1_WINDOW,
	TYPE1_NO_WINDOW, TYPE1_INFO, IOMMU_OPEN, IOAS_ALLOC, OBJECT_DESTROY,
	IOAS_MAP, IOAS_UNMAP, IOAS_COPY, IOAS_ALLOW, IOAS_RANGES, MSI_START,
	MSI_SIZE, OPTION_GET, OPTION_OTHER, MSI_INFO, HWPT_ALLOC, CDEV_OPEN,
	BIND, ATTACH, DETACH, SET_MSI, SET_MSIX, IRQS_OFF, IRQS_TRIGGER,
	IRQ_INFO, DEBUG_OPEN, DEBUG_READ, DEBUG_PREAD, DEBUG_SEEK, DEBUG_WRITE,
	PARAM_OPEN, PARAM_READ, PARAM_WRITE,
};

static void count(enum kind_index kind, int64_t result)
{
	typeof(self->kinds[0]) *at = &self->kinds[kind];

	self->calls++;
	at->called++;
	if (result >= 0)
		found += !at->succeeded++;
	else if (-result < MAX_ERRNO)
		found += !at->errnos[-result]++;
}

/* --- choices ------------------------------------------------------------- */

/* The first is the most likely, and what bits of 0 stand for */
static uint64_t choose_from(uint32_t bits, const uint64_t *list, int n)
{
	int index = (bits >> 4) % (4 * n);

	return list[index < n ? index : 0];
}
#define choose(bits, ...) choose_from(bits, (const uint64_t[]){ __VA_ARGS__ }, \
	ARRAY_SIZE(((const uint64_t[]){ __VA_ARGS__ })))

/* Too little for the structure, sometimes */
static uint32_t argsz(const struct op *op, size_t size)
{
	return (op->call->bits >> 27) == 31 ? size - 4 : size;
}

static uint64_t value(const struct call *call, const struct value *v)
{
	static const uint64_t edges[] = {
		0, 0x8000000, 0x8100000, 0x80ff000, 0x1000, 0x100000, 0x10000,
		0x7fff000, 0xfee00000, 0xfffff000, 0x100000000, 0x7fffffffff,
		0xffffffff000, 1ULL << 47, 1ULL << 48, (1ULL << 48) - 0x1000,
		1ULL << 52, 1ULL << 63, ~0xfffULL, ~0ULL,
	};
	const struct mapping *m = NULL;
	uint64_t base = 0;

	if (mapping_count)
		m = &mappings[call->at.index % mapping_count];
	switch (v->base) {
	case EDGE: base = edges[v->index % ARRAY_SIZE(edges)]; break;
	case SPOT: base = (1 + v->index % 7) * 0x10000000ULL; break;
	case WINDOW_START: base = window.start; break;
	case WINDOW_END: base = window.last + 1; break;
	case WINDOW_SIZE: base = window.last + 1 - window.start; break;
	case MAPPED_START: base = m ? m->iova : 0; break;
	case MAPPED_END: base = m ? m->last + 1 : 0; break;
	case MAPPED_SIZE: base = m ? m->last + 1 - m->iova : 0x1000; break;
	case PAGES: base = (1 + v->index % 16) * 0x1000ULL; break;
	case WRAP: base = v == &call->at ? 0 : -value(call, &call->at); break;
	case FREE:
	default: base = 0x100000000ULL + v->index % 32 * 0x100000; break;
	}
	return base + v->offset;
}

static uint64_t at_of(const struct op *op) { return value(op->call, &op->call->at); }
static uint64_t size_of(const struct op *op) { return value(op->call, &op->call->size); }

/* Of @n slots the one that @choice says, or else the next that is open */
static int slot_pick(int first, int n, int choice)
{
	int i;

	for (i = 0; i < n; i++)
		if (fds[first + (choice + i) % n] >= 0)
			return first + (choice + i) % n;
	return first;
}

static void use(struct op *op, int first, int n, int choice)
{
	op->slot = slot_pick(first, n, choice);
	op->fd = fds[op->slot];
}

static void ioctl_on(struct op *op, unsigned long request)
{
	op->what = IOCTL;
	op->request = request;
}

static struct object nothing;

/* An object of the program, or nothing with an ID all the same */
static const struct object *object_pick(const struct op *op, int choice, bool hwpt_too)
{
	int i;

	nothing = (struct object) {
		.slot = slot_pick(IOMMU, 2, op->call->a),
		.id = choose(op->call->bits, 0, 1, 2, 3, ~0u),
	};
	if (choice == 7)
		return &nothing;
	for (i = 0; i < MAX_OBJECTS; i++) {
		const struct object *o = &objects[(choice + i) % MAX_OBJECTS];

		if (o->id && (hwpt_too || !o->hwpt))
			return o;
	}
	return &nothing;
}

static const struct object *use_object(struct op *op, int choice, bool hwpt_too)
{
	const struct object *object = object_pick(op, choice, hwpt_too);

	op->slot = object->slot;
	op->fd = fds[op->slot];
	op->space = (struct space) {
		.backend = IOMMUFD, .fd = object == &nothing ? -1 : op->fd,
		.ioas = object->id,
	};
	return object;
}

/* --- what is remembered -------------------------------------------------- */

static void object_add(int slot, bool hwpt, uint32_t id)
{
	int i;

	for (i = 0; i < MAX_OBJECTS; i++)
		if (objects[i].id == id && objects[i].slot == slot)
			return;
	objects[object_next++ % MAX_OBJECTS] = (struct object) {
		.slot = slot, .hwpt = hwpt, .id = id,
	};
}

static void mapping_add(const struct op *op, uint32_t ioas, uint64_t iova, uint64_t size)
{
	if (!op->alone || mapping_count == MAX_MAPPINGS)
		return;
	mappings[mapping_count++] = (struct mapping) {
		.slot = op->slot, .ioas = ioas, .iova = iova,
		.last = iova + size - 1,
	};
}

/* Those of a descriptor or object that meet a range; any ioas if that is ~0 */
static void mappings_drop(int slot, uint32_t ioas, uint64_t first, uint64_t last)
{
	int i;

	for (i = mapping_count - 1; i >= 0; i--) {
		const struct mapping *m = &mappings[i];

		if (m->slot == slot && (ioas == ~0u || m->ioas == ioas) &&
		    m->iova <= last && m->last >= first)
			mappings[i] = mappings[--mapping_count];
	}
}

static void object_drop(int slot, uint32_t id)
{
	int i;

	for (i = 0; i < MAX_OBJECTS; i++)
		if (objects[i].slot == slot && (id == ~0u || objects[i].id == id))
			objects[i].id = 0;
	mappings_drop(slot, id, 0, UINT64_MAX);
}

/* A container loses its mappings with its last group */
static void containers_drop(void)
{
	mappings_drop(CONTAINER, 0, 0, UINT64_MAX);
	mappings_drop(CONTAINER + 1, 0, 0, UINT64_MAX);
}

static void slot_closed(int slot)
{
	fds[slot] = -1;
	object_drop(slot, ~0u);
	if (slot < DEBUG)
		containers_drop();
}

static void slot_close(int slot)
{
	if (fds[slot] < 0)
		return;
	cover_begin();
	count(CLOSE_ANY, close(fds[slot]) ? -errno : 0);
	found += cover_end();
	slot_closed(slot);
}

/* --- what must be true --------------------------------------------------- */

static bool query(struct space *space, struct window *answer)
{
	uint64_t pages;
	int ret = window_query(space, answer);

	count(space->backend == TYPE1 ? TYPE1_INFO : MSI_INFO, ret);
	if (ret == -ENOSYS)
		fail("a space does not tell its window");
	if (ret)
		return false;
	if (answer->start > answer->last)
		return true;
	pages = (answer->last - answer->start) / answer->granule + 1;
	if (pages > 0x100000)	/* the most that is kept count of */
		pages = 0x100000;
	if (answer->flags & WINDOW_TRANSLATED &&
	    answer->used + answer->free != pages)
		fail("%" PRIu64 " pages used, %" PRIu64 " free, of %" PRIu64,
		     answer->used, answer->free, pages);
	window = *answer;
	return true;
}

/* A default window of nobody's is no reservation */
static bool in_force(const struct window *w)
{
	return w->start <= w->last && (w->flags & WINDOW_USER || w->needed);
}

/* Of two calls made together, when both are over: see run_together() */
static void no_overlap(struct op *op)
{
	uint32_t ioas = op->space.backend == IOMMUFD ? op->space.ioas : 0;
	struct window now;
	int i;

	if (!op->alone || op->space.fd < 0 || !query(&op->space, &now) || !in_force(&now))
		return;
	for (i = 0; i < mapping_count; i++) {
		const struct mapping *m = &mappings[i];

		if (m->slot == op->slot && m->ioas == ioas &&
		    m->iova <= now.last && m->last >= now.start)
			fail("mapping %#" PRIx64 "-%#" PRIx64 " is in window %#"
			     PRIx64 "-%#" PRIx64, m->iova, m->last, now.start,
			     now.last);
	}
}

/* A call that is going to change the window */
static void remember_window(struct op *op)
{
	op->known = op->alone && op->space.fd >= 0 &&
		    query(&op->space, &op->before);
}

/* @start and @size of the user's window if it succeeded; a size of 0: none */
static void window_changed(struct op *op, uint64_t start, uint64_t size)
{
	struct window now;

	if (!op->known)
		return no_overlap(op);
	if (!query(&op->space, &now))
		fail("the window cannot be queried any more");
	if (op->result < 0 &&
	    (now.start != op->before.start || now.last != op->before.last ||
	     (now.flags ^ op->before.flags) & WINDOW_USER))
		fail("refused, and yet window %#" PRIx64 "-%#" PRIx64
		     " is now %#" PRIx64 "-%#" PRIx64, op->before.start,
		     op->before.last, now.start, now.last);
	if (op->result >= 0 && !size && now.flags & WINDOW_USER)
		fail("window %#" PRIx64 "-%#" PRIx64 " is still there",
		     now.start, now.last);
	if (op->result >= 0 && size &&
	    (now.start != start || now.last != start + size - 1 ||
	     !(now.flags & WINDOW_USER)))
		fail("window %#" PRIx64 ", %#" PRIx64 " was set, and %#" PRIx64
		     "-%#" PRIx64 " is there", start, size, now.start, now.last);
	no_overlap(op);
}

/* --- descriptors --------------------------------------------------------- */

static void open_for(struct op *op, const char *path, int first, int n)
{
	op->what = OPEN;
	op->path = path;
	op->flags = O_RDWR;
	op->slot = first + op->call->a % n;
	op->installs = true;
}

static void opened(struct op *op)
{
	if (op->result < 0)
		return;
	slot_close(op->slot);
	fds[op->slot] = op->result;
}

static void prepare_close(struct op *op)
{
	op->what = CLOSE;
	use(op, 0, SLOTS, op->call->bits % SLOTS);
}

static void finish_close(struct op *op)
{
	if (!op->result)
		slot_closed(op->slot);
}

static void prepare_container(struct op *op) { open_for(op, "/dev/vfio/vfio", CONTAINER, 2); }
static void prepare_iommu(struct op *op) { open_for(op, "/dev/iommu", IOMMU, 2); }
static void prepare_group(struct op *op) { open_for(op, group_path, GROUP, 1); }
static void prepare_cdev(struct op *op) { open_for(op, cdev_path, CDEV_DEVICE, 1); }

/* --- type1 --------------------------------------------------------------- */

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

static void prepare_set_container(struct op *op)
{
	use(op, GROUP, 1, 0);
	ioctl_on(op, VFIO_GROUP_SET_CONTAINER);
	op->arg.ints[0] = fds[container_pick(op)];
}

static void prepare_unset_container(struct op *op)
{
	use(op, GROUP, 1, 0);
	ioctl_on(op, VFIO_GROUP_UNSET_CONTAINER);
}

static void finish_unset_container(struct op *op)
{
	if (!op->result)
		containers_drop();
}

static void prepare_set_iommu(struct op *op)
{
	use_container(op);
	ioctl_on(op, VFIO_SET_IOMMU);
	op->offset = choose(op->call->bits, VFIO_TYPE1v2_IOMMU, VFIO_TYPE1_IOMMU,
			    VFIO_TYPE1_NESTING_IOMMU, VFIO_NOIOMMU_IOMMU, 99);
}

static void finish_set_iommu(struct op *op)
{
	if (!op->result)
		no_overlap(op);
}

static void prepare_get_device(struct op *op)
{
	use(op, GROUP, 1, 0);
	op->slot = GROUP_DEVICE;
	op->installs = true;
	ioctl_on(op, VFIO_GROUP_GET_DEVICE_FD);
	strcpy(op->arg.text, device_address);
}

static void prepare_map(struct op *op)
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

static void finish_map(struct op *op)
{
	const struct vfio_iommu_type1_dma_map *map = &op->arg.map;

	if (op->result || op->slot >= IOMMU)
		return;
	if (!(map->flags & VFIO_DMA_MAP_FLAG_VADDR))
		mapping_add(op, 0, map->iova, map->size);
	no_overlap(op);
}

static void prepare_unmap(struct op *op)
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

/* All that may have gone; of an iommufd, all that may be its container's */
static void finish_unmap(struct op *op)
{
	uint64_t first = op->arg.unmap.iova, last = first + op->length - 1;

	if (op->slot >= IOMMU)
		mappings_drop(op->slot, ~0u, 0, UINT64_MAX);
	else if (op->arg.unmap.flags || last < first)
		mappings_drop(op->slot, 0, 0, UINT64_MAX);
	else
		mappings_drop(op->slot, 0, first, last);
}

static void prepare_window(struct op *op)
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

static void finish_window(struct op *op)
{
	window_changed(op, op->arg.map.iova, op->arg.map.size);
}

static void prepare_no_window(struct op *op)
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

/* It is a window's end only if it is exactly that window */
static void finish_no_window(struct op *op)
{
	const struct window *was = &op->before;
	bool same = op->known && was->flags & WINDOW_USER &&
		    op->arg.unmap.iova == was->start &&
		    op->length == was->last - was->start + 1;

	finish_unmap(op);
	if (op->result < 0 || same)
		window_changed(op, 0, 0);
}

static void prepare_info(struct op *op)
{
	use_container(op);
	ioctl_on(op, VFIO_IOMMU_GET_INFO);
	op->arg.info.argsz = choose(op->call->bits, 4096,
				    sizeof(struct vfio_iommu_type1_info),
				    16, 100, 0, ARG);
	op->length = op->arg.info.argsz;
}

/* A chain of capabilities ends, within what it says to be its size */
static void finish_info(struct op *op)
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

/* --- iommufd ------------------------------------------------------------- */

static void prepare_alloc(struct op *op)
{
	use(op, IOMMU, 2, op->call->a);
	ioctl_on(op, IOMMU_IOAS_ALLOC);
	op->arg.alloc = (struct iommu_ioas_alloc) {
		.size = argsz(op, sizeof(op->arg.alloc)),
		.flags = choose(op->call->bits, 0, 0, 0, 1),
	};
}

static void finish_alloc(struct op *op)
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

static void prepare_destroy(struct op *op)
{
	const struct object *object = use_object(op, op->call->a, true);

	ioctl_on(op, IOMMU_DESTROY);
	op->arg.destroy = (struct iommu_destroy) {
		.size = argsz(op, sizeof(op->arg.destroy)), .id = object->id,
	};
}

static void finish_destroy(struct op *op)
{
	if (!op->result || op->result == -ENOENT)
		object_drop(op->slot, op->arg.destroy.id);
}

static void prepare_ioas_map(struct op *op)
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

static void finish_ioas_map(struct op *op)
{
	const struct iommu_ioas_map *map = &op->arg.ioas_map;

	if (op->result)
		return;
	mapping_add(op, map->ioas_id, map->iova, map->length);
	no_overlap(op);
}

static void prepare_ioas_unmap(struct op *op)
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

static void finish_ioas_unmap(struct op *op)
{
	const struct iommu_ioas_unmap *unmap = &op->arg.ioas_unmap;

	mappings_drop(op->slot, unmap->ioas_id, unmap->iova,
		      unmap->iova + op->length - 1);
}

static void prepare_copy(struct op *op)
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

static void finish_copy(struct op *op)
{
	const struct iommu_ioas_copy *copy = &op->arg.copy;

	if (op->result)
		return;
	mapping_add(op, copy->dst_ioas_id, copy->dst_iova, copy->length);
	no_overlap(op);
}

/* The ranges are after the structure: @at, and what begins 16 MiB on */
static void prepare_allow(struct op *op)
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

static void prepare_ranges(struct op *op)
{
	uint32_t ioas = use_object(op, op->call->a, false)->id;

	ioctl_on(op, IOMMU_IOAS_IOVA_RANGES);
	op->arg.ranges = (struct iommu_ioas_iova_ranges) {
		.size = argsz(op, sizeof(op->arg.ranges)), .ioas_id = ioas,
		.num_iovas = choose(op->call->bits, 16, 16, 0, 1, 2),
		.allowed_iovas = (uintptr_t)(op->arg.bytes + 256),
	};
}

static void finish_ranges(struct op *op)
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

/* Of an IOAS, or of the context */
static void prepare_option(struct op *op, uint32_t id, uint16_t what, uint64_t to)
{
	bool context = op->call->b == 1;
	uint32_t ioas = use_object(op, op->call->a, false)->id;

	if (context)
		op->space.fd = -1;
	else if (what == IOMMU_OPTION_OP_SET)
		remember_window(op);
	ioctl_on(op, IOMMU_OPTION);
	op->arg.option = (struct iommu_option) {
		.size = argsz(op, sizeof(op->arg.option)), .option_id = id,
		.op = what, .object_id = context ? 0 : ioas, .val64 = to,
	};
}

static void prepare_msi_start(struct op *op)
{
	prepare_option(op, IOMMU_OPTION_SW_MSI_START, IOMMU_OPTION_OP_SET, at_of(op));
}

static void prepare_msi_size(struct op *op)
{
	prepare_option(op, IOMMU_OPTION_SW_MSI_SIZE, IOMMU_OPTION_OP_SET, size_of(op));
}

static uint64_t option_value(struct op *op, uint32_t id)
{
	uint64_t answer;
	int ret = option_get(&op->space, op->space.ioas, id, &answer);

	count(OPTION_GET, ret);
	if (ret)
		fail("an option of an IOAS cannot be read: %s", strerror(-ret));
	return answer;
}

static void finish_msi_option(struct op *op)
{
	uint64_t start = 0, size = 0;

	if (op->known && !op->result) {
		start = option_value(op, IOMMU_OPTION_SW_MSI_START);
		size = option_value(op, IOMMU_OPTION_SW_MSI_SIZE);
		if (op->arg.option.val64 !=
		    (op->arg.option.option_id == IOMMU_OPTION_SW_MSI_SIZE ?
		     size : start))
			fail("an option was set, and has another value");
	}
	window_changed(op, start, size);
}

static void prepare_option_get(struct op *op)
{
	prepare_option(op, choose(op->call->bits, IOMMU_OPTION_SW_MSI_START,
				  IOMMU_OPTION_SW_MSI_SIZE,
				  IOMMU_OPTION_HUGE_PAGES,
				  IOMMU_OPTION_RLIMIT_MODE, 77),
		       IOMMU_OPTION_OP_GET, 0);
}

static void prepare_option_other(struct op *op)
{
	prepare_option(op, choose(op->call->bits, IOMMU_OPTION_HUGE_PAGES,
				  IOMMU_OPTION_RLIMIT_MODE,
				  IOMMU_OPTION_SW_MSI_START, 77),
		       choose(op->call->bits >> 8, IOMMU_OPTION_OP_SET, 2, 0xffff),
		       op->call->bits >> 16 & 1);
}

static void prepare_msi_info(struct op *op)
{
	uint32_t id = use_object(op, op->call->a, true)->id;

	ioctl_on(op, IOMMU_MSI_INFO);
	op->arg.msi_info = (struct iommu_msi_info) {
		.size = argsz(op, sizeof(op->arg.msi_info)), .object_id = id,
		.__reserved = choose(op->call->bits, 0, 0, 0, 1),
	};
}

static void prepare_hwpt_alloc(struct op *op)
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

static void finish_hwpt_alloc(struct op *op)
{
	if (!op->result)
		object_add(op->slot, true, op->arg.hwpt.out_hwpt_id);
}

static void prepare_bind(struct op *op)
{
	use(op, GROUP_DEVICE, 2, 1 + op->call->a);
	ioctl_on(op, VFIO_DEVICE_BIND_IOMMUFD);
	op->arg.bind = (struct vfio_device_bind_iommufd) {
		.argsz = argsz(op, sizeof(op->arg.bind)),
		.flags = choose(op->call->bits, 0, 0, 0, 1),
		.iommufd = fds[slot_pick(IOMMU, 2, op->call->b)],
	};
}

static void finish_bind(struct op *op)
{
	if (!op->result)
		device_id = op->arg.bind.out_devid;
}

static void prepare_attach(struct op *op)
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

static void finish_attach(struct op *op)
{
	if (op->result)
		return;
	object_add(op->length, true, op->arg.attach.pt_id);
	op->slot = op->length;
	no_overlap(op);
}

static void prepare_detach(struct op *op)
{
	use(op, GROUP_DEVICE, 2, 1 + op->call->a);
	ioctl_on(op, VFIO_DEVICE_DETACH_IOMMUFD_PT);
	op->arg.detach = (struct vfio_device_detach_iommufd_pt) {
		.argsz = argsz(op, sizeof(op->arg.detach)),
		.flags = choose(op->call->bits, 0, 0, 0, 1),
	};
}

/* --- interrupts ---------------------------------------------------------- */

static void prepare_irqs(struct op *op, uint32_t index, uint32_t flags,
			 uint32_t start, uint32_t vectors)
{
	uint32_t bits = op->call->bits, i;
	int *data = (int *)op->arg.irq_set.data;

	use(op, GROUP_DEVICE, 2, op->call->a);
	ioctl_on(op, VFIO_DEVICE_SET_IRQS);
	op->arg.irq_set = (struct vfio_irq_set) {
		.argsz = argsz(op, sizeof(op->arg.irq_set) +
			       (vectors > MAX_VECTORS ? 0 : vectors) * sizeof(int)),
		.flags = flags, .index = index, .start = start, .count = vectors,
	};
	for (i = 0; i < vectors && i < MAX_VECTORS; i++)
		data[i] = (bits >> 24 & 7) == 7 ? -1 :
			  (bits >> 24 & 31) == 6 ? 9999 :
			  events[(start + i) % MAX_EVENTS];
}

static void prepare_eventfds(struct op *op, uint32_t index)
{
	uint32_t bits = op->call->bits;

	prepare_irqs(op, index,
		     choose(bits, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			    VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			    VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_MASK,
			    VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER,
			    VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK, ~0u),
		     choose(bits >> 8, 0, 0, 1, 2, 5, 7, 100, ~0u),
		     choose(bits >> 14, 1, 1, 2, 3, 5, 8, 33, 0, 0x7fffffff, ~0u));
}

static void finish_irqs(struct op *op)
{
	if (!op->result)
		live_index = op->arg.irq_set.index;
}

static void prepare_msi(struct op *op) { prepare_eventfds(op, VFIO_PCI_MSI_IRQ_INDEX); }
static void prepare_msix(struct op *op) { prepare_eventfds(op, VFIO_PCI_MSIX_IRQ_INDEX); }

static uint32_t irq_index(const struct op *op)
{
	return choose(op->call->bits >> 12, live_index, VFIO_PCI_MSI_IRQ_INDEX,
		      VFIO_PCI_MSIX_IRQ_INDEX, VFIO_PCI_INTX_IRQ_INDEX,
		      VFIO_PCI_ERR_IRQ_INDEX, ~0u);
}

static void prepare_irqs_off(struct op *op)
{
	prepare_irqs(op, irq_index(op),
		     VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, 0, 0);
}

/* As if the device had raised them */
static void prepare_trigger(struct op *op)
{
	prepare_irqs(op, irq_index(op),
		     choose(op->call->bits,
			    VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
			    VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER),
		     choose(op->call->bits >> 8, 0, 0, 1, 2, 7),
		     choose(op->call->bits >> 14, 1, 1, 2, 3, 8));
}

static void prepare_irq_info(struct op *op)
{
	use(op, GROUP_DEVICE, 2, op->call->a);
	ioctl_on(op, VFIO_DEVICE_GET_IRQ_INFO);
	op->arg.irq_info = (struct vfio_irq_info) {
		.argsz = argsz(op, sizeof(op->arg.irq_info)),
		.index = irq_index(op),
	};
}

/* --- files --------------------------------------------------------------- */

static void file_open(struct op *op, int first, const char *one, const char *other)
{
	open_for(op, op->call->b % 2 ? other : one, first, 2);
	op->flags = choose(op->call->bits, O_RDWR, O_RDONLY, O_WRONLY);
}

static void file_use(struct op *op, int first, enum what what)
{
	use(op, first, 2, op->call->a);
	op->what = what;
	op->length = choose(op->call->bits, 4096, ARG, 100, 7, 1, 0);
	op->offset = choose(op->call->bits >> 8, 0, 1, 13, 80, 4095, 4096,
			    100000, 1ULL << 40, ~0ULL);
	op->flags = choose(op->call->bits >> 16, SEEK_SET, SEEK_CUR, SEEK_END, 99);
}

static void prepare_debug_open(struct op *op)
{
	file_open(op, DEBUG, "/sys/kernel/debug/iommu/msi/domains",
		  "/sys/kernel/debug/iommu/msi/groups");
}

static void prepare_debug_read(struct op *op) { file_use(op, DEBUG, READ); }
static void prepare_debug_pread(struct op *op) { file_use(op, DEBUG, PREAD); }
static void prepare_debug_seek(struct op *op) { file_use(op, DEBUG, SEEK); }
static void prepare_debug_write(struct op *op) { file_use(op, DEBUG, WRITE); }

static void prepare_param_open(struct op *op)
{
	file_open(op, PARAM, "/sys/module/msi_iommu/parameters/allow_unsafe_doorbells",
		  "/sys/module/msi_iommu/parameters/window");
}

static void prepare_param_read(struct op *op) { file_use(op, PARAM, PREAD); }

static void prepare_param_write(struct op *op)
{
	static const char * const texts[] = {
		"Y", "N", "1\n", "0", "maybe", "", "0x9000000-0x90fffff", "-",
		"0xffffffffffffffffffffffffffffffffffff-0",
	};

	file_use(op, PARAM, WRITE);
	strcpy(op->arg.text, texts[op->call->at.index % ARRAY_SIZE(texts)]);
	op->length = strlen(op->arg.text);
}

/* ------------------------------------------------------------------------- */

#define T1		.side = TYPE1_SIDE
#define FD		.side = IOMMUFD_SIDE
#define BIT(n)		(1 << (n))
#define MAP_VALUES	.at = BIT(FREE) | BIT(SPOT), .size = BIT(PAGES)
#define UNMAP_VALUES	.at = BIT(MAPPED_START), .size = BIT(MAPPED_SIZE)
#define WINDOW_VALUES	.at = BIT(SPOT), .size = BIT(WINDOW_SIZE) | BIT(PAGES)

const struct kind kinds[] = {
	[CLOSE_ANY] = { "close", prepare_close, finish_close, .weight = 1 },

	[CONTAINER_OPEN] = { "open container", prepare_container, opened, T1, .weight = 1 },
	[GROUP_OPEN] = { "open group", prepare_group, opened, T1, .weight = 1 },
	[SET_CONTAINER] = { "VFIO_GROUP_SET_CONTAINER", prepare_set_container, NULL, T1, .weight = 3 },
	[UNSET_CONTAINER] = { "VFIO_GROUP_UNSET_CONTAINER", prepare_unset_container,
			      finish_unset_container, T1, .weight = 1 },
	[SET_IOMMU] = { "VFIO_SET_IOMMU", prepare_set_iommu, finish_set_iommu, T1, .weight = 3 },
	[GET_DEVICE] = { "VFIO_GROUP_GET_DEVICE_FD", prepare_get_device, opened, T1, .weight = 2 },
	[TYPE1_MAP] = { "VFIO_IOMMU_MAP_DMA memory", prepare_map, finish_map, T1,
			.weight = 8, MAP_VALUES },
	[TYPE1_UNMAP] = { "VFIO_IOMMU_UNMAP_DMA memory", prepare_unmap, finish_unmap, T1,
			  .weight = 5, UNMAP_VALUES },
	[TYPE1_WINDOW] = { "VFIO_IOMMU_MAP_DMA window", prepare_window, finish_window, T1,
			   .weight = 8, WINDOW_VALUES },
	[TYPE1_NO_WINDOW] = { "VFIO_IOMMU_UNMAP_DMA window", prepare_no_window,
			      finish_no_window, T1, .weight = 4,
			      .at = BIT(WINDOW_START), .size = BIT(WINDOW_SIZE) },
	[TYPE1_INFO] = { "VFIO_IOMMU_GET_INFO", prepare_info, finish_info, T1, .weight = 3 },

	[IOMMU_OPEN] = { "open iommufd", prepare_iommu, opened, FD, .weight = 1 },
	[IOAS_ALLOC] = { "IOMMU_IOAS_ALLOC", prepare_alloc, finish_alloc, FD, .weight = 3 },
	[OBJECT_DESTROY] = { "IOMMU_DESTROY", prepare_destroy, finish_destroy, FD, .weight = 2 },
	[IOAS_MAP] = { "IOMMU_IOAS_MAP", prepare_ioas_map, finish_ioas_map, FD,
		       .weight = 8, MAP_VALUES },
	[IOAS_UNMAP] = { "IOMMU_IOAS_UNMAP", prepare_ioas_unmap, finish_ioas_unmap, FD,
			 .weight = 4, UNMAP_VALUES },
	[IOAS_COPY] = { "IOMMU_IOAS_COPY", prepare_copy, finish_copy, FD,
			.weight = 2, .at = BIT(FREE) | BIT(SPOT) },
	[IOAS_ALLOW] = { "IOMMU_IOAS_ALLOW_IOVAS", prepare_allow, NULL, FD,
			 .weight = 2, MAP_VALUES },
	[IOAS_RANGES] = { "IOMMU_IOAS_IOVA_RANGES", prepare_ranges, finish_ranges, FD, .weight = 2 },
	[MSI_START] = { "IOMMU_OPTION SW_MSI_START", prepare_msi_start, finish_msi_option, FD,
			.weight = 7, WINDOW_VALUES },
	[MSI_SIZE] = { "IOMMU_OPTION SW_MSI_SIZE", prepare_msi_size, finish_msi_option, FD,
		       .weight = 7, WINDOW_VALUES },
	[OPTION_GET] = { "IOMMU_OPTION get", prepare_option_get, NULL, FD, .weight = 2 },
	[OPTION_OTHER] = { "IOMMU_OPTION, others", prepare_option_other, NULL, FD, .weight = 1 },
	[MSI_INFO] = { "IOMMU_MSI_INFO", prepare_msi_info, NULL, FD, .weight = 3 },
	[HWPT_ALLOC] = { "IOMMU_HWPT_ALLOC", prepare_hwpt_alloc, finish_hwpt_alloc, FD, .weight = 4 },

	[CDEV_OPEN] = { "open device", prepare_cdev, opened, FD, .weight = 1 },
	[BIND] = { "VFIO_DEVICE_BIND_IOMMUFD", prepare_bind, finish_bind, FD, .weight = 2 },
	[ATTACH] = { "VFIO_DEVICE_ATTACH_IOMMUFD_PT", prepare_attach, finish_attach, FD, .weight = 7 },
	[DETACH] = { "VFIO_DEVICE_DETACH_IOMMUFD_PT", prepare_detach, NULL, FD, .weight = 3 },
	[SET_MSI] = { "VFIO_DEVICE_SET_IRQS MSI", prepare_msi, finish_irqs, .weight = 4 },
	[SET_MSIX] = { "VFIO_DEVICE_SET_IRQS MSI-X", prepare_msix, finish_irqs, .weight = 4 },
	[IRQS_OFF] = { "VFIO_DEVICE_SET_IRQS none", prepare_irqs_off, NULL, .weight = 3 },
	[IRQS_TRIGGER] = { "VFIO_DEVICE_SET_IRQS trigger", prepare_trigger, NULL, .weight = 1 },
	[IRQ_INFO] = { "VFIO_DEVICE_GET_IRQ_INFO", prepare_irq_info, NULL, .weight = 1 },

	[DEBUG_OPEN] = { "debugfs open", prepare_debug_open, opened, .weight = 3 },
	[DEBUG_READ] = { "debugfs read", prepare_debug_read, NULL, .weight = 3 },
	[DEBUG_PREAD] = { "debugfs pread", prepare_debug_pread, NULL, .weight = 2 },
	[DEBUG_SEEK] = { "debugfs lseek", prepare_debug_seek, NULL, .weight = 1 },
	[DEBUG_WRITE] = { "debugfs write", prepare_debug_write, NULL, .never = true, .weight = 1 },
	[PARAM_OPEN] = { "parameter open", prepare_param_open, opened, .weight = 2 },
	[PARAM_READ] = { "parameter read", prepare_param_read, NULL, .weight = 1 },
	[PARAM_WRITE] = { "parameter write", prepare_param_write, NULL, .weight = 2 },
};
const int kind_count = ARRAY_SIZE(kinds);

const struct opening openings[] = {
	{ TYPE1_SIDE, { CONTAINER_OPEN, GROUP_OPEN, SET_CONTAINER, SET_IOMMU, GET_DEVICE } },
	{ TYPE1_SIDE, { CONTAINER_OPEN, GROUP_OPEN, SET_CONTAINER, SET_IOMMU, TYPE1_WINDOW, GET_DEVICE } },
	{ IOMMUFD_SIDE, { IOMMU_OPEN, IOAS_ALLOC, CDEV_OPEN, BIND, ATTACH } },
	{ IOMMUFD_SIDE, { IOMMU_OPEN, IOAS_ALLOC, CDEV_OPEN, BIND, HWPT_ALLOC, ATTACH, SET_MSI } },
	{ IOMMUFD_SIDE, { IOMMU_OPEN, IOAS_ALLOC, IOAS_MAP } },
	{ ANY, { IOMMU_OPEN, GROUP_OPEN, SET_CONTAINER, GET_DEVICE } },
	{ ANY, { DEBUG_OPEN, PARAM_OPEN } },
};
const int opening_count = ARRAY_SIZE(openings);

static int64_t perform(struct op *op)
{
	int64_t ret = -1;

	errno = 0;
	switch (op->what) {
	case OPEN:
		ret = open(op->path, op->flags | O_CLOEXEC);
		break;
	case CLOSE:
		ret = close(op->fd);
		break;
	case IOCTL:
		if (op->request == VFIO_SET_IOMMU)
			ret = ioctl(op->fd, op->request, op->offset);
		else
			ret = ioctl(op->fd, op->request, &op->arg);
		break;
	case READ:
		ret = read(op->fd, &op->arg, op->length);
		break;
	case PREAD:
		ret = pread(op->fd, &op->arg, op->length, op->offset);
		break;
	case WRITE:
		ret = write(op->fd, &op->arg, op->length);
		break;
	case SEEK:
		ret = lseek(op->fd, op->offset, op->flags);
		break;
	}
	return ret < 0 ? -errno : ret;
}

/* The other thread, for calls that are made together */
static sem_t go, done;
static void *helper(void *unused)
{
	(void)unused;
	while (true) {
		sem_wait(&go);
		ops[1].result = perform(&ops[1]);
		sem_post(&done);
	}
	return NULL;
}

/*
 * Whether the call is worth making: not often without a descriptor, or when no
 * such call has succeeded so far, as of a kind that the device has not got
 */
static bool prepare(struct op *op, const struct call *call, bool alone)
{
	const typeof(self->kinds[0]) *at = &self->kinds[call->kind];

	memset(op, 0, sizeof(*op));
	op->call = call;
	op->fd = -1;
	op->slot = -1;
	op->space.fd = -1;
	op->alone = alone;
	kinds[call->kind].prepare(op);
	if (call->bits % 16 == 15)
		return true;
	return (op->what == OPEN || op->fd >= 0) &&
	       (at->succeeded || at->called < 50);
}

static void run(struct op *op)
{
	cover_begin();
	op->result = perform(op);
	found += cover_end();
}

static void finish(struct op *op)
{
	count(op->call->kind, op->result);
	if (kinds[op->call->kind].finish)
		kinds[op->call->kind].finish(op);
}

static void run_alone(const struct call *call)
{
	if (!prepare(&ops[0], call, true))
		return;
	run(&ops[0]);
	finish(&ops[0]);
}

/* But where a new descriptor goes nothing else may happen meanwhile */
static void run_together(const struct call *one, const struct call *other)
{
	bool both = prepare(&ops[0], one, false);
	int i;

	both &= prepare(&ops[1], other, false);
	if (!both || (ops[0].slot == ops[1].slot &&
		      (ops[0].installs || ops[1].installs))) {
		run_alone(one);
		run_alone(other);
		return;
	}
	sem_post(&go);
	run(&ops[0]);
	sem_wait(&done);
	finish(&ops[0]);
	finish(&ops[1]);
	for (i = 0; i < 2; i++) {
		ops[i].alone = ops[i].space.fd == fds[ops[i].slot];
		no_overlap(&ops[i]);
	}
}

int program_run(const struct program *program)
{
	int i;

	running = program;
	found = 0;
	object_next = 0;
	device_id = 0;
	live_index = VFIO_PCI_MSI_IRQ_INDEX;
	mapping_count = 0;
	window = (struct window) { .start = 0x8000000, .last = 0x80fffff };
	for (i = 0; i < program->count; i++) {
		if (i + 1 < program->count && program->calls[i + 1].together) {
			run_together(&program->calls[i], &program->calls[i + 1]);
			i++;
		} else {
			run_alone(&program->calls[i]);
		}
	}
	for (i = 0; i < SLOTS; i++)
		slot_close(program->reverse ? SLOTS - 1 - i : i);
	return found;
}

void program_print(void)
{
	int i;

	for (i = 0; i < running->count; i++) {
		const struct call *c = &running->calls[i];

		printf("fuzz: %2d %s%s a %u b %u bits %#x at %u,%u%+d size %u,%u%+d\n",
		       i, c->together ? "and " : "", kinds[c->kind].name, c->a,
		       c->b, c->bits, c->at.base, c->at.index, c->at.offset,
		       c->size.base, c->size.index, c->size.offset);
	}
}

void calls_init(const char *address)
{
	pthread_t thread;
	int i, ret;

	device_address = address;
	ret = device_group(address, group_path, sizeof(group_path)) ?:
	      device_cdev(address, cdev_path, sizeof(cdev_path));
	if (ret)
		errx(2, "%s: not with vfio-pci: %s", address, strerror(-ret));
	for (i = 0; i < SLOTS; i++)
		fds[i] = -1;
	for (i = 0; i < MAX_EVENTS; i++) {
		events[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (events[i] < 0)
			err(1, "eventfd");
	}
	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		err(1, "mmap");
	if (sem_init(&go, 0, 0) || sem_init(&done, 0, 0) ||
	    pthread_create(&thread, NULL, helper, NULL))
		errx(1, "no second thread");
}
