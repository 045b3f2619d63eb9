/*
 * sqlite_incoming: messages of chats, from when they are acknowledged until they are answered.
 *
 * All of it is the writer's, what is read too: who asks sees what was asked for before, and nothing
 * that was asked for after.
 */
#include <errno.h>

#include "daemon/store/backend.h"
#include "daemon/store/call.h"

struct incoming_call {
	struct call call;
	struct store_incoming incoming; /* what was given of it */
	int64_t seq;                    /* which; of a new one, which it or its key has */
};

/* What writing jobs do for one. */

int sqlite_incoming_run(int64_t seq, const char *run_id, struct db *db)
{
	sqlite3_stmt *put = db_prepare(db, DB_INCOMING_RUN);
	if (!put)
		return -EIO;
	sqlite3_bind_int64(put, 1, seq);
	db_bind_str(put, 2, run_id);
	return db_run(put);
}

int sqlite_incoming_close(int64_t seq, struct db *db)
{
	sqlite3_stmt *end = db_prepare(db, DB_INCOMING_END);
	if (!end)
		return -EIO;
	sqlite3_bind_int64(end, 1, seq);
	return db_run(end);
}

/* One more. */

static int find_seq(const struct store_incoming *incoming, struct db *db, int64_t *ret)
{
	sqlite3_stmt *find = db_prepare(db, DB_INCOMING_FIND);
	if (!find)
		return -EIO;
	db_bind_str(find, 1, incoming->interface);
	sqlite3_bind_blob64(find, 2, incoming->key.p, incoming->key.n, SQLITE_STATIC);
	return db_number(find, ret);
}

static int add_work(struct call *call, struct db *db)
{
	struct incoming_call *add = (struct incoming_call *)call;
	const struct store_incoming *incoming = &add->incoming;
	sqlite3_stmt *put = db_prepare(db, DB_INCOMING_ADD);
	if (!put)
		return -EIO;
	db_bind_str(put, 1, incoming->interface);
	sqlite3_bind_blob64(put, 2, incoming->key.p, incoming->key.n, SQLITE_STATIC);
	db_bind_str(put, 3, incoming->user_id);
	db_bind_str(put, 4, incoming->chat_id);
	sqlite3_bind_int64(put, 5, (int64_t)incoming->at_wall_ms);
	db_bind_text(put, 6, incoming->body);
	int error = db_change(db, put);
	if (error == 0)
		add->seq = sqlite3_last_insert_rowid(db->handle);
	if (error != -ENOENT)
		return error;
	error = find_seq(incoming, db, &add->seq); /* nothing was added, since the key is known */
	return error == 0 ? -EEXIST : error;
}

static void add_deliver(struct job *job)
{
	struct incoming_call *add = (struct incoming_call *)job;
	bool has_seq = job->error == 0 || job->error == -EEXIST;
	((store_seq_fn)add->call.done)(add->call.arg, job->error, has_seq ? add->seq : 0);
}

void sqlite_incoming_add(
    struct store *store, const struct store_incoming *incoming, store_seq_fn done, void *arg)
{
	struct incoming_call *add =
	    call_new(sizeof(*add), add_work, add_deliver, (void (*)(void))done, arg);
	if (add) {
		struct arena *given = &add->call.given;
		add->incoming = (struct store_incoming){
			.interface = arena_str(given, incoming->interface),
			.key = arena_text(given, incoming->key),
			.user_id = arena_str(given, incoming->user_id),
			.chat_id = arena_str(given, incoming->chat_id),
			.body = arena_text(given, incoming->body),
			.at_wall_ms = incoming->at_wall_ms,
		};
	}
	if (!call_write(store, (struct call *)add))
		done(arg, -ENOMEM, 0);
}

/* What there is. */

static void take_incoming(struct arena *arena, sqlite3_stmt *row, void *into)
{
	*(struct store_incoming *)into = (struct store_incoming){
		.seq = sqlite3_column_int64(row, 0),
		.interface = arena_column_str(arena, row, 1),
		.key = arena_column(arena, row, 2),
		.user_id = arena_column_str(arena, row, 3),
		.chat_id = arena_column_str(arena, row, 4),
		.state = (enum store_incoming_state)sqlite3_column_int(row, 5),
		.run_id = arena_column_str(arena, row, 6),
		.at_wall_ms = (uint64_t)sqlite3_column_int64(row, 7),
		.body = arena_column(arena, row, 8),
	};
}

static int get_work(struct call *call, struct db *db)
{
	sqlite3_stmt *get = db_prepare(db, DB_INCOMING_GET);
	if (!get)
		return -EIO;
	sqlite3_bind_int64(get, 1, ((struct incoming_call *)call)->seq);
	return call_take(call, get, sizeof(struct store_incoming), take_incoming);
}

static void get_deliver(struct job *job)
{
	struct call *get = (struct call *)job;
	((store_incoming_fn)get->done)(get->arg, job->error, job->error ? NULL : get->rows);
}

void sqlite_incoming_get(struct store *store, int64_t seq, store_incoming_fn done, void *arg)
{
	struct incoming_call *get =
	    call_new(sizeof(*get), get_work, get_deliver, (void (*)(void))done, arg);
	if (get)
		get->seq = seq;
	if (!call_write(store, (struct call *)get))
		done(arg, -ENOMEM, NULL);
}

static int list_work(struct call *call, struct db *db)
{
	return call_take(
	    call, db_prepare(db, DB_INCOMING_LIST), sizeof(struct store_incoming), take_incoming);
}

static void list_deliver(struct job *job)
{
	struct call *list = (struct call *)job;
	((store_incomings_fn)list->done)(
	    list->arg, job->error, job->error ? NULL : list->rows, job->error ? 0 : list->count);
}

void sqlite_incoming_list(struct store *store, store_incomings_fn done, void *arg)
{
	struct call *list =
	    call_new(sizeof(*list), list_work, list_deliver, (void (*)(void))done, arg);
	if (!call_write(store, list))
		done(arg, -ENOMEM, NULL, 0);
}

/* The end of one. */

static int end_work(struct call *call, struct db *db)
{
	return sqlite_incoming_close(((struct incoming_call *)call)->seq, db);
}

void sqlite_incoming_end(struct store *store, int64_t seq, store_done_fn done, void *arg)
{
	struct incoming_call *end =
	    call_new(sizeof(*end), end_work, call_deliver_done, (void (*)(void))done, arg);
	if (end)
		end->seq = seq;
	if (!call_write(store, (struct call *)end))
		done(arg, -ENOMEM);
}
