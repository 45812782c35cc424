// SPDX-License-Identifier: GPL-2.0-only
#include "random.h"

/* xorshift32, which must not start from 0 */
static uint32_t state = 1;

void random_init(uint32_t seed, int number)
{
	int i;

	state = (seed ^ (number + 1) * 2654435761U) ?: 1;
	/* States that differ in few bits give numbers that are alike at first */
	for (i = 0; i < 16; i++)
		below(2);
}

uint32_t below(uint32_t n)
{
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state % n;
}

bool one_in(uint32_t n)
{
	return !below(n);
}
