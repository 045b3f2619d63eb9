/*
 * native: messages are asked for, again and again: GET /v1/receive/NUMBER.
 *
 * What an answer holds exists nowhere else any more. So it is written down piece by piece as it comes, and what has
 * come before a connection broke, or this process was killed, is taken; so is what an error has with it. An answer has
 * all the time that signal-cli may need for attachments, and one that is under way is waited for when the interface stops.
 *
 * If this process is killed signal-cli goes on, and what it receives then is lost. So each receive is of one message,
 * and the next follows at once.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "receive.h"
#include "verdict.h"

/* An API too old to know max_messages gives all that there is. */
#define RECEIVE_PATH       "/v1/receive/{n}?timeout=1&max_messages=1"
#define RECEIVE_TIMEOUT_MS 300000
#define RECEIVE_MAX_BYTES  (64u << 20)

struct native {
	struct signal_receive *receive; /* borrowed */
	struct http_call *call;
	char *bytes;
	size_t length, capacity;
	bool full; /* memory was out: the rest is not there */
};

static void on_piece(void *arg, struct agentd_text piece)
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
		return;
	memcpy(native->bytes + native->length, piece.p, piece.n);
	native->length += piece.n;
}

/* What has come is taken, whatever became of the rest. How many objects; -EBADMSG: garbage; -ENODATA: nothing. */
static ssize_t native_take(struct native *native)
{
	char *bytes = native->bytes;
	size_t n = native->length;
	native->bytes = NULL;
	native->length = native->capacity = 0;
	ssize_t taken = n ? signal_receive_take(native->receive, agentd_text(bytes, n)) : -ENODATA;
	free(bytes);
	return taken;
}

/* signal-cli has failed: its messages until then are in the error. */
static void native_take_error(struct native *native, struct agentd_text body)
{
	static const char key[] = "\\\"envelope\\\"";
	if (!body.n || !memmem(body.p, body.n, key, sizeof(key) - 1))
		return;
	signal_receive_keep(native->receive, body);
	signal_receive_take(native->receive, body);
}

/* There was no whole answer of 2xx; `has_begun`: but some of one. */
static void native_failed(struct native *native, const struct http_answer *answer,
    char why[SIGNAL_WHY_SIZE], bool has_begun)
{
	size_t n = strlen(why);
	if (has_begun)
		snprintf(why + n, SIGNAL_WHY_SIZE - n,
		    "; what was still to come of its messages is lost");
	native_take_error(native, answer->body);
	signal_receive_failed(native->receive, answer->status, why,
	    signal_verdict_retry_ms(http_answer_header(answer, "Retry-After")));
}

static void on_done(void *arg, const struct http_answer *answer)
{
	struct native *native = arg;
	char why[SIGNAL_WHY_SIZE];
	native->call = NULL;
	ssize_t taken = native_take(native);
	if (!signal_api_succeeded(answer, why)) {
		native_failed(native, answer, why, taken != -ENODATA);
	} else if (native->full) {
		signal_receive_failed(native->receive, 0, "memory is out", 0);
	} else if (taken == -EBADMSG ||
		   (taken < 0 && answer->status == 200)) { /* nothing is "[]" */
		signal_receive_failed(native->receive, 0, "the answer is garbage", 0);
	} else {
		signal_receive_worked(native->receive);
		signal_receive_again(native->receive,
		    taken > 0 ? 0 : signal_receive_setup(native->receive)->interval_ms);
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
