/*
 * conf: a file, and what it includes, into one tree.
 *
 * Each file is read into a part of its own and merged into the tree only when it was read to its
 * end: half a section would draw complaints about what its other half says.
 */
#include "daemon/conf/conf.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/conf/errors.h"
#include "daemon/conf/file.h"
#include "daemon/conf/tree.h"
#include "daemon/conf/yaml.h"

#define FILE_SIZE_MAX (4u << 20)
#define NODES_MAX     100000u
#define INCLUDE_DEPTH 8u
#define INCLUDE       "include"
#define WILDCARDS     "*?["

struct reading {
	struct conf_node *root;
	struct conf_errors *errors;
	struct conf_yaml yaml;
};

/* A file whose includes are being read, and the file that includes it. */
struct opened {
	const char *path;
	dev_t device;
	ino_t inode;
	unsigned depth;
	const struct opened *by;
};

static int read_file(
    struct reading *in, const char *path, const struct conf_node *place, const struct opened *by);

/*
 * Moves children over. A name that both have is a mistake, unless `deep`, at the top, finds two
 * maps: those become one. Leaves holes in `from`, which is good only for being freed then, and in
 * it the `include`, for whoever follows it.
 */
static int merge(struct reading *in, struct conf_node *into, struct conf_node *from, bool deep)
{
	size_t before = into->count;

	for (size_t i = 0; i < from->count; i++) {
		struct conf_node *child = from->items[i];
		if (deep && strcmp(child->key, INCLUDE) == 0)
			continue;

		/* Among those that were there: one file has no name twice. */
		struct conf_node *twin = conf_node_find(into, child->key, before);
		int r = 0;
		if (!twin)
			r = conf_node_attach(into, child);
		else if (deep && twin->kind == CONF_MAP && child->kind == CONF_MAP)
			r = merge(in, twin, child, false);
		else
			conf_error(
			    in->errors, child, "said already at %s:%u", twin->file, twin->line);
		if (r < 0)
			return r;
		if (!twin)
			from->items[i] = NULL;
	}
	return 0;
}

/* The folder is not a part of the pattern, even if its name has a [ in it. */
static char *pattern_beside(const char *file, const char *pattern)
{
	size_t length = strlen(file);
	char *escaped = malloc(length * 2 + 1), *to = escaped;

	if (!escaped)
		return NULL;
	for (; *file; file++) {
		if (strchr(WILDCARDS "\\", *file))
			*to++ = '\\';
		*to++ = *file;
	}
	*to = '\0';

	char *beside = conf_file_beside(escaped, pattern);
	free(escaped);
	return beside;
}

