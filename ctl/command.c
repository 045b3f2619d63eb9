/* command: the rows. */
#include "ctl/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "ctl/say.h"
#include "daemon/conf/schema.h"

#define SESSION_ROW                                                         \
	{                                                                   \
		"session", 0, "ID", WORD_SESSION, "go on with this session" \
	}
#define LIMIT_ROW                                                      \
	{                                                              \
		"limit", 'n', "N", WORD_OTHER, "how many at most (50)" \
	}

static const struct option_row run_options[] = {
	SESSION_ROW,
	{ "stream", 0, NULL, WORD_OTHER, "print the answer as it comes (on a terminal)" },
	{ "no-stream", 0, NULL, WORD_OTHER, "print it when it is whole (elsewhere)" },
	{ "background", 0, NULL, WORD_OTHER, "print the run's id, and do not wait" },
	{ "timeout", 0, "SECONDS", WORD_OTHER, "how long it may take" },
	{ "attach", 0, "FILE", WORD_FILE, "send this file along (may be repeated)" },
	{ 0 },
};

static const struct option_row chat_options[] = {
	SESSION_ROW,
	{ 0 },
};

static const struct option_row runs_options[] = {
	{ "agent", 0, "NAME", WORD_AGENT, "only runs of this agent" },
	{ "session", 0, "ID", WORD_SESSION, "only runs of this session" },
	{ "status", 0, "STATUS", WORD_STATUS,
	    "one of queued, running, succeeded, failed, cancelled" },
	LIMIT_ROW,
	{ 0 },
};

static const struct option_row list_options[] = {
	LIMIT_ROW,
	{ 0 },
};

static const struct option_row delete_options[] = {
	{ "yes", 'y', NULL, WORD_OTHER, "do not ask" },
	{ 0 },
};

static const struct option_row cron_options[] = {
	{ "tz", 0, "ZONE", WORD_OTHER, "in this time zone, such as Europe/Berlin (UTC)" },
	{ "after", 0, "TIME", WORD_OTHER, "after this time, such as 2026-03-08T12:00:00Z (now)" },
	{ "count", 'n', "N", WORD_OTHER, "how many times (5)" },
	{ 0 },
};

static const struct option_row key_options[] = {
	{ "name", 0, "NAME", WORD_OTHER, "who will use it" },
	{ "admin", 0, NULL, WORD_OTHER, "it may do all that an operator may" },
	{ "agent", 0, "NAME", WORD_AGENT, "it may use this agent only (may be repeated)" },
	{ 0 },
};

static const struct option_row new_options[] = {
	{ "dir", 0, "DIR", WORD_FILE, "make the folder here" },
	{ 0 },
};

static const struct option_row doctor_options[] = {
	{ "config", 'c', "FILE", WORD_FILE, "the config to check (" COMMAND_USUAL_CONFIG ")" },
	{ 0 },
};

static const struct option_row help_options[] = {
	{ "man", 0, NULL, WORD_OTHER, "print the manual page's source" },
	{ 0 },
};

