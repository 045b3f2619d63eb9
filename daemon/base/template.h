/*
 * template: text with a trigger's values in it, as in "{{ headers.x-github-event }}: {{ body.title }}".
 *
 *   {{ body }}            the whole body
 *   {{ body.a.b }}        a member of it; body.items.0.name has the first element of an array
 *   {{ headers.NAME }}    a header; upper and lower case are the same
 *   {{ source }}          as in "POST /github"
 *   {{ timestamp }}       as in "2026-01-31T09:00:00Z"
 *   {{{{                  the text {{
 *
 * White space inside the braces does not matter; }} outside of them is text. A string comes out as it is,
 * a number in its shortest form, null and what is missing as nothing, an object or array as compact JSON
 * in its own order. A header that came several times is its values with ", " between them (RFC 9110,
 * section 5.3). A member whose name has a dot, a brace or white space in it, or is empty, has no path.
 *
 * There is no logic and there are no escapes: what is put in is not looked at again, so no data can make
 * a template. Nor is it quoted: a template that is JSON around a string of somebody else's is not JSON
 * for long.
 *
 * A template is immutable. Pure; any thread, if the getter is so.
 */
#ifndef AGENTD_BASE_TEMPLATE_H
#define AGENTD_BASE_TEMPLATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "daemon/base/buf.h"

struct template;

/* 0; -ENOMEM; or -EINVAL with a reason, which begins with the column (in characters, from 1; and with the
 * line, if there are several) and says what is expected there. */
int template_parse(const char *text, struct template **ret, char *reason, size_t size);
void template_free(struct template *template);
/* The first value in it that is never there, if there are no headers, and the body is an object with these members, which are
 * no objects; their list ends with NULL. Its name goes to ret, cut to size. False: there is none. */
bool template_find_missing(
    const struct template *template, const char *const *members, char *ret, size_t size);

/* All borrowed, for the time of the call; NULL: missing. */
struct template_values {
	const json_t *body;
	/* The nth value of a header, from 0, whatever the case of its name; NULL: it has none. */
	const char *(*header)(const void *arg, const char *name, unsigned nth);
	const void *arg;
	const char *source, *timestamp;
};

/*
 * Adds the text to `out`: UTF-8 if the template, the source and the timestamp are; headers are repaired.
 * It has a NUL in it if a string of the body has. 0; -EMSGSIZE, it would be more than `most` bytes; or
 * -ENOMEM. After a failure `out` is as long as before.
 */
int template_render(const struct template *template, const struct template_values *values,
    size_t most, struct buf *out);

#endif
