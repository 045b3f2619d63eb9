/*
 * type: the types of options, each a row of a table: how it is read from the tree, and how it is
 * stored in a struct.
 */
#include "daemon/conf/type.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/conf/list.h"
#include "daemon/conf/tree.h"
#include "daemon/conf/value.h"

#define SHOWN_MAX 60 /* with its quotes and an ellipsis within TYPE_FOUND_MAX */

int type_refuse(const struct check *check, const struct conf_node *node, const char *format, ...)
{
	char message[512];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	if (check->is_default)
		conf_error(check->errors, check->section, "the default of option \"%s\": %s",
		    check->row->key, message);
	else
		conf_error(check->errors, node, "%s", message);
	return -EINVAL;
}

static bool is_secret(const struct check *check)
{
	return check->row->type == AGENTD_SECRET || check->row->type == SCHEMA_SECRETS;
}

const char *type_found(
    const struct check *check, const struct conf_node *node, char buffer[static TYPE_FOUND_MAX])
{
	if (node->kind == CONF_LIST)
		return "a list";
	if (node->kind == CONF_MAP)
		return "a map";
	if (!*node->text)
		return node->plain ? "nothing" : "an empty text";
	if (is_secret(check))
		return "a text";

	int length = (int)strnlen(node->text, SHOWN_MAX + 1);
	bool cut = length > SHOWN_MAX;
	if (cut)
		for (length = SHOWN_MAX; length > 0 && (node->text[length] & 0xc0) == 0x80;)
			length--;
	snprintf(buffer, TYPE_FOUND_MAX, "\"%.*s%s\"", length, node->text, cut ? "…" : "");
	return buffer;
}

static int refuse_type(const struct check *check, const struct conf_node *node)
{
	char buffer[TYPE_FOUND_MAX];

	return type_refuse(check, node, "expected %s, found %s", check->type->name,
	    type_found(check, node, buffer));
}

static int check_choice(const struct check *check, const struct conf_node *node)
{
	struct schema_list choices;
	char buffer[TYPE_FOUND_MAX];

	if (!check->row->choices)
		return 0;
	if (list_split(check->row->choices, '|', &choices) < 0)
		return -ENOMEM;

	bool known = false;
	for (size_t i = 0; i < choices.count && !known; i++)
		known = strcmp(choices.items[i], node->text) == 0;
	if (!known) {
		const char *near = schema_nearest(node->text, list_next, &choices);
		type_refuse(check, node, "expected one of %s, found %s%s%s%s", check->row->choices,
		    type_found(check, node, buffer), near ? "; did you mean \"" : "",
		    near ? near : "", near ? "\"?" : "");
	}
	list_done(&choices);
	return known ? 0 : -EINVAL;
}

static int read_text(
    const struct check *check, const struct conf_node *node, struct schema_value *value)
{
	bool secret = check->row->type == AGENTD_SECRET;

	if (node->kind != CONF_SCALAR)
		return refuse_type(check, node);
	if (secret && check->row->required && !*node->text)
		return type_refuse(check, node, "is required, but empty");

	int r = secret ? 0 : check_choice(check, node);
	if (r < 0)
		return r;
	value->text = strdup(node->text);
	return value->text ? 0 : -ENOMEM;
}

static void format_int(int64_t value, char *buffer, size_t size)
{
	snprintf(buffer, size, "%" PRId64, value);
}

static int refuse_range(const struct check *check, const struct conf_node *node)
{
	const struct schema_row *row = check->row;
	char low[32], high[32], buffer[TYPE_FOUND_MAX];

	check->type->shape->format(row->min, low, sizeof(low));
	check->type->shape->format(row->max, high, sizeof(high));
	const char *text = type_found(check, node, buffer);
	if (row->max == INT64_MAX)
		return type_refuse(check, node, "must be at least %s, found %s", low, text);
	if (row->min == INT64_MIN)
		return type_refuse(check, node, "must be at most %s, found %s", high, text);
	return type_refuse(check, node, "must be between %s and %s, found %s", low, high, text);
}

static bool is_bounded(const struct schema_row *row)
{
	return row->min != 0 || row->max != 0;
}

static int read_whole(
    const struct check *check, const struct conf_node *node, struct schema_value *value)
{
	const struct schema_row *row = check->row;
	char buffer[TYPE_FOUND_MAX];
	int64_t number;

	if (node->kind != CONF_SCALAR)
		return refuse_type(check, node);

	const char *text = type_found(check, node, buffer);
	int r = check->type->shape->parse(node->text, &number);
	if (r == -ERANGE)
		return type_refuse(check, node, "is out of range, found %s", text);
	if (r < 0 && row->type == AGENTD_DURATION && schema_parse_int(node->text, &number) == 0 &&
	    number > 0)
		return type_refuse(check, node,
		    "a duration needs a unit: say \"%" PRId64 "s\", found %s", number, text);
	if (r < 0)
		return refuse_type(check, node);
	if (is_bounded(row) && (number < row->min || number > row->max))
		return refuse_range(check, node);
	value->number = number;
	return 0;
}

static int read_real(
    const struct check *check, const struct conf_node *node, struct schema_value *value)
{
	const struct schema_row *row = check->row;
	double real;

	if (node->kind != CONF_SCALAR || value_parse_number(node->text, &real) < 0)
		return refuse_type(check, node);
	if (is_bounded(row) && (real < (double)row->min || real > (double)row->max))
		return refuse_range(check, node);
	value->real = real;
	return 0;
}

