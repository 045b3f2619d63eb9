/* buf: growing bytes, UTF-8 repair, JSON escapes. Knows nothing of who sends or reads them. */
#include "daemon/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST 256 /* bytes: most texts that are made are answers, and grow to that */

void buf_done(struct buf *buf)
{
	free(buf->data);
	*buf = (struct buf){ 0 };
}

static void resize(struct buf *buf, size_t capacity)
{
	char *data = realloc(buf->data, capacity);
	if (!data) {
		buf->failed = true;
		return;
	}
	buf->data = data;
	buf->capacity = (uint32_t)capacity & 0x7fffffff;
}

void buf_reserve(struct buf *buf, size_t n)
{
	if (!buf->failed && !buf->data && n > 0 && n <= BUF_MAX)
		resize(buf, n);
}

char *buf_room(struct buf *buf, size_t n)
{
	if (buf->failed)
		return NULL;
	if (n <= buf->capacity - buf->length)
		return buf->data + buf->length;
	if (n > BUF_MAX - buf->length) {
		buf->failed = true;
		return NULL;
	}
	size_t capacity = buf->capacity ? buf->capacity : FIRST;
	while (capacity < buf->length + n)
		capacity *= 2;
	resize(buf, capacity < BUF_MAX ? capacity : BUF_MAX);
	return buf->failed ? NULL : buf->data + buf->length;
}

void buf_grew(struct buf *buf, size_t n)
{
	buf->length += (uint32_t)n;
}

void buf_add(struct buf *buf, const void *bytes, size_t n)
{
	if (n == 0)
		return;
	char *room = buf_room(buf, n);
	if (!room)
		return;
	memcpy(room, bytes, n);
	buf_grew(buf, n);
}

void buf_add_str(struct buf *buf, const char *text)
{
	buf_add(buf, text, strlen(text));
}

void buf_addf(struct buf *buf, const char *format, ...)
{
	va_list args;
	char *room = buf_room(buf, 64); /* enough for most: then one pass is all it takes */
	size_t size = room ? buf->capacity - buf->length : 0;
	va_start(args, format);
	int n = vsnprintf(room, size, format, args);
	va_end(args);
	if (n >= 0 && (size_t)n >= size) {
		room = buf_room(buf, (size_t)n + 1);
		size = (size_t)n + 1;
		va_start(args, format);
		if (room)
			vsnprintf(room, size, format, args);
		va_end(args);
	}
	if (room && n > 0)
		buf_grew(buf, (size_t)n);
}

void buf_add_uint(struct buf *buf, uint64_t value)
{
	char digits[20];
	size_t i = sizeof(digits);
	do
		digits[--i] = (char)('0' + value % 10);
	while (value /= 10);
	buf_add(buf, digits + i, sizeof(digits) - i);
}

void buf_drop(struct buf *buf, size_t n)
{
	buf->length -= (uint32_t)n;
	if (buf->length)
		memmove(buf->data, buf->data + n, buf->length);
}

void buf_cut(struct buf *buf, size_t n)
{
	buf->length = (uint32_t)n;
}

char *buf_take(struct buf *buf)
{
	buf_add(buf, "", 1);
	if (buf->failed) {
		buf_done(buf);
		return NULL;
	}
	char *text = realloc(buf->data, buf->length); /* it will be kept */
	text = text ? text : buf->data;
	*buf = (struct buf){ 0 };
	return text;
}

static bool json_is_plain(unsigned char c)
{
	return c >= 0x20 && c != '"' && c != '\\' && c != 0x7f;
}

static void json_add_escape(struct buf *buf, unsigned char c)
{
	static const char short_form[128] = {
		['"'] = '"',
		['\\'] = '\\',
		['\b'] = 'b',
		['\f'] = 'f',
		['\n'] = 'n',
		['\r'] = 'r',
		['\t'] = 't',
	};
	if (short_form[c]) {
		buf_add(buf, (char[]){ '\\', short_form[c] }, 2);
		return;
	}
	buf_addf(buf, "\\u%04x", c);
}

