/*
 * cron_expr: the next time. A zone's life is a row of spans without change; in each of them local time
 * runs like UTC, so a search there is one over the calendar alone. What a change leaves out or brings
 * twice is dealt with where a span begins.
 */
#include "daemon/base/cron_expr.h"

#include <errno.h>

#include "daemon/base/calendar.h"

#define DAY CALENDAR_DAY_S
/* The fifth Friday of a February comes every 28 years, around 2100 every 40. */
#define HORIZON (41 * 366 * DAY)
/* The year 9999: beyond, nothing is looked for, so that nothing overflows. */
#define LATEST INT64_C(253402300800)

/* The weekday nearest to a day, without leaving the month. */
static unsigned nearest_weekday(unsigned day, unsigned first_weekday, unsigned length)
{
	unsigned weekday = (first_weekday + day - 1) % 7;
	if (weekday == 6)
		return day > 1 ? day - 1 : day + 2;
	if (weekday == 0)
		return day < length ? day + 1 : day - 2;
	return day;
}

static uint32_t days_of_month(const struct cron_expr *expr, unsigned first_weekday, unsigned length)
{
	uint32_t mask = expr->days;
	for (uint32_t left = expr->days_to_last; left; left &= left - 1) {
		unsigned back = (unsigned)__builtin_ctz(left);
		if (back < length)
			mask |= UINT32_C(1) << (length - back);
	}
	for (uint32_t left = expr->days_near; left; left &= left - 1) {
		unsigned day = (unsigned)__builtin_ctz(left);
		if (day == 0) /* the last weekday */
			mask |= UINT32_C(1) << nearest_weekday(length, first_weekday, length);
		else if (day <= length)
			mask |= UINT32_C(1) << nearest_weekday(day, first_weekday, length);
	}
	return mask;
}

static uint32_t days_of_week(const struct cron_expr *expr, unsigned first_weekday, unsigned length)
{
	uint32_t mask = 0;
	for (unsigned day = 1; day <= length; day++) {
		unsigned weekday = (first_weekday + day - 1) % 7, nth = (day + 6) / 7;
		bool last = day + 7 > length;
		if (expr->weekdays >> weekday & 1 || expr->nth[weekday] >> nth & 1 ||
		    (last && expr->nth[weekday] & 1))
			mask |= UINT32_C(1) << day;
	}
	return mask;
}

/* The days of a month on which it comes, bit by bit. */
static uint32_t days_in(const struct cron_expr *expr, int64_t year, unsigned month)
{
	if (!(expr->months >> month & 1))
		return 0;
	unsigned length = calendar_month_length(year, month);
	unsigned first = calendar_weekday(calendar_days((struct date){ year, month, 1 }));
	uint32_t all = (uint32_t)((UINT64_C(2) << length) - 2), mask = 0;
	if (expr->any_day && expr->any_weekday)
		return all;
	if (!expr->any_day)
		mask |= days_of_month(expr, first, length);
	if (!expr->any_weekday)
		mask |= days_of_week(expr, first, length);
	return mask & all;
}

/* The first value that is in the set and at least `from`; -1 if there is none. */
static int next_in(uint64_t set, int from)
{
	uint64_t left = from < 64 ? set >> from << from : 0;
	return left ? __builtin_ctzll(left) : -1;
}

/* The first second of a day, from `from` on, at which it comes; -1 if there is none. */
static int next_in_day(const struct cron_expr *expr, int from)
{
	int hour = from / 3600, minute = from / 60 % 60, second = next_in(expr->seconds, from % 60);
	if (second < 0)
		minute++;
	int next_minute = next_in(expr->minutes, minute);
	if (next_minute != minute)
		second = -1;
	if (next_minute < 0)
		hour++;
	int next_hour = next_in(expr->hours, hour);
	if (next_hour < 0)
		return -1;
	if (next_hour != hour || next_minute < 0) {
		next_minute = next_in(expr->minutes, 0);
		second = -1;
	}
	if (second < 0)
		second = next_in(expr->seconds, 0);
	return next_hour * 3600 + next_minute * 60 + second;
}

/* The first local time from `from` on and before `until`. */
static bool next_local(
    const struct cron_expr *expr, int64_t from, int64_t until, int64_t *ret_local)
{
	int64_t today = calendar_day_of(from);
	int second = next_in_day(expr, (int)(from - today * DAY));
	if (second < 0) {
		today++;
		second = next_in_day(expr, 0);
	}
	struct date date = calendar_date(today);
	int64_t month_start = today - (date.day - 1);
	while (month_start * DAY < until) {
		uint32_t days = days_in(expr, date.year, date.month) >> date.day << date.day;
		if (days) {
			int64_t day = month_start + __builtin_ctz(days) - 1;
			if (day != today)
				second = next_in_day(expr, 0);
			*ret_local = day * DAY + second;
			return *ret_local < until;
		}
		month_start += calendar_month_length(date.year, date.month);
		date = calendar_date(month_start);
	}
	return false;
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Where in a span the search for local times begins. Set forward: what was left out is looked for where the
 * span begins. Set back: what was shown before is not looked for again. */
static int64_t first_local(const struct cron_expr *expr, const struct zone_span *span, int64_t from)
{
	int64_t first = from + span->offset;
	if (expr->follows_clock || span->before == span->offset)
		return first;
	int64_t shown = span->start + span->before;
	if (span->before < span->offset)
		return from == span->start ? shown : first;
	return first > shown ? first : shown;
}

/* From `from` on, through one span after the other. */
static bool next_instant(
    const struct cron_expr *expr, const struct zone *zone, int64_t from, int64_t *ret_utc)
{
	int64_t until = from + HORIZON, local;
	while (from < until) {
		struct zone_span span =
		    zone ? zone_span_at(zone, from) : (struct zone_span){ .end = INT64_MAX };
		int64_t first = first_local(expr, &span, from);
		if (next_local(expr, first, least(span.end, until) + span.offset, &local)) {
			int64_t utc = local - span.offset;
			*ret_utc = utc > from ? utc : from;
			return true;
		}
		from = span.end;
	}
	return false;
}

int cron_expr_next(
    const struct cron_expr *expr, const struct zone *zone, int64_t after_ms, int64_t *ret_ms)
{
	int64_t utc, after_s = after_ms / 1000 - (after_ms % 1000 < 0);
	if (expr->kind == CRON_REBOOT || after_ms < -LATEST * 1000 || after_ms > LATEST * 1000)
		return -ENOENT;
	if (expr->kind == CRON_EVERY) {
		*ret_ms = after_ms + (int64_t)expr->every_ms;
		return 0;
	}
	if (!next_instant(expr, zone, after_s + 1, &utc))
		return -ENOENT;
	*ret_ms = utc * 1000;
	return 0;
}

bool cron_expr_has(const struct cron_expr *expr, int64_t local_s)
{
	int64_t local;
	return expr->kind == CRON_TIMES && next_local(expr, local_s, local_s + 1, &local);
}
