/* harmless: one pass over good UTF-8. */
#include "daemon/base/harmless.h"

size_t harmless_decode(const char *text, uint32_t *ret)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t length = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	static const unsigned char mask[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	uint32_t c = p[0] & mask[length];
	for (size_t i = 1; i < length; i++)
		c = c << 6 | (p[i] & 0x3fu);
	*ret = c;
	return length;
}

/* C0, DEL, C1, line separators, and what turns the direction of text about. */
static bool is_harmful(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

static void add_good(struct buf *out, const char *text, size_t n, bool lines)
{
	size_t start = 0, length;
	for (size_t i = 0; i < n; i += length) {
		uint32_t c;
		length = harmless_decode(text + i, &c);
		if (!is_harmful(c) || (lines && (c == '\n' || c == '\t')))
			continue;
		buf_add(out, text + start, i - start);
		if (c == '\n' || c == '\t')
			buf_add_str(out, c == '\n' ? "\\n" : "\\t");
		else
			buf_addf(out, c < 0x80 ? "\\x%02x" : "\\u%04x", c);
		start = i + length;
	}
	buf_add(out, text + start, n - start);
}

void harmless_add(struct buf *out, const char *text, size_t n, bool lines)
{
	struct buf clean = { 0 };
	if (utf8_is_good(text, n)) {
		add_good(out, text, n, lines);
		return;
	}
	buf_add_utf8(&clean, NULL, text, n);
	add_good(out, clean.data ? clean.data : "", clean.length, lines);
	buf_done(&clean);
}
