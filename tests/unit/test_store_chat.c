/* store: what chats need of it when something goes wrong, grows old, or is of an older agentd. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/unit/chat_store.h"

/* What goes wrong. */

/* Keeps answers in their order. */
static void note_error(void *arg, int error)
{
	char *notes = arg;
	size_t n = strlen(notes);
	snprintf(notes + n, NOTES - n, "%s ", error == 0 ? "0" : strerrorname_np(-error));
}

static void note_seq(void *arg, int error, int64_t seq)
{
	(void)seq;
	note_error(arg, error);
}

static void note_added(void *arg, int error, const struct store_taken *taken)
{
	(void)taken;
	note_error(arg, error);
}

static void note_count(
    void *arg, int error, const struct store_reply *replies, size_t n, const char *next)
{
	char *notes = arg;
	(void)replies;
	assert_int_equal(error, 0);
	assert_null(next);
	snprintf(notes + strlen(notes), NOTES - strlen(notes), "%zu ", n);
}

/* So many transactions are in the log (https://www.sqlite.org/fileformat2.html, section 4.1). */
static unsigned commits(void)
{
	char name[128];
	unsigned char frame[24 + 4096], head[32];
	unsigned all = 0;
	snprintf(name, sizeof(name), "%s-wal", path);
	FILE *log = fopen(name, "rb");
	assert_true(log && fread(head, sizeof(head), 1, log) == 1);
	while (fread(frame, sizeof(frame), 1, log) == 1)
		all += frame[4] || frame[5] || frame[6] || frame[7];
	fclose(log);
	return all;
}

/* One of a batch that is refused is no harm to the others: each is answered once, as if alone. Bug: another user's session
 * made the batch's others a transaction each. */
