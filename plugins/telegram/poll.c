/* poll: ask, hand over what is new, ask again. A window of what Telegram has not forgotten yet says what is new. */
#include "plugins/telegram/poll.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/common/outage.h"
#include "plugins/telegram/begin.h"
#include "plugins/telegram/trouble.h"

#define ANSWER_MS  10000 /* beyond what Telegram was asked to wait */
#define SLOW_MS    1000  /* then others are asked for, too */
#define WINDOW_MAX 100   /* of updates: what Telegram gives at once */

/* An update that has come and is not confirmed. */
struct seen {
	int64_t id;
	enum { ON_THE_WAY, STORED, FAILED } state;
};

struct telegram_poll {
	const struct agentd_host *host;       /* borrowed */
	const struct telegram_config *config; /* borrowed */
	struct telegram_api *api;             /* borrowed */
	struct telegram_intake *intake;       /* borrowed */
	struct telegram_call *call;
	struct agentd_timer *again;
	struct telegram_trouble trouble; /* with Telegram */
	struct telegram_trouble storing; /* with agentd */
	struct outage outage;
	uint64_t asked_ms; /* since when a call is on its way */
	bool on, worked;
	int64_t next; /* behind all that have come; 0: whatever there is */
	struct seen window[WINDOW_MAX];
	size_t count;
	int error; /* of the last that failed */
};

static void poll_ask(void *arg);

struct telegram_poll *telegram_poll_new(const struct agentd_host *host,
    const struct telegram_config *config, struct telegram_api *api, struct telegram_intake *intake)
{
	struct telegram_poll *poll = calloc(1, sizeof(*poll));
	if (!poll)
		return NULL;
	*poll = (struct telegram_poll){ .host = host,
		.config = config,
		.api = api,
		.intake = intake,
		.outage = { .failures_max = OUTAGE_FAILURES, .lasts_max_ms = OUTAGE_MS } };
	telegram_trouble_init(&poll->trouble, host, "getUpdates", config->polling_interval_ms);
	telegram_trouble_init(
	    &poll->storing, host, "storing messages", config->polling_interval_ms);
	poll->again = host->timer_new(host, poll_ask, poll);
	if (poll->again)
		return poll;
	free(poll);
	return NULL;
}

void telegram_poll_free(struct telegram_poll *poll)
{
	if (!poll)
		return;
	telegram_call_cancel(poll->call);
	poll->host->timer_free(poll->again);
	free(poll);
}

void telegram_poll_start(struct telegram_poll *poll)
{
	poll->on = true;
	poll->host->timer_set(poll->again, 0);
}

void telegram_poll_stop(struct telegram_poll *poll)
{
	poll->on = false;
	telegram_call_cancel(poll->call);
	poll->call = NULL;
	poll->host->timer_clear(poll->again);
}

static void poll_again(struct telegram_poll *poll, uint64_t after_ms)
{
	if (poll->on && poll->host->timer_set(poll->again, after_ms) < 0)
		poll->host->fail(poll->host, "memory is out");
}

static size_t poll_count(const struct telegram_poll *poll, int state)
{
	size_t count = 0;
	for (size_t i = 0; i < poll->count; i++)
		count += (int)poll->window[i].state == state;
	return count;
}

static struct seen *poll_find(struct telegram_poll *poll, int64_t id)
{
	for (size_t i = 0; i < poll->count; i++)
		if (poll->window[i].id == id)
			return &poll->window[i];
	return NULL;
}

/* The first that is not stored, or what is behind all. Those before it are forgotten, here and there. */
static int64_t poll_offset(struct telegram_poll *poll)
{
	int64_t offset = INT64_MAX;
	size_t kept = 0;
	for (size_t i = 0; i < poll->count; i++)
		if (poll->window[i].state != STORED && poll->window[i].id < offset)
			offset = poll->window[i].id;
	for (size_t i = 0; i < poll->count; i++)
		if (poll->window[i].id >= offset)
			poll->window[kept++] = poll->window[i];
	poll->count = kept;
	return offset == INT64_MAX ? poll->next : offset;
}

/* When to ask again. */
static void poll_plan(struct telegram_poll *poll)
{
	if (poll_count(poll, FAILED)) {
		poll_again(
		    poll, telegram_trouble_next_ms(&poll->storing, strerror(-poll->error), 0));
		return;
	}
	bool slow = poll_count(poll, ON_THE_WAY) > 0;
	if (!slow)
		telegram_trouble_over(&poll->storing);
	poll_again(poll, slow ? SLOW_MS : 0);
}

