/* host: runs, the host table, and the loop. What the plugin may call from any thread is marked so. */
#include "host/host.h"

#define HASH_NONFATAL_OOM 1
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <uthash.h>

#include "daemon/base/id.h"
#include "daemon/base/message.h"
#include "daemon/proc/channel.h"

#define RUNS_RETIRED 1024
#define LOG_BACKLOG_MAX \
	(1u << 20) /* log lines beyond it are dropped: they must not become memory */

struct agentd_run {
	uint64_t number;
	unsigned refs;
	uint32_t credit, events;
	bool cancelled, finished, starved, complained;
	UT_hash_handle hh;
};

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

static struct {
	int fd;
	const struct host_setup *setup;
	const struct plugin *plugin;
	void *self;
	bool ready, opened;
	struct event_base *base;
	struct channel *channel;
	struct event *flush; /* made active by hand: frames leave at the end of the turn */
	pthread_t loop;

	/* Under the lock. */
	pthread_mutex_t lock;
	struct agentd_run *runs;
	struct buf out;
	bool woken;
	int wake_fd;
} host = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Sending, from any thread. Locked by the caller. */

static void wake_loop(void)
{
	if (host.woken)
		return;
	host.woken = true;
	if (pthread_equal(pthread_self(), host.loop))
		event_active(host.flush, EV_READ, 0);
	else
		eventfd_write(host.wake_fd, 1);
}

static void on_flush(evutil_socket_t fd, short what, void *arg)
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
	if (host.out.capacity > LOG_BACKLOG_MAX)
		buf_done(&host.out);
	pthread_mutex_unlock(&host.lock);
}

static void run_unref_locked(struct agentd_run *run)
{
	if (--run->refs == 0)
		free(run);
}

/* The host table. */

static void put_log(uint32_t level, const char *text)
{
	if (host.out.length > LOG_BACKLOG_MAX)
		return;
	struct frame_writer writer = frame_begin(&host.out, MESSAGE_LOG, 0);
	frame_put_u32(&writer, level > AGENTD_LOG_DEBUG ? AGENTD_LOG_DEBUG : level);
	frame_put_str(&writer, text);
	frame_end(&writer);
	wake_loop();
}

