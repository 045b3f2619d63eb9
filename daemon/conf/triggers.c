/* triggers: the walk along the sections of triggers. */
#include "daemon/conf/triggers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/cron_expr.h"
#include "daemon/base/template.h"
#include "daemon/conf/http_path.h"
#include "daemon/conf/instances.h"
#include "daemon/conf/providers.h"
#include "daemon/conf/tables.h"
#include "daemon/conf/tree.h"

static const struct conf_node *node_of(const struct conf_node *section, const char *key)
{
	const struct conf_node *node = conf_get(section, key);
	return node ? node : section;
}

/* A schedule has nothing but what it is (trigger/cron_entry.c). */
static void check_filled(
    const struct conf_node *at, const struct template *template, struct conf_errors *errors)
{
	static const char *const members[] = { "cron", "due", "attempt", NULL };
	char name[80];
	if (template_find_missing(template, members, name, sizeof(name)))
		conf_error(errors, at,
		    "a schedule has no %s: it has body.cron, body.due, body.attempt, source and timestamp",
		    name);
}

static void check_template(enum trigger_kind kind, const struct conf_node *section, const char *key,
    const char *text, struct conf_errors *errors)
{
	struct template *template;
	char reason[200];
	if (!text)
		return;
	int error = template_parse(text, &template, reason, sizeof(reason));
	if (error == -EINVAL)
		conf_error(errors, node_of(section, key), "%s", reason);
	if (error < 0)
		return;
	if (kind == TRIGGER_CRON)
		check_filled(node_of(section, key), template, errors);
	template_free(template);
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

/* Webhooks. */

/* A leading / is added, as in the original. */
static void read_path(
    const struct trigger_settings *trigger, char **path, struct conf_errors *errors)
{
	char *whole;
	if (!*path)
		return; /* an error already */
	if (**path != '/' && asprintf(&whole, "/%s", *path) >= 0) {
		free(*path);
		*path = whole;
	}
	const char *fault = http_path_fault(*path);
	if (fault)
		conf_error(errors, node_of(trigger->section, "path"), "%s", fault);
}

/* Two of one path and method: the second would never be called. */
static void check_collisions(const struct settings *settings,
    const struct trigger_settings *trigger, struct conf_errors *errors)
{
	const char *method = trigger->webhook.method, *path = trigger->webhook.path;
	const char *owner = path ? http_path_owner(settings, method, path, trigger) : NULL;
	if (owner)
		conf_error(errors, node_of(trigger->section, "path"), "%s %s is that of %s already",
		    method, path, owner);
}

/* Field names of HTTP (RFC 9110, section 5.1). */
static void check_header(const struct trigger_settings *trigger, const char *key, const char *name,
    struct conf_errors *errors)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789!#$%&'*+-.^_`|~";
	if (name && (!*name || name[strspn(name, allowed)]))
		conf_error(errors, node_of(trigger->section, key),
		    "\"%.60s\" cannot be the name of a header", name);
}

static void read_webhook(
    struct settings *settings, struct trigger_settings *trigger, struct conf_errors *errors)
{
	const struct conf_node *section = trigger->section;
	read_path(trigger, &trigger->webhook.path, errors);
	check_collisions(settings, trigger, errors);
	check_header(trigger, "header", trigger->webhook.header, errors);
	check_header(trigger, "dedupe", trigger->webhook.dedupe, errors);
	const char *auth = trigger->webhook.auth_word;
	trigger->webhook.is_open = strcmp(auth, "none") == 0;
	if (!trigger->webhook.is_open && strcmp(auth, "inherit") != 0)
		trigger->webhook.auth =
		    providers_for_http(settings, auth, node_of(section, "auth"), errors);
	trigger->webhook.accepted = strcmp(trigger->webhook.respond_word, "accepted") == 0;
	if (trigger->webhook.accepted && !settings->store.enabled)
		conf_error(errors, node_of(section, "respond"),
		    "accepted needs the store, which is off (store.enabled: false)");
	if (trigger->webhook.dedupe && !settings->store.enabled &&
	    strcmp(trigger->webhook.dedupe, "none") != 0)
		conf_error(errors, node_of(section, "dedupe"),
		    "it needs the store, which is off (store.enabled: false)");
}

