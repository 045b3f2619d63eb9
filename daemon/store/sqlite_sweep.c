/* sqlite_sweep: letting go of what is old, or more than the file may have, as a job of the writer. */
#include <errno.h>
#include <stdlib.h>

#include "daemon/store/job.h"

#define SWEEP_PIECE 100

struct sweep_job {
	struct job job;
	struct sweep_bounds bounds;
	unsigned deleted;
	void (*done)(void *arg, int error, unsigned deleted);
	void *arg; /* borrowed */
};

/* Deletes a piece of what is older; adds how much it was. */
static int sweep(
    struct sweep_job *job, struct db *db, enum db_statement which, uint64_t before_wall_ms)
{
	sqlite3_stmt *statement = db_prepare(db, which);
	if (!statement)
		return -EIO;
	sqlite3_bind_int(statement, 1, SWEEP_PIECE);
	sqlite3_bind_int64(statement, 2, (int64_t)before_wall_ms);
	int error = db_run(statement);
	if (error == 0)
		job->deleted += (unsigned)sqlite3_changes(db->handle);
	return error;
}

/* Whether what is in use is more than the file may have. */
static int is_too_large(const struct sweep_job *job, struct db *db, bool *ret)
{
	sqlite3_stmt *statement = db_prepare(db, DB_SIZE);
	int r = statement ? sqlite3_step(statement) : SQLITE_ERROR;
	*ret = r == SQLITE_ROW && job->bounds.max_bytes &&
	       sqlite3_column_int64(statement, 0) > job->bounds.max_bytes;
	sqlite3_reset(statement);
	return db_error(r);
}

static int sweep_work(struct job *job, struct db *db)
{
	struct sweep_job *sweeping = (struct sweep_job *)job;
	const struct sweep_bounds *bounds = &sweeping->bounds;
	uint64_t before = bounds->runs_before_wall_ms;
	bool too_large;
	sweeping->deleted = 0;
	int error = sweep(sweeping, db, DB_KEYS_SWEEP, bounds->keys_before_wall_ms);
	if (error == 0)
		error = is_too_large(sweeping, db, &too_large);
	if (error == 0 && (before || too_large))
		error = sweep(sweeping, db, DB_RUNS_SWEEP, too_large ? INT64_MAX : before);
	if (error == 0 && before)
		error = sweep(sweeping, db, DB_SESSIONS_SWEEP, before);
	if (error == 0)
		error = sweep(sweeping, db, DB_INCOMING_SWEEP, bounds->incoming_before_wall_ms);
	return error == 0 ? db_exec(db, DB_VACUUM) : error;
}

static void sweep_free(struct job *job)
{
	free(job);
}

static void sweep_deliver(struct job *job)
{
	struct sweep_job *sweeping = (struct sweep_job *)job;
	sweeping->done(sweeping->arg, job->error, sweeping->deleted);
}

struct job *sqlite_sweep_new(const struct sweep_bounds *bounds,
    void (*done)(void *arg, int error, unsigned deleted), void *arg)
{
	struct sweep_job *job = calloc(1, sizeof(*job));
	if (!job)
		return NULL;
	*job = (struct sweep_job){
		.job = { .work = sweep_work, .deliver = sweep_deliver, .free = sweep_free },
		.bounds = *bounds,
		.done = done,
		.arg = arg,
	};
	return &job->job;
}
