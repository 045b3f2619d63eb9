/*
 * conn: a connection, from when it is accepted to its end.
 *
 * Its socket is read and written here, and evhttp sits in between: it reads requests out of an evbuffer that
 * the gate has filled, and is told when an answer has left. The bufferevent that it wants has no descriptor.
 * Left to itself it asks the kernel before each read how much there is, waits for epoll before each write,
 * and ends the process if a byte comes while a request is held (libevent 2.1.12).
 */
#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "daemon/http/internal.h"

#define DISCARDS_MAX 16   /* reads: who sends more gets the reset */
#define LINGER_MS    2000 /* who was refused may go on sending for so long */

void conn_soon(struct conn *conn)
{
	struct http_server *server = conn->server;
	if (conn->soon)
		return;
	conn->soon = true;
	TAILQ_INSERT_TAIL(&server->soon_list, conn, soon_link);
	event_active(server->soon, EV_TIMEOUT, 0);
}

static void conn_not_soon(struct conn *conn)
{
	if (conn->soon)
		TAILQ_REMOVE(&conn->server->soon_list, conn, soon_link);
	conn->soon = false;
}

static void conn_close_soon(struct conn *conn)
{
	conn->closing = true;
	conn_soon(conn);
}

static void conn_arm(struct conn *conn, int64_t after_ms)
{
	conn->deadline_ms = clock_monotonic_ms() + (uint64_t)after_ms;
}

bool conn_is_idle(const struct conn *conn)
{
	int waiting = 0;
	return conn->evcon && !conn->request && !conn->reading && !conn->answered &&
	       (ioctl(conn->fd, FIONREAD, &waiting) < 0 || waiting == 0);
}

static struct evbuffer *conn_input(const struct conn *conn)
{
	return bufferevent_get_input(conn->bev);
}

struct evbuffer *conn_output(const struct conn *conn)
{
	return bufferevent_get_output(conn->bev);
}

/* Reading. */

/* To who sends a chunked body; to others evhttp says it. */
static void conn_say_continue(struct conn *conn)
{
	static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct buf head = { .data = (char *)(uintptr_t)line, .length = sizeof(line) - 1 };
	if (conn->gate.wants_continue)
		conn_send(conn, &head, NULL);
	conn->gate.wants_continue = false;
}

static void conn_take(struct conn *conn, size_t n)
{
	gate_input(&conn->gate, conn_input(conn), n);
	conn_say_continue(conn);
	if (conn->request && evbuffer_get_length(conn_input(conn)) >= STREAM_READ_MAX)
		conn_close_soon(conn); /* its end could not be seen any more behind what it sends */
	if (conn->reading || conn->request)
		return;
	conn->reading = true;
	conn_arm(conn, conn->server->rules.settings->request_timeout_ms);
}

/*
 * What comes while a request is held waits in the kernel: the event is taken out, else the loop would spin, and
 * conn_on_complete puts it back. As a rule nothing comes, and the socket stays in epoll. Beside a stream
 * there is reading, so that its client's end is seen.
 */
static void conn_on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	struct conn *conn = arg;
	char *bytes = conn->server->bytes;
	if (conn->answered || (conn->request && !conn->request->stream)) {
		event_del(&conn->readable);
		return;
	}
	ssize_t n = recv(fd, bytes, sizeof(conn->server->bytes), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || evbuffer_add(conn_input(conn), bytes, (size_t)n) < 0) {
		evhttp_connection_free(conn->evcon);
		return;
	}
	if (conn->lingers) {
		evbuffer_drain(conn_input(conn), (size_t)n);
		return;
	}
	conn_take(conn, (size_t)n);
	if (!conn->request && evbuffer_get_length(conn_input(conn)))
		bufferevent_trigger(conn->bev, EV_READ, 0);
}

void conn_read_on(struct conn *conn)
{
	if (event_add(&conn->readable, NULL) < 0)
		conn_close_soon(conn);
}

/* What comes behind the last request is not heard. Left unread, it would make the close a reset, and the kernel would
 * drop what it has not sent yet. */
