/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Behind an SMMU that does not translate, as its registers are memory: would the
 * messages of devices arrive? Read from the devices, registers and page tables.
 */
#ifndef MSI_LIB_WALKER_H
#define MSI_LIB_WALKER_H

#include <stdbool.h>
#include <stdint.h>

#include "smmu.h"

#define WALKER_PAGES	8	/* that vectors of one domain write to */

/* What was found of the devices of one domain */
struct walker {
	struct smmu smmu;
	char wrong[160];		/* the first thing that is, or empty */
	uint64_t doorbell;		/* of the machine's MSI controller: its PA */
	int vectors;			/* that are enabled */
	int pages, mapped, faults;	/* of the window: that they use; of the others */
	uint64_t page[WALKER_PAGES];
	struct smmu_stream stream;	/* of the last device */
	struct smmu_walk walk;		/* of its last vector */
	uint64_t message;
};

/* Is it what interrupts are to be judged by? With WALKER=1 in the environment */
bool walker_wanted(void);

/* 0 or a negative errno; -ENOENT without such an SMMU */
int walker_open(struct walker *walker);
void walker_close(struct walker *walker);

/* The addresses that enabled vectors of a device write to: how many, or a negative errno */
int walker_messages(struct walker *walker, const char *bdf, uint64_t *at, int max);

/*
 * Whether each enabled vector of the device, or of two that share a domain, writes
 * to the doorbell and may do nothing else there, and nothing is mapped in the rest
 * of the window, whose bounds are inclusive. @other may be NULL.
 */
bool walker_check(struct walker *walker, const char *bdf, const char *other,
		  uint64_t first, uint64_t last);

/*
 * That of one device's vectors alone, of which there must be one; prints what is
 * wrong. By @really, whether their messages have the doorbell's own address, and
 * arrive also where nothing translates them.
 */
bool walker_vouches(const char *bdf, bool *really);

#endif
