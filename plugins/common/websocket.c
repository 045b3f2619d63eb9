/*
 * websocket: libcurl connects, the handshake is read, libwslay makes frames of the rest.
 *
 * libwslay and libcurl must not be freed from their own callbacks. So websocket_free inside one only says
 * that it is to be done, and websocket_leave does it. Bytes of TLS may wait in libcurl without the socket
 * being readable: it is read until there is nothing more, or, when there is no end of it, again soon.
 */
#include "plugins/common/websocket.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <wslay/wslay.h>

#include "plugins/common/websocket_handshake.h"

#define TURN_BYTES   (256u << 10) /* read at once; then others are served */
#define QUEUED_BYTES (4u << 20)   /* that the peer has yet to read; it is not read from meanwhile */
#define REASON_SIZE  160

enum state { CONNECTING, ASKING, OPEN, CLOSING, ENDED };

struct websocket {
	const struct agentd_host *host; /* borrowed */
	struct websocket_setup setup;   /* its callbacks, and their arg */
	enum state state;
	CURLM *multi;
	CURL *easy;
	struct agentd_timer *timer;    /* libcurl's while it connects; then: read again */
	struct agentd_timer *deadline; /* to be open, or closed */
	struct agentd_watch *watch;    /* once libcurl has connected */
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
	unsigned code, status;
	char reason[REASON_SIZE];
	unsigned inside; /* its own functions */
	bool freed;
};

struct peek {
	struct websocket *socket; /* borrowed */
	curl_socket_t fd;
	struct agentd_watch *watch;
};

static int websocket_init(struct websocket *socket, const struct websocket_setup *setup);
static void websocket_done(struct websocket *socket);
static void websocket_end(struct websocket *socket, unsigned code, const char *reason);
static void websocket_step(struct websocket *socket);
static void websocket_enter(struct websocket *socket);
static void websocket_leave(struct websocket *socket);
static void on_timer(void *arg);
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
	socket->host->watch_set(socket->watch, AGENTD_READ | AGENTD_WRITE);
	return 0;
}

void websocket_close(struct websocket *socket, unsigned code, const char *reason)
{
	if (socket->state >= CLOSING)
		return;
	bool open = socket->state == OPEN;
	socket->state = CLOSING;
	socket->code = code;
	snprintf(socket->reason, sizeof(socket->reason), "%s", reason ? reason : "closed");
	const char *words = reason ? reason : "";
	if (open && wslay_event_queue_close(
			socket->frames, (uint16_t)code, (const uint8_t *)words, strlen(words)) == 0)
		socket->host->watch_set(socket->watch, AGENTD_READ | AGENTD_WRITE);
	else
		open = false;
	socket->host->timer_set(socket->deadline, open ? WEBSOCKET_CLOSE_MS : 0);
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

/* What it holds of the connection. */
static void websocket_disconnect(struct websocket *socket)
{
	const struct agentd_host *host = socket->host;
	if (socket->watch)
		host->watch_free(socket->watch);
	socket->watch = NULL;
	if (socket->easy && socket->multi)
		curl_multi_remove_handle(socket->multi, socket->easy);
	curl_easy_cleanup(socket->easy);
	socket->easy = NULL;
	if (socket->multi)
		curl_multi_cleanup(socket->multi);
	socket->multi = NULL;
}

static void websocket_done(struct websocket *socket)
{
	const struct agentd_host *host = socket->host;
	websocket_disconnect(socket);
	if (socket->frames)
		wslay_event_context_free(socket->frames);
	if (socket->timer)
		host->timer_free(socket->timer);
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
	host->timer_clear(socket->timer);
	host->timer_clear(socket->deadline);
	if (socket->watch)
		host->watch_set(socket->watch, 0);
	socket->setup.closed(socket->setup.arg, code, socket->status, reason);
}

/* Connecting: libcurl says what it waits for. */

static void on_peek(void *arg, uint32_t what);

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *assigned)
{
	(void)easy;
	struct websocket *socket = arg;
	const struct agentd_host *host = socket->host;
	struct peek *peek = assigned;
	if (what == CURL_POLL_REMOVE) {
		if (peek)
			host->watch_free(peek->watch);
		free(peek);
		return 0;
	}
	if (!peek) {
		peek = calloc(1, sizeof(*peek));
		if (!peek)
			return -1;
		*peek = (struct peek){ .socket = socket, .fd = fd };
		peek->watch = host->watch_new(host, fd, on_peek, peek);
		if (!peek->watch) {
			free(peek);
			return -1;
		}
		curl_multi_assign(socket->multi, fd, peek);
	}
	host->watch_set(peek->watch,
	    (what & CURL_POLL_IN ? AGENTD_READ : 0) | (what & CURL_POLL_OUT ? AGENTD_WRITE : 0));
	return 0;
}

