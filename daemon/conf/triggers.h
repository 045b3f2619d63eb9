/*
 * triggers: the sections of what makes runs: `webhooks`, `cron`, `events`. Private to daemon/conf;
 * what it makes is in settings.h.
 */
#ifndef AGENTD_CONF_TRIGGERS_H
#define AGENTD_CONF_TRIGGERS_H

#include "daemon/conf/settings.h"

void conf_triggers_read(struct settings *settings, struct conf_errors *errors);
/* Their agents, once all agents are known. */
void conf_triggers_settle(struct settings *settings, struct conf_errors *errors);
void conf_triggers_free(struct settings *settings);

#endif
