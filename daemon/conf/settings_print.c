/* settings_print: settings as YAML that agentd would read again, secrets aside. */
#include <stdlib.h>
#include <string.h>

#include "daemon/base/buf.h"
#include "daemon/conf/providers.h"
#include "daemon/conf/tables.h"

static void print_duration(struct buf *out, int64_t ms)
{
	static const struct {
		int64_t ms;
		const char *unit;
	} units[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "m" }, { 1000, "s" },
		{ 1, "ms" } };
	size_t i = ms ? 0 : 3; /* nothing is 0s */
	while (ms % units[i].ms)
		i++;
	buf_addf(out, "%lld%s", (long long)(ms / units[i].ms), units[i].unit);
}

static void print_size(struct buf *out, int64_t bytes)
{
	static const char unit[] = { 'G', 'M', 'K' };
	for (size_t i = 0; bytes && i < sizeof(unit); i++) {
		int64_t one = INT64_C(1) << (30 - 10 * (int)i);
		if (bytes % one == 0) {
			buf_addf(out, "%lld%c", (long long)(bytes / one), unit[i]);
			return;
		}
	}
	buf_addf(out, "%lld", (long long)bytes);
}

/* Text as the reader of a config would have to write it: a literal ${ is $${. */
static void add_escaped(struct buf *out, const char *text)
{
	for (const char *at; (at = strstr(text, "${")); text = at + 2) {
		buf_add(out, text, (size_t)(at - text));
		buf_add_str(out, "$${");
	}
	buf_add_str(out, text);
}

static void print_text(struct buf *out, const char *text)
{
	struct buf quoted = { 0 };
	buf_add_json_str(&quoted, text);
	char *whole = buf_take(&quoted);
	add_escaped(out, whole ? whole : "");
	free(whole);
}

/* A list or map of a plugin has no secret in its table. What it took from the environment or a file
 * is one, for all that we know. `node` is NULL for the core's own. */
static void print_items(struct buf *out, const struct schema_row *row, char **items, size_t count,
    const struct conf_node *node)
{
	bool map = row->type == AGENTD_MAP;
	buf_add_str(out, map ? "{" : "[");
	for (size_t i = 0; i < count; i++) {
		size_t nth = map ? i / 2 : i;
		bool is_key = map && i % 2 == 0;
		bool hide = node && !is_key &&
			    conf_is_expanded(nth < node->count ? node->items[nth] : node);
		buf_add_str(out, i == 0 ? " " : map && i % 2 ? ": " : ", ");
		print_text(out, hide ? "***" : items[i]);
	}
	buf_add_str(out, map ? " }" : " ]");
}

static void print_value(struct buf *out, const struct schema_row *row,
    const struct schema_value *value, const struct conf_node *node)
{
	switch (row->type) {
	case AGENTD_INT:
		buf_addf(out, "%lld", (long long)value->number);
		return;
	case AGENTD_NUMBER:
		buf_addf(out, "%.17g", value->real);
		return;
	case AGENTD_BOOL:
		buf_add_str(out, value->number ? "true" : "false");
		return;
	case AGENTD_DURATION:
		print_duration(out, value->number);
		return;
	case AGENTD_SIZE:
		print_size(out, value->number);
		return;
	case AGENTD_LIST:
	case AGENTD_MAP:
		print_items(out, row, value->items, value->count, node);
		return;
	case AGENTD_SECRET:
	case SCHEMA_SECRETS:
		buf_add_str(out, "\"***\"");
		return;
	case AGENTD_JSON: /* JSON is YAML */
		add_escaped(out, conf_is_expanded(node) ? "\"***\"" : value->text);
		return;
	default:
		print_text(out, value->text ? value->text : "");
		return;
	}
}

/* What schema_store put into a struct, as a value again. */
static struct schema_value value_at(const struct schema_row *row, const void *base)
{
	const void *at = (const char *)base + row->at;
	struct schema_value value = { .set = true };
	switch (row->type) {
	case AGENTD_BOOL:
		value.number = *(const bool *)at;
		break;
	case AGENTD_INT:
	case AGENTD_DURATION:
	case AGENTD_SIZE:
		value.number = *(const int64_t *)at;
		break;
	case AGENTD_LIST:
	case SCHEMA_SECRETS:
		value.items = ((const struct schema_list *)at)->items;
		value.count = ((const struct schema_list *)at)->count;
		value.set = value.count > 0;
		break;
	default:
		value.text = *(char *const *)at;
		value.set = value.text != NULL;
	}
	return value;
}

static void print_row(struct buf *out, int indent, const struct schema_row *row,
    const struct schema_value *value, const struct conf_node *node)
{
	if (!value->set)
		return;
	buf_addf(out, "%*s%s: ", indent, "", row->key);
	print_value(out, row, value, node);
	buf_add_str(out, "\n");
}

static void print_table(struct buf *out, int indent, const struct schema *schema, const void *base)
{
	for (size_t i = 0; i < schema->count; i++) {
		const struct schema_row *row = &schema->rows[i];
		if (row->type == SCHEMA_SECTION)
			continue;
		struct schema_value value = value_at(row, base);
		print_row(out, indent, row, &value, NULL);
	}
}

