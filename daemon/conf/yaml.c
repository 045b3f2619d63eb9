/*
 * yaml: libyaml's events into nodes.
 *
 * Events and not documents: they have the places of everything, and say "anchor" and "alias" where
 * a document would have followed them already. Recursion is bounded by DEPTH_MAX.
 */
#include "daemon/conf/yaml.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "daemon/conf/blame.h"
#include "daemon/conf/expand.h"
#include "daemon/conf/tree.h"

#define DEPTH_MAX 64u

struct source {
	struct conf_yaml *yaml;
	struct conf_text text;
	yaml_parser_t parser;
};

#define refuse(in, mark, ...) conf_blame((in)->yaml->errors, &(in)->text, mark, __VA_ARGS__)

static int read_value(struct source *in, const yaml_event_t *event, struct conf_node *parent,
    const yaml_event_t *key, unsigned depth);

static int next(struct source *in, yaml_event_t *ret_event)
{
	if (yaml_parser_parse(&in->parser, ret_event))
		return 0;
	return conf_blame_parser(in->yaml->errors, &in->text, &in->parser);
}

/* An alias, an anchor or a tag: nobody wants one here, and who wrote `* * * * *` or `&c` or `!`
 * meant text. */
static bool is_decorated(const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_ALIAS_EVENT:
		return true;
	case YAML_SCALAR_EVENT:
		return event->data.scalar.anchor || event->data.scalar.tag;
	case YAML_SEQUENCE_START_EVENT:
		return event->data.sequence_start.anchor || event->data.sequence_start.tag;
	case YAML_MAPPING_START_EVENT:
		return event->data.mapping_start.anchor || event->data.mapping_start.tag;
	default:
		return false;
	}
}

static bool has_nul(const yaml_event_t *scalar)
{
	return memchr(scalar->data.scalar.value, '\0', scalar->data.scalar.length) != NULL;
}

static int check_key(struct source *in, const yaml_event_t *key)
{
	const yaml_mark_t *mark = &key->start_mark;

	if (is_decorated(key))
		return conf_blame_unquoted(in->yaml->errors, &in->text, mark);
	if (key->type != YAML_SCALAR_EVENT && conf_blame_is_template(&in->text, mark))
		return conf_blame_unquoted(in->yaml->errors, &in->text, mark);
	if (key->type != YAML_SCALAR_EVENT)
		return refuse(in, mark, "expected a name before \":\", found a list or a map");
	if (key->data.scalar.length == 0)
		return refuse(in, mark, "expected a name before \":\"");
	if (has_nul(key))
		return refuse(in, mark, "a name cannot have a NUL character in it");
	return 0;
}

static int read_list(struct source *in, struct conf_node *list, unsigned depth)
{
	bool end = false;
	int r = 0;

	while (r == 0 && !end) {
		yaml_event_t item;
		r = next(in, &item);
		if (r < 0)
			break;
		end = item.type == YAML_SEQUENCE_END_EVENT;
		if (!end)
			r = read_value(in, &item, list, NULL, depth);
		yaml_event_delete(&item);
	}
	return r;
}

static int compare_keys(const void *a, const void *b)
{
	const struct conf_node *left = a, *right = b;

	return strcmp(left->key, right->key);
}

/* `names` is a tree of tsearch's, so that a map of users may have many thousands. */
static int read_entry(
    struct source *in, const yaml_event_t *key, struct conf_node *map, void **names, unsigned depth)
{
	yaml_event_t value;
	int r = check_key(in, key);

	if (r == 0)
		r = next(in, &value);
	if (r < 0)
		return r;
	r = read_value(in, &value, map, key, depth);
	yaml_event_delete(&value);
	if (r < 0)
		return r;

	struct conf_node *node = map->items[map->count - 1];
	struct conf_node *const *first = tsearch(node, names, compare_keys);
	if (!first)
		return -ENOMEM;
	if (*first != node) {
		conf_error(in->yaml->errors, node, "said already on line %u", (*first)->line);
		conf_node_drop_last(map);
	}
	return 0;
}

static void keep(void *node)
{
	(void)node;
}

static int read_map(struct source *in, struct conf_node *map, unsigned depth)
{
	void *names = NULL;
	bool end = false;
	int r = 0;

	while (r == 0 && !end) {
		yaml_event_t key;
		r = next(in, &key);
		if (r < 0)
			break;
		end = key.type == YAML_MAPPING_END_EVENT;
		if (!end)
			r = read_entry(in, &key, map, &names, depth);
		yaml_event_delete(&key);
	}
	tdestroy(names, keep);
	return r;
}

