/*
 * tree: nodes and the tree that owns them.
 *
 * Lookup is linear: a section has tens of names, and a config is read once.
 */
#include "daemon/conf/tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tree {
	struct conf_node root; /* first, so that a pointer to the root is one to its tree */
	char **files;
	size_t file_count;
	char **includes;
	size_t include_count;
};

/*
 * Room for one more. Arrays here have no capacity of their own: it is the power of two at or above
 * the count, so there is something to do only when the count is a power of two (or 0). Taking
 * children away keeps that true.
 */
static int grow(void *array, size_t count, size_t size)
{
	if (count & (count - 1))
		return 0;

	void *old, *new;
	memcpy(&old, array, sizeof(old));
	new = reallocarray(old, count ? count * 2 : 1, size);
	if (!new)
		return -ENOMEM;
	memcpy(array, &new, sizeof(new));
	return 0;
}

struct conf_node *conf_node_new(
    enum conf_kind kind, const char *file, unsigned line, unsigned column)
{
	struct conf_node *node = malloc(sizeof(*node));

	if (node)
		*node = (struct conf_node){
			.kind = kind, .file = file, .line = line, .column = column
		};
	return node;
}

static void clear(struct conf_node *node)
{
	for (size_t i = 0; i < node->count; i++)
		conf_node_free(node->items[i]);
	free(node->items);
	free(node->text);
	free(node->expanded);
	free(node->key);
}

void conf_node_free(struct conf_node *node)
{
	if (!node)
		return;
	clear(node);
	free(node);
}

int conf_node_attach(struct conf_node *parent, struct conf_node *node)
{
	int r = grow(&parent->items, parent->count, sizeof(*parent->items));

	if (r < 0)
		return r;
	parent->items[parent->count++] = node;
	node->parent = parent;
	return 0;
}

void conf_node_drop_last(struct conf_node *parent)
{
	conf_node_free(parent->items[--parent->count]);
}

struct conf_node *conf_node_find(const struct conf_node *map, const char *key, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(map->items[i]->key, key) == 0)
			return map->items[i];
	return NULL;
}

const struct conf_node *conf_get(const struct conf_node *map, const char *key)
{
	if (!map || map->kind != CONF_MAP)
		return NULL;
	return conf_node_find(map, key, map->count);
}

bool conf_node_is_nothing(const struct conf_node *node)
{
	return node->kind == CONF_SCALAR && node->plain && !*node->text;
}

static size_t index_in_parent(const struct conf_node *node)
{
	size_t i = 0;

	while (i < node->parent->count && node->parent->items[i] != node)
		i++;
	return i;
}

/* Returns the length that the path would have, as snprintf does. */
static size_t write_path(const struct conf_node *node, char *buffer, size_t size)
{
	if (!node || !node->parent)
		return 0;

	size_t at = write_path(node->parent, buffer, size);
	if (at >= size)
		return at;

	int n = node->key ? snprintf(buffer + at, size - at, "%s%s", at ? "." : "", node->key)
			  : snprintf(buffer + at, size - at, "[%zu]", index_in_parent(node));
	return n < 0 ? at : at + (size_t)n;
}

void conf_path(const struct conf_node *node, char *buffer, size_t size)
{
	if (size == 0)
		return;
	*buffer = '\0';
	write_path(node, buffer, size);
}

const char *conf_tree_file(struct conf_node *root, const char *name)
{
	struct tree *tree = (struct tree *)root;

	for (size_t i = 0; i < tree->file_count; i++)
		if (strcmp(tree->files[i], name) == 0)
			return tree->files[i];

	char *copy = strdup(name);
	if (!copy || grow(&tree->files, tree->file_count, sizeof(*tree->files)) < 0) {
		free(copy);
		return NULL;
	}
	return tree->files[tree->file_count++] = copy;
}

