/* outbox: replies that no platform has taken: list, retry, delete. */
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "ctl/command.h"
#include "ctl/say.h"
#include "ctl/table.h"
#include "ctl/text.h"
#include "daemon/base/id.h"

static const char *text_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

/* "aside", "in 4s", or nothing: as soon as it can be. */
static void add_next(struct table *table, const json_t *reply)
{
	struct buf text = { 0 };
	if (json_is_true(json_object_get(reply, "aside"))) {
		table_add_styled(table, STYLE_RED, "aside");
		return;
	}
	text_add_wait(&text, text_of(reply, "next_try_at"), clock_wall_ms());
	buf_add(&text, "", 1);
	table_add(table, text.data);
	buf_done(&text);
}

static void add_row(struct table *table, const json_t *reply)
{
	struct buf age = { 0 };
	text_add_age(&age, text_of(reply, "created_at"), clock_wall_ms());
	buf_add(&age, "", 1);
	table_addf(table, "%lld", (long long)json_integer_value(json_object_get(reply, "id")));
	table_add(table, text_of(reply, "interface"));
	table_add(table, text_of(reply, "chat_id"));
	table_add(table, age.data);
	table_addf(
	    table, "%lld", (long long)json_integer_value(json_object_get(reply, "attempts")));
	add_next(table, reply);
	table_add(
	    table, text_of(reply, "error") ? text_of(reply, "error") : text_of(reply, "text"));
	buf_done(&age);
}

static void print_list(const json_t *replies)
{
	static const char *const headings[] = { ">REPLY", "INTERFACE", "CHAT", ">AGE", ">ATTEMPTS",
		"NEXT TRY", "<ERROR, OR TEXT", NULL };
	struct table *table = table_new(headings);
	size_t i;
	json_t *reply;
	json_array_foreach (replies, i, reply)
		add_row(table, reply);
	if (i)
		table_print(table, stdout);
	else
		puts("All replies have been taken.");
	table_free(table);
}

int outbox_list(struct client *client, const struct arguments *arguments)
{
	static const struct command_list list = {
		.path = "/outbox", .items = "replies", .print = print_list
	};
	return command_list(client, arguments, &list);
}

int outbox_retry(struct client *client, const struct arguments *arguments)
{
	const struct command_call call = { "POST", "/outbox/", "/retry", "retrying" };
	return command_call(client, &call, arguments_word(arguments, 0));
}

int outbox_delete(struct client *client, const struct arguments *arguments)
{
	const struct command_call call = { "DELETE", "/outbox/", "", "deleted" };
	struct buf what = { 0 };
	buf_addf(&what, "reply %s", arguments_word(arguments, 0));
	char *text = buf_take(&what);
	int code = text ? command_is_sure(arguments, "outbox delete", text) : EX_OSERR;
	free(text);
	return code ? code : command_call(client, &call, arguments_word(arguments, 0));
}
