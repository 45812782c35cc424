/* SPDX-License-Identifier: GPL-2.0-only */
/* A device through VFIO, by a type1 container or by iommufd */
#ifndef MSI_LIB_VFIO_H
#define MSI_LIB_VFIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/vfio.h>

#define MSI		VFIO_PCI_MSI_IRQ_INDEX
#define MSIX		VFIO_PCI_MSIX_IRQ_INDEX

enum backend { TYPE1, IOMMUFD };

/* One address space that devices can be put into */
struct space {
	enum backend backend;
	int fd;			/* container, or /dev/iommu */
	uint32_t ioas;
	bool ready;		/* type1 needs a group before its IOMMU is set */
};

struct device {
	const char *bdf;	/* as it was given */
	struct space *space;
	int fd;
	int group;
	volatile void *bar;
	size_t bar_size;
	uint32_t id, hwpt;	/* iommufd's of the device, of what it is attached to */
};

/* All return 0, or a negative errno. What cannot be opened leaves nothing open. */
int space_open(struct space *space, enum backend backend);
int space_add_ioas(struct space *space, uint32_t *ioas);
int space_map(struct space *space, void *at, uint64_t iova, uint64_t size);
void space_close(struct space *space);

int device_unbind(const char *bdf);
/* One without a driver: identity, DMA, DMA-FQ, or auto, which it had at first */
int device_set_default_domain(const char *bdf, const char *type);
int device_to_vfio(const char *bdf);
/* Where its group, and the device itself, are in /dev */
int device_group(const char *bdf, char *path, size_t size);
int device_cdev(const char *bdf, char *path, size_t size);
/* An NVMe disk takes 100 ms for a reset, each time it is opened or closed */
int device_without_reset(const char *bdf);
int device_open(struct device *dev, struct space *space, const char *bdf);
/* Opened, enabled, and with BAR 0 mapped */
int device_start(struct device *dev, struct space *space, const char *bdf);
/* @pt is an IOAS or a HWPT */
int device_replace(struct device *dev, uint32_t pt);
int device_detach(struct device *dev);
/* Another page table, in the IOAS that the device was opened in */
int device_add_hwpt(struct device *dev, uint32_t *hwpt);
/* Answers to its BARs, and may write to memory */
int device_enable(struct device *dev);
/* The PCI command register, or -1 */
int device_command(struct device *dev);
int device_map_bar(struct device *dev, int index);
void device_close(struct device *dev);

/* irqs_set() sets nothing and says how many it could when there are too few */
int irqs_info(struct device *dev, int index, uint32_t *count, bool *dynamic);
int irqs_set(struct device *dev, int index, int start, int count,
	     const int *eventfds);
int irqs_off(struct device *dev, int index);

#endif
