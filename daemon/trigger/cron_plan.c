/* cron_plan: from the last due time to now. */
#include "daemon/trigger/cron_plan.h"

#include <string.h>

#define MINUTE_MS 60000
#define DAY_MS    86400000

int64_t cron_plan_dealt(int64_t dealt, int64_t now)
{
	return dealt > now + DAY_MS ? now : dealt;
}

int64_t cron_plan_next(const struct cron_rule *rule, int64_t ms)
{
	int64_t next;
	return cron_expr_next(&rule->expr, rule->zone, ms, &next) == 0 ? next : CRON_PLAN_NEVER;
}

/* Of @every only its own times have a next. */
static int64_t last_of_every(const struct cron_rule *rule, int64_t from, int64_t ms)
{
	int64_t every = (int64_t)rule->expr.every_ms;
	return from + (ms - from) / every * every;
}

/* The newest `most` times in (from, now], oldest first, into plan->due. */
static void collect(
    const struct cron_rule *rule, int64_t from, int64_t now, size_t most, struct cron_plan *plan)
{
	plan->count = 0;
	for (int64_t due = from; (due = cron_plan_next(rule, due)) <= now;) {
		if (plan->count == most)
			memmove(plan->due, plan->due + 1, --plan->count * sizeof(plan->due[0]));
		plan->due[plan->count++] = due;
	}
}

/* Windows that grow, back from now, since from `dealt` on there may be millions. */
static void collect_newest(
    const struct cron_rule *rule, int64_t dealt, int64_t now, size_t most, struct cron_plan *plan)
{
	if (rule->expr.kind == CRON_EVERY) {
		int64_t every = (int64_t)rule->expr.every_ms;
		int64_t last = last_of_every(rule, dealt, now);
		int64_t room = (last - dealt) / every, some = (int64_t)most;
		collect(rule, last - every * (room < some ? room : some), now, most, plan);
		return;
	}
	for (int64_t window = MINUTE_MS;; window *= 4) {
		bool whole = window >= now - dealt;
		collect(rule, whole ? dealt : now - window, now, most, plan);
		if (whole || plan->count >= most)
			return;
	}
}

/* Takes out what is too old. */
static void drop_late(const struct cron_rule *rule, int64_t now, struct cron_plan *plan)
{
	int64_t most = rule->misfire == MISFIRE_SKIP ? CRON_PLAN_GRACE_MS : INT64_MAX;
	size_t late = 0;
	if (rule->max_lateness_ms && rule->max_lateness_ms < most)
		most = rule->max_lateness_ms;
	while (late < plan->count && now - plan->due[late] > most)
		late++;
	plan->count -= late;
	memmove(plan->due, plan->due + late, plan->count * sizeof(plan->due[0]));
}

void cron_plan_make(
    const struct cron_rule *rule, int64_t dealt, int64_t now, struct cron_plan *plan)
{
	plan->count = 0;
	plan->missed = false;
	plan->dealt = cron_plan_dealt(dealt, now);
	int64_t first = cron_plan_next(rule, plan->dealt);
	if (first <= now) {
		collect_newest(
		    rule, plan->dealt, now, rule->misfire == MISFIRE_ALL ? CRON_PLAN_MAX : 1, plan);
		plan->dealt = plan->due[plan->count - 1];
		plan->missed = first != plan->dealt || now - plan->dealt > CRON_PLAN_GRACE_MS;
		drop_late(rule, now, plan);
	}
	plan->next = cron_plan_next(rule, plan->dealt);
}
