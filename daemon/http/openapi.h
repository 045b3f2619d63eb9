/*
 * openapi: the OpenAPI 3.1 document of this server. What there is comes from the table of routes, what
 * can go wrong from the table of problems, and what the bodies are from schemas.json, which is the
 * document without its paths. Made when it is asked for, so it costs nothing until then.
 */
#ifndef AGENTD_HTTP_OPENAPI_H
#define AGENTD_HTTP_OPENAPI_H

#include <jansson.h>
#include <stdbool.h>

struct build_failure;

struct openapi_setup {
	const char *title;
	bool auth;         /* http.auth is configured: without credentials there is no way */
	bool metrics_auth; /* and /metrics asks for them too */
	/* In dev mode the document says so ("x-dev"), and how the last build failed. */
	bool dev;
	const struct build_failure *failure; /* borrowed; NULL: it did not */
	/* Where a key may be; NULL: it is a bearer, or there is none. */
	const char *key_header;
};

/* NULL: memory is out. */
json_t *openapi_make(const struct openapi_setup *setup);

#endif