/* clang-format off */
static const struct command commands[] = {
	{ .name = "status", .arguments = "", .summary = "how agentd, its agents, interfaces and hooks do",
	  .needs_server = true, .run = status_run },
	{ .name = "run", .arguments = "[AGENT] [TEXT]", .summary = "say TEXT to an agent, and print its answer",
	  .more = "One word is TEXT, for the default agent. TEXT is -, or there is none: it is read from stdin. "
		  "Ctrl-C cancels the run.",
	  .options = run_options, .words = { WORD_AGENT }, .most = 2, .needs_server = true, .run = run_run },
	{ .name = "chat", .arguments = "[AGENT]", .summary = "talk with an agent",
	  .more = "Ctrl-C during an answer cancels it, Ctrl-D leaves. /help shows what else there is.",
	  .options = chat_options, .words = { WORD_AGENT }, .most = 1, .needs_server = true, .run = chat_run },
	{ .name = "runs", .arguments = "", .summary = "list runs, newest first",
	  .options = runs_options, .needs_server = true, .run = runs_list },
	{ .name = "runs show", .arguments = "RUN", .summary = "show one run",
	  .words = { WORD_RUN }, .least = 1, .most = 1, .needs_server = true, .run = runs_show },
	{ .name = "runs events", .arguments = "RUN", .summary = "follow a run's events, from its first to its end",
	  .words = { WORD_RUN }, .least = 1, .most = 1, .needs_server = true, .run = runs_events },
	{ .name = "cancel", .arguments = "RUN", .summary = "cancel a run",
	  .words = { WORD_LIVE_RUN }, .least = 1, .most = 1, .needs_server = true, .run = runs_cancel },
	{ .name = "sessions", .arguments = "", .summary = "list sessions, by their last run",
	  .options = list_options, .needs_server = true, .run = sessions_list },
	{ .name = "sessions show", .arguments = "SESSION", .summary = "show a conversation",
	  .words = { WORD_SESSION }, .least = 1, .most = 1, .needs_server = true, .run = sessions_show },
	{ .name = "sessions delete", .arguments = "SESSION", .summary = "delete a session with its runs",
	  .more = "Asks before it does; where nobody can be asked, only with --yes.",
	  .options = delete_options, .words = { WORD_SESSION }, .least = 1, .most = 1, .needs_server = true,
	  .run = sessions_delete },
	{ .name = "triggers", .arguments = "", .summary = "list what makes runs",
	  .needs_server = true, .run = triggers_list },
	{ .name = "cron next", .arguments = "SCHEDULE", .summary = "say what a schedule means, and when it comes",
	  .more = "SCHEDULE is one word: minute, hour, day of month, month and day of week. "
		  "Six fields have seconds first; @daily, @every 90s and their like are read too. "
		  "A time that the clocks leave out comes when they go on. "
		  "One that they show twice comes once, unless the hour is a star.",
	  .options = cron_options, .least = 1, .most = 1, .run = cron_next },
	{ .name = "cron run", .arguments = "NAME", .summary = "run what a schedule runs, now, and print its run",
	  .words = { WORD_CRON }, .least = 1, .most = 1, .needs_server = true, .run = cron_run },
	{ .name = "cron pause", .arguments = "NAME", .summary = "leave out a schedule's times",
	  .more = "Until cron resume, also after a restart of agentd.",
	  .words = { WORD_CRON }, .least = 1, .most = 1, .needs_server = true, .run = cron_pause },
	{ .name = "cron resume", .arguments = "NAME", .summary = "let a schedule go on with its next time",
	  .words = { WORD_CRON }, .least = 1, .most = 1, .needs_server = true, .run = cron_resume },
	{ .name = "emit", .arguments = "EVENT [JSON]", .summary = "say that an event has happened, and print its runs",
	  .more = "JSON is -: it is read from stdin. What is no JSON is sent as a text.",
	  .words = { WORD_EVENT }, .least = 1, .most = 2, .needs_server = true, .run = emit_run },
	{ .name = "outbox", .arguments = "", .summary = "list replies that no platform has taken, newest first",
	  .more = "Those that are aside are not tried any more. See outbox retry, and outbox delete.",
	  .options = list_options, .needs_server = true, .run = outbox_list },
	{ .name = "outbox retry", .arguments = "REPLY", .summary = "send a reply again, now",
	  .words = { WORD_REPLY }, .least = 1, .most = 1, .needs_server = true, .run = outbox_retry },
	{ .name = "outbox delete", .arguments = "REPLY", .summary = "throw a reply away",
	  .more = "Asks before it does; where nobody can be asked, only with --yes.",
	  .options = delete_options, .words = { WORD_REPLY }, .least = 1, .most = 1, .needs_server = true,
	  .run = outbox_delete },
	{ .name = "identities", .arguments = "", .summary = "list who is who across platforms",
	  .needs_server = true, .run = identities_list },
	{ .name = "link", .arguments = "USER PLATFORM:ID", .summary = "say that somebody on a platform is this user",
	  .more = "From the next message on; sessions stay what they are. "
		  "Whoever is another user has to be unlinked first.",
	  .words = { WORD_USER }, .least = 2, .most = 2, .needs_server = true, .run = link_run },
	{ .name = "unlink", .arguments = "[USER] PLATFORM:ID", .summary = "take that back",
	  .more = "With USER only if that is who it is.",
	  .words = { WORD_LINK, WORD_LINK }, .least = 1, .most = 2, .needs_server = true, .run = unlink_run },
	{ .name = "reload", .arguments = "", .summary = "have the config read again",
	  .more = "Only what has changed is touched. A config with mistakes changes nothing, and is status 78.",
	  .needs_server = true, .run = reload_run },
	{ .name = "restart", .arguments = "NAME", .summary = "restart the processes of an agent, an interface or a hook",
	  .words = { WORD_INSTANCE }, .least = 1, .most = 1, .needs_server = true, .run = restart_run },
	{ .name = "key new", .arguments = "", .summary = "make an API key, and the line that lets agentd know it",
	  .more = "The key is shown once. agent.conf gets its hash only.",
	  .options = key_options, .run = key_new },
	{ .name = "key hash", .arguments = "", .summary = "read a key from stdin, and print its hash",
	  .run = key_hash },
	{ .name = "new agent", .arguments = "NAME", .summary = "write a folder with a small agent in C",
	  .options = new_options, .least = 1, .most = 1, .run = new_agent },
	{ .name = "new interface", .arguments = "NAME", .summary = "write a folder with a small interface in C",
	  .more = "With a config to try it with. It is a chat over TCP, and needs no account anywhere.",
	  .options = new_options, .least = 1, .most = 1, .run = new_interface },
	{ .name = "new hook", .arguments = "NAME", .summary = "write a folder with a small hook in C",
	  .options = new_options, .least = 1, .most = 1, .run = new_hook },
	{ .name = "try", .arguments = "FILE.so [TEXT]", .summary = "run an agent's plugin without a config",
	  .more = "Starts an agentd of its own, which ends with it. Without TEXT, on a terminal, it is a chat. "
	          "What the plugin logs and prints is shown on stderr as it comes.",
	  .words = { WORD_FILE }, .least = 1, .most = 2, .run = try_run },
	{ .name = "doctor", .arguments = "", .summary = "check what agentd needs, and say what to do",
	  .options = doctor_options, .run = doctor_run },
	{ .name = "completion", .arguments = "bash|zsh", .summary = "print a shell's completion script",
	  .words = { WORD_SHELL }, .least = 1, .most = 1, .run = completion_run },
	{ .name = "help", .arguments = "[COMMAND]", .summary = "show help",
	  .options = help_options, .words = { WORD_COMMAND, WORD_COMMAND }, .most = 2, .run = help_run },
	{ .name = "complete", .arguments = "[WORD]...", .summary = "what the completion scripts ask", .hidden = true,
	  .most = (size_t)-1, .run = complete_run },
};
/* clang-format on */
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

