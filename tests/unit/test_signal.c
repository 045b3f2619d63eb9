/* signal: what is a message and what is not, what is saved from a broken answer, what is sent, and what the
 * API's answers mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/signal/base64.h"
#include "plugins/signal/batch.h"
#include "plugins/signal/envelope.h"
#include "plugins/signal/output.h"
#include "plugins/signal/payload.h"
#include "plugins/signal/verdict.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define GROUP     "mFAKLrp6Yx0Vg7kT5wQdJ8nZ2cHsB1uE4oRlXaIyPqM="
#define RECIPIENT "group.bUZBS0xycDZZeDBWZzdrVDV3UWRKOG5aMmNIc0IxdUU0b1JsWGFJeVBxTT0="

static char ann[] = "+4915111111111", ann_uuid[] = "7ccae375-cd51-4c82-8b1e-7be3280aa485";
static char group[] = GROUP, recipient[] = RECIPIENT, number[] = "+4915100000000";

static void test_base64(void **state)
{
	static const char *const pairs[][2] = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" },
		{ "foo", "Zm9v" }, { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" }, { "\xff\xfe\xfd", "//79" } };
	(void)state;
	for (size_t i = 0; i < COUNT(pairs); i++) {
		char out[16] = "";
		size_t n = strlen(pairs[i][0]);
		assert_int_equal(signal_base64_length(n), strlen(pairs[i][1]));
		signal_base64_write(out, pairs[i][0], n);
		assert_string_equal(out, pairs[i][1]);
	}
}

/* Defect 34 of the original: the raw id was sent, which the API does not take. */
static void test_group_recipient(void **state)
{
	(void)state;
	char *text = signal_group_recipient(GROUP);
	assert_string_equal(text, RECIPIENT);
	free(text);
}

/* Reads {"envelope":{Ann's, FIELDS},"account":…}. */
static int read_envelope(
    const char *fields, const struct signal_account *account, struct signal_message **ret_message)
{
	char *text;
	assert_true(
	    asprintf(&text,
		"{\"envelope\":{\"source\":\"%s\",\"sourceNumber\":\"%s\",\"sourceUuid\":\"%s\","
		"\"sourceName\":\"Ann\",\"timestamp\":17,%s},\"account\":\"%s\"}",
		ann, ann, ann_uuid, fields, number) > 0);
	json_t *json = json_loads(text, JSON_ALLOW_NUL, NULL);
	assert_non_null(json);
	int error = signal_envelope_read(json, account, ret_message);
	json_decref(json);
	free(text);
	return error;
}

static void test_message(void **state)
{
	const struct signal_account account = { .number = number };
	struct signal_message *message;
	(void)state;
	assert_int_equal(
	    read_envelope("\"dataMessage\":{\"timestamp\":1690000000001,\"message\":\"a\\u0000b\","
			  "\"quote\":{\"id\":1680000000000,\"author\":\"x\",\"authorNumber\":"
			  "\"+4915100000000\"},\"attachments\":[{\"contentType\":\"IMAGE/png\","
			  "\"filename\":\"a.png\",\"id\":\"1.png\",\"size\":9},{\"contentType\":"
			  "\"text/plain\",\"id\":\"2\"},{\"size\":3}]}",
		&account, &message),
	    1);
	assert_string_equal(message->key, "+4915111111111:1690000000001");
	assert_string_equal(message->user_id, ann);
	assert_string_equal(message->chat_id, ann);
	assert_string_equal(message->user_name, "Ann");
	assert_string_equal(message->reply_to, "+4915100000000:1680000000000");
	assert_int_equal(message->text_n, 3);
	assert_memory_equal(message->text, "a\0b", 3);
	assert_non_null(strstr(message->raw, "\"dataMessage\""));
	assert_int_equal(message->attachment_count, 2);
	assert_int_equal(message->attachments[0].type, AGENTD_IMAGE);
	assert_string_equal(message->attachments[0].name, "a.png");
	assert_int_equal(message->attachments[0].bytes, 9);
	assert_int_equal(message->attachments[1].type, AGENTD_FILE);
	assert_string_equal(message->attachments[1].id, "2");
	signal_message_free(message);
}

