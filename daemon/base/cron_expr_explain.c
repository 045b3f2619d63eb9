/*
 * cron_expr_explain: what was understood, in words. It is made from the sets alone, not from the text:
 * who misread cron's rules sees it here.
 */
#include "daemon/base/cron_expr.h"

#include <string.h>

#define TIMES_MAX 6 /* so many are told one by one */

/* Values of a set, one after the other. `names`, or the numbers themselves. */
struct words {
	struct buf *out;
	const char *const *names;
	unsigned start, size; /* where the circle is begun, and its length */
	size_t left;          /* items to come */
};

static unsigned count_of(uint64_t set)
{
	return (unsigned)__builtin_popcountll(set);
}

static bool has(const struct words *words, uint64_t set, unsigned i)
{
	return i < words->size && set >> ((words->start + i) % words->size) & 1;
}

static void add_value(const struct words *words, unsigned i)
{
	unsigned value = (words->start + i) % words->size;
	if (words->names)
		buf_add_str(words->out, words->names[value]);
	else
		buf_add_uint(words->out, value);
}

/* Between two items of a list. */
static void add_comma(struct words *words, bool first)
{
	words->left--;
	if (!first)
		buf_add_str(words->out, words->left ? ", " : " and ");
}

/* The end of the run of three or more that begins at i; i itself if there is none. */
static unsigned run_end(const struct words *words, uint64_t set, unsigned i)
{
	unsigned end = i;
	while (has(words, set, end + 1))
		end++;
	return end - i >= 2 ? end : i;
}

/* "1, 5 and 10 to 20". */
static void add_list(struct words *words, uint64_t set)
{
	words->left = 0;
	for (unsigned i = 0; i < words->size; i++)
		if (has(words, set, i)) {
			words->left++;
			i = run_end(words, set, i);
		}
	bool first = true;
	for (unsigned i = 0; i < words->size; i++) {
		if (!has(words, set, i))
			continue;
		add_comma(words, first);
		add_value(words, i);
		unsigned end = run_end(words, set, i);
		if (end > i) {
			buf_add_str(words->out, " to ");
			add_value(words, end);
		}
		i = end;
		first = false;
	}
}

/* One field of a time of day. */
struct level {
	const char *name;
	uint64_t set;
	unsigned size;
};

/* n if it is 0, n, 2n … around the field, without a rest; else 0. */
static unsigned step_of(const struct level *level)
{
	unsigned count = count_of(level->set), step = level->size / count;
	if (count < 2 || step * count != level->size)
		return 0;
	for (unsigned i = 0; i < level->size; i += step)
		if (!(level->set >> i & 1))
			return 0;
	return step;
}

static const char *ordinal(unsigned n)
{
	return n == 2 ? "nd" : n == 3 ? "rd" : "th"; /* no step of a field is 22 */
}

static void add_level(struct buf *out, const struct level *level, bool inner)
{
	unsigned step = step_of(level);
	struct words words = { .out = out, .size = level->size };
	buf_add_str(out, inner && !step ? "at " : inner ? "" : " of ");
	if (step == 1)
		buf_addf(out, "every %s", level->name);
	else if (step && inner)
		buf_addf(out, "every %u %ss", step, level->name);
	else if (step)
		buf_addf(out, "every %u%s %s", step, ordinal(step), level->name);
	else
		buf_addf(out, "%s%s ", level->name, count_of(level->set) > 1 ? "s" : "");
	if (!step)
		add_list(&words, level->set);
}

/* "at 09:00 and 17:30". */
static void add_times(struct buf *out, const struct cron_expr *expr, unsigned count)
{
	struct words words = { .out = out, .left = count };
	bool first = true;
	buf_add_str(out, "at ");
	for (uint64_t h = expr->hours; h; h &= h - 1)
		for (uint64_t m = expr->minutes; m; m &= m - 1)
			for (uint64_t s = expr->seconds; s; s &= s - 1) {
				add_comma(&words, first);
				buf_addf(out, "%02d:%02d", __builtin_ctzll(h), __builtin_ctzll(m));
				if (expr->seconds != 1)
					buf_addf(out, ":%02d", __builtin_ctzll(s));
				first = false;
			}
}

