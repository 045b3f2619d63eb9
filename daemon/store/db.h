/*
 * db: one connection to the database file: its settings, its statements, its errors. Private to
 * daemon/store. A connection belongs to one thread at a time.
 */
#ifndef AGENTD_STORE_DB_H
#define AGENTD_STORE_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/store/store.h"

#define DB_BUSY_MS 5000 /* somebody may look into the file with a tool */

/* Every statement that there is; their SQL is in db.c. */
enum db_statement {
	DB_BEGIN,
	DB_COMMIT,
	DB_ROLLBACK,
	DB_RUN_ADD,
	DB_RUN_FINISH,
	DB_TURN_NEXT,
	DB_RUN_ATTEMPT,
	DB_RUN_GET,
	DB_RUNS_LIST,
	DB_RUNS_LIST_AGENT,
	DB_RUNS_LIST_SESSION,
	DB_RUNS_LIST_USER,
	DB_RUNS_LIST_STATUS,
	DB_RUNS_UNFINISHED,
	DB_RUNS_SWEEP,
	DB_SESSION_PUT,
	DB_SESSION_GET,
	DB_SESSION_TURNS,
	DB_SESSION_IS_OF, /* whether its turns are all of a source */
	DB_SESSION_DELETE,
	DB_SESSION_DELETE_RUNS,
	DB_SESSIONS_LIST,
	DB_SESSIONS_LIST_USER,
	DB_SESSIONS_LIST_SOURCE,
	DB_SESSIONS_SWEEP,
	DB_KEY_FIND,
	DB_KEY_PUT,
	DB_KEYS_SWEEP,
	DB_CRON_LIST,
	DB_CRON_PUT,
	DB_CRON_DELETE,
	DB_INCOMING_ADD,
	DB_INCOMING_FIND,
	DB_INCOMING_GET,
	DB_INCOMING_LIST,
	DB_INCOMING_RUN,
	DB_INCOMING_END,
	DB_INCOMING_SWEEP,
	DB_CHAT_GET,
	DB_CHAT_PUT,
	DB_CHATS_SWEEP,
	DB_REPLY_ADD,
	DB_REPLY_FIND,
	DB_REPLY_GET,
	DB_REPLY_PUT,
	DB_REPLY_DELETE,
	DB_REPLIES_ALL,
	DB_REPLIES_LIST,
	DB_IDENTITIES_LIST,
	DB_IDENTITY_PUT,
	DB_IDENTITY_DELETE,
	DB_VACUUM,
	DB_SIZE, /* bytes in use */
	DB_MARK,
	DB_PROBE,
	DB_PROBE_CLEAR,
	DB_STATEMENTS,
};

struct db {
	sqlite3 *handle;
	sqlite3_stmt *statements[DB_STATEMENTS];
};

/* Opens the file, or makes it and its tables. 0; or -errno, and why, as people read it. */
int db_open(struct db *db, const char *path, char *reason, size_t size);
/* A connection more, to a file that db_open has opened before. */
int db_open_again(struct db *db, const char *path);
void db_close(struct db *db);

/* The -errno of a result of SQLite's; 0 for those that are no error. */
int db_error(int result);

/* A statement ready to be bound: reset, its bindings cleared. NULL: it cannot be prepared. */
sqlite3_stmt *db_prepare(struct db *db, enum db_statement which);
/* Runs one that gives no row. 0 or -errno. */
int db_run(sqlite3_stmt *statement);
int db_exec(struct db *db, enum db_statement which);
/* Runs one that changes rows. -ENOENT: there were none to change. */
int db_change(struct db *db, sqlite3_stmt *statement);
/* Runs one that gives a number. -ENOENT: it gives none. */
int db_number(sqlite3_stmt *statement, int64_t *ret);
/* Whether a session has turns, and all are of a source: they are looked at up to the first that is not. */
int db_is_of(struct db *db, const char *session_id, const char *source, bool *ret);

/* Binds; absent is NULL. What is bound must live until the statement is reset. */
void db_bind_text(sqlite3_stmt *statement, int at, struct frame_text text);
void db_bind_str(sqlite3_stmt *statement, int at, const char *text);
/* A column, borrowed until the next step. */
struct frame_text db_text(sqlite3_stmt *statement, int column);

/* PRAGMA quick_check. 0; -EBADMSG: it is corrupt, and `reason` says how. */
int db_check(struct db *db, char *reason, size_t size);

#endif
