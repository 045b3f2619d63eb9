/* cron: due times into runs. */
#include "daemon/trigger/cron.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "daemon/base/id.h"
#include "daemon/base/log.h"
#include "daemon/trigger/cron_plan.h"

#define AGAIN_MS       1000
#define BACKOFF_MAX_MS (60 * 60 * 1000)
#define WRITES_RUNS    1u
#define WRITES_ROWS    2u

/* The last run of a schedule; without an id there was none. */
struct last {
	char run_id[ID_SIZE];
	int64_t due;
	unsigned attempt;
	bool is_open, is_known;
	enum run_status status;
};

struct cron_entry {
	struct cron *cron;             /* borrowed */
	const struct trigger *trigger; /* borrowed */
	char *schedule;                /* as the store knows it */
	struct cron_rule rule;
	int64_t dealt, next;
	int64_t seen;     /* `dealt` as the clock went back by more than a day; NEVER */
	int64_t *waiting; /* due times without a run yet, oldest first */
	size_t waiting_count;
	int64_t again; /* when these are tried again; NEVER: once the run before has ended */
	struct firing *writing; /* on its way into the store: one at a time; NULL. Borrowed */
	size_t going;           /* runs of it, from being written down to their end */
	bool paused, is_new;
	bool is_stuck;   /* no run can be made, and that was said */
	bool is_changed; /* since the store heard of it */
	int64_t save;    /* when the store is told again; NEVER: it did not fail */
	uint64_t skipped;
	struct last last;
	int64_t retry; /* when that is tried again; NEVER */
};

struct cron {
	struct cron_setup setup;
	struct cron_entry *entries;
	size_t count;
	struct zone **zones; /* each once */
	size_t zone_count;
	struct cron_plan *plan; /* room for one */
	int timer_fd;
	struct event *timer;
	bool started;
	unsigned failing; /* what the store cannot write, since that was said: WRITES_… */
	bool was_set;     /* the clock */
	struct histogram lateness;
	void (*loaded)(void *arg, int error);
	void *loaded_arg;
};

/* A run of an entry. */
struct firing {
	struct cron_entry *entry;
	struct run *run; /* a reference */
	int64_t due;
	unsigned attempt;
	struct last before; /* what was the last run until then */
	struct run_subscriber subscriber;
};

static void on_run_event(void *arg, struct run *run, const struct run_event *event);
static void fire_waiting(struct cron_entry *entry, int64_t now);

