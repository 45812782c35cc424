/* SPDX-License-Identifier: GPL-2.0-only */
/* Time, and how much of it a slow machine gets */
#ifndef MSI_LIB_CLOCK_H
#define MSI_LIB_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Since some moment in the past, the same for all processes */
uint64_t now_ns(void);	/* nanoseconds */
time_t now(void);	/* whole seconds */

/*
 * @limit, a time of any unit, multiplied by PACE of the environment: how many
 * times slower than usual the machine is, an integer. For waiting for something
 * that comes if all is well. A test that something does not come must not depend
 * on time: see interrupts_settle().
 */
int paced(int limit);

#endif
