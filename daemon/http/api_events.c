/*
 * api_events: POST /events/{name}: a run for each trigger that waits for that event (trigger/emit.h). It is
 * answered once all of them are in the store.
 */
#include <errno.h>
#include <stdlib.h>

#include "daemon/http/access.h"
#include "daemon/http/answer.h"
#include "daemon/http/api.h"
#include "daemon/http/body.h"
#include "daemon/http/problem.h"
#include "daemon/http/reply.h"
#include "daemon/http/route.h"
#include "daemon/trigger/emit.h"

/* A request whose event is being written down. */
struct pending {
	struct api_wait *wait;
	const char *event; /* borrowed from the settings */
};

static void pending_reply(
    const struct pending *pending, struct http_request *request, const struct emit_result *result)
{
	struct buf body = { 0 };
	if (result->is_other) {
		problem_reply(request, PROBLEM_IDEMPOTENCY_MISMATCH,
		    "this Idempotency-Key came with another body before");
		return;
	}
	if (result->error == -EPERM) {
		access_refuse_other(request, "session");
		return;
	}
	if (result->error) {
		reply_store_error(request, result->error);
		return;
	}
	buf_addf(&body, "{\"event\":\"%s\",\"run_ids\":[", pending->event);
	for (size_t i = 0; i < result->count; i++)
		buf_addf(&body, "%s\"%s\"", i ? "," : "", result->run_ids[i]);
	buf_add_str(&body, "]}\n");
	http_reply(request, 202, "application/json", &body);
}

static void pending_free(struct pending *pending)
{
	free(pending->wait);
	free(pending);
}

static void on_emitted(void *arg, const struct emit_result *result)
{
	struct pending *pending = arg;
	if (pending->wait->request)
		pending_reply(pending, pending->wait->request, result);
	pending_free(pending);
}

static void refuse(struct http_request *request, const char *event, const struct emit_refusal *why)
{
	switch (why->code) {
	case EMIT_NOBODY:
		problem_reply(
		    request, PROBLEM_NOT_FOUND, "nothing waits for the event \"%s\"", event);
		return;
	case EMIT_FORBIDDEN:
		api_may_use(request, why->trigger->agent); /* says so */
		return;
	case EMIT_UNFIT:
		problem_reply(request, PROBLEM_BAD_REQUEST, "%s: %s", why->trigger->settings->label,
		    why->reason);
		return;
	case EMIT_REFUSED:
		answer_refuse(request, why->run_code, why->trigger->agent);
		return;
	default:
		problem_reply(request, PROBLEM_INTERNAL, "out of memory");
	}
}

static struct pending *pending_new(struct api *api, struct http_request *request, const char *event)
{
	struct pending *pending = calloc(1, sizeof(*pending));
	if (!pending) {
		problem_reply(request, PROBLEM_INTERNAL, "out of memory");
		return NULL;
	}
	pending->event = event;
	pending->wait = api_wait_new(api, request);
	if (pending->wait)
		return pending;
	free(pending);
	return NULL;
}

/* By which a body is known when it comes again, however it is written. */
static uint64_t hash_of(const json_t *body)
{
	char *text = json_dumps(body, JSON_COMPACT | JSON_SORT_KEYS);
	uint64_t hash = answer_hash(ANSWER_HASH, text ? text : "");
	free(text);
	return hash;
}

static void send_event(
    struct api *api, struct http_request *request, const char *event, const json_t *body)
{
	struct pending *pending = pending_new(api, request, event);
	struct emit_refusal refusal;
	struct buf key = { 0 };
	if (!pending)
		return;
	if (answer_has_key(request))
		answer_add_key(request, &key);
	struct emit_setup setup = { .event = event,
		.body = body,
		.who = http_principal(request),
		.key = { key.data, key.length },
		.hash = hash_of(body),
		.done = on_emitted,
		.arg = pending };
	if (emit(api->runs, api->triggers, &setup, &refusal) != EMIT_OK) {
		http_on_gone(request, NULL, NULL);
		pending_free(pending);
		refuse(request, event, &refusal);
	}
	buf_done(&key);
}

void api_events_emit(
    struct api *api, struct http_request *request, const struct route_params *params)
{
	const char *event = params->value[0];
	const struct trigger *first = triggers_of_event(api->triggers, event, 0);
	if (!first) { /* whatever the body is */
		refuse(request, event, &(struct emit_refusal){ .code = EMIT_NOBODY });
		return;
	}
	json_t *read = body_read_any(request), *body = emit_body(read);
	if (body)
		send_event(api, request, first->settings->event, body);
	else if (read)
		problem_reply(request, PROBLEM_INTERNAL, "out of memory");
	json_decref(body);
}
