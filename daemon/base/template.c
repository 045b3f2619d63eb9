/*
 * template: parsed once into pieces, then put together from them. Knows nothing of where the values come
 * from, and never parses what it has put in.
 */
#include "daemon/base/template.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPACE   " \t\r\n"
#define DIGITS  "0123456789"
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
/* What a header's name is made of (RFC 9110, section 5.6.2). */
#define TOKEN DIGITS LETTERS "!#$%&'*+-.^_`|~"

struct rendering {
	const struct template_values *values;
	struct buf *out;
	size_t end; /* what out may grow to */
	bool full;
};

struct piece {
	void (*put)(struct rendering *r, const struct piece *piece);
	char *text;    /* what stands there; a header's name; a path, with NULs for its dots */
	size_t length; /* of all that */
};

/* clang-format off */
/* It would take the name for the keyword of C++. */
struct template {
	struct piece *pieces;
	size_t count;
};
/* clang-format on */

/* Putting values in. */

static void put(struct rendering *r, const char *text, size_t n)
{
	if (r->full || n > r->end - r->out->length)
		r->full = true;
	else
		buf_add(r->out, text, n);
}

/* For what is known to be too long only when it is there. */
static void check(struct rendering *r)
{
	r->full = r->full || r->out->length > r->end;
}

static void put_text(struct rendering *r, const struct piece *piece)
{
	put(r, piece->text, piece->length);
}

static void put_source(struct rendering *r, const struct piece *piece)
{
	(void)piece;
	if (r->values->source)
		put(r, r->values->source, strlen(r->values->source));
}

static void put_timestamp(struct rendering *r, const struct piece *piece)
{
	(void)piece;
	if (r->values->timestamp)
		put(r, r->values->timestamp, strlen(r->values->timestamp));
}

static void put_header(struct rendering *r, const struct piece *piece)
{
	const char *value;
	for (unsigned nth = 0; r->values->header && !r->full &&
			       (value = r->values->header(r->values->arg, piece->text, nth));
	     nth++) {
		if (nth)
			put(r, ", ", 2);
		if (r->full || strlen(value) > r->end - r->out->length)
			r->full = true;
		else
			buf_add_utf8(r->out, NULL, value, strlen(value));
		check(r);
	}
}

/* The fewest digits that are read back as the same number: jansson writes 0.1 as 0.10000000000000001.
 * The program never calls setlocale, so the point is a point. */
static void put_real(struct rendering *r, double value)
{
	char text[32];
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	put(r, text, strlen(text));
}

static void put_integer(struct rendering *r, json_int_t value)
{
	char text[32];
	snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, value);
	put(r, text, strlen(text));
}

static void put_json_string(struct rendering *r, const char *text, size_t n)
{
	if (r->full || n > r->end - r->out->length)
		r->full = true;
	else
		buf_add_json(r->out, text, n);
	check(r);
}

static void put_json(struct rendering *r, const json_t *value);

static void put_object(struct rendering *r, const json_t *value)
{
	json_t *object = (json_t *)value; /* jansson iterates without const, and changes nothing */
	put(r, "{", 1);
	for (void *at = json_object_iter(object); at && !r->full;) {
		const char *key = json_object_iter_key(at);
		put_json_string(r, key, json_object_iter_key_len(at));
		put(r, ":", 1);
		put_json(r, json_object_iter_value(at));
		at = json_object_iter_next(object, at);
		if (at)
			put(r, ",", 1);
	}
	put(r, "}", 1);
}

static void put_array(struct rendering *r, const json_t *value)
{
	put(r, "[", 1);
	for (size_t i = 0; i < json_array_size(value) && !r->full; i++) {
		if (i)
			put(r, ",", 1);
		put_json(r, json_array_get(value, i));
	}
	put(r, "]", 1);
}

/* As deep as jansson lets a text be, which is 2048. */
static void put_json(struct rendering *r, const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		put_object(r, value);
		return;
	case JSON_ARRAY:
		put_array(r, value);
		return;
	case JSON_STRING:
		put_json_string(r, json_string_value(value), json_string_length(value));
		return;
	case JSON_INTEGER:
		put_integer(r, json_integer_value(value));
		return;
	case JSON_REAL:
		put_real(r, json_real_value(value));
		return;
	case JSON_TRUE:
		put(r, "true", 4);
		return;
	case JSON_FALSE:
		put(r, "false", 5);
		return;
	case JSON_NULL:
		put(r, "null", 4);
		return;
	}
}