static void host_log(const struct agentd_host *self, uint32_t level, const char *format, ...)
{
	(void)self;
	char text[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	pthread_mutex_lock(&host.lock);
	put_log(level, text);
	pthread_mutex_unlock(&host.lock);
}

/* A call for a run that is finished: harmless, and said once. Locked by the caller. */
static int complain(struct agentd_run *run, const char *what)
{
	char text[96];
	snprintf(text, sizeof(text), "the plugin called %s after the run was finished", what);
	if (!run->complained)
		put_log(AGENTD_LOG_WARN, text);
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
	wake_loop();
	pthread_mutex_unlock(&host.lock);
}

static void host_leave_for(int code, const char *reason)
{
	on_flush(-1, 0, NULL); /* what was said before, first */
	channel_flush(host.channel);
	host_leave(host.fd, code, "%s", reason ? reason : "the plugin gave no reason");
}

static void host_fail(const struct agentd_host *self, const char *reason)
{
	(void)self;
	host_leave_for(HOST_EXIT_FAILED, reason);
}

static void host_fatal(const struct agentd_host *self, const char *reason)
{
	(void)self;
	host_leave_for(HOST_EXIT_REFUSED, reason);
}

/* Takes the price of a delta or event from the run's credit. Locked by the caller. */
static int run_pay(struct agentd_run *run, size_t length)
{
	uint32_t cost = (uint32_t)length + MESSAGE_COST;
	if (run->credit < cost) {
		run->starved = true;
		return -EAGAIN;
	}
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
	int error = run->finished ? complain(run, "delta") : run_pay(run, text.n);
	if (error == 0) {
		struct frame_writer writer = frame_begin(&host.out, MESSAGE_DELTA, run->number);
		frame_put_rest(&writer, text.p, text.n);
		error = frame_end(&writer);
		wake_loop();
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
	int error = run->finished ? complain(run, "event") : 0;
	if (error == 0 && run->events >= host.setup->events_max)
		error = -ENOSPC;
	if (error == 0)
		error = run_pay(run, json.n + type_length);
	if (error == 0) {
		struct frame_writer writer = frame_begin(&host.out, MESSAGE_EVENT, run->number);
		frame_put_text(&writer, type, type_length);
		frame_put_text(&writer, json.p ? json.p : "", json.n);
		error = frame_end(&writer);
		run->events++;
		wake_loop();
	}
	pthread_mutex_unlock(&host.lock);
	return error;
}

static void put_text(struct frame_writer *writer, struct agentd_text text)
{
	frame_put_text(writer, text.p ? text.p : "", text.p ? text.n : 0);
}

static void put_messages(struct frame_writer *writer, const struct agentd_result *result)
{
	size_t step = result->message_size ? result->message_size : sizeof(*result->messages);
	const char *row = (const char *)result->messages;
	frame_put_u32(writer, row ? (uint32_t)result->message_count : 0);
	for (size_t i = 0; row && i < result->message_count; i++, row += step) {
		const struct agentd_message *message =
		    (const struct agentd_message *)(const void *)row;
		put_text(writer, message->role);
		put_text(writer, message->content);
		put_text(writer, message->tool_calls);
		put_text(writer, message->tool_call_id);
	}
}

static int put_finish(uint64_t number, const struct agentd_result *result)
{
	struct frame_writer writer = frame_begin(&host.out, MESSAGE_FINISH, number);
	frame_put_u32(&writer, result->status);
	frame_put_text(&writer, result->content.p, result->content.n); /* absent: the deltas */
	put_text(&writer, result->error);
	put_text(&writer, result->usage);
	put_messages(&writer, result);
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
	return 0;
}

static void put_failure(uint64_t number, const char *why)
{
	struct agentd_result failed = { .size = sizeof(failed),
		.status = AGENTD_FAILED,
		.error = agentd_text(why, strlen(why)) };
	put_finish(number, &failed);
}

static int host_finish(struct agentd_run *run, const struct agentd_result *result)
{
	char why[96] = "a result that is too long for agentd";
	struct agentd_result ours = { 0 };
	memcpy(&ours, result, result->size < sizeof(ours) ? result->size : sizeof(ours));
	pthread_mutex_lock(&host.lock);
	int error = run->finished ? complain(run, "finish") : check_result(&ours, why, sizeof(why));
	if (!run->finished) {
		if (error == 0)
			error = put_finish(run->number, &ours);
		if (error < 0)
			put_failure(run->number, why);
		run_retire(run);
		wake_loop();
	}
	pthread_mutex_unlock(&host.lock);
	return error;
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

static void host_unref(struct agentd_run *run)
{
	pthread_mutex_lock(&host.lock);
	run_unref_locked(run);
	pthread_mutex_unlock(&host.lock);
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

static struct agentd_host host_table = {
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
	.unref = host_unref,
	.now_ms = host_now_ms,
	.timer_new = host_timer_new,
	.timer_set = host_timer_set,
	.timer_clear = host_timer_clear,
	.timer_free = host_timer_free,
	.watch_new = host_watch_new,
	.watch_set = host_watch_set,
	.watch_free = host_watch_free,
};

/* What agentd says. A frame that makes no sense ends this process. */

static struct agentd_text get_text(struct frame_cursor *cursor)
{
	struct frame_text text = frame_get_text(cursor);
	return (struct agentd_text){ text.p, text.n };
}

static struct agentd_message *get_messages(struct frame_cursor *cursor, size_t *ret_count)
{
	uint32_t count = frame_get_count(cursor, 4 * sizeof(uint32_t));
	struct agentd_message *messages = calloc(count ? count : 1, sizeof(*messages));
	for (uint32_t i = 0; messages && i < count; i++) {
		messages[i].role = get_text(cursor);
		messages[i].content = get_text(cursor);
		messages[i].tool_calls = get_text(cursor);
		messages[i].tool_call_id = get_text(cursor);
	}
	*ret_count = count;
	return messages;
}

static struct agentd_run *run_new(uint64_t number)
{
	struct agentd_run *run = calloc(1, sizeof(*run));
	if (!run)
		return NULL;
	run->number = number;
	run->refs = 2; /* the table's, and the caller's */
	run->credit = MESSAGE_WINDOW;
	pthread_mutex_lock(&host.lock);
	HASH_ADD(hh, host.runs, number, sizeof(run->number), run);
	pthread_mutex_unlock(&host.lock);
	return run;
}

static int on_run(const struct frame *frame)
{
	struct frame_cursor cursor = frame_fields(frame);
	struct agentd_request request = { .size = sizeof(request),
		.message_size = sizeof(struct agentd_message) };
	request.attempt = frame_get_u32(&cursor);
	request.deadline_ms = frame_get_u64(&cursor);
	request.run_id = get_text(&cursor);
	request.input = get_text(&cursor);
	request.session_id = get_text(&cursor);
	request.user_id = get_text(&cursor);
	request.claims = get_text(&cursor);
	request.source = get_text(&cursor);
	request.trigger = get_text(&cursor);
	request.metadata = get_text(&cursor);
	struct agentd_message *history = get_messages(&cursor, &request.history_count);
	request.history = history;
	if (!history || frame_end_fields(&cursor) < 0) {
		free(history);
		return -EPROTO;
	}
	struct agentd_run *run = run_new(frame->run);
	if (!run)
		host_leave_for(HOST_EXIT_FAILED, "out of memory");
	int refused = host.plugin->agent.run(host.self, run, &request);
	pthread_mutex_lock(&host.lock);
	if (refused && !run->finished) {
		char why[64];
		snprintf(why, sizeof(why), "the plugin refused the run (%d)", refused);
		put_failure(run->number, why);
		run_retire(run);
		wake_loop();
	}
	run_unref_locked(run);
	pthread_mutex_unlock(&host.lock);
	free(history);
	return 0;
}

/* A run that is not finished, with a reference for the caller; NULL: its frame came too late. */
static struct agentd_run *find_run(uint64_t number)
{
	struct agentd_run *run;
	pthread_mutex_lock(&host.lock);
	HASH_FIND(hh, host.runs, &number, sizeof(number), run);
	if (run)
		run->refs++;
	pthread_mutex_unlock(&host.lock);
	return run;
}

static void on_cancel(uint64_t number)
{
	struct agentd_run *run = find_run(number);
	if (!run)
		return;
	pthread_mutex_lock(&host.lock);
	run->cancelled = true;
	pthread_mutex_unlock(&host.lock);
	if (host.plugin->agent.cancel)
		host.plugin->agent.cancel(host.self, run);
	host_unref(run);
}

static int on_credit(const struct frame *frame)
{
	struct frame_cursor cursor = frame_fields(frame);
	uint32_t bytes = frame_get_u32(&cursor);
	if (frame_end_fields(&cursor) < 0)
		return -EPROTO;
	struct agentd_run *run = find_run(frame->run);
	if (!run)
		return 0;
	pthread_mutex_lock(&host.lock);
	run->credit += bytes;
	bool room = run->starved && run->credit >= MESSAGE_WINDOW / 2;
	if (room)
		run->starved = false;
	pthread_mutex_unlock(&host.lock);
	if (room && host.plugin->agent.writable)
		host.plugin->agent.writable(host.self, run);
	host_unref(run);
	return 0;
}

static _Noreturn void host_quit(void)
{
	if (host.opened && host.plugin->agent.close)
		host.plugin->agent.close(host.self);
	on_flush(-1, 0, NULL);
	channel_flush(host.channel);
	exit(0);
}

static int on_frame(void *arg, const struct frame *frame)
{
	(void)arg;
	switch (frame->type) {
	case MESSAGE_RUN:
		return on_run(frame);
	case MESSAGE_CANCEL:
		on_cancel(frame->run);
		return 0;
	case MESSAGE_CREDIT:
		return on_credit(frame);
	case MESSAGE_PING: {
		struct frame_writer writer = channel_begin(host.channel, MESSAGE_PONG, 0);
		return frame_end(&writer);
	}
	case MESSAGE_QUIT:
		host_quit();
	default:
		return -EPROTO;
	}
}

static void on_end(void *arg, int error)
{
	(void)arg;
	_exit(error ? HOST_EXIT_FAILED : 0); /* agentd is gone, or speaks nonsense */
}

static void on_term(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	host_quit();
}

static struct agentd_text take_text(struct frame_cursor *cursor)
{
	char *text = frame_get_str(cursor);
	return agentd_text(text ? text : strdup(""), text ? strlen(text) : 0);
}

/* The CONFIG frame as the plugin's options; their texts are wiped after `open`. */
static struct agentd_value *read_config(const struct frame *frame, size_t count)
{
	struct frame_cursor cursor = frame_fields(frame);
	struct agentd_value *values = calloc(count + 1, sizeof(*values));
	if (!values || frame->type != MESSAGE_CONFIG || frame_get_u32(&cursor) != count)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		struct agentd_value *value = &values[i];
		value->key = host.plugin->options[i].key;
		value->type = host.plugin->options[i].type;
		value->set = frame_get_u32(&cursor);
		value->number = frame_get_i64(&cursor);
		value->real = frame_get_f64(&cursor);
		value->text = take_text(&cursor);
		value->count = frame_get_count(&cursor, sizeof(uint32_t));
		struct agentd_text *items = calloc(value->count + 1, sizeof(*items));
		for (size_t j = 0; items && j < value->count; j++)
			items[j] = take_text(&cursor);
		value->items = items;
	}
	return frame_end_fields(&cursor) < 0 ? NULL : values;
}

static void wipe(struct agentd_text text)
{
	explicit_bzero((void *)(uintptr_t)text.p, text.n);
	free((void *)(uintptr_t)text.p);
}

static void wipe_config(struct agentd_value *values, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		wipe(values[i].text);
		for (size_t j = 0; j < values[i].count; j++)
			wipe(values[i].items[j]);
		free((void *)(uintptr_t)values[i].items);
	}
	free(values);
}

static void open_plugin(const struct frame *config)
{
	size_t count = host.plugin->head.option_count;
	struct agentd_value *values = read_config(config, count);
	if (!values)
		host_leave(host.fd, HOST_EXIT_FAILED, "agentd sent settings that make no sense");
	struct agentd_options options = { .size = sizeof(options),
		.value_size = sizeof(*values),
		.count = count,
		.values = values };
	int opened = 0;
	if (host.plugin->agent.open)
		opened = host.plugin->agent.open(&host_table, &options, &host.self);
	wipe_config(values, count);
	explicit_bzero((void *)(uintptr_t)config->body, config->length);
	if (opened < 0)
		host_leave_for(HOST_EXIT_FAILED, "its open failed");
	host.opened = true;
	if (opened != AGENTD_PENDING)
		host_ready(&host_table);
}

_Noreturn void host_serve(
    int fd, const struct host_setup *setup, const struct plugin *plugin, const struct frame *config)
{
	static const struct channel_ops ops = { .frame = on_frame, .end = on_end };
	host.fd = fd;
	host.setup = setup;
	host.plugin = plugin;
	host.loop = pthread_self();
	host_table.name = setup->name;
	host.wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	host.base = event_base_new();
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 || host.wake_fd < 0 || !host.base)
		host_leave(fd, HOST_EXIT_FAILED, "cannot make its loop: %s", strerror(errno));
	host.channel = channel_new(host.base, fd, &ops, NULL);
	host.flush = event_new(host.base, host.wake_fd, EV_READ | EV_PERSIST, on_flush, NULL);
	struct event *term = evsignal_new(host.base, SIGTERM, on_term, NULL);
	if (!host.channel || !host.flush || event_add(host.flush, NULL) < 0 || !term ||
	    event_add(term, NULL) < 0)
		host_leave(fd, HOST_EXIT_FAILED, "cannot make its loop: out of memory");
	open_plugin(config);
	event_base_dispatch(host.base);
	_exit(HOST_EXIT_FAILED); /* the loop has events for as long as agentd lives */
}
