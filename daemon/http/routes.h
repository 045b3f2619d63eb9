/*
 * routes: what the API has. One table; a new route is a row. route.c walks along it, and the OpenAPI
 * document (openapi.c) is made from it, so the two cannot differ.
 */
#ifndef AGENTD_HTTP_ROUTES_H
#define AGENTD_HTTP_ROUTES_H

#include "daemon/http/api.h"

/* Who may ask, once http.auth says that there is somebody to tell apart. */
enum route_auth {
	ROUTE_OPEN,    /* everybody */
	ROUTE_METRICS, /* as http.metrics_auth says */
	ROUTE_USER,    /* whoever the auth knows */
	ROUTE_ADMIN,
};

struct route {
	enum http_method method;
	const char *pattern;
	enum route_auth auth;
	api_handler *handle;
};

extern const struct route routes[];
extern const size_t route_count;

#endif