static void test_a_refusal_in_a_batch(void **state)
{
	(void)state;
	char notes[NOTES] = "";
	struct store_run foreign = run_of("r0", "s1"), run = run_of("r1", "s1");
	struct store_incoming one = incoming_of("k1");
	struct store_reply reply = reply_of("r9");
	struct store_add add = { .run = &run, .incoming = 1, .chat = &chat1 };
	foreign.user = "bob";
	assert_int_equal(finish(&foreign), 0); /* s1 is Bob's: the run is refused */
	sqlite3 *holder = look_in();
	assert_int_equal(sqlite3_exec(holder, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	unsigned before = commits();
	store_reply_delete(store, 1, note_error, notes); /* the writer waits with it */
	store_incoming_add(store, &one, note_seq, notes);
	store_incoming_add(store, &one, note_seq, notes);
	store_reply_add(store, &reply, 0, note_seq, notes);
	store_reply_add(store, &reply, 1, note_seq, notes);
	store_replies_all(store, note_count, notes);
	store_run_add(store, &add, note_added, notes);
	store_incoming_add(store, &one, note_seq, notes);
	store_replies_all(store, on_replies, NULL);
	assert_int_equal(sqlite3_exec(holder, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(holder);
	assert_int_equal(wait_for_answer(), 0);
	assert_string_equal(answer.text, "1|tg|c1|-|r9|-|-|-|0|0|8|9|0");
	assert_string_equal(notes, "ENOENT 0 EEXIST 0 EEXIST 1 EPERM EEXIST ");
	assert_true(commits() - before <= 2);
	assert_incomings("");
	assert_chat("tg", "ann", "c1", "");
	assert_int_equal(count("SELECT count(*) FROM incoming"), 1);
	assert_int_equal(count("SELECT count(*) FROM replies"), 1);
}

/* A full disk is an error for who writes, who may then write the same again; reading goes on. */
static void test_a_full_disk(void **state)
{
	(void)state;
	struct rlimit before, full;
	static char large[256 << 10];
	memset(large, 'x', sizeof(large));
	int64_t seq = add_incoming("k1", 0);
	struct store_incoming incoming = incoming_of("k2");
	struct store_reply reply = reply_of("r1");
	incoming.body = reply.text = (struct frame_text){ large, sizeof(large) };
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	full = (struct rlimit){ .rlim_cur = 160 << 10, .rlim_max = before.rlim_max };
	setrlimit(RLIMIT_FSIZE, &full);
	store_incoming_add(store, &incoming, on_seq, NULL);
	int error = wait_for_answer();
	assert_true(error == -EIO || error == -ENOSPC);
	assert_int_equal(answer.number, 0);
	store_reply_add(store, &reply, seq, on_seq, NULL);
	error = wait_for_answer();
	assert_true(error == -EIO || error == -ENOSPC);
	assert_incomings("1|tg|=k1|ann|c1|-|0|-|7");
	assert_replies("");
	setrlimit(RLIMIT_FSIZE, &before);
	store_reply_add(store, &reply, seq, on_seq, NULL);
	assert_int_equal(wait_for_answer(), 0);
	store_incoming_add(store, &incoming, on_seq, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_incomings("2|tg|=k2|ann|c1|-|0|-|7");
}

static void note_incoming(void *arg, int error, const struct store_incoming *incoming)
{
	assert_null(incoming);
	note_error(arg, error);
}

static void note_incomings(void *arg, int error, const struct store_incoming *incomings, size_t n)
{
	assert_null(incomings);
	assert_int_equal(n, 0);
	note_error(arg, error);
}

static void note_chat(void *arg, int error, const struct store_chat *chat)
{
	assert_null(chat);
	note_error(arg, error);
}

static void note_reply(void *arg, int error, const struct store_reply *reply)
{
	assert_null(reply);
	note_error(arg, error);
}

static void note_replies(
    void *arg, int error, const struct store_reply *replies, size_t n, const char *next)
{
	assert_null(replies);
	assert_int_equal(n, 0);
	assert_null(next);
	note_error(arg, error);
}

static void note_identities(void *arg, int error, const struct store_identity *links, size_t n)
{
	assert_null(links);
	assert_int_equal(n, 0);
	note_error(arg, error);
}

#define CALLS 15

/* Every call that there is, of which none finds anything. */
static void call_all(char *notes)
{
	struct store_incoming incoming = incoming_of("k1");
	struct store_reply reply = reply_of("r1");
	struct store_page page = { .limit = 1 };
	struct store_identity link = { .platform = "p", .platform_user_id = "1", .user_id = "u" };
	store_incoming_add(store, &incoming, note_seq, notes);
	store_incoming_get(store, 1, note_incoming, notes);
	store_incoming_list(store, note_incomings, notes);
	store_incoming_end(store, 1, note_error, notes);
	store_chat_get(store, "tg", "ann", "c1", note_chat, notes);
	store_chats_sweep(store, "tg", 1, note_error, notes);
	store_reply_add(store, &reply, 1, note_seq, notes);
	store_reply_get(store, 1, note_reply, notes);
	store_reply_put(store, &reply, note_error, notes);
	store_reply_delete(store, 1, note_error, notes);
	store_replies_all(store, note_replies, notes);
	store_replies_list(store, &page, note_replies, notes);
	store_identities_list(store, note_identities, notes);
	store_identity_put(store, &link, note_error, notes);
	store_identity_delete(store, "p", "1", note_error, notes);
}

static void assert_all(const char *notes, const char *expected)
{
	for (int i = 0; i < CALLS; i++, notes += strlen(expected))
		assert_memory_equal(notes, expected, strlen(expected));
	assert_string_equal(notes, "");
}

/* Does what comes of messages, one after another, and says so of each. */
static void answer_messages(int fd)
{
	base = event_base_new(); /* the other one is its parent's, too */
	open_store();
	for (int i = 1;; i++) {
		char key[16], id[16];
		snprintf(key, sizeof(key), "k%d", i);
		snprintf(id, sizeof(id), "r%d", i);
		struct store_chat chat = chat1;
		chat.session_id = id;
		int64_t seq = add_incoming(key, 0);
		add_run(id, seq, &chat);
		add_reply(id, seq, 0);
		if (write(fd, "", 1) < 0)
			_exit(1);
	}
}

/* Wherever it ends, there is all of a step or nothing of it; and what is missing can be done again. */
static void test_a_crash_between_two_steps(void **state)
{
	(void)state;
	int fds[2];
	char said[40];
	close_store();
	assert_int_equal(pipe(fds), 0);
	pid_t child = fork();
	if (child == 0)
		answer_messages(fds[1]);
	close(fds[1]);
	for (size_t n = 0; n < sizeof(said);) {
		ssize_t more = read(fds[0], said, sizeof(said) - n);
		assert_true(more > 0);
		n += (size_t)more;
	}
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	close(fds[0]);
	open_store();
	int64_t messages = count("SELECT count(*) FROM incoming");
	assert_true(messages >= (int64_t)sizeof(said));
	assert_int_equal(count("SELECT count(*) FROM incoming WHERE state <> 2") <= 1, 1);
	assert_int_equal(count("SELECT count(*) FROM incoming WHERE state = 2"),
	    count("SELECT count(*) FROM replies"));
	assert_int_equal(count("SELECT count(*) FROM incoming WHERE state <> 0"),
	    count("SELECT count(*) FROM runs"));
	assert_int_equal(count("SELECT count(*) FROM chats c JOIN runs r ON r.id = c.session_id"
			       " AND r.seq = (SELECT max(seq) FROM runs)"),
	    1);
	/* The platform says the last one again, and it is answered as if nothing had been. */
	char key[16], id[16];
	snprintf(key, sizeof(key), "k%d", (int)messages);
	snprintf(id, sizeof(id), "r%d", (int)messages);
	int64_t seq = add_incoming(key, -EEXIST);
	assert_int_equal(add_run(id, seq, &chat1), 0);
	bool had_one = count("SELECT count(*) FROM replies") == messages;
	add_reply(id, seq, had_one ? -EEXIST : 0);
	assert_incomings("");
	assert_int_equal(count("SELECT count(*) FROM replies"), messages);
	assert_int_equal(count("SELECT count(*) FROM runs"), messages);
}

/* A store that keeps no runs says so, and does not lose a message silently. */
static void test_a_store_without_a_file(void **state)
{
	(void)state;
	char notes[NOTES] = "";
	close_store();
	store = store_new_memory(9);
	call_all(notes);
	assert_all(notes, "EOPNOTSUPP ");
}

/* What is asked for while the store closes is answered, once, and is not done. */
static void call_all_then(void *arg, int error)
{
	assert_int_equal(error, 0);
	call_all(arg);
}

static void test_closing(void **state)
{
	(void)state;
	char notes[NOTES] = "";
	store_incoming_end(store, 1, call_all_then, notes);
	store_close(store);
	assert_all(notes, "ESHUTDOWN ");
	reopen();
	assert_incomings("");
	assert_replies("");
	assert_identities("");
	assert_int_equal(count("SELECT count(*) FROM incoming"), 0);
}

/* What waits when the store is freed is written, and nobody is told. */
static void test_what_waits_is_written(void **state)
{
	(void)state;
	int done = 0;
	struct store_incoming incoming = incoming_of("k1");
	store_incoming_add(store, &incoming, count_seq, &done);
	reopen();
	assert_int_equal(done, 0);
	assert_incoming(1, "1|tg|=k1|ann|c1|=hello|0|-|7");
}

/* A file of the version before, with runs of all kinds in it, is brought up to this one. */
static void test_an_older_file_is_upgraded(void **state)
{
	(void)state;
	struct store_run over = run_of("r1", "s1"), waiting = run_of("r2", "s1");
	struct store_add add = { .run = &waiting };
	assert_int_equal(finish(&over), 0);
	store_run_add(store, &add, on_added, NULL);
	assert_int_equal(wait_for_answer(), 0);
	close_store();
	harm("DROP TABLE incoming; DROP TABLE chats; DROP TABLE replies; DROP TABLE identity_links;"
	     "ALTER TABLE runs DROP COLUMN attachments; ALTER TABLE runs DROP COLUMN files;"
	     "ALTER TABLE runs DROP COLUMN history; PRAGMA user_version = 4");
	open_store();
	assert_int_equal(count("SELECT user_version FROM pragma_user_version"), 5);
	store_runs_list(store, &(struct store_page){ .limit = 9, .status = -1 }, on_runs, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_string_equal(answer.text, "r2|-|-|0 r1|-|-|0");
	store_runs_unfinished(store, on_runs, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_string_equal(answer.text, "r2|-|-|0");
	int64_t seq = add_incoming("k1", 0);
	assert_int_equal(add_run("r3", seq, &chat1), 0);
	assert_int_equal(add_reply("r3", seq, 0), 1);
	assert_int_equal(put_identity("telegram", "1", "ann", NULL, 1), 0);
}

/* Keys go after a week, in pieces, and only those of what is over. */
static void test_keys_are_kept_for_a_week(void **state)
{
	(void)state;
	int done = 0;
	uint64_t now = clock_wall_ms();
	for (int i = 1; i <= 352; i++) {
		char key[16];
		snprintf(key, sizeof(key), "k%d", i);
		struct store_incoming incoming = incoming_of(key);
		incoming.at_wall_ms = now - (i <= 351 ? 8 * DAY_MS : 6 * DAY_MS);
		store_incoming_add(store, &incoming, count_seq, &done);
		if (i != 351) /* which is as old as the others, and waits */
			store_incoming_end(store, i, count_done, &done);
	}
	assert_incoming(352, "");
	assert_int_equal(count("SELECT count(*) FROM incoming"), 352);
	reopen(); /* which sweeps */
	for (uint64_t end = clock_monotonic_ms() + 20000;
	     count("SELECT count(*) FROM incoming") > 2;) {
		store_incoming_list(
		    store, on_incomings, NULL); /* what was swept is answered, too */
		assert_int_equal(wait_for_answer(), 0);
		assert_true(clock_monotonic_ms() < end);
	}
	add_incoming("k1", 0);
	assert_int_equal(add_incoming("k351", -EEXIST), 351);
	assert_int_equal(add_incoming("k352", -EEXIST), 352);
}

int main(void)
{
#define SQLITE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		SQLITE(test_a_refusal_in_a_batch),
		SQLITE(test_a_full_disk),
		SQLITE(test_a_crash_between_two_steps),
		SQLITE(test_a_store_without_a_file),
		SQLITE(test_closing),
		SQLITE(test_what_waits_is_written),
		SQLITE(test_an_older_file_is_upgraded),
		SQLITE(test_keys_are_kept_for_a_week),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
