/*
 * config: what the options of a bot say, checked. The token goes to api, which makes URLs of it, and nowhere
 * else.
 */
#ifndef TELEGRAM_CONFIG_H
#define TELEGRAM_CONFIG_H

#include "agentd/plugin.h"
#include "plugins/telegram/markup.h"
#include "plugins/telegram/update.h"

struct telegram_config {
	char *token, *api_base, *webhook_url, *webhook_secret; /* owned */
	bool webhook;                                          /* else it polls */
	enum telegram_markup markup;
	const char *parse_mode; /* as Telegram calls it; NULL: none */
	size_t message_max;     /* UTF-16 units */
	uint64_t polling_timeout_ms, polling_interval_ms;
	struct telegram_rules rules;
	int64_t *user_ids, *chat_ids; /* owned; those of the rules */
};

/* -EINVAL: `why` says what is wrong, for an operator; -ENOMEM. Either way it can be done with. */
int telegram_config_init(struct telegram_config *config, const struct agentd_options *options,
    char *why, size_t why_size);
void telegram_config_done(struct telegram_config *config);

#endif
