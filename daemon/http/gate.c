/* gate: the usual case, one whole request in one read, is looked at where it lies and stays there. */
#include "daemon/http/gate.h"

#include <event2/buffer.h>
#include <string.h>

/* Stands in for a request that is refused: evhttp reads it and hands it on, and `status` of the gate
 * says what it really is. */
static const char stand_in[] = "GET / HTTP/1.1\r\nHost: refused\r\nConnection: close\r\n\r\n";

void gate_init(struct gate *gate, const struct gate_limits *limits)
{
	*gate = (struct gate){ .limits = *limits };
}

static void drop(struct evbuffer **buffer)
{
	if (*buffer)
		evbuffer_free(*buffer);
	*buffer = NULL;
}

void gate_done(struct gate *gate)
{
	drop(&gate->aside);
	drop(&gate->body);
	drop(&gate->front);
}

static void refuse(struct gate *gate, struct evbuffer *input, int status, const char *reason)
{
	gate->status = status;
	gate->reason = reason;
	gate->state = GATE_CLOSED;
	gate_done(gate);
	evbuffer_drain(input, evbuffer_get_length(input));
	evbuffer_add(input, stand_in, sizeof(stand_in) - 1);
}

/* All of the input goes behind what is aside already. */
static bool put_aside(struct gate *gate, struct evbuffer *input)
{
	if (!gate->aside && !(gate->aside = evbuffer_new()))
		return false;
	evbuffer_add_buffer(gate->aside, input);
	return true;
}

/* False: out of memory, which evbuffer_remove_buffer does not tell. */
static bool move(struct evbuffer *from, struct evbuffer *to, size_t n)
{
	size_t before = evbuffer_get_length(to);
	evbuffer_remove_buffer(from, to, n);
	return evbuffer_get_length(to) == before + n;
}

/* The first n bytes of what is aside go to the end of the input. */
static bool let_through(struct gate *gate, struct evbuffer *input, size_t n)
{
	bool moved = move(gate->aside, input, n);
	if (evbuffer_get_length(gate->aside) == 0)
		drop(&gate->aside);
	return moved;
}

/* All but the first n bytes of the input go aside. */
static bool keep_back(struct gate *gate, struct evbuffer *input, size_t n)
{
	return put_aside(gate, input) && let_through(gate, input, n);
}

static void begin_chunked(
    struct gate *gate, struct evbuffer *input, const struct head *head, bool at_input);

/* A head is whole: what of the request is here goes through. `at_input`: it lies in the input, where
 * it may stay. */
static void pass_head(
    struct gate *gate, struct evbuffer *input, const struct head *head, bool at_input)
{
	if (!head->knows_method) {
		refuse(gate, input, 501,
		    "the method is none of GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS");
		return;
	}
	if (head->content_length > gate->limits.body) {
		refuse(gate, input, 413, "the body is larger than http.max_body");
		return;
	}
	if (head->chunked) {
		begin_chunked(gate, input, head, at_input);
		return;
	}
	size_t whole = head->length + (size_t)head->content_length;
	size_t here = evbuffer_get_length(at_input ? input : gate->aside);
	gate->left = here < whole ? whole - here : 0;
	gate->state = gate->left ? GATE_BODY : GATE_CLOSED;
	bool passed = true;
	if (!at_input)
		passed = let_through(gate, input, here < whole ? here : whole);
	else if (here > whole)
		passed = keep_back(gate, input, whole);
	if (!passed)
		refuse(gate, input, 500, "out of memory");
}

static void scan_head(struct gate *gate, struct evbuffer *input)
{
	bool at_input = !gate->aside;
	if (!at_input && !put_aside(gate, input)) {
		refuse(gate, input, 500, "out of memory");
		return;
	}
	struct evbuffer *from = at_input ? input : gate->aside;
	size_t n = evbuffer_get_length(from), most = gate->limits.head.bytes;
	if (n == 0)
		return;
	const char *bytes = (const char *)evbuffer_pullup(from, (ev_ssize_t)(n < most ? n : most));
	struct head head;
	const char *reason;
	enum head_verdict verdict =
	    bytes ? head_scan(bytes, n < most ? n : most, &gate->limits.head, &head, &reason)
		  : HEAD_MORE;
	if (verdict == HEAD_GOOD)
		pass_head(gate, input, &head, at_input);
	else if (verdict == HEAD_BAD)
		refuse(gate, input, 400, reason);
	else if (!bytes || (at_input && !put_aside(gate, input)))
		refuse(gate, input, 500, "out of memory");
}

/* Chunked bodies: the head waits in `front`, what is decoded in `body`, the rest in `aside`. */

/* The head as it came, but for the lines that are not true any more, and with a Content-Length. */
static bool pass_decoded(struct gate *gate, struct evbuffer *input)
{
	const struct head *head = &gate->head;
	const char *bytes = (const char *)evbuffer_pullup(gate->front, -1);
	size_t cuts[][2] = { { head->coding_at, head->coding_length },
		{ head->expect_at, head->expect_length } };
	if (cuts[1][1] && cuts[1][0] < cuts[0][0]) { /* the later one last */
		size_t at = cuts[0][0], length = cuts[0][1];
		memcpy(cuts[0], cuts[1], sizeof(cuts[0]));
		cuts[1][0] = at;
		cuts[1][1] = length;
	}
	size_t done = 0, end = evbuffer_get_length(gate->front) - 2; /* before the empty line */
	bool passed = bytes;
	for (size_t i = 0; passed && i < 2; i++) {
		if (!cuts[i][1])
			continue;
		passed = evbuffer_add(input, bytes + done, cuts[i][0] - done) == 0;
		done = cuts[i][0] + cuts[i][1];
	}
	passed = passed && evbuffer_add(input, bytes + done, end - done) == 0 &&
		 evbuffer_add_printf(
		     input, "Content-Length: %zu\r\n\r\n", evbuffer_get_length(gate->body)) > 0 &&
		 evbuffer_add_buffer(input, gate->body) == 0;
	drop(&gate->front);
	drop(&gate->body);
	if (evbuffer_get_length(gate->aside) == 0)
		drop(&gate->aside);
	gate->state = GATE_CLOSED;
	return passed;
}

