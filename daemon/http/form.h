/*
 * form: application/x-www-form-urlencoded as JSON. Pure.
 *
 * An object of texts, in which a name that comes again has a list of them; a `payload` that is a JSON object,
 * as GitHub and Slack send it, is that. Escapes are strict, since a broken one is a body that was cut; a
 * byte that should have been escaped and is not stands for itself, as people write forms with curl.
 */
#ifndef AGENTD_HTTP_FORM_H
#define AGENTD_HTTP_FORM_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Whether a body that is declared as a form is one: JSON is not, which curl -d declares so. Neither { nor [
 * stands in a form as it is. */
bool form_looks_like_one(const char *text, size_t length);

/* A new reference. NULL: a name is missing, an escape is broken, there is a NUL, or it is not UTF-8; or
 * memory is out. */
json_t *form_read(const char *text, size_t length);

#endif
