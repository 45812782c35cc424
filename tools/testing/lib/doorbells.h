/* SPDX-License-Identifier: GPL-2.0-only */
/* The table of MSI doorbells in debugfs */
#ifndef MSI_LIB_DOORBELLS_H
#define MSI_LIB_DOORBELLS_H

#include <stdbool.h>
#include <stdint.h>

#define MAX_DOORBELLS	16
struct doorbells {
	int domains;		/* that have one */
	int count;
	uint64_t vectors;	/* that use one */
	struct {
		uint64_t domain, pa, iova, size, refs;
	} at[MAX_DOORBELLS];
};

/* 0 or a negative errno: -ENOENT of a kernel that keeps no account of them */
int doorbells_read(struct doorbells *doorbells);

/* How many there are, or a negative errno */
int doorbells_count(void);

/*
 * Whether no domain has a doorbell, or may have one: as it is when nobody has an
 * address space. Prints what is left, each line after @who.
 */
bool nothing_left(const char *who);

/* @n where doorbells are translated. With DOORBELLS=0 in the environment, 0: the
 * hypervisor lets messages pass by the IOMMU. So with DOORBELLS=unknown: the kernel
 * may keep no account of them, and what it has is not looked at.
 */
int translated(int n);

#endif
