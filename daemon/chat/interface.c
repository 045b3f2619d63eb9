/*
 * interface: the process of an interface, and the frames to and from it. What is in them is inbox.c's and
 * outbox.c's; requests to its paths are here.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/chat/internal.h"
#include "daemon/run/spool.h"

#define ASK_MS    30000 /* until a request to its paths must have been answered */
#define TYPE_MAX  128   /* bytes of a content type */
#define CALLS_MAX 1000  /* requests at once */
#define BACKLOG_MAX \
	(16u << 20) /* bytes that its process has not read yet, for there to be more of them */

/* Requests to its paths. */

struct interface_call {
	struct interface *interface; /* borrowed */
	uint64_t number;
	struct event timer;
	void (*done)(void *arg, const struct interface_answer *answer);
	void *arg;
	TAILQ_ENTRY(interface_call) link;
};

static void call_free(struct interface_call *call)
{
	event_del(&call->timer);
	TAILQ_REMOVE(&call->interface->calls, call, link);
	free(call);
}

void interface_call_drop(struct interface_call *call)
{
	if (!call)
		return;
	struct interface *interface = call->interface;
	call_free(call);
	interface_check_idle(interface);
}

static void call_end(struct interface_call *call, const struct interface_answer *answer)
{
	void (*done)(void *arg, const struct interface_answer *answer) = call->done;
	void *arg = call->arg;
	call_free(call);
	done(arg, answer);
}

static void call_on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct interface_answer none = { 0 };
	call_end(arg, &none);
}

static size_t call_count(const struct interface *interface)
{
	const struct interface_call *call;
	size_t count = 0;
	TAILQ_FOREACH (call, &interface->calls, link)
		count++;
	return count;
}

struct interface_call *interface_ask(struct interface *interface,
    const struct interface_request *request,
    void (*done)(void *arg, const struct interface_answer *answer), void *arg)
{
	bool can = interface_descriptor(interface)->can & MESSAGE_CAN_HTTP;
	struct timeval after = { .tv_sec = ASK_MS / 1000 };
	if (!can || child_state(interface->child) != STATE_READY || !child_pid(interface->child) ||
	    interface->chats->draining || call_count(interface) >= CALLS_MAX ||
	    child_backlog(interface->child) > BACKLOG_MAX)
		return NULL;
	struct interface_call *call = calloc(1, sizeof(*call));
	if (!call)
		return NULL;
	*call = (struct interface_call){
		.interface = interface, .number = ++interface->last_call, .done = done, .arg = arg
	};
	event_assign(&call->timer, interface->chats->setup.base, -1, 0, call_on_timer, call);
	event_add(&call->timer, &after);
	TAILQ_INSERT_TAIL(&interface->calls, call, link);
	struct frame_writer writer = child_begin(interface->child, MESSAGE_HTTP, call->number);
	frame_put_str(&writer, request->method);
	frame_put_str(&writer, request->path);
	frame_put_str(&writer, request->query ? request->query : "");
	frame_put_text(&writer, request->headers.p, request->headers.n);
	frame_put_text(&writer, request->body.p ? request->body.p : "", request->body.n);
	if (frame_end(&writer) == 0)
		return call;
	call_free(call); /* it is more than a frame holds, or memory is out */
	return NULL;
}

/* A content type that a header can hold. */
static bool is_type(const char *type)
{
	for (const char *at = type; *at; at++)
		if (*at < 0x20 || *at > 0x7e)
			return false;
	return *type && strlen(type) <= TYPE_MAX;
}

static int on_respond(struct interface *interface, const struct frame *frame)
{
	struct frame_cursor cursor = frame_fields(frame);
	struct interface_answer answer = { .status = frame_get_u32(&cursor) };
	char *type = frame_get_str(&cursor);
	answer.body = frame_get_text(&cursor);
	bool good =
	    frame_end_fields(&cursor) == 0 && answer.status >= 200 && answer.status <= 599 && type;
	struct interface_call *call = NULL;
	TAILQ_FOREACH (call, &interface->calls, link)
		if (call->number == frame->run)
			break;
	answer.content_type = good && is_type(type) ? type : "text/plain";
	if (good && call) /* else nobody waits any more */
		call_end(call, &answer);
	free(type);
	interface_check_idle(interface);
	return good ? 0 : -EPROTO;
}

static void fail_calls(struct interface *interface)
{
	struct interface_answer none = { 0 };
	while (!TAILQ_EMPTY(&interface->calls))
		call_end(TAILQ_FIRST(&interface->calls), &none);
}

/* The process. */

