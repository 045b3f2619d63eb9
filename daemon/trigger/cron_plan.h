/*
 * cron_plan: which times of a schedule are to be done now. Pure: the time is passed in.
 *
 * Times are milliseconds since 1970, UTC. `dealt` is the last due time that has been dealt with, whatever
 * came of it: no time is planned twice, also where the clock goes back. What lies between it and now is
 * due; all but the last of it, and that too once it is more than CRON_PLAN_GRACE_MS ago, was missed:
 * agentd was down, or the machine asleep, or the clock has gone forward.
 *
 *	misfire    what is done
 *	once       the last of it, missed or not
 *	skip       the last of it, unless it was missed
 *	all        each, oldest first, up to the CRON_PLAN_MAX newest
 *
 * and nothing that is longer ago than max_lateness.
 *
 * A clock that has gone back makes the schedule wait until it is again where it was; but a `dealt` more
 * than a day ahead was no time of day, and counts as now.
 */
#ifndef AGENTD_TRIGGER_CRON_PLAN_H
#define AGENTD_TRIGGER_CRON_PLAN_H

#include <stddef.h>

#include "daemon/base/cron_expr.h"
#include "daemon/conf/settings.h"

#define CRON_PLAN_MAX      1000
#define CRON_PLAN_GRACE_MS 10000
#define CRON_PLAN_NEVER    INT64_MAX

struct cron_rule {
	struct cron_expr expr;
	const struct zone *zone; /* borrowed */
	enum misfire misfire;
	int64_t max_lateness_ms; /* 0: any */
};

struct cron_plan {
	int64_t dealt, next; /* next: CRON_PLAN_NEVER, it does not come again */
	bool missed;         /* some of it, whether it is done now or not */
	size_t count;
	int64_t due[CRON_PLAN_MAX]; /* oldest first */
};

/* `plan` is about 8 KiB: not for a stack that is deep already. */
void cron_plan_make(
    const struct cron_rule *rule, int64_t dealt_ms, int64_t now_ms, struct cron_plan *plan);

/* `dealt`, or now: more than a day ahead is a clock that was wrong. */
int64_t cron_plan_dealt(int64_t dealt_ms, int64_t now_ms);
/* The first time after one; CRON_PLAN_NEVER. */
int64_t cron_plan_next(const struct cron_rule *rule, int64_t dealt_ms);

#endif
