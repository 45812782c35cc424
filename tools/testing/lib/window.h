/* SPDX-License-Identifier: GPL-2.0-only */
/* The MSI window of an address space, by type1 or by iommufd */
#ifndef MSI_LIB_WINDOW_H
#define MSI_LIB_WINDOW_H

#include "vfio.h"

#define MIB		0x100000ULL

enum {
	WINDOW_TRANSLATED	= 1 << 0,
	WINDOW_BYPASS		= 1 << 1,
	WINDOW_PROGRAMMABLE	= 1 << 2,
	WINDOW_USER		= 1 << 3,
};

struct window {
	uint32_t flags;
	uint64_t start, last;	/* start > last: none */
	uint64_t granule, used, free, needed;
};

#define MAX_RANGES	16
struct ranges {
	int count;
	struct {
		uint64_t start, last;
	} at[MAX_RANGES];
};

/* All return 0, or a negative errno */
int window_set(struct space *space, uint64_t start, uint64_t size);
int window_unset(struct space *space, uint64_t start, uint64_t size);
/* -ENOSYS if the kernel has no such thing */
int window_query(struct space *space, struct window *window);

int space_ranges(struct space *space, struct ranges *ranges);
int space_unmap(struct space *space, uint64_t iova, uint64_t size);
int space_unmap_all(struct space *space);

bool ranges_hold(const struct ranges *ranges, uint64_t start, uint64_t last);

#endif
