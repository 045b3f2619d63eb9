/* api_run: POST /run and POST /agents/{name}/run. The body is parsed once, here, and what is wrong
 * with it is said by the name of the field. */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/message.h"
#include "daemon/http/access.h"
#include "daemon/http/answer.h"
#include "daemon/http/api.h"
#include "daemon/http/attach.h"
#include "daemon/http/body.h"
#include "daemon/http/problem.h"
#include "daemon/http/reply.h"
#include "daemon/http/route.h"
#include "daemon/http/sse.h"
#include "daemon/http/upload.h"
#include "daemon/run/session.h"

/* The fields of a /run body, by type. Anything else in it is left alone. */
static const struct {
	const char *name;
	json_type type;
	const char *wanted;
} fields[] = {
	{ "input", JSON_STRING, "a string" },
	{ "session_id", JSON_STRING, "a string" },
	{ "user_id", JSON_STRING, "a string" },
	{ "agent", JSON_STRING, "a string" },
	{ "metadata", JSON_OBJECT, "an object" },
	{ "stream", JSON_TRUE, "true or false" },
	{ "background", JSON_TRUE, "true or false" },
	{ "timeout", JSON_REAL, "a number of seconds above 0" },
	{ "attachments", JSON_ARRAY, "an array" },
};

static bool has_type(const json_t *value, json_type type)
{
	if (type == JSON_TRUE)
		return json_is_boolean(value);
	if (type == JSON_REAL)
		return json_is_number(value) && json_number_value(value) > 0 &&
		       isfinite(json_number_value(value));
	return json_typeof(value) == type;
}

static bool attachments_are_good(struct http_request *request, const json_t *body)
{
	char why[256];
	int error = uploads_check(json_object_get(body, "attachments"), why, sizeof(why));
	if (error < 0)
		problem_reply(request,
		    error == -EFBIG ? PROBLEM_PAYLOAD_TOO_LARGE : PROBLEM_BAD_REQUEST, "%s", why);
	return error == 0;
}

/* Says what is wrong with the body; true if nothing is. null is as good as absent. */
static bool body_is_good(struct http_request *request, const json_t *body)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const json_t *value = json_object_get(body, fields[i].name);
		if (!value || json_is_null(value) || has_type(value, fields[i].type))
			continue;
		problem_reply(request, PROBLEM_BAD_REQUEST, "\"%s\" must be %s", fields[i].name,
		    fields[i].wanted);
		return false;
	}
	static const char *const ids[] = { "session_id", "user_id" };
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		size_t n = json_string_length(json_object_get(body, ids[i]));
		if (n > MESSAGE_ID_MAX) {
			problem_reply(request, PROBLEM_BAD_REQUEST,
			    "\"%s\" is longer than %d bytes", ids[i], MESSAGE_ID_MAX);
			return false;
		}
	}
	const char *session_id = json_string_value(json_object_get(body, "session_id"));
	if (session_id && *session_id && !session_id_is_good(session_id)) {
		problem_reply(request, PROBLEM_BAD_REQUEST, "\"session_id\" %s", SESSION_ID_RULE);
		return false;
	}
	if (json_string_length(json_object_get(body, "input")) == 0) {
		problem_reply(request, PROBLEM_BAD_REQUEST,
		    "\"input\" is required: a string that is not empty");
		return false;
	}
	if (json_is_true(json_object_get(body, "background")) &&
	    json_is_true(json_object_get(body, "stream"))) {
		problem_reply(request, PROBLEM_BAD_REQUEST,
		    "\"background\" and \"stream\" exclude each other; see /runs/{id}/events");
		return false;
	}
	return attachments_are_good(request, body);
}

static json_t *parse_body(struct http_request *request)
{
	json_t *body = body_read(request, 0);
	if (body && !json_is_object(body))
		problem_reply(request, PROBLEM_BAD_REQUEST, "the body must be a JSON object");
	else if (body && body_is_good(request, body))
		return body;
	json_decref(body);
	return NULL;
}

/* An empty id is as good as none. */
static const char *text_of(const json_t *body, const char *name)
{
	const char *text = json_string_value(json_object_get(body, name));
	return text && text[0] ? text : NULL;
}

static bool wants_stream(struct http_request *request, const json_t *body)
{
	const char *accept = http_header(request, "Accept");
	const json_t *stream = json_object_get(body, "stream");
	if (json_is_boolean(stream))
		return json_is_true(stream);
	return accept && strcasestr(accept, "text/event-stream");
}

