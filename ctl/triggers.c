/* triggers: what makes runs, and events that do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/client.h"
#include "ctl/command.h"
#include "ctl/run.h"
#include "ctl/say.h"
#include "ctl/table.h"

static const char *text_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

/* When a schedule comes next; others have no such time. */
static const char *next_of(const json_t *trigger)
{
	if (json_is_true(json_object_get(trigger, "paused")))
		return "paused";
	return json_is_false(json_object_get(trigger, "enabled")) ? "off"
								  : text_of(trigger, "next");
}

static void print_triggers(const json_t *list)
{
	static const char *const headings[] = { "TRIGGER", "NAME", "AGENT", "NEXT", "LAST", NULL };
	static const char *const kinds[] = { "webhooks", "cron", "events" };
	struct table *table = table_new(headings);
	size_t i, found = 0;
	json_t *trigger;
	for (size_t kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
		json_array_foreach (json_object_get(list, kinds[kind]), i, trigger) {
			table_add(table, text_of(trigger, "source"));
			table_add(table, text_of(trigger, "name"));
			table_add(table, text_of(trigger, "agent"));
			table_add(table, next_of(trigger));
			table_add(table, text_of(json_object_get(trigger, "last"), "status"));
		}
		found += i;
	}
	if (found)
		table_print(table, stdout);
	else
		puts("There are no triggers.");
	table_free(table);
}

int triggers_list(struct client *client, const struct arguments *arguments)
{
	(void)arguments;
	return command_show(client, "GET", "/triggers", NULL, print_triggers);
}

/* Schedules. */

static int call_cron(struct client *client, const struct arguments *arguments, const char *what,
    void (*print)(const json_t *answer))
{
	char *path = client_path("/cron/", arguments_word(arguments, 0), what);
	int code = command_show(client, "POST", path, NULL, print);
	free(path);
	return code;
}

static void print_run(const json_t *run)
{
	say_word(stdout, text_of(run, "run_id"));
	putchar('\n');
}

static void print_state(const json_t *trigger)
{
	const char *next = next_of(trigger);
	say_word(stdout, text_of(trigger, "name"));
	fputs(": ", stdout);
	say_word(stdout, next ? next : "does not come again");
	putchar('\n');
}

int cron_run(struct client *client, const struct arguments *arguments)
{
	return call_cron(client, arguments, "/run", print_run);
}

int cron_pause(struct client *client, const struct arguments *arguments)
{
	return call_cron(client, arguments, "/pause", print_state);
}

int cron_resume(struct client *client, const struct arguments *arguments)
{
	return call_cron(client, arguments, "/resume", print_state);
}

/* What is no JSON is a text, as people write it. */
static json_t *event_body(const char *text, size_t length)
{
	json_t *body = json_loadb(text, length, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
	return body ? body : json_stringn(text, length);
}

/* The event's JSON: the second word, stdin for "-", or none. */
static int find_body(const struct arguments *arguments, json_t **ret_body)
{
	const char *word = arguments->word_count > 1 ? arguments_word(arguments, 1) : NULL;
	char *text = NULL;
	size_t length = 0;
	if (!word) {
		*ret_body = json_object();
		return 0;
	}
	if (strcmp(word, "-") != 0) {
		*ret_body = event_body(word, strlen(word));
	} else {
		int code = run_read_stdin(&text, &length);
		if (code)
			return code;
		*ret_body = event_body(text, length);
		free(text);
	}
	return *ret_body ? 0 : say_usage("emit", "the body is not UTF-8");
}

int emit_run(struct client *client, const struct arguments *arguments)
{
	struct reply reply;
	json_t *body, *id;
	size_t i;
	int code = find_body(arguments, &body);
	if (code)
		return code;
	char *path = client_path("/events/", arguments_word(arguments, 0), "");
	code = client_call(client, "POST", path, body, &reply);
	free(path);
	json_decref(body);
	if (code)
		return code;
	if (say_is_json()) {
		say_json_text(reply.body.data, reply.body.length);
	} else {
		json_array_foreach (json_object_get(reply.json, "run_ids"), i, id) {
			say_word(stdout, json_string_value(id));
			putchar('\n');
		}
	}
	reply_done(&reply);
	return 0;
}
