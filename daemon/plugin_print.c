/* plugin_print: a descriptor for people. */
#include "daemon/plugin_print.h"

#include <stdio.h>

#include "daemon/conf/value.h"

/* As it is written in a config. */
static void show_bound(const struct schema_row *row, const char *before, int64_t bound)
{
	char text[64];
	if (row->type == AGENTD_DURATION)
		value_format_duration(bound, text, sizeof(text));
	else if (row->type == AGENTD_SIZE)
		value_format_size(bound, text, sizeof(text));
	else
		snprintf(text, sizeof(text), "%lld", (long long)bound);
	printf("%s%s", before, text);
}

static void show_option(const struct schema_row *row)
{
	printf("  %-20s %s", row->key, schema_type_name(row->type));
	if (row->choices)
		printf(": %s", row->choices);
	if (row->required)
		printf(", required");
	else if (row->fallback && row->type != AGENTD_SECRET)
		printf(", default %s", row->fallback[0] ? row->fallback : "\"\"");
	if (row->min || row->max) {
		show_bound(row, ", from ", row->min);
		show_bound(row, " to ", row->max);
	}
	printf("\n%s%s%s", row->help && row->help[0] ? "      " : "", row->help ? row->help : "",
	    row->help && row->help[0] ? "\n" : "");
}

static void show_trigger(const struct agentd_trigger *trigger)
{
	static const char *const names[] = {
		[AGENTD_WEBHOOK] = "webhook", [AGENTD_CRON] = "cron", [AGENTD_EVENT] = "event"
	};
	printf("  %-20s %s", trigger->name, names[trigger->type]);
	if (trigger->type == AGENTD_WEBHOOK)
		printf(" %s %s%s", trigger->method ? trigger->method : "POST",
		    trigger->path ? trigger->path : "(no path)",
		    trigger->flags & AGENTD_NO_AUTH ? ", without auth" : "");
	else if (trigger->type == AGENTD_CRON)
		printf(" %s, %s", trigger->schedule ? trigger->schedule : "(no schedule)",
		    trigger->zone ? trigger->zone : "UTC");
	else
		printf(" %s", trigger->event ? trigger->event : trigger->name);
	printf("%s%s\n", trigger->session ? ", session " : "",
	    trigger->session ? trigger->session : "");
}

static void show_path(const struct agentd_path *path)
{
	const char *method = path->method && *path->method ? path->method : "POST";
	if (path->path && path->path[0] == '$')
		printf("  %s, where the option %s says", method, path->path + 1);
	else
		printf("  %s %s", method, path->path ? path->path : "/");
	printf("%s%s\n", path->when && *path->when ? ", if " : "", path->when ? path->when : "");
}

/* The kinds by the ABI's numbers. */
static const char *kind_name(uint32_t kind)
{
	static const char *const names[] = {
		[AGENTD_AGENT] = "agent", [AGENTD_INTERFACE] = "interface", [AGENTD_HOOK] = "hook"
	};
	return kind < sizeof(names) / sizeof(names[0]) && names[kind] ? names[kind] : "unknown";
}

void plugin_print(const struct descriptor *plugin)
{
	printf("%s %s: %s\nkind: %s, ABI %u\n", plugin->name, plugin->version, plugin->summary,
	    kind_name(plugin->kind), AGENTD_ABI);
	printf(plugin->options.count ? "options:\n" : "no options\n");
	for (size_t i = 0; i < plugin->options.count; i++)
		show_option(&plugin->options.rows[i]);
	if (plugin->trigger_count)
		printf("triggers:\n");
	for (size_t i = 0; i < plugin->trigger_count; i++)
		show_trigger(&plugin->triggers[i]);
	if (plugin->path_count)
		printf("paths:\n");
	for (size_t i = 0; i < plugin->path_count; i++)
		show_path(&plugin->paths[i]);
}
