/*
 * sqlite_threads: the store as its threads and the loop share it. Private to sqlite.c and sqlite_threads.c.
 *
 * A job goes from the loop to a thread by a queue under the lock, and comes back by another one and an
 * eventfd. Nothing else is shared, but what stands below the lock.
 */
#ifndef AGENTD_STORE_SQLITE_THREADS_H
#define AGENTD_STORE_SQLITE_THREADS_H

#include <pthread.h>
#include <stdbool.h>

#include "daemon/store/backend.h"
#include "daemon/store/job.h"
#include "daemon/store/sqlite.h"

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

/* 0 or -errno; sqlite_threads_stop in any case. */
int sqlite_threads_start(struct event_base *base, struct sqlite_store *store);
/* They do all that waits before they end. */
void sqlite_threads_stop(struct sqlite_store *store);
/* On the loop: answers all that is done. */
void sqlite_threads_deliver(struct sqlite_store *store);
/* On the loop, after each answer: whether it can write again is tried in a while, if it cannot. */
void sqlite_arm_probe(struct sqlite_store *store);

#endif
