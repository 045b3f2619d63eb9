/* interfaces: who may write to an interface, where its platform calls it, and what it refers to. */
#include "daemon/conf/interfaces.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/base/buf.h"
#include "daemon/conf/http_path.h"
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

/* Paths. */

/* One of the plugin's own options, as the config has it; NULL, after an error: there is none. */
static const struct schema_value *find_option(
    const struct instance_settings *instance, const char *key, size_t n, struct conf_errors *errors)
{
	const struct schema *schema = instance->option_schema;
	for (size_t i = 0; instance->options && i < schema->count; i++)
		if (strlen(schema->rows[i].key) == n && strncmp(schema->rows[i].key, key, n) == 0 &&
		    schema->rows[i].type == AGENTD_STRING)
			return &instance->options[i];
	conf_error(errors, settings_place(instance->section, "plugin", 0),
	    "the plugin has a path that depends on its option \"%.*s\", and no such option, as "
	    "text",
	    (int)n, key);
	return NULL;
}

/* "KEY=VALUE": whether the option says so; NULL: always. */
static bool is_wanted(
    const struct instance_settings *instance, const char *when, struct conf_errors *errors)
{
	if (!when || !*when)
		return true;
	size_t n = strcspn(when, "=");
	const struct schema_value *value = find_option(instance, when, n, errors);
	return value && value->set && when[n] && strcmp(value->text, when + n + 1) == 0;
}

/* As it is in the end, with a / before it; NULL, after an error, if it is none. *ret_at: what to complain
 * about. */
static char *resolve_path(const struct instance_settings *instance, const char *path,
    const struct conf_node **ret_at, struct conf_errors *errors)
{
	struct buf whole = { 0 };
	*ret_at = settings_place(instance->section, "plugin", 0);
	if (path && *path == '$') {
		const char *key = path + 1;
		const struct schema_value *value = find_option(instance, key, strlen(key), errors);
		if (!value)
			return NULL;
		if (conf_get(instance->section, key))
			*ret_at = conf_get(instance->section, key);
		path = value->set ? value->text : NULL;
		if (!path) {
			conf_error(errors, instance->section,
			    "%s is needed: it is the path at which the platform calls", key);
			return NULL;
		}
	}
	buf_addf(&whole, "%s%s", path && *path == '/' ? "" : "/", path ? path : "");
	return buf_take(&whole);
}

static bool method_is_good(const char *method)
{
	static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE" };
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strcmp(methods[i], method) == 0)
			return true;
	return false;
}

/* By the rules of webhooks' paths. */
static bool path_is_good(const struct settings *settings, const struct conf_node *at,
    const char *method, const char *path, bool (*is_taken)(const char *path),
    struct conf_errors *errors)
{
	const char *fault = http_path_fault(path);
	const char *owner = fault ? NULL : http_path_owner(settings, method, path, NULL);
	if (!method_is_good(method))
		conf_error(
		    errors, at, "the plugin wants %s called by the method \"%s\"", path, method);
	else if (fault)
		conf_error(errors, at, "the plugin wants \"%s\" called: %s", path, fault);
	else if (owner)
		conf_error(errors, at, "%s %s is that of %s already", method, path, owner);
	else if (http_path_is_ours(path, is_taken))
		conf_error(errors, at, "%s is a path of agentd's own API", path);
	else
		return true;
	return false;
}

static void read_path(const struct settings *settings, struct interface_settings *interface,
    const struct agentd_path *row, bool (*is_taken)(const char *path), struct conf_errors *errors)
{
	const struct conf_node *at;
	const char *method = row->method && *row->method ? row->method : "POST";
	if (!is_wanted(&interface->instance, row->when, errors))
		return;
	char *path = resolve_path(&interface->instance, row->path, &at, errors);
	if (path && path_is_good(settings, at, method, path, is_taken, errors))
		interface->paths[interface->path_count++] =
		    (struct interface_path){ .method = strdup(method), .path = path };
	else
		free(path);
}

void settings_read_paths(struct settings *settings, size_t i, const struct agentd_path *rows,
    size_t count, bool (*is_taken)(const char *path), struct conf_errors *errors)
{
	struct interface_settings *interface = &settings->interfaces[i - settings->agent_count];
	interface->paths = calloc(count + 1, sizeof(*interface->paths));
	for (size_t j = 0; interface->paths && j < count; j++)
		read_path(settings, interface, &rows[j], is_taken, errors);
}

/* What it refers to. */

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
	for (size_t i = 0; i < interface->path_count; i++) {
		free(interface->paths[i].method);
		free(interface->paths[i].path);
	}
	free(interface->paths);
	free(interface->auth);
	free(interface->platform);
}
