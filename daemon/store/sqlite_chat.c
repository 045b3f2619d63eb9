/* sqlite_chat: in which sessions people write in chats; and the table of all that chats need. */
#include <errno.h>

#include "daemon/store/backend.h"
#include "daemon/store/call.h"

struct chat_call {
	struct call call;
	struct store_chat chat; /* what was given of it */
};

/* What a writing job does for one. */
int sqlite_chat_write(const struct store_chat *chat, struct db *db)
{
	sqlite3_stmt *put = db_prepare(db, DB_CHAT_PUT);
	if (!put)
		return -EIO;
	db_bind_str(put, 1, chat->interface);
	db_bind_str(put, 2, chat->user_id);
	db_bind_str(put, 3, chat->chat_id);
	db_bind_str(put, 4, chat->session_id);
	sqlite3_bind_int64(put, 5, (int64_t)chat->at_wall_ms);
	return db_run(put);
}

/* One: asked of the writer, so that it comes behind the runs that are being added. */

static void take_chat(struct arena *arena, sqlite3_stmt *row, void *into)
{
	*(struct store_chat *)into = (struct store_chat){
		.interface = arena_column_str(arena, row, 0),
		.user_id = arena_column_str(arena, row, 1),
		.chat_id = arena_column_str(arena, row, 2),
		.session_id = arena_column_str(arena, row, 3),
		.at_wall_ms = (uint64_t)sqlite3_column_int64(row, 4),
		.agent = arena_column_str(arena, row, 5),
	};
}

static int get_work(struct call *call, struct db *db)
{
	const struct store_chat *chat = &((struct chat_call *)call)->chat;
	sqlite3_stmt *get = db_prepare(db, DB_CHAT_GET);
	if (!get)
		return -EIO;
	db_bind_str(get, 1, chat->interface);
	db_bind_str(get, 2, chat->user_id);
	db_bind_str(get, 3, chat->chat_id);
	return call_take(call, get, sizeof(struct store_chat), take_chat);
}

static void get_deliver(struct job *job)
{
	struct call *get = (struct call *)job;
	((store_chat_fn)get->done)(get->arg, job->error, job->error ? NULL : get->rows);
}

void sqlite_chat_get(struct store *store, const char *interface, const char *user_id,
    const char *chat_id, store_chat_fn done, void *arg)
{
	struct chat_call *get =
	    call_new(sizeof(*get), get_work, get_deliver, (void (*)(void))done, arg);
	if (get) {
		struct arena *given = &get->call.given;
		get->chat = (struct store_chat){ .interface = arena_str(given, interface),
			.user_id = arena_str(given, user_id),
			.chat_id = arena_str(given, chat_id) };
	}
	if (!call_write(store, (struct call *)get))
		done(arg, -ENOMEM, NULL);
}

/* Those that have been silent. */

static int sweep_work(struct call *call, struct db *db)
{
	const struct store_chat *chat = &((struct chat_call *)call)->chat;
	sqlite3_stmt *sweep = db_prepare(db, DB_CHATS_SWEEP);
	if (!sweep)
		return -EIO;
	db_bind_str(sweep, 1, chat->interface);
	sqlite3_bind_int64(sweep, 2, (int64_t)chat->at_wall_ms);
	return db_run(sweep);
}

void sqlite_chats_sweep(struct store *store, const char *interface, uint64_t before_wall_ms,
    store_done_fn done, void *arg)
{
	struct chat_call *sweep =
	    call_new(sizeof(*sweep), sweep_work, call_deliver_done, (void (*)(void))done, arg);
	if (sweep)
		sweep->chat =
		    (struct store_chat){ .interface = arena_str(&sweep->call.given, interface),
			    .at_wall_ms = before_wall_ms };
	if (!call_write(store, (struct call *)sweep))
		done(arg, -ENOMEM);
}

const struct store_chat_ops sqlite_chats = {
	.incoming_add = sqlite_incoming_add,
	.incoming_get = sqlite_incoming_get,
	.incoming_list = sqlite_incoming_list,
	.incoming_end = sqlite_incoming_end,
	.chat_get = sqlite_chat_get,
	.chats_sweep = sqlite_chats_sweep,
	.reply_add = sqlite_reply_add,
	.reply_get = sqlite_reply_get,
	.reply_put = sqlite_reply_put,
	.reply_delete = sqlite_reply_delete,
	.replies_all = sqlite_replies_all,
	.replies_list = sqlite_replies_list,
	.identities_list = sqlite_identities_list,
	.identity_put = sqlite_identity_put,
	.identity_delete = sqlite_identity_delete,
};
