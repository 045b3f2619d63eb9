/*
 * native: messages are asked for, again and again: GET /v1/receive/NUMBER.
 *
 * What an answer holds exists nowhere else any more. So it is written down piece by piece as it comes, and what has
 * come before a connection broke, or this process was killed, is taken; an answer has all the time that signal-cli may need for attachments; and one that
 * is under way is waited for when the interface stops.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "receive.h"
#include "verdict.h"

/* Ask for no more than fits. An API too old to know max_messages gives all that there is. */
#define RECEIVE_PATH       "/v1/receive/{n}?timeout=1&max_messages=100"
#define RECEIVE_TIMEOUT_MS 300000
#define RECEIVE_MAX_BYTES  (64u << 20)

struct native {
	struct signal_receive *receive; /* borrowed */
	struct http_call *call;
	char *bytes;
	size_t length, capacity;
	bool full; /* memory was out: the rest is not there */
};

static bool on_piece(void *arg, struct agentd_text piece)
{
	struct native *native = arg;
	signal_receive_keep(native->receive, piece);
	if (native->capacity - native->length < piece.n && !native->full) {
		size_t capacity = 2 * native->capacity + piece.n;
		char *bytes = realloc(native->bytes, capacity);
		native->full = !bytes;
		native->bytes = bytes ? bytes : native->bytes;
		native->capacity = bytes ? capacity : native->capacity;
	}
	if (native->full)
		return true;
	memcpy(native->bytes + native->length, piece.p, piece.n);
	native->length += piece.n;
	return true;
}

/* What has come is taken, whatever became of the rest. False: nothing has come. */
static bool native_take(struct native *native, bool *ret_is_garbage)
{
	char *bytes = native->bytes;
	size_t n = native->length;
	native->bytes = NULL;
	native->length = native->capacity = 0;
	*ret_is_garbage = n && !signal_receive_take(native->receive, agentd_text(bytes, n));
	free(bytes);
	return n > 0;
}

static void on_done(void *arg, const struct http_answer *answer)
{
	struct native *native = arg;
	char why[SIGNAL_WHY_SIZE];
	native->call = NULL;
	bool is_garbage, begun = native_take(native, &is_garbage);
	if (!signal_api_succeeded(answer, why)) {
		size_t n = strlen(why);
		if (begun)
			snprintf(why + n, sizeof(why) - n,
			    "; what was still to come of its messages is lost");
		signal_receive_failed(native->receive, answer->status, why,
		    signal_verdict_retry_ms(http_answer_header(answer, "Retry-After")));
	} else if (native->full) {
		signal_receive_failed(native->receive, 0, "memory is out", 0);
	} else if (is_garbage || (!begun && answer->status == 200)) { /* nothing is "[]" */
		signal_receive_failed(native->receive, 0, "the answer is garbage", 0);
	} else {
		signal_receive_worked(native->receive, true);
	}
}

static void *native_open(struct signal_receive *receive)
{
	struct native *native = calloc(1, sizeof(*native));
	if (native)
		native->receive = receive;
	return native;
}

static void native_begin(void *self)
{
	struct native *native = self;
	const struct signal_receive_setup *setup = signal_receive_setup(native->receive);
	struct signal_api_request request = {
		.path = RECEIVE_PATH,
		.timeout_ms = RECEIVE_TIMEOUT_MS,
		.answer_max = RECEIVE_MAX_BYTES,
		.data = on_piece,
		.done = on_done,
		.arg = native,
	};
	native->full = false;
	native->call = signal_api_send(setup->api, &request);
	if (!native->call) {
		signal_receive_failed(native->receive, 0, "memory is out", 0);
		return;
	}
	/* Not when it is answered, which may take minutes if there is much: who is not ready is ended. */
	signal_receive_ready(native->receive);
}

static void native_stop(void *self)
{
	(void)self; /* what is under way goes on: what it brings is nowhere else */
}

static bool native_is_busy(const void *self)
{
	const struct native *native = self;
	return native->call != NULL;
}

static void native_close(void *self)
{
	struct native *native = self;
	http_cancel(native->call);
	free(native->bytes);
	free(native);
}

const struct signal_mode signal_mode_native = {
	.name = "native",
	.modes = "|native|normal|",
	.open = native_open,
	.begin = native_begin,
	.stop = native_stop,
	.is_busy = native_is_busy,
	.close = native_close,
};
