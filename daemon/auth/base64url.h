/*
 * base64url: decodes base64url without padding (RFC 7515, section 2; RFC 4648, section 5), strictly.
 *
 * Refused, because then one value would have several texts: padding, white space, the characters of
 * standard base64, and bits after the end that are not zero (RFC 4648, section 3.5). Pure.
 */
#ifndef AGENTD_AUTH_BASE64URL_H
#define AGENTD_AUTH_BASE64URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bytes that n characters stand for. */
#define BASE64URL_DECODED(n) ((n) / 4 * 3 + (n) % 4 * 3 / 4)

/* Whether base64url_decode would take it; nothing at all is good. */
bool base64url_is_good(const char *text, size_t n);
/* Into BASE64URL_DECODED(n) bytes. 0; or -EINVAL, and then what is in there means nothing. */
int base64url_decode(const char *text, size_t n, uint8_t *into);

#endif
