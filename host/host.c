/* host: the loop, and what agentd says in it. What the plugin asks for is in services.c. */
#include "host/host.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/message.h"
#include "daemon/proc/channel.h"
#include "host/chat.h"
#include "host/hook.h"
#include "host/interface.h"
#include "host/internal.h"
#include "host/pool.h"

#define QUIT_PATIENCE_MS 1000

/* What agentd says. A frame that makes no sense ends this process. */

static struct agentd_message *get_messages(struct frame_cursor *cursor, size_t *ret_count)
{
	uint32_t count = frame_get_count(cursor, 4 * sizeof(uint32_t));
	struct agentd_message *messages = calloc(count ? count : 1, sizeof(*messages));
	for (uint32_t i = 0; messages && i < count; i++) {
		messages[i].role = chat_get_text(cursor);
		messages[i].content = chat_get_text(cursor);
		messages[i].tool_calls = chat_get_text(cursor);
		messages[i].tool_call_id = chat_get_text(cursor);
	}
	*ret_count = count;
	return messages;
}

static struct agentd_run *run_new(uint64_t number, struct agentd_text id)
{
	struct agentd_run *run = calloc(1, sizeof(*run));
	if (!run)
		return NULL;
	run->number = number;
	if (id.n <= RUN_ID_MAX && id.n)
		memcpy(run->id, id.p, id.n);
	run->refs = 2; /* the table's, and the caller's */
	run->credit = MESSAGE_WINDOW;
	pthread_mutex_lock(&host.lock);
	HASH_ADD(hh, host.runs, number, sizeof(run->number), run);
	pthread_mutex_unlock(&host.lock);
	return run;
}

/* One call of the plugin's `run`, on the loop thread or on one of the pool. */
struct call {
	struct pool_call pooled; /* first: the pool knows no more of it */
	struct agentd_run *run;  /* a reference */
	struct agentd_request request;
	struct agentd_event event;  /* what came, if a trigger of the plugin's made it */
	struct buf input, metadata; /* what its handler made of that */
	struct agentd_message *history;
	struct agentd_attachment *attachments;
	char *body; /* what the texts point into, if the frame does not live as long */
};

/* Whoever makes files for an answer finds their folder there. */
static void call_make_spool(struct agentd_text spool)
{
	char *path = spool.n ? strndup(spool.p, spool.n) : NULL;
	if (path)
		mkdir(path, 0700);
	free(path);
}

/* Reads a RUN frame whose body lives as long as the call. */
static int call_read(struct call *call, const struct frame *frame)
{
	struct frame_cursor cursor = frame_fields(frame);
	struct agentd_request *request = &call->request;
	request->size = sizeof(*request);
	request->message_size = sizeof(*request->history);
	request->attempt = frame_get_u32(&cursor);
	request->deadline_ms = frame_get_u64(&cursor);
	request->run_id = chat_get_text(&cursor);
	request->input = chat_get_text(&cursor);
	request->session_id = chat_get_text(&cursor);
	request->user_id = chat_get_text(&cursor);
	request->claims = chat_get_text(&cursor);
	request->source = chat_get_text(&cursor);
	request->trigger = chat_get_text(&cursor);
	request->metadata = chat_get_text(&cursor);
	request->traceparent = chat_get_text(&cursor);
	call->event = (struct agentd_event){
		.size = sizeof(call->event), .trigger = request->trigger, .source = request->source
	};
	call->event.body = chat_get_text(&cursor);
	call->event.raw = chat_get_text(&cursor);
	call->event.headers = chat_get_text(&cursor);
	call->event.timestamp = chat_get_text(&cursor);
	request->spool = chat_get_text(&cursor);
	call_make_spool(request->spool);
	request->history = call->history = get_messages(&cursor, &request->history_count);
	request->attachment_size = sizeof(*request->attachments);
	request->attachments = call->attachments =
	    chat_get_attachments(&cursor, &request->attachment_count);
	return call->history && call->attachments ? frame_end_fields(&cursor) : -ENOMEM;
}

static const struct agentd_trigger *find_trigger(struct agentd_text name)
{
	for (size_t i = 0; i < host.plugin->head.trigger_count; i++) {
		const char *known = host.plugin->triggers[i].name;
		if (strlen(known) == name.n && memcmp(known, name.p, name.n) == 0)
			return &host.plugin->triggers[i];
	}
	return NULL;
}

