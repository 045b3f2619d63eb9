/* sqlite_threads: queues, and the writer, the reader and the keeper. */
#include "daemon/store/sqlite_threads.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "daemon/base/id.h"

#define BATCH_MAX     512 /* jobs in one transaction */
#define STACK_BYTES   (512u << 10)
#define CHECKPOINT_AT 1000  /* pages more in the log: then the keeper moves them */
#define RESTART_AT    16384 /* then the writer stops to let the log begin anew */

/* Back to the loop. */

static void sqlite_finish(struct sqlite_store *store, struct job_queue *jobs)
{
	pthread_mutex_lock(&store->lock);
	STAILQ_CONCAT(&store->done, jobs);
	pthread_mutex_unlock(&store->lock);
	eventfd_write(store->wake_fd, 1);
}

static void sqlite_on_done(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	struct sqlite_store *store = arg;
	struct job_queue jobs = STAILQ_HEAD_INITIALIZER(jobs);
	char damage[sizeof(store->damage)];
	struct job *job;
	eventfd_t ignored;
	eventfd_read(fd, &ignored);
	pthread_mutex_lock(&store->lock);
	STAILQ_CONCAT(&jobs, &store->done);
	memcpy(damage, store->damage, sizeof(damage));
	store->damage[0] = '\0';
	pthread_mutex_unlock(&store->lock);
	if (damage[0])
		store->setup.trouble(store->setup.arg, damage);
	while ((job = STAILQ_FIRST(&jobs))) {
		STAILQ_REMOVE_HEAD(&jobs, link);
		if (job->deliver)
			job->deliver(job);
		job->free(job);
	}
	sqlite_arm_probe(store);
}

static void give(struct sqlite_store *store, struct worker_thread *thread, struct job *job)
{
	pthread_mutex_lock(&store->lock);
	if (store->stopping) { /* its threads take nothing any more: answered in close, or never */
		job->error = -ESHUTDOWN;
		STAILQ_INSERT_TAIL(&store->done, job, link);
		pthread_mutex_unlock(&store->lock);
		return;
	}
	bool was_empty = STAILQ_EMPTY(&thread->queue);
	STAILQ_INSERT_TAIL(&thread->queue, job, link);
	if (was_empty)
		pthread_cond_signal(&thread->wake);
	pthread_mutex_unlock(&store->lock);
}

void sqlite_write(struct sqlite_store *store, struct job *job)
{
	give(store, &store->writer, job);
}

void sqlite_read(struct sqlite_store *store, struct job *job)
{
	give(store, &store->reader, job);
}

/* Takes what waits, up to so many. False: the store is closed, and nothing waits. */
static bool take(
    struct sqlite_store *store, struct worker_thread *thread, unsigned most, struct job_queue *ret)
{
	pthread_mutex_lock(&store->lock);
	while (STAILQ_EMPTY(&thread->queue) && !store->stopping)
		pthread_cond_wait(&thread->wake, &store->lock);
	for (unsigned i = 0; i < most && !STAILQ_EMPTY(&thread->queue); i++) {
		struct job *job = STAILQ_FIRST(&thread->queue);
		STAILQ_REMOVE_HEAD(&thread->queue, link);
		STAILQ_INSERT_TAIL(ret, job, link);
	}
	pthread_mutex_unlock(&store->lock);
	return !STAILQ_EMPTY(ret);
}

static int broken(struct sqlite_store *store)
{
	pthread_mutex_lock(&store->lock);
	int error = store->broken;
	pthread_mutex_unlock(&store->lock);
	return error;
}

/* Writing. */

static bool is_failure(int error)
{
	return error < 0 && error != -EEXIST && error != -ENOENT && error != -EPERM;
}

/* After the writer was given some: whether it could. What could is no sign that it can again: a small one may find
 * room where the next does not. */
static void note_trouble(struct sqlite_store *store, const struct job_queue *jobs)
{
	const struct job *job;
	STAILQ_FOREACH (job, jobs, link)
		if (is_failure(job->error))
			store->trouble = job->error;
}

/* One transaction. Its error; then nothing of it happened. */
static int write_together(struct db *db, struct job_queue *jobs)
{
	struct job *job;
	int error = db_exec(db, DB_BEGIN);
	STAILQ_FOREACH (job, jobs, link) {
		if (is_failure(error))
			break;
		error = job->error = job->work(job, db);
	}
	if (!is_failure(error))
		error = db_exec(db, DB_COMMIT);
	if (is_failure(error) && !sqlite3_get_autocommit(db->handle))
		db_exec(db, DB_ROLLBACK);
	return is_failure(error) ? error : 0;
}

/* If they cannot be written together, one by one: what is wrong with one need not be wrong with the
 * others. */
static void write_batch(struct sqlite_store *store, struct job_queue *jobs)
{
	struct db *db = &store->writer.db;
	struct job_queue done = STAILQ_HEAD_INITIALIZER(done);
	struct job *job;
	int error = broken(store);
	int together = error ? error : write_together(db, jobs);
	if (together == 0)
		return;
	if (together == -EBUSY) /* somebody holds the file: nobody gets further alone */
		error = together;
	while ((job = STAILQ_FIRST(jobs))) {
		struct job_queue one = STAILQ_HEAD_INITIALIZER(one);
		STAILQ_REMOVE_HEAD(jobs, link);
		STAILQ_INSERT_TAIL(&one, job, link);
		int failure = error ? error : write_together(db, &one);
		if (failure)
			job->error = failure;
		STAILQ_CONCAT(&done, &one);
	}
	STAILQ_CONCAT(jobs, &done);
}

