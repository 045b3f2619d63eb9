/* run: `agentctl run`, and what `try` shares with it. It always asks for a stream, shown or not: so it
 * knows the run's id from the start, and can cancel it. */
#include "ctl/run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "ctl/answer.h"
#include "ctl/attach.h"
#include "ctl/command.h"
#include "ctl/interrupt.h"
#include "ctl/say.h"

#define TEXT_MAX (64u << 20)

json_t *run_body(const struct run_request *request)
{
	struct buf text = { 0 };
	buf_add_utf8(&text, NULL, request->text, request->length);
	json_t *body = json_object();
	json_object_set_new(body, "input", json_stringn(text.data ? text.data : "", text.length));
	buf_done(&text);
	if (request->agent)
		json_object_set_new(body, "agent", json_string(request->agent));
	if (request->session)
		json_object_set_new(body, "session_id", json_string(request->session));
	if (request->timeout_s > 0)
		json_object_set_new(body, "timeout", json_real(request->timeout_s));
	if (request->attachments)
		json_object_set(body, "attachments", request->attachments);
	return body;
}

int run_once(struct client *client, const struct run_request *request, bool streams)
{
	bool json = say_is_json();
	struct answer answer = { .text = streams && !json,
		.events = isatty(STDERR_FILENO) && !json };
	struct follow_view view = {
		.on_event = answer_on_event, .on_note = answer_on_note, .arg = &answer
	};
	struct follow follow;
	json_t *body = run_body(request);
	interrupt_open();
	follow_run(client, body, &view, &follow);
	json_decref(body);
	answer_end(follow.interrupted);
	int code = follow_say(&follow, client);
	if (code == 0 && json)
		say_json_text(follow.reply.body.data, follow.reply.body.length);
	else if (code == 0 && !streams)
		answer_print(&follow);
	follow_done(&follow);
	return code;
}

int run_read_stdin(char **ret_text, size_t *ret_length)
{
	struct buf text = { 0 };
	char *room;
	size_t n;
	while ((room = buf_room(&text, 65536)) && (n = fread(room, 1, 65536, stdin)) > 0) {
		buf_grew(&text, n);
		if (text.length > TEXT_MAX)
			break;
	}
	if (ferror(stdin) || text.failed || text.length > TEXT_MAX) {
		buf_done(&text);
		return say_error(EX_NOINPUT, "cannot read stdin: %s",
		    ferror(stdin) ? strerror(errno) : "it is too long");
	}
	if (text.length && text.data[text.length - 1] == '\n')
		text.length--;
	*ret_length = text.length;
	*ret_text = buf_take(&text);
	return 0;
}

/* A run that goes on without us: its id is all that there is. */
static int run_behind(struct client *client, const struct run_request *request)
{
	struct reply reply;
	json_t *body = run_body(request);
	json_object_set_new(body, "background", json_true());
	int code = client_call(client, "POST", "/run", body, &reply);
	json_decref(body);
	if (code)
		return code;
	const char *id = json_string_value(json_object_get(reply.json, "run_id"));
	if (say_is_json()) {
		say_json_text(reply.body.data, reply.body.length);
	} else if (id) {
		say_word(stdout, id);
		putchar('\n');
		fflush(stdout);
		if (isatty(STDERR_FILENO))
			say_note("follow it with: agentctl runs events %s", id);
	}
	reply_done(&reply);
	return 0;
}

/* The last of the two wins; without any, a terminal gets a stream. */
static bool wants_stream(const struct arguments *arguments)
{
	bool wanted = isatty(STDOUT_FILENO);
	for (size_t i = 0; i < arguments->given_count; i++) {
		const char *name = arguments->given[i].row->name;
		if (strcmp(name, "stream") == 0 || strcmp(name, "no-stream") == 0)
			wanted = name[0] == 's';
	}
	return wanted;
}

/* One word is a text, two are an agent and a text: whoever pipes to an agent by name says "-". */
static int find_text(
    const struct arguments *arguments, struct run_request *request, char **ret_text)
{
	size_t count = arguments->word_count;
	const char *word = count ? arguments_word(arguments, count - 1) : NULL;
	request->agent = count == 2 ? arguments_word(arguments, 0) : NULL;
	if (!word && isatty(STDIN_FILENO))
		return say_usage("run", "run needs a text");
	if (!word || strcmp(word, "-") == 0) {
		int code = run_read_stdin(ret_text, &request->length);
		if (code)
			return code;
		request->text = *ret_text;
	} else {
		request->text = word;
		request->length = strlen(word);
	}
	if (!request->length)
		return say_usage("run", "the text is empty");
	return 0;
}

int run_run(struct client *client, const struct arguments *arguments)
{
	struct run_request request = { .session = arguments_get(arguments, "session") };
	const char *timeout = arguments_get(arguments, "timeout");
	char *text = NULL;
	int code = command_check_number("run", "timeout", timeout, 1000000000);
	if (code == 0)
		code = find_text(arguments, &request, &text);
	if (code == 0)
		code = attach_files(arguments, &request.attachments);
	if (code)
		goto done;
	request.timeout_s = timeout ? strtod(timeout, NULL) : 0;
	code = arguments_get(arguments, "background")
		   ? run_behind(client, &request)
		   : run_once(client, &request, wants_stream(arguments));
done:
	json_decref(request.attachments);
	free(text);
	return code;
}
