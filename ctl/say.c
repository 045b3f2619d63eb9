/* say: errors and JSON. Knows nothing of servers. */
#include "ctl/say.h"

#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "ctl/text.h"
#include "daemon/base/harmless.h"

static struct {
	bool json, colour_out, colour_err;
	enum say_line line;
} state;

static bool wants_colour(int fd)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
	return isatty(fd) && !(no && no[0]) && term && strcmp(term, "dumb") != 0;
}

void say_open(bool json)
{
	/* Only for how wide characters are, and for editing lines; what is sent is UTF-8 anyway. */
	if (!setlocale(LC_CTYPE, "") || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
		setlocale(LC_CTYPE, "C.UTF-8");
	state.json = json;
	state.colour_out = wants_colour(STDOUT_FILENO);
	state.colour_err = wants_colour(STDERR_FILENO);
}

bool say_is_json(void)
{
	return state.json;
}

void say_text(FILE *to, const char *text, size_t n, bool lines)
{
	struct buf out = { 0 };
	harmless_add(&out, text, n, lines);
	fwrite(out.data ? out.data : "", 1, out.length, to);
	buf_done(&out);
}

void say_word(FILE *to, const char *text)
{
	say_text(to, text, strlen(text), false);
}

static char *format_text(const char *format, va_list args)
{
	char *text;
	if (vasprintf(&text, format, args) < 0)
		abort();
	return text;
}

static void put_line(const char *text)
{
	fflush(stdout);
	fprintf(
	    stderr, "%sagentctl:%s ", say_style(stderr, STYLE_BOLD), say_style(stderr, STYLE_NONE));
	say_word(stderr, text);
	fputs("\n", stderr);
}

static void say_json_error(const char *text)
{
	struct buf clean = { 0 };
	buf_add_utf8(&clean, NULL, text, strlen(text)); /* it may quote an argument */
	say_json(json_pack("{s:s%}", "error", clean.data ? clean.data : "", clean.length));
	buf_done(&clean);
}

int say_error(int code, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	char *text = format_text(format, args);
	va_end(args);
	put_line(text);
	if (state.json)
		say_json_error(text);
	free(text);
	return code;
}

void say_note(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	char *text = format_text(format, args);
	va_end(args);
	put_line(text);
	free(text);
}

int say_usage(const char *command, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	char *text = format_text(format, args);
	va_end(args);
	put_line(text);
	fprintf(stderr, "Try: agentctl help%s%s\n", command ? " " : "", command ? command : "");
	if (state.json)
		say_json_error(text);
	free(text);
	return EX_USAGE;
}

int say_json(json_t *document)
{
	json_dumpf(document, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
	putchar('\n');
	json_decref(document);
	return 0;
}

int say_json_text(const char *text, size_t n)
{
	fwrite(text, 1, n, stdout);
	if (!n || text[n - 1] != '\n')
		putchar('\n');
	return 0;
}

const char *say_style(FILE *to, enum style style)
{
	static const char *const escapes[] = {
		[STYLE_NONE] = "\033[0m",
		[STYLE_BOLD] = "\033[1m",
		[STYLE_DIM] = "\033[2m",
		[STYLE_RED] = "\033[31m",
		[STYLE_GREEN] = "\033[32m",
		[STYLE_YELLOW] = "\033[33m",
	};
	return (to == stdout ? state.colour_out : state.colour_err) ? escapes[style] : "";
}

void say_set_line(enum say_line line)
{
	state.line = line;
}

enum say_line say_line(void)
{
	return state.line;
}

void say_wait(void)
{
	if (!say_style(stdout, STYLE_DIM)[0])
		return;
	flockfile(stdout);
	printf("%s…%s", say_style(stdout, STYLE_DIM), say_style(stdout, STYLE_NONE));
	fflush(stdout);
	state.line = SAY_LINE_SIGN;
	funlockfile(stdout);
}

bool say_stop_waiting(void)
{
	bool waited = state.line == SAY_LINE_SIGN;
	if (!waited)
		return false;
	fputs("\r\033[K", stdout); /* and a "^C" behind it */
	state.line = SAY_LINE_EMPTY;
	return true;
}

void say_aside(enum style style, const char *text, size_t n)
{
	flockfile(stdout);
	bool shares = isatty(STDOUT_FILENO) && isatty(STDERR_FILENO);
	bool waited = shares && say_stop_waiting();
	if (shares && state.line == SAY_LINE_TEXT) {
		putchar('\n');
		state.line = SAY_LINE_EMPTY;
	}
	fflush(stdout);
	fputs(say_style(stderr, style), stderr);
	say_text(stderr, text, n, false);
	fprintf(stderr, "%s\n", say_style(stderr, STYLE_NONE));
	if (waited)
		say_wait();
	funlockfile(stdout);
}
