/* sqlite_read: the calls of store.h that change nothing, as jobs of the reader. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/store/arena.h"
#include "daemon/store/backend.h"
#include "daemon/store/cursor.h"
#include "daemon/store/job.h"
#include "daemon/store/turn.h"

/* What is asked for, with its own copies of the texts, and what is answered. */
struct read_job {
	struct job job;
	struct arena arena;
	char *id, *source;
	size_t most, bytes;
	struct store_page page;
	void (*done)(void); /* one of the callbacks of store.h, by what `deliver` makes of it */
	void *arg;          /* borrowed */

	struct store_run *runs;
	struct store_session *sessions;
	size_t count;
	const char *next;
	char cursor[CURSOR_SIZE];
};

static void read_free(struct job *job)
{
	struct read_job *read = (struct read_job *)job;
	arena_done(&read->arena);
	free(read);
}

static struct read_job *read_new(int (*work)(struct job *job, struct db *db),
    void (*deliver)(struct job *job), const char *id, void (*done)(void), void *arg)
{
	struct read_job *read = calloc(1, sizeof(*read));
	if (!read)
		return NULL;
	read->job = (struct job){ .work = work, .deliver = deliver, .free = read_free };
	read->id = arena_str(&read->arena, id);
	read->done = done;
	read->arg = arg;
	return read;
}

static void read_page(struct read_job *read, const struct store_page *page)
{
	read->page = *page;
	read->page.after = arena_str(&read->arena, page->after);
	read->page.agent = arena_str(&read->arena, page->agent);
	read->page.session_id = arena_str(&read->arena, page->session_id);
	read->page.user = arena_str(&read->arena, page->user);
	read->page.source = arena_str(&read->arena, page->source);
}

/* -ENOMEM if it could not be made. */
static bool read_send(struct store *store, struct read_job *read)
{
	if (!read || read->arena.failed) {
		if (read)
			read_free(&read->job);
		return false;
	}
	sqlite_read((struct sqlite_store *)store, &read->job);
	return true;
}

/* Lists. */

static void take_run(struct arena *arena, sqlite3_stmt *row, struct store_run *run)
{
	*run = (struct store_run){
		.id = arena_column_str(arena, row, 1),
		.agent = arena_column_str(arena, row, 2),
		.session_id = arena_column_str(arena, row, 3),
		.user = arena_column_str(arena, row, 4),
		.source = arena_column_str(arena, row, 5),
		.status = (enum run_status)sqlite3_column_int(row, 6),
		.durable = sqlite3_column_int(row, 7) != 0,
		.attempts = (unsigned)sqlite3_column_int64(row, 8),
		.timeout_ms = sqlite3_column_int64(row, 9),
		.created_wall_ms = (uint64_t)sqlite3_column_int64(row, 10),
		.started_wall_ms = (uint64_t)sqlite3_column_int64(row, 11),
		.finished_wall_ms = (uint64_t)sqlite3_column_int64(row, 12),
		.code = arena_column_str(arena, row, 13),
		.error = arena_column(arena, row, 14),
		.usage = arena_column(arena, row, 15),
		.metadata = arena_column(arena, row, 16),
		.input = arena_column(arena, row, 17),
		.content = arena_column(arena, row, 18),
		.claims = arena_column(arena, row, 19),
		.reach = (enum run_reach)sqlite3_column_int(row, 20),
		.trigger = arena_column_str(arena, row, 21),
		.attachments = arena_column(arena, row, 22),
		.files = arena_column(arena, row, 23),
		.history = sqlite3_column_int64(row, 24),
	};
}

/* Takes rows until there are no more, or as many as the page has; then the last one is only to know
 * that there is another page. */
static int take_runs(struct read_job *read, sqlite3_stmt *rows, size_t limit)
{
	int r;
	int64_t seq = 0;
	while ((r = sqlite3_step(rows)) == SQLITE_ROW) {
		if (read->count == limit) {
			read->next = cursor_write(read->cursor, seq);
			break;
		}
		struct store_run *runs =
		    arena_push(&read->arena, read->runs, read->count, sizeof(*runs));
		if (!runs)
			return -ENOMEM;
		read->runs = runs;
		seq = sqlite3_column_int64(rows, 0);
		take_run(&read->arena, rows, &runs[read->count++]);
		if (read->arena.failed)
			return -ENOMEM;
	}
	return db_error(r);
}

static int list_work(struct job *job, struct db *db)
{
	struct read_job *read = (struct read_job *)job;
	const struct store_page *page = &read->page;
	int64_t before = cursor_read(page->after);
	if (before < 0)
		return -EINVAL;
	enum db_statement which = page->session_id ? DB_RUNS_LIST_SESSION
				  : page->user     ? DB_RUNS_LIST_USER
				  : page->status >= 0 && page->status != RUN_SUCCEEDED
				      ? DB_RUNS_LIST_STATUS
				  : page->agent ? DB_RUNS_LIST_AGENT
						: DB_RUNS_LIST;
	sqlite3_stmt *rows = db_prepare(db, which);
	if (!rows)
		return -EIO;
	sqlite3_bind_int64(rows, 1, before);
	sqlite3_bind_int64(rows, 2, (int64_t)page->limit + 1);
	db_bind_str(rows, 3, page->agent);
	db_bind_str(rows, 4, page->session_id);
	db_bind_str(rows, 5, page->user);
	sqlite3_bind_int(rows, 6, page->status);
	db_bind_str(rows, 7, page->source);
	int error = take_runs(read, rows, page->limit);
	sqlite3_reset(rows);
	return error;
}

