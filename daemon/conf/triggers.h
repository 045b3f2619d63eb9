/*
 * triggers: the sections of what makes runs: `webhooks`, `cron`, `events`. Private to daemon/conf;
 * what it makes is in settings.h.
 */
#ifndef AGENTD_CONF_TRIGGERS_H
#define AGENTD_CONF_TRIGGERS_H

#include "daemon/conf/settings.h"

void conf_triggers_read(struct settings *settings, struct conf_errors *errors);
/* Their agents, and where answers go, once all of these are known. */
void conf_triggers_settle(struct settings *settings, struct conf_errors *errors);
void conf_triggers_free(struct settings *settings);

/* One of them, from a section that is in the tree. `of`: the agent whose plugin brings it; NULL: none. */
void conf_triggers_read_one(struct settings *settings, enum trigger_kind kind,
    const struct conf_node *section, const struct agent_settings *of, struct conf_errors *errors);
/* Takes out those that an agent's plugin brings. */
void conf_triggers_drop(struct settings *settings, const struct agent_settings *of);

#endif
