/* build: a command, and how it ended. */
#include "daemon/proc/build.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/buf.h"
#include "daemon/base/id.h"
#include "daemon/base/log.h"
#include "daemon/conf/schema.h"
#include "daemon/proc/command.h"

#define LOGGED_LINES 5 /* of a failure, in its one line of the log */
#define LOGGED_MAX   1500

struct build {
	struct event_base *base; /* borrowed */
	int64_t limit_ms;
	const char *otherwise;
	build_done_fn *done;
	void *arg; /* borrowed */
	char **command, *folder;
	size_t command_count;
	struct command *running; /* NULL: it does not run */
	uint64_t started_ms;

	bool has_failed;
	struct build_failure failure; /* its texts are owned */
};

/* How it failed. */

static void build_forget(struct build *build)
{
	free((char *)(uintptr_t)build->failure.command);
	free((char *)(uintptr_t)build->failure.reason);
	free((char *)(uintptr_t)build->failure.output);
	build->failure = (struct build_failure){ 0 };
	build->has_failed = false;
}

static char *as_text(const char *bytes, size_t n)
{
	struct buf text = { 0 };
	buf_add_utf8(&text, NULL, bytes, n);
	return buf_take(&text);
}

static char *command_text(const struct build *build)
{
	struct buf text = { 0 };
	for (size_t i = 0; i < build->command_count; i++)
		buf_addf(&text, "%s%s", i ? " " : "", build->command[i]);
	char *whole = buf_take(&text);
	char *clean = whole ? as_text(whole, strlen(whole)) : NULL;
	free(whole);
	return clean;
}

/* Where the last few lines begin. */
static const char *last_lines(const char *text)
{
	const char *end = strchr(text, '\0'), *at = end;
	unsigned lines = 0;
	while (at > text && end - at < LOGGED_MAX) {
		if (at[-1] == '\n' && at != end && ++lines == LOGGED_LINES)
			break;
		at--;
	}
	return at;
}

/* What was kept from the middle of a line on, from its next line on. */
static const char *whole_lines(const char *text, size_t *n)
{
	if (*n <= BUILD_KEPT_MAX)
		return text;
	const char *first = text + *n - BUILD_KEPT_MAX;
	const char *newline = memchr(first, '\n', BUILD_KEPT_MAX);
	const char *begin = newline ? newline + 1 : first;
	*n -= (size_t)(begin - text);
	return begin;
}

static void build_fail(struct build *build, const char *reason, const char *kept, size_t n)
{
	build_forget(build);
	kept = whole_lines(kept, &n);
	build->has_failed = true;
	build->failure = (struct build_failure){
		.command = command_text(build),
		.reason = strdup(reason),
		.output = as_text(kept, n),
		.at_wall_ms = clock_wall_ms(),
	};
	const char *output = build->failure.output ? build->failure.output : "";
	size_t length = strlen(output);
	while (length && output[length - 1] == '\n')
		length--;
	const char *last = last_lines(output);
	log_error("build: %s; %s%s%.*s", reason, build->otherwise, length ? ":\n" : "",
	    (int)(output + length > last ? output + length - last : 0), last);
}

/* The process. */

static void build_on_ended(void *arg, const struct command_end *end)
{
	struct build *build = arg;
	char late[64];
	build->running = NULL;
	snprintf(late, sizeof(late), "took longer than %.3g s, and was ended",
	    (double)build->limit_ms / 1000);
	if (end->error) {
		build_fail(
		    build, end->is_late ? late : end->error, end->output, end->output_length);
	} else {
		build_forget(build);
		log_info("build: done, after %.1f s",
		    (double)(clock_monotonic_ms() - build->started_ms) / 1000);
	}
	build->done(build->arg, !end->error);
}

bool build_start(struct build *build, const char *why)
{
	struct command_setup setup = {
		.path = build->command[0],
		.argv = build->command,
		.folder = build->folder,
		.label = "build",
		.patience_ms = build->limit_ms,
		.keep = BUILD_KEPT_MAX,
		.done = build_on_ended,
		.arg = build,
	};
	char *text = command_text(build), why_not[PATH_MAX + 64];
	build->started_ms = clock_monotonic_ms();
	log_info("build: %s (%s)", text ? text : "", why);
	free(text);
	int error = command_start(build->base, &setup, &build->running);
	if (error == 0)
		return true;
	snprintf(why_not, sizeof(why_not), "cannot run %s: %s\n",
	    access(build->folder, X_OK) < 0 ? build->folder : build->command[0], strerror(-error));
	build_fail(build, "could not be started", why_not, strlen(why_not));
	return false;
}

/* The command. */

static void words_free(char **command, size_t count)
{
	for (size_t i = 0; command && i < count; i++)
		free(command[i]);
	free(command);
}

static bool is_same(const struct build *build, const struct schema_list *command)
{
	if (build->command_count != command->count)
		return false;
	for (size_t i = 0; i < command->count; i++)
		if (strcmp(build->command[i], command->items[i]) != 0)
			return false;
	return true;
}

int build_set(struct build *build, const struct schema_list *command, const char *folder)
{
	char **copy = calloc(command->count + 1, sizeof(*copy)), *folder_copy = strdup(folder);
	bool good = copy && folder_copy;
	for (size_t i = 0; good && i < command->count; i++)
		good = (copy[i] = strdup(command->items[i])) != NULL;
	if (!good) {
		words_free(copy, command->count);
		free(folder_copy);
		return -ENOMEM;
	}
	if (!is_same(build, command))
		build_forget(build);
	words_free(build->command, build->command_count);
	free(build->folder);
	build->command = copy;
	build->command_count = command->count;
	build->folder = folder_copy;
	return 0;
}

bool build_is_set(const struct build *build)
{
	return build->command_count > 0;
}

bool build_is_running(const struct build *build)
{
	return build->running;
}

const struct build_failure *build_failure(const struct build *build)
{
	return build->has_failed ? &build->failure : NULL;
}

struct build *build_new(struct event_base *base, int64_t limit_ms, const char *otherwise,
    build_done_fn *done, void *arg)
{
	struct build *build = calloc(1, sizeof(*build));
	if (!build)
		return NULL;
	build->base = base;
	build->limit_ms = limit_ms;
	build->otherwise = otherwise;
	build->done = done;
	build->arg = arg;
	return build;
}

void build_free(struct build *build)
{
	if (!build)
		return;
	command_stop(build->running);
	build_forget(build);
	words_free(build->command, build->command_count);
	free(build->folder);
	free(build);
}
