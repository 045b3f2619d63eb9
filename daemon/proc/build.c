/* build: a process, its output, and how it ended. */
#include "daemon/proc/build.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/base/buf.h"
#include "daemon/base/id.h"
#include "daemon/base/log.h"
#include "daemon/conf/schema.h"
#include "daemon/proc/orphan.h"
#include "daemon/proc/output.h"
#include "daemon/proc/spawn.h"

#define LOGGED_LINES 5 /* of a failure, in its one line of the log */
#define LOGGED_MAX   1500

struct build {
	struct event_base *base; /* borrowed */
	int64_t limit_ms;
	build_done_fn *done;
	void *arg; /* borrowed */
	char **command, *folder;
	size_t command_count;
	/* While it runs. */
	pid_t pid; /* 0: it does not */
	int pidfd;
	struct own_process own;
	struct output *output;
	struct event *ended, *limit;
	uint64_t started_ms;
	bool is_late;

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

static void build_fail(struct build *build, const char *reason)
{
	size_t n = 0;
	const char *kept = build->output ? output_kept(build->output, &n) : "";
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
	log_error("build: %s; what was served goes on%s%.*s", reason, length ? ":\n" : "",
	    (int)(output + length > last ? output + length - last : 0), last);
}

/* The process. */

static void build_bury(struct build *build)
{
	if (build->pidfd >= 0) {
		/* It is not reaped yet, so its number is its own, and its group's. */
		kill(-build->pid, SIGKILL);
		pidfd_send_signal(build->pidfd, SIGKILL, NULL, 0);
		waitid(P_PIDFD, (id_t)build->pidfd, &(siginfo_t){ 0 }, WEXITED);
		close(build->pidfd);
	}
	own_process_drop(&build->own);
	if (build->pid)
		orphans_end(&(unsigned){ 0 }); /* what its group had, and what has left that */
	build->pidfd = -1;
	build->pid = 0;
	if (build->ended)
		event_free(build->ended);
	if (build->limit)
		event_free(build->limit);
	build->ended = build->limit = NULL;
	output_free(build->output);
	build->output = NULL;
}

static void describe(const struct build *build, const siginfo_t *info, char *reason, size_t size)
{
	const char *name = info->si_code == CLD_EXITED ? NULL : sigabbrev_np(info->si_status);
	if (build->is_late)
		snprintf(reason, size, "took longer than %.3g s, and was ended",
		    (double)build->limit_ms / 1000);
	else if (info->si_code == CLD_EXITED)
		snprintf(reason, size, "exited with code %d", info->si_status);
	else
		snprintf(reason, size, "killed by SIG%s", name ? name : "?");
}

static void build_on_ended(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	struct build *build = arg;
	siginfo_t info = { 0 };
	char reason[64];
	if (waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
		return;
	output_finish(build->output);
	bool is_good = !build->is_late && info.si_code == CLD_EXITED && info.si_status == 0;
	describe(build, &info, reason, sizeof(reason));
	if (is_good) {
		build_forget(build);
		log_info("build: done, after %.1f s",
		    (double)(clock_monotonic_ms() - build->started_ms) / 1000);
	} else {
		build_fail(build, reason);
	}
	build_bury(build);
	build->done(build->arg, is_good);
}

static void build_on_limit(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct build *build = arg;
	build->is_late = true;
	kill(-build->pid, SIGKILL); /* then it ends */
}

/* 0 or -errno; what there is then is left to build_bury. */
static int build_spawn(struct build *build)
{
	struct spawn_command command = { .argv = build->command, .folder = build->folder };
	struct timeval limit = { .tv_sec = (time_t)(build->limit_ms / 1000),
		.tv_usec = (suseconds_t)(build->limit_ms % 1000 * 1000) };
	struct spawned spawned;
	int error = spawn_command(&command, &spawned);
	if (error < 0)
		return error;
	build->pid = spawned.pid;
	build->pidfd = spawned.pidfd;
	own_process_add(&build->own, spawned.pid);
	build->output = output_new(build->base, spawned.output_fd, "build");
	build->ended =
	    event_new(build->base, build->pidfd, EV_READ | EV_PERSIST, build_on_ended, build);
	build->limit = event_new(build->base, -1, 0, build_on_limit, build);
	if (!build->output || !build->ended || !build->limit || event_add(build->ended, NULL) < 0 ||
	    event_add(build->limit, &limit) < 0)
		return -ENOMEM;
	output_keep(build->output, BUILD_KEPT_MAX);
	return 0;
}

bool build_start(struct build *build, const char *why)
{
	char *text = command_text(build), reason[128];
	build->is_late = false;
	build->started_ms = clock_monotonic_ms();
	log_info("build: %s (%s)", text ? text : "", why);
	free(text);
	int error = build_spawn(build);
	if (error == 0)
		return true;
	build_bury(build);
	snprintf(reason, sizeof(reason), "could not be started: %s", strerror(-error));
	build_fail(build, reason);
	return false;
}

/* The command. */

static void command_free(char **command, size_t count)
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
		command_free(copy, command->count);
		free(folder_copy);
		return -ENOMEM;
	}
	if (!is_same(build, command))
		build_forget(build);
	command_free(build->command, build->command_count);
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
	return build->pid != 0;
}

const struct build_failure *build_failure(const struct build *build)
{
	return build->has_failed ? &build->failure : NULL;
}

struct build *build_new(struct event_base *base, int64_t limit_ms, build_done_fn *done, void *arg)
{
	struct build *build = calloc(1, sizeof(*build));
	if (!build)
		return NULL;
	build->base = base;
	build->limit_ms = limit_ms;
	build->done = done;
	build->arg = arg;
	build->pidfd = -1;
	return build;
}

void build_free(struct build *build)
{
	if (!build)
		return;
	build_bury(build);
	build_forget(build);
	command_free(build->command, build->command_count);
	free(build->folder);
	free(build);
}
