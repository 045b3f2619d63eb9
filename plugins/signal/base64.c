/* base64: three bytes are four characters. */
#include "base64.h"

#include <stdint.h>

size_t signal_base64_length(size_t n)
{
	return (n + 2) / 3 * 4;
}

void signal_base64_write(char *out, const void *bytes, size_t n)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *in = bytes;
	for (size_t i = 0; i < n; i += 3, out += 4) {
		uint32_t three = (uint32_t)in[i] << 16;
		three |= i + 1 < n ? (uint32_t)in[i + 1] << 8 : 0;
		three |= i + 2 < n ? (uint32_t)in[i + 2] : 0;
		out[0] = digits[three >> 18];
		out[1] = digits[three >> 12 & 63];
		out[2] = i + 1 < n ? digits[three >> 6 & 63] : '=';
		out[3] = i + 2 < n ? digits[three & 63] : '=';
	}
}
