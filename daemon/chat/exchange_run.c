/* exchange_run: the middle of an exchange: what hooks make of it, its run, and the reply. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/chat/exchange.h"
#include "daemon/run/agent.h"

#define TYPE_EVERY_MS 4000 /* platforms show it for five seconds or so */

static void exchange_reply(struct exchange *exchange);
static void exchange_fail(struct exchange *exchange, const char *why);

/* Hooks. */

static void exchange_ask_hooks(struct exchange *exchange);

static void put_str(struct frame_writer *writer, const char *text)
{
	frame_put_str(writer, text ? text : "");
}

static void put_buf(struct frame_writer *writer, const struct buf *text)
{
	frame_put_text(writer, text->data ? text->data : "", text->length);
}

static void put_exchange(void *arg, struct frame_writer *writer)
{
	const struct exchange *exchange = arg;
	const struct interface_settings *settings = exchange->terms->settings;
	put_str(writer, settings->instance.name);
	put_str(writer, settings->platform);
	put_str(writer, settings->agent);
	put_str(writer, exchange->user_id);
	put_str(writer, exchange->session_id);
	put_str(writer, exchange->run_id);
	put_buf(writer, &exchange->reply);
	put_buf(writer, &exchange->error);
	message_put(writer, &exchange->message,
	    (struct frame_text){ exchange->text.data, exchange->text.length });
}

/* What a hook says instead; absent: nothing. False: memory is out. */
static bool read_edit(struct frame_text to, struct buf *ret)
{
	if (to.p)
		buf_add_utf8(ret, NULL, to.p, to.n);
	return !ret->failed;
}

static void edit(struct buf *text, struct frame_text to, struct buf *with)
{
	if (!to.p)
		return;
	buf_done(text);
	*text = *with;
	*with = (struct buf){ 0 };
}

/* All that it says, or nothing: it is asked again, and must not find half of it done. False: memory is out. */
static bool take_edits(
    struct exchange *exchange, struct frame_text text, struct frame_text metadata)
{
	struct buf new_text = { 0 }, new_metadata = { 0 };
	bool good = read_edit(text, &new_text) && read_edit(metadata, &new_metadata);
	if (good)
		edit(exchange->stage == STAGE_AFTER_RUN ? &exchange->reply : &exchange->text, text,
		    &new_text);
	if (good && exchange->stage == STAGE_BEFORE_RUN)
		edit(&exchange->metadata, metadata, &new_metadata);
	buf_done(&new_text);
	buf_done(&new_metadata);
	return good;
}

static void on_decided(
    void *arg, int64_t verdict, struct frame_text text, struct frame_text metadata)
{
	struct exchange *exchange = arg;
	const struct interface *interface = exchange->interface;
	const char *name = hook_settings(exchange->terms->hooks[exchange->hook])->instance.name;
	char why[160];
	exchange->call = NULL;
	if (verdict == -ESHUTDOWN) {
		exchange_leave(exchange);
	} else if (verdict == AGENTD_REFUSE && exchange->stage != STAGE_ON_ERROR) {
		log_debug("%s: hook %s lets a message of %s go no further",
		    interface_label(interface), name, exchange->message.user_id);
		exchange_drop(exchange);
	} else if (verdict < 0 && exchange->stage != STAGE_ON_ERROR) {
		snprintf(why, sizeof(why), "hook %s failed", name);
		exchange_fail(exchange, why);
	} else if (exchange->stage != STAGE_ON_ERROR && !take_edits(exchange, text, metadata)) {
		exchange_later(exchange, exchange_ask_hooks, CHAT_AGAIN_MS);
	} else {
		exchange->hook++;
		exchange_ask_hooks(exchange);
	}
}

/* Those that are left of this stage, in the order of the config; then what comes next. */
static void exchange_ask_hooks(struct exchange *exchange)
{
	const struct terms *terms = exchange->terms;
	for (; exchange->hook < terms->hook_count; exchange->hook++) {
		struct hook *hook = terms->hooks[exchange->hook];
		if (!hook_has(hook, exchange->stage))
			continue;
		exchange->call =
		    hook_ask(hook, exchange->stage, put_exchange, on_decided, exchange);
		if (!exchange->call)
			exchange_later(exchange, exchange_ask_hooks, CHAT_AGAIN_MS);
		return;
	}
	exchange->after_hooks(exchange);
}

