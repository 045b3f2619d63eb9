/* telegram: the parts of the plugin that need no network: what an update says, where markup is cut, and who
 * may call the webhook. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/common/split.h"
#include "plugins/telegram/hook.h"
#include "plugins/telegram/markup.h"
#include "plugins/telegram/update.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct telegram_rules everybody = { 0 };

static struct agentd_text text_of(const char *text)
{
	return agentd_text(text, strlen(text));
}

static json_t *parse(const char *text)
{
	json_error_t error;
	json_t *json = json_loads(text, JSON_ALLOW_NUL, &error);
	if (!json)
		fail_msg("%s: %s", text, error.text);
	return json;
}

/* Updates. */

#define FROM "\"from\":{\"id\":7,\"first_name\":\"Ann\",\"username\":\"ann\"}"
#define CHAT "\"chat\":{\"id\":-100123}"

static const struct {
	const char *update;
	int is;
	const char *text;
	int64_t user_id;
	const char *user_name;
	int64_t reply_to;
	const char *file; /* "type id name mime bytes"; NULL: none */
} updates[] = {
	{ "{\"update_id\":1,\"message\":{\"message_id\":5," FROM "," CHAT ",\"text\":\"hi\"}}", 1,
	    "hi", 7, "@ann", 0, NULL },
	{ "{\"update_id\":1,\"message\":{\"message_id\":5,\"from\":{\"id\":7,\"first_name\":\"Ann\"}," CHAT
	  ",\"text\":\"hi\",\"reply_to_message\":{\"message_id\":4}}}",
	    1, "hi", 7, "Ann", 4, NULL },
	/* Nobody is named: the chat stands for them, or a channel that writes as itself. The original
	 * crashed here (defect 37). */
	{ "{\"update_id\":1,\"message\":{\"message_id\":5," CHAT ",\"text\":\"hi\"}}", 1, "hi",
	    -100123, "", 0, NULL },
	{ "{\"update_id\":1,\"message\":{\"message_id\":5,\"sender_chat\":{\"id\":-9}," CHAT
	  ",\"text\":\"hi\"}}",
	    1, "hi", -9, "", 0, NULL },
	/* Files. Of a photo the largest. */
	{ "{\"update_id\":1,\"message\":{\"message_id\":5," FROM "," CHAT
	  ",\"caption\":\"look\",\"photo\":[{\"file_id\":\"s\",\"file_size\":10},{\"file_id\":\"l\","
	  "\"file_size\":99},{\"file_id\":\"m\",\"file_size\":50}]}}",
	    1, "look", 7, "@ann", 0, "1 l - image/jpeg 99" },
	{ "{\"update_id\":1,\"message\":{\"message_id\":5," FROM "," CHAT
	  ",\"voice\":{\"file_id\":\"v\"}}}",
	    1, "", 7, "@ann", 0, "2 v - audio/ogg 0" },
	{ "{\"update_id\":1,\"message\":{\"message_id\":5," FROM "," CHAT
	  ",\"audio\":{\"file_id\":\"a\",\"file_name\":\"x.flac\",\"mime_type\":\"audio/flac\"}}}",
	    1, "", 7, "@ann", 0, "2 a x.flac audio/flac 0" },
	{ "{\"update_id\":1,\"message\":{\"message_id\":5," FROM "," CHAT
	  ",\"document\":{\"file_id\":\"d\",\"file_name\":\"a.pdf\",\"mime_type\":\"application/pdf\","
	  "\"file_size\":-1}}}",
	    1, "", 7, "@ann", 0, "0 d a.pdf application/pdf 0" },
	{ "{\"update_id\":1,\"message\":{\"message_id\":5," FROM "," CHAT
	  ",\"video\":{\"file_id\":\"w\"}}}",
	    1, "", 7, "@ann", 0, "3 w - video/mp4 0" },
	/* A file without an id, or with one that is none. */
	{ "{\"update_id\":1,\"message\":{\"message_id\":5," FROM "," CHAT
	  ",\"text\":\"t\",\"voice\":{},\"video\":{\"file_id\":\"a\\u0000b\"},\"document\":7}}",
	    1, "t", 7, "@ann", 0, NULL },
	{ "{\"update_id\":1,\"message\":{\"message_id\":5," FROM "," CHAT
	  ",\"sticker\":{\"file_id\":\"x\",\"emoji\":\"👍\"}}}",
	    1, "👍", 7, "@ann", 0, NULL },
	/* Nothing for an agent. */
	{ "{\"update_id\":1,\"message\":{\"message_id\":5," FROM "," CHAT
	  ",\"new_chat_title\":\"t\"}}",
	    0, NULL, 0, NULL, 0, NULL },
	{ "{\"update_id\":1,\"edited_message\":{\"message_id\":5," FROM "," CHAT
	  ",\"text\":\"hi\"}}",
	    0, NULL, 0, NULL, 0, NULL },
	{ "{\"update_id\":1,\"callback_query\":{\"id\":\"1\"}}", 0, NULL, 0, NULL, 0, NULL },
	{ "{\"update_id\":1,\"message\":[1,2]}", 0, NULL, 0, NULL, 0, NULL },
	{ "{\"update_id\":1,\"message\":{\"message_id\":\"5\"," CHAT ",\"text\":\"hi\"}}", 0, NULL,
	    0, NULL, 0, NULL },
	{ "{\"update_id\":1,\"message\":{\"message_id\":5,\"text\":\"hi\"}}", 0, NULL, 0, NULL, 0,
	    NULL },
	/* No update at all. */
	{ "{\"message\":{\"message_id\":5," FROM "," CHAT ",\"text\":\"hi\"}}", -EINVAL, NULL, 0,
	    NULL, 0, NULL },
	{ "{\"update_id\":\"1\"}", -EINVAL, NULL, 0, NULL, 0, NULL },
	{ "{\"update_id\":-1}", -EINVAL, NULL, 0, NULL, 0, NULL },
	{ "{\"update_id\":9223372036854775807}", -EINVAL, NULL, 0, NULL, 0, NULL },
	{ "[]", -EINVAL, NULL, 0, NULL, 0, NULL },
};

