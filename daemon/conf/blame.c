/*
 * blame: from libyaml's complaint, and the line that it is about, to a sentence.
 */
#include "daemon/conf/blame.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SHOWN_MAX 60u

struct span {
	const char *p, *end;
};

enum about {
	AT_PROBLEM,
	AT_CONTEXT,  /* where the thing began that went wrong */
	AT_QUOTE,    /* advice to quote what is at the context */
	AT_QUOTE_IT, /* … at the problem */
	AT_VALUE,    /* … at the beginning of the line's value, if that is what went wrong */
	AT_FLOW,     /* as AT_CONTEXT, unless a brace within a value did it */
};

/* In the order in which they are tried; `words` is a part of libyaml's context or problem. */
static const struct phrase {
	const char *words;
	enum about about;
	const char *say;
} phrases[] = {
	{ "tab character", AT_PROBLEM, "a tab in the indentation; YAML wants spaces" },
	{ "scanning an alias", AT_QUOTE, NULL },
	{ "scanning an anchor", AT_QUOTE, NULL },
	{ "scanning a directive", AT_QUOTE, NULL },
	{ "scanning a tag", AT_QUOTE, NULL },
	{ "parsing a tag", AT_QUOTE, NULL },
	{ "undefined tag handle", AT_QUOTE, NULL },
	{ "expected comment or line break", AT_QUOTE, NULL },
	{ "cannot start any token", AT_QUOTE_IT, NULL },
	{ "expected key", AT_VALUE,
	    "expected another \"name: value\", in the same column as those before it" },
	{ "expected '-' indicator", AT_VALUE,
	    "expected another \"- item\", in the same column as those before it" },
	{ "expected ',' or '}'", AT_FLOW,
	    "the map that begins here has no \"}\", or lacks a \",\"; a text that begins with \"{\" must be "
	    "quoted" },
	{ "expected ',' or ']'", AT_FLOW,
	    "the list that begins here has no \"]\", or lacks a \",\"; a text that begins with \"[\" must be "
	    "quoted" },
	{ "expected ':'", AT_CONTEXT, "expected \"name: value\", found no \":\"" },
	{ "mapping values are not allowed", AT_PROBLEM,
	    "unexpected \":\"; a value that has \": \" in it must be quoted, and names of one section "
	    "stand in the same column" },
	{ "block sequence entries are not allowed", AT_PROBLEM,
	    "unexpected \"-\"; the items of a list stand on lines of their own" },
	{ "unexpected end of stream", AT_CONTEXT,
	    "the text that begins here has no closing quote" },
	{ "unknown escape character", AT_PROBLEM,
	    "unknown escape after \"\\\"; between single quotes a \"\\\" is only a \"\\\"" },
	{ "expected <document start>", AT_PROBLEM,
	    "expected the end of the file; all names of the top level stand in the same column" },
	{ "unexpected document indicator", AT_CONTEXT,
	    "the text that begins here has no closing quote" },
};

static const char *byte_after(const char *p, const char *end, char byte)
{
	const char *found = memchr(p, byte, (size_t)(end - p));
	return found ? found + 1 : NULL;
}

/* Where the mark is in the text, and the end of its line. Marks count characters. */
static struct span at_mark(const struct conf_text *text, size_t line, size_t column)
{
	const char *p = text->p, *end = text->p + text->n, *next;

	while (line-- > 0 && (next = byte_after(p, end, '\n')))
		p = next;
	while (column-- > 0 && p < end)
		do
			p++;
		while (p < end && ((unsigned char)*p & 0xc0) == 0x80);

	next = byte_after(p, end, '\n');
	return (struct span){ p, next ? next - 1 : end };
}

/* Where the value of a line of `name: value` or `- value` begins. */
static const char *value_of(struct span line)
{
	const char *p = line.p;

	for (;;) {
		while (p < line.end && *p == ' ')
			p++;
		if (line.end - p < 2 || p[0] != '-' || p[1] != ' ')
			break;
		p += 2;
	}
	const char *colon = memmem(p, (size_t)(line.end - p), ": ", 2);
	if (colon && !memchr("{[\"'", *p, 4))
		for (p = colon + 1; p < line.end && *p == ' ';)
			p++;
	return p;
}

int conf_blame(struct conf_errors *errors, const struct conf_text *text, const yaml_mark_t *mark,
    const char *format, ...)
{
	char message[512];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	conf_error_at(errors, text->file, (unsigned)mark->line + 1, (unsigned)mark->column + 1,
	    "%s", message);
	return -EINVAL;
}

/*
 * The value in quotes, as it should have been written, or nothing: where it is a part of a line,
 * where quoting takes thought, and where it has no space. Such a one may be a password, and a
 * schedule or a template has spaces.
 */
