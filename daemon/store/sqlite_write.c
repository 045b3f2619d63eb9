/* sqlite_write: the calls of store.h that change something, as jobs of the writer. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/id.h"
#include "daemon/store/backend.h"
#include "daemon/store/copy.h"
#include "daemon/store/job.h"
#include "daemon/store/turn.h"

static void free_job(struct job *job)
{
	free(job);
}

/* Adding. */

struct add_job {
	struct job job;
	struct store_run run;
	struct frame_text key;
	bool again_if_failed;
	uint64_t request;
	struct store_cron cron;
	bool has_cron;
	int64_t incoming; /* 0: none */
	int (*secure)(const struct store_run *run);
	struct store_chat chat;
	bool has_chat;
	store_add_fn done;
	void *arg; /* borrowed */
	struct store_taken taken;
	char taken_id[64];
	char *room; /* behind the struct: what is not taken yet */
};

/* Whether agentd, and not the agent, is why a run came to nothing: it ended, or had no place for it. Such an
 * answer says "try again", so whoever does must not be given it again. */
static bool is_given_up(struct frame_text code)
{
	static const char *const codes[] = { "interrupted", "draining", "overloaded",
		"agent_unavailable", "session_busy" };
	for (size_t i = 0; code.p && i < sizeof(codes) / sizeof(codes[0]); i++)
		if (code.n == strlen(codes[i]) && memcmp(code.p, codes[i], code.n) == 0)
			return true;
	return false;
}

/* Whether the key belongs to a run; -EEXIST: it does. One that was given up, or that is a day old, does not
 * keep it. */
static int find_key(struct add_job *add, struct db *db)
{
	sqlite3_stmt *find = db_prepare(db, DB_KEY_FIND);
	if (!find)
		return -EIO;
	sqlite3_bind_blob64(find, 1, add->key.p, add->key.n, SQLITE_STATIC);
	int r = sqlite3_step(find), error = db_error(r);
	if (r == SQLITE_ROW) {
		struct frame_text id = db_text(find, 1), code = db_text(find, 3);
		bool old = (uint64_t)sqlite3_column_int64(find, 2) + KEY_LIFE_MS <
			   add->run.created_wall_ms;
		int status = sqlite3_column_int(find, 4);
		bool again =
		    add->again_if_failed && (status == RUN_FAILED || status == RUN_CANCELLED);
		if (!old && !again && !is_given_up(code) && id.n < sizeof(add->taken_id)) {
			memcpy(add->taken_id, id.p, id.n);
			add->taken_id[id.n] = '\0';
			add->taken.run_id = add->taken_id;
			add->taken.request = (uint64_t)sqlite3_column_int64(find, 0);
			error = -EEXIST;
		}
	}
	sqlite3_reset(find);
	return error;
}

static int put_key(const struct add_job *add, struct db *db)
{
	sqlite3_stmt *put = db_prepare(db, DB_KEY_PUT);
	if (!put)
		return -EIO;
	sqlite3_bind_blob64(put, 1, add->key.p, add->key.n, SQLITE_STATIC);
	sqlite3_bind_int64(put, 2, (int64_t)add->request);
	db_bind_str(put, 3, add->run.id);
	sqlite3_bind_int64(put, 4, (int64_t)add->run.created_wall_ms);
	return db_run(put);
}

/* Whether a session is that user's, and of that source only (NULL: whosever, of whatever), or new. 0, -EPERM;
 * *ret_found: it is there. */
static int check_owner(
    struct db *db, const char *session_id, const char *user, const char *source, bool *ret_found)
{
	sqlite3_stmt *get = db_prepare(db, DB_SESSION_GET);
	if (!get)
		return -EIO;
	db_bind_str(get, 1, session_id);
	int r = sqlite3_step(get), error = db_error(r);
	*ret_found = r == SQLITE_ROW;
	if (*ret_found && user) {
		struct frame_text owner = db_text(get, 2);
		if (owner.n != strlen(user) || memcmp(owner.p, user, owner.n) != 0)
			error = -EPERM;
	}
	sqlite3_reset(get);
	bool is_of = true;
	if (error == 0 && *ret_found && source)
		error = db_is_of(db, session_id, source, &is_of);
	return is_of ? error : -EPERM;
}

