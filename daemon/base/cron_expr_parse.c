/*
 * cron_expr_parse: a schedule's text, field by field along a table. What could be meant in two ways is
 * refused: 5/15 (Quartz: from 5 on; cron: not known), a step that is longer than its field.
 */
#include "daemon/base/cron_expr.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FIELDS    6
#define SPACES    " \t\r\n"
#define SHOWN_MAX 40 /* bytes of a wrong text */
#define EVERY_MIN 100u
#define EVERY_MAX (UINT64_C(366) * 86400 * 1000)

const char *const cron_weekdays[7] = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday",
	"Friday", "Saturday" };
const char *const cron_months[13] = { "", "January", "February", "March", "April", "May", "June",
	"July", "August", "September", "October", "November", "December" };

struct field {
	const char *name;
	unsigned min, max; /* of weekdays 6: 7 is read as well, and is 0 */
	const char *const *names;
	const char *unit; /* of @every, for a step that is too long */
	const char *expected;
};

static const struct field fields[FIELDS] = {
	{ "second", 0, 59, NULL, "s", "0-59" },
	{ "minute", 0, 59, NULL, "m", "0-59" },
	{ "hour", 0, 23, NULL, "h", "0-23" },
	{ "day of month", 1, 31, NULL, "d", "1-31, L, L-3, 15W or LW" },
	{ "month", 1, 12, cron_months, NULL, "1-12 or JAN-DEC" },
	{ "day of week", 0, 6, cron_weekdays, NULL, "0-7 or SUN-SAT, 5L or MON#2" },
};
enum { SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY };

static const struct {
	const char *name, *text;
} nicknames[] = {
	{ "@hourly", "0 * * * *" },
	{ "@daily", "0 0 * * *" },
	{ "@midnight", "0 0 * * *" },
	{ "@weekly", "0 0 * * 0" },
	{ "@monthly", "0 0 1 * *" },
	{ "@yearly", "0 0 1 1 *" },
	{ "@annually", "0 0 1 1 *" },
};

static const struct {
	const char *name;
	uint64_t ms;
} units[] = {
	{ "ms", 1 },
	{ "s", 1000 },
	{ "m", 60 * 1000 },
	{ "h", 3600 * 1000 },
	{ "d", 86400 * 1000 },
};

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

struct parse {
	struct cron_expr *expr;
	const struct field *field; /* the one that is being read */
	const char *item;          /* of its list */
	uint64_t set;
	char *error;
};

/* As far as it is harmless in a message. */
static const char *shown(const char *text, char buffer[SHOWN_MAX + 4])
{
	size_t n = strnlen(text, SHOWN_MAX);
	for (size_t i = 0; i < n; i++)
		buffer[i] = text[i] >= ' ' && text[i] < 0x7f ? text[i] : '?';
	snprintf(buffer + n, 4, "%s", text[n] ? "..." : "");
	return buffer;
}

__attribute__((format(printf, 2, 3))) static int refuse(
    const struct parse *parse, const char *format, ...)
{
	char buffer[SHOWN_MAX + 4], what[128];
	va_list args;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	snprintf(parse->error, CRON_ERROR_MAX, "%s \"%s\": %s; expected %s", parse->field->name,
	    shown(parse->item, buffer), what, parse->field->expected);
	return -EINVAL;
}

__attribute__((format(printf, 2, 3))) static int refuse_text(char *error, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(error, CRON_ERROR_MAX, format, args);
	va_end(args);
	return -EINVAL;
}

/* At most four digits, past which *text is moved; -1 if there are none. */
static int take_number(const char **text)
{
	const char *from = *text;
	int number = 0;
	for (; **text >= '0' && **text <= '9' && *text - from < 4; (*text)++)
		number = number * 10 + (**text - '0');
	return *text > from ? number : -1;
}

/* A number or a name of the field, past which *text is moved. */
static int take_value(const struct parse *parse, const char **text, unsigned *ret_value)
{
	const struct field *field = parse->field;
	unsigned max = field->max + (field == &fields[WEEKDAY]);
	int number = take_number(text);
	if (number > (int)max)
		return refuse(parse, "%d is above %u", number, max);
	if (number >= 0 && number < (int)field->min)
		return refuse(parse, "%d is below %u", number, field->min);
	if (number >= 0) {
		*ret_value = (unsigned)number;
		return 0;
	}
	for (unsigned i = field->min; field->names && i <= field->max; i++)
		if (strncasecmp(*text, field->names[i], 3) == 0) {
			*text += 3;
			*ret_value = i;
			return 0;
		}
	return refuse(parse, **text ? "this is no %s" : "a %s is missing", field->name);
}