static void quote(struct span value, bool whole, char *ret, size_t size)
{
	const char *comment = memmem(value.p, (size_t)(value.end - value.p), " #", 2);

	*ret = '\0';
	if (comment)
		value.end = comment;
	while (value.end > value.p && memchr(" \r", value.end[-1], 2))
		value.end--;

	size_t length = (size_t)(value.end - value.p);
	bool flow = length && *value.p != '{' && *value.p != '[' && memchr("]},", value.end[-1], 3);
	if (!whole || flow || length > SHOWN_MAX || !memchr(value.p, ' ', length))
		return;

	char mark = memchr(value.p, '"', length) || memchr(value.p, '\\', length) ? '\'' : '"';
	if (mark == '\'' && memchr(value.p, '\'', length))
		return;
	snprintf(ret, size, ": %c%.*s%c", mark, (int)length, value.p, mark);
}

int conf_blame_unquoted(
    struct conf_errors *errors, const struct conf_text *text, const yaml_mark_t *mark)
{
	struct span value = at_mark(text, mark->line, mark->column);
	struct span line = at_mark(text, mark->line, 0);
	yaml_mark_t place = *mark;
	char example[SHOWN_MAX + 8];

	if (value.p > line.p && conf_blame_is_template(text, mark)) {
		value.p--;
		place.column--;
	}
	if (value.p == value.end)
		return conf_blame(errors, text, mark, "expected a value");

	quote(value, value.p == value_of(line), example, sizeof(example));
	return conf_blame(errors, text, &place, "a value that begins with \"%c\" must be quoted%s",
	    *value.p, example);
}

bool conf_blame_is_template(const struct conf_text *text, const yaml_mark_t *mark)
{
	struct span at = at_mark(text, mark->line, mark->column);

	return at.p < at.end && at.p > text->p && at.p[0] == '{' && at.p[-1] == '{';
}

/* Something follows on the line of a value that ended by itself: `[urgent] mail`, `"a" b`. */
static int blame_value(struct conf_errors *errors, const struct conf_text *text,
    const yaml_parser_t *parser, const char *say)
{
	yaml_mark_t mark = parser->problem_mark;
	const char *problem = at_mark(text, mark.line, mark.column).p;
	struct span line = at_mark(text, mark.line, 0);
	const char *value = value_of(line);

	if (value < problem && memchr("\"'", *value, 2))
		return conf_blame(errors, text, &mark, "unexpected text after a closing quote");
	if (value < problem && memchr("{[", *value, 2)) {
		mark.column = 0;
		for (const char *p = line.p; p < value; p++)
			mark.column += ((unsigned char)*p & 0xc0) != 0x80;
		return conf_blame_unquoted(errors, text, &mark);
	}
	return conf_blame(errors, text, &mark, "%s", say);
}

/* The reader's errors have no mark, only an offset: it is before lines. */
static int blame_bytes(
    struct conf_errors *errors, const struct conf_text *text, const yaml_parser_t *parser)
{
	bool control = strstr(parser->problem, "control character");
	yaml_mark_t mark = { 0 };

	for (size_t i = 0; i < parser->problem_offset && i < text->n; i++) {
		mark.column += ((unsigned char)text->p[i] & 0xc0) != 0x80;
		if (text->p[i] == '\n') {
			mark.line++;
			mark.column = 0;
		}
	}
	return conf_blame(errors, text, &mark, "%s",
	    control ? "a config cannot have a control character in it"
		    : "expected UTF-8 text, found other bytes");
}

static const struct phrase *find_phrase(const yaml_parser_t *parser)
{
	for (size_t i = 0; i < sizeof(phrases) / sizeof(*phrases); i++)
		if (strstr(parser->problem, phrases[i].words) ||
		    (parser->context && strstr(parser->context, phrases[i].words)))
			return &phrases[i];
	return NULL;
}

int conf_blame_parser(
    struct conf_errors *errors, const struct conf_text *text, const yaml_parser_t *parser)
{
	const yaml_mark_t *problem = &parser->problem_mark, *context = &parser->context_mark;

	if (parser->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (parser->error == YAML_READER_ERROR)
		return blame_bytes(errors, text, parser);

	const struct phrase *phrase = find_phrase(parser);
	if (!phrase)
		return conf_blame(errors, text, problem, "%s", parser->problem);

	struct span at = at_mark(text, problem->line, problem->column);
	switch (phrase->about) {
	case AT_FLOW:
		if (at.p < at.end && memchr("{[", *at.p, 2))
			return conf_blame(errors, text, problem,
			    "a value with \"%c\" in it, such as ${NAME}, must be quoted when it "
			    "stands between braces or brackets",
			    *at.p);
		return conf_blame(errors, text, context, "%s", phrase->say);
	case AT_CONTEXT:
		return conf_blame(errors, text, context, "%s", phrase->say);
	case AT_QUOTE:
		return conf_blame_unquoted(errors, text, context);
	case AT_QUOTE_IT:
		if (at.p < at.end && *at.p == '\t')
			return conf_blame(errors, text, problem, "%s", phrases[0].say);
		return conf_blame_unquoted(errors, text, problem);
	case AT_VALUE:
		return blame_value(errors, text, parser, phrase->say);
	default:
		return conf_blame(errors, text, problem, "%s", phrase->say);
	}
}
