// SPDX-License-Identifier: GPL-2.0-only
/* What was read: groups with their devices, and domains with their doorbells. */
#include <stdlib.h>
#include <string.h>

#include "lsmsi.h"

struct group *inventory_group(struct inventory *inv, uint64_t id)
{
	for (size_t i = 0; i < inv->nr_groups; i++)
		if (inv->groups[i].id == id)
			return &inv->groups[i];
	return NULL;
}

/* Pointers to other groups are not valid any more. */
struct group *inventory_add_group(struct inventory *inv, uint64_t id)
{
	struct group *g;

	inv->groups = grow(inv->groups, &inv->nr_groups, sizeof(*inv->groups));
	g = &inv->groups[inv->nr_groups - 1];
	g->id = id;
	return g;
}

struct domain *inventory_domain(struct inventory *inv, uint64_t id)
{
	for (size_t i = 0; i < inv->nr_domains; i++)
		if (inv->domains[i].id == id)
			return &inv->domains[i];
	return NULL;
}

/* Pointers to other domains are not valid any more. */
struct domain *inventory_add_domain(struct inventory *inv, uint64_t id)
{
	struct domain *d;

	inv->domains = grow(inv->domains, &inv->nr_domains, sizeof(*inv->domains));
	d = &inv->domains[inv->nr_domains - 1];
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

void inventory_sort(struct inventory *inv)
{
	sort(inv->groups, inv->nr_groups, sizeof(*inv->groups), compare_groups);
	sort(inv->domains, inv->nr_domains, sizeof(*inv->domains), compare_domains);
	for (size_t i = 0; i < inv->nr_groups; i++)
		sort(inv->groups[i].devices, inv->groups[i].nr_devices,
		     sizeof(*inv->groups[i].devices), compare_devices);
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

void inventory_free(struct inventory *inv)
{
	for (size_t i = 0; i < inv->nr_groups; i++)
		free_group(&inv->groups[i]);
	for (size_t i = 0; i < inv->nr_domains; i++)
		free(inv->domains[i].doorbells);
	free(inv->groups);
	free(inv->domains);
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
