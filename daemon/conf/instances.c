/* instances: the sections of plugins: agents, interfaces, hooks. */
#include "daemon/conf/errors.h"
#include "daemon/conf/instances.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/base/buf.h"
#include "daemon/base/id.h"
#include "daemon/conf/drop_in.h"
#include "daemon/conf/interfaces.h"
#include "daemon/conf/list.h"
#include "daemon/conf/plugin_path.h"
#include "daemon/conf/tables.h"
#include "daemon/conf/tree.h"
#include "daemon/conf/triggers.h"

#define EVENT_MAX (64 << 10)

size_t settings_instance_count(const struct settings *settings)
{
	return settings->agent_count + settings->interface_count + settings->hook_count;
}

const struct instance_settings *settings_instance_at(const struct settings *settings, size_t i)
{
	if (i < settings->agent_count)
		return &settings->agents[i].instance;
	i -= settings->agent_count;
	if (i < settings->interface_count)
		return &settings->interfaces[i].instance;
	return &settings->hooks[i - settings->interface_count].instance;
}

/* As settings_instance_at, for those who may change it. */
static struct instance_settings *instance_at(struct settings *settings, size_t i)
{
	return (struct instance_settings *)(uintptr_t)settings_instance_at(settings, i);
}

/* Agents, interfaces and hooks share their names: each is one word, for the log and for operators. */
static void check_name(const struct settings *settings, const struct instance_settings *instance,
    struct conf_errors *errors)
{
	const struct conf_node *section = instance->section;
	if (!settings_name_is_good(section->key))
		conf_error(errors, section,
		    "a name may have letters, digits, _ and -, and at most %d of them",
		    NAME_MAX_BYTES);
	for (size_t i = 0; i < settings_instance_count(settings); i++) {
		const struct instance_settings *other = settings_instance_at(settings, i);
		if (other != instance && strcmp(other->name, section->key) == 0)
			conf_error(errors, section, "the name is that of %s already",
			    settings_kinds[other->kind].a_word);
	}
}

/* What all kinds have. Keys that no table of agentd's names may be the plugin's: settings_read_options. */
static void read_instance(struct settings *settings, struct instance_settings *instance,
    enum instance_kind kind, const struct conf_node *section, struct conf_errors *errors)
{
	const struct settings_kind *of = &settings_kinds[kind];
	struct buf label = { 0 };
	buf_addf(&label, "%s %s", of->word, section->key);
	instance->kind = kind;
	instance->section = section;
	instance->name = strdup(section->key);
	if (instance->name)
		check_name(settings, instance, errors);
	instance->label = buf_take(&label);
	settings_read_part(of->schema, section, instance, errors);
	settings_read_table(of->limits, conf_get(section, "limits"), &instance->limits, errors);
	if (!instance->name || !instance->label)
		conf_errors_set_lost(errors);
	if (conf_errors_lost(errors))
		return;
	if (!instance->limits.event) /* interfaces and hooks have no runs, but emit events, too */
		instance->limits.event = EVENT_MAX;
	if (instance->plugin)
		plugin_path_find(settings, instance, errors);
	for (size_t i = 0; i < instance->allow.count; i++) {
		bool is_unix = strcmp(instance->allow.items[i], "unix") == 0;
		*(is_unix ? &instance->limits.allow_unix : &instance->limits.allow_files) = true;
	}
}

static void instance_done(struct instance_settings *instance)
{
	const struct settings_kind *of = &settings_kinds[instance->kind];
	schema_release(of->schema, instance);
	schema_release(of->limits, &instance->limits);
	if (instance->options)
		schema_values_free(instance->options, instance->option_schema->count);
	free(instance->name);
	free(instance->label);
	free(instance->plugin_path);
	if (instance->kind == INSTANCE_INTERFACE)
		interface_done((struct interface_settings *)instance);
}

/* One more element of an array, empty. NULL: memory is out. */
static void *grow(void *array, size_t count, size_t size)
{
	char *grown = reallocarray(array, count + 1, size);
	if (grown)
		memset(grown + count * size, 0, size);
	return grown;
}

