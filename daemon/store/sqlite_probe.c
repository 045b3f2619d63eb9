/*
 * sqlite_probe: whether the store can write again, as a job of the writer.
 *
 * It writes about as much as a run takes, and takes it away again: on a disk that is full there may be room for a page,
 * in the log as a rule, and none for a run.
 */
#include <stdlib.h>

#include "daemon/store/job.h"

struct probe_job {
	struct job job;
	store_done_fn done; /* NULL: nobody asks */
	void *arg;          /* borrowed */
};

static int fill_work(struct job *job, struct db *db)
{
	(void)job;
	return db_exec(db, DB_PROBE);
}

static int clear_work(struct job *job, struct db *db)
{
	(void)job;
	return db_exec(db, DB_PROBE_CLEAR);
}

static void probe_deliver(struct job *job)
{
	struct probe_job *probe = (struct probe_job *)job;
	probe->done(probe->arg, job->error);
}

static void probe_free(struct job *job)
{
	free(job);
}

static struct job *new_job(
    int (*work)(struct job *job, struct db *db), store_done_fn done, void *arg)
{
	struct probe_job *job = calloc(1, sizeof(*job));
	if (!job)
		return NULL;
	*job = (struct probe_job){
		.job = { .work = work, .deliver = done ? probe_deliver : NULL, .free = probe_free },
		.done = done,
		.arg = arg,
	};
	return &job->job;
}

struct job *sqlite_probe_new(store_done_fn done, void *arg)
{
	return new_job(fill_work, done, arg);
}

struct job *sqlite_probe_clear_new(void)
{
	return new_job(clear_work, NULL, NULL);
}
