/*
 * base64: bytes as text, and back (RFC 4648, section 4). Pure.
 *
 * Padding may be left out whole. Refused is what else would give one value several texts: a part of the
 * padding, white space, other characters, and bits after the end that are not zero (section 3.5).
 */
#ifndef AGENTD_BASE_BASE64_H
#define AGENTD_BASE_BASE64_H

#include <stddef.h>

#include "daemon/base/buf.h"

/* Whether it stands for any bytes; nothing at all is good. */
bool base64_is_good(const char *text, size_t n);
/* How many bytes a good text stands for; it is not read for that. */
size_t base64_bytes(const char *text, size_t n);
/* Writes them. */
void base64_decode(const char *text, size_t n, void *into);
/* Adds bytes as text, with padding. */
void base64_encode(struct buf *out, const void *bytes, size_t n);

#endif
