/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A fuzzer of what the series lets user space call, guided by KCOV: see fuzz.c.
 * A program is a short sequence of calls. What their arguments mean is decided
 * when they are made: an address may be "one page before the window ends", a
 * descriptor "the second container".
 */
#ifndef IOMMU_MSI_FUZZ_H
#define IOMMU_MSI_FUZZ_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/workers.h"

#define MAX_KINDS	64
#define MAX_ERRNO	134
#define MAX_CALLS	96		/* in a program */
#define EDGES		(1 << 16)	/* a power of two */

/* Where an address or a size comes from */
enum base {
	EDGE,			/* one of a table: 0, ~0, powers of two */
	FREE,			/* far from all that is reserved */
	SPOT,			/* where a window may be moved to */
	WINDOW_START, WINDOW_END, WINDOW_SIZE,	/* of the last that was seen */
	MAPPED_START, MAPPED_END, MAPPED_SIZE,	/* of something mapped */
	PAGES,			/* a size of a few pages */
	WRAP,			/* a size that ends beyond the last address */
	BASES,
};

struct value {
	uint8_t base;
	uint8_t index;
	int32_t offset;
};

struct call {
	uint8_t kind;
	bool together;		/* at the same time as the call before it */
	uint8_t a, b;		/* choose descriptors and objects */
	uint32_t bits;		/* choose flags and whatever else there is */
	struct value at, size;
};

struct program {
	int count;
	bool reverse;		/* the order of closing what it has left open */
	struct call calls[MAX_CALLS];
};

/* The second makes a call at the same time as the first */
enum thread { FIRST, SECOND, THREADS };

/* One process; shared with the parent, written by that process alone */
struct fuzzer {
	struct worker worker;	/* its name is a device's address, its steps calls */
	volatile uint64_t programs;
	volatile uint32_t corpus;
	uint64_t traced[THREADS];	/* places that KCOV has told of */
	struct {
		uint32_t called, succeeded, errnos[MAX_ERRNO];
	} kinds[MAX_KINDS];
	uint8_t edges[EDGES / 8];
};

extern struct fuzzer *self;

/* program.c */
struct op;
struct kind {
	const char *name;
	void (*prepare)(struct op *op);
	void (*finish)(struct op *op);
	bool never;		/* it can only fail */
	uint8_t weight;
	uint8_t side;		/* enum side */
	uint16_t at, size;	/* usual bases, as bits */
};
enum side { ANY, TYPE1_SIDE, IOMMUFD_SIDE };
extern const struct kind kinds[];
extern const int kind_count;

/* How programs begin: indices of kinds, 0 after the last */
struct opening {
	enum side side;
	uint8_t kinds[8];
};
extern const struct opening openings[];
extern const int opening_count;

void calls_init(const char *address);
/* Makes the calls, checks what must be true, and closes what is open. How many
 * edges, and results of calls, were new to this process.
 */
int program_run(const struct program *program);
void program_print(void);	/* the one that is running */

/* What is said when something is not as it must be; does not return */
__attribute__((format(printf, 1, 2), noreturn))
void fail(const char *format, ...);

/* kcov.c: what a thread's calls went through. The thread itself begins and ends;
 * what came of it is for the first thread to ask.
 */
void cover_init(enum thread thread);
void cover_begin(enum thread thread);
void cover_end(enum thread thread);
int cover_new(enum thread thread);	/* how many edges are new to this process */

/* corpus.c: programs from a seed, and from programs that found something */
void corpus_init(uint32_t seed, int worker, const char *kept);
const struct program *corpus_next(void);
void corpus_result(int new_edges);

#endif
