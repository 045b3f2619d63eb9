/* cron_entry: a schedule's runs, from a due time to what comes of them. */
#include "daemon/trigger/cron_entry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"

#define WRITES_RUNS 1u
#define WRITES_ROWS 2u

/* A run of an entry. */
struct firing {
	struct cron_entry *entry; /* borrowed; NULL: it is gone */
	LIST_ENTRY(firing) link;
	struct run *run; /* a reference */
	int64_t due;
	unsigned attempt;
	struct last before; /* what was the last run until then */
	char run_id[ID_SIZE];
	enum run_status status; /* how it ended */
	struct run_subscriber subscriber;
	bool is_listening; /* to the run */
};

static void on_run_event(void *arg, struct run *run, const struct run_event *event);

/* The store. */

/* The time up to which nothing is left to be done. The next time of @every is that much after it. */
static int64_t settled(const struct cron_entry *entry)
{
	const struct cron_expr *expr = &entry->rule.expr;
	int64_t before = expr->kind == CRON_EVERY ? (int64_t)expr->every_ms : 1;
	return entry->waiting_count ? cron_least(entry->waiting[0] - before, entry->dealt)
				    : entry->dealt;
}

struct store_cron entry_row(const struct cron_entry *entry)
{
	return (struct store_cron){ .name = entry_name(entry),
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
		    entry_label(entry), strerror(-error));
	else if (!cron->failing && before)
		log_info("%s: the store can write again", entry_label(entry));
}

static void on_saved(void *arg, int error)
{
	struct cron_entry *entry = arg;
	if (!cron_on_saved(entry->cron))
		return;
	note(entry, WRITES_ROWS, error);
	if (error == 0 || error == -ESHUTDOWN)
		return;
	entry->save = cron_now_ms() + CRON_AGAIN_MS;
	cron_wake(entry->cron);
}

void entry_save(struct cron_entry *entry)
{
	struct store_cron row = entry_row(entry);
	entry->is_changed = false;
	entry->save = CRON_PLAN_NEVER;
	entry->cron->saving++;
	store_cron_put(entry->cron->setup.store, &row, on_saved, entry);
}

/* Waiting. */

bool entry_push(struct cron_entry *entry, size_t at, int64_t due)
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

void entry_skip(struct cron_entry *entry)
{
	entry->skipped++;
	entry->is_changed = true;
}

/* One that no run could be made of comes first the next time; what is tried again gives way to a newer. */
void entry_put_back(struct cron_entry *entry, int64_t due, unsigned attempt, int64_t now)
{
	if (attempt > 1 && !entry->waiting_count)
		entry->retry = now + CRON_AGAIN_MS;
	if (attempt == 1 && !entry_push(entry, 0, due))
		entry_skip(entry);
	entry->again = entry->waiting_count ? now + CRON_AGAIN_MS : CRON_PLAN_NEVER;
}

/* Where nothing goes on for long the oldest go. */
void entry_add_waiting(struct cron_entry *entry, int64_t due)
{
	if (entry->waiting_count == CRON_PLAN_MAX) {
		pop(entry);
		entry_skip(entry);
	}
	if (!entry_push(entry, entry->waiting_count, due))
		entry_skip(entry);
}

/* Runs. */

int entry_make_run(const struct cron_entry *entry, int64_t due, unsigned attempt,
    enum run_code *ret_code, struct run **ret, char *reason, size_t size)
{
	const struct trigger *trigger = entry->trigger;
	struct trigger_words words = { 0 };
	char when[TIME_SIZE];
	time_format((uint64_t)due, when);
	json_t *body = json_pack(
	    "{s:s, s:s, s:i}", "cron", entry_name(entry), "due", when, "attempt", (int)attempt);
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

/* NULL: memory is out. */
static struct firing *firing_new(struct cron_entry *entry, int64_t due, unsigned attempt)
{
	struct firing *firing = calloc(1, sizeof(*firing));
	if (!firing)
		return NULL;
	*firing = (struct firing){ .entry = entry, .due = due, .attempt = attempt };
	LIST_INSERT_HEAD(&entry->firings, firing, link);
	entry->going++;
	return firing;
}

static void firing_leave(struct firing *firing)
{
	LIST_REMOVE(firing, link);
	firing->entry->going--;
	firing->entry = NULL;
}

static void firing_free(struct firing *firing)
{
	if (firing->entry)
		firing_leave(firing);
	run_unref(firing->run);
	free(firing);
}

static bool is_delivered(const struct cron_entry *entry)
{
	return entry->trigger->settings->cron.deliver.interface != NULL;
}

static void begin(struct firing *firing)
{
	if (is_delivered(firing->entry))
		run_keep_spool(firing->run);
	firing->subscriber.event = on_run_event;
	firing->subscriber.arg = firing;
	firing->is_listening = true;
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
		    "%s: its session belongs to a user; the time is left out", entry_label(entry));
		entry_skip(entry);
		entry->again = entry->waiting_count ? 0 : CRON_PLAN_NEVER;
	} else if (!entry->paused) {
		entry_put_back(entry, firing->due, firing->attempt, cron_now_ms());
	}
}