void buf_add_json(struct buf *buf, const char *text, size_t n)
{
	buf_add(buf, "\"", 1);
	size_t start = 0;
	for (size_t i = 0; i < n; i++) {
		if (json_is_plain((unsigned char)text[i]))
			continue;
		buf_add(buf, text + start, i - start);
		json_add_escape(buf, (unsigned char)text[i]);
		start = i + 1;
	}
	buf_add(buf, text + start, n - start);
	buf_add(buf, "\"", 1);
}

void buf_add_json_str(struct buf *buf, const char *text)
{
	buf_add_json(buf, text, strlen(text));
}

/* The bounds of the second byte say which sequences are overlong, surrogates, or past U+10FFFF
 * (Unicode 15, table 3-7). Returns the sequence's length, 0 for a byte that begins none. */
static size_t utf8_lead(unsigned char c, unsigned char *ret_low, unsigned char *ret_high)
{
	*ret_low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
	*ret_high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
	if (c < 0x80)
		return 1;
	if (c >= 0xc2 && c <= 0xdf)
		return 2;
	if (c >= 0xe0 && c <= 0xef)
		return 3;
	return c >= 0xf0 && c <= 0xf4 ? 4 : 0;
}

/* How many bytes at `p` belong together; *ret_whole says whether they are a character. If they
 * are not and end with the text, they may be one that is cut. */
static size_t utf8_span(const unsigned char *p, size_t n, bool *ret_whole)
{
	unsigned char low, high;
	size_t length = utf8_lead(p[0], &low, &high), i = 1;
	*ret_whole = false;
	for (; i < length && i < n; i++) {
		if (p[i] < low || p[i] > high)
			return i;
		low = 0x80;
		high = 0xbf;
	}
	*ret_whole = i == length;
	return i;
}

static size_t ascii_span(const char *p, size_t n)
{
	size_t i = 0;
	uint64_t word;
	for (; i + sizeof(word) <= n; i += sizeof(word)) {
		memcpy(&word, p + i, sizeof(word));
		if (word & UINT64_C(0x8080808080808080))
			break;
	}
	while (i < n && (unsigned char)p[i] < 0x80)
		i++;
	return i;
}

bool utf8_is_good(const char *text, size_t n)
{
	bool whole = true;
	for (size_t i = 0; whole && (i += ascii_span(text + i, n - i)) < n;)
		i += utf8_span((const unsigned char *)text + i, n - i, &whole);
	return whole;
}

static void utf8_add_wrong(struct buf *buf)
{
	buf_add(buf, "\xef\xbf\xbd", 3);
}

/* Completes the tail from the front of the text; returns how much of the text it took. */
static size_t utf8_join(struct buf *buf, struct utf8_tail *tail, const char *text, size_t n)
{
	size_t taken = 0;
	while (tail->n && taken < n) {
		tail->bytes[tail->n] = text[taken];
		bool whole;
		size_t span = utf8_span((const unsigned char *)tail->bytes, tail->n + 1, &whole);
		if (span <= tail->n) { /* the new byte does not belong to it */
			utf8_add_wrong(buf);
			tail->n = 0;
			return taken;
		}
		taken++;
		tail->n++;
		if (whole) {
			buf_add(buf, tail->bytes, tail->n);
			tail->n = 0;
		}
	}
	return taken;
}

void buf_add_utf8(struct buf *buf, struct utf8_tail *tail, const char *text, size_t n)
{
	size_t i = tail ? utf8_join(buf, tail, text, n) : 0;
	size_t start = i;
	while (i < n) {
		i += ascii_span(text + i, n - i);
		if (i == n)
			break;
		bool whole;
		size_t span = utf8_span((const unsigned char *)text + i, n - i, &whole);
		if (whole) {
			i += span;
			continue;
		}
		buf_add(buf, text + start, i - start);
		unsigned char low, high;
		bool cut = i + span == n && utf8_lead((unsigned char)text[i], &low, &high) > span;
		if (cut && tail) {
			memcpy(tail->bytes, text + i, span);
			tail->n = (uint8_t)span;
		} else {
			utf8_add_wrong(buf);
		}
		i += span;
		start = i;
	}
	buf_add(buf, text + start, i - start);
}

void buf_end_utf8(struct buf *buf, struct utf8_tail *tail)
{
	if (tail->n)
		utf8_add_wrong(buf);
	tail->n = 0;
}
