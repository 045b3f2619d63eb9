/* interfaces: who may write to an interface, and what it refers to. */
#include "daemon/conf/interfaces.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/conf/instances.h"
#include "daemon/conf/providers.h"
#include "daemon/conf/tables.h"

/* What is said of auth before it is known which platform it is about. */
static void read_auth(const struct settings *settings, struct interface_settings *interface,
    struct conf_errors *errors)
{
	const struct conf_node *section = interface->instance.section;
	const char *word = interface->auth_word;
	if (!word)
		return;
	const struct conf_node *at = settings_place(section, "auth", 0);
	if (strcmp(word, "none") == 0) {
		conf_error(errors, at, "to let everybody in, write open: true instead");
		return;
	}
	if (interface->open)
		conf_error(errors, settings_place(section, "open", 0),
		    "with open: true everybody may write, and auth has nothing to say: leave one out");
	const struct provider_settings *provider = providers_for_chat(settings, word, at, errors);
	interface->auth = provider ? calloc(1, sizeof(struct provider_settings *)) : NULL;
	if (interface->auth)
		interface->auth[interface->auth_count++] = provider;
}

void interface_read(const struct settings *settings, struct interface_settings *interface,
    struct conf_errors *errors)
{
	const struct conf_node *section = interface->instance.section;
	if (!settings->store.enabled)
		conf_error(errors, section,
		    "an interface needs the store, which is off (store.enabled: false)");
	if (!interface->error_message[0])
		conf_error(errors, settings_place(section, "error_message", 0),
		    "must say something: it is sent as it is");
	read_auth(settings, interface, errors);
}

/* The allowlists of http.auth that name the platform. */
static void inherit_auth(const struct settings *settings, struct interface_settings *interface)
{
	const struct provider_settings *http = settings->http.auth;
	if (http)
		interface->auth = calloc(http->part_count + 1, sizeof(interface->auth[0]));
	if (interface->auth)
		interface->auth_count =
		    providers_that_name(http, interface->platform, interface->auth);
}

void settings_read_platform(
    struct settings *settings, size_t i, const char *platform, struct conf_errors *errors)
{
	struct interface_settings *interface = &settings->interfaces[i - settings->agent_count];
	const struct conf_node *section = interface->instance.section;
	interface->platform = strdup(platform);
	if (interface->open || interface->auth_word) {
		if (interface->auth_count &&
		    !providers_knows_platform(interface->auth[0], platform))
			conf_error(errors, settings_place(section, "auth", 0),
			    "\"%s\" is for other platforms than \"%s\": nobody could write",
			    interface->auth_word, platform);
		return;
	}
	inherit_auth(settings, interface);
	const char *http = settings->http.auth_word;
	bool is_mistake = http && strcmp(http, "none") != 0 && !settings->http.auth;
	if (!interface->auth_count && !is_mistake)
		conf_error(errors, section,
		    "nobody may write: name an allowlist with auth, or give http.auth one whose "
		    "platforms have \"%s\", or write open: true to let everybody in",
		    platform);
}

static const char *hook_name_at(const void *arg, size_t i)
{
	const struct settings *settings = arg;
	return i < settings->hook_count ? settings->hooks[i].instance.name : NULL;
}

static void settle_hook(const struct settings *settings, const struct interface_settings *interface,
    size_t nth, struct conf_errors *errors)
{
	const struct conf_node *at = settings_place(interface->instance.section, "hooks", nth);
	const char *name = interface->hooks.items[nth], *known;
	for (size_t i = 0; i < nth; i++)
		if (strcmp(interface->hooks.items[i], name) == 0)
			conf_error(errors, at, "\"%s\" is listed twice", name);
	for (size_t i = 0; (known = hook_name_at(settings, i)); i++)
		if (strcmp(known, name) == 0)
			return;
	const char *near = schema_nearest(name, hook_name_at, settings);
	conf_error(errors, at, "there is no hook \"%s\"%s%s%s", name,
	    near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

void interface_settle(const struct settings *settings, struct interface_settings *interface,
    struct conf_errors *errors)
{
	settings_settle_agent(settings, interface->instance.section, &interface->agent, errors);
	for (size_t i = 0; i < interface->hooks.count; i++)
		settle_hook(settings, interface, i, errors);
}

void interface_done(struct interface_settings *interface)
{
	free(interface->auth);
	free(interface->platform);
}
