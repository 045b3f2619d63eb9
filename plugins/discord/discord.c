/*
 * discord: the interface to Discord. What a bot is told comes by the gateway (gateway.c, inbox.c), what it
 * says goes by the HTTP API (send.c, rest.c).
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agentd/plugin.h"
#include "event.h"
#include "gateway.h"
#include "inbox.h"
#include "parts.h"
#include "rest.h"
#include "send.h"

static const struct agentd_option options[] = {
	{ .key = "bot_token",
	    .type = AGENTD_SECRET,
	    .required = 1,
	    .help = "of the bot, from Discord's developer portal" },
	{ .key = "intents_message_content",
	    .type = AGENTD_BOOL,
	    .fallback = "true",
	    .help =
		"ask for the texts of messages that do not mention the bot; the portal must allow it" },
	{ .key = "allowed_guild_ids",
	    .type = AGENTD_LIST,
	    .help = "only these guilds (servers), and no direct messages" },
	{ .key = "allowed_channel_ids",
	    .type = AGENTD_LIST,
	    .help = "only these channels and threads" },
	{ .key = "respond_to_bots",
	    .type = AGENTD_BOOL,
	    .fallback = "false",
	    .help = "answer other bots and webhooks, too; two bots may then talk for ever" },
	{ .key = "command_prefix",
	    .type = AGENTD_STRING,
	    .help = "only messages that begin so, as \"!ask\"; it is taken off" },
	{ .key = "connect_timeout",
	    .type = AGENTD_DURATION,
	    .fallback = "30s",
	    .min = 1000,
	    .max = 600000,
	    .help = "of each try to connect, until Discord says that it is ready" },
	{ .key = "max_message_length",
	    .type = AGENTD_INT,
	    .fallback = "2000",
	    .min = DISCORD_MESSAGE_MIN,
	    .max = DISCORD_MESSAGE_MAX,
	    .help = "characters; a longer answer becomes several messages" },
	{ .key = "api_base",
	    .type = AGENTD_STRING,
	    .fallback = "https://discord.com/api/v10",
	    .help = "another server that speaks Discord's API" },
};

struct discord {
	const struct agentd_host *host; /* borrowed */
	char *token, *api_base;
	struct discord_rules rules;
	struct discord_rest *rest;
	struct discord_inbox *inbox;
	struct discord_gateway *gateway;
	struct discord_sender *sender;
};

static void discord_close(void *self)
{
	struct discord *discord = self;
	discord_gateway_free(discord->gateway);
	discord_sender_free(discord->sender);
	discord_inbox_free(discord->inbox);
	discord_rest_free(discord->rest);
	if (discord->token)
		explicit_bzero(discord->token, strlen(discord->token));
	free(discord->token);
	free(discord->api_base);
	free(discord->rules.guilds.ids);
	free(discord->rules.channels.ids);
	free(discord->rules.command_prefix);
	free(discord);
}

/* A list of ids. False: memory is out, or one is none, which ends the process: nothing would ever match. */
static bool take_ids(struct discord *discord, const struct agentd_options *given, const char *key,
    struct discord_ids *ids)
{
	const struct agentd_host *host = discord->host;
	const struct agentd_value *value = agentd_get(given, key);
	if (!value->set || value->count == 0)
		return true;
	ids->ids = calloc(value->count, sizeof(ids->ids[0]));
	if (!ids->ids)
		return false;
	for (size_t i = 0; i < value->count; i++) {
		struct agentd_text id = value->items[i];
		if (!discord_is_id(id)) {
			char line[200];
			snprintf(line, sizeof(line),
			    "%s: \"%.*s\" is no id, which is a number of up to 20 digits", key,
			    id.n < 64 ? (int)id.n : 64, id.n ? id.p : "");
			host->fatal(host, line);
			return false;
		}
		snprintf(ids->ids[ids->count++], sizeof(ids->ids[0]), "%.*s", (int)id.n, id.p);
	}
	return true;
}

