// SPDX-License-Identifier: GPL-2.0-only
#include <err.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "workers.h"

#define REPORT_EVERY	10	/* seconds */

bool worker_start(struct crew *crew, struct worker *worker, const char *name)
{
	pid_t pid;

	snprintf(worker->name, sizeof(worker->name), "%s", name);
	crew->workers[crew->count++] = worker;
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (pid)
		worker->pid = pid;
	return !pid;
}

/* Whether it has not failed */
static bool reap(const struct crew *crew, struct worker *worker)
{
	int status;

	if (!worker->pid || waitpid(worker->pid, &status, WNOHANG) != worker->pid)
		return true;
	worker->pid = 0;
	if (status)
		printf("%s: %s has ended with status %#x\n", crew->program,
		       worker->name, status);
	return !status;
}

bool crew_wait(struct crew *crew)
{
	time_t since[MAX_WORKERS], said = now();
	uint64_t seen[MAX_WORKERS] = {};
	int left, i;

	for (i = 0; i < crew->count; i++)
		since[i] = said;
	do {
		usleep(100000);
		for (i = 0, left = 0; i < crew->count; i++) {
			struct worker *worker = crew->workers[i];

			if (!reap(crew, worker))
				return false;
			left += !!worker->pid;
			if (seen[i] != worker->steps || !worker->pid) {
				seen[i] = worker->steps;
				since[i] = now();
			} else if (now() - since[i] > crew->patience &&
				   (!crew->deadline || now() < crew->deadline)) {
				printf("%s: %s has done nothing for %d s\n",
				       crew->program, worker->name, crew->patience);
				return false;
			}
		}
		if (left && crew->deadline &&
		    now() - crew->deadline > crew->patience) {
			printf("%s: it does not end\n", crew->program);
			return false;
		}
		if (now() - said >= REPORT_EVERY) {
			crew->progress(now() - said);
			said = now();
		}
	} while (left);
	return true;
}
