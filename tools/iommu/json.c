// SPDX-License-Identifier: GPL-2.0-only
/*
 * For programs: all that was read. Addresses and sizes are strings, for JSON
 * has no hexadecimal numbers and many readers no 64-bit ones.
 */
#include <inttypes.h>

#include "lsmsi.h"

/* --- values ----------------------------------------------------------------- */

#define NO_CHARACTER	0xfffd	/* stands for what is none */

/* Takes a character of UTF-8 from @text, or a byte that belongs to none. */
static uint32_t take_char(const unsigned char **text)
{
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
	const unsigned char *at = *text;
	unsigned int more, i;
	uint32_t c = *at;

	(*text)++;
	if (c < 0x80)
		return c;
	more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
	if (c < 0xc0 || c >= 0xf8)
		return NO_CHARACTER;
	c &= 0x3f >> more;
	for (i = 1; i <= more; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return NO_CHARACTER;
		c = c << 6 | (at[i] & 0x3f);
	}
	if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return NO_CHARACTER;
	*text += more;
	return c;
}

/* Escaped beyond ASCII, so that no terminal is steered. */
static void put_char(FILE *out, uint32_t c)
{
	if (c == '"' || c == '\\')
		fprintf(out, "\\%c", (char)c);
	else if (c >= ' ' && c <= '~')
		fputc((char)c, out);
	else if (c < 0x10000)
		fprintf(out, "\\u%04x", c);
	else
		fprintf(out, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
			0xdc00 + (c & 0x3ff));
}

static void put_string(FILE *out, const char *name, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	fprintf(out, "\"%s\": ", name);
	if (!text) {
		fputs("null", out);
		return;
	}
	fputc('"', out);
	while (*at)
		put_char(out, take_char(&at));
	fputc('"', out);
}

static void put_number(FILE *out, const char *name, uint64_t value)
{
	fprintf(out, "\"%s\": %" PRIu64, name, value);
}

static void put_hex(FILE *out, const char *name, uint64_t value)
{
	fprintf(out, "\"%s\": \"0x%" PRIx64 "\"", name, value);
}

/* What stands before an element, which is the first or not */
static void put_comma(FILE *out, bool *first)
{
	fputs(*first ? "" : ", ", out);
	*first = false;
}

/* --- groups ----------------------------------------------------------------- */

static void put_device(FILE *out, const struct device *dev)
{
	fputs("\n      {", out);
	put_string(out, "name", dev->name);
	fputs(", ", out);
	put_string(out, "vendor", dev->vendor);
	fputs(", ", out);
	put_string(out, "device", dev->device);
	fputs(", ", out);
	put_string(out, "driver", dev->driver);
	fputs(", ", out);
	put_number(out, "vectors", dev->vectors);
	fputc('}', out);
}

static void put_devices(FILE *out, const struct group *g)
{
	bool first = true;

	fputs("     \"devices\": [", out);
	for (size_t i = 0; i < g->nr_devices; i++) {
		if (!g->devices[i].selected)
			continue;
		put_comma(out, &first);
		put_device(out, &g->devices[i]);
	}
	fputs("],\n", out);
}

static void put_regions(FILE *out, const struct group *g)
{
	bool first = true;

	fputs("     \"reserved_regions\": [", out);
	for (size_t i = 0; i < g->nr_regions; i++) {
		put_comma(out, &first);
		fputs("\n      {", out);
		put_hex(out, "start", g->regions[i].start);
		fputs(", ", out);
		put_hex(out, "end", g->regions[i].end);
		fputs(", ", out);
		put_string(out, "type", g->regions[i].type);
		fputc('}', out);
	}
	fputs("],\n", out);
}

static void put_vectors(FILE *out, const struct group *g)
{
	bool first = true;

	fputs("     \"vectors\": [", out);
	for (size_t i = 0; i < g->nr_vectors; i++) {
		put_comma(out, &first);
		fputs("\n      {", out);
		put_hex(out, "pa", g->vectors[i].pa);
		fputs(", ", out);
		put_hex(out, "iova", g->vectors[i].iova);
		fputs(", ", out);
		put_number(out, "count", g->vectors[i].count);
		fputc('}', out);
	}
	fputs("]", out);
}

static void put_group(FILE *out, const struct group *g)
{
	fputs("\n    {", out);
	put_number(out, "group", g->id);
	fputs(", ", out);
	put_string(out, "kind", g->kind);
	fputs(", ", out);
	put_string(out, "default_type", g->default_type);
	fputs(", ", out);
	if (g->in_domain)
		put_number(out, "domain", g->domain);
	else
		put_string(out, "domain", NULL);
	fputs(",\n", out);
	put_devices(out, g);
	put_regions(out, g);
	put_vectors(out, g);
	fputc('}', out);
}

/* --- domains ---------------------------------------------------------------- */

static void put_window(FILE *out, const struct domain *d)
{
	if (!d->has_window) {
		put_string(out, "window", NULL);
		fputs(", ", out);
		put_string(out, "page_size", NULL);
		return;
	}
	fputs("\"window\": {", out);
	put_hex(out, "start", d->start);
	fputs(", ", out);
	put_hex(out, "end", d->end);
	fputs("}, ", out);
	put_hex(out, "page_size", d->page);
}

static void put_users(FILE *out, const struct inventory *inv,
		      const struct domain *d, const struct doorbell *b)
{
	bool first = true;

	fputs("\"groups\": [", out);
	for (size_t i = 0; i < inv->nr_groups; i++) {
		const struct group *g = &inv->groups[i];

		if (b ? !group_uses(g, d, b) :
			!g->in_domain || g->domain != d->id)
			continue;
		put_comma(out, &first);
		fprintf(out, "%" PRIu64, g->id);
	}
	fputc(']', out);
}

static void put_doorbell(FILE *out, const struct inventory *inv,
			 const struct domain *d, const struct doorbell *b)
{
	fputs("\n      {", out);
	put_hex(out, "pa", b->pa);
	fputs(", ", out);
	put_hex(out, "iova", b->iova);
	fputs(", ", out);
	put_hex(out, "size", b->size);
	fputs(", ", out);
	put_number(out, "references", b->refs);
	fputs(", ", out);
	put_users(out, inv, d, b);
	fputc('}', out);
}

static void put_domain(FILE *out, const struct inventory *inv,
		       const struct domain *d)
{
	bool first = true;

	fputs("\n    {", out);
	put_number(out, "domain", d->id);
	fputs(", ", out);
	put_window(out, d);
	fputs(", ", out);
	put_number(out, "pages_used", d->used);
	fputs(", ", out);
	put_number(out, "pages_total", d->total);
	fputs(", ", out);
	put_users(out, inv, d, NULL);
	fputs(",\n     \"doorbells\": [", out);
	for (size_t i = 0; i < d->nr_doorbells; i++) {
		put_comma(out, &first);
		put_doorbell(out, inv, d, &d->doorbells[i]);
	}
	fputs("]}", out);
}

void print_json(FILE *out, const struct inventory *inv)
{
	bool first = true;

	fputs("{\n  \"groups\": [", out);
	for (size_t i = 0; i < inv->nr_groups; i++) {
		if (!inv->groups[i].selected)
			continue;
		put_comma(out, &first);
		put_group(out, &inv->groups[i]);
	}
	fputs("],\n  \"domains\": [", out);
	first = true;
	for (size_t i = 0; i < inv->nr_domains; i++) {
		if (!inv->domains[i].selected)
			continue;
		put_comma(out, &first);
		put_domain(out, inv, &inv->domains[i]);
	}
	fputs("]\n}\n", out);
}
