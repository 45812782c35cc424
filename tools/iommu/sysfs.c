// SPDX-License-Identifier: GPL-2.0-only
/*
 * Groups and their devices, from sysfs. A device may go while it is read: what
 * is missing by then is left out, and is no error.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lsmsi.h"

#define GROUPS	"/sys/kernel/iommu_groups"

/* The first line of @dir/@name, NULL for none; the caller frees it. */
static char *read_word(const char *dir, const char *name)
{
	char *path = format_text("%s/%s", dir, name);
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;

	free(path);
	if (!file)
		return NULL;
	if (getline(&text, &size, file) < 0) {
		free(text);
		text = NULL;
	} else {
		text[strcspn(text, "\n")] = '\0';
	}
	fclose(file);
	return text;
}

/* The last component of a link's target, NULL for none; the caller frees it. */
static char *read_target(const char *dir, const char *name)
{
	char *path = format_text("%s/%s", dir, name);
	char target[PATH_MAX];
	ssize_t length = readlink(path, target, sizeof(target) - 1);
	char *slash;

	free(path);
	if (length < 0)
		return NULL;
	target[length] = '\0';
	slash = strrchr(target, '/');
	return copy_text(slash ? slash + 1 : target);
}

static size_t count_entries(const char *dir, const char *name)
{
	char *path = format_text("%s/%s", dir, name);
	DIR *list = opendir(path);
	struct dirent *entry;
	size_t count = 0;

	free(path);
	if (!list)
		return 0;
	while ((entry = readdir(list)))
		count += entry->d_name[0] != '.';
	closedir(list);
	return count;
}

/* A device that is not a PCI one is reached through its group. */
static char *device_dir(const struct inventory *inv, const char *group,
			const char *name)
{
	char *dir = format_text("%s/sys/bus/pci/devices/%s", inv->root, name);

	if (access(dir, F_OK)) {
		free(dir);
		dir = format_text("%s/devices/%s", group, name);
	}
	return dir;
}

static void read_device(const struct inventory *inv, struct group *g,
			const char *group, const char *name)
{
	char *dir = device_dir(inv, group, name);
	struct device *dev;

	g->devices = grow(g->devices, &g->nr_devices, sizeof(*g->devices));
	dev = &g->devices[g->nr_devices - 1];
	dev->name = copy_text(name);
	dev->vendor = read_word(dir, "vendor");
	dev->device = read_word(dir, "device");
	dev->driver = read_target(dir, "driver");
	dev->vectors = count_entries(dir, "msi_irqs");
	free(dir);
}

static void read_devices(const struct inventory *inv, struct group *g,
			 const char *group)
{
	char *path = format_text("%s/devices", group);
	DIR *list = opendir(path);
	struct dirent *entry;

	free(path);
	if (!list)
		return;
	while ((entry = readdir(list)))
		if (entry->d_name[0] != '.')
			read_device(inv, g, group, entry->d_name);
	closedir(list);
}

static int read_region(struct line *line, void *data)
{
	struct region region, *at;
	struct group *g = data;

	if (line->nr_fields != 3 || !parse_hex(line->field[0], &region.start) ||
	    !parse_hex(line->field[1], &region.end))
		return malformed(line, "not <start> <end> <type>");
	g->regions = grow(g->regions, &g->nr_regions, sizeof(*g->regions));
	at = &g->regions[g->nr_regions - 1];
	*at = region;
	at->type = copy_text(line->field[2]);
	return LSMSI_OK;
}

static int read_regions(struct group *g, const char *group)
{
	char *path = format_text("%s/reserved_regions", group);
	FILE *file = fopen(path, "re");
	int status = LSMSI_OK;

	if (file) {
		status = for_each_line(file, path, read_region, g);
		fclose(file);
	}
	free(path);
	return status;
}

static int read_group(struct inventory *inv, uint64_t id)
{
	char *dir = format_text("%s" GROUPS "/%llu", inv->root,
				(unsigned long long)id);
	struct group *g = inventory_add_group(inv, id);
	int status;

	g->default_type = read_word(dir, "type");
	read_devices(inv, g, dir);
	status = read_regions(g, dir);
	free(dir);
	return status;
}

static int no_groups(const char *path)
{
	if (errno == ENOENT)
		complain("there is no %s: mount sysfs (mount -t sysfs sysfs /sys), or use a kernel with CONFIG_IOMMU_SUPPORT",
			 path);
	else
		complain("cannot read %s: %s", path, strerror(errno));
	return LSMSI_UNREADABLE;
}

int read_sysfs(struct inventory *inv)
{
	char *path = format_text("%s" GROUPS, inv->root);
	DIR *list = opendir(path);
	struct dirent *entry;
	int status = LSMSI_OK;
	uint64_t id;

	if (!list)
		status = no_groups(path);
	while (!status && (entry = readdir(list)))
		if (parse_decimal(entry->d_name, &id))
			status = read_group(inv, id);
	if (list)
		closedir(list);
	free(path);
	return status;
}