/* A section, unless nothing in it is set. */
static void print_section(
    struct buf *out, int indent, const char *key, const struct schema *schema, const void *base)
{
	struct buf rows = { 0 };
	print_table(&rows, indent + 2, schema, base);
	if (rows.length)
		buf_addf(out, "%*s%s:\n", indent, "", key);
	buf_add(out, rows.data, rows.length);
	buf_done(&rows);
}

static void print_key(struct buf *out, const struct auth_key_settings *key)
{
	buf_add_str(out, "      - hash: \"***\"\n");
	for (size_t i = 0; key->section->kind == CONF_MAP && i < settings_auth_key.count; i++) {
		const struct schema_row *row = &settings_auth_key.rows[i];
		struct schema_value value = value_at(row, key);
		if (strcmp(row->key, "hash") != 0)
			print_row(out, 8, row, &value, NULL);
	}
}

static void print_providers(struct buf *out, const struct settings *settings)
{
	if (settings->provider_count)
		buf_add_str(out, "auth:\n");
	for (size_t i = 0; i < settings->provider_count; i++) {
		const struct provider_settings *provider = &settings->providers[i];
		print_section(out, 2, provider->name, providers_schema(provider->type), provider);
		if (provider->key_count)
			buf_add_str(out, "    keys:\n");
		for (size_t j = 0; j < provider->key_count; j++)
			print_key(out, &provider->keys[j]);
	}
}

static void print_trigger(struct buf *out, int indent, const struct trigger_settings *trigger)
{
	struct trigger_settings shown = *trigger;
	if (trigger->brought)
		shown.agent = NULL; /* that is said by where it stands */
	print_section(out, indent, trigger->name, settings_triggers[trigger->kind].schema, &shown);
	if (trigger->kind == TRIGGER_CRON)
		print_section(out, indent + 2, "deliver", &settings_deliver, trigger);
}

static void print_triggers(struct buf *out, const struct settings *settings)
{
	for (size_t kind = 0; kind < TRIGGER_KINDS; kind++) {
		bool found = false;
		for (size_t i = 0; i < settings->trigger_count; i++) {
			const struct trigger_settings *trigger = &settings->triggers[i];
			if (trigger->kind != kind || trigger->brought)
				continue;
			if (!found)
				buf_addf(out, "%s:\n", settings_triggers[kind].key);
			found = true;
			print_trigger(out, 2, trigger);
		}
	}
}

/* Those that an agent's plugin brings. */
static void print_brought(struct buf *out, const struct settings *settings, const char *agent)
{
	bool found = false;
	for (size_t i = 0; i < settings->trigger_count; i++) {
		const struct trigger_settings *trigger = &settings->triggers[i];
		if (!trigger->brought || strcmp(trigger->agent, agent) != 0)
			continue;
		if (!found)
			buf_add_str(out, "    triggers:\n");
		found = true;
		print_trigger(out, 6, trigger);
	}
}

static void print_instance(
    struct buf *out, const struct settings *settings, const struct instance_settings *instance)
{
	const struct settings_kind *of = &settings_kinds[instance->kind];
	buf_addf(out, "  %s:\n", instance->name);
	print_table(out, 4, of->schema, instance);
	print_section(out, 4, "limits", of->limits, &instance->limits);
	if (instance->kind == INSTANCE_AGENT)
		print_brought(out, settings, instance->name);
	for (size_t i = 0; instance->options && i < instance->option_schema->count; i++)
		print_row(out, 4, &instance->option_schema->rows[i], &instance->options[i],
		    conf_get(instance->section, instance->option_schema->rows[i].key));
}

static void print_instances(struct buf *out, const struct settings *settings)
{
	enum instance_kind last = INSTANCE_KINDS;
	for (size_t i = 0; i < settings_instance_count(settings); i++) {
		const struct instance_settings *instance = settings_instance_at(settings, i);
		if (instance->kind != last)
			buf_addf(out, "%s:\n", settings_kinds[instance->kind].key);
		last = instance->kind;
		print_instance(out, settings, instance);
	}
}

static void print_identities(struct buf *out, const struct settings *settings)
{
	const char *last = NULL; /* the links of one user stand together */
	for (size_t i = 0; i < settings->identity_count; i++) {
		const struct identity_settings *link = &settings->identities[i];
		if (!last)
			buf_add_str(out, "identity:\n");
		if (!last || strcmp(link->user_id, last) != 0) {
			buf_add_str(out, last ? " ]\n  " : "  ");
			buf_add_json_str(out, link->user_id);
			buf_add_str(out, ": [ ");
		} else {
			buf_add_str(out, ", ");
		}
		print_text(out, link->node->text);
		last = link->user_id;
	}
	if (last)
		buf_add_str(out, " ]\n");
}

void settings_print(const struct settings *settings, FILE *file)
{
	struct buf out = { 0 };
	print_table(&out, 0, &settings_top, settings);
	for (size_t i = 0; i < settings_section_count; i++)
		print_section(&out, 0, settings_sections[i].key, settings_sections[i].schema,
		    (const char *)settings + settings_sections[i].at);
	print_providers(&out, settings);
	print_instances(&out, settings);
	print_identities(&out, settings);
	print_triggers(&out, settings);
	fwrite(out.data ? out.data : "", 1, out.length, file);
	buf_done(&out);
}
