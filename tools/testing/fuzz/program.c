// SPDX-License-Identifier: GPL-2.0-only
/* All kinds of calls, and how a program of them is run */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/events.h"
#include "lib/sys.h"
#include "op.h"

const char *device_address;
char group_path[64], cdev_path[64];
char *memory;
int events[MAX_EVENTS];

static const struct program *running;
static struct op ops[2];

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
	[MSI_WINDOW] = { "IOMMU_IOAS_MSI_WINDOW", prepare_msi_window, finish_msi_window, FD,
			 .weight = 10, WINDOW_VALUES },
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

	[DEBUG_OPEN] = { "debugfs open", prepare_debug_open, opened, .weight = 2 },
	[DEBUG_READ] = { "debugfs read", prepare_debug_read, NULL, .weight = 3 },
	[DEBUG_PREAD] = { "debugfs pread", prepare_debug_pread, NULL, .weight = 2 },
	[DEBUG_SEEK] = { "debugfs lseek", prepare_debug_seek, NULL, .weight = 1 },
	[DEBUG_WRITE] = { "debugfs write", prepare_debug_write, NULL, .never = true, .weight = 1 },
	[PARAM_OPEN] = { "parameter open", prepare_param_open, opened, .weight = 1 },
	[PARAM_READ] = { "parameter read", prepare_param_read, NULL, .weight = 1 },
	[PARAM_WRITE] = { "parameter write", prepare_param_write, NULL, .never = true, .weight = 1 },
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

static void run(struct op *op, enum thread thread)
{
	cover_begin(thread);
	op->result = perform(op);
	cover_end(thread);
}

/* The second thread, for calls that are made together */
static sem_t go, done;
static void *helper(void *unused)
{
	(void)unused;
	cover_init(SECOND);
	while (true) {
		sem_wait(&go);
		run(&ops[1], SECOND);
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
	run(&ops[0], FIRST);
	found += cover_new(FIRST);
	finish(&ops[0]);
}

/* One after the other if one opens the descriptor that the other is about */
static void run_together(const struct call *first, const struct call *second)
{
	bool both = prepare(&ops[0], first, false);
	int i;

	both &= prepare(&ops[1], second, false);
	if (!both || (ops[0].slot == ops[1].slot &&
		      (ops[0].installs || ops[1].installs))) {
		run_alone(first);
		run_alone(second);
		return;
	}
	sem_post(&go);
	run(&ops[0], FIRST);
	sem_wait(&done);
	found += cover_new(FIRST) + cover_new(SECOND);
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
	state_reset();
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
	ret = events_open(events, MAX_EVENTS);
	if (ret)
		errx(1, "eventfd: %s", strerror(-ret));
	memory = memory_new(MEMORY);
	if (!memory)
		errx(1, "no memory");
	if (sem_init(&go, 0, 0) || sem_init(&done, 0, 0))
		err(1, "sem_init");
	ret = pthread_create(&thread, NULL, helper, NULL);
	if (ret)
		errx(1, "no second thread: %s", strerror(ret));
}
