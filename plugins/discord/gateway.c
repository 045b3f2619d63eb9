/*
 * gateway: asks where the gateway is, connects, says who it is, listens; and again.
 *
 *	OFF ─start→ ASKING ─url→ OPENING ─HELLO→ IDENTIFYING or RESUMING ─READY, RESUMED→ LISTENING
 *	 any of these ─it ends→ WAITING ─timer→ ASKING, or OPENING when there is a session to be resumed
 */
#include "gateway.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "heartbeat.h"
#include "payload.h"
#include "plugins/common/backoff.h"
#include "plugins/common/news.h"
#include "plugins/common/outage.h"
#include "plugins/common/websocket.h"
#include "session.h"

#define WAIT_MIN_MS     1000
#define WAIT_MAX_MS     60000
#define STEADY_MS       10000 /* so long it must have listened for the next wait to be a short one */
#define QUIET_MS        1000  /* about so long it waits when Discord asks for a new connection */
#define IDENTIFY_GAP_MS 5250  /* Discord takes one in five seconds, of its own clock */
#define BEGIN_MS        25000 /* of the start: agentd waits half a minute until it is ready */
#define BEGIN_RESUME_MS 10000 /* of them for the session of an earlier process */
#define OUTAGE_TRIES    10 /* so many times connect_timeout it may be away, if that is not long */
#define RESUMES_MAX     3  /* that fail at the session's own URL; then the general one is tried */
#define MESSAGE_MAX     (64u << 20) /* of a GUILD_CREATE, which has all of a guild in it */
#define CLOSE_RESUMABLE 4000        /* any but 1000 and 1001, which end the session */

enum state { OFF, WAITING, ASKING, OPENING, IDENTIFYING, RESUMING, LISTENING };

struct discord_gateway {
	struct discord_gateway_setup setup;
	const struct agentd_host *host; /* borrowed */
	enum state state;
	struct agentd_timer *timer;    /* of WAITING */
	struct agentd_timer *deadline; /* until LISTENING */
	struct discord_heartbeat *heartbeat;
	struct discord_call *question; /* of ASKING */
	struct websocket *socket;
	struct backoff backoff;
	struct outage outage;
	struct news news;
	struct discord_session *session;
	unsigned tries;        /* since the start */
	unsigned resumes;      /* that have failed in a row */
	uint64_t began_ms;     /* the start */
	uint64_t identify_ms;  /* not before */
	uint64_t listening_ms; /* since */
	uint64_t away_ms;      /* since; 0: it is not, or nobody has been told */
	uint64_t asked_ms;     /* to wait so long; 0: not asked */
	const char *dropped;   /* why we have closed the connection; NULL: we have not */
	bool was_ready;
	bool is_quiet; /* Discord has asked for a new connection, which is no trouble */
};

static void gateway_connect(void *arg);
static void gateway_away(struct discord_gateway *gateway, const char *reason);
static void on_deadline(void *arg);
static void heartbeat_send(void *arg);
static void heartbeat_lost(void *arg);
static void on_confirmed(void *arg, int64_t sequence);

static uint32_t chance(void)
{
	uint32_t bits = 0;
	if (getrandom(&bits, sizeof(bits), 0) < 0)
		bits = 0;
	return bits;
}

struct discord_gateway *discord_gateway_new(const struct discord_gateway_setup *setup)
{
	struct discord_gateway *gateway = calloc(1, sizeof(*gateway));
	const struct agentd_host *host = setup->host;
	if (!gateway)
		return NULL;
	gateway->setup = *setup;
	gateway->host = host;
	gateway->backoff = (struct backoff){ .min_ms = WAIT_MIN_MS, .max_ms = WAIT_MAX_MS };
	gateway->outage =
	    (struct outage){ .failures_max = OUTAGE_FAILURES, .lasts_max_ms = OUTAGE_MS };
	if (gateway->outage.lasts_max_ms > OUTAGE_TRIES * (uint64_t)setup->connect_ms)
		gateway->outage.lasts_max_ms = OUTAGE_TRIES * (uint64_t)setup->connect_ms;
	gateway->timer = host->timer_new(host, gateway_connect, gateway);
	gateway->deadline = host->timer_new(host, on_deadline, gateway);
	gateway->heartbeat = discord_heartbeat_new(host, heartbeat_send, heartbeat_lost, gateway);
	gateway->session = discord_session_new(host, setup->token, setup->about);
	discord_inbox_watch(setup->inbox, on_confirmed, gateway);
	if (!gateway->timer || !gateway->deadline || !gateway->heartbeat || !gateway->session) {
		discord_gateway_free(gateway);
		return NULL;
	}
	return gateway;
}

