/* store: both backends, called as the daemon calls them; SQLite's files opened, closed and harmed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/id.h"
#include "daemon/run/run.h"
#include "daemon/store/sqlite.h"

#define TEXT(s) ((struct frame_text){ s, sizeof(s) - 1 })

static struct event_base *base;
static struct store *store;
static char folder[64], path[96], trouble[256];

/* What the last call was answered. */
static struct {
	bool came;
	int error;
	char text[4096];
	char next[64];
} answer;

static void on_trouble(void *arg, const char *what)
{
	(void)arg;
	snprintf(trouble, sizeof(trouble), "%s", what);
}

static int open_store(int64_t retention_ms, int64_t max_bytes, char *reason, size_t size)
{
	struct sqlite_setup setup = { .path = path,
		.retention_ms = retention_ms,
		.max_bytes = max_bytes,
		.trouble = on_trouble };
	return store_open_sqlite(base, &setup, &store, reason, size);
}

static int make_folder(void)
{
	snprintf(folder, sizeof(folder), "/tmp/agentd-store-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/sub/agentd.db", folder);
	base = event_base_new();
	trouble[0] = '\0';
	return 0;
}

static int setup(void **state)
{
	char reason[256];
	(void)state;
	make_folder();
	assert_int_equal(open_store(0, 0, reason, sizeof(reason)), 0);
	return 0;
}

static int setup_memory(void **state)
{
	(void)state;
	make_folder();
	store = store_new_memory(100);
	return 0;
}

static int teardown(void **state)
{
	char command[128];
	(void)state;
	store_free(store);
	store = NULL;
	event_base_free(base);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

static void reopen(void)
{
	char reason[256];
	store_free(store);
	assert_int_equal(open_store(0, 0, reason, sizeof(reason)), 0);
}

static int wait_for_answer(void)
{
	for (uint64_t end = clock_monotonic_ms() + 20000; !answer.came;) {
		event_base_loop(base, EVLOOP_ONCE);
		assert_true(clock_monotonic_ms() < end);
	}
	answer.came = false;
	return answer.error;
}

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
	size_t n = strlen(answer.text);
	va_list args;
	va_start(args, format);
	vsnprintf(answer.text + n, sizeof(answer.text) - n, format, args);
	va_end(args);
}

static void begin_answer(int error)
{
	answer.came = true;
	answer.error = error;
	answer.text[0] = answer.next[0] = '\0';
}

static void on_done(void *arg, int error)
{
	(void)arg;
	begin_answer(error);
}

static void on_added(void *arg, int error, const struct store_taken *taken)
{
	(void)arg;
	begin_answer(error);
	if (taken)
		say("%s %llu", taken->run_id, (unsigned long long)taken->request);
}

static void on_run(void *arg, int error, const struct store_run *run)
{
	(void)arg;
	begin_answer(error);
	if (!run)
		return;
	say("%s %s %s %s %s %d %u %s", run->id, run->agent, run->session_id, run->user, run->source,
	    (int)run->status, run->attempts, run->code ? run->code : "-");
	const struct frame_text texts[] = { run->input, run->metadata, run->content, run->error,
		run->usage, run->events };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		say(" %s%.*s", texts[i].p ? "=" : "-", (int)texts[i].n, texts[i].p);
}

static void on_runs(
    void *arg, int error, const struct store_run *runs, size_t count, const char *next)
{
	(void)arg;
	begin_answer(error);
	for (size_t i = 0; i < count; i++)
		say("%s%s", i ? " " : "", runs[i].id);
	snprintf(answer.next, sizeof(answer.next), "%s", next ? next : "");
}

static void on_session(void *arg, int error, const struct store_session *session)
{
	(void)arg;
	begin_answer(error);
	if (!session)
		return;
	say("%s %s %s:", session->id, session->agent, session->user);
	for (size_t i = 0; i < session->count; i++)
		say(" %.*s=%.*s", (int)session->messages[i].role.n, session->messages[i].role.p,
		    (int)session->messages[i].content.n, session->messages[i].content.p);
}

