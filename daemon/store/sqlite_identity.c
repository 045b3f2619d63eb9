/* sqlite_identity: who somebody on a platform is. The table is the original's, by names and keys. */
#include <errno.h>

#include "daemon/store/backend.h"
#include "daemon/store/call.h"

struct identity_call {
	struct call call;
	struct store_identity link; /* what was given of it */
};

static int put_work(struct call *call, struct db *db)
{
	const struct store_identity *link = &((struct identity_call *)call)->link;
	sqlite3_stmt *put = db_prepare(db, DB_IDENTITY_PUT);
	if (!put)
		return -EIO;
	db_bind_str(put, 1, link->platform);
	db_bind_str(put, 2, link->platform_user_id);
	db_bind_str(put, 3, link->user_id);
	db_bind_str(put, 4, link->user_name);
	sqlite3_bind_int64(put, 5, (int64_t)link->linked_wall_ms);
	return db_run(put);
}

static int delete_work(struct call *call, struct db *db)
{
	const struct store_identity *link = &((struct identity_call *)call)->link;
	sqlite3_stmt *delete = db_prepare(db, DB_IDENTITY_DELETE);
	if (!delete)
		return -EIO;
	db_bind_str(delete, 1, link->platform);
	db_bind_str(delete, 2, link->platform_user_id);
	return db_change(db, delete);
}

static void identity_write(struct store *store, int (*work)(struct call *call, struct db *db),
    const struct store_identity *link, store_done_fn done, void *arg)
{
	struct identity_call *write =
	    call_new(sizeof(*write), work, call_deliver_done, (void (*)(void))done, arg);
	if (write) {
		struct arena *given = &write->call.given;
		write->link = (struct store_identity){
			.platform = arena_str(given, link->platform),
			.platform_user_id = arena_str(given, link->platform_user_id),
			.user_id = arena_str(given, link->user_id),
			.user_name = arena_str(given, link->user_name),
			.linked_wall_ms = link->linked_wall_ms,
		};
	}
	if (!call_write(store, (struct call *)write))
		done(arg, -ENOMEM);
}

void sqlite_identity_put(
    struct store *store, const struct store_identity *link, store_done_fn done, void *arg)
{
	identity_write(store, put_work, link, done, arg);
}

void sqlite_identity_delete(struct store *store, const char *platform, const char *platform_user_id,
    store_done_fn done, void *arg)
{
	struct store_identity link = { .platform = platform, .platform_user_id = platform_user_id };
	identity_write(store, delete_work, &link, done, arg);
}

static void take_identity(struct arena *arena, sqlite3_stmt *row, void *into)
{
	*(struct store_identity *)into = (struct store_identity){
		.platform = arena_column_str(arena, row, 0),
		.platform_user_id = arena_column_str(arena, row, 1),
		.user_id = arena_column_str(arena, row, 2),
		.user_name = arena_column_str(arena, row, 3),
		.linked_wall_ms = (uint64_t)sqlite3_column_int64(row, 4),
	};
}

static int list_work(struct call *call, struct db *db)
{
	return call_take(
	    call, db_prepare(db, DB_IDENTITIES_LIST), sizeof(struct store_identity), take_identity);
}

static void list_deliver(struct job *job)
{
	struct call *list = (struct call *)job;
	((store_identities_fn)list->done)(
	    list->arg, job->error, job->error ? NULL : list->rows, job->error ? 0 : list->count);
}

void sqlite_identities_list(struct store *store, store_identities_fn done, void *arg)
{
	struct call *list =
	    call_new(sizeof(*list), list_work, list_deliver, (void (*)(void))done, arg);
	if (!call_read(store, list))
		done(arg, -ENOMEM, NULL, 0);
}
