/*
 * api_paths: a request to a path of an interface goes to its process as it came, and what that says goes back. No auth
 * is asked: how a platform proves itself is the interface's affair.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/id.h"
#include "daemon/chat/chats.h"
#include "daemon/http/api.h"
#include "daemon/http/caller.h"
#include "daemon/http/problem.h"

static const struct {
	const char *name;
	enum http_method method;
} methods[] = { { "GET", HTTP_GET }, { "POST", HTTP_POST }, { "PUT", HTTP_PUT },
	{ "PATCH", HTTP_PATCH }, { "DELETE", HTTP_DELETE } };

/* NULL: an interface can have no such method. HEAD is GET without a body. */
static const char *method_name(enum http_method method)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (methods[i].method == method)
			return methods[i].name;
	return NULL;
}

struct interface *api_path_find(
    const struct api *api, const struct http_request *request, unsigned *ret_methods)
{
	struct interface *found = NULL, *interface;
	*ret_methods = 0;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		bool allowed;
		interface = chats_interface_of_path(
		    api->chats, http_path(request), methods[i].name, &allowed);
		if (!interface)
			return NULL;
		if (allowed)
			*ret_methods |= methods[i].method;
		if (allowed && methods[i].method == http_method(request))
			found = interface;
	}
	return found;
}

struct asked {
	struct http_request *request; /* borrowed */
	struct interface *interface;  /* borrowed */
	struct interface_call *call;  /* until it is answered, or dropped */
};

static void on_gone(void *arg)
{
	struct asked *asked = arg;
	interface_call_drop(asked->call);
	free(asked);
}

/* When its process is started again; soon, if it is there, or nobody knows. */
static void reply_unavailable(
    struct http_request *request, const struct interface *interface, const char *why)
{
	struct interface_view view;
	char seconds[24];
	uint64_t now = clock_wall_ms();
	interface_look(interface, &view);
	snprintf(seconds, sizeof(seconds), "%llu",
	    view.retry_at_wall_ms > now
		? (unsigned long long)(view.retry_at_wall_ms - now + 999) / 1000
		: 1);
	http_add_header(request, "Retry-After", seconds);
	problem_reply(request, PROBLEM_INTERFACE_UNAVAILABLE, "%s", why);
}

/* RFC 9110, sections 15.3.5, 15.3.6 and 15.4.5. */
static bool has_body(const struct interface_answer *answer)
{
	return answer->status != 204 && answer->status != 205 && answer->status != 304;
}

static void on_answered(void *arg, const struct interface_answer *answer)
{
	struct asked asked = *(struct asked *)arg;
	struct buf body = { 0 };
	free(arg);
	http_on_gone(asked.request, NULL, NULL);
	if (!answer->content_type) {
		reply_unavailable(asked.request, asked.interface, "the interface gave no answer");
	} else if (!has_body(answer)) {
		http_reply(asked.request, (int)answer->status, NULL, NULL);
	} else {
		buf_add(&body, answer->body.p ? answer->body.p : "", answer->body.n);
		http_reply(asked.request, (int)answer->status, answer->content_type, &body);
	}
}

/* NULL: it cannot be asked. */
static struct interface_call *ask(struct asked *asked, struct buf *headers)
{
	struct http_request *request = asked->request;
	const char *query = strchr(http_target(request), '?');
	struct interface_request what = {
		.method = method_name(http_method(request)),
		.path = http_path(request),
		.query = query ? query + 1 : NULL,
	};
	what.body.p = http_body(request, &what.body.n);
	caller_add_headers(request, NULL, NULL, headers);
	what.headers = (struct frame_text){ headers->data, headers->length };
	return headers->failed ? NULL : interface_ask(asked->interface, &what, on_answered, asked);
}

void api_path(struct api *api, struct http_request *request, struct interface *interface)
{
	struct buf headers = { 0 };
	if (caller_is_page(request))
		return;
	if (*api->draining) {
		http_add_header(request, "Retry-After", "1");
		problem_reply(request, PROBLEM_DRAINING, "agentd is stopping");
		return;
	}
	struct asked *asked = calloc(1, sizeof(*asked));
	if (!asked) {
		problem_reply(request, PROBLEM_INTERNAL, "out of memory");
		return;
	}
	*asked = (struct asked){ .request = request, .interface = interface };
	asked->call = ask(asked, &headers);
	if (headers.failed)
		problem_reply(request, PROBLEM_INTERNAL, "out of memory");
	else if (!asked->call)
		reply_unavailable(request, interface, "the interface cannot be asked now");
	else
		http_on_gone(request, on_gone, asked);
	if (asked->call)
		http_drop_body(request);
	else
		free(asked);
	buf_done(&headers);
}
