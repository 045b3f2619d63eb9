/* lines: a buffer whose front is taken and whose back grows. */
#include "lines.h"

#include <stdlib.h>
#include <string.h>

#define PIECE_SIZE 65536 /* what a pipe holds */

void lines_done(struct lines *lines)
{
	free(lines->bytes);
	*lines = (struct lines){ 0 };
}

char *lines_room(struct lines *lines, size_t most, size_t *ret_size)
{
	size_t kept = lines->length - lines->from;
	if (kept > most)
		return NULL;
	if (kept && lines->from)
		memmove(lines->bytes, lines->bytes + lines->from, kept);
	lines->searched -= lines->from;
	lines->from = 0;
	lines->length = kept;
	if (kept == 0 && lines->capacity > PIECE_SIZE)
		lines_done(lines); /* a long line must not be paid for ever after */
	if (lines->capacity - lines->length < PIECE_SIZE) {
		size_t capacity = 2 * lines->length + PIECE_SIZE;
		char *bytes = realloc(lines->bytes, capacity);
		if (!bytes)
			return NULL;
		lines->bytes = bytes;
		lines->capacity = capacity;
	}
	*ret_size = lines->capacity - lines->length;
	return lines->bytes + lines->length;
}

void lines_grew(struct lines *lines, size_t n)
{
	lines->length += n;
}

bool lines_next(struct lines *lines, const char **ret, size_t *ret_n)
{
	size_t unsearched = lines->length - lines->searched;
	const char *end =
	    unsearched ? memchr(lines->bytes + lines->searched, '\n', unsearched) : NULL;
	if (!end) {
		lines->searched = lines->length;
		return false;
	}
	*ret = lines->bytes + lines->from;
	*ret_n = (size_t)(end - *ret);
	lines->from += *ret_n + 1;
	lines->searched = lines->from;
	return true;
}

bool lines_rest(struct lines *lines, const char **ret, size_t *ret_n)
{
	if (lines->from == lines->length)
		return false;
	*ret = lines->bytes + lines->from;
	*ret_n = lines->length - lines->from;
	lines->from = lines->searched = lines->length;
	return true;
}
