/* SPDX-License-Identifier: GPL-2.0-only */
/* Calls of the system that return a negative errno when they fail */
#ifndef MSI_LIB_SYS_H
#define MSI_LIB_SYS_H

#include <stddef.h>

/* What ioctl() returns */
int sys_ioctl(int fd, unsigned long request, void *arg);

/* 0 when the file, which must be there, has taken @text */
__attribute__((format(printf, 2, 3)))
int file_write(const char *text, const char *path, ...);

/* The number that a file begins with; one below 0 cannot be told from an error */
int file_number(const char *path);

/* Zeroes, shared with children; NULL when it fails. Given back by munmap(). */
void *memory_new(size_t size);

#endif
