/* api: what the endpoints have to work with, and the endpoints, a file for each group. */
#ifndef AGENTD_HTTP_API_H
#define AGENTD_HTTP_API_H

#include "daemon/http/server.h"
#include "daemon/run/registry.h"
#include "daemon/run/run.h"

struct route_params;

/* All borrowed. */
struct api {
	const struct settings *settings;
	struct registry *registry;
	struct runs *runs;
	bool draining;
};

typedef void api_handler(
    struct api *api, struct http_request *request, const struct route_params *params);

/* api_health.c */
api_handler api_health, api_ready;
/* api_agents.c */
api_handler api_agents_list, api_agents_get;
/* api_run.c */
api_handler api_run, api_agents_run;

/* The agent that a path names; NULL after answering 404. */
struct agent *api_agent(struct api *api, struct http_request *request, const char *name);
/* A JSON answer with status 200. */
void api_reply_json(struct http_request *request, struct buf *body);

#endif