static int64_t now_ms(void)
{
	return (int64_t)clock_wall_ms();
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static const char *name_of(const struct cron_entry *entry)
{
	return entry->trigger->settings->name;
}

static const char *label_of(const struct cron_entry *entry)
{
	return entry->trigger->settings->label;
}

/* The timer. */

/* When there is something to be done for an entry. */
static int64_t wakes_at(const struct cron_entry *entry)
{
	int64_t save = entry->writing ? CRON_PLAN_NEVER : entry->save;
	if (entry->paused)
		return save;
	return least(least(entry->next, save), least(entry->retry, entry->again));
}

/* Soon, but not inside of what is going on. */
static void wake(struct cron *cron)
{
	if (cron->started)
		event_active(cron->timer, EV_READ, 0);
}

static void arm(struct cron *cron)
{
	int64_t at = CRON_PLAN_NEVER;
	for (size_t i = 0; i < cron->count; i++)
		at = least(at, wakes_at(&cron->entries[i]));
	struct itimerspec when = { 0 };
	if (at != CRON_PLAN_NEVER) { /* a time of 0 would be no timer */
		when.it_value.tv_sec = at > 0 ? at / 1000 : 0;
		when.it_value.tv_nsec = at > 0 ? at % 1000 * 1000000 : 1;
	}
	if (timerfd_settime(
		cron->timer_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when, NULL) < 0 &&
	    errno == ECANCELED) { /* the clock was set since it was read */
		cron->was_set = true;
		wake(cron);
	}
}

/* The store. */

/* The time up to which nothing is left to be done. The next time of @every is that much after it. */
static int64_t settled(const struct cron_entry *entry)
{
	const struct cron_expr *expr = &entry->rule.expr;
	int64_t before = expr->kind == CRON_EVERY ? (int64_t)expr->every_ms : 1;
	return entry->waiting_count ? least(entry->waiting[0] - before, entry->dealt)
				    : entry->dealt;
}

static struct store_cron row_of(const struct cron_entry *entry)
{
	return (struct store_cron){ .name = name_of(entry),
		.schedule = entry->schedule,
		.due_wall_ms = (uint64_t)settled(entry),
		.paused = entry->paused,
		.run_id = entry->last.run_id[0] ? entry->last.run_id : NULL,
		.run_due_wall_ms = (uint64_t)entry->last.due,
		.attempt = entry->last.attempt,
		.retry_wall_ms = entry->retry == CRON_PLAN_NEVER ? 0 : (uint64_t)entry->retry,
		.is_open = entry->last.is_open };
}

/* Says once that it does not work, and once that it does again. */
static void note(const struct cron_entry *entry, unsigned what, int error)
{
	struct cron *cron = entry->cron;
	unsigned before = cron->failing;
	if (error == -ESHUTDOWN)
		return;
	cron->failing = error < 0 && error != -EPERM ? before | what : before & ~what;
	if (cron->failing && !before)
		log_error("%s: the store cannot write: %s; what is due waits until it can",
		    label_of(entry), strerror(-error));
	else if (!cron->failing && before)
		log_info("%s: the store can write again", label_of(entry));
}

static void on_saved(void *arg, int error)
{
	struct cron_entry *entry = arg;
	note(entry, WRITES_ROWS, error);
	if (error == 0 || error == -ESHUTDOWN)
		return;
	entry->save = now_ms() + AGAIN_MS;
	wake(entry->cron);
}

static void save(struct cron_entry *entry)
{
	struct store_cron row = row_of(entry);
	entry->is_changed = false;
	entry->save = CRON_PLAN_NEVER;
	store_cron_put(entry->cron->setup.store, &row, on_saved, entry);
}

/* Waiting. */

static bool push(struct cron_entry *entry, size_t at, int64_t due)
{
	int64_t *grown =
	    reallocarray(entry->waiting, entry->waiting_count + 1, sizeof(*entry->waiting));
	if (!grown)
		return false;
	entry->waiting = grown;
	memmove(grown + at + 1, grown + at, (entry->waiting_count++ - at) * sizeof(*grown));
	grown[at] = due;
	return true;
}

static int64_t pop(struct cron_entry *entry)
{
	int64_t due = entry->waiting[0];
	memmove(
	    entry->waiting, entry->waiting + 1, --entry->waiting_count * sizeof(*entry->waiting));
	return due;
}

static void skip(struct cron_entry *entry)
{
	entry->skipped++;
	entry->is_changed = true;
}

/* One that no run could be made of comes first the next time; what is tried again gives way to a newer. */
static void put_back(struct cron_entry *entry, int64_t due, unsigned attempt, int64_t now)
{
	if (attempt > 1 && !entry->waiting_count)
		entry->retry = now + AGAIN_MS;
	if (attempt == 1 && !push(entry, 0, due))
		skip(entry);
	entry->again = entry->waiting_count ? now + AGAIN_MS : CRON_PLAN_NEVER;
}

/* Where nothing goes on for long the oldest go. */
static void add_waiting(struct cron_entry *entry, int64_t due)
{
	if (entry->waiting_count == CRON_PLAN_MAX) {
		pop(entry);
		skip(entry);
	}
	if (!push(entry, entry->waiting_count, due))
		skip(entry);
}

/* Runs. */

static int make_run(const struct cron_entry *entry, int64_t due, unsigned attempt,
    enum run_code *ret_code, struct run **ret, char *reason, size_t size)
{
	const struct trigger *trigger = entry->trigger;
	struct trigger_words words = { 0 };
	char when[TIME_SIZE];
	time_format((uint64_t)due, when);
	json_t *body = json_pack(
	    "{s:s, s:s, s:i}", "cron", name_of(entry), "due", when, "attempt", (int)attempt);
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	struct template_values values = {
		.body = body, .source = trigger->source, .timestamp = when
	};
	int error = text ? trigger_say(trigger, &values, NULL, &words, reason, size) : -ENOMEM;
	struct run_request wanted = trigger_request(trigger, &words);
	wanted.owner = RUN_OWNER_WRITTEN;
	wanted.metadata = (struct frame_text){ text, text ? strlen(text) : 0 };
	wanted.durable = true;
	if (error == 0)
		*ret_code = run_create(entry->cron->setup.runs, &wanted, ret);
	free(text);
	json_decref(body);
	trigger_words_done(&words);
	return error;
}

static void firing_free(struct firing *firing)
{
	run_unref(firing->run);
	free(firing);
}

static void begin(struct firing *firing)
{
	firing->subscriber.event = on_run_event;
	firing->subscriber.arg = firing;
	run_subscribe(firing->run, &firing->subscriber);
}

/* No run was made of it. */
static void on_unwritten(const struct firing *firing, int error)
{
	struct cron_entry *entry = firing->entry;
	entry->last = firing->before;
	entry->is_changed = true;
	if (error == -EPERM) {
		log_error(
		    "%s: its session belongs to a user; the time is left out", label_of(entry));
		skip(entry);
		entry->again = entry->waiting_count ? 0 : CRON_PLAN_NEVER;
	} else if (!entry->paused) {
		put_back(entry, firing->due, firing->attempt, now_ms());
	}
}

/* With the next start of agentd, if this one ends. */
static void on_written(void *arg, int error, const struct store_taken *taken)
{
	(void)taken;
	struct firing *firing = arg;
	struct cron_entry *entry = firing->entry;
	entry->writing = NULL;
	note(entry, WRITES_RUNS, error);
	if (error == 0 && entry->waiting_count)
		entry->again = 0;
	if (entry->waiting_count || entry->is_changed || entry->save != CRON_PLAN_NEVER || error)
		wake(entry->cron);
	if (error == 0 && entry->cron->started) {
		begin(firing);
		run_start(firing->run);
		return;
	}
	entry->going--;
	if (error < 0)
		on_unwritten(firing, error);
	firing_free(firing);
}

static bool write_down(struct cron_entry *entry, struct run *run, int64_t due, unsigned attempt)
{
	struct firing *firing = calloc(1, sizeof(*firing));
	if (!firing)
		return false;
	if (entry->is_stuck)
		log_info("%s: runs can be made again", label_of(entry));
	*firing = (struct firing){
		.entry = entry, .run = run, .due = due, .attempt = attempt, .before = entry->last
	};
	entry->last = (struct last){ .due = due,
		.attempt = attempt,
		.is_open = true,
		.is_known = true,
		.status = RUN_QUEUED };
	snprintf(entry->last.run_id, sizeof(entry->last.run_id), "%s", run_id(run));
	entry->writing = firing;
	entry->going++;
	entry->retry = CRON_PLAN_NEVER;
	entry->is_stuck = entry->is_changed = false;
	struct store_cron row = row_of(entry);
	struct run_writing with = { .cron = &row };
	run_write_down(run, &with, on_written, firing);
	return true;
}

/* False: it has to be tried again. */
static bool fire(struct cron_entry *entry, int64_t due, unsigned attempt)
{
	struct run *run = NULL;
	enum run_code code = RUN_OK;
	char reason[200] = "";
	int error = make_run(entry, due, attempt, &code, &run, reason, sizeof(reason));
	if (error == -EINVAL || code == RUN_SESSION_BUSY || code == RUN_SESSION_MISMATCH ||
	    code == RUN_FORBIDDEN) {
		log_error("%s: no run can be made: %s; the time is left out", label_of(entry),
		    error ? reason : run_code_name(code));
		skip(entry);
		return true;
	}
	if (error == 0 && code == RUN_OK && write_down(entry, run, due, attempt))
		return true;
	if (!entry->is_stuck)
		log_warn("%s: no run can be made yet: %s", label_of(entry),
		    code == RUN_OK ? "out of memory" : run_code_name(code));
	entry->is_stuck = true;
	run_unref(run);
	return false;
}

static bool is_too_late(const struct cron_entry *entry, int64_t due, int64_t now)
{
	return entry->rule.max_lateness_ms && now - due > entry->rule.max_lateness_ms;
}

/* One at a time on its way into the store: so what that knows has no gaps, whatever fails. */
static void fire_waiting(struct cron_entry *entry, int64_t now)
{
	bool alone = entry->trigger->settings->cron.overlap != OVERLAP_ALLOW;
	entry->again = CRON_PLAN_NEVER;
	/* A store that fails at once has put it back, and set `again`. */
	while (entry->waiting_count && !entry->writing && !(alone && entry->going) &&
	       entry->again == CRON_PLAN_NEVER) {
		int64_t due = pop(entry);
		if (is_too_late(entry, due, now))
			skip(entry);
		else if (!fire(entry, due, 1))
			put_back(entry, due, 1, now);
	}
}

/* Their ends. */

static int64_t backoff_ms(const struct cron_entry *entry)
{
	int64_t delay = entry->trigger->settings->cron.retry_backoff_ms;
	for (unsigned i = 1; i < entry->last.attempt && delay < BACKOFF_MAX_MS; i++)
		delay *= 2;
	return least(delay, BACKOFF_MAX_MS);
}

/* What comes of the last run's end. */
static void settle(struct cron_entry *entry, enum run_status status)
{
	bool is_more = status == RUN_FAILED && entry->waiting_count == 0 && !entry->paused &&
		       entry->last.attempt <= (uint64_t)entry->trigger->settings->cron.retries;
	entry->last.is_open = false;
	entry->last.status = status;
	entry->is_changed = true;
	entry->retry = is_more ? now_ms() + backoff_ms(entry) : CRON_PLAN_NEVER;
}

/* One that was the last until another was made, which is on its way into the store. */
static void settle_before(struct cron_entry *entry, const struct run *run)
{
	if (!entry->writing || strcmp(entry->writing->before.run_id, run_id(run)) != 0)
		return;
	entry->writing->before.is_open = false;
	entry->writing->before.status = run_status(run);
}

static void on_run_event(void *arg, struct run *run, const struct run_event *event)
{
	struct firing *firing = arg;
	struct cron_entry *entry = firing->entry;
	if (event->type != RUN_EVENT_ENDED && event->type != RUN_EVENT_LEFT)
		return;
	entry->going--;
	if (event->type == RUN_EVENT_ENDED && strcmp(entry->last.run_id, run_id(run)) == 0)
		settle(entry, run_status(run));
	else if (event->type == RUN_EVENT_ENDED)
		settle_before(entry, run);
	if (entry->waiting_count)
		entry->again = 0;
	wake(entry->cron);
	firing_free(firing);
}

/* Due times. */

static void say_missed(const struct cron_entry *entry, const struct cron_plan *plan)
{
	static const char *const words[] = { "once", "skip", "all" };
	log_warn("%s: times were missed; %zu are done now (misfire: %s)", label_of(entry),
	    plan->count, words[entry->rule.misfire]);
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
			skip(entry);
			continue;
		}
		if (!missed)
			histogram_add(&cron->lateness, (uint64_t)(now - due) * 1000);
		add_waiting(entry, due);
	}
	fire_waiting(entry, now);
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
		entry->save = least(entry->save, now + AGAIN_MS);
	if (entry->again != CRON_PLAN_NEVER)
		entry->again = least(entry->again, now + AGAIN_MS);
	if (entry->retry != CRON_PLAN_NEVER)
		entry->retry = least(entry->retry, now + BACKOFF_MAX_MS);
}

