/*
 * hook: calls of a hook. A call waits until the process is there: a message that a hook has to see is
 * not let past it. A call in flight when the process dies is tried once more, alone, so that only the one that kills
 * it has failed after that. One that is not decided in time has failed.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/chat/internal.h"

#define DEATHS_MAX 2

struct hook_call {
	struct hook *hook; /* borrowed */
	enum message_stage stage;
	struct hook_process *process; /* that is asked; NULL: it waits */
	uint64_t number;              /* while it is asked */
	unsigned deaths;              /* of processes with it in them */
	struct event timer;
	void (*put)(void *arg, struct frame_writer *writer);
	hook_fn done;
	void *arg;
	TAILQ_ENTRY(hook_call) link;
};

/* Calls. */

static void call_leave(struct hook_call *call)
{
	event_del(&call->timer);
	if (call->process) {
		TAILQ_REMOVE(&call->process->asked, call, link);
	} else {
		TAILQ_REMOVE(&call->hook->waiting, call, link);
		call->hook->waiting_count--;
	}
}

void hook_call_drop(struct hook_call *call)
{
	if (!call)
		return;
	call_leave(call);
	free(call);
}

static void call_end(
    struct hook_call *call, int64_t verdict, struct frame_text text, struct frame_text metadata)
{
	hook_fn done = call->done;
	void *arg = call->arg;
	hook_call_drop(call);
	done(arg, verdict, text, metadata);
}

static void call_wait(struct hook_call *call, bool first)
{
	struct hook *hook = call->hook;
	call->process = NULL;
	if (first)
		TAILQ_INSERT_HEAD(&hook->waiting, call, link);
	else
		TAILQ_INSERT_TAIL(&hook->waiting, call, link);
	hook->waiting_count++;
}

static void call_fail(struct hook_call *call, int error, const char *why)
{
	struct frame_text none = { 0 };
	log_warn("%s: a call %s", hook_label(call->hook), why);
	call_end(call, error, none, none);
}

static void call_on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct hook_call *call = arg;
	struct hook *hook = call->hook;
	struct frame_text none = { 0 };
	if (call->process)
		call_fail(call, -ETIMEDOUT, "was not decided in time");
	else
		call_end(call, -ESHUTDOWN, none, none);
	hook_pump(hook);
}

/* Its process died with it. */
static void call_lost(struct hook_call *call)
{
	if (++call->deaths >= DEATHS_MAX) {
		call_fail(call, -EPIPE, "has ended its process twice");
		return;
	}
	call_leave(call);
	call_wait(call, true);
}

struct hook_call *hook_ask(struct hook *hook, enum message_stage stage,
    void (*put)(void *arg, struct frame_writer *writer), hook_fn done, void *arg)
{
	struct hook_call *call = calloc(1, sizeof(*call));
	if (!call)
		return NULL;
	*call = (struct hook_call){
		.hook = hook, .stage = stage, .put = put, .done = done, .arg = arg
	};
	event_assign(&call->timer, hook->chats->setup.base, -1, 0, call_on_timer, call);
	call_wait(call, false);
	hook_pump(hook);
	return call;
}

static void call_send(struct hook_call *call)
{
	struct hook *hook = call->hook;
	int64_t ms = hook->settings->timeout_ms;
	struct timeval after = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
	call_leave(call);
	call->process = hook->serving;
	call->number = ++hook->last_call;
	hook->calls++;
	TAILQ_INSERT_TAIL(&call->process->asked, call, link);
	struct frame_writer writer = child_begin(call->process->child, MESSAGE_CALL, call->number);
	frame_put_u32(&writer, call->stage);
	call->put(call->arg, &writer);
	frame_end(&writer); /* one that could not be written is not decided in time */
	event_add(&call->timer, &after);
}

/* Whether the first that waits can be asked now: one that may have ended a process is asked alone. */
static bool may_ask(const struct hook *hook)
{
	const struct hook_call *first = TAILQ_FIRST(&hook->waiting);
	const struct hook_call *asked = TAILQ_FIRST(&hook->serving->asked);
	return first && (!asked || (!first->deaths && !asked->deaths));
}

