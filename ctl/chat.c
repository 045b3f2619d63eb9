/* chat: prompt, answer, prompt. */
#include "ctl/chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "ctl/answer.h"
#include "ctl/command.h"
#include "ctl/interrupt.h"
#include "ctl/prompt.h"
#include "ctl/run.h"
#include "ctl/say.h"
#include "ctl/sessions.h"
#include "daemon/conf/schema.h"

#define MESSAGES_SHOWN 6 /* of a session that goes on */

struct chat {
	struct client *client; /* borrowed */
	struct prompt *prompt;
	char *agent, *session; /* NULL: not known yet */
	bool leaving;
	bool has_turn; /* the session is there: an answer came */
	int code;      /* of the last answer */
};

/* What begins with "/". */

static void chat_help(struct chat *chat);

static void show_session(struct chat *chat)
{
	if (!chat->session)
		puts("This session begins with what you say next.");
	else
		say_text(stdout, chat->session, strlen(chat->session), false);
	if (chat->session)
		putchar('\n');
}

static void new_session(struct chat *chat)
{
	free(chat->session);
	chat->session = NULL;
	chat->has_turn = false;
	puts("A new session begins.");
}

static void quit(struct chat *chat)
{
	chat->leaving = true;
}

static const struct {
	const char *name, *help;
	void (*run)(struct chat *chat);
} words[] = {
	{ "/help", "show this", chat_help },
	{ "/session", "show the session's id", show_session },
	{ "/new", "begin a new session", new_session },
	{ "/quit", "leave, as Ctrl-D does", quit },
};
#define WORDS (sizeof(words) / sizeof(words[0]))

static void chat_help(struct chat *chat)
{
	(void)chat;
	for (size_t i = 0; i < WORDS; i++)
		printf("%-10s%s\n", words[i].name, words[i].help);
	puts("Ctrl-C    cancels an answer, or clears the line\n"
	     "\\         at the end of a line: it goes on in the next\n"
	     "//        at the start of a line: a text that begins with /");
}

static const char *word_at(const void *arg, size_t i)
{
	(void)arg;
	return i < WORDS ? words[i].name : NULL;
}

/* As much of a word as is needed to know which: "/q". */
static void run_word(struct chat *chat, const char *word)
{
	size_t found = WORDS, n = strlen(word);
	for (size_t i = 0; i < WORDS; i++)
		if (n > 1 && strncmp(words[i].name, word, n) == 0)
			found = i;
	if (found < WORDS) {
		words[found].run(chat);
		fflush(stdout);
		return;
	}
	const char *near = schema_nearest(word, word_at, NULL);
	say_note("there is no %s; %s%s", word, near ? "did you mean " : "/help shows what there is",
	    near ? near : "");
}

/* What is said. */

static void remember_session(struct chat *chat, const struct follow *follow)
{
	chat->has_turn |= follow->end == FOLLOW_SUCCEEDED;
	if (follow->session_id && !chat->session)
		chat->session = strdup(follow->session_id);
}

static void say(struct chat *chat, const char *text)
{
	struct run_request request = {
		.agent = chat->agent,
		.session = chat->session,
		.text = text,
		.length = strlen(text),
	};
	struct answer answer = { .text = true, .events = true };
	struct follow_view view = {
		.on_event = answer_on_event, .on_note = answer_on_note, .arg = &answer
	};
	struct follow follow;
	json_t *body = run_body(&request);
	say_wait();
	follow_run(chat->client, body, &view, &follow);
	json_decref(body);
	answer_end(follow.interrupted);
	chat->code = follow_say(&follow, chat->client);
	remember_session(chat, &follow);
	follow_done(&follow);
	interrupt_take(); /* a Ctrl-C too many is not for the prompt */
}

/* A line that is no text: empty, or a word of ours. */
static bool is_word(const char *line)
{
	return line[0] == '/' && line[1] != '/' && !strpbrk(line, " \n");
}

static void talk(struct chat *chat)
{
	char *line = NULL;
	while (!chat->leaving) {
		enum prompt_result result = prompt_read(chat->prompt, &line);
		if (result == PROMPT_END)
			return;
		if (result == PROMPT_CLEARED)
			continue;
		if (is_word(line))
			run_word(chat, line);
		else if (line[strspn(line, " \t\n")])
			say(chat, line + (strncmp(line, "//", 2) == 0));
		free(line);
	}
}

/* Before the first line: is there such a session, such an agent? */

