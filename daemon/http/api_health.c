/* api_health: whether the daemon lives (/health), and whether all of it serves (/ready). */
#include <string.h>

#include "daemon/chat/chats.h"
#include "daemon/http/api.h"

void api_reply_json(struct http_request *request, struct buf *body)
{
	buf_add(body, "\n", 1);
	http_reply(request, 200, "application/json", body);
}

void api_health(struct api *api, struct http_request *request, const struct route_params *params)
{
	(void)params;
	struct agent *agent = registry_default(api->registry);
	struct buf body = { 0 };
	buf_add_str(&body, "{\"status\":\"ok\",\"agent\":");
	if (agent)
		buf_add_json_str(&body, agent_settings(agent)->instance.name);
	else
		buf_add_str(&body, "null");
	buf_add_str(&body, "}");
	api_reply_json(request, &body);
}

/* The name of one that is not ready, if it is not. */
static void add_missing(
    struct buf *missing, enum state state, const struct instance_settings *settings)
{
	if (state == STATE_READY)
		return;
	buf_add_str(missing, missing->length ? "," : "");
	buf_add_json_str(missing, settings->name);
}

static void add_all_missing(struct buf *missing, const struct api *api)
{
	struct agent *agent;
	const struct interface *interface;
	const struct hook *hook;
	for (size_t i = 0; (agent = registry_at(api->registry, i)); i++) {
		struct agent_view view;
		agent_look(agent, &view);
		add_missing(missing, view.state, &agent_settings(agent)->instance);
	}
	for (size_t i = 0; (interface = chats_interface_at(api->chats, i)); i++) {
		struct interface_view view;
		interface_look(interface, &view);
		add_missing(missing, view.state, &interface_settings(interface)->instance);
	}
	for (size_t i = 0; (hook = chats_hook_at(api->chats, i)); i++) {
		struct hook_view view;
		hook_look(hook, &view);
		add_missing(missing, view.state, &hook_settings(hook)->instance);
	}
}

/* All writes fail, whoever is ready. The name may be an agent's, too: why it is in the list tells which. */
static void add_store(struct buf *missing, struct buf *why, int error)
{
	if (!error)
		return;
	buf_addf(missing, "%s\"store\"", missing->length ? "," : "");
	buf_add_str(why, ",\"store_error\":");
	buf_add_json_str(why, strerror(-error));
}

void api_ready(struct api *api, struct http_request *request, const struct route_params *params)
{
	(void)params;
	struct buf body = { 0 }, missing = { 0 }, why = { 0 };
	add_all_missing(&missing, api);
	add_store(&missing, &why, store_trouble(api->store));
	bool ready = missing.length == 0 && !*api->draining;
	buf_addf(&body, "{\"status\":\"%s\",\"not_ready\":[%.*s]%.*s}\n",
	    ready            ? "ready"
	    : *api->draining ? "draining"
			     : "not ready",
	    (int)missing.length, missing.data ? missing.data : "", (int)why.length,
	    why.data ? why.data : "");
	buf_done(&missing);
	buf_done(&why);
	http_reply(request, ready ? 200 : 503, "application/json", &body);
}
