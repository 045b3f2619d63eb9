/*
 * discord: what is pure of the interface to Discord: which messages are taken, what a reply becomes, when the
 * rate limits open, how far a session is confirmed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_host.h"
#include "plugins/discord/bucket.h"
#include "plugins/discord/event.h"
#include "plugins/discord/fence.h"
#include "plugins/discord/heartbeat.h"
#include "plugins/discord/inbox.h"
#include "plugins/discord/parts.h"
#include "plugins/discord/payload.h"

static struct agentd_text text(const char *words)
{
	return agentd_text(words, strlen(words));
}

static void assert_text(struct agentd_text got, const char *wanted)
{
	char *copy = strndup(got.n ? got.p : "", got.n);
	assert_string_equal(copy, wanted);
	free(copy);
}

static json_t *json(const char *words)
{
	json_t *value = json_loads(words, 0, NULL);
	assert_non_null(value);
	return value;
}

/* Which messages are taken, and what is left of their text. */

#define MESSAGE(more)                                                               \
	"{\"id\":\"9\",\"channel_id\":\"30\",\"type\":0,\"author\":{\"id\":\"40\"," \
	"\"username\":\"ann\"}" more "}"
#define FROM(author, more) \
	"{\"id\":\"9\",\"channel_id\":\"30\",\"type\":0,\"author\":{" author "}" more "}"
#define HI    ",\"content\":\"hi\""
#define IN_20 ",\"guild_id\":\"20\""

static char list_20[][DISCORD_ID_MAX + 1] = { "21", "20" };
static char list_30[][DISCORD_ID_MAX + 1] = { "30" };
static char bang[] = "!ask";
static const struct discord_rules plain = { .self_id = "1" };
static const struct discord_rules bots = { .self_id = "1", .respond_to_bots = true };
static const struct discord_rules guilds = { .self_id = "1", .guilds = { list_20, 2 } };
static const struct discord_rules channels = { .self_id = "1", .channels = { list_30, 1 } };
static const struct discord_rules prefix = { .self_id = "1", .command_prefix = bang };

static const struct {
	const char *message;
	const struct discord_rules *rules;
	const char *text; /* NULL: it is not taken */
} taken[] = {
	{ MESSAGE(HI), &plain, "hi" },
	{ MESSAGE(HI IN_20), &plain, "hi" },
	{ MESSAGE(""), &plain, NULL },
	{ MESSAGE(",\"content\":\"\""), &plain, NULL },
	{ FROM("\"id\":\"1\"", HI), &plain, NULL },
	{ FROM("\"id\":\"1\"", HI), &bots, NULL },
	{ FROM("\"id\":\"2\",\"bot\":true", HI), &plain, NULL },
	{ FROM("\"id\":\"2\",\"bot\":true", HI), &bots, "hi" },
	{ FROM("\"id\":\"2\"", HI ",\"webhook_id\":\"2\""), &plain, NULL },
	{ FROM("\"id\":\"2\"", HI ",\"webhook_id\":\"2\""), &bots, "hi" },
	{ FROM("", HI), &plain, NULL },
	{ FROM("\"id\":\"../1\"", HI), &plain, NULL },
	{ "{\"id\":\"9\",\"channel_id\":\"30/../31\",\"type\":0,\"author\":{\"id\":\"2\"}" HI "}",
	    &plain, NULL },
	{ "{\"id\":\"9\",\"channel_id\":\"30\",\"type\":7,\"author\":{\"id\":\"2\"}" HI "}", &plain,
	    NULL },
	{ "{\"id\":\"9\",\"channel_id\":\"30\",\"type\":19,\"author\":{\"id\":\"2\"}" HI "}",
	    &plain, "hi" },
	{ MESSAGE(HI IN_20), &guilds, "hi" },
	{ MESSAGE(HI ",\"guild_id\":\"22\""), &guilds, NULL },
	{ MESSAGE(HI), &guilds, NULL }, /* a direct message */
	{ MESSAGE(HI), &channels, "hi" },
	{ "{\"id\":\"9\",\"channel_id\":\"31\",\"type\":0,\"author\":{\"id\":\"2\"}" HI "}",
	    &channels, NULL },
	{ MESSAGE(HI), &prefix, NULL },
	{ MESSAGE(",\"content\":\"!ask  what now?\""), &prefix, "what now?" },
	{ MESSAGE(",\"content\":\"!ask\""), &prefix, NULL },
	{ MESSAGE(",\"content\":\"so !ask\""), &prefix, NULL },
	{ "[]", &plain, NULL },
	{ "{}", &plain, NULL },
};

