/*
 * answer: how a request that makes a run is answered: with its whole result, with a stream, or with its
 * id; and what is written down before that.
 */
#ifndef AGENTD_HTTP_ANSWER_H
#define AGENTD_HTTP_ANSWER_H

#include "daemon/http/api.h"

/* CONTENT: with the result as webhooks have it, {"content"}. */
enum answer { ANSWER_WHOLE, ANSWER_CONTENT, ANSWER_STREAM, ANSWER_ACCEPTED };

/* Answers with a run that is going, or about to be started. `cancels`: it is cancelled when the client
 * leaves, if its agent says so. */
void answer_with(struct http_request *request, struct run *run, enum answer answer, bool cancels);
/* By which a request is known when it comes again, as the store has it, and a hash of what it asks for.
 * An empty text: it has none. The text is the caller's to be done with. */
struct answer_key {
	struct buf text;
	uint64_t hash;
	bool again_if_failed; /* a run that failed has it no more */
};
/* Writes the run down, with its key; then starts it, and answers. A key that is taken is answered with the
 * run that has it. */
void begin_written(struct api *api, struct http_request *request, struct run *run,
    enum answer answer, const struct answer_key *key);
/* Whether the request has an Idempotency-Key. */
bool answer_has_key(struct http_request *request);
/* Adds that key, as the store has it: everybody has keys of their own. */
void answer_add_key(struct http_request *request, struct buf *key);
/* A hash of what a request asks for, to know it again: begins with ANSWER_HASH, and goes on with each text. */
#define ANSWER_HASH UINT64_C(0xcbf29ce484222325)
uint64_t answer_hash(uint64_t hash, const char *text);

/* Why a new run cannot be made, and how that is said. */
struct answer_refusal {
	enum run_code code;
	const struct agent *agent;
};
void answer_refuse(struct http_request *request, enum run_code code, const struct agent *agent);
/* Answers with the run that has the key, if one has; else refuses. */
void answer_taken_or_refuse(struct api *api, struct http_request *request,
    const struct answer_refusal *refusal, enum answer answer, const struct answer_key *key);
/* Whether the store can do what is asked for. False: answered. */
bool store_suffices(struct http_request *request, const struct store *store, enum answer answer);

#endif