static void tick(struct cron_entry *entry, int64_t now, bool was_set)
{
	mind_clock(entry, now, was_set);
	if (!entry->paused && entry->next <= now)
		on_due(entry, now);
	else if (!entry->paused && entry->again <= now)
		fire_waiting(entry, now);
	if (!entry->paused && entry->retry <= now) {
		entry->retry = CRON_PLAN_NEVER;
		if (!fire(entry, entry->last.due, entry->last.attempt + 1))
			put_back(entry, entry->last.due, entry->last.attempt + 1, now);
	}
	/* What is on its way has it, and may yet come back. */
	if (!entry->writing && (entry->is_changed || entry->save <= now))
		save(entry);
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
	int64_t now = now_ms();
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
		.paused = !settings->cron.enabled,
		.is_new = true };
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

void cron_free(struct cron *cron)
{
	if (!cron)
		return;
	for (size_t i = 0; i < cron->count; i++) {
		free(cron->entries[i].schedule);
		free(cron->entries[i].waiting);
	}
	for (size_t i = 0; i < cron->zone_count; i++)
		zone_free(cron->zones[i]);
	if (cron->timer)
		event_free(cron->timer);
	if (cron->timer_fd >= 0)
		close(cron->timer_fd);
	free(cron->zones);
	free(cron->entries);
	free(cron->plan);
	free(cron);
}

