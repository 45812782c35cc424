// SPDX-License-Identifier: GPL-2.0-only
/*
 * Domains, doorbells and vectors, from debugfs. The kernel may add lines with
 * new keywords, and "#" is none; a line that starts with a known one must be as
 * expected.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lsmsi.h"

#define DEBUG	"/sys/kernel/debug"
#define TABLES	DEBUG "/iommu_msi/"

/* --- why a table cannot be opened ------------------------------------------- */

static bool exists(const struct inventory *inv, const char *name)
{
	char *path = format_text("%s%s", inv->root, name);
	bool found = !access(path, F_OK);

	free(path);
	return found;
}

/* A mount point that nothing is mounted on is empty; debugfs never is. */
static bool is_mounted(const struct inventory *inv)
{
	char *path = format_text("%s" DEBUG, inv->root);
	DIR *list = opendir(path);
	struct dirent *entry = NULL;

	free(path);
	if (!list)
		return false;
	while ((entry = readdir(list)) && entry->d_name[0] == '.')
		;
	closedir(list);
	return entry;
}

static void explain_missing(const struct inventory *inv, const char *path)
{
	if (!is_mounted(inv))
		complain("debugfs is not mounted on %s" DEBUG ": mount -t debugfs debugfs %s" DEBUG
			 " (the kernel needs CONFIG_DEBUG_FS=y)",
			 inv->root, inv->root);
	else if (!exists(inv, TABLES "domains"))
		complain("the kernel has no %s" TABLES "domains: use a kernel with the MSI doorbell layer and CONFIG_IOMMU_MSI=y",
			 inv->root);
	else
		complain("the kernel has no %s: it is too old for this tool, use a newer one",
			 path);
}

static void explain(const struct inventory *inv, const char *path, int error)
{
	switch (error) {
	case ENOENT:
		explain_missing(inv, path);
		break;
	case EINTR:	/* a person has ended it */
		break;
	case EACCES:
		complain("cannot read %s: only root may: run lsmsi as root (sudo lsmsi)",
			 path);
		break;
	case EPERM:
		complain("cannot read %s: the kernel is locked down (see /sys/kernel/security/lockdown): boot without lockdown",
			 path);
		break;
	default:
		complain("cannot read %s: %s", path, strerror(error));
	}
}

/* --- lines ------------------------------------------------------------------ */

static bool parse_window(char **field, struct domain *d)
{
	d->has_window = strcmp(field[0], "-");
	if (!d->has_window)
		return !strcmp(field[1], "-") && !strcmp(field[2], "-");
	return parse_hex(field[0], &d->start) && parse_hex(field[1], &d->end) &&
	       parse_hex(field[2], &d->page) && d->start <= d->end;
}

static int read_domain(struct line *line, struct inventory *inv)
{
	struct domain domain = {}, *at;

	if (line->nr_fields != 7 ||
	    !parse_decimal(line->field[1], &domain.id) ||
	    !parse_window(&line->field[2], &domain) ||
	    !parse_decimal(line->field[5], &domain.used) ||
	    !parse_decimal(line->field[6], &domain.total))
		return malformed(line, "not domain <id> <start> <end> <page> <used> <total>");
	if (inventory_domain(inv, domain.id))
		return malformed(line, "a second line of this domain");
	at = inventory_add_domain(inv, domain.id);
	*at = domain;
	return LSMSI_OK;
}

static int read_doorbell(struct line *line, struct inventory *inv)
{
	struct doorbell doorbell;
	struct domain *d;
	uint64_t id;

	if (line->nr_fields != 6 || !parse_decimal(line->field[1], &id) ||
	    !parse_hex(line->field[2], &doorbell.pa) ||
	    !parse_hex(line->field[3], &doorbell.iova) ||
	    !parse_hex(line->field[4], &doorbell.size) ||
	    !parse_decimal(line->field[5], &doorbell.refs))
		return malformed(line, "not doorbell <domain> <pa> <iova> <size> <references>");
	d = inventory_domain(inv, id);
	if (!d)
		return malformed(line, "no line of this domain before it");
	d->doorbells = grow(d->doorbells, &d->nr_doorbells, sizeof(doorbell));
	d->doorbells[d->nr_doorbells - 1] = doorbell;
	return LSMSI_OK;
}

/* sysfs was read a moment before: the group may be new. */
static struct group *group_of(struct inventory *inv, uint64_t id)
{
	struct group *g = inventory_group(inv, id);

	return g ? g : inventory_add_group(inv, id);
}

static bool is_kind(const char *text)
{
	return !text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-")] &&
	       *text != '-';
}

static int read_group(struct line *line, struct inventory *inv)
{
	uint64_t id, domain = 0;
	struct group *g;
	bool in_domain;

	if (line->nr_fields != 4)
		return malformed(line, "not group <id> <domain-kind> <domain>");
	in_domain = strcmp(line->field[3], "-");
	if (!parse_decimal(line->field[1], &id) || !is_kind(line->field[2]) ||
	    (in_domain && !parse_decimal(line->field[3], &domain)))
		return malformed(line, "not group <id> <domain-kind> <domain>");
	g = group_of(inv, id);
	if (g->kind)
		return malformed(line, "a second line of this group");
	g->kind = copy_text(line->field[2]);
	g->in_domain = in_domain;
	g->domain = domain;
	return LSMSI_OK;
}

static int read_vectors(struct line *line, struct inventory *inv)
{
	struct vectors vectors;
	struct group *g;
	uint64_t id;

	if (line->nr_fields != 5 || !parse_decimal(line->field[1], &id) ||
	    !parse_hex(line->field[2], &vectors.pa) ||
	    !parse_hex(line->field[3], &vectors.iova) ||
	    !parse_decimal(line->field[4], &vectors.count))
		return malformed(line, "not vectors <group> <pa> <iova> <count>");
	g = group_of(inv, id);
	g->vectors = grow(g->vectors, &g->nr_vectors, sizeof(vectors));
	g->vectors[g->nr_vectors - 1] = vectors;
	return LSMSI_OK;
}

/* --- files ------------------------------------------------------------------ */

static int domains_line(struct line *line, void *inv)
{
	if (!strcmp(line->field[0], "domain"))
		return read_domain(line, inv);
	if (!strcmp(line->field[0], "doorbell"))
		return read_doorbell(line, inv);
	return LSMSI_OK;
}

static int groups_line(struct line *line, void *inv)
{
	if (!strcmp(line->field[0], "group"))
		return read_group(line, inv);
	if (!strcmp(line->field[0], "vectors"))
		return read_vectors(line, inv);
	return LSMSI_OK;
}

static int read_table(struct inventory *inv, const char *name,
		      int (*handle)(struct line *line, void *data))
{
	char *path = format_text("%s" TABLES "%s", inv->root, name);
	FILE *file = fopen(path, "re");
	int status = LSMSI_UNREADABLE;

	if (file) {
		status = for_each_line(file, path, handle, inv);
		fclose(file);
	} else {
		explain(inv, path, errno);
	}
	free(path);
	return status;
}

int read_debugfs(struct inventory *inv)
{
	int status = read_table(inv, "domains", domains_line);

	return status ? status : read_table(inv, "groups", groups_line);
}