static void conn_discard(struct conn *conn)
{
	evbuffer_drain(conn_input(conn), evbuffer_get_length(conn_input(conn)));
	for (int i = 0; i < DISCARDS_MAX; i++)
		if (recv(conn->fd, conn->server->bytes, READ_MAX, MSG_DONTWAIT) <= 0)
			return;
}

/* The last answer has left. Somebody who is still sending what was refused shall read why, and a close now would be a reset
 * (RFC 9112, section 9.6): so the connection is closed by them. */
static void conn_on_last(struct conn *conn, struct evhttp_request *evreq)
{
	conn_discard(conn);
	if (!conn->gate.status || shutdown(conn->fd, SHUT_WR) < 0) {
		conn_close_soon(conn);
		return;
	}
	conn->lingers = true;
	evreq->minor = 1; /* so that evhttp does not close it */
	evhttp_clear_headers(evhttp_request_get_input_headers(evreq));
	conn_arm(conn, LINGER_MS);
	conn_read_on(conn);
}

/* The answer has left: the connection may bring another request. It may not be freed here. */
static void conn_on_complete(struct evhttp_request *evreq, void *arg)
{
	struct conn *conn = arg;
	const struct http_settings *settings = conn->server->rules.settings;
	conn->answered = NULL;
	if (conn->closes) {
		conn_on_last(conn, evreq);
		return;
	}
	evreq->minor = 1; /* else evhttp closes one of HTTP/1.0 that says more than "keep-alive" */
	conn_read_on(conn);
	gate_next(&conn->gate, conn_input(conn));
	conn_say_continue(conn);
	conn->reading = conn->gate.aside || evbuffer_get_length(conn_input(conn)) > 0;
	conn_arm(conn, conn->reading ? settings->request_timeout_ms : settings->keep_alive_ms);
	if (conn->server->draining && conn_is_idle(conn))
		conn_close_soon(conn);
}

void conn_on_request(struct evhttp_request *evreq, void *arg)
{
	struct http_server *server = arg;
	struct bufferevent *bev =
	    evhttp_connection_get_bufferevent(evhttp_request_get_connection(evreq));
	struct conn *conn;
	HASH_FIND_PTR(server->by_bev, &bev, conn);
	struct http_request *request = conn ? request_new(conn, evreq) : NULL;
	if (conn)
		evhttp_request_set_on_complete_cb(evreq, conn_on_complete, conn);
	if (!request) { /* out of memory, now or when the connection came */
		if (conn)
			conn->closes = true;
		request_refuse(evreq);
		return;
	}
	conn->deadline_ms = 0;
	conn->has_asked = true;
	server_settle_soon(server);
	server->handler(request->rules.arg, request);
}

/* Writing. */

static void free_reference(const void *data, size_t length, void *arg)
{
	(void)data;
	(void)length;
	free(arg);
}

/* What the socket did not take: all but the first `done` bytes. A large body is not copied. */
static bool keep_rest(
    struct evbuffer *output, const struct buf *head, struct buf *body, size_t done)
{
	size_t of_head = done < head->length ? done : head->length, of_body = done - of_head;
	if (of_head < head->length &&
	    evbuffer_add(output, head->data + of_head, head->length - of_head) < 0)
		return false;
	if (!body || of_body == body->length)
		return true;
	const char *rest = body->data + of_body;
	size_t n = body->length - of_body;
	if (n < REFERENCE_LEAST)
		return evbuffer_add(output, rest, n) == 0;
	if (evbuffer_add_reference(output, rest, n, free_reference, body->data) < 0)
		return false;
	*body = (struct buf){ 0 };
	return true;
}