static void on_stored(void *arg, int64_t id, int error)
{
	struct telegram_poll *poll = arg;
	struct seen *seen = poll_find(poll, id);
	seen->state = error < 0 ? FAILED : STORED;
	if (error < 0)
		poll->error = error;
	if (!poll->call && !poll_count(poll, ON_THE_WAY))
		poll_plan(poll);
}

/* One that is new, or has failed before. */
static void poll_take(struct telegram_poll *poll, int64_t id, json_t *update)
{
	struct seen *seen = poll_find(poll, id);
	if (seen ? seen->state != FAILED : poll->count == WINDOW_MAX)
		return;
	if (!seen) {
		seen = &poll->window[poll->count++];
		seen->id = id;
	}
	int error = telegram_intake_take(poll->intake, update, on_stored, poll);
	seen->state = error == 0 ? ON_THE_WAY : error > 0 ? STORED : FAILED;
	if (error < 0)
		poll->error = error;
	if (id >= poll->next)
		poll->next = id + 1;
}

/* Hands over what makes sense. False: nothing did. */
static bool poll_hand_over(struct telegram_poll *poll, const json_t *updates)
{
	bool any = json_array_size(updates) == 0;
	for (size_t i = 0; i < json_array_size(updates); i++) {
		int64_t id;
		json_t *update = json_array_get(updates, i);
		if (telegram_update_id(update, &id) < 0)
			continue;
		any = true;
		poll_take(poll, id, update);
	}
	return any;
}

/* At the start there is one try, which agentd makes again; later it is tried for some time. What is not
 * confirmed comes again, so that nothing is lost by an end. */
static void poll_trouble(struct telegram_poll *poll, const struct telegram_outcome *outcome)
{
	const struct agentd_host *host = poll->host;
	const char *error =
	    outcome->code == 409
		? "409 another program asks for this bot's messages, or has set a webhook for it"
		: outcome->error;
	uint64_t asked_ms = outcome->retry_after_ms;
	uint64_t wait_ms =
	    poll->worked ? telegram_trouble_next_ms(&poll->trouble, error, asked_ms) : 0;
	if (!poll->worked ||
	    outage_is_long(&poll->outage, poll->asked_ms, host->now_ms(host), wait_ms)) {
		char reason[400];
		snprintf(reason, sizeof(reason), "getUpdates fails: %s", error);
		host->fail_for(host, reason, asked_ms);
	}
	poll_again(poll, wait_ms);
}

static void on_updates(void *arg, const struct telegram_outcome *outcome)
{
	struct telegram_poll *poll = arg;
	static const struct telegram_outcome garbage = { .error =
							     "the answer has no updates in it" };
	poll->call = NULL;
	if (outcome->from_api && outcome->code == 401) {
		poll->host->fatal(
		    poll->host, "the bot token is refused by Telegram: 401 Unauthorized");
		return;
	}
	if (outcome->code != 200) {
		poll_trouble(poll, outcome);
		return;
	}
	if (!json_is_array(outcome->result) || !poll_hand_over(poll, outcome->result)) {
		poll_trouble(poll, &garbage);
		return;
	}
	telegram_trouble_over(&poll->trouble);
	outage_end(&poll->outage);
	if (!poll->worked)
		poll->host->ready(poll->host);
	poll->worked = true;
	/* All before the offset is forgotten there now. Without it: after a week of silence Telegram begins
	 * with another number, which may be below it. */
	if (!json_array_size(outcome->result) && !poll->count)
		poll->next = 0;
	poll_plan(poll);
}

json_t *telegram_allowed_updates(const struct telegram_config *config)
{
	return config->rules.answer_edits ? json_pack("[s,s]", "message", "edited_message")
					  : json_pack("[s]", "message");
}

static void poll_ask(void *arg)
{
	struct telegram_poll *poll = arg;
	int64_t offset = poll_offset(poll);
	bool may_wait = poll->worked && !poll->count;
	uint64_t timeout_ms = may_wait ? poll->config->polling_timeout_ms : 0;
	json_t *body = json_pack("{s:I,s:o}", "timeout", (json_int_t)(timeout_ms / 1000),
	    "allowed_updates", telegram_allowed_updates(poll->config));
	if (body && offset)
		json_object_set_new(body, "offset", json_integer(offset));
	poll->asked_ms = poll->host->now_ms(poll->host);
	poll->call = telegram_api_call(poll->api, "getUpdates", body,
	    poll->worked ? (int64_t)timeout_ms + ANSWER_MS : TELEGRAM_BEGIN_MS, on_updates, poll);
	if (!poll->call)
		poll->host->fail(poll->host, "memory is out");
}