/* An index is written as JSON writes numbers, so that an element has one path. One that is too big for
 * strtoul becomes its largest, which no array has. */
static const json_t *element(const json_t *array, const char *name)
{
	size_t n = strlen(name);
	if (strspn(name, DIGITS) != n || (name[0] == '0' && n > 1))
		return NULL;
	return json_array_get(array, (size_t)strtoul(name, NULL, 10));
}

static void put_body(struct rendering *r, const struct piece *piece)
{
	const json_t *value = r->values->body;
	for (size_t i = 0; value && i < piece->length; i += strlen(piece->text + i) + 1)
		value = json_is_array(value) ? element(value, piece->text + i)
					     : json_object_get(value, piece->text + i);
	if (!value || json_is_null(value))
		return;
	if (json_is_string(value))
		put(r, json_string_value(value), json_string_length(value));
	else
		put_json(r, value);
}

int template_render(const struct template *template, const struct template_values *values,
    size_t most, struct buf *out)
{
	size_t before = out->length;
	struct rendering r = { .values = values, .out = out };
	r.end = most > SIZE_MAX - before ? SIZE_MAX : before + most;
	for (size_t i = 0; i < template->count && !r.full && !out->failed; i++)
		template->pieces[i].put(&r, &template->pieces[i]);
	if (!r.full && !out->failed)
		return 0;
	buf_cut(out, before);
	return r.full ? -EMSGSIZE : -ENOMEM;
}

static bool is_among(const char *const *members, const char *name)
{
	while (*members && strcmp(*members, name) != 0)
		members++;
	return *members != NULL;
}

bool template_find_missing(
    const struct template *template, const char *const *members, char *ret, size_t size)
{
	for (size_t i = 0; i < template->count; i++) {
		const struct piece *piece = &template->pieces[i];
		const char *name = piece->text;
		bool is_body = piece->put == put_body && piece->length;
		bool is_deep = is_body && strlen(name) < piece->length;
		if (piece->put != put_header && !(is_body && (is_deep || !is_among(members, name))))
			continue;
		snprintf(
		    ret, size, "%s.%s%s", is_body ? "body" : "headers", name, is_deep ? ".…" : "");
		return true;
	}
	return false;
}

void template_free(struct template *template)
{
	if (!template)
		return;
	for (size_t i = 0; i < template->count; i++)
		free(template->pieces[i].text);
	free(template->pieces);
	free(template);
}

/* Parsing. */

struct parser {
	const char *start, *at;
	struct template *template;
	char *reason;
	size_t size;
};

struct root {
	const char *name;
	void (*put)(struct rendering *r, const struct piece *piece);
	/* Takes what follows the name, and says what piece it makes. NULL: nothing may follow. */
	int (*path)(struct parser *parser, const char **ret_text, size_t *ret_length);
};

/* Where `at` is, in the lines and columns that a person counts. */
static int refuse(struct parser *parser, const char *at, const char *why)
{
	size_t line = 1, column = 1;
	for (const char *c = parser->start; c < at; c++) {
		column += ((unsigned char)*c & 0xc0) != 0x80;
		if (*c == '\n') {
			line++;
			column = 1;
		}
	}
	if (strchr(parser->start, '\n'))
		snprintf(
		    parser->reason, parser->size, "line %zu, column %zu: %s", line, column, why);
	else
		snprintf(parser->reason, parser->size, "column %zu: %s", column, why);
	return -EINVAL;
}

static int add(struct parser *parser, void (*function)(struct rendering *, const struct piece *),
    const char *text, size_t n)
{
	struct template *template = parser->template;
	struct piece *pieces = reallocarray(template->pieces, template->count + 1, sizeof(*pieces));
	if (!pieces)
		return -ENOMEM;
	template->pieces = pieces;
	struct piece *piece = &pieces[template->count];
	*piece = (struct piece){ .put = function, .text = malloc(n + 1), .length = n };
	if (!piece->text)
		return -ENOMEM;
	memcpy(piece->text, text, n);
	piece->text[n] = '\0';
	template->count++;
	return 0;
}