static int interface_on_frame(void *arg, struct child *child, const struct frame *frame)
{
	(void)child;
	struct interface *interface = arg;
	switch (frame->type) {
	case MESSAGE_EMIT:
		return emissions_on_frame(&interface->emissions, frame);
	case MESSAGE_SUBMIT:
		return inbox_on_submit(interface, frame);
	case MESSAGE_SENT:
		return outbox_on_sent(interface->outbox, frame);
	case MESSAGE_RESPOND:
		return on_respond(interface, frame);
	case MESSAGE_STOPPED:
		interface->receiving = false;
		interface->stopped = true;
		interface_check_idle(interface);
		return frame->length ? -EPROTO : 0;
	default:
		return -EPROTO;
	}
}

static void interface_on_hello(void *arg, struct child *child)
{
	(void)child;
	struct interface *interface = arg;
	if (interface->chats->draining)
		interface_drain(interface);
}

static void interface_on_gone(void *arg, struct child *child)
{
	struct interface *interface = arg;
	emissions_forget(&interface->emissions);
	fail_calls(interface);
	interface->last_exit = *child_last_exit(child);
	if (interface->next)
		exit_say_replaced(
		    &interface->last_exit, edition_change(interface->edition, interface->next));
	else if (interface->restarting)
		exit_say_replaced(&interface->last_exit, "that was asked for");
	outbox_on_gone(interface->outbox, child_last_exit(child)->reason);
	interface->submitting = 0; /* what is on its way comes from a process that is gone */
	interface->receiving = interface->stopped = false;
}

static void interface_on_changed(void *arg, struct child *child)
{
	struct interface *interface = arg;
	enum state state = child_state(child);
	if (state == STATE_READY) {
		log_info("%s: ready (pid %d, generation %u)", interface_label(interface),
		    child_pid(child), child_generation(child));
		interface->receiving = !interface->stopped;
		outbox_pump(interface->outbox);
	}
	interface_on_renewal(interface);
	if (state == STATE_DOWN && interface->restarting) {
		interface->restarting = false;
		child_up(child);
	}
	interface_check_idle(interface);
	chats_changed(interface->chats);
}

static const struct child_ops interface_child_ops = {
	.frame = interface_on_frame,
	.gone = interface_on_gone,
	.changed = interface_on_changed,
	.hello = interface_on_hello,
};

static void interface_emit(void *arg, struct frame_text event, struct frame_text json,
    void (*done)(void *arg), void *done_arg)
{
	struct interface *interface = arg;
	const struct chats_setup *setup = &interface->chats->setup;
	setup->emit(setup->arg, interface_label(interface), event, json, done, done_arg);
}

static struct child_setup interface_child(struct interface *interface)
{
	struct child_setup child = edition_child(interface->edition);
	child.generations = &interface->generations;
	child.spool = interface->spool;
	child.host_fd = interface->chats->setup.host_fd;
	return child;
}

void interface_rebind(struct interface *interface)
{
	struct child_setup child = interface_child(interface);
	child_rebind(interface->child, &child);
	interface->emissions.event_max = (size_t)edition_instance(interface->edition)->limits.event;
}

static int interface_make_child(struct interface *interface)
{
	struct child_setup child = interface_child(interface);
	interface->child =
	    child_new(interface->chats->setup.base, &child, &interface_child_ops, interface);
	interface->emissions.child = interface->child;
	interface->emissions.emit = interface_emit;
	interface->emissions.arg = interface;
	interface->emissions.event_max = (size_t)edition_instance(interface->edition)->limits.event;
	return interface->child ? 0 : -ENOMEM;
}

static void on_load_again(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	interface_load(arg);
}

static void on_pump_again(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	inbox_pump(arg);
}

static int interface_set_up(struct interface *interface)
{
	const struct chats_setup *setup = &interface->chats->setup;
	TAILQ_INIT(&interface->ready);
	TAILQ_INIT(&interface->calls);
	event_assign(&interface->load_again, setup->base, -1, 0, on_load_again, interface);
	event_assign(&interface->pump_again, setup->base, -1, 0, on_pump_again, interface);
	emissions_init(&interface->emissions);
	if (asprintf(&interface->source, "interface %s", interface_name(interface)) < 0)
		interface->source = NULL;
	if (setup->spool)
		interface->spool = spool_of_interface(setup->spool, interface_name(interface));
	interface->outbox = outbox_new(interface);
	if (!interface->source || !interface->spool || !interface->outbox)
		return -ENOMEM;
	return interface_make_child(interface);
}

struct interface *interface_new(struct chats *chats, struct terms *terms, struct edition *edition)
{
	struct interface *interface = calloc(1, sizeof(*interface));
	if (!interface)
		return NULL;
	interface->chats = chats;
	interface->terms = terms_ref(terms);
	interface->settings = terms->settings;
	interface->edition = edition_ref(edition);
	if (interface_set_up(interface) == 0)
		return interface;
	interface_free(interface);
	return NULL;
}

