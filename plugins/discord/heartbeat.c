/* heartbeat: one timer. */
#include "heartbeat.h"

#include <stdbool.h>
#include <stdlib.h>

#define INTERVAL_MIN_MS 10
#define INTERVAL_MAX_MS (10 * 60 * 1000)

struct discord_heartbeat {
	const struct agentd_host *host; /* borrowed */
	struct agentd_timer *timer;
	void (*beat)(void *arg);
	void (*lost)(void *arg);
	void *arg; /* borrowed */
	uint64_t interval_ms;
	bool is_open; /* the last has not been answered yet */
};

static void on_timer(void *arg)
{
	struct discord_heartbeat *heartbeat = arg;
	if (heartbeat->is_open) {
		heartbeat->lost(heartbeat->arg);
		return;
	}
	heartbeat->is_open = true;
	heartbeat->host->timer_set(heartbeat->timer, heartbeat->interval_ms);
	heartbeat->beat(heartbeat->arg);
}

struct discord_heartbeat *discord_heartbeat_new(
    const struct agentd_host *host, void (*beat)(void *arg), void (*lost)(void *arg), void *arg)
{
	struct discord_heartbeat *heartbeat = calloc(1, sizeof(*heartbeat));
	if (!heartbeat)
		return NULL;
	*heartbeat =
	    (struct discord_heartbeat){ .host = host, .beat = beat, .lost = lost, .arg = arg };
	heartbeat->timer = host->timer_new(host, on_timer, heartbeat);
	if (!heartbeat->timer) {
		free(heartbeat);
		return NULL;
	}
	return heartbeat;
}

void discord_heartbeat_free(struct discord_heartbeat *heartbeat)
{
	if (!heartbeat)
		return;
	heartbeat->host->timer_free(heartbeat->timer);
	free(heartbeat);
}

void discord_heartbeat_start(
    struct discord_heartbeat *heartbeat, int64_t interval_ms, uint32_t chance)
{
	if (interval_ms < INTERVAL_MIN_MS)
		interval_ms = INTERVAL_MIN_MS;
	if (interval_ms > INTERVAL_MAX_MS)
		interval_ms = INTERVAL_MAX_MS;
	heartbeat->interval_ms = (uint64_t)interval_ms;
	heartbeat->is_open = false;
	heartbeat->host->timer_set(
	    heartbeat->timer, heartbeat->interval_ms * (chance >> 8) / (UINT32_MAX >> 8));
}

void discord_heartbeat_stop(struct discord_heartbeat *heartbeat)
{
	heartbeat->host->timer_clear(heartbeat->timer);
	heartbeat->is_open = false;
}

void discord_heartbeat_answered(struct discord_heartbeat *heartbeat)
{
	heartbeat->is_open = false;
}