const struct command *command_at(size_t i)
{
	return i < COMMANDS ? &commands[i] : NULL;
}

/* How many of the words a command's name is, if they begin with it. */
static size_t taken_by(const struct command *command, char *const *words, size_t count)
{
	size_t first = strcspn(command->name, " ");
	const char *second = command->name[first] ? command->name + first + 1 : NULL;
	if (count < 1 || strlen(words[0]) != first || strncmp(words[0], command->name, first) != 0)
		return 0;
	if (!second)
		return 1;
	return count > 1 && strcmp(words[1], second) == 0 ? 2 : 0;
}

const struct command *command_find(char *const *words, size_t count, size_t *ret_taken)
{
	const struct command *best = NULL;
	*ret_taken = 0;
	for (size_t i = 0; i < COMMANDS; i++) {
		size_t taken = taken_by(&commands[i], words, count);
		if (taken > *ret_taken) {
			best = &commands[i];
			*ret_taken = taken;
		}
	}
	return best;
}

static const char *name_at(const void *arg, size_t i)
{
	(void)arg;
	return i < COMMANDS ? commands[i].name : NULL;
}

bool command_is_group(const char *word)
{
	size_t n = strlen(word);
	for (size_t i = 0; i < COMMANDS; i++)
		if (strncmp(commands[i].name, word, n) == 0 && commands[i].name[n] == ' ')
			return true;
	return false;
}

/* The commands of a group, as "key new, key hash". */
static void add_group(struct buf *out, const char *word)
{
	size_t n = strlen(word);
	for (size_t i = 0; i < COMMANDS; i++)
		if (strncmp(commands[i].name, word, n) == 0 && commands[i].name[n] == ' ')
			buf_addf(
			    out, "%s\"agentctl %s\"", out->length ? ", " : "", commands[i].name);
}