/* A folder that is not there has no files; one that cannot be read may have some. */
static int stop_glob(const char *path, int error)
{
	(void)path;
	return error != ENOENT && error != ENOTDIR;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int include_pattern(
    struct reading *in, const struct conf_node *place, const struct opened *by)
{
	glob_t found = { 0 };
	char *pattern = pattern_beside(by->path, place->text);

	if (!pattern)
		return -ENOMEM;

	/* Sorted here and not by glob, whose order is the locale's. */
	int r = glob(pattern, GLOB_NOSORT, stop_glob, &found);
	free(pattern);
	if (r == GLOB_NOMATCH) {
		globfree(&found);
		return 0;
	}
	if (r != 0) {
		globfree(&found);
		if (r == GLOB_NOSPACE)
			return -ENOMEM;
		conf_error(in->errors, place, "%s: a folder cannot be read", place->text);
		return 0;
	}
	qsort(found.gl_pathv, found.gl_pathc, sizeof(*found.gl_pathv), compare_names);
	for (size_t i = 0; i < found.gl_pathc && r == 0; i++)
		r = read_file(in, found.gl_pathv[i], place, by);
	globfree(&found);
	return r;
}

static int include_one(struct reading *in, const struct conf_node *place, const struct opened *by)
{
	if (place->kind != CONF_SCALAR || !*place->text) {
		conf_error(in->errors, place, "expected the path of a file, or a pattern");
		return 0;
	}

	const char *wildcard = strpbrk(place->text, WILDCARDS);
	char *path = conf_file_beside(by->path, place->text);
	int r = path ? 0 : -ENOMEM;
	if (r == 0 && (!wildcard || !strchr(wildcard, '/')))
		r = conf_tree_add_include(in->root, strdup(path));
	if (r == 0)
		r = wildcard ? include_pattern(in, place, by) : read_file(in, path, place, by);
	free(path);
	return r;
}

static int include_all(struct reading *in, const struct conf_node *include, const struct opened *by)
{
	int r = 0;

	if (include->kind != CONF_LIST)
		return include_one(in, include, by);
	for (size_t i = 0; i < include->count && r == 0; i++)
		r = include_one(in, include->items[i], by);
	return r;
}

static int read_text(
    struct reading *in, const char *text, size_t length, const struct opened *opened)
{
	const char *file = conf_tree_file(in->root, opened->path);
	struct conf_node *part = file ? conf_node_new(CONF_MAP, file, 1, 1) : NULL;

	if (!part)
		return -ENOMEM;
	conf_errors_file(in->errors, file);

	int r = conf_yaml_read(&in->yaml, text, length, part);
	const struct conf_node *include = conf_get(part, INCLUDE);
	if (r == 0)
		r = merge(in, in->root, part, true);
	if (r == 0 && include)
		r = include_all(in, include, opened);
	conf_node_free(part);
	if (r == -EINVAL) { /* a syntax error: the other files may still be read */
		conf_errors_set_incomplete(in->errors);
		r = 0;
	}
	return r;
}

/* What to do about a config that cannot be read. */
static const char *advice(int error)
{
	switch (error) {
	case ENOENT:
		return "; write it, or name another with -c FILE";
	case EACCES:
		return "; the user that agentd runs as must be able to read it";
	case EISDIR:
		return "; name the file in it";
	default:
		return "";
	}
}

/* `place` is the include that names the file; NULL: the command line does. */
static void say_unreadable(
    struct reading *in, const char *path, const struct conf_node *place, int error)
{
	if (error == EFBIG)
		conf_error(in->errors, place,
		    "%s: is larger than the %u bytes that a config may have", path, FILE_SIZE_MAX);
	else if (place)
		conf_error(in->errors, place, "%s: %s", path, strerror(error));
	else
		conf_error_at(in->errors, path, 0, 0, "%s%s", strerror(error), advice(error));
}

static bool is_open(const struct opened *opened, const struct conf_file *file)
{
	for (; opened; opened = opened->by)
		if (opened->device == file->device && opened->inode == file->inode)
			return true;
	return false;
}

static int read_file(
    struct reading *in, const char *path, const struct conf_node *place, const struct opened *by)
{
	struct conf_file file;
	struct opened opened = { .path = path, .depth = by ? by->depth + 1 : 0, .by = by };

	if (opened.depth > INCLUDE_DEPTH) {
		conf_error(
		    in->errors, place, "%s: included more than %u deep", path, INCLUDE_DEPTH);
		return 0;
	}

	int r = conf_file_read(path, FILE_SIZE_MAX, &file);
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		say_unreadable(in, path, place, -r);
		conf_errors_set_incomplete(in->errors);
		return 0;
	}
	if (is_open(by, &file)) {
		conf_error(in->errors, place, "%s: includes itself by way of this file", path);
	} else {
		opened.device = file.device;
		opened.inode = file.inode;
		r = read_text(in, file.text, file.length, &opened);
	}
	free(file.text);
	return r;
}

static bool begin(struct reading *in, const char *name, const struct conf_reader *reader,
    struct conf_errors *errors)
{
	*in = (struct reading){
		.root = conf_new(name),
		.errors = errors,
		.yaml = { .reader = reader, .errors = errors, .budget = NODES_MAX },
	};
	if (!in->root)
		return false;
	in->root->line = in->root->column = 1;
	return true;
}

static struct conf_node *end(struct reading *in, int r)
{
	if (r == 0)
		return in->root;
	conf_free(in->root);
	return NULL;
}

struct conf_node *conf_load(
    const char *path, const struct conf_reader *reader, struct conf_errors *errors)
{
	struct reading in;

	if (!begin(&in, path, reader, errors))
		return NULL;
	return end(&in, read_file(&in, path, NULL, NULL));
}

struct conf_node *conf_parse(const char *text, size_t length, const char *name,
    const struct conf_reader *reader, struct conf_errors *errors)
{
	struct reading in;
	const struct opened opened = { .path = name };

	if (!begin(&in, name, reader, errors))
		return NULL;
	if (length > FILE_SIZE_MAX) {
		conf_error_at(errors, name, 0, 0,
		    "is larger than the %u bytes that a config may have", FILE_SIZE_MAX);
		return in.root;
	}
	return end(&in, read_text(&in, text, length, &opened));
}