static int body_path(struct parser *parser, const char **ret_text, size_t *ret_length)
{
	const char *start = parser->at;
	while (*parser->at == '.') {
		size_t n = strcspn(parser->at + 1, ".{}" SPACE);
		if (n == 0)
			return refuse(parser, parser->at + 1,
			    "expected the name of a member, as in body.a.b");
		parser->at += n + 1;
	}
	*ret_text = start + (parser->at > start);
	*ret_length = (size_t)(parser->at - *ret_text);
	return 0;
}

static int header_path(struct parser *parser, const char **ret_text, size_t *ret_length)
{
	size_t n = *parser->at == '.' ? strspn(parser->at + 1, TOKEN) : 0;
	if (n == 0)
		return refuse(parser, parser->at + (*parser->at == '.'),
		    "expected the name of a header, as in headers.content-type");
	*ret_text = parser->at + 1;
	*ret_length = n;
	parser->at += n + 1;
	return 0;
}

static const struct root roots[] = {
	{ "body", put_body, body_path },
	{ "headers", put_header, header_path },
	{ "source", put_source, NULL },
	{ "timestamp", put_timestamp, NULL },
};

static const struct root *find_root(const char *name, size_t n)
{
	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++)
		if (strlen(roots[i].name) == n && memcmp(roots[i].name, name, n) == 0)
			return &roots[i];
	return NULL;
}

static int add_value(
    struct parser *parser, const struct root *root, const char *text, size_t length)
{
	int error = add(parser, root->put, text, length);
	if (error < 0 || root->put != put_body)
		return error;
	struct piece *piece = &parser->template->pieces[parser->template->count - 1];
	for (size_t i = 0; i < length; i++)
		if (piece->text[i] == '.')
			piece->text[i] = '\0';
	return 0;
}

/* From behind the opening braces to behind the closing ones. */
static int parse_value(struct parser *parser)
{
	const char *open = parser->at - 2, *text = "";
	size_t length = 0;
	parser->at += strspn(parser->at, SPACE);
	if (!*parser->at)
		return refuse(parser, open, "{{ is not closed; for a literal {{ write {{{{");
	size_t n = strcspn(parser->at, ".{}" SPACE);
	const struct root *root = find_root(parser->at, n);
	if (!root)
		return refuse(parser, parser->at,
		    "expected body, headers.NAME, source or timestamp; for a literal {{ write {{{{");
	parser->at += n;
	int error = root->path ? root->path(parser, &text, &length) : 0;
	if (error < 0)
		return error;
	parser->at += strspn(parser->at, SPACE);
	if (!*parser->at)
		return refuse(parser, open, "{{ is not closed; for a literal {{ write {{{{");
	if (strncmp(parser->at, "}}", 2) != 0)
		return refuse(parser, parser->at, "expected }}");
	parser->at += 2;
	return add_value(parser, root, text, length);
}

static int parse_all(struct parser *parser)
{
	const char *open;
	int error = 0;
	while (error == 0 && (open = strstr(parser->at, "{{"))) {
		bool literal = strncmp(open + 2, "{{", 2) == 0;
		const char *end = open + (literal ? 2 : 0);
		if (end > parser->at)
			error = add(parser, put_text, parser->at, (size_t)(end - parser->at));
		parser->at = open + (literal ? 4 : 2);
		if (error == 0 && !literal)
			error = parse_value(parser);
	}
	if (error == 0 && *parser->at)
		error = add(parser, put_text, parser->at, strlen(parser->at));
	return error;
}

int template_parse(const char *text, struct template **ret, char *reason, size_t size)
{
	struct parser parser = { .start = text, .at = text, .reason = reason, .size = size };
	parser.template = calloc(1, sizeof(*parser.template));
	int error = parser.template ? parse_all(&parser) : -ENOMEM;
	if (error < 0) {
		template_free(parser.template);
		return error;
	}
	*ret = parser.template;
	return 0;
}
