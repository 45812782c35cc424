/* SPDX-License-Identifier: GPL-2.0-only */
/* QEMU's edu device through VFIO: it raises its one MSI as often as it is told */
#ifndef MSI_LIB_EDU_H
#define MSI_LIB_EDU_H

#include "vfio.h"

/* Its address: EDU of the environment, or 0000:00:02.0 */
const char *edu_address(void);

/* Opens it in @space, to be used; 0 or a negative errno */
int edu_open(struct device *dev, struct space *space);

/* How many of @count interrupts arrive, and what else does */
int edu_fire(struct device *dev, int eventfd, int count);

#endif
