/* body: JSON and forms. */
#include "daemon/http/body.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/http/problem.h"
#include "daemon/http/target.h"

static bool is_of(const char *type, const char *kind)
{
	return strncasecmp(type, kind, strlen(kind)) == 0;
}

bool body_has_good_type(struct http_request *request)
{
	static const char *const refused[] = { "multipart/", "image/", "audio/", "video/", "font/",
		"application/octet-stream", "application/zip", "application/gzip",
		"application/pdf" };
	const char *type = http_header(request, "Content-Type");
	for (size_t i = 0; type && i < sizeof(refused) / sizeof(refused[0]); i++)
		if (is_of(type, refused[i])) {
			problem_reply(request, PROBLEM_UNSUPPORTED_MEDIA_TYPE,
			    "the body must be JSON, not %.100s", type);
			return false;
		}
	return true;
}

json_t *body_read(struct http_request *request, size_t flags)
{
	size_t length;
	const char *text = http_body(request, &length);
	json_error_t error;
	json_t *body = json_loadb(text, length, JSON_REJECT_DUPLICATES | flags, &error);
	http_drop_body(request);
	if (!body && length == 0)
		problem_reply(request, PROBLEM_BAD_REQUEST,
		    "the body is empty; it must be JSON, such as {\"input\":\"hello\"}");
	else if (!body)
		problem_reply(request, PROBLEM_BAD_REQUEST,
		    "the body is not JSON: %s (line %d, column %d)", error.text, error.line,
		    error.column);
	return body;
}

static json_t *or_no_memory(struct http_request *request, json_t *body)
{
	if (!body)
		problem_reply(request, PROBLEM_INTERNAL, "out of memory");
	return body;
}

json_t *body_read_any(struct http_request *request)
{
	size_t length;
	http_body(request, &length);
	return length ? body_read(request, JSON_DECODE_ANY) : or_no_memory(request, json_object());
}

/* Forms. */

/* Adds a value; the second of a name makes a list. 0 or -1, as jansson says. */
static int add_value(json_t *form, const char *name, json_t *value)
{
	json_t *before = json_object_get(form, name);
	if (!before)
		return json_object_set_new(form, name, value);
	if (json_is_array(before))
		return json_array_append_new(before, value);
	return json_object_set_new(form, name, json_pack("[O,o]", before, value));
}

/* The payload of a form, which is JSON; else a text. */
static json_t *value_of(const char *name, const char *text)
{
	json_t *value =
	    strcmp(name, "payload") == 0 ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
	return value ? value : json_string(text);
}

/* One NAME=VALUE, or NAME. */
static bool add_field(json_t *form, const char *text, size_t n)
{
	const char *equals = memchr(text, '=', n);
	size_t name_n = equals ? (size_t)(equals - text) : n;
	char *name = target_value(text, name_n);
	char *value = equals ? target_value(equals + 1, n - name_n - 1) : strdup("");
	bool good = name && *name && value && add_value(form, name, value_of(name, value)) == 0;
	free(name);
	free(value);
	return good;
}

static json_t *parse_form(const char *text, size_t length)
{
	json_t *form = json_object();
	for (size_t at = 0; form && at < length;) {
		const char *end = memchr(text + at, '&', length - at);
		size_t n = end ? (size_t)(end - text) - at : length - at;
		if (n && !add_field(form, text + at, n)) {
			json_decref(form);
			return NULL;
		}
		at += n + 1;
	}
	return form;
}

/* A form is not JSON: neither { nor [ stands in one as it is. */
static bool is_form(struct http_request *request, const char *text, size_t length)
{
	const char *type = http_header(request, "Content-Type");
	size_t blank = 0;
	while (blank < length && strchr(" \t\r\n", text[blank]))
		blank++;
	return type && is_of(type, "application/x-www-form-urlencoded") && blank < length &&
	       !strchr("{[", text[blank]);
}

json_t *body_read_or_form(struct http_request *request)
{
	size_t length;
	const char *text = http_body(request, &length);
	if (!is_form(request, text, length))
		return body_read_any(request);
	json_t *form = parse_form(text, length);
	http_drop_body(request);
	if (!form)
		problem_reply(request, PROBLEM_BAD_REQUEST,
		    "the body is no form: a name is missing, an escape is broken, or it is not "
		    "UTF-8");
	return form;
}
