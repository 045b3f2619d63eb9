/*
 * output: what signal-cli has printed when it failed, as the API's error has it. Among its complaints are lines of what
 * it had received until then, which is nowhere else. Pure.
 */
#ifndef SIGNAL_OUTPUT_H
#define SIGNAL_OUTPUT_H

#include <stdbool.h>

#include "agentd/plugin.h"

/* The next line that was received; `*rest`: what has not been looked at. False: there are no more. */
bool signal_output_next(struct agentd_text *rest, struct agentd_text *ret_line);
/* All other lines, as one, cut at `size`. */
void signal_output_words(const char *output, char *words, size_t size);

#endif
