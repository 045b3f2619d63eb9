/*
 * output: what a child has to say to the log, printed or through the plugin ABI: tagged with its
 * name, and rate-limited (OUTPUT_LINES_PER_SECOND). The last printed line is kept: it often is the
 * reason of an exit.
 */
#ifndef AGENTD_PROC_OUTPUT_H
#define AGENTD_PROC_OUTPUT_H

#include <stddef.h>

#include "daemon/base/log.h"

#define OUTPUT_LINES_PER_SECOND 100

struct event_base;
struct output;

/* The fd belongs to the output; `name` is copied. NULL: memory is out, and fd is closed. */
struct output *output_new(struct event_base *base, int fd, const char *name);
/* One line that did not come through the pipe; `run_id` is "" if it is about no run. */
void output_say(
    struct output *output, enum log_level level, const char *run_id, const char *text, size_t n);
/* Keeps the end of what is printed, whether the log has it or not: at least the last `most` bytes. */
void output_keep(struct output *output, size_t most);
/* What is kept; borrowed, until more is printed. */
const char *output_kept(const struct output *output, size_t *ret_length);
/* Reads what is still in the pipe, for a child that has ended. */
void output_finish(struct output *output);
/* The last line that was not empty; "" if there was none. */
const char *output_last_line(const struct output *output);
void output_free(struct output *output);

#endif
