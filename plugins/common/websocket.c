/*
 * websocket: a connection is made, the handshake is read, libwslay makes frames of the rest.
 *
 * libwslay must not be freed from its own callbacks. So websocket_free inside one only says that it is to be
 * done, and websocket_leave does it. The connection is read until there is nothing more, or, when there is no
 * end of it, again soon.
 */
#include "plugins/common/websocket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <wslay/wslay.h>

#include "plugins/common/connection.h"
#include "plugins/common/websocket_handshake.h"
#include "plugins/common/websocket_url.h"

#define TURN_BYTES   (256u << 10) /* read at once; then others are served */
#define QUEUED_BYTES (4u << 20)   /* that the peer has yet to read; it is not read from meanwhile */
#define REASON_SIZE  160

enum state { CONNECTING, ASKING, OPEN, CLOSING, ENDED };

struct websocket {
	const struct agentd_host *host; /* borrowed */
	struct websocket_setup setup;   /* its callbacks, and their arg */
	enum state state;
	struct connection *connection;
	struct agentd_timer *soon;     /* to read again */
	struct agentd_timer *deadline; /* to be open, or closed */
	struct wslay_event_context *frames;
	char accept[WEBSOCKET_ACCEPT_SIZE];
	char *in; /* the handshake's answer, and what came behind it */
	size_t in_from, in_n;
	/* What goes out. Nothing is added once some of it has been tried: TLS wants the same again. */
	char *out;
	size_t out_from, out_n;
	bool out_tried;
	size_t turn; /* bytes that may still be read now */
	bool again;  /* there may be more that no watch tells of */
	bool lost;   /* the connection has ended */
	bool paused; /* frames are not read */
	unsigned code, status;
	char reason[REASON_SIZE];
	unsigned inside; /* its own functions */
	bool freed;
};

static int websocket_init(struct websocket *socket, const struct websocket_setup *setup);
static void websocket_done(struct websocket *socket);
static void websocket_end(struct websocket *socket, unsigned code, const char *reason);
static void websocket_step(struct websocket *socket);
static void websocket_enter(struct websocket *socket);
static void websocket_leave(struct websocket *socket);
static void websocket_write_frames(struct websocket *socket);
static void on_soon(void *arg);
static void on_deadline(void *arg);

struct websocket *websocket_new(const struct websocket_setup *setup)
{
	struct websocket *socket = calloc(1, sizeof(*socket));
	if (!socket)
		return NULL;
	if (websocket_init(socket, setup) < 0) {
		websocket_free(socket);
		return NULL;
	}
	return socket;
}

int websocket_send(struct websocket *socket, struct agentd_text text)
{
	if (socket->state != OPEN)
		return -ENOTCONN;
	if (wslay_event_get_queued_msg_length(socket->frames) > QUEUED_BYTES)
		return -EAGAIN;
	struct wslay_event_msg message = {
		.opcode = WSLAY_TEXT_FRAME,
		.msg = (const uint8_t *)text.p,
		.msg_length = text.n,
	};
	if (wslay_event_queue_msg(socket->frames, &message) < 0)
		return -ENOMEM;
	connection_wait(socket->connection, AGENTD_READ | AGENTD_WRITE);
	return 0;
}

void websocket_pause(struct websocket *socket, bool paused)
{
	bool goes_on = socket->paused && !paused;
	socket->paused = paused;
	if (goes_on && socket->state != ENDED) /* there may be more that no watch tells of */
		socket->host->timer_set(socket->soon, 0);
}

void websocket_close(struct websocket *socket, unsigned code, const char *reason)
{
	if (socket->state >= CLOSING)
		return;
	bool is_said = false;
	const char *words = reason ? reason : "";
	if (socket->state == OPEN)
		is_said = wslay_event_queue_close(socket->frames, (uint16_t)code,
			      (const uint8_t *)words, strlen(words)) == 0;
	socket->state = CLOSING;
	socket->code = code;
	snprintf(socket->reason, sizeof(socket->reason), "%s", reason ? reason : "closed");
	/* At once, if that can be: the process may end before the loop is back. */
	if (is_said && socket->inside == 0)
		websocket_write_frames(socket);
	if (is_said)
		connection_wait(socket->connection, AGENTD_READ | AGENTD_WRITE);
	socket->host->timer_set(socket->deadline, is_said ? WEBSOCKET_CLOSE_MS : 0);
}

void websocket_free(struct websocket *socket)
{
	if (!socket)
		return;
	socket->state = ENDED;
	socket->freed = true;
	if (socket->inside == 0)
		websocket_done(socket);
}

static void websocket_enter(struct websocket *socket)
{
	socket->inside++;
}