void exchange_hooks(
    struct exchange *exchange, enum message_stage stage, void (*next)(struct exchange *exchange))
{
	exchange->stage = stage;
	exchange->hook = 0;
	exchange->after_hooks = next;
	exchange_ask_hooks(exchange);
}

/* The reply. */

/* It is in the store, and closes the message there; now it is to be sent. */
static void exchange_hand_over(struct exchange *exchange)
{
	struct outbox_item item = { .id = exchange->reply_id,
		.chat_id = exchange->message.chat_id,
		.run_id = exchange->run_id[0] ? exchange->run_id : NULL };
	if (outbox_add(exchange->interface->outbox, &item) < 0)
		exchange_later(exchange, exchange_hand_over, CHAT_AGAIN_MS);
	else
		exchange_over(exchange);
}

static void on_replied(void *arg, int error, int64_t id)
{
	struct exchange *exchange = arg;
	if (!exchange_has_done(exchange, error == -EEXIST ? 0 : error, exchange_reply))
		return;
	exchange->reply_id = id;
	exchange_hand_over(exchange);
}

static void exchange_reply(struct exchange *exchange)
{
	const struct message *message = &exchange->message;
	const char *notice = exchange->notice;
	struct store_reply reply = {
		.interface = interface_name(exchange->interface),
		.chat_id = message->chat_id,
		.reply_to = message->message_id[0] ? message->message_id : NULL,
		.run_id = exchange->run_id[0] ? exchange->run_id : NULL,
		.text = { exchange->reply.data ? exchange->reply.data : "",
		    exchange->reply.length },
		.files = { exchange->files.length ? exchange->files.data : NULL,
		    exchange->files.length },
		.created_wall_ms = clock_wall_ms(),
	};
	if (notice) {
		reply.text = (struct frame_text){ notice, strlen(notice) };
		reply.files = (struct frame_text){ 0 };
	}
	store_reply_add(exchange_store(exchange), &reply, exchange->seq, on_replied, exchange);
}

void exchange_say(struct exchange *exchange, const char *text)
{
	exchange->notice = text;
	exchange_reply(exchange);
}

static void exchange_apologise(struct exchange *exchange)
{
	exchange_say(exchange, exchange->terms->settings->error_message);
}

static void exchange_fail(struct exchange *exchange, const char *why)
{
	struct log_field fields[] = {
		{ "run_id", exchange->run_id[0] ? exchange->run_id : NULL, false },
	};
	exchange->interface->failed++;
	exchange->error.length = exchange->reply.length = 0;
	buf_add_str(&exchange->error, why);
	log_with(LOG_LEVEL_WARN, fields,
	    "%s: a message of %s is answered with the error_message: %s",
	    interface_label(exchange->interface), exchange->message.user_id, why);
	exchange_hooks(exchange, STAGE_ON_ERROR, exchange_apologise);
}

/* Nothing to say is nothing to send. */
static void exchange_send(struct exchange *exchange)
{
	if (exchange->reply.length || exchange->files.length)
		exchange_reply(exchange);
	else
		exchange_drop(exchange);
}

void exchange_conclude(struct exchange *exchange, enum run_status status, struct frame_text content,
    struct frame_text files, const char *error)
{
	if (status == RUN_FAILED) {
		exchange_fail(exchange, error && error[0] ? error : "its run failed");
		return;
	}
	if (status != RUN_SUCCEEDED) { /* somebody did not want it any more */
		exchange_drop(exchange);
		return;
	}
	buf_add(&exchange->reply, content.p, content.n);
	buf_add(&exchange->files, files.p, files.n);
	if (exchange->reply.failed || exchange->files.failed) {
		buf_done(&exchange->reply);
		exchange_fail(exchange, "out of memory");
		return;
	}
	exchange_hooks(exchange, STAGE_AFTER_RUN, exchange_send);
}

/* By name each time, since one may be gone with a config. If it is, its messages are for that which the interface
 * has now. NULL: the interface is gone as well. */
struct agent *exchange_agent(const struct exchange *exchange)
{
	const struct interface *interface = exchange->interface;
	const struct registry *registry = interface->chats->setup.registry;
	struct agent *agent = registry_find(registry, exchange->terms->settings->agent);
	return agent ? agent : registry_find(registry, interface->settings->agent);
}

