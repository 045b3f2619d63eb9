/* parts: made once, as rows; the JSON of each when it is sent. */
#include "parts.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "fence.h"

#define PER_MESSAGE     10
#define BYTES_A_MESSAGE (10u << 20) /* what Discord takes from everybody */

struct part {
	char *text;           /* owned; NULL: none */
	size_t image, images; /* the first, and how many */
	size_t file, files;
};

struct discord_parts {
	uint64_t id;
	char *chat_id, *reply_to;
	char **images; /* URLs */
	size_t image_count;
	struct discord_file *files; /* their texts are owned */
	uint64_t *file_bytes;
	size_t file_count;
	struct part *rows;
	size_t count;
};

static char *copy(struct agentd_text text)
{
	return strndup(text.n ? text.p : "", text.n);
}

static bool begins(struct agentd_text url, const char *scheme)
{
	size_t n = strlen(scheme);
	return url.n > n && strncasecmp(url.p, scheme, n) == 0;
}

static const struct agentd_attachment *attachment_of(const struct agentd_reply *reply, size_t i)
{
	return (const void *)((const char *)reply->attachments + i * reply->attachment_size);
}

static bool is_file(const struct agentd_attachment *attachment)
{
	return attachment->path.n > 0;
}

static bool is_image_url(const struct agentd_attachment *attachment)
{
	return !is_file(attachment) && attachment->type == AGENTD_IMAGE &&
	       (begins(attachment->url, "https://") || begins(attachment->url, "http://"));
}

/* One more row; NULL: memory is out. */
static struct part *add(struct discord_parts *parts)
{
	struct part *rows = reallocarray(parts->rows, parts->count + 1, sizeof(parts->rows[0]));
	if (!rows)
		return NULL;
	parts->rows = rows;
	rows[parts->count] = (struct part){ 0 };
	return &rows[parts->count++];
}

/* The text, and a line for each URL that is shown in no other way. */
static char *whole_text(const struct agentd_reply *reply, size_t *ret_n)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, ret_n);
	if (!out)
		return NULL;
	for (size_t i = 0; i < reply->text.n; i++)
		if (reply->text.p[i]) /* which Discord would refuse, and says nothing */
			putc_unlocked(reply->text.p[i], out);
	for (size_t i = 0; i < reply->attachment_count; i++) {
		const struct agentd_attachment *attachment = attachment_of(reply, i);
		if (is_file(attachment) || is_image_url(attachment) || attachment->url.n == 0)
			continue;
		fprintf(out, "\n%.*s%s%.*s", (int)attachment->name.n,
		    attachment->name.n ? attachment->name.p : "", attachment->name.n ? ": " : "",
		    (int)attachment->url.n, attachment->url.p);
	}
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static int add_texts(struct discord_parts *parts, const struct agentd_reply *reply, size_t most)
{
	size_t n = 0;
	char *text = whole_text(reply, &n), *part = NULL;
	if (!text)
		return -1;
	struct fence fence = { .rest = agentd_text(text, n) };
	int error = 0;
	while (error == 0 && (part = fence_next(&fence, most))) {
		struct part *row = add(parts);
		if (row)
			row->text = part;
		else
			free(part), error = -1;
	}
	free(text);
	return fence.rest.n ? -1 : error;
}

static const char *name_in(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash && slash[1] ? slash + 1 : "file";
}

static int take_file(struct discord_parts *parts, const struct agentd_attachment *attachment)
{
	char *path = copy(attachment->path);
	char *name = !path                ? NULL
		     : attachment->name.n ? copy(attachment->name)
					  : strdup(name_in(path));
	char *mime = copy(attachment->mime_type);
	if (!path || !name || !mime) {
		free(path);
		free(name);
		free(mime);
		return -1;
	}
	if (!*mime) {
		free(mime);
		mime = NULL;
	}
	parts->file_bytes[parts->file_count] = attachment->bytes;
	parts->files[parts->file_count++] = (struct discord_file){ path, name, mime };
	return 0;
}

static int take_attachments(struct discord_parts *parts, const struct agentd_reply *reply)
{
	size_t most = reply->attachment_count + 1;
	parts->images = calloc(most, sizeof(parts->images[0]));
	parts->files = calloc(most, sizeof(parts->files[0]));
	parts->file_bytes = calloc(most, sizeof(parts->file_bytes[0]));
	if (!parts->images || !parts->files || !parts->file_bytes)
		return -1;
	for (size_t i = 0; i < reply->attachment_count; i++) {
		const struct agentd_attachment *attachment = attachment_of(reply, i);
		if (is_file(attachment) && take_file(parts, attachment) < 0)
			return -1;
		if (is_image_url(attachment) &&
		    !(parts->images[parts->image_count++] = copy(attachment->url)))
			return -1;
	}
	return 0;
}

