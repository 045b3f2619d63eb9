/* came: written by splicing, since most of it is JSON already; read by jansson. */
#include "daemon/run/came.h"

#include <errno.h>

/* A member; {} where there is none. */
static void add_json(struct buf *out, const char *member, struct frame_text value)
{
	buf_add_str(out, member);
	if (value.p)
		buf_add(out, value.p, value.n);
	else
		buf_add_str(out, "{}");
}

static void add_text(struct buf *out, const char *member, struct frame_text value)
{
	struct buf clean = { 0 };
	buf_add_utf8(&clean, NULL, value.p, value.n);
	out->failed = out->failed || clean.failed;
	buf_add_str(out, member);
	buf_add_json(out, clean.length ? clean.data : "", clean.length);
	buf_done(&clean);
}

void came_write(const struct came *came, struct buf *out)
{
	add_json(out, "{\"body\":", came->body);
	add_text(out, ",\"raw\":", came->raw);
	add_json(out, ",\"headers\":", came->headers);
	add_text(out, ",\"source\":", came->source);
	add_text(out, ",\"timestamp\":", came->timestamp);
	buf_add_str(out, "}");
}

static int dump(const char *bytes, size_t n, void *arg)
{
	struct buf *out = arg;
	buf_add(out, bytes, n);
	return out->failed ? -1 : 0;
}

int came_add_json(struct buf *out, const json_t *value)
{
	size_t flags = JSON_COMPACT | JSON_ENCODE_ANY;
	return json_dump_callback(value, dump, out, flags) < 0 ? -ENOMEM : 0;
}

/* A member as JSON again. */
static int take_json(const json_t *all, const char *name, struct buf *out, struct frame_text *ret)
{
	const json_t *value = json_object_get(all, name);
	if (!value)
		return -EINVAL;
	if (came_add_json(out, value) < 0)
		return -ENOMEM;
	*ret = (struct frame_text){ out->data, out->length };
	return 0;
}

static struct frame_text take_text(const json_t *all, const char *name)
{
	const json_t *value = json_object_get(all, name);
	return (struct frame_text){ json_string_value(value), json_string_length(value) };
}

int came_read(struct frame_text text, struct came_read *ret)
{
	struct came_read read = { 0 };
	read.all = json_loadb(text.p ? text.p : "", text.n, JSON_ALLOW_NUL, NULL);
	int error = json_is_object(read.all) ? 0 : -EINVAL;
	if (error == 0)
		error = take_json(read.all, "body", &read.body, &read.came.body);
	if (error == 0)
		error = take_json(read.all, "headers", &read.headers, &read.came.headers);
	if (error < 0) {
		came_done(&read);
		return error;
	}
	read.came.raw = take_text(read.all, "raw");
	read.came.source = take_text(read.all, "source");
	read.came.timestamp = take_text(read.all, "timestamp");
	*ret = read;
	return 0;
}

void came_done(struct came_read *read)
{
	buf_done(&read->body);
	buf_done(&read->headers);
	json_decref(read->all);
}
