/*
 * build: runs a command of the config (command.h), and knows how its last run ended. Its lines in the log are from
 * "build", and the last of them are kept. It ends after a while, or with build_free. Nothing waits for it.
 *
 * When to build, and how often, is not decided here. One thread.
 */
#ifndef AGENTD_PROC_BUILD_H
#define AGENTD_PROC_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUILD_LIMIT_MS (10 * 60 * 1000)
#define BUILD_KEPT_MAX (64u << 10) /* bytes of output */

struct build;
struct event_base;
struct schema_list;

/* A text is NULL if there was no memory for it. */
struct build_failure {
	const char *command; /* as it would be typed, more or less */
	const char *reason;  /* "exited with code 2" */
	const char *output;  /* the last of it: UTF-8 */
	uint64_t at_wall_ms;
};

/* Called when it has ended; it may be started again then, or freed. */
typedef void build_done_fn(void *arg, bool is_good);

/* `limit_ms`: how long it may take; `otherwise`: what follows if it fails, for the log, a constant. NULL: memory is
 * out. */
struct build *build_new(struct event_base *base, int64_t limit_ms, const char *otherwise,
    build_done_fn *done, void *arg);
void build_free(struct build *build);
/* A command with its arguments, none of which is changed by what reads it, and the folder in which it runs:
 * from the next start on. Another command than before has not failed yet. 0, or -ENOMEM. */
int build_set(struct build *build, const struct schema_list *command, const char *folder);
/* Whether there is a command. */
bool build_is_set(const struct build *build);
/* Not while it runs. `why` is for the log. False: it could not be started, which counts as a failure, and
 * `done` is not called. */
bool build_start(struct build *build, const char *why);
bool build_is_running(const struct build *build);
/* How it failed the last time; NULL: it did not. Borrowed, until it ends again. */
const struct build_failure *build_failure(const struct build *build);

#endif
