/*
 * identity: the section of that name, in which users of platforms are told to be one user. Private to
 * daemon/conf; what it makes is in settings.h.
 */
#ifndef AGENTD_CONF_IDENTITY_H
#define AGENTD_CONF_IDENTITY_H

#include "daemon/conf/settings.h"

void identity_read(struct settings *settings, struct conf_errors *errors);
void identity_free(struct settings *settings);

#endif