static void check_update(size_t row)
{
	struct telegram_message message;
	json_t *json = parse(updates[row].update);
	char file[100] = "";
	int is = telegram_update_read(json, &everybody, &message);
	if (is != updates[row].is)
		fail_msg("%s: %d", updates[row].update, is);
	if (is == 1) {
		assert_int_equal(message.update_id, 1);
		assert_int_equal(message.message_id, 5);
		assert_int_equal(message.chat_id, -100123);
		assert_int_equal(message.user_id, updates[row].user_id);
		assert_string_equal(message.user_name, updates[row].user_name);
		assert_int_equal(message.reply_to, updates[row].reply_to);
		assert_int_equal(message.text.n, strlen(updates[row].text));
		if (message.text.n)
			assert_memory_equal(message.text.p, updates[row].text, message.text.n);
		if (message.file.id)
			snprintf(file, sizeof(file), "%u %s %s %s %u", message.file.type,
			    message.file.id, message.file.name ? message.file.name : "-",
			    message.file.mime_type, (unsigned)message.file.bytes);
		assert_string_equal(file, updates[row].file ? updates[row].file : "");
	}
	json_decref(json);
}

static void test_updates(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(updates); i++)
		check_update(i);
}

static void test_an_edit_is_a_message_only_if_told(void **state)
{
	struct telegram_rules rules = { .answer_edits = true };
	struct telegram_message message;
	json_t *json = parse("{\"update_id\":1,\"edited_message\":{\"message_id\":5," FROM "," CHAT
			     ",\"text\":\"hi\"}}");
	(void)state;
	assert_int_equal(telegram_update_read(json, &rules, &message), 1);
	assert_int_equal(telegram_update_read(json, &everybody, &message), 0);
	json_decref(json);
}

