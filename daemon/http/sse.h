/*
 * sse: a run as a stream of server-sent events (WHATWG HTML, section 9.2). Events that come in one
 * turn of the loop leave in one write; a comment goes out when nothing else does, so that proxies
 * keep the stream open; a client that does not read pauses its run, and is cut after a grace.
 *
 * A stream first catches up with what was said before it came, as fast as its client reads, and then
 * listens.
 */
#ifndef AGENTD_HTTP_SSE_H
#define AGENTD_HTTP_SSE_H

#include "daemon/http/server.h"
#include "daemon/run/run.h"

/* Answers the request with the events of a run behind `after` (0: all) until it ends. False: memory is
 * out, and the request is not answered. `cancels`: the run is cancelled when the client leaves, if its
 * agent says so. */
bool sse_begin(struct http_request *request, struct run *run, uint64_t after, bool cancels);
/* The same for one that has ended; it is copied. */
bool sse_replay(struct http_request *request, const struct store_run *run, uint64_t after);

#endif