/* The run. */

static void on_type_timer(struct exchange *exchange)
{
	interface_type(exchange->interface, exchange->message.chat_id);
	exchange_later(exchange, on_type_timer, TYPE_EVERY_MS);
}

/* Outside of the run's own telling, in which nothing else may be done with it. */
static void on_run_over(struct exchange *exchange)
{
	struct run *run = exchange->run;
	exchange->run = NULL;
	exchange_conclude(
	    exchange, run_status(run), run_content(run), run_files(run), run_error(run));
	run_unref(run);
}

static void on_run_event(void *arg, struct run *run, const struct run_event *event)
{
	(void)run;
	struct exchange *exchange = arg;
	if (event->type != RUN_EVENT_ENDED && event->type != RUN_EVENT_LEFT)
		return;
	exchange->is_subscribed = false;
	exchange_later(exchange, event->type == RUN_EVENT_ENDED ? on_run_over : exchange_leave, 0);
}

/* Goes on behind its run. */
void exchange_follow(struct exchange *exchange)
{
	exchange->subscriber = (struct run_subscriber){ .event = on_run_event, .arg = exchange };
	run_keep_spool(exchange->run);
	run_subscribe(exchange->run, &exchange->subscriber);
	exchange->is_subscribed = true;
	on_type_timer(exchange);
}

static void on_written(void *arg, int error, const struct store_taken *taken)
{
	(void)taken;
	struct exchange *exchange = arg;
	struct run *run = exchange->run;
	if (error < 0) {
		exchange->run = NULL;
		exchange->run_id[0] = '\0';
		run_unref(run);
		exchange_has_done(exchange, error, exchange_run);
		return;
	}
	if (runs_are_draining(exchange->interface->chats->setup.runs)) {
		exchange_leave(exchange);
		return;
	}
	exchange_follow(exchange);
	run_start(run);
}

static void run_refused(struct exchange *exchange, enum run_code code)
{
	if (code == RUN_DRAINING)
		exchange_leave(exchange);
	else if (code == RUN_OVERLOADED || code == RUN_NO_MEMORY || code == RUN_SESSION_BUSY)
		exchange_later(exchange, exchange_run, CHAT_AGAIN_MS);
	else
		exchange_fail(exchange, run_code_name(code));
}

/* Whether it may have a run. */
static enum run_code exchange_make_run(struct exchange *exchange, struct run_request *wanted)
{
	struct chats *chats = exchange->interface->chats;
	wanted->agent = exchange_agent(exchange);
	if (chats->draining || exchange->interface->is_leaving || !wanted->agent)
		return RUN_DRAINING;
	return run_create(chats->setup.runs, wanted, &exchange->run);
}

void exchange_run(struct exchange *exchange)
{
	struct interface *interface = exchange->interface;
	const struct message *message = &exchange->message;
	struct buf attachments = { 0 };
	struct store_chat chat = {
		.interface = interface_name(interface),
		.user_id = message->user_id,
		.chat_id = message->chat_id,
		.session_id = exchange->session_id,
		.at_wall_ms = clock_wall_ms(),
	};
	struct run_writing with = { .incoming = exchange->seq, .chat = &chat };
	if (message_attachments(message, &attachments) < 0) {
		buf_done(&attachments);
		exchange_later(exchange, exchange_run, CHAT_AGAIN_MS);
		return;
	}
	int64_t history = exchange->terms->settings->max_session_history;
	struct run_request wanted = {
		.input = { exchange->text.data, exchange->text.length },
		.session_id = exchange->session_id,
		.user_id = exchange->user_id,
		.reach = REACH_ALL, /* which session it is, is decided here */
		.source = interface->source,
		.metadata = { exchange->metadata.data, exchange->metadata.length },
		.attachments = { attachments.data, attachments.length },
		.history = history ? history : -1,
		.durable = true,
	};
	enum run_code code = exchange_make_run(exchange, &wanted);
	buf_done(&attachments);
	if (code != RUN_OK) {
		run_refused(exchange, code);
		return;
	}
	snprintf(exchange->run_id, sizeof(exchange->run_id), "%s", run_id(exchange->run));
	run_write_down(exchange->run, &with, on_written, exchange);
}
