/*
 * worker: one process for all runs, told of them and heard by JSON lines.
 *
 * When it dies, what it was told of fails, and it is started again after a delay; what comes
 * meanwhile waits here, bounded by its deadline. One that dies again and again without an answer is
 * given up, and with it this process: agentd has the longer patience, and shows it to people.
 *
 * There is one pipe for all, so a run whose reader is slow holds up the others, too.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "errlog.h"
#include "feed.h"
#include "job.h"
#include "lines.h"
#include "mode.h"
#include "process.h"
#include "program.h"
#include "tap.h"
#include "words.h"

#define LINE_MAX_BYTES (32u << 20)
#define CANCEL_MS      4000 /* for the program to heed a cancel: agentd's own patience is 5 s */
#define LEAVE_MS       300  /* to end, for one that has closed its stdin or stdout */
#define RESTART_MS     100u /* the first delay; it doubles */
#define DEATHS_MAX     5    /* in a row, without an answer */

struct worker {
	const struct exec *exec; /* borrowed */
	struct jobs jobs;
	struct agentd_timer *restart_timer, *leave_timer;
	unsigned starts, deaths; /* deaths: in a row */

	/* Of the process that runs, or has ended and is not heard out yet; NULL: there is none. */
	struct process *process;
	struct feed *in;
	struct tap *out;
	struct errlog *err;
	struct lines lines;
	json_t *words; /* what was heard last, and is not done yet; NULL: nothing */
	size_t said;   /* of them */
	bool deaf;     /* it said too much */
};

static bool worker_is_up(const struct worker *worker)
{
	return worker->process && !process_has_ended(worker->process);
}

/* Puts away all that belongs to a process. */
static void worker_drop(struct worker *worker)
{
	process_free(worker->process);
	feed_free(worker->in);
	tap_free(worker->out);
	errlog_free(worker->err);
	lines_done(&worker->lines);
	json_decref(worker->words);
	worker->process = NULL;
	worker->in = NULL;
	worker->out = NULL;
	worker->err = NULL;
	worker->words = NULL;
	worker->said = 0;
	worker->deaf = false;
}

/* The end. */

/* What a death, or a start that failed, leads to. `tail` is what the program said last, `last` the end of it that is kept as
 * a reason: for admins, since it may be about any run. */
static void worker_died(struct worker *worker, const char *why, const char *tail, const char *last)
{
	const struct agentd_host *host = worker->exec->host;
	char next[32] = "given up", reason[448];
	worker->deaths = worker->jobs.answered ? 1 : worker->deaths + 1;
	worker->jobs.answered = false;
	uint64_t delay_ms = RESTART_MS << (worker->deaths - 1);
	if (worker->deaths < DEATHS_MAX)
		snprintf(next, sizeof(next), "restart in %.1f s", (double)delay_ms / 1000);
	host->log(host, AGENTD_LOG_WARN, "%s%s%s; %s", why, tail[0] ? ": " : "", tail, next);
	jobs_fail(&worker->jobs, why);
	if (worker->deaths == DEATHS_MAX) {
		snprintf(reason, sizeof(reason), "%s, %u times without an answer%s%.200s", why,
		    DEATHS_MAX, last[0] ? "\n" : "", last);
		host->fail(host, reason);
	}
	host->timer_set(worker->restart_timer, delay_ms);
}

/* The program has ended, and all that it said is done. */
static void worker_bury(struct worker *worker)
{
	const struct agentd_host *host = worker->exec->host;
	const char *failure = process_failure(worker->process);
	char why[128], tail[ERRLOG_TAIL_SIZE];
	snprintf(why, sizeof(why), "the program %s", failure ? failure : "exited with code 0");
	snprintf(tail, sizeof(tail), "%s", errlog_finish(worker->err));
	size_t last = errlog_last(worker->err);
	if (process_exec_error(worker->process) && worker->starts == 1)
		host->fatal(host, why); /* it never ran: the settings are wrong */
	host->timer_clear(worker->leave_timer);
	worker_drop(worker);
	worker_died(worker, why, tail, tail + last);
}

/* Output. */

/* The next line that makes sense; NULL: there is none. */
static json_t *worker_next(struct worker *worker, bool last)
{
	const char *line;
	size_t n;
	while (lines_next(&worker->lines, &line, &n) ||
	       (last && lines_rest(&worker->lines, &line, &n))) {
		json_t *words = n ? words_parse(worker->exec->host, line, n) : NULL;
		if (words)
			return words;
	}
	return NULL;
}

/* Does what was said. False: the reader of a run is slow. */
static bool worker_hear(struct worker *worker, bool last)
{
	do {
		if (worker->words &&
		    words_take(&worker->jobs, worker->words, &worker->said) == -EAGAIN)
			return false;
		json_decref(worker->words);
		worker->words = worker_next(worker, last);
		worker->said = 0;
	} while (worker->words);
	return true;
}

/* Reads a piece. 0: there will be no more. */
static ssize_t worker_read(struct worker *worker)
{
	const struct agentd_host *host = worker->exec->host;
	size_t size;
	if (worker->deaf)
		return 0;
	char *room = lines_room(&worker->lines, LINE_MAX_BYTES, &size);
	if (!room) {
		host->log(host, AGENTD_LOG_WARN,
		    "the program said a line of more than %u bytes, and is killed", LINE_MAX_BYTES);
		worker->deaf = true;
		tap_pause(worker->out);
		lines_done(&worker->lines);
		process_signal(worker->process, SIGKILL);
		return 0;
	}
	ssize_t n = tap_read(worker->out, room, size);
	lines_grew(&worker->lines, n > 0 ? (size_t)n : 0);
	return n;
}

