/*
 * schema: the one checker of options, for the core's tables and for those of plugins.
 *
 * A default takes the same way as what the config says, by way of a small tree made for it, so
 * that no table has a default which the checker would refuse.
 */
#include "daemon/conf/schema.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/conf/list.h"
#include "daemon/conf/tree.h"
#include "daemon/conf/type.h"

static int check_row(const struct check *check, struct schema_value *value);

struct schema_value *schema_check(
    const struct schema *schema, const struct conf_node *section, struct conf_errors *errors)
{
	struct schema_value *values = calloc(schema->count + 1, sizeof(*values));
	struct check check = { .section = section, .errors = errors };

	if (!values)
		return NULL;
	if (section && section->kind != CONF_MAP && !conf_node_is_nothing(section)) {
		conf_error(errors, section, "expected a section, with lines of \"name: value\"");
		check.not_a_section = true;
	}
	for (size_t i = 0; i < schema->count; i++) {
		check.row = &schema->rows[i];
		check.type = type_find(check.row->type);
		if (check_row(&check, &values[i]) == -ENOMEM) {
			schema_values_free(values, schema->count);
			return NULL;
		}
	}
	return values;
}

/* A map's default is written `name: value, name: value`. */
static int add_pair(const struct check *check, struct conf_node *map, const char *pair)
{
	const char *colon = strchr(pair, ':');

	if (!colon)
		return type_refuse(check, map, "expected \"name: value\", found \"%s\"", pair);

	char *key = strndup(pair, (size_t)(colon - pair));
	const char *text = colon + 1 + strspn(colon + 1, " ");
	int r = key && conf_add_text(map, key, text) ? 0 : -ENOMEM;
	free(key);
	return r;
}

/* Adds the default to a tree, as the config would have it. */
static int plant_default(
    const struct check *check, struct conf_node *root, const struct conf_node **ret_node)
{
	const struct schema_row *row = check->row;
	struct conf_node *node;
	struct schema_list parts;
	int r = 0;

	if (row->type != AGENTD_LIST && row->type != AGENTD_MAP) {
		*ret_node = conf_add_text(root, row->key, row->fallback);
		return *ret_node ? 0 : -ENOMEM;
	}

	node =
	    row->type == AGENTD_LIST ? conf_add_list(root, row->key) : conf_add_map(root, row->key);
	if (!node || list_split(row->fallback, ',', &parts) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < parts.count && r == 0; i++)
		if (row->type == AGENTD_MAP)
			r = add_pair(check, node, parts.items[i]);
		else if (!conf_add_text(node, NULL, parts.items[i]))
			r = -ENOMEM;
	list_done(&parts);
	*ret_node = node;
	return r;
}

static int read_default(const struct check *given, struct schema_value *value)
{
	struct check check = *given;
	const struct conf_node *node;
	struct conf_node *root = conf_new(NULL);

	if (!root)
		return -ENOMEM;
	check.is_default = true;
	int r = plant_default(&check, root, &node);
	if (r == 0)
		r = check.type->shape->read(&check, node, value);
	conf_free(root);
	return r;
}

/* Where the config says something wrong there is a default all the same: whoever goes on to find
 * more mistakes is spared the thought. */
static int check_row(const struct check *check, struct schema_value *value)
{
	const struct schema_row *row = check->row;
	const struct conf_node *node = conf_get(check->section, row->key);
	int r = -EINVAL;

	if (!check->type)
		conf_error(check->errors, check->section, "option \"%s\" has the unknown type %u",
		    row->key, row->type);
	if (!check->type || !check->type->shape)
		return 0;

	value->given = node != NULL;
	if (node)
		r = check->type->shape->read(check, node, value);
	else if (row->required && !check->not_a_section)
		conf_error(check->errors, check->section, "the required option \"%s\" is missing",
		    row->key);
	if (r == -EINVAL && row->fallback)
		r = read_default(check, value);
	value->set = r == 0;
	return r;
}

void schema_values_free(struct schema_value *values, size_t count)
{
	if (!values)
		return;
	for (size_t i = 0; i < count; i++) {
		struct schema_list items = { values[i].items, values[i].count };
		list_done(&items);
		free(values[i].text);
	}
	free(values);
}

struct tables {
	const struct schema *const *tables;
	size_t count;
};

/* The i-th option of several tables, as if they were one. */
static const char *next_option(const void *arg, size_t i)
{
	const struct tables *all = arg;

	for (size_t t = 0; t < all->count; t++) {
		if (i < all->tables[t]->count)
			return all->tables[t]->rows[i].key;
		i -= all->tables[t]->count;
	}
	return NULL;
}

static bool is_option(const struct tables *all, const char *key)
{
	const char *option;

	for (size_t i = 0; (option = next_option(all, i)); i++)
		if (strcmp(option, key) == 0)
			return true;
	return false;
}

void schema_reject_unknown(const struct conf_node *section, const struct schema *const *tables,
    size_t count, struct conf_errors *errors)
{
	const struct tables all = { tables, count };

	if (!section || section->kind != CONF_MAP)
		return;
	for (size_t i = 0; i < section->count; i++) {
		const struct conf_node *node = section->items[i];
		if (is_option(&all, node->key))
			continue;
		const char *near = schema_nearest(node->key, next_option, &all);
		if (near)
			conf_error(errors, node, "unknown option; did you mean \"%s\"?", near);
		else
			conf_error(errors, node, "unknown option");
	}
}

void schema_store(const struct schema *schema, struct schema_value *values, void *into)
{
	for (size_t i = 0; i < schema->count; i++) {
		const struct type *type = type_find(schema->rows[i].type);
		if (values[i].set && type && type->shape)
			type->shape->store(&values[i], (char *)into + schema->rows[i].at);
	}
}

void schema_release(const struct schema *schema, void *from)
{
	for (size_t i = 0; i < schema->count; i++) {
		const struct type *type = type_find(schema->rows[i].type);
		if (type && type->shape && type->shape->release)
			type->shape->release((char *)from + schema->rows[i].at);
	}
}

bool schema_list_has(const struct schema_list *list, const char *text)
{
	for (size_t i = 0; text && i < list->count; i++)
		if (strcmp(list->items[i], text) == 0)
			return true;
	return false;
}
