/* table: cells are made harmless as they come, measured when they are printed. */
#include "ctl/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/text.h"
#include "daemon/base/harmless.h"

#define COLUMNS_MAX 16

struct cell {
	char *text; /* NULL: nothing */
	enum style style;
};

struct table {
	const char *const *headings; /* borrowed */
	size_t columns, count;
	struct cell *cells;
};

struct table *table_new(const char *const *headings)
{
	struct table *table = calloc(1, sizeof(*table));
	if (!table)
		abort();
	table->headings = headings;
	while (headings[table->columns] && table->columns < COLUMNS_MAX)
		table->columns++;
	return table;
}

void table_free(struct table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->count; i++)
		free(table->cells[i].text);
	free(table->cells);
	free(table);
}

void table_add_styled(struct table *table, enum style style, const char *text)
{
	struct buf clean = { 0 };
	if ((table->count & (table->count - 1)) == 0) {
		size_t room = table->count ? table->count * 2 : 1;
		table->cells = reallocarray(table->cells, room, sizeof(*table->cells));
		if (!table->cells)
			abort();
	}
	if (text)
		harmless_add(&clean, text, strlen(text), false);
	table->cells[table->count++] =
	    (struct cell){ text && text[0] ? buf_take(&clean) : NULL, style };
	buf_done(&clean);
}

void table_add(struct table *table, const char *text)
{
	table_add_styled(table, STYLE_NONE, text);
}

void table_addf(struct table *table, const char *format, ...)
{
	char *text;
	va_list args;
	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	table_add(table, text);
	free(text);
}

/* Without the mark of how its column stands. */
static const char *heading_of(const struct table *table, size_t i)
{
	return table->headings[i] + (table->headings[i][0] == '>' || table->headings[i][0] == '<');
}

static void measure(const struct table *table, size_t widths[COLUMNS_MAX])
{
	for (size_t i = 0; i < table->count; i++) {
		const char *text = table->cells[i].text;
		size_t width = text ? text_width(text, strlen(text)) : 0;
		if (width > widths[i % table->columns])
			widths[i % table->columns] = width;
	}
	for (size_t i = 0; i < table->columns; i++) {
		size_t n = strlen(heading_of(table, i));
		if (widths[i] && n > widths[i])
			widths[i] = n;
	}
}

/* One cell; `room` is what is left of the line, 0 if that does not matter. */
static void print_cell(FILE *to, const struct cell *cell, size_t width, size_t room, bool right)
{
	const char *text = cell->text ? cell->text : "";
	size_t n = strlen(text);
	bool cut = room && text_width(text, n) > room;
	if (cut)
		n = text_fit(text, n, room - 1);
	size_t taken = text_width(text, n) + cut;
	int pad = width > taken ? (int)(width - taken) : 0;
	fprintf(to, "%*s%s%.*s%s%s%*s", right ? pad : 0, "",
	    cell->style ? say_style(to, cell->style) : "", (int)n, text, cut ? "…" : "",
	    cell->style ? say_style(to, STYLE_NONE) : "", right ? 0 : pad, "");
}

static void print_row(
    const struct table *table, const struct cell *row, const size_t *widths, FILE *to)
{
	size_t columns = text_columns(fileno(to)), at = 0, last = 0;
	for (size_t i = 0; i < table->columns; i++)
		if (widths[i] && row[i].text)
			last = i;
	for (size_t i = 0; i <= last; i++) {
		if (!widths[i])
			continue;
		bool right = table->headings[i][0] == '>';
		if (at)
			fputs("  ", to);
		at += at ? 2 : 0;
		size_t room = table->headings[i][0] == '<' && columns > at + 8 ? columns - at : 0;
		print_cell(to, &row[i], i == last && !right ? 0 : widths[i], room, right);
		at += widths[i];
	}
	fputs("\n", to);
}

void table_print(const struct table *table, FILE *to)
{
	size_t widths[COLUMNS_MAX] = { 0 };
	struct cell headings[COLUMNS_MAX] = { 0 };
	measure(table, widths);
	for (size_t i = 0; i < table->columns; i++)
		headings[i] = (struct cell){ (char *)(uintptr_t)heading_of(table, i), STYLE_BOLD };
	print_row(table, headings, widths, to);
	for (size_t i = 0; i + table->columns <= table->count; i += table->columns)
		print_row(table, table->cells + i, widths, to);
}