/* L, L-3, LW and 15W. 1 if the item is one of them. */
static int parse_special_day(struct parse *parse)
{
	const char *text = parse->item;
	unsigned day;
	if (strcasecmp(text, "LW") == 0) {
		parse->expr->days_near |= 1;
		return 1;
	}
	if ((text[0] == 'L' || text[0] == 'l') && (!text[1] || text[1] == '-')) {
		int back = 0;
		text++;
		if (*text == '-') {
			text++;
			back = take_number(&text);
		}
		if (*text || back < 0 || back > 30)
			return refuse(parse, "L- takes a number of days, 0-30");
		parse->expr->days_to_last |= UINT32_C(1) << back;
		return 1;
	}
	size_t n = strlen(text);
	if (n < 2 || (text[n - 1] != 'W' && text[n - 1] != 'w'))
		return 0;
	int r = take_value(parse, &text, &day);
	if (r < 0)
		return r;
	if (text[1])
		return refuse(parse, "W stands behind one day");
	parse->expr->days_near |= UINT32_C(1) << day;
	return 1;
}

/* MON#2, 5L and FRIL. 1 if the item is one of them. */
static int parse_special_weekday(struct parse *parse)
{
	const char *text = parse->item;
	size_t n = strlen(text);
	unsigned weekday;
	bool last = text[n - 1] == 'L' || text[n - 1] == 'l';
	if (last && n == 1)
		return refuse(parse, "of which weekday the last? say 5L for the last Friday");
	if (!last && !strchr(text, '#'))
		return 0;
	int r = take_value(parse, &text, &weekday);
	if (r < 0)
		return r;
	int nth = 0;
	if (*text == '#') {
		text++;
		nth = take_number(&text);
		if (nth < 1 || nth > 5 || *text)
			return refuse(parse, "# takes a number, 1-5");
	} else if (text[0] == '\0' || text[1]) {
		return refuse(parse, "# and L stand behind one weekday");
	}
	parse->expr->nth[weekday % 7] |= (uint8_t)(1u << nth);
	return 1;
}

/* What follows the slash. */
static int take_step(const struct parse *parse, const char *text, unsigned size, unsigned *ret_step)
{
	int step = take_number(&text);
	if (step < 0 || *text)
		return refuse(parse, "a step is a number");
	if (step == 0)
		return refuse(parse, "a step of 0 leads nowhere");
	if (step > (int)size && parse->field->unit)
		return refuse(parse,
		    "a step of %d is longer than the field; for a length of time "
		    "write @every %d%s",
		    step, step, parse->field->unit);
	if (step > (int)size)
		return refuse(parse, "a step of %d is longer than the field", step);
	*ret_step = (unsigned)step;
	return 0;
}

/* A star, a value or a range; perhaps a step. */
static int parse_range(struct parse *parse)
{
	const struct field *field = parse->field;
	const char *text = parse->item;
	unsigned size = field->max - field->min + 1, first = field->min, last = field->max,
		 step = 1;
	bool single = false;
	int r = 0;
	if (*text == '*' || *text == '?') {
		text++;
	} else {
		r = take_value(parse, &text, &first);
		last = first;
		single = *text != '-';
		if (r == 0 && !single) {
			text++;
			r = take_value(parse, &text, &last);
		}
	}
	if (r < 0)
		return r;
	if (*text == '/') {
		r = take_step(parse, text + 1, size, &step);
		if (r < 0)
			return r;
		if (single)
			return refuse(
			    parse, "a step needs a range: say %u-%u/%u", first, field->max, step);
	} else if (*text) {
		return refuse(parse, "there is something behind it");
	}
	if (first > field->max) { /* a Sunday as 7 */
		first -= size;
		last = last > field->max ? last - size : last;
	}
	unsigned count = (last >= first ? last : last + size) - first + 1;
	for (unsigned i = 0; i < count; i += step) {
		unsigned value = first + i;
		parse->set |= UINT64_C(1) << (value > field->max ? value - size : value);
	}
	if (field == &fields[HOUR] && count >= size)
		parse->expr->follows_clock = true;
	return 0;
}

static int parse_item(struct parse *parse)
{
	int r = 0;
	if (!*parse->item)
		return refuse(parse, "a value is missing");
	if (parse->field == &fields[DAY])
		r = parse_special_day(parse);
	if (parse->field == &fields[WEEKDAY])
		r = parse_special_weekday(parse);
	return r == 0 ? parse_range(parse) : r;
}

static bool is_all(const char *text)
{
	return strcmp(text, "*") == 0 || strcmp(text, "?") == 0;
}

static int parse_field(struct parse *parse, char *text)
{
	if (is_all(text)) {
		parse->expr->any_day |= parse->field == &fields[DAY];
		parse->expr->any_weekday |= parse->field == &fields[WEEKDAY];
	}
	parse->set = 0;
	for (char *rest = text; rest;) {
		parse->item = strsep(&rest, ",");
		int r = parse_item(parse);
		if (r < 0)
			return r;
	}
	return 0;
}