static int on_curl_timer(CURLM *multi, long after_ms, void *arg)
{
	(void)multi;
	struct websocket *socket = arg;
	if (socket->state != CONNECTING)
		return 0;
	if (after_ms < 0)
		socket->host->timer_clear(socket->timer);
	else
		socket->host->timer_set(socket->timer, (uint64_t)after_ms);
	return 0;
}

static void on_ready(void *arg, uint32_t what)
{
	(void)what;
	websocket_step(arg);
}

/* libcurl has a connection. The handle stays in the multi, without which it would be closed. */
static void websocket_ask_server(struct websocket *socket)
{
	const struct agentd_host *host = socket->host;
	curl_socket_t fd = CURL_SOCKET_BAD;
	socket->state = ASKING;
	host->timer_clear(socket->timer);
	curl_easy_getinfo(socket->easy, CURLINFO_ACTIVESOCKET, &fd);
	socket->watch = fd == CURL_SOCKET_BAD ? NULL : host->watch_new(host, fd, on_ready, socket);
	if (!socket->watch)
		websocket_end(socket, WEBSOCKET_NO_CONNECTION, "the connection cannot be watched");
	else
		websocket_step(socket);
}

static void websocket_drive(struct websocket *socket, curl_socket_t fd, int what)
{
	int running, left;
	CURLMsg *said = NULL;
	websocket_enter(socket);
	if (socket->state == CONNECTING) {
		curl_multi_socket_action(socket->multi, fd, what, &running);
		said = curl_multi_info_read(socket->multi, &left);
	}
	if (said && said->data.result == CURLE_OK)
		websocket_ask_server(socket);
	else if (said)
		websocket_end(
		    socket, WEBSOCKET_NO_CONNECTION, curl_easy_strerror(said->data.result));
	websocket_leave(socket);
}

static void on_peek(void *arg, uint32_t what)
{
	struct peek *peek = arg;
	websocket_drive(peek->socket, peek->fd,
	    (what & AGENTD_READ ? CURL_CSELECT_IN : 0) |
		(what & AGENTD_WRITE ? CURL_CSELECT_OUT : 0));
}

