/* instances: the sections of plugins, of agents. */
#include "daemon/conf/instances.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/base/buf.h"
#include "daemon/base/id.h"
#include "daemon/conf/drop_in.h"
#include "daemon/conf/list.h"
#include "daemon/conf/plugin_path.h"
#include "daemon/conf/tables.h"
#include "daemon/conf/tree.h"
#include "daemon/conf/triggers.h"

size_t settings_instance_count(const struct settings *settings)
{
	return settings->agent_count;
}

const struct instance_settings *settings_instance_at(const struct settings *settings, size_t i)
{
	return &settings->agents[i].instance;
}

/* What all kinds have. Keys that no table of agentd's names may be the plugin's: settings_read_options. */
static void read_instance(struct settings *settings, struct instance_settings *instance,
    enum instance_kind kind, const struct conf_node *section, struct conf_errors *errors)
{
	const struct settings_kind *of = &settings_kinds[kind];
	struct buf label = { 0 };
	if (!settings_name_is_good(section->key))
		conf_error(errors, section,
		    "a name may have letters, digits, _ and -, and at most %d of them",
		    NAME_MAX_BYTES);
	buf_addf(&label, "%s %s", of->word, section->key);
	instance->kind = kind;
	instance->section = section;
	instance->name = strdup(section->key);
	instance->label = buf_take(&label);
	settings_read_part(of->schema, section, instance, errors);
	settings_read_table(of->limits, conf_get(section, "limits"), &instance->limits, errors);
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
}

static void read_agent(
    struct settings *settings, const struct conf_node *section, struct conf_errors *errors)
{
	struct agent_settings *agents =
	    reallocarray(settings->agents, settings->agent_count + 1, sizeof(*settings->agents));
	if (!agents)
		return;
	settings->agents = agents;
	struct agent_settings *agent = &agents[settings->agent_count++];
	*agent = (struct agent_settings){ 0 };
	read_instance(settings, &agent->instance, INSTANCE_AGENT, section, errors);
	agent->cancel_on_disconnect =
	    !agent->on_disconnect_word || strcmp(agent->on_disconnect_word, "continue") != 0;
	if (agent->on_busy_word)
		agent->on_busy = strcmp(agent->on_busy_word, "reject") == 0      ? ON_BUSY_REJECT
				 : strcmp(agent->on_busy_word, "interrupt") == 0 ? ON_BUSY_INTERRUPT
										 : ON_BUSY_ENQUEUE;
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

void settings_say_no_agent(const struct settings *settings, const struct conf_node *at,
    const char *name, struct conf_errors *errors)
{
	const char *near = schema_nearest(name, agent_name_at, settings);
	conf_error(errors, at, "there is no agent \"%s\"%s%s%s", name,
	    near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

void instances_settle(struct settings *settings, struct conf_errors *errors)
{
	const char *word = settings->default_agent_word;
	const struct conf_node *agents = conf_get(settings->tree, "agents");
	if (!is_section(agents))
		return; /* an error already */
	if (settings->agent_count == 0) {
		conf_error(errors, agents ? agents : settings->tree,
		    "nothing to run: name an agent, such as `agents: { hello: { plugin: echo } }`");
		return;
	}
	if (!word) {
		settings->default_agent = settings->agent_count == 1 ? settings->agents : NULL;
		return;
	}
	settings->default_agent = settings_find_agent(settings, word);
	if (settings->default_agent)
		return;
	settings_say_no_agent(settings, conf_get(settings->tree, "default_agent"), word, errors);
}

static void read_agents(struct settings *settings, struct conf_errors *errors)
{
	const struct conf_node *agents = conf_get(settings->tree, "agents");
	if (!is_section(agents))
		conf_error(errors, agents, "must be a section of agents, by name");
	else
		for (size_t i = 0; agents && i < agents->count; i++)
			read_agent(settings, agents->items[i], errors);
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
		if (!section || !conf_add_text(section, "plugin", found.items[i + 1]))
			break;
		read_agent(settings, section, errors);
		settings->agents[settings->agent_count - 1].instance.dropped_in = true;
	}
	list_done(&found);
}

void instances_read(
    struct settings *settings, struct conf_errors *errors, struct conf_errors *notes)
{
	read_agents(settings, errors);
	read_drop_ins(settings, errors, notes);
}

/* A plugin's option that is called like one of agentd's own. */
static void reject_claims(const struct instance_settings *instance, const struct schema *schema,
    struct conf_errors *errors)
{
	const struct schema *own = settings_kinds[instance->kind].schema;
	for (size_t i = 0; i < schema->count; i++)
		for (size_t j = 0; j < own->count; j++)
			if (strcmp(schema->rows[i].key, own->rows[j].key) == 0)
				conf_error(errors, settings_place(instance->section, "plugin", 0),
				    "the plugin claims the option \"%s\", which is agentd's own",
				    schema->rows[i].key);
}

/* As settings_instance_at, for those who may change it. */
static struct instance_settings *instance_at(struct settings *settings, size_t i)
{
	return (struct instance_settings *)(uintptr_t)settings_instance_at(settings, i);
}

void settings_read_options(
    struct settings *settings, size_t i, const struct schema *schema, struct conf_errors *errors)
{
	struct instance_settings *instance = instance_at(settings, i);
	const struct schema *known[] = { settings_kinds[instance->kind].schema, schema };
	reject_claims(instance, schema, errors);
	instance->option_schema = schema;
	instance->options = schema_check(schema, instance->section, errors);
	schema_reject_unknown(instance->section, known, 2, errors);
}

void settings_drop(struct settings *settings, size_t i)
{
	struct agent_settings *agent = &settings->agents[i];
	conf_triggers_drop(settings, agent);
	instance_done(&agent->instance);
	settings->agent_count--;
	memmove(agent, agent + 1, (settings->agent_count - i) * sizeof(*agent));
}

void instances_free(struct settings *settings)
{
	for (size_t i = 0; i < settings->agent_count; i++)
		instance_done(&settings->agents[i].instance);
	free(settings->agents);
}