static void websocket_leave(struct websocket *socket)
{
	if (--socket->inside == 0 && socket->freed)
		websocket_done(socket);
}

static void websocket_done(struct websocket *socket)
{
	const struct agentd_host *host = socket->host;
	connection_free(socket->connection);
	if (socket->frames)
		wslay_event_context_free(socket->frames);
	if (socket->soon)
		host->timer_free(socket->soon);
	if (socket->deadline)
		host->timer_free(socket->deadline);
	free(socket->in);
	free(socket->out);
	free(socket);
}

/* It has ended. The last thing that a function of this file does with it. */
static void websocket_end(struct websocket *socket, unsigned code, const char *reason)
{
	const struct agentd_host *host = socket->host;
	if (socket->state == ENDED)
		return;
	socket->state = ENDED;
	host->timer_clear(socket->soon);
	host->timer_clear(socket->deadline);
	connection_free(socket->connection);
	socket->connection = NULL;
	socket->setup.closed(socket->setup.arg, code, socket->status, reason);
}

/* What comes from outside. */

/* The connection is made. */
static void on_made(void *arg)
{
	struct websocket *socket = arg;
	if (socket->state == CONNECTING)
		socket->state = ASKING;
	websocket_step(socket);
}

static void on_failed(void *arg, const char *reason)
{
	struct websocket *socket = arg;
	websocket_enter(socket);
	if (socket->state == CLOSING)
		websocket_end(socket, socket->code, socket->reason);
	else
		websocket_end(socket, WEBSOCKET_NO_CONNECTION, reason);
	websocket_leave(socket);
}

static void on_ready(void *arg)
{
	websocket_step(arg);
}

static void on_soon(void *arg)
{
	websocket_step(arg);
}

static void on_deadline(void *arg)
{
	struct websocket *socket = arg;
	websocket_enter(socket);
	if (socket->state == CLOSING)
		websocket_end(socket, socket->code, socket->reason);
	else
		websocket_end(socket, WEBSOCKET_NO_CONNECTION, "it took too long to connect");
	websocket_leave(socket);
}

/* Bytes. */

/* The connection has ended, if nothing has been said about that yet. */
static void websocket_lose(struct websocket *socket, const char *reason)
{
	socket->lost = true;
	if (socket->state < CLOSING) {
		socket->code = WEBSOCKET_NO_CONNECTION;
		snprintf(socket->reason, sizeof(socket->reason), "%s", reason);
	}
}

/* Whether its user wants no more now. */
static bool websocket_rests(const struct websocket *socket)
{
	return socket->paused && socket->state == OPEN;
}

/* How many bytes came; 0: none now. */
static size_t websocket_read(struct websocket *socket, void *to, size_t size)
{
	if (socket->lost || websocket_rests(socket))
		return 0;
	if (socket->turn == 0) {
		socket->again = true;
		return 0;
	}
	const char *reason = NULL;
	ssize_t n = connection_read(socket->connection, to, size, &reason);
	if (n < 0)
		websocket_lose(socket, reason);
	size_t taken = n > 0 ? (size_t)n : 0;
	socket->turn -= taken < socket->turn ? taken : socket->turn;
	return taken;
}

/* Sends what is in `out`. True: it is empty. */
static bool websocket_flush(struct websocket *socket)
{
	while (socket->out_from < socket->out_n && !socket->lost) {
		const char *reason = NULL;
		ssize_t n = connection_write(socket->connection, socket->out + socket->out_from,
		    socket->out_n - socket->out_from, &reason);
		socket->out_tried = true;
		if (n == 0)
			return false;
		if (n < 0)
			websocket_lose(socket, reason);
		else
			socket->out_from += (size_t)n;
	}
	socket->out_from = socket->out_n = 0;
	socket->out_tried = false;
	return true;
}

/* Frames. */

static ssize_t on_frames_recv(
    wslay_event_context_ptr frames, uint8_t *to, size_t size, int flags, void *arg)
{
	(void)flags;
	struct websocket *socket = arg;
	size_t behind = socket->in_n - socket->in_from; /* came with the handshake */
	if (behind) {
		size_t n = behind < size ? behind : size;
		memcpy(to, socket->in + socket->in_from, n);
		socket->in_from += n;
		return (ssize_t)n;
	}
	size_t n = websocket_read(socket, to, size);
	if (n)
		return (ssize_t)n;
	wslay_event_set_error(frames, WSLAY_ERR_WOULDBLOCK);
	return -1;
}

