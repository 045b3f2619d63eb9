/*
 * fuzz_cron: any text as a schedule, in any zone, after any time.
 *
 * What must hold: it is understood, or there is a message; what is understood has words, and comes; each
 * time is later than the last; nothing comes between two times; local times are those of the schedule, but
 * for one that a gap has moved to its end.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/cron_expr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TIMES        8
#define LOOKED       2000                 /* seconds around a time */
#define LATEST       INT64_C(33000000000) /* well into the 31st century, and as far before 1970 */
#define HEAD         9                    /* bytes: a zone, and a time */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const names[] = { "UTC", "America/New_York", "America/Santiago", "America/Nuuk",
	"Africa/Casablanca", "Africa/Monrovia", "Asia/Gaza", "Asia/Kathmandu",
	"Australia/Lord_Howe", "Europe/Dublin", "Pacific/Apia", "Pacific/Kwajalein",
	"Antarctica/Troll" };
static struct zone *zones[COUNT(names)];

static bool is_gap_end(const struct zone *zone, int64_t utc_s)
{
	struct zone_span span = zone_span_at(zone, utc_s);
	return span.start == utc_s && span.before < span.offset;
}

/* Whether clocks showed it before; a schedule that does not follow them does not come again. */
static bool is_second(const struct zone *zone, int64_t utc_s)
{
	struct zone_span span = zone_span_at(zone, utc_s);
	return span.before > span.offset && utc_s - span.start < span.before - span.offset;
}

static void check_time(const struct cron_expr *expr, const struct zone *zone, int64_t utc_s)
{
	bool has = cron_expr_has(expr, utc_s + zone_span_at(zone, utc_s).offset);
	if (expr->follows_clock ? !has : !has && !is_gap_end(zone, utc_s))
		abort();
	if (!expr->follows_clock && is_second(zone, utc_s))
		abort();
}

static void check_between(
    const struct cron_expr *expr, const struct zone *zone, int64_t from_s, int64_t until_s)
{
	for (int64_t at = from_s + 1; at < until_s; at++)
		if (cron_expr_has(expr, at + zone_span_at(zone, at).offset) &&
		    (expr->follows_clock || !is_second(zone, at)))
			abort();
}

static void check_times(const struct cron_expr *expr, const struct zone *zone, int64_t at_ms)
{
	int64_t next_ms;
	for (int i = 0; i < TIMES; i++) {
		if (cron_expr_next(expr, zone, at_ms, &next_ms) < 0 || next_ms <= at_ms)
			abort();
		if (expr->kind == CRON_TIMES) {
			int64_t from = (at_ms - (at_ms % 1000 < 0 ? 999 : 0)) / 1000,
				next = next_ms / 1000;
			check_time(expr, zone, next);
			check_between(
			    expr, zone, from, next < from + LOOKED ? next : from + LOOKED);
			check_between(
			    expr, zone, next > from + LOOKED ? next - LOOKED : from, next);
		}
		at_ms = next_ms;
	}
}

/* A byte for the zone, eight for the time, and the text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cron_expr expr;
	struct buf words = { 0 };
	char error[CRON_ERROR_MAX] = "";
	int64_t after_ms;
	if (size < HEAD)
		return 0;
	size_t zone = data[0] % COUNT(names);
	if (!zones[zone] && zone_new(names[zone], &zones[zone]) < 0)
		abort();
	memcpy(&after_ms, data + 1, sizeof(after_ms));
	after_ms %= LATEST * 1000;
	char *text = strndup((const char *)data + HEAD, size - HEAD);
	if (!text)
		return 0;
	if (cron_expr_parse(text, &expr, error) < 0) {
		if (!*error || !utf8_is_good(error, strlen(error)))
			abort();
	} else {
		cron_expr_explain(&expr, &words);
		if (!words.length || words.failed)
			abort();
		if (expr.kind != CRON_REBOOT)
			check_times(&expr, zones[zone], after_ms);
	}
	buf_done(&words);
	free(text);
	return 0;
}
