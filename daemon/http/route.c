/* route: who may ask, and the walk along the table of routes.c. */
#include "daemon/http/route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/http/access.h"
#include "daemon/http/origin.h"
#include "daemon/http/problem.h"
#include "daemon/http/routes.h"
#include "daemon/trigger/trigger.h"

/* Whether a path fits a pattern. A {…} part takes one segment, which is copied into params. */
static bool matches(const char *pattern, const char *path, struct route_params *params)
{
	size_t n = 0;
	while (*pattern) {
		if (*pattern != '{') {
			if (*pattern++ != *path++)
				return false;
			continue;
		}
		size_t length = strcspn(path, "/");
		if (length == 0 || length >= sizeof(params->value[n]))
			return false;
		memcpy(params->value[n], path, length);
		params->value[n++][length] = '\0';
		path += length;
		pattern = strchr(pattern, '}') + 1;
	}
	return *path == '\0';
}

/* What a browser asks before a page of another origin may send its request (Fetch standard, CORS
 * protocol); whether that page may at all is_acceptable has said. */
static bool is_preflight(const struct http_request *request)
{
	return http_method(request) == HTTP_OPTIONS && http_header(request, "Origin") &&
	       http_header(request, "Access-Control-Request-Method");
}

static void reply_not_allowed(const struct api *api, struct http_request *request, unsigned methods)
{
	static const struct {
		enum http_method method;
		const char *name;
	} names[] = {
		{ HTTP_GET, "GET, HEAD" },
		{ HTTP_POST, "POST" },
		{ HTTP_PUT, "PUT" },
		{ HTTP_DELETE, "DELETE" },
		{ HTTP_PATCH, "PATCH" },
	};
	char allow[64] = "OPTIONS";
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (methods & names[i].method)
			snprintf(allow + strlen(allow), sizeof(allow) - strlen(allow), ", %s",
			    names[i].name);
	http_add_header(request, "Allow", allow);
	if (is_preflight(request)) {
		http_add_header(request, "Access-Control-Allow-Methods", allow);
		access_add_allowed_headers(request, api->settings);
		http_add_header(request, "Access-Control-Max-Age", "600");
	}
	if (http_method(request) == HTTP_OPTIONS)
		http_reply(request, 204, NULL, NULL);
	else
		problem_reply(
		    request, PROBLEM_METHOD_NOT_ALLOWED, "%s takes %s", http_path(request), allow);
}

/* What stands before every route: framing, then who may ask. False: answered. */
static bool is_acceptable(struct http_request *request)
{
	const struct http_settings *settings = http_settings(request);
	const char *host = http_header(request, "Host"), *origin = http_header(request, "Origin");
	const char *reason;
	int refused = http_refused(request, &reason);
	if (refused) {
		enum problem problem = refused == 400   ? PROBLEM_BAD_REQUEST
				       : refused == 413 ? PROBLEM_PAYLOAD_TOO_LARGE
				       : refused == 501 ? PROBLEM_NOT_IMPLEMENTED
							: PROBLEM_INTERNAL;
		if (problem == PROBLEM_PAYLOAD_TOO_LARGE)
			problem_reply(request, problem, "%s: at most %lld bytes are taken", reason,
			    (long long)settings->max_body);
		else
			problem_reply(request, problem, "%s", reason);
		return false;
	}
	if (host && settings->loopback_only && !http_is_local(request) &&
	    !origin_host_is_ours(settings, host)) {
		http_note_refusal(request, "Host is not this server");
		problem_reply(request, PROBLEM_FORBIDDEN,
		    "Host \"%.100s\" is not this server; if it is, name it in http.hosts", host);
		return false;
	}
	if (settings->cors_origins.count)
		http_add_header(request, "Vary", "Origin");
	if (origin && origin_is_allowed(settings, origin)) {
		http_add_header(request, "Access-Control-Allow-Origin", origin);
		http_add_header(request, "Access-Control-Expose-Headers",
		    "Retry-After, WWW-Authenticate, X-Request-Id");
	} else if (origin && !(host && origin_is_same(origin, host))) {
		http_note_refusal(request, "a page of another origin");
		problem_reply(request, PROBLEM_FORBIDDEN,
		    "a page of %.100s may not use this server; if it should, name it in "
		    "http.cors_origins",
		    origin);
		return false;
	}
	if (!http_path(request)) {
		problem_reply(request, PROBLEM_BAD_REQUEST,
		    "the path is not acceptable: it has a broken escape, or one of / or NUL, a part . or .., "
		    "a #, a second / in front, or is not UTF-8");
		return false;
	}
	return true;
}

