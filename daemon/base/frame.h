/*
 * frame: a message as bytes, and bytes as messages. The words that agentd and agentd-host say to
 * each other are in message.h; this is only their form.
 *
 *	u32 length of the body · u16 type · u16 zero · u64 run · body
 *
 * Native byte order: both ends are one build on one machine. A body is fields without names:
 * u32, i64, f64, and texts (u32 length, bytes).
 *
 * Reading fails closed: a cursor that runs past its end stays bad and yields zeros, and
 * frame_end_fields insists that nothing is left over. So a decoder reads all its fields and asks
 * once. Pure; used by both programs.
 */
#ifndef AGENTD_BASE_FRAME_H
#define AGENTD_BASE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/buf.h"

#define FRAME_HEAD 16u
#define FRAME_MAX  (32u << 20) /* a body; more is a broken sender */

struct frame {
	uint16_t type;
	uint64_t run;
	const char *body; /* borrowed from the reader's buffer */
	size_t length;
};

struct frame_text {
	const char *p; /* borrowed from the frame; NULL if absent */
	size_t n;
};

/* Writing: frame_begin, fields, frame_end. */
struct frame_writer {
	struct buf *out; /* borrowed */
	size_t start;    /* of the frame that is being written */
};

struct frame_writer frame_begin(struct buf *out, uint16_t type, uint64_t run);
void frame_put_u32(struct frame_writer *writer, uint32_t value);
void frame_put_u64(struct frame_writer *writer, uint64_t value);
void frame_put_i64(struct frame_writer *writer, int64_t value);
void frame_put_f64(struct frame_writer *writer, double value);
/* p == NULL is absent, which is not the same as empty. */
void frame_put_text(struct frame_writer *writer, const char *p, size_t n);
void frame_put_str(struct frame_writer *writer, const char *text);
/* Bytes without a length, as the last field. */
void frame_put_rest(struct frame_writer *writer, const char *p, size_t n);
/* 0, or -ENOMEM, or -EMSGSIZE: the frame is then taken out again. */
int frame_end(struct frame_writer *writer);

/* Reading: 1 and a frame of *ret_used bytes; 0 if more bytes are needed; -EPROTO. */
int frame_read(const char *bytes, size_t n, struct frame *ret_frame, size_t *ret_used);

struct frame_cursor {
	const char *p, *end;
	bool bad;
};

struct frame_cursor frame_fields(const struct frame *frame);
uint32_t frame_get_u32(struct frame_cursor *cursor);
uint64_t frame_get_u64(struct frame_cursor *cursor);
int64_t frame_get_i64(struct frame_cursor *cursor);
double frame_get_f64(struct frame_cursor *cursor);
struct frame_text frame_get_text(struct frame_cursor *cursor);
/* A text as a C string on the heap: NULL if absent, if it holds a NUL, or if memory is out (the
 * last two mark the cursor bad). */
char *frame_get_str(struct frame_cursor *cursor);
/* A number of items, each at least `least` bytes long: bad if the frame cannot hold them, so that
 * a count can be trusted before memory is asked for. */
uint32_t frame_get_count(struct frame_cursor *cursor, size_t least);
/* 0 if every field was there and nothing is left over, else -EPROTO. */
int frame_end_fields(const struct frame_cursor *cursor);

#endif