static int add_work(struct job *job, struct db *db)
{
	struct add_job *add = (struct add_job *)job;
	const struct store_run *run = &add->run;
	bool found;
	int error = add->key.p ? find_key(add, db) : 0;
	if (error == 0 && run->reach != REACH_ALL)
		error = check_owner(db, run->session_id, run->reach == REACH_OWN ? run->user : NULL,
		    run->reach == REACH_SOURCE ? run->source : NULL, &found);
	if (error == 0 && add->secure)
		error = add->secure(run);
	if (error < 0)
		return error;
	sqlite3_stmt *put = db_prepare(db, DB_RUN_ADD);
	if (!put)
		return -EIO;
	db_bind_str(put, 1, run->id);
	db_bind_str(put, 2, run->agent);
	db_bind_str(put, 3, run->session_id);
	db_bind_str(put, 4, run->user);
	db_bind_str(put, 5, run->source);
	sqlite3_bind_int(put, 6, run->durable);
	sqlite3_bind_int64(put, 7, run->attempts);
	sqlite3_bind_int64(put, 8, run->timeout_ms);
	sqlite3_bind_int64(put, 9, (int64_t)run->created_wall_ms);
	db_bind_text(put, 10, run->metadata);
	db_bind_text(put, 11, run->input);
	db_bind_text(put, 12, run->claims);
	sqlite3_bind_int(put, 13, (int)run->reach);
	db_bind_str(put, 14, run->trigger);
	db_bind_text(put, 15, run->attachments);
	sqlite3_bind_int64(put, 16, run->history);
	error = db_run(put);
	if (error == 0 && add->has_cron)
		error = sqlite_cron_write(&add->cron, db);
	if (error == 0 && add->has_chat)
		error = sqlite_chat_write(&add->chat, db);
	if (error == 0 && add->incoming)
		error = sqlite_incoming_run(add->incoming, run->id, db);
	return error == 0 && add->key.p ? put_key(add, db) : error;
}

static void add_deliver(struct job *job)
{
	struct add_job *add = (struct add_job *)job;
	add->done(add->arg, job->error, job->error == -EEXIST ? &add->taken : NULL);
}

/* With a copy of the key, and room for more behind it. NULL: memory is out, and it is answered. */
static struct add_job *add_new(int (*work)(struct job *job, struct db *db), struct frame_text key,
    size_t more, store_add_fn done, void *arg)
{
	struct add_job *add = calloc(1, sizeof(*add) + key.n + more);
	if (!add) {
		done(arg, -ENOMEM, NULL);
		return NULL;
	}
	add->job = (struct job){ .work = work, .deliver = add_deliver, .free = free_job };
	add->done = done;
	add->arg = arg;
	add->room = (char *)(add + 1);
	add->key = key;
	copy_text(&add->room, &add->key);
	return add;
}

void sqlite_run_add(
    struct store *store, const struct store_add *given, store_add_fn done, void *arg)
{
	size_t size = copy_run_size(given->run) + (given->cron ? copy_cron_size(given->cron) : 0) +
		      (given->chat ? copy_chat_size(given->chat) : 0);
	struct add_job *add = add_new(add_work, given->key, size, done, arg);
	if (!add)
		return;
	copy_run_into(&add->room, &add->run, given->run);
	add->has_cron = given->cron;
	if (given->cron)
		copy_cron_into(&add->room, &add->cron, given->cron);
	add->has_chat = given->chat;
	if (given->chat)
		copy_chat_into(&add->room, &add->chat, given->chat);
	add->incoming = given->incoming;
	add->secure = given->secure;
	add->request = given->request;
	add->again_if_failed = given->again_if_failed;
	sqlite_write((struct sqlite_store *)store, &add->job);
}

/* Asked of the writer, so that it comes behind the adds that are under way. */
static int key_work(struct job *job, struct db *db)
{
	return find_key((struct add_job *)job, db);
}

