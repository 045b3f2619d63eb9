/* request: what a run brings, as the JSON object that a program gets. */
#ifndef EXEC_REQUEST_H
#define EXEC_REQUEST_H

#include <jansson.h>

#include "agentd/plugin.h"

/* {"run_id", "input", "session_id", "user_id", "attempt", "timeout", "metadata", "history"}; what
 * there is none of is left out. The caller's; NULL: memory is out, or a text is not UTF-8. */
json_t *request_to_json(const struct agentd_host *host, const struct agentd_request *request);
/* An object, which is taken over, as one line with its newline. The caller's; NULL: memory is out, or
 * the object is NULL. */
char *request_to_line(json_t *object);

#endif