static void test_only_those_who_may_write(void **state)
{
	static const int64_t ann[] = { 6, 7 }, bob[] = { 8 }, here[] = { -100123 }, there[] = { 5 };
	static const struct {
		struct telegram_rules rules;
		int is;
	} rows[] = {
		{ { .user_ids = ann, .user_count = 2 }, 1 },
		{ { .user_ids = bob, .user_count = 1 }, -EPERM },
		{ { .chat_ids = here, .chat_count = 1 }, 1 },
		{ { .chat_ids = there, .chat_count = 1 }, -EPERM },
		{ { .user_ids = ann, .user_count = 2, .chat_ids = there, .chat_count = 1 },
		    -EPERM },
		{ { .user_ids = ann, .user_count = 2, .chat_ids = here, .chat_count = 1 }, 1 },
	};
	struct telegram_message message;
	json_t *json = parse(
	    "{\"update_id\":1,\"message\":{\"message_id\":5," FROM "," CHAT ",\"text\":\"hi\"}}");
	json_t *nobody =
	    parse("{\"update_id\":1,\"message\":{\"message_id\":5," CHAT ",\"text\":\"hi\"}}");
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(telegram_update_read(json, &rows[i].rules, &message), rows[i].is);
	/* Nobody is not somebody of the list, whatever number the chat has. */
	struct telegram_rules rules = { .user_ids = here, .user_count = 1 };
	assert_int_equal(telegram_update_read(nobody, &rules, &message), -EPERM);
	json_decref(json);
	json_decref(nobody);
}

/* Markup. */

static const struct {
	const char *text;
	enum telegram_markup markup;
	size_t most;
	const char *parts[6]; /* as they are sent; of plain ones a ! before it */
} marks[] = {
	{ "<b>short</b>", TELEGRAM_HTML, 100, { "<b>short</b>" } },
	{ "<b>not closed", TELEGRAM_HTML, 100, { "<b>not closed" } },
	{ "plain <b>text</b>", TELEGRAM_PLAIN, 10, { "!plain", "!<b>text</b", "!>" } },
	{ "<b>one two three</b>", TELEGRAM_HTML, 14, { "<b>one two</b>", "<b>three</b>" } },
	{ "<b>one <i>two three</i></b> four", TELEGRAM_HTML, 25,
	    { "<b>one <i>two</i></b>", "<b><i>three</i></b> four" } },
	{ "look: <a href=\"http://x/y z\">here it is</a>", TELEGRAM_HTML, 36,
	    { "look:", "<a href=\"http://x/y z\">here it</a>",
		"<a href=\"http://x/y z\">is</a>" } },
	/* Not in an entity, nor in a tag that has a > in quotes. */
	{ "aaaaaa&amp;bbbb", TELEGRAM_HTML, 8, { "aaaaaa", "&amp;bbb", "b" } },
	{ "aaa <a href='>'>b</a> ccc", TELEGRAM_HTML, 17, { "aaa", "<a href='>'>b</a>", "ccc" } },
	/* < and & that are none. */
	{ "1 < 2 && 3 < 4", TELEGRAM_HTML, 8, { "1 < 2", "&& 3 < 4" } },
	/* A tag that is longer than a part: it cannot be kept, and nothing behind it. */
	{ "<a href=\"http://long.example/\">x</a>", TELEGRAM_HTML, 16,
	    { "!<a", "!href=\"http://lon", "!g.example/\">x</a", "!>" } },
	{ "*one two* three", TELEGRAM_MARKDOWN_V2, 9, { "*one two*", "three" } },
	{ "*one two three*", TELEGRAM_MARKDOWN_V2, 10, { "*one two*", "*three*" } },
	{ "__a _b c_ d__", TELEGRAM_MARKDOWN_V2, 10, { "__a _b___", "___c_ d__" } },
	{ "aaaaaaa\\.b", TELEGRAM_MARKDOWN_V2, 8, { "aaaaaaa", "\\.b" } },
	{ "aaa [b c](http://d) e", TELEGRAM_MARKDOWN_V2, 16, { "aaa", "[b c](http://d)", "e" } },
	{ "```py\none\ntwo\nthree\n```", TELEGRAM_MARKDOWN_V2, 18,
	    { "```py\none\ntwo\n```", "```py\nthree\n```" } },
	{ "`a*b c*d` e", TELEGRAM_MARKDOWN, 8, { "`a*b`", "`c*d` e" } },
	{ "*a* [ b\nc", TELEGRAM_MARKDOWN, 8, { "*a*", "[ b\nc" } },
};

