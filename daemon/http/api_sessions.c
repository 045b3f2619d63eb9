/* api_sessions: conversations, and their end. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/http/access.h"
#include "daemon/http/api.h"
#include "daemon/http/problem.h"
#include "daemon/http/reply.h"
#include "daemon/http/route.h"

#define MESSAGES_MAX 10000 /* of one session in one answer: the last ones */
#define BYTES_MAX    (8u << 20)

static void write_head(struct buf *out, const struct store_session *session)
{
	buf_add_str(out, "{\"session_id\":");
	buf_add_json_str(out, session->id);
	buf_add_str(out, ",\"agent\":");
	buf_add_json_str(out, session->agent);
	buf_add_str(out, ",\"user_id\":");
	if (session->user[0])
		buf_add_json_str(out, session->user);
	else
		buf_add_str(out, "null");
	buf_add_str(out, ",\"created_at\":");
	reply_add_time(out, session->created_wall_ms);
	buf_add_str(out, ",\"updated_at\":");
	reply_add_time(out, session->updated_wall_ms);
}

static void write_text(struct buf *out, const char *name, struct frame_text text)
{
	buf_addf(out, "\"%s\":", name);
	buf_add_json(out, text.p ? text.p : "", text.n);
	buf_add_str(out, ",");
}

static void write_message(struct buf *out, const struct store_message *message)
{
	buf_add_str(out, "{");
	write_text(out, "role", message->role);
	write_text(out, "content", message->content);
	if (message->tool_calls.n) {
		buf_add_str(out, "\"tool_calls\":");
		buf_add(out, message->tool_calls.p, message->tool_calls.n);
		buf_add_str(out, ",");
	}
	if (message->tool_call_id.n)
		write_text(out, "tool_call_id", message->tool_call_id);
	write_text(out, "run_id", message->run_id);
	buf_add_str(out, "\"created_at\":");
	reply_add_time(out, message->at_wall_ms);
	buf_add_str(out, "}");
}

static void on_sessions(
    void *arg, int error, const struct store_session *sessions, size_t count, const char *next)
{
	struct api_wait *wait = arg;
	struct buf body = { 0 };
	buf_add_str(&body, "{\"sessions\":[");
	for (size_t i = 0; wait->request && i < count; i++) {
		buf_add_str(&body, i ? "," : "");
		write_head(&body, &sessions[i]);
		buf_add_str(&body, "}");
	}
	api_page_reply(wait, error, &body, next);
}

void api_sessions_list(
    struct api *api, struct http_request *request, const struct route_params *params)
{
	static const char *const filters[] = { NULL };
	struct store_page page;
	(void)params;
	if (!api_page_read(request, &page, filters))
		return;
	struct api_wait *wait = api_wait_new(api, request);
	if (wait)
		store_sessions_list(api->store, &page, on_sessions, wait);
	api_page_done(&page);
}

/* Whether a run goes on in it which whoever asks may see. */
static bool is_busy_with_its(struct api *api, struct http_request *request, const char *id)
{
	const struct run *run = runs_in_session(api->runs, id);
	struct store_run record;
	if (!run)
		return false;
	run_describe(run, &record);
	return principal_may_see(http_principal(request), record.user, record.source);
}

static void on_session(void *arg, int error, const struct store_session *session)
{
	struct api_wait *wait = arg;
	struct buf body = { 0 };
	if (wait->request && error < 0) {
		reply_store_error(wait->request, error);
	} else if (wait->request && !session) {
		problem_reply(wait->request, PROBLEM_NOT_FOUND,
		    wait->is_its
			? "there is no such session yet: it begins when its first run, which "
			  "is going on, has succeeded"
			: "there is no such session; one begins when its first run has "
			  "succeeded");
	} else if (wait->request && access_may_see_session(wait->request, session)) {
		write_head(&body, session);
		buf_add_str(&body, ",\"messages\":[");
		for (size_t i = 0; i < session->count; i++) {
			buf_add_str(&body, i ? "," : "");
			write_message(&body, &session->messages[i]);
		}
		buf_add_str(&body, "]}");
		api_reply_json(wait->request, &body);
	}
	free(wait);
}

void api_sessions_get(
    struct api *api, struct http_request *request, const struct route_params *params)
{
	const char *id = params->value[0];
	struct api_wait *wait = api_wait_new(api, request);
	if (!wait)
		return;
	wait->is_its = is_busy_with_its(api, request, id);
	store_session_get(
	    api->store, id, access_only_source(request), MESSAGES_MAX, BYTES_MAX, on_session, wait);
}

static void on_deleted(void *arg, int error)
{
	struct api_wait *wait = arg;
	if (wait->request && error == -ENOENT)
		problem_reply(wait->request, PROBLEM_NOT_FOUND, "there is no such session");
	else if (wait->request && error == -EPERM)
		access_refuse_other(wait->request, "session");
	else if (wait->request && error < 0)
		reply_store_error(wait->request, error);
	else if (wait->request)
		http_reply(wait->request, 204, NULL, NULL);
	free(wait);
}

/* A run goes on in a session whose deletion is asked for. Whose session it is, the store knows; before its
 * first run has ended, that run says it. */
static void on_busy_session(void *arg, int error, const struct store_session *session)
{
	struct api_wait *wait = arg;
	struct http_request *request = wait->request;
	if (request && error < 0)
		reply_store_error(request, error);
	else if (request && (session ? access_is_its_session(request, session) : wait->is_its))
		problem_reply(request, PROBLEM_SESSION_BUSY,
		    "a run of this session is going on; cancel it first");
	else if (request)
		access_refuse_other(request, "session");
	free(wait);
}

void api_sessions_delete(
    struct api *api, struct http_request *request, const struct route_params *params)
{
	const char *id = params->value[0], *source = access_only_source(request);
	const struct run *run = runs_in_session(api->runs, id);
	struct api_wait *wait = api_wait_new(api, request);
	if (!wait)
		return;
	if (!run) {
		store_session_delete(
		    api->store, id, access_only_user(request), source, on_deleted, wait);
		return;
	}
	wait->is_its = is_busy_with_its(api, request, id);
	store_session_get(api->store, id, source, 0, 0, on_busy_session, wait);
}
