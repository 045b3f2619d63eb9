/*
 * target: the path of a request target, decoded once (RFC 9112, section 3.2.1: origin form only).
 * Pure.
 *
 * Refused, because a proxy in front may read them in another way: a target that does not begin with
 * one "/", a "#", an encoded "/" or NUL, a segment "." or "..", bytes that are not printable ASCII
 * before decoding, text that is not UTF-8 after it.
 */
#ifndef AGENTD_HTTP_TARGET_H
#define AGENTD_HTTP_TARGET_H

#include <stddef.h>

/* "/runs/a%20b?x=1" → "/runs/a b", on the heap; NULL: refused, or out of memory. */
char *target_path(const char *target);
/* The first value of a name in the query (?name=value&…), decoded, to be freed; NULL: there is none.
 * 0; or -EINVAL: its escapes are broken, or it is not UTF-8. */
int target_query(const char *target, const char *name, char **ret);

#endif
