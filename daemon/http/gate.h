/*
 * gate: stands between a connection's bytes and evhttp, and lets through one whole, strictly checked
 * request at a time.
 *
 * evhttp's parser can be fooled in a number of ways (doubled Content-Length, unknown codings, NULs,
 * bare line feeds …). So it never gets to read anything else than a head that head.h has found good,
 * and a body of known length: chunked bodies are decoded here and handed on with a Content-Length.
 * What follows a request waits until that one is answered. A head that is bad is replaced by one of
 * our own, so that its refusal goes the way of every other answer.
 *
 * The evbuffers belong to libevent's loop; one thread.
 */
#ifndef AGENTD_HTTP_GATE_H
#define AGENTD_HTTP_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/http/head.h"

struct evbuffer;

enum gate_state {
	GATE_HEAD,       /* collecting a head */
	GATE_BODY,       /* its head is through; `left` bytes of its body may follow */
	GATE_CHUNK_SIZE, /* decoding: a size line comes next … */
	GATE_CHUNK_DATA,
	GATE_CHUNK_END,
	GATE_CHUNK_TRAILER, /* … or the trailers, and the empty line behind them */
	GATE_CLOSED,        /* a request is through: nothing more until gate_next */
};

struct gate_limits {
	struct head_limits head;
	uint64_t body;
};

struct gate {
	struct gate_limits limits;
	uint64_t left;
	enum gate_state state;
	int status; /* 400, 413, 500, 501: the request was refused, and `reason` says why */
	bool
	    wants_continue; /* the client waits for "100 Continue"; the owner sends it, and resets this */
	struct evbuffer *aside;        /* not let through yet; NULL: none */
	struct evbuffer *front, *body; /* of a chunked request: its head, and what is decoded */
	struct head head;              /* of the same; its length grows by that of the trailers */
	const char *reason;
};

void gate_init(struct gate *gate, const struct gate_limits *limits);
void gate_done(struct gate *gate);

/* To be called when `added` bytes came to the end of the input, and before evhttp looks at it. */
void gate_input(struct gate *gate, struct evbuffer *input, size_t added);
/* To be called when a request is answered, before evhttp looks for the next. */
void gate_next(struct gate *gate, struct evbuffer *input);

#endif
