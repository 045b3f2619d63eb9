/*
 * exchange: one message, from the store to its reply in the store:
 *
 *	read → admit → on_message → session → before_run → run → after_run → reply
 *
 * Each step ends in the next, or in a wait for the store, a hook or the run. What the store cannot do now is tried
 * again each second. A message whose run was written down before agentd ended goes on behind that run.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/chat/internal.h"
#include "daemon/chat/message.h"
#include "daemon/run/agent.h"
#include "daemon/run/spool.h"

#define TYPE_EVERY_MS 4000 /* platforms show it for five seconds or so */
#define TOO_FAST      "You are sending messages too fast. Please wait a moment and try again."

struct exchange {
	struct interface *interface; /* borrowed */
	struct terms *terms;
	struct lane *lane; /* borrowed */
	int64_t seq;
	struct message message;
	bool has_message;
	char *user_id; /* of its run */
	char session_id[ID_SIZE], run_id[ID_SIZE];
	struct buf text, metadata; /* for the run, as hooks have it */
	struct buf reply, files, error;

	/* What is waited for. */
	struct event timer;
	void (*next)(struct exchange *exchange); /* of the timer */
	enum message_stage stage;
	void (*after_hooks)(struct exchange *exchange);
	size_t hook;            /* which is asked, or is the next to be */
	struct hook_call *call; /* NULL: none */
	struct run *run;        /* a reference; NULL: there is none, or not any more */
	struct run_subscriber subscriber;
	bool is_subscribed;
};

static void exchange_run(struct exchange *exchange);
static void exchange_reply(struct exchange *exchange);
static void exchange_fail(struct exchange *exchange, const char *why);

/* Its life. */

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct exchange *exchange = arg;
	exchange->next(exchange);
}

struct exchange *exchange_new(struct interface *interface, struct lane *lane, int64_t seq)
{
	struct exchange *exchange = calloc(1, sizeof(*exchange));
	if (!exchange)
		return NULL;
	exchange->interface = interface;
	exchange->terms = terms_ref(interface->terms);
	exchange->lane = lane;
	exchange->seq = seq;
	event_assign(&exchange->timer, interface->chats->setup.base, -1, 0, on_timer, exchange);
	return exchange;
}

void exchange_free(struct exchange *exchange)
{
	event_del(&exchange->timer);
	hook_call_drop(exchange->call);
	if (exchange->is_subscribed)
		run_unsubscribe(exchange->run, &exchange->subscriber);
	run_unref(exchange->run);
	if (exchange->has_message)
		message_done(&exchange->message);
	free(exchange->user_id);
	buf_done(&exchange->text);
	buf_done(&exchange->metadata);
	buf_done(&exchange->reply);
	buf_done(&exchange->files);
	buf_done(&exchange->error);
	terms_unref(exchange->terms);
	free(exchange);
}

struct lane *exchange_lane(const struct exchange *exchange)
{
	return exchange->lane;
}

struct interface *exchange_interface(const struct exchange *exchange)
{
	return exchange->interface;
}

static struct store *store_of(const struct exchange *exchange)
{
	return exchange->interface->chats->setup.store;
}

static void later(struct exchange *exchange, void (*next)(struct exchange *exchange), int64_t ms)
{
	struct timeval after = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
	exchange->next = next;
	event_add(&exchange->timer, &after);
}

/* Whether the store has done it; else `again` is called in a while. */
static bool has_done(struct exchange *exchange, int error, void (*again)(struct exchange *exchange))
{
	chats_note(exchange->interface->chats, interface_label(exchange->interface), error);
	if (error < 0)
		later(exchange, again, CHAT_AGAIN_MS);
	return error >= 0;
}

/* The ends. */

/* All that came with it, and of it, is done with. */
static void exchange_over(struct exchange *exchange)
{
	if (exchange->has_message)
		message_remove_files(&exchange->message, exchange->interface->chats->setup.spool);
	inbox_on_over(exchange);
}

static void on_dropped(void *arg, int error);

/* It is over without a reply. */
static void exchange_drop(struct exchange *exchange)
{
	struct spool *spool = exchange->interface->chats->setup.spool;
	if (exchange->run_id[0])
		spool_remove_run(spool, exchange->run_id);
	store_incoming_end(store_of(exchange), exchange->seq, on_dropped, exchange);
}

static void on_dropped(void *arg, int error)
{
	struct exchange *exchange = arg;
	if (has_done(exchange, error, exchange_drop))
		exchange_over(exchange);
}

