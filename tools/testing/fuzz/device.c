// SPDX-License-Identifier: GPL-2.0-only
/* A device's interrupts, and what root can read and set */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "op.h"

#define MAX_VECTORS	64

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

void finish_irqs(struct op *op)
{
	if (!op->result)
		live_index = op->arg.irq_set.index;
}

void prepare_msi(struct op *op) { prepare_eventfds(op, VFIO_PCI_MSI_IRQ_INDEX); }
void prepare_msix(struct op *op) { prepare_eventfds(op, VFIO_PCI_MSIX_IRQ_INDEX); }

static uint32_t irq_index(const struct op *op)
{
	return choose(op->call->bits >> 12, live_index, VFIO_PCI_MSI_IRQ_INDEX,
		      VFIO_PCI_MSIX_IRQ_INDEX, VFIO_PCI_INTX_IRQ_INDEX,
		      VFIO_PCI_ERR_IRQ_INDEX, ~0u);
}

void prepare_irqs_off(struct op *op)
{
	prepare_irqs(op, irq_index(op),
		     VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, 0, 0);
}

/* As if the device had raised them */
void prepare_trigger(struct op *op)
{
	prepare_irqs(op, irq_index(op),
		     choose(op->call->bits,
			    VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
			    VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER),
		     choose(op->call->bits >> 8, 0, 0, 1, 2, 7),
		     choose(op->call->bits >> 14, 1, 1, 2, 3, 8));
}

void prepare_irq_info(struct op *op)
{
	use(op, GROUP_DEVICE, 2, op->call->a);
	ioctl_on(op, VFIO_DEVICE_GET_IRQ_INFO);
	op->arg.irq_info = (struct vfio_irq_info) {
		.argsz = argsz(op, sizeof(op->arg.irq_info)),
		.index = irq_index(op),
	};
}

/* --- files --------------------------------------------------------------- */

static void file_open(struct op *op, int first, const char *even, const char *odd)
{
	open_for(op, op->call->b % 2 ? odd : even, first, 2);
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

void prepare_debug_open(struct op *op)
{
	file_open(op, DEBUG, "/sys/kernel/debug/iommu_msi/domains",
		  "/sys/kernel/debug/iommu_msi/groups");
}

void prepare_debug_read(struct op *op) { file_use(op, DEBUG, READ); }
void prepare_debug_pread(struct op *op) { file_use(op, DEBUG, PREAD); }
void prepare_debug_seek(struct op *op) { file_use(op, DEBUG, SEEK); }
void prepare_debug_write(struct op *op) { file_use(op, DEBUG, WRITE); }

void prepare_param_open(struct op *op)
{
	file_open(op, PARAM, "/sys/module/msi_iommu/parameters/window",
		  "/sys/module/msi_iommu/parameters/window");
	op->flags = O_RDONLY;	/* even root may do no more */
}

void prepare_param_read(struct op *op) { file_use(op, PARAM, PREAD); }

void prepare_param_write(struct op *op)
{
	static const char * const texts[] = {
		"Y", "N", "1\n", "0", "maybe", "", "0x9000000-0x90fffff", "-",
		"0xffffffffffffffffffffffffffffffffffff-0",
	};

	file_use(op, PARAM, WRITE);
	strcpy(op->arg.text, texts[op->call->at.index % ARRAY_SIZE(texts)]);
	op->length = strlen(op->arg.text);
}
