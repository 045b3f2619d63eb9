/*
 * answer: how a request that makes a run is answered: with its whole result, with a stream, or with its
 * id; and what is written down before that.
 */
#ifndef AGENTD_HTTP_ANSWER_H
#define AGENTD_HTTP_ANSWER_H

#include <jansson.h>

#include "daemon/http/api.h"

enum answer { ANSWER_WHOLE, ANSWER_STREAM, ANSWER_ACCEPTED };

/* Answers with a run that is going, or about to be started. `cancels`: it is cancelled when the client
 * leaves, if its agent says so. */
void answer_with(struct http_request *request, struct run *run, enum answer answer, bool cancels);
/* Writes the run down, with the request's Idempotency-Key if it has one; then starts it, and answers.
 * A key that is taken is answered with the run that has it. */
void begin_written(struct api *api, struct http_request *request, struct run *run,
    enum answer answer, const json_t *body);
/* Whether the request has an Idempotency-Key. */
bool answer_has_key(struct http_request *request);
/* Adds that key, as the store has it: everybody has keys of their own. */
void answer_add_key(struct http_request *request, struct buf *key);
/* Of what a request asks for, to know it again. */
uint64_t answer_hash(const char *text);

/* Why a new run cannot be made, and how that is said. */
struct answer_refusal {
	enum run_code code;
	const struct agent *agent;
};
void answer_refuse(struct http_request *request, enum run_code code, const struct agent *agent);
/* For a request with a key: answers with the run that has it, or else refuses. */
void answer_taken_or_refuse(struct api *api, struct http_request *request,
    const struct answer_refusal *refusal, enum answer answer, const json_t *body);
/* Whether the store can do what is asked for. False: answered. */
bool store_suffices(struct http_request *request, const struct store *store, enum answer answer);

#endif
