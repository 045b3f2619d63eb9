/* answer: subscribers of runs that answer requests, and the way of a run into the store. */
#include "daemon/http/answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/http/access.h"
#include "daemon/http/problem.h"
#include "daemon/http/reply.h"
#include "daemon/http/sse.h"

/* The answer to a client that waits for the whole result. */
struct waiter {
	struct http_request *request; /* borrowed */
	struct run *run;
	enum answer answer;
	bool cancels; /* its leaving cancels the run, if the agent says so */
	struct run_subscriber subscriber;
};

static void waiter_free(struct waiter *waiter)
{
	run_unref(waiter->run);
	free(waiter);
}

static void reply_whole(
    struct http_request *request, const struct store_run *run, enum answer answer)
{
	if (answer == ANSWER_CONTENT)
		reply_content(request, run);
	else
		reply_run(request, run);
}

static void reply_left(struct http_request *request)
{
	reply_add_retry_after(request, PROBLEM_DRAINING, NULL);
	problem_reply(request, PROBLEM_DRAINING,
	    "agentd is stopping; the run goes on when it is started again");
}

static void waiter_on_event(void *arg, struct run *run, const struct run_event *event)
{
	struct waiter *waiter = arg;
	struct store_run record;
	if (event->type == RUN_EVENT_LEFT) {
		reply_left(waiter->request);
	} else if (event->type == RUN_EVENT_ENDED) {
		run_describe(run, &record);
		if (record.code)
			reply_add_retry_after(
			    waiter->request, problem_of_code(record.code), run_agent(run));
		reply_whole(waiter->request, &record, waiter->answer);
	} else {
		return;
	}
	waiter_free(waiter);
}

static void waiter_on_gone(void *arg)
{
	struct waiter *waiter = arg;
	run_unsubscribe(waiter->run, &waiter->subscriber);
	if (waiter->cancels && agent_settings(run_agent(waiter->run))->cancel_on_disconnect)
		run_cancel(waiter->run, "its client left");
	waiter_free(waiter);
}

static bool wait_for(
    struct http_request *request, struct run *run, enum answer answer, bool cancels)
{
	struct waiter *waiter = calloc(1, sizeof(*waiter));
	if (!waiter)
		return false;
	waiter->request = request;
	waiter->run = run_ref(run);
	waiter->answer = answer;
	waiter->cancels = cancels;
	waiter->subscriber.event = waiter_on_event;
	waiter->subscriber.arg = waiter;
	run_subscribe(run, &waiter->subscriber);
	http_on_gone(request, waiter_on_gone, waiter);
	return true;
}

static void reply_accepted(
    struct http_request *request, const char *id, const char *session_id, enum run_status status)
{
	struct buf body = { 0 };
	buf_addf(&body, "{\"run_id\":\"%s\",\"session_id\":", id);
	buf_add_json_str(&body, session_id);
	buf_addf(&body, ",\"status\":\"%s\"}\n", run_status_name(status));
	http_reply(request, 202, "application/json", &body);
}

void answer_with(struct http_request *request, struct run *run, enum answer answer, bool cancels)
{
	bool heard = true;
	http_note_run(request, run_id(run));
	if (answer == ANSWER_ACCEPTED)
		reply_accepted(request, run_id(run), run_session_id(run), RUN_QUEUED);
	else if (answer == ANSWER_STREAM)
		heard = sse_begin(request, run, 0, cancels);
	else
		heard = wait_for(request, run, answer, cancels);
	if (!heard)
		problem_reply(request, PROBLEM_INTERNAL, "out of memory");
}

/* A run that is being written down before it is started. */
struct beginning {
	struct api_wait *wait;
	struct run *run;
	enum answer answer;
	bool cancels;  /* its client's leaving may cancel it: nobody can come back for it */
	uint64_t hash; /* of the request */
};

static void beginning_free(struct beginning *beginning)
{
	run_unref(beginning->run);
	free(beginning->wait);
	free(beginning);
}

