// SPDX-License-Identifier: GPL-2.0-only
/*
 * For a person: a table a subject, columns aligned. A cell is never empty, so
 * that awk finds the columns, too; only the last one may hold blanks.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lsmsi.h"

#define MAX_COLUMNS	8

struct table {
	const char * const *head;	/* ">NAME" is aligned to the right */
	size_t columns;
	char **cells;
	size_t nr_cells;
};

/* --- a table ---------------------------------------------------------------- */

/* Takes @text over; a name must not steer the terminal. */
static void cell(struct table *t, char *text)
{
	for (char *at = text; *at; at++)
		if (*at < ' ' || *at > '~')
			*at = '?';
	t->cells = grow(t->cells, &t->nr_cells, sizeof(*t->cells));
	t->cells[t->nr_cells - 1] = text;
}

static const char *title(const struct table *t, size_t column)
{
	return t->head[column] + (*t->head[column] == '>');
}

static int width(const struct table *t, size_t column)
{
	size_t max = strlen(title(t, column));

	for (size_t i = column; i < t->nr_cells; i += t->columns)
		if (strlen(t->cells[i]) > max)
			max = strlen(t->cells[i]);
	return max;
}

static void print_cell(FILE *out, const struct table *t, size_t column,
		       int cell_width, const char *text)
{
	const char *gap = column ? "  " : "";

	if (*t->head[column] == '>')
		fprintf(out, "%s%*s", gap, cell_width, text);
	else if (column == t->columns - 1)
		fprintf(out, "%s%s", gap, text);
	else
		fprintf(out, "%s%-*s", gap, cell_width, text);
}

/* Prints the table and frees what is in it. */
static void print_table(FILE *out, struct table *t)
{
	int widths[MAX_COLUMNS];

	for (size_t i = 0; i < t->columns; i++) {
		widths[i] = width(t, i);
		print_cell(out, t, i, widths[i], title(t, i));
	}
	fputc('\n', out);
	for (size_t i = 0; i < t->nr_cells; i++) {
		size_t column = i % t->columns;

		print_cell(out, t, column, widths[column], t->cells[i]);
		if (column == t->columns - 1)
			fputc('\n', out);
		free(t->cells[i]);
	}
	free(t->cells);
}

/* --- cells ------------------------------------------------------------------ */

static char *or_dash(const char *text)
{
	return copy_text(text && *text ? text : "-");
}

static char *number(uint64_t value)
{
	return format_text("%" PRIu64, value);
}

static char *address(uint64_t value)
{
	return format_text("0x%" PRIx64, value);
}

static char *range(uint64_t start, uint64_t end)
{
	return format_text("0x%" PRIx64 "-0x%" PRIx64, start, end);
}

static char *bytes(uint64_t size)
{
	static const char units[] = "KMGTPE";
	size_t unit = 0;

	if (!size || size % 1024)
		return number(size);
	for (size /= 1024; size % 1024 == 0 && units[unit + 1]; unit++)
		size /= 1024;
	return format_text("%" PRIu64 "%c", size, units[unit]);
}

/* Takes @item over and appends it to @list, NULL for an empty one. */
static char *append(char *list, char *item)
{
	char *longer;

	if (!list)
		return item;
	longer = format_text("%s,%s", list, item);
	free(list);
	free(item);
	return longer;
}

/* @list itself, or "-" for none */
static char *list_or_dash(char *list)
{
	return list ? list : copy_text("-");
}

/* --- subjects --------------------------------------------------------------- */

static const char *without_0x(const char *id)
{
	return strncmp(id, "0x", 2) ? id : id + 2;
}

static char *device_id(const struct device *dev)
{
	if (!dev->vendor || !dev->device)
		return copy_text("-");
	return format_text("%s:%s", without_0x(dev->vendor),
			   without_0x(dev->device));
}

static char *msi_regions(const struct group *g)
{
	char *list = NULL;

	for (size_t i = 0; i < g->nr_regions; i++)
		if (!strcmp(g->regions[i].type, "msi"))
			list = append(list, range(g->regions[i].start,
						  g->regions[i].end));
	return list_or_dash(list);
}

/* @dev is NULL for a group without devices */
static void add_device(struct table *t, const struct group *g,
		       const struct device *dev)
{
	cell(t, number(g->id));
	cell(t, or_dash(dev ? dev->name : NULL));
	cell(t, dev ? device_id(dev) : copy_text("-"));
	cell(t, or_dash(dev ? dev->driver : NULL));
	cell(t, or_dash(g->kind));
	cell(t, g->in_domain ? number(g->domain) : copy_text("-"));
	cell(t, number(dev ? dev->vectors : 0));
	cell(t, msi_regions(g));
}