static void test_take(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		struct discord_message message;
		json_t *data = json_loads(taken[i].message, 0, NULL);
		bool is_taken = discord_message_read(data, taken[i].rules, &message);
		if (is_taken != (taken[i].text != NULL))
			fail_msg("row %zu", i);
		if (is_taken)
			assert_text(message.incoming.text, taken[i].text);
		json_decref(data);
	}
}

/* Its fields; attachments by their type; a name as people see it. */
static void test_message(void **state)
{
	(void)state;
	json_t *data = json(
	    "{\"id\":\"9\",\"channel_id\":\"30\",\"type\":19,\"content\":\"\",\"guild_id\":\"20\","
	    "\"author\":{\"id\":\"40\",\"username\":\"ann\",\"global_name\":\"Ann\"},"
	    "\"member\":{\"nick\":\"Annie\"},\"message_reference\":{\"message_id\":\"8\"},"
	    "\"attachments\":[{\"url\":\"https://cdn/a.png\",\"content_type\":\"image/png\","
	    "\"filename\":\"a.png\",\"size\":12},{\"url\":\"https://cdn/v\",\"content_type\":\"video/mp4\"},"
	    "{\"url\":\"https://cdn/s\",\"content_type\":\"audio/ogg; codecs=opus\"},"
	    "{\"url\":\"file:///etc/passwd\"},{\"url\":\"https://cdn/x\",\"filename\":\"x.bin\"}]}");
	struct discord_message message;
	assert_true(discord_message_read(data, &plain, &message));
	const struct agentd_incoming *incoming = &message.incoming;
	assert_text(incoming->key, "9");
	assert_text(incoming->user_id, "40");
	assert_text(incoming->user_name, "Annie");
	assert_text(incoming->chat_id, "30");
	assert_text(incoming->reply_to, "8");
	assert_int_equal(incoming->attachment_count, 4);
	static const uint32_t types[] = { AGENTD_IMAGE, AGENTD_VIDEO, AGENTD_AUDIO, AGENTD_FILE };
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(message.attachments[i].type, types[i]);
	assert_int_equal(message.attachments[0].bytes, 12);
	assert_text(message.attachments[0].name, "a.png");
	assert_text(message.attachments[3].url, "https://cdn/x");

	json_object_del(json_object_get(data, "member"), "nick");
	assert_true(discord_message_read(data, &plain, &message));
	assert_text(message.incoming.user_name, "Ann");
	char name[400];
	memset(name, 0, sizeof(name));
	for (size_t i = 0; i + 2 < sizeof(name); i += 2)
		memcpy(name + i, "é", 2);
	json_object_set_new(json_object_get(data, "author"), "global_name", json_string(name + 0));
	assert_true(discord_message_read(data, &plain, &message));
	assert_int_equal(message.incoming.user_name.n, DISCORD_NAME_MAX);
	json_decref(data);
}

static void test_events(void **state)
{
	(void)state;
	static const char *const bad[] = { "", "x", "[]", "{}", "{\"op\":\"1\"}", "{\"op\":1" };
	struct discord_event event;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(discord_event_read(text(bad[i]), &event), -EINVAL);
	assert_int_equal(
	    discord_event_read(text("{\"op\":0,\"t\":\"X\",\"s\":7,\"d\":{}}"), &event), 0);
	assert_int_equal(event.op, 0);
	assert_int_equal(event.sequence, 7);
	assert_string_equal(event.name, "X");
	json_decref(event.root);
	assert_int_equal(discord_event_read(text("{\"op\":11}"), &event), 0);
	assert_string_equal(event.name, "");
	assert_int_equal(event.sequence, 0);
	json_decref(event.root);
}

