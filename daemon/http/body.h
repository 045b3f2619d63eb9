/*
 * body: what a request carries, as JSON. A JSON body is taken whatever text or form type it is declared as,
 * so that a plain curl -d works; what is certainly something else is not.
 */
#ifndef AGENTD_HTTP_BODY_H
#define AGENTD_HTTP_BODY_H

#include <jansson.h>

#include "daemon/http/server.h"

/* False: it is of another kind, which is answered with 415. */
bool body_has_good_type(struct http_request *request);

/* Each gives a new reference, and drops the body; or NULL, after answering that it is not JSON (400). */

/* `flags` are jansson's; nothing at all is not JSON. */
json_t *body_read(struct http_request *request, size_t flags);
/* Any JSON value; nothing at all is an empty object. */
json_t *body_read_any(struct http_request *request);
/* The same, or a form (application/x-www-form-urlencoded) as form.h has it. */
json_t *body_read_or_form(struct http_request *request);

#endif