static void test_what_is_no_message(void **state)
{
	static const struct {
		const char *fields;
		int result;
	} rows[] = {
		{ "\"receiptMessage\":{\"when\":1}", 0 },
		{ "\"typingMessage\":{\"action\":\"STARTED\"}", 0 },
		{ "\"syncMessage\":{\"sentMessage\":{\"message\":\"x\"}}", 0 },
		{ "\"callMessage\":{}", 0 },
		{ "\"editMessage\":{\"targetSentTimestamp\":1,\"dataMessage\":{\"message\":\"x\"}}",
		    0 },
		{ "\"dataMessage\":{\"timestamp\":5,\"message\":null,\"reaction\":{\"emoji\":\"+\"}}",
		    0 },
		{ "\"dataMessage\":{\"timestamp\":5,\"message\":null,\"remoteDelete\":{}}", 0 },
		{ "\"dataMessage\":{\"timestamp\":5,\"message\":null,\"groupInfo\":{\"groupId\":"
		  "\"" GROUP "\",\"type\":\"UPDATE\"}}",
		    0 },
		{ "\"dataMessage\":{\"timestamp\":5,\"message\":\"\"}", 0 },
		{ "\"dataMessage\":{\"timestamp\":-5,\"message\":\"x\"}", -EINVAL },
		/* Not taken for a direct message, which would be answered where all can not see it. */
		{ "\"dataMessage\":{\"timestamp\":5,\"message\":\"x\",\"groupInfo\":{}}", -EINVAL },
		{ "\"dataMessage\":{\"timestamp\":5,\"message\":\"x\",\"groupInfo\":{\"groupId\":7}}",
		    -EINVAL },
	};
	const struct signal_account account = { .number = number };
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct signal_message *message;
		assert_int_equal(read_envelope(rows[i].fields, &account, &message), rows[i].result);
	}
}

/* What the account writes itself, and what is another account's. */
static void test_own_and_other_accounts(void **state)
{
	struct signal_message *message;
	const struct signal_account own = { .number = ann };
	const char *text = "{\"envelope\":{\"source\":\"+4915111111111\",\"timestamp\":1,"
			   "\"dataMessage\":{\"message\":\"x\"}}}";
	json_t *json = json_loads(text, 0, NULL);
	(void)state;
	assert_int_equal(signal_envelope_read(json, &own, &message), 0);
	json_decref(json);
	assert_int_equal(read_envelope("\"dataMessage\":{\"message\":\"x\"}", &own, &message), 0);
	json = json_loads("{\"error\":\"x\"}", 0, NULL);
	assert_int_equal(signal_envelope_read(json, &own, &message), -EINVAL);
	json_decref(json);
}

static void test_hidden_number(void **state)
{
	const struct signal_account account = { .number = number };
	struct signal_message *message;
	json_t *json = json_loads(
	    "{\"envelope\":{\"source\":\"7ccae375-cd51-4c82-8b1e-7be3280aa485\","
	    "\"sourceNumber\":null,\"sourceUuid\":\"7ccae375-cd51-4c82-8b1e-7be3280aa485\","
	    "\"timestamp\":5,\"dataMessage\":{\"message\":\"x\"}}}",
	    0, NULL);
	(void)state;
	assert_int_equal(signal_envelope_read(json, &account, &message), 1);
	assert_string_equal(message->user_id, ann_uuid);
	assert_string_equal(message->key, "7ccae375-cd51-4c82-8b1e-7be3280aa485:5");
	signal_message_free(message);
	json_decref(json);
}

