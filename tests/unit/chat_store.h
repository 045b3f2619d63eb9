/*
 * chat_store: for the tests of what chats need of the store: one that is opened and closed, its calls, and its
 * answers as text. Each test's program has its own.
 */
#ifndef AGENTD_TESTS_CHAT_STORE_H
#define AGENTD_TESTS_CHAT_STORE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/id.h"
#include "daemon/store/sqlite.h"

#define TEXT(s) ((struct frame_text){ s, sizeof(s) - 1 })
#define NOTES   512 /* bytes for many answers */
#define DAY_MS  (24 * 3600 * 1000ull)

static struct event_base *base;
static struct store *store;
static char folder[64], path[96];
static uint64_t began_ms; /* times of messages are behind it, so that none is old */

/* What the last call was answered. */
static struct {
	bool came;
	int error;
	int64_t number;
	char text[4096];
	char next[64];
} answer;

static inline void on_trouble(void *arg, const char *what)
{
	(void)arg;
	fail_msg("%s", what);
}

static inline void open_store(void)
{
	char reason[256];
	struct sqlite_setup setup = { .path = path, .trouble = on_trouble };
	assert_int_equal(store_open_sqlite(base, &setup, &store, reason, sizeof(reason)), 0);
}

static inline void close_store(void)
{
	store_free(store);
	store = NULL;
}

static inline void reopen(void)
{
	close_store();
	open_store();
}

static inline int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/agentd-store-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/agentd.db", folder);
	base = event_base_new();
	began_ms = clock_wall_ms();
	open_store();
	return 0;
}