/* Cron. */

static void check_schedule(const struct trigger_settings *trigger, struct conf_errors *errors)
{
	struct cron_expr expr;
	char reason[CRON_ERROR_MAX];
	if (trigger->cron.schedule &&
	    cron_expr_parse(trigger->cron.schedule, &expr, reason) == -EINVAL)
		conf_error(errors, node_of(trigger->section, "schedule"), "%s", reason);
}

static void check_zone(const struct trigger_settings *trigger, struct conf_errors *errors)
{
	struct zone *zone;
	int error = zone_new(trigger->cron.timezone, &zone);
	if (error == 0)
		zone_free(zone);
	else if (error == -ENOENT)
		conf_error(errors, node_of(trigger->section, "timezone"),
		    "there is no time zone \"%.60s\"; expected a name such as Europe/Berlin",
		    trigger->cron.timezone);
}

/* Which of the choices, which stand in the order of an enum. */
static int choice_of(const char *word, const char *const *choices)
{
	int i = 0;
	while (strcmp(word, choices[i]) != 0)
		i++; /* the table has no other */
	return i;
}

/* A schedule is known by its name, to the store and to operators. */
static void check_name(const struct settings *settings, const struct trigger_settings *trigger,
    struct conf_errors *errors)
{
	for (const struct trigger_settings *other = settings->triggers; other < trigger; other++)
		if (other->kind == TRIGGER_CRON && strcmp(other->name, trigger->name) == 0)
			conf_error(errors, trigger->section, "the name is that of %s already",
			    other->label);
}

static void read_deliver(struct trigger_settings *trigger, struct conf_errors *errors)
{
	const struct conf_node *section = conf_get(trigger->section, "deliver");
	if (section)
		settings_read_table(&settings_deliver, section, trigger, errors);
	if (trigger->cron.deliver.chat && !trigger->cron.deliver.chat[0])
		conf_error(errors, node_of(section, "chat"), "must be the id of a chat");
}

static void read_cron(
    struct settings *settings, struct trigger_settings *trigger, struct conf_errors *errors)
{
	static const char *const misfires[] = { "once", "skip", "all" };
	static const char *const overlaps[] = { "skip", "queue", "allow" };
	check_name(settings, trigger, errors);
	check_schedule(trigger, errors);
	check_zone(trigger, errors);
	trigger->cron.misfire = (enum misfire)choice_of(trigger->cron.misfire_word, misfires);
	trigger->cron.overlap = (enum overlap)choice_of(trigger->cron.overlap_word, overlaps);
	read_deliver(trigger, errors);
	if (!settings->store.enabled)
		conf_error(errors, trigger->section,
		    "cron needs the store, which is off (store.enabled: false)");
}

/* Events. */

static void read_event(
    struct settings *settings, struct trigger_settings *trigger, struct conf_errors *errors)
{
	const struct conf_node *section = trigger->section;
	if (!trigger->event)
		trigger->event = strdup(trigger->name);
	else if (!settings_name_is_good(trigger->event))
		conf_error(errors, node_of(section, "event"),
		    "the name of an event may have letters, digits, _ and -");
	if (!settings->store.enabled)
		conf_error(
		    errors, section, "events need the store, which is off (store.enabled: false)");
}

/* All of them. */

static void (*const readers[])(
    struct settings *settings, struct trigger_settings *trigger, struct conf_errors *errors) = {
	[TRIGGER_WEBHOOK] = read_webhook,
	[TRIGGER_CRON] = read_cron,
	[TRIGGER_EVENT] = read_event,
};

