/* trouble: a backoff that is in the log. */
#include "plugins/telegram/trouble.h"

#include <inttypes.h>
#include <stdbool.h>
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
	bool is_first = !trouble->backoff.failures, is_news = news_take(&trouble->news, error);
	uint64_t wait_ms = backoff_next_ms(&trouble->backoff, asked_ms, chance);
	if (is_first)
		trouble->since_ms = host->now_ms(host);
	host->log(host, is_news ? AGENTD_LOG_WARN : AGENTD_LOG_DEBUG,
	    "%s fails: %s; the next try in %" PRIu64 " ms%s", trouble->what, error, wait_ms,
	    is_news ? ", and so on until it works" : "");
	return wait_ms;
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
	news_end(&trouble->news);
}