int conf_tree_add_include(struct conf_node *root, char *path)
{
	struct tree *tree = (struct tree *)root;

	if (!path || grow(&tree->includes, tree->include_count, sizeof(*tree->includes)) < 0) {
		free(path);
		return -ENOMEM;
	}
	tree->includes[tree->include_count++] = path;
	return 0;
}

bool conf_is_expanded(const struct conf_node *node)
{
	if (!node)
		return false;
	bool expanded = node->expanded != NULL;
	for (size_t i = 0; i < node->count && !expanded; i++)
		expanded = conf_is_expanded(node->items[i]);
	return expanded;
}

static int each_expanded_file(
    const struct conf_node *node, int (*each)(void *arg, const char *path), void *arg)
{
	int r = 0;

	for (const char *at = node->expanded; at && *at && r == 0; at += strcspn(at, "\n") + 1) {
		char *path = strndup(at, strcspn(at, "\n"));
		r = path ? each(arg, path) : -ENOMEM;
		free(path);
	}
	for (size_t i = 0; i < node->count && r == 0; i++)
		r = each_expanded_file(node->items[i], each, arg);
	return r;
}

int conf_files(const struct conf_node *root, int (*each)(void *arg, const char *path), void *arg)
{
	const struct tree *tree = (const struct tree *)root;
	int r = 0;

	for (size_t i = 0; i < tree->file_count && r == 0; i++)
		r = each(arg, tree->files[i]);
	return r == 0 ? each_expanded_file(root, each, arg) : r;
}

int conf_includes(const struct conf_node *root,
    int (*each)(void *arg, const char *folder, const char *names), void *arg)
{
	const struct tree *tree = (const struct tree *)root;
	int r = 0;

	for (size_t i = 0; i < tree->include_count && r == 0; i++) {
		const char *path = tree->includes[i], *slash = strrchr(path, '/');
		size_t length = slash ? (size_t)(slash - path) : 1;
		char *folder = strndup(slash ? path : ".", length ? length : 1);
		r = folder ? each(arg, folder, slash ? slash + 1 : path) : -ENOMEM;
		free(folder);
	}
	return r;
}

struct conf_node *conf_new(const char *file)
{
	struct tree *tree = calloc(1, sizeof(*tree));

	if (!tree)
		return NULL;
	tree->root.kind = CONF_MAP;
	tree->root.file = conf_tree_file(&tree->root, file ? file : "");
	if (!tree->root.file) {
		conf_free(&tree->root);
		return NULL;
	}
	return &tree->root;
}

void conf_free(struct conf_node *root)
{
	if (!root)
		return;

	struct tree *tree = (struct tree *)root;
	clear(root);
	for (size_t i = 0; i < tree->file_count; i++)
		free(tree->files[i]);
	free(tree->files);
	for (size_t i = 0; i < tree->include_count; i++)
		free(tree->includes[i]);
	free(tree->includes);
	free(tree);
}

static struct conf_node *add(
    struct conf_node *parent, enum conf_kind kind, const char *key, const char *text)
{
	if (!parent)
		return NULL;

	struct conf_node *node = conf_node_new(kind, parent->file, 0, 0);
	if (!node)
		return NULL;
	if (parent->kind == CONF_MAP && !(node->key = strdup(key)))
		goto fail;
	if (kind == CONF_SCALAR && !(node->text = strdup(text)))
		goto fail;
	if (conf_node_attach(parent, node) < 0)
		goto fail;
	return node;
fail:
	conf_node_free(node);
	return NULL;
}

struct conf_node *conf_add_map(struct conf_node *parent, const char *key)
{
	return add(parent, CONF_MAP, key, NULL);
}

struct conf_node *conf_add_list(struct conf_node *parent, const char *key)
{
	return add(parent, CONF_LIST, key, NULL);
}

struct conf_node *conf_add_text(struct conf_node *parent, const char *key, const char *text)
{
	return add(parent, CONF_SCALAR, key, text);
}