static void runs_deliver(struct job *job)
{
	struct read_job *read = (struct read_job *)job;
	((store_runs_fn)read->done)(read->arg, job->error, read->runs, read->count, read->next);
}

void sqlite_runs_list(
    struct store *store, const struct store_page *page, store_runs_fn done, void *arg)
{
	struct read_job *read = read_new(list_work, runs_deliver, NULL, (void (*)(void))done, arg);
	if (read)
		read_page(read, page);
	if (!read_send(store, read))
		done(arg, -ENOMEM, NULL, 0, NULL);
}

static int unfinished_work(struct job *job, struct db *db)
{
	struct read_job *read = (struct read_job *)job;
	sqlite3_stmt *rows = db_prepare(db, DB_RUNS_UNFINISHED);
	if (!rows)
		return -EIO;
	int error = take_runs(read, rows, SIZE_MAX);
	sqlite3_reset(rows);
	return error;
}

void sqlite_runs_unfinished(struct store *store, store_runs_fn done, void *arg)
{
	struct read_job *read =
	    read_new(unfinished_work, runs_deliver, NULL, (void (*)(void))done, arg);
	if (!read_send(store, read))
		done(arg, -ENOMEM, NULL, 0, NULL);
}

static int sessions_work(struct job *job, struct db *db)
{
	struct read_job *read = (struct read_job *)job;
	const struct store_page *page = &read->page;
	int64_t before = cursor_read(page->after), last = 0;
	int r, error = 0;
	sqlite3_stmt *rows = db_prepare(db, page->user     ? DB_SESSIONS_LIST_USER
					    : page->source ? DB_SESSIONS_LIST_SOURCE
							   : DB_SESSIONS_LIST);
	if (before < 0 || !rows)
		return before < 0 ? -EINVAL : -EIO;
	sqlite3_bind_int64(rows, 1, before);
	sqlite3_bind_int64(rows, 2, (int64_t)page->limit + 1);
	if (page->user || page->source)
		db_bind_str(rows, 3, page->user ? page->user : page->source);
	while (error == 0 && (r = sqlite3_step(rows)) == SQLITE_ROW) {
		if (read->count == page->limit) {
			read->next = cursor_write(read->cursor, last);
			break;
		}
		struct store_session *sessions =
		    arena_push(&read->arena, read->sessions, read->count, sizeof(*sessions));
		if (!sessions) {
			error = -ENOMEM;
			break;
		}
		read->sessions = sessions;
		sessions[read->count++] = (struct store_session){
			.id = arena_column_str(&read->arena, rows, 0),
			.agent = arena_column_str(&read->arena, rows, 1),
			.user = arena_column_str(&read->arena, rows, 2),
			.created_wall_ms = (uint64_t)sqlite3_column_int64(rows, 3),
			.updated_wall_ms = (uint64_t)sqlite3_column_int64(rows, 4),
		};
		last = sqlite3_column_int64(rows, 5);
		error = read->arena.failed ? -ENOMEM : 0;
	}
	sqlite3_reset(rows);
	return error ? error : db_error(r);
}

static void sessions_deliver(struct job *job)
{
	struct read_job *read = (struct read_job *)job;
	((store_sessions_fn)read->done)(
	    read->arg, job->error, read->sessions, read->count, read->next);
}

void sqlite_sessions_list(
    struct store *store, const struct store_page *page, store_sessions_fn done, void *arg)
{
	struct read_job *read =
	    read_new(sessions_work, sessions_deliver, NULL, (void (*)(void))done, arg);
	if (read)
		read_page(read, page);
	if (!read_send(store, read))
		done(arg, -ENOMEM, NULL, 0, NULL);
}

/* One. */

static int run_work(struct job *job, struct db *db)
{
	struct read_job *read = (struct read_job *)job;
	sqlite3_stmt *row = db_prepare(db, DB_RUN_GET);
	if (!row)
		return -EIO;
	db_bind_str(row, 1, read->id);
	int r = sqlite3_step(row);
	if (r == SQLITE_ROW && (read->runs = arena_take(&read->arena, sizeof(*read->runs)))) {
		take_run(&read->arena, row, read->runs);
		read->runs->events = arena_column(&read->arena, row, 25);
		read->count = 1;
	}
	int error = read->arena.failed ? -ENOMEM : db_error(r);
	sqlite3_reset(row);
	return error;
}

