/*
 * api_events: POST /events/{name}: a run for each trigger that waits for that event. They are durable, and
 * it is answered once all of them are in the store.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/id.h"
#include "daemon/http/access.h"
#include "daemon/http/answer.h"
#include "daemon/http/api.h"
#include "daemon/http/body.h"
#include "daemon/http/problem.h"
#include "daemon/http/reply.h"
#include "daemon/http/route.h"
#include "daemon/trigger/trigger.h"

/* An event on its way into the store, with a run for each of its triggers. */
struct emission {
	struct api_wait *wait;
	size_t count, left; /* left: those that are not written yet */
	int error;          /* the first that came of it */
	uint64_t hash;      /* of the body */
	bool is_other;      /* its key came with another body before */
	struct emitted {
		struct emission *emission;
		const struct trigger *trigger; /* borrowed */
		struct trigger_words words;
		struct run *run;
		char id[ID_SIZE]; /* its own, or that of the one that has its key */
	} runs[];
};

static void emission_free(struct emission *emission)
{
	for (size_t i = 0; i < emission->count; i++) {
		trigger_words_done(&emission->runs[i].words);
		run_unref(emission->runs[i].run);
	}
	free(emission->wait);
	free(emission);
}

static void emission_reply(const struct emission *emission, struct http_request *request)
{
	struct buf body = { 0 };
	if (emission->is_other) {
		problem_reply(request, PROBLEM_IDEMPOTENCY_MISMATCH,
		    "this Idempotency-Key came with another body before");
		return;
	}
	if (emission->error == -EPERM) {
		problem_reply(request, PROBLEM_FORBIDDEN, "the session belongs to another user");
		return;
	}
	if (emission->error) {
		reply_store_error(request, emission->error);
		return;
	}
	buf_addf(
	    &body, "{\"event\":\"%s\",\"run_ids\":[", emission->runs[0].trigger->settings->event);
	for (size_t i = 0; i < emission->count; i++)
		buf_addf(&body, "%s\"%s\"", i ? "," : "", emission->runs[i].id);
	buf_add_str(&body, "]}\n");
	http_reply(request, 202, "application/json", &body);
}

static void on_written(void *arg, int error, const struct store_taken *taken)
{
	struct emitted *emitted = arg;
	struct emission *emission = emitted->emission;
	snprintf(emitted->id, sizeof(emitted->id), "%s",
	    error == -EEXIST ? taken->run_id : run_id(emitted->run));
	if (error == -EEXIST && taken->request != emission->hash)
		emission->is_other = true;
	if (error == 0 && !emission->wait->api->draining) /* else with the next start of agentd */
		run_start(emitted->run);
	if (error < 0 && error != -EEXIST && !emission->error)
		emission->error = error;
	if (--emission->left)
		return;
	if (emission->wait->request)
		emission_reply(emission, emission->wait->request);
	emission_free(emission);
}

/* An event has runs of several triggers, so its Idempotency-Key is one for each. */
static void write_down(struct http_request *request, struct emitted *emitted)
{
	struct buf key = { 0 };
	if (answer_has_key(request)) {
		answer_add_key(request, &key);
		buf_add(&key, "", 1);
		buf_add_str(&key, emitted->trigger->source); /* no other route's keys end so */
		buf_add_str(&key, emitted->trigger->settings->label);
	}
	struct run_writing with = {
		.key = { key.data, key.length },
		.hash = emitted->emission->hash,
	};
	run_write_down(emitted->run, &with, on_written, emitted);
	buf_done(&key);
}

static enum run_code make_run(
    struct api *api, const struct http_request *request, struct emitted *emitted)
{
	const struct trigger *trigger = emitted->trigger;
	const struct principal *who = http_principal(request);
	struct run_request wanted = trigger_request(trigger, &emitted->words);
	wanted.user_id = who->user_id;
	wanted.claims = who->claims;
	wanted.any_session = who->sees_all;
	wanted.owner = RUN_OWNER_WRITTEN;
	wanted.durable = true;
	return run_create(api->runs, &wanted, &emitted->run);
}

/* What a trigger makes of it, as far as that can be known before anything is done. False: answered. */
static bool prepare(struct api *api, struct http_request *request, const json_t *body,
    const char *now, struct emitted *emitted)
{
	const struct trigger *trigger = emitted->trigger;
	struct template_values values = {
		.body = body, .source = trigger->source, .timestamp = now
	};
	char reason[200];
	if (!api_may_use(request, trigger->agent))
		return false;
	int error = trigger_say(trigger, &values, NULL, &emitted->words, reason, sizeof(reason));
	if (error == -EINVAL)
		problem_reply(
		    request, PROBLEM_BAD_REQUEST, "%s: %s", trigger->settings->label, reason);
	else if (error < 0)
		problem_reply(request, PROBLEM_INTERNAL, "out of memory");
	if (error < 0)
		return false;
	enum run_code code = make_run(api, request, emitted);
	if (code != RUN_OK)
		answer_refuse(request, code, trigger->agent);
	return code == RUN_OK;
}

/* All are made before one is written down: a trigger that cannot make its run is no reason to have half of
 * them. */
static bool prepare_all(
    struct api *api, struct http_request *request, const json_t *body, struct emission *emission)
{
	char now[TIME_SIZE];
	time_format(clock_wall_ms(), now);
	for (size_t i = 0; i < emission->count; i++)
		if (!prepare(api, request, body, now, &emission->runs[i]))
			return false;
	return true;
}

static struct emission *emission_new(const struct triggers *triggers, const char *event)
{
	size_t count = 0;
	while (triggers_of_event(triggers, event, count))
		count++;
	struct emission *emission =
	    calloc(1, sizeof(*emission) + count * sizeof(emission->runs[0]));
	if (!emission)
		return NULL;
	emission->count = emission->left = count;
	for (size_t i = 0; i < count; i++) {
		emission->runs[i].emission = emission;
		emission->runs[i].trigger = triggers_of_event(triggers, event, i);
	}
	return emission;
}

/* Any JSON; what is no object is put into one. */
static json_t *read_body(struct http_request *request)
{
	json_t *body = body_read_any(request);
	return !body || json_is_object(body) ? body : json_pack("{s:o}", "data", body);
}

static uint64_t hash_of(const json_t *body)
{
	char *text = json_dumps(body, JSON_COMPACT | JSON_SORT_KEYS);
	uint64_t hash = answer_hash(ANSWER_HASH, text ? text : "");
	free(text);
	return hash;
}

void api_events_emit(
    struct api *api, struct http_request *request, const struct route_params *params)
{
	const char *event = params->value[0];
	if (!triggers_of_event(api->triggers, event, 0)) {
		problem_reply(
		    request, PROBLEM_NOT_FOUND, "nothing waits for the event \"%s\"", event);
		return;
	}
	json_t *body = read_body(request);
	if (!body)
		return;
	struct emission *emission = emission_new(api->triggers, event);
	bool ready = emission && prepare_all(api, request, body, emission);
	if (emission)
		emission->hash = hash_of(body);
	json_decref(body);
	if (!emission)
		problem_reply(request, PROBLEM_INTERNAL, "out of memory");
	if (ready)
		ready = (emission->wait = api_wait_new(api, request));
	if (!ready) {
		if (emission)
			emission_free(emission);
		return;
	}
	for (size_t i = 0, count = emission->count; i < count; i++)
		write_down(request, &emission->runs[i]);
}
