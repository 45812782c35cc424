/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LSMSI_H
#define LSMSI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Statuses; functions that can fail return one of them and have said why */
enum {
	LSMSI_OK,
	LSMSI_USAGE,
	LSMSI_UNREADABLE,
	LSMSI_NOT_FOUND,
	LSMSI_UNWRITABLE,
};

/* Bounds of addresses are inclusive. Strings and arrays belong to the struct. */

struct device {
	char *name;
	char *vendor;		/* as sysfs has it, NULL for none */
	char *device;		/* likewise */
	char *driver;		/* NULL for none */
	size_t vectors;
	bool selected;
};

struct region {
	uint64_t start, end;
	char *type;
};

/* So many MSI descriptors of a group write to @pa, by way of @iova */
struct vectors {
	uint64_t pa, iova, count;
};

struct group {
	uint64_t id;
	char *kind;		/* of the domain in use, NULL when not known */
	char *default_type;	/* of the default domain, NULL when not known */
	bool in_domain;		/* @domain takes part in the MSI layer */
	uint64_t domain;
	bool selected;
	struct device *devices;
	size_t nr_devices;
	struct region *regions;
	size_t nr_regions;
	struct vectors *vectors;
	size_t nr_vectors;
};

struct doorbell {
	uint64_t pa, iova, size, refs;
};

struct domain {
	uint64_t id;
	bool has_window;
	uint64_t start, end, page;
	uint64_t used, total;
	bool selected;
	struct doorbell *doorbells;
	size_t nr_doorbells;
};

struct inventory {
	const char *root;	/* what stands before /sys */
	struct group *groups;
	size_t nr_groups;
	struct domain *domains;
	size_t nr_domains;
};

/* inventory.c */
struct group *inventory_group(struct inventory *inv, uint64_t id);
struct group *inventory_add_group(struct inventory *inv, uint64_t id);
struct domain *inventory_domain(struct inventory *inv, uint64_t id);
struct domain *inventory_add_domain(struct inventory *inv, uint64_t id);
void inventory_sort(struct inventory *inv);
void inventory_free(struct inventory *inv);
bool group_uses(const struct group *g, const struct domain *d,
		const struct doorbell *b);

/* sysfs.c */
int read_sysfs(struct inventory *inv);

/* debugfs.c */
int read_debugfs(struct inventory *inv);

/* select.c */
int select_named(struct inventory *inv, char **names, int count);

/* text.c, json.c */
void print_text(FILE *out, const struct inventory *inv);
void print_json(FILE *out, const struct inventory *inv);

/* util.c */
#define MAX_FIELDS	8

/* A line of a file, cut at its white space */
struct line {
	const char *path;
	unsigned int number;
	char *field[MAX_FIELDS];
	int nr_fields;		/* MAX_FIELDS: that many, or more */
};

void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
int malformed(const struct line *line, const char *what);
char *format_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *copy_text(const char *text);
void *grow(void *array, size_t *count, size_t size);
bool parse_decimal(const char *text, uint64_t *value);
bool parse_hex(const char *text, uint64_t *value);
int for_each_line(FILE *file, const char *path,
		  int (*handle)(struct line *line, void *data), void *data);

#endif
