/* sse: lines into fields, fields into events. agentd ends its lines with a newline alone. */
#include "ctl/sse.h"

#include <stdlib.h>
#include <string.h>

#define EVENT_MAX (256u << 20)

void sse_done(struct sse *sse)
{
	buf_done(&sse->line);
	buf_done(&sse->name);
	buf_done(&sse->data);
}

/* The value of a line's field, or NULL if the line is of another. */
static const char *value_of(const char *line, const char *field)
{
	size_t n = strlen(field);
	if (strncmp(line, field, n) != 0 || line[n] != ':')
		return NULL;
	return line + n + 1 + (line[n + 1] == ' ');
}

static void take_line(struct sse *sse, const char *line)
{
	const char *value;
	if ((value = value_of(line, "id"))) {
		sse->next = strtoull(value, NULL, 10);
	} else if ((value = value_of(line, "event"))) {
		buf_drop(&sse->name, sse->name.length);
		buf_add_str(&sse->name, value);
	} else if ((value = value_of(line, "data"))) {
		if (sse->data.length)
			buf_add(&sse->data, "\n", 1);
		buf_add_str(&sse->data, value);
	}
}

static void give_event(
    struct sse *sse, void (*on_event)(void *arg, const struct sse_event *event), void *arg)
{
	size_t length = sse->data.length;
	buf_add(&sse->name, "", 1);
	buf_add(&sse->data, "", 1);
	if (length && !sse->name.failed && !sse->data.failed) {
		sse->id = sse->next;
		struct sse_event event = { sse->id, sse->name.data, sse->data.data, length };
		on_event(arg, &event);
	}
	buf_drop(&sse->name, sse->name.length);
	buf_drop(&sse->data, sse->data.length);
}

bool sse_feed(struct sse *sse, const char *bytes, size_t n,
    void (*on_event)(void *arg, const struct sse_event *event), void *arg)
{
	while (n) {
		const char *end = memchr(bytes, '\n', n);
		size_t piece = end ? (size_t)(end - bytes) : n;
		buf_add(&sse->line, bytes, piece);
		bytes += piece + (end != NULL);
		n -= piece + (end != NULL);
		if (sse->line.length + sse->data.length > EVENT_MAX)
			return false;
		if (!end)
			break;
		buf_add(&sse->line, "", 1);
		if (sse->line.failed)
			return false;
		if (sse->line.length == 1)
			give_event(sse, on_event, arg);
		else
			take_line(sse, sse->line.data);
		buf_drop(&sse->line, sse->line.length);
	}
	return !sse->line.failed && !sse->name.failed && !sse->data.failed;
}
