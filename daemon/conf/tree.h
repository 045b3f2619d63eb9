/*
 * tree: making and taking apart the nodes of conf.h. Private to daemon/conf.
 *
 * A node is owned by the list or map that it is attached to; one that is attached nowhere is
 * owned by who made it. File names belong to the tree, so a part that was read on its own can
 * be merged into it without copying.
 */
#ifndef AGENTD_CONF_TREE_H
#define AGENTD_CONF_TREE_H

#include "daemon/conf/conf.h"

/* `file` is borrowed; take it from conf_tree_file. NULL when memory is out. */
struct conf_node *conf_node_new(
    enum conf_kind kind, const char *file, unsigned line, unsigned column);
/* With everything below it. Not for the root of a tree: that is conf_free. */
void conf_node_free(struct conf_node *node);

/* Makes the node the last child and its parent's property. Returns 0 or -ENOMEM. */
int conf_node_attach(struct conf_node *parent, struct conf_node *node);
/* Frees the last child. */
void conf_node_drop_last(struct conf_node *parent);
/* conf_get among the first `count` children, for those who may change the tree. */
struct conf_node *conf_node_find(const struct conf_node *map, const char *key, size_t count);
/* Nothing was written: `key:` and the end of the line, or an unquoted value that expanded to "". */
bool conf_node_is_nothing(const struct conf_node *node);

/* The tree's own copy of a file's name; NULL when memory is out. */
const char *conf_tree_file(struct conf_node *root, const char *name);
/* Remembers what an include names, for conf_includes; takes over `path`. Returns 0 or -ENOMEM. */
int conf_tree_add_include(struct conf_node *root, char *path);

#endif
