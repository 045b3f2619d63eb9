/* form: names and values, decoded into a copy of the body. */
#include "daemon/http/form.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/http/head.h"

#define PAYLOAD "payload"

/* Adds a value; the second of a name makes a list. No value is a list itself. 0 or -1, as jansson says. */
static int add_value(json_t *form, const char *name, size_t n, json_t *value)
{
	json_t *before = json_object_getn(form, name, n);
	if (!before)
		return json_object_setn_new(form, name, n, value);
	if (json_is_array(before))
		return json_array_append_new(before, value);
	return json_object_setn_new(form, name, n, json_pack("[O,o]", before, value));
}

static json_t *value_of(const char *name, size_t name_n, const char *text, size_t n)
{
	json_t *value = NULL;
	if (name_n == strlen(PAYLOAD) && memcmp(name, PAYLOAD, name_n) == 0)
		value = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(value))
		return value;
	json_decref(value);
	return json_stringn(text, n); /* NULL if it is not UTF-8 */
}

/* In its place, since it only gets shorter. False: an escape is broken, or there is a NUL. */
static bool decode(char *text, size_t n, size_t *ret_n)
{
	char *to = text;
	for (size_t i = 0; i < n; i++) {
		char c = text[i] == '+' ? ' ' : text[i];
		if (c == '%') {
			int high = n - i > 2 ? head_hex_digit(text[i + 1]) : -1,
			    low = high < 0 ? -1 : head_hex_digit(text[i + 2]);
			if (low < 0)
				return false;
			c = (char)(high * 16 + low);
			i += 2;
		}
		if (c == '\0')
			return false;
		*to++ = c;
	}
	*ret_n = (size_t)(to - text);
	return true;
}

/* One NAME=VALUE, or NAME. */
static bool add_field(json_t *form, char *text, size_t n)
{
	char *equals = memchr(text, '=', n);
	char *value = equals ? equals + 1 : text + n;
	size_t name_n = equals ? (size_t)(equals - text) : n, value_n = (size_t)(text + n - value);
	return decode(text, name_n, &name_n) && name_n && decode(value, value_n, &value_n) &&
	       add_value(form, text, name_n, value_of(text, name_n, value, value_n)) == 0;
}

json_t *form_read(const char *text, size_t length)
{
	char *copy = malloc(length + 1);
	json_t *form = copy ? json_object() : NULL;
	if (copy)
		memcpy(copy, text, length);
	for (size_t at = 0; form && at < length;) {
		const char *end = memchr(copy + at, '&', length - at);
		size_t n = end ? (size_t)(end - copy) - at : length - at;
		if (n && !add_field(form, copy + at, n)) {
			json_decref(form);
			form = NULL;
		}
		at += n + 1;
	}
	free(copy);
	return form;
}

bool form_looks_like_one(const char *text, size_t length)
{
	size_t blank = 0;
	while (blank < length && memchr(" \t\r\n", text[blank], 4))
		blank++;
	return blank < length && !memchr("{[", text[blank], 2);
}
