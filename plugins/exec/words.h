/*
 * words: the lines of a worker, as calls to agentd.
 *
 *	{"type":"delta", "id", "text"}
 *	{"type":"event", "id", "name", "data": {…}}
 *	{"type":"finish", "id", "content"?, "error"?, "status": "cancelled"?, "usage"?: {…},
 *	 "messages"?: [{"role", "content", "tool_calls"?, "tool_call_id"?}, …],
 *	 "attachments"?: [{"type", …}, …]}
 *
 * What makes no sense is logged and left out; it costs nobody else anything.
 */
#ifndef EXEC_WORDS_H
#define EXEC_WORDS_H

#include <jansson.h>

#include "agentd/plugin.h"

struct jobs;

/* A line as an object of a known type, the caller's; NULL: it is none. */
json_t *words_parse(const struct agentd_host *host, const char *line, size_t n);
/* Does what they say. -EAGAIN: the reader is slow; call again with the same when the run is writable.
 * `*said` counts what of them is done; it begins at 0. */
int words_take(struct jobs *jobs, const json_t *words, size_t *said);

#endif
