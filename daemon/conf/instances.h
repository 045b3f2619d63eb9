/*
 * instances: the sections that have a plugin: those of agents, interfaces and hooks, and what lies in the
 * drop-in folder. Private to daemon/conf; what it makes is in settings.h.
 */
#ifndef AGENTD_CONF_INSTANCES_H
#define AGENTD_CONF_INSTANCES_H

#include "daemon/conf/settings.h"

void instances_read(
    struct settings *settings, struct conf_errors *errors, struct conf_errors *notes);
/* The default agent, and whether there is any; what interfaces refer to. */
void instances_settle(struct settings *settings, struct conf_errors *errors);
/* The agent that a section names, or the default one. */
void settings_settle_agent(const struct settings *settings, const struct conf_node *section,
    char **agent, struct conf_errors *errors);
void instances_free(struct settings *settings);

#endif
