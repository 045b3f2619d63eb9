/* calendar: as Howard Hinnant has it in "chrono-compatible low-level date algorithms": years begin in
 * March, so that a leap day is the last one; 400 of them are an era. */
#include "daemon/base/calendar.h"

#include <stdbool.h>

#define ERA_DAYS   146097
#define EPOCH_DAYS 719468 /* from 0000-03-01 to 1970 */

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

int64_t calendar_days(struct date date)
{
	int64_t year = date.year - (date.month <= 2), era = floor_div(year, 400);
	int64_t of_era = year - era * 400;
	int64_t of_year = (153 * ((date.month + 9) % 12) + 2) / 5 + date.day - 1;
	return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - EPOCH_DAYS;
}

struct date calendar_date(int64_t days)
{
	int64_t era = floor_div(days + EPOCH_DAYS, ERA_DAYS);
	int64_t rest = days + EPOCH_DAYS - era * ERA_DAYS;
	int64_t of_era = (rest - rest / 1460 + rest / 36524 - rest / 146096) / 365;
	int64_t of_year = rest - (365 * of_era + of_era / 4 - of_era / 100);
	unsigned month = (unsigned)((5 * of_year + 2) / 153);
	return (struct date){
		.year = era * 400 + of_era + (month >= 10),
		.month = month < 10 ? month + 3 : month - 9,
		.day = (unsigned)(of_year - (153 * month + 2) / 5 + 1),
	};
}

int64_t calendar_day_of(int64_t second)
{
	return floor_div(second, CALENDAR_DAY_S);
}

unsigned calendar_month_length(int64_t year, unsigned month)
{
	static const unsigned char lengths[] = { 0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30,
		31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	return month == 2 && leap ? 29 : lengths[month];
}

/* 1970 began on a Thursday. */
unsigned calendar_weekday(int64_t days)
{
	return (unsigned)(days + 4 - 7 * floor_div(days + 4, 7));
}
