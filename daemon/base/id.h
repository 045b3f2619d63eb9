/* id: identifiers that sort by the time they were made, and the clocks they are made from. */
#ifndef AGENTD_BASE_ID_H
#define AGENTD_BASE_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ID_SIZE   37 /* a UUID as text, and its NUL */
#define TIME_SIZE 25 /* RFC 3339, UTC, milliseconds: 2026-11-22T08:00:00.000Z, and its NUL */

uint64_t clock_monotonic_ms(void);
uint64_t clock_monotonic_us(void);
uint64_t clock_wall_ms(void); /* since 1970, UTC */
void time_format(uint64_t wall_ms, char out[TIME_SIZE]);

/* A UUIDv7 (RFC 9562, section 5.7): milliseconds, then random. */
void id_make(uint64_t wall_ms, char out[ID_SIZE]);
/* Whether the text looks as those do. */
bool id_is_good(const char *text);
/* 32 random bits, for jitter. */
uint32_t random_u32(void);

#define NAME_MAX_BYTES 64
/* Whether it can be the name of an agent, a trigger or an event: letters, digits, _ and -. */
bool name_is_good(const char *text, size_t n);

#endif
