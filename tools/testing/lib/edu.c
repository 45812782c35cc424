// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>

#include "edu.h"

#define EDU_RAISE	(0x60 / 4)
#define EDU_ACK		(0x64 / 4)

const char *edu_address(void)
{
	return getenv("EDU") ?: "0000:00:02.0";
}

int edu_open(struct device *dev, struct space *space)
{
	int ret = device_open(dev, space, edu_address());

	if (ret)
		return ret;
	ret = device_enable(dev) ?: device_map_bar(dev, 0);
	if (ret)
		device_close(dev);
	return ret;
}

int edu_fire(struct device *dev, int eventfd, int count)
{
	volatile uint32_t *regs = dev->bar;
	int arrived = 0;

	while (count--) {
		regs[EDU_RAISE] = 1;
		arrived += event_wait(eventfd, 1000);
		regs[EDU_ACK] = 1;
	}
	interrupts_settle();
	return arrived + event_wait(eventfd, 0);
}