static void session_forget(struct discord_gateway *gateway)
{
	discord_session_forget(gateway->session);
	gateway->resumes = 0;
}

static bool has_session(const struct discord_gateway *gateway)
{
	return discord_session_id(gateway->session) != NULL;
}

static void on_confirmed(void *arg, int64_t sequence)
{
	struct discord_gateway *gateway = arg;
	discord_session_confirm(gateway->session, sequence);
}

void discord_gateway_free(struct discord_gateway *gateway)
{
	if (!gateway)
		return;
	discord_rest_cancel(gateway->question);
	websocket_free(gateway->socket);
	discord_heartbeat_free(gateway->heartbeat);
	if (gateway->timer)
		gateway->host->timer_free(gateway->timer);
	if (gateway->deadline)
		gateway->host->timer_free(gateway->deadline);
	discord_session_free(gateway->session);
	free(gateway);
}

void discord_gateway_start(struct discord_gateway *gateway)
{
	int64_t sequence;
	if (gateway->state != OFF)
		return;
	gateway->began_ms = gateway->host->now_ms(gateway->host);
	if (discord_session_load(gateway->session, &sequence, gateway->setup.rules->self_id))
		discord_inbox_resume(gateway->setup.inbox, sequence);
	gateway_connect(gateway);
}

void discord_gateway_stop(struct discord_gateway *gateway)
{
	if (gateway->state == OFF)
		return;
	gateway->state = OFF;
	gateway->host->timer_clear(gateway->timer);
	gateway->host->timer_clear(gateway->deadline);
	discord_heartbeat_stop(gateway->heartbeat);
	discord_rest_cancel(gateway->question);
	gateway->question = NULL;
	if (gateway->socket)
		websocket_close(gateway->socket, CLOSE_RESUMABLE, NULL);
}

/* Away, and back. */

/* How long to wait for the next try. */
static uint64_t gateway_wait_ms(struct discord_gateway *gateway)
{
	bool listened = gateway->state == LISTENING;
	uint64_t for_ms = gateway->host->now_ms(gateway->host) - gateway->listening_ms;
	if (listened && for_ms >= STEADY_MS)
		backoff_reset(&gateway->backoff);
	if (listened && for_ms >= QUIET_MS && gateway->is_quiet)
		return QUIET_MS / 2 + chance() % QUIET_MS;
	return backoff_next_ms(&gateway->backoff, gateway->asked_ms, chance());
}

/* Tells agentd, which keeps replies back, and tries again: at the start at once, later when it has been away for long.
 * A message that is only here goes first. The session stays, in its file. */
static void gateway_give_up(struct discord_gateway *gateway, const char *reason, uint64_t wait_ms)
{
	const struct agentd_host *host = gateway->host;
	uint64_t now_ms = host->now_ms(host), rest_ms = gateway->asked_ms;
	char line[400];
	bool is_long = outage_is_long(&gateway->outage, now_ms, now_ms, wait_ms);
	if (gateway->was_ready && !(is_long && discord_inbox_is_empty(gateway->setup.inbox)))
		return;
	if (gateway->identify_ms > now_ms && rest_ms < gateway->identify_ms - now_ms)
		rest_ms = gateway->identify_ms - now_ms;
	snprintf(line, sizeof(line), "no connection to Discord: %s", reason);
	host->fail_for(host, line, rest_ms);
}

