/* SPDX-License-Identifier: GPL-2.0-only */
/* Physical memory and registers, by test_modules/msi_phys.ko next to the program */
#ifndef MSI_LIB_PHYS_H
#define MSI_LIB_PHYS_H

#include <stdint.h>

/* A file for both, or a negative errno */
int phys_open(void);

/* 0 or a negative errno: -EFAULT for what is not memory, or not a register */
int phys_memory(int fd, uint64_t at, uint64_t *value);
int phys_register(int fd, uint64_t at, uint32_t *value);

#endif
