/* child: a process, timers and frames on one side, the state table on the other. */
#include "daemon/proc/child.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/id.h"
#include "daemon/base/log.h"
#include "daemon/base/message.h"
#include "daemon/proc/channel.h"
#include "daemon/proc/orphan.h"
#include "daemon/proc/output.h"
#include "daemon/proc/process.h"
#include "daemon/proc/spawn.h"
#include "daemon/proc/threads.h"

#define PINGS_UNANSWERED 3
#define LEFTOVERS_MS     100 /* until what a host left behind is looked for again */
#define REST_MAX_MS      86400000u

struct child {
	struct event_base *base; /* borrowed */
	struct child_setup setup;
	const struct child_ops *ops; /* borrowed */
	void *arg;                   /* borrowed */

	enum state state;
	bool wanted;
	bool was_told; /* the last end was one that somebody wanted: what follows is no restart */
	unsigned generation, restarts, failures; /* failures: deaths in a row */
	uint64_t ready_at_ms, retry_at_wall_ms;
	int64_t backoff_ms;
	struct child_exit last_exit;
	struct event *state_timer, *ping_timer;
	struct event *stillborn; /* made active when a process could not even be started */

	struct process *process; /* NULL: there is none */
	/* Of it. */
	bool configured;    /* it was sent its settings, so READY may come */
	uint64_t rest_ms;   /* that it has asked for, before the next one */
	unsigned pings;     /* not answered yet */
	uint64_t ping_at;   /* the byte of the channel that is behind the first of them */
	char reason[512];   /* what it said before it left, or why it was killed */
	struct buf nowhere; /* takes frames for a process that is gone */
};

/* How many there are. */
static size_t children;

static void child_step(struct child *child, enum state_event event);
static void child_ended(struct child *child);

static void arm(struct event *timer, int64_t after_ms)
{
	struct timeval after = { .tv_sec = after_ms / 1000, .tv_usec = after_ms % 1000 * 1000 };
	if (after_ms)
		event_add(timer, &after);
	else
		event_del(timer);
}

/* The first reason is the cause, later ones are its consequences. */
static void remember_reason(struct child *child, const char *reason)
{
	if (!child->reason[0])
		snprintf(child->reason, sizeof(child->reason), "%s", reason);
}

/* NULL: there is no process, or it was read to its end. */
static struct channel *child_channel(const struct child *child)
{
	return child->process ? process_channel(child->process) : NULL;
}

/* Frames. */

static int child_on_hello(struct child *child, const struct frame *frame)
{
	if (child->state != STATE_STARTING)
		return -EPROTO;
	if (image_hello(child->setup.image, frame) < 0) {
		remember_reason(
		    child, "describes itself in a way that does not fit its first start");
		return -EPROTO;
	}
	child->configured = child->setup.config != NULL;
	if (child->configured)
		channel_add(
		    child_channel(child), child->setup.config->data, child->setup.config->length);
	if (child->ops->hello)
		child->ops->hello(child->arg, child);
	return 0;
}

static int child_on_log(struct child *child, const struct frame *frame)
{
	struct frame_cursor cursor = frame_fields(frame);
	uint32_t level = frame_get_u32(&cursor);
	struct frame_text text = frame_get_text(&cursor), run = frame_get_text(&cursor);
	char run_id[ID_SIZE] = "";
	if (frame_end_fields(&cursor) < 0 || level > LOG_LEVEL_DEBUG || run.n >= sizeof(run_id))
		return -EPROTO;
	if (run.n)
		memcpy(run_id, run.p, run.n);
	output_say(process_output(child->process), (enum log_level)level, run_id,
	    text.p ? text.p : "", text.n);
	return 0;
}

