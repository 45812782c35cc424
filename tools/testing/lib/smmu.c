// SPDX-License-Identifier: GPL-2.0-only
/*
 * After Arm IHI 0062, the SMMU architecture version 2, and the long-descriptor
 * formats of Arm DDI 0487. Nothing of it comes from a driver.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "phys.h"
#include "smmu.h"

#define TREE		"/proc/device-tree"

/* Global registers */
#define CR0		0x0
#define CR0_CLIENTPD		0x1	/* no client is translated */
#define CR0_EXIDENABLE		0x8	/* stream IDs of 16 bits */
#define CR0_USFCFG		0x400	/* a stream without a match faults */
#define IDR0		0x20
#define IDR0_SMS		0x08000000	/* streams are matched */
#define IDR0_SMRS(idr0)		((idr0) & 0xff)
#define IDR1		0x24
#define IDR1_64K(idr1)		((idr1) >> 31)	/* pages of registers */
#define IDR1_NUMPAGENDXB(idr1)	((idr1) >> 28 & 7)
#define IDR1_STAGE2(idr1)	((idr1) >> 16 & 0xff)	/* banks for that alone */
#define IDR1_BANKS(idr1)	((idr1) & 0xff)
#define SMR(n)		(0x800 + 4 * (n))
#define SMR_VALID		0x80000000
#define SMR_MASK(smr)		((smr) >> 16 & 0x7fff)
#define SMR_ID(smr)		((smr) & 0x7fff)
#define S2CR(n)		(0xc00 + 4 * (n))
#define S2CR_TYPE(s2cr)		((s2cr) >> 16 & 3)
#define S2CR_BANK(s2cr)		((s2cr) & 0xff)
/* In the page after them */
#define CBAR(n)		(4 * (n))
#define CBAR_TYPE(cbar)		((cbar) >> 16 & 3)
#define CBA2R(n)	(0x800 + 4 * (n))
#define CBA2R_VA64		0x1
/* Of a context bank */
#define SCTLR		0x0
#define SCTLR_M			0x1
#define TCR2		0x10
#define TTBR0		0x20
#define TCR		0x30
#define TCR_T0SZ(tcr)		((tcr) & 0x3f)
#define TCR_EPD0		0x80
#define TCR_SL0(tcr)		((tcr) >> 6 & 3)	/* of stage 2, in its place */
#define TCR_TG0(tcr)		((tcr) >> 14 & 3)
#define TCR_PS(tcr)		((tcr) >> 16 & 7)
#define TCR_EPD1		0x00800000
#define MAIR		0x38

/* Descriptors */
#define VALID		0x1ULL
#define TABLE		0x2ULL		/* or a page, at the last level */
#define LAST_LEVEL	3
#define ACCESSED	0x400ULL
#define ADDRESS		0x0000fffffffff000ULL
/* Stage 1 */
#define UNPRIVILEGED	0x40ULL
#define READ_ONLY	0x80ULL
#define ATTRIBUTES(d)	((d) >> 2 & 7)		/* which of MAIR's */
#define PXN		0x20000000000000ULL
#define UXN		0x40000000000000ULL
#define TABLE_PXN	0x800000000000000ULL
#define TABLE_UXN	0x1000000000000000ULL
#define TABLE_PRIVILEGED	0x2000000000000000ULL
#define TABLE_READ_ONLY	0x4000000000000000ULL
/* Stage 2 */
#define READABLE	0x40ULL
#define WRITABLE	0x80ULL
#define MEMATTR(d)	((d) >> 2 & 0xf)
#define XN		0x40000000000000ULL

static uint64_t bits(int count)
{
	return count < 64 ? (1ULL << count) - 1 : UINT64_MAX;
}

/* --- registers ----------------------------------------------------------- */

static int page_bits(const struct smmu *smmu)
{
	return IDR1_64K(smmu->idr1) ? 16 : 12;
}

static uint64_t global(const struct smmu *smmu, int page, int offset)
{
	return smmu->base + ((uint64_t)page << page_bits(smmu)) + offset;
}

uint64_t smmu_smr(const struct smmu *smmu, int n)
{
	return global(smmu, 0, SMR(n));
}

uint64_t smmu_s2cr(const struct smmu *smmu, int n)
{
	return global(smmu, 0, S2CR(n));
}

uint64_t smmu_bank(const struct smmu *smmu, int n, int offset)
{
	return global(smmu, (2 << IDR1_NUMPAGENDXB(smmu->idr1)) + n, offset);
}

