/* base64url: one table. */
#include "daemon/auth/base64url.h"

#include <errno.h>

/* clang-format off */
/* The value of a character, and one more: 0 is what is not in the alphabet. */
static const uint8_t values[256] = {
	['A'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
	['a'] = 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52,
	['0'] = 53, 54, 55, 56, 57, 58, 59, 60, 61, 62,
	['-'] = 63, ['_'] = 64,
};
/* clang-format on */

static bool value_of(char c, uint32_t *ret)
{
	uint8_t value = values[(unsigned char)c];
	*ret = value - 1u;
	return value != 0;
}

bool base64url_is_good(const char *text, size_t n)
{
	uint32_t last = 0;
	for (size_t i = 0; i < n; i++)
		if (!value_of(text[i], &last))
			return false;
	switch (n % 4) {
	case 1:
		return false;
	case 2:
		return (last & 0xf) == 0;
	case 3:
		return (last & 0x3) == 0;
	default:
		return true;
	}
}

int base64url_decode(const char *text, size_t n, uint8_t *into)
{
	uint32_t bits = 0, value;
	unsigned have = 0;
	if (n % 4 == 1)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (!value_of(text[i], &value))
			return -EINVAL;
		bits = bits << 6 | value;
		have += 6;
		if (have >= 8) {
			have -= 8;
			*into++ = (uint8_t)(bits >> have);
			bits &= (1u << have) - 1;
		}
	}
	return bits ? -EINVAL : 0;
}