void sqlite_key_find(struct store *store, struct frame_text key, store_add_fn done, void *arg)
{
	struct add_job *add = add_new(key_work, key, 0, done, arg);
	if (!add)
		return;
	add->run.created_wall_ms = clock_wall_ms();
	sqlite_write((struct sqlite_store *)store, &add->job);
}

/* Finishing. */

struct finish_job {
	struct job job;
	struct store_run run;
	struct buf turn; /* its messages */
	store_done_fn done;
	void *arg; /* borrowed */
};

static void bind_time(sqlite3_stmt *statement, int at, uint64_t wall_ms)
{
	if (wall_ms)
		sqlite3_bind_int64(statement, at, (int64_t)wall_ms);
}

static void bind_finished(sqlite3_stmt *put, const struct finish_job *finish, int64_t turn)
{
	const struct store_run *run = &finish->run;
	db_bind_str(put, 1, run->id);
	db_bind_str(put, 2, run->agent);
	db_bind_str(put, 3, run->session_id);
	db_bind_str(put, 4, run->user);
	db_bind_str(put, 5, run->source);
	sqlite3_bind_int(put, 6, (int)run->status);
	sqlite3_bind_int(put, 7, run->durable);
	sqlite3_bind_int64(put, 8, run->attempts);
	sqlite3_bind_int64(put, 9, run->timeout_ms);
	sqlite3_bind_int64(put, 10, (int64_t)run->created_wall_ms);
	bind_time(put, 11, run->started_wall_ms);
	bind_time(put, 12, run->finished_wall_ms);
	db_bind_str(put, 13, run->code);
	db_bind_text(put, 14, run->error);
	db_bind_text(put, 15, run->usage);
	db_bind_text(put, 16, run->metadata);
	db_bind_text(put, 17, run->input);
	db_bind_text(put, 18, run->content);
	if (finish->turn.length)
		sqlite3_bind_blob64(put, 19, finish->turn.data, finish->turn.length, SQLITE_STATIC);
	if (run->events.n)
		sqlite3_bind_blob64(put, 20, run->events.p, run->events.n, SQLITE_STATIC);
	if (turn)
		sqlite3_bind_int64(put, 21, turn);
	db_bind_str(put, 22, run->trigger);
	db_bind_text(put, 23, run->files);
	db_bind_text(put, 24, run->attachments);
	sqlite3_bind_int64(put, 25, run->history);
}

/* The number of the next turn, of whatever session. */
static int next_turn(struct db *db, int64_t *ret)
{
	sqlite3_stmt *next = db_prepare(db, DB_TURN_NEXT);
	int r = next ? sqlite3_step(next) : SQLITE_ERROR;
	if (r == SQLITE_ROW)
		*ret = sqlite3_column_int64(next, 0);
	sqlite3_reset(next);
	return db_error(r);
}

static int put_session(const struct store_run *run, int64_t turn, struct db *db)
{
	sqlite3_stmt *put = db_prepare(db, DB_SESSION_PUT);
	if (!put)
		return -EIO;
	db_bind_str(put, 1, run->session_id);
	db_bind_str(put, 2, run->agent);
	db_bind_str(put, 3, run->user);
	sqlite3_bind_int64(put, 4, (int64_t)run->finished_wall_ms);
	sqlite3_bind_int64(put, 5, turn);
	return db_run(put);
}

static int finish_work(struct job *job, struct db *db)
{
	struct finish_job *finish = (struct finish_job *)job;
	int64_t turn = 0;
	int error = finish->turn.length ? next_turn(db, &turn) : 0;
	sqlite3_stmt *put = db_prepare(db, DB_RUN_FINISH);
	if (error < 0 || !put)
		return error < 0 ? error : -EIO;
	bind_finished(put, finish, turn);
	error = db_run(put);
	return error == 0 && turn ? put_session(&finish->run, turn, db) : error;
}

static void finish_deliver(struct job *job)
{
	struct finish_job *finish = (struct finish_job *)job;
	finish->done(finish->arg, job->error);
}