/* What came to a trigger of the plugin's is its handler's first. True: `run` comes next. */
static bool call_handle(struct call *call)
{
	const struct agentd_trigger *trigger = find_trigger(call->event.trigger);
	if (!trigger) { /* it was made by another build of the plugin */
		services_fail_run(call->run, "the plugin has no such trigger any more");
		return false;
	}
	services_begin_input(call->run);
	int error = trigger->handle(host.self, call->run, &call->event);
	if (!services_end_input(call->run, error, &call->input, &call->metadata))
		return false;
	call->request.input = agentd_text(call->input.data, call->input.length);
	if (call->metadata.length)
		call->request.metadata = agentd_text(call->metadata.data, call->metadata.length);
	return true;
}

static void call_drop(struct call *call)
{
	free(call->history);
	free(call->attachments);
}

static void call_execute(struct call *call)
{
	int refused = 0;
	services_enter(call->run);
	if (!call->event.trigger.n || call_handle(call))
		refused = host.plugin->agent.run(host.self, call->run, &call->request);
	services_enter(NULL);
	if (refused) {
		char why[128];
		services_describe(why, sizeof(why), "the plugin refused the run", refused);
		services_fail_run(call->run, why);
	}
	services_unref(call->run);
	buf_done(&call->input);
	buf_done(&call->metadata);
	call_drop(call);
}

static void call_execute_pooled(struct pool_call *pooled)
{
	struct call *call = (struct call *)pooled;
	call_execute(call);
	free(call->body);
	free(call);
}

static int on_run(const struct frame *frame)
{
	struct call call = { 0 };
	int error = call_read(&call, frame);
	if (error == 0 && !(call.run = run_new(frame->run, call.request.run_id)))
		error = -ENOMEM;
	if (error == 0)
		call_execute(&call);
	else
		call_drop(&call);
	return error;
}

/* The same for a blocking plugin: the frame's bytes go along to the thread. */
static int on_run_blocking(const struct frame *frame)
{
	struct call *call = calloc(1, sizeof(*call));
	char *body = malloc(frame->length + 1);
	int error = call && body ? 0 : -ENOMEM;
	if (error == 0) {
		memcpy(body, frame->body, frame->length);
		call->pooled.execute = call_execute_pooled;
		call->body = body;
		struct frame copy = { .body = body, .length = frame->length };
		error = call_read(call, &copy);
	}
	if (error == 0 && !(call->run = run_new(frame->run, call->request.run_id)))
		error = -ENOMEM;
	if (error == 0) {
		int no_thread = pool_add(&call->pooled, host.setup->threads);
		if (no_thread == 0)
			return 0;
		services_fail_run(call->run, "no thread could be made for it");
		services_unref(call->run);
	}
	if (call)
		call_drop(call);
	free(body);
	free(call);
	return error;
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
	pthread_cond_broadcast(&host.credit); /* a delta that waits for its reader */
	pthread_mutex_unlock(&host.lock);
	if (host.plugin->agent.cancel)
		host.plugin->agent.cancel(host.self, run);
	services_unref(run);
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
	pthread_cond_broadcast(&host.credit);
	bool room = run->starved && run->credit >= MESSAGE_WINDOW / 2;
	if (room)
		run->starved = false;
	pthread_mutex_unlock(&host.lock);
	if (room && host.plugin->agent.writable)
		host.plugin->agent.writable(host.self, run);
	services_unref(run);
	return 0;
}

static _Noreturn void host_quit(void)
{
	/* A thread may still be between its finish and its return. One that stays inside the plugin
	 * rules out `close`, and the destructors of an exit. */
	bool idle = pool_wait_idle(QUIT_PATIENCE_MS);
	if (host.opened && services_is_kind(AGENTD_INTERFACE))
		interface_stop();
	if (idle && host.opened && host.plugin->close)
		host.plugin->close(host.self);
	services_flush(-1, 0, NULL);
	channel_flush(host.channel);
	if (!idle)
		_exit(0);
	exit(0);
}