static void run_deliver(struct job *job)
{
	struct read_job *read = (struct read_job *)job;
	((store_run_fn)read->done)(read->arg, job->error, job->error ? NULL : read->runs);
}

void sqlite_run_get(struct store *store, const char *id, store_run_fn done, void *arg)
{
	struct read_job *read = read_new(run_work, run_deliver, id, (void (*)(void))done, arg);
	if (!read_send(store, read))
		done(arg, -ENOMEM, NULL);
}

/* A session with its turns: read from the newest back, and put in order from the oldest on. */

struct turn {
	struct turn *older;
	struct frame_text bytes, run_id, input, content;
	uint64_t at_wall_ms;
	size_t count;
};

static int take_turns(
    struct read_job *read, sqlite3_stmt *rows, struct turn **ret, size_t *ret_count)
{
	size_t bytes = 0;
	struct turn **last = ret;
	int r = SQLITE_DONE;
	while (*ret_count < read->most && bytes < read->bytes &&
	       (r = sqlite3_step(rows)) == SQLITE_ROW) {
		struct turn *turn = arena_take(&read->arena, sizeof(*turn));
		if (!turn)
			return -ENOMEM;
		*turn = (struct turn){ .bytes = arena_column(&read->arena, rows, 0),
			.run_id = arena_column(&read->arena, rows, 1),
			.input = arena_column(&read->arena, rows, 3),
			.content = arena_column(&read->arena, rows, 4),
			.at_wall_ms = (uint64_t)sqlite3_column_int64(rows, 2) };
		int count = turn_decode(turn->bytes, turn->input, turn->content, NULL);
		if (count < 0 || read->arena.failed)
			return count < 0 ? count : -ENOMEM;
		turn->count = (size_t)count;
		bytes += turn->bytes.n + turn->input.n + turn->content.n;
		*ret_count += turn->count;
		*last = turn;
		last = &turn->older;
	}
	return db_error(r);
}

static void order_turns(const struct turn *newest, struct store_message *messages, size_t count)
{
	for (const struct turn *turn = newest; turn; turn = turn->older) {
		count -= turn->count;
		turn_decode(turn->bytes, turn->input, turn->content, &messages[count]);
		for (size_t i = 0; i < turn->count; i++) {
			messages[count + i].run_id = turn->run_id;
			messages[count + i].at_wall_ms = turn->at_wall_ms;
		}
	}
}

static int read_turns(struct read_job *read, struct db *db)
{
	struct turn *newest = NULL;
	size_t count = 0;
	sqlite3_stmt *rows = db_prepare(db, DB_SESSION_TURNS);
	if (!rows)
		return -EIO;
	db_bind_str(rows, 1, read->id);
	int error = take_turns(read, rows, &newest, &count);
	sqlite3_reset(rows);
	struct store_message *messages =
	    error == 0 && count ? arena_take(&read->arena, count * sizeof(*messages)) : NULL;
	if (messages)
		order_turns(newest, messages, count);
	read->sessions->messages = messages;
	read->sessions->count = messages ? count : 0;
	return read->arena.failed ? -ENOMEM : error;
}

static int session_work(struct job *job, struct db *db)
{
	struct read_job *read = (struct read_job *)job;
	sqlite3_stmt *row = db_prepare(db, DB_SESSION_GET);
	if (!row)
		return -EIO;
	db_bind_str(row, 1, read->id);
	int r = sqlite3_step(row);
	if (r == SQLITE_ROW && (read->sessions = arena_take(&read->arena, sizeof(*read->sessions))))
		*read->sessions = (struct store_session){
			.id = arena_column_str(&read->arena, row, 0),
			.agent = arena_column_str(&read->arena, row, 1),
			.user = arena_column_str(&read->arena, row, 2),
			.created_wall_ms = (uint64_t)sqlite3_column_int64(row, 3),
			.updated_wall_ms = (uint64_t)sqlite3_column_int64(row, 4),
		};
	int error = read->arena.failed ? -ENOMEM : db_error(r);
	sqlite3_reset(row);
	if (error < 0 || !read->sessions)
		return error;
	/* Its source comes last: a turn that is written meanwhile is then not among those that were read, or seen here. */
	error = read_turns(read, db);
	return error == 0 && read->source
		   ? db_is_of(db, read->id, read->source, &read->sessions->is_of_source)
		   : error;
}

static void session_deliver(struct job *job)
{
	struct read_job *read = (struct read_job *)job;
	((store_session_fn)read->done)(read->arg, job->error, job->error ? NULL : read->sessions);
}

void sqlite_session_get(struct store *store, const char *id, const char *source, size_t most,
    size_t bytes, store_session_fn done, void *arg)
{
	struct read_job *read =
	    read_new(session_work, session_deliver, id, (void (*)(void))done, arg);
	if (read) {
		read->source = arena_str(&read->arena, source);
		read->most = most;
		read->bytes = bytes;
	}
	if (!read_send(store, read))
		done(arg, -ENOMEM, NULL);
}
