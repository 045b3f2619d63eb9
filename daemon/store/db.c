/* db: SQLite, as this store uses it. */
#include "daemon/store/db.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/*
 * The tables, by version: a database of version n gets all that follow. What is here is never
 * changed, only added to.
 *
 * runs: seq is the order in which they were written down. Indices end with it by themselves, so each
 * serves a list, newest first. Most runs succeed; only the others are in runs_by_status. turn is the
 * order in which they became part of their sessions: a run may wait for long after it was written down.
 * any_session is an enum run_reach: it was true or false before there were three.
 * sessions: last is the turn of their last run. cron: how far schedules have come.
 *
 * incoming: messages of chats, of which the key outlives all else. Numbers of what is deleted are never given
 * again (AUTOINCREMENT): somebody may still speak of them. What is large comes last, since lists pass by it.
 */
static const char *const migrations[] = {
	"CREATE TABLE runs (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, agent TEXT NOT NULL,"
	" session_id TEXT NOT NULL, user TEXT NOT NULL, source TEXT NOT NULL, status INTEGER NOT NULL,"
	" durable INTEGER NOT NULL, attempts INTEGER NOT NULL, timeout_ms INTEGER NOT NULL,"
	" created INTEGER NOT NULL, started INTEGER, finished INTEGER, code TEXT, error TEXT,"
	" usage TEXT, metadata TEXT, input TEXT, content TEXT, turn INTEGER, messages BLOB,"
	" events BLOB);"
	"CREATE INDEX runs_by_agent ON runs (agent);"
	"CREATE INDEX runs_by_session ON runs (session_id, turn);"
	"CREATE INDEX runs_by_status ON runs (status) WHERE status <> 2;"
	"CREATE TABLE sessions (id TEXT PRIMARY KEY, agent TEXT NOT NULL, user TEXT NOT NULL,"
	" created INTEGER NOT NULL, updated INTEGER NOT NULL, last INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX sessions_by_last ON sessions (last);"
	"CREATE TABLE keys (key BLOB PRIMARY KEY, request INTEGER NOT NULL, run_id TEXT NOT NULL,"
	" created INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX keys_by_created ON keys (created);"
	"CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
	"INSERT INTO meta VALUES ('clean', 1);",
	"ALTER TABLE runs ADD COLUMN claims TEXT;"
	"ALTER TABLE runs ADD COLUMN any_session INTEGER NOT NULL DEFAULT 1;"
	"CREATE INDEX runs_by_user ON runs (user) WHERE user <> '';"
	"CREATE INDEX sessions_by_user ON sessions (user, last) WHERE user <> '';",
	"CREATE TABLE cron (name TEXT PRIMARY KEY, schedule TEXT NOT NULL, due INTEGER NOT NULL,"
	" paused INTEGER NOT NULL, run_id TEXT, run_due INTEGER NOT NULL, attempt INTEGER NOT NULL,"
	" retry INTEGER NOT NULL, open INTEGER NOT NULL) WITHOUT ROWID;",
	"ALTER TABLE runs ADD COLUMN trigger_name TEXT;",
	"ALTER TABLE runs ADD COLUMN attachments TEXT;"
	"ALTER TABLE runs ADD COLUMN files TEXT;"
	"ALTER TABLE runs ADD COLUMN history INTEGER NOT NULL DEFAULT 0;"
	"CREATE TABLE incoming (seq INTEGER PRIMARY KEY AUTOINCREMENT, interface TEXT NOT NULL,"
	" key BLOB NOT NULL, user_id TEXT, chat_id TEXT, state INTEGER NOT NULL, run_id TEXT,"
	" at INTEGER NOT NULL, body TEXT, UNIQUE (interface, key));"
	"CREATE INDEX incoming_open ON incoming (seq) WHERE state <> 2;"
	"CREATE INDEX incoming_over ON incoming (at) WHERE state = 2;"
	"CREATE TABLE chats (interface TEXT NOT NULL, user_id TEXT NOT NULL, chat_id TEXT NOT NULL,"
	" session_id TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (interface, user_id, chat_id))"
	" WITHOUT ROWID;"
	"CREATE INDEX chats_by_at ON chats (interface, at);"
	"CREATE TABLE replies (id INTEGER PRIMARY KEY AUTOINCREMENT, interface TEXT NOT NULL,"
	" chat_id TEXT NOT NULL, reply_to TEXT, run_id TEXT UNIQUE, attempts INTEGER NOT NULL,"
	" parts INTEGER NOT NULL, created INTEGER NOT NULL, next INTEGER NOT NULL,"
	" aside INTEGER NOT NULL, error TEXT, text TEXT, files TEXT);"
	"CREATE TABLE identity_links (platform TEXT NOT NULL, platform_user_id TEXT NOT NULL,"
	" canonical_user_id TEXT NOT NULL, username TEXT, linked_at INTEGER NOT NULL,"
	" PRIMARY KEY (platform, platform_user_id)) WITHOUT ROWID;"
	"CREATE INDEX idx_identity_canonical ON identity_links (canonical_user_id);",
};
#define VERSION ((int)(sizeof(migrations) / sizeof(migrations[0])))

