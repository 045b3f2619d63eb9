/*
 * say: what goes out beside a command's own output: errors, notes, colours, and JSON.
 *
 * A command that fails says why with say_error and returns the code that this returns. With --json
 * the error is a JSON document on stdout as well, so that there always is exactly one.
 */
#ifndef AGENTCTL_SAY_H
#define AGENTCTL_SAY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#define EXIT_REFUSED     1   /* the server said no, the run failed, a check did */
#define EXIT_INTERRUPTED 130 /* as a shell has it for SIGINT */

enum style { STYLE_NONE, STYLE_BOLD, STYLE_DIM, STYLE_RED, STYLE_GREEN, STYLE_YELLOW };

/* Before all else: the locale, and whether output is for scripts. */
void say_open(bool json);
bool say_is_json(void);

/* "agentctl: …" on stderr; returns the code. The text is made harmless. */
int say_error(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same beside a JSON document that is there already, or where nothing has failed yet. */
void say_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The command line is wrong: where help is, too. */
int say_usage(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A document on stdout, which is freed; the server's own text as it came. Both return 0. */
int say_json(json_t *document);
int say_json_text(const char *text, size_t n);

/* A style's escape, or "" where colours do not belong. STYLE_NONE ends one. */
const char *say_style(FILE *to, enum style style);
/* Harmless text. */
void say_text(FILE *to, const char *text, size_t n, bool lines);
void say_word(FILE *to, const char *text);

/* What an answer has left on the last line of stdout, so that what comes in between does not stand behind it. Who writes
 * there holds the lock of stdout (flockfile). */
enum say_line { SAY_LINE_EMPTY, SAY_LINE_SIGN, SAY_LINE_TEXT };
void say_set_line(enum say_line line);
enum say_line say_line(void);
/* A sign that something is awaited, on a terminal that can take it back; and taking it back: false, there was none. */
void say_wait(void);
bool say_stop_waiting(void);
/* From any thread: a line on stderr, of harmless text; on a terminal on a line of its own. */
void say_aside(enum style style, const char *text, size_t n);

#endif
