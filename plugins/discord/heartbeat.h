/*
 * heartbeat: the beats of a gateway's connection: the first at a random time within the interval, so that
 * not all bots beat at once after an outage, and each only if that before was answered. The loop thread only.
 */
#ifndef DISCORD_HEARTBEAT_H
#define DISCORD_HEARTBEAT_H

#include <stdint.h>

#include "agentd/plugin.h"

struct discord_heartbeat;

/* NULL: memory is out. `beat`: one is to be sent. `lost`: the last was not answered; it has stopped. */
struct discord_heartbeat *discord_heartbeat_new(
    const struct agentd_host *host, void (*beat)(void *arg), void (*lost)(void *arg), void *arg);
void discord_heartbeat_free(struct discord_heartbeat *heartbeat);

/* `chance`: any 32 bits. */
void discord_heartbeat_start(
    struct discord_heartbeat *heartbeat, int64_t interval_ms, uint32_t chance);
void discord_heartbeat_stop(struct discord_heartbeat *heartbeat);
void discord_heartbeat_answered(struct discord_heartbeat *heartbeat);

#endif
