/*
 * sqlite: threads, queues, and the life of the file.
 *
 * A job goes from the loop to a thread by a queue under the lock, and comes back by another one and an
 * eventfd. Nothing else is shared, but the counters under the same lock.
 */
#include "daemon/store/sqlite.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/id.h"
#include "daemon/store/backend.h"
#include "daemon/store/job.h"

#define BATCH_MAX      512 /* jobs in one transaction */
#define STACK_BYTES    (512u << 10)
#define CHECKPOINT_AT  1000  /* pages more in the log: then the keeper moves them */
#define RESTART_AT     16384 /* then the writer stops to let the log begin anew */
#define SWEEP_EVERY_MS 60000
#define PROBE_MS       1000 /* until it is tried whether the store can write again */
#define INCOMING_LIFE_MS \
	(7 * 24 * 3600 * 1000ull) /* platforms say a thing again for a day at most */

struct worker_thread {
	pthread_t thread;
	bool started;
	struct db db;
	pthread_cond_t wake;
	struct job_queue queue;
};

struct sqlite_store {
	struct store store;
	char *path;
	int lock_fd;
	struct sqlite_setup setup; /* its path is not to be used */
	struct worker_thread writer, reader, keeper;
	struct event *delivered, *sweep_timer, *probe_timer;
	int wake_fd;
	bool unclean;    /* the last process did not close it */
	bool unchecked;  /* and the check was not done */
	bool is_open;    /* all of it is there */
	bool is_probing; /* it is being tried whether it can write */

	pthread_mutex_t lock;
	bool stopping;
	int broken;       /* -EBADMSG: it is corrupt, nothing works any more */
	int trouble;      /* of the last that could not be written; 0: since then a probe could */
	char damage[256]; /* what the keeper found, for the loop */
	struct job_queue done;
	struct histogram commits;
	int log_pages;     /* in the write-ahead log */
	int checkpoint_at; /* so many pages */
	bool checkpoint_due;
};

/* Back to the loop. */

static void sqlite_finish(struct sqlite_store *store, struct job_queue *jobs)
{
	pthread_mutex_lock(&store->lock);
	STAILQ_CONCAT(&store->done, jobs);
	pthread_mutex_unlock(&store->lock);
	eventfd_write(store->wake_fd, 1);
}

/* While it cannot write, and may yet. */
static void sqlite_arm_probe(struct sqlite_store *store)
{
	struct timeval soon = { .tv_sec = PROBE_MS / 1000 };
	pthread_mutex_lock(&store->lock);
	bool may_help = store->trouble && !store->broken && !store->stopping;
	pthread_mutex_unlock(&store->lock);
	if (may_help && !store->is_probing && !event_pending(store->probe_timer, EV_TIMEOUT, NULL))
		event_add(store->probe_timer, &soon);
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

/* Retention: a piece at a time, the next when that is written, so that nobody waits for long. */

static void sqlite_sweep(struct sqlite_store *store);

static void sqlite_on_swept(void *arg, int error, unsigned deleted)
{
	struct sqlite_store *store = arg;
	if (error == 0 && deleted)
		sqlite_sweep(store);
}

static void sqlite_sweep(struct sqlite_store *store)
{
	uint64_t now = clock_wall_ms();
	struct sweep_bounds bounds = { .keys_before_wall_ms = now - KEY_LIFE_MS,
		.incoming_before_wall_ms = now - INCOMING_LIFE_MS,
		.max_bytes = store->setup.max_bytes };
	if (store->setup.retention_ms && (uint64_t)store->setup.retention_ms < now)
		bounds.runs_before_wall_ms = now - (uint64_t)store->setup.retention_ms;
	struct job *job = sqlite_sweep_new(&bounds, sqlite_on_swept, store);
	if (job)
		sqlite_write(store, job);
}

static void sqlite_on_sweep_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	sqlite_sweep(arg);
}

/* Being able to write again. */

static void sqlite_on_probed(void *arg, int error)
{
	struct sqlite_store *store = arg;
	struct job *clear = error == 0 ? sqlite_probe_clear_new() : NULL;
	store->is_probing = false;
	if (error < 0)
		return;
	pthread_mutex_lock(&store->lock);
	store->trouble = 0;
	pthread_mutex_unlock(&store->lock);
	if (clear)
		sqlite_write(store, clear);
}

static void sqlite_on_probe_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct sqlite_store *store = arg;
	struct job *probe = sqlite_probe_new(sqlite_on_probed, store);
	store->is_probing = probe != NULL;
	if (probe)
		sqlite_write(store, probe);
	else
		sqlite_arm_probe(store);
}