static void read_agent(
    struct settings *settings, const struct conf_node *section, struct conf_errors *errors)
{
	struct agent_settings *agents =
	    grow(settings->agents, settings->agent_count, sizeof(*agents));
	if (!agents) {
		conf_errors_set_lost(errors);
		return;
	}
	settings->agents = agents;
	struct agent_settings *agent = &agents[settings->agent_count++];
	read_instance(settings, &agent->instance, INSTANCE_AGENT, section, errors);
	agent->cancel_on_disconnect =
	    !agent->on_disconnect_word || strcmp(agent->on_disconnect_word, "continue") != 0;
	if (agent->on_busy_word)
		agent->on_busy = strcmp(agent->on_busy_word, "reject") == 0      ? ON_BUSY_REJECT
				 : strcmp(agent->on_busy_word, "interrupt") == 0 ? ON_BUSY_INTERRUPT
										 : ON_BUSY_ENQUEUE;
}

static void read_interface(
    struct settings *settings, const struct conf_node *section, struct conf_errors *errors)
{
	struct interface_settings *interfaces =
	    grow(settings->interfaces, settings->interface_count, sizeof(*interfaces));
	if (!interfaces) {
		conf_errors_set_lost(errors);
		return;
	}
	settings->interfaces = interfaces;
	struct interface_settings *interface = &interfaces[settings->interface_count++];
	read_instance(settings, &interface->instance, INSTANCE_INTERFACE, section, errors);
	if (!conf_errors_lost(errors))
		interface_read(settings, interface, errors);
}

static void read_hook(
    struct settings *settings, const struct conf_node *section, struct conf_errors *errors)
{
	struct hook_settings *hooks = grow(settings->hooks, settings->hook_count, sizeof(*hooks));
	if (!hooks) {
		conf_errors_set_lost(errors);
		return;
	}
	settings->hooks = hooks;
	read_instance(
	    settings, &hooks[settings->hook_count++].instance, INSTANCE_HOOK, section, errors);
}

static const char *agent_name_at(const void *arg, size_t i)
{
	const struct settings *settings = arg;
	return i < settings->agent_count ? settings->agents[i].instance.name : NULL;
}

static bool is_section(const struct conf_node *node)
{
	return !node || node->kind == CONF_MAP || conf_node_is_nothing(node);
}

const struct agent_settings *settings_find_agent(const struct settings *settings, const char *name)
{
	for (size_t i = 0; i < settings->agent_count; i++)
		if (strcmp(settings->agents[i].instance.name, name) == 0)
			return &settings->agents[i];
	return NULL;
}

const struct interface_settings *settings_find_interface(
    const struct settings *settings, const char *name)
{
	for (size_t i = 0; i < settings->interface_count; i++)
		if (strcmp(settings->interfaces[i].instance.name, name) == 0)
			return &settings->interfaces[i];
	return NULL;
}

