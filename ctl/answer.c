/* answer: deltas, tool calls, restarts. */
#include "ctl/answer.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/say.h"
#include "ctl/text.h"
#include "daemon/base/harmless.h"

#define EVENT_COLUMNS 100 /* of one that goes to a file */

void answer_wait(struct answer *answer)
{
	if (!say_style(stdout, STYLE_DIM)[0])
		return;
	printf("%s…%s", say_style(stdout, STYLE_DIM), say_style(stdout, STYLE_NONE));
	fflush(stdout);
	answer->waits = true;
}

/* Takes the sign away, and a "^C" behind it. True: there was one. */
static bool stop_waiting(struct answer *answer)
{
	bool waited = answer->waits;
	if (waited)
		fputs("\r\033[K", stdout);
	answer->waits = false;
	return waited;
}

static void say_piece(struct answer *answer, const json_t *text)
{
	const char *bytes = json_string_value(text);
	size_t n = json_string_length(text);
	if (!n)
		return;
	stop_waiting(answer);
	say_text(stdout, bytes, n, true);
	fflush(stdout);
	answer->mid_line = bytes[n - 1] != '\n';
}

/* Text that goes to a file or a pipe gets no line ends that the agent did not say. */
static void break_line(struct answer *answer)
{
	if (answer->mid_line && isatty(STDOUT_FILENO)) {
		putchar('\n');
		answer->mid_line = false;
	}
	fflush(stdout);
}

static void say_line(struct answer *answer, const char *text)
{
	struct buf line = { 0 };
	size_t columns = text_columns(STDERR_FILENO);
	stop_waiting(answer);
	break_line(answer);
	harmless_add(&line, text, strlen(text), false);
	size_t n = text_fit(line.data, line.length, columns > 3 ? columns - 3 : EVENT_COLUMNS);
	fprintf(stderr, "%s· %.*s%s%s\n", say_style(stderr, STYLE_DIM), (int)n, line.data,
	    n < line.length ? "…" : "", say_style(stderr, STYLE_NONE));
	buf_done(&line);
}

/* "tool_call name=search arguments={…}": the type in front, then what it has. */
static void say_event(struct answer *answer, const json_t *data)
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
		say_line(answer, line.data);
	buf_done(&line);
}

void answer_on_event(void *arg, const struct follow_event *event)
{
	struct answer *answer = arg;
	char text[128];
	if (strcmp(event->name, "run.delta") == 0 && answer->text) {
		say_piece(answer, json_object_get(event->data, "text"));
	} else if (strcmp(event->name, "run.event") == 0 && answer->events) {
		say_event(answer, event->data);
	} else if (strcmp(event->name, "run.restarted") == 0) {
		snprintf(text, sizeof(text),
		    "its process died; it begins again (attempt %lld), and what it said is void",
		    (long long)json_integer_value(json_object_get(event->data, "attempt")));
		say_line(answer, text);
	}
}

void answer_on_note(void *arg)
{
	struct answer *answer = arg;
	stop_waiting(answer);
	break_line(answer);
}

void answer_end(struct answer *answer, bool interrupted)
{
	if (stop_waiting(answer))
		fflush(stdout);
	else if (answer->mid_line)
		putchar('\n');
	else if (interrupted && isatty(STDIN_FILENO) && isatty(STDERR_FILENO))
		fputs("\n", stderr);
	answer->mid_line = false;
	fflush(stdout);
}

void answer_print(struct answer *answer, const struct follow *follow)
{
	say_piece(answer, json_object_get(follow->reply.json, "content"));
	answer_end(answer, false);
}
