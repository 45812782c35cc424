// SPDX-License-Identifier: GPL-2.0-only
/* Messages, memory, numbers and lines of files. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lsmsi.h"

void complain(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("lsmsi: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
}

/* Returns the status for it. */
int malformed(const struct line *line, const char *what)
{
	complain("%s:%u: malformed line: %s", line->path, line->number, what);
	return LSMSI_UNREADABLE;
}

static void *checked(void *memory)
{
	if (!memory) {
		complain("out of memory");
		exit(LSMSI_UNREADABLE);
	}
	return memory;
}

char *format_text(const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	return checked(text);
}

char *copy_text(const char *text)
{
	return checked(strdup(text));
}

/* Returns the array with one more element, of zeroes, and counts it. */
void *grow(void *array, size_t *count, size_t size)
{
	char *grown = checked(reallocarray(array, *count + 1, size));

	memset(grown + *count * size, 0, size);
	(*count)++;
	return grown;
}

/* strtoull() takes white space and signs as well */
static bool parse(const char *digits, int base, uint64_t *value)
{
	char *rest;

	if (base == 16 ? !isxdigit((unsigned char)*digits) :
			 !isdigit((unsigned char)*digits))
		return false;
	errno = 0;
	*value = strtoull(digits, &rest, base);
	return !errno && !*rest;
}

bool parse_decimal(const char *text, uint64_t *value)
{
	return parse(text, 10, value);
}

bool parse_hex(const char *text, uint64_t *value)
{
	/* a second 0x would be strtoull()'s */
	return text[0] == '0' && text[1] == 'x' && text[2] && text[3] != 'x' &&
	       text[3] != 'X' && parse(text + 2, 16, value);
}

static void split(char *text, struct line *line)
{
	char *rest = NULL;
	char *field;

	line->nr_fields = 0;
	for (field = strtok_r(text, " \t\n", &rest);
	     field && line->nr_fields < MAX_FIELDS;
	     field = strtok_r(NULL, " \t\n", &rest))
		line->field[line->nr_fields++] = field;
}

/* Calls @handle with each line that is not empty. */
int for_each_line(FILE *file, const char *path,
		  int (*handle)(struct line *line, void *data), void *data)
{
	struct line line = { .path = path };
	char *text = NULL;
	size_t size = 0;
	int status = LSMSI_OK;
	ssize_t length;

	while (!status && (length = getline(&text, &size, file)) >= 0) {
		if (ferror(file))	/* the beginning of a line */
			break;
		line.number++;
		if (strlen(text) != (size_t)length) {
			status = malformed(&line, "a NUL byte");
			break;
		}
		split(text, &line);
		if (line.nr_fields)
			status = handle(&line, data);
	}
	if (!status && !feof(file)) {
		/* Nothing is wrong when a person ends it meanwhile */
		if (errno != EINTR)
			complain("cannot read %s: %s", path, strerror(errno));
		status = LSMSI_UNREADABLE;
	}
	free(text);
	return status;
}