static int on_log_grown(void *arg, sqlite3 *handle, const char *name, int pages)
{
	(void)handle;
	(void)name;
	struct sqlite_store *store = arg;
	pthread_mutex_lock(&store->lock);
	if (pages < store->log_pages) /* it has begun anew */
		store->checkpoint_at = CHECKPOINT_AT;
	store->log_pages = pages;
	if (pages >= store->checkpoint_at) {
		store->checkpoint_at = pages + CHECKPOINT_AT;
		store->checkpoint_due = true;
		pthread_cond_signal(&store->keeper.wake);
	}
	pthread_mutex_unlock(&store->lock);
	return SQLITE_OK;
}

/* Lets the log begin anew: without end of writing the keeper alone never comes to its end. Somebody who
 * reads for long may be in the way: nobody waits for that, but the log grows meanwhile. Returns the
 * size at which to try again. */
static int restart_log(struct sqlite_store *store)
{
	struct db *db = &store->writer.db;
	sqlite3_busy_timeout(db->handle, 0);
	int r = sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL);
	sqlite3_busy_timeout(db->handle, DB_BUSY_MS);
	return r == SQLITE_OK ? RESTART_AT : store->log_pages + RESTART_AT / 4;
}

static void *writer_main(void *arg)
{
	struct sqlite_store *store = arg;
	int restart_at = RESTART_AT;
	struct job_queue jobs = STAILQ_HEAD_INITIALIZER(jobs);
	while (take(store, &store->writer, BATCH_MAX, &jobs)) {
		uint64_t began_us = clock_monotonic_us();
		write_batch(store, &jobs);
		pthread_mutex_lock(&store->lock);
		histogram_add(&store->commits, clock_monotonic_us() - began_us);
		note_trouble(store, &jobs);
		pthread_mutex_unlock(&store->lock);
		sqlite_finish(store, &jobs);
		if (store->log_pages >= restart_at)
			restart_at = restart_log(store);
	}
	return NULL;
}

/* Reading. */

static void *reader_main(void *arg)
{
	struct sqlite_store *store = arg;
	struct job_queue jobs = STAILQ_HEAD_INITIALIZER(jobs);
	while (take(store, &store->reader, 1, &jobs)) {
		struct job *job = STAILQ_FIRST(&jobs);
		int error = broken(store);
		job->error = error ? error : job->work(job, &store->reader.db);
		sqlite_finish(store, &jobs);
	}
	return NULL;
}

/* Keeping. */

static void keeper_check(struct sqlite_store *store)
{
	char reason[160];
	if (db_check(&store->keeper.db, reason, sizeof(reason)) == 0)
		return;
	pthread_mutex_lock(&store->lock);
	if (store->stopping) { /* it was interrupted: the next start checks again */
		store->unchecked = true;
		pthread_mutex_unlock(&store->lock);
		return;
	}
	store->broken = -EBADMSG;
	snprintf(store->damage, sizeof(store->damage), "%s", reason);
	pthread_mutex_unlock(&store->lock);
	eventfd_write(store->wake_fd, 1);
}

static void *keeper_main(void *arg)
{
	struct sqlite_store *store = arg;
	if (store->unclean)
		keeper_check(store);
	pthread_mutex_lock(&store->lock);
	for (;;) {
		while (!store->checkpoint_due && !store->stopping)
			pthread_cond_wait(&store->keeper.wake, &store->lock);
		if (store->stopping)
			break;
		store->checkpoint_due = false;
		pthread_mutex_unlock(&store->lock);
		sqlite3_wal_checkpoint_v2(
		    store->keeper.db.handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
		pthread_mutex_lock(&store->lock);
	}
	pthread_mutex_unlock(&store->lock);
	return NULL;
}

/* Their life. */

static int thread_start(
    struct sqlite_store *store, struct worker_thread *thread, void *(*run)(void *arg))
{
	pthread_attr_t attributes;
	sigset_t all, before;
	int error = pthread_attr_init(&attributes);
	if (error)
		return -error;
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	sigfillset(&all); /* signals are the loop's */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&thread->thread, &attributes, run, store);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	thread->started = error == 0;
	return -error;
}

static void thread_end(struct worker_thread *thread)
{
	if (thread->started)
		pthread_join(thread->thread, NULL);
	thread->started = false;
}

void sqlite_threads_stop(struct sqlite_store *store)
{
	pthread_mutex_lock(&store->lock);
	store->stopping = true;
	pthread_cond_signal(&store->writer.wake);
	pthread_cond_signal(&store->reader.wake);
	pthread_cond_signal(&store->keeper.wake);
	pthread_mutex_unlock(&store->lock);
	if (store->keeper.started)
		sqlite3_interrupt(store->keeper.db.handle); /* its check may take long */
	thread_end(&store->keeper);
	thread_end(&store->reader);
	thread_end(&store->writer);
}

void sqlite_threads_deliver(struct sqlite_store *store)
{
	while (!STAILQ_EMPTY(&store->done)) /* an answer may ask for more */
		sqlite_on_done(store->wake_fd, EV_READ, store);
}

int sqlite_threads_start(struct event_base *base, struct sqlite_store *store)
{
	store->checkpoint_at = CHECKPOINT_AT;
	store->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (store->wake_fd < 0)
		return -errno;
	store->delivered =
	    event_new(base, store->wake_fd, EV_READ | EV_PERSIST, sqlite_on_done, store);
	if (!store->delivered || event_add(store->delivered, NULL) < 0)
		return -ENOMEM;
	sqlite3_wal_hook(store->writer.db.handle, on_log_grown, store);
	int error = thread_start(store, &store->writer, writer_main);
	if (error == 0)
		error = thread_start(store, &store->reader, reader_main);
	if (error == 0)
		error = thread_start(store, &store->keeper, keeper_main);
	return error;
}