static void on_timer(void *arg)
{
	struct websocket *socket = arg;
	if (socket->state == CONNECTING)
		websocket_drive(socket, CURL_SOCKET_TIMEOUT, 0);
	else
		websocket_step(socket);
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

/* How many bytes came; 0: none now. */
static size_t websocket_read(struct websocket *socket, void *to, size_t size)
{
	size_t n = 0;
	if (socket->lost)
		return 0;
	if (socket->turn == 0) {
		socket->again = true;
		return 0;
	}
	CURLcode result = curl_easy_recv(socket->easy, to, size, &n);
	if (result == CURLE_OK && n == 0)
		websocket_lose(socket, "the server ended the connection");
	else if (result != CURLE_OK && result != CURLE_AGAIN)
		websocket_lose(socket, curl_easy_strerror(result));
	n = result == CURLE_OK ? n : 0;
	socket->turn -= n < socket->turn ? n : socket->turn;
	return n;
}

/* Sends what is in `out`. True: it is empty. */
static bool websocket_flush(struct websocket *socket)
{
	while (socket->out_from < socket->out_n && !socket->lost) {
		size_t n = 0;
		CURLcode result = curl_easy_send(socket->easy, socket->out + socket->out_from,
		    socket->out_n - socket->out_from, &n);
		socket->out_tried = true;
		socket->out_from += result == CURLE_OK ? n : 0;
		if (result == CURLE_AGAIN)
			return false;
		if (result != CURLE_OK)
			websocket_lose(socket, curl_easy_strerror(result));
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
	const struct agentd_host *host = socket->host;
	bool reads = !socket->frames || !websocket_is_stalled(socket);
	bool writes = socket->out_n || (socket->frames && wslay_event_want_write(socket->frames));
	host->watch_set(socket->watch, (reads ? AGENTD_READ : 0) | (writes ? AGENTD_WRITE : 0));
	if (socket->again)
		host->timer_set(socket->timer, 0);
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

/* The URL for libcurl, whose ws:// of Debian's is not there: it is http:// until the handshake. */
static int url_split(const char *url, CURLU **ret_url, char **ret_host, char **ret_target)
{
	char *scheme = NULL, *host = NULL, *port = NULL, *path = NULL, *query = NULL, *user = NULL;
	CURLU *parts = curl_url();
	int error = -EINVAL;
	*ret_host = *ret_target = NULL;
	if (!parts || curl_url_set(parts, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) ||
	    curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) ||
	    curl_url_get(parts, CURLUPART_HOST, &host, 0) ||
	    curl_url_get(parts, CURLUPART_PATH, &path, 0))
		goto out;
	curl_url_get(parts, CURLUPART_PORT, &port, 0);
	curl_url_get(parts, CURLUPART_QUERY, &query, 0);
	bool secure = strcmp(scheme, "wss") == 0;
	if ((!secure && strcmp(scheme, "ws") != 0) ||
	    curl_url_get(parts, CURLUPART_USER, &user, 0) == CURLUE_OK ||
	    curl_url_set(parts, CURLUPART_SCHEME, secure ? "https" : "http", 0))
		goto out;
	error = -ENOMEM;
	if (asprintf(ret_host, "%s%s%s", host, port ? ":" : "", port ? port : "") < 0) {
		*ret_host = NULL;
		goto out;
	}
	if (asprintf(ret_target, "%s%s%s", path, query ? "?" : "", query ? query : "") < 0) {
		*ret_target = NULL;
		goto out;
	}
	error = 0;
	*ret_url = parts;
	parts = NULL;
out:
	curl_url_cleanup(parts);
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_free(path);
	curl_free(query);
	curl_free(user);
	return error;
}

static int websocket_init_curl(struct websocket *socket, const char *url)
{
	CURL *easy = socket->easy = curl_easy_init();
	CURLM *multi = socket->multi = curl_multi_init();
	if (!easy || !multi)
		return -ENOMEM;
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
	curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, socket);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
	curl_multi_setopt(multi, CURLMOPT_TIMERDATA, socket);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
	/* Else TLS may agree on HTTP/2, where there is no such upgrade. */
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, 0L); /* the deadline is ours */
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
	if (curl_easy_setopt(easy, CURLOPT_URL, url) != CURLE_OK)
		return -ENOMEM;
	return curl_multi_add_handle(multi, easy) == CURLM_OK ? 0 : -ENOMEM;
}

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
	CURLU *parts = NULL;
	char *name = NULL, *target = NULL, *url = NULL;
	socket->host = host;
	socket->setup = *setup;
	socket->timer = host->timer_new(host, on_timer, socket);
	socket->deadline = host->timer_new(host, on_deadline, socket);
	int error = socket->timer && socket->deadline ? 0 : -ENOMEM;
	if (error == 0)
		error = url_split(setup->url, &parts, &name, &target);
	if (error == 0 && curl_url_get(parts, CURLUPART_URL, &url, 0) != CURLUE_OK)
		error = -ENOMEM;
	if (error == 0)
		error = websocket_init_ask(socket, name, target);
	if (error == 0)
		error = websocket_init_curl(socket, url);
	if (error == 0)
		error = host->timer_set(socket->deadline,
		    (uint64_t)(setup->connect_ms ? setup->connect_ms : WEBSOCKET_CONNECT_MS));
	socket->setup.url = NULL; /* what the caller may free now */
	socket->setup.headers = NULL;
	curl_url_cleanup(parts);
	curl_free(url);
	free(name);
	free(target);
	return error;
}
