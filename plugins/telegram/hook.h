/*
 * hook: updates that Telegram brings to a path of agentd's own listener. Answered with 200 only when the
 * message is stored; with anything else Telegram brings it again.
 */
#ifndef TELEGRAM_HOOK_H
#define TELEGRAM_HOOK_H

#include "plugins/telegram/config.h"
#include "plugins/telegram/intake.h"

struct telegram_hook;

/* NULL: memory is out. What is given is borrowed. */
struct telegram_hook *telegram_hook_new(const struct agentd_host *host,
    const struct telegram_config *config, struct telegram_intake *intake);
/* After the intake, which calls it. NULL is fine. */
void telegram_hook_free(struct telegram_hook *hook);

void telegram_hook_start(struct telegram_hook *hook);
/* 503 from now on. Again is fine. */
void telegram_hook_stop(struct telegram_hook *hook);
/* As agentd_interface_ops.http. */
int telegram_hook_http(struct telegram_hook *hook, const struct agentd_http_request *request);

/* Whether the secret is that of the headers, in a time that does not depend on where they differ. Pure. */
bool telegram_hook_proves(struct agentd_text headers, const char *secret);

#endif
