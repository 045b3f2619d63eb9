/*
 * record: runs and the store.
 *
 * A run that somebody must be able to ask for again (durable, streamed, or with a key) is written
 * down before it is started: run_write_down. Any other is only if it takes its time, and most are
 * written down once, by their end.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/sync.h"
#include "daemon/run/agent.h"
#include "daemon/run/attachment.h"
#include "daemon/run/internal.h"

#define SHORT_MS 100  /* a run that is over sooner is written down by its end alone */
#define RETRY_MS 1000 /* until a durable run's end can be written */

/* An end on its way into the store. */
struct ending {
	struct records *records; /* borrowed */
	struct run *run;         /* a reference */
	void (*stored)(struct run *run, int error);
	struct event *retry;
	TAILQ_ENTRY(ending) link;
};

struct records {
	struct store *store;          /* borrowed */
	struct event_base *base;      /* borrowed */
	TAILQ_HEAD(, run) unrecorded; /* in order of their start */
	TAILQ_HEAD(, ending) retried; /* wait for the store to work again */
	struct event *timer;
	bool failing; /* the last end could not be written */
};

static void records_on_timer(evutil_socket_t fd, short what, void *arg);

struct records *records_new(struct event_base *base, struct store *store)
{
	struct records *records = calloc(1, sizeof(*records));
	if (!records)
		return NULL;
	records->store = store;
	records->base = base;
	TAILQ_INIT(&records->unrecorded);
	TAILQ_INIT(&records->retried);
	records->timer = event_new(base, -1, 0, records_on_timer, records);
	if (!records->timer) {
		free(records);
		return NULL;
	}
	return records;
}

static void ending_free(struct ending *ending)
{
	if (ending->retry) {
		TAILQ_REMOVE(&ending->records->retried, ending, link);
		event_free(ending->retry);
	}
	run_unref(ending->run);
	free(ending);
}

void records_free(struct records *records)
{
	if (!records)
		return;
	while (!TAILQ_EMPTY(&records->retried)) /* they are done again with the next start */
		ending_free(TAILQ_FIRST(&records->retried));
	event_free(records->timer);
	free(records);
}

struct store *records_store(const struct records *records)
{
	return records->store;
}

/* Writing down. */

static void on_added(void *arg, int error, const struct store_taken *taken)
{
	(void)arg;
	(void)error; /* its end is written in any case */
	(void)taken;
}

static void records_drop(struct records *records, struct run *run)
{
	if (run->is_unrecorded)
		TAILQ_REMOVE(&records->unrecorded, run, unrecorded);
	run->is_unrecorded = false;
}

static void records_arm(struct records *records)
{
	struct timeval soon = { .tv_usec = SHORT_MS * 1000 };
	if (!TAILQ_EMPTY(&records->unrecorded) && !event_pending(records->timer, EV_TIMEOUT, NULL))
		event_add(records->timer, &soon);
}

static void records_on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct records *records = arg;
	uint64_t before = clock_wall_ms() - SHORT_MS;
	struct run *run;
	while ((run = TAILQ_FIRST(&records->unrecorded)) && run->created_wall_ms <= before) {
		struct store_run record;
		struct store_add add = { .run = &record };
		run_describe(run, &record);
		records_drop(records, run);
		store_run_add(records->store, &add, on_added, NULL);
	}
	records_arm(records);
}

void records_begin(struct records *records, struct run *run)
{
	if (run->is_recorded || !store_keeps_runs(records->store))
		return;
	run->is_unrecorded = true;
	TAILQ_INSERT_TAIL(&records->unrecorded, run, unrecorded);
	records_arm(records);
}

static void secure_file(void *arg, const char *path, uint64_t bytes)
{
	bool *secured = arg;
	(void)bytes;
	*secured = *secured && sync_file(path) == 0;
}

/* Who is told that a run is accepted relies on it, and on what came along. */
static int secure_files(const struct store_run *run)
{
	bool secured = true;
	attachments_paths(run->attachments, secure_file, &secured);
	return secured ? 0 : -EIO;
}

void run_write_down(struct run *run, const struct run_writing *with, store_add_fn done, void *arg)
{
	struct store_run record;
	struct store_add add = { .run = &record,
		.key = with->key,
		.again_if_failed = with->again_if_failed,
		.request = with->hash,
		.cron = with->cron,
		.incoming = with->incoming,
		.chat = with->chat };
	if (run->durable && run->file_count)
		add.secure = secure_files;
	run_describe(run, &record);
	run->is_recorded = true;
	store_run_add(records_store(run_records(run)), &add, done, arg);
}

/* The end. */

static void ending_send(struct ending *ending);

static void ending_on_retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	ending_send(arg);
}

static bool ending_retry(struct ending *ending)
{
	struct records *records = ending->records;
	struct timeval later = { .tv_sec = RETRY_MS / 1000 };
	if (!ending->run->durable)
		return false;
	if (!ending->retry) {
		ending->retry = event_new(records->base, -1, 0, ending_on_retry, ending);
		if (!ending->retry)
			return false;
		TAILQ_INSERT_TAIL(&records->retried, ending, link);
	}
	return event_add(ending->retry, &later) == 0;
}

/* Says once that it does not work, and once that it does again. */
static void records_note(struct records *records, const struct run *run, int error)
{
	struct log_field fields[] = { { "run_id", run->id, false } };
	if (error && !records->failing)
		log_with(LOG_LEVEL_ERROR, fields,
		    "the store cannot write: %s; what succeeds is answered with 503 until it can",
		    strerror(-error));
	else if (!error && records->failing)
		log_info("the store can write again");
	records->failing = error != 0;
}

static void ending_on_stored(void *arg, int error)
{
	struct ending *ending = arg;
	records_note(ending->records, ending->run, error);
	if (error < 0 && ending_retry(ending))
		return;
	run_forget(ending->run);
	if (ending->stored)
		ending->stored(ending->run, error);
	ending_free(ending);
}

static void ending_send(struct ending *ending)
{
	struct store_run record;
	run_describe(ending->run, &record);
	store_run_finish(ending->records->store, &record, ending_on_stored, ending);
}

void records_end(
    struct records *records, struct run *run, bool wait, void (*stored)(struct run *run, int error))
{
	struct ending *ending = calloc(1, sizeof(*ending));
	records_drop(records, run);
	if (!ending) {
		run_forget(run);
		stored(run, -ENOMEM);
		return;
	}
	ending->records = records;
	ending->run = run_ref(run);
	ending->stored = wait ? stored : NULL;
	if (!wait)
		stored(run, 0);
	ending_send(ending);
}
