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

static void read_agent(
    struct settings *settings, const struct conf_node *section, struct conf_errors *errors)
{
	struct agent_settings *agents =
	    reallocarray(settings->agents, settings->agent_count + 1, sizeof(*settings->agents));
	if (!agents)
		return;
	settings->agents = agents;
	struct agent_settings *agent = &agents[settings->agent_count++];
	*agent = (struct agent_settings){ .section = section };
	if (!settings_name_is_good(section->key))
		conf_error(errors, section,
		    "a name may have letters, digits, _ and -, and at most %d of them",
		    NAME_MAX_BYTES);
	agent->name = strdup(section->key);
	struct buf label = { 0 };
	buf_addf(&label, "agent %s", section->key);
	agent->label = buf_take(&label);
	/* Keys that this table does not name may be the plugin's: settings_read_options. */
	settings_read_part(&settings_agent, section, agent, errors);
	settings_read_table(&settings_limits, conf_get(section, "limits"), &agent->limits, errors);
	if (agent->plugin)
		plugin_path_find(settings, agent, errors);
	agent->cancel_on_disconnect =
	    !agent->on_disconnect_word || strcmp(agent->on_disconnect_word, "continue") != 0;
	for (size_t i = 0; i < agent->allow.count; i++) {
		bool is_unix = strcmp(agent->allow.items[i], "unix") == 0;
		*(is_unix ? &agent->limits.allow_unix : &agent->limits.allow_files) = true;
	}
	if (agent->on_busy_word)
		agent->on_busy = strcmp(agent->on_busy_word, "reject") == 0      ? ON_BUSY_REJECT
				 : strcmp(agent->on_busy_word, "interrupt") == 0 ? ON_BUSY_INTERRUPT
										 : ON_BUSY_ENQUEUE;
}

static const char *agent_name_at(const void *arg, size_t i)
{
	const struct settings *settings = arg;
	return i < settings->agent_count ? settings->agents[i].name : NULL;
}

static bool is_section(const struct conf_node *node)
{
	return !node || node->kind == CONF_MAP || conf_node_is_nothing(node);
}

const struct agent_settings *settings_find_agent(const struct settings *settings, const char *name)
{
	for (size_t i = 0; i < settings->agent_count; i++)
		if (strcmp(settings->agents[i].name, name) == 0)
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
		settings->agents[settings->agent_count - 1].dropped_in = true;
	}
	list_done(&found);
}

void instances_read(
    struct settings *settings, struct conf_errors *errors, struct conf_errors *notes)
{
	read_agents(settings, errors);
	read_drop_ins(settings, errors, notes);
}

void settings_read_options(
    struct settings *settings, size_t i, const struct schema *schema, struct conf_errors *errors)
{
	struct agent_settings *agent = &settings->agents[i];
	const struct schema *known[] = { &settings_agent, schema };
	for (size_t j = 0; j < schema->count; j++)
		for (size_t k = 0; k < settings_agent.count; k++)
			if (strcmp(schema->rows[j].key, settings_agent.rows[k].key) == 0)
				conf_error(errors, settings_place(agent->section, "plugin", 0),
				    "the plugin claims the option \"%s\", which is agentd's own",
				    schema->rows[j].key);
	agent->option_schema = schema;
	agent->options = schema_check(schema, agent->section, errors);
	schema_reject_unknown(agent->section, known, 2, errors);
}

static void agent_done(struct agent_settings *agent)
{
	schema_release(&settings_agent, agent);
	schema_release(&settings_limits, &agent->limits);
	if (agent->options)
		schema_values_free(agent->options, agent->option_schema->count);
	free(agent->name);
	free(agent->label);
	free(agent->plugin_path);
}

void settings_drop(struct settings *settings, size_t i)
{
	struct agent_settings *agent = &settings->agents[i];
	conf_triggers_drop(settings, agent);
	agent_done(agent);
	settings->agent_count--;
	memmove(agent, agent + 1, (settings->agent_count - i) * sizeof(*agent));
}

void instances_free(struct settings *settings)
{
	for (size_t i = 0; i < settings->agent_count; i++)
		agent_done(&settings->agents[i]);
	free(settings->agents);
}