/* agentd stops, or its interface leaves: whoever comes next goes on with it. */
static void exchange_leave(struct exchange *exchange)
{
	inbox_put_back(exchange, exchange->seq);
}

void exchange_drain(struct exchange *exchange)
{
	bool waits = exchange->call || event_pending(&exchange->timer, EV_TIMEOUT, NULL);
	if (waits && !exchange->run_id[0])
		exchange_leave(exchange);
}

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

static void edit(struct buf *text, struct frame_text to)
{
	if (!to.p)
		return;
	text->length = 0;
	buf_add_utf8(text, NULL, to.p, to.n);
}

static void on_decided(
    void *arg, int64_t verdict, struct frame_text text, struct frame_text metadata)
{
	struct exchange *exchange = arg;
	const struct interface *interface = exchange->interface;
	const char *name = hook_settings(exchange->terms->hooks[exchange->hook++])->instance.name;
	char why[160];
	exchange->call = NULL;
	if (verdict == -ESHUTDOWN) {
		exchange_leave(exchange);
	} else if (exchange->stage == STAGE_ON_ERROR) {
		exchange_ask_hooks(exchange);
	} else if (verdict == AGENTD_REFUSE) {
		log_debug("%s: hook %s lets a message of %s go no further",
		    interface_label(interface), name, exchange->message.user_id);
		exchange_drop(exchange);
	} else if (verdict < 0) {
		snprintf(why, sizeof(why), "hook %s failed", name);
		exchange_fail(exchange, why);
	} else {
		edit(exchange->stage == STAGE_AFTER_RUN ? &exchange->reply : &exchange->text, text);
		if (exchange->stage == STAGE_BEFORE_RUN)
			edit(&exchange->metadata, metadata);
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
			later(exchange, exchange_ask_hooks, CHAT_AGAIN_MS);
		return;
	}
	exchange->after_hooks(exchange);
}

static void exchange_hooks(
    struct exchange *exchange, enum message_stage stage, void (*next)(struct exchange *exchange))
{
	exchange->stage = stage;
	exchange->hook = 0;
	exchange->after_hooks = next;
	exchange_ask_hooks(exchange);
}

/* The reply. */

static void on_replied(void *arg, int error, int64_t id)
{
	struct exchange *exchange = arg;
	struct outbox_item item = { .id = id,
		.chat_id = exchange->message.chat_id,
		.run_id = exchange->run_id[0] ? exchange->run_id : NULL };
	if (!has_done(exchange, error == -EEXIST ? 0 : error, exchange_reply))
		return;
	/* One that cannot wait in memory is sent with the next start. */
	outbox_add(exchange->interface->outbox, &item);
	exchange_over(exchange);
}

static void exchange_reply(struct exchange *exchange)
{
	const struct message *message = &exchange->message;
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
	store_reply_add(store_of(exchange), &reply, exchange->seq, on_replied, exchange);
}

static void exchange_say(struct exchange *exchange, const char *text)
{
	exchange->reply.length = exchange->files.length = 0;
	buf_add_str(&exchange->reply, text);
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

static void exchange_conclude(struct exchange *exchange, enum run_status status,
    struct frame_text content, struct frame_text files, const char *error)
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
static struct agent *agent_of(const struct exchange *exchange)
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
	later(exchange, on_type_timer, TYPE_EVERY_MS);
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
	later(exchange, event->type == RUN_EVENT_ENDED ? on_run_over : exchange_leave, 0);
}

/* Goes on behind its run. */
static void exchange_follow(struct exchange *exchange)
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
		has_done(exchange, error, exchange_run);
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
		later(exchange, exchange_run, CHAT_AGAIN_MS);
	else
		exchange_fail(exchange, run_code_name(code));
}

/* Whether it may have a run. */
static enum run_code exchange_make_run(struct exchange *exchange, struct run_request *wanted)
{
	struct chats *chats = exchange->interface->chats;
	wanted->agent = agent_of(exchange);
	if (chats->draining || exchange->interface->is_leaving || !wanted->agent)
		return RUN_DRAINING;
	return run_create(chats->setup.runs, wanted, &exchange->run);
}