/* Rounded up, so that no timeout becomes none. 0: absent, or longer than any agent's. */
static int64_t milliseconds(double seconds)
{
	if (seconds > 1e9)
		return 0;
	int64_t ms = (int64_t)(seconds * 1000);
	return (double)ms < seconds * 1000 ? ms + 1 : ms;
}

/* version-trace-parent-flags, in hexadecimal digits (W3C Trace Context, section 3.2). NULL: it is none. */
static const char *traceparent_of(struct http_request *request)
{
	static const char shape[] = "00-00000000000000000000000000000000-0000000000000000-00";
	const char *given = http_header(request, "traceparent");
	if (!given || strlen(given) != strlen(shape) || http_header_nth(request, "traceparent", 1))
		return NULL;
	if (memcmp(given, "ff", 2) == 0 || memcmp(given + 3, shape + 3, 32) == 0 ||
	    memcmp(given + 36, shape + 36, 16) == 0)
		return NULL; /* no version; no trace; no parent */
	for (size_t i = 0; shape[i]; i++)
		if (shape[i] == '-' ? given[i] != '-' : !strchr("0123456789abcdef", given[i]))
			return NULL;
	return given;
}

/* The Idempotency-Key, if there is one, and the request as it is known again. */
static struct answer_key key_of(
    struct http_request *request, const struct agent *agent, const json_t *body)
{
	struct answer_key key = { 0 };
	if (!answer_has_key(request))
		return key;
	answer_add_key(request, &key.text);
	char *text = json_dumps(body, JSON_COMPACT | JSON_SORT_KEYS);
	key.hash = answer_hash(
	    answer_hash(ANSWER_HASH, agent_settings(agent)->instance.name), text ? text : "");
	free(text);
	return key;
}

/* The key may have a run already. */
static void refuse(struct api *api, struct http_request *request,
    const struct answer_refusal *refusal, enum answer answer, const json_t *body)
{
	struct answer_key key = key_of(request, refusal->agent, body);
	answer_taken_or_refuse(api, request, refusal, answer, &key);
	buf_done(&key.text);
}

/* Gives up the run if it cannot have what comes with it: before the answer, so that nothing is left of it then. */
static bool attach_or_refuse(struct http_request *request, struct run *run, const json_t *body)
{
	int error = attach_uploads(run, json_object_get(body, "attachments"));
	if (error == 0)
		return true;
	run_unref(run);
	if (error == -ENOMEM)
		problem_reply(request, PROBLEM_INTERNAL, "out of memory");
	else
		reply_store_error(request, error);
	return false;
}

static void make_run(struct api *api, struct http_request *request, struct agent *agent,
    json_t *body, enum run_owner owner)
{
	const json_t *input = json_object_get(body, "input");
	const json_t *metadata = json_object_get(body, "metadata");
	enum answer answer = json_is_true(json_object_get(body, "background")) ? ANSWER_ACCEPTED
			     : wants_stream(request, body)                     ? ANSWER_STREAM
									       : ANSWER_WHOLE;
	char *metadata_text = json_is_object(metadata) ? json_dumps(metadata, JSON_COMPACT) : NULL;
	static const enum run_reach reach_of[] = {
		[SEES_OWN] = REACH_OWN, [SEES_HTTP] = REACH_SOURCE, [SEES_ALL] = REACH_ALL
	};
	const struct principal *who = http_principal(request);
	struct run_request wanted = {
		.agent = agent,
		.input = { json_string_value(input), json_string_length(input) },
		.session_id = text_of(body, "session_id"),
		.user_id = who->user_id ? who->user_id : text_of(body, "user_id"),
		.claims = who->claims,
		.traceparent = traceparent_of(request),
		.reach = reach_of[who->sight],
		.owner = owner,
		.source = SOURCE_HTTP,
		.metadata = { metadata_text, metadata_text ? strlen(metadata_text) : 0 },
		.timeout_ms = milliseconds(json_number_value(json_object_get(body, "timeout"))),
		.durable = answer == ANSWER_ACCEPTED,
	};
	struct run *run;
	enum run_code code = run_create(api->runs, &wanted, &run);
	free(metadata_text);
	if (code != RUN_OK) {
		refuse(api, request, &(struct answer_refusal){ code, agent }, answer, body);
		return;
	}
	if (!attach_or_refuse(request, run, body))
		return;
	/* A run whose id, or key, the client may come back with is written down first. */
	bool known = answer != ANSWER_WHOLE || answer_has_key(request);
	if (known && store_keeps_runs(api->store)) {
		struct answer_key key = key_of(request, agent, body);
		begin_written(api, request, run, answer, &key);
		buf_done(&key.text);
	} else {
		answer_with(request, run, answer, true);
		run_start(run);
	}
	run_unref(run);
}

