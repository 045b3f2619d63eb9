/* cron: when schedules come: one timer for all of them. */
#include "daemon/trigger/cron.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "daemon/base/log.h"
#include "daemon/trigger/cron_entry.h"

/* The timer. */

/* When there is something to be done for an entry. */
static int64_t wakes_at(const struct cron_entry *entry)
{
	int64_t save = entry->writing ? CRON_PLAN_NEVER : entry->save;
	if (entry->paused)
		return save;
	return cron_least(cron_least(entry->next, save), cron_least(entry->retry, entry->again));
}

/* Soon, but not inside of what is going on. */
void cron_wake(struct cron *cron)
{
	if (cron->started)
		event_active(cron->timer, EV_READ, 0);
}

static void arm(struct cron *cron)
{
	int64_t at = CRON_PLAN_NEVER;
	for (size_t i = 0; i < cron->count; i++)
		at = cron_least(at, wakes_at(&cron->entries[i]));
	struct itimerspec when = { 0 };
	if (at != CRON_PLAN_NEVER) { /* a time of 0 would be no timer */
		when.it_value.tv_sec = at > 0 ? at / 1000 : 0;
		when.it_value.tv_nsec = at > 0 ? at % 1000 * 1000000 : 1;
	}
	if (timerfd_settime(
		cron->timer_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when, NULL) < 0 &&
	    errno == ECANCELED) { /* the clock was set since it was read */
		cron->was_set = true;
		cron_wake(cron);
	}
}

/* Due times. */

static void say_missed(const struct cron_entry *entry, const struct cron_plan *plan)
{
	static const char *const words[] = { "once", "skip", "all" };
	log_warn("%s: times were missed; %zu %s done now (misfire: %s)", entry_label(entry),
	    plan->count, plan->count == 1 ? "is" : "are", words[entry->rule.misfire]);
}

/* One that has come while the one before is not done with. */
static bool may_wait(struct cron_entry *entry)
{
	enum overlap overlap = entry->trigger->settings->cron.overlap;
	if (overlap == OVERLAP_ALLOW || (!entry->going && !entry->waiting_count))
		return true;
	return overlap == OVERLAP_QUEUE && !entry->waiting_count;
}

static void on_due(struct cron_entry *entry, int64_t now)
{
	struct cron *cron = entry->cron;
	struct cron_plan *plan = cron->plan;
	cron_plan_make(&entry->rule, entry->dealt, now, plan);
	entry->dealt = plan->dealt;
	entry->next = plan->next;
	entry->is_changed = true;
	if (plan->missed)
		say_missed(entry, plan);
	if (plan->count)
		entry->retry = CRON_PLAN_NEVER; /* a newer one takes its place */
	for (size_t i = 0; i < plan->count; i++) {
		int64_t due = plan->due[i];
		bool missed = now - due > CRON_PLAN_GRACE_MS || plan->count > 1;
		if (!missed && !may_wait(entry)) {
			entry_skip(entry);
			continue;
		}
		if (!missed)
			histogram_add(&cron->lateness, (uint64_t)(now - due) * 1000);
		entry_add_waiting(entry, due);
	}
	entry_fire_waiting(entry, now);
}

/* `dealt` where the clock was set. If it has gone back by more than a day, and then to where it was, what
 * had been dealt with has been: it was wrong in between, not before. */
static int64_t dealt_by(struct cron_entry *entry, int64_t now, bool was_set)
{
	int64_t dealt = cron_plan_dealt(entry->dealt, now);
	if (dealt != entry->dealt && (entry->seen == CRON_PLAN_NEVER || entry->seen < entry->dealt))
		entry->seen = entry->dealt;
	if (entry->seen > now)
		return dealt;
	if (was_set && dealt < entry->seen)
		dealt = entry->seen;
	entry->seen = CRON_PLAN_NEVER;
	return dealt;
}

