/* body: JSON, or a form. */
#include "daemon/http/body.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "daemon/http/form.h"
#include "daemon/http/problem.h"

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

static bool is_form(struct http_request *request, const char *text, size_t length)
{
	const char *type = http_header(request, "Content-Type");
	return type && is_of(type, "application/x-www-form-urlencoded") &&
	       form_looks_like_one(text, length);
}

json_t *body_read_or_form(struct http_request *request)
{
	size_t length;
	const char *text = http_body(request, &length);
	if (!is_form(request, text, length))
		return body_read_any(request);
	json_t *form = form_read(text, length);
	http_drop_body(request);
	if (!form)
		problem_reply(request, PROBLEM_BAD_REQUEST,
		    "the body is no form: a name is missing, an escape is broken, it has a NUL in it, "
		    "or it is not UTF-8");
	return form;
}