/* An IDENTIFY has been answered, or will not be. From here on the gap counts, not from its sending: what holds one up
 * on its way, and not the next, would bring them closer together at Discord, which has had this one by now. */
static void gateway_identified(struct discord_gateway *gateway)
{
	gateway->identify_ms = gateway->host->now_ms(gateway->host) + IDENTIFY_GAP_MS;
}

/* It has no connection any more. Says so, once for each reason, and waits. */
static void gateway_away(struct discord_gateway *gateway, const char *reason)
{
	const struct agentd_host *host = gateway->host;
	uint64_t now_ms = host->now_ms(host);
	if (gateway->state == OFF)
		return;
	if (gateway->state == IDENTIFYING)
		gateway_identified(gateway);
	bool is_resume =
	    gateway->state == RESUMING || (gateway->state == OPENING && has_session(gateway));
	if (is_resume)
		gateway->resumes++;
	uint64_t wait_ms = gateway_wait_ms(gateway);
	if (is_resume && !gateway->was_ready && gateway->tries == 1)
		gateway->resumes = has_session(gateway) ? RESUMES_MAX : 0; /* it may just be old */
	else if (!gateway->is_quiet)
		gateway_give_up(gateway, reason, wait_ms);
	bool is_news = !gateway->is_quiet && news_take(&gateway->news, reason);
	if (is_news && gateway->away_ms == 0)
		gateway->away_ms = now_ms;
	host->log(host, is_news ? AGENTD_LOG_WARN : AGENTD_LOG_DEBUG,
	    "no connection to Discord: %s; the next try in %llu ms%s", reason,
	    (unsigned long long)wait_ms, is_news ? ", and so on until it is back" : "");
	gateway->state = WAITING;
	gateway->is_quiet = false;
	gateway->asked_ms = 0;
	discord_heartbeat_stop(gateway->heartbeat);
	host->timer_clear(gateway->deadline);
	host->timer_set(gateway->timer, wait_ms);
}

/* It listens. */
static void gateway_back(struct discord_gateway *gateway)
{
	const struct agentd_host *host = gateway->host;
	uint64_t now_ms = host->now_ms(host);
	if (gateway->state == IDENTIFYING)
		gateway_identified(gateway);
	gateway->state = LISTENING;
	gateway->listening_ms = now_ms;
	gateway->resumes = 0;
	host->timer_clear(gateway->deadline);
	outage_end(&gateway->outage);
	news_end(&gateway->news);
	if (gateway->away_ms)
		host->log(host, AGENTD_LOG_INFO, "connected to Discord again, after %llu s",
		    (unsigned long long)((now_ms - gateway->away_ms) / 1000));
	gateway->away_ms = 0;
	if (!gateway->was_ready)
		host->ready(host);
	gateway->was_ready = true;
}

/* Ends the connection so that the session can go on; gateway_away follows. */
static void gateway_drop(struct discord_gateway *gateway, const char *reason)
{
	discord_heartbeat_stop(gateway->heartbeat);
	if (gateway->socket && !gateway->dropped) {
		gateway->dropped = reason;
		websocket_close(gateway->socket, CLOSE_RESUMABLE, reason);
	}
}

/* Ends the connection at once: at the start there is no time to wait until Discord has closed it, and the next try has
 * one of its own. What is still on its way in this one must not be heard any more. */
static void gateway_cut(struct discord_gateway *gateway, const char *reason)
{
	gateway_drop(gateway, reason);
	websocket_free(gateway->socket);
	gateway->socket = NULL;
	gateway->dropped = NULL;
}

static void on_deadline(void *arg)
{
	struct discord_gateway *gateway = arg;
	static const char reason[] = "it took too long to be ready";
	discord_rest_cancel(gateway->question);
	gateway->question = NULL;
	if (gateway->socket && gateway->was_ready) {
		gateway_drop(gateway, reason);
		return;
	}
	gateway_cut(gateway, reason);
	gateway_away(gateway, reason);
}

