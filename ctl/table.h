/*
 * table: rows of text under headings, as wide as what is in them. A column in which no row has
 * anything is left out.
 */
#ifndef AGENTCTL_TABLE_H
#define AGENTCTL_TABLE_H

#include <stdio.h>

#include "ctl/say.h"

struct table;

/* Headings end with NULL and are borrowed; one that begins with ">" stands to the right, and a last one
 * with "<" is cut where the terminal's line ends. */
struct table *table_new(const char *const *headings);
void table_free(struct table *table);
/* The next cell of the row, or the first of the next row. NULL: nothing. */
void table_add(struct table *table, const char *text);
void table_add_styled(struct table *table, enum style style, const char *text);
void table_addf(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
void table_print(const struct table *table, FILE *to);

#endif
