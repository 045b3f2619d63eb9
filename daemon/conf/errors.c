/*
 * errors: mistakes, collected with their places and handed out in the order of the files.
 *
 * A message is one line whatever the config holds: control characters in it are escaped. When
 * memory is out a message may be lost, but never the fact that there was one, since a config
 * without a mistake is one that gets started.
 */
#include "daemon/conf/errors.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_SHOWN 256

struct message {
	size_t file;
	unsigned line;
	size_t order; /* in which it came */
	char *text;
};

struct conf_errors {
	bool incomplete;
	struct message *list;
	size_t count, capacity;
	char **files; /* in the order in which they were first read */
	size_t file_count;
	bool sorted;
	bool lost; /* there was a message for which there was no memory */
};

struct conf_errors *conf_errors_new(void)
{
	return calloc(1, sizeof(struct conf_errors));
}

void conf_errors_free(struct conf_errors *errors)
{
	if (!errors)
		return;
	for (size_t i = 0; i < errors->count; i++)
		free(errors->list[i].text);
	for (size_t i = 0; i < errors->file_count; i++)
		free(errors->files[i]);
	free(errors->list);
	free(errors->files);
	free(errors);
}

/* The file's place in the order. Without memory it comes after all others. */
static size_t file_order(struct conf_errors *errors, const char *file)
{
	for (size_t i = 0; i < errors->file_count; i++)
		if (strcmp(errors->files[i], file) == 0)
			return i;

	char **files = reallocarray(errors->files, errors->file_count + 1, sizeof(*files));
	if (files)
		errors->files = files;
	char *copy = files ? strdup(file) : NULL;
	if (!copy)
		return SIZE_MAX;
	files[errors->file_count] = copy;
	return errors->file_count++;
}

void conf_errors_file(struct conf_errors *errors, const char *file)
{
	(void)file_order(errors, file);
}

/* A copy on one line. */
static char *escape(const char *text)
{
	char *copy = malloc(strlen(text) * 4 + 1), *to = copy;

	if (!copy)
		return NULL;
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		if (c == '\n')
			to = stpcpy(to, "\\n");
		else if (c == '\t')
			to = stpcpy(to, "\\t");
		else if (c < 0x20 || c == 0x7f)
			to += snprintf(to, 5, "\\x%02x", c);
		else
			*to++ = *text;
	}
	*to = '\0';
	return copy;
}

/* Takes the text, which may be NULL: no memory. */
static void add(struct conf_errors *errors, const char *file, unsigned line, char *text)
{
	char *shown = text ? escape(text) : NULL;

	free(text);
	if (!shown)
		goto lost;
	if (errors->count == errors->capacity) {
		size_t capacity = errors->capacity ? errors->capacity * 2 : 8;
		struct message *list = reallocarray(errors->list, capacity, sizeof(*list));
		if (!list)
			goto lost;
		errors->list = list;
		errors->capacity = capacity;
	}
	errors->list[errors->count] = (struct message){
		.file = file_order(errors, file ? file : ""),
		.line = line,
		.order = errors->count,
		.text = shown,
	};
	errors->count++;
	errors->sorted = false;
	return;
lost:
	free(shown);
	errors->lost = true;
}

/* "place: message" as one new text; takes the message. NULL without memory. */
static char *join(const char *place, char *message)
{
	char *text = NULL;

	if (message && asprintf(&text, "%s%s%s", place, *place ? ": " : "", message) < 0)
		text = NULL;
	free(message);
	return text;
}

static char *format_message(const char *format, va_list args)
{
	char *message;

	return vasprintf(&message, format, args) < 0 ? NULL : message;
}

/* Whether it is what an option of the command line gave. */
static bool is_of_option(const struct conf_node *node)
{
	return node && !node->line && node->file && strncmp(node->file, "--", 2) == 0;
}

void conf_error(struct conf_errors *errors, const struct conf_node *node, const char *format, ...)
{
	char path[PATH_SHOWN];
	va_list args;

	va_start(args, format);
	char *message = format_message(format, args);
	va_end(args);

	if (is_of_option(node))
		snprintf(path, sizeof(path), "%s", node->file);
	else
		conf_path(node, path, sizeof(path));
	message = join(path, message);
	if (!node || !node->line) {
		add(errors, NULL, 0, message);
		return;
	}

	char *place = NULL;
	if (asprintf(&place, "%s:%u", node->file, node->line) < 0)
		place = NULL;
	add(errors, node->file, node->line, join(place ? place : "", message));
	free(place);
}

void conf_error_at(struct conf_errors *errors, const char *file, unsigned line, unsigned column,
    const char *format, ...)
{
	char line_text[16] = "", column_text[16] = "", *place = NULL;
	va_list args;

	va_start(args, format);
	char *message = format_message(format, args);
	va_end(args);

	if (line)
		snprintf(line_text, sizeof(line_text), ":%u", line);
	if (line && column)
		snprintf(column_text, sizeof(column_text), ":%u", column);
	if (file && asprintf(&place, "%s%s%s", file, line_text, column_text) < 0)
		place = NULL;
	add(errors, file, line, join(place ? place : "", message));
	free(place);
}

size_t conf_errors_count(const struct conf_errors *errors)
{
	return errors->count + errors->lost;
}

static int compare_sizes(size_t a, size_t b)
{
	return (a > b) - (a < b);
}

/* What has no line is about the whole, or about the command line: it comes before all files. */
static int compare(const void *left, const void *right)
{
	const struct message *a = left, *b = right;
	int order = compare_sizes(a->line != 0, b->line != 0);

	if (!order)
		order = compare_sizes(a->file, b->file);
	if (!order)
		order = compare_sizes(a->line, b->line);
	return order ? order : compare_sizes(a->order, b->order);
}

const char *conf_errors_get(struct conf_errors *errors, size_t i)
{
	if (!errors->sorted && errors->count)
		qsort(errors->list, errors->count, sizeof(*errors->list), compare);
	errors->sorted = true;
	if (i < errors->count)
		return errors->list[i].text;
	return i == errors->count && errors->lost ? "out of memory: a message is missing" : NULL;
}

void conf_errors_set_incomplete(struct conf_errors *errors)
{
	errors->incomplete = true;
}

void conf_errors_set_lost(struct conf_errors *errors)
{
	errors->lost = true;
}

bool conf_errors_lost(const struct conf_errors *errors)
{
	return errors->lost;
}

bool conf_errors_incomplete(const struct conf_errors *errors)
{
	return errors->incomplete;
}
