/*
 * fuzz_telegram: any JSON as an update, and any text as a reply to be cut.
 *
 * What must hold: an update is a message, nothing, or refused; what is borrowed of it is within bounds that
 * agentd takes; an edit is none unless asked for; a reply is cut into parts that fit, are never empty, and are
 * together the reply, but for white space.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/common/split.h"
#include "plugins/telegram/markup.h"
#include "plugins/telegram/update.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_name(const char *text)
{
	check(!text || (*text && strlen(text) <= 256));
}

static void check_update(const char *text, size_t n)
{
	static const int64_t ids[] = { 7 };
	static const struct telegram_rules everybody, edits = { .answer_edits = true },
						      few = { .user_ids = ids, .user_count = 1 };
	json_t *json = json_loadb(text, n, JSON_ALLOW_NUL, NULL);
	struct telegram_message message = { .update_id = -1 }, other;
	int is = telegram_update_read(json, &everybody, &message);
	check(is == 1 || is == 0 || is == -EINVAL);
	if (is == 1) {
		check(message.update_id >= 0 && (message.text.n || message.file.id));
		check(strlen(message.user_name) <= 256);
		check_name(message.file.id);
		check_name(message.file.name);
		check_name(message.file.mime_type);
		check(!message.file.id ||
		      (message.file.mime_type && message.file.type <= AGENTD_VIDEO));
	} else
		check(message.update_id == -1);
	if (telegram_update_read(json, &few, &other) == 1)
		check(other.user_id == 7 && is == 1);
	if (is == 1)
		check(telegram_update_read(json, &edits, &other) == 1);
	json_decref(json);
}

static bool is_white(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static void check_cut(const char *text, size_t n, size_t most, enum telegram_markup markup)
{
	struct telegram_cut cut;
	struct agentd_text plain;
	char *marked;
	const char *at = text;
	telegram_cut_init(&cut, agentd_text(text, n), most, markup);
	while (telegram_cut_next(&cut, &plain, &marked) == 1) {
		check(plain.n && plain.p >= at && plain.p + plain.n <= text + n);
		while (at < plain.p)
			check(is_white(*at++));
		at += plain.n;
		check(split_count(plain, SPLIT_UTF16) <= most);
		check(!marked ||
		      split_count(agentd_text(marked, strlen(marked)), SPLIT_UTF16) <= most);
		check(marked ? markup != TELEGRAM_PLAIN : true);
		free(marked);
	}
	while (at < text + n)
		check(is_white(*at++));
}

/* The first byte says how the rest is read. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	const char *text = (const char *)data + 1;
	if (data[0] == '{')
		check_update((const char *)data, size);
	else if (!memchr(text, '\0', size - 1)) /* a reply has none: the plugin takes them out */
		check_cut(
		    text, size - 1, 4 + data[0] / 4 % 64, (enum telegram_markup)(data[0] % 4));
	return 0;
}
