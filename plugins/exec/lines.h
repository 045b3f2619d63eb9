/* lines: bytes that come in pieces, and go as lines. */
#ifndef EXEC_LINES_H
#define EXEC_LINES_H

#include <stdbool.h>
#include <stddef.h>

struct lines { /* zero: empty; treat as private */
	char *bytes;
	size_t from, searched, length, capacity; /* from the first that is no line yet */
};

void lines_done(struct lines *lines);
/* Room for some bytes, of which lines_grew counts those that were used. NULL: the line is longer than
 * `most`, or memory is out. */
char *lines_room(struct lines *lines, size_t most, size_t *ret_size);
void lines_grew(struct lines *lines, size_t n);
/* Takes the next whole line, without its newline. Borrowed until lines_room. */
bool lines_next(struct lines *lines, const char **ret, size_t *ret_n);
/* Takes what is left, as the last line. */
bool lines_rest(struct lines *lines, const char **ret, size_t *ret_n);

#endif