static int on_agent_frame(const struct frame *frame)
{
	switch (frame->type) {
	case MESSAGE_RUN:
		return host.blocking ? on_run_blocking(frame) : on_run(frame);
	case MESSAGE_CANCEL:
		on_cancel(frame->run);
		return 0;
	case MESSAGE_CREDIT:
		return on_credit(frame);
	default:
		return -EPROTO;
	}
}

static int (*const kinds[])(const struct frame *frame) = {
	[AGENTD_AGENT] = on_agent_frame,
	[AGENTD_INTERFACE] = interface_on_frame,
	[AGENTD_HOOK] = hook_on_frame,
};

static int on_frame(void *arg, const struct frame *frame)
{
	(void)arg;
	switch (frame->type) {
	case MESSAGE_EMITTED:
		pthread_mutex_lock(&host.lock);
		host.emitted -= host.emitted > 0;
		pthread_mutex_unlock(&host.lock);
		return 0;
	case MESSAGE_PING: {
		struct frame_writer writer = channel_begin(host.channel, MESSAGE_PONG, 0);
		return frame_end(&writer);
	}
	case MESSAGE_QUIT:
		host_quit();
	default:
		return kinds[host.plugin->head.kind](frame);
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

static void go_to(struct agentd_text folder)
{
	char *path = folder.n ? strndup(folder.p, folder.n) : NULL;
	if (path && chdir(path) < 0)
		fprintf(stderr, "cannot work in %s: %s\n", path, strerror(errno));
	free(path);
}

/* The CONFIG frame as the plugin's options; their texts are wiped after `open`. */
static struct agentd_value *read_config(const struct frame *frame, size_t count)
{
	struct frame_cursor cursor = frame_fields(frame);
	struct agentd_value *values = calloc(count + 1, sizeof(*values));
	if (!values || frame->type != MESSAGE_CONFIG)
		return NULL;
	go_to(chat_get_text(&cursor));
	if (frame_get_u32(&cursor) != count)
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

static _Noreturn void leave_failed(const char *what, int error)
{
	char why[128];
	services_describe(why, sizeof(why), what, error);
	services_leave(HOST_EXIT_FAILED, why);
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
	if (host.plugin->open)
		opened = host.plugin->open(&host_services, &options, &host.self);
	wipe_config(values, count);
	explicit_bzero((void *)(uintptr_t)config->body, config->length);
	if (opened < 0)
		leave_failed("its open failed", opened);
	host.opened = true;
	if (services_is_kind(AGENTD_INTERFACE) && (opened = interface_start()) < 0)
		leave_failed("its start failed", opened);
	if (opened != AGENTD_PENDING)
		host_services.ready(&host_services);
}

/* Its timers are plugins': those of a millisecond come after one, not with the next tick of the kernel's
 * coarse clock, for which the loop would wake up in vain. */
static struct event_base *make_loop(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;
	if (config && event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER) == 0)
		base = event_base_new_with_config(config);
	if (config)
		event_config_free(config);
	return base;
}

_Noreturn void host_serve(
    int fd, const struct host_setup *setup, const struct plugin *plugin, const struct frame *config)
{
	static const struct channel_ops ops = { .frame = on_frame, .end = on_end };
	host.fd = fd;
	host.setup = setup;
	host.plugin = plugin;
	host.loop = pthread_self();
	host.blocking = plugin->head.flags & AGENTD_BLOCKING;
	host_services.name = setup->name;
	host.wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	host.base = make_loop();
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 || host.wake_fd < 0 || !host.base)
		host_leave(fd, HOST_EXIT_FAILED, "cannot make its loop: %s", strerror(errno));
	host.channel = channel_new(host.base, fd, &ops, NULL);
	host.flush = event_new(host.base, host.wake_fd, EV_READ | EV_PERSIST, services_flush, NULL);
	struct event *term = evsignal_new(host.base, SIGTERM, on_term, NULL);
	if (!host.channel || !host.flush || event_add(host.flush, NULL) < 0 || !term ||
	    event_add(term, NULL) < 0)
		host_leave(fd, HOST_EXIT_FAILED, "cannot make its loop: out of memory");
	open_plugin(config);
	event_base_dispatch(host.base);
	_exit(HOST_EXIT_FAILED); /* the loop has events for as long as agentd lives */
}
