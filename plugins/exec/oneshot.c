/*
 * oneshot: a process for each run. Its stdin is the input, its stdout the answer, said as it comes,
 * its exit code whether it went well.
 *
 * A run is over when the program has ended and all that it wrote is said. So a reader who is slow
 * holds up the program, by its full pipe, and a run may outlive its process for a moment.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "environment.h"
#include "errlog.h"
#include "feed.h"
#include "mode.h"
#include "process.h"
#include "program.h"
#include "request.h"
#include "say.h"
#include "tap.h"

#define CANCEL_KILL_MS 1000  /* from TERM to KILL */
#define READ_SIZE      16384 /* text on its way from the pipe to the reader */

struct oneshot {
	const struct exec *exec; /* borrowed */
	TAILQ_HEAD(, shot) shots;
};

/* A run that is not finished. */
struct shot {
	struct oneshot *oneshot; /* borrowed */
	struct agentd_run *run;  /* borrowed until it is finished */
	bool cancelled;
	struct process *process;
	struct feed *in;
	struct tap *out;
	struct errlog *err;
	struct agentd_timer *kill_timer;
	/* What was read and not said yet. A newline at its end is held back: it may be the last. */
	char text[READ_SIZE + 1];
	size_t length, said;
	bool newline;
	TAILQ_ENTRY(shot) link;
};

/* Also of one that is half built. */
static void shot_free(struct shot *shot)
{
	const struct agentd_host *host = shot->oneshot->exec->host;
	TAILQ_REMOVE(&shot->oneshot->shots, shot, link);
	host->timer_free(shot->kill_timer);
	feed_free(shot->in);
	tap_free(shot->out);
	errlog_free(shot->err);
	process_free(shot->process);
	free(shot);
}

/* Finishes the run; `error` is NULL if it did not fail. */
static void shot_finish(struct shot *shot, uint32_t status, const char *error)
{
	struct agentd_result result = { .size = sizeof(result), .status = status };
	if (error)
		result.error = agentd_text(error, strlen(error));
	shot->oneshot->exec->host->finish(shot->run, &result);
	shot_free(shot);
}

/* The program has ended, and all is said. */
static void shot_settle(struct shot *shot)
{
	const char *failure = process_failure(shot->process);
	char error[128];
	if (shot->cancelled) {
		shot_finish(shot, AGENTD_CANCELLED, NULL);
	} else if (failure) {
		snprintf(error, sizeof(error), "the program %s", failure);
		shot_finish(shot, AGENTD_FAILED, error);
	} else {
		shot_finish(shot, AGENTD_DONE, NULL);
	}
}

/* Output. */

/* Reads a piece, without the newline at its end, but with one that was held back. */
static ssize_t shot_read(struct shot *shot)
{
	size_t held = shot->newline;
	ssize_t n = tap_read(shot->out, shot->text + held, READ_SIZE);
	if (n <= 0)
		return n;
	if (held)
		shot->text[0] = '\n';
	shot->length = held + (size_t)n;
	shot->newline = shot->text[shot->length - 1] == '\n';
	shot->length -= shot->newline;
	shot->said = 0;
	return n;
}

/* Says what was read. False: the reader is slow. What nobody wants any more counts as said. */
static bool shot_say(struct shot *shot)
{
	struct agentd_text text = agentd_text(shot->text, shot->length);
	return shot->cancelled ||
	       say_text(shot->oneshot->exec->host, shot->run, text, &shot->said) != -EAGAIN;
}

/* Says what there is: a piece as long as the program runs, so that it delays nobody else, and the rest
 * when it has ended. May free the shot. */
static void shot_go_on(struct shot *shot)
{
	bool ended = process_has_ended(shot->process), all_said = shot_say(shot);
	for (ssize_t n = 1; all_said && n > 0;) {
		n = shot_read(shot);
		all_said = shot_say(shot);
		if (!ended)
			break;
	}
	if (!all_said)
		tap_pause(shot->out);
	else if (ended)
		shot_settle(shot);
	else
		tap_resume(shot->out);
}

static void on_output(void *arg)
{
	shot_go_on(arg);
}

static void on_ended(void *arg)
{
	struct shot *shot = arg;
	const struct agentd_host *host = shot->oneshot->exec->host;
	const char *failure = process_failure(shot->process);
	const char *tail = errlog_finish(shot->err);
	/* Without a word of the program agentd's own line of a run that failed says as much. */
	if (failure && tail[0] && !shot->cancelled)
		host->run_log(shot->run, AGENTD_LOG_WARN, "the program %s: %s", failure, tail);
	tap_end(shot->out);
	shot_go_on(shot);
}

/* The start. */

