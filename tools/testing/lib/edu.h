/* SPDX-License-Identifier: GPL-2.0-only */
/* QEMU's edu device through VFIO: it raises its one MSI as often as it is told */
#ifndef MSI_LIB_EDU_H
#define MSI_LIB_EDU_H

#include "vfio.h"

/* Registers of 32 bits */
#define EDU_RAISE	0x60
#define EDU_ACK		0x64

/* Its address: EDU of the environment, or 0000:00:02.0 */
const char *edu_address(void);

/* device_start() of it */
int edu_open(struct device *dev, struct space *space);

/* @reg: so many bytes from the beginning of BAR 0 */
void edu_write(struct device *dev, int reg, uint32_t value);

/*
 * How many of @count interrupts arrive, and what else does. With WALKER=1 in the
 * environment nothing translates what the device writes: all of them would, if
 * walker_vouches() says so, and none is raised but to the doorbell's own address.
 */
int edu_fire(struct device *dev, int eventfd, int count);

#endif