static ssize_t on_frames_send(
    wslay_event_context_ptr frames, const uint8_t *bytes, size_t size, int flags, void *arg)
{
	(void)flags;
	struct websocket *socket = arg;
	size_t room = socket->out_tried ? 0 : WEBSOCKET_HEAD_MAX - socket->out_n;
	size_t n = size < room ? size : room;
	if (n == 0) {
		wslay_event_set_error(frames, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	memcpy(socket->out + socket->out_n, bytes, n);
	socket->out_n += n;
	return (ssize_t)n;
}

static int on_frames_mask(wslay_event_context_ptr frames, uint8_t *to, size_t size, void *arg)
{
	(void)arg;
	if (getrandom(to, size, 0) == (ssize_t)size)
		return 0;
	wslay_event_set_error(frames, WSLAY_ERR_CALLBACK_FAILURE);
	return -1;
}

/* One of both has begun to close it, in a frame. */
static void websocket_begin_close(struct websocket *socket, unsigned code)
{
	socket->code = code;
	if (socket->state == OPEN) {
		socket->state = CLOSING;
		socket->host->timer_set(socket->deadline, WEBSOCKET_CLOSE_MS);
	}
}

/* What the peer says of its close, on one line. */
static void websocket_take_close(struct websocket *socket, const uint8_t *text, size_t n)
{
	unsigned code = wslay_event_get_status_code_received(socket->frames);
	char *reason = socket->reason;
	int used = snprintf(reason, REASON_SIZE, "%.*s", (int)n, (const char *)text);
	for (int i = 0; i < used && i < REASON_SIZE - 1; i++)
		if ((unsigned char)reason[i] < ' ' || reason[i] == 0x7f)
			reason[i] = ' ';
	if (used <= 0)
		snprintf(reason, REASON_SIZE, "the server closed it with %u", code);
	websocket_begin_close(socket, code);
}

static void on_frames_message(
    wslay_event_context_ptr frames, const struct wslay_event_on_msg_recv_arg *message, void *arg)
{
	(void)frames;
	struct websocket *socket = arg;
	if (message->opcode == WSLAY_CONNECTION_CLOSE && socket->state != ENDED) {
		size_t code = message->msg_length < 2 ? message->msg_length : 2;
		websocket_take_close(socket, message->msg + code, message->msg_length - code);
	} else if (!wslay_is_ctrl_frame(message->opcode) && socket->state == OPEN) {
		socket->setup.message(socket->setup.arg,
		    agentd_text((const char *)message->msg, message->msg_length));
	}
}

static const struct wslay_event_callbacks frames_callbacks = {
	.recv_callback = on_frames_recv,
	.send_callback = on_frames_send,
	.genmask_callback = on_frames_mask,
	.on_msg_recv_callback = on_frames_message,
};

/* What libwslay gave up for, if the peer did not close it. */
static const char *frames_reason(unsigned code)
{
	switch (code) {
	case WSLAY_CODE_MESSAGE_TOO_BIG:
		return "the server's message is too long";
	case WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA:
		return "the server's text is not UTF-8";
	default:
		return "the server does not speak the protocol";
	}
}

/* Has libwslay begun to close it, for what it has read? With which code it says when that is sent. */
static void websocket_look_for_close(struct websocket *socket)
{
	if (socket->state == ENDED || wslay_event_get_close_received(socket->frames) ||
	    wslay_event_get_read_enabled(socket->frames))
		return;
	unsigned code = wslay_event_get_status_code_sent(socket->frames);
	snprintf(socket->reason, sizeof(socket->reason), "%s", frames_reason(code));
	websocket_begin_close(socket, code);
}

static bool websocket_is_stalled(struct websocket *socket)
{
	return wslay_event_get_queued_msg_length(socket->frames) > QUEUED_BYTES;
}

static void websocket_read_frames(struct websocket *socket)
{
	if (websocket_is_stalled(socket))
		return;
	int error = wslay_event_recv(socket->frames);
	if (error < 0)
		websocket_lose(
		    socket, error == WSLAY_ERR_NOMEM ? "memory is out" : "it cannot be read");
}

static void websocket_write_frames(struct websocket *socket)
{
	bool stalled = websocket_is_stalled(socket);
	while (websocket_flush(socket) && !socket->lost && wslay_event_want_write(socket->frames)) {
		if (wslay_event_send(socket->frames) < 0)
			websocket_lose(socket, "it cannot be written");
		if (socket->out_n == 0)
			break;
	}
	if (stalled && !websocket_is_stalled(socket))
		socket->again = true;
}

/* Is all said that closes it? */
static bool websocket_is_over(struct websocket *socket)
{
	if (socket->lost)
		return true;
	return socket->state == CLOSING && socket->out_n == 0 &&
	       wslay_event_get_close_sent(socket->frames) &&
	       (wslay_event_get_close_received(socket->frames) ||
		   !wslay_event_get_read_enabled(socket->frames));
}

/* The handshake. */

static void websocket_open(struct websocket *socket, size_t head)
{
	socket->in_from = head;
	if (wslay_event_context_client_init(&socket->frames, &frames_callbacks, socket) < 0) {
		socket->frames = NULL;
		websocket_lose(socket, "memory is out");
		return;
	}
	wslay_event_config_set_max_recv_msg_length(socket->frames,
	    socket->setup.message_max ? socket->setup.message_max : WEBSOCKET_MESSAGE_MAX);
	socket->state = OPEN;
	socket->host->timer_clear(socket->deadline);
	socket->setup.opened(socket->setup.arg);
}

static void websocket_read_head(struct websocket *socket)
{
	struct websocket_head head = { 0 };
	enum websocket_verdict verdict = WEBSOCKET_MORE;
	while (verdict == WEBSOCKET_MORE) {
		size_t n = websocket_read(
		    socket, socket->in + socket->in_n, WEBSOCKET_HEAD_MAX - socket->in_n);
		if (n == 0)
			return;
		socket->in_n += n;
		verdict = websocket_head_scan(socket->in, socket->in_n, socket->accept, &head);
	}
	if (verdict == WEBSOCKET_GOOD) {
		websocket_open(socket, head.length);
		return;
	}
	socket->status = head.status;
	websocket_lose(socket, head.reason);
}

/* What it waits for now. */
static void websocket_wait(struct websocket *socket)
{
	bool stalled = socket->frames && websocket_is_stalled(socket);
	bool reads = !stalled && !websocket_rests(socket);
	bool writes = socket->out_n || (socket->frames && wslay_event_want_write(socket->frames));
	connection_wait(
	    socket->connection, (reads ? AGENTD_READ : 0) | (writes ? AGENTD_WRITE : 0));
	if (socket->again)
		socket->host->timer_set(socket->soon, 0);
}

/* Whatever can be done now. */
static void websocket_step(struct websocket *socket)
{
	websocket_enter(socket);
	socket->turn = TURN_BYTES;
	socket->again = false;
	if (socket->state == ASKING) {
		websocket_flush(socket);
		websocket_read_head(socket);
	}
	if (socket->frames && socket->state != ENDED) {
		websocket_read_frames(socket);
		websocket_write_frames(socket);
		websocket_look_for_close(socket);
	}
	bool cut_short = socket->state == CLOSING && !socket->frames; /* the deadline ends it */
	if (socket->state != ENDED && !cut_short) {
		if (websocket_is_over(socket))
			websocket_end(socket, socket->code, socket->reason);
		else
			websocket_wait(socket);
	}
	websocket_leave(socket);
}

/* Making it. */

static int websocket_init_ask(struct websocket *socket, const char *host, const char *target)
{
	unsigned char chance[16];
	char key[WEBSOCKET_KEY_SIZE];
	if (getrandom(chance, sizeof(chance), 0) != (ssize_t)sizeof(chance))
		return -EIO;
	websocket_key(chance, key);
	websocket_accept(key, socket->accept);
	char *ask = websocket_ask(host, target, key, socket->setup.headers);
	socket->in = malloc(WEBSOCKET_HEAD_MAX);
	socket->out = malloc(WEBSOCKET_HEAD_MAX);
	bool good = ask && socket->in && socket->out;
	if (good) {
		socket->out_n = strlen(ask);
		memcpy(socket->out, ask, socket->out_n);
	}
	free(ask);
	return good ? 0 : -ENOMEM;
}

static int websocket_init(struct websocket *socket, const struct websocket_setup *setup)
{
	const struct agentd_host *host = setup->host;
	struct websocket_url url = { 0 };
	socket->host = host;
	socket->setup = *setup;
	socket->soon = host->timer_new(host, on_soon, socket);
	socket->deadline = host->timer_new(host, on_deadline, socket);
	int error = socket->soon && socket->deadline ? 0 : -ENOMEM;
	if (error == 0)
		error = websocket_url_init(&url, setup->url);
	if (error == 0)
		error = websocket_init_ask(socket, url.host, url.target);
	if (error == 0)
		socket->connection = connection_new(&(struct connection_setup){
		    .host = host,
		    .url = url.http,
		    .made = on_made,
		    .failed = on_failed,
		    .ready = on_ready,
		    .arg = socket,
		});
	if (error == 0 && !socket->connection)
		error = -ENOMEM;
	if (error == 0)
		error = host->timer_set(socket->deadline,
		    (uint64_t)(setup->connect_ms ? setup->connect_ms : WEBSOCKET_CONNECT_MS));
	socket->setup.url = NULL; /* what the caller may free now */
	socket->setup.headers = NULL;
	websocket_url_done(&url);
	return error;
}