/* A scalar's text, with its name before it if it has one; goes into a list or a map. */
static int add_item(
    const struct check *check, const struct conf_node *item, struct schema_list *list)
{
	if (item->kind != CONF_SCALAR)
		return type_refuse(check, item, "expected a single value, found %s",
		    item->kind == CONF_LIST ? "a list" : "a map");

	int r =
	    item->key ? list_add(list, item->key, strlen(item->key)) : check_choice(check, item);
	return r < 0 ? r : list_add(list, item->text, strlen(item->text));
}

/* All children, past the ones that are wrong, so that each of them is said. */
static int read_items(
    const struct check *check, const struct conf_node *node, struct schema_value *value)
{
	struct schema_list items = { 0 };
	int result = 0;

	for (size_t i = 0; i < node->count && result != -ENOMEM; i++) {
		int r = add_item(check, node->items[i], &items);
		if (r < 0)
			result = r;
	}
	if (result < 0) {
		list_done(&items);
		return result;
	}
	value->items = items.items;
	value->count = items.count;
	return 0;
}

/* One value alone is a list of one; nothing at all is an empty list. */
static int read_list(
    const struct check *check, const struct conf_node *node, struct schema_value *value)
{
	if (node->kind == CONF_MAP)
		return refuse_type(check, node);
	if (node->kind == CONF_LIST || conf_node_is_nothing(node))
		return read_items(check, node, value);

	struct schema_list items = { 0 };
	int r = check_choice(check, node);
	if (r == 0)
		r = list_add(&items, node->text, strlen(node->text));
	if (r < 0) {
		list_done(&items);
		return r;
	}
	value->items = items.items;
	value->count = items.count;
	return 0;
}

static int read_map(
    const struct check *check, const struct conf_node *node, struct schema_value *value)
{
	if (node->kind != CONF_MAP && !conf_node_is_nothing(node))
		return refuse_type(check, node);
	return read_items(check, node, value);
}

/* A default is JSON as it stands; the text of the config is not shown, since parts of it may be
 * secrets that this table does not know of. */
static int read_json(
    const struct check *check, const struct conf_node *node, struct schema_value *value)
{
	int r;

	if (check->is_default) {
		if (value_check_json(node->text) < 0)
			return refuse_type(check, node);
		value->text = strdup(node->text);
		return value->text ? 0 : -ENOMEM;
	}
	r = value_write_json(node, &value->text);
	if (r == -EINVAL)
		return type_refuse(check, node,
		    "cannot be written as JSON: a number is too large, or a text is not UTF-8");
	return r;
}

static int parse_bool(const char *text, int64_t *ret)
{
	bool value;
	int r = schema_parse_bool(text, &value);

	if (r == 0)
		*ret = value;
	return r;
}

static void store_text(struct schema_value *value, void *member)
{
	*(char **)member = value->text;
	value->text = NULL;
}

static void store_int(struct schema_value *value, void *member)
{
	*(int64_t *)member = value->number;
}

static void store_bool(struct schema_value *value, void *member)
{
	*(bool *)member = value->number != 0;
}

static void store_real(struct schema_value *value, void *member)
{
	*(double *)member = value->real;
}

static void store_items(struct schema_value *value, void *member)
{
	*(struct schema_list *)member = (struct schema_list){ value->items, value->count };
	value->items = NULL;
	value->count = 0;
}

static void release_text(void *member)
{
	free(*(char **)member);
	*(char **)member = NULL;
}

static void release_items(void *member)
{
	list_done(member);
}

static const struct shape text = { read_text, store_text, release_text, NULL, NULL };
static const struct shape whole = { read_whole, store_int, NULL, schema_parse_int, format_int };
static const struct shape real = { read_real, store_real, NULL, NULL, format_int };
static const struct shape yes_no = { read_whole, store_bool, NULL, parse_bool, format_int };
static const struct shape duration = { read_whole, store_int, NULL, schema_parse_duration,
	value_format_duration };
static const struct shape bytes = { read_whole, store_int, NULL, schema_parse_size,
	value_format_size };
static const struct shape list = { read_list, store_items, release_items, NULL, NULL };
static const struct shape map = { read_map, store_items, release_items, NULL, NULL };
static const struct shape json = { read_json, store_text, release_text, NULL, NULL };

static const struct type types[] = {
	{ AGENTD_STRING, "string", &text },
	{ AGENTD_INT, "whole number", &whole },
	{ AGENTD_NUMBER, "number", &real },
	{ AGENTD_BOOL, "bool (true, false, yes, no, on, off)", &yes_no },
	{ AGENTD_DURATION, "duration (500ms, 30s, 5m, 2h, 1d)", &duration },
	{ AGENTD_SIZE, "size (100, 64K, 1M, 2G)", &bytes },
	{ AGENTD_SECRET, "secret", &text },
	{ AGENTD_LIST, "list", &list },
	{ AGENTD_MAP, "map of names to values", &map },
	{ AGENTD_JSON, "JSON", &json },
	{ SCHEMA_SECTION, "section", NULL },
	{ SCHEMA_SECRETS, "list of secrets", &list },
};

const struct type *type_find(uint32_t number)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (types[i].number == number)
			return &types[i];
	return NULL;
}

const char *schema_type_name(uint32_t type)
{
	const struct type *known = type_find(type);

	return known ? known->name : "unknown type";
}
