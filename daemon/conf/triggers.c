/* triggers: the walk along the sections of triggers. */
#include "daemon/conf/triggers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/template.h"
#include "daemon/conf/tables.h"
#include "daemon/conf/tree.h"

static const struct conf_node *node_of(const struct conf_node *section, const char *key)
{
	const struct conf_node *node = conf_get(section, key);
	return node ? node : section;
}

static void check_template(
    const struct conf_node *section, const char *key, const char *text, struct conf_errors *errors)
{
	struct template *template;
	char reason[200];
	if (!text)
		return;
	int error = template_parse(text, &template, reason, sizeof(reason));
	if (error == 0)
		template_free(template);
	else if (error == -EINVAL)
		conf_error(errors, node_of(section, key), "%s", reason);
}

static void read_trigger(
    struct trigger_settings *trigger, const struct conf_node *section, struct conf_errors *errors)
{
	trigger->name = section->key;
	trigger->section = section;
	if (!settings_name_is_good(section->key))
		conf_error(errors, section, "a name may have letters, digits, _ and -");
	check_template(section, "input", trigger->input, errors);
	check_template(section, "session", trigger->session, errors);
}

/* The section of that name, if it is one; its entries are sections, by name. */
static const struct conf_node *section_of(
    const struct settings *settings, const char *key, struct conf_errors *errors)
{
	const struct conf_node *section = conf_get(settings->tree, key);
	if (!section || conf_node_is_nothing(section))
		return NULL;
	if (section->kind == CONF_MAP)
		return section;
	conf_error(errors, section, "must be a section of %s, by name", key);
	return NULL;
}

static void read_event(
    struct settings *settings, const struct conf_node *section, struct conf_errors *errors)
{
	struct event_settings *event = &settings->events[settings->event_count++];
	settings_read_table(&settings_event, section, event, errors);
	read_trigger(&event->trigger, section, errors);
	if (!event->event)
		event->event = strdup(section->key);
	else if (!settings_name_is_good(event->event))
		conf_error(errors, node_of(section, "event"),
		    "the name of an event may have letters, digits, _ and -");
	if (!settings->store.enabled)
		conf_error(
		    errors, section, "events need the store, which is off (store.enabled: false)");
}

void conf_triggers_read(struct settings *settings, struct conf_errors *errors)
{
	const struct conf_node *section = section_of(settings, "events", errors);
	size_t count = section ? section->count : 0;
	settings->events = calloc(count + 1, sizeof(*settings->events));
	for (size_t i = 0; settings->events && i < count; i++)
		read_event(settings, section->items[i], errors);
}

/* The agent that it names, or the default one. */
static void settle(
    const struct settings *settings, struct trigger_settings *trigger, struct conf_errors *errors)
{
	if (trigger->agent && !settings_find_agent(settings, trigger->agent))
		settings_say_no_agent(
		    settings, node_of(trigger->section, "agent"), trigger->agent, errors);
	else if (!trigger->agent && settings->default_agent)
		trigger->agent = strdup(settings->default_agent->name);
	else if (!trigger->agent)
		conf_error(errors, trigger->section,
		    "agent is required: there are several, and no default_agent");
}

void conf_triggers_settle(struct settings *settings, struct conf_errors *errors)
{
	for (size_t i = 0; i < settings->event_count; i++)
		settle(settings, &settings->events[i].trigger, errors);
}

void conf_triggers_free(struct settings *settings)
{
	for (size_t i = 0; i < settings->event_count; i++)
		schema_release(&settings_event, &settings->events[i]);
	free(settings->events);
}
