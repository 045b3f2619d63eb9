/*
 * text: how wide what others wrote is on a terminal, once daemon/base/harmless has made it fit for one; and
 * sizes and times as people read them.
 */
#ifndef AGENTCTL_TEXT_H
#define AGENTCTL_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/base/buf.h"

/* How many columns it takes: good UTF-8 without control characters, as harmless_add gives it. */
size_t text_width(const char *text, size_t n);
/* How many of its bytes fit into so many columns. */
size_t text_fit(const char *text, size_t n, size_t columns);
/* The columns of a terminal; 0 if it is none. */
size_t text_columns(int fd);

/* "1.5M", as `du -h` has it. */
void text_add_size(struct buf *out, uint64_t bytes);
/* How long ago a time of the server was: "now", "12s", "3m", "2h", "5d"; "" if it is none. */
void text_add_age(struct buf *out, const char *rfc3339, uint64_t now_wall_ms);
/* How long it is until then: "now", "in 12s", "in 3m"; "" if it is none. */
void text_add_wait(struct buf *out, const char *rfc3339, uint64_t now_wall_ms);

#endif