int command_say_unknown(char *const *words, size_t count)
{
	char name[64];
	struct buf group = { 0 };
	bool is_group = command_is_group(words[0]);
	snprintf(name, sizeof(name), "%s%s%s", words[0], count > 1 ? " " : "",
	    count > 1 ? words[1] : "");
	const char *near = schema_nearest(name, name_at, NULL);
	if (!near && !is_group)
		near = schema_nearest(words[0], name_at, NULL);
	add_group(&group, words[0]);
	buf_add(&group, "", 1);
	int code;
	if (near && strcmp(near, name) != 0)
		code = say_usage(NULL, "there is no command \"%s\"; did you mean \"%s\"?",
		    is_group ? name : words[0], near);
	else if (is_group)
		code = say_usage(NULL, "%s what? there are %s", words[0], group.data);
	else
		code = say_usage(NULL, "there is no command \"%s\"", words[0]);
	buf_done(&group);
	return code;
}

int command_client(const struct arguments *arguments, struct client **ret_client)
{
	struct client_where where = {
		.socket = arguments_get(arguments, "socket"),
		.url = arguments_get(arguments, "url"),
		.key_file = arguments_get(arguments, "key-file"),
	};
	return client_new(&where, ret_client);
}

int command_call(struct client *client, const struct command_call *call, const char *id)
{
	struct reply reply;
	char *path = client_path(call->before, id, call->after);
	int code = client_call(client, call->method, path, NULL, &reply);
	free(path);
	if (code)
		return code;
	const char *status = json_string_value(json_object_get(reply.json, "status"));
	if (say_is_json() && reply.json) {
		say_json_text(reply.body.data, reply.body.length);
	} else if (say_is_json()) {
		say_json(json_pack("{s:s}", "status", call->done));
	} else {
		say_word(stdout, id);
		fputs(": ", stdout);
		say_word(stdout, status ? status : call->done);
		putchar('\n');
	}
	reply_done(&reply);
	return 0;
}

int command_show(struct client *client, const char *method, const char *path, const char *member,
    void (*print)(const json_t *answer))
{
	struct reply reply;
	int code = client_call(client, method, path, NULL, &reply);
	if (code)
		return code;
	if (say_is_json())
		say_json_text(reply.body.data, reply.body.length);
	else
		print(member ? json_object_get(reply.json, member) : reply.json);
	reply_done(&reply);
	return 0;
}

int command_list(
    struct client *client, const struct arguments *arguments, const struct command_list *list)
{
	struct buf path = { 0 };
	const char *limit = arguments_get(arguments, "limit");
	int code = command_check_number(list->path + 1, "limit", limit, 1000);
	if (code)
		return code;
	buf_add_str(&path, list->path);
	for (size_t i = 0; i < COMMAND_FILTERS_MAX && list->filters[i].query; i++)
		client_add_query(&path, list->filters[i].query,
		    arguments_get(arguments, list->filters[i].option));
	client_add_query(&path, "limit", limit);
	char *target = buf_take(&path);
	code = command_show(client, "GET", target, list->items, list->print);
	free(target);
	return code;
}

int command_is_sure(const struct arguments *arguments, const char *command, const char *what)
{
	char answer[16] = "";
	if (arguments_get(arguments, "yes"))
		return 0;
	if (!isatty(STDIN_FILENO))
		return say_usage(command, "nobody can be asked here: say --yes");
	fputs("Delete ", stderr);
	say_word(stderr, what);
	fputs("? [y/N] ", stderr);
	if (!fgets(answer, sizeof(answer), stdin))
		fputs("\n", stderr);
	if (answer[0] == 'y' || answer[0] == 'Y')
		return 0;
	return say_error(EXIT_REFUSED, "nothing was deleted");
}

int command_check_number(const char *command, const char *name, const char *value, long max)
{
	char *end;
	if (!value)
		return 0;
	errno = 0;
	double number = strtod(value, &end);
	if (end == value || *end || errno || !(number > 0) || number > (double)max)
		return say_usage(command, "--%s takes a number above 0, at most %ld, not \"%s\"",
		    name, max, value);
	return 0;
}