static void finish_free(struct job *job)
{
	struct finish_job *finish = (struct finish_job *)job;
	buf_done(&finish->turn);
	free(finish);
}

void sqlite_run_finish(
    struct store *store, const struct store_run *run, store_done_fn done, void *arg)
{
	struct finish_job *finish = calloc(1, sizeof(*finish) + copy_run_size(run));
	if (finish && run->message_count)
		turn_encode(&finish->turn, run);
	if (!finish || finish->turn.failed) {
		if (finish)
			finish_free(&finish->job);
		done(arg, -ENOMEM);
		return;
	}
	char *room = (char *)(finish + 1);
	finish->job =
	    (struct job){ .work = finish_work, .deliver = finish_deliver, .free = finish_free };
	copy_run_into(&room, &finish->run, run);
	finish->done = done;
	finish->arg = arg;
	sqlite_write((struct sqlite_store *)store, &finish->job);
}

/* By id: an attempt, or the end of a session. */

struct id_job {
	struct job job;
	unsigned number;
	const char *user, *source; /* behind the id; NULL: anybody, anything */
	store_done_fn done;
	void *arg; /* borrowed */
	char id[];
};

static void id_deliver(struct job *job)
{
	struct id_job *by_id = (struct id_job *)job;
	by_id->done(by_id->arg, job->error);
}

/* NULL: memory is out, and it is answered. */
static struct id_job *id_new(int (*work)(struct job *job, struct db *db), const char *id,
    const char *user, const char *source, store_done_fn done, void *arg)
{
	size_t size = strlen(id) + (user ? strlen(user) : 0) + (source ? strlen(source) : 0) + 3;
	struct id_job *by_id = malloc(sizeof(*by_id) + size);
	if (!by_id) {
		done(arg, -ENOMEM);
		return NULL;
	}
	*by_id = (struct id_job){ .job = { .work = work, .deliver = id_deliver, .free = free_job },
		.done = done,
		.arg = arg };
	char *room = by_id->id;
	copy_str(&room, id);
	by_id->user = copy_str(&room, user);
	by_id->source = copy_str(&room, source);
	return by_id;
}

static int attempt_work(struct job *job, struct db *db)
{
	const struct id_job *by_id = (const struct id_job *)job;
	sqlite3_stmt *put = db_prepare(db, DB_RUN_ATTEMPT);
	if (!put)
		return -EIO;
	db_bind_str(put, 1, by_id->id);
	sqlite3_bind_int64(put, 2, by_id->number);
	return db_run(put);
}

void sqlite_run_attempt(
    struct store *store, const char *id, unsigned attempts, store_done_fn done, void *arg)
{
	struct id_job *by_id = id_new(attempt_work, id, NULL, NULL, done, arg);
	if (!by_id)
		return;
	by_id->number = attempts;
	sqlite_write((struct sqlite_store *)store, &by_id->job);
}

static int delete_work(struct job *job, struct db *db)
{
	const struct id_job *by_id = (const struct id_job *)job;
	bool found;
	int error = check_owner(db, by_id->id, by_id->user, by_id->source, &found);
	if (error < 0 || !found)
		return error < 0 ? error : -ENOENT;
	sqlite3_stmt *session = db_prepare(db, DB_SESSION_DELETE);
	sqlite3_stmt *runs = db_prepare(db, DB_SESSION_DELETE_RUNS);
	if (!session || !runs)
		return -EIO;
	db_bind_str(session, 1, by_id->id);
	db_bind_str(runs, 1, by_id->id);
	db_bind_str(runs, 2, by_id->user);
	db_bind_str(runs, 3, by_id->source);
	error = db_run(session);
	return error == 0 ? db_run(runs) : error;
}

void sqlite_session_delete(struct store *store, const char *id, const char *user,
    const char *source, store_done_fn done, void *arg)
{
	struct id_job *by_id = id_new(delete_work, id, user, source, done, arg);
	if (by_id)
		sqlite_write((struct sqlite_store *)store, &by_id->job);
}
