/* identity: what a reload does to links: those of the config come and go, those of the store stay. */
#include "daemon/chat/identity.h"
#include "tests/unit/chat_store.h"

static void on_told(void *arg, int error)
{
	(void)arg;
	answer.came = true;
	answer.error = error;
}

static int link_user(struct identities *identities, const char *user, const char *id)
{
	struct store_identity link = { .user_id = user, .platform = "irc", .platform_user_id = id };
	identities_link(identities, &link, on_told, NULL);
	return wait_for_answer();
}

static int unlink_user(struct identities *identities, const char *id)
{
	identities_unlink(identities, "irc", id, on_told, NULL);
	return wait_for_answer();
}

static struct identity_settings one = {
	.user_id = "alice", .platform_user_id = "1", .platform = "irc"
};
static const struct settings without = { 0 };
static const struct settings with = { .identities = &one, .identity_count = 1 };

/* A link of the store that the config has hidden is there again when the config has none any more. */
static void test_hidden(void **state)
{
	(void)state;
	struct identities *identities = identities_new(&without, store);
	assert_int_equal(link_user(identities, "bob", "1"), 0);
	assert_int_equal(link_user(identities, "carol", "2"), 0);
	assert_int_equal(identities_configure(identities, &with), 0);
	assert_string_equal(identities_find(identities, "irc", "1"), "alice");
	assert_string_equal(identities_find(identities, "irc", "2"), "carol");
	assert_int_equal(link_user(identities, "dave", "1"), -EPERM);
	assert_int_equal(identities_configure(identities, &with), 0);
	assert_int_equal(identities_configure(identities, &without), 0);
	assert_string_equal(identities_find(identities, "irc", "1"), "bob");
	assert_int_equal(unlink_user(identities, "1"), 0);
	assert_null(identities_find(identities, "irc", "1"));
	assert_string_equal(identities_find(identities, "irc", "2"), "carol");
	identities_free(identities);
}

/* What was asked of the store before a reload, and is answered after it, does not touch the config's. */
static void test_on_its_way(void **state)
{
	(void)state;
	struct identities *identities = identities_new(&without, store);
	assert_int_equal(link_user(identities, "bob", "1"), 0);
	identities_unlink(identities, "irc", "1", on_told, NULL);
	assert_int_equal(identities_configure(identities, &with), 0);
	assert_int_equal(wait_for_answer(), 0);
	assert_string_equal(identities_find(identities, "irc", "1"), "alice");
	assert_int_equal(identities_configure(identities, &without), 0);
	assert_null(identities_find(identities, "irc", "1"));
	identities_free(identities);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_hidden, setup, teardown),
		cmocka_unit_test_setup_teardown(test_on_its_way, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
