/*
 * poll: asks Telegram for updates, one long question after the other. The offset, which confirms all before
 * it, moves only past updates that are stored. While one is slow, such as one whose file is being fetched, it
 * asks again and again without waiting, so that others are heard behind it. It says that the interface is
 * ready when the first question is answered, and ends the process when none has been for long.
 */
#ifndef TELEGRAM_POLL_H
#define TELEGRAM_POLL_H

#include "plugins/telegram/api.h"
#include "plugins/telegram/config.h"
#include "plugins/telegram/intake.h"

struct telegram_poll;

/* NULL: memory is out. What is given is borrowed. */
struct telegram_poll *telegram_poll_new(const struct agentd_host *host,
    const struct telegram_config *config, struct telegram_api *api, struct telegram_intake *intake);
/* After the intake, which calls it. NULL is fine. */
void telegram_poll_free(struct telegram_poll *poll);

void telegram_poll_start(struct telegram_poll *poll);
/* Asks no more; what it has been told is still stored. Again is fine. */
void telegram_poll_stop(struct telegram_poll *poll);

/* What Telegram is to tell of, for getUpdates and setWebhook. A new reference; NULL: memory is out. */
json_t *telegram_allowed_updates(const struct telegram_config *config);

#endif
