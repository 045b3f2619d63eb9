/*
 * begin: what is said to Telegram before anything is received: who is this bot, and how it is to be told of
 * messages. Each is tried once; what fails ends the process, and agentd tries it again, later each time. A
 * refused token is refused for ever.
 */
#ifndef TELEGRAM_BEGIN_H
#define TELEGRAM_BEGIN_H

#include "plugins/telegram/api.h"
#include "plugins/telegram/config.h"

/* Of each call until it is ready. There are three of them, and agentd waits half a minute. */
#define TELEGRAM_BEGIN_MS 8000

struct telegram_begin;

/* NULL: memory is out. What is given is borrowed. `done` is called once, later, when all is said. */
struct telegram_begin *telegram_begin_new(const struct agentd_host *host,
    const struct telegram_config *config, struct telegram_api *api, void (*done)(void *arg),
    void *arg);
/* NULL is fine; so is within `done`. */
void telegram_begin_free(struct telegram_begin *begin);

#endif
