/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A call that is to be made, and what is remembered of the calls before it. What
 * is remembered as mapped is mapped. More may be mapped: after two calls at the
 * same time, only what is certain is remembered.
 */
#ifndef IOMMU_MSI_FUZZ_OP_H
#define IOMMU_MSI_FUZZ_OP_H

#include <stddef.h>
#include <linux/iommufd.h>

#include "fuzz.h"
#include "lib/window.h"

#define ARRAY_SIZE(a)	(int)(sizeof(a) / sizeof((a)[0]))
#define MEMORY		0x200000UL
#define ARG		16384
#define MAX_EVENTS	8
#define MAX_OBJECTS	8
#define MAX_MAPPINGS	32

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
		struct iommu_ioas_msi_window msi_window;
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

enum kind_index {
	CLOSE_ANY, CONTAINER_OPEN, GROUP_OPEN, SET_CONTAINER, UNSET_CONTAINER,
	SET_IOMMU, GET_DEVICE, TYPE1_MAP, TYPE1_UNMAP, TYPE1_WINDOW,
	TYPE1_NO_WINDOW, TYPE1_INFO, IOMMU_OPEN, IOAS_ALLOC, OBJECT_DESTROY,
	IOAS_MAP, IOAS_UNMAP, IOAS_COPY, IOAS_ALLOW, IOAS_RANGES, MSI_WINDOW,
	OPTION_GET, OPTION_OTHER, MSI_INFO, HWPT_ALLOC, CDEV_OPEN,
	BIND, ATTACH, DETACH, SET_MSI, SET_MSIX, IRQS_OFF, IRQS_TRIGGER,
	IRQ_INFO, DEBUG_OPEN, DEBUG_READ, DEBUG_PREAD, DEBUG_SEEK, DEBUG_WRITE,
	PARAM_OPEN, PARAM_READ, PARAM_WRITE,
};

/* Of the process */
extern const char *device_address;
extern char group_path[64], cdev_path[64];
extern char *memory;
extern int events[MAX_EVENTS];

/* Of the program that is running */
extern int fds[SLOTS];
extern struct object objects[MAX_OBJECTS];
extern struct mapping mappings[MAX_MAPPINGS];
extern int mapping_count;
extern struct window window;	/* the last that was seen */
extern uint32_t device_id;
extern uint32_t live_index;	/* of the interrupts that were set last */
extern int found;		/* edges, and results of calls, that are new */

void count(enum kind_index kind, int64_t result);
void state_reset(void);

/* One of the list: the first for bits of 0, and most likely for any others */
uint64_t choose_from(uint32_t bits, const uint64_t *list, int n);
#define choose(bits, ...) choose_from(bits, (const uint64_t[]){ __VA_ARGS__ }, \
	ARRAY_SIZE(((const uint64_t[]){ __VA_ARGS__ })))
/* Too little for the structure, sometimes */
uint32_t argsz(const struct op *op, size_t size);
uint64_t at_of(const struct op *op);
uint64_t size_of(const struct op *op);
/* Of @n slots the one that @choice says, or else the next that is open */
int slot_pick(int first, int n, int choice);
void use(struct op *op, int first, int n, int choice);
void ioctl_on(struct op *op, unsigned long request);
void open_for(struct op *op, const char *path, int first, int n);
/* An object that the program has, or an ID that may not exist */
const struct object *object_pick(const struct op *op, int choice, bool hwpt_too);
const struct object *use_object(struct op *op, int choice, bool hwpt_too);

void object_add(int slot, bool hwpt, uint32_t id);
void object_drop(int slot, uint32_t id);
void mapping_add(const struct op *op, uint32_t ioas, uint64_t iova, uint64_t size);
/* Forgets what overlaps the range. @ioas: 0 for a container, ~0 for any IOAS */
void mappings_drop(int slot, uint32_t ioas, uint64_t first, uint64_t last);
void containers_drop(void);
void slot_closed(int slot);
void slot_close(int slot);

bool query(struct space *space, struct window *answer);
bool in_force(const struct window *w);
/* Nothing that is mapped may be in the window. Two calls must both be over. */
void no_overlap(struct op *op);
/* A call that is going to change the window */
void remember_window(struct op *op);
/* A call that succeeded has set @start and @size, or no window: a size of 0 */
void window_changed(struct op *op, uint64_t start, uint64_t size);

typedef void op_fn(struct op *op);
op_fn opened;
/* type1.c */
op_fn prepare_container, prepare_group, prepare_set_container,
      prepare_unset_container, finish_unset_container, prepare_set_iommu,
      finish_set_iommu, prepare_get_device, prepare_map, finish_map,
      prepare_unmap, finish_unmap, prepare_window, finish_window,
      prepare_no_window, finish_no_window, prepare_info, finish_info;
/* iommufd.c */
op_fn prepare_iommu, prepare_cdev, prepare_alloc, finish_alloc,
      prepare_destroy, finish_destroy, prepare_ioas_map, finish_ioas_map,
      prepare_ioas_unmap, finish_ioas_unmap, prepare_copy, finish_copy,
      prepare_allow, prepare_ranges, finish_ranges, prepare_msi_window,
      finish_msi_window, prepare_option_get, prepare_option_other,
      prepare_msi_info, prepare_hwpt_alloc, finish_hwpt_alloc, prepare_bind, finish_bind, prepare_attach,
      finish_attach, prepare_detach;
/* device.c: interrupts, and files */
op_fn finish_irqs, prepare_msi, prepare_msix, prepare_irqs_off,
      prepare_trigger, prepare_irq_info, prepare_debug_open,
      prepare_debug_read, prepare_debug_pread, prepare_debug_seek,
      prepare_debug_write, prepare_param_open, prepare_param_read,
      prepare_param_write;

#endif
