/* call: from what was given to the rows that were found. */
#include "daemon/store/call.h"

#include <errno.h>
#include <stdlib.h>

static int call_work(struct job *job, struct db *db)
{
	struct call *call = (struct call *)job;
	arena_done(&call->found);
	call->rows = NULL;
	call->count = 0;
	return call->work(call, db);
}

static void call_free(struct job *job)
{
	struct call *call = (struct call *)job;
	arena_done(&call->given);
	arena_done(&call->found);
	free(call);
}

void *call_new(size_t size, int (*work)(struct call *call, struct db *db),
    void (*deliver)(struct job *job), void (*done)(void), void *arg)
{
	struct call *call = calloc(1, size);
	if (!call)
		return NULL;
	call->job = (struct job){ .work = call_work, .deliver = deliver, .free = call_free };
	call->work = work;
	call->done = done;
	call->arg = arg;
	return call;
}

static bool is_whole(struct call *call)
{
	if (call && call->given.failed) {
		call_free(&call->job);
		return false;
	}
	return call;
}

bool call_write(struct store *store, struct call *call)
{
	if (!is_whole(call))
		return false;
	sqlite_write((struct sqlite_store *)store, &call->job);
	return true;
}

bool call_read(struct store *store, struct call *call)
{
	if (!is_whole(call))
		return false;
	sqlite_read((struct sqlite_store *)store, &call->job);
	return true;
}

int call_take(struct call *call, sqlite3_stmt *rows, size_t size,
    void (*take)(struct arena *arena, sqlite3_stmt *row, void *into))
{
	int r = SQLITE_DONE;
	if (!rows)
		return -EIO;
	while (!call->found.failed && (r = sqlite3_step(rows)) == SQLITE_ROW) {
		char *grown = arena_push(&call->found, call->rows, call->count, size);
		if (!grown)
			break;
		call->rows = grown;
		take(&call->found, rows, grown + size * call->count++);
	}
	sqlite3_reset(rows);
	return call->found.failed ? -ENOMEM : db_error(r);
}

void call_deliver_done(struct job *job)
{
	struct call *call = (struct call *)job;
	((store_done_fn)call->done)(call->arg, job->error);
}