/* A run is begun; with the next start of agentd, if this one ends. */
static void on_written(void *arg, int error, const struct store_taken *taken)
{
	(void)taken;
	struct firing *firing = arg;
	struct cron_entry *entry = firing->entry;
	if (!entry) {
		firing_free(firing);
		return;
	}
	entry->writing = NULL;
	note(entry, WRITES_RUNS, error);
	if (error == 0 && entry->waiting_count)
		entry->again = 0;
	if (entry->waiting_count || entry->is_changed || entry->save != CRON_PLAN_NEVER || error)
		cron_wake(entry->cron);
	if (error == 0 && !runs_are_draining(entry->cron->setup.runs)) {
		begin(firing);
		run_start(firing->run);
		return;
	}
	if (error < 0)
		on_unwritten(firing, error);
	firing_free(firing);
}

static bool write_down(struct cron_entry *entry, struct run *run, int64_t due, unsigned attempt)
{
	struct firing *firing = firing_new(entry, due, attempt);
	if (!firing)
		return false;
	if (entry->is_stuck)
		log_info("%s: runs can be made again", entry_label(entry));
	firing->run = run;
	firing->before = entry->last;
	entry->last = (struct last){ .due = due,
		.attempt = attempt,
		.is_open = true,
		.is_known = true,
		.status = RUN_QUEUED };
	snprintf(entry->last.run_id, sizeof(entry->last.run_id), "%s", run_id(run));
	entry->writing = firing;
	entry->retry = CRON_PLAN_NEVER;
	entry->is_stuck = entry->is_changed = false;
	struct store_cron row = entry_row(entry);
	struct run_writing with = { .cron = &row };
	run_write_down(run, &with, on_written, firing);
	return true;
}