/* How long a try may take, from its first question on. */
static uint64_t gateway_try_ms(const struct discord_gateway *gateway)
{
	uint64_t most_ms = (uint64_t)gateway->setup.connect_ms, left_ms = BEGIN_RESUME_MS;
	uint64_t begun_ms = gateway->host->now_ms(gateway->host) - gateway->began_ms;
	if (gateway->was_ready)
		return most_ms;
	if (gateway->tries || !has_session(gateway))
		left_ms = begun_ms < BEGIN_MS ? BEGIN_MS - begun_ms : 1;
	return most_ms < left_ms ? most_ms : left_ms;
}

/* The connection. */

/* What follows from a code with which Discord has closed it. False: nothing more can. */
static bool gateway_heed(struct discord_gateway *gateway, unsigned code)
{
	const char *reason = NULL;
	enum discord_close meaning = discord_close_meaning(code, &reason);
	if (meaning == DISCORD_CLOSE_BEGIN)
		session_forget(gateway);
	if (meaning != DISCORD_CLOSE_FATAL)
		return true;
	gateway->host->fatal(gateway->host, reason);
	discord_gateway_stop(gateway);
	return false;
}

static void on_closed(void *arg, unsigned code, unsigned status, const char *reason)
{
	struct discord_gateway *gateway = arg;
	const char *dropped = gateway->dropped;
	char line[256];
	websocket_free(gateway->socket);
	gateway->socket = NULL;
	gateway->dropped = NULL;
	discord_heartbeat_stop(gateway->heartbeat);
	if (gateway->state == OFF || (!dropped && !gateway_heed(gateway, code)))
		return;
	if (strstr(reason, gateway->setup.token)) /* whoever has put it there */
		reason = "(it has the bot token in it)";
	snprintf(line, sizeof(line), status ? "%s (status %u)" : "%s (%u)", reason,
	    status ? status : code);
	gateway_away(gateway, dropped ? dropped : line);
}

static void on_opened(void *arg)
{
	(void)arg; /* Discord speaks first */
}

static void on_message(void *arg, struct agentd_text text);

/* Is that a URL which the token may be sent to? */
static bool url_is_good(const struct discord_gateway *gateway, const char *url)
{
	return strncmp(url, "wss://", 6) == 0 ||
	       (gateway->setup.may_be_plain && strncmp(url, "ws://", 5) == 0);
}

static void gateway_open(struct discord_gateway *gateway, const char *url)
{
	const struct agentd_host *host = gateway->host;
	char *whole = NULL;
	int n = (int)strlen(url);
	gateway->state = OPENING;
	while (n && url[n - 1] == '/')
		n--;
	if (url_is_good(gateway, url) && asprintf(&whole, "%.*s/?v=10&encoding=json", n, url) < 0)
		whole = NULL;
	if (whole)
		gateway->socket = websocket_new(&(struct websocket_setup){
		    .host = host,
		    .url = whole,
		    .connect_ms = gateway->setup.connect_ms,
		    .message_max = MESSAGE_MAX,
		    .opened = on_opened,
		    .message = on_message,
		    .closed = on_closed,
		    .arg = gateway,
		});
	free(whole);
	if (!gateway->socket)
		gateway_away(gateway, "Discord's gateway has no URL that can be used");
}

/* How many sessions may still begin. */
static bool identify_is_allowed(struct discord_gateway *gateway, const json_t *limit)
{
	const json_t *remaining = json_object_get(limit, "remaining");
	if (has_session(gateway) || !json_is_integer(remaining) ||
	    json_integer_value(remaining) > 0)
		return true;
	json_int_t after_ms = json_integer_value(json_object_get(limit, "reset_after"));
	gateway->asked_ms = after_ms > 0 ? (uint64_t)after_ms : IDENTIFY_GAP_MS;
	return false;
}