static void test_markup_is_not_cut_in_half(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(marks); i++) {
		struct telegram_cut cut;
		struct agentd_text plain;
		char *marked;
		telegram_cut_init(&cut, text_of(marks[i].text), marks[i].most, marks[i].markup);
		for (size_t k = 0; marks[i].parts[k]; k++) {
			const char *expected = marks[i].parts[k];
			assert_int_equal(telegram_cut_next(&cut, &plain, &marked), 1);
			if (!marked) {
				assert_int_equal(*expected++, '!');
				marked = strndup(plain.p, plain.n);
			}
			if (strcmp(marked, expected) != 0)
				fail_msg("%s, part %zu: %s", marks[i].text, k, marked);
			assert_true(split_count(text_of(marked), SPLIT_UTF16) <= marks[i].most);
			free(marked);
		}
		assert_int_equal(telegram_cut_next(&cut, &plain, &marked), 0);
	}
}

/* What is cut again and again: plain it is the text, and marked it fits. */
static void check_random_markup(
    const char *text, size_t n, size_t most, enum telegram_markup markup)
{
	struct telegram_cut cut;
	struct agentd_text plain;
	char *marked;
	const char *at = text;
	telegram_cut_init(&cut, agentd_text(text, n), most, markup);
	while (telegram_cut_next(&cut, &plain, &marked) == 1) {
		assert_true(plain.n > 0 && plain.p >= at && plain.p + plain.n <= text + n);
		for (; at < plain.p; at++)
			assert_non_null(strchr(" \n", *at));
		at += plain.n;
		assert_true(split_count(plain, SPLIT_UTF16) <= most);
		if (marked) {
			assert_true(split_count(text_of(marked), SPLIT_UTF16) <= most);
			assert_true(strlen(marked) >= plain.n);
		}
		free(marked);
	}
	for (; at < text + n; at++)
		assert_non_null(strchr(" \n", *at));
}

static void test_any_markup(void **state)
{
	static const char *const pieces[] = { "<b>", "</b>", "<i>", "</i>", "<a href=\"x y\">",
		"</a>", "<", ">", "&amp;", "&", "*", "_", "__", "~", "||", "`", "```", "```c\n",
		"[", "](", ")", "\\", "a", "word", " ", " ", "\n", "é", "😀" };
	static char text[1000];
	(void)state;
	srandom(38);
	for (unsigned round = 0; round < 40000; round++) {
		size_t n = 0, count = (size_t)random() % 40;
		for (size_t i = 0; i < count; i++) {
			const char *piece = pieces[(size_t)random() % COUNT(pieces)];
			memcpy(text + n, piece, strlen(piece));
			n += strlen(piece);
		}
		check_random_markup(
		    text, n, 4 + (size_t)random() % 40, (enum telegram_markup)(round % 4));
	}
}

/* The webhook's secret. */

static void test_the_secret_of_the_webhook(void **state)
{
	static const struct {
		const char *headers, *secret;
		bool proves;
	} rows[] = {
		{ "{\"x-telegram-bot-api-secret-token\":\"s3cret\"}", "s3cret", true },
		{ "{\"x-telegram-bot-api-secret-token\":\"s3creT\"}", "s3cret", false },
		{ "{\"x-telegram-bot-api-secret-token\":\"s3cre\"}", "s3cret", false },
		{ "{\"x-telegram-bot-api-secret-token\":\"s3crets\"}", "s3cret", false },
		{ "{\"x-telegram-bot-api-secret-token\":\"s3crets3cret\"}", "s3cret", false },
		{ "{\"x-telegram-bot-api-secret-token\":\"\"}", "s3cret", false },
		{ "{\"x-telegram-bot-api-secret-token\":\"\"}", "", false },
		{ "{\"x-telegram-bot-api-secret-token\":7}", "s3cret", false },
		{ "{}", "s3cret", false },
		{ "[]", "s3cret", false },
		{ "", "s3cret", false },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(
		    telegram_hook_proves(text_of(rows[i].headers), rows[i].secret), rows[i].proves);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_updates),
		cmocka_unit_test(test_an_edit_is_a_message_only_if_told),
		cmocka_unit_test(test_only_those_who_may_write),
		cmocka_unit_test(test_markup_is_not_cut_in_half),
		cmocka_unit_test(test_any_markup),
		cmocka_unit_test(test_the_secret_of_the_webhook),
	};
	return cmocka_run_group_tests_name("telegram", tests, NULL, NULL);
}
