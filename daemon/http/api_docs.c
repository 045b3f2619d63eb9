/* api_docs: the OpenAPI document, and a page that shows it. route.c has them only with http.docs. */
#include <stdlib.h>
#include <string.h>

#include "daemon/http/access.h"
#include "daemon/http/api.h"
#include "daemon/http/embed.h"
#include "daemon/http/openapi.h"
#include "daemon/http/problem.h"
#include "daemon/proc/build.h"

/* The page is all in one file, and asks nobody but this server. In another page's frame its buttons could be
 * clicked by somebody who does not see them. */
#define DOCS_POLICY                                                           \
	"default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; " \
	"script-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"

void api_openapi(struct api *api, struct http_request *request, const struct route_params *params)
{
	(void)params;
	const struct http_settings *http = &api->settings->http;
	struct openapi_setup setup = {
		.title = api->settings->name,
		.auth = http->auth,
		.metrics_auth = http->auth && strcmp(http->metrics_auth_word, "none") != 0,
		.dev = api->build != NULL,
		.failure = api->build ? build_failure(api->build) : NULL,
		.key_header = http->auth ? access_key_header(http->auth) : "X-API-Key",
	};
	json_t *document = openapi_make(&setup);
	char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
	struct buf body = { 0 };
	json_decref(document);
	if (text) {
		buf_add_str(&body, text);
		api_reply_json(request, &body);
	} else {
		problem_reply(request, PROBLEM_INTERNAL, "out of memory");
	}
	free(text);
}

void api_docs(struct api *api, struct http_request *request, const struct route_params *params)
{
	(void)api;
	(void)params;
	struct buf body = { 0 };
	buf_add(&body, embed_docs, (size_t)(embed_docs_end - embed_docs));
	http_add_header(request, "Content-Security-Policy", DOCS_POLICY);
	http_reply(request, 200, "text/html; charset=utf-8", &body);
}
