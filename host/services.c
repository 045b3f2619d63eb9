/*
 * services: the functions that a plugin calls, and their table. Log and emit come from any thread: they hold the lock,
 * put a frame into `out`, and wake the loop. Those of runs are in services_run.c.
 */
#include <errno.h>
#include <event2/event.h>
#include <limits.h>
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
#include "host/services_run.h"

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

/* The host table. */

static _Thread_local const char *current_run; /* its id */

void services_enter(const struct agentd_run *run)
{
	current_run = run ? run->id : NULL;
}

void services_put_log(uint32_t level, const char *run_id, const char *text)
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
	services_put_log(level, run_id, text);
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

void services_describe(char *text, size_t size, const char *what, int error)
{
	const char *words = error < -1 && error > INT_MIN ? strerrordesc_np(-error) : NULL;
	snprintf(text, size, "%s%s%s (%d)", what, words ? ": " : "", words ? words : "", error);
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
	.delta = services_delta,
	.event = services_event,
	.finish = services_finish,
	.cancelled = services_cancelled,
	.ref = services_ref,
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
	.input = services_input,
	.metadata = services_metadata,
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
