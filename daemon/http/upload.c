/* upload: a table of members, and what each may be. */
#include "daemon/http/upload.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/base/base64.h"
#include "daemon/base/message.h"
#include "daemon/run/attachment.h"

/* A path in its place would lead an agent that makes a file of that name astray. */
static bool is_name(const char *text, size_t n)
{
	if (n > MESSAGE_ID_MAX || strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f || text[i] == '/')
			return false;
	return true;
}

static bool is_type(const char *text, size_t n)
{
	(void)n;
	return attachment_is_type(text);
}

/* Of a media type (RFC 6838, section 4.2). */
static size_t name_length(const char *text)
{
	return strspn(
	    text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$&-^_.+");
}

static bool is_mime_type(const char *text, size_t n)
{
	size_t type = name_length(text);
	if (n == 0)
		return true;
	return n <= MESSAGE_ID_MAX && type > 0 && text[type] == '/' && text[type + 1] &&
	       type + 1 + name_length(text + type + 1) == n;
}

static bool is_url(const char *text, size_t n)
{
	size_t scheme = strncmp(text, "https://", 8) == 0  ? 8
			: strncmp(text, "http://", 7) == 0 ? 7
							   : 0;
	if (!scheme || n > ATTACHMENT_URL_MAX || n == scheme || strchr("/?#", text[scheme]))
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] <= 0x20 || text[i] == 0x7f)
			return false;
	return true;
}

static bool is_data(const char *text, size_t n)
{
	return n > 0 && base64_is_good(text, n);
}

/* Texts end where they seem to: a NUL in one is refused with the body. */
static const struct {
	const char *name;
	bool (*is_good)(const char *text, size_t n);
	const char *wanted;
} members[] = {
	{ "type", is_type, "file, image, audio or video" },
	{ "name", is_name,
	    "the name of a file: at most 256 bytes, no \"/\", no control character" },
	{ "mime_type", is_mime_type,
	    "a type and a subtype, as image/png has them, in at most 256 bytes" },
	{ "url", is_url, "an http:// or https:// URL of at most 8192 bytes" },
	{ "data", is_data, "base64 with or without padding (RFC 4648, section 4), and not empty" },
};

/* NULL: it is not there. */
static const json_t *member(const json_t *one, const char *name)
{
	const json_t *value = json_object_get(one, name);
	return json_is_null(value) ? NULL : value;
}

static int check_members(const json_t *one, size_t at, char *why, size_t size)
{
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		const json_t *value = member(one, members[i].name);
		const char *text = json_string_value(value);
		if (!value || (text && members[i].is_good(text, json_string_length(value))))
			continue;
		snprintf(why, size, "\"attachments[%zu].%s\" must be %s", at, members[i].name,
		    members[i].wanted);
		return -EINVAL;
	}
	return 0;
}

static int check(const json_t *one, size_t at, char *why, size_t size)
{
	if (!json_is_object(one)) {
		snprintf(why, size, "\"attachments[%zu]\" must be an object", at);
		return -EINVAL;
	}
	int error = check_members(one, at, why, size);
	if (error < 0)
		return error;
	if (!member(one, "url") == !member(one, "data")) {
		snprintf(why, size, "\"attachments[%zu]\" must have either \"url\" or \"data\"%s",
		    at, member(one, "url") ? ", and not both" : "");
		return -EINVAL;
	}
	const json_t *data = member(one, "data");
	if (data &&
	    base64_bytes(json_string_value(data), json_string_length(data)) > UPLOAD_MAX_BYTES) {
		snprintf(why, size, "\"attachments[%zu].data\" stands for more than %zu MiB", at,
		    UPLOAD_MAX_BYTES >> 20);
		return -EFBIG;
	}
	return 0;
}

int uploads_check(const json_t *array, char *why, size_t size)
{
	int error = 0;
	if (json_array_size(array) > MESSAGE_ATTACHMENTS_MAX) {
		snprintf(why, size, "\"attachments\" must be at most %u", MESSAGE_ATTACHMENTS_MAX);
		return -EINVAL;
	}
	for (size_t i = 0; error == 0 && i < json_array_size(array); i++)
		error = check(json_array_get(array, i), i, why, size);
	return error;
}

bool uploads_have_data(const json_t *array)
{
	for (size_t i = 0; i < json_array_size(array); i++)
		if (member(json_array_get(array, i), "data"))
			return true;
	return false;
}

/* An empty text is none. */
static const char *text_of(const json_t *one, const char *name)
{
	const char *text = json_string_value(json_object_get(one, name));
	return text && text[0] ? text : NULL;
}

struct upload upload_at(const json_t *array, size_t i)
{
	const json_t *one = json_array_get(array, i);
	struct upload upload = {
		.type = text_of(one, "type"),
		.name = text_of(one, "name"),
		.mime_type = text_of(one, "mime_type"),
		.url = text_of(one, "url"),
		.data = text_of(one, "data"),
		.data_length = json_string_length(json_object_get(one, "data")),
	};
	if (!upload.type)
		upload.type = "file";
	if (upload.data)
		upload.bytes = base64_bytes(upload.data, upload.data_length);
	return upload;
}
