/*
 * route: which function answers which path. One table; a new route is a row. HEAD is answered as
 * GET without a body, OPTIONS with the methods a path has, a method it has not with 405 and Allow.
 */
#ifndef AGENTD_HTTP_ROUTE_H
#define AGENTD_HTTP_ROUTE_H

#include "daemon/http/api.h"

#define ROUTE_PARAMS_MAX 2

/* The values of a pattern's {…} parts, in order. A longer one names nothing that there is. */
struct route_params {
	char value[ROUTE_PARAMS_MAX][260]; /* a session's id has up to 256 bytes */
};

/* Whether a path is agentd's own, whatever the method. */
bool route_is_taken(const char *path);
/* The handler for http_server_new; arg is the struct api. */
void route_request(void *arg, struct http_request *request);

#endif
