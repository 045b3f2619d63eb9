/*
 * expand: the environment and files into the text of a scalar.
 */
#include "daemon/conf/expand.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/buf.h"
#include "daemon/conf/file.h"

#define FILE_MAX (1u << 20) /* of one ${file:} */
#define TEXT_MAX (4u << 20) /* of one value, when all is expanded */

#define DIGITS  "0123456789"
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"

struct expansion {
	const struct conf_node *node;
	const struct conf_reader *reader;
	struct conf_errors *errors;
	FILE *out;
	struct buf files; /* paths, each with a newline behind it */
	size_t length;    /* written to out */
	bool failed;      /* a mistake has been said */
};

static const char *look_up(const struct conf_reader *reader, const char *name)
{
	return reader && reader->getenv ? reader->getenv(name) : getenv(name);
}

/* The bound is checked before there is a buffer of that size, since one line of config can name
 * the same big file a thousand times. */
static void put(struct expansion *x, const char *text, size_t length)
{
	if (length > TEXT_MAX - x->length) {
		if (!x->failed)
			conf_error(x->errors, x->node, "is more than %u bytes long once expanded",
			    TEXT_MAX);
		x->failed = true;
		return;
	}
	x->length += length;
	(void)fwrite(text, 1, length, x->out); /* an error stays with the stream */
}

static int put_file(struct expansion *x, const char *name)
{
	struct conf_file file;

	if (!*name) {
		conf_error(x->errors, x->node, "${file:} names no file");
		x->failed = true;
		return 0;
	}

	char *path = conf_file_beside(x->node->file, name);
	int r = path ? conf_file_read(path, FILE_MAX, &file) : -ENOMEM;
	if (r == -EFBIG)
		conf_error(
		    x->errors, x->node, "${file:%s}: has more than %u bytes", name, FILE_MAX);
	else if (r < 0 && r != -ENOMEM)
		conf_error(x->errors, x->node, "${file:%s}: %s", name, strerror(-r));
	if (path)
		buf_addf(&x->files, "%s\n", path);
	free(path);
	if (r < 0) {
		x->failed = true;
		return r == -ENOMEM ? r : 0;
	}

	if (memchr(file.text, '\0', file.length)) {
		conf_error(
		    x->errors, x->node, "${file:%s}: has a NUL byte, so it is not text", name);
		x->failed = true;
	} else {
		bool newline = file.length && file.text[file.length - 1] == '\n';
		put(x, file.text, file.length - newline);
	}
	free(file.text);
	return 0;
}

static void put_variable(struct expansion *x, const char *name, const char *fallback)
{
	const char *value = look_up(x->reader, name);

	if (fallback && (!value || !*value))
		value = fallback;
	if (value) {
		put(x, value, strlen(value));
		return;
	}
	conf_error(x->errors, x->node,
	    "the environment variable %s is not set; set it, or write ${%s:-default}", name, name);
	x->failed = true;
}

/* Shows the name alone: a default may be a secret. */
static int refuse(struct expansion *x, const char *inside, const char *why)
{
	conf_error(x->errors, x->node, "${%.*s}: %s", (int)strcspn(inside, ":"), inside, why);
	x->failed = true;
	return 0;
}

/* `inside` is what stands between the braces. */
static int put_reference(struct expansion *x, char *inside)
{
	size_t length = strcspn(inside, ":");
	char *rest = inside + length;

	if (strncmp(inside, "file:", 5) == 0 && inside[5] != '-')
		return put_file(x, inside + 5);

	/* ${A:-${B}} would end at the first brace and leave the other one in the value. */
	if (strchr(inside, '{'))
		return refuse(x, inside, "a default cannot have a brace in it");
	if (!length || strspn(inside, LETTERS DIGITS) != length || strspn(inside, DIGITS))
		return refuse(x, inside,
		    "expected ${NAME}, ${NAME:-default} or ${file:/path}; for a literal ${ write $${");
	if (*rest && strncmp(rest, ":-", 2) != 0)
		return refuse(x, inside, "a default is written ${NAME:-default}");

	bool has_default = *rest != '\0';
	*rest = '\0';
	put_variable(x, inside, has_default ? rest + 2 : NULL);
	return 0;
}

static int put_all(struct expansion *x, const char *text)
{
	const char *at = text, *open;

	while ((open = strstr(at, "${"))) {
		if (open > at && open[-1] == '$') {
			put(x, at, (size_t)(open - 1 - at));
			put(x, "${", 2);
			at = open + 2;
			continue;
		}
		put(x, at, (size_t)(open - at));

		const char *close = strchr(open, '}');
		if (!close) {
			conf_error(x->errors, x->node,
			    "${ without a closing }; for a literal ${ write $${");
			x->failed = true;
			return 0;
		}
		char *inside = strndup(open + 2, (size_t)(close - open - 2));
		int r = inside ? put_reference(x, inside) : -ENOMEM;
		free(inside);
		if (r < 0)
			return r;
		at = close + 1;
	}
	put(x, at, strlen(at));
	return 0;
}

int conf_expand(
    struct conf_node *node, const struct conf_reader *reader, struct conf_errors *errors)
{
	struct expansion x = { .node = node, .reader = reader, .errors = errors };
	char *text = NULL;
	size_t size;

	if (!strstr(node->text, "${"))
		return 0;
	x.out = open_memstream(&text, &size);
	if (!x.out)
		return -ENOMEM;

	int r = put_all(&x, node->text);
	if (ferror(x.out))
		r = -ENOMEM;
	if (fclose(x.out) != 0)
		r = -ENOMEM;
	buf_add_str(&x.files, "");
	char *files = buf_take(&x.files);
	if (r == 0 && !files)
		r = -ENOMEM;
	if (r < 0 || x.failed) {
		free(files);
		free(text);
		return r;
	}
	free(node->text);
	node->text = text;
	node->expanded = files;
	return 0;
}