/* A clock that went back must not make anything wait for what it showed before. */
static void mind_clock(struct cron_entry *entry, int64_t now, bool was_set)
{
	int64_t dealt = dealt_by(entry, now, was_set);
	if (dealt != entry->dealt)
		entry->next = cron_plan_next(&entry->rule, dealt);
	entry->dealt = dealt;
	if (entry->save != CRON_PLAN_NEVER)
		entry->save = cron_least(entry->save, now + CRON_AGAIN_MS);
	if (entry->again != CRON_PLAN_NEVER)
		entry->again = cron_least(entry->again, now + CRON_AGAIN_MS);
	if (entry->retry != CRON_PLAN_NEVER)
		entry->retry = cron_least(entry->retry, now + CRON_BACKOFF_MAX_MS);
}

static void tick(struct cron_entry *entry, int64_t now, bool was_set)
{
	mind_clock(entry, now, was_set);
	if (!entry->paused && entry->next <= now)
		on_due(entry, now);
	else if (!entry->paused && entry->again <= now)
		entry_fire_waiting(entry, now);
	if (!entry->paused && entry->retry <= now) {
		entry->retry = CRON_PLAN_NEVER;
		if (!entry_fire(entry, entry->last.due, entry->last.attempt + 1))
			entry_put_back(entry, entry->last.due, entry->last.attempt + 1, now);
	}
	/* What is on its way has it, and may yet come back. */
	if (!entry->writing && (entry->is_changed || entry->save <= now))
		entry_save(entry);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	struct cron *cron = arg;
	uint64_t times;
	bool was_set = (read(fd, &times, sizeof(times)) < 0 && errno == ECANCELED) || cron->was_set;
	cron->was_set = false;
	if (!cron->started)
		return;
	int64_t now = cron_now_ms();
	for (size_t i = 0; i < cron->count; i++)
		tick(&cron->entries[i], now, was_set);
	arm(cron);
}

/* Starting and stopping. */

static struct zone *zone_of(struct cron *cron, const char *name)
{
	for (size_t i = 0; i < cron->zone_count; i++)
		if (strcmp(zone_name(cron->zones[i]), name) == 0)
			return cron->zones[i];
	struct zone **grown = reallocarray(cron->zones, cron->zone_count + 1, sizeof(*cron->zones));
	if (grown)
		cron->zones = grown;
	if (!grown || zone_new(name, &grown[cron->zone_count]) < 0)
		return NULL;
	return grown[cron->zone_count++];
}

/* The expression and the zone have been checked with the config. */
static bool entry_init(struct cron *cron, const struct trigger *trigger)
{
	const struct trigger_settings *settings = trigger->settings;
	struct cron_entry *entry = &cron->entries[cron->count++];
	char reason[CRON_ERROR_MAX];
	*entry = (struct cron_entry){ .cron = cron,
		.trigger = trigger,
		.rule = { .zone = zone_of(cron, settings->cron.timezone),
		    .misfire = settings->cron.misfire,
		    .max_lateness_ms = settings->cron.max_lateness_ms },
		.next = CRON_PLAN_NEVER,
		.again = CRON_PLAN_NEVER,
		.retry = CRON_PLAN_NEVER,
		.save = CRON_PLAN_NEVER,
		.seen = CRON_PLAN_NEVER,
		.paused = !settings->enabled,
		.is_new = true };
	LIST_INIT(&entry->firings);
	if (asprintf(&entry->schedule, "%s %s", settings->cron.schedule, settings->cron.timezone) <
	    0)
		entry->schedule = NULL;
	return entry->schedule && entry->rule.zone &&
	       cron_expr_parse(settings->cron.schedule, &entry->rule.expr, reason) == 0;
}

struct cron *cron_new(const struct cron_setup *setup)
{
	struct cron *cron = calloc(1, sizeof(*cron));
	const struct trigger *trigger;
	size_t count = 0;
	if (!cron)
		return NULL;
	cron->setup = *setup;
	while (triggers_at(setup->triggers, TRIGGER_CRON, count))
		count++;
	cron->timer_fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	cron->timer = event_new(setup->base, cron->timer_fd, EV_READ | EV_PERSIST, on_timer, cron);
	cron->entries = calloc(count + 1, sizeof(*cron->entries));
	cron->plan = count ? malloc(sizeof(*cron->plan)) : NULL;
	bool good = cron->timer_fd >= 0 && cron->timer && cron->entries && (cron->plan || !count);
	for (size_t i = 0; good && (trigger = triggers_at(setup->triggers, TRIGGER_CRON, i)); i++)
		good = entry_init(cron, trigger);
	if (good)
		return cron;
	cron_free(cron);
	return NULL;
}

