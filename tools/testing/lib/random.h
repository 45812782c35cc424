/* SPDX-License-Identifier: GPL-2.0-only */
/* A process's choices: the same for the same seed, on any machine */
#ifndef MSI_LIB_RANDOM_H
#define MSI_LIB_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

/* First of all: @number makes other choices than the next number */
void random_init(uint32_t seed, int number);

/* From 0 to @n - 1 */
uint32_t below(uint32_t n);
bool one_in(uint32_t n);

#endif