static void exchange_run(struct exchange *exchange)
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
	message_attachments(message, &attachments);
	struct run_request wanted = {
		.input = { exchange->text.data, exchange->text.length },
		.session_id = exchange->session_id,
		.user_id = exchange->user_id,
		.any_session = true, /* which session it is, is decided here */
		.source = interface->source,
		.metadata = { exchange->metadata.data, exchange->metadata.length },
		.attachments = { attachments.data, attachments.length },
		.history = exchange->terms->settings->max_session_history,
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

/* The session. */

/* What the agent is told of where its input comes from. */
static int describe(const struct exchange *exchange, struct buf *out)
{
	const struct message *message = &exchange->message;
	const struct interface_settings *settings = exchange->terms->settings;
	json_t *object = json_pack("{s:s, s:s, s:s, s:s}", "interface", settings->instance.name,
	    "platform", settings->platform, "platform_user_id", message->user_id, "chat_id",
	    message->chat_id);
	if (message->user_name[0])
		json_object_set_new(object, "user_name", json_string(message->user_name));
	if (message->message_id[0])
		json_object_set_new(object, "message_id", json_string(message->message_id));
	if (message->reply_to[0])
		json_object_set_new(object, "reply_to", json_string(message->reply_to));
	char *text = json_dumps(object, JSON_COMPACT);
	out->length = 0;
	buf_add_str(out, text ? text : "");
	free(text);
	json_decref(object);
	return text && !out->failed ? 0 : -ENOMEM;
}

static void exchange_find_session(struct exchange *exchange);

static void exchange_before_run(struct exchange *exchange)
{
	exchange_hooks(exchange, STAGE_BEFORE_RUN, exchange_run);
}

/* Whether what they said last goes on: not after long, nor with another agent, which cannot have its session. */
static bool goes_on(const struct exchange *exchange, const struct store_chat *chat, uint64_t now)
{
	uint64_t ttl = (uint64_t)exchange->terms->settings->session_ttl_ms;
	const struct agent *agent = agent_of(exchange);
	if (!chat || now >= chat->at_wall_ms + ttl || strlen(chat->session_id) >= ID_SIZE)
		return false;
	return !chat->agent || !agent ||
	       strcmp(agent_settings(agent)->instance.name, chat->agent) == 0;
}

static void on_chat(void *arg, int error, const struct store_chat *chat)
{
	struct exchange *exchange = arg;
	uint64_t now = clock_wall_ms();
	if (!has_done(exchange, error, exchange_find_session))
		return;
	if (goes_on(exchange, chat, now))
		snprintf(
		    exchange->session_id, sizeof(exchange->session_id), "%s", chat->session_id);
	else
		id_make(now, exchange->session_id);
	if (has_done(exchange, describe(exchange, &exchange->metadata), exchange_find_session))
		exchange_before_run(exchange);
}

/* Linked to somebody, or itself: by a name that no other platform, and no token, has. */
static char *user_of(const struct exchange *exchange)
{
	const struct interface *interface = exchange->interface;
	const char *platform = exchange->terms->settings->platform, *id = exchange->message.user_id;
	const char *linked = identities_find(interface->chats->identities, platform, id);
	char *user;
	if (linked)
		return strdup(linked);
	return asprintf(&user, "%s:%s", platform, id) < 0 ? NULL : user;
}

static void exchange_find_session(struct exchange *exchange)
{
	const struct message *message = &exchange->message;
	free(exchange->user_id);
	exchange->user_id = user_of(exchange);
	if (!has_done(exchange, exchange->user_id ? 0 : -ENOMEM, exchange_find_session))
		return;
	store_chat_get(store_of(exchange), interface_name(exchange->interface), message->user_id,
	    message->chat_id, on_chat, exchange);
}

/* Who may write. */

/* The providers that it has, in their order; the first that knows who it is decides. */
static enum auth_verdict ask(
    const struct exchange *exchange, struct principal **ret_who, const char **ret_why)
{
	const struct terms *terms = exchange->terms;
	const struct interface_settings *settings = terms->settings;
	const struct message *message = &exchange->message;
	enum auth_verdict verdict = settings->open ? AUTH_KNOWN : AUTH_REFUSED;
	struct auth_request request = { .platform = settings->platform,
		.user_id = message->user_id,
		.username = message->user_name[0] == '@' ? message->user_name + 1 : NULL,
		.chat_id = message->chat_id };
	*ret_why = "is not on the list";
	for (size_t i = 0; verdict != AUTH_KNOWN && i < settings->auth_count; i++)
		verdict = auth_ask(terms->auth, settings->auth[i], &request, ret_who, ret_why);
	return verdict;
}

static bool may_take(const struct exchange *exchange, const char *what, int64_t count, int64_t ms)
{
	struct chats *chats = exchange->interface->chats;
	struct rate rate = { count, ms };
	char name[NAME_MAX_BYTES + 32];
	uint64_t wait_us;
	snprintf(name, sizeof(name), "%s %s", interface_name(exchange->interface), what);
	return rates_take(
	    chats->rates, name, exchange->message.user_id, &rate, clock_monotonic_us(), &wait_us);
}

/* No answer, and one line in a while for each who tries. */
static void exchange_turn_away(struct exchange *exchange, const char *why)
{
	const struct message *message = &exchange->message;
	if (may_take(exchange, "refused", 1, 600000))
		log_info("%s: %s%s%s%s in chat %s %s: not answered",
		    interface_label(exchange->interface), message->user_id,
		    message->user_name[0] ? " (" : "", message->user_name,
		    message->user_name[0] ? ")" : "", message->chat_id, why);
	exchange_drop(exchange);
}

static void exchange_admit(struct exchange *exchange)
{
	int64_t rate = exchange->terms->settings->rate_limit_messages_per_minute;
	struct principal *who = NULL;
	const char *why;
	unsigned after_s;
	enum auth_verdict verdict = ask(exchange, &who, &why);
	if (verdict == AUTH_NO_MEMORY) {
		later(exchange, exchange_admit, CHAT_AGAIN_MS);
		return;
	}
	if (verdict != AUTH_KNOWN) {
		exchange_turn_away(exchange, why);
		return;
	}
	bool in_time = (!who || auth_take(exchange->terms->auth, who, &after_s)) &&
		       (rate == 0 || may_take(exchange, "messages", rate, 60000));
	principal_unref(who);
	if (in_time)
		exchange_hooks(exchange, STAGE_ON_MESSAGE, exchange_find_session);
	else if (may_take(exchange, "notices", 1, 60000))
		exchange_say(exchange, TOO_FAST);
	else
		exchange_drop(exchange);
}

/* Reading. */

static void on_run_read(void *arg, int error, const struct store_run *run);

/* Its run was written down by an earlier life of agentd. */
static void exchange_take_up(struct exchange *exchange)
{
	struct run *live = runs_find_live(exchange->interface->chats->setup.runs, exchange->run_id);
	if (live && !run_is_over(live)) {
		exchange->run = run_ref(live);
		exchange_follow(exchange);
	} else {
		store_run_get(store_of(exchange), exchange->run_id, on_run_read, exchange);
	}
}

static void on_run_read(void *arg, int error, const struct store_run *run)
{
	struct exchange *exchange = arg;
	char *why;
	if (!has_done(exchange, error, exchange_take_up))
		return;
	if (!run) { /* whoever deleted its session does not want it answered */
		exchange_drop(exchange);
		return;
	}
	snprintf(exchange->session_id, sizeof(exchange->session_id), "%.36s", run->session_id);
	free(exchange->user_id);
	exchange->user_id = strdup(run->user);
	why = run->error.p ? strndup(run->error.p, run->error.n) : NULL;
	exchange_conclude(exchange, run->status, run->content, run->files, why);
	free(why);
}

static void on_read(void *arg, int error, const struct store_incoming *incoming)
{
	struct exchange *exchange = arg;
	if (!has_done(exchange, error, exchange_begin))
		return;
	if (!incoming) { /* it is over */
		inbox_on_over(exchange);
		return;
	}
	error = message_decode(incoming->body, &exchange->message);
	if (error == -ENOMEM) {
		later(exchange, exchange_begin, CHAT_AGAIN_MS);
		return;
	}
	if (error < 0) {
		log_error("%s: a message in the store makes no sense, and is left out",
		    interface_label(exchange->interface));
		exchange_drop(exchange);
		return;
	}
	exchange->has_message = true;
	buf_add(&exchange->text, exchange->message.text.p, exchange->message.text.n);
	if (incoming->state == INCOMING_RUNNING && incoming->run_id) {
		snprintf(exchange->run_id, sizeof(exchange->run_id), "%s", incoming->run_id);
		exchange_take_up(exchange);
	} else {
		exchange_admit(exchange);
	}
}

void exchange_begin(struct exchange *exchange)
{
	store_incoming_get(store_of(exchange), exchange->seq, on_read, exchange);
}

void exchange_interrupt(struct exchange *exchange)
{
	struct run *run = exchange->is_subscribed ? exchange->run : NULL;
	if (run && agent_settings(run_agent(run))->on_busy == ON_BUSY_INTERRUPT)
		run_cancel(run, "interrupted by the next message of its chat");
}