static void on_sessions(
    void *arg, int error, const struct store_session *sessions, size_t count, const char *next)
{
	(void)arg;
	begin_answer(error);
	for (size_t i = 0; i < count; i++)
		say("%s%s", i ? " " : "", sessions[i].id);
	snprintf(answer.next, sizeof(answer.next), "%s", next ? next : "");
}

static void on_run_claims(void *arg, int error, const struct store_run *run)
{
	(void)arg;
	begin_answer(error);
	if (run && run->claims.p)
		say("%.*s %d", (int)run->claims.n, run->claims.p, (int)run->reach);
}

static void on_claims(
    void *arg, int error, const struct store_run *runs, size_t count, const char *next)
{
	(void)next;
	on_run_claims(arg, error, count == 1 ? runs : NULL);
}

static struct store_run run_of(const char *id, const char *session)
{
	return (struct store_run){ .id = id,
		.agent = "a",
		.session_id = session,
		.user = "u",
		.source = "http",
		.input = TEXT("in"),
		.attempts = 1,
		.created_wall_ms = clock_wall_ms() };
}

static int add(const struct store_run *run, const char *key, uint64_t request)
{
	struct store_add given = { .run = run, .request = request };
	if (key)
		given.key = (struct frame_text){ key, strlen(key) };
	store_run_add(store, &given, on_added, NULL);
	return wait_for_answer();
}

/* Ends a run well, with a turn "user=INPUT assistant=CONTENT". */
static int finish_as(const char *source, const char *id, const char *session, const char *content)
{
	struct store_run run = run_of(id, session);
	run.source = source;
	run.status = RUN_SUCCEEDED;
	run.content = (struct frame_text){ content, strlen(content) };
	run.finished_wall_ms = clock_wall_ms();
	struct store_message messages[] = {
		{ .role = TEXT("user"), .content = run.input },
		{ .role = TEXT("assistant"), .content = run.content },
	};
	run.messages = messages;
	run.message_count = 2;
	store_run_finish(store, &run, on_done, NULL);
	return wait_for_answer();
}

static int finish(const char *id, const char *session, const char *content)
{
	return finish_as("http", id, session, content);
}