/* Its last run is going on again, or has ended without anybody hearing of it. */
static void take_up(struct cron_entry *entry)
{
	struct run *live = runs_find_live(entry->cron->setup.runs, entry->last.run_id);
	if (live && !run_is_over(live)) {
		struct firing *firing = calloc(1, sizeof(*firing));
		if (!firing)
			return;
		*firing = (struct firing){
			.entry = entry,
			.run = run_ref(live),
			.due = entry->last.due,
			.attempt = entry->last.attempt,
		};
		entry->going++;
		begin(firing);
	} else {
		settle(entry, entry->last.is_known ? entry->last.status : RUN_CANCELLED);
	}
}

static void on_forgotten(void *arg, int error)
{
	(void)arg;
	(void)error; /* then it is with the next start */
}

static void load_row(struct cron *cron, const struct store_cron *row)
{
	struct cron_entry *entry = cron_find(cron, row->name);
	if (!entry || !entry->trigger->settings->cron.enabled) {
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
		take_up(entry);
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

static void entry_start(struct cron_entry *entry, int64_t now)
{
	if (entry->is_new)
		entry->dealt = now;
	entry->is_changed = entry->is_changed || entry->is_new;
	entry->dealt = dealt_by(entry, now, false);
	entry->next = cron_plan_next(&entry->rule, entry->dealt);
	if (entry->rule.expr.kind == CRON_REBOOT && !entry->paused && push(entry, 0, now))
		entry->again = now;
}

void cron_start(struct cron *cron)
{
	int64_t now = now_ms();
	cron->started = cron->count > 0;
	for (size_t i = 0; i < cron->count; i++)
		if (cron->entries[i].trigger->settings->cron.enabled)
			entry_start(&cron->entries[i], now);
	if (cron->started)
		event_add(cron->timer, NULL);
	wake(cron);
}

void cron_stop(struct cron *cron)
{
	cron->started = false;
	event_del(cron->timer);
}

/* What others ask for. */

struct cron_entry *cron_find(struct cron *cron, const char *name)
{
	for (size_t i = 0; i < cron->count; i++)
		if (strcmp(name_of(&cron->entries[i]), name) == 0)
			return &cron->entries[i];
	return NULL;
}

const struct trigger *cron_trigger(const struct cron_entry *entry)
{
	return entry->trigger;
}

void cron_pause(struct cron_entry *entry, bool paused, store_done_fn done, void *arg)
{
	int64_t now = now_ms();
	if (entry->paused != paused) {
		entry->paused = paused;
		entry->waiting_count = 0;
		entry->retry = entry->again = CRON_PLAN_NEVER;
		entry->dealt = entry->dealt > now ? entry->dealt : now;
		entry->next = cron_plan_next(&entry->rule, entry->dealt);
	}
	entry->is_changed = true; /* if this is not written, the next is */
	struct store_cron row = row_of(entry);
	wake(entry->cron);
	store_cron_put(entry->cron->setup.store, &row, done, arg);
}

int cron_make_run(const struct cron_entry *entry, enum run_code *ret_code, struct run **ret,
    char *reason, size_t size)
{
	return make_run(entry, now_ms(), 1, ret_code, ret, reason, size);
}

void cron_look(const struct cron_entry *entry, struct cron_view *ret)
{
	const struct run *live = runs_find_live(entry->cron->setup.runs, entry->last.run_id);
	enum run_status status = live ? run_status(live) : entry->last.status;
	bool comes = !entry->paused && entry->next != CRON_PLAN_NEVER;
	*ret = (struct cron_view){ .paused = entry->paused,
		.enabled = entry->trigger->settings->cron.enabled,
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
