/*
 * cron_entry: one schedule: the due times that wait, its runs, and how far it has come in the store. Private
 * to cron.c, which says when.
 */
#ifndef AGENTD_TRIGGER_CRON_ENTRY_H
#define AGENTD_TRIGGER_CRON_ENTRY_H

#include <event2/event.h>
#include <sys/queue.h>

#include "daemon/base/id.h"
#include "daemon/trigger/cron.h"
#include "daemon/trigger/cron_plan.h"

#define CRON_AGAIN_MS       1000
#define CRON_BACKOFF_MAX_MS (60 * 60 * 1000)

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
	struct firing *writing;      /* on its way into the store: one at a time; NULL. Borrowed */
	LIST_HEAD(, firing) firings; /* its runs, from being written down to their end */
	size_t going;                /* how many these are */
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
	bool has_begun;             /* before: what comes with a start of agentd has come */
	struct cron *older, *newer; /* borrowed; of those that went on with each other */
	size_t saving;              /* rows on their way into the store: it has to live as long */
	bool is_freed;              /* and for nothing else */
	unsigned failing; /* what the store cannot write, since that was said: WRITES_… */
	bool was_set;     /* the clock */
	struct histogram lateness;
	void (*loaded)(void *arg, int error);
	void *loaded_arg;
};

static inline int64_t cron_now_ms(void)
{
	return (int64_t)clock_wall_ms();
}

static inline int64_t cron_least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static inline const char *entry_name(const struct cron_entry *entry)
{
	return entry->trigger->settings->name;
}

static inline const char *entry_label(const struct cron_entry *entry)
{
	return entry->trigger->settings->label;
}

/* cron.c: it is looked at soon, but not inside of what is going on. */
void cron_wake(struct cron *cron);
/* A row is in the store, or is not. False: nobody wants to know; the cron may be gone with it. */
bool cron_on_saved(struct cron *cron);

/* What waits, oldest first. False: memory is out. */
bool entry_push(struct cron_entry *entry, size_t at, int64_t due);
/* The same at its end; the oldest go where nothing goes on for long. */
void entry_add_waiting(struct cron_entry *entry, int64_t due);
void entry_skip(struct cron_entry *entry);
/* One that no run could be made of. */
void entry_put_back(struct cron_entry *entry, int64_t due, unsigned attempt, int64_t now);

/* Makes runs of what waits, as far as `overlap` lets them begin. */
void entry_fire_waiting(struct cron_entry *entry, int64_t now);
/* Makes a run. False: it has to be tried again. */
bool entry_fire(struct cron_entry *entry, int64_t due, unsigned attempt);
/* The run alone; errors as cron_make_run has them. */
int entry_make_run(const struct cron_entry *entry, int64_t due, unsigned attempt,
    enum run_code *ret_code, struct run **ret, char *reason, size_t size);

/* What the store knows of its last run, once that is loaded: it goes on, or it has ended. */
void entry_take_up(struct cron_entry *entry);
/* Goes on with the runs of another of its name, and with its times, if these are the same. */
void entry_inherit(struct cron_entry *entry, struct cron_entry *before);
/* Its runs go on without it. */
void entry_detach(struct cron_entry *entry);
/* As the store has it; borrowed from the entry. */
struct store_cron entry_row(const struct cron_entry *entry);
void entry_save(struct cron_entry *entry);

#endif
