/* run: one text to an agent, and its answer. */
#ifndef AGENTCTL_RUN_H
#define AGENTCTL_RUN_H

#include "ctl/client.h"

struct run_request {
	const char *agent, *session; /* NULL: the default agent, a new session */
	const char *text;
	size_t length;
	double timeout_s;    /* 0: the agent's own */
	json_t *attachments; /* borrowed: attach.h; NULL: none */
};

/* The body for POST /run; text that is no UTF-8 is repaired. */
json_t *run_body(const struct run_request *request);
/* Says it, and prints the answer, as it comes if `streams`, or as JSON. Returns the exit code, and has
 * said why. */
int run_once(struct client *client, const struct run_request *request, bool streams);
/* All of stdin without its last newline, or exits' code, said. *ret_text is to be freed. */
int run_read_stdin(char **ret_text, size_t *ret_length);

#endif
