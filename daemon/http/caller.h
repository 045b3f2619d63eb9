/*
 * caller: who calls a path that is there for another service: a webhook's, or an interface's.
 */
#ifndef AGENTD_HTTP_CALLER_H
#define AGENTD_HTTP_CALLER_H

#include "daemon/http/server.h"

/* Whether a header, of that name, is passed on. */
typedef bool (*caller_filter)(
    const void *arg, const struct http_request *request, const char *name);

/* All headers as a JSON object, names in lower case; several of one name are one, with ", " between them.
 * `is_shown`: NULL, all are. */
void caller_add_headers(
    const struct http_request *request, caller_filter is_shown, const void *arg, struct buf *out);

/* Whether it is a browser for a page of another site, which is answered with 403. */
bool caller_is_page(struct http_request *request);

#endif
