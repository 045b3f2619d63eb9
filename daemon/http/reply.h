/* reply: what clients are told of a run that has ended: the body of /run, of run.finished, or a
 * problem. */
#ifndef AGENTD_HTTP_REPLY_H
#define AGENTD_HTTP_REPLY_H

#include "daemon/base/buf.h"
#include "daemon/http/server.h"
#include "daemon/run/run.h"

/* {"content","session_id","run_id","agent","status","usage"} */
void reply_write_run(struct buf *out, const struct run *run);
/* Answers with it, or with the problem that the run ended in. */
void reply_run(struct http_request *request, const struct run *run);
/* Retry-After, where another try makes sense. */
void reply_add_retry_after(
    struct http_request *request, enum run_code code, const struct agent *agent);

#endif