static void on_answer(void *arg, const struct discord_answer *answer)
{
	struct discord_gateway *gateway = arg;
	char line[512];
	const char *url = json_string_value(json_object_get(answer->body, "url"));
	gateway->question = NULL;
	if (gateway->state != ASKING)
		return;
	if (answer->status != 200 || !url) {
		snprintf(line, sizeof(line), "GET /gateway/bot: %s",
		    answer->error ? answer->error : "no URL in the answer");
		gateway->asked_ms = answer->retry_after_ms;
		gateway_away(gateway, line);
	} else if (!identify_is_allowed(
		       gateway, json_object_get(answer->body, "session_start_limit"))) {
		gateway_away(
		    gateway, "the bot has begun as many sessions as Discord allows it in a day");
	} else {
		gateway_open(gateway, url);
	}
}

static void gateway_ask(struct discord_gateway *gateway)
{
	gateway->state = ASKING;
	gateway->question = discord_rest_send(gateway->setup.rest, &(struct discord_request){
								       .method = "GET",
								       .path = "/gateway/bot",
								       .done = on_answer,
								       .arg = gateway,
								   });
	if (!gateway->question)
		gateway_away(gateway, "memory is out");
}

/* The first try, and each that is due. */
static void gateway_connect(void *arg)
{
	struct discord_gateway *gateway = arg;
	const struct agentd_host *host = gateway->host;
	uint64_t now_ms = host->now_ms(host);
	uint64_t rest_ms = discord_rest_wait_ms(gateway->setup.rest, "/gateway/bot");
	uint64_t gap_ms = !has_session(gateway) && gateway->identify_ms > now_ms
			      ? gateway->identify_ms - now_ms
			      : 0;
	host->timer_set(gateway->deadline, gateway_try_ms(gateway));
	gateway->tries++;
	if (has_session(gateway) && gateway->resumes < RESUMES_MAX) {
		gateway_open(gateway, discord_session_url(gateway->session));
	} else if (rest_ms || gap_ms) {
		gateway->state = WAITING;
		host->timer_clear(gateway->deadline);
		host->timer_set(gateway->timer, rest_ms > gap_ms ? rest_ms : gap_ms);
	} else {
		gateway_ask(gateway);
	}
}

/* What is said. */

/* The payload is freed; NULL is the failure of who made it. */
static void gateway_say(struct discord_gateway *gateway, char *payload)
{
	int error = -ENOMEM;
	if (payload) {
		error = websocket_send(gateway->socket, agentd_text(payload, strlen(payload)));
		explicit_bzero(payload, strlen(payload)); /* the token may be in it */
	}
	free(payload);
	if (error < 0 && error != -ENOTCONN)
		gateway_drop(gateway, "cannot send");
}

static void heartbeat_send(void *arg)
{
	struct discord_gateway *gateway = arg;
	int64_t sequence = discord_inbox_confirmed(gateway->setup.inbox);
	if (gateway->state == LISTENING)
		on_confirmed(gateway, sequence); /* the session is alive, and so is its file */
	gateway_say(gateway, discord_payload_heartbeat(sequence));
}

static void heartbeat_lost(void *arg)
{
	gateway_drop(arg, "a heartbeat was not answered");
}

static void gateway_identify(struct discord_gateway *gateway)
{
	const struct discord_gateway_setup *setup = &gateway->setup;
	gateway->state = IDENTIFYING;
	gateway_say(gateway, discord_payload_identify(setup->token, setup->message_content));
}

static void gateway_resume(struct discord_gateway *gateway)
{
	int64_t sequence = discord_inbox_confirmed(gateway->setup.inbox);
	gateway->state = RESUMING;
	gateway_say(gateway, discord_payload_resume(gateway->setup.token,
				 discord_session_id(gateway->session), sequence));
}

/* What is heard. */

static void on_hello(struct discord_gateway *gateway, const struct discord_event *event)
{
	int64_t interval_ms =
	    json_integer_value(json_object_get(event->data, "heartbeat_interval"));
	if (gateway->state != OPENING || interval_ms <= 0) {
		gateway_drop(gateway, "a HELLO that is none");
		return;
	}
	discord_heartbeat_start(gateway->heartbeat, interval_ms, chance());
	if (has_session(gateway))
		gateway_resume(gateway);
	else
		gateway_identify(gateway);
}

