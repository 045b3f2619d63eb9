/* base64: four characters are three bytes. */
#include "daemon/base/base64.h"

/* clang-format off */
/* The value of a character, and one more: 0 is what is not in the alphabet. */
static const uint8_t values[256] = {
	['A'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
	['a'] = 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52,
	['0'] = 53, 54, 55, 56, 57, 58, 59, 60, 61, 62,
	['+'] = 63, ['/'] = 64,
};
/* clang-format on */

static uint32_t value_of(char c)
{
	return values[(unsigned char)c] - 1u;
}

/* Without the padding, which is there as a whole or not at all. */
static size_t length_of(const char *text, size_t n)
{
	if (n == 0 || n % 4 || text[n - 1] != '=')
		return n;
	return text[n - 2] == '=' ? n - 2 : n - 1;
}

bool base64_is_good(const char *text, size_t n)
{
	static const uint32_t unused[4] = { [2] = 0xf, [3] = 0x3 }; /* bits of the last character */
	size_t length = length_of(text, n);
	for (size_t i = 0; i < length; i++)
		if (!values[(unsigned char)text[i]])
			return false;
	return length % 4 != 1 && !(length && value_of(text[length - 1]) & unused[length % 4]);
}

size_t base64_bytes(const char *text, size_t n)
{
	size_t length = length_of(text, n);
	return length / 4 * 3 + length % 4 * 3 / 4;
}

void base64_decode(const char *text, size_t n, void *into)
{
	size_t length = length_of(text, n), i = 0;
	uint8_t *out = into;
	for (; i + 4 <= length; i += 4, out += 3) {
		uint32_t bits = value_of(text[i]) << 18 | value_of(text[i + 1]) << 12 |
				value_of(text[i + 2]) << 6 | value_of(text[i + 3]);
		out[0] = (uint8_t)(bits >> 16);
		out[1] = (uint8_t)(bits >> 8);
		out[2] = (uint8_t)bits;
	}
	if (length - i >= 2)
		out[0] = (uint8_t)(value_of(text[i]) << 2 | value_of(text[i + 1]) >> 4);
	if (length - i == 3)
		out[1] = (uint8_t)(value_of(text[i + 1]) << 4 | value_of(text[i + 2]) >> 2);
}

void base64_encode(struct buf *out, const void *bytes, size_t n)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *in = bytes;
	size_t length = (n + 2) / 3 * 4;
	char *to = buf_room(out, length);
	if (!to)
		return;
	for (size_t i = 0; i < n; i += 3, to += 4) {
		uint32_t bits = (uint32_t)in[i] << 16;
		bits |= i + 1 < n ? (uint32_t)in[i + 1] << 8 : 0;
		bits |= i + 2 < n ? (uint32_t)in[i + 2] : 0;
		to[0] = digits[bits >> 18];
		to[1] = digits[bits >> 12 & 63];
		to[2] = i + 1 < n ? digits[bits >> 6 & 63] : '=';
		to[3] = i + 2 < n ? digits[bits & 63] : '=';
	}
	buf_grew(out, length);
}
