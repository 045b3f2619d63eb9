/*
 * signal: Signal, by way of signal-cli-rest-api, which holds the account and its keys. Running that is the
 * operator's job, on an address that nobody else reaches: whoever does is the account.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agentd/plugin.h"
#include "api.h"
#include "envelope.h"
#include "receive.h"
#include "reply.h"
#include "typing.h"
#include "verify.h"

static const struct agentd_option options[] = {
	{ .key = "api_base_url",
	    .type = AGENTD_STRING,
	    .fallback = "http://localhost:8080",
	    .help = "where signal-cli-rest-api listens" },
	{ .key = "phone_number",
	    .type = AGENTD_STRING,
	    .required = 1,
	    .help = "the account, as \"+\" and digits; registered or linked there" },
	{ .key = "allowed_phone_numbers",
	    .type = AGENTD_LIST,
	    .help = "numbers, or UUIDs, of who is heard; without it, everybody" },
	{ .key = "allowed_group_ids",
	    .type = AGENTD_LIST,
	    .help = "groups in which messages are heard, and direct ones are not; ids or internal "
		    "ids" },
	{ .key = "polling_interval",
	    .type = AGENTD_DURATION,
	    .fallback = "1s",
	    .min = 10,
	    .max = 3600000,
	    .help = "after a receive that brought nothing, and the first delay after a failure" },
	{ .key = "trust_all_keys",
	    .type = AGENTD_BOOL,
	    .fallback = "yes",
	    .help = "go on when somebody's safety number has changed; no: leave it as it is set" },
	{ .key = "mode",
	    .type = AGENTD_STRING,
	    .fallback = "native",
	    .choices = "native|json-rpc",
	    .help = "the MODE in which signal-cli-rest-api runs" },
	{ .key = "max_message_length",
	    .type = AGENTD_INT,
	    .fallback = "65536",
	    .min = 4,
	    .max = 65536,
	    .help = "bytes of a message; a longer answer is sent as several" },
};

static const struct signal_mode *const modes[] = { &signal_mode_native, &signal_mode_json_rpc };

struct bot {
	const struct agentd_host *host; /* borrowed */
	struct signal_account account;
	const struct signal_mode *mode;
	bool trust_all_keys, stopped;
	int64_t interval_ms;
	struct signal_api *api;
	struct signal_typing *typing;
	struct signal_replies *replies;
	struct signal_receive *receive;
	struct signal_verify *verify;
};

static void list_done(struct signal_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
}

static int list_init(struct signal_list *list, const struct agentd_value *value)
{
	list->items = calloc(value->count + 1, sizeof(*list->items));
	for (size_t i = 0; list->items && i < value->count; i++) {
		list->items[i] = strndup(value->items[i].p, value->items[i].n);
		if (!list->items[i])
			return -ENOMEM;
		list->count++;
	}
	return list->items ? 0 : -ENOMEM;
}

static bool is_phone_number(const char *text)
{
	size_t n = strlen(text);
	return n >= 6 && n <= 16 && text[0] == '+' && strspn(text + 1, "0123456789") == n - 1;
}

/* Without a user: the option is no secret. */
static bool is_url(const char *text)
{
	bool http = strncasecmp(text, "http://", 7) == 0 || strncasecmp(text, "https://", 8) == 0;
	return http && !strchr(text, '@');
}

/* What the option table cannot say. */
static void check(const struct agentd_host *host, const struct agentd_options *given)
{
	if (!is_phone_number(agentd_get_text(given, "phone_number")))
		host->fatal(host, "phone_number is not + and digits, such as +4915112345678");
	if (!is_url(agentd_get_text(given, "api_base_url")))
		host->fatal(host, "api_base_url is no http:// or https:// URL, without a user");
}

static void signal_close(void *self)
{
	struct bot *bot = self;
	signal_verify_free(bot->verify);
	signal_receive_free(bot->receive);
	signal_replies_free(bot->replies);
	signal_typing_free(bot->typing);
	signal_api_free(bot->api);
	list_done(&bot->account.people);
	list_done(&bot->account.groups);
	free(bot->account.number);
	free(bot);
}