/* Defect 35: a list of groups left direct messages open to everybody. */
static void test_allowed(void **state)
{
	static char bob[] = "+4915122222222", other[] = "AAAA";
	static char *anns[] = { ann }, *uuids[] = { ann_uuid }, *bobs[] = { bob };
	static char *groups[] = { group }, *recipients[] = { recipient }, *others[] = { other };
	static const struct {
		struct signal_list people, groups;
		int direct, in_group;
	} rows[] = {
		{ { NULL, 0 }, { NULL, 0 }, 1, 1 },
		{ { anns, 1 }, { NULL, 0 }, 1, 1 },
		{ { uuids, 1 }, { NULL, 0 }, 1, 1 },
		{ { bobs, 1 }, { NULL, 0 }, 0, 0 },
		{ { NULL, 0 }, { groups, 1 }, 0, 1 },
		{ { NULL, 0 }, { recipients, 1 }, 0, 1 },
		{ { NULL, 0 }, { others, 1 }, 0, 0 },
		{ { anns, 1 }, { groups, 1 }, 0, 1 },
		{ { bobs, 1 }, { groups, 1 }, 0, 0 },
		{ { anns, 1 }, { others, 1 }, 0, 0 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct signal_account account = { number, rows[i].people, rows[i].groups };
		struct signal_message *message = NULL;
		assert_int_equal(
		    read_envelope("\"dataMessage\":{\"message\":\"x\"}", &account, &message),
		    rows[i].direct);
		signal_message_free(message);
		message = NULL;
		assert_int_equal(
		    read_envelope("\"dataMessage\":{\"message\":\"x\",\"groupInfo\":{\"groupId\":"
				  "\"" GROUP "\",\"type\":\"DELIVER\"}}",
			&account, &message),
		    rows[i].in_group);
		if (message)
			assert_string_equal(message->chat_id, RECIPIENT);
		signal_message_free(message);
	}
}

static void test_long_name_is_cut_between_characters(void **state)
{
	const struct signal_account account = { .number = number };
	static const size_t cut[] = { 255, 256,
		254 }; /* by how many bytes are before the first € */
	(void)state;
	for (size_t i = 0; i < COUNT(cut); i++) {
		struct signal_message *message;
		char name[400] = "";
		memset(name, 'x', i);
		for (size_t n = i; n < 300; n += 3)
			memcpy(name + n, "€", 4);
		json_t *json = json_pack("{s:{s:s, s:s, s:i, s:{s:s}}}", "envelope", "source", ann,
		    "sourceName", name, "timestamp", 5, "dataMessage", "message", "x");
		assert_int_equal(signal_envelope_read(json, &account, &message), 1);
		assert_int_equal(strlen(message->user_name), cut[i]);
		assert_memory_equal(message->user_name, name, cut[i]);
		signal_message_free(message);
		json_decref(json);
	}
}

/* The "n" of each object that is found, as digits. */
static void found(const char *text, char *out, size_t *ret_lost)
{
	struct signal_batch batch = { .rest = agentd_text(text, strlen(text)) };
	for (json_t *object; (object = signal_batch_next(&batch)); json_decref(object))
		*out++ = (char)('0' + json_integer_value(json_object_get(object, "n")));
	*out = '\0';
	*ret_lost = batch.lost;
}

#define ONE   "{\"envelope\":{},\"n\":1}"
#define TWO   "{\"envelope\":{\"a\":[{}]},\"n\":2}"
#define THREE "{\"envelope\":{\"x\":\"{\\\"envelope\\\"\"},\"n\":3}"

/* Received messages are nowhere else: those that are whole are found in whatever came. */
static void test_batch(void **state)
{
	static const struct {
		const char *text, *found;
		size_t lost;
	} rows[] = {
		{ "[]", "", 0 },
		{ "", "", 0 },
		{ "[" ONE "]", "1", 0 },
		{ "[" ONE ",\n" TWO "," THREE "]", "123", 0 },
		{ ONE "\n" TWO "\n", "12", 0 },
		{ "[" ONE "," TWO, "12", 0 },
		{ "[" ONE ",{\"envelope\":{\"a\":", "1", 17 },
		{ "[WARN," ONE "]", "1", 4 },
		{ "[" ONE ",{\"envelope\":{\"a\":}," THREE "]", "13", 19 },
		{ "<html>{\"</html>", "", 15 },
		{ "[1,\"two\",null]", "", 10 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char out[16];
		size_t lost;
		found(rows[i].text, out, &lost);
		assert_string_equal(out, rows[i].found);
		assert_int_equal(lost, rows[i].lost);
	}
}

/* What signal-cli had received before it failed stands between its complaints. */
static void test_output(void **state)
{
	static const struct {
		const char *output, *received, *words;
	} rows[] = {
		{ "", "", "" },
		{ "\n\n", "", "" },
		{ "User +49 is not registered.\n", "", "User +49 is not registered." },
		{ ONE "\n" TWO "\nWARN no\troute\nError: closed\n", ONE "|" TWO "|",
		    "WARN no route Error: closed" },
		{ "WARN\n" ONE "\nError", ONE "|", "WARN Error" },
		{ ONE "\n{\"envelope\":{\"a", ONE "|{\"envelope\":{\"a|", "" },
		{ "{\"code\":1}\n", "", "{\"code\":1}" },
		{ "0123456789012345678901234567890123456789", "",
		    "0123456789012345678901234567890" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char words[32], received[200] = "";
		struct agentd_text rest = agentd_text(rows[i].output, strlen(rows[i].output)), line;
		while (signal_output_next(&rest, &line)) {
			strncat(received, line.p, line.n);
			strcat(received, "|");
		}
		assert_string_equal(received, rows[i].received);
		signal_output_words(rows[i].output, words, sizeof(words));
		assert_string_equal(words, rows[i].words);
	}
}

/* A hostile API costs no more than so many walks. */
static void test_batch_gives_up(void **state)
{
	size_t n = 1u << 20;
	char *text = malloc(n + 1), out[16];
	size_t lost;
	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < n; i++)
		text[i] = "{\"envelope\":1 "[i % 14];
	text[n] = '\0';
	found(text, out, &lost);
	assert_string_equal(out, "");
	assert_int_equal(lost, n);
	free(text);
}

static json_t *payload(const struct signal_payload *given)
{
	char *text = signal_payload_new(given);
	json_t *json = json_loads(text, JSON_ALLOW_NUL, NULL);
	assert_non_null(json);
	free(text);
	return json;
}

static void test_payload(void **state)
{
	const char *quote = "7ccae375-cd51-4c82-8b1e-7be3280aa485:1690000000001";
	struct signal_payload given = { .number = number,
		.recipient = recipient,
		.text = agentd_text("a\0\"b", 4),
		.quote = agentd_text(quote, strlen(quote)) };
	(void)state;
	json_t *json = payload(&given);
	json_t *expected = json_pack("{s:s%, s:s, s:[s], s:s, s:I, s:s}", "message", "a\0\"b",
	    (size_t)4, "number", number, "recipients", recipient, "text_mode", "normal",
	    "quote_timestamp", (json_int_t)1690000000001, "quote_author", ann_uuid);
	assert_true(json_equal(json, expected));
	json_decref(expected);
	json_decref(json);
	given.quote = agentd_text("no id of ours", 13);
	json = payload(&given);
	assert_null(json_object_get(json, "quote_timestamp"));
	json_decref(json);
}

/* Neither a name nor a type gets out of its place in the data URL. */
static void test_payload_of_a_file(void **state)
{
	static const struct {
		const char *name, *type, *head;
	} rows[] = {
		{ "a.png", "image/png", "data:image/png;filename=a.png;base64," },
		{ "", "", "data:application/octet-stream;filename=file;base64," },
		{ NULL, NULL, "data:application/octet-stream;filename=file;base64," },
		{ "a;base64,x\".p\\ng\n", "image/png;x=\"",
		    "data:image/png_x__;filename=a_base64_x_.p_ng_;base64," },
		{ "../über.txt", "text", "data:text;filename=.._über.txt;base64," },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char url[200];
		json_t *json = payload(&(struct signal_payload){ .number = number,
		    .recipient = ann,
		    .bytes = "foobar",
		    .bytes_n = 6,
		    .file_name = rows[i].name,
		    .mime_type = rows[i].type });
		const json_t *list = json_object_get(json, "base64_attachments");
		snprintf(url, sizeof(url), "%sZm9vYmFy", rows[i].head);
		assert_int_equal(json_array_size(list), 1);
		assert_string_equal(json_string_value(json_array_get(list, 0)), url);
		assert_string_equal(json_string_value(json_object_get(json, "message")), "");
		json_decref(json);
	}
}

static void test_verdict(void **state)
{
	static const struct {
		unsigned status;
		const char *error;
		uint32_t verdict;
	} rows[] = {
		{ 201, "", AGENTD_SENT },
		{ 200, "", AGENTD_SENT },
		{ 0, "Connection refused", AGENTD_RETRY },
		{ 400, "status 400: Failed to send message: Connection reset", AGENTD_RETRY },
		{ 400, "status 400: Config file is in use by another instance", AGENTD_RETRY },
		{ 400, "status 400: User +49151 is not registered.", AGENTD_RETRY },
		{ 400, "status 400: [429] Rate Limited", AGENTD_RETRY },
		{ 400, "status 400: Invalid group id", AGENTD_REJECTED },
		{ 400, "status 400: Couldn't process request - invalid request", AGENTD_REJECTED },
		{ 400, "status 400: unregistered USER \"+49\"", AGENTD_REJECTED },
		{ 401, "", AGENTD_REJECTED },
		{ 404, "", AGENTD_REJECTED },
		{ 301, "", AGENTD_REJECTED },
		{ 408, "", AGENTD_RETRY },
		{ 413, "", AGENTD_REJECTED },
		{ 429, "", AGENTD_RETRY },
		{ 500, "Invalid group id", AGENTD_RETRY },
		{ 503, "", AGENTD_RETRY },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(signal_verdict(rows[i].status, rows[i].error), rows[i].verdict);
	assert_true(signal_verdict_unknown_account(400, "User +49 is not registered.\n"));
	assert_true(signal_verdict_unknown_account(400, "Specified account does not exist"));
	assert_false(signal_verdict_unknown_account(500, "User +49 is not registered.\n"));
	assert_false(signal_verdict_unknown_account(400, "Connection closed"));
}

static void test_retry_after(void **state)
{
	(void)state;
	assert_int_equal(signal_verdict_retry_ms(NULL), 0);
	assert_int_equal(signal_verdict_retry_ms(""), 0);
	assert_int_equal(signal_verdict_retry_ms("7"), 7000);
	assert_int_equal(signal_verdict_retry_ms("-7"), 0);
	assert_int_equal(signal_verdict_retry_ms("7x"), 0);
	assert_int_equal(signal_verdict_retry_ms("Wed, 21 Oct 2026 07:28:00 GMT"), 0);
	assert_int_equal(signal_verdict_retry_ms("99999999999999999999999"), 3600000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_group_recipient),
		cmocka_unit_test(test_message),
		cmocka_unit_test(test_what_is_no_message),
		cmocka_unit_test(test_own_and_other_accounts),
		cmocka_unit_test(test_hidden_number),
		cmocka_unit_test(test_allowed),
		cmocka_unit_test(test_long_name_is_cut_between_characters),
		cmocka_unit_test(test_batch),
		cmocka_unit_test(test_output),
		cmocka_unit_test(test_batch_gives_up),
		cmocka_unit_test(test_payload),
		cmocka_unit_test(test_payload_of_a_file),
		cmocka_unit_test(test_verdict),
		cmocka_unit_test(test_retry_after),
	};
	return cmocka_run_group_tests_name("signal", tests, NULL, NULL);
}