/* The API's address, without the slash at its end. False: it is none, or memory is out. */
static bool take_api_base(struct discord *discord, const char *url)
{
	const struct agentd_host *host = discord->host;
	if (strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0) {
		host->fatal(host, "api_base: neither https:// nor http://");
		return false;
	}
	discord->api_base = strdup(url);
	size_t n = discord->api_base ? strlen(url) : 0;
	while (n && discord->api_base[n - 1] == '/')
		discord->api_base[--n] = '\0';
	return n > 0;
}

/* The token, which becomes a line of a header. */
static bool take_token(struct discord *discord, const char *token)
{
	const struct agentd_host *host = discord->host;
	for (const char *c = token; *c; c++)
		if (*c <= ' ' || *c > '~')
			token = "";
	if (!*token) {
		host->fatal(host, "bot_token: empty, or with characters that no token has");
		return false;
	}
	discord->token = strdup(token);
	return discord->token != NULL;
}

static bool discord_configure(struct discord *discord, const struct agentd_options *given)
{
	struct discord_rules *rules = &discord->rules;
	const char *prefix = agentd_get_text(given, "command_prefix");
	rules->respond_to_bots = agentd_get_int(given, "respond_to_bots") != 0;
	if (prefix && *prefix && !(rules->command_prefix = strdup(prefix)))
		return false;
	return take_token(discord, agentd_get_text(given, "bot_token")) &&
	       take_api_base(discord, agentd_get_text(given, "api_base")) &&
	       take_ids(discord, given, "allowed_guild_ids", &rules->guilds) &&
	       take_ids(discord, given, "allowed_channel_ids", &rules->channels);
}

static bool discord_build(struct discord *discord, const struct agentd_options *given)
{
	const struct agentd_host *host = discord->host;
	size_t most = (size_t)agentd_get_int(given, "max_message_length");
	discord->rest = discord_rest_new(host, discord->api_base, discord->token);
	discord->inbox = discord_inbox_new(host, &discord->rules);
	if (!discord->rest || !discord->inbox)
		return false;
	discord->sender = discord_sender_new(host, discord->rest, most);
	bool content = agentd_get_int(given, "intents_message_content") != 0;
	char about[512];
	snprintf(
	    about, sizeof(about), "%s %s", content ? "content" : "mentions", discord->api_base);
	discord->gateway = discord_gateway_new(&(struct discord_gateway_setup){
	    .host = host,
	    .rest = discord->rest,
	    .inbox = discord->inbox,
	    .rules = &discord->rules,
	    .token = discord->token,
	    .about = about,
	    .message_content = content,
	    .may_be_plain = strncmp(discord->api_base, "http://", 7) == 0,
	    .connect_ms = agentd_get_int(given, "connect_timeout"),
	});
	return discord->sender && discord->gateway;
}

static int discord_open(
    const struct agentd_host *host, const struct agentd_options *given, void **ret_self)
{
	struct discord *discord = calloc(1, sizeof(*discord));
	if (!discord)
		return -ENOMEM;
	discord->host = host;
	if (!discord_configure(discord, given) || !discord_build(discord, given)) {
		discord_close(discord);
		return -ENOMEM;
	}
	*ret_self = discord;
	return 0;
}

static int discord_start(void *self)
{
	struct discord *discord = self;
	discord_gateway_start(discord->gateway);
	return AGENTD_PENDING;
}

static int discord_stop(void *self)
{
	struct discord *discord = self;
	discord_gateway_stop(discord->gateway);
	return 0;
}

static int discord_send(void *self, const struct agentd_reply *reply)
{
	struct discord *discord = self;
	return discord_sender_send(discord->sender, reply);
}

static void discord_typing(void *self, struct agentd_text chat_id)
{
	struct discord *discord = self;
	discord_sender_typing(discord->sender, chat_id);
}

static const struct agentd_interface_ops interface = {
	.size = sizeof(interface),
	.open = discord_open,
	.start = discord_start,
	.stop = discord_stop,
	.send = discord_send,
	.typing = discord_typing,
	.close = discord_close,
};

const struct agentd_plugin agentd_plugin = {
	AGENTD_PLUGIN_HEAD,
	.kind = AGENTD_INTERFACE,
	.name = "discord",
	.version = "0.1.0",
	.summary = "a bot on Discord",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.interface = &interface,
};
