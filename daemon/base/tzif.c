/*
 * tzif: the table of a file, then its last line, which is a rule of POSIX's TZ: "CET-1CEST,M3.5.0,M10.5.0/3".
 * Own code, since libc would need TZ in the environment, which threads share, and GLib's GTimeZone costs an
 * idle agentd 750 KiB.
 */
#include "daemon/base/tzif.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "daemon/base/calendar.h"

#define HEADER_SIZE 44u
#define TYPE_SIZE   6u
#define COUNT_MAX   65536u
#define FOOTER_MAX  128u
#define OFFSET_MAX  93600               /* 26 hours */
#define AT_MIN      -(INT64_C(1) << 59) /* the big bang, for tzdata */
#define AT_MAX      INT64_C(4102444800) /* 2100 */
#define LAST_YEAR   2099
#define HOURS_MAX   167 /* of a rule: a week later is said as such */

/* The table. */

struct counts {
	size_t ut, standard, leaps, times, types, letters;
};

static int64_t get(const uint8_t *data, size_t size)
{
	uint64_t value = data[0] & 0x80 ? UINT64_MAX : 0;
	for (size_t i = 0; i < size; i++)
		value = value << 8 | data[i];
	return (int64_t)value;
}

static bool read_header(const uint8_t *data, size_t n, struct counts *ret)
{
	size_t counts[6];
	if (n < HEADER_SIZE || memcmp(data, "TZif", 4) != 0 || data[4] < '2')
		return false;
	for (size_t i = 0; i < 6; i++) {
		counts[i] = (size_t)get(data + 20 + 4 * i, 4);
		if (counts[i] > COUNT_MAX)
			return false;
	}
	*ret = (struct counts){ counts[0], counts[1], counts[2], counts[3], counts[4], counts[5] };
	return true;
}

static size_t body_size(const struct counts *counts, size_t time_size)
{
	return counts->times * (time_size + 1) + counts->types * TYPE_SIZE + counts->letters +
	       counts->leaps * (time_size + 4) + counts->standard + counts->ut;
}

static int32_t offset_now(const struct tzif *tzif)
{
	return tzif->count ? tzif->changes[tzif->count - 1].offset : tzif->first;
}

static bool add_change(struct tzif *tzif, int64_t at, int32_t offset)
{
	/* Daylight saving that ends when it begins again is there all year. */
	while (tzif->count && tzif->changes[tzif->count - 1].at >= at)
		tzif->count--;
	if (offset == offset_now(tzif)) /* another name, or another law */
		return true;
	if (tzif->count == TZIF_CHANGES_MAX)
		return false;
	tzif->changes[tzif->count++] = (struct tzif_change){ at, offset };
	return true;
}

static bool read_table(
    struct tzif *tzif, const uint8_t *times, const struct counts *counts, int64_t *ret_last)
{
	const uint8_t *indexes = times + 8 * counts->times, *types = indexes + counts->times;
	int64_t last = AT_MIN - 1;
	for (size_t i = 0; i < counts->types; i++) {
		int64_t offset = get(types + TYPE_SIZE * i, 4);
		if (offset < -OFFSET_MAX || offset > OFFSET_MAX)
			return false;
	}
	tzif->first = (int32_t)get(types, 4);
	for (size_t i = 0; i < counts->times; i++) {
		int64_t at = get(times + 8 * i, 8);
		if (at <= last || at > AT_MAX || indexes[i] >= counts->types ||
		    !add_change(tzif, at, (int32_t)get(types + TYPE_SIZE * indexes[i], 4)))
			return false;
		last = at;
	}
	*ret_last = last;
	return true;
}

/* The rule. */

struct rule_day {
	char
	    kind; /* M: of a month; J: of the year, 1-365, without leap days; N: 0-365, with them */
	int month, week, day;
	int32_t second;
};

static bool take(const char **text, char c)
{
	bool there = **text == c;
	*text += there;
	return there;
}

static bool take_number(const char **text, int min, int max, int *ret)
{
	const char *from = *text;
	int number = 0;
	for (; isdigit((unsigned char)**text) && *text - from < 3; (*text)++)
		number = number * 10 + (**text - '0');
	*ret = number;
	return *text > from && number >= min && number <= max;
}

static bool take_name(const char **text)
{
	const char *from = *text;
	if (take(text, '<')) {
		*text += strcspn(*text, ">");
		return take(text, '>');
	}
	while (isalpha((unsigned char)**text))
		(*text)++;
	return *text - from >= 3;
}

