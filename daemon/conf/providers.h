/*
 * providers: the `auth` section: who may come in, and as whom. Each name is a provider with a type, and
 * each type has its own table of options. Private to daemon/conf; what it makes is in settings.h.
 */
#ifndef AGENTD_CONF_PROVIDERS_H
#define AGENTD_CONF_PROVIDERS_H

#include "daemon/conf/settings.h"

/* What nothing uses goes to `notes`. */
void providers_read(
    struct settings *settings, struct conf_errors *errors, struct conf_errors *notes);
/* The names that are referred to, once all agents are known. */
void providers_settle(const struct settings *settings, struct conf_errors *errors);
void providers_free(struct settings *settings);
/* The table of a provider's type. */
const struct schema *providers_schema(enum auth_type type);

#endif
