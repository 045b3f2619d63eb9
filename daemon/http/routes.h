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
	ROUTE_NOBODY,  /* everybody, as nobody in particular */
	ROUTE_DOCS,    /* everybody; it is there only with http.docs */
	ROUTE_METRICS, /* as http.metrics_auth says */
	ROUTE_USER,    /* whoever the auth knows */
	ROUTE_ADMIN,
};

/* What a request is answered with, errors aside. */
struct route_reply {
	int status;
	const char *type;   /* NULL: it has no body */
	const char *schema; /* of the body: a name in schemas.json; NULL: it is text */
	const char *what;
};

struct route {
	enum http_method method;
	const char *pattern;
	enum route_auth auth;
	api_handler *handle;
	/* All that follows is for the document. */
	const char *tag, *id; /* id: the operationId */
	const char *summary, *details;
	const char *takes[5]; /* beside what the path names: parameters of schemas.json */
	const char *body;     /* a schema of schemas.json; NULL: it takes none */
	struct route_reply replies[3];
	uint64_t problems; /* beside those that follow from the rest: bits, 1 << PROBLEM_… */
};

extern const struct route routes[];
extern const size_t route_count;

#endif
