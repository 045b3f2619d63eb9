/* prompt: libedit, with a reader of our own so that Ctrl-C wakes it. */
#include "ctl/prompt.h"

#include <errno.h>
#include <histedit.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#include "ctl/interrupt.h"
#include "daemon/base/buf.h"

#define HISTORY_LENGTH 1000
#define LINE_MAX_BYTES (1u << 20)
#define PASTE_BEGINS   "\033[200~"
#define PASTE_ENDS     L"\033[201~"

struct prompt {
	const char *text; /* borrowed */
	EditLine *edit;   /* NULL: no terminal */
	History *history;
	char *file;      /* NULL: nowhere to keep it */
	int interrupted; /* the signal that ended a line */
	bool goes_on;    /* the last line ended in \ */
	mbstate_t decoding;
};

static char *show_prompt(EditLine *edit)
{
	struct prompt *prompt;
	static char more[] = "... ";
	el_get(edit, EL_CLIENTDATA, &prompt);
	return prompt->goes_on ? more : (char *)(uintptr_t)prompt->text;
}

/* One character for libedit: 1, 0 at the end, -1. */
static int read_character(EditLine *edit, wchar_t *ret)
{
	struct prompt *prompt;
	el_get(edit, EL_CLIENTDATA, &prompt);
	for (;;) {
		struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN },
			{ .fd = interrupt_fd(), .events = POLLIN } };
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return -1;
		if ((prompt->interrupted = interrupt_take())) {
			errno = EINTR;
			return -1;
		}
		if (!fds[0].revents)
			continue;
		char byte;
		ssize_t n = read(STDIN_FILENO, &byte, 1);
		if (n <= 0)
			return (int)n;
		size_t used = mbrtowc(ret, &byte, 1, &prompt->decoding);
		if (used == (size_t)-1)
			prompt->decoding = (mbstate_t){ 0 };
		else if (used != (size_t)-2)
			return 1;
	}
}

/*
 * What is pasted is one text, whatever line ends are in it: Enter sends it, or the first line of some
 * code would go to the agent alone, and each other line after it. The terminal puts it between
 * PASTE_BEGINS, which is bound to this, and PASTE_ENDS. Of other control characters only tabs are taken.
 */
static unsigned char paste(EditLine *edit, int key)
{
	static const wchar_t ends[] = PASTE_ENDS;
	size_t matched = 0; /* of ends */
	bool after_cr = false;
	wchar_t text[2] = { 0 };
	(void)key;
	while (el_wgetc(edit, &text[0]) == 1) {
		matched = text[0] == ends[matched] ? matched + 1 : text[0] == ends[0];
		if (!ends[matched])
			return CC_REFRESH;
		bool is_lf_of_crlf = after_cr && text[0] == '\n';
		after_cr = text[0] == '\r';
		if (after_cr)
			text[0] = '\n';
		if (matched || is_lf_of_crlf ||
		    (text[0] < ' ' && text[0] != '\n' && text[0] != '\t'))
			continue;
		if (el_winsertstr(edit, text) < 0)
			return CC_ERROR;
	}
	return CC_EOF;
}

/* Whether the terminal is to say what is pasted. */
static void ask_for_pastes(bool wanted)
{
	fputs(wanted ? "\033[?2004h" : "\033[?2004l", stdout);
	fflush(stdout);
}

/* The folder is made, only for its owner. */
static char *history_file(void)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	struct buf path = { 0 };
	if (state && state[0] == '/')
		buf_add_str(&path, state);
	else if (home && home[0] == '/')
		buf_addf(&path, "%s/.local/state", home);
	else
		return NULL;
	buf_add_str(&path, "/agentctl/history");
	char *file = buf_take(&path);
	for (char *slash = file ? strchr(file + 1, '/') : NULL; slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(file, 0700);
		*slash = '/';
	}
	return file;
}