#define RUN_COLUMNS                                                                          \
	"seq, id, agent, session_id, user, source, status, durable, attempts, timeout_ms, "  \
	"created, started, finished, code, error, usage, metadata, input, content, claims, " \
	"any_session, trigger_name, attachments, files, history"
#define LIST(where)                                                           \
	"SELECT " RUN_COLUMNS " FROM runs WHERE seq < ?1 AND (" where ")"     \
	" AND (?3 IS NULL OR agent = ?3) AND (?4 IS NULL OR session_id = ?4)" \
	" AND (?5 IS NULL OR user = ?5) AND (?6 < 0 OR status = ?6)"          \
	" AND (?7 IS NULL OR source = ?7) ORDER BY seq DESC LIMIT ?2"
/* A session whose turns are all gone (DB_RUNS_SWEEP) is of no source: nobody knows. */
#define IS_OF(session, source)                                                            \
	"EXISTS (SELECT 1 FROM runs WHERE session_id = " session " AND turn IS NOT NULL)" \
	" AND NOT EXISTS (SELECT 1 FROM runs WHERE session_id = " session                 \
	" AND turn IS NOT NULL AND source <> " source ")"

#define INCOMING_COLUMNS "seq, interface, key, user_id, chat_id, state, run_id, at"
#define REPLY_COLUMNS \
	"id, interface, chat_id, reply_to, run_id, attempts, parts, created, next, aside"

