/*
 * telegram: bots on Telegram, by the Bot API (core.telegram.org/bots/api). What is said is read and stored
 * before Telegram hears that it was; what is answered is sent in parts that Telegram takes.
 */
#include <errno.h>
#include <stdlib.h>

#include "agentd/plugin.h"
#include "plugins/telegram/api.h"
#include "plugins/telegram/begin.h"
#include "plugins/telegram/config.h"
#include "plugins/telegram/hook.h"
#include "plugins/telegram/intake.h"
#include "plugins/telegram/poll.h"
#include "plugins/telegram/send.h"

static const struct agentd_option options[] = {
	{ .key = "bot_token",
	    .type = AGENTD_SECRET,
	    .required = 1,
	    .help = "what @BotFather says: 123456:ABC…" },
	{ .key = "mode",
	    .type = AGENTD_STRING,
	    .fallback = "polling",
	    .choices = "polling|webhook",
	    .help = "polling: ask Telegram for messages; webhook: be told of them" },
	{ .key = "webhook_url",
	    .type = AGENTD_STRING,
	    .help =
		"the whole public URL at which Telegram reaches webhook_path; required for a webhook" },
	{ .key = "webhook_path",
	    .type = AGENTD_STRING,
	    .fallback = "/webhook/telegram",
	    .help = "the path on agentd's own listener" },
	{ .key = "webhook_secret",
	    .type = AGENTD_SECRET,
	    .help =
		"how Telegram proves itself: 1 to 256 of A-Z a-z 0-9 _ -; made at each start when absent" },
	{ .key = "allowed_user_ids", .type = AGENTD_LIST, .help = "only these people; numbers" },
	{ .key = "allowed_chat_ids",
	    .type = AGENTD_LIST,
	    .help = "only in these chats; numbers, those of groups are negative" },
	{ .key = "parse_mode",
	    .type = AGENTD_STRING,
	    .fallback = "HTML",
	    .choices = "HTML|MarkdownV2|Markdown|none",
	    .help = "the markup of replies; what Telegram cannot read as that is sent as it is" },
	{ .key = "polling_timeout",
	    .type = AGENTD_DURATION,
	    .fallback = "30s",
	    .min = 1000,
	    .max = 50000,
	    .help = "how long Telegram waits for a message before it answers that there is none" },
	{ .key = "polling_interval",
	    .type = AGENTD_DURATION,
	    .fallback = "500ms",
	    .min = 10,
	    .max = 60000,
	    .help = "the first delay before another try; it doubles up to a minute" },
	{ .key = "max_message_length",
	    .type = AGENTD_INT,
	    .fallback = "4096",
	    .min = 16,
	    .max = 4096,
	    .help = "longer replies are sent in parts; counted in UTF-16 units, as Telegram does" },
	{ .key = "answer_edits",
	    .type = AGENTD_BOOL,
	    .fallback = "false",
	    .help = "whether an edited message is answered as a new one" },
	{ .key = "api_base",
	    .type = AGENTD_STRING,
	    .fallback = "https://api.telegram.org",
	    .help = "another Bot API server" },
};

static const struct agentd_path paths[] = {
	{ "POST", "$webhook_path", "mode=webhook" },
};

struct telegram {
	const struct agentd_host *host; /* borrowed */
	struct telegram_config config;
	struct telegram_api *api;
	struct telegram_begin *begin;
	struct telegram_intake *intake;
	struct telegram_poll *poll;
	struct telegram_hook *hook;
	struct telegram_sender *sender;
};

static void telegram_close(void *self)
{
	struct telegram *telegram = self;
	telegram_begin_free(telegram->begin);
	telegram_intake_free(telegram->intake);
	telegram_poll_free(telegram->poll);
	telegram_hook_free(telegram->hook);
	telegram_sender_free(telegram->sender);
	telegram_api_free(telegram->api);
	telegram_config_done(&telegram->config);
	free(telegram);
}

static int telegram_open(
    const struct agentd_host *host, const struct agentd_options *given, void **ret_self)
{
	char why[300];
	struct telegram *telegram = calloc(1, sizeof(*telegram));
	if (!telegram)
		return -ENOMEM;
	struct telegram_config *config = &telegram->config;
	telegram->host = host;
	int error = telegram_config_init(config, given, why, sizeof(why));
	if (error == -EINVAL)
		host->fatal(host, why);
	if (error == 0) {
		telegram->api = telegram_api_new(host, config->api_base, config->token);
		telegram->intake = telegram_intake_new(
		    host, telegram->api, &config->rules, config->polling_interval_ms);
		telegram->poll = telegram_poll_new(host, config, telegram->api, telegram->intake);
		telegram->hook = telegram_hook_new(host, config, telegram->intake);
		telegram->sender = telegram_sender_new(host, config, telegram->api);
	}
	if (error == 0 && telegram->api && telegram->intake && telegram->poll && telegram->hook &&
	    telegram->sender) {
		*ret_self = telegram;
		return 0;
	}
	telegram_close(telegram);
	return error < 0 ? error : -ENOMEM;
}

static void on_begun(void *arg)
{
	struct telegram *telegram = arg;
	telegram_begin_free(telegram->begin);
	telegram->begin = NULL;
	if (telegram->config.webhook) {
		telegram_hook_start(telegram->hook);
		telegram->host->ready(telegram->host);
	} else {
		telegram_poll_start(telegram->poll); /* ready when it has been answered */
	}
}

static int telegram_start(void *self)
{
	struct telegram *telegram = self;
	telegram->begin = telegram_begin_new(
	    telegram->host, &telegram->config, telegram->api, on_begun, telegram);
	return telegram->begin ? AGENTD_PENDING : -ENOMEM;
}

static int telegram_stop(void *self)
{
	struct telegram *telegram = self;
	telegram_begin_free(telegram->begin);
	telegram->begin = NULL;
	telegram_poll_stop(telegram->poll);
	telegram_hook_stop(telegram->hook);
	return 0;
}

static int telegram_on_send(void *self, const struct agentd_reply *reply)
{
	struct telegram *telegram = self;
	return telegram_send(telegram->sender, reply);
}

static void telegram_on_typing(void *self, struct agentd_text chat_id)
{
	struct telegram *telegram = self;
	telegram_send_typing(telegram->sender, chat_id);
}

static int telegram_on_http(void *self, const struct agentd_http_request *request)
{
	struct telegram *telegram = self;
	return telegram_hook_http(telegram->hook, request);
}

static const struct agentd_interface_ops interface = {
	.size = sizeof(interface),
	.open = telegram_open,
	.start = telegram_start,
	.stop = telegram_stop,
	.send = telegram_on_send,
	.typing = telegram_on_typing,
	.http = telegram_on_http,
	.close = telegram_close,
};

const struct agentd_plugin agentd_plugin = {
	AGENTD_PLUGIN_HEAD,
	.kind = AGENTD_INTERFACE,
	.name = "telegram",
	.version = "0.1.0",
	.summary = "bots on Telegram",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.interface = &interface,
	AGENTD_PATHS(paths),
};
