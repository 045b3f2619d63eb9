/*
 * fuzz_head: any bytes as a request head, and any bytes, cut in any way, through the gate.
 *
 * What must hold: a verdict does not depend on what lies behind the head; a piece of a good head is
 * never bad; the gate lets through the same bytes however they arrive; and what it lets through is
 * nothing that head_scan would refuse.
 */
#include <event2/buffer.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/buf.h"
#include "daemon/http/gate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct gate_limits limits = { { 2048, 20 }, 4096 };

static void check_head(const char *bytes, size_t n)
{
	struct head head = { 0 }, again = { 0 };
	const char *reason = NULL;
	enum head_verdict verdict = head_scan(bytes, n, &limits.head, &head, &reason);
	if (verdict != HEAD_GOOD)
		return;
	if (head.length > n || head.length < 4 ||
	    memcmp(bytes + head.length - 4, "\r\n\r\n", 4) != 0)
		abort();
	if (head_scan(bytes, head.length, &limits.head, &again, &reason) != HEAD_GOOD ||
	    again.content_length != head.content_length)
		abort();
	for (size_t i = 0; i < head.length; i += 1 + i / 8)
		if (head_scan(bytes, i, &limits.head, &again, &reason) != HEAD_MORE)
			abort();
}

/* Nobody is told to go on with a request that is whole, or refused. */
static void check_continue(struct gate *gate)
{
	if (gate->wants_continue && gate->state == GATE_CLOSED)
		abort();
	gate->wants_continue = false;
}

/* What evhttp would get to read, one request after the other, if the bytes came in such pieces. */
static void pass(const char *bytes, size_t n, size_t piece, struct buf *out, int *ret_status)
{
	struct gate gate;
	struct evbuffer *input = evbuffer_new();
	gate_init(&gate, &limits);
	for (size_t i = 0; i < n && !gate.status; i += piece) {
		size_t step = n - i < piece ? n - i : piece;
		evbuffer_unfreeze(input, 0); /* as a bufferevent does while it reads */
		evbuffer_add(input, bytes + i, step);
		gate_input(&gate, input, step);
		check_continue(&gate);
		while (gate.state == GATE_CLOSED && !gate.status) { /* answered at once */
			size_t before = out->length, length = evbuffer_get_length(input);
			evbuffer_remove(input, buf_room(out, length), length);
			buf_grew(out, length);
			check_head(out->data + before, length);
			struct head head;
			const char *reason;
			if (head_scan(out->data + before, length, &limits.head, &head, &reason) !=
				HEAD_GOOD ||
			    head.chunked || head.length + head.content_length != length)
				abort(); /* exactly one request, of known length */
			gate_next(&gate, input);
			check_continue(&gate);
		}
	}
	*ret_status = gate.status;
	gate_done(&gate);
	evbuffer_free(input);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data;
	struct buf whole = { 0 }, pieces = { 0 };
	int status, piece_status;
	if (size == 0)
		return 0;
	check_head(bytes, size);
	pass(bytes, size, size, &whole, &status);
	pass(bytes, size, 1 + data[size - 1] % 7, &pieces, &piece_status);
	if (whole.length != pieces.length || status != piece_status ||
	    (whole.length && memcmp(whole.data, pieces.data, whole.length) != 0))
		abort();
	buf_done(&whole);
	buf_done(&pieces);
	return 0;
}
