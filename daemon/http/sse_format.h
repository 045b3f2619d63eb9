/* sse_format: the events of a run as text of a stream. */
#ifndef AGENTD_HTTP_SSE_FORMAT_H
#define AGENTD_HTTP_SSE_FORMAT_H

#include "daemon/base/buf.h"
#include "daemon/run/run.h"

/* `run` is looked at only for the first event and the last. */
void sse_format(struct buf *out, const struct store_run *run, const struct run_event *event);

#endif
