/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An SMMUv1 or v2 as its registers and the page tables in memory have it: where
 * does a write of a device end? Written after Arm's specification alone, to find
 * what a driver does wrong. Needs what phys.h needs.
 */
#ifndef MSI_LIB_SMMU_H
#define MSI_LIB_SMMU_H

#include <stdbool.h>
#include <stdint.h>

/* What is read at @at is not what is there: for a test of the tests */
struct smmu_lie {
	uint64_t at, change;	/* physical address, bits that are not as they are */
};

struct smmu {
	int phys;
	int version;			/* 1 or 2 */
	uint64_t base;
	uint32_t idr0, idr1;
	uint32_t pci_id, stream_id, ids;	/* @ids of PCI, from the first on */
	struct smmu_lie lie;
};

/* What becomes of all transactions of a stream */
enum smmu_fate { SMMU_TRANSLATES, SMMU_BYPASSES, SMMU_FAULTS };

struct smmu_stream {
	enum smmu_fate fate;
	const char *why;		/* it does not translate */
	uint32_t id;
	int smr, bank, stage;		/* the match, the context bank; 1 or 2 */
	bool aarch64;
	int granule, input, output;	/* bits: of a page, of an IOVA, of a PA */
	int level;			/* of the first table */
	uint64_t root, mair;
};

/* Where one address leads */
struct smmu_walk {
	const char *fault;		/* or NULL, and what follows */
	uint64_t pa, size;		/* of the address, and bytes of its page */
	bool read, write, execute;
	bool device;			/* memory, and its attributes as they are */
	uint8_t attributes;
	int level;			/* of the last descriptor that was read */
	uint64_t entry, parent;		/* where that is, and what led there, or 0 */
};

/* 0 or a negative errno: -ENOENT if the device tree has no SMMUv1 or v2 */
int smmu_open(struct smmu *smmu);
void smmu_close(struct smmu *smmu);

/* Where they are: SMR @n, S2CR @n, and what context bank @n has at @offset */
uint64_t smmu_smr(const struct smmu *smmu, int n);
uint64_t smmu_s2cr(const struct smmu *smmu, int n);
uint64_t smmu_bank(const struct smmu *smmu, int n, int offset);

/* Both return 0, or a negative errno if something could not be read */
int smmu_find(struct smmu *smmu, const char *bdf, struct smmu_stream *stream);
int smmu_walk(struct smmu *smmu, const struct smmu_stream *stream, uint64_t iova,
	      struct smmu_walk *walk);

#endif
