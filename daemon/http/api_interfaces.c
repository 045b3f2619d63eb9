/*
 * api_interfaces: how interfaces and hooks do, and their restart. Options are not shown: some are secrets. An
 * interface is for who may use its agent; a hook sees what all write, and is of no agent, so it is for admins.
 */
#include "daemon/base/log.h"
#include "daemon/chat/chats.h"
#include "daemon/http/api.h"
#include "daemon/http/problem.h"
#include "daemon/http/route.h"

static void add_interface_limits(struct buf *out, const struct interface_settings *settings)
{
	const struct host_limits *limits = &settings->instance.limits;
	buf_addf(out,
	    "{\"max_concurrent_requests\":%lld,\"rate_limit_messages_per_minute\":%lld,"
	    "\"session_ttl\":%.3f,\"max_session_history\":%lld,\"max_attempts\":%lld,"
	    "\"memory\":%lld,\"files\":%lld}",
	    (long long)settings->max_concurrent_requests,
	    (long long)settings->rate_limit_messages_per_minute,
	    (double)settings->session_ttl_ms / 1000, (long long)settings->max_session_history,
	    (long long)settings->max_attempts, (long long)limits->memory, (long long)limits->files);
}

static void add_paths(struct buf *out, const struct interface_settings *settings)
{
	buf_add_str(out, ",\"paths\":[");
	for (size_t i = 0; i < settings->path_count; i++)
		buf_addf(out, "%s{\"method\":\"%s\",\"path\":\"%s\"}", i ? "," : "",
		    settings->paths[i].method, settings->paths[i].path);
	buf_add_str(out, "]");
}

static void add_interface(
    struct buf *out, const struct principal *who, const struct interface *interface)
{
	const struct interface_settings *settings = interface_settings(interface);
	struct interface_view view;
	interface_look(interface, &view);
	struct api_process process = {
		.state = view.state,
		.generation = view.generation,
		.pids = &view.pid,
		.pid_count = view.pid != 0,
		.restarts = view.restarts,
		.last_exit = view.last_exit,
		.retry_at_wall_ms = view.retry_at_wall_ms,
	};
	buf_add_str(out, "{");
	api_process_write(out, who, &settings->instance, interface_descriptor(interface), &process);
	buf_addf(out, ",\"agent\":\"%s\",\"platform\":", settings->agent);
	buf_add_json_str(out, settings->platform);
	buf_addf(out, ",\"open\":%s,\"hooks\":[", settings->open ? "true" : "false");
	for (size_t i = 0; i < settings->hooks.count; i++)
		buf_addf(out, "%s\"%s\"", i ? "," : "", settings->hooks.items[i]);
	buf_add_str(out, "]");
	add_paths(out, settings);
	buf_addf(out,
	    ",\"received\":%llu,\"answered\":%llu,\"failed\":%llu,\"waiting\":%zu,\"limits\":",
	    (unsigned long long)view.received, (unsigned long long)view.answered,
	    (unsigned long long)view.failed, view.waiting);
	add_interface_limits(out, settings);
	buf_add_str(out, "}");
}

void api_interfaces_list(
    struct api *api, struct http_request *request, const struct route_params *params)
{
	(void)params;
	struct buf body = { 0 };
	const struct interface *interface;
	bool first = true;
	buf_add_str(&body, "{\"interfaces\":[");
	for (size_t i = 0; (interface = chats_interface_at(api->chats, i)); i++) {
		if (!principal_may_use(
			http_principal(request), interface_settings(interface)->agent))
			continue;
		buf_add_str(&body, first ? "" : ",");
		add_interface(&body, http_principal(request), interface);
		first = false;
	}
	buf_add_str(&body, "]}");
	api_reply_json(request, &body);
}

/* NULL: answered. */
static struct interface *find_interface(
    struct api *api, struct http_request *request, const char *name)
{
	struct interface *interface = chats_interface_find(api->chats, name);
	if (!interface) {
		problem_reply(request, PROBLEM_NOT_FOUND, "there is no interface \"%s\"", name);
		return NULL;
	}
	const char *agent = interface_settings(interface)->agent;
	return api_may_use(request, registry_find(api->registry, agent)) ? interface : NULL;
}

void api_interfaces_get(
    struct api *api, struct http_request *request, const struct route_params *params)
{
	struct interface *interface = find_interface(api, request, params->value[0]);
	struct buf body = { 0 };
	if (!interface)
		return;
	add_interface(&body, http_principal(request), interface);
	api_reply_json(request, &body);
}

static void reply_restarting(
    struct http_request *request, const char *what, const struct instance_settings *settings)
{
	struct buf body = { 0 };
	log_info("%s: a restart was asked for", settings->label);
	buf_addf(&body, "{\"%s\":\"%s\",\"status\":\"restarting\"}\n", what, settings->name);
	http_reply(request, 202, "application/json", &body);
}

void api_interfaces_restart(
    struct api *api, struct http_request *request, const struct route_params *params)
{
	struct interface *interface = find_interface(api, request, params->value[0]);
	if (!interface)
		return;
	interface_restart(interface);
	reply_restarting(request, "interface", &interface_settings(interface)->instance);
}

/* Hooks. */

static void add_hook(struct buf *out, const struct principal *who, const struct hook *hook)
{
	const struct hook_settings *settings = hook_settings(hook);
	const struct host_limits *limits = &settings->instance.limits;
	struct hook_view view;
	hook_look(hook, &view);
	struct api_process process = {
		.state = view.state,
		.generation = view.generation,
		.pids = &view.pid,
		.pid_count = view.pid != 0,
		.restarts = view.restarts,
		.last_exit = view.last_exit,
		.retry_at_wall_ms = view.retry_at_wall_ms,
	};
	buf_add_str(out, "{");
	api_process_write(out, who, &settings->instance, hook_descriptor(hook), &process);
	buf_addf(out,
	    ",\"calls\":%llu,\"waiting\":%zu,\"limits\":{\"timeout\":%.3f,\"memory\":%lld,"
	    "\"files\":%lld}}",
	    (unsigned long long)view.calls, view.waiting, (double)settings->timeout_ms / 1000,
	    (long long)limits->memory, (long long)limits->files);
}

void api_hooks_list(
    struct api *api, struct http_request *request, const struct route_params *params)
{
	(void)params;
	struct buf body = { 0 };
	const struct hook *hook;
	buf_add_str(&body, "{\"hooks\":[");
	for (size_t i = 0; (hook = chats_hook_at(api->chats, i)); i++) {
		buf_add_str(&body, i ? "," : "");
		add_hook(&body, http_principal(request), hook);
	}
	buf_add_str(&body, "]}");
	api_reply_json(request, &body);
}

static struct hook *find_hook(struct api *api, struct http_request *request, const char *name)
{
	struct hook *hook = chats_hook_find(api->chats, name);
	if (!hook)
		problem_reply(request, PROBLEM_NOT_FOUND, "there is no hook \"%s\"", name);
	return hook;
}

void api_hooks_get(struct api *api, struct http_request *request, const struct route_params *params)
{
	struct hook *hook = find_hook(api, request, params->value[0]);
	struct buf body = { 0 };
	if (!hook)
		return;
	add_hook(&body, http_principal(request), hook);
	api_reply_json(request, &body);
}

void api_hooks_restart(
    struct api *api, struct http_request *request, const struct route_params *params)
{
	struct hook *hook = find_hook(api, request, params->value[0]);
	if (!hook)
		return;
	hook_restart(hook);
	reply_restarting(request, "hook", &hook_settings(hook)->instance);
}