static void print_groups(FILE *out, const struct inventory *inv)
{
	static const char * const head[] = {
		">GROUP", "DEVICE", "ID", "DRIVER", "KIND", ">DOMAIN",
		">VECTORS", "RESERVED FOR MSI",
	};
	struct table t = { .head = head, .columns = 8 };

	for (size_t i = 0; i < inv->nr_groups; i++) {
		const struct group *g = &inv->groups[i];

		for (size_t j = 0; j < g->nr_devices; j++)
			if (g->devices[j].selected)
				add_device(&t, g, &g->devices[j]);
		if (g->selected && !g->nr_devices)
			add_device(&t, g, NULL);
	}
	if (t.nr_cells)
		print_table(out, &t);
	else
		fputs("No IOMMU groups: no IOMMU is in use.\n", out);
}

static char *groups_in(const struct inventory *inv, const struct domain *d)
{
	char *list = NULL;

	for (size_t i = 0; i < inv->nr_groups; i++)
		if (inv->groups[i].in_domain && inv->groups[i].domain == d->id)
			list = append(list, number(inv->groups[i].id));
	return list_or_dash(list);
}

/* Tells whether there is one. */
static bool print_domains(FILE *out, const struct inventory *inv)
{
	static const char * const head[] = {
		">DOMAIN", "WINDOW", ">PAGE", ">USED/TOTAL", "GROUPS",
	};
	struct table t = { .head = head, .columns = 5 };

	for (size_t i = 0; i < inv->nr_domains; i++) {
		const struct domain *d = &inv->domains[i];

		if (!d->selected)
			continue;
		cell(&t, number(d->id));
		cell(&t, d->has_window ? range(d->start, d->end) :
					 copy_text("-"));
		cell(&t, d->has_window ? bytes(d->page) : copy_text("-"));
		cell(&t, format_text("%" PRIu64 "/%" PRIu64, d->used, d->total));
		cell(&t, groups_in(inv, d));
	}
	fputc('\n', out);
	if (t.nr_cells)
		print_table(out, &t);
	else
		fputs("No domain here takes part in the MSI doorbell layer.\n", out);
	return t.nr_cells;
}

static char *users(const struct inventory *inv, const struct domain *d,
		   const struct doorbell *b)
{
	char *list = NULL;

	for (size_t i = 0; i < inv->nr_groups; i++)
		if (group_uses(&inv->groups[i], d, b))
			list = append(list, number(inv->groups[i].id));
	return list_or_dash(list);
}

static void print_doorbells(FILE *out, const struct inventory *inv)
{
	static const char * const head[] = {
		"DOORBELL", "IOVA", ">SIZE", ">DOMAIN", ">REFS", "GROUPS",
	};
	struct table t = { .head = head, .columns = 6 };

	for (size_t i = 0; i < inv->nr_domains; i++) {
		const struct domain *d = &inv->domains[i];

		for (size_t j = 0; d->selected && j < d->nr_doorbells; j++) {
			const struct doorbell *b = &d->doorbells[j];

			cell(&t, address(b->pa));
			cell(&t, address(b->iova));
			cell(&t, bytes(b->size));
			cell(&t, number(d->id));
			cell(&t, number(b->refs));
			cell(&t, users(inv, d, b));
		}
	}
	fputc('\n', out);
	if (t.nr_cells)
		print_table(out, &t);
	else
		fputs("No doorbell is mapped there.\n", out);
}

static void print_vectors(FILE *out, const struct inventory *inv)
{
	static const char * const head[] = {
		">GROUP", ">VECTORS", "WRITE TO", "BY IOVA",
	};
	struct table t = { .head = head, .columns = 4 };

	for (size_t i = 0; i < inv->nr_groups; i++) {
		const struct group *g = &inv->groups[i];

		for (size_t j = 0; g->selected && j < g->nr_vectors; j++) {
			cell(&t, number(g->id));
			cell(&t, number(g->vectors[j].count));
			cell(&t, address(g->vectors[j].pa));
			cell(&t, address(g->vectors[j].iova));
		}
	}
	if (t.nr_cells) {
		fputc('\n', out);
		print_table(out, &t);
	}
}

void print_text(FILE *out, const struct inventory *inv)
{
	print_groups(out, inv);
	if (print_domains(out, inv))
		print_doorbells(out, inv);
	print_vectors(out, inv);
}
