// SPDX-License-Identifier: GPL-2.0-only
/* Which groups, devices and domains a person wants to see. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lsmsi.h"

static void select_group(struct inventory *inv, struct group *g)
{
	struct domain *d;

	g->selected = true;
	d = g->in_domain ? inventory_domain(inv, g->domain) : NULL;
	if (d)
		d->selected = true;
}

static void select_devices(struct group *g)
{
	for (size_t i = 0; i < g->nr_devices; i++)
		g->devices[i].selected = true;
}

static int select_number(struct inventory *inv, const char *name, uint64_t id)
{
	struct group *g = inventory_group(inv, id);

	if (!g) {
		complain("there is no IOMMU group %s", name);
		return LSMSI_NOT_FOUND;
	}
	select_group(inv, g);
	select_devices(g);
	return LSMSI_OK;
}

/* As sysfs has it, or without the PCI domain 0000. */
static bool same_name(const char *device, const char *name)
{
	return !strcasecmp(device, name) ||
	       (!strncmp(device, "0000:", 5) && !strcasecmp(device + 5, name));
}

static bool select_device(struct inventory *inv, const char *name)
{
	bool found = false;

	for (size_t i = 0; i < inv->nr_groups; i++) {
		struct group *g = &inv->groups[i];

		for (size_t j = 0; j < g->nr_devices; j++) {
			if (!same_name(g->devices[j].name, name))
				continue;
			g->devices[j].selected = true;
			select_group(inv, g);
			found = true;
		}
	}
	return found;
}

static int no_device(const struct inventory *inv, const char *name)
{
	static const char * const prefixes[] = { "", "0000:" };
	bool is_name = name[0] != '.' && !strchr(name, '/');
	bool there = false;

	for (size_t i = 0; is_name && !there && i < 2; i++) {
		char *path = format_text("%s/sys/bus/pci/devices/%s%s", inv->root,
					 prefixes[i], name);

		there = !access(path, F_OK);
		free(path);
	}
	if (there)
		complain("device %s is in no IOMMU group", name);
	else
		complain("there is no device %s", name);
	return LSMSI_NOT_FOUND;
}

static void select_all(struct inventory *inv)
{
	for (size_t i = 0; i < inv->nr_groups; i++) {
		inv->groups[i].selected = true;
		select_devices(&inv->groups[i]);
	}
	for (size_t i = 0; i < inv->nr_domains; i++)
		inv->domains[i].selected = true;
}

/* Every name that is not there is told. */
int select_named(struct inventory *inv, char **names, int count)
{
	int status = LSMSI_OK;
	uint64_t id;

	if (!count)
		select_all(inv);
	for (int i = 0; i < count; i++) {
		int error = LSMSI_OK;

		if (parse_decimal(names[i], &id))
			error = select_number(inv, names[i], id);
		else if (!select_device(inv, names[i]))
			error = no_device(inv, names[i]);
		if (!status)
			status = error;
	}
	return status;
}
