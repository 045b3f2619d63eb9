/*
 * intake: updates on their way into agentd's store. Files are fetched first, several at once; messages of
 * one chat are handed over one after the other, in the order in which they came.
 */
#ifndef TELEGRAM_INTAKE_H
#define TELEGRAM_INTAKE_H

#include <jansson.h>

#include "agentd/plugin.h"
#include "plugins/telegram/api.h"
#include "plugins/telegram/update.h"

struct telegram_intake;

/* NULL: memory is out. What is given is borrowed. */
struct telegram_intake *telegram_intake_new(const struct agentd_host *host,
    struct telegram_api *api, const struct telegram_rules *rules, uint64_t retry_ms);
/* Nobody is told of what is on its way. NULL is fine. */
void telegram_intake_free(struct telegram_intake *intake);

/* 0: `done` will be called, later, once: with 0, and then the update may be confirmed; with something
 * negative, and then it must come again. 1: nothing to store, it may be confirmed at once. -EINVAL: not an
 * update. -EAGAIN: too much is on its way. -ENOMEM. It must not be called from `done`. */
int telegram_intake_take(struct telegram_intake *intake, json_t *update,
    void (*done)(void *arg, int64_t update_id, int error), void *arg);

#endif