/* The row of a path and a method, with the values of its parts. NULL: there is none; *ret_methods says
 * which the path has. */
static const struct route *find_route(const struct settings *settings,
    const struct http_request *request, struct route_params *params, unsigned *ret_methods)
{
	*ret_methods = 0;
	for (size_t i = 0; i < route_count; i++) {
		if (!matches(routes[i].pattern, http_path(request), params))
			continue;
		if (routes[i].auth == ROUTE_DOCS && !settings->http.docs)
			continue; /* as if it were not there */
		*ret_methods |= routes[i].method;
		if (routes[i].method == http_method(request))
			return &routes[i];
	}
	return NULL;
}

/* A page that is there only when it is turned on. */
static bool is_docs(const char *path)
{
	struct route_params params;
	for (size_t i = 0; i < route_count; i++)
		if (routes[i].auth == ROUTE_DOCS && matches(routes[i].pattern, path, &params))
			return true;
	return false;
}

bool route_is_taken(const char *path)
{
	struct route_params params;
	for (size_t i = 0; i < route_count; i++)
		if (matches(routes[i].pattern, path, &params))
			return true;
	return false;
}

/* What there is for a request: a row of the table, or a webhook of the config, or a path of an interface, or
 * nothing. */
struct place {
	const struct route *route;
	const struct trigger *webhook;
	struct interface *interface;
	struct route_params params;
	unsigned methods; /* that its path has */
};

static struct place find_place(const struct api *api, const struct http_request *request)
{
	struct place place = { 0 };
	const struct trigger *webhook;
	place.route = find_route(api->settings, request, &place.params, &place.methods);
	if (place.methods)
		return place;
	for (size_t i = 0; (webhook = triggers_of_path(api->triggers, http_path(request), i));
	     i++) {
		place.methods |= api_webhook_method(webhook);
		if (api_webhook_method(webhook) == http_method(request))
			place.webhook = webhook;
	}
	unsigned methods;
	place.interface = api_path_find(api, request, &methods);
	place.methods |= methods;
	return place;
}

static void handle(struct api *api, struct http_request *request)
{
	struct place place = find_place(api, request);
	if (place.route)
		place.route->handle(api, request, &place.params);
	else if (place.webhook)
		api_webhook(api, request, place.webhook);
	else if (place.interface)
		api_path(api, request, place.interface);
	else if (place.methods)
		reply_not_allowed(api, request, place.methods);
	else
		problem_reply(request, PROBLEM_NOT_FOUND, "there is nothing at %s%s",
		    http_path(request),
		    is_docs(http_path(request)) ? "; http.docs: true, or --dev, turns it on" : "");
}

/* Who may not come in is not told what there is. A browser's preflight carries no credentials. */
static struct access_rule rule_of(const struct place *place, const struct http_request *request)
{
	if (place->route)
		return (struct access_rule){ place->route->auth, NULL };
	if (place->webhook)
		return (struct access_rule){
			place->webhook->settings->webhook.is_open ? ROUTE_NOBODY : ROUTE_USER,
			place->webhook->settings->webhook.auth,
		};
	if (place->interface)
		return (struct access_rule){ ROUTE_NOBODY, NULL };
	return (struct access_rule){ is_preflight(request) ? ROUTE_OPEN : ROUTE_USER, NULL };
}

void route_request(void *arg, struct http_request *request)
{
	struct api *api = arg;
	if (!is_acceptable(request))
		return;
	struct place place = find_place(api, request);
	access_ask(api, request, rule_of(&place, request), handle);
}
