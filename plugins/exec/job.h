/*
 * job: the runs that are in a worker, by their ids, and what the program is told of them. A job is made
 * when its run comes, and freed when the run is finished, here.
 */
#ifndef EXEC_JOB_H
#define EXEC_JOB_H

#define HASH_NONFATAL_OOM 1
#include <stdbool.h>
#include <stddef.h>
#include <uthash.h>

#include "agentd/plugin.h"

struct jobs {
	const struct agentd_host *host; /* borrowed */
	struct job *by_id;
	bool answered; /* a run was finished by the program that runs now */
};

struct job {
	struct jobs *jobs;      /* borrowed */
	struct agentd_run *run; /* borrowed until it is finished */
	char *id;
	char *line; /* tells the program of it; NULL: it was told */
	bool cancelled;
	struct agentd_timer *timer; /* of its cancel */
	UT_hash_handle hh;
};

/* NULL: memory is out. */
struct job *job_new(
    struct jobs *jobs, struct agentd_run *run, const struct agentd_request *request);
/* The line that tells the program of its cancel. The caller's; NULL: memory is out. */
char *job_cancel_line(const struct job *job);
/* Finish its run, and free it. `error` is NULL for a run that did not fail. */
void job_finish(struct job *job, const struct agentd_result *result);
void job_end(struct job *job, uint32_t status, const char *error);
/* Waits so long for the program to heed a cancel, then ends the job itself. */
void job_await_cancel(struct job *job, uint64_t patience_ms);

/* NULL: there is none. */
struct job *jobs_find(const struct jobs *jobs, const char *id, size_t n);
struct job *jobs_find_run(const struct jobs *jobs, const struct agentd_run *run);
/* Ends all that the program was told of: it will not answer. */
void jobs_fail(struct jobs *jobs, const char *error);
/* Ends all as cancelled. */
void jobs_close(struct jobs *jobs);

#endif