/* The parts, from the lowest to the highest. */
static int bot_make(struct bot *bot, const struct agentd_options *given)
{
	const struct agentd_host *host = bot->host;
	bot->account.number = strdup(agentd_get_text(given, "phone_number"));
	if (!bot->account.number ||
	    list_init(&bot->account.people, agentd_get(given, "allowed_phone_numbers")) < 0 ||
	    list_init(&bot->account.groups, agentd_get(given, "allowed_group_ids")) < 0)
		return -ENOMEM;
	bot->api =
	    signal_api_new(host, agentd_get_text(given, "api_base_url"), bot->account.number);
	if (!bot->api)
		return -ENOMEM;
	bot->typing = signal_typing_new(host, bot->api);
	bot->replies = signal_replies_new(&(struct signal_replies_setup){
	    .host = host,
	    .api = bot->api,
	    .typing = bot->typing,
	    .number = bot->account.number,
	    .max_bytes = (size_t)agentd_get_int(given, "max_message_length"),
	});
	bot->receive = signal_receive_new(&(struct signal_receive_setup){
	    .host = host,
	    .api = bot->api,
	    .account = &bot->account,
	    .mode = bot->mode,
	    .interval_ms = (uint64_t)bot->interval_ms,
	});
	return bot->typing && bot->replies && bot->receive ? 0 : -ENOMEM;
}

static int signal_open(
    const struct agentd_host *host, const struct agentd_options *given, void **ret_self)
{
	struct bot *bot = calloc(1, sizeof(*bot));
	if (!bot)
		return -ENOMEM;
	check(host, given);
	bot->host = host;
	bot->interval_ms = agentd_get_int(given, "polling_interval");
	bot->trust_all_keys = agentd_get_int(given, "trust_all_keys") != 0;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(agentd_get_text(given, "mode"), modes[i]->name) == 0)
			bot->mode = modes[i];
	if (bot_make(bot, given) < 0) {
		signal_close(bot);
		return -ENOMEM;
	}
	*ret_self = bot;
	return 0;
}

static void on_good(void *arg)
{
	struct bot *bot = arg;
	if (!bot->stopped)
		signal_receive_start(bot->receive);
}

static int signal_start(void *self)
{
	struct bot *bot = self;
	bot->verify = signal_verify_new(&(struct signal_verify_setup){
	    .host = bot->host,
	    .api = bot->api,
	    .mode = bot->mode,
	    .number = bot->account.number,
	    .trust_all_keys = bot->trust_all_keys,
	    .interval_ms = (uint64_t)bot->interval_ms,
	    .good = on_good,
	    .arg = bot,
	});
	return bot->verify ? AGENTD_PENDING : -ENOMEM;
}

static int signal_stop(void *self)
{
	struct bot *bot = self;
	bot->stopped = true;
	return signal_receive_stop(bot->receive) ? 0 : AGENTD_PENDING;
}

static int signal_send(void *self, const struct agentd_reply *reply)
{
	struct bot *bot = self;
	return signal_replies_send(bot->replies, reply);
}

static void signal_show_typing(void *self, struct agentd_text chat_id)
{
	struct bot *bot = self;
	signal_typing_show(bot->typing, chat_id);
}

static const struct agentd_interface_ops interface = {
	.size = sizeof(interface),
	.open = signal_open,
	.start = signal_start,
	.stop = signal_stop,
	.send = signal_send,
	.typing = signal_show_typing,
	.close = signal_close,
};

const struct agentd_plugin agentd_plugin = {
	AGENTD_PLUGIN_HEAD,
	.kind = AGENTD_INTERFACE,
	.name = "signal",
	.version = "0.1.0",
	.summary = "speaks Signal, by way of signal-cli-rest-api",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.interface = &interface,
};