/* The environment of the program, with what this run adds. */
static int shot_environment(
    const struct program *program, const struct agentd_request *request, struct environment **ret)
{
	const struct {
		const char *name;
		struct agentd_text value;
	} rows[] = {
		{ "AGENTD_RUN_ID", request->run_id },
		{ "AGENTD_SESSION_ID", request->session_id },
		{ "AGENTD_USER_ID", request->user_id },
	};
	struct environment *environment = environment_copy(program->environment);
	int error = environment ? 0 : -ENOMEM;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && error == 0; i++)
		error = environment_set(
		    environment, agentd_text(rows[i].name, strlen(rows[i].name)), rows[i].value);
	if (error < 0)
		environment_free(environment);
	else
		*ret = environment;
	return error;
}

static int shot_start_process(struct shot *shot, const struct agentd_request *request)
{
	const struct exec *exec = shot->oneshot->exec;
	struct process_pipes pipes;
	struct environment *environment;
	int error = shot_environment(exec->program, request, &environment);
	if (error < 0)
		return error;
	struct process_plan plan = {
		.program = exec->program, .environment = environment, .ended = on_ended, .arg = shot
	};
	error = process_start(exec->processes, &plan, &shot->process, &pipes);
	environment_free(environment);
	if (error < 0)
		return error;
	shot->in = feed_new(exec->host, pipes.in, NULL, NULL);
	shot->out = tap_new(exec->host, pipes.out, on_output, shot);
	shot->err = errlog_new(exec->host, pipes.err, shot->run);
	return shot->in && shot->out && shot->err ? 0 : -ENOMEM;
}

static int shot_feed(struct shot *shot, const struct agentd_request *request)
{
	const struct exec *exec = shot->oneshot->exec;
	if (!exec->input_is_json)
		return feed_add(shot->in, request->input.p, request->input.n);
	char *line = request_to_line(request_to_json(exec->host, request));
	int error = line ? feed_add(shot->in, line, strlen(line)) : -ENOMEM;
	free(line);
	return error;
}

static void on_kill_timer(void *arg)
{
	const struct shot *shot = arg;
	process_signal(shot->process, SIGKILL);
}

static int shot_start(struct shot *shot, const struct agentd_request *request)
{
	const struct agentd_host *host = shot->oneshot->exec->host;
	shot->kill_timer = host->timer_new(host, on_kill_timer, shot);
	if (!shot->kill_timer)
		return -ENOMEM;
	int error = shot_start_process(shot, request);
	if (error == 0)
		error = shot_feed(shot, request);
	if (error == 0)
		feed_end(shot->in);
	return error;
}

/* What agentd asks for. */

static int oneshot_open(struct exec *exec, void **ret_self)
{
	struct oneshot *oneshot = calloc(1, sizeof(*oneshot));
	if (!oneshot)
		return -ENOMEM;
	oneshot->exec = exec;
	TAILQ_INIT(&oneshot->shots);
	*ret_self = oneshot;
	return 0;
}

static int oneshot_run(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	struct oneshot *oneshot = self;
	const struct agentd_host *host = oneshot->exec->host;
	struct shot *shot = calloc(1, sizeof(*shot));
	if (!shot)
		return -ENOMEM;
	shot->oneshot = oneshot;
	shot->run = run;
	TAILQ_INSERT_TAIL(&oneshot->shots, shot, link);
	int error = shot_start(shot, request);
	if (error < 0) {
		char why[128];
		snprintf(
		    why, sizeof(why), "the program could not be started: %s", strerror(-error));
		if (error == -EMFILE)
			host->run_log(run, AGENTD_LOG_WARN,
			    "%s; limits.files must be higher, or concurrency lower", why);
		shot_finish(shot, AGENTD_FAILED, why);
	}
	return 0;
}

static struct shot *oneshot_find(const struct oneshot *oneshot, const struct agentd_run *run)
{
	struct shot *shot;
	TAILQ_FOREACH (shot, &oneshot->shots, link)
		if (shot->run == run)
			break;
	return shot;
}

static void oneshot_cancel(void *self, struct agentd_run *run)
{
	struct oneshot *oneshot = self;
	struct shot *shot = oneshot_find(oneshot, run);
	if (!shot || shot->cancelled)
		return;
	shot->cancelled = true;
	if (process_has_ended(shot->process)) {
		shot_settle(shot);
		return;
	}
	process_signal(shot->process, SIGTERM);
	oneshot->exec->host->timer_set(shot->kill_timer, CANCEL_KILL_MS);
	tap_resume(shot->out); /* it may have something to write before it ends */
}

static void oneshot_writable(void *self, struct agentd_run *run)
{
	struct shot *shot = oneshot_find(self, run);
	if (shot)
		shot_go_on(shot);
}

static void oneshot_close(void *self)
{
	struct oneshot *oneshot = self;
	while (!TAILQ_EMPTY(&oneshot->shots))
		shot_finish(TAILQ_FIRST(&oneshot->shots), AGENTD_CANCELLED, NULL);
	free(oneshot);
}

const struct mode mode_oneshot = {
	.name = "oneshot",
	.open = oneshot_open,
	.run = oneshot_run,
	.cancel = oneshot_cancel,
	.writable = oneshot_writable,
	.close = oneshot_close,
};
