/*
 * nearest: "did you mean".
 */
#include "daemon/conf/schema.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define WORD_MAX 63u /* an option's name is shorter; of a longer word nothing is near */

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static bool is_same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/*
 * How many insertions, deletions, changes and swaps of neighbours lead from one word to the other
 * (optimal string alignment). Three rows of the table are enough: a swap looks two rows back.
 */
static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
	size_t rows[3][WORD_MAX + 1];

	for (size_t j = 0; j <= b_length; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		size_t *row = rows[i % 3];
		const size_t *above = rows[(i - 1) % 3], *two_above = rows[(i + 1) % 3];
		row[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			row[j] = least(above[j], row[j - 1]) + 1;
			row[j] = least(row[j], above[j - 1] + !is_same(a[i - 1], b[j - 1]));
			if (i > 1 && j > 1 && is_same(a[i - 1], b[j - 2]) &&
			    is_same(a[i - 2], b[j - 1]))
				row[j] = least(row[j], two_above[j - 2] + 1);
		}
	}
	return rows[a_length % 3][b_length];
}

/* What others call it. Such a word is meant, also where another name has fewer letters to change. */
static bool is_other_word(const char *word, const char *name)
{
	static const struct {
		const char *word, *name;
	} table[] = {
		{ "port", "listen" },
		{ "host", "listen" },
		{ "address", "listen" },
		{ "bind", "listen" },
		{ "warning", "warn" },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strcasecmp(table[i].word, word) == 0 && strcmp(table[i].name, name) == 0)
			return true;
	return false;
}

const char *schema_nearest(
    const char *word, const char *(*next)(const void *arg, size_t i), const void *arg)
{
	size_t length = strlen(word), best = length < 6 ? 1 : length / 3;
	const char *name, *nearest = NULL;

	if (length > WORD_MAX)
		return NULL;
	for (size_t i = 0; (name = next(arg, i)); i++) {
		size_t name_length = strlen(name);
		if (is_other_word(word, name))
			return name;
		if (name_length > WORD_MAX)
			continue;
		size_t d = distance(word, length, name, name_length);
		if (nearest ? d < best : d <= best) {
			nearest = name;
			best = d;
		}
	}
	return nearest;
}
