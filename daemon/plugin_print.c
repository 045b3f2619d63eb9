/* plugin_print: a descriptor for people, whose terminal must not obey it. */
#include "daemon/plugin_print.h"

#include <stdio.h>
#include <string.h>

#include "daemon/conf/value.h"

/* A text of the plugin's, behind a word of ours; NULL: neither. Its control characters are spaces: those of ASCII, and
 * those that UTF-8 begins with c2. */
static void show(const char *word, const char *text)
{
	if (!text)
		return;
	fputs(word, stdout);
	for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
		bool is_c1 = at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0;
		putchar(*at < ' ' || *at == 0x7f || is_c1 ? ' ' : *at);
		at += is_c1;
	}
}

/* What a line begins with. */
static void show_name(const char *name)
{
	size_t n = strlen(name);
	show("  ", name);
	printf("%*s ", n < 20 ? (int)(20 - n) : 0, "");
}

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
	show_name(row->key);
	fputs(schema_type_name(row->type), stdout);
	show(": ", row->choices);
	if (row->required)
		printf(", required");
	else if (row->fallback && row->type != AGENTD_SECRET)
		show(", default ", row->fallback[0] ? row->fallback : "\"\"");
	if (row->min || row->max) {
		show_bound(row, ", from ", row->min);
		show_bound(row, " to ", row->max);
	}
	show("\n      ", row->help && row->help[0] ? row->help : NULL);
	putchar('\n');
}

static void show_trigger(const struct agentd_trigger *trigger)
{
	static const char *const names[] = {
		[AGENTD_WEBHOOK] = "webhook", [AGENTD_CRON] = "cron", [AGENTD_EVENT] = "event"
	};
	show_name(trigger->name);
	fputs(names[trigger->type], stdout);
	if (trigger->type == AGENTD_WEBHOOK) {
		show(" ", trigger->method ? trigger->method : "POST");
		show(" ", trigger->path ? trigger->path : "(no path)");
		show("", trigger->flags & AGENTD_NO_AUTH ? ", without auth" : NULL);
	} else if (trigger->type == AGENTD_CRON) {
		show(" ", trigger->schedule ? trigger->schedule : "(no schedule)");
		show(", ", trigger->zone ? trigger->zone : "UTC");
	} else {
		show(" ", trigger->event ? trigger->event : trigger->name);
	}
	show(", session ", trigger->session);
	putchar('\n');
}

static void show_path(const struct agentd_path *path)
{
	const char *method = path->method && *path->method ? path->method : "POST";
	show("  ", method);
	if (path->path && path->path[0] == '$') {
		show(", where the option ", path->path + 1);
		printf(" says");
	} else {
		show(" ", path->path ? path->path : "/");
	}
	show(", if ", path->when && *path->when ? path->when : NULL);
	putchar('\n');
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
	show("", plugin->name);
	show(" ", plugin->version);
	show(": ", plugin->summary);
	printf("\nkind: %s, ABI %u\n", kind_name(plugin->kind), AGENTD_ABI);
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