/* Code blocks are whole in each part, and all that was said is said. */

static const struct {
	const char *text;
	const char *parts[5];
} fences[] = {
	{ "short", { "short" } },
	{ "", { NULL } },
	{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
	    { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb" } },
	{ "```c\nint aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;\n\tint bbbbbbbbbbbbbbbbbbbbbbbbbb;\n```\nend",
	    { "```c\nint aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;\n```",
		"```c\n\tint bbbbbbbbbbbbbbbbbbbbbbbbbb;\n```\nend" } },
	{ "```\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n```\nbbbbbbbbbbbbbbbbbbbbbbb",
	    { "```\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n```",
		"bbbbbbbbbbbbbbbbbbbbbbb" } },
	{ "one ```two``` three", { "one ```two``` three" } },
	{ "```never closed", { "```never closed" } },
};

static void test_fences(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(fences) / sizeof(fences[0]); i++) {
		struct fence fence = { .rest = text(fences[i].text) };
		for (size_t part = 0; part < 5; part++) {
			char *got = fence_next(&fence, 64);
			if (!got != !fences[i].parts[part])
				fail_msg("row %zu, part %zu: %s", i, part, got ? got : "none");
			if (!got)
				break;
			assert_string_equal(got, fences[i].parts[part]);
			free(got);
		}
	}
}

/* What a reply becomes. */

static json_t *part(const struct discord_parts *parts, size_t i)
{
	char *words = discord_parts_json(parts, i);
	assert_non_null(words);
	json_t *value = json(words);
	free(words);
	return value;
}

static const char *field(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static void test_parts(void **state)
{
	(void)state;
	const struct agentd_attachment attachments[] = {
		{ .type = AGENTD_IMAGE, .url = text("https://x/i.png") },
		{ .type = AGENTD_FILE, .url = text("https://x/f.pdf"), .name = text("the paper") },
		{ .type = AGENTD_FILE,
		    .path = text("/spool/1"),
		    .name = text("a.txt"),
		    .bytes = 6u << 20,
		    .mime_type = text("text/plain") },
		{ .type = AGENTD_IMAGE, .path = text("/spool/b.png"), .bytes = 6u << 20 },
		{ .type = AGENTD_AUDIO, .path = text("/spool/c.ogg"), .bytes = 1u << 20 },
	};
	struct agentd_reply reply = {
		.size = sizeof(reply),
		.id = 5,
		.chat_id = text("30"),
		.reply_to = text("9"),
		.text = text("Hello @everyone"),
		.attachments = attachments,
		.attachment_count = 5,
		.attachment_size = sizeof(attachments[0]),
	};
	struct discord_parts *parts = discord_parts_new(&reply, 2000);
	assert_int_equal(discord_parts_count(parts), 4); /* text, image, a, b and c */
	json_t *first = part(parts, 0);
	assert_string_equal(field(first, "content"), "Hello @everyone\nthe paper: https://x/f.pdf");
	const json_t *reference = json_object_get(first, "message_reference");
	assert_string_equal(field(reference, "message_id"), "9");
	assert_true(json_is_false(json_object_get(reference, "fail_if_not_exists")));
	for (size_t i = 0; i < 4; i++) {
		json_t *each = part(parts, i);
		const json_t *mentions = json_object_get(each, "allowed_mentions");
		assert_int_equal(json_array_size(json_object_get(mentions, "parse")), 0);
		assert_true(json_is_false(json_object_get(mentions, "replied_user")));
		assert_true(json_is_true(json_object_get(each, "enforce_nonce")));
		assert_in_range(strlen(field(each, "nonce")), 1, 25);
		assert_int_equal(i != 0, json_object_get(each, "message_reference") == NULL);
		json_decref(each);
	}
	json_t *image = part(parts, 1);
	assert_string_equal(
	    field(json_object_get(json_array_get(json_object_get(image, "embeds"), 0), "image"),
		"url"),
	    "https://x/i.png");
	size_t n;
	assert_string_equal(discord_parts_files(parts, 2, &n)[0].name, "a.txt");
	assert_int_equal(n, 1); /* two of 6 MiB are too much together */
	const struct discord_file *files = discord_parts_files(parts, 3, &n);
	assert_int_equal(n, 2);
	assert_string_equal(files[0].name, "b.png");
	assert_null(files[0].mime_type);
	assert_string_equal(files[1].path, "/spool/c.ogg");
	json_decref(image);

	/* The same reply has the same nonces; any other has others. */
	struct discord_parts *again = discord_parts_new(&reply, 2000);
	json_t *same = part(again, 0);
	assert_string_equal(field(first, "nonce"), field(same, "nonce"));
	discord_parts_free(again);
	json_decref(same);
	reply.reply_to = text("10");
	again = discord_parts_new(&reply, 2000);
	same = part(again, 0);
	assert_string_not_equal(field(first, "nonce"), field(same, "nonce"));
	json_decref(same);
	json_decref(first);
	discord_parts_free(again);
	discord_parts_free(parts);
}

static void test_many_parts(void **state)
{
	(void)state;
	struct agentd_attachment attachments[23];
	for (size_t i = 0; i < 23; i++)
		attachments[i] = (struct agentd_attachment){
			.type = i < 12 ? AGENTD_IMAGE : AGENTD_FILE,
			.url = i < 12 ? text("http://x/y") : text(""),
			.path = i < 12 ? text("") : text("/a"),
		};
	struct agentd_reply reply = {
		.size = sizeof(reply),
		.attachments = attachments,
		.attachment_count = 23,
		.attachment_size = sizeof(attachments[0]),
	};
	struct discord_parts *parts = discord_parts_new(&reply, 2000);
	size_t n;
	assert_int_equal(discord_parts_count(parts), 4); /* 10 + 2 images, 10 + 1 files */
	discord_parts_files(parts, 2, &n);
	assert_int_equal(n, 10);
	discord_parts_files(parts, 3, &n);
	assert_int_equal(n, 1);
	discord_parts_free(parts);

	/* What says nothing is no message. */
	reply.attachment_count = 0;
	reply.text = agentd_text(" \n\t \0 ", 6);
	parts = discord_parts_new(&reply, 2000);
	assert_int_equal(discord_parts_count(parts), 0);
	discord_parts_free(parts);
}

/* Rate limits. */
static void test_buckets(void **state)
{
	(void)state;
	static struct discord_buckets buckets;
	memset(&buckets, 0, sizeof(buckets));
	assert_int_equal(discord_buckets_wait_ms(&buckets, "/a", 100), 0);
	discord_buckets_take(&buckets, "/a", 100);
	discord_buckets_learn(&buckets, "/a",
	    &(struct discord_limit){ 200, .remaining = "1", .reset_after = "2.5" }, 1000);
	assert_int_equal(discord_buckets_wait_ms(&buckets, "/a", 1000), 0);
	discord_buckets_take(&buckets, "/a", 1000);
	assert_in_range(discord_buckets_wait_ms(&buckets, "/a", 1000), 2500, 2501);
	assert_int_equal(discord_buckets_wait_ms(&buckets, "/b", 1000), 0);
	assert_int_equal(discord_buckets_wait_ms(&buckets, "/a", 3501), 0);
	discord_buckets_take(&buckets, "/a", 3501);
	assert_int_equal(discord_buckets_wait_ms(&buckets, "/a", 3501), 0);
	/* The body's time is finer than the header's; nonsense is a second, and never more than a day. */
	discord_buckets_learn(&buckets, "/a",
	    &(struct discord_limit){ 429, .retry_after = "2", .body_retry_after = 0.5 }, 4000);
	assert_in_range(discord_buckets_wait_ms(&buckets, "/a", 4000), 500, 501);
	discord_buckets_learn(
	    &buckets, "/a", &(struct discord_limit){ 429, .retry_after = "soon" }, 5000);
	assert_in_range(discord_buckets_wait_ms(&buckets, "/a", 5000), 1000, 1001);
	discord_buckets_learn(
	    &buckets, "/a", &(struct discord_limit){ 429, .body_retry_after = 1e300 }, 5000);
	assert_in_range(discord_buckets_wait_ms(&buckets, "/a", 5000), 1, 86400001);
	assert_int_equal(discord_buckets_wait_ms(&buckets, "/b", 5000), 0);
	discord_buckets_learn(&buckets, "/a",
	    &(struct discord_limit){ 429, .body_retry_after = 3, .global = true }, 6000);
	assert_in_range(discord_buckets_wait_ms(&buckets, "/b", 6000), 3000, 3001);
	/* A table that is full forgets the one that opens first. */
	memset(&buckets, 0, sizeof(buckets));
	char route[DISCORD_ROUTE_MAX], after[16];
	for (int i = 0; i <= DISCORD_BUCKETS; i++) {
		snprintf(route, sizeof(route), "/%d", i);
		snprintf(after, sizeof(after), "%d", 10 + i);
		discord_buckets_learn(&buckets, route,
		    &(struct discord_limit){ 200, .remaining = "0", .reset_after = after }, 0);
	}
	assert_int_equal(discord_buckets_wait_ms(&buckets, "/0", 0), 0);
	assert_in_range(discord_buckets_wait_ms(&buckets, "/1", 0), 11000, 11001);
}

/* What is said to the gateway, and what its close codes mean. */

static void assert_json(char *got, const char *wanted)
{
	json_t *a = json(got), *b = json(wanted);
	if (!json_equal(a, b))
		fail_msg("%s", got);
	json_decref(a);
	json_decref(b);
	free(got);
}

static void test_payloads(void **state)
{
	(void)state;
	assert_json(discord_payload_heartbeat(0), "{\"op\":1,\"d\":null}");
	assert_json(discord_payload_heartbeat(7), "{\"op\":1,\"d\":7}");
	assert_json(discord_payload_resume("t", "s", 5),
	    "{\"op\":6,\"d\":{\"token\":\"t\",\"session_id\":\"s\",\"seq\":5}}");
	assert_json(discord_payload_identify("t", true),
	    "{\"op\":2,\"d\":{\"token\":\"t\",\"intents\":37377,\"properties\":{\"os\":\"linux\","
	    "\"browser\":\"agentd\",\"device\":\"agentd\"}}}");
	const char *reason = NULL;
	assert_int_equal(discord_close_meaning(1006, &reason), DISCORD_CLOSE_RESUME);
	assert_int_equal(discord_close_meaning(4008, &reason), DISCORD_CLOSE_RESUME);
	assert_int_equal(discord_close_meaning(4009, &reason), DISCORD_CLOSE_BEGIN);
	for (unsigned code = 4010; code <= 4014; code++) {
		reason = NULL;
		assert_int_equal(discord_close_meaning(code, &reason), DISCORD_CLOSE_FATAL);
		assert_non_null(reason);
	}
}

/* Beats: the first within the interval, each when that before was answered, and never after it was lost. */

struct pulse {
	struct discord_heartbeat *heartbeat;
	unsigned beats, answers;
	bool is_lost;
};

static void on_beat(void *arg)
{
	struct pulse *pulse = arg;
	pulse->beats++;
	if (pulse->beats <= pulse->answers)
		discord_heartbeat_answered(pulse->heartbeat);
}

static void on_lost(void *arg)
{
	struct pulse *pulse = arg;
	pulse->is_lost = true;
}

static void test_heartbeat(void **state)
{
	(void)state;
	struct fake_host *fake = fake_host_new();
	struct pulse pulse = { .answers = 3 };
	pulse.heartbeat = discord_heartbeat_new(&fake->host, on_beat, on_lost, &pulse);
	uint64_t begun_ms = fake->host.now_ms(&fake->host);
	discord_heartbeat_start(pulse.heartbeat, 50, UINT32_MAX / 2);
	fake_host_run_flag(fake, &pulse.is_lost);
	assert_int_equal(pulse.beats, 4);
	/* half an interval, and four */
	assert_in_range(fake->host.now_ms(&fake->host) - begun_ms, 220, 2000);
	discord_heartbeat_free(pulse.heartbeat);
	fake_host_free(fake);
}

/* The inbox: what agentd's store says decides how far the session is confirmed. */

#define SUBMITS 2000

static struct {
	void (*done)(void *arg, int error);
	void *arg;
	char key[32];
	bool has_raw;
} submits[SUBMITS];
static size_t submit_count;
static int submit_answer; /* of submit itself */

static int on_submit(
    const struct agentd_incoming *message, void (*done)(void *arg, int error), void *arg)
{
	if (submit_answer == -EMSGSIZE && message->raw.n == 0)
		submit_answer = 0;
	if (submit_answer < 0)
		return submit_answer;
	assert_true(submit_count < SUBMITS);
	submits[submit_count].done = done;
	submits[submit_count].arg = arg;
	submits[submit_count].has_raw = message->raw.n > 0;
	snprintf(submits[submit_count].key, sizeof(submits[0].key), "%.*s", (int)message->key.n,
	    message->key.p);
	submit_count++;
	return 0;
}

static void stored(size_t i, int error)
{
	submits[i].done(submits[i].arg, error);
}

static int take_in(struct discord_inbox *inbox, int64_t sequence, int id, int channel)
{
	char words[200];
	snprintf(words, sizeof(words),
	    "{\"id\":\"%d\",\"channel_id\":\"%d\",\"type\":0,\"content\":\"x\","
	    "\"author\":{\"id\":\"40\"}}",
	    id, channel);
	json_t *data = id ? json(words) : NULL;
	int error = discord_inbox_take(inbox, sequence, data);
	json_decref(data);
	return error;
}

/* In a channel of its own. */
static int take(struct discord_inbox *inbox, int64_t sequence, int id)
{
	return take_in(inbox, sequence, id, id);
}

static struct fake_host *inbox_host(struct discord_inbox **ret_inbox)
{
	struct fake_host *fake = fake_host_new();
	fake->on_submit = on_submit;
	submit_count = 0;
	submit_answer = 0;
	*ret_inbox = discord_inbox_new(&fake->host, &plain);
	discord_inbox_begin(*ret_inbox);
	return fake;
}

static void test_inbox(void **state)
{
	(void)state;
	struct discord_inbox *inbox;
	struct fake_host *fake = inbox_host(&inbox);
	assert_int_equal(discord_inbox_confirmed(inbox), 0);
	take(inbox, 1, 0);
	assert_int_equal(discord_inbox_confirmed(inbox), 1);
	take(inbox, 2, 100);
	take(inbox, 3, 0);
	take(inbox, 4, 101);
	assert_int_equal(submit_count, 2);
	assert_int_equal(discord_inbox_confirmed(inbox), 1); /* 100 may still get lost */
	stored(1, 0);
	assert_int_equal(discord_inbox_confirmed(inbox), 1);
	take(inbox, 2, 100); /* sent again after a RESUME */
	take(inbox, 4, 101);
	assert_int_equal(submit_count, 2);
	stored(0, 0);
	assert_int_equal(discord_inbox_confirmed(inbox), 4);
	/* Of a session that has ended what waits still goes on. */
	take(inbox, 5, 102);
	discord_inbox_begin(inbox);
	assert_int_equal(discord_inbox_confirmed(inbox), 0);
	take(inbox, 1, 103);
	assert_int_equal(submit_count, 4);
	assert_int_equal(discord_inbox_confirmed(inbox), 0);
	stored(3, 0);
	assert_int_equal(discord_inbox_confirmed(inbox), 1);
	stored(2, 0);
	discord_inbox_free(inbox);
	fake_host_free(fake);
}

static bool has_submits(void *arg)
{
	return submit_count >= *(size_t *)arg;
}

static unsigned count(const char *words, const char *of)
{
	unsigned n = 0;
	for (; (words = strstr(words, of)); words++)
		n++;
	return n;
}

static void test_inbox_trouble(void **state)
{
	(void)state;
	struct discord_inbox *inbox;
	struct fake_host *fake = inbox_host(&inbox);
	take(inbox, 1, 100);
	take(inbox, 2, 101);
	stored(0, -ENOSPC);
	stored(1, -ENOSPC);
	assert_int_equal(discord_inbox_confirmed(inbox), 0);
	size_t wanted = 4;
	fake_host_run(fake, has_submits, &wanted); /* both again, in their order */
	assert_string_equal(submits[2].key, "100");
	assert_string_equal(submits[3].key, "101");
	stored(2, 0);
	stored(3, 0);
	assert_int_equal(discord_inbox_confirmed(inbox), 2);
	assert_int_equal(count(fake->log, "\n"), 2); /* when it began, and when it ended */
	/* There is no room on the way into the store; then there is. */
	submit_answer = -EAGAIN;
	take(inbox, 3, 102);
	take(inbox, 4, 103);
	assert_int_equal(submit_count, 4);
	submit_answer = 0;
	wanted = 6;
	fake_host_run(fake, has_submits, &wanted);
	stored(4, 0);
	stored(5, 0);
	/* Too large with what nobody may need. */
	submit_answer = -EMSGSIZE;
	take(inbox, 5, 104);
	assert_false(submits[6].has_raw);
	stored(6, 0);
	/* What can never be taken holds nothing up. */
	submit_answer = -EINVAL;
	take(inbox, 6, 105);
	assert_int_equal(discord_inbox_confirmed(inbox), 6);
	assert_non_null(strstr(fake->log, "message 105"));
	discord_inbox_free(inbox);
	fake_host_free(fake);
}

/* Bug: a message that the store refused was overtaken by the next of its channel, which was on its way as well, and was
 * taken: a short one, say, when the disk had no room for a long one. */
static void test_inbox_order(void **state)
{
	(void)state;
	struct discord_inbox *inbox;
	struct fake_host *fake = inbox_host(&inbox);
	take_in(inbox, 1, 100, 30);
	take_in(inbox, 2, 101, 30);
	take_in(inbox, 3, 102, 31);
	assert_int_equal(submit_count, 2);
	assert_string_equal(submits[0].key, "100");
	assert_string_equal(submits[1].key, "102"); /* of another channel */
	stored(0, -ENOSPC);
	stored(1, 0);
	assert_int_equal(submit_count, 2);
	size_t wanted = 3;
	fake_host_run(fake, has_submits, &wanted);
	assert_string_equal(submits[2].key, "100");
	stored(2, 0);
	assert_int_equal(submit_count, 4);
	assert_string_equal(submits[3].key, "101");
	stored(3, 0);
	assert_int_equal(discord_inbox_confirmed(inbox), 3);
	discord_inbox_free(inbox);
	fake_host_free(fake);
}

static void test_inbox_full(void **state)
{
	(void)state;
	struct discord_inbox *inbox;
	struct fake_host *fake = inbox_host(&inbox);
	for (int i = 1; i <= DISCORD_INBOX_MAX; i++)
		assert_int_equal(take(inbox, i, 100 + i), 0);
	assert_int_equal(take(inbox, DISCORD_INBOX_MAX + 1, 5000), -ENOSPC);
	assert_int_equal(take(inbox, 7, 107), 0); /* known, and needs no room */
	stored(0, 0);
	assert_int_equal(discord_inbox_confirmed(inbox), 1);
	assert_int_equal(take(inbox, DISCORD_INBOX_MAX + 1, 5000), 0);
	discord_inbox_free(inbox);
	fake_host_free(fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_message),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_fences),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_many_parts),
		cmocka_unit_test(test_buckets),
		cmocka_unit_test(test_payloads),
		cmocka_unit_test(test_heartbeat),
		cmocka_unit_test(test_inbox),
		cmocka_unit_test(test_inbox_trouble),
		cmocka_unit_test(test_inbox_order),
		cmocka_unit_test(test_inbox_full),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
