/*
 * sqlite_reply: what platforms have not taken yet.
 *
 * One of them, and all at once, are read by the writer, behind all that was asked for before. The page for
 * operators is the reader's: it may be long, and is in nobody's way there.
 */
#include <errno.h>

#include "daemon/store/backend.h"
#include "daemon/store/call.h"
#include "daemon/store/cursor.h"

struct reply_call {
	struct call call;
	struct store_reply reply; /* what was given of it */
	int64_t incoming;         /* the message that it answers; 0: none */
	int64_t id;               /* of the one that its run has */
	size_t limit;             /* of a page, */
	const char *after;        /* its cursor, */
	const char *next;         /* and that of the next */
	char cursor[CURSOR_SIZE];
};

/* One more. */

static int insert(struct reply_call *add, struct db *db)
{
	const struct store_reply *reply = &add->reply;
	sqlite3_stmt *put = db_prepare(db, DB_REPLY_ADD);
	if (!put)
		return -EIO;
	db_bind_str(put, 1, reply->interface);
	db_bind_str(put, 2, reply->chat_id);
	db_bind_str(put, 3, reply->reply_to);
	db_bind_str(put, 4, reply->run_id);
	sqlite3_bind_int64(put, 5, reply->attempts);
	sqlite3_bind_int64(put, 6, reply->parts);
	sqlite3_bind_int64(put, 7, (int64_t)reply->created_wall_ms);
	sqlite3_bind_int64(put, 8, (int64_t)reply->next_wall_ms);
	sqlite3_bind_int(put, 9, reply->aside);
	db_bind_text(put, 10, reply->error);
	db_bind_text(put, 11, reply->text);
	db_bind_text(put, 12, reply->files);
	int error = db_change(db, put);
	if (error == 0)
		add->id = sqlite3_last_insert_rowid(db->handle);
	return error;
}

static int find_id(struct reply_call *add, struct db *db)
{
	sqlite3_stmt *find = db_prepare(db, DB_REPLY_FIND);
	if (!find)
		return -EIO;
	db_bind_str(find, 1, add->reply.run_id);
	return db_number(find, &add->id);
}

static int add_work(struct call *call, struct db *db)
{
	struct reply_call *add = (struct reply_call *)call;
	int error = add->incoming ? sqlite_incoming_close(add->incoming, db) : 0;
	if (error == 0)
		error = insert(add, db);
	if (error != -ENOENT)
		return error;
	error = find_id(add, db); /* nothing was added, since its run has one */
	return error == 0 ? -EEXIST : error;
}

static void add_deliver(struct job *job)
{
	struct reply_call *add = (struct reply_call *)job;
	bool has_id = job->error == 0 || job->error == -EEXIST;
	((store_seq_fn)add->call.done)(add->call.arg, job->error, has_id ? add->id : 0);
}

/* What was given, copied. */
static struct store_reply keep(struct arena *given, const struct store_reply *reply)
{
	struct store_reply kept = *reply;
	kept.interface = arena_str(given, reply->interface);
	kept.chat_id = arena_str(given, reply->chat_id);
	kept.reply_to = arena_str(given, reply->reply_to);
	kept.run_id = arena_str(given, reply->run_id);
	kept.text = arena_text(given, reply->text);
	kept.files = arena_text(given, reply->files);
	kept.error = arena_text(given, reply->error);
	return kept;
}

void sqlite_reply_add(struct store *store, const struct store_reply *reply, int64_t incoming,
    store_seq_fn done, void *arg)
{
	struct reply_call *add =
	    call_new(sizeof(*add), add_work, add_deliver, (void (*)(void))done, arg);
	if (add) {
		add->reply = keep(&add->call.given, reply);
		add->incoming = incoming;
	}
	if (!call_write(store, (struct call *)add))
		done(arg, -ENOMEM, 0);
}

/* What became of one. */

static int put_work(struct call *call, struct db *db)
{
	const struct store_reply *reply = &((struct reply_call *)call)->reply;
	sqlite3_stmt *put = db_prepare(db, DB_REPLY_PUT);
	if (!put)
		return -EIO;
	sqlite3_bind_int64(put, 1, reply->id);
	sqlite3_bind_int64(put, 2, reply->attempts);
	sqlite3_bind_int64(put, 3, reply->parts);
	sqlite3_bind_int64(put, 4, (int64_t)reply->next_wall_ms);
	sqlite3_bind_int(put, 5, reply->aside);
	db_bind_text(put, 6, reply->error);
	return db_change(db, put);
}

static int delete_work(struct call *call, struct db *db)
{
	sqlite3_stmt *delete = db_prepare(db, DB_REPLY_DELETE);
	if (!delete)
		return -EIO;
	sqlite3_bind_int64(delete, 1, ((struct reply_call *)call)->reply.id);
	return db_change(db, delete);
}

