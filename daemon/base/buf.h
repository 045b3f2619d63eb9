/*
 * buf: a growing run of bytes, and the two things that are done to text on its way out: repairing
 * UTF-8 and escaping JSON.
 *
 * A buf is zero-initialised ({ 0 }) and freed with buf_done. Failure is sticky: once memory is
 * out (or BUF_MAX reached) `failed` is set and further additions do nothing, so a builder checks
 * once, at its end. Not thread-safe.
 */
#ifndef AGENTD_BASE_BUF_H
#define AGENTD_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUF_MAX ((size_t)1 << 30)

/* Small: a run has eight of them, and there are thousands of runs. */
struct buf {
	char *data; /* not terminated */
	uint32_t length, capacity : 31;
	bool failed : 1;
};

void buf_done(struct buf *buf);
/* Just so much room for one that is empty and stays for long, where as much as most texts need is too much. */
void buf_reserve(struct buf *buf, size_t n);
/* Room for n more bytes; NULL if there is none. What is written there counts after buf_grew. */
char *buf_room(struct buf *buf, size_t n);
void buf_grew(struct buf *buf, size_t n);
void buf_add(struct buf *buf, const void *bytes, size_t n);
void buf_add_str(struct buf *buf, const char *text);
void buf_addf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* In decimal. */
void buf_add_uint(struct buf *buf, uint64_t value);
/* Drops the first n bytes. */
void buf_drop(struct buf *buf, size_t n);
/* Drops all behind the first n bytes. */
void buf_cut(struct buf *buf, size_t n);
/* The text as a C string on the heap, and the buf emptied; NULL if it had failed. */
char *buf_take(struct buf *buf);

/* Whether text is UTF-8 already. */
bool utf8_is_good(const char *text, size_t n);
/* Text as a JSON string with its quotes (RFC 8259, section 7). The text must be UTF-8. */
void buf_add_json(struct buf *buf, const char *text, size_t n);
void buf_add_json_str(struct buf *buf, const char *text);

/* The end of a sequence that the next piece of text may complete. */
struct utf8_tail {
	char bytes[4];
	uint8_t n;
};

/*
 * Adds text as UTF-8: what is not becomes U+FFFD (one for each maximal wrong part, as the Unicode
 * standard recommends in section 3.9). A sequence that is cut at the end waits in the tail;
 * without a tail, and at buf_end_utf8, it counts as wrong.
 */
void buf_add_utf8(struct buf *buf, struct utf8_tail *tail, const char *text, size_t n);
void buf_end_utf8(struct buf *buf, struct utf8_tail *tail);

#endif