static void cron_destroy(struct cron *cron)
{
	for (size_t i = 0; i < cron->count; i++) {
		free(cron->entries[i].schedule);
		free(cron->entries[i].waiting);
	}
	for (size_t i = 0; i < cron->zone_count; i++)
		zone_free(cron->zones[i]);
	free(cron->zones);
	free(cron->entries);
	free(cron->plan);
	free(cron);
}

void cron_free(struct cron *cron)
{
	if (!cron)
		return;
	if (cron->timer)
		event_free(cron->timer);
	if (cron->timer_fd >= 0)
		close(cron->timer_fd);
	if (cron->older)
		cron->older->newer = cron->newer;
	if (cron->newer)
		cron->newer->older = cron->older;
	for (size_t i = 0; i < cron->count; i++)
		entry_detach(&cron->entries[i]);
	cron->is_freed = true;
	if (cron->saving == 0)
		cron_destroy(cron);
}

bool cron_on_saved(struct cron *cron)
{
	bool is_wanted = !cron->is_freed && !cron->newer;
	if (--cron->saving == 0 && cron->is_freed)
		cron_destroy(cron);
	return is_wanted;
}

static void on_forgotten(void *arg, int error)
{
	(void)arg;
	(void)error; /* then it is with the next start */
}

static void load_row(struct cron *cron, const struct store_cron *row)
{
	struct cron_entry *entry = cron_find(cron, row->name);
	if (!entry || !entry->trigger->settings->enabled) {
		store_cron_delete(cron->setup.store, row->name, on_forgotten, NULL);
		return;
	}
	entry->paused = row->paused;
	entry->last = (struct last){
		.due = (int64_t)row->run_due_wall_ms,
		.attempt = row->attempt,
		.is_open = row->is_open,
		.is_known = row->is_known,
		.status = row->status,
	};
	snprintf(
	    entry->last.run_id, sizeof(entry->last.run_id), "%s", row->run_id ? row->run_id : "");
	if (entry->last.is_open)
		entry_take_up(entry);
	entry->is_new = strcmp(row->schedule, entry->schedule) != 0;
	if (entry->is_new) { /* nothing is left of it but the run that may be going on */
		entry->retry = CRON_PLAN_NEVER;
		return;
	}
	entry->dealt = (int64_t)row->due_wall_ms;
	if (row->retry_wall_ms)
		entry->retry = (int64_t)row->retry_wall_ms;
}

static void on_listed(void *arg, int error, const struct store_cron *rows, size_t count)
{
	struct cron *cron = arg;
	for (size_t i = 0; error == 0 && i < count; i++)
		load_row(cron, &rows[i]);
	cron->loaded(cron->loaded_arg, error);
}

void cron_load(struct cron *cron, void (*done)(void *arg, int error), void *arg)
{
	if (!store_keeps_runs(cron->setup.store)) {
		done(arg, 0);
		return;
	}
	cron->loaded = done;
	cron->loaded_arg = arg;
	store_cron_list(cron->setup.store, on_listed, cron);
}

/* One that goes on is written down by the other, or is gone, with its runs left to that. */
static void inherit_entry(struct cron *cron, struct cron_entry *before)
{
	struct cron_entry *entry = cron_find(cron, entry_name(before));
	if (!before->trigger->settings->enabled)
		return;
	if (entry && entry->trigger->settings->enabled)
		entry_inherit(entry, before);
	else
		store_cron_delete(cron->setup.store, entry_name(before), on_forgotten, NULL);
}

void cron_inherit(struct cron *cron, struct cron *before)
{
	cron_stop(before);
	cron->older = before;
	before->newer = cron;
	cron->has_begun = true;
	cron->failing = before->failing;
	cron->was_set = before->was_set;
	cron->lateness = before->lateness;
	for (size_t i = 0; i < before->count; i++)
		inherit_entry(cron, &before->entries[i]);
}

