/* trouble: a backoff that is in the log. */
#include "plugins/telegram/trouble.h"

#include <sys/random.h>

void telegram_trouble_init(struct telegram_trouble *trouble, const struct agentd_host *host,
    const char *what, uint64_t first_ms)
{
	*trouble = (struct telegram_trouble){
		.host = host,
		.what = what,
		.backoff = { .min_ms = first_ms, .max_ms = TELEGRAM_TROUBLE_MAX_MS },
	};
}

uint64_t telegram_trouble_next_ms(
    struct telegram_trouble *trouble, const char *error, uint64_t asked_ms)
{
	const struct agentd_host *host = trouble->host;
	uint32_t chance = 0;
	if (getrandom(&chance, sizeof(chance), 0) < 0)
		chance = (uint32_t)host->now_ms(host);
	if (!trouble->backoff.failures) {
		trouble->since_ms = host->now_ms(host);
		host->log(host, AGENTD_LOG_WARN, "%s fails: %s; it is tried until it works",
		    trouble->what, error);
	} else
		host->log(host, AGENTD_LOG_DEBUG, "%s still fails: %s", trouble->what, error);
	return backoff_next_ms(&trouble->backoff, asked_ms, chance);
}

void telegram_trouble_over(struct telegram_trouble *trouble)
{
	const struct agentd_host *host = trouble->host;
	if (!trouble->backoff.failures)
		return;
	host->log(host, AGENTD_LOG_INFO, "%s works again, after %u failures in %.1f s",
	    trouble->what, trouble->backoff.failures,
	    (double)(host->now_ms(host) - trouble->since_ms) / 1000);
	backoff_reset(&trouble->backoff);
}