/* The run that another request with the same key made has ended. */
static void answer_again(void *arg, int error, const struct store_run *run)
{
	struct beginning *beginning = arg;
	struct http_request *request = beginning->wait->request;
	/* Not live, and without an end: it goes on after a restart, or its end could not be written. */
	bool open = run && run->status == RUN_QUEUED && beginning->answer != ANSWER_ACCEPTED;
	if (request && open && run->durable)
		reply_left(request);
	else if (request && (error < 0 || !run || open))
		reply_store_error(request, error ? error : -EIO);
	else if (request && beginning->answer == ANSWER_ACCEPTED)
		reply_accepted(request, run->id, run->session_id, run->status);
	else if (request && beginning->answer != ANSWER_STREAM)
		reply_whole(request, run, beginning->answer);
	else if (request && !sse_replay(request, run, 0))
		problem_reply(request, PROBLEM_INTERNAL, "out of memory");
	beginning_free(beginning);
}

static void answer_taken(struct beginning *beginning, const struct store_taken *taken)
{
	struct http_request *request = beginning->wait->request;
	struct api *api = beginning->wait->api;
	struct run *live = runs_find_live(api->runs, taken->run_id);
	if (taken->request != beginning->hash) {
		problem_reply(request, PROBLEM_IDEMPOTENCY_MISMATCH,
		    "this Idempotency-Key came with another request before");
	} else if (live && !run_is_over(live)) {
		answer_with(request, live, beginning->answer, false);
	} else if (live) { /* its end is being written */
		struct store_run record;
		run_describe(live, &record);
		answer_again(beginning, 0, &record);
		return;
	} else {
		store_run_get(api->store, taken->run_id, answer_again, beginning);
		return;
	}
	beginning_free(beginning);
}

static void start_written(struct beginning *beginning)
{
	struct http_request *request = beginning->wait->request;
	struct run *run = beginning->run;
	bool durable = beginning->answer == ANSWER_ACCEPTED;
	/* Others may have come while it was written down. */
	if (request && run_finds_busy(run))
		problem_reply(
		    request, PROBLEM_SESSION_BUSY, "another run of this session is going on");
	else if (request)
		answer_with(request, run, beginning->answer, beginning->cancels);
	if (!durable || !*beginning->wait->api->draining)
		run_start(run);
	else /* with the next start of agentd */
		run_keep_spool(run);
	if (!request && beginning->cancels && agent_settings(run_agent(run))->cancel_on_disconnect)
		run_cancel(run, "its client left");
}

static void on_written(void *arg, int error, const struct store_taken *taken)
{
	struct beginning *beginning = arg;
	struct http_request *request = beginning->wait->request;
	if (error == -EEXIST && request) {
		answer_taken(beginning, taken);
		return;
	}
	if (error == 0)
		start_written(beginning);
	else if (request && error == -EPERM)
		access_refuse_other(request, "session");
	else if (request)
		reply_store_error(request, error);
	beginning_free(beginning);
}

/* An empty key is none. */
static const char *key_of(struct http_request *request)
{
	const char *key = http_header(request, "Idempotency-Key");
	return key && key[0] ? key : NULL;
}

void answer_add_key(struct http_request *request, struct buf *key)
{
	const char *user = http_principal(request)->user_id;
	if (user) {
		buf_add_str(key, user);
		buf_add(key, "", 1); /* no user has a NUL in it */
	}
	buf_add_str(key, key_of(request));
}

bool answer_has_key(struct http_request *request)
{
	return key_of(request) != NULL;
}

/* FNV-1a: whoever sends the same key wants the same, so nobody gains by a collision. */
uint64_t answer_hash(uint64_t hash, const char *text)
{
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3;
	return hash;
}

/* p == NULL: it has none. */
static struct frame_text text_of(const struct answer_key *key)
{
	return (struct frame_text){ key->text.length ? key->text.data : NULL, key->text.length };
}

