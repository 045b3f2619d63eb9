/* answer: a run's stream as a person reads it: its text on stdout; on stderr, in one dim line each,
 * what else the agent reports. */
#ifndef AGENTCTL_ANSWER_H
#define AGENTCTL_ANSWER_H

#include "ctl/follow.h"

/* Zero-initialised. */
struct answer {
	bool text;   /* show the text as it comes */
	bool events; /* show what else is reported */
};

/* For a follow_view; `arg` is a struct answer. */
void answer_on_event(void *arg, const struct follow_event *event);
/* Likewise: something else is about to be said, on a line of its own. */
void answer_on_note(void *arg);
/* Ends the line that the text, or the terminal's own "^C", left open. */
void answer_end(bool interrupted);
/* The whole text of an answer that was not shown as it came. */
void answer_print(const struct follow *follow);

#endif