static int reg(const struct smmu *smmu, uint64_t at, uint32_t *value)
{
	int ret = phys_register(smmu->phys, at, value);

	if (!ret && at == smmu->lie.at)
		*value ^= smmu->lie.change;
	return ret;
}

static int reg64(const struct smmu *smmu, uint64_t at, uint64_t *value)
{
	uint32_t low, high;
	int ret = reg(smmu, at, &low) ?: reg(smmu, at + 4, &high);

	if (!ret)
		*value = (uint64_t)high << 32 | low;
	return ret;
}

/* --- the device tree ----------------------------------------------------- */

/* @count big-endian words of a property of the first node of that name */
static int property(const char *pattern, uint32_t *cells, int count)
{
	int fd, i, ret = -ENOENT;
	uint8_t raw[64];
	glob_t found;

	if (glob(pattern, 0, NULL, &found))
		return -ENOENT;
	fd = open(found.gl_pathv[0], O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, raw, 4 * count) == 4 * count)
		ret = 0;
	for (i = 0; !ret && i < count; i++)
		cells[i] = (uint32_t)raw[4 * i] << 24 | raw[4 * i + 1] << 16 |
			   raw[4 * i + 2] << 8 | raw[4 * i + 3];
	if (fd >= 0)
		close(fd);
	globfree(&found);
	return ret;
}

static int read_compatible(char *text, size_t size)
{
	glob_t found;
	FILE *file;
	int ret;

	if (glob(TREE "/smmu@*/compatible", 0, NULL, &found))
		return -ENOENT;
	file = fopen(found.gl_pathv[0], "re");
	ret = file && fgets(text, size, file) ? 0 : -ENOENT;
	if (file)
		fclose(file);
	globfree(&found);
	return ret;
}

int smmu_open(struct smmu *smmu)
{
	uint32_t at[4], map[4];
	char name[32];
	int ret;

	*smmu = (struct smmu) { .phys = -1 };
	ret = read_compatible(name, sizeof(name)) ?:
	      property(TREE "/smmu@*/reg", at, 4) ?:
	      property(TREE "/pcie@*/iommu-map", map, 4);
	if (ret)
		return ret;
	if (sscanf(name, "arm,smmu-v%d", &smmu->version) != 1 || smmu->version > 2)
		return -ENOENT;
	smmu->base = (uint64_t)at[0] << 32 | at[1];
	smmu->pci_id = map[0];
	smmu->stream_id = map[2];
	smmu->ids = map[3];
	smmu->phys = phys_open();
	if (smmu->phys < 0)
		return smmu->phys;
	ret = reg(smmu, smmu->base + IDR0, &smmu->idr0) ?:
	      reg(smmu, smmu->base + IDR1, &smmu->idr1);
	if (ret)
		smmu_close(smmu);
	return ret;
}

void smmu_close(struct smmu *smmu)
{
	if (smmu->phys >= 0)
		close(smmu->phys);
	smmu->phys = -1;
}