void interface_free(struct interface *interface)
{
	struct interface_call *call;
	inbox_done(interface);
	event_del(&interface->load_again);
	event_del(&interface->pump_again);
	while ((call = TAILQ_FIRST(&interface->calls)))
		call_free(call); /* who asked is gone */
	outbox_free(interface->outbox);
	emissions_forget(&interface->emissions);
	if (interface->child)
		child_free(interface->child);
	interface_forget_renewal(interface);
	edition_unref(interface->edition);
	terms_unref(interface->terms);
	free(interface->source);
	free(interface->spool);
	free(interface);
}

void interface_start(struct interface *interface)
{
	child_up(interface->child);
	inbox_pump(interface);
}

void interface_drain(struct interface *interface)
{
	if (!child_is_configured(interface->child))
		return; /* it is told when it is */
	struct frame_writer writer = child_begin(interface->child, MESSAGE_STOP, 0);
	frame_end(&writer);
}

void interface_stop(struct interface *interface)
{
	interface->restarting = false;
	interface_forget_renewal(interface);
	child_down(interface->child);
	interface_check_idle(interface);
}

/* One that serves receives no more, sends what it has been given, and comes back. */
void interface_restart(struct interface *interface)
{
	enum state state = child_state(interface->child);
	if (interface->chats->stopping || !interface->chats->started || interface->is_loading ||
	    interface->next)
		return; /* it ends, or is about to start */
	if (state == STATE_READY || state == STATE_DRAINING || state == STATE_STOPPING) {
		interface->restarting = true;
		if (state == STATE_READY)
			interface_drain(interface);
		child_down(interface->child);
		interface_check_idle(interface);
	} else {
		child_up(interface->child);
	}
}

void interface_leave(struct interface *interface)
{
	interface->is_leaving = true;
	interface->restarting = false;
	interface_forget_renewal(interface);
	if (child_state(interface->child) == STATE_READY)
		interface_drain(interface);
	child_down(interface->child);
	inbox_drain(interface);
	interface_check_idle(interface);
}

bool interface_is_over(const struct interface *interface)
{
	return interface_is_down(interface) && !interface->is_loading && !interface->active &&
	       !interface->storing && !outbox_awaits(interface->outbox) &&
	       TAILQ_EMPTY(&interface->calls);
}

bool interface_is_down(const struct interface *interface)
{
	return child_state(interface->child) == STATE_DOWN;
}

bool interface_is_up(const struct interface *interface)
{
	enum state state = child_state(interface->child);
	return (state == STATE_READY || state == STATE_DRAINING) && child_pid(interface->child);
}

/* It stays for what it has received, what it sends, and requests to its paths; when it is not to come
 * back, also for answers that are on their way. */
void interface_check_idle(struct interface *interface)
{
	bool receives = interface->receiving || interface->submitting;
	bool is_last = interface->chats->stopping || interface->is_leaving;
	bool answers = is_last && interface->active;
	if (child_state(interface->child) == STATE_DRAINING && !receives && !answers &&
	    !outbox_is_busy(interface->outbox) && TAILQ_EMPTY(&interface->calls))
		child_idle(interface->child);
	if (interface->is_leaving)
		chats_reap_soon(interface->chats);
}

void interface_type(struct interface *interface, const char *chat_id)
{
	if (!interface_is_up(interface) || !interface->settings->typing_indicator ||
	    !(interface_descriptor(interface)->can & MESSAGE_CAN_TYPE))
		return;
	struct frame_writer writer = child_begin(interface->child, MESSAGE_TYPING, 0);
	frame_put_str(&writer, chat_id);
	frame_end(&writer);
}

/* Showing. */

const char *interface_name(const struct interface *interface)
{
	return interface->settings->instance.name;
}

const char *interface_label(const struct interface *interface)
{
	return interface->settings->instance.label;
}

const struct interface_settings *interface_settings(const struct interface *interface)
{
	return interface->settings;
}

const struct interface_settings *interface_process_settings(const struct interface *interface)
{
	static_assert(offsetof(struct interface_settings, instance) == 0, "one is the other");
	return (const struct interface_settings *)edition_instance(interface->edition);
}

const struct descriptor *interface_descriptor(const struct interface *interface)
{
	return edition_descriptor(interface->edition);
}

void interface_look(const struct interface *interface, struct interface_view *ret)
{
	const struct child *child = interface->child;
	*ret = (struct interface_view){
		.state = child_state(child),
		.generation = child_generation(child),
		.restarts = child_restarts(child),
		.pid = child_pid(child),
		.last_exit = &interface->last_exit,
		.retry_at_wall_ms = child_retry_at_wall_ms(child),
		.received = interface->received,
		.answered = interface->answered,
		.failed = interface->failed,
		.waiting =
		    interface->waiting + interface->active + outbox_waiting(interface->outbox),
	};
}
