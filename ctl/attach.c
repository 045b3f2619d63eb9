/* attach: a file's bytes as base64, with what its name says of it. What may be sent at all is for agentd to say, but
 * for what would only cost memory here. */
#include "ctl/attach.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "ctl/say.h"
#include "daemon/base/base64.h"
#include "daemon/base/buf.h"

#define FILE_MAX ((size_t)32 << 20) /* of one; agentd takes no more */

static const struct kind {
	const char *ending, *type, *mime_type;
} kinds[] = {
	{ "png", "image", "image/png" },
	{ "jpg", "image", "image/jpeg" },
	{ "jpeg", "image", "image/jpeg" },
	{ "gif", "image", "image/gif" },
	{ "webp", "image", "image/webp" },
	{ "svg", "image", "image/svg+xml" },
	{ "bmp", "image", "image/bmp" },
	{ "avif", "image", "image/avif" },
	{ "heic", "image", "image/heic" },
	{ "tiff", "image", "image/tiff" },
	{ "mp3", "audio", "audio/mpeg" },
	{ "m4a", "audio", "audio/mp4" },
	{ "ogg", "audio", "audio/ogg" },
	{ "oga", "audio", "audio/ogg" },
	{ "opus", "audio", "audio/ogg" },
	{ "wav", "audio", "audio/wav" },
	{ "flac", "audio", "audio/flac" },
	{ "mp4", "video", "video/mp4" },
	{ "mov", "video", "video/quicktime" },
	{ "webm", "video", "video/webm" },
	{ "mkv", "video", "video/x-matroska" },
	{ "txt", "file", "text/plain" },
	{ "md", "file", "text/markdown" },
	{ "csv", "file", "text/csv" },
	{ "html", "file", "text/html" },
	{ "json", "file", "application/json" },
	{ "pdf", "file", "application/pdf" },
	{ "zip", "file", "application/zip" },
};

static const struct kind *kind_of(const char *name)
{
	static const struct kind unknown = { .type = "file" };
	const char *dot = strrchr(name, '.');
	for (size_t i = 0; dot && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcasecmp(dot + 1, kinds[i].ending) == 0)
			return &kinds[i];
	return &unknown;
}

static int read_file(const char *path, struct buf *bytes)
{
	FILE *file = fopen(path, "rb");
	char *room;
	size_t n;
	if (!file)
		return say_error(EX_NOINPUT, "cannot open %s: %s", path, strerror(errno));
	while (bytes->length <= FILE_MAX && (room = buf_room(bytes, 65536)) &&
	       (n = fread(room, 1, 65536, file)) > 0)
		buf_grew(bytes, n);
	int error = ferror(file) ? errno : bytes->failed ? ENOMEM : 0;
	fclose(file);
	if (error)
		return say_error(EX_NOINPUT, "cannot read %s: %s", path, strerror(error));
	if (bytes->length > FILE_MAX)
		return say_error(EX_NOINPUT, "%s is longer than %zu MiB", path, FILE_MAX >> 20);
	return bytes->length ? 0 : say_error(EX_NOINPUT, "%s is empty", path);
}

static json_t *describe(const char *path, const struct buf *bytes)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	const struct kind *kind = kind_of(base);
	struct buf name = { 0 }, data = { 0 };
	json_t *one = json_object();
	buf_add_utf8(&name, NULL, base, strlen(base));
	base64_encode(&data, bytes->data, bytes->length);
	json_object_set_new(one, "type", json_string(kind->type));
	json_object_set_new(one, "name", json_stringn(name.data, name.length));
	if (kind->mime_type)
		json_object_set_new(one, "mime_type", json_string(kind->mime_type));
	json_object_set_new(one, "data", json_stringn(data.data, data.length));
	buf_done(&name);
	buf_done(&data);
	return one;
}

int attach_files(const struct arguments *arguments, json_t **ret_attachments)
{
	json_t *all = NULL;
	const char *path;
	size_t at = 0;
	int code = 0;
	while (code == 0 && (path = arguments_next(arguments, "attach", &at))) {
		struct buf bytes = { 0 };
		code = read_file(path, &bytes);
		if (code == 0 && !all)
			all = json_array();
		if (code == 0)
			json_array_append_new(all, describe(path, &bytes));
		buf_done(&bytes);
	}
	if (code)
		json_decref(all);
	else
		*ret_attachments = all;
	return code;
}
