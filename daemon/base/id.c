/* id: UUIDv7 and the clocks. The kernel's random bytes are fetched a page at a time. */
#include "daemon/base/id.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t clock_monotonic_ms(void)
{
	return clock_ns(CLOCK_MONOTONIC) / 1000000u;
}

uint64_t clock_monotonic_us(void)
{
	return clock_ns(CLOCK_MONOTONIC) / 1000u;
}

uint64_t clock_wall_ms(void)
{
	return clock_ns(CLOCK_REALTIME) / 1000000u;
}

/* Most calls fall into the second of the one before, whose text is kept. */
void time_format(uint64_t wall_ms, char out[TIME_SIZE])
{
	static char kept[64];
	static time_t kept_second = -1;
	time_t second = (time_t)(wall_ms / 1000u);
	unsigned ms = (unsigned)(wall_ms % 1000u);
	if (second != kept_second) {
		struct tm utc;
		gmtime_r(&second, &utc);
		snprintf(kept, sizeof(kept), "%04d-%02d-%02dT%02d:%02d:%02d.000Z",
		    utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min,
		    utc.tm_sec);
		kept_second = second;
	}
	memcpy(out, kept, TIME_SIZE - 1);
	out[20] = (char)('0' + ms / 100);
	out[21] = (char)('0' + ms / 10 % 10);
	out[22] = (char)('0' + ms % 10);
	out[TIME_SIZE - 1] = '\0';
}

static void random_bytes(void *into, size_t n)
{
	static unsigned char pool[4096];
	static size_t left;
	if (left < n) {
		size_t have = 0;
		while (have < sizeof(pool)) {
			ssize_t got = getrandom(pool + have, sizeof(pool) - have, 0);
			if (got < 0 && errno != EINTR)
				abort(); /* no kernel that we run on lacks it */
			have += got > 0 ? (size_t)got : 0;
		}
		left = sizeof(pool);
	}
	left -= n;
	memcpy(into, pool + left, n);
	memset(pool + left, 0, n);
}

void id_make(uint64_t wall_ms, char out[ID_SIZE])
{
	static const char digit[] = "0123456789abcdef";
	unsigned char b[16];
	random_bytes(b + 6, 10);
	for (int i = 0; i < 6; i++)
		b[i] = (unsigned char)(wall_ms >> (40 - 8 * i));
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x70);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	char *p = out;
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = digit[b[i] >> 4];
		*p++ = digit[b[i] & 15];
	}
	*p = '\0';
}

bool id_is_good(const char *text)
{
	for (size_t i = 0; i < ID_SIZE - 1; i++)
		if (i == 8 || i == 13 || i == 18 || i == 23
			? text[i] != '-'
			: !text[i] || !strchr("0123456789abcdef", text[i]))
			return false;
	return text[ID_SIZE - 1] == '\0';
}

uint32_t random_u32(void)
{
	uint32_t value;
	random_bytes(&value, sizeof(value));
	return value;
}

bool name_is_good(const char *text, size_t n)
{
	static const char allowed[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	for (size_t i = 0; i < n; i++)
		if (!memchr(allowed, text[i], sizeof(allowed) - 1))
			return false;
	return n > 0 && n <= NAME_MAX_BYTES;
}