/* False: it has to be tried again. */
bool entry_fire(struct cron_entry *entry, int64_t due, unsigned attempt)
{
	struct run *run = NULL;
	enum run_code code = RUN_OK;
	char reason[200] = "";
	int error = entry_make_run(entry, due, attempt, &code, &run, reason, sizeof(reason));
	if (error == -EINVAL || code == RUN_SESSION_BUSY || code == RUN_SESSION_MISMATCH ||
	    code == RUN_FORBIDDEN) {
		log_error("%s: no run can be made: %s; the time is left out", entry_label(entry),
		    error ? reason : run_code_name(code));
		entry_skip(entry);
		return true;
	}
	if (error == 0 && code == RUN_OK && write_down(entry, run, due, attempt))
		return true;
	if (!entry->is_stuck)
		log_warn("%s: no run can be made yet: %s", entry_label(entry),
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
void entry_fire_waiting(struct cron_entry *entry, int64_t now)
{
	bool alone = entry->trigger->settings->cron.overlap != OVERLAP_ALLOW;
	entry->again = CRON_PLAN_NEVER;
	/* A store that fails at once has put it back, and set `again`. */
	while (entry->waiting_count && !entry->writing && !(alone && entry->going) &&
	       entry->again == CRON_PLAN_NEVER) {
		int64_t due = pop(entry);
		if (is_too_late(entry, due, now))
			entry_skip(entry);
		else if (!entry_fire(entry, due, 1))
			entry_put_back(entry, due, 1, now);
	}
}

/* Their ends. */

static int64_t backoff_ms(const struct cron_entry *entry)
{
	int64_t delay = entry->trigger->settings->cron.retry_backoff_ms;
	for (unsigned i = 1; i < entry->last.attempt && delay < CRON_BACKOFF_MAX_MS; i++)
		delay *= 2;
	return cron_least(delay, CRON_BACKOFF_MAX_MS);
}

/* What comes of the last run's end. */
static void entry_settle(struct cron_entry *entry, enum run_status status)
{
	bool is_more = status == RUN_FAILED && entry->waiting_count == 0 && !entry->paused &&
		       entry->last.attempt <= (uint64_t)entry->trigger->settings->cron.retries;
	entry->last.is_open = false;
	entry->last.status = status;
	entry->is_changed = true;
	entry->retry = is_more ? cron_now_ms() + backoff_ms(entry) : CRON_PLAN_NEVER;
	if (is_more)
		log_info(
		    "%s: attempt %u has failed; it is tried again in %.1f s, unless the next time comes first",
		    entry_label(entry), entry->last.attempt, (double)backoff_ms(entry) / 1000);
}

/* One that was the last until another was made, which is on its way into the store. */
static void settle_before(struct cron_entry *entry, const struct firing *firing)
{
	if (!entry->writing || strcmp(entry->writing->before.run_id, firing->run_id) != 0)
		return;
	entry->writing->before.is_open = false;
	entry->writing->before.status = firing->status;
}

static void firing_end(struct firing *firing)
{
	struct cron_entry *entry = firing->entry;
	if (strcmp(entry->last.run_id, firing->run_id) == 0)
		entry_settle(entry, firing->status);
	else
		settle_before(entry, firing);
	if (entry->waiting_count)
		entry->again = 0;
	cron_wake(entry->cron);
	firing_free(firing);
}

/* What is on its way there is not settled yet: the next start of agentd looks after it. */
static void on_delivered(void *arg, int error)
{
	struct firing *firing = arg;
	if (error == 0 && firing->entry)
		firing_end(firing);
	else
		firing_free(firing);
}

/* A schedule is settled once its answer is on its way to where it is wanted. */
static void firing_over(struct firing *firing, enum run_status status)
{
	const struct cron_entry *entry = firing->entry;
	const struct cron_setup *setup = &entry->cron->setup;
	firing->status = status;
	if (status == RUN_SUCCEEDED && is_delivered(entry))
		setup->deliver(setup->arg, entry->trigger, firing->run_id, on_delivered, firing);
	else
		firing_end(firing);
}

static void on_run_event(void *arg, struct run *run, const struct run_event *event)
{
	struct firing *firing = arg;
	if (event->type == RUN_EVENT_LEFT) {
		firing_free(firing);
	} else if (event->type == RUN_EVENT_ENDED) {
		firing->is_listening = false;
		snprintf(firing->run_id, sizeof(firing->run_id), "%s", run_id(run));
		firing_over(firing, run_status(run));
	}
}

/* Its last run is going on again, or has ended without anybody hearing of it. */
void entry_take_up(struct cron_entry *entry)
{
	struct run *live = runs_find_live(entry->cron->setup.runs, entry->last.run_id);
	struct firing *firing = firing_new(entry, entry->last.due, entry->last.attempt);
	if (!firing)
		return;
	snprintf(firing->run_id, sizeof(firing->run_id), "%s", entry->last.run_id);
	if (live && !run_is_over(live)) {
		firing->run = run_ref(live);
		begin(firing);
	} else {
		firing_over(firing, entry->last.is_known ? entry->last.status : RUN_CANCELLED);
	}
}

/* Reloads. */

static void take_firings(struct cron_entry *entry, struct cron_entry *before)
{
	struct firing *firing;
	while ((firing = LIST_FIRST(&before->firings))) {
		firing_leave(firing);
		firing->entry = entry;
		LIST_INSERT_HEAD(&entry->firings, firing, link);
		entry->going++;
		if (firing->is_listening && is_delivered(entry))
			run_keep_spool(firing->run);
	}
	entry->writing = before->writing;
	before->writing = NULL;
}

/* With what waits, whose times the store does not know one by one. */
static void take_times(struct cron_entry *entry, struct cron_entry *before)
{
	entry->dealt = before->dealt;
	entry->seen = before->seen;
	entry->again = before->again;
	entry->retry = before->retry;
	entry->waiting = before->waiting;
	entry->waiting_count = before->waiting_count;
	before->waiting = NULL;
	before->waiting_count = 0;
}

void entry_inherit(struct cron_entry *entry, struct cron_entry *before)
{
	take_firings(entry, before);
	entry->last = before->last;
	entry->paused = before->paused;
	entry->skipped = before->skipped;
	entry->is_stuck = before->is_stuck;
	entry->is_changed = true; /* what the other has sent to the store may yet fail */
	entry->is_new = strcmp(entry->schedule, before->schedule) != 0;
	if (!entry->is_new)
		take_times(entry, before);
}

/* What is on its way into the store, or to a chat, comes back, and finds nobody. */
void entry_detach(struct cron_entry *entry)
{
	struct firing *firing;
	while ((firing = LIST_FIRST(&entry->firings))) {
		firing_leave(firing);
		if (!firing->is_listening)
			continue;
		run_unsubscribe(firing->run, &firing->subscriber);
		firing_free(firing);
	}
}
