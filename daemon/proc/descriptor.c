/* descriptor: HELLO → struct, trusting nothing that is in it. */
#include "daemon/proc/descriptor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/message.h"

#define SHOWN_MAX     4096
#define OPTION_LEAST  40 /* bytes of an option row in a frame, without its texts */
#define TRIGGER_LEAST 36 /* the same of a trigger */
#define PATH_LEAST    12 /* and of a path */

/* A text that people will see, and JSON will carry. */
static char *read_shown(struct frame_cursor *cursor)
{
	struct buf clean = { 0 };
	char *text = frame_get_str(cursor);
	if (!text)
		return NULL;
	if (strlen(text) > SHOWN_MAX)
		cursor->bad = true;
	buf_add_utf8(&clean, NULL, text, strlen(text));
	free(text);
	return buf_take(&clean);
}

static void read_row(struct frame_cursor *cursor, struct schema_row *row)
{
	row->key = read_shown(cursor);
	row->type = frame_get_u32(cursor);
	row->required = frame_get_u32(cursor) != 0;
	row->fallback = frame_get_str(cursor); /* a value, as it is */
	row->choices = read_shown(cursor);
	row->min = frame_get_i64(cursor);
	row->max = frame_get_i64(cursor);
	row->help = read_shown(cursor);
	if (!row->key || !row->key[0] || row->type < AGENTD_STRING || row->type > AGENTD_JSON)
		cursor->bad = true;
}

static void read_options(struct frame_cursor *cursor, struct descriptor *descriptor)
{
	uint32_t count = frame_get_count(cursor, OPTION_LEAST);
	struct schema_row *rows = calloc((size_t)count + 1, sizeof(*rows));
	descriptor->options.rows = rows;
	for (uint32_t i = 0; rows && i < count && !cursor->bad; i++) {
		descriptor->options.count = i + 1;
		read_row(cursor, &rows[i]);
	}
}

static void read_trigger(struct frame_cursor *cursor, struct agentd_trigger *trigger)
{
	trigger->type = frame_get_u32(cursor);
	trigger->flags = frame_get_u32(cursor);
	trigger->name = read_shown(cursor);
	trigger->path = read_shown(cursor);
	trigger->method = read_shown(cursor);
	trigger->schedule = read_shown(cursor);
	trigger->zone = read_shown(cursor);
	trigger->event = read_shown(cursor);
	trigger->session = read_shown(cursor);
	if (!trigger->name || !trigger->name[0] || trigger->type < AGENTD_WEBHOOK ||
	    trigger->type > AGENTD_EVENT)
		cursor->bad = true;
}

static void read_triggers(struct frame_cursor *cursor, struct descriptor *descriptor)
{
	uint32_t count = frame_get_count(cursor, TRIGGER_LEAST);
	descriptor->triggers = calloc((size_t)count + 1, sizeof(*descriptor->triggers));
	for (uint32_t i = 0; descriptor->triggers && i < count && !cursor->bad; i++) {
		descriptor->trigger_count = i + 1;
		read_trigger(cursor, &descriptor->triggers[i]);
	}
}

static void read_paths(struct frame_cursor *cursor, struct descriptor *descriptor)
{
	uint32_t count = frame_get_count(cursor, PATH_LEAST);
	descriptor->paths = calloc((size_t)count + 1, sizeof(*descriptor->paths));
	for (uint32_t i = 0; descriptor->paths && i < count && !cursor->bad; i++) {
		struct agentd_path *path = &descriptor->paths[i];
		descriptor->path_count = i + 1;
		path->method = read_shown(cursor);
		path->path = read_shown(cursor);
		path->when = read_shown(cursor);
		if (!path->method || !path->path)
			cursor->bad = true;
	}
}

int descriptor_read(const struct frame *hello, struct descriptor **ret)
{
	struct frame_cursor cursor = frame_fields(hello);
	struct descriptor *descriptor = calloc(1, sizeof(*descriptor));
	if (!descriptor)
		return -ENOMEM;
	if (frame_get_u32(&cursor) != MESSAGE_PROTOCOL)
		cursor.bad = true;
	descriptor->kind = frame_get_u32(&cursor);
	descriptor->flags = frame_get_u32(&cursor);
	descriptor->name = read_shown(&cursor);
	descriptor->version = read_shown(&cursor);
	descriptor->summary = read_shown(&cursor);
	if (!descriptor->name || !descriptor->version || !descriptor->summary)
		cursor.bad = true;
	read_options(&cursor, descriptor);
	read_triggers(&cursor, descriptor);
	descriptor->can = frame_get_u32(&cursor);
	read_paths(&cursor, descriptor);
	int error = frame_end_fields(&cursor);
	if (!descriptor->options.rows || !descriptor->triggers || !descriptor->paths)
		error = -ENOMEM;
	if (error < 0) {
		descriptor_free(descriptor);
		return error;
	}
	*ret = descriptor;
	return 0;
}

static void drop(const char *text)
{
	free((void *)(uintptr_t)text);
}

void descriptor_free(struct descriptor *descriptor)
{
	if (!descriptor)
		return;
	for (size_t i = 0; i < descriptor->options.count; i++) {
		const struct schema_row *row = &descriptor->options.rows[i];
		drop(row->key);
		drop(row->fallback);
		drop(row->choices);
		drop(row->help);
	}
	free((void *)(uintptr_t)descriptor->options.rows);
	for (size_t i = 0; i < descriptor->trigger_count; i++) {
		const struct agentd_trigger *trigger = &descriptor->triggers[i];
		drop(trigger->name);
		drop(trigger->path);
		drop(trigger->method);
		drop(trigger->schedule);
		drop(trigger->zone);
		drop(trigger->event);
		drop(trigger->session);
	}
	free(descriptor->triggers);
	for (size_t i = 0; i < descriptor->path_count; i++) {
		drop(descriptor->paths[i].method);
		drop(descriptor->paths[i].path);
		drop(descriptor->paths[i].when);
	}
	free(descriptor->paths);
	free(descriptor->name);
	free(descriptor->version);
	free(descriptor->summary);
	free(descriptor);
}