static void entry_start(struct cron_entry *entry, int64_t now)
{
	if (entry->is_new)
		entry->dealt = now;
	entry->is_changed = entry->is_changed || entry->is_new;
	entry->is_new = false;
	entry->dealt = dealt_by(entry, now, false);
	entry->next = cron_plan_next(&entry->rule, entry->dealt);
	if (entry->rule.expr.kind == CRON_REBOOT && !entry->cron->has_begun && !entry->paused &&
	    entry_push(entry, 0, now))
		entry->again = now;
}

void cron_start(struct cron *cron)
{
	int64_t now = cron_now_ms();
	cron->started = cron->count > 0;
	for (size_t i = 0; i < cron->count; i++)
		if (cron->entries[i].trigger->settings->enabled)
			entry_start(&cron->entries[i], now);
	cron->has_begun = true;
	if (cron->started)
		event_add(cron->timer, NULL);
	cron_wake(cron);
}

void cron_stop(struct cron *cron)
{
	cron->started = false;
	event_del(cron->timer);
}

bool cron_is_busy(const struct cron *cron)
{
	for (size_t i = 0; i < cron->count; i++)
		if (!LIST_EMPTY(&cron->entries[i].firings))
			return true;
	return false;
}

/* What others ask for. */

struct cron_entry *cron_at(struct cron *cron, size_t i)
{
	return i < cron->count ? &cron->entries[i] : NULL;
}

struct cron_entry *cron_find(struct cron *cron, const char *name)
{
	for (size_t i = 0; i < cron->count; i++)
		if (strcmp(entry_name(&cron->entries[i]), name) == 0)
			return &cron->entries[i];
	return NULL;
}

const struct trigger *cron_trigger(const struct cron_entry *entry)
{
	return entry->trigger;
}

/* The one that goes on with it since the config was read again; NULL: none. A request that began before has its own. */
static struct cron_entry *heir_of(const struct cron_entry *entry)
{
	struct cron *newest = entry->cron;
	while (newest->newer)
		newest = newest->newer;
	struct cron_entry *heir =
	    newest != entry->cron ? cron_find(newest, entry_name(entry)) : NULL;
	return heir && heir->trigger->settings->enabled ? heir : NULL;
}

void cron_pause(struct cron_entry *entry, bool paused, store_done_fn done, void *arg)
{
	int64_t now = cron_now_ms();
	struct cron_entry *heir = heir_of(entry);
	if (heir)
		entry = heir;
	if (entry->cron->newer) { /* it does not come any more, and the store knows nothing of it */
		done(arg, 0);
		return;
	}
	if (entry->paused != paused) {
		entry->paused = paused;
		entry->waiting_count = 0;
		entry->retry = entry->again = CRON_PLAN_NEVER;
		entry->dealt = entry->dealt > now ? entry->dealt : now;
		entry->next = cron_plan_next(&entry->rule, entry->dealt);
	}
	entry->is_changed = true; /* if this is not written, the next is */
	struct store_cron row = entry_row(entry);
	cron_wake(entry->cron);
	store_cron_put(entry->cron->setup.store, &row, done, arg);
}

int cron_make_run(const struct cron_entry *entry, enum run_code *ret_code, struct run **ret,
    char *reason, size_t size)
{
	return entry_make_run(entry, cron_now_ms(), 1, ret_code, ret, reason, size);
}

void cron_look(const struct cron_entry *entry, struct cron_view *ret)
{
	const struct cron_entry *heir = heir_of(entry);
	if (heir)
		entry = heir;
	const struct run *live = runs_find_live(entry->cron->setup.runs, entry->last.run_id);
	enum run_status status = live ? run_status(live) : entry->last.status;
	bool comes = !entry->paused && entry->next != CRON_PLAN_NEVER;
	*ret = (struct cron_view){ .paused = entry->paused,
		.enabled = entry->trigger->settings->enabled,
		.next_wall_ms = comes ? (uint64_t)entry->next : 0,
		.retry_wall_ms = entry->retry == CRON_PLAN_NEVER ? 0 : (uint64_t)entry->retry,
		.going = entry->going,
		.skipped = entry->skipped,
		.run_id = entry->last.run_id[0] ? entry->last.run_id : NULL,
		.run_due_wall_ms = (uint64_t)entry->last.due,
		.status = entry->last.is_known ? run_status_name(status) : NULL };
}

const struct histogram *cron_lateness(const struct cron *cron)
{
	return &cron->lateness;
}