static int child_on_frame(void *arg, const struct frame *frame)
{
	struct child *child = arg;
	struct frame_cursor cursor = frame_fields(frame);
	switch (frame->type) {
	case MESSAGE_HELLO:
		return child_on_hello(child, frame);
	case MESSAGE_READY:
		if (child->state != STATE_STARTING || !child->configured || frame->length)
			return child->state == STATE_STOPPING ? 0 : -EPROTO;
		child_step(child, EVENT_READY);
		return 0;
	case MESSAGE_LEAVING: {
		char *reason = frame_get_str(&cursor);
		if (frame_end_fields(&cursor) < 0 || !reason) {
			free(reason);
			return -EPROTO;
		}
		remember_reason(child, reason);
		free(reason);
		return 0;
	}
	case MESSAGE_REST:
		child->rest_ms = frame_get_u64(&cursor);
		return frame_end_fields(&cursor);
	case MESSAGE_PONG:
		/* One that answers nothing tells nothing. Else what is for a process that does not
		 * read would pile up without end. */
		if (channel_written(child_channel(child)) >= child->ping_at)
			child->pings = 0;
		return frame->length ? -EPROTO : 0;
	case MESSAGE_LOG:
		return child_on_log(child, frame);
	case MESSAGE_EMIT:    /* also from its open, and its close */
	case MESSAGE_SUBMIT:  /* also from its start */
	case MESSAGE_STOPPED: /* also if it is told to stop before it is ready */
		return child->configured ? child->ops->frame(child->arg, child, frame) : -EPROTO;
	case MESSAGE_INPUT:
	case MESSAGE_DELTA:
	case MESSAGE_EVENT:
	case MESSAGE_FINISH:
	case MESSAGE_SENT:
	case MESSAGE_RESPOND:
	case MESSAGE_DECIDE:
		if (child->state != STATE_READY && child->state != STATE_DRAINING)
			return child->state == STATE_STOPPING ? 0 : -EPROTO;
		return child->ops->frame(child->arg, child, frame);
	default:
		return -EPROTO;
	}
}

static void child_on_end(void *arg, int error)
{
	struct child *child = arg;
	if (error)
		remember_reason(child, "sent a frame that makes no sense");
	/* A process that ends closes its socket a moment before it can be reaped. One that is killed
	 * must not see our end close first: it would exit of its own accord. */
	child_step(child, error ? EVENT_FAULT : EVENT_CLOSED);
	process_close(child->process);
}

static void child_on_drained(void *arg)
{
	struct child *child = arg;
	if (child->ops->drained)
		child->ops->drained(child->arg, child);
}

static const struct channel_ops child_channel_ops = {
	.frame = child_on_frame,
	.end = child_on_end,
	.drained = child_on_drained,
};

/* The process. */

static void child_on_ended(void *arg, int signal, int code)
{
	struct child *child = arg;
	child->last_exit.signal = signal;
	child->last_exit.code = code;
	child_ended(child);
}

static void child_send_setup(struct child *child, const struct threads *threads)
{
	struct frame_writer writer = channel_begin(child_channel(child), MESSAGE_SETUP, 0);
	const struct host_limits *limits = child->setup.limits;
	frame_put_u32(&writer, MESSAGE_PROTOCOL);
	frame_put_str(&writer, child->setup.name);
	frame_put_u32(&writer, (uint32_t)limits->delta);
	frame_put_u32(&writer, (uint32_t)limits->event);
	frame_put_u32(&writer, (uint32_t)limits->events);
	frame_put_u64(&writer, (uint64_t)limits->content);
	frame_put_u32(&writer, (uint32_t)limits->threads);
	frame_put_u32(&writer, (limits->allow_unix ? MESSAGE_ALLOW_UNIX : 0) |
				   (limits->allow_files ? MESSAGE_ALLOW_FILES : 0));
	frame_put_str(&writer, child->setup.spool);
	frame_put_u32(&writer, (uint32_t)threads->count);
	for (size_t i = 0; i < threads->count; i++)
		frame_put_u32(&writer, (uint32_t)threads->ids[i]);
	frame_put_u32(&writer, (uint32_t)child->setup.hidden->count);
	for (size_t i = 0; i < child->setup.hidden->count; i++)
		frame_put_str(&writer, child->setup.hidden->items[i]);
	frame_end(&writer);
}

