/* calendar: dates of the Gregorian calendar, before its time too, and days since 1970. Pure. */
#ifndef AGENTD_BASE_CALENDAR_H
#define AGENTD_BASE_CALENDAR_H

#include <stdint.h>

#define CALENDAR_DAY_S INT64_C(86400)

struct date {
	int64_t year;
	unsigned month, day; /* from 1 */
};

int64_t calendar_days(struct date date);
struct date calendar_date(int64_t days);
/* The day that holds a second since 1970. */
int64_t calendar_day_of(int64_t second);
unsigned calendar_month_length(int64_t year, unsigned month);
/* 0 is Sunday. */
unsigned calendar_weekday(int64_t days);

#endif
