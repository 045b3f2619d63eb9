/*
 * trouble: something that is tried until it works: when to try again, and lines in the log, one when it begins
 * to fail, or fails for another reason, and one when it works again.
 */
#ifndef TELEGRAM_TROUBLE_H
#define TELEGRAM_TROUBLE_H

#include "agentd/plugin.h"
#include "plugins/common/backoff.h"
#include "plugins/common/news.h"

struct telegram_trouble {
	const struct agentd_host *host; /* borrowed */
	const char *what;               /* borrowed: "getUpdates" */
	struct backoff backoff;
	struct news news;
	uint64_t since_ms;
};

#define TELEGRAM_TROUBLE_MAX_MS 60000

void telegram_trouble_init(struct telegram_trouble *trouble, const struct agentd_host *host,
    const char *what, uint64_t first_ms);
/* It has failed: how long to wait. `asked_ms`: as Telegram asks; 0: it does not. */
uint64_t telegram_trouble_next_ms(
    struct telegram_trouble *trouble, const char *error, uint64_t asked_ms);
/* It works. */
void telegram_trouble_over(struct telegram_trouble *trouble);

#endif
