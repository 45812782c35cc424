// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "clock.h"

uint64_t now_ns(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec * 1000000000ULL + at.tv_nsec;
}

time_t now(void)
{
	return now_ns() / 1000000000;
}

int paced(int limit)
{
	const char *text = getenv("PACE") ?: "";
	char *end;
	long pace;
	int ret;

	errno = 0;
	pace = strtol(text, &end, 10);
	if (end == text || *end || errno || pace < 1)
		pace = 1;
	return __builtin_mul_overflow(limit, pace, &ret) ? INT_MAX : ret;
}
