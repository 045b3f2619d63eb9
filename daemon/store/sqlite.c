/* sqlite: the life of the file, and what the store does by itself. */
#include "daemon/store/sqlite_threads.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/id.h"

#define SWEEP_EVERY_MS 60000
#define PROBE_MS       1000 /* until it is tried whether the store can write again */
#define INCOMING_LIFE_MS \
	(7 * 24 * 3600 * 1000ull) /* platforms say a thing again for a day at most */

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

void sqlite_arm_probe(struct sqlite_store *store)
{
	struct timeval soon = { .tv_sec = PROBE_MS / 1000 };
	pthread_mutex_lock(&store->lock);
	bool may_help = store->trouble && !store->broken && !store->stopping;
	pthread_mutex_unlock(&store->lock);
	if (may_help && !store->is_probing && !event_pending(store->probe_timer, EV_TIMEOUT, NULL))
		event_add(store->probe_timer, &soon);
}

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

static void sqlite_close(struct store *base)
{
	struct sqlite_store *store = (struct sqlite_store *)base;
	sqlite_threads_stop(store);
	sqlite_threads_deliver(store);
}

static void sqlite_free(struct store *base)
{
	struct sqlite_store *store = (struct sqlite_store *)base;
	bool was_open = store->is_open;
	sqlite_threads_stop(store);
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

static int start(struct event_base *base, struct sqlite_store *store)
{
	struct timeval every = { .tv_sec = SWEEP_EVERY_MS / 1000 };
	store->sweep_timer = event_new(base, -1, EV_PERSIST, sqlite_on_sweep_timer, store);
	store->probe_timer = event_new(base, -1, 0, sqlite_on_probe_timer, store);
	if (!store->sweep_timer || event_add(store->sweep_timer, &every) < 0 || !store->probe_timer)
		return -ENOMEM;
	return sqlite_threads_start(base, store);
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
	store->lock_fd = store->wake_fd = -1;
	pthread_mutex_init(&store->lock, NULL);
	STAILQ_INIT(&store->done);
	thread_init(&store->writer);
	thread_init(&store->reader);
	thread_init(&store->keeper);
	store->path = strdup(setup->path);
	int error = store->path ? open_files(store, reason, size) : -ENOMEM;
	if (error == 0)
		error = start(base, store);
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
