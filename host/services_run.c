/*
 * services_run: what a plugin says of its runs, from any thread. A run ends once: what is said of it afterwards is
 * harmless, with whichever pointer to it.
 */
#include "host/services_run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/message.h"
#include "host/chat.h"
#include "host/internal.h"

#define RUNS_RETIRED 1024
#define ERROR_MAX    4096 /* one line for the caller: agentd shows no more of it */

static void run_unref_locked(struct agentd_run *run)
{
	if (--run->refs)
		return;
	buf_done(&run->input);
	buf_done(&run->metadata);
	free(run);
}

/* A call for a run that is finished: harmless, and said once. Locked by the caller. */
static int complain(struct agentd_run *run, const char *what)
{
	char text[96];
	snprintf(text, sizeof(text), "the plugin called %s after the run was finished", what);
	if (!run->complained)
		services_put_log(AGENTD_LOG_WARN, run->id, text);
	run->complained = true;
	return -EALREADY;
}

/* Takes the price of a delta or event from the run's credit. A thread of a blocking plugin waits for
 * it, with the lock given up meanwhile; the loop thread never does. Locked by the caller. */
static int run_pay(struct agentd_run *run, size_t length, const char *what)
{
	uint32_t cost = (uint32_t)length + MESSAGE_COST;
	bool may_wait = host.blocking && !pthread_equal(pthread_self(), host.loop);
	while (!run->finished && run->credit < cost) {
		run->starved = !may_wait;
		if (!may_wait)
			return -EAGAIN;
		if (run->cancelled)
			return -ECANCELED;
		pthread_cond_wait(&host.credit, &host.lock);
	}
	if (run->finished)
		return complain(run, what);
	run->credit -= cost;
	return 0;
}

int services_delta(struct agentd_run *run, struct agentd_text text)
{
	if (text.n > host.setup->delta_max)
		return -EMSGSIZE;
	if (text.n == 0)
		return 0;
	pthread_mutex_lock(&host.lock);
	int error = run_pay(run, text.n, "delta");
	if (error == 0) {
		struct frame_writer writer = frame_begin(&host.out, MESSAGE_DELTA, run->number);
		frame_put_rest(&writer, text.p, text.n);
		error = frame_end(&writer);
		services_wake();
	}
	pthread_mutex_unlock(&host.lock);
	return error;
}

int services_event(struct agentd_run *run, const char *type, struct agentd_text json)
{
	size_t type_length = type ? strlen(type) : 0;
	if (type_length == 0)
		return -EINVAL;
	if (json.n + type_length > host.setup->event_max)
		return -EMSGSIZE;
	pthread_mutex_lock(&host.lock);
	int error = run->events >= host.setup->events_max ? -ENOSPC : 0;
	if (error == 0 || run->finished)
		error = run_pay(run, json.n + type_length, "event");
	if (error == 0) {
		struct frame_writer writer = frame_begin(&host.out, MESSAGE_EVENT, run->number);
		frame_put_text(&writer, type, type_length);
		frame_put_text(&writer, json.p ? json.p : "", json.n);
		error = frame_end(&writer);
		run->events++;
		services_wake();
	}
	pthread_mutex_unlock(&host.lock);
	return error;
}

static void put_messages(struct frame_writer *writer, const struct agentd_result *result)
{
	size_t step = result->message_size ? result->message_size : sizeof(*result->messages);
	const char *row = (const char *)result->messages;
	frame_put_u32(writer, row ? (uint32_t)result->message_count : 0);
	for (size_t i = 0; row && i < result->message_count; i++, row += step) {
		const struct agentd_message *message =
		    (const struct agentd_message *)(const void *)row;
		chat_put_text(writer, message->role);
		chat_put_text(writer, message->content);
		chat_put_text(writer, message->tool_calls);
		chat_put_text(writer, message->tool_call_id);
	}
}

static int put_finish(uint64_t number, const struct agentd_result *result)
{
	struct frame_writer writer = frame_begin(&host.out, MESSAGE_FINISH, number);
	frame_put_u32(&writer, result->status);
	frame_put_text(&writer, result->content.p, result->content.n); /* absent: the deltas */
	chat_put_text(&writer, result->error);
	chat_put_text(&writer, result->usage);
	put_messages(&writer, result);
	chat_put_attachments(
	    &writer, result->attachments, result->attachment_count, result->attachment_size);
	return frame_end(&writer);
}

/* What a handler has said, before what the run says. Locked by the caller. */
static int put_input(struct agentd_run *run)
{
	if (!run->handling || (!run->input.length && !run->metadata.length))
		return 0;
	struct frame_writer writer = frame_begin(&host.out, MESSAGE_INPUT, run->number);
	frame_put_text(&writer, run->input.data, run->input.length); /* absent if there is none */
	frame_put_text(&writer, run->metadata.data, run->metadata.length);
	run->handling = false;
	return frame_end(&writer);
}

/* Puts a run aside. It is freed only when many more are finished, so that a late call with its
 * pointer, which the ABI promises to be harmless, meets memory that is still a run. */
static void run_retire(struct agentd_run *run)
{
	static struct agentd_run *retired[RUNS_RETIRED];
	static size_t next;
	run->finished = true;
	HASH_DEL(host.runs, run);
	if (retired[next])
		run_unref_locked(retired[next]);
	retired[next] = run;
	next = (next + 1) % RUNS_RETIRED;
}