enum progress { STUCK, MOVED, DONE, BROKEN, NO_MEMORY };

/* What lies aside, as far as a line may reach. */
static const char *chunk_bytes(struct gate *gate, size_t *ret_n)
{
	size_t n = evbuffer_get_length(gate->aside);
	*ret_n = n < HEAD_CHUNK_LINE_MAX ? n : HEAD_CHUNK_LINE_MAX;
	return *ret_n ? (const char *)evbuffer_pullup(gate->aside, (ev_ssize_t)*ret_n) : NULL;
}

static enum progress scan_chunk_size(struct gate *gate)
{
	size_t n;
	const char *bytes = chunk_bytes(gate, &n);
	if (!bytes)
		return n ? NO_MEMORY : STUCK;
	int length = head_scan_chunk(bytes, n, &gate->left);
	if (length <= 0)
		return length < 0 ? BROKEN : STUCK;
	evbuffer_drain(gate->aside, (size_t)length);
	gate->state = gate->left ? GATE_CHUNK_DATA : GATE_CHUNK_TRAILER;
	return MOVED;
}

static enum progress scan_chunk_trailer(struct gate *gate)
{
	size_t n;
	bool last;
	const char *bytes = chunk_bytes(gate, &n);
	if (!bytes)
		return n ? NO_MEMORY : STUCK;
	int length = head_scan_trailer(bytes, n, &last);
	if (length <= 0)
		return length < 0 ? BROKEN : STUCK;
	evbuffer_drain(gate->aside, (size_t)length);
	gate->head.length += (size_t)length; /* trailers count as head: together they are bounded */
	if (last)
		return DONE;
	return gate->head.length > gate->limits.head.bytes ? BROKEN : MOVED;
}

static enum progress take_chunk_data(struct gate *gate)
{
	size_t n = evbuffer_get_length(gate->aside);
	if (n == 0)
		return STUCK;
	if (n > gate->left)
		n = (size_t)gate->left;
	if (!move(gate->aside, gate->body, n))
		return NO_MEMORY;
	gate->left -= n;
	if (gate->left == 0)
		gate->state = GATE_CHUNK_END;
	return MOVED;
}

/* The CRLF behind a chunk. */
static enum progress scan_chunk_end(struct gate *gate)
{
	char end[2];
	ev_ssize_t n = evbuffer_copyout(gate->aside, end, sizeof(end));
	if ((n > 0 && end[0] != '\r') || (n > 1 && end[1] != '\n'))
		return BROKEN;
	if (n < 2)
		return STUCK;
	evbuffer_drain(gate->aside, sizeof(end));
	gate->state = GATE_CHUNK_SIZE;
	return MOVED;
}

static enum progress scan_chunk(struct gate *gate)
{
	switch (gate->state) {
	case GATE_CHUNK_SIZE:
		return scan_chunk_size(gate);
	case GATE_CHUNK_DATA:
		return take_chunk_data(gate);
	case GATE_CHUNK_END:
		return scan_chunk_end(gate);
	default:
		return scan_chunk_trailer(gate);
	}
}

static void scan_chunks(struct gate *gate, struct evbuffer *input)
{
	enum progress progress;
	do {
		progress = scan_chunk(gate);
		if (evbuffer_get_length(gate->body) + gate->left > gate->limits.body) {
			refuse(gate, input, 413, "the body is larger than http.max_body");
			return;
		}
	} while (progress == MOVED);
	if (progress == BROKEN)
		refuse(gate, input, 400, "the chunks of the body are broken");
	else if (progress == NO_MEMORY || (progress == DONE && !pass_decoded(gate, input)))
		refuse(gate, input, 500, "out of memory");
}

static void begin_chunked(
    struct gate *gate, struct evbuffer *input, const struct head *head, bool at_input)
{
	gate->head = *head;
	gate->left = 0;
	gate->state = GATE_CHUNK_SIZE;
	gate->front = evbuffer_new();
	gate->body = evbuffer_new();
	if ((at_input && !put_aside(gate, input)) || !gate->front || !gate->body ||
	    !move(gate->aside, gate->front, head->length)) {
		refuse(gate, input, 500, "out of memory");
		return;
	}
	scan_chunks(gate, input);
	gate->wants_continue = head->expects_continue && gate->state != GATE_CLOSED;
}

void gate_input(struct gate *gate, struct evbuffer *input, size_t added)
{
	switch (gate->state) {
	case GATE_HEAD:
		scan_head(gate, input);
		return;
	case GATE_BODY:
		if (added < gate->left) {
			gate->left -= added;
			return;
		}
		gate->state = GATE_CLOSED;
		if (added > gate->left &&
		    !keep_back(
			gate, input, evbuffer_get_length(input) - (added - (size_t)gate->left)))
			refuse(gate, input, 500, "out of memory");
		return;
	case GATE_CLOSED: /* evhttp does not look: it may lie there until gate_next */
		return;
	default:
		if (put_aside(gate, input))
			scan_chunks(gate, input);
		else
			refuse(gate, input, 500, "out of memory");
	}
}

void gate_next(struct gate *gate, struct evbuffer *input)
{
	gate->state = GATE_HEAD;
	if (gate->aside || evbuffer_get_length(input))
		scan_head(gate, input);
}
