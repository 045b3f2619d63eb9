/*
 * services: the functions that a plugin calls. Those of runs, and log, come from any thread: they hold
 * the lock, put a frame into `out`, and wake the loop.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "daemon/base/id.h"
#include "daemon/base/message.h"
#include "daemon/proc/channel.h"
#include "host/chat.h"
#include "host/hook.h"
#include "host/interface.h"
#include "host/internal.h"

#define RUNS_RETIRED 1024
#define ERROR_MAX    4096 /* one line for the caller: agentd shows no more of it */
#define LOG_BACKLOG_MAX \
	(1u << 20) /* log lines beyond it are dropped: they must not become memory */

struct host_state host = { .lock = PTHREAD_MUTEX_INITIALIZER, .credit = PTHREAD_COND_INITIALIZER };

struct agentd_timer {
	struct event *event;
	void (*fn)(void *arg);
	void *arg;
};

struct agentd_watch {
	struct event *event;
	int fd;
	void (*fn)(void *arg, uint32_t what);
	void *arg;
};

/* Sending, from any thread. Locked by the caller. */

void services_wake(void)
{
	if (host.woken)
		return;
	host.woken = true;
	if (pthread_equal(pthread_self(), host.loop))
		event_active(host.flush, EV_READ, 0);
	else
		eventfd_write(host.wake_fd, 1);
}

void services_flush(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	eventfd_t ignored;
	eventfd_read(host.wake_fd, &ignored);
	pthread_mutex_lock(&host.lock);
	host.woken = false;
	channel_add(host.channel, host.out.data, host.out.length);
	host.out.length = 0;
	host.backlog = channel_backlog(host.channel);
	if (host.out.capacity > LOG_BACKLOG_MAX)
		buf_done(&host.out);
	pthread_mutex_unlock(&host.lock);
}

bool services_is_kind(uint32_t kind)
{
	return host.plugin->head.kind == kind;
}

static void run_unref_locked(struct agentd_run *run)
{
	if (--run->refs)
		return;
	buf_done(&run->input);
	buf_done(&run->metadata);
	free(run);
}

/* The host table. */

static _Thread_local const char *current_run; /* its id */

void services_enter(const struct agentd_run *run)
{
	current_run = run ? run->id : NULL;
}

static void put_log(uint32_t level, const char *run_id, const char *text)
{
	if (host.out.length + host.backlog > LOG_BACKLOG_MAX) {
		services_wake(); /* which looks how much agentd has taken since */
		return;
	}
	struct frame_writer writer = frame_begin(&host.out, MESSAGE_LOG, 0);
	frame_put_u32(&writer, level > AGENTD_LOG_DEBUG ? AGENTD_LOG_DEBUG : level);
	frame_put_str(&writer, text);
	frame_put_str(&writer, run_id);
	frame_end(&writer);
	services_wake();
}

static void put_log_line(uint32_t level, const char *run_id, const char *format, va_list args)
{
	char text[1024];
	vsnprintf(text, sizeof(text), format, args);
	pthread_mutex_lock(&host.lock);
	put_log(level, run_id, text);
	pthread_mutex_unlock(&host.lock);
}

static void host_run_log(struct agentd_run *run, uint32_t level, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	put_log_line(level, run->id, format, args);
	va_end(args);
}

static void host_log(const struct agentd_host *self, uint32_t level, const char *format, ...)
{
	(void)self;
	va_list args;
	va_start(args, format);
	put_log_line(level, current_run, format, args);
	va_end(args);
}

/* A call for a run that is finished: harmless, and said once. Locked by the caller. */
static int complain(struct agentd_run *run, const char *what)
{
	char text[96];
	snprintf(text, sizeof(text), "the plugin called %s after the run was finished", what);
	if (!run->complained)
		put_log(AGENTD_LOG_WARN, run->id, text);
	run->complained = true;
	return -EALREADY;
}

static void host_ready(const struct agentd_host *self)
{
	(void)self;
	if (host.ready)
		return;
	host.ready = true;
	pthread_mutex_lock(&host.lock);
	struct frame_writer writer = frame_begin(&host.out, MESSAGE_READY, 0);
	frame_end(&writer);
	services_wake();
	pthread_mutex_unlock(&host.lock);
}

_Noreturn void services_leave(int code, const char *reason)
{
	services_flush(-1, 0, NULL); /* what was said before, first */
	channel_flush(host.channel);
	host_leave(host.fd, code, "%s", reason ? reason : "the plugin gave no reason");
}

static void host_fail(const struct agentd_host *self, const char *reason)
{
	(void)self;
	services_leave(HOST_EXIT_FAILED, reason);
}

static void host_fail_for(const struct agentd_host *self, const char *reason, uint64_t after_ms)
{
	(void)self;
	pthread_mutex_lock(&host.lock);
	struct frame_writer writer = frame_begin(&host.out, MESSAGE_REST, 0);
	frame_put_u64(&writer, after_ms);
	frame_end(&writer);
	pthread_mutex_unlock(&host.lock);
	services_leave(HOST_EXIT_FAILED, reason);
}

static void host_fatal(const struct agentd_host *self, const char *reason)
{
	(void)self;
	services_leave(HOST_EXIT_REFUSED, reason);
}