void begin_written(struct api *api, struct http_request *request, struct run *run,
    enum answer answer, const struct answer_key *key)
{
	struct api_wait *wait = api_wait_new(api, request);
	struct beginning *beginning = wait ? calloc(1, sizeof(*beginning)) : NULL;
	if (!beginning || key->text.failed) {
		if (wait) {
			http_on_gone(request, NULL, NULL);
			problem_reply(request, PROBLEM_INTERNAL, "out of memory");
		}
		free(wait);
		free(beginning);
		return;
	}
	*beginning = (struct beginning){ .wait = wait,
		.run = run_ref(run),
		.answer = answer,
		.cancels = !key->text.length && answer != ANSWER_ACCEPTED,
		.hash = key->hash };
	struct run_writing with = {
		.key = text_of(key),
		.hash = key->hash,
		.again_if_failed = key->again_if_failed,
	};
	run_write_down(run, &with, on_written, beginning);
}

void answer_refuse(struct http_request *request, enum run_code code, const struct agent *agent)
{
	static const char *const why[] = {
		[RUN_AGENT_UNAVAILABLE] = "the agent's process is not running",
		[RUN_OVERLOADED] = "the agent's queue is full, or too much input waits",
		[RUN_DRAINING] = "agentd is stopping",
		[RUN_SESSION_BUSY] = "another run of this session is going on",
		[RUN_NO_MEMORY] = "out of memory",
	};
	char detail[600];
	struct agent_view view;
	if (code == RUN_FORBIDDEN) {
		access_refuse_other(request, "session");
		return;
	}
	agent_look(agent, &view);
	snprintf(detail, sizeof(detail), "%s", why[code]);
	if (code == RUN_AGENT_UNAVAILABLE && view.last_exit->at_wall_ms)
		snprintf(detail, sizeof(detail), "%s: %s", why[code],
		    http_principal(request)->admin ? view.last_exit->whole
						   : view.last_exit->reason);
	reply_add_retry_after(request, problem_of_code(run_code_name(code)), agent);
	problem_reply(request, problem_of_code(run_code_name(code)), "%s", detail);
}

/* A key may have a run already, which needs no place and no agent to be answered with. */
struct keyed {
	struct beginning beginning; /* without a run */
	struct answer_refusal refusal;
};

static void on_key(void *arg, int error, const struct store_taken *taken)
{
	struct keyed *keyed = arg;
	struct http_request *request = keyed->beginning.wait->request;
	struct beginning *beginning = NULL;
	if (request && error == -EEXIST && (beginning = malloc(sizeof(*beginning)))) {
		*beginning = keyed->beginning;
		answer_taken(beginning, taken);
	} else if (request) {
		answer_refuse(request, keyed->refusal.code, keyed->refusal.agent);
	}
	if (!beginning)
		free(keyed->beginning.wait);
	free(keyed);
}

void answer_taken_or_refuse(struct api *api, struct http_request *request,
    const struct answer_refusal *refusal, enum answer answer, const struct answer_key *key)
{
	struct frame_text text = text_of(key);
	struct api_wait *wait = NULL;
	struct keyed *keyed = NULL;
	if (text.p && !(wait = api_wait_new(api, request)))
		return;
	if (wait && !key->text.failed)
		keyed = calloc(1, sizeof(*keyed));
	if (!keyed) {
		if (wait)
			http_on_gone(request, NULL, NULL);
		free(wait);
		answer_refuse(request, refusal->code, refusal->agent);
		return;
	}
	*keyed = (struct keyed){ .refusal = *refusal,
		.beginning = { .wait = wait, .answer = answer, .hash = key->hash } };
	store_key_find(api->store, text, on_key, keyed);
}

bool store_suffices(struct http_request *request, const struct store *store, enum answer answer)
{
	bool keyed = answer_has_key(request);
	if (store_keeps_runs(store) || (answer != ANSWER_ACCEPTED && !keyed))
		return true;
	problem_reply(request, PROBLEM_BAD_REQUEST,
	    "%s needs the store, which is off (store.enabled: false)",
	    keyed ? "Idempotency-Key" : "\"background\"");
	return false;
}