/* "-3", "5:30", "1:02:03". */
static bool take_time(const char **text, int32_t *ret)
{
	int hours, minutes = 0, seconds = 0, sign = take(text, '-') ? -1 : 1;
	if (sign == 1)
		take(text, '+');
	if (!take_number(text, 0, HOURS_MAX, &hours) ||
	    (take(text, ':') && !take_number(text, 0, 59, &minutes)) ||
	    (take(text, ':') && !take_number(text, 0, 59, &seconds)))
		return false;
	*ret = sign * (hours * 3600 + minutes * 60 + seconds);
	return true;
}

/* POSIX counts westward. */
static bool take_offset(const char **text, int32_t *ret)
{
	if (!take_time(text, ret) || *ret < -OFFSET_MAX || *ret > OFFSET_MAX)
		return false;
	*ret = -*ret;
	return true;
}

/* "M3.5.0/3", "J60", "59/-1". */
static bool take_day(const char **text, struct rule_day *ret)
{
	*ret = (struct rule_day){ .kind = 'N', .second = 2 * 3600 };
	bool good;
	if (take(text, 'M')) {
		ret->kind = 'M';
		good = take_number(text, 1, 12, &ret->month) && take(text, '.') &&
		       take_number(text, 1, 5, &ret->week) && take(text, '.') &&
		       take_number(text, 0, 6, &ret->day);
	} else if (take(text, 'J')) {
		ret->kind = 'J';
		good = take_number(text, 1, 365, &ret->day);
	} else {
		good = take_number(text, 0, 365, &ret->day);
	}
	return good && (!take(text, '/') || take_time(text, &ret->second));
}

static int64_t local_of(const struct rule_day *day, int64_t year)
{
	int64_t first = calendar_days((struct date){ year, 1, 1 }), at = first + day->day;
	if (day->kind == 'J') {
		at -= day->day < 60 || calendar_month_length(year, 2) == 28;
	} else if (day->kind == 'M') {
		unsigned month = (unsigned)day->month;
		first = calendar_days((struct date){ year, month, 1 });
		at =
		    first + (day->day - (int)calendar_weekday(first) + 7) % 7 + 7 * (day->week - 1);
		if (at >= first + calendar_month_length(year, month)) /* "the fifth" is the last */
			at -= 7;
	}
	return at * CALENDAR_DAY_S + day->second;
}

/* Year by year, behind the last change of the table. */
static bool follow_rule(struct tzif *tzif, const char *text, int64_t last)
{
	int32_t standard, saving;
	struct rule_day from, to;
	if (!*text)
		return true;
	if (!take_name(&text) || !take_offset(&text, &standard))
		return false;
	if (!*text)
		return true; /* what the table ended with */
	saving = standard + 3600;
	if (!take_name(&text) || (*text != ',' && !take_offset(&text, &saving)) ||
	    !take(&text, ',') || !take_day(&text, &from) || !take(&text, ',') ||
	    !take_day(&text, &to) || *text)
		return false;
	int64_t year = calendar_date(calendar_day_of(last > 0 ? last : 0)).year;
	for (; year <= LAST_YEAR; year++) {
		const struct tzif_change begins = { local_of(&from, year) - standard, saving },
					 ends = { local_of(&to, year) - saving, standard };
		const struct tzif_change *a = begins.at < ends.at ? &begins : &ends,
					 *b = begins.at < ends.at ? &ends : &begins;
		if ((a->at > last && !add_change(tzif, a->at, a->offset)) ||
		    (b->at > last && !add_change(tzif, b->at, b->offset)))
			return false;
	}
	return true;
}

/* The line behind the table. */
static bool read_footer(const uint8_t *data, size_t n, char text[FOOTER_MAX])
{
	const uint8_t *end = n > 1 && data[0] == '\n' ? memchr(data + 1, '\n', n - 1) : NULL;
	if (!end || (size_t)(end - data) > FOOTER_MAX)
		return false;
	size_t length = (size_t)(end - data) - 1;
	memcpy(text, data + 1, length);
	text[length] = '\0';
	return true;
}

int tzif_read(const uint8_t *data, size_t n, struct tzif *ret)
{
	struct counts counts;
	char footer[FOOTER_MAX];
	int64_t last;
	if (!read_header(data, n, &counts))
		return -EBADMSG;
	size_t old = HEADER_SIZE + body_size(&counts, 4); /* the same in 32 bits */
	if (n < old || !read_header(data + old, n - old, &counts))
		return -EBADMSG;
	data += old + HEADER_SIZE;
	n -= old + HEADER_SIZE;
	size_t size = body_size(&counts, 8);
	if (n < size || counts.leaps || !counts.types)
		return -EBADMSG;
	ret->count = 0;
	if (!read_table(ret, data, &counts, &last) || !read_footer(data + size, n - size, footer) ||
	    !follow_rule(ret, footer, last))
		return -EBADMSG;
	return 0;
}
