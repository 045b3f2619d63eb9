/*
 * value: text to numbers and trees to JSON, without guessing.
 *
 * What could be meant in two ways is refused: a duration without a unit, 010 (eight in YAML 1.1,
 * ten in 1.2), a fraction of a millisecond. Nothing is rounded, cut or wrapped.
 */
#include "daemon/conf/value.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/conf/schema.h"
#include "daemon/conf/tree.h"

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

#define FRACTION_MAX INT64_C(1000000000) /* nine digits: times a day or a gigabyte fits int64_t */

struct unit {
	const char *name;
	int64_t factor;
};

/* The first of several names of a unit is the one that is written. */
static const struct unit durations[] = {
	{ "ms", 1 },
	{ "s", 1000 },
	{ "m", INT64_C(60) * 1000 },
	{ "h", INT64_C(3600) * 1000 },
	{ "d", INT64_C(86400) * 1000 },
};

static const struct unit sizes[] = {
	{ "", 1 },
	{ "B", 1 },
	{ "K", INT64_C(1) << 10 },
	{ "KB", INT64_C(1) << 10 },
	{ "KiB", INT64_C(1) << 10 },
	{ "M", INT64_C(1) << 20 },
	{ "MB", INT64_C(1) << 20 },
	{ "MiB", INT64_C(1) << 20 },
	{ "G", INT64_C(1) << 30 },
	{ "GB", INT64_C(1) << 30 },
	{ "GiB", INT64_C(1) << 30 },
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Reads digits and moves past them; `limit` is the largest magnitude. */
static int take_digits(const char **text, uint64_t limit, uint64_t *ret)
{
	uint64_t value = 0;

	if (!is_digit(**text))
		return -EINVAL;
	for (; is_digit(**text); (*text)++) {
		uint64_t digit = (uint64_t)(**text - '0');
		if (value > (limit - digit) / 10)
			return -ERANGE;
		value = value * 10 + digit;
	}
	*ret = value;
	return 0;
}

/* Digits, perhaps a fraction, a unit; what comes out must be whole. */
static int parse_quantity(const char *text, const struct unit *units, size_t count,
    bool (*same)(const char *, const char *), int64_t *ret)
{
	uint64_t whole;
	int64_t fraction = 0, scale = 1, value, rest;
	int r = take_digits(&text, INT64_MAX, &whole);

	if (r < 0)
		return r;
	if (*text == '.') {
		text++;
		if (!is_digit(*text))
			return -EINVAL;
		for (; is_digit(*text) && scale < FRACTION_MAX; text++, scale *= 10)
			fraction = fraction * 10 + (*text - '0');
	}
	if (!*text && !whole && !fraction) {
		*ret = 0;
		return 0;
	}

	while (count > 0 && !same(text, units->name))
		units++, count--;
	if (count == 0)
		return -EINVAL;
	rest = fraction * units->factor;
	if (rest % scale)
		return -EINVAL;
	if (__builtin_mul_overflow((int64_t)whole, units->factor, &value) ||
	    __builtin_add_overflow(value, rest / scale, &value))
		return -ERANGE;
	*ret = value;
	return 0;
}

static bool is_same(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static bool is_same_in_any_case(const char *a, const char *b)
{
	return strcasecmp(a, b) == 0;
}

/* Lower case only: 5M might be meant as months. */
int schema_parse_duration(const char *text, int64_t *ret_ms)
{
	return parse_quantity(text, durations, LENGTH(durations), is_same, ret_ms);
}

int schema_parse_size(const char *text, int64_t *ret_bytes)
{
	return parse_quantity(text, sizes, LENGTH(sizes), is_same_in_any_case, ret_bytes);
}

static void format_quantity(
    int64_t value, const struct unit *units, size_t count, char *buffer, size_t size)
{
	const struct unit *best = &units[0];

	if (value != 0)
		for (size_t i = 1; i < count; i++)
			if (units[i].factor > best->factor && value % units[i].factor == 0)
				best = &units[i];
	snprintf(buffer, size, "%" PRId64 "%s", value / best->factor, value ? best->name : "");
}

void value_format_duration(int64_t ms, char *buffer, size_t size)
{
	format_quantity(ms, durations, LENGTH(durations), buffer, size);
}

void value_format_size(int64_t bytes, char *buffer, size_t size)
{
	format_quantity(bytes, sizes, LENGTH(sizes), buffer, size);
}

int schema_parse_int(const char *text, int64_t *ret)
{
	bool negative = *text == '-';
	uint64_t limit = (uint64_t)INT64_MAX + negative, value;

	if (negative)
		text++;
	if (text[0] == '0' && text[1])
		return -EINVAL;

	int r = take_digits(&text, limit, &value);
	if (r < 0)
		return r;
	if (*text)
		return -EINVAL;
	/* Not -value alone: INT64_MIN has no positive twin. */
	*ret = negative && value ? -(int64_t)(value - 1) - 1 : (int64_t)value;
	return 0;
}

int schema_parse_bool(const char *text, bool *ret)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = {
		{ "true", true },
		{ "false", false },
		{ "yes", true },
		{ "no", false },
		{ "on", true },
		{ "off", false },
	};

	for (size_t i = 0; i < LENGTH(words); i++)
		if (strcasecmp(text, words[i].word) == 0) {
			*ret = words[i].value;
			return 0;
		}
	return -EINVAL;
}

int value_parse_number(const char *text, double *ret)
{
	char *end;

	/* strtod would also take white space, hex, "inf" and "nan". */
	if (!*text || text[strspn(text, "0123456789.eE+-")])
		return -EINVAL;
	errno = 0;
	double value = strtod(text, &end);
	if (end == text || *end)
		return -EINVAL;
	if (errno == ERANGE || !isfinite(value))
		return -ERANGE;
	*ret = value;
	return 0;
}

static const char *skip_digits(const char *text)
{
	while (is_digit(*text))
		text++;
	return text;
}

/* By JSON's own grammar, so that 007, 1_000 and .5 stay the texts that they are. */
static bool is_json_number(const char *text)
{
	if (*text == '-')
		text++;
	if (!is_digit(*text) || (text[0] == '0' && is_digit(text[1])))
		return false;
	text = skip_digits(text);
	if (*text == '.') {
		if (!is_digit(*++text))
			return false;
		text = skip_digits(text);
	}
	if (*text == 'e' || *text == 'E') {
		text++;
		if (*text == '+' || *text == '-')
			text++;
		if (!is_digit(*text))
			return false;
		text = skip_digits(text);
	}
	return !*text;
}

/* The words of YAML 1.2, in the three cases that it knows, and the two ways to say nothing. Yes,
 * no, on and off are texts there, and in JSON. */
static const char *json_word(const char *text)
{
	static const char *const words[][4] = {
		{ "true", "True", "TRUE", "true" },
		{ "false", "False", "FALSE", "false" },
		{ "null", "Null", "NULL", "~" },
	};

	if (!*text)
		return "null";
	for (size_t i = 0; i < LENGTH(words); i++)
		for (size_t j = 0; j < LENGTH(words[i]); j++)
			if (strcmp(text, words[i][j]) == 0)
				return words[i][0];
	return NULL;
}

static int write_string(FILE *out, const char *text)
{
	json_t *string = json_string(text);
	char *quoted = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;

	json_decref(string);
	if (!quoted)
		return -EINVAL;
	fputs(quoted, out);
	free(quoted);
	return 0;
}

static int write_scalar(FILE *out, const struct conf_node *node)
{
	const char *word = node->plain ? json_word(node->text) : NULL;

	if (!word && !(node->plain && is_json_number(node->text)))
		return write_string(out, node->text);
	fputs(word ? word : node->text, out);
	return 0;
}

/* Written by hand around jansson's strings: its numbers are doubles, and 0.1 would come out as
 * 0.10000000000000001. */
static int write_node(FILE *out, const struct conf_node *node)
{
	bool map = node->kind == CONF_MAP;
	int r = 0;

	if (node->kind == CONF_SCALAR)
		return write_scalar(out, node);
	fputc(map ? '{' : '[', out);
	for (size_t i = 0; i < node->count && r == 0; i++) {
		if (i)
			fputc(',', out);
		if (map) {
			r = write_string(out, node->items[i]->key);
			fputc(':', out);
		}
		if (r == 0)
			r = write_node(out, node->items[i]);
	}
	fputc(map ? '}' : ']', out);
	return r;
}

int value_check_json(const char *text)
{
	json_t *json = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);

	json_decref(json);
	return json ? 0 : -EINVAL;
}

int value_write_json(const struct conf_node *node, char **ret_text)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return -ENOMEM;
	int r = write_node(out, node);
	if (ferror(out))
		r = -ENOMEM;
	if (fclose(out) != 0)
		r = -ENOMEM;
	/* Reading it back finds the number that no reader could hold. */
	if (r == 0)
		r = value_check_json(text);
	if (r < 0) {
		free(text);
		return r;
	}
	*ret_text = text;
	return 0;
}
