/* sessions: list, show, delete. */
#include "ctl/sessions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static void add_age(struct table *table, const char *time)
{
	struct buf text = { 0 };
	text_add_age(&text, time, clock_wall_ms());
	buf_add(&text, "", 1);
	table_add(table, text.data);
	buf_done(&text);
}

static void print_list(const json_t *sessions)
{
	static const char *const headings[] = { "SESSION", "AGENT", ">USED", ">MADE", "USER",
		NULL };
	struct table *table = table_new(headings);
	size_t i;
	json_t *session;
	json_array_foreach (sessions, i, session) {
		table_add(table, text_of(session, "session_id"));
		table_add(table, text_of(session, "agent"));
		add_age(table, text_of(session, "updated_at"));
		add_age(table, text_of(session, "created_at"));
		table_add(table, text_of(session, "user_id"));
	}
	if (i)
		table_print(table, stdout);
	else
		puts("There are no sessions yet.");
	table_free(table);
}

int sessions_list(struct client *client, const struct arguments *arguments)
{
	static const struct command_list list = {
		.path = "/sessions", .items = "sessions", .print = print_list
	};
	return command_list(client, arguments, &list);
}

/* "user", and what was said below it, each line set in. */
static void print_message(const json_t *message)
{
	const char *role = text_of(message, "role");
	const json_t *content = json_object_get(message, "content");
	const json_t *calls = json_object_get(message, "tool_calls");
	fputs(say_style(stdout, STYLE_BOLD), stdout);
	say_word(stdout, role ? role : "?");
	fputs(say_style(stdout, STYLE_NONE), stdout);
	putchar('\n');
	const char *text = json_string_value(content);
	for (const char *end = text ? text + json_string_length(content) : NULL;
	     text && text < end;) {
		const char *next = memchr(text, '\n', (size_t)(end - text));
		size_t n = (size_t)((next ? next : end) - text);
		fputs("  ", stdout);
		say_text(stdout, text, n, true);
		putchar('\n');
		text += n + (next != NULL);
	}
	if (calls) {
		char *shown = json_dumps(calls, JSON_COMPACT);
		printf("  %s", say_style(stdout, STYLE_DIM));
		say_word(stdout, shown ? shown : "");
		printf("%s\n", say_style(stdout, STYLE_NONE));
		free(shown);
	}
}

void sessions_print_messages(const json_t *messages, size_t most)
{
	size_t count = json_array_size(messages), i;
	size_t first = most && count > most ? count - most : 0;
	if (first)
		printf("%s(%zu earlier message%s)%s\n", say_style(stdout, STYLE_DIM), first,
		    first == 1 ? "" : "s", say_style(stdout, STYLE_NONE));
	for (i = first; i < count; i++)
		print_message(json_array_get(messages, i));
}

static void print_messages(const json_t *messages)
{
	sessions_print_messages(messages, 0);
}

int sessions_show(struct client *client, const struct arguments *arguments)
{
	char *path = client_path("/sessions/", arguments_word(arguments, 0), "");
	int code = command_show(client, "GET", path, "messages", print_messages);
	free(path);
	return code;
}

int sessions_delete(struct client *client, const struct arguments *arguments)
{
	struct reply reply;
	struct buf what = { 0 };
	const char *id = arguments_word(arguments, 0);
	buf_addf(&what, "session %s with all its runs", id);
	char *text = buf_take(&what);
	int code = text ? command_is_sure(arguments, "sessions delete", text) : EX_OSERR;
	free(text);
	if (code)
		return code;
	char *path = client_path("/sessions/", id, "");
	code = client_call(client, "DELETE", path, NULL, &reply);
	free(path);
	if (code)
		return code;
	reply_done(&reply);
	if (say_is_json())
		say_json(json_pack("{s:s, s:s}", "session_id", id, "status", "deleted"));
	return 0;
}