static int add_images(struct discord_parts *parts)
{
	for (size_t i = 0; i < parts->image_count; i += PER_MESSAGE) {
		struct part *row = add(parts);
		if (!row)
			return -1;
		row->image = i;
		row->images =
		    parts->image_count - i < PER_MESSAGE ? parts->image_count - i : PER_MESSAGE;
	}
	return 0;
}

static int add_files(struct discord_parts *parts)
{
	struct part *row = NULL;
	uint64_t bytes = 0;
	for (size_t i = 0; i < parts->file_count; i++) {
		uint64_t more = parts->file_bytes[i];
		if (!row || row->files == PER_MESSAGE || more > BYTES_A_MESSAGE - bytes) {
			row = add(parts);
			if (!row)
				return -1;
			row->file = i;
			bytes = 0;
		}
		row->files++;
		bytes += more < BYTES_A_MESSAGE - bytes ? more : BYTES_A_MESSAGE - bytes;
	}
	return 0;
}

struct discord_parts *discord_parts_new(const struct agentd_reply *reply, size_t most)
{
	struct discord_parts *parts = calloc(1, sizeof(*parts));
	if (!parts)
		return NULL;
	parts->id = reply->id;
	parts->chat_id = copy(reply->chat_id);
	parts->reply_to =
	    copy(discord_is_id(reply->reply_to) ? reply->reply_to : agentd_text("", 0));
	if (!parts->chat_id || !parts->reply_to || take_attachments(parts, reply) < 0 ||
	    add_texts(parts, reply, most) < 0 || add_images(parts) < 0 || add_files(parts) < 0) {
		discord_parts_free(parts);
		return NULL;
	}
	return parts;
}

void discord_parts_free(struct discord_parts *parts)
{
	if (!parts)
		return;
	for (size_t i = 0; i < parts->count; i++)
		free(parts->rows[i].text);
	for (size_t i = 0; i < parts->image_count; i++)
		free(parts->images[i]);
	for (size_t i = 0; i < parts->file_count; i++) {
		free((void *)(uintptr_t)parts->files[i].path);
		free((void *)(uintptr_t)parts->files[i].name);
		free((void *)(uintptr_t)parts->files[i].mime_type);
	}
	free(parts->rows);
	free(parts->images);
	free(parts->files);
	free(parts->file_bytes);
	free(parts->chat_id);
	free(parts->reply_to);
	free(parts);
}

size_t discord_parts_count(const struct discord_parts *parts)
{
	return parts->count;
}

const struct discord_file *discord_parts_files(
    const struct discord_parts *parts, size_t i, size_t *ret_count)
{
	*ret_count = parts->rows[i].files;
	return parts->files + parts->rows[i].file;
}

static uint64_t hash(uint64_t state, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	for (size_t i = 0; i < n; i++)
		state = (state ^ p[i]) * 0x100000001b3; /* FNV-1a */
	return state;
}

/*
 * The same part of the same reply has the same nonce, which Discord knows for some minutes: tried again
 * because an answer got lost, or the process that sent it, it is not said twice. A message has one reply, so what it
 * answers says which it is. What answers none may be said twice, word for word: then the id counts, which is another
 * in each try.
 */
static json_t *nonce_of(const struct discord_parts *parts, size_t i)
{
	const struct part *row = &parts->rows[i];
	uint64_t state = 0xcbf29ce484222325;
	if (!*parts->reply_to)
		state = hash(state, &parts->id, sizeof(parts->id));
	state = hash(state, parts->chat_id, strlen(parts->chat_id) + 1);
	state = hash(state, parts->reply_to, strlen(parts->reply_to) + 1);
	state = hash(state, row->text ? row->text : "", row->text ? strlen(row->text) : 0);
	return json_sprintf("%016llx-%u", (unsigned long long)state, (unsigned)(i % 10000000));
}

static json_t *embeds_of(const struct discord_parts *parts, const struct part *row)
{
	json_t *embeds = json_array();
	for (size_t i = 0; i < row->images; i++)
		json_array_append_new(
		    embeds, json_pack("{s:{s:s}}", "image", "url", parts->images[row->image + i]));
	return embeds;
}

char *discord_parts_json(const struct discord_parts *parts, size_t i)
{
	const struct part *row = &parts->rows[i];
	/* Whom a text names is not pinged: it may be anybody, or everybody. */
	json_t *root = json_pack("{s:o, s:b, s:{s:[], s:b}}", "nonce", nonce_of(parts, i),
	    "enforce_nonce", 1, "allowed_mentions", "parse", "replied_user", 0);
	int error = root ? 0 : -1;
	if (row->text)
		error |= json_object_set_new(root, "content", json_string(row->text));
	if (row->images)
		error |= json_object_set_new(root, "embeds", embeds_of(parts, row));
	if (i == 0 && *parts->reply_to)
		error |= json_object_set_new(root, "message_reference",
		    json_pack(
			"{s:s, s:b}", "message_id", parts->reply_to, "fail_if_not_exists", 0));
	char *text = error ? NULL : json_dumps(root, JSON_COMPACT);
	json_decref(root);
	return text;
}