void conn_send(struct conn *conn, const struct buf *head, struct buf *body)
{
	struct evbuffer *output = conn_output(conn);
	struct iovec parts[] = { { head->data, head->length },
		{ body ? body->data : NULL, body ? body->length : 0 } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	ssize_t sent = 0;
	if (head->failed || (body && body->failed)) {
		conn_close_soon(conn);
		return;
	}
	if (evbuffer_get_length(output) == 0)
		sent = body ? sendmsg(conn->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL)
			    : send(conn->fd, head->data, head->length, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN && errno != EINTR)
		conn_close_soon(conn);
	else if (!keep_rest(output, head, body, sent < 0 ? 0 : (size_t)sent))
		conn_close_soon(conn);
}

void conn_end_answer(struct conn *conn, struct evhttp_request *evreq)
{
	conn->answered = evreq;
	conn_soon(conn);
}

static void conn_on_written(struct conn *conn)
{
	if (conn->answered)
		evhttp_send_reply_end(conn->answered); /* goes to conn_on_complete */
	else if (conn->request && conn->request->stream)
		conn->request->stream->drained(conn->request->stream_arg);
	else
		bufferevent_trigger(conn->bev, EV_WRITE, 0); /* of evhttp's own */
}

/* Bytes that the socket has taken, and its client's machine has not. */
static int conn_queued(const struct conn *conn)
{
	int n = 0;
	ioctl(conn->fd, SIOCOUTQ, &n);
	return n;
}

static void conn_await_room(struct conn *conn)
{
	conn->queued = conn_queued(conn);
	if (event_add(conn->writable, &conn->server->slow_reader) < 0)
		evhttp_connection_free(conn->evcon);
}

static void conn_write_rest(struct conn *conn)
{
	struct evbuffer *output = conn_output(conn);
	int wrote = evbuffer_write(output, conn->fd);
	if (wrote < 0 && errno != EAGAIN && errno != EINTR)
		evhttp_connection_free(conn->evcon);
	else if (evbuffer_get_length(output) == 0)
		conn_on_written(conn);
	else
		conn_await_room(conn);
}

/* A client that reads slowly takes long to make the room at which a socket counts as writable. */
static void conn_on_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	struct conn *conn = arg;
	if (what & EV_WRITE)
		conn_write_rest(conn);
	else if (conn_queued(conn) < conn->queued)
		conn_await_room(conn);
	else /* it has taken nothing for so long */
		evhttp_connection_free(conn->evcon);
}

/* Something is in the output: it leaves when this turn ends, and what does not, when the socket takes more. */
static void conn_begin_rest(struct conn *conn)
{
	if (!conn->writable)
		conn->writable =
		    event_new(conn->server->base, conn->fd, EV_WRITE, conn_on_writable, conn);
	if (!conn->writable)
		evhttp_connection_free(conn->evcon);
	else if (!event_pending(conn->writable, EV_WRITE, NULL))
		conn_write_rest(conn);
}

static void conn_on_output(struct evbuffer *output, const struct evbuffer_cb_info *info, void *arg)
{
	(void)output;
	if (info->n_added)
		conn_soon(arg);
}

/* Beginning and end. */

static void conn_free(struct conn *conn)
{
	struct http_server *server = conn->server;
	TAILQ_REMOVE(&server->conns, conn, link);
	HASH_DEL(server->by_bev, conn);
	conn_not_soon(conn);
	gate_done(&conn->gate);
	principal_unref(conn->peer);
	free(conn);
	server_on_left(server);
}

/* Every connection that was adopted ends here, however it ends. */
static void conn_on_close(struct evhttp_connection *evcon, void *arg)
{
	(void)evcon;
	struct conn *conn = arg;
	struct http_request *request = conn->request;
	if (request) {
		request_log(request, 499);
		if (request->gone)
			request->gone(request->gone_arg);
		request_free(request);
	}
	event_del(&conn->readable);
	if (conn->writable)
		event_free(conn->writable);
	conn_free(conn);
}

