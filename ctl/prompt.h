/*
 * prompt: lines from whoever talks. On a terminal with editing and a history that is kept
 * ($XDG_STATE_HOME/agentctl/history, mode 0600); elsewhere just lines, without a prompt.
 */
#ifndef AGENTCTL_PROMPT_H
#define AGENTCTL_PROMPT_H

#include <stdbool.h>

struct prompt;

enum prompt_result {
	PROMPT_LINE,
	PROMPT_CLEARED, /* Ctrl-C: what was typed is gone */
	PROMPT_END,     /* Ctrl-D, the end of the input, or a signal to end */
};

/* After interrupt_open. `text` is borrowed. */
struct prompt *prompt_new(const char *text);
void prompt_free(struct prompt *prompt);
/* Whether somebody sits there. */
bool prompt_is_terminal(const struct prompt *prompt);
/* *ret_line is the caller's to free, without its newline. A line that ends in \ goes on in the next. */
enum prompt_result prompt_read(struct prompt *prompt, char **ret_line);

#endif