static void open_editor(struct prompt *prompt)
{
	HistEvent event;
	prompt->edit = el_init("agentctl", stdin, stdout, stderr);
	prompt->history = history_init();
	if (!prompt->edit || !prompt->history)
		abort();
	history(prompt->history, &event, H_SETSIZE, HISTORY_LENGTH);
	history(prompt->history, &event, H_SETUNIQUE, 1);
	prompt->file = history_file();
	if (prompt->file)
		history(prompt->history, &event, H_LOAD, prompt->file);
	el_set(prompt->edit, EL_CLIENTDATA, prompt);
	el_set(prompt->edit, EL_PROMPT_ESC, show_prompt, '\1');
	el_set(prompt->edit, EL_EDITOR, "emacs");
	el_set(prompt->edit, EL_SIGNAL, 0);
	el_set(prompt->edit, EL_HIST, history, prompt->history);
	el_set(prompt->edit, EL_GETCFN, read_character);
	el_set(prompt->edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
	/* Wide: el_set would copy the two texts, and never free them. */
	el_wset(prompt->edit, EL_ADDFN, L"paste", L"Take what is pasted", paste);
	el_set(prompt->edit, EL_BIND, PASTE_BEGINS, "paste", NULL);
	el_source(prompt->edit, NULL); /* the user's own ~/.editrc */
}

struct prompt *prompt_new(const char *text)
{
	struct prompt *prompt = calloc(1, sizeof(*prompt));
	if (!prompt)
		abort();
	prompt->text = text;
	if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		open_editor(prompt);
	return prompt;
}

void prompt_free(struct prompt *prompt)
{
	if (!prompt)
		return;
	if (prompt->edit)
		el_end(prompt->edit);
	if (prompt->history)
		history_end(prompt->history);
	free(prompt->file);
	free(prompt);
}

bool prompt_is_terminal(const struct prompt *prompt)
{
	return prompt->edit != NULL;
}

static void remember(struct prompt *prompt, const char *line)
{
	HistEvent event;
	mode_t before = umask(077);
	if (line[strspn(line, " \t")]) {
		history(prompt->history, &event, H_ENTER, line);
		if (prompt->file)
			history(prompt->history, &event, H_SAVE, prompt->file);
	}
	umask(before);
}

/* One line as it was typed; NULL: none. */
static const char *edit_line(struct prompt *prompt, int *ret_length)
{
	prompt->interrupted = 0;
	prompt->decoding = (mbstate_t){ 0 };
	el_resize(prompt->edit); /* the window may have changed meanwhile */
	ask_for_pastes(true);
	const char *line = el_gets(prompt->edit, ret_length);
	ask_for_pastes(false);
	return line && *ret_length > 0 ? line : NULL;
}

static enum prompt_result read_terminal(struct prompt *prompt, struct buf *text)
{
	int length;
	const char *line;
	prompt->goes_on = false;
	while ((line = edit_line(prompt, &length))) {
		size_t n = (size_t)length;
		if (line[n - 1] == '\n')
			n--;
		prompt->goes_on = n && line[n - 1] == '\\';
		buf_add(text, line, prompt->goes_on ? n - 1 : n);
		if (!prompt->goes_on)
			return PROMPT_LINE;
		buf_add(text, "\n", 1);
	}
	putchar('\n');
	fflush(stdout);
	return prompt->interrupted == SIGINT ? PROMPT_CLEARED : PROMPT_END;
}

/* Without stdio, whose read could not be left by a signal. */
static enum prompt_result read_plain(struct buf *text)
{
	for (;;) {
		struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN },
			{ .fd = interrupt_fd(), .events = POLLIN } };
		char byte;
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return PROMPT_END;
		if (interrupt_take())
			return PROMPT_END;
		if (!fds[0].revents)
			continue;
		if (read(STDIN_FILENO, &byte, 1) <= 0)
			return text->length ? PROMPT_LINE : PROMPT_END;
		if (byte == '\n')
			return PROMPT_LINE;
		buf_add(text, &byte, 1);
		if (text->length > LINE_MAX_BYTES)
			return PROMPT_LINE;
	}
}

enum prompt_result prompt_read(struct prompt *prompt, char **ret_line)
{
	struct buf text = { 0 };
	enum prompt_result result = prompt->edit ? read_terminal(prompt, &text) : read_plain(&text);
	if (result != PROMPT_LINE) {
		buf_done(&text);
		return result;
	}
	char *line = buf_take(&text);
	if (!line)
		return PROMPT_END;
	if (prompt->edit)
		remember(prompt, line);
	*ret_line = line;
	return PROMPT_LINE;
}