/* agentd stops, and there will be no process in time. Not at once: who asks has not got its call yet. */
static void give_up(struct hook *hook)
{
	struct hook_call *call;
	TAILQ_FOREACH (call, &hook->waiting, link)
		event_active(&call->timer, EV_TIMEOUT, 0);
}

void hook_pump(struct hook *hook)
{
	const struct child *child = hook->serving->child;
	enum state state = child_state(child);
	if (hook->chats->draining &&
	    (state == STATE_BACKOFF || state == STATE_FAILED || state == STATE_DOWN))
		give_up(hook);
	bool is_up = (state == STATE_READY || state == STATE_DRAINING) && child_pid(child);
	while (is_up && may_ask(hook))
		call_send(TAILQ_FIRST(&hook->waiting));
	hook_check_idle(hook);
}

/* Metadata, which others are shown as it is: as one line; NULL if it is not a JSON object. */
static char *compact(struct frame_text json)
{
	json_t *value = json_loadb(json.p, json.n, JSON_REJECT_DUPLICATES, NULL);
	char *line = json_is_object(value) ? json_dumps(value, JSON_COMPACT) : NULL;
	json_decref(value);
	return line;
}

int hook_on_decide(struct hook_process *process, const struct frame *frame)
{
	struct hook *hook = process->hook;
	struct frame_cursor cursor = frame_fields(frame);
	int64_t verdict = frame_get_i64(&cursor);
	struct frame_text text = frame_get_text(&cursor), metadata = frame_get_text(&cursor);
	struct hook_call *call;
	if (frame_end_fields(&cursor) < 0 || text.n > MESSAGE_EDIT_MAX ||
	    metadata.n > MESSAGE_EDIT_MAX)
		return -EPROTO;
	TAILQ_FOREACH (call, &process->asked, link)
		if (call->number == frame->run)
			break;
	if (!call)
		return 0; /* too late */
	if (verdict != 0 && verdict != AGENTD_REFUSE)
		log_warn("%s: a call has failed (%lld)", hook_label(hook), (long long)verdict);
	char *line = metadata.p ? compact(metadata) : NULL;
	if (metadata.p && !line)
		log_warn("%s: its metadata is not a JSON object; it is left out", hook_label(hook));
	call_end(call, verdict == 0 || verdict == AGENTD_REFUSE ? verdict : -EIO, text,
	    (struct frame_text){ line, line ? strlen(line) : 0 });
	free(line);
	hook_pump(hook);
	return 0;
}

void hook_on_lost(struct hook_process *process)
{
	struct hook_call *call;
	while ((call = TAILQ_LAST(&process->asked, hook_call_list)))
		call_lost(call);
}

/* Making. */

struct hook *hook_new(
    struct chats *chats, const struct hook_settings *settings, struct edition *edition)
{
	struct hook *hook = calloc(1, sizeof(*hook));
	if (!hook)
		return NULL;
	hook->chats = chats;
	hook->settings = settings;
	hook->edition = edition_ref(edition);
	TAILQ_INIT(&hook->processes);
	TAILQ_INIT(&hook->waiting);
	hook->serving = hook_process_new(hook, edition);
	if (hook->serving)
		return hook;
	hook_free(hook);
	return NULL;
}

void hook_free(struct hook *hook)
{
	struct hook_process *process;
	while (!TAILQ_EMPTY(&hook->waiting))
		hook_call_drop(TAILQ_FIRST(&hook->waiting));
	TAILQ_FOREACH (process, &hook->processes, link)
		while (!TAILQ_EMPTY(&process->asked))
			hook_call_drop(TAILQ_FIRST(&process->asked));
	hook_processes_free(hook);
	edition_unref(hook->edition);
	free(hook);
}

struct hook *hook_ref(struct hook *hook)
{
	hook->refs++;
	return hook;
}

void hook_unref(struct hook *hook)
{
	if (--hook->refs == 0 && hook->is_leaving)
		chats_reap_soon(hook->chats);
}

bool hook_has(const struct hook *hook, enum message_stage stage)
{
	return hook_descriptor(hook)->can & 1u << stage;
}

const char *hook_label(const struct hook *hook)
{
	return hook->settings->instance.label;
}

const struct hook_settings *hook_settings(const struct hook *hook)
{
	return hook->settings;
}

const struct descriptor *hook_descriptor(const struct hook *hook)
{
	return edition_descriptor(hook->serving->edition);
}
