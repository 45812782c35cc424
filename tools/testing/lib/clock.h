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
 * @limit, a time of any unit, multiplied by PACE of the environment: an integer,
 * for a machine that is as many times slower than usual. What waits for
 * something that comes if all is well multiplies its limit; what looks whether
 * something has not come must not depend on time.
 */
int paced(int limit);

#endif