static void store(struct parse *parse)
{
	struct cron_expr *expr = parse->expr;
	switch (parse->field - fields) {
	case SECOND:
		expr->seconds = parse->set;
		break;
	case MINUTE:
		expr->minutes = parse->set;
		break;
	case HOUR:
		expr->hours = (uint32_t)parse->set;
		break;
	case DAY:
		expr->days = (uint32_t)parse->set;
		break;
	case MONTH:
		expr->months = (uint16_t)parse->set;
		break;
	case WEEKDAY:
		expr->weekdays = (uint8_t)parse->set;
		break;
	}
}

static size_t split(char *text, char *words[FIELDS + 1])
{
	size_t count = 0;
	char *rest = NULL;
	for (char *word = strtok_r(text, SPACES, &rest); word && count <= FIELDS;
	     word = strtok_r(NULL, SPACES, &rest))
		words[count++] = word;
	return count;
}

static int parse_fields(char *text, struct cron_expr *expr, char *error)
{
	char *words[FIELDS + 1];
	size_t count = split(text, words);
	if (count != FIELDS && count != FIELDS - 1)
		return refuse_text(error,
		    "a schedule has five fields (minute, hour, day of month, month, day of week), or six "
		    "with seconds first, or is a word like @daily; found %s%zu",
		    count > FIELDS ? "more than " : "", count > FIELDS ? (size_t)FIELDS : count);
	struct parse parse = { .expr = expr, .error = error };
	expr->seconds = 1;
	for (size_t i = 0; i < count; i++) {
		parse.field = &fields[i + FIELDS - count];
		int r = parse_field(&parse, words[i]);
		if (r < 0)
			return r;
		store(&parse);
	}
	int64_t when;
	if (cron_expr_next(expr, NULL, 0, &when) < 0)
		return refuse_text(error, "this never comes: none of its months has such a day");
	return 0;
}

static int parse_every(const char *text, struct cron_expr *expr, char *error)
{
	char buffer[SHOWN_MAX + 4];
	text += strspn(text, SPACES);
	size_t digits = strspn(text, "0123456789");
	uint64_t number = strtoull(text, NULL, 10);
	for (size_t i = 0; i < LENGTH(units) && digits && digits < 12; i++) {
		if (strcmp(text + digits, units[i].name) != 0)
			continue;
		expr->kind = CRON_EVERY;
		expr->every_ms = number * units[i].ms;
		if (expr->every_ms >= EVERY_MIN && expr->every_ms <= EVERY_MAX)
			return 0;
		return refuse_text(
		    error, "@every \"%s\": must be between 100ms and 366d", shown(text, buffer));
	}
	return refuse_text(error,
	    "@every \"%s\": this is no length of time; expected a whole number and a unit: 500ms, 30s, "
	    "5m, 2h or 1d",
	    shown(text, buffer));
}

static int parse_nickname(char *text, struct cron_expr *expr, char *error)
{
	char buffer[SHOWN_MAX + 4], fields_text[CRON_TEXT_MAX];
	if (strncasecmp(text, "@every", 6) == 0 && (!text[6] || strchr(SPACES, text[6])))
		return parse_every(text + 6, expr, error);
	if (strcasecmp(text, "@reboot") == 0) {
		expr->kind = CRON_REBOOT;
		return 0;
	}
	for (size_t i = 0; i < LENGTH(nicknames); i++)
		if (strcasecmp(text, nicknames[i].name) == 0) {
			snprintf(fields_text, sizeof(fields_text), "%s", nicknames[i].text);
			return parse_fields(fields_text, expr, error);
		}
	return refuse_text(error,
	    "\"%s\" is not known; expected @hourly, @daily, @midnight, @weekly, @monthly, @yearly, "
	    "@annually, @reboot or @every 90s",
	    shown(text, buffer));
}

int cron_expr_parse(const char *text, struct cron_expr *ret_expr, char ret_error[CRON_ERROR_MAX])
{
	struct cron_expr expr = { .kind = CRON_TIMES };
	char copy[CRON_TEXT_MAX];
	text += strspn(text, SPACES);
	size_t n = strnlen(text, CRON_TEXT_MAX);
	while (n > 0 && strchr(SPACES, text[n - 1]))
		n--;
	if (n >= CRON_TEXT_MAX)
		return refuse_text(
		    ret_error, "a schedule is at most %u bytes long", CRON_TEXT_MAX - 1);
	memcpy(copy, text, n);
	copy[n] = '\0';
	int r = copy[0] == '@' ? parse_nickname(copy, &expr, ret_error)
			       : parse_fields(copy, &expr, ret_error);
	if (r == 0)
		*ret_expr = expr;
	return r;
}
