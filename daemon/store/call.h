/*
 * call: a job that was given records and answers with others. Private to daemon/store.
 *
 * The memory of both is the job's. What a work found is forgotten before it is done again, since a
 * writing job may be. A call's struct begins with a struct call.
 */
#ifndef AGENTD_STORE_CALL_H
#define AGENTD_STORE_CALL_H

#include "daemon/store/arena.h"
#include "daemon/store/job.h"

struct call {
	struct job job;
	int (*work)(struct call *call, struct db *db); /* as a job's */
	struct arena given, found;
	void *rows; /* what was found, one behind the other */
	size_t count;
	void (*done)(void); /* one of the callbacks of store.h, by what `deliver` makes of it */
	void *arg;          /* borrowed */
};

/* `size` bytes, all zero but for that. NULL: memory is out. */
void *call_new(size_t size, int (*work)(struct call *call, struct db *db),
    void (*deliver)(struct job *job), void (*done)(void), void *arg);
/* Take the call over. False: memory was out, for it or for what it was given; it is gone, and nobody has been
 * answered. */
bool call_write(struct store *store, struct call *call);
bool call_read(struct store *store, struct call *call);

/* For `work`: takes all rows, which are `size` bytes each, and resets the statement. 0 or -errno. */
int call_take(struct call *call, sqlite3_stmt *rows, size_t size,
    void (*take)(struct arena *arena, sqlite3_stmt *row, void *into));
/* For `deliver`: a store_done_fn. */
void call_deliver_done(struct job *job);

#endif