static int child_spawn(struct child *child)
{
	struct spawn_request request = {
		.program = "agentd-host",
		.name = child->setup.name,
		.host_fd = child->setup.host_fd,
		.plugin_fd = image_fd(child->setup.image),
		.memory_bytes = child->setup.limits->memory,
		.files = child->setup.limits->files,
	};
	struct process_setup setup = {
		.request = &request,
		.label = child->setup.label,
		.ops = &child_channel_ops,
		.ended = child_on_ended,
		.arg = child,
	};
	struct threads threads;
	int error = threads_read(&threads);
	if (error == 0)
		error = process_start(child->base, &setup, &child->process);
	if (error < 0)
		return error;
	child->generation = ++*child->setup.generations;
	child->pings = 0;
	child->configured = false;
	child_send_setup(child, &threads);
	log_debug("%s: started as pid %d, generation %u", child->setup.label, child_pid(child),
	    child->generation);
	return 0;
}

/* Puts away all that belongs to a process, alive or not. */
static void child_bury(struct child *child)
{
	process_free(child->process);
	child->process = NULL;
}

/* What could not be ended at once is tried again, whatever becomes of the child that left it. */
static struct event *leftovers_timer;

static void on_leftovers_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	unsigned ended = 0;
	if (!orphans_end(ORPHANS_SOON_MS, &ended))
		arm(leftovers_timer, LEFTOVERS_MS);
	if (ended)
		log_warn("ended %u more process%s that a host had left behind", ended,
		    ended == 1 ? "" : "es");
}

static void child_end_leftovers(const struct child *child)
{
	unsigned ended = 0;
	bool all = orphans_end(ORPHANS_SOON_MS, &ended);
	if (ended)
		log_warn("%s: ended %u process%s that it left behind", child->setup.label, ended,
		    ended == 1 ? "" : "es");
	if (all)
		return;
	if (!leftovers_timer)
		leftovers_timer = event_new(child->base, -1, 0, on_leftovers_timer, NULL);
	if (leftovers_timer)
		arm(leftovers_timer, LEFTOVERS_MS);
}

/* Who reads that a start has failed wants to know whether anybody is served. */
static void child_say_meanwhile(const struct child *child, char *text, size_t size)
{
	unsigned generation = child->ops->meanwhile ? child->ops->meanwhile(child->arg) : 0;
	text[0] = '\0';
	if (generation)
		snprintf(text, size, "; the process of generation %u goes on serving meanwhile",
		    generation);
}

static void child_log_exit(const struct child *child)
{
	const struct child_exit *last = &child->last_exit;
	char meanwhile[80];
	if (child->setup.quiet)
		return;
	child_say_meanwhile(child, meanwhile, sizeof(meanwhile));
	if (!child->wanted)
		log_debug("%s: stopped (%s)", child->setup.label, last->whole);
	else if (child->state == STATE_BACKOFF)
		log_error("%s: %s; restart %u in %.1f s%s", child->setup.label, last->whole,
		    child->restarts + 1, (double)child->backoff_ms / 1000, meanwhile);
	else if (child->state == STATE_FAILED)
		log_error("%s: %s; not started again until its plugin or settings change%s",
		    child->setup.label, last->whole, meanwhile);
}

/* Whether it is an interface that says that it has nothing more to do. */
static bool child_has_done(const struct child *child)
{
	const struct descriptor *plugin = image_descriptor(child->setup.image);
	return plugin && plugin->kind == AGENTD_INTERFACE && child->last_exit.signal == 0 &&
	       child->last_exit.code == HOST_EXIT_DONE;
}

/* The events of an end: what somebody asked for, what another try cannot help, and the rest. Code 0
 * counts as the rest: a plugin that calls exit(0) under its runs has not stopped cleanly. */
static enum state_event child_end_event(const struct child *child)
{
	if (!child->wanted)
		return EVENT_ENDED;
	if (child->last_exit.signal)
		return EVENT_GONE;
	if (child->last_exit.code == HOST_EXIT_REFUSED)
		return EVENT_REFUSED;
	return child_has_done(child) ? EVENT_ENDED : EVENT_GONE;
}

