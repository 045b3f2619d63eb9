/* begin: two calls, one after the other, each tried once: agentd tries the whole again. */
#include "plugins/telegram/begin.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "plugins/telegram/poll.h"

struct telegram_begin {
	const struct agentd_host *host;       /* borrowed */
	const struct telegram_config *config; /* borrowed */
	struct telegram_api *api;             /* borrowed */
	struct telegram_call *call;
	struct agentd_timer *soon;
	bool known; /* getMe has been answered */
	void (*done)(void *arg);
	void *arg; /* borrowed */
};

static const char *begin_method(const struct telegram_begin *begin)
{
	if (!begin->known)
		return "getMe";
	return begin->config->webhook ? "setWebhook" : "deleteWebhook";
}

/* NULL: memory is out. */
static json_t *begin_body(const struct telegram_begin *begin)
{
	if (!begin->known || !begin->config->webhook)
		return json_object();
	return json_pack("{s:s,s:s,s:o}", "url", begin->config->webhook_url, "secret_token",
	    begin->config->webhook_secret, "allowed_updates",
	    telegram_allowed_updates(begin->config));
}

static void begin_refused(const struct telegram_begin *begin, const char *error)
{
	char reason[400];
	snprintf(reason, sizeof(reason),
	    "the bot token is refused by Telegram: %s; look at bot_token, and at @BotFather",
	    error);
	begin->host->fatal(begin->host, reason);
}

static void begin_failed(const struct telegram_begin *begin, const struct telegram_outcome *outcome)
{
	char reason[400];
	snprintf(reason, sizeof(reason), "%s fails: %s", begin_method(begin), outcome->error);
	begin->host->fail_for(begin->host, reason, outcome->retry_after_ms);
}

static void on_said(void *arg, const struct telegram_outcome *outcome)
{
	struct telegram_begin *begin = arg;
	const struct agentd_host *host = begin->host;
	const char *name = json_string_value(json_object_get(outcome->result, "username"));
	json_int_t id = json_integer_value(json_object_get(outcome->result, "id"));
	begin->call = NULL;
	if (outcome->code != 200) {
		if (telegram_is_refused(outcome))
			begin_refused(begin, outcome->error);
		else
			begin_failed(begin, outcome);
		return;
	}
	if (begin->known) {
		begin->done(begin->arg);
		return;
	}
	host->log(host, AGENTD_LOG_INFO, "it is @%.64s (%" JSON_INTEGER_FORMAT ")",
	    name ? name : "?", id);
	begin->known = true;
	host->timer_set(begin->soon, 0);
}

static void begin_say(void *arg)
{
	struct telegram_begin *begin = arg;
	begin->call = telegram_api_call(
	    begin->api, begin_method(begin), begin_body(begin), TELEGRAM_BEGIN_MS, on_said, begin);
	if (!begin->call)
		begin->host->fail(begin->host, "memory is out");
}

struct telegram_begin *telegram_begin_new(const struct agentd_host *host,
    const struct telegram_config *config, struct telegram_api *api, void (*done)(void *arg),
    void *arg)
{
	struct telegram_begin *begin = calloc(1, sizeof(*begin));
	if (!begin)
		return NULL;
	*begin = (struct telegram_begin){
		.host = host, .config = config, .api = api, .done = done, .arg = arg
	};
	begin->soon = host->timer_new(host, begin_say, begin);
	if (begin->soon && host->timer_set(begin->soon, 0) == 0)
		return begin;
	telegram_begin_free(begin);
	return NULL;
}

void telegram_begin_free(struct telegram_begin *begin)
{
	if (!begin)
		return;
	telegram_call_cancel(begin->call);
	begin->host->timer_free(begin->soon);
	free(begin);
}
