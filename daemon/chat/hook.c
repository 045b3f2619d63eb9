/*
 * hook: calls of a hook's process. A call waits until the process is there: a message that a hook has to see is
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
#define EDIT_MAX   (256u << 10)

struct hook_call {
	struct hook *hook; /* borrowed */
	enum message_stage stage;
	uint64_t number; /* while it is asked; 0: it waits */
	unsigned deaths; /* of processes with it in them */
	struct event timer;
	void (*put)(void *arg, struct frame_writer *writer);
	hook_fn done;
	void *arg;
	TAILQ_ENTRY(hook_call) link;
};

static void hook_pump(struct hook *hook);

/* Calls. */

static void call_leave(struct hook_call *call)
{
	event_del(&call->timer);
	if (call->number) {
		TAILQ_REMOVE(&call->hook->asked, call, link);
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
	call->number = 0;
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
	if (call->number)
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
	call->number = ++hook->last_call;
	hook->calls++;
	TAILQ_INSERT_TAIL(&hook->asked, call, link);
	struct frame_writer writer = child_begin(hook->child, MESSAGE_CALL, call->number);
	frame_put_u32(&writer, call->stage);
	call->put(call->arg, &writer);
	frame_end(&writer); /* one that could not be written is not decided in time */
	event_add(&call->timer, &after);
}

/* Whether the first that waits can be asked now: one that may have ended a process is asked alone. */
static bool may_ask(const struct hook *hook)
{
	const struct hook_call *first = TAILQ_FIRST(&hook->waiting);
	const struct hook_call *asked = TAILQ_FIRST(&hook->asked);
	return first && (!asked || (!first->deaths && !asked->deaths));
}

/* agentd stops, and there will be no process in time. Not at once: who asks has not got its call yet. */
static void give_up(struct hook *hook)
{
	struct hook_call *call;
	TAILQ_FOREACH (call, &hook->waiting, link)
		event_active(&call->timer, EV_TIMEOUT, 0);
}

static void hook_pump(struct hook *hook)
{
	enum state state = child_state(hook->child);
	if (hook->chats->draining &&
	    (state == STATE_BACKOFF || state == STATE_FAILED || state == STATE_DOWN))
		give_up(hook);
	bool is_up = (state == STATE_READY || state == STATE_DRAINING) && child_pid(hook->child);
	while (is_up && may_ask(hook))
		call_send(TAILQ_FIRST(&hook->waiting));
	if (state == STATE_DRAINING && TAILQ_EMPTY(&hook->asked))
		child_idle(hook->child);
}

/* Metadata, which others are shown as it is: as one line; NULL if it is not a JSON object. */
static char *compact(struct frame_text json)
{
	json_t *value = json_loadb(json.p, json.n, JSON_REJECT_DUPLICATES, NULL);
	char *line = json_is_object(value) ? json_dumps(value, JSON_COMPACT) : NULL;
	json_decref(value);
	return line;
}

static int hook_on_decide(struct hook *hook, const struct frame *frame)
{
	struct frame_cursor cursor = frame_fields(frame);
	int64_t verdict = frame_get_i64(&cursor);
	struct frame_text text = frame_get_text(&cursor), metadata = frame_get_text(&cursor);
	struct hook_call *call;
	if (frame_end_fields(&cursor) < 0 || text.n > EDIT_MAX || metadata.n > EDIT_MAX)
		return -EPROTO;
	TAILQ_FOREACH (call, &hook->asked, link)
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

/* The process. */

static int hook_on_frame(void *arg, struct child *child, const struct frame *frame)
{
	(void)child;
	struct hook *hook = arg;
	switch (frame->type) {
	case MESSAGE_EMIT:
		return emissions_on_frame(&hook->emissions, frame);
	case MESSAGE_DECIDE:
		return hook_on_decide(hook, frame);
	default:
		return -EPROTO;
	}
}

static void hook_on_gone(void *arg, struct child *child)
{
	(void)child;
	struct hook *hook = arg;
	struct hook_call *call;
	emissions_forget(&hook->emissions);
	while ((call = TAILQ_LAST(&hook->asked, hook_call_list)))
		call_lost(call);
}

static void hook_on_changed(void *arg, struct child *child)
{
	struct hook *hook = arg;
	enum state state = child_state(child);
	if (state == STATE_READY)
		log_info("%s: ready (pid %d, generation %u)", hook_label(hook), child_pid(child),
		    child_generation(child));
	if (state == STATE_DOWN && hook->restarting) {
		hook->restarting = false;
		child_up(child);
	}
	hook_pump(hook);
	chats_changed(hook->chats);
}

static const struct child_ops hook_child_ops = {
	.frame = hook_on_frame,
	.gone = hook_on_gone,
	.changed = hook_on_changed,
};

static void hook_emit(void *arg, struct frame_text event, struct frame_text json,
    void (*done)(void *arg), void *done_arg)
{
	struct hook *hook = arg;
	const struct chats_setup *setup = &hook->chats->setup;
	setup->emit(setup->arg, hook_label(hook), event, json, done, done_arg);
}

static int hook_set_up(struct hook *hook, struct chats *chats, size_t i)
{
	const struct chats_setup *setup = &chats->setup;
	const struct instance_settings *instance;
	hook->chats = chats;
	hook->settings = &setup->settings->hooks[i];
	instance = &hook->settings->instance;
	hook->image = image_ref(setup->images[setup->settings->interface_count + i]);
	TAILQ_INIT(&hook->waiting);
	TAILQ_INIT(&hook->asked);
	emissions_init(&hook->emissions);
	if (options_encode(instance, &hook->config) < 0)
		return -ENOMEM;
	struct child_setup child = {
		.name = instance->name,
		.label = instance->label,
		.image = hook->image,
		.config = &hook->config,
		.times = &setup->settings->supervision,
		.limits = &instance->limits,
		.hidden = &setup->settings->hidden,
		.generations = &hook->generations,
		.host_fd = setup->host_fd,
	};
	hook->child = child_new(setup->base, &child, &hook_child_ops, hook);
	hook->emissions.child = hook->child;
	hook->emissions.emit = hook_emit;
	hook->emissions.arg = hook;
	hook->emissions.event_max = (size_t)instance->limits.event;
	return hook->child ? 0 : -ENOMEM;
}

struct hook *hook_new(struct chats *chats, size_t i)
{
	struct hook *hook = calloc(1, sizeof(*hook));
	if (hook && hook_set_up(hook, chats, i) < 0) {
		hook_free(hook);
		hook = NULL;
	}
	return hook;
}

void hook_free(struct hook *hook)
{
	while (!TAILQ_EMPTY(&hook->waiting))
		hook_call_drop(TAILQ_FIRST(&hook->waiting));
	while (!TAILQ_EMPTY(&hook->asked))
		hook_call_drop(TAILQ_FIRST(&hook->asked));
	emissions_forget(&hook->emissions);
	if (hook->child)
		child_free(hook->child);
	image_unref(hook->image);
	options_done(&hook->config);
	free(hook);
}

void hook_start(struct hook *hook)
{
	child_up(hook->child);
}

void hook_drain(struct hook *hook)
{
	hook_pump(hook);
}

void hook_stop(struct hook *hook)
{
	hook->restarting = false;
	child_down(hook->child);
	hook_pump(hook);
}

void hook_restart(struct hook *hook)
{
	enum state state = child_state(hook->child);
	if (hook->chats->stopping || !hook->chats->started)
		return;
	if (state == STATE_READY || state == STATE_DRAINING || state == STATE_STOPPING) {
		hook->restarting = true;
		child_down(hook->child);
		hook_pump(hook);
	} else {
		child_up(hook->child);
	}
}

bool hook_is_down(const struct hook *hook)
{
	return child_state(hook->child) == STATE_DOWN;
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
	return image_descriptor(hook->image);
}

void hook_look(const struct hook *hook, struct hook_view *ret)
{
	const struct child *child = hook->child;
	*ret = (struct hook_view){
		.state = child_state(child),
		.generation = child_generation(child),
		.restarts = child_restarts(child),
		.pid = child_pid(child),
		.last_exit = child_last_exit(child),
		.retry_at_wall_ms = child_retry_at_wall_ms(child),
		.calls = hook->calls,
		.waiting = hook->waiting_count,
	};
}