static void child_ended(struct child *child)
{
	uint64_t now = clock_monotonic_ms();
	child->was_told = !child->wanted;
	if (!child->last_exit.signal && child->last_exit.code == HOST_EXIT_NO_EXEC)
		remember_reason(child, "agentd-host could not be started");
	exit_describe(&child->last_exit, child->reason,
	    child->process ? output_last_line(process_output(child->process)) : "");
	if (child->ready_at_ms &&
	    now - child->ready_at_ms >= (uint64_t)child->setup.times->stable_ms)
		child->failures = 0;
	child->ready_at_ms = 0;
	child->failures++;
	child->backoff_ms = state_backoff_ms(child->setup.times, child->failures, random_u32());
	if (child->rest_ms > REST_MAX_MS)
		child->rest_ms = REST_MAX_MS;
	if (child->backoff_ms < (int64_t)child->rest_ms)
		child->backoff_ms = (int64_t)child->rest_ms;
	child_bury(child);
	child_end_leftovers(child);
	child->ops->gone(child->arg, child);
	enum state_event event = child_end_event(child);
	if (event == EVENT_ENDED && child->wanted)
		log_info(
		    "%s: has nothing more to do: %s", child->setup.label, child->last_exit.whole);
	child->wanted = child->wanted && event != EVENT_ENDED;
	child_step(child, event);
}

/* The table. */

static void child_signal(struct child *child, int signal)
{
	if (child->process)
		process_signal(child->process, signal);
}

static void child_start(struct child *child)
{
	if (child->last_exit.at_wall_ms && !child->was_told)
		child->restarts++;
	child->reason[0] = '\0';
	child->rest_ms = 0;
	int error = child_spawn(child);
	if (error == 0)
		return;
	snprintf(
	    child->reason, sizeof(child->reason), "cannot start agentd-host: %s", strerror(-error));
	child->last_exit.signal = 0;
	child->last_exit.code = HOST_EXIT_NO_EXEC;
	event_active(child->stillborn, EV_TIMEOUT, 0);
}

static void child_on_stillborn(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	child_ended(arg);
}

static void child_act(struct child *child, enum state_action action)
{
	switch (action) {
	case ACTION_SPAWN:
		child_start(child);
		return;
	case ACTION_QUIT:
		if (child_channel(child)) {
			struct frame_writer writer = child_begin(child, MESSAGE_QUIT, 0);
			frame_end(&writer);
		}
		return;
	case ACTION_TERM:
		child_signal(child, SIGTERM);
		return;
	case ACTION_KILL:
		child_signal(child, SIGKILL);
		return;
	case ACTION_DRAIN: /* the owner sees the state and sends nothing new */
	case ACTION_NONE:
		return;
	}
}

/* One step of the table. May free the child, through `changed`: nothing touches it afterwards. */
static void child_step(struct child *child, enum state_event event)
{
	enum state before = child->state;
	struct state_step step = state_step(before, event);
	if (event == EVENT_TIMER && step.action == ACTION_KILL && child->wanted)
		remember_reason(child, before == STATE_STARTING ? "was not ready in time"
								: "closed its socket to agentd");
	child->state = step.next;
	if (step.next != before) {
		const struct supervision *times = child->setup.times;
		int64_t lasts_ms = state_lasts_ms(step.next, times, child->backoff_ms);
		bool alive = step.next == STATE_READY || step.next == STATE_DRAINING;
		arm(child->state_timer, lasts_ms);
		if (step.next == STATE_READY)
			child->ready_at_ms = clock_monotonic_ms();
		if (!alive || before == STATE_STARTING)
			arm(child->ping_timer, alive ? times->ping_ms : 0);
		child->retry_at_wall_ms =
		    step.next == STATE_BACKOFF ? clock_wall_ms() + (uint64_t)lasts_ms : 0;
	} else if (step.action == ACTION_KILL) {
		arm(child->state_timer, 0); /* nothing is left to try */
	}
	if (event == EVENT_GONE || event == EVENT_ENDED || event == EVENT_REFUSED)
		child_log_exit(child);
	child_act(child, step.action);
	if (step.next != before)
		child->ops->changed(child->arg, child);
}