static int sqlite_trouble(struct store *base)
{
	struct sqlite_store *store = (struct sqlite_store *)base;
	pthread_mutex_lock(&store->lock);
	int error = store->broken ? store->broken : store->trouble;
	pthread_mutex_unlock(&store->lock);
	return error;
}

/* Opening and closing. */

static int make_folder(const char *path)
{
	char *copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	const char *folder = dirname(copy);
	int error = 0;
	for (char *slash = copy + 1; error == 0 && (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		if (mkdir(copy, 0700) < 0 && errno != EEXIST)
			error = -errno;
		*slash = '/';
	}
	if (error == 0 && mkdir(folder, 0700) < 0 && errno != EEXIST)
		error = -errno;
	free(copy);
	return error;
}

/* The lock is the kernel's: it goes with the process, however that ends. */
static int lock_file(struct sqlite_store *store, char *reason, size_t size)
{
	char *path, pid[32] = "";
	if (asprintf(&path, "%s.lock", store->path) < 0)
		return -ENOMEM;
	store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int error = store->lock_fd < 0 ? -errno : 0;
	free(path);
	if (error == 0 && flock(store->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		error = -errno;
		if (read(store->lock_fd, pid, sizeof(pid) - 1) > 0)
			snprintf(reason, size, "another agentd (pid %.*s) has it open",
			    (int)strcspn(pid, "\n"), pid);
		return error == -EWOULDBLOCK ? -EBUSY : error;
	}
	if (error < 0)
		return error;
	int n = snprintf(pid, sizeof(pid), "%d\n", getpid());
	if (ftruncate(store->lock_fd, 0) < 0 || pwrite(store->lock_fd, pid, (size_t)n, 0) < 0)
		return -errno;
	return 0;
}

/* Says whether the last process came to an end, and that this one has not. */
static int mark(struct sqlite_store *store, int clean, bool *ret_was_clean)
{
	struct db *db = &store->writer.db;
	sqlite3_stmt *statement;
	int error = 0;
	if (ret_was_clean) {
		int r = sqlite3_prepare_v2(db->handle,
		    "SELECT value FROM meta WHERE name = 'clean'", -1, &statement, NULL);
		if (r == SQLITE_OK)
			r = sqlite3_step(statement);
		*ret_was_clean = r == SQLITE_ROW && sqlite3_column_int(statement, 0);
		error = db_error(r);
		sqlite3_finalize(statement);
	}
	statement = error == 0 ? db_prepare(db, DB_MARK) : NULL;
	if (statement)
		sqlite3_bind_int(statement, 1, clean);
	return statement ? db_run(statement) : error ? error : -EIO;
}

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

static void thread_init(struct worker_thread *thread)
{
	STAILQ_INIT(&thread->queue);
	pthread_cond_init(&thread->wake, NULL);
}

static void free_jobs(struct job_queue *jobs)
{
	struct job *job;
	while ((job = STAILQ_FIRST(jobs))) {
		STAILQ_REMOVE_HEAD(jobs, link);
		job->free(job);
	}
}

static void thread_end(struct worker_thread *thread)
{
	if (thread->started)
		pthread_join(thread->thread, NULL);
	thread->started = false;
}

/* The threads do all that waits before they end. */
static void sqlite_stop(struct sqlite_store *store)
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

static void sqlite_close(struct store *base)
{
	struct sqlite_store *store = (struct sqlite_store *)base;
	sqlite_stop(store);
	while (!STAILQ_EMPTY(&store->done)) /* an answer may ask for more */
		sqlite_on_done(store->wake_fd, EV_READ, store);
}

static void sqlite_free(struct store *base)
{
	struct sqlite_store *store = (struct sqlite_store *)base;
	bool was_open = store->is_open;
	sqlite_stop(store);
	if (was_open && !store->broken && !store->unchecked)
		mark(store, 1, NULL);
	free_jobs(&store->done);
	if (store->delivered)
		event_free(store->delivered);
	if (store->sweep_timer)
		event_free(store->sweep_timer);
	if (store->probe_timer)
		event_free(store->probe_timer);
	db_close(&store->keeper.db);
	db_close(&store->reader.db);
	db_close(&store->writer.db); /* the last one moves the log into the file */
	if (store->wake_fd >= 0)
		close(store->wake_fd);
	if (store->lock_fd >= 0)
		close(store->lock_fd);
	pthread_cond_destroy(&store->writer.wake);
	pthread_cond_destroy(&store->reader.wake);
	pthread_cond_destroy(&store->keeper.wake);
	pthread_mutex_destroy(&store->lock);
	free(store->path);
	free(store);
}

static uint64_t size_of(const char *path, const char *suffix)
{
	char name[PATH_MAX];
	struct stat st;
	snprintf(name, sizeof(name), "%s%s", path, suffix);
	return stat(name, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void sqlite_look(struct store *base, struct store_view *ret)
{
	struct sqlite_store *store = (struct sqlite_store *)base;
	pthread_mutex_lock(&store->lock);
	ret->commits = store->commits;
	pthread_mutex_unlock(&store->lock);
	ret->bytes = size_of(store->path, "") + size_of(store->path, "-wal");
}

static const struct store_ops sqlite_ops = {
	.keeps_runs = true,
	.close = sqlite_close,
	.free = sqlite_free,
	.run_add = sqlite_run_add,
	.key_find = sqlite_key_find,
	.run_finish = sqlite_run_finish,
	.run_attempt = sqlite_run_attempt,
	.run_get = sqlite_run_get,
	.runs_list = sqlite_runs_list,
	.runs_unfinished = sqlite_runs_unfinished,
	.session_get = sqlite_session_get,
	.sessions_list = sqlite_sessions_list,
	.session_delete = sqlite_session_delete,
	.cron_list = sqlite_cron_list,
	.cron_put = sqlite_cron_put,
	.cron_delete = sqlite_cron_delete,
	.chats = &sqlite_chats,
	.look = sqlite_look,
	.trouble = sqlite_trouble,
};

static int open_files(struct sqlite_store *store, char *reason, size_t size)
{
	bool was_clean = true;
	int error = make_folder(store->path);
	if (error == 0)
		error = lock_file(store, reason, size);
	if (error == 0)
		error = db_open(&store->writer.db, store->path, reason, size);
	if (error == 0)
		error = mark(store, 0, &was_clean);
	if (error == 0)
		error = db_open_again(&store->reader.db, store->path);
	if (error == 0)
		error = db_open_again(&store->keeper.db, store->path);
	store->unclean = !was_clean;
	if (error < 0 && !reason[0])
		snprintf(reason, size, "%s", strerror(-error));
	return error;
}

static int start_threads(struct event_base *base, struct sqlite_store *store)
{
	struct timeval every = { .tv_sec = SWEEP_EVERY_MS / 1000 };
	store->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (store->wake_fd < 0)
		return -errno;
	store->delivered =
	    event_new(base, store->wake_fd, EV_READ | EV_PERSIST, sqlite_on_done, store);
	store->sweep_timer = event_new(base, -1, EV_PERSIST, sqlite_on_sweep_timer, store);
	store->probe_timer = event_new(base, -1, 0, sqlite_on_probe_timer, store);
	if (!store->delivered || event_add(store->delivered, NULL) < 0 || !store->sweep_timer ||
	    event_add(store->sweep_timer, &every) < 0 || !store->probe_timer)
		return -ENOMEM;
	sqlite3_wal_hook(store->writer.db.handle, on_log_grown, store);
	int error = thread_start(store, &store->writer, writer_main);
	if (error == 0)
		error = thread_start(store, &store->reader, reader_main);
	if (error == 0)
		error = thread_start(store, &store->keeper, keeper_main);
	return error;
}

int store_open_sqlite(struct event_base *base, const struct sqlite_setup *setup, struct store **ret,
    char *reason, size_t size)
{
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* a lock less for each piece of memory */
	struct sqlite_store *store = calloc(1, sizeof(*store));
	reason[0] = '\0';
	if (!store)
		return -ENOMEM;
	store->store.ops = &sqlite_ops;
	store->setup = *setup;
	store->checkpoint_at = CHECKPOINT_AT;
	store->lock_fd = store->wake_fd = -1;
	pthread_mutex_init(&store->lock, NULL);
	STAILQ_INIT(&store->done);
	thread_init(&store->writer);
	thread_init(&store->reader);
	thread_init(&store->keeper);
	store->path = strdup(setup->path);
	int error = store->path ? open_files(store, reason, size) : -ENOMEM;
	if (error == 0)
		error = start_threads(base, store);
	if (error < 0) {
		if (!reason[0])
			snprintf(reason, size, "%s", strerror(-error));
		sqlite_free(&store->store);
		return error;
	}
	store->is_open = true;
	sqlite_sweep(store);
	*ret = &store->store;
	return 0;
}