/* Hears a piece as long as the program runs, so that it delays nobody else, and the rest when it has
 * ended. */
static void worker_go_on(struct worker *worker)
{
	const struct agentd_host *host = worker->exec->host;
	bool ended = process_has_ended(worker->process), all_done = worker_hear(worker, false);
	ssize_t n = 1;
	while (all_done && n > 0) {
		n = worker_read(worker);
		all_done = worker_hear(worker, n == 0);
		if (!ended)
			break;
	}
	if (!all_done)
		tap_pause(worker->out);
	else if (ended)
		worker_bury(worker);
	else if (n != 0)
		tap_resume(worker->out);
	else
		host->timer_set(worker->leave_timer, LEAVE_MS);
}

static void on_output(void *arg)
{
	worker_go_on(arg);
}

static void on_ended(void *arg)
{
	struct worker *worker = arg;
	tap_end(worker->out);
	worker_go_on(worker);
}

static void on_input_closed(void *arg)
{
	struct worker *worker = arg;
	worker->exec->host->timer_set(worker->leave_timer, LEAVE_MS);
}

/* One that neither hears nor speaks is of no use. */
static void on_leave_timer(void *arg)
{
	struct worker *worker = arg;
	const struct agentd_host *host = worker->exec->host;
	if (!worker_is_up(worker))
		return;
	host->log(
	    host, AGENTD_LOG_WARN, "the program has closed its stdin or stdout, and is killed");
	process_signal(worker->process, SIGKILL);
}

/* The start. */

/* Tells the program of a job. */
static void worker_tell(struct worker *worker, struct job *job)
{
	int error = feed_add(worker->in, job->line, strlen(job->line));
	free(job->line);
	job->line = NULL;
	if (error < 0)
		job_end(job, AGENTD_FAILED, strerror(-error));
}

static void worker_tell_all(struct worker *worker)
{
	for (struct job *job = worker->jobs.by_id, *next; job; job = next) {
		next = job->hh.next;
		if (job->line)
			worker_tell(worker, job);
	}
}

static int worker_start(struct worker *worker)
{
	const struct exec *exec = worker->exec;
	struct process_pipes pipes;
	struct process_plan plan = { .program = exec->program,
		.environment = exec->program->environment,
		.ended = on_ended,
		.arg = worker };
	int error = process_start(exec->processes, &plan, &worker->process, &pipes);
	if (error < 0)
		return error;
	worker->starts++;
	worker->in = feed_new(exec->host, pipes.in, on_input_closed, worker);
	worker->out = tap_new(exec->host, pipes.out, on_output, worker);
	worker->err = errlog_new(exec->host, pipes.err, NULL);
	if (!worker->in || !worker->out || !worker->err) {
		worker_drop(worker);
		return -ENOMEM;
	}
	worker_tell_all(worker);
	return 0;
}

static void on_restart_timer(void *arg)
{
	struct worker *worker = arg;
	int error = worker_start(worker);
	if (error == 0)
		return;
	char why[128];
	snprintf(why, sizeof(why), "the program could not be started: %s", strerror(-error));
	worker_died(worker, why, "", "");
}

/* What agentd asks for. */

static void worker_free(struct worker *worker)
{
	const struct agentd_host *host = worker->exec->host;
	worker_drop(worker);
	host->timer_free(worker->restart_timer);
	host->timer_free(worker->leave_timer);
	free(worker);
}

static int worker_open(struct exec *exec, void **ret_self)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	if (!worker)
		return -ENOMEM;
	worker->exec = exec;
	worker->jobs.host = exec->host;
	worker->restart_timer = exec->host->timer_new(exec->host, on_restart_timer, worker);
	worker->leave_timer = exec->host->timer_new(exec->host, on_leave_timer, worker);
	int error = worker->restart_timer && worker->leave_timer ? worker_start(worker) : -ENOMEM;
	if (error < 0)
		worker_free(worker);
	else
		*ret_self = worker;
	return error;
}

static int worker_run(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	struct worker *worker = self;
	struct job *job = job_new(&worker->jobs, run, request);
	if (!job)
		return -ENOMEM;
	if (worker_is_up(worker))
		worker_tell(worker, job);
	return 0;
}

static void worker_cancel(void *self, struct agentd_run *run)
{
	struct worker *worker = self;
	struct job *job = jobs_find_run(&worker->jobs, run);
	if (!job || job->cancelled)
		return;
	job->cancelled = true;
	if (job->line || !worker_is_up(worker)) {
		job_end(job, AGENTD_CANCELLED, NULL);
	} else {
		char *line = job_cancel_line(job);
		if (line)
			feed_add(worker->in, line, strlen(line));
		free(line);
		job_await_cancel(job, CANCEL_MS);
	}
	if (worker->words) /* which may be of this run */
		worker_go_on(worker);
}

static void worker_writable(void *self, struct agentd_run *run)
{
	struct worker *worker = self;
	(void)run;
	if (worker->words)
		worker_go_on(worker);
}

static void worker_close(void *self)
{
	struct worker *worker = self;
	jobs_close(&worker->jobs);
	worker_free(worker);
}

const struct mode mode_worker = {
	.name = "worker",
	.open = worker_open,
	.run = worker_run,
	.cancel = worker_cancel,
	.writable = worker_writable,
	.close = worker_close,
};
