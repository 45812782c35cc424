// SPDX-License-Identifier: GPL-2.0-only
/*
 * The next program to run: a new one, or a copy of one that was kept, with
 * changes. The seed decides all of it. But the kernel decides which programs are
 * kept, those that reach new code, and this may differ from run to run. Each is
 * printed as "keep WORKER PROGRAM". A run that is given a file with such lines
 * keeps the same programs.
 */
#include <err.h>
#include <stdio.h>
#include <string.h>

#include "lib/random.h"
#include "fuzz.h"

#define CORPUS		512
#define MAX_KEPT	4096

static struct program corpus[CORPUS], current;
static uint32_t corpus_count;
static int worker;

static uint64_t kept[MAX_KEPT];
static int kept_count = -1;	/* -1: the kernel decides */
static int kept_next;

static void kept_read(const char *name)
{
	FILE *file = fopen(name, "re");
	unsigned long long program;
	char line[256];
	int who;

	if (!file)
		err(2, "%s", name);
	kept_count = 0;
	while (fgets(line, sizeof(line), file)) {
		const char *at = strstr(line, "keep ");

		if (!at || sscanf(at, "keep %d %llu", &who, &program) != 2 ||
		    who != worker)
			continue;
		if (kept_count == MAX_KEPT)
			errx(2, "%s: more than %d programs", name, MAX_KEPT);
		kept[kept_count++] = program;
	}
	fclose(file);
}

void corpus_init(uint32_t seed, int number, const char *file)
{
	worker = number;
	random_init(seed, number);
	if (file)
		kept_read(file);
}

/* --- values -------------------------------------------------------------- */

static const int32_t offsets[] = {
	1, -1, 0x800, 0x1000, -0x1000, 0x10000, -0x10000, 0x100000, -0x100000,
};

/* One of the bases that are usual, mostly */
static struct value value_new(uint16_t usual)
{
	struct value value = { .index = below(256) };

	do
		value.base = below(BASES);
	while (usual && !(usual & 1 << value.base));
	if (one_in(8))
		value.base = below(BASES);
	if (one_in(8))
		value.offset = offsets[below(sizeof(offsets) / sizeof(*offsets))];
	return value;
}

/* --- calls --------------------------------------------------------------- */

static struct call call_of(int kind)
{
	return (struct call) {
		.kind = kind,
		.a = one_in(4) ? below(8) : 0,
		.b = one_in(4) ? below(8) : 0,
		.bits = below(UINT32_MAX),
		.at = value_new(kinds[kind].at),
		.size = value_new(kinds[kind].size),
	};
}

static struct call call_new(enum side side)
{
	int kind, sum = 0;
	struct call call;

	for (kind = 0; kind < kind_count; kind++)
		sum += kinds[kind].weight;
	do {
		int ticket = below(sum);

		for (kind = 0; ticket >= kinds[kind].weight; kind++)
			ticket -= kinds[kind].weight;
	} while (side != ANY && kinds[kind].side != ANY &&
		 kinds[kind].side != side && !one_in(16));
	call = call_of(kind);
	call.together = one_in(16);
	return call;
}

static void insert(struct program *program, int at, struct call call)
{
	if (program->count == MAX_CALLS)
		return;
	memmove(&program->calls[at + 1], &program->calls[at],
		(program->count - at) * sizeof(call));
	program->calls[at] = call;
	program->count++;
}

static void remove_call(struct program *program, int at)
{
	program->count--;
	memmove(&program->calls[at], &program->calls[at + 1],
		(program->count - at) * sizeof(program->calls[0]));
}

/* --- programs ------------------------------------------------------------ */

static void program_new(struct program *program)
{
	const struct opening *opening = &openings[below(opening_count)];
	int i, more;

	program->count = 0;
	program->reverse = below(2);
	for (i = 0; opening->kinds[i]; i++) {
		struct call call = call_of(opening->kinds[i]);

		call.a = 0;
		call.b = 0;
		call.bits = 0;
		if (!one_in(32))
			insert(program, program->count, call);
	}
	for (more = 16 + below(48); more; more--)
		insert(program, program->count, call_new(opening->side));
}

static void call_change(struct call *call)
{
	struct call fresh = call_of(call->kind);

	switch (below(7)) {
	case 0: call->a = fresh.a; break;
	case 1: call->b = fresh.b; break;
	case 2: call->bits = fresh.bits; break;
	case 3: call->at = fresh.at; break;
	case 4: call->size = fresh.size; break;
	case 5: call->together = !call->together; break;
	case 6: call->at.offset = fresh.at.offset; break;
	}
}

static void splice(struct program *program, const struct program *donor)
{
	int from = below(donor->count);
	int at = below(program->count + 1);

	program->count = at;
	for (; from < donor->count && program->count < MAX_CALLS; from++)
		program->calls[program->count++] = donor->calls[from];
}

static void program_change(struct program *program)
{
	int at = below(program->count);

	switch (below(8)) {
	case 0:
		if (program->count > 1)
			remove_call(program, at);
		break;
	case 1:
		insert(program, at, program->calls[below(program->count)]);
		break;
	case 2:
		splice(program, &corpus[below(corpus_count)]);
		break;
	case 3:
		program->reverse = !program->reverse;
		break;
	case 4:
	case 5:
		insert(program, below(program->count + 1), call_new(ANY));
		break;
	default:
		call_change(&program->calls[at]);
		break;
	}
}

const struct program *corpus_next(void)
{
	int changes;

	if (!corpus_count || one_in(4)) {
		program_new(&current);
		return &current;
	}
	current = corpus[below(corpus_count)];
	for (changes = 1 + below(6); changes; changes--)
		program_change(&current);
	return &current;
}

static bool keep(int new_edges)
{
	if (kept_count < 0)
		return new_edges;
	if (kept_next == kept_count || kept[kept_next] != self->programs)
		return false;
	kept_next++;
	return true;
}

/* Of the program that corpus_next() gave last, number self->programs */
void corpus_result(int new_edges)
{
	if (!keep(new_edges))
		return;
	printf("fuzz: keep %d %llu\n", worker,
	       (unsigned long long)self->programs);
	if (corpus_count < CORPUS)
		corpus[corpus_count++] = current;
	else
		corpus[below(CORPUS)] = current;
	self->corpus = corpus_count;
}