static void harm(const char *sql)
{
	sqlite3 *db;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void assert_run(const char *id, const char *expected)
{
	store_run_get(store, id, on_run, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_string_equal(answer.text, expected);
}

static void assert_session(const char *id, size_t most, const char *expected)
{
	store_session_get(store, id, NULL, most, 1 << 20, on_session, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_string_equal(answer.text, expected);
}

static void assert_list(const struct store_page *page, const char *expected)
{
	store_runs_list(store, page, on_runs, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_string_equal(answer.text, expected);
}

/* A session's history is the turns of its runs, in order, as many as are asked for, whole ones. */
static void test_history(void **state)
{
	(void)state;
	assert_session("s", 50, "");
	for (int i = 1; i <= 3; i++) {
		char id[8], content[8];
		snprintf(id, sizeof(id), "r%d", i);
		snprintf(content, sizeof(content), "c%d", i);
		assert_int_equal(finish(id, "s", content), 0);
	}
	assert_int_equal(finish("r4", "other", "x"), 0);
	assert_session(
	    "s", 50, "s a u: user=in assistant=c1 user=in assistant=c2 user=in assistant=c3");
	assert_session("other", 50, "other a u: user=in assistant=x");
}

static void test_history_is_cut_at_turns(void **state)
{
	(void)state;
	finish("r1", "s", "c1");
	finish("r2", "s", "c2");
	finish("r3", "s", "c3");
	assert_session("s", 3, "s a u: user=in assistant=c2 user=in assistant=c3");
	store_session_get(store, "s", NULL, 50, 1, on_session, NULL);
	wait_for_answer();
	assert_string_equal(answer.text, "s a u: user=in assistant=c3");
}

/* A run may be written down early and go late: its turn is where it went. */
static void test_turns_are_in_the_order_in_which_runs_ended(void **state)
{
	(void)state;
	struct store_run early = run_of("early", "s");
	add(&early, NULL, 0);
	finish("r1", "s", "c1");
	finish("r2", "other", "x");
	finish("early", "s", "late");
	assert_session("s", 9, "s a u: user=in assistant=c1 user=in assistant=late");
}

/* What was added and finished comes back as it was, also after the file was closed. */
static void test_a_run_comes_back(void **state)
{
	(void)state;
	struct store_run run = run_of("r1", "s");
	run.metadata = TEXT("{}");
	run.durable = true;
	assert_int_equal(add(&run, NULL, 0), 0);
	assert_run("r1", "r1 a s u http 0 1 - =in ={} - - - -");
	run.status = RUN_FAILED;
	run.attempts = 2;
	run.code = "timeout";
	run.error = TEXT("too slow");
	run.content = TEXT("");
	run.usage = TEXT("{\"n\":1}");
	run.events = (struct frame_text){ "e\0f", 3 };
	run.finished_wall_ms = clock_wall_ms();
	store_run_finish(store, &run, on_done, NULL);
	assert_int_equal(wait_for_answer(), 0);
	const char *expected = "r1 a s u http 3 2 timeout =in ={} = =too slow ={\"n\":1} =e";
	assert_run("r1", expected);
	reopen();
	assert_run("r1", expected);
	assert_run("nobody", "");
	assert_session("s", 50, ""); /* only what succeeded makes a session */
}

/* Doing the same twice is doing it once: a retried commit may have happened. */
static void test_finishing_twice_is_once(void **state)
{
	(void)state;
	finish("r1", "s", "c1");
	finish("r1", "s", "c1");
	assert_session("s", 50, "s a u: user=in assistant=c1");
	assert_list(&(struct store_page){ .limit = 10, .status = -1 }, "r1");
}

static void test_lists_have_pages_and_filters(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++) {
		char id[8];
		snprintf(id, sizeof(id), "r%d", i);
		finish(id, i % 2 ? "odd" : "even", "c");
	}
	struct store_run run = run_of("f", "even");
	run.status = RUN_FAILED;
	run.agent = "b";
	store_run_finish(store, &run, on_done, NULL);
	wait_for_answer();
	struct store_page page = { .limit = 4, .status = -1 };
	char next[64];
	assert_list(&page, "f r9 r8 r7");
	snprintf(next, sizeof(next), "%s", answer.next);
	page.after = next;
	assert_list(&page, "r6 r5 r4 r3");
	snprintf(next, sizeof(next), "%s", answer.next);
	assert_list(&page, "r2 r1 r0");
	assert_string_equal(answer.next, "");
	assert_list(&(struct store_page){ .limit = 2, .status = -1, .session_id = "odd" }, "r9 r7");
	assert_list(&(struct store_page){ .limit = 9, .status = -1, .agent = "b" }, "f");
	assert_list(&(struct store_page){ .limit = 9, .status = RUN_FAILED }, "f");
	assert_list(&(struct store_page){ .limit = 9, .status = RUN_FAILED, .agent = "a" }, "");
	assert_list(&(struct store_page){ .limit = 9, .status = RUN_SUCCEEDED, .user = "v" }, "");
	store_runs_list(
	    store, &(struct store_page){ .after = "x", .limit = 1, .status = -1 }, on_runs, NULL);
	assert_int_equal(wait_for_answer(), -EINVAL);
}

static void test_sessions_are_listed_by_use_and_deleted(void **state)
{
	(void)state;
	finish("r1", "s1", "c");
	finish("r2", "s2", "c");
	finish("r3", "s1", "c");
	struct store_page page = { .limit = 1, .status = -1 };
	store_sessions_list(store, &page, on_sessions, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_string_equal(answer.text, "s1");
	char next[64];
	snprintf(next, sizeof(next), "%s", answer.next);
	page.after = next;
	store_sessions_list(store, &page, on_sessions, NULL);
	wait_for_answer();
	assert_string_equal(answer.text, "s2");
	assert_string_equal(answer.next, "");
	store_session_delete(store, "s1", NULL, NULL, on_done, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_session("s1", 9, "");
	assert_session("s2", 9, "s2 a u: user=in assistant=c");
	store_session_delete(store, "s1", NULL, NULL, on_done, NULL);
	assert_int_equal(wait_for_answer(), -ENOENT);
}

/* A session is deleted by its user, or by who may delete any; nobody's runs but the user's go along. */
static void test_sessions_are_deleted_by_their_user(void **state)
{
	(void)state;
	finish("r1", "s1", "c");
	store_session_delete(store, "s1", "v", NULL, on_done, NULL);
	assert_int_equal(wait_for_answer(), -EPERM);
	assert_session("s1", 9, "s1 a u: user=in assistant=c");
	store_session_delete(store, "s1", "u", NULL, on_done, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_session("s1", 9, "");
}

/* A run is not added to a session of another user, in the very write that would add it. */
static void test_a_run_is_added_to_its_users_session(void **state)
{
	(void)state;
	finish("r1", "s1", "c");
	struct store_run other = run_of("r2", "s1"), own = run_of("r3", "s1"),
			 fresh = run_of("r4", "s2");
	other.user = fresh.user = "v";
	assert_int_equal(add(&other, "key", 1), -EPERM);
	assert_run("r2", "");
	assert_int_equal(add(&own, NULL, 0), 0);
	assert_int_equal(add(&fresh, NULL, 0), 0);
	other.reach = REACH_ALL;
	assert_int_equal(add(&other, "key", 1), 0); /* the key was not taken by what was refused */
}

/* Lists of one user's runs and sessions have pages like those of all. */
static void test_lists_of_a_user(void **state)
{
	(void)state;
	struct store_run other = run_of("r2", "s2");
	other.user = "v";
	finish("r1", "s1", "c");
	add(&other, NULL, 0);
	finish("r3", "s3", "c");
	struct store_page page = { .limit = 1, .status = -1, .user = "u" };
	store_runs_list(store, &page, on_runs, NULL);
	wait_for_answer();
	assert_string_equal(answer.text, "r3");
	char next[64];
	snprintf(next, sizeof(next), "%s", answer.next);
	page.after = next;
	store_runs_list(store, &page, on_runs, NULL);
	wait_for_answer();
	assert_string_equal(answer.text, "r1");
	assert_string_equal(answer.next, "");
	page = (struct store_page){ .limit = 9, .status = -1, .user = "v" };
	store_sessions_list(store, &page, on_sessions, NULL);
	wait_for_answer();
	assert_string_equal(answer.text, "");
}

static void on_is_of(void *arg, int error, const struct store_session *session)
{
	(void)arg;
	begin_answer(error);
	if (session)
		say("%d", session->is_of_source);
}

static void assert_is_of(const char *session, const char *source, const char *expected)
{
	store_session_get(store, session, source, 0, 0, on_is_of, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_string_equal(answer.text, expected);
}

/* A session is of a source as long as all its turns are, whoever's: so it is listed, looked at, and deleted. */
static void test_sessions_of_a_source(void **state)
{
	(void)state;
	finish_as("http", "r1", "plain", "c");
	finish_as("line", "r2", "chat", "c");
	finish_as("http", "r3", "joined", "c");
	finish_as("line", "r4", "joined", "c");
	finish_as("http", "r5", "joined", "c");
	finish_as("line", "r6", "taken", "c");
	finish_as("http", "r7", "taken", "c");
	finish_as("http", "r8", "last", "c");
	finish_as("http", "r9", "last", "c");
	static const char *const others[] = { "chat", "joined", "taken" };
	for (size_t i = 0; i < 3; i++) {
		assert_is_of(others[i], "http", "0");
		store_session_delete(store, others[i], NULL, "http", on_done, NULL);
		assert_int_equal(wait_for_answer(), -EPERM);
	}
	assert_is_of("plain", "http", "1");
	assert_is_of("last", "http", "1");
	assert_is_of("chat", "line", "1");
	assert_is_of("plain", "htt", "0");
	assert_is_of("none", "http", "");
	struct store_page page = { .limit = 1, .status = -1, .source = "http" };
	char next[64];
	store_sessions_list(store, &page, on_sessions, NULL);
	wait_for_answer();
	assert_string_equal(answer.text, "last");
	snprintf(next, sizeof(next), "%s", answer.next);
	page.after = next;
	store_sessions_list(store, &page, on_sessions, NULL);
	wait_for_answer();
	assert_string_equal(answer.text, "plain");
	assert_string_equal(answer.next, "");
	store_session_delete(store, "plain", NULL, "http", on_done, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_session("plain", 9, "");
	assert_session("chat", 9, "chat a u: user=in assistant=c");
}

/* Runs of a source are listed, and go on with sessions of theirs; those of others that came to nothing stay
 * when such a session is deleted. */
static void test_runs_of_a_source(void **state)
{
	(void)state;
	struct store_run failed = run_of("f", "plain"), into = run_of("r3", "chat"),
			 on = run_of("r4", "plain"), fresh = run_of("r5", "new");
	failed.source = "line";
	failed.status = RUN_FAILED;
	failed.finished_wall_ms = clock_wall_ms();
	into.reach = on.reach = fresh.reach = REACH_SOURCE;
	into.user = on.user = "v";
	finish_as("http", "r1", "plain", "c");
	finish_as("line", "r2", "chat", "c");
	store_run_finish(store, &failed, on_done, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_int_equal(add(&into, NULL, 0), -EPERM);
	assert_int_equal(add(&on, NULL, 0), 0);
	assert_int_equal(add(&fresh, NULL, 0), 0);
	struct store_page page = { .limit = 9, .status = -1, .source = "http" };
	assert_list(&page, "r5 r4 r1");
	page.session_id = "chat";
	assert_list(&page, "");
	page = (struct store_page){ .limit = 9, .status = RUN_FAILED, .source = "http" };
	assert_list(&page, "");
	store_session_delete(store, "plain", NULL, "http", on_done, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_list(&(struct store_page){ .limit = 9, .status = -1 }, "r5 f r2");
}

/* A session of which no turn is left is nobody's who sees those of a source only. */
static void test_a_session_without_turns_is_of_no_source(void **state)
{
	(void)state;
	finish("r1", "s1", "c");
	store_free(store);
	store = NULL;
	harm("DELETE FROM runs");
	reopen();
	assert_is_of("s1", "http", "0");
	store_sessions_list(store,
	    &(struct store_page){ .limit = 9, .status = -1, .source = "http" }, on_sessions, NULL);
	wait_for_answer();
	assert_string_equal(answer.text, "");
}

/* What auth found about a run's user is there again when the run is begun again, and gone when it is over. */
static void test_claims_last_as_long_as_they_are_needed(void **state)
{
	(void)state;
	struct store_run run = run_of("r1", "s1");
	run.claims = TEXT("{\"sub\":\"u\"}");
	add(&run, NULL, 0);
	reopen();
	store_runs_unfinished(store, on_claims, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_string_equal(answer.text, "{\"sub\":\"u\"} 0");
	finish("r1", "s1", "c");
	store_run_get(store, "r1", on_run_claims, NULL);
	wait_for_answer();
	assert_string_equal(answer.text, "");
}

/* What is not over when the store is closed is what there is to do when it is opened. */
static void test_what_was_going_on_is_known_afterwards(void **state)
{
	(void)state;
	struct store_run one = run_of("r1", "s"), two = run_of("r2", "s");
	add(&one, NULL, 0);
	add(&two, NULL, 0);
	finish("r0", "s", "c");
	store_run_attempt(store, "r1", 2, on_done, NULL);
	assert_int_equal(wait_for_answer(), 0);
	reopen();
	store_runs_unfinished(store, on_runs, NULL);
	wait_for_answer();
	assert_string_equal(answer.text, "r1 r2");
	assert_run("r1", "r1 a s u http 0 2 - =in - - - - -");
}

/* A run that agentd gave up leaves its key to another try; the agent's own failure is the answer. */
static void test_keys_of_runs_that_failed(void **state)
{
	(void)state;
	static const char *const codes[] = { "interrupted", "draining", "overloaded",
		"agent_unavailable", "session_busy", "agent_failed", "agent_crashed", "timeout",
		"run_cancelled", "session_mismatch", "forbidden" };
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		char first[8], second[8];
		snprintf(first, sizeof(first), "a%zu", i);
		snprintf(second, sizeof(second), "b%zu", i);
		struct store_run one = run_of(first, "s"), two = run_of(second, "s");
		assert_int_equal(add(&one, codes[i], 7), 0);
		one.status = RUN_FAILED;
		one.code = codes[i];
		store_run_finish(store, &one, on_done, NULL);
		wait_for_answer();
		assert_int_equal(add(&two, codes[i], 7), i < 5 ? 0 : -EEXIST);
	}
}

/* One key, one run; unless a crash interrupted it. */
static void test_idempotency_keys(void **state)
{
	(void)state;
	struct store_run one = run_of("r1", "s"), two = run_of("r2", "s"),
			 three = run_of("r3", "s");
	assert_int_equal(add(&one, "key", 7), 0);
	assert_int_equal(add(&two, "key", 8), -EEXIST);
	assert_string_equal(answer.text, "r1 7");
	assert_run("r2", "");
	assert_int_equal(add(&two, "another", 8), 0);
	one.status = RUN_FAILED;
	one.code = "interrupted";
	store_run_finish(store, &one, on_done, NULL);
	wait_for_answer();
	assert_int_equal(add(&three, "key", 9), 0);
	assert_int_equal(add(&two, "key", 9), -EEXIST);
	assert_string_equal(answer.text, "r3 9");
}

static void test_a_key_lasts_for_a_day(void **state)
{
	(void)state;
	struct store_run one = run_of("r1", "s"), two = run_of("r2", "s");
	one.created_wall_ms -= 25 * 3600 * 1000ull;
	assert_int_equal(add(&one, "key", 7), 0);
	assert_int_equal(add(&two, "key", 8), 0);
}

/* Many at once share transactions; all are answered, in order. */
static void count_done(void *arg, int error)
{
	assert_int_equal(error, 0);
	++*(int *)arg;
}

static void test_many_at_once(void **state)
{
	(void)state;
	int done = 0;
	for (int i = 0; i < 2000; i++) {
		char id[16];
		snprintf(id, sizeof(id), "r%04d", i);
		struct store_run run = run_of(id, "s");
		run.status = RUN_SUCCEEDED;
		store_run_finish(store, &run, count_done, &done);
	}
	while (done < 2000)
		event_base_loop(base, EVLOOP_ONCE);
	assert_list(&(struct store_page){ .limit = 2, .status = -1 }, "r1999 r1998");
}

/* What was given before the end is written, answered or not. */
static void test_closing_writes_what_waits(void **state)
{
	(void)state;
	int done = 0;
	struct store_run run = run_of("last", "s");
	run.status = RUN_SUCCEEDED;
	store_run_finish(store, &run, count_done, &done);
	reopen();
	assert_int_equal(done, 0);
	assert_run("last", "last a s u http 2 1 - =in - - - - -");
}

/* Retention lets go of old runs and sessions, never of what is not over, and of the space. */
static void test_retention(void **state)
{
	(void)state;
	char reason[256];
	static char large[64 << 10];
	memset(large, 'x', sizeof(large) - 1);
	struct stat before, after;
	for (int i = 0; i < 500; i++) {
		char id[16];
		snprintf(id, sizeof(id), "r%03d", i);
		struct store_run run = run_of(id, "s");
		run.created_wall_ms -= 3600 * 1000;
		run.finished_wall_ms = run.created_wall_ms;
		run.status = i == 250 ? RUN_QUEUED : RUN_SUCCEEDED;
		run.content = (struct frame_text){ large, sizeof(large) - 1 };
		store_run_finish(store, &run, on_done, NULL);
		wait_for_answer();
	}
	finish("new", "s", "c");
	store_free(store);
	stat(path, &before);
	assert_int_equal(open_store(60000, 0, reason, sizeof(reason)), 0);
	struct store_page page = { .limit = 9, .status = -1 };
	for (uint64_t end = clock_monotonic_ms() + 20000;;) {
		store_runs_list(store, &page, on_runs, NULL);
		wait_for_answer();
		if (strcmp(answer.text, "new r250") == 0 || clock_monotonic_ms() > end)
			break;
	}
	assert_list(&page, "new r250");
	for (uint64_t end = clock_monotonic_ms() + 20000; clock_monotonic_ms() < end;) {
		reopen();
		stat(path, &after);
		if (after.st_size < before.st_size / 10)
			break;
	}
	assert_true(after.st_size < before.st_size / 10);
}

/* Opening. */

static void test_a_second_daemon_is_refused(void **state)
{
	(void)state;
	struct store *first = store;
	char reason[256], expected[64];
	assert_int_equal(open_store(0, 0, reason, sizeof(reason)), -EBUSY);
	snprintf(expected, sizeof(expected), "another agentd (pid %d) has it open", getpid());
	assert_string_equal(reason, expected);
	store = first;
}

static void on_crons(void *arg, int error, const struct store_cron *crons, size_t count)
{
	(void)arg;
	answer.came = true;
	answer.error = error;
	answer.text[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		size_t n = strlen(answer.text);
		snprintf(answer.text + n, sizeof(answer.text) - n,
		    "%s|%s|%llu|%d|%s|%llu|%u|%llu|%d|%s;", crons[i].name, crons[i].schedule,
		    (unsigned long long)crons[i].due_wall_ms, crons[i].paused,
		    crons[i].run_id ? crons[i].run_id : "-",
		    (unsigned long long)crons[i].run_due_wall_ms, crons[i].attempt,
		    (unsigned long long)crons[i].retry_wall_ms, crons[i].is_open,
		    crons[i].is_known ? run_status_name(crons[i].status) : "-");
	}
}

static void assert_crons(const char *expected)
{
	store_cron_list(store, on_crons, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_string_equal(answer.text, expected);
}

/* How far a schedule has come is written with its run, or alone, and outlives the process. */
static void test_schedules(void **state)
{
	(void)state;
	struct store_run run = run_of("r1", "s");
	struct store_cron a = { .name = "a",
		.schedule = "@daily UTC",
		.due_wall_ms = 7,
		.run_id = "r1",
		.run_due_wall_ms = 7,
		.attempt = 1,
		.is_open = true };
	struct store_cron b = { .name = "b",
		.schedule = "@hourly UTC",
		.due_wall_ms = 5,
		.paused = true,
		.run_id = NULL,
		.retry_wall_ms = 9 };
	struct store_add given = { .run = &run, .cron = &a };
	store_cron_put(store, &b, on_done, NULL);
	assert_int_equal(wait_for_answer(), 0);
	store_run_add(store, &given, on_added, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_crons("a|@daily UTC|7|0|r1|7|1|0|1|queued;b|@hourly UTC|5|1|-|0|0|9|0|-;");
	finish("r1", "s", "c");
	reopen();
	b.paused = false;
	store_cron_put(store, &b, on_done, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_crons("a|@daily UTC|7|0|r1|7|1|0|1|succeeded;b|@hourly UTC|5|0|-|0|0|9|0|-;");
	store_cron_delete(store, "a", on_done, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_crons("b|@hourly UTC|5|0|-|0|0|9|0|-;");
}

static void test_a_newer_file_is_refused(void **state)
{
	(void)state;
	char reason[256];
	store_free(store);
	store = NULL;
	harm("PRAGMA user_version = 99");
	assert_int_equal(open_store(0, 0, reason, sizeof(reason)), -EPROTO);
	assert_string_equal(reason, "was written by a newer agentd (version 99, this one knows 5)");
}

/* A file of the first version, with a run in it, is brought up to this one. */
static void test_an_older_file_is_upgraded(void **state)
{
	(void)state;
	finish("r1", "s1", "c");
	store_free(store);
	store = NULL;
	harm(
	    "DROP TABLE cron; DROP INDEX runs_by_user; DROP INDEX sessions_by_user; ALTER TABLE runs DROP COLUMN claims;"
	    "ALTER TABLE runs DROP COLUMN any_session; ALTER TABLE runs DROP COLUMN trigger_name;"
	    "DROP TABLE incoming; DROP TABLE chats; DROP TABLE replies; DROP TABLE identity_links;"
	    "ALTER TABLE runs DROP COLUMN attachments; ALTER TABLE runs DROP COLUMN files;"
	    "ALTER TABLE runs DROP COLUMN history;"
	    "PRAGMA user_version = 1");
	reopen();
	assert_session("s1", 9, "s1 a u: user=in assistant=c");
	struct store_page page = { .limit = 9, .status = -1, .user = "u" };
	store_runs_list(store, &page, on_runs, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_string_equal(answer.text, "r1");
}

static void flip(off_t at)
{
	int fd = open(path, O_RDWR);
	unsigned char byte;
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 0xff;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

/* A byte of the head: not a database any more. */
static void test_a_file_with_a_broken_head_is_refused(void **state)
{
	(void)state;
	char reason[256];
	store_free(store);
	store = NULL;
	flip(5);
	assert_int_equal(open_store(0, 0, reason, sizeof(reason)), -EBADMSG);
	assert_string_equal(reason, "file is not a database");
}

/* A page of a tree: found after an unclean stop, by the check beside the work. */
static void test_a_broken_page_is_found_after_a_crash(void **state)
{
	(void)state;
	char reason[256];
	struct stat st;
	for (int i = 0; i < 200; i++) {
		char id[16];
		snprintf(id, sizeof(id), "r%03d", i);
		finish(id, "s", "content");
	}
	store_free(store);
	store = NULL;
	harm("UPDATE meta SET value = 0");
	stat(path, &st);
	flip(st.st_size - 4096); /* the kind of the last page */
	assert_int_equal(open_store(0, 0, reason, sizeof(reason)), 0);
	for (uint64_t end = clock_monotonic_ms() + 20000; !trouble[0];) {
		event_base_loop(base, EVLOOP_ONCE);
		assert_true(clock_monotonic_ms() < end);
	}
	assert_non_null(strstr(trouble, "ree")); /* "Tree 2 page 9 …" */
	assert_int_equal(finish("late", "s", "c"), -EBADMSG);
}

/* A disk that is full is an error for each who writes, and for nobody who reads; once there is room
 * again all is well, without opening it anew. */
static void test_a_full_disk(void **state)
{
	(void)state;
	struct rlimit before, full;
	static char large[256 << 10];
	memset(large, 'x', sizeof(large) - 1);
	finish("r1", "s", "c");
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	full = (struct rlimit){ .rlim_cur = 128 << 10, .rlim_max = before.rlim_max };
	setrlimit(RLIMIT_FSIZE, &full);
	int error = finish("r2", "s", large);
	assert_true(error == -EIO || error == -ENOSPC);
	assert_session("s", 9, "s a u: user=in assistant=c");
	assert_run("r2", "");
	setrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(finish("r2", "s", "d"), 0);
	assert_session("s", 9, "s a u: user=in assistant=c user=in assistant=d");
}

int main(void)
{
#define SQLITE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define MEMORY(name)                                                 \
	{                                                            \
		"memory: " #name, name, setup_memory, teardown, NULL \
	}
	const struct CMUnitTest tests[] = {
		SQLITE(test_history),
		MEMORY(test_history),
		SQLITE(test_history_is_cut_at_turns),
		SQLITE(test_turns_are_in_the_order_in_which_runs_ended),
		SQLITE(test_a_run_comes_back),
		SQLITE(test_finishing_twice_is_once),
		SQLITE(test_lists_have_pages_and_filters),
		SQLITE(test_sessions_are_listed_by_use_and_deleted),
		MEMORY(test_sessions_are_listed_by_use_and_deleted),
		SQLITE(test_sessions_are_deleted_by_their_user),
		MEMORY(test_sessions_are_deleted_by_their_user),
		SQLITE(test_a_run_is_added_to_its_users_session),
		SQLITE(test_lists_of_a_user),
		SQLITE(test_sessions_of_a_source),
		MEMORY(test_sessions_of_a_source),
		SQLITE(test_runs_of_a_source),
		SQLITE(test_a_session_without_turns_is_of_no_source),
		SQLITE(test_claims_last_as_long_as_they_are_needed),
		SQLITE(test_what_was_going_on_is_known_afterwards),
		SQLITE(test_keys_of_runs_that_failed),
		SQLITE(test_idempotency_keys),
		SQLITE(test_a_key_lasts_for_a_day),
		SQLITE(test_many_at_once),
		SQLITE(test_closing_writes_what_waits),
		SQLITE(test_retention),
		SQLITE(test_schedules),
		SQLITE(test_a_second_daemon_is_refused),
		SQLITE(test_a_newer_file_is_refused),
		SQLITE(test_an_older_file_is_upgraded),
		SQLITE(test_a_file_with_a_broken_head_is_refused),
		SQLITE(test_a_broken_page_is_found_after_a_crash),
		SQLITE(test_a_full_disk),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
