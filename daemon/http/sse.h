/*
 * sse: a run as a stream of server-sent events (WHATWG HTML, section 9.2). Events that come in one
 * turn of the loop leave in one write; a comment goes out when nothing else does, so that proxies
 * keep the stream open; a client that does not read pauses its run, and is cut after a grace.
 */
#ifndef AGENTD_HTTP_SSE_H
#define AGENTD_HTTP_SSE_H

#include "daemon/http/server.h"
#include "daemon/run/run.h"

/* Answers the request with the run's events until it ends. To be called before run_start. False:
 * memory is out, and the request is not answered. */
bool sse_begin(struct http_request *request, struct run *run);

#endif
