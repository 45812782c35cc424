/* SPDX-License-Identifier: GPL-2.0-only */
/* Processes that work side by side, and their parent, which waits for them */
#ifndef MSI_LIB_WORKERS_H
#define MSI_LIB_WORKERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define MAX_WORKERS	16

/* In memory that the process and its parent share: memory_new() */
struct worker {
	char name[64];
	pid_t pid;			/* the parent's; 0: it has ended */
	volatile uint64_t steps;	/* the process counts what it gets done */
};

struct crew {
	const char *program;	/* comes before each line that is printed */
	struct worker *workers[MAX_WORKERS];
	int count;
	time_t deadline;	/* of now(), when each is to come to its end; 0: none */
	int patience;		/* seconds without a step, or after the deadline */
	/* Called now and then, with the seconds since the last time */
	void (*progress)(time_t seconds);
};

/* Forks, and adds the new process to the crew: true in that process alone */
bool worker_start(struct crew *crew, struct worker *worker, const char *name);

/*
 * Whether all of them have ended well. Returns as soon as one has failed, or
 * does nothing any more, and says so: the others are still there.
 */
bool crew_wait(struct crew *crew);

#endif