static int read_scalar(struct source *in, const yaml_event_t *event, struct conf_node *node)
{
	bool nul = has_nul(event);

	node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	node->text = strdup((const char *)event->data.scalar.value);
	if (!node->text)
		return -ENOMEM;
	if (nul) {
		conf_error(in->yaml->errors, node, "a text cannot have a NUL character in it");
		return 0;
	}
	return conf_expand(node, in->yaml->reader, in->yaml->errors);
}

/*
 * Makes the node first and fills it afterwards, so that mistakes further down know their path. A
 * named node's place is its name's, since the value may begin lines later.
 */
static struct conf_node *place_node(
    struct source *in, const yaml_event_t *event, struct conf_node *parent, const yaml_event_t *key)
{
	enum conf_kind kind = event->type == YAML_MAPPING_START_EVENT    ? CONF_MAP
			      : event->type == YAML_SEQUENCE_START_EVENT ? CONF_LIST
									 : CONF_SCALAR;
	const yaml_mark_t *mark = key ? &key->start_mark : &event->start_mark;
	struct conf_node *node =
	    conf_node_new(kind, parent->file, (unsigned)mark->line + 1, (unsigned)mark->column + 1);

	if (!node)
		return NULL;
	if (key)
		node->key = strdup((const char *)key->data.scalar.value);
	if ((key && !node->key) || conf_node_attach(parent, node) < 0) {
		conf_node_free(node);
		return NULL;
	}
	in->yaml->budget--;
	return node;
}

static int read_value(struct source *in, const yaml_event_t *event, struct conf_node *parent,
    const yaml_event_t *key, unsigned depth)
{
	const yaml_mark_t *mark = &event->start_mark;

	if (is_decorated(event))
		return conf_blame_unquoted(in->yaml->errors, &in->text, mark);
	if (depth >= DEPTH_MAX)
		return refuse(in, mark, "nested more than %u deep", DEPTH_MAX);
	if (in->yaml->budget == 0)
		return refuse(in, mark, "more values than a config may have");

	struct conf_node *node = place_node(in, event, parent, key);
	if (!node)
		return -ENOMEM;
	switch (node->kind) {
	case CONF_MAP:
		return read_map(in, node, depth + 1);
	case CONF_LIST:
		return read_list(in, node, depth + 1);
	default:
		return read_scalar(in, event, node);
	}
}

/* A file of comments has no document at all, one of `---` has a document of nothing. */
static int read_root(struct source *in, const yaml_event_t *event, struct conf_node *map)
{
	if (is_decorated(event))
		return conf_blame_unquoted(in->yaml->errors, &in->text, &event->start_mark);
	if (event->type == YAML_MAPPING_START_EVENT)
		return read_map(in, map, 0);
	if (event->type == YAML_SCALAR_EVENT && event->data.scalar.length == 0)
		return 0;
	return refuse(in, &event->start_mark, "expected lines of the form \"name: value\"");
}

static int read_stream(struct source *in, struct conf_node *map)
{
	bool seen = false;

	for (;;) {
		yaml_event_t event;
		int r = next(in, &event);
		if (r < 0)
			return r;
		bool end = event.type == YAML_STREAM_END_EVENT;
		if (event.type == YAML_DOCUMENT_START_EVENT && seen)
			r = refuse(in, &event.start_mark,
			    "a second document begins here; a config is only one");
		else if (event.type == YAML_DOCUMENT_START_EVENT)
			seen = true;
		else if (event.type != YAML_STREAM_START_EVENT &&
			 event.type != YAML_DOCUMENT_END_EVENT && !end)
			r = read_root(in, &event, map);
		yaml_event_delete(&event);
		if (end || r < 0)
			return r;
	}
}

int conf_yaml_read(struct conf_yaml *yaml, const char *text, size_t length, struct conf_node *map)
{
	struct source in = { .yaml = yaml, .text = { map->file, text, length } };

	if (!yaml_parser_initialize(&in.parser))
		return -ENOMEM;
	/* Said, not guessed: a guess would take some binary files for UTF-16. */
	yaml_parser_set_encoding(&in.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&in.parser, (const unsigned char *)text, length);

	int r = read_stream(&in, map);
	yaml_parser_delete(&in.parser);
	return r;
}
