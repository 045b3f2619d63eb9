/* sqlite_cron: how far schedules have come. */
#include <errno.h>
#include <stdlib.h>

#include "daemon/store/arena.h"
#include "daemon/store/backend.h"
#include "daemon/store/copy.h"
#include "daemon/store/job.h"

/* Writing: one, or that there is none. */

struct cron_job {
	struct job job;
	struct store_cron cron;
	store_done_fn done;
	void *arg; /* borrowed */
};

int sqlite_cron_write(const struct store_cron *cron, struct db *db)
{
	sqlite3_stmt *put = db_prepare(db, DB_CRON_PUT);
	if (!put)
		return -EIO;
	db_bind_str(put, 1, cron->name);
	db_bind_str(put, 2, cron->schedule);
	sqlite3_bind_int64(put, 3, (int64_t)cron->due_wall_ms);
	sqlite3_bind_int(put, 4, cron->paused);
	db_bind_str(put, 5, cron->run_id);
	sqlite3_bind_int64(put, 6, (int64_t)cron->run_due_wall_ms);
	sqlite3_bind_int64(put, 7, cron->attempt);
	sqlite3_bind_int64(put, 8, (int64_t)cron->retry_wall_ms);
	sqlite3_bind_int(put, 9, cron->is_open);
	return db_run(put);
}

static int put_work(struct job *job, struct db *db)
{
	return sqlite_cron_write(&((struct cron_job *)job)->cron, db);
}

static int delete_work(struct job *job, struct db *db)
{
	sqlite3_stmt *delete = db_prepare(db, DB_CRON_DELETE);
	if (!delete)
		return -EIO;
	db_bind_str(delete, 1, ((struct cron_job *)job)->cron.name);
	return db_run(delete);
}

static void cron_deliver(struct job *job)
{
	struct cron_job *cron = (struct cron_job *)job;
	cron->done(cron->arg, job->error);
}

static void cron_free(struct job *job)
{
	free(job);
}

static void cron_write(struct store *store, int (*work)(struct job *job, struct db *db),
    const struct store_cron *given, store_done_fn done, void *arg)
{
	struct cron_job *cron = malloc(sizeof(*cron) + copy_cron_size(given));
	char *room = (char *)(cron + 1);
	if (!cron) {
		done(arg, -ENOMEM);
		return;
	}
	*cron = (struct cron_job){
		.job = { .work = work, .deliver = cron_deliver, .free = cron_free },
		.done = done,
		.arg = arg,
	};
	copy_cron_into(&room, &cron->cron, given);
	sqlite_write((struct sqlite_store *)store, &cron->job);
}

void sqlite_cron_put(
    struct store *store, const struct store_cron *cron, store_done_fn done, void *arg)
{
	cron_write(store, put_work, cron, done, arg);
}

void sqlite_cron_delete(struct store *store, const char *name, store_done_fn done, void *arg)
{
	struct store_cron cron = { .name = name };
	cron_write(store, delete_work, &cron, done, arg);
}

/* Reading: all of them. */

struct list_job {
	struct job job;
	struct arena arena;
	struct store_cron *crons;
	size_t count;
	store_crons_fn done;
	void *arg; /* borrowed */
};

static int take_row(struct list_job *list, sqlite3_stmt *row)
{
	struct arena *arena = &list->arena;
	struct store_cron *crons = arena_push(arena, list->crons, list->count, sizeof(*crons));
	if (!crons)
		return -ENOMEM;
	list->crons = crons;
	crons[list->count++] = (struct store_cron){
		.name = arena_column_str(arena, row, 0),
		.schedule = arena_column_str(arena, row, 1),
		.due_wall_ms = (uint64_t)sqlite3_column_int64(row, 2),
		.paused = sqlite3_column_int(row, 3),
		.run_id = arena_column_str(arena, row, 4),
		.run_due_wall_ms = (uint64_t)sqlite3_column_int64(row, 5),
		.attempt = (unsigned)sqlite3_column_int(row, 6),
		.retry_wall_ms = (uint64_t)sqlite3_column_int64(row, 7),
		.is_open = sqlite3_column_int(row, 8),
		.is_known = sqlite3_column_type(row, 9) != SQLITE_NULL,
		.status = (enum run_status)sqlite3_column_int(row, 9),
	};
	return arena->failed ? -ENOMEM : 0;
}

static int list_work(struct job *job, struct db *db)
{
	struct list_job *list = (struct list_job *)job;
	sqlite3_stmt *rows = db_prepare(db, DB_CRON_LIST);
	int error = rows ? 0 : -EIO, r = SQLITE_DONE;
	while (error == 0 && (r = sqlite3_step(rows)) == SQLITE_ROW)
		error = take_row(list, rows);
	sqlite3_reset(rows);
	return error ? error : db_error(r);
}

static void list_deliver(struct job *job)
{
	struct list_job *list = (struct list_job *)job;
	list->done(list->arg, job->error, list->crons, list->count);
}

static void list_free(struct job *job)
{
	struct list_job *list = (struct list_job *)job;
	arena_done(&list->arena);
	free(list);
}

void sqlite_cron_list(struct store *store, store_crons_fn done, void *arg)
{
	struct list_job *list = calloc(1, sizeof(*list));
	if (!list) {
		done(arg, -ENOMEM, NULL, 0);
		return;
	}
	list->job = (struct job){ .work = list_work, .deliver = list_deliver, .free = list_free };
	list->done = done;
	list->arg = arg;
	sqlite_read((struct sqlite_store *)store, &list->job);
}