/* The smallest unit that says something, "of" the greater ones. */
static void add_levels(struct buf *out, const struct cron_expr *expr)
{
	const struct level levels[] = {
		{ "second", expr->seconds, 60 },
		{ "minute", expr->minutes, 60 },
		{ "hour", expr->hours, 24 },
	};
	size_t i = expr->seconds == 1 ? 1 : 0;
	if (i == 1 && expr->minutes == 1 && step_of(&levels[2]))
		i = 2;
	add_level(out, &levels[i], true);
	bool even = step_of(&levels[i]);
	for (i++; i < 3; i++) {
		bool all = step_of(&levels[i]) == 1;
		if (!all || !even)
			add_level(out, &levels[i], false);
		even = all; /* "second 5 of every minute" says all there is to say of hours */
	}
}

/* ", " before the first of several, " or " before the others. */
static void add_or(struct buf *out, bool *first, const char *text)
{
	buf_add_str(out, *first ? ", " : " or ");
	buf_add_str(out, text);
	*first = false;
}

static void add_days(struct buf *out, const struct cron_expr *expr, bool *first)
{
	if (expr->days) {
		struct words words = { .out = out, .size = 32 };
		add_or(out, first, count_of(expr->days) > 1 ? "on days " : "on day ");
		add_list(&words, expr->days);
		buf_add_str(out, " of the month");
	}
	for (uint32_t left = expr->days_to_last; left; left &= left - 1) {
		int back = __builtin_ctz(left);
		add_or(out, first, "on the last day of the month");
		if (back)
			buf_addf(out, " less %d", back);
	}
	for (uint32_t left = expr->days_near; left; left &= left - 1) {
		int day = __builtin_ctz(left);
		add_or(out, first, day ? "on the weekday nearest to day " : "on the last weekday");
		if (day)
			buf_addf(out, "%d", day);
		buf_add_str(out, " of the month");
	}
}

static void add_weekdays(struct buf *out, const struct cron_expr *expr, bool *first)
{
	static const char *const nth[] = { "last", "first", "second", "third", "fourth", "fifth" };
	if (expr->weekdays) {
		struct words words = { .out = out, .names = cron_weekdays, .start = 1, .size = 7 };
		add_or(out, first, "");
		add_list(&words, expr->weekdays);
	}
	for (unsigned weekday = 0; weekday < 7; weekday++)
		for (unsigned left = expr->nth[weekday]; left; left &= left - 1) {
			add_or(out, first, "on the ");
			buf_addf(out, "%s %s of the month", nth[__builtin_ctz(left)],
			    cron_weekdays[weekday]);
		}
}

static void explain_times(struct buf *out, const struct cron_expr *expr)
{
	unsigned count = count_of(expr->seconds) * count_of(expr->minutes) * count_of(expr->hours);
	bool first = true;
	if (count <= TIMES_MAX)
		add_times(out, expr, count);
	else
		add_levels(out, expr);
	if (!expr->any_day)
		add_days(out, expr, &first);
	if (!expr->any_weekday)
		add_weekdays(out, expr, &first);
	if (first && count <= TIMES_MAX)
		buf_add_str(out, ", every day");
	if (count_of(expr->months) < 12) {
		struct words words = { .out = out, .names = cron_months, .size = 13 };
		buf_add_str(out, ", in ");
		add_list(&words, expr->months);
	}
}

static void explain_every(struct buf *out, uint64_t ms)
{
	static const struct {
		uint64_t ms;
		const char *name;
	} units[] = {
		{ 86400000, "day" },
		{ 3600000, "hour" },
		{ 60000, "minute" },
		{ 1000, "second" },
		{ 1, "millisecond" },
	};
	size_t i = 0;
	while (ms % units[i].ms)
		i++;
	uint64_t count = ms / units[i].ms;
	buf_add_str(out, "every ");
	if (count > 1) {
		buf_add_uint(out, count);
		buf_add_str(out, " ");
	}
	buf_add_str(out, units[i].name);
	buf_add_str(out, count > 1 ? "s" : "");
}

void cron_expr_explain(const struct cron_expr *expr, struct buf *out)
{
	switch (expr->kind) {
	case CRON_TIMES:
		explain_times(out, expr);
		break;
	case CRON_EVERY:
		explain_every(out, expr->every_ms);
		break;
	case CRON_REBOOT:
		buf_add_str(out, "once, when agentd starts");
		break;
	}
}
