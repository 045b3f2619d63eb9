/*
 * webhook: what the caller of a webhook has to prove, and what its platform expects beside a run. HTTP is
 * http/api_webhooks.c.
 *
 * Pure; one thread, as signature.h says.
 */
#ifndef AGENTD_TRIGGER_WEBHOOK_H
#define AGENTD_TRIGGER_WEBHOOK_H

#include <jansson.h>

#include "daemon/auth/signature.h"
#include "daemon/trigger/trigger.h"

/* Says what is wrong with webhooks, from the triggers' `first` on, beyond their own options: secrets that are
 * none, and paths that are agentd's own, or would be but for their case or a slash at their end. */
void webhooks_check(const struct settings *settings, size_t first,
    bool (*is_taken)(const char *path), struct conf_errors *errors);

/* Notes of webhooks whose callers sign, and have to send a key besides, since nothing else is said: platforms do not. */
void webhooks_note_keys(const struct settings *settings, struct conf_errors *notes);

/* Whether a request comes from who shares the webhook's secret, if it has one. 0; -EACCES with why: a
 * constant; -ENOMEM. */
int webhook_verify(const struct trigger *trigger, const struct signature_request *request,
    int64_t now_s, const char **ret_why);

/* Whether a header of its callers is the secret itself, as telegram's is. */
bool webhook_is_secret(const struct trigger *trigger, const char *header);

/* Adds the sender's id of this delivery; nothing, if it has none. */
void webhook_add_delivery(const struct trigger *trigger, const struct signature_request *request,
    const json_t *body, struct buf *out);

/* What a platform wants to hear that only asks whether the right one listens: Slack's url_verification,
 * Discord's PING. A new reference; NULL: it asks nothing of the kind. */
json_t *webhook_greeting(const struct trigger *trigger, const json_t *body);

#endif
