/*
 * conf: a config file as a tree in which every node knows its file, line and column.
 *
 * YAML is read with libyaml. Every scalar stays text, so that no number is mangled; a schema
 * (schema.h) gives it a type. Refused: anchors, aliases, tags, several documents, doubled keys.
 *
 * In every scalar value ${NAME} is an environment variable, ${NAME:-x} has a default for when it
 * is unset or empty, ${file:/path} is a file's content without its last newline (relative to the
 * file that says it), $${ is a literal ${. What was put in is not expanded again. A top-level
 * `include: [ conf.d/x.conf ]` merges other files: patterns (glob) relative to the file that
 * says it; sections that are maps are merged one level deep (agents from two files are one
 * map), and a name said twice is an error that names both places.
 *
 * A syntax error ends the reading of that file, and nothing of it gets into the tree; all other
 * mistakes are collected, so that one run reports everything.
 *
 * Bounds: 4 MiB a file or an expanded value, 1 MiB a ${file:}, 100000 nodes, 64 levels, includes
 * 8 deep.
 *
 * Ownership: conf_load makes a tree, conf_free frees it whole; nodes are borrowed from it.
 * Not thread-safe, and does not log.
 */
#ifndef AGENTD_CONF_CONF_H
#define AGENTD_CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>

enum conf_kind { CONF_SCALAR, CONF_LIST, CONF_MAP };

struct conf_node {
	enum conf_kind kind;
	const char *file;      /* as it was opened, or "--option"; borrowed from the tree */
	unsigned line, column; /* of the key, or of an item; from 1, in characters; line 0: not
				   * from a file (the command line) */
	char *key;             /* name within a map; NULL in a list and at the root */
	bool plain;            /* scalar: written without quotes; `key:` alone is plain, "" */
	char *text;            /* scalar: after expansion, NUL-terminated, without NUL inside */
	char *expanded;        /* scalar with ${…}: the paths of its ${file:}, each ended with a
	                           * newline; NULL: it is as it was written */
	struct conf_node *parent; /* NULL at the root */
	struct conf_node **items; /* list and map: children in the order of the file */
	size_t count;
};

/* Mistakes, kept until all are known. */
struct conf_errors;

struct conf_errors *conf_errors_new(void);
void conf_errors_free(struct conf_errors *errors);
/* "file:line: path.to.key: message". A node without a line leaves out "file:line: ", the root
 * leaves out the path; of an option of the command line it is "--option: message". */
void conf_error(struct conf_errors *errors, const struct conf_node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for a place that has no node: "file:line:column: message" (0 leaves a part out). */
void conf_error_at(struct conf_errors *errors, const char *file, unsigned line, unsigned column,
    const char *format, ...) __attribute__((format(printf, 5, 6)));
size_t conf_errors_count(const struct conf_errors *errors);
/* Whether memory was out for a message, or for what was read: then nothing can be made of it. */
bool conf_errors_lost(const struct conf_errors *errors);
/* Whether a file could not be read to its end, so that what it would have said is not known, and more
 * mistakes would only be guesses. */
bool conf_errors_incomplete(const struct conf_errors *errors);
/* The i-th message, one line each; without a line first, then in the order of files (as first
 * read), then of lines. Borrowed, until the next message comes. */
const char *conf_errors_get(struct conf_errors *errors, size_t i);

/* How a file is read. getenv is passed in so that tests need no environment. */
struct conf_reader {
	const char *(*getenv)(const char *name); /* NULL: the process's own */
};

/* Reads a file, and what it includes. Returns the root, always a map (empty where nothing could
 * be read), also when there are errors; NULL only when memory is out. */
struct conf_node *conf_load(
    const char *path, const struct conf_reader *reader, struct conf_errors *errors);
/* The same from memory; `name` stands for the file in messages and relative includes. */
struct conf_node *conf_parse(const char *text, size_t length, const char *name,
    const struct conf_reader *reader, struct conf_errors *errors);
void conf_free(struct conf_node *root);

/* The child of a map; NULL if there is none, or if the node is NULL or not a map. */
const struct conf_node *conf_get(const struct conf_node *map, const char *key);
/* "agents.assistant.model" or "http.listen[1]"; "" for the root. Writes at most size bytes. */
void conf_path(const struct conf_node *node, char *buffer, size_t size);

/* Whether the node, or one below it, took text from the environment or a file. */
bool conf_is_expanded(const struct conf_node *node);
/* Every file that the tree was made of, ${file:} too; some twice. Stops if `each` returns nonzero,
 * and returns that. */
int conf_files(const struct conf_node *root, int (*each)(void *arg, const char *path), void *arg);

/* What each include of a file names, whether there is such a file or not: a folder, and the name that it asks
 * for in it, or a pattern of names (fnmatch). Left out is one with a pattern in the folder's name. Stops if `each`
 * returns nonzero, and returns that. */
int conf_includes(const struct conf_node *root,
    int (*each)(void *arg, const char *folder, const char *names), void *arg);

/* Making a tree without a file (the command line). All return NULL when memory is out. */
struct conf_node *conf_new(const char *file);
struct conf_node *conf_add_map(struct conf_node *parent, const char *key);
struct conf_node *conf_add_list(struct conf_node *parent, const char *key);
struct conf_node *conf_add_text(struct conf_node *parent, const char *key, const char *text);

#endif