static inline int teardown(void **state)
{
	char command[128];
	(void)state;
	close_store();
	event_base_free(base);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

static inline int wait_for_answer(void)
{
	for (uint64_t end = clock_monotonic_ms() + 20000; !answer.came;) {
		event_base_loop(base, EVLOOP_ONCE);
		assert_true(clock_monotonic_ms() < end);
	}
	answer.came = false;
	return answer.error;
}

/* Beside the store, as who looks into the file with a tool. */
static inline sqlite3 *look_in(void)
{
	sqlite3 *db;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	return db;
}

static inline void harm(const char *sql)
{
	sqlite3 *db = look_in();
	char *error = NULL;
	sqlite3_exec(db, sql, NULL, NULL, &error);
	assert_null(error);
	sqlite3_close(db);
}

static inline int64_t count(const char *sql)
{
	sqlite3 *db = look_in();
	sqlite3_stmt *statement;
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	int64_t n = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return n;
}

/* Answers, as text. */

static inline void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static inline void say(const char *format, ...)
{
	size_t n = strlen(answer.text);
	va_list args;
	va_start(args, format);
	vsnprintf(answer.text + n, sizeof(answer.text) - n, format, args);
	va_end(args);
}

static inline void say_text(struct frame_text text)
{
	say("|%s%.*s", text.p ? "=" : "-", (int)text.n, text.p ? text.p : "");
}

static inline void say_str(const char *text)
{
	say("|%s", text ? text : "-");
}

static inline void begin_answer(int error)
{
	answer.came = true;
	answer.error = error;
	answer.number = 0;
	answer.text[0] = answer.next[0] = '\0';
}

static inline void on_done(void *arg, int error)
{
	(void)arg;
	begin_answer(error);
}

static inline void on_seq(void *arg, int error, int64_t seq)
{
	(void)arg;
	begin_answer(error);
	answer.number = seq;
}

static inline void on_added(void *arg, int error, const struct store_taken *taken)
{
	(void)arg;
	(void)taken;
	begin_answer(error);
}

static inline void on_incomings(
    void *arg, int error, const struct store_incoming *incomings, size_t n)
{
	(void)arg;
	begin_answer(error);
	for (size_t i = 0; i < n; i++) {
		const struct store_incoming *incoming = &incomings[i];
		say("%s%lld", i ? " " : "", (long long)incoming->seq);
		say_str(incoming->interface);
		say_text(incoming->key);
		say_str(incoming->user_id);
		say_str(incoming->chat_id);
		say_text(incoming->body);
		say("|%d", (int)incoming->state);
		say_str(incoming->run_id);
		say("|%llu", (unsigned long long)(incoming->at_wall_ms - began_ms));
	}
}

static inline void on_incoming(void *arg, int error, const struct store_incoming *incoming)
{
	on_incomings(arg, error, incoming, incoming ? 1 : 0);
}

static inline void on_chat(void *arg, int error, const struct store_chat *chat)
{
	(void)arg;
	begin_answer(error);
	if (!chat)
		return;
	say("%s", chat->interface);
	say_str(chat->user_id);
	say_str(chat->chat_id);
	say_str(chat->session_id);
	say("|%llu", (unsigned long long)chat->at_wall_ms);
}

static inline void on_replies(
    void *arg, int error, const struct store_reply *replies, size_t n, const char *next)
{
	(void)arg;
	begin_answer(error);
	for (size_t i = 0; i < n; i++) {
		const struct store_reply *reply = &replies[i];
		say("%s%lld", i ? " " : "", (long long)reply->id);
		say_str(reply->interface);
		say_str(reply->chat_id);
		say_str(reply->reply_to);
		say_str(reply->run_id);
		say_text(reply->text);
		say_text(reply->files);
		say_text(reply->error);
		say("|%u|%u|%llu|%llu|%d", reply->attempts, reply->parts,
		    (unsigned long long)reply->created_wall_ms,
		    (unsigned long long)reply->next_wall_ms, reply->aside);
	}
	snprintf(answer.next, sizeof(answer.next), "%s", next ? next : "");
}

static inline void on_reply(void *arg, int error, const struct store_reply *reply)
{
	on_replies(arg, error, reply, reply ? 1 : 0, NULL);
}

static inline void on_identities(void *arg, int error, const struct store_identity *links, size_t n)
{
	(void)arg;
	begin_answer(error);
	for (size_t i = 0; i < n; i++) {
		say("%s%s", i ? " " : "", links[i].platform);
		say_str(links[i].platform_user_id);
		say_str(links[i].user_id);
		say_str(links[i].user_name);
		say("|%llu", (unsigned long long)links[i].linked_wall_ms);
	}
}

/* Its attachments, files and history. */
static inline void on_runs(
    void *arg, int error, const struct store_run *runs, size_t n, const char *next)
{
	(void)arg;
	(void)next;
	begin_answer(error);
	for (size_t i = 0; i < n; i++) {
		say("%s%s", i ? " " : "", runs[i].id);
		say_text(runs[i].attachments);
		say_text(runs[i].files);
		say("|%lld", (long long)runs[i].history);
	}
}

static inline void on_run(void *arg, int error, const struct store_run *run)
{
	on_runs(arg, error, run, run ? 1 : 0, NULL);
}

/* Calls, and what is expected of them. */

static inline struct store_incoming incoming_of(const char *key)
{
	return (struct store_incoming){ .interface = "tg",
		.key = { key, strlen(key) },
		.user_id = "ann",
		.chat_id = "c1",
		.body = TEXT("hello"),
		.at_wall_ms = began_ms + 7 };
}

/* Adds a message; its number, or that of the one with its key. */
static inline int64_t add_incoming(const char *key, int expected)
{
	struct store_incoming incoming = incoming_of(key);
	store_incoming_add(store, &incoming, on_seq, NULL);
	assert_int_equal(wait_for_answer(), expected);
	return answer.number;
}

static inline void assert_incoming(int64_t seq, const char *expected)
{
	store_incoming_get(store, seq, on_incoming, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_string_equal(answer.text, expected);
}

static inline void assert_incomings(const char *expected)
{
	store_incoming_list(store, on_incomings, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_string_equal(answer.text, expected);
}

static inline void end_incoming(int64_t seq)
{
	store_incoming_end(store, seq, on_done, NULL);
	assert_int_equal(wait_for_answer(), 0);
}

static inline void assert_chat(
    const char *interface, const char *user_id, const char *chat_id, const char *expected)
{
	store_chat_get(store, interface, user_id, chat_id, on_chat, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_string_equal(answer.text, expected);
}

static inline struct store_run run_of(const char *id, const char *session)
{
	return (struct store_run){ .id = id,
		.agent = "a",
		.session_id = session,
		.user = "ann",
		.source = "interface tg",
		.input = TEXT("hello"),
		.durable = true,
		.created_wall_ms = clock_wall_ms() };
}

/* Adds the run of a message, in a chat. */
static inline int add_run(const char *id, int64_t incoming, const struct store_chat *chat)
{
	struct store_run run = run_of(id, chat ? chat->session_id : "s");
	struct store_add add = { .run = &run, .incoming = incoming, .chat = chat };
	store_run_add(store, &add, on_added, NULL);
	return wait_for_answer();
}

static inline int finish(const struct store_run *run)
{
	struct store_run ended = *run;
	ended.status = RUN_SUCCEEDED;
	ended.finished_wall_ms = clock_wall_ms();
	struct store_message message = { .role = TEXT("user"), .content = run->input };
	ended.messages = &message;
	ended.message_count = 1;
	store_run_finish(store, &ended, on_done, NULL);
	return wait_for_answer();
}

static inline struct store_reply reply_of(const char *run_id)
{
	return (struct store_reply){ .interface = "tg",
		.chat_id = "c1",
		.run_id = run_id,
		.text = TEXT("hi"),
		.created_wall_ms = 8,
		.next_wall_ms = 9 };
}

static inline int64_t add_reply(const char *run_id, int64_t incoming, int expected)
{
	struct store_reply reply = reply_of(run_id);
	store_reply_add(store, &reply, incoming, on_seq, NULL);
	assert_int_equal(wait_for_answer(), expected);
	return answer.number;
}

static inline void assert_reply(int64_t id, const char *expected)
{
	store_reply_get(store, id, on_reply, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_string_equal(answer.text, expected);
}

static inline void assert_replies(const char *expected)
{
	store_replies_all(store, on_replies, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_string_equal(answer.text, expected);
	assert_string_equal(answer.next, "");
}

static inline void assert_identities(const char *expected)
{
	store_identities_list(store, on_identities, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_string_equal(answer.text, expected);
}

static inline int put_identity(const char *platform, const char *platform_user_id,
    const char *user_id, const char *user_name, uint64_t at)
{
	struct store_identity link = { .platform = platform,
		.platform_user_id = platform_user_id,
		.user_id = user_id,
		.user_name = user_name,
		.linked_wall_ms = at };
	store_identity_put(store, &link, on_done, NULL);
	return wait_for_answer();
}

static const struct store_chat chat1 = {
	.interface = "tg", .user_id = "ann", .chat_id = "c1", .session_id = "s1", .at_wall_ms = 100
};

/* Answers that are counted. */

static inline void count_done(void *arg, int error)
{
	assert_int_equal(error, 0);
	++*(int *)arg;
}

static inline void count_seq(void *arg, int error, int64_t seq)
{
	assert_true(seq > 0);
	count_done(arg, error);
}

static inline void count_added(void *arg, int error, const struct store_taken *taken)
{
	assert_null(taken);
	count_done(arg, error);
}

#endif