/* "webhooks.github": where it stands. */
static char *label_of(const struct conf_node *section)
{
	char path[256];
	conf_path(section, path, sizeof(path));
	return strdup(path);
}

void conf_triggers_read_one(struct settings *settings, enum trigger_kind kind,
    const struct conf_node *section, const struct agent_settings *of, struct conf_errors *errors)
{
	struct trigger_settings *grown = reallocarray(
	    settings->triggers, settings->trigger_count + 1, sizeof(*settings->triggers));
	if (!grown)
		return;
	settings->triggers = grown;
	struct trigger_settings *trigger = &grown[settings->trigger_count++];
	*trigger = (struct trigger_settings){ .kind = kind,
		.name = section->key,
		.label = label_of(section),
		.brought = of != NULL,
		.section = section };
	settings_read_table(settings_triggers[kind].schema, section, trigger, errors);
	if (conf_errors_lost(errors))
		return;
	if (of) {
		free(trigger->input); /* it has a handler instead */
		trigger->input = NULL;
		free(trigger->agent);
		trigger->agent = strdup(of->instance.name);
	}
	if (!settings_name_is_good(section->key))
		conf_error(errors, section, "a name may have letters, digits, _ and -");
	check_template(kind, section, "input", trigger->input, errors);
	check_template(kind, section, "session", trigger->session, errors);
	readers[kind](settings, trigger, errors);
}

void conf_triggers_read(struct settings *settings, struct conf_errors *errors)
{
	for (enum trigger_kind kind = 0; kind < TRIGGER_KINDS; kind++) {
		const struct conf_node *section =
		    section_of(settings, settings_triggers[kind].key, errors);
		for (size_t i = 0; section && i < section->count; i++)
			conf_triggers_read_one(settings, kind, section->items[i], NULL, errors);
	}
}

static const char *interface_name_at(const void *arg, size_t i)
{
	const struct settings *settings = arg;
	return i < settings->interface_count ? settings->interfaces[i].instance.name : NULL;
}

static void settle_deliver(const struct settings *settings, const struct trigger_settings *trigger,
    struct conf_errors *errors)
{
	const char *name = trigger->cron.deliver.interface;
	if (!name || settings_find_interface(settings, name))
		return;
	const char *near = schema_nearest(name, interface_name_at, settings);
	conf_error(errors, node_of(conf_get(trigger->section, "deliver"), "interface"),
	    "there is no interface \"%s\"%s%s%s", name, near ? "; did you mean \"" : "",
	    near ? near : "", near ? "\"?" : "");
}

void conf_triggers_settle(struct settings *settings, struct conf_errors *errors)
{
	for (size_t i = 0; i < settings->trigger_count; i++) {
		struct trigger_settings *trigger = &settings->triggers[i];
		settings_settle_agent(settings, trigger->section, &trigger->agent, errors);
		if (trigger->kind == TRIGGER_CRON)
			settle_deliver(settings, trigger, errors);
	}
}

static void trigger_done(struct trigger_settings *trigger)
{
	schema_release(settings_triggers[trigger->kind].schema, trigger);
	if (trigger->kind == TRIGGER_CRON)
		schema_release(&settings_deliver, trigger);
	free(trigger->label);
}

void conf_triggers_drop(struct settings *settings, const struct agent_settings *of)
{
	size_t kept = 0;
	for (size_t i = 0; i < settings->trigger_count; i++) {
		struct trigger_settings *trigger = &settings->triggers[i];
		if (trigger->brought && strcmp(trigger->agent, of->instance.name) == 0)
			trigger_done(trigger);
		else
			settings->triggers[kept++] = *trigger;
	}
	settings->trigger_count = kept;
}

void conf_triggers_free(struct settings *settings)
{
	for (size_t i = 0; i < settings->trigger_count; i++)
		trigger_done(&settings->triggers[i]);
	free(settings->triggers);
}
