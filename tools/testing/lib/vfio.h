/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device through VFIO, by a type1 container or by iommufd, and what the
 * kernel says about MSI doorbells
 */
#ifndef MSI_LIB_VFIO_H
#define MSI_LIB_VFIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum backend { TYPE1, IOMMUFD };

/* One address space that devices can be put into */
struct space {
	enum backend backend;
	int fd;			/* container, or /dev/iommu */
	uint32_t ioas;
	bool ready;		/* type1 needs a group before its IOMMU is set */
};

struct device {
	struct space *space;
	int fd;
	int group;
	volatile void *bar;
	size_t bar_size;
	uint32_t id, hwpt;	/* iommufd's of the device, of what it is attached to */
};

#define MAX_DOMAINS	16
struct doorbells {
	int windows;		/* domains that may have a doorbell */
	int domains;		/* that have one */
	int count;
	uint64_t refs;		/* of all doorbells */
	struct {
		uint64_t domain, pa, iova, size, refs;
	} at[MAX_DOMAINS];
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
/* @pt is an IOAS or a HWPT */
int device_replace(struct device *dev, uint32_t pt);
int device_detach(struct device *dev);
/* Another page table, in the IOAS that the device was opened in */
int device_add_hwpt(struct device *dev, uint32_t *hwpt);
int device_enable(struct device *dev);
int device_command(struct device *dev);
int device_map_bar(struct device *dev, int index);
void device_close(struct device *dev);

/* irqs_set() sets nothing and says how many it could when there are too few */
int irqs_info(struct device *dev, int index, uint32_t *count, bool *dynamic);
int irqs_set(struct device *dev, int index, int start, int count,
	     const int *eventfds);
int irqs_off(struct device *dev, int index);

/*
 * @limit, a time of any unit, multiplied by PACE of the environment: an integer,
 * for a machine that is as many times slower than usual. What waits for
 * something that comes if all is well multiplies its limit; what looks whether
 * something has not come must not depend on time.
 */
int paced(int limit);

/*
 * Returns when what had been pending at any CPU has been handled there: to be
 * followed by a look that is to find nothing, event_wait(fd, 0).
 */
void interrupts_settle(void);

/* Sum of an eventfd; 0 when nothing came in that time, which is paced() */
uint64_t event_wait(int fd, int milliseconds);

int doorbells_read(struct doorbells *doorbells);

/* @n where doorbells are translated. With DOORBELLS=0 in the environment, 0:
 * the hypervisor lets messages pass by the IOMMU.
 */
int translated(int n);

#endif
