/* job: a table, and two kinds of line. */
#include "job.h"

#include <stdlib.h>
#include <string.h>

#include "request.h"

static void job_free(struct job *job)
{
	job->jobs->host->timer_free(job->timer);
	free(job->id);
	free(job->line);
	free(job);
}

/* An object as a line, with its type and id. `fields` is taken over; NULL: memory is out. */
static char *line_new(json_t *fields, const char *type, const char *id, size_t id_n)
{
	if (json_object_set_new(fields, "type", json_string(type)) == 0 &&
	    json_object_set_new(fields, "id", json_stringn(id, id_n)) == 0)
		return request_to_line(fields);
	json_decref(fields);
	return NULL;
}

struct job *job_new(struct jobs *jobs, struct agentd_run *run, const struct agentd_request *request)
{
	struct agentd_text id = request->run_id;
	struct job *job = calloc(1, sizeof(*job));
	if (!job)
		return NULL;
	job->jobs = jobs;
	job->run = run;
	job->line = line_new(request_to_json(jobs->host, request), "run", id.p, id.n);
	job->id = strndup(id.p, id.n);
	if (job->line && job->id)
		HASH_ADD_KEYPTR(hh, jobs->by_id, job->id, id.n, job);
	if (!job->hh.tbl) { /* uthash had no memory for it */
		job_free(job);
		return NULL;
	}
	return job;
}

char *job_cancel_line(const struct job *job)
{
	return line_new(json_object(), "cancel", job->id, strlen(job->id));
}

void job_finish(struct job *job, const struct agentd_result *result)
{
	HASH_DEL(job->jobs->by_id, job);
	job->jobs->host->finish(job->run, result);
	job_free(job);
}

void job_end(struct job *job, uint32_t status, const char *error)
{
	struct agentd_result result = { .size = sizeof(result), .status = status };
	if (error)
		result.error = agentd_text(error, strlen(error));
	job_finish(job, &result);
}

static void on_patience_over(void *arg)
{
	job_end(arg, AGENTD_CANCELLED, NULL);
}

void job_await_cancel(struct job *job, uint64_t patience_ms)
{
	const struct agentd_host *host = job->jobs->host;
	job->timer = host->timer_new(host, on_patience_over, job);
	if (!job->timer || host->timer_set(job->timer, patience_ms) < 0)
		job_end(job, AGENTD_CANCELLED, NULL);
}

struct job *jobs_find(const struct jobs *jobs, const char *id, size_t n)
{
	struct job *job = NULL;
	if (id)
		HASH_FIND(hh, jobs->by_id, id, n, job);
	return job;
}

struct job *jobs_find_run(const struct jobs *jobs, const struct agentd_run *run)
{
	struct job *job = jobs->by_id;
	while (job && job->run != run)
		job = job->hh.next;
	return job;
}

void jobs_fail(struct jobs *jobs, const char *error)
{
	for (struct job *job = jobs->by_id, *next; job; job = next) {
		next = job->hh.next;
		if (job->cancelled)
			job_end(job, AGENTD_CANCELLED, NULL);
		else if (!job->line)
			job_end(job, AGENTD_FAILED, error);
	}
}

void jobs_close(struct jobs *jobs)
{
	while (jobs->by_id)
		job_end(jobs->by_id, AGENTD_CANCELLED, NULL);
}
