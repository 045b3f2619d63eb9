/* reply: what clients are told of a run that has ended: the body of /run, of run.finished, or a
 * problem. */
#ifndef AGENTD_HTTP_REPLY_H
#define AGENTD_HTTP_REPLY_H

#include "daemon/base/buf.h"
#include "daemon/http/problem.h"
#include "daemon/http/server.h"
#include "daemon/run/run.h"

/* {"content","session_id","run_id","agent","status","usage","attachments"}, the last two if there are any */
void reply_write_run(struct buf *out, const struct store_run *run);
/* Answers with it, or with the problem that the run ended in. */
void reply_run(struct http_request *request, const struct store_run *run);
/* The same as webhooks are answered: {"content"}, or {"status":"ok"} if it said nothing. */
void reply_content(struct http_request *request, const struct store_run *run);
/* A run as /runs shows it. */
void reply_write_record(struct buf *out, const struct store_run *run);
/* Retry-After, where another try makes sense. `agent` may be NULL. */
void reply_add_retry_after(
    struct http_request *request, enum problem problem, const struct agent *agent);
/* What the store could not do. */
void reply_store_error(struct http_request *request, int error);
/* A time as JSON: a string, or null for 0. */
void reply_add_time(struct buf *out, uint64_t wall_ms);

#endif