/* A request that waits to hear whose its session is. */
struct asking {
	struct api_wait *wait;
	struct agent *agent; /* borrowed */
	json_t *body;        /* a reference */
};

static void on_session(void *arg, int error, const struct store_session *session)
{
	struct asking *asking = arg;
	struct http_request *request = asking->wait->request;
	if (request)
		http_on_gone(request, NULL, NULL);
	if (request && error < 0)
		reply_store_error(request, error);
	else if (request && (!session || access_may_see_session(request, session)))
		make_run(asking->wait->api, request, asking->agent, asking->body,
		    session && http_principal(request)->sight == SEES_OWN ? RUN_OWNER_IS_USER
									  : RUN_OWNER_UNKNOWN);
	json_decref(asking->body);
	free(asking->wait);
	free(asking);
}

/* Before the run can be in anybody's way: in its turn it would find out, too, but till then others of the
 * session would wait for it. */
static void ask_owner(struct api *api, struct http_request *request, struct agent *agent,
    json_t *body, const char *session_id)
{
	struct asking *asking = calloc(1, sizeof(*asking));
	struct api_wait *wait = asking ? api_wait_new(api, request) : NULL;
	if (!wait) {
		if (!asking)
			problem_reply(request, PROBLEM_INTERNAL, "out of memory");
		free(asking);
		return;
	}
	*asking = (struct asking){ .wait = wait, .agent = agent, .body = json_incref(body) };
	store_session_get(
	    api->store, session_id, access_only_source(request), 0, 0, on_session, asking);
}

static void run_body(
    struct api *api, struct http_request *request, struct agent *agent, json_t *body)
{
	const char *session_id = text_of(body, "session_id");
	bool is_background = json_is_true(json_object_get(body, "background"));
	if (!store_suffices(request, api->store, is_background ? ANSWER_ACCEPTED : ANSWER_WHOLE))
		return;
	if (!store_keeps_runs(api->store) &&
	    uploads_have_data(json_object_get(body, "attachments"))) {
		problem_reply(request, PROBLEM_BAD_REQUEST,
		    "\"data\" of \"attachments\" needs the store, which is off (store.enabled: "
		    "false); \"url\" does not");
		return;
	}
	if (session_id && http_principal(request)->sight != SEES_ALL)
		ask_owner(api, request, agent, body, session_id);
	else
		make_run(api, request, agent, body, RUN_OWNER_UNKNOWN);
}

static struct agent *choose_agent(
    struct api *api, struct http_request *request, const json_t *body, const char *path_name)
{
	const char *name = text_of(body, "agent");
	if (path_name && name && strcmp(name, path_name) != 0) {
		problem_reply(
		    request, PROBLEM_BAD_REQUEST, "\"agent\" is not the agent of the path");
		return NULL;
	}
	if (path_name || name)
		return api_agent(api, request, path_name ? path_name : name);
	struct agent *agent = registry_default(api->registry);
	if (agent)
		return api_may_use(request, agent) ? agent : NULL;
	problem_reply(request, PROBLEM_BAD_REQUEST,
	    "\"agent\" is required: there are several, and no default_agent in the config");
	return NULL;
}

static void run_request(struct api *api, struct http_request *request, const char *path_name)
{
	if (!body_has_good_type(request))
		return;
	json_t *body = parse_body(request);
	if (!body)
		return;
	struct agent *agent = choose_agent(api, request, body, path_name);
	if (agent)
		run_body(api, request, agent, body);
	json_decref(body);
}

void api_run(struct api *api, struct http_request *request, const struct route_params *params)
{
	(void)params;
	run_request(api, request, NULL);
}

void api_agents_run(
    struct api *api, struct http_request *request, const struct route_params *params)
{
	run_request(api, request, params->value[0]);
}
