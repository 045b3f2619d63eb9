/*
 * interfaces: what an interface's section has that an agent's has not: who may write, where its platform calls, which
 * hooks look at it.
 * Private to daemon/conf; what it makes is in settings.h.
 */
#ifndef AGENTD_CONF_INTERFACES_H
#define AGENTD_CONF_INTERFACES_H

#include "daemon/conf/settings.h"

/* Checks what its own section says, once its table has been read. */
void interface_read(const struct settings *settings, struct interface_settings *interface,
    struct conf_errors *errors);
/* Its agent and its hooks, once all are known. */
void interface_settle(const struct settings *settings, struct interface_settings *interface,
    struct conf_errors *errors);
/* What is its own, beside what its table has. */
void interface_done(struct interface_settings *interface);

#endif
