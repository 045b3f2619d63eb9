/* frame: bytes ↔ messages between agentd and agentd-host. Trusts no length before checking it. */
#include "daemon/base/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_ABSENT UINT32_MAX

struct frame_head {
	uint32_t length;
	uint16_t type;
	uint16_t zero;
	uint64_t run;
};
_Static_assert(sizeof(struct frame_head) == FRAME_HEAD, "the head has no padding");

struct frame_writer frame_begin(struct buf *out, uint16_t type, uint64_t run)
{
	struct frame_writer writer = { .out = out, .start = out->length };
	struct frame_head head = { .type = type, .run = run };
	buf_add(out, &head, sizeof(head));
	return writer;
}

void frame_put_u32(struct frame_writer *writer, uint32_t value)
{
	buf_add(writer->out, &value, sizeof(value));
}

void frame_put_u64(struct frame_writer *writer, uint64_t value)
{
	buf_add(writer->out, &value, sizeof(value));
}

void frame_put_i64(struct frame_writer *writer, int64_t value)
{
	buf_add(writer->out, &value, sizeof(value));
}

void frame_put_f64(struct frame_writer *writer, double value)
{
	buf_add(writer->out, &value, sizeof(value));
}

void frame_put_text(struct frame_writer *writer, const char *p, size_t n)
{
	if (p && n > FRAME_MAX) {
		writer->out->failed = true;
		return;
	}
	frame_put_u32(writer, p ? (uint32_t)n : TEXT_ABSENT);
	if (p)
		buf_add(writer->out, p, n);
}

void frame_put_str(struct frame_writer *writer, const char *text)
{
	frame_put_text(writer, text, text ? strlen(text) : 0);
}

void frame_put_rest(struct frame_writer *writer, const char *p, size_t n)
{
	buf_add(writer->out, p, n);
}

int frame_end(struct frame_writer *writer)
{
	struct buf *out = writer->out;
	size_t length = out->length - writer->start - FRAME_HEAD;
	if (out->failed || length > FRAME_MAX) {
		int error = out->failed ? -ENOMEM : -EMSGSIZE;
		buf_cut(out, writer->start);
		out->failed = false; /* the frames before this one are whole */
		return error;
	}
	uint32_t n = (uint32_t)length;
	memcpy(out->data + writer->start, &n, sizeof(n));
	return 0;
}

int frame_read(const char *bytes, size_t n, struct frame *ret_frame, size_t *ret_used)
{
	struct frame_head head;
	if (n < sizeof(head))
		return 0;
	memcpy(&head, bytes, sizeof(head));
	if (head.length > FRAME_MAX || head.zero != 0)
		return -EPROTO;
	if (n - sizeof(head) < head.length)
		return 0;
	*ret_frame = (struct frame){
		.type = head.type,
		.run = head.run,
		.body = bytes + sizeof(head),
		.length = head.length,
	};
	*ret_used = sizeof(head) + head.length;
	return 1;
}

struct frame_cursor frame_fields(const struct frame *frame)
{
	return (struct frame_cursor){ .p = frame->body, .end = frame->body + frame->length };
}

static void take(struct frame_cursor *cursor, void *into, size_t n)
{
	memset(into, 0, n);
	if (cursor->bad || (size_t)(cursor->end - cursor->p) < n) {
		cursor->bad = true;
		return;
	}
	memcpy(into, cursor->p, n);
	cursor->p += n;
}

uint32_t frame_get_u32(struct frame_cursor *cursor)
{
	uint32_t value;
	take(cursor, &value, sizeof(value));
	return value;
}

uint64_t frame_get_u64(struct frame_cursor *cursor)
{
	uint64_t value;
	take(cursor, &value, sizeof(value));
	return value;
}

int64_t frame_get_i64(struct frame_cursor *cursor)
{
	int64_t value;
	take(cursor, &value, sizeof(value));
	return value;
}

double frame_get_f64(struct frame_cursor *cursor)
{
	double value;
	take(cursor, &value, sizeof(value));
	return value;
}

struct frame_text frame_get_text(struct frame_cursor *cursor)
{
	uint32_t n = frame_get_u32(cursor);
	if (cursor->bad || n == TEXT_ABSENT)
		return (struct frame_text){ 0 };
	if ((size_t)(cursor->end - cursor->p) < n) {
		cursor->bad = true;
		return (struct frame_text){ 0 };
	}
	struct frame_text text = { cursor->p, n };
	cursor->p += n;
	return text;
}

char *frame_get_str(struct frame_cursor *cursor)
{
	struct frame_text text = frame_get_text(cursor);
	if (!text.p)
		return NULL;
	char *copy = memchr(text.p, 0, text.n) ? NULL : strndup(text.p, text.n);
	if (!copy)
		cursor->bad = true;
	return copy;
}

uint32_t frame_get_count(struct frame_cursor *cursor, size_t least)
{
	uint32_t count = frame_get_u32(cursor);
	if (count > (size_t)(cursor->end - cursor->p) / least)
		cursor->bad = true;
	return cursor->bad ? 0 : count;
}

int frame_end_fields(const struct frame_cursor *cursor)
{
	return cursor->bad || cursor->p != cursor->end ? -EPROTO : 0;
}