static void reply_write(struct store *store, int (*work)(struct call *call, struct db *db),
    const struct store_reply *reply, store_done_fn done, void *arg)
{
	struct reply_call *write =
	    call_new(sizeof(*write), work, call_deliver_done, (void (*)(void))done, arg);
	if (write)
		write->reply = keep(&write->call.given, reply);
	if (!call_write(store, (struct call *)write))
		done(arg, -ENOMEM);
}

void sqlite_reply_put(
    struct store *store, const struct store_reply *reply, store_done_fn done, void *arg)
{
	/* Its texts do not change, and need no copy. */
	const struct store_reply changes = { .id = reply->id,
		.attempts = reply->attempts,
		.parts = reply->parts,
		.error = reply->error,
		.next_wall_ms = reply->next_wall_ms,
		.aside = reply->aside };
	reply_write(store, put_work, &changes, done, arg);
}

void sqlite_reply_delete(struct store *store, int64_t id, store_done_fn done, void *arg)
{
	const struct store_reply which = { .id = id };
	reply_write(store, delete_work, &which, done, arg);
}

/* What there is. */

static void take_reply(struct arena *arena, sqlite3_stmt *row, void *into)
{
	*(struct store_reply *)into = (struct store_reply){
		.id = sqlite3_column_int64(row, 0),
		.interface = arena_column_str(arena, row, 1),
		.chat_id = arena_column_str(arena, row, 2),
		.reply_to = arena_column_str(arena, row, 3),
		.run_id = arena_column_str(arena, row, 4),
		.attempts = (unsigned)sqlite3_column_int64(row, 5),
		.parts = (unsigned)sqlite3_column_int64(row, 6),
		.created_wall_ms = (uint64_t)sqlite3_column_int64(row, 7),
		.next_wall_ms = (uint64_t)sqlite3_column_int64(row, 8),
		.aside = sqlite3_column_int(row, 9) != 0,
		.error = arena_column(arena, row, 10),
		.text = arena_column(arena, row, 11),
		.files = arena_column(arena, row, 12),
	};
}

static int get_work(struct call *call, struct db *db)
{
	sqlite3_stmt *get = db_prepare(db, DB_REPLY_GET);
	if (!get)
		return -EIO;
	sqlite3_bind_int64(get, 1, ((struct reply_call *)call)->reply.id);
	return call_take(call, get, sizeof(struct store_reply), take_reply);
}

static void get_deliver(struct job *job)
{
	struct call *get = (struct call *)job;
	((store_reply_fn)get->done)(get->arg, job->error, job->error ? NULL : get->rows);
}

void sqlite_reply_get(struct store *store, int64_t id, store_reply_fn done, void *arg)
{
	struct reply_call *get =
	    call_new(sizeof(*get), get_work, get_deliver, (void (*)(void))done, arg);
	if (get)
		get->reply.id = id;
	if (!call_write(store, (struct call *)get))
		done(arg, -ENOMEM, NULL);
}

static int all_work(struct call *call, struct db *db)
{
	return call_take(
	    call, db_prepare(db, DB_REPLIES_ALL), sizeof(struct store_reply), take_reply);
}

static void list_deliver(struct job *job)
{
	struct reply_call *list = (struct reply_call *)job;
	((store_replies_fn)list->call.done)(list->call.arg, job->error,
	    job->error ? NULL : list->call.rows, job->error ? 0 : list->call.count,
	    job->error ? NULL : list->next);
}

void sqlite_replies_all(struct store *store, store_replies_fn done, void *arg)
{
	struct reply_call *list =
	    call_new(sizeof(*list), all_work, list_deliver, (void (*)(void))done, arg);
	if (!call_write(store, (struct call *)list))
		done(arg, -ENOMEM, NULL, 0, NULL);
}

/* One row more than the page has says that there is another page. */
static int list_work(struct call *call, struct db *db)
{
	struct reply_call *list = (struct reply_call *)call;
	int64_t before = cursor_read(list->after);
	if (before < 0)
		return -EINVAL;
	sqlite3_stmt *rows = db_prepare(db, DB_REPLIES_LIST);
	if (!rows)
		return -EIO;
	sqlite3_bind_int64(rows, 1, before);
	sqlite3_bind_int64(rows, 2, (int64_t)list->limit + 1);
	int error = call_take(call, rows, sizeof(struct store_reply), take_reply);
	if (error < 0 || call->count <= list->limit)
		return error;
	const struct store_reply *replies = call->rows;
	call->count = list->limit;
	list->next = cursor_write(list->cursor, replies[list->limit].id + 1);
	return 0;
}

void sqlite_replies_list(
    struct store *store, const struct store_page *page, store_replies_fn done, void *arg)
{
	struct reply_call *list =
	    call_new(sizeof(*list), list_work, list_deliver, (void (*)(void))done, arg);
	if (list) {
		list->limit = page->limit;
		list->after = arena_str(&list->call.given, page->after);
	}
	if (!call_read(store, (struct call *)list))
		done(arg, -ENOMEM, NULL, 0, NULL);
}