static int stream_id(const struct smmu *smmu, const char *bdf, uint32_t *id)
{
	unsigned int domain, bus, slot, function;

	if (sscanf(bdf, "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4)
		return -EINVAL;
	*id = bus << 8 | slot << 3 | function;
	if (*id - smmu->pci_id >= smmu->ids)
		return -ENODEV;
	*id += smmu->stream_id - smmu->pci_id;
	return 0;
}

/* --- from a stream to its context ---------------------------------------- */

static int fate(struct smmu_stream *stream, enum smmu_fate fate, const char *why)
{
	stream->fate = fate;
	stream->why = why;
	return 0;
}

/* Sets the number of the one register that matches */
static int match_stream(const struct smmu *smmu, uint32_t cr0, struct smmu_stream *stream)
{
	int n, ret, count = IDR0_SMRS(smmu->idr0);
	uint32_t smr;

	stream->smr = -1;
	for (n = 0; n < count; n++) {
		ret = reg(smmu, smmu_smr(smmu, n), &smr);
		if (ret)
			return ret;
		if (!(smr & SMR_VALID) ||
		    (SMR_ID(smr) ^ stream->id) & ~SMR_MASK(smr))
			continue;
		if (stream->smr >= 0)
			return fate(stream, SMMU_FAULTS, "two SMRs match the stream");
		stream->smr = n;
	}
	if (stream->smr < 0)
		return fate(stream, cr0 & CR0_USFCFG ? SMMU_FAULTS : SMMU_BYPASSES,
			    "no SMR matches the stream");
	return 0;
}

static int output_bits(int size)
{
	static const int known[] = { 32, 36, 40, 42, 44, 48 };

	return size < 6 ? known[size] : 48;
}

/* The level that takes an input of so many bits with one table */
static int first_level(int input, int granule)
{
	int per_level = granule - 3;

	return LAST_LEVEL + 1 - (input - granule + per_level - 1) / per_level;
}

static int granule_bits(uint32_t tcr)
{
	static const int known[] = { 12, 16, 14, 0 };

	return known[TCR_TG0(tcr)];
}

static int stage1(const struct smmu *smmu, uint32_t tcr, struct smmu_stream *stream)
{
	uint32_t tcr2;
	int ret = reg(smmu, smmu_bank(smmu, stream->bank, TCR2), &tcr2) ?:
		  reg64(smmu, smmu_bank(smmu, stream->bank, MAIR), &stream->mair);

	if (ret)
		return ret;
	if (!stream->aarch64)
		return fate(stream, SMMU_FAULTS, "stage 1 is in a format of AArch32");
	if (tcr & TCR_EPD0 || !(tcr & TCR_EPD1))
		return fate(stream, SMMU_FAULTS, "TTBR0 is not the one in use");
	stream->input = 64 - TCR_T0SZ(tcr);
	stream->granule = granule_bits(tcr);
	stream->output = output_bits(tcr2 & 7);
	if (stream->granule)
		stream->level = first_level(stream->input, stream->granule);
	return 0;
}

static void stage2(uint32_t tcr, struct smmu_stream *stream)
{
	int size;

	if (stream->aarch64) {
		stream->input = 64 - TCR_T0SZ(tcr);
		stream->granule = granule_bits(tcr);
		stream->output = output_bits(TCR_PS(tcr));
		stream->level = (stream->granule == 12 ? 2 : 3) - (int)TCR_SL0(tcr);
		return;
	}
	/* A number of 5 bits with its sign, around 32; one granule, two levels */
	size = TCR_T0SZ(tcr) & 0x1f;
	stream->input = 32 - (size & 0x10 ? size - 32 : size);
	stream->granule = 12;
	stream->output = 40;
	stream->level = TCR_SL0(tcr) < 2 ? 2 - (int)TCR_SL0(tcr) : -1;
}

/* How many bits of an IOVA the first table takes; stage 2 may have 16 in a row */
static bool tables_fit(const struct smmu_stream *stream)
{
	int per_level = stream->granule - 3, first;

	if (!stream->granule || stream->level < 0 || stream->level > LAST_LEVEL ||
	    stream->input > 48)
		return false;
	first = stream->input - stream->granule - per_level * (LAST_LEVEL - stream->level);
	return first > 0 && first <= per_level + (stream->stage == 2 ? 4 : 0);
}

static int read_context(const struct smmu *smmu, uint32_t cbar, struct smmu_stream *stream)
{
	uint32_t sctlr, tcr, cba2r = 0;
	int ret;

	if (smmu->version == 2) {
		ret = reg(smmu, global(smmu, 1, CBA2R(stream->bank)), &cba2r);
		if (ret)
			return ret;
	}
	stream->aarch64 = cba2r & CBA2R_VA64;
	ret = reg(smmu, smmu_bank(smmu, stream->bank, SCTLR), &sctlr) ?:
	      reg(smmu, smmu_bank(smmu, stream->bank, TCR), &tcr) ?:
	      reg64(smmu, smmu_bank(smmu, stream->bank, TTBR0), &stream->root);
	if (ret)
		return ret;
	stream->root &= ADDRESS;
	if (!(sctlr & SCTLR_M))
		return fate(stream, SMMU_BYPASSES, "the context bank does not translate");

	switch (CBAR_TYPE(cbar)) {
	case 0:
		stream->stage = 2;
		stage2(tcr, stream);
		break;
	case 1:
		if (stream->bank < (int)IDR1_STAGE2(smmu->idr1))
			return fate(stream, SMMU_FAULTS, "the context bank has no stage 1");
		stream->stage = 1;
		ret = stage1(smmu, tcr, stream);
		break;
	default:
		return fate(stream, SMMU_FAULTS, "stage 2 follows stage 1");
	}
	if (!ret && stream->fate == SMMU_TRANSLATES && !tables_fit(stream))
		return fate(stream, SMMU_FAULTS, "TCR has no such tables");
	return ret;
}

int smmu_find(struct smmu *smmu, const char *bdf, struct smmu_stream *stream)
{
	uint32_t cr0, s2cr, cbar;
	int ret;

	*stream = (struct smmu_stream) { .smr = -1, .bank = -1 };
	ret = stream_id(smmu, bdf, &stream->id) ?: reg(smmu, smmu->base + CR0, &cr0);
	if (ret)
		return ret;
	if (cr0 & CR0_CLIENTPD)
		return fate(stream, SMMU_BYPASSES, "the SMMU is off");
	if (cr0 & CR0_EXIDENABLE || !(smmu->idr0 & IDR0_SMS))
		return fate(stream, SMMU_FAULTS, "streams are not matched by 15 bits");
	ret = match_stream(smmu, cr0, stream);
	if (ret || stream->fate != SMMU_TRANSLATES)
		return ret;

	ret = reg(smmu, smmu_s2cr(smmu, stream->smr), &s2cr);
	if (ret)
		return ret;
	if (S2CR_TYPE(s2cr))
		return fate(stream, S2CR_TYPE(s2cr) == 1 ? SMMU_BYPASSES : SMMU_FAULTS,
			    S2CR_TYPE(s2cr) == 1 ? "S2CR: bypass" : "S2CR: fault");
	stream->bank = S2CR_BANK(s2cr);
	if (stream->bank >= (int)IDR1_BANKS(smmu->idr1))
		return fate(stream, SMMU_FAULTS, "S2CR: no such context bank");
	ret = reg(smmu, global(smmu, 1, CBAR(stream->bank)), &cbar);
	return ret ?: read_context(smmu, cbar, stream);
}

/* --- from an IOVA to a PA ------------------------------------------------ */

static void leaf(const struct smmu_stream *stream, uint64_t entry, uint64_t tables,
		 struct smmu_walk *walk)
{
	if (stream->stage == 1) {
		bool reachable = entry & UNPRIVILEGED && !(tables & TABLE_PRIVILEGED);

		walk->read = reachable;
		walk->write = reachable && !(entry & READ_ONLY) &&
			      !(tables & TABLE_READ_ONLY);
		walk->execute = !((entry & UXN || tables & TABLE_UXN) &&
				  (entry & PXN || tables & TABLE_PXN));
		walk->attributes = stream->mair >> (8 * ATTRIBUTES(entry));
		walk->device = !(walk->attributes & 0xf3);
	} else {
		walk->read = entry & READABLE;
		walk->write = entry & WRITABLE;
		walk->execute = !(entry & XN);
		walk->attributes = MEMATTR(entry);
		walk->device = !(walk->attributes & 0xc);
	}
}

/* May a descriptor of that level be a block? */
static bool block_level(const struct smmu_stream *stream, int level)
{
	return level == 2 || (level == 1 && stream->granule == 12);
}

int smmu_walk(struct smmu *smmu, const struct smmu_stream *stream, uint64_t iova,
	      struct smmu_walk *walk)
{
	uint64_t table = stream->root, entry, tables = 0;
	int shift, ret, level = stream->level;

	*walk = (struct smmu_walk) {};
	if (iova & ~bits(stream->input)) {
		walk->fault = "the address is above what TCR has";
		return 0;
	}
	for (;; level++) {
		shift = stream->granule + (stream->granule - 3) * (LAST_LEVEL - level);
		walk->level = level;
		walk->parent = walk->entry;
		walk->entry = table + 8 * (level == stream->level ? iova >> shift :
					   iova >> shift & bits(stream->granule - 3));
		ret = phys_memory(smmu->phys, walk->entry, &entry);
		if (ret == -EFAULT) {
			walk->fault = "a table is not in memory";
			return 0;
		}
		if (ret)
			return ret;
		if (walk->entry == smmu->lie.at)
			entry ^= smmu->lie.change;
		if (!(entry & VALID) || (level == LAST_LEVEL && !(entry & TABLE))) {
			walk->fault = "not mapped";
			return 0;
		}
		if (level == LAST_LEVEL || !(entry & TABLE))
			break;
		tables |= entry;
		table = entry & ADDRESS & ~bits(stream->granule);
	}
	if (level < LAST_LEVEL && !block_level(stream, level)) {
		walk->fault = "a block where there is none";
		return 0;
	}
	walk->size = 1ULL << shift;
	walk->pa = (entry & ADDRESS & ~bits(shift)) | (iova & bits(shift));
	if (walk->pa & ~bits(stream->output))
		walk->fault = "the output address is too large";
	else if (!(entry & ACCESSED))
		walk->fault = "the access flag is not set";
	else
		leaf(stream, entry, tables, walk);
	return 0;
}
