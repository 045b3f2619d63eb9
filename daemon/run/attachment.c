/* attachment: frames to JSON, and back; and as clients see them. */
#include "daemon/run/attachment.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/message.h"

static const char *const types[] = { "file", "image", "audio", "video" };
#define TYPES (sizeof(types) / sizeof(types[0]))

struct attachment {
	uint32_t type;
	uint64_t bytes;
	struct frame_text name, mime_type, path, url;
};

static bool begins_with(struct frame_text text, const char *with)
{
	size_t n = strlen(with);
	return text.n > n && memcmp(text.p, with, n) == 0;
}

/* A file that lies in the folder itself, by a name that says so. */
static bool is_in(struct frame_text path, const char *folder)
{
	size_t n = folder ? strlen(folder) : 0;
	if (!n || !begins_with(path, folder) || path.p[n] != '/')
		return false;
	const char *name = path.p + n + 1;
	size_t length = path.n - n - 1;
	return length && length < 256 && utf8_is_good(name, length) && !memchr(name, '/', length) &&
	       !memchr(name, '\0', length) && name[0] != '.';
}

static bool is_good(const struct attachment *one, const char *folder)
{
	if (one->type >= TYPES || (one->path.n == 0) == (one->url.n == 0) ||
	    one->name.n > MESSAGE_ID_MAX || one->mime_type.n > MESSAGE_ID_MAX)
		return false;
	if (one->path.n)
		return is_in(one->path, folder);
	return one->url.n <= ATTACHMENT_URL_MAX && utf8_is_good(one->url.p, one->url.n) &&
	       !memchr(one->url.p, '\0', one->url.n) &&
	       (begins_with(one->url, "https://") || begins_with(one->url, "http://"));
}

/* A member with a text, if there is one. A NUL is in no file's name, and JSON would need leave to have it. */
static void add_member(struct buf *out, const char *key, struct frame_text text)
{
	struct buf clean = { 0 };
	if (!text.n)
		return;
	buf_add_utf8(&clean, NULL, text.p, text.n);
	for (size_t i = 0; i < clean.length; i++)
		if (clean.data[i] == '\0')
			clean.data[i] = '_';
	buf_addf(out, ",\"%s\":", key);
	buf_add_json(out, clean.data, clean.length);
	out->failed = out->failed || clean.failed;
	buf_done(&clean);
}

static void add(struct buf *out, const struct attachment *one, bool first)
{
	buf_addf(out, "%s{\"type\":\"%s\"", first ? "[" : ",", types[one->type]);
	add_member(out, "name", one->name);
	add_member(out, "mime_type", one->mime_type);
	if (one->bytes &&
	    one->bytes <= INT64_MAX) /* more is no size, and no number that JSON has */
		buf_addf(out, ",\"bytes\":%llu", (unsigned long long)one->bytes);
	add_member(out, "path", one->path);
	add_member(out, "url", one->url);
	buf_add_str(out, "}");
}

int attachments_read(
    struct frame_cursor *cursor, const char *folder, struct buf *out, size_t *ret_left_out)
{
	uint32_t count = frame_get_count(cursor, MESSAGE_ATTACHMENT_LEAST);
	size_t added = 0;
	*ret_left_out = 0;
	if (count > MESSAGE_ATTACHMENTS_MAX)
		return -EPROTO;
	for (uint32_t i = 0; i < count; i++) {
		struct attachment one = { .type = frame_get_u32(cursor) };
		one.bytes = frame_get_u64(cursor);
		one.name = frame_get_text(cursor);
		one.mime_type = frame_get_text(cursor);
		one.path = frame_get_text(cursor);
		one.url = frame_get_text(cursor);
		if (cursor->bad)
			return -EPROTO;
		if (is_good(&one, folder))
			add(out, &one, added++ == 0);
		else
			++*ret_left_out;
	}
	if (added)
		buf_add_str(out, "]");
	return out->failed ? -ENOMEM : 0;
}

static uint32_t type_of(const char *word)
{
	for (uint32_t i = 0; word && i < TYPES; i++)
		if (strcmp(types[i], word) == 0)
			return i;
	return 0;
}

bool attachment_is_type(const char *word)
{
	return strcmp(types[type_of(word)], word) == 0;
}

static void put_member(struct frame_writer *writer, const json_t *one, const char *key)
{
	const json_t *text = json_object_get(one, key);
	frame_put_text(writer, text ? json_string_value(text) : "", json_string_length(text));
}

static json_t *parse(struct frame_text json)
{
	json_t *array = json.n ? json_loadb(json.p, json.n, 0, NULL) : NULL;
	if (json_is_array(array))
		return array;
	json_decref(array);
	return NULL;
}

void attachments_put(struct frame_writer *writer, struct frame_text json)
{
	json_t *array = parse(json), *one;
	size_t i;
	frame_put_u32(writer, (uint32_t)json_array_size(array));
	json_array_foreach (array, i, one) {
		frame_put_u32(writer, type_of(json_string_value(json_object_get(one, "type"))));
		frame_put_u64(writer, (uint64_t)json_integer_value(json_object_get(one, "bytes")));
		put_member(writer, one, "name");
		put_member(writer, one, "mime_type");
		put_member(writer, one, "path");
		put_member(writer, one, "url");
	}
	json_decref(array);
}

void attachments_paths(
    struct frame_text json, void (*each)(void *arg, const char *path, uint64_t bytes), void *arg)
{
	json_t *array = parse(json), *one;
	size_t i;
	json_array_foreach (array, i, one) {
		const char *path = json_string_value(json_object_get(one, "path"));
		if (path)
			each(
			    arg, path, (uint64_t)json_integer_value(json_object_get(one, "bytes")));
	}
	json_decref(array);
}

void attachments_show(struct buf *out, struct frame_text json, bool files)
{
	json_t *array = parse(json);
	out->failed = out->failed || (json.n && !array);
	for (size_t i = json_array_size(array); i > 0; i--) {
		json_t *one = json_array_get(array, i - 1);
		json_object_del(one, "path");
		if (!files && !json_object_get(one, "url"))
			json_array_remove(array, i - 1);
	}
	size_t count = json_array_size(array);
	char *text = count ? json_dumps(array, JSON_COMPACT) : NULL;
	out->failed = out->failed || (count && !text);
	if (text)
		buf_add_str(out, text);
	free(text);
	json_decref(array);
}