static const char *const sql[DB_STATEMENTS] = {
	[DB_BEGIN] = "BEGIN IMMEDIATE",
	[DB_COMMIT] = "COMMIT",
	[DB_ROLLBACK] = "ROLLBACK",
	[DB_RUN_ADD] = "INSERT INTO runs (id, agent, session_id, user, source, status, durable,"
		       " attempts, timeout_ms, created, metadata, input, claims, any_session,"
		       " trigger_name, attachments, history)"
		       " VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,"
		       " ?15, ?16)"
		       " ON CONFLICT (id) DO NOTHING",
	[DB_RUN_FINISH] =
	    "INSERT INTO runs (id, agent, session_id, user, source, status, durable, attempts,"
	    " timeout_ms, created, started, finished, code, error, usage, metadata, input, content,"
	    " messages, events, turn, trigger_name, files, attachments, history)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,"
	    " ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25)"
	    " ON CONFLICT (id) DO UPDATE SET status = ?6, attempts = ?8, started = ?11,"
	    " finished = ?12, code = ?13, error = ?14, usage = ?15, metadata = ?16, content = ?18,"
	    " messages = ?19, events = ?20, turn = ?21, files = ?23, claims = NULL",
	[DB_TURN_NEXT] = "SELECT coalesce(max(last), 0) + 1 FROM sessions",
	[DB_RUN_ATTEMPT] = "UPDATE runs SET attempts = ?2 WHERE id = ?1",
	[DB_RUN_GET] = "SELECT " RUN_COLUMNS ", events FROM runs WHERE id = ?1",
	[DB_RUNS_LIST] = LIST("1"),
	[DB_RUNS_LIST_AGENT] = LIST("agent = ?3"),
	[DB_RUNS_LIST_SESSION] = LIST("session_id = ?4"),
	[DB_RUNS_LIST_USER] = LIST("user = ?5 AND user <> ''"),
	[DB_RUNS_LIST_STATUS] = LIST("status = ?6 AND status <> 2"),
	[DB_RUNS_UNFINISHED] =
	    "SELECT " RUN_COLUMNS " FROM runs WHERE status = 0 AND status <> 2 ORDER BY seq",
	[DB_RUNS_SWEEP] = "DELETE FROM runs WHERE seq IN (SELECT seq FROM runs WHERE status <> 0"
			  " ORDER BY seq LIMIT ?1) AND created < ?2",
	[DB_SESSION_PUT] = "INSERT INTO sessions (id, agent, user, created, updated, last)"
			   " VALUES (?1, ?2, ?3, ?4, ?4, ?5)"
			   " ON CONFLICT (id) DO UPDATE SET updated = ?4, last = ?5",
	[DB_SESSION_GET] = "SELECT id, agent, user, created, updated FROM sessions WHERE id = ?1",
	[DB_SESSION_TURNS] =
	    "SELECT messages, id, finished, input, content FROM runs WHERE session_id = ?1"
	    " AND turn IS NOT NULL ORDER BY turn DESC",
	[DB_SESSION_IS_OF] = "SELECT " IS_OF("?1", "?2"),
	[DB_SESSION_DELETE] = "DELETE FROM sessions WHERE id = ?1",
	[DB_SESSION_DELETE_RUNS] = "DELETE FROM runs WHERE session_id = ?1"
				   " AND (turn IS NOT NULL OR ((?2 IS NULL OR user = ?2)"
				   " AND (?3 IS NULL OR source = ?3)))",
	[DB_SESSIONS_LIST] =
	    "SELECT id, agent, user, created, updated, last FROM sessions WHERE last < ?1"
	    " ORDER BY last DESC LIMIT ?2",
	[DB_SESSIONS_LIST_USER] =
	    "SELECT id, agent, user, created, updated, last FROM sessions WHERE last < ?1"
	    " AND user = ?3 AND user <> '' ORDER BY last DESC LIMIT ?2",
	[DB_SESSIONS_LIST_SOURCE] =
	    "SELECT id, agent, user, created, updated, last FROM sessions WHERE last < ?1"
	    " AND " IS_OF("sessions.id", "?3") " ORDER BY last DESC LIMIT ?2",
	[DB_SESSIONS_SWEEP] = "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions"
			      " ORDER BY last LIMIT ?1) AND updated < ?2",
	[DB_KEY_FIND] = "SELECT k.request, k.run_id, k.created, r.code, r.status FROM keys k"
			" JOIN runs r ON r.id = k.run_id WHERE k.key = ?1",
	[DB_KEY_PUT] = "INSERT OR REPLACE INTO keys VALUES (?1, ?2, ?3, ?4)",
	[DB_KEYS_SWEEP] =
	    "DELETE FROM keys WHERE key IN (SELECT key FROM keys WHERE created < ?2 LIMIT ?1)",
	[DB_CRON_LIST] =
	    "SELECT c.name, c.schedule, c.due, c.paused, c.run_id, c.run_due, c.attempt,"
	    " c.retry, c.open, r.status FROM cron c LEFT JOIN runs r ON r.id = c.run_id"
	    " ORDER BY c.name",
	[DB_CRON_PUT] = "INSERT OR REPLACE INTO cron VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
	[DB_CRON_DELETE] = "DELETE FROM cron WHERE name = ?1",
	[DB_INCOMING_ADD] =
	    "INSERT INTO incoming (interface, key, user_id, chat_id, state, at, body)"
	    " VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6)"
	    " ON CONFLICT (interface, key) DO NOTHING",
	[DB_INCOMING_FIND] = "SELECT seq FROM incoming WHERE interface = ?1 AND key = ?2",
	[DB_INCOMING_GET] = "SELECT " INCOMING_COLUMNS ", body FROM incoming"
			    " WHERE seq = ?1 AND state <> 2",
	[DB_INCOMING_LIST] =
	    "SELECT " INCOMING_COLUMNS ", NULL FROM incoming INDEXED BY incoming_open"
	    " WHERE state <> 2 ORDER BY seq",
	[DB_INCOMING_RUN] =
	    "UPDATE incoming SET state = 1, run_id = ?2 WHERE seq = ?1 AND state <> 2",
	[DB_INCOMING_END] = "UPDATE incoming SET state = 2, user_id = NULL, chat_id = NULL,"
			    " run_id = NULL, body = NULL WHERE seq = ?1 AND state <> 2",
	[DB_INCOMING_SWEEP] = "DELETE FROM incoming WHERE seq IN (SELECT seq FROM incoming"
			      " WHERE state = 2 AND at < ?2 ORDER BY at LIMIT ?1)",
	[DB_CHAT_GET] = "SELECT interface, user_id, chat_id, session_id, at,"
			" (SELECT agent FROM sessions WHERE id = session_id) FROM chats"
			" WHERE interface = ?1 AND user_id = ?2 AND chat_id = ?3",
	[DB_CHAT_PUT] = "INSERT OR REPLACE INTO chats VALUES (?1, ?2, ?3, ?4, ?5)",
	[DB_CHATS_SWEEP] = "DELETE FROM chats WHERE interface = ?1 AND at < ?2",
	[DB_REPLY_ADD] =
	    "INSERT INTO replies (interface, chat_id, reply_to, run_id, attempts, parts, created,"
	    " next, aside, error, text, files)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
	    " ON CONFLICT (run_id) DO NOTHING",
	[DB_REPLY_FIND] = "SELECT id FROM replies WHERE run_id = ?1",
	[DB_REPLY_GET] = "SELECT " REPLY_COLUMNS ", error, text, files FROM replies WHERE id = ?1",
	[DB_REPLY_PUT] = "UPDATE replies SET attempts = ?2, parts = ?3, next = ?4, aside = ?5,"
			 " error = ?6 WHERE id = ?1",
	[DB_REPLY_DELETE] = "DELETE FROM replies WHERE id = ?1",
	[DB_REPLIES_ALL] = "SELECT " REPLY_COLUMNS ", NULL, NULL, NULL FROM replies ORDER BY id",
	[DB_REPLIES_LIST] = "SELECT " REPLY_COLUMNS ", error, text, files FROM replies"
			    " WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
	[DB_IDENTITIES_LIST] = "SELECT platform, platform_user_id, canonical_user_id, username,"
			       " linked_at FROM identity_links ORDER BY canonical_user_id,"
			       " linked_at, platform, platform_user_id",
	[DB_IDENTITY_PUT] = "INSERT OR REPLACE INTO identity_links VALUES (?1, ?2, ?3, ?4, ?5)",
	[DB_IDENTITY_DELETE] = "DELETE FROM identity_links"
			       " WHERE platform = ?1 AND platform_user_id = ?2",
	[DB_VACUUM] = "PRAGMA incremental_vacuum(256)",
	[DB_SIZE] =
	    "SELECT (p.page_count - f.freelist_count) * s.page_size FROM pragma_page_count p,"
	    " pragma_freelist_count f, pragma_page_size s",
	[DB_MARK] = "UPDATE meta SET value = ?1 WHERE name = 'clean' RETURNING value",
	[DB_PROBE] = "INSERT OR REPLACE INTO meta VALUES ('probe', zeroblob(65536))",
	[DB_PROBE_CLEAR] = "DELETE FROM meta WHERE name = 'probe'",
};

