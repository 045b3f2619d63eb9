/* config: the checks that agentd cannot make. */
#include "plugins/telegram/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SECRET_BYTES 32

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

static const struct {
	const char *name, *parse_mode;
	enum telegram_markup markup;
} modes[] = {
	{ "HTML", "HTML", TELEGRAM_HTML },
	{ "MarkdownV2", "MarkdownV2", TELEGRAM_MARKDOWN_V2 },
	{ "Markdown", "Markdown", TELEGRAM_MARKDOWN },
	{ "none", NULL, TELEGRAM_PLAIN },
};

static int refuse(char *why, size_t why_size, const char *reason)
{
	snprintf(why, why_size, "%s", reason);
	return -EINVAL;
}

/* NULL: it is not set, or memory is out. */
static char *copy(const struct agentd_options *options, const char *key)
{
	const char *text = agentd_get_text(options, key);
	return text ? strdup(text) : NULL;
}

/* What is to be a part of a URL. */
static bool is_token(const char *token)
{
	const char *colon = strchr(token, ':');
	return colon && colon != token && colon[1] &&
	       strspn(token, "0123456789") == (size_t)(colon - token) &&
	       strspn(colon + 1, letters) == strlen(colon + 1);
}

static int read_ids(const struct agentd_options *options, const char *key, int64_t **ret_ids,
    size_t *ret_count, char *why, size_t why_size)
{
	const struct agentd_value *value = agentd_get(options, key);
	int64_t *ids = calloc(value->count + 1, sizeof(*ids));
	if (!ids)
		return -ENOMEM;
	for (size_t i = 0; i < value->count; i++) {
		char text[24], *end = text;
		struct agentd_text item = value->items[i];
		if (item.n && item.n < sizeof(text)) {
			memcpy(text, item.p, item.n);
			text[item.n] = '\0';
			errno = 0;
			ids[i] = strtoll(text, &end, 10);
		}
		if (!item.n || end != text + item.n || errno || text[0] == ' ') {
			snprintf(why, why_size, "%s: \"%.*s\" is not the number of a user or chat",
			    key, (int)(item.n < 60 ? item.n : 60), item.p);
			free(ids);
			return -EINVAL;
		}
	}
	*ret_ids = ids;
	*ret_count = value->count;
	return 0;
}

static char *make_secret(void)
{
	unsigned char bytes[SECRET_BYTES];
	char *secret = calloc(1, SECRET_BYTES + 1);
	if (!secret || getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes)) {
		free(secret);
		return NULL;
	}
	for (size_t i = 0; i < SECRET_BYTES; i++) /* 64 letters: each as likely */
		secret[i] = letters[bytes[i] % 64];
	return secret;
}

static int read_webhook(struct telegram_config *config, const struct agentd_options *options,
    char *why, size_t why_size)
{
	const char *secret = agentd_get_text(options, "webhook_secret");
	config->webhook = strcmp(agentd_get_text(options, "mode"), "webhook") == 0;
	config->webhook_url = copy(options, "webhook_url");
	if (config->webhook && !agentd_get_text(options, "webhook_url"))
		return refuse(why, why_size,
		    "mode: webhook needs webhook_url, the public URL at which Telegram reaches agentd");
	if (secret &&
	    (!*secret || strlen(secret) > 256 || strspn(secret, letters) != strlen(secret)))
		return refuse(why, why_size,
		    "webhook_secret must be 1 to 256 of A-Z, a-z, 0-9, _ and -: Telegram takes no other");
	config->webhook_secret = secret ? strdup(secret) : make_secret();
	return config->webhook_secret && (config->webhook_url || !config->webhook) ? 0 : -ENOMEM;
}

int telegram_config_init(struct telegram_config *config, const struct agentd_options *options,
    char *why, size_t why_size)
{
	*config = (struct telegram_config){
		.token = copy(options, "bot_token"),
		.api_base = copy(options, "api_base"),
		.message_max = (size_t)agentd_get_int(options, "max_message_length"),
		.polling_timeout_ms = (uint64_t)agentd_get_int(options, "polling_timeout"),
		.polling_interval_ms = (uint64_t)agentd_get_int(options, "polling_interval"),
		.rules.answer_edits = agentd_get_int(options, "answer_edits") != 0,
	};
	if (!config->token || !config->api_base)
		return -ENOMEM;
	if (!is_token(config->token))
		return refuse(why, why_size,
		    "bot_token is none: Telegram's are a number, a colon, and letters, digits, _ and -");
	size_t n = strlen(config->api_base);
	while (n && config->api_base[n - 1] == '/')
		config->api_base[--n] = '\0';
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(agentd_get_text(options, "parse_mode"), modes[i].name) == 0) {
			config->markup = modes[i].markup;
			config->parse_mode = modes[i].parse_mode;
		}
	int error = read_webhook(config, options, why, why_size);
	if (error == 0)
		error = read_ids(options, "allowed_user_ids", &config->user_ids,
		    &config->rules.user_count, why, why_size);
	if (error == 0)
		error = read_ids(options, "allowed_chat_ids", &config->chat_ids,
		    &config->rules.chat_count, why, why_size);
	config->rules.user_ids = config->user_ids;
	config->rules.chat_ids = config->chat_ids;
	return error;
}

void telegram_config_done(struct telegram_config *config)
{
	free(config->token);
	free(config->api_base);
	free(config->webhook_url);
	free(config->webhook_secret);
	free(config->user_ids);
	free(config->chat_ids);
	*config = (struct telegram_config){ 0 };
}
