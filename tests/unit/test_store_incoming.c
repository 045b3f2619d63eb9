/* store: messages of chats until they are answered, their runs and their sessions. */
#include "tests/unit/chat_store.h"

/* Messages. */

/* What is acknowledged is there, in its order, until something came of it; after a restart as well. */
static void test_messages_wait_in_their_order(void **state)
{
	(void)state;
	assert_incomings("");
	assert_int_equal(add_incoming("k1", 0), 1);
	assert_int_equal(add_incoming("k2", 0), 2);
	assert_int_equal(add_incoming("k3", 0), 3);
	assert_incoming(2, "2|tg|=k2|ann|c1|=hello|0|-|7");
	assert_incoming(4, "");
	assert_incoming(0, "");
	end_incoming(2);
	const char *expected = "1|tg|=k1|ann|c1|-|0|-|7 3|tg|=k3|ann|c1|-|0|-|7";
	assert_incomings(expected);
	reopen();
	assert_incomings(expected);
	assert_incoming(3, "3|tg|=k3|ann|c1|=hello|0|-|7");
	assert_incoming(2, "");
}

/* What a message is given of state, run and number does not matter; a body may be absent or empty. */
static void test_a_message_is_new(void **state)
{
	(void)state;
	struct store_incoming incoming = incoming_of("k1");
	incoming.seq = 77;
	incoming.state = INCOMING_OVER;
	incoming.run_id = "r1";
	incoming.body = (struct frame_text){ 0 };
	store_incoming_add(store, &incoming, on_seq, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_int_equal(answer.number, 1);
	assert_incoming(1, "1|tg|=k1|ann|c1|-|0|-|7");
	incoming.key = TEXT("k2");
	incoming.body = TEXT("");
	store_incoming_add(store, &incoming, on_seq, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_incoming(2, "2|tg|=k2|ann|c1|=|0|-|7");
}

/* A platform that delivers twice is told so, whatever has come of the first; keys are of an interface, and bytes. */
static void test_a_known_key(void **state)
{
	(void)state;
	int64_t first = add_incoming("k1", 0);
	assert_int_equal(add_incoming("k1", -EEXIST), first);
	assert_incoming(first, "1|tg|=k1|ann|c1|=hello|0|-|7");
	struct store_incoming other = incoming_of("k1");
	other.interface = "dc";
	store_incoming_add(store, &other, on_seq, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_int_not_equal(answer.number, first);
	end_incoming(first);
	reopen();
	assert_int_equal(add_incoming("k1", -EEXIST), first);
	assert_incoming(first, "");
	static const struct frame_text bytes[] = { { "a\0b", 3 }, { "a\0c", 3 }, { "a", 1 } };
	for (size_t i = 0; i < 6; i++) {
		struct store_incoming incoming = incoming_of("");
		incoming.key = bytes[i % 3];
		store_incoming_add(store, &incoming, on_seq, NULL);
		assert_int_equal(wait_for_answer(), i < 3 ? 0 : -EEXIST);
	}
}

/* Ending is done once, however often it is asked for, and leaves nothing but the key. */
static void test_a_message_that_is_over(void **state)
{
	(void)state;
	int64_t seq = add_incoming("k1", 0);
	assert_int_equal(add_run("r1", seq, NULL), 0);
	end_incoming(seq);
	end_incoming(seq);
	end_incoming(99);
	assert_incomings("");
	assert_int_equal(count("SELECT count(*) FROM incoming WHERE key = CAST('k1' AS BLOB)"
			       " AND state = 2 AND user_id IS NULL AND chat_id IS NULL"
			       " AND run_id IS NULL AND body IS NULL"),
	    1);
	assert_int_equal(add_run("r2", seq, NULL), 0); /* late: it is over all the same */
	assert_incoming(seq, "");
	assert_incomings("");
}

/* Runs and chats. */

/* A run, its message and its chat's session are one write: after it all of it is so. */
static void test_a_run_with_its_message_and_chat(void **state)
{
	(void)state;
	assert_chat("tg", "ann", "c1", "");
	int64_t seq = add_incoming("k1", 0), other = add_incoming("k2", 0);
	assert_int_equal(add_run("r1", seq, &chat1), 0);
	reopen();
	assert_incoming(seq, "1|tg|=k1|ann|c1|=hello|1|r1|7");
	assert_incoming(other, "2|tg|=k2|ann|c1|=hello|0|-|7");
	assert_incomings("1|tg|=k1|ann|c1|-|1|r1|7 2|tg|=k2|ann|c1|-|0|-|7");
	assert_chat("tg", "ann", "c1", "tg|ann|c1|s1|100");
	store_run_get(store, "r1", on_run, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_string_equal(answer.text, "r1|-|-|0");
	struct store_chat later = chat1;
	later.session_id = "s2";
	later.at_wall_ms = 200;
	assert_int_equal(add_run("r2", other, &later), 0);
	assert_chat("tg", "ann", "c1", "tg|ann|c1|s2|200");
	assert_chat("tg", "ann", "c2", "");
	assert_chat("tg", "bob", "c1", "");
	assert_chat("dc", "ann", "c1", "");
}

/* A run that is refused leaves its message and its chat as they were. */
static void test_a_run_that_is_refused_changes_nothing(void **state)
{
	(void)state;
	int64_t seq = add_incoming("k1", 0);
	struct store_run foreign = run_of("r0", "s1"), run = run_of("r1", "s1");
	foreign.user = "bob";
	assert_int_equal(finish(&foreign), 0); /* s1 is Bob's */
	assert_int_equal(add_run("r1", seq, &chat1), -EPERM);
	assert_incoming(seq, "1|tg|=k1|ann|c1|=hello|0|-|7");
	assert_chat("tg", "ann", "c1", "");
	run.session_id = "s2";
	struct store_add add = { .run = &run, .key = TEXT("key") };
	store_run_add(store, &add, on_added, NULL);
	assert_int_equal(wait_for_answer(), 0);
	run.id = "r2";
	add.incoming = seq;
	add.chat = &chat1;
	store_run_add(store, &add, on_added, NULL);
	assert_int_equal(wait_for_answer(), -EEXIST);
	assert_incoming(seq, "1|tg|=k1|ann|c1|=hello|0|-|7");
	assert_chat("tg", "ann", "c1", "");
}

/* Who asks sees what was asked for before, answered or not. */
static void test_answers_come_behind_what_was_asked_before(void **state)
{
	(void)state;
	int done = 0;
	for (int i = 1; i <= 100; i++) {
		char key[16], other[16], id[16], expected[64];
		snprintf(key, sizeof(key), "k%d", i);
		snprintf(other, sizeof(other), "o%d", i);
		snprintf(id, sizeof(id), "r%d", i);
		struct store_incoming first = incoming_of(key), second = incoming_of(other);
		struct store_run run = run_of(id, "s1");
		struct store_chat chat = chat1;
		struct store_reply reply = reply_of(id);
		struct store_add add = { .run = &run, .incoming = 2 * i - 1, .chat = &chat };
		chat.at_wall_ms = (uint64_t)i;
		reply.id = i;
		store_incoming_add(store, &first, count_seq, &done);
		snprintf(expected, sizeof(expected), "%d|tg|=k%d|ann|c1|-|0|-|7", 2 * i - 1, i);
		assert_incomings(expected);
		store_incoming_add(store, &second, count_seq, &done);
		snprintf(expected, sizeof(expected), "%d|tg|=o%d|ann|c1|=hello|0|-|7", 2 * i, i);
		assert_incoming(2 * i, expected);
		store_incoming_end(store, 2 * i, count_done, &done);
		assert_incoming(2 * i, "");
		store_run_add(store, &add, count_added, &done);
		snprintf(expected, sizeof(expected), "tg|ann|c1|s1|%d", i);
		assert_chat("tg", "ann", "c1", expected);
		store_reply_add(store, &reply, 2 * i - 1, count_seq, &done);
		snprintf(expected, sizeof(expected), "%d|tg|c1|-|r%d|-|-|-|0|0|8|9|0", i, i);
		assert_replies(expected);
		reply.attempts = 1;
		store_reply_put(store, &reply, count_done, &done);
		snprintf(expected, sizeof(expected), "%d|tg|c1|-|r%d|=hi|-|-|1|0|8|9|0", i, i);
		assert_reply(i, expected);
		store_reply_delete(store, i, count_done, &done);
		assert_replies("");
	}
	assert_int_equal(done, 7 * 100);
	assert_incomings("");
}

/* Chats that have been silent are let go of, of one interface, and what they said stays. */
static void test_silent_chats_are_swept(void **state)
{
	(void)state;
	struct store_chat chats[] = { chat1, chat1, chat1, chat1 };
	chats[1].chat_id = "c2";
	chats[1].at_wall_ms = 101;
	chats[2].user_id = "bob";
	chats[2].at_wall_ms = 102;
	chats[3].interface = "dc";
	for (size_t i = 0; i < 4; i++) {
		char id[8];
		snprintf(id, sizeof(id), "r%zu", i);
		assert_int_equal(add_run(id, 0, &chats[i]), 0);
	}
	struct store_run run = run_of("r0", "s1");
	assert_int_equal(finish(&run), 0);
	store_chats_sweep(store, "tg", 102, on_done, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_chat("tg", "ann", "c1", "");
	assert_chat("tg", "ann", "c2", "");
	assert_chat("tg", "bob", "c1", "tg|bob|c1|s1|102");
	assert_chat("dc", "ann", "c1", "dc|ann|c1|s1|100");
	store_chats_sweep(store, "nobody", 102, on_done, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_int_equal(count("SELECT count(*) FROM sessions WHERE id = 's1'"), 1);
}

/* What came with a run, and what goes with its answer, comes back by each call that gives runs. */
static void test_files_of_runs(void **state)
{
	(void)state;
	struct store_run run = run_of("r1", "s1");
	struct store_add add = { .run = &run };
	run.attachments = TEXT("[1]");
	run.history = 50;
	store_run_add(store, &add, on_added, NULL);
	assert_int_equal(wait_for_answer(), 0);
	reopen();
	store_runs_unfinished(store, on_runs, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_string_equal(answer.text, "r1|=[1]|-|50");
	struct store_run end = run_of("r1", "s1"); /* of who does not have them at hand */
	end.files = TEXT("[2]");
	assert_int_equal(finish(&end), 0);
	struct store_run at_once = run_of("r2", "s1");
	at_once.attachments = TEXT("[3]");
	at_once.files = TEXT("[4]");
	at_once.history = 9;
	assert_int_equal(finish(&at_once), 0);
	store_run_get(store, "r1", on_run, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_string_equal(answer.text, "r1|=[1]|=[2]|50");
	store_runs_list(store, &(struct store_page){ .limit = 9, .status = -1 }, on_runs, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_string_equal(answer.text, "r2|=[3]|=[4]|9 r1|=[1]|=[2]|50");
}

int main(void)
{
#define SQLITE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		SQLITE(test_messages_wait_in_their_order),
		SQLITE(test_a_message_is_new),
		SQLITE(test_a_known_key),
		SQLITE(test_a_message_that_is_over),
		SQLITE(test_a_run_with_its_message_and_chat),
		SQLITE(test_a_run_that_is_refused_changes_nothing),
		SQLITE(test_answers_come_behind_what_was_asked_before),
		SQLITE(test_silent_chats_are_swept),
		SQLITE(test_files_of_runs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
