/* SPDX-License-Identifier: GPL-2.0-only */
/* Eventfds, which count the interrupts that arrive */
#ifndef MSI_LIB_EVENTS_H
#define MSI_LIB_EVENTS_H

#include <stdint.h>

/* A new eventfd, to be closed, or a negative errno */
int event_new(void);
/* @count of them; 0 or a negative errno, and then @fds are not to be used */
int events_open(int *fds, int count);
void events_close(const int *fds, int count);

/* How many have arrived; 0 when none did in that time, which is paced() */
uint64_t event_wait(int fd, int milliseconds);

/*
 * Returns when each CPU has handled the interrupts that were pending there. Call
 * it before event_wait(fd, 0), when that must find nothing.
 */
void interrupts_settle(void);

/* Of all whose line in /proc/interrupts has @name; -ENOENT if there is none */
long interrupts_count(const char *name);

#endif