int db_error(int result)
{
	switch (result & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
	case SQLITE_PERM:
		return -EROFS;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EBADMSG;
	case SQLITE_NOMEM:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

static int run_sql(struct db *db, const char *text)
{
	return db_error(sqlite3_exec(db->handle, text, NULL, NULL, NULL));
}

static int user_version(struct db *db, int *ret)
{
	sqlite3_stmt *statement;
	int r = sqlite3_prepare_v2(db->handle, "PRAGMA user_version", -1, &statement, NULL);
	if (r == SQLITE_OK)
		r = sqlite3_step(statement);
	if (r == SQLITE_ROW)
		*ret = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	return db_error(r);
}

static int migrate(struct db *db, char *reason, size_t size)
{
	int version = 0;
	int error = user_version(db, &version);
	if (error == 0 && version > VERSION) {
		snprintf(reason, size,
		    "was written by a newer agentd (version %d, this one knows %d)", version,
		    VERSION);
		return -EPROTO;
	}
	for (; error == 0 && version < VERSION; version++) {
		char set[64];
		snprintf(set, sizeof(set), "PRAGMA user_version = %d", version + 1);
		error = run_sql(db, "BEGIN IMMEDIATE");
		if (error == 0)
			error = run_sql(db, migrations[version]);
		if (error == 0)
			error = run_sql(db, set);
		if (error == 0)
			error = run_sql(db, "COMMIT");
		if (error < 0)
			run_sql(db, "ROLLBACK");
	}
	return error;
}

int db_open_again(struct db *db, const char *path)
{
	*db = (struct db){ 0 };
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
	int error = db_error(sqlite3_open_v2(path, &db->handle, flags, NULL));
	if (error < 0)
		return error;
	sqlite3_busy_timeout(db->handle, DB_BUSY_MS);
	sqlite3_extended_result_codes(db->handle, 1);
	/* Checkpoints are made by hand, beside the commits. */
	return run_sql(db, "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;"
			   "PRAGMA cache_size = -2000; PRAGMA temp_store = MEMORY;");
}

static bool is_folder(const char *path)
{
	struct stat is;
	return stat(path, &is) == 0 && S_ISDIR(is.st_mode);
}

/* SQLite's own words, and the system's: "disk I/O error" may be a full disk. */
static void describe(struct db *db, char *reason, size_t size)
{
	int code = db->handle ? sqlite3_errcode(db->handle) & 0xff : SQLITE_NOMEM;
	bool is_of_system = code == SQLITE_IOERR || code == SQLITE_CANTOPEN;
	int error = is_of_system ? sqlite3_system_errno(db->handle) : 0;
	snprintf(reason, size, "%s%s%s", db->handle ? sqlite3_errmsg(db->handle) : "out of memory",
	    error ? ": " : "", error ? strerror(error) : "");
}

int db_open(struct db *db, const char *path, char *reason, size_t size)
{
	reason[0] = '\0';
	int error = db_open_again(db, path);
	if (error == 0) /* can only be said of a file without tables */
		error = run_sql(db, "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;");
	if (error == 0)
		error = migrate(db, reason, size);
	if (error < 0 && is_folder(path))
		snprintf(reason, size, "it is a folder; store.path names a file");
	else if (error < 0 && !reason[0])
		describe(db, reason, size);
	if (error < 0)
		db_close(db);
	return error;
}

void db_close(struct db *db)
{
	for (int i = 0; i < DB_STATEMENTS; i++)
		sqlite3_finalize(db->statements[i]);
	sqlite3_close(db->handle);
	*db = (struct db){ 0 };
}

sqlite3_stmt *db_prepare(struct db *db, enum db_statement which)
{
	sqlite3_stmt **statement = &db->statements[which];
	if (*statement) {
		sqlite3_reset(*statement);
		sqlite3_clear_bindings(*statement);
	} else {
		sqlite3_prepare_v3(
		    db->handle, sql[which], -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
	}
	return *statement;
}

int db_run(sqlite3_stmt *statement)
{
	if (!statement)
		return -EIO;
	int r = sqlite3_step(statement);
	while (r == SQLITE_ROW)
		r = sqlite3_step(statement);
	sqlite3_reset(statement);
	return db_error(r);
}

int db_exec(struct db *db, enum db_statement which)
{
	return db_run(db_prepare(db, which));
}

int db_change(struct db *db, sqlite3_stmt *statement)
{
	int error = db_run(statement);
	return error == 0 && sqlite3_changes(db->handle) == 0 ? -ENOENT : error;
}

int db_number(sqlite3_stmt *statement, int64_t *ret)
{
	if (!statement)
		return -EIO;
	int r = sqlite3_step(statement), error = r == SQLITE_DONE ? -ENOENT : db_error(r);
	if (r == SQLITE_ROW)
		*ret = sqlite3_column_int64(statement, 0);
	sqlite3_reset(statement);
	return error;
}

int db_is_of(struct db *db, const char *session_id, const char *source, bool *ret)
{
	sqlite3_stmt *is_of = db_prepare(db, DB_SESSION_IS_OF);
	int64_t found;
	if (!is_of)
		return -EIO;
	db_bind_str(is_of, 1, session_id);
	db_bind_str(is_of, 2, source);
	int error = db_number(is_of, &found);
	if (error == 0)
		*ret = found != 0;
	return error;
}

void db_bind_text(sqlite3_stmt *statement, int at, struct frame_text text)
{
	if (text.p)
		sqlite3_bind_text64(statement, at, text.p, text.n, SQLITE_STATIC, SQLITE_UTF8);
}

void db_bind_str(sqlite3_stmt *statement, int at, const char *text)
{
	if (text)
		sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

struct frame_text db_text(sqlite3_stmt *statement, int column)
{
	const char *p = (const char *)sqlite3_column_blob(statement, column);
	size_t n = (size_t)sqlite3_column_bytes(statement, column);
	if (!p && sqlite3_column_type(statement, column) != SQLITE_NULL)
		p = ""; /* an empty one */
	return (struct frame_text){ p, n };
}

int db_check(struct db *db, char *reason, size_t size)
{
	sqlite3_stmt *statement;
	int r = sqlite3_prepare_v2(db->handle, "PRAGMA quick_check(1)", -1, &statement, NULL);
	if (r == SQLITE_OK)
		r = sqlite3_step(statement);
	if (r != SQLITE_ROW)
		snprintf(reason, size, "%s", sqlite3_errmsg(db->handle));
	else if (strcmp((const char *)sqlite3_column_text(statement, 0), "ok") == 0)
		reason[0] = '\0';
	else
		snprintf(reason, size, "%s", sqlite3_column_text(statement, 0));
	sqlite3_finalize(statement);
	for (char *at = reason; *at; at++) /* it is for one line of a log */
		if (*at == '\n')
			*at = ' ';
	return reason[0] ? -EBADMSG : 0;
}
