/*
 * brought: the triggers that an agent's plugin brings, as sections of the config. What the plugin says of
 * one stands in `agents.NAME.triggers.NAME` where the config does not say otherwise; then it is read as
 * all triggers are. So there is one checker, and its messages name the place where it can be put right.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/conf/tables.h"
#include "daemon/conf/tree.h"
#include "daemon/conf/triggers.h"

/* The keys of a kind's table that a row of the plugin has something for. A type that is not here is one
 * that this version does not have. */
#define AT(member) offsetof(struct agentd_trigger, member)
static const struct mapping {
	uint32_t type;
	enum trigger_kind kind;
	bool needs_store;
	struct {
		const char *key;
		size_t at; /* of a const char * */
	} keys[4];
} mappings[] = {
	{ AGENTD_WEBHOOK, TRIGGER_WEBHOOK, false,
	    { { "path", AT(path) }, { "method", AT(method) }, { "session", AT(session) } } },
	{ AGENTD_CRON, TRIGGER_CRON, true,
	    { { "schedule", AT(schedule) }, { "timezone", AT(zone) },
		{ "session", AT(session) } } },
	{ AGENTD_EVENT, TRIGGER_EVENT, true,
	    { { "event", AT(event) }, { "session", AT(session) } } },
};

static const struct mapping *find_mapping(uint32_t type)
{
	for (size_t i = 0; i < sizeof(mappings) / sizeof(mappings[0]); i++)
		if (mappings[i].type == type)
			return &mappings[i];
	return NULL;
}

/* A map in a map, made if it is not there or nothing is written behind its name. What is made stands where
 * `place` does. NULL: it is something else, or memory is out. */
static struct conf_node *map_in(
    struct conf_node *parent, const char *key, const struct conf_node *place)
{
	struct conf_node *map = conf_node_find(parent, key, parent->count);
	if (!map && (map = conf_add_map(parent, key))) {
		map->file = place->file;
		map->line = place->line;
		map->column = place->column;
	}
	if (map && conf_node_is_nothing(map))
		map->kind = CONF_MAP;
	return map && map->kind == CONF_MAP ? map : NULL;
}

/* What the plugin says, if the config does not. */
static void plant(struct conf_node *section, const char *key, const char *text)
{
	struct conf_node *node = NULL;
	if (text && !conf_get(section, key) && (node = conf_add_text(section, key, text))) {
		node->file = section->file;
		node->line = section->line;
		node->column = section->column;
	}
}

static void plant_all(
    struct conf_node *section, const struct mapping *mapping, const struct agentd_trigger *row)
{
	for (size_t i = 0; i < 4 && mapping->keys[i].key; i++) {
		const char *text;
		memcpy(&text, (const char *)row + mapping->keys[i].at, sizeof(text));
		plant(section, mapping->keys[i].key, text);
	}
	if (row->type == AGENTD_WEBHOOK && (row->flags & AGENTD_NO_AUTH))
		plant(section, "auth", "none");
}

/* What a trigger of the config has, and one that is brought cannot. */
static void reject_keys(const struct conf_node *section, struct conf_errors *errors)
{
	static const struct {
		const char *key, *why;
	} not_here[] = { { "agent", "a trigger that a plugin brings is that of its agent" },
		{ "input", "the plugin itself says what its agent is told" } };
	for (size_t i = 0; i < sizeof(not_here) / sizeof(not_here[0]); i++)
		if (conf_get(section, not_here[i].key))
			conf_error(
			    errors, conf_get(section, not_here[i].key), "%s", not_here[i].why);
}

static void read_one(struct settings *settings, const struct agent_settings *agent,
    struct conf_node *section, const struct agentd_trigger *row, struct conf_errors *errors,
    struct conf_errors *notes)
{
	const struct mapping *mapping = find_mapping(row->type);
	if (!mapping) {
		conf_error(errors, section,
		    "the plugin brings a time (cron), which is not in this "
		    "version");
		return;
	}
	reject_keys(section, errors);
	plant_all(section, mapping, row);
	if (mapping->needs_store && !settings->store.enabled)
		conf_error(notes, section,
		    "left out: it needs the store, which is off (store.enabled: false)");
	else
		conf_triggers_read_one(settings, mapping->kind, section, agent, errors);
}

struct rows {
	const struct agentd_trigger *rows;
	size_t count;
};

static const char *row_name(const void *arg, size_t i)
{
	const struct rows *rows = arg;
	return i < rows->count ? rows->rows[i].name : NULL;
}

/* Names in the config that the plugin does not have. */
static void reject_unknown(
    const struct conf_node *triggers, const struct rows *rows, struct conf_errors *errors)
{
	for (size_t i = 0; i < triggers->count; i++) {
		const char *name = triggers->items[i]->key, *known;
		for (size_t j = 0; (known = row_name(rows, j)) && strcmp(known, name) != 0;)
			j++;
		const char *near = known ? NULL : schema_nearest(name, row_name, rows);
		if (!known)
			conf_error(errors, triggers->items[i],
			    rows->count ? "the plugin has no such trigger%s%s%s"
					: "the plugin brings no triggers%s%s%s",
			    near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	}
}

void settings_read_triggers(struct settings *settings, size_t i, const struct agentd_trigger *rows,
    size_t count, struct conf_errors *errors, struct conf_errors *notes)
{
	const struct agent_settings *agent = &settings->agents[i];
	/* The tree is the settings' own, so that it may be added to. */
	struct conf_node *section = (struct conf_node *)(uintptr_t)agent->instance.section;
	const struct conf_node *place = conf_get(section, "plugin");
	struct rows all = { rows, count };
	if (count == 0 && !conf_get(section, "triggers"))
		return;
	struct conf_node *triggers = map_in(section, "triggers", place ? place : section);
	if (!triggers) {
		conf_error(errors, conf_get(section, "triggers"),
		    "must be a section of triggers, by name");
		return;
	}
	reject_unknown(triggers, &all, errors);
	for (size_t j = 0; j < count; j++) {
		struct conf_node *one = map_in(triggers, rows[j].name, place ? place : section);
		if (one)
			read_one(settings, agent, one, &rows[j], errors, notes);
		else
			conf_error(errors, conf_get(triggers, rows[j].name),
			    "expected a section, with lines of \"name: value\"");
	}
}
