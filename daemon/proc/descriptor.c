/* descriptor: HELLO → struct, trusting nothing that is in it. */
#include "daemon/proc/descriptor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/message.h"

#define SHOWN_MAX    4096
#define OPTION_LEAST 40 /* bytes of an option row in a frame, without its texts */

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
	row->fallback = frame_get_str(cursor);
	row->choices = frame_get_str(cursor);
	row->min = frame_get_i64(cursor);
	row->max = frame_get_i64(cursor);
	row->help = read_shown(cursor);
	if (!row->key || !row->key[0] || row->type < AGENTD_STRING || row->type > AGENTD_JSON)
		cursor->bad = true;
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
	uint32_t count = frame_get_count(&cursor, OPTION_LEAST);
	struct schema_row *rows = calloc(count ? count : 1, sizeof(*rows));
	if (!rows) {
		descriptor_free(descriptor);
		return -ENOMEM;
	}
	descriptor->options.rows = rows;
	for (uint32_t i = 0; i < count && !cursor.bad; i++) {
		descriptor->options.count = i + 1;
		read_row(&cursor, &rows[i]);
	}
	int error = frame_end_fields(&cursor);
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
	free(descriptor->name);
	free(descriptor->version);
	free(descriptor->summary);
	free(descriptor);
}