static void conn_find_peer(struct conn *conn, bool again)
{
	struct http_server *server = conn->server;
	struct principal *before = conn->peer;
	struct ucred peer;
	socklen_t length = sizeof(peer);
	conn->peer = NULL;
	conn->peer_why = "the kernel does not say who it is";
	if (getsockopt(conn->fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0)
		conn->peer = server->admit(server->admit_arg, &peer, again, &conn->peer_why);
	principal_unref(before);
}

/* Who was not let in when it came is not now: it may be what agentd has started. */
void conn_admit_again(struct conn *conn)
{
	if (conn->peer)
		conn_find_peer(conn, true);
}

/* evhttp does not say which listener a connection came from; the kernel does. */
static void conn_find_origin(struct conn *conn)
{
	struct sockaddr_un address = { 0 };
	socklen_t length = sizeof(address) - 1; /* of other families it is cut short */
	struct listener *listener;
	if (getsockname(conn->fd, (struct sockaddr *)&address, &length) < 0 ||
	    address.sun_family != AF_UNIX)
		return;
	conn->is_local = true;
	TAILQ_FOREACH (listener, &conn->server->listeners, link)
		if (listener->is_control && strcmp(listener->path, address.sun_path) == 0)
			conn->is_control = true;
	if (conn->is_control)
		conn_find_peer(conn, false);
}

/* The socket becomes ours. */
static void conn_take_socket(struct conn *conn)
{
	conn->fd = bufferevent_getfd(conn->bev);
	event_assign(&conn->readable, conn->server->base, conn->fd, EV_READ | EV_PERSIST,
	    conn_on_readable, conn);
	evhttp_connection_set_closecb(conn->evcon, conn_on_close, conn);
	if (event_add(&conn->readable, NULL) < 0 || bufferevent_setfd(conn->bev, -1) < 0 ||
	    !evbuffer_add_cb(conn_output(conn), conn_on_output, conn)) {
		evhttp_connection_free(conn->evcon);
		return;
	}
	conn_find_origin(conn);
	conn_arm(conn, conn->server->rules.settings->request_timeout_ms);
}

/* The bufferevent's argument is its evhttp_connection: there is no other way to it before a request is whole. Without
 * one, evhttp had no memory for it, and has freed the bufferevent, or forgotten it. */
static void conn_adopt(struct conn *conn)
{
	void *evcon = NULL;
	bufferevent_getcb(conn->bev, NULL, NULL, NULL, &evcon);
	bool is_freed = bufferevent_decref(conn->bev);
	conn->evcon = evcon;
	if (evcon) {
		conn_take_socket(conn);
		return;
	}
	if (!is_freed)
		bufferevent_free(conn->bev);
	conn_free(conn);
}

struct bufferevent *conn_new(struct event_base *base, void *arg)
{
	struct http_server *server = arg;
	struct conn *conn = calloc(1, sizeof(*conn));
	struct bufferevent *bev =
	    bufferevent_socket_new(base, -1, 0); /* evhttp closes the socket */
	if (conn && bev) {
		conn->bev = bev;
		HASH_ADD_PTR(server->by_bev, bev, conn);
	}
	if (!conn || !conn->hh.tbl) {
		free(conn);
		return bev; /* its requests are refused; NULL: evhttp makes its own */
	}
	conn->server = server;
	bufferevent_incref(bev); /* until it is adopted */
	gate_init(&conn->gate, &server->gate_limits);
	TAILQ_INSERT_TAIL(&server->conns, conn, link);
	server_on_come(server);
	conn_soon(conn);
	return bev;
}

static void conn_tell_stream(struct http_request *request)
{
	request->is_due = false;
	request->stream->soon(request->stream_arg);
}

/* What is done at the end of a turn, one thing after the other: whoever comes here with more to do comes again. */
static void conn_on_soon(struct conn *conn)
{
	bool has_rest = evbuffer_get_length(conn_output(conn)) > 0;
	if (!conn->evcon) {
		conn_adopt(conn);
	} else if (conn->closing) {
		evhttp_connection_free(conn->evcon);
	} else if (conn->request && conn->request->is_due) {
		if (has_rest)
			conn_soon(conn);
		conn_tell_stream(conn->request);
	} else if (has_rest) {
		conn_begin_rest(conn);
	} else if (conn->answered) {
		conn_on_written(conn);
	}
}

void conn_run_soon(struct http_server *server)
{
	struct conn *conn;
	while ((conn = TAILQ_FIRST(&server->soon_list))) {
		conn_not_soon(conn);
		conn_on_soon(conn);
	}
}
