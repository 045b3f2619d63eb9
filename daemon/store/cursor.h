/* cursor: how far a list has been read, as text. Private to daemon/store. */
#ifndef AGENTD_STORE_CURSOR_H
#define AGENTD_STORE_CURSOR_H

#include <stdint.h>

#define CURSOR_SIZE 24

/* The position of a cursor; INT64_MAX for none. Negative: it is none of ours. */
int64_t cursor_read(const char *cursor);
/* `into` has CURSOR_SIZE bytes. Returns it. */
const char *cursor_write(char *into, int64_t position);

#endif