static int begin_session(struct chat *chat, const char *agent, const char *session)
{
	struct reply reply;
	char *path = client_path("/sessions/", session, "");
	int code = client_call(chat->client, "GET", path, NULL, &reply);
	free(path);
	if (code)
		return code;
	const char *own = json_string_value(json_object_get(reply.json, "agent"));
	chat->session = strdup(session);
	chat->has_turn = true;
	chat->agent = own ? strdup(own) : agent ? strdup(agent) : NULL;
	if (agent && own && strcmp(agent, own) != 0)
		code =
		    say_error(EXIT_REFUSED, "the session is one with %s, not with %s", own, agent);
	else if (prompt_is_terminal(chat->prompt))
		sessions_print_messages(json_object_get(reply.json, "messages"), MESSAGES_SHOWN);
	reply_done(&reply);
	return code;
}

/* Who could be meant, where nobody is named and there is no default. */
static int say_who(struct client *client)
{
	struct reply reply;
	struct buf names = { 0 };
	size_t i;
	json_t *agent;
	int code = client_call(client, "GET", "/agents", NULL, &reply);
	if (code)
		return code;
	json_array_foreach (json_object_get(reply.json, "agents"), i, agent)
		buf_addf(&names, "%s%s", i ? ", " : "",
		    json_string_value(json_object_get(agent, "name")));
	buf_add(&names, "", 1);
	code = say_usage("chat", "name an agent: %s", names.data);
	buf_done(&names);
	reply_done(&reply);
	return code;
}

static int begin_agent(struct chat *chat, const char *agent)
{
	struct reply reply;
	char *path = agent ? client_path("/agents/", agent, "") : strdup("/health");
	int code = client_call(chat->client, "GET", path, NULL, &reply);
	free(path);
	if (code)
		return code;
	const char *name = json_string_value(json_object_get(reply.json, agent ? "name" : "agent"));
	if (name)
		chat->agent = strdup(name);
	else
		code = say_who(chat->client);
	reply_done(&reply);
	return code;
}

static void greet(const struct chat *chat)
{
	fputs(say_style(stdout, STYLE_DIM), stdout);
	fputs("Talking with ", stdout);
	say_word(stdout, chat->agent ? chat->agent : "the default agent");
	printf(". /help shows what you can do, Ctrl-D leaves.%s\n", say_style(stdout, STYLE_NONE));
}

/* The options that say which agentd it is, as they were given. */
static void print_where(const struct arguments *again)
{
	static const char *const options[] = { "socket", "url", "key-file" };
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		const char *value = arguments_get(again, options[i]);
		if (!value)
			continue;
		printf(" --%s ", options[i]);
		say_word(stdout, value);
	}
}

static void part(const struct chat *chat, const struct arguments *again)
{
	if (!chat->has_turn || !again)
		return;
	fputs(say_style(stdout, STYLE_DIM), stdout);
	fputs("Go on with: agentctl", stdout);
	print_where(again);
	fputs(" chat --session ", stdout);
	say_word(stdout, chat->session);
	printf("%s\n", say_style(stdout, STYLE_NONE));
}

/* Escapes stand between \\1, for libedit, which wants something visible behind the last. */
static void add_prompt(struct buf *text)
{
	const char *bold = say_style(stdout, STYLE_BOLD);
	if (bold[0])
		buf_addf(text, "\1%s\1>\1%s\1 ", bold, say_style(stdout, STYLE_NONE));
	else
		buf_add_str(text, "> ");
}

int chat_talk(
    struct client *client, const char *agent, const char *session, const struct arguments *again)
{
	struct buf text = { 0 };
	struct chat chat = { .client = client };
	interrupt_open();
	add_prompt(&text);
	char *shown = buf_take(&text);
	chat.prompt = prompt_new(shown);
	bool terminal = prompt_is_terminal(chat.prompt);
	int code = session ? begin_session(&chat, agent, session) : begin_agent(&chat, agent);
	if (code == 0) {
		if (terminal)
			greet(&chat);
		talk(&chat);
		if (terminal)
			part(&chat, again);
		code = terminal ? 0 : chat.code; /* a script wants to know */
	}
	prompt_free(chat.prompt);
	free(shown);
	free(chat.agent);
	free(chat.session);
	return code;
}

int chat_run(struct client *client, const struct arguments *arguments)
{
	if (say_is_json())
		return say_usage(
		    "chat", "a chat is for people: use \"agentctl run --json --session ID\"");
	return chat_talk(
	    client, arguments_word(arguments, 0), arguments_get(arguments, "session"), arguments);
}
