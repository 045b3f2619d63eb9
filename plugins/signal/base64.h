/* base64: bytes as text (RFC 4648, with padding). Pure. */
#ifndef SIGNAL_BASE64_H
#define SIGNAL_BASE64_H

#include <stddef.h>

/* How long the text of n bytes is, without a NUL. */
size_t signal_base64_length(size_t n);
/* Writes that many characters, and no NUL. */
void signal_base64_write(char *out, const void *bytes, size_t n);

#endif
