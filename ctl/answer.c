/* answer: deltas, tool calls, restarts. */
#include "ctl/answer.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/say.h"
#include "ctl/text.h"
#include "daemon/base/harmless.h"

#define EVENT_COLUMNS 100 /* of one that goes to a file */

static void say_piece(const json_t *text)
{
	const char *bytes = json_string_value(text);
	size_t n = json_string_length(text);
	if (!n)
		return;
	flockfile(stdout);
	say_stop_waiting();
	say_text(stdout, bytes, n, true);
	fflush(stdout);
	say_set_line(bytes[n - 1] == '\n' ? SAY_LINE_EMPTY : SAY_LINE_TEXT);
	funlockfile(stdout);
}

/* Text that goes to a file or a pipe gets no line ends that the agent did not say. */
static void break_line(void)
{
	flockfile(stdout);
	say_stop_waiting();
	if (say_line() == SAY_LINE_TEXT && isatty(STDOUT_FILENO)) {
		putchar('\n');
		say_set_line(SAY_LINE_EMPTY);
	}
	fflush(stdout);
	funlockfile(stdout);
}

static void say_report(const char *text)
{
	struct buf line = { 0 };
	size_t columns = text_columns(STDERR_FILENO);
	break_line();
	harmless_add(&line, text, strlen(text), false);
	size_t n = text_fit(line.data, line.length, columns > 3 ? columns - 3 : EVENT_COLUMNS);
	fprintf(stderr, "%s· %.*s%s%s\n", say_style(stderr, STYLE_DIM), (int)n, line.data,
	    n < line.length ? "…" : "", say_style(stderr, STYLE_NONE));
	buf_done(&line);
}

/* "tool_call name=search arguments={…}": the type in front, then what it has. */
static void say_event(const json_t *data)
{
	struct buf line = { 0 };
	const char *key;
	json_t *value;
	const char *type = json_string_value(json_object_get(data, "type"));
	buf_add_str(&line, type ? type : "event");
	json_object_foreach((json_t *)(uintptr_t)data, key, value)
	{
		if (strcmp(key, "type") == 0)
			continue;
		char *text = json_is_string(value)
				 ? NULL
				 : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
		buf_addf(&line, " %s=%s", key, text ? text : json_string_value(value));
		free(text);
	}
	buf_add(&line, "", 1);
	if (!line.failed)
		say_report(line.data);
	buf_done(&line);
}

void answer_on_event(void *arg, const struct follow_event *event)
{
	const struct answer *answer = arg;
	char text[128];
	if (strcmp(event->name, "run.delta") == 0 && answer->text) {
		say_piece(json_object_get(event->data, "text"));
	} else if (strcmp(event->name, "run.event") == 0 && answer->events) {
		say_event(event->data);
	} else if (strcmp(event->name, "run.restarted") == 0) {
		snprintf(text, sizeof(text),
		    "its process died; it begins again (attempt %lld), and what it said is void",
		    (long long)json_integer_value(json_object_get(event->data, "attempt")));
		say_report(text);
	}
}

void answer_on_note(void *arg)
{
	(void)arg;
	break_line();
}

void answer_end(bool interrupted)
{
	flockfile(stdout);
	if (say_stop_waiting())
		fflush(stdout);
	else if (say_line() == SAY_LINE_TEXT)
		putchar('\n');
	else if (interrupted && isatty(STDIN_FILENO) && isatty(STDERR_FILENO))
		fputs("\n", stderr);
	say_set_line(SAY_LINE_EMPTY);
	fflush(stdout);
	funlockfile(stdout);
}

void answer_print(const struct follow *follow)
{
	say_piece(json_object_get(follow->reply.json, "content"));
	answer_end(false);
}