static void host_done(const struct agentd_host *self, const char *reason)
{
	(void)self;
	services_leave(
	    services_is_kind(AGENTD_INTERFACE) ? HOST_EXIT_DONE : HOST_EXIT_FAILED, reason);
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

static int host_delta(struct agentd_run *run, struct agentd_text text)
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

static int host_event(struct agentd_run *run, const char *type, struct agentd_text json)
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

static int host_finish(struct agentd_run *run, const struct agentd_result *result)
{
	char why[96] = "a result that is too long for agentd";
	struct agentd_result ours = { 0 };
	bool is_known = load_copy(&ours, sizeof(ours), result, result->size) == 0;
	if (ours.error.n > ERROR_MAX)
		ours.error.n = ERROR_MAX;
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

static int host_input(struct agentd_run *run, struct agentd_text text)
{
	return say_input(run, &run->input, text, MESSAGE_INPUT_MAX);
}

static int host_metadata(struct agentd_run *run, struct agentd_text json)
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
	char why[64];
	snprintf(why, sizeof(why), "the plugin's handler failed (%d)", error);
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

static int host_cancelled(const struct agentd_run *run)
{
	pthread_mutex_lock(&host.lock);
	int cancelled = run->cancelled;
	pthread_mutex_unlock(&host.lock);
	return cancelled;
}

static struct agentd_run *host_ref(struct agentd_run *run)
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

/* Events. */

static int host_emit(const struct agentd_host *self, const char *event, struct agentd_text json)
{
	size_t n = event ? strlen(event) : 0;
	(void)self;
	if (!name_is_good(event, n))
		return -EINVAL;
	if (json.n > host.setup->event_max || json.n + n > host.setup->event_max)
		return -EMSGSIZE;
	pthread_mutex_lock(&host.lock);
	int error = host.emitted < MESSAGE_EMISSIONS ? 0 : -EAGAIN;
	if (error == 0) {
		struct frame_writer writer = frame_begin(&host.out, MESSAGE_EMIT, 0);
		frame_put_text(&writer, event, n);
		chat_put_text(&writer, json);
		error = frame_end(&writer);
	}
	if (error == 0) {
		host.emitted++;
		services_wake();
	}
	pthread_mutex_unlock(&host.lock);
	return error;
}

static uint64_t host_now_ms(const struct agentd_host *self)
{
	(void)self;
	return clock_monotonic_ms();
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct agentd_timer *timer = arg;
	timer->fn(timer->arg);
}

static struct agentd_timer *host_timer_new(
    const struct agentd_host *self, void (*fn)(void *arg), void *arg)
{
	(void)self;
	struct agentd_timer *timer = calloc(1, sizeof(*timer));
	if (!timer)
		return NULL;
	timer->fn = fn;
	timer->arg = arg;
	timer->event = event_new(host.base, -1, 0, on_timer, timer);
	if (!timer->event) {
		free(timer);
		return NULL;
	}
	return timer;
}

static int host_timer_set(struct agentd_timer *timer, uint64_t after_ms)
{
	struct timeval after = { .tv_sec = (time_t)(after_ms / 1000),
		.tv_usec = (suseconds_t)(after_ms % 1000 * 1000) };
	return event_add(timer->event, &after) < 0 ? -ENOMEM : 0;
}

static void host_timer_clear(struct agentd_timer *timer)
{
	event_del(timer->event);
}

static void host_timer_free(struct agentd_timer *timer)
{
	if (!timer)
		return;
	event_free(timer->event);
	free(timer);
}

static void on_watch(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	struct agentd_watch *watch = arg;
	watch->fn(
	    watch->arg, (what & EV_READ ? AGENTD_READ : 0) | (what & EV_WRITE ? AGENTD_WRITE : 0));
}

static struct agentd_watch *host_watch_new(
    const struct agentd_host *self, int fd, void (*fn)(void *arg, uint32_t what), void *arg)
{
	(void)self;
	struct agentd_watch *watch = calloc(1, sizeof(*watch));
	if (!watch)
		return NULL;
	watch->fd = fd;
	watch->fn = fn;
	watch->arg = arg;
	watch->event = event_new(host.base, fd, EV_PERSIST, on_watch, watch);
	if (!watch->event) {
		free(watch);
		return NULL;
	}
	return watch;
}

static int host_watch_set(struct agentd_watch *watch, uint32_t what)
{
	short events = (short)(EV_PERSIST | (what & AGENTD_READ ? EV_READ : 0) |
			       (what & AGENTD_WRITE ? EV_WRITE : 0));
	event_del(watch->event);
	event_assign(watch->event, host.base, watch->fd, events, on_watch, watch);
	if (!what)
		return 0;
	return event_add(watch->event, NULL) < 0 ? -EINVAL : 0;
}

static void host_watch_free(struct agentd_watch *watch)
{
	if (!watch)
		return;
	event_free(watch->event);
	free(watch);
}

struct agentd_host host_services = {
	.size = sizeof(struct agentd_host),
	.abi = AGENTD_ABI,
	.log = host_log,
	.ready = host_ready,
	.fail = host_fail,
	.fatal = host_fatal,
	.delta = host_delta,
	.event = host_event,
	.finish = host_finish,
	.cancelled = host_cancelled,
	.ref = host_ref,
	.unref = services_unref,
	.now_ms = host_now_ms,
	.timer_new = host_timer_new,
	.timer_set = host_timer_set,
	.timer_clear = host_timer_clear,
	.timer_free = host_timer_free,
	.watch_new = host_watch_new,
	.watch_set = host_watch_set,
	.watch_free = host_watch_free,
	.run_log = host_run_log,
	.input = host_input,
	.metadata = host_metadata,
	.emit = host_emit,
	.done = host_done,
	.submit = interface_submit,
	.sent = interface_sent,
	.respond = interface_respond,
	.spool = interface_spool,
	.stopped = interface_stopped,
	.edit = hook_edit,
	.decide = hook_decide,
	.fail_for = host_fail_for,
};