/* What agentd would refuse: -errno, and why. */
static int check_result(const struct agentd_result *result, char *why, size_t size)
{
	if (result->status > AGENTD_CANCELLED) {
		snprintf(why, size, "finished with an unknown status, %u", result->status);
		return -EINVAL;
	}
	if (result->content.p && result->content.n > host.setup->content_max) {
		snprintf(why, size, "content of %zu bytes; at most %llu are allowed",
		    result->content.n, (unsigned long long)host.setup->content_max);
		return -EMSGSIZE;
	}
	if (result->attachments && result->attachment_count > MESSAGE_ATTACHMENTS_MAX) {
		snprintf(why, size, "%zu attachments; at most %u are allowed",
		    result->attachment_count, MESSAGE_ATTACHMENTS_MAX);
		return -EMSGSIZE;
	}
	return 0;
}

static void put_failure(uint64_t number, const char *why)
{
	struct agentd_result failed = { .size = sizeof(failed),
		.status = AGENTD_FAILED,
		.error = agentd_text(why, strlen(why)) };
	put_finish(number, &failed);
}

void services_fail_run(struct agentd_run *run, const char *why)
{
	pthread_mutex_lock(&host.lock);
	if (!run->finished) {
		put_failure(run->number, why);
		run_retire(run);
		services_wake();
	}
	pthread_mutex_unlock(&host.lock);
}

int services_finish(struct agentd_run *run, const struct agentd_result *result)
{
	char why[96] = "a result that is too long for agentd";
	struct agentd_result ours = { 0 };
	bool is_known = load_copy(&ours, sizeof(ours), result, result->size) == 0;
	if (ours.error.n > ERROR_MAX)
		ours.error.n = ERROR_MAX;
	/* If one cannot be, or is none, the answer is worth having without it. */
	if (ours.attachment_count <= MESSAGE_ATTACHMENTS_MAX)
		chat_sync_files(ours.attachments, ours.attachment_count, ours.attachment_size);
	pthread_mutex_lock(&host.lock);
	int error = run->finished ? complain(run, "finish")
		    : is_known    ? check_result(&ours, why, sizeof(why))
				  : -E2BIG;
	if (error == -E2BIG)
		snprintf(why, sizeof(why), "a result that needs a newer agentd");
	if (!run->finished) {
		if (error == 0)
			error = put_input(run);
		if (error == 0)
			error = put_finish(run->number, &ours);
		if (error < 0)
			put_failure(run->number, why);
		run_retire(run);
		services_wake();
	}
	pthread_mutex_unlock(&host.lock);
	return error;
}

/* What handlers of triggers say. */

static int say_input(struct agentd_run *run, struct buf *into, struct agentd_text text, size_t most)
{
	if (text.n == 0)
		return -EINVAL;
	if (text.n > most)
		return -EMSGSIZE;
	pthread_mutex_lock(&host.lock);
	int error = run->handling && !run->finished ? 0 : -EALREADY;
	if (error == 0) {
		into->length = 0;
		buf_add(into, text.p, text.n);
		error = into->failed ? -ENOMEM : 0;
		into->failed = false; /* what it had is gone; the next call may have room */
	}
	pthread_mutex_unlock(&host.lock);
	return error;
}

int services_input(struct agentd_run *run, struct agentd_text text)
{
	return say_input(run, &run->input, text, MESSAGE_INPUT_MAX);
}

int services_metadata(struct agentd_run *run, struct agentd_text json)
{
	return say_input(run, &run->metadata, json, host.setup->event_max);
}

void services_begin_input(struct agentd_run *run)
{
	pthread_mutex_lock(&host.lock);
	run->handling = true;
	pthread_mutex_unlock(&host.lock);
}

/* With nothing to say to the agent the run has succeeded, with nothing to say. Locked by the caller. */
static void end_unsaid(struct agentd_run *run)
{
	struct agentd_result result = { .size = sizeof(result),
		.status = run->cancelled ? AGENTD_CANCELLED : AGENTD_DONE,
		.content = agentd_text("", 0) };
	put_finish(run->number, &result);
	run_retire(run);
}

bool services_end_input(
    struct agentd_run *run, int error, struct buf *ret_input, struct buf *ret_metadata)
{
	char why[128];
	services_describe(why, sizeof(why), "the plugin's handler failed", error);
	pthread_mutex_lock(&host.lock);
	bool is_said = error == 0 && run->input.length && !run->finished && !run->cancelled;
	if (!run->finished) {
		if (error == 0 && put_input(run) < 0) {
			put_failure(run->number, "out of memory");
			run_retire(run);
			is_said = false;
		} else if (error) {
			put_failure(run->number, why);
			run_retire(run);
		} else if (!is_said) {
			end_unsaid(run);
		}
		services_wake();
	}
	run->handling = false;
	*ret_input = run->input; /* the agent's `run` may read it longer than the run lasts */
	*ret_metadata = run->metadata;
	run->input = run->metadata = (struct buf){ 0 };
	pthread_mutex_unlock(&host.lock);
	return is_said;
}

int services_cancelled(const struct agentd_run *run)
{
	pthread_mutex_lock(&host.lock);
	int cancelled = run->cancelled;
	pthread_mutex_unlock(&host.lock);
	return cancelled;
}

struct agentd_run *services_ref(struct agentd_run *run)
{
	pthread_mutex_lock(&host.lock);
	run->refs++;
	pthread_mutex_unlock(&host.lock);
	return run;
}

void services_unref(struct agentd_run *run)
{
	pthread_mutex_lock(&host.lock);
	run_unref_locked(run);
	pthread_mutex_unlock(&host.lock);
}
