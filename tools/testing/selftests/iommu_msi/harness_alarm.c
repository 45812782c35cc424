// SPDX-License-Identifier: GPL-2.0-only
/*
 * The time limit of a test case: kselftest_harness.h sets it by alarm(), from a
 * constant. All programs here are linked with --wrap=alarm, which makes that
 * call this one.
 */
#include "lib/clock.h"

unsigned int __real_alarm(unsigned int seconds);
unsigned int __wrap_alarm(unsigned int seconds);

unsigned int __wrap_alarm(unsigned int seconds)
{
	return __real_alarm(paced(seconds));
}
