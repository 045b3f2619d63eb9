/*
 * harmless: what others wrote, made fit for a terminal and for a line of its own. What a client, an agent
 * or a session's other side says may hold sequences that move a cursor, set a title or answer back, also
 * in one character (U+009B), and such as make text look as if it went the other way.
 */
#ifndef AGENTD_BASE_HARMLESS_H
#define AGENTD_BASE_HARMLESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/buf.h"

/* Control characters, and those that change the direction of text, as \x1b or \u202e. With `lines`,
 * newlines and tabs pass. What is no UTF-8 becomes U+FFFD. */
void harmless_add(struct buf *out, const char *text, size_t n, bool lines);
/* One character of good UTF-8; returns its bytes. */
size_t harmless_decode(const char *text, uint32_t *ret);

#endif
