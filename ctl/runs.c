/* runs: list, show, events, cancel. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/command.h"
#include "ctl/follow.h"
#include "ctl/interrupt.h"
#include "ctl/say.h"
#include "ctl/table.h"
#include "ctl/text.h"
#include "daemon/base/id.h"

#define COLUMNS_WIDE 130

static const char *text_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

static enum style style_of(const char *status)
{
	static const struct {
		const char *status;
		enum style style;
	} table[] = {
		{ "succeeded", STYLE_GREEN },
		{ "failed", STYLE_RED },
		{ "running", STYLE_YELLOW },
		{ "queued", STYLE_YELLOW },
	};
	for (size_t i = 0; status && i < sizeof(table) / sizeof(table[0]); i++)
		if (strcmp(table[i].status, status) == 0)
			return table[i].style;
	return STYLE_NONE;
}

/* `wide`: there is room for what the others can do without. */
static void add_row(struct table *table, const json_t *run, bool wide)
{
	struct buf age = { 0 };
	const char *status = text_of(run, "status");
	text_add_age(&age, text_of(run, "created_at"), clock_wall_ms());
	buf_add(&age, "", 1);
	table_add(table, text_of(run, "run_id"));
	table_add_styled(table, style_of(status), status);
	table_add(table, text_of(run, "agent"));
	table_add(table, age.data);
	table_add(table, wide ? text_of(run, "source") : NULL);
	table_add(table, wide ? text_of(run, "session_id") : NULL);
	table_add(table, text_of(run, "error") ? text_of(run, "error") : text_of(run, "input"));
	buf_done(&age);
}

static void print_list(const json_t *runs, const char *none)
{
	static const char *const headings[] = { "RUN", "STATUS", "AGENT", ">AGE", "SOURCE",
		"SESSION", "<INPUT, OR ERROR", NULL };
	struct table *table = table_new(headings);
	size_t columns = text_columns(STDOUT_FILENO);
	size_t i;
	json_t *run;
	json_array_foreach (runs, i, run)
		add_row(table, run, !columns || columns >= COLUMNS_WIDE);
	if (i)
		table_print(table, stdout);
	else
		puts(none);
	table_free(table);
}

static void print_all(const json_t *runs)
{
	print_list(runs, "There are no runs; with store.enabled: false none is kept.");
}

static void print_some(const json_t *runs)
{
	print_list(runs, "There are no such runs.");
}

int runs_list(struct client *client, const struct arguments *arguments)
{
	struct command_list list = { .path = "/runs",
		.items = "runs",
		.filters = { { "agent", "agent" }, { "session_id", "session" },
		    { "status", "status" } },
		.print = print_all };
	for (size_t i = 0; i < COMMAND_FILTERS_MAX; i++)
		if (arguments_get(arguments, list.filters[i].option))
			list.print = print_some;
	return command_list(client, arguments, &list);
}

/* Each field of a run on its line; input and content below, as they are. */
static void print_run(const json_t *run)
{
	static const char *const blocks[] = { "input", "content" };
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)run, key, value)
	{
		if (json_is_null(value) || strcmp(key, "input") == 0 || strcmp(key, "content") == 0)
			continue;
		char *text = json_is_string(value)
				 ? NULL
				 : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
		say_word(stdout, key);
		printf(":%*s", strlen(key) < 12 ? (int)(12 - strlen(key)) : 1, "");
		say_word(stdout, text ? text : json_string_value(value));
		putchar('\n');
		free(text);
	}
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		value = json_object_get(run, blocks[i]);
		if (!json_string_length(value))
			continue;
		printf("\n%s%s%s\n", say_style(stdout, STYLE_BOLD), blocks[i],
		    say_style(stdout, STYLE_NONE));
		say_text(stdout, json_string_value(value), json_string_length(value), true);
		putchar('\n');
	}
}

int runs_show(struct client *client, const struct arguments *arguments)
{
	char *path = client_path("/runs/", arguments_word(arguments, 0), "");
	int code = command_show(client, "GET", path, NULL, print_run);
	free(path);
	return code;
}

/* Events. */

static void print_event(void *arg, const struct follow_event *event)
{
	(void)arg;
	printf("%s%-6llu%s %-14s ", say_style(stdout, STYLE_DIM), (unsigned long long)event->id,
	    say_style(stdout, STYLE_NONE), event->name);
	say_word(stdout, event->text);
	putchar('\n');
	fflush(stdout);
}

/* An element of an array that is open; `arg` counts them. */
static void print_event_json(void *arg, const struct follow_event *event)
{
	size_t *count = arg;
	printf("%s{\"id\":%llu,\"event\":\"%s\",\"data\":%s}\n", (*count)++ ? "," : "",
	    (unsigned long long)event->id, event->name, event->text);
	fflush(stdout);
}

int runs_events(struct client *client, const struct arguments *arguments)
{
	size_t count = 0;
	bool json = say_is_json();
	struct follow_view view = { .on_event = json ? print_event_json : print_event,
		.arg = &count };
	struct follow follow;
	interrupt_open();
	if (json)
		puts("{\"events\":[");
	follow_events(client, arguments_word(arguments, 0), 0, &view, &follow);
	if (json)
		puts("]}");
	int code = 0; /* it was shown, however it ended */
	if (follow.end == FOLLOW_REFUSED || follow.end == FOLLOW_LOST) {
		say_open(false); /* the document is there already */
		code = follow_say(&follow, client);
	}
	follow_done(&follow);
	return code;
}

int runs_cancel(struct client *client, const struct arguments *arguments)
{
	const struct command_call call = { "POST", "/runs/", "/cancel", "cancelled" };
	return command_call(client, &call, arguments_word(arguments, 0));
}
