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
#include "daemon/chat/exchange.h"
#include "daemon/run/agent.h"
#include "daemon/run/spool.h"

#define NOTE_MS 600000

#define TOO_FAST "You are sending messages too fast. Please wait a moment and try again."

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

struct store *exchange_store(const struct exchange *exchange)
{
	return exchange->interface->chats->setup.store;
}

void exchange_later(struct exchange *exchange, void (*next)(struct exchange *exchange), int64_t ms)
{
	struct timeval after = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
	exchange->next = next;
	event_add(&exchange->timer, &after);
}

/* Whether the store has done it; else `again` is called in a while. */
bool exchange_has_done(
    struct exchange *exchange, int error, void (*again)(struct exchange *exchange))
{
	chats_note(exchange->interface->chats, interface_label(exchange->interface), error);
	if (error < 0)
		exchange_later(exchange, again, CHAT_AGAIN_MS);
	return error >= 0;
}

/* The ends. */

/* All that came with it, and of it, is done with. */
void exchange_over(struct exchange *exchange)
{
	if (exchange->has_message)
		message_remove_files(
		    &exchange->message, NULL, exchange->interface->chats->setup.spool);
	inbox_on_over(exchange);
}

static void on_dropped(void *arg, int error);

/* It is over without a reply. */
void exchange_drop(struct exchange *exchange)
{
	struct spool *spool = exchange->interface->chats->setup.spool;
	if (exchange->run_id[0])
		spool_remove_run(spool, exchange->run_id);
	store_incoming_end(exchange_store(exchange), exchange->seq, on_dropped, exchange);
}

static void on_dropped(void *arg, int error)
{
	struct exchange *exchange = arg;
	if (exchange_has_done(exchange, error, exchange_drop))
		exchange_over(exchange);
}

/* agentd stops, or its interface leaves: whoever comes next goes on with it. */
void exchange_leave(struct exchange *exchange)
{
	inbox_put_back(exchange, exchange->seq);
}

void exchange_drain(struct exchange *exchange)
{
	bool waits = exchange->call || event_pending(&exchange->timer, EV_TIMEOUT, NULL);
	if (waits && !exchange->run_id[0])
		exchange_leave(exchange);
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
	buf_done(out); /* of a try before this */
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
	const struct agent *agent = exchange_agent(exchange);
	if (!chat || now >= chat->at_wall_ms + ttl || strlen(chat->session_id) >= ID_SIZE)
		return false;
	return !chat->agent || !agent ||
	       strcmp(agent_settings(agent)->instance.name, chat->agent) == 0;
}

static void on_chat(void *arg, int error, const struct store_chat *chat)
{
	struct exchange *exchange = arg;
	uint64_t now = clock_wall_ms();
	if (!exchange_has_done(exchange, error, exchange_find_session))
		return;
	if (goes_on(exchange, chat, now))
		snprintf(
		    exchange->session_id, sizeof(exchange->session_id), "%s", chat->session_id);
	else
		id_make(now, exchange->session_id);
	if (exchange_has_done(
		exchange, describe(exchange, &exchange->metadata), exchange_find_session))
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
	if (!exchange_has_done(exchange, exchange->user_id ? 0 : -ENOMEM, exchange_find_session))
		return;
	store_chat_get(exchange_store(exchange), interface_name(exchange->interface),
	    message->user_id, message->chat_id, on_chat, exchange);
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
	for (size_t i = 0; i < settings->auth_count; i++) {
		if (verdict == AUTH_KNOWN ||
		    verdict == AUTH_NO_MEMORY) /* the latter asks again later */
			break;
		verdict = auth_ask(terms->auth, settings->auth[i], &request, ret_who, ret_why);
	}
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

/* One line in a while for each who is not answered; `what`: this is one of those that are counted together. */
static void exchange_note(struct exchange *exchange, const char *what, const char *why)
{
	const struct message *message = &exchange->message;
	if (may_take(exchange, what, 1, NOTE_MS))
		log_info("%s: %s%s%s%s in chat %s %s: not answered",
		    interface_label(exchange->interface), message->user_id,
		    message->user_name[0] ? " (" : "", message->user_name,
		    message->user_name[0] ? ")" : "", message->chat_id, why);
}

static void exchange_turn_away(struct exchange *exchange, const char *why)
{
	exchange_note(exchange, "refused", why);
	exchange_drop(exchange);
}

/* Which limit, as it stands in the config; who writes is told once in a minute, and not of which. */
static void exchange_slow_down(struct exchange *exchange, bool is_ours, int64_t rate)
{
	char why[120] = "writes more than its auth's rate allows";
	if (is_ours)
		snprintf(why, sizeof(why),
		    "writes more than rate_limit_messages_per_minute (%lld) allows",
		    (long long)rate);
	exchange_note(exchange, "too fast", why);
	if (may_take(exchange, "notices", 1, 60000))
		exchange_say(exchange, TOO_FAST);
	else
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
		exchange_later(exchange, exchange_admit, CHAT_AGAIN_MS);
		return;
	}
	if (verdict != AUTH_KNOWN) {
		exchange_turn_away(exchange, why);
		return;
	}
	bool has_rate = !who || auth_take(exchange->terms->auth, who, &after_s);
	bool in_time = has_rate && (rate == 0 || may_take(exchange, "messages", rate, 60000));
	principal_unref(who);
	if (in_time)
		exchange_hooks(exchange, STAGE_ON_MESSAGE, exchange_find_session);
	else
		exchange_slow_down(exchange, has_rate, rate);
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
		store_run_get(exchange_store(exchange), exchange->run_id, on_run_read, exchange);
	}
}

static void on_run_read(void *arg, int error, const struct store_run *run)
{
	struct exchange *exchange = arg;
	char *why;
	if (!exchange_has_done(exchange, error, exchange_take_up))
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

/* 0; -ENOMEM; -EINVAL: it makes no sense. */
static int take_message(struct exchange *exchange, struct frame_text body)
{
	struct message *message = &exchange->message;
	struct buf *text = &exchange->text;
	int error = message_decode(body, message);
	if (error < 0)
		return error;
	buf_add(text, message->text.p, message->text.n);
	exchange->has_message = !text->failed;
	if (exchange->has_message)
		return 0;
	message_done(message);
	buf_done(text);
	return -ENOMEM;
}

static void on_read(void *arg, int error, const struct store_incoming *incoming)
{
	struct exchange *exchange = arg;
	if (!exchange_has_done(exchange, error, exchange_begin))
		return;
	if (!incoming) { /* it is over */
		inbox_on_over(exchange);
		return;
	}
	error = take_message(exchange, incoming->body);
	if (error == -ENOMEM) {
		exchange_later(exchange, exchange_begin, CHAT_AGAIN_MS);
		return;
	}
	if (error < 0) {
		log_error("%s: a message in the store makes no sense, and is left out",
		    interface_label(exchange->interface));
		exchange_drop(exchange);
		return;
	}
	if (incoming->state == INCOMING_RUNNING && incoming->run_id) {
		snprintf(exchange->run_id, sizeof(exchange->run_id), "%s", incoming->run_id);
		exchange_take_up(exchange);
	} else {
		exchange_admit(exchange);
	}
}

void exchange_begin(struct exchange *exchange)
{
	store_incoming_get(exchange_store(exchange), exchange->seq, on_read, exchange);
}

void exchange_interrupt(struct exchange *exchange)
{
	struct run *run = exchange->is_subscribed ? exchange->run : NULL;
	if (run && agent_settings(run_agent(run))->on_busy == ON_BUSY_INTERRUPT)
		run_cancel(run, "interrupted by the next message of its chat");
}