void settings_say_no_agent(const struct settings *settings, const struct conf_node *at,
    const char *name, struct conf_errors *errors)
{
	const char *near = schema_nearest(name, agent_name_at, settings);
	conf_error(errors, at, "there is no agent \"%s\"%s%s%s", name,
	    near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

/* Whether there is any, and which is the default one. */
static void settle_agents(struct settings *settings, struct conf_errors *errors)
{
	const char *word = settings->default_agent_word;
	const struct conf_node *agents = conf_get(settings->tree, "agents");
	if (!is_section(agents))
		return; /* an error already */
	if (settings->agent_count == 0) {
		conf_error(errors, agents ? agents : settings->tree,
		    "%s: name an agent, such as `agents: { hello: { plugin: echo } }`",
		    settings->interface_count ? "nobody answers what interfaces bring"
					      : "nothing to run");
		return;
	}
	if (!word) {
		settings->default_agent = settings->agent_count == 1 ? settings->agents : NULL;
		return;
	}
	settings->default_agent = settings_find_agent(settings, word);
	if (!settings->default_agent)
		settings_say_no_agent(
		    settings, conf_get(settings->tree, "default_agent"), word, errors);
}

void instances_settle(struct settings *settings, struct conf_errors *errors)
{
	settle_agents(settings, errors);
	for (size_t i = 0; i < settings->interface_count; i++)
		interface_settle(settings, &settings->interfaces[i], errors);
}

void settings_settle_agent(const struct settings *settings, const struct conf_node *section,
    char **agent, struct conf_errors *errors)
{
	if (*agent && !settings_find_agent(settings, *agent))
		settings_say_no_agent(
		    settings, settings_place(section, "agent", 0), *agent, errors);
	else if (!*agent && settings->default_agent)
		*agent = strdup(settings->default_agent->instance.name);
	else if (!*agent && settings->agent_count > 1)
		conf_error(
		    errors, section, "agent is required: there are several, and no default_agent");
}

static void read_kind(
    struct settings *settings, enum instance_kind kind, struct conf_errors *errors)
{
	static void (*const readers[])(struct settings *, const struct conf_node *,
	    struct conf_errors *) = { [INSTANCE_AGENT] = read_agent,
		[INSTANCE_INTERFACE] = read_interface,
		[INSTANCE_HOOK] = read_hook };
	const char *key = settings_kinds[kind].key;
	const struct conf_node *sections = conf_get(settings->tree, key);
	if (!is_section(sections))
		conf_error(errors, sections, "must be a section of %s, by name", key);
	else
		for (size_t i = 0; sections && i < sections->count; i++)
			readers[kind](settings, sections->items[i], errors);
}

/* A section for each, as if the config had it. */
static void read_drop_ins(
    struct settings *settings, struct conf_errors *errors, struct conf_errors *notes)
{
	struct schema_list found = { 0 };
	drop_in_list(settings, errors, notes, &found);
	/* Under a name that nobody writes, for `agents` may not be there. */
	struct conf_node *sections = found.count ? conf_add_map(settings->tree, "") : NULL;
	for (size_t i = 0; sections && i + 1 < found.count; i += 2) {
		struct conf_node *section = conf_add_map(sections, found.items[i]);
		if (section && conf_add_text(section, "plugin", found.items[i + 1]))
			read_agent(settings, section, errors);
		else
			conf_errors_set_lost(errors);
		if (conf_errors_lost(errors))
			break;
		settings->agents[settings->agent_count - 1].instance.dropped_in = true;
	}
	list_done(&found);
}

void instances_read(
    struct settings *settings, struct conf_errors *errors, struct conf_errors *notes)
{
	for (enum instance_kind kind = 0; kind < INSTANCE_KINDS; kind++)
		read_kind(settings, kind, errors);
	read_drop_ins(settings, errors, notes);
}

static bool is_own_key(const char *key)
{
	for (size_t kind = 0; kind < INSTANCE_KINDS; kind++)
		for (size_t i = 0; i < settings_kinds[kind].schema->count; i++)
			if (strcmp(settings_kinds[kind].schema->rows[i].key, key) == 0)
				return true;
	return false;
}

/* A plugin's option that is called like one of agentd's own, of whatever kind: so that a key means the same
 * wherever it stands. */
static void reject_claims(const struct instance_settings *instance, const struct schema *schema,
    struct conf_errors *errors)
{
	for (size_t i = 0; i < schema->count; i++)
		if (is_own_key(schema->rows[i].key))
			conf_error(errors, settings_place(instance->section, "plugin", 0),
			    "the plugin claims the option \"%s\", which is agentd's own",
			    schema->rows[i].key);
}

void settings_read_options(
    struct settings *settings, size_t i, const struct schema *schema, struct conf_errors *errors)
{
	struct instance_settings *instance = instance_at(settings, i);
	const struct schema *known[] = { settings_kinds[instance->kind].schema, schema };
	reject_claims(instance, schema, errors);
	instance->option_schema = schema;
	instance->options = schema_check(schema, instance->section, errors);
	if (!instance->options)
		conf_errors_set_lost(errors);
	schema_reject_unknown(instance->section, known, 2, errors);
}

void settings_drop(struct settings *settings, size_t i)
{
	struct instance_settings *instance = instance_at(settings, i);
	if (instance->kind == INSTANCE_AGENT) {
		struct agent_settings *agent = &settings->agents[i];
		conf_triggers_drop(settings, agent);
		instance_done(instance);
		settings->agent_count--;
		memmove(agent, agent + 1, (settings->agent_count - i) * sizeof(*agent));
	} else {
		size_t nth = i - settings->agent_count;
		struct interface_settings *interface = &settings->interfaces[nth];
		instance_done(instance);
		settings->interface_count--;
		memmove(interface, interface + 1,
		    (settings->interface_count - nth) * sizeof(*interface));
	}
}

bool settings_turn_drop_in(struct settings *settings, size_t i, struct conf_errors *errors)
{
	const struct conf_node *section = settings->agents[i].instance.section;
	size_t before = settings->interface_count;
	settings_drop(settings, i);
	read_interface(settings, section, errors);
	if (settings->interface_count == before)
		return false;
	settings->interfaces[before].instance.dropped_in = true;
	return true;
}

void instances_free(struct settings *settings)
{
	for (size_t i = 0; i < settings_instance_count(settings); i++)
		instance_done(instance_at(settings, i));
	free(settings->agents);
	free(settings->interfaces);
	free(settings->hooks);
}