static void on_ready(struct discord_gateway *gateway, const struct discord_event *event)
{
	const struct agentd_host *host = gateway->host;
	const json_t *user = json_object_get(event->data, "user");
	const char *id = json_string_value(json_object_get(user, "id"));
	const char *name = json_string_value(json_object_get(user, "username"));
	const char *session = json_string_value(json_object_get(event->data, "session_id"));
	const char *url = json_string_value(json_object_get(event->data, "resume_gateway_url"));
	if (!id || !session || !url || !discord_is_id(agentd_text(id, strlen(id)))) {
		gateway_drop(gateway, "a READY that is none");
		return;
	}
	discord_session_begin(gateway->session, session, url, id);
	discord_session_confirm(gateway->session, discord_inbox_confirmed(gateway->setup.inbox));
	struct discord_rules *rules = gateway->setup.rules;
	snprintf(rules->self_id, sizeof(rules->self_id), "%s", id);
	if (!gateway->was_ready)
		host->log(host, AGENTD_LOG_INFO, "connected to Discord as %s (%s)",
		    name ? name : "?", id);
	gateway_back(gateway);
}

static void on_resumed(struct discord_gateway *gateway, const struct discord_event *event)
{
	const struct agentd_host *host = gateway->host;
	(void)event;
	if (gateway->state != RESUMING)
		return;
	if (!gateway->was_ready)
		host->log(host, AGENTD_LOG_INFO,
		    "connected to Discord, in the session of the process that was before");
	gateway_back(gateway);
}

static void on_dispatch(struct discord_gateway *gateway, const struct discord_event *event)
{
	bool is_ready = strcmp(event->name, "READY") == 0;
	bool is_message = strcmp(event->name, "MESSAGE_CREATE") == 0;
	if (is_ready && gateway->state == IDENTIFYING)
		discord_inbox_begin(gateway->setup.inbox);
	else if (gateway->state != LISTENING && gateway->state != RESUMING)
		return;
	int error = discord_inbox_take(
	    gateway->setup.inbox, event->sequence, is_message ? event->data : NULL);
	if (error < 0)
		gateway_drop(gateway, "more messages wait than there is room for");
	else if (is_ready && gateway->state == IDENTIFYING)
		on_ready(gateway, event);
	else if (strcmp(event->name, "RESUMED") == 0)
		on_resumed(gateway, event);
}

static void on_heartbeat(struct discord_gateway *gateway, const struct discord_event *event)
{
	(void)event;
	heartbeat_send(gateway); /* asked for, out of turn */
}

static void on_heartbeat_ack(struct discord_gateway *gateway, const struct discord_event *event)
{
	(void)event;
	discord_heartbeat_answered(gateway->heartbeat);
}

static void on_reconnect(struct discord_gateway *gateway, const struct discord_event *event)
{
	(void)event;
	gateway->is_quiet = true;
	gateway_drop(gateway, "Discord asks for a new connection");
}

/* Discord wants a random wait from one to five seconds. */
static void on_invalid_session(struct discord_gateway *gateway, const struct discord_event *event)
{
	if (!json_is_true(event->data))
		session_forget(gateway);
	gateway->asked_ms = 1000 + chance() % 4000;
	gateway_drop(gateway, "Discord does not take the session");
}

static const struct op {
	int64_t op;
	void (*fn)(struct discord_gateway *gateway, const struct discord_event *event);
} ops[] = {
	{ DISCORD_DISPATCH, on_dispatch },
	{ DISCORD_HEARTBEAT, on_heartbeat },
	{ DISCORD_RECONNECT, on_reconnect },
	{ DISCORD_INVALID_SESSION, on_invalid_session },
	{ DISCORD_HELLO, on_hello },
	{ DISCORD_HEARTBEAT_ACK, on_heartbeat_ack },
};

static void on_message(void *arg, struct agentd_text text)
{
	struct discord_gateway *gateway = arg;
	struct discord_event event;
	if (discord_event_read(text, &event) < 0) {
		gateway_drop(gateway, "it says what is no event");
		return;
	}
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (ops[i].op == event.op)
			ops[i].fn(gateway, &event);
	json_decref(event.root);
}
