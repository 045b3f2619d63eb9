/* split: from the front, one part at a time. */
#include "plugins/common/split.h"

#include <stdbool.h>

/* The bytes of the sequence that begins a text, and its units. A byte that begins none is one of itself. */
static size_t sequence(struct agentd_text text, enum split_unit unit, size_t *ret_units)
{
	unsigned char first = (unsigned char)text.p[0];
	size_t n = first < 0xc2 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 1;
	for (size_t i = 1; i < n; i++)
		if (i >= text.n || ((unsigned char)text.p[i] & 0xc0) != 0x80)
			n = 1;
	*ret_units = unit == SPLIT_BYTES ? n : unit == SPLIT_UTF16 && n == 4 ? 2 : 1;
	return n;
}

static bool is_white(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static size_t white_at_start(struct agentd_text text)
{
	size_t n = 0;
	while (n < text.n && is_white(text.p[n]))
		n++;
	return n;
}

static struct agentd_text behind(struct agentd_text text, size_t n)
{
	return agentd_text(text.n ? text.p + n : text.p, text.n - n);
}

size_t split_count(struct agentd_text text, enum split_unit unit)
{
	size_t count = 0, units;
	for (; text.n; count += units)
		text = behind(text, sequence(text, unit, &units));
	return count;
}

size_t split_fit(struct agentd_text text, size_t most, enum split_unit unit)
{
	size_t n = 0, units;
	while (n < text.n) {
		size_t bytes = sequence(behind(text, n), unit, &units);
		if (units > most && n) /* one always fits, or nothing would ever go on */
			break;
		most -= units < most ? units : most;
		n += bytes;
	}
	return n;
}

/* The white space before what is to be said, but for the indent of its line. */
static size_t blank_at_start(struct agentd_text text)
{
	size_t n = white_at_start(text);
	while (n && n < text.n && text.p[n - 1] != '\n')
		n--;
	return n;
}

/* Where to cut what fits, so that there is something before it. `fits` is less than all. */
static size_t cut_at(struct agentd_text text, size_t fits)
{
	size_t indent = white_at_start(text);
	static const char best_first[] = "\n ";
	for (const char *where = best_first; *where; where++)
		for (size_t n = fits; n > indent; n--) /* what is just behind it may be cut out */
			if (text.p[n] == *where)
				return n;
	return fits;
}

struct agentd_text split_next(struct agentd_text *rest, size_t most, enum split_unit unit)
{
	struct agentd_text text = behind(*rest, blank_at_start(*rest));
	size_t n = split_fit(text, most, unit);
	if (n < text.n && white_at_start(text) >= n) { /* an indent that leaves no room */
		text = behind(text, white_at_start(text));
		n = split_fit(text, most, unit);
	}
	if (n < text.n)
		n = cut_at(text, n);
	struct agentd_text part = agentd_text(text.p, n);
	while (part.n && is_white(part.p[part.n - 1]))
		part.n--;
	*rest = behind(text, n);
	while (rest->n && rest->p[0] == ' ') /* of the space at which it was cut */
		*rest = behind(*rest, 1);
	*rest = behind(*rest, blank_at_start(*rest));
	return part;
}
