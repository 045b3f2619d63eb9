/* cron: what a schedule means, and when it comes. It asks no server: what agentd would do is told by the same
 * code. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl/command.h"
#include "ctl/say.h"
#include "daemon/base/calendar.h"
#include "daemon/base/cron_expr.h"
#include "daemon/base/id.h"

#define NAME      "cron next"
#define COUNT     5
#define COUNT_MAX 1000

struct question {
	const char *schedule;
	struct cron_expr expr;
	struct zone *zone;
	int64_t after_ms;
	long count;
};

static int read_count(const char *text, long *ret_count)
{
	char *end = NULL;
	long count = text ? strtol(text, &end, 10) : COUNT;
	if (end && (end == text || *end || count < 1 || count > COUNT_MAX))
		return say_usage(
		    NAME, "--count takes a number, 1 to %d, not \"%s\"", COUNT_MAX, text);
	*ret_count = count;
	return 0;
}

static int read_zone(const char *name, struct zone **ret_zone)
{
	int error = zone_new(name ? name : "UTC", ret_zone);
	if (error == -ENOENT)
		return say_usage(NAME,
		    "there is no time zone \"%s\"; expected one of tzdata's, such as Europe/Berlin",
		    name);
	if (error < 0)
		abort();
	return 0;
}

/* When a zone's clocks first show a time; the end of the gap if they leave it out. */
static int64_t utc_of(const struct zone *zone, int64_t local_s)
{
	struct zone_span span = zone_span_at(zone, local_s - 2 * CALENDAR_DAY_S);
	while (local_s - span.offset >= span.end)
		span = zone_span_at(zone, span.end);
	return local_s - span.offset > span.start ? local_s - span.offset : span.start;
}

/* RFC 3339, or the beginning of it: "2026-03-08", "2026-03-08 12:30". Without an offset it is the zone's. */
static int read_after(const char *text, const struct zone *zone, int64_t *ret_ms)
{
	struct tm tm = { 0 };
	const char *rest = text ? strptime(text, "%Y-%m-%d", &tm) : NULL;
	if (!text) {
		*ret_ms = (int64_t)clock_wall_ms();
		return 0;
	}
	if (rest && strchr("Tt ", *rest) && *rest)
		rest = strptime(rest + 1, "%H:%M", &tm);
	if (rest && *rest == ':')
		rest = strptime(rest + 1, "%S", &tm);
	if (rest && *rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	bool is_local = rest && !*rest;
	if (rest && *rest)
		rest = strptime(rest, "%z", &tm);
	int64_t offset = tm.tm_gmtoff;
	int day = tm.tm_mday;
	int64_t second = (int64_t)timegm(&tm); /* 30 February is made 2 March */
	if (!rest || *rest || tm.tm_mday != day)
		return say_usage(NAME,
		    "--after takes a time such as 2026-03-08T12:00:00Z or 2026-03-08, not \"%s\"",
		    text);
	*ret_ms = (is_local ? utc_of(zone, second) : second - offset) * 1000;
	return 0;
}

static int read_question(const struct arguments *arguments, struct question *question)
{
	char error[CRON_ERROR_MAX];
	question->schedule = arguments_word(arguments, 0);
	if (cron_expr_parse(question->schedule, &question->expr, error) < 0)
		return say_usage(NAME, "%s", error);
	int code = read_count(arguments_get(arguments, "count"), &question->count);
	if (code == 0)
		code = read_zone(arguments_get(arguments, "tz"), &question->zone);
	if (code == 0)
		code = read_after(
		    arguments_get(arguments, "after"), question->zone, &question->after_ms);
	return code;
}

static int64_t second_of(int64_t ms)
{
	return ms / 1000 - (ms % 1000 < 0);
}

/* RFC 3339 has no seconds in an offset, as those of a hundred years ago: they are added to the time. */
static void add_time(struct buf *out, const struct zone *zone, int64_t ms)
{
	char text[40];
	struct tm tm;
	int minutes = zone_span_at(zone, second_of(ms)).offset / 60;
	int rest = (int)(ms - second_of(ms) * 1000);
	time_t local = (time_t)(second_of(ms) + minutes * 60);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", gmtime_r(&local, &tm));
	buf_add_str(out, text);
	if (rest)
		buf_addf(out, ".%03d", rest);
	if (strcmp(zone_name(zone), "UTC") == 0)
		buf_add_str(out, "Z");
	else
		buf_addf(out, "%c%02d:%02d", minutes < 0 ? '-' : '+', abs(minutes) / 60,
		    abs(minutes) % 60);
}

static bool next_time(const struct question *question, int64_t *at_ms)
{
	return cron_expr_next(&question->expr, question->zone, *at_ms, at_ms) == 0;
}

static bool is_moved(const struct question *question, int64_t ms)
{
	int64_t second = second_of(ms);
	return question->expr.kind == CRON_TIMES &&
	       !cron_expr_has(
		   &question->expr, second + zone_span_at(question->zone, second).offset);
}

static const char *weekday_of(const struct question *question, int64_t ms)
{
	int64_t second = second_of(ms);
	return cron_weekdays[calendar_weekday(
	    calendar_day_of(second + zone_span_at(question->zone, second).offset))];
}

static void print_answer(const struct question *question, const char *words)
{
	int64_t at = question->after_ms;
	printf("%s%s%s (%s)\n", say_style(stdout, STYLE_BOLD), words, say_style(stdout, STYLE_NONE),
	    zone_name(question->zone));
	for (long i = 0; i < question->count && next_time(question, &at); i++) {
		struct buf time = { 0 };
		add_time(&time, question->zone, at);
		printf("%.*s  %.3s%s\n", (int)time.length, time.data, weekday_of(question, at),
		    is_moved(question, at) ? "  (clocks are set forward over its time)" : "");
		buf_done(&time);
	}
}

static void print_json(const struct question *question, const char *words)
{
	int64_t at = question->after_ms;
	json_t *next = json_array();
	for (long i = 0; i < question->count && next_time(question, &at); i++) {
		struct buf time = { 0 };
		add_time(&time, question->zone, at);
		json_array_append_new(next, json_stringn(time.data, time.length));
		buf_done(&time);
	}
	say_json(json_pack("{s:s, s:s, s:s, s:o}", "schedule", question->schedule, "timezone",
	    zone_name(question->zone), "explanation", words, "next", next));
}

int cron_next(struct client *client, const struct arguments *arguments)
{
	struct question question = { 0 };
	struct buf out = { 0 };
	(void)client;
	int code = read_question(arguments, &question);
	if (code == 0) {
		cron_expr_explain(&question.expr, &out);
		char *words = buf_take(&out);
		if (!words)
			abort();
		(say_is_json() ? print_json : print_answer)(&question, words);
		free(words);
	}
	zone_free(question.zone);
	return code;
}
