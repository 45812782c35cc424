// SPDX-License-Identifier: GPL-2.0-only
/* What was read about a machine. */
#include <stdlib.h>
#include <string.h>

#include "lsmsi.h"

struct group *machine_group(struct machine *m, uint64_t id)
{
	for (size_t i = 0; i < m->nr_groups; i++)
		if (m->groups[i].id == id)
			return &m->groups[i];
	return NULL;
}

/* Pointers to other groups are not valid any more. */
struct group *machine_add_group(struct machine *m, uint64_t id)
{
	struct group *g;

	m->groups = grow(m->groups, &m->nr_groups, sizeof(*m->groups));
	g = &m->groups[m->nr_groups - 1];
	g->id = id;
	return g;
}

struct domain *machine_domain(struct machine *m, uint64_t id)
{
	for (size_t i = 0; i < m->nr_domains; i++)
		if (m->domains[i].id == id)
			return &m->domains[i];
	return NULL;
}

/* Pointers to other domains are not valid any more. */
struct domain *machine_add_domain(struct machine *m, uint64_t id)
{
	struct domain *d;

	m->domains = grow(m->domains, &m->nr_domains, sizeof(*m->domains));
	d = &m->domains[m->nr_domains - 1];
	d->id = id;
	return d;
}

static int compare(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int compare_groups(const void *a, const void *b)
{
	return compare(((const struct group *)a)->id,
		       ((const struct group *)b)->id);
}

static int compare_domains(const void *a, const void *b)
{
	return compare(((const struct domain *)a)->id,
		       ((const struct domain *)b)->id);
}

static int compare_devices(const void *a, const void *b)
{
	return strcmp(((const struct device *)a)->name,
		      ((const struct device *)b)->name);
}

static void sort(void *array, size_t count, size_t size,
		 int (*order)(const void *, const void *))
{
	if (count)
		qsort(array, count, size, order);
}

void machine_sort(struct machine *m)
{
	sort(m->groups, m->nr_groups, sizeof(*m->groups), compare_groups);
	sort(m->domains, m->nr_domains, sizeof(*m->domains), compare_domains);
	for (size_t i = 0; i < m->nr_groups; i++)
		sort(m->groups[i].devices, m->groups[i].nr_devices,
		     sizeof(*m->groups[i].devices), compare_devices);
}

static void free_group(struct group *g)
{
	for (size_t i = 0; i < g->nr_devices; i++) {
		free(g->devices[i].name);
		free(g->devices[i].vendor);
		free(g->devices[i].device);
		free(g->devices[i].driver);
	}
	for (size_t i = 0; i < g->nr_regions; i++)
		free(g->regions[i].type);
	free(g->devices);
	free(g->regions);
	free(g->vectors);
	free(g->kind);
	free(g->default_type);
}

void machine_free(struct machine *m)
{
	for (size_t i = 0; i < m->nr_groups; i++)
		free_group(&m->groups[i]);
	for (size_t i = 0; i < m->nr_domains; i++)
		free(m->domains[i].doorbells);
	free(m->groups);
	free(m->domains);
}

/* Does a vector of @g write to the doorbell @b, which is mapped in @d? */
bool group_uses(const struct group *g, const struct domain *d,
		const struct doorbell *b)
{
	if (!g->in_domain || g->domain != d->id)
		return false;
	for (size_t i = 0; i < g->nr_vectors; i++)
		if (g->vectors[i].pa >= b->pa &&
		    g->vectors[i].pa - b->pa < b->size)
			return true;
	return false;
}
