/*
 * sqlite: the store in one file, by SQLite.
 *
 * Three threads. The writer takes all that waits and writes it in one transaction (group commit), so
 * that under load many runs share one fsync; each is answered after it. The reader reads. The keeper
 * moves what was written from the write-ahead log into the file, beside the commits, looks for damage
 * after a crash, and lets go of what is older than the retention.
 *
 * One process at a time may have a file open: a lock file beside it says who.
 */
#ifndef AGENTD_STORE_SQLITE_H
#define AGENTD_STORE_SQLITE_H

#include "daemon/store/store.h"

struct event_base;

struct sqlite_setup {
	const char *path;     /* borrowed for the call; its folder is made */
	int64_t retention_ms; /* how long runs are kept; 0: for ever */
	int64_t max_bytes;    /* of the file: then the oldest go; 0: any */
	void (*trouble)(void *arg, const char *what); /* on the loop: a line for the log */
	void *arg;
};

/* 0; or -errno, with `reason` as people read it. */
int store_open_sqlite(struct event_base *base, const struct sqlite_setup *setup, struct store **ret,
    char *reason, size_t size);

#endif
