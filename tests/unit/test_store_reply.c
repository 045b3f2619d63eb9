/* store: replies until platforms have taken them, and who is who there. */
#include "tests/unit/chat_store.h"

/* Replies. */

/* A reply and the end of its message are one write; all of it comes back, after a restart as well. */
static void test_a_reply_ends_its_message(void **state)
{
	(void)state;
	int64_t seq = add_incoming("k1", 0);
	assert_int_equal(add_run("r1", seq, &chat1), 0);
	struct store_reply reply = reply_of("r1");
	reply.reply_to = "m1";
	reply.files = TEXT("[]");
	reply.error = TEXT("slow");
	reply.attempts = 2;
	reply.parts = 3;
	reply.aside = true;
	store_reply_add(store, &reply, seq, on_seq, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_int_equal(answer.number, 1);
	reopen();
	assert_incomings("");
	assert_incoming(seq, "");
	assert_reply(1, "1|tg|c1|m1|r1|=hi|=[]|=slow|2|3|8|9|1");
	assert_reply(2, "");
	assert_int_equal(add_incoming("k1", -EEXIST), seq);
}

/* A run has one reply, whatever is tried; the message is over all the same. Of no run there may be many. */
static void test_a_run_has_one_reply(void **state)
{
	(void)state;
	int64_t first = add_incoming("k1", 0), second = add_incoming("k2", 0);
	int64_t id = add_reply("r1", 0, 0);
	assert_incomings("1|tg|=k1|ann|c1|-|0|-|7 2|tg|=k2|ann|c1|-|0|-|7");
	assert_int_equal(add_reply("r1", first, -EEXIST), id);
	assert_int_equal(add_reply("r1", first, -EEXIST), id);
	assert_incomings("2|tg|=k2|ann|c1|-|0|-|7");
	reopen();
	assert_int_equal(add_reply("r1", second, -EEXIST), id);
	assert_incomings("");
	assert_replies("1|tg|c1|-|r1|-|-|-|0|0|8|9|0");
	assert_int_not_equal(add_reply(NULL, 0, 0), add_reply(NULL, 0, 0));
	assert_int_equal(count("SELECT count(*) FROM replies"), 3);
}

/* Tries are written down, and only they change. */
static void test_what_became_of_a_reply(void **state)
{
	(void)state;
	int64_t id = add_reply("r1", 0, 0);
	struct store_reply change = { .id = id,
		.interface = "dc",
		.chat_id = "c2",
		.text = TEXT("no"),
		.attempts = 1,
		.parts = 2,
		.error = TEXT("429"),
		.created_wall_ms = 1,
		.next_wall_ms = 99 };
	store_reply_put(store, &change, on_done, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_reply(id, "1|tg|c1|-|r1|=hi|-|=429|1|2|8|99|0");
	change.error = (struct frame_text){ 0 };
	change.aside = true;
	store_reply_put(store, &change, on_done, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_reply(id, "1|tg|c1|-|r1|=hi|-|-|1|2|8|99|1");
	store_reply_delete(store, id, on_done, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_reply(id, "");
	store_reply_delete(store, id, on_done, NULL);
	assert_int_equal(wait_for_answer(), -ENOENT);
	store_reply_put(store, &change, on_done, NULL);
	assert_int_equal(wait_for_answer(), -ENOENT);
}

/* A number is given once: what is said late of one that is gone is said of no other. */
static void test_numbers_are_not_given_again(void **state)
{
	(void)state;
	int64_t id = add_reply("r1", 0, 0), seq = add_incoming("k1", 0);
	store_reply_delete(store, id, on_done, NULL);
	assert_int_equal(wait_for_answer(), 0);
	close_store();
	harm("DELETE FROM incoming");
	open_store();
	assert_true(add_reply("r2", 0, 0) > id);
	assert_true(add_incoming("k2", 0) > seq);
}

/* All is listed in its order and without what is large; and in pages, newest first. */
static void test_lists_of_replies(void **state)
{
	(void)state;
	struct store_reply change = { .id = 2, .error = TEXT("gone"), .aside = true };
	struct store_page page = { .limit = 2 };
	char next[64];
	assert_replies("");
	add_reply("r1", 0, 0);
	add_reply("r2", 0, 0);
	add_reply("r3", 0, 0);
	store_reply_put(store, &change, on_done, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_replies("1|tg|c1|-|r1|-|-|-|0|0|8|9|0 2|tg|c1|-|r2|-|-|-|0|0|8|0|1 "
		       "3|tg|c1|-|r3|-|-|-|0|0|8|9|0");
	store_replies_list(store, &page, on_replies, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_string_equal(
	    answer.text, "3|tg|c1|-|r3|=hi|-|-|0|0|8|9|0 2|tg|c1|-|r2|=hi|-|=gone|0|0|8|0|1");
	snprintf(next, sizeof(next), "%s", answer.next);
	assert_string_not_equal(next, "");
	page.after = next;
	store_replies_list(store, &page, on_replies, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_string_equal(answer.text, "1|tg|c1|-|r1|=hi|-|-|0|0|8|9|0");
	assert_string_equal(answer.next, "");
	page = (struct store_page){ .limit = 3 };
	store_replies_list(store, &page, on_replies, NULL);
	assert_int_equal(wait_for_answer(), 0);
	assert_string_equal(answer.next, "");
	static const char *const bad[] = { "x", "", "-1", "0", "1x" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		page.after = bad[i];
		store_replies_list(store, &page, on_replies, NULL);
		assert_int_equal(wait_for_answer(), -EINVAL);
		assert_string_equal(answer.text, "");
	}
}

/* Who is who. */

static int delete_identity(const char *platform, const char *platform_user_id)
{
	store_identity_delete(store, platform, platform_user_id, on_done, NULL);
	return wait_for_answer();
}

/* Links are of a platform's user, by user and then by their time; one that is made anew is another. */
static void test_identities(void **state)
{
	(void)state;
	assert_identities("");
	assert_int_equal(put_identity("telegram", "1", "bob", "@bob", 5), 0);
	assert_int_equal(put_identity("signal", "+49", "ann", NULL, 9), 0);
	assert_int_equal(put_identity("discord", "1", "ann", "ann", 7), 0);
	reopen();
	assert_identities("discord|1|ann|ann|7 signal|+49|ann|-|9 telegram|1|bob|@bob|5");
	assert_int_equal(put_identity("telegram", "1", "ann", NULL, 8), 0);
	assert_identities("discord|1|ann|ann|7 telegram|1|ann|-|8 signal|+49|ann|-|9");
	assert_int_equal(delete_identity("telegram", "2"), -ENOENT);
	assert_int_equal(delete_identity("matrix", "1"), -ENOENT);
	assert_int_equal(delete_identity("telegram", "1"), 0);
	assert_int_equal(delete_identity("telegram", "1"), -ENOENT);
	assert_identities("discord|1|ann|ann|7 signal|+49|ann|-|9");
	assert_int_equal(count("SELECT count(*) FROM identity_links WHERE platform = 'signal' AND"
			       " platform_user_id = '+49' AND canonical_user_id = 'ann' AND"
			       " username IS NULL AND linked_at = 9"),
	    1);
}

int main(void)
{
#define SQLITE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		SQLITE(test_a_reply_ends_its_message),
		SQLITE(test_a_run_has_one_reply),
		SQLITE(test_what_became_of_a_reply),
		SQLITE(test_numbers_are_not_given_again),
		SQLITE(test_lists_of_replies),
		SQLITE(test_identities),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
