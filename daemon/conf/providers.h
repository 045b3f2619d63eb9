/*
 * providers: the `auth` section: who may come in, and as whom. Each name is a provider with a type, and
 * each type has its own table of options. Private to daemon/conf; what it makes is in settings.h.
 */
#ifndef AGENTD_CONF_PROVIDERS_H
#define AGENTD_CONF_PROVIDERS_H

#include "daemon/conf/settings.h"

void providers_read(struct settings *settings, struct conf_errors *errors);
/* Who writes an auth section, and names it nowhere, takes agentd for closed: that is worth a note. */
void providers_note_unused(const struct settings *settings, struct conf_errors *notes);
/* The same for an allowlist of a platform that no interface has: a slip, as a rule. Once all platforms are known. */
void providers_note_platforms(const struct settings *settings, struct conf_errors *notes);
/* The provider of a name that is given at a place, for requests over HTTP. NULL after an error. */
const struct provider_settings *providers_for_http(const struct settings *settings,
    const char *name, const struct conf_node *at, struct conf_errors *errors);
/* The same for messages of chats: an allowlist, or a composite that has one. */
const struct provider_settings *providers_for_chat(const struct settings *settings,
    const char *name, const struct conf_node *at, struct conf_errors *errors);
/* Whether somebody of that platform could be known to it. */
bool providers_knows_platform(const struct provider_settings *provider, const char *platform);
/* The allowlists of a provider that name the platform: itself, or its parts. Returns how many; `ret` has room
 * for one, and for each of its parts. */
size_t providers_that_name(const struct provider_settings *provider, const char *platform,
    const struct provider_settings **ret);
/* The names that are referred to, once all agents are known. */
void providers_settle(const struct settings *settings, struct conf_errors *errors);
void providers_free(struct settings *settings);
/* The table of a provider's type. */
const struct schema *providers_schema(enum auth_type type);

#endif