static void child_on_state_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	child_step(arg, EVENT_TIMER);
}

static void child_on_ping_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct child *child = arg;
	if (child->pings >= PINGS_UNANSWERED) {
		child_fault(child, "did not answer three pings: its loop is stuck");
		return;
	}
	struct channel *channel = child_channel(child);
	struct frame_writer writer = channel_begin(channel, MESSAGE_PING, 0);
	frame_end(&writer);
	if (child->pings++ == 0)
		child->ping_at = channel_written(channel) + channel_backlog(channel);
	arm(child->ping_timer, child->setup.times->ping_ms);
}

/* For owners. */

struct child *child_new(struct event_base *base, const struct child_setup *setup,
    const struct child_ops *ops, void *arg)
{
	struct child *child = calloc(1, sizeof(*child));
	if (!child)
		return NULL;
	child->base = base;
	child->setup = *setup;
	child->setup.image = image_ref(setup->image);
	child->ops = ops;
	child->arg = arg;
	children++;
	child->state_timer = event_new(base, -1, 0, child_on_state_timer, child);
	child->ping_timer = event_new(base, -1, 0, child_on_ping_timer, child);
	child->stillborn = event_new(base, -1, 0, child_on_stillborn, child);
	if (!child->state_timer || !child->ping_timer || !child->stillborn) {
		child_free(child);
		return NULL;
	}
	return child;
}

void child_free(struct child *child)
{
	if (!child)
		return;
	bool had_process = child->process;
	child_bury(child);
	children--;
	if (had_process)
		child_end_leftovers(child);
	if (child->state_timer)
		event_free(child->state_timer);
	if (child->ping_timer)
		event_free(child->ping_timer);
	if (child->stillborn)
		event_free(child->stillborn);
	image_unref(child->setup.image);
	buf_done(&child->nowhere);
	free(child);
	if (children == 0 && leftovers_timer) {
		event_free(leftovers_timer);
		leftovers_timer = NULL;
	}
}

void child_rebind(struct child *child, const struct child_setup *setup)
{
	struct image *before = child->setup.image;
	child->setup = *setup;
	child->setup.image = image_ref(setup->image);
	image_unref(before);
}

void child_up(struct child *child)
{
	child->wanted = true;
	child_step(child, EVENT_UP);
}

void child_down(struct child *child)
{
	child->wanted = false;
	child_step(child, EVENT_DOWN);
}

void child_idle(struct child *child)
{
	child_step(child, EVENT_IDLE);
}

void child_fault(struct child *child, const char *reason)
{
	remember_reason(child, reason);
	child_step(child, EVENT_FAULT);
}

void child_kill(struct child *child)
{
	child->wanted = false;
	child_step(child, child->process ? EVENT_FAULT : EVENT_DOWN);
}

struct frame_writer child_begin(struct child *child, uint16_t type, uint64_t run)
{
	struct channel *channel = child_channel(child);
	if (channel)
		return channel_begin(channel, type, run);
	child->nowhere.length = 0;
	return frame_begin(&child->nowhere, type, run);
}

size_t child_backlog(const struct child *child)
{
	return child_channel(child) ? channel_backlog(child_channel(child)) : 0;
}

enum state child_state(const struct child *child)
{
	return child->state;
}

bool child_is_configured(const struct child *child)
{
	return child->configured;
}

unsigned child_generation(const struct child *child)
{
	return child->generation;
}

pid_t child_pid(const struct child *child)
{
	return child->process ? process_pid(child->process) : 0;
}

unsigned child_restarts(const struct child *child)
{
	return child->restarts;
}

uint64_t child_retry_at_wall_ms(const struct child *child)
{
	return child->retry_at_wall_ms;
}

const struct child_exit *child_last_exit(const struct child *child)
{
	return &child->last_exit;
}
