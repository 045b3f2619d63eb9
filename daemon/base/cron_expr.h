/*
 * cron_expr: schedules as text, and when they come. Pure: no clock, no file, no memory to free.
 *
 * The text:
 *
 *	minute hour day-of-month month day-of-week, or six fields, with seconds first
 *
 *	*  ?      all                           5,10,20-25  a list
 *	9-17      a range; it may wrap: 22-6    9-17/2  *\/15  each second, fifteenth …
 *	JAN MON   names, in any case            0 and 7 are Sunday
 *	L  L-3    day of month: the last, the third before it
 *	15W  LW   day of month: the weekday nearest to it, within the month; the last weekday
 *	MON#2     day of week: the second Monday of the month; 5L or FRIL: the last Friday
 *
 *	@hourly @daily @midnight @weekly @monthly @yearly @annually @reboot
 *	@every 90s (500ms 30s 5m 2h 1d; 100ms to 366d)
 *
 * Day of month and day of week: a field is restricted unless it is just * or ?. If both are, a day that
 * either of them has is enough.
 *
 * When clocks are changed:
 * - A schedule whose hour field has a * in it (alone, or as *\/2; the range 0-23 is the same) follows the
 *   clock: it comes each time that the clock shows such a time. So it goes on through an hour that
 *   comes twice, and what is left out comes not at all.
 * - Any other names times of a day. One that is left out comes at the first instant after the gap
 *   (several in one gap: once), whatever day that is; one that comes twice comes at the first.
 *
 * @every has no times of its own: the next is so much after the last.
 */
#ifndef AGENTD_BASE_CRON_EXPR_H
#define AGENTD_BASE_CRON_EXPR_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/buf.h"
#include "daemon/base/zone.h"

#define CRON_TEXT_MAX  256u /* longer is no schedule */
#define CRON_ERROR_MAX 256u

enum cron_kind { CRON_TIMES, CRON_EVERY, CRON_REBOOT };

/* Bit i is value i. */
struct cron_expr {
	enum cron_kind kind;
	uint64_t seconds, minutes;
	uint32_t hours;
	uint32_t days;             /* 1 … 31 */
	uint32_t days_to_last;     /* 0 is the last day */
	uint32_t days_near;        /* the weekday nearest to it; bit 0: the last weekday */
	uint16_t months;           /* 1 … 12 */
	uint8_t weekdays;          /* 0 is Sunday */
	uint8_t nth[7];            /* of each weekday of the month: 1 … 5, bit 0: the last */
	bool any_day, any_weekday; /* not restricted */
	bool follows_clock;
	uint64_t every_ms;
};

/* 0, or -EINVAL and what is wrong, as a config error has it. What never comes (30 Feb) is wrong. */
int cron_expr_parse(const char *text, struct cron_expr *ret_expr, char ret_error[CRON_ERROR_MAX]);

/* The first time strictly after an instant (ms since 1970, UTC). 0; -ENOENT: there is none, as of @reboot,
 * and beyond the year 9999. Takes microseconds. A zone of NULL is UTC. */
int cron_expr_next(
    const struct cron_expr *expr, const struct zone *zone, int64_t after_ms, int64_t *ret_ms);

/* Whether its fields have what clocks show then; not so where a gap has moved it. */
bool cron_expr_has(const struct cron_expr *expr, int64_t local_s);

/* In words: "at 09:00, Monday to Friday". */
void cron_expr_explain(const struct cron_expr *expr, struct buf *out);

/* Sunday …, and January … from 1. The text has their first three letters. */
extern const char *const cron_weekdays[7];
extern const char *const cron_months[13];

#endif
