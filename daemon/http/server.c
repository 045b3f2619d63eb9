/*
 * server: evhttp, and round it what it lacks.
 *
 * What evhttp gets to read has been through the gate (gate.h), so its parser meets nothing unusual.
 * Two more rules, each learnt from a server that died without it (libevent 2.1.12): reading is never
 * enabled on a connection whose request is held (a pipelined byte then ends the process); a client
 * that leaves is found by polling for POLLRDHUP (an event that stays on the fd spins after a reset; ours,
 * conn_on_readable, is taken out when it fires).
 */
#include "daemon/http/server.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/un.h>

#include "daemon/http/internal.h"

/* For who connected before a server settles, and has not said yet what they want. */
#define ARRIVAL_MS 2000

/* Connections. */

static void conn_arm(struct conn *conn, int64_t after_ms)
{
	conn->deadline_ms = clock_monotonic_ms() + (uint64_t)after_ms;
}

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

static void server_check_room(struct http_server *server)
{
	if (!server->draining &&
	    server->conn_count < (size_t)server->rules.settings->max_connections &&
	    !event_pending(server->accept_again, EV_TIMEOUT, NULL))
		server_pause(server, false);
}

static void server_check_idle(struct http_server *server)
{
	void (*idle)(void *arg) = server->idle;
	if (!idle || server->conn_count)
		return;
	server->idle = NULL;
	idle(server->idle_arg);
}

/* Nothing has come for its next request, nor lies in the kernel: a close then would be a reset. */
static bool conn_is_idle(const struct conn *conn)
{
	int waiting = 0;
	return conn->evcon && !conn->request && !conn->reading && !conn->replying &&
	       (ioctl(bufferevent_getfd(conn->bev), FIONREAD, &waiting) < 0 || waiting == 0);
}

static void server_check_settled(struct http_server *server)
{
	void (*settled)(void *arg) = server->settled;
	struct conn *conn;
	if (!settled)
		return;
	if (clock_monotonic_ms() < server->settle_until_ms)
		TAILQ_FOREACH (conn, &server->conns, link)
			if (!conn->request && !conn->replying)
				return; /* its request may still come */
	server->settled = NULL;
	settled(server->settled_arg);
}

static void server_settle_soon(struct http_server *server)
{
	if (server->settled)
		event_active(server->soon, EV_TIMEOUT, 0);
}

/* Every connection of evhttp ends here, however it ends. */
static void conn_on_close(struct evhttp_connection *evcon, void *arg)
{
	(void)evcon;
	struct conn *conn = arg;
	struct http_server *server = conn->server;
	struct http_request *request = conn->request;
	if (request) {
		struct evhttp_request *evreq = request->evreq;
		request_log(request, 499);
		if (request->gone)
			request->gone(request->gone_arg);
		request_free(request);
		/* Where evhttp saw the end itself it has let go of the request, and leaves it to us. */
		if (!evhttp_request_get_connection(evreq))
			evhttp_request_free(evreq);
	}
	event_del(&conn->watch);
	TAILQ_REMOVE(&server->conns, conn, link);
	HASH_DEL(server->by_bev, conn);
	conn_not_soon(conn);
	gate_done(&conn->gate);
	principal_unref(conn->peer);
	free(conn);
	if (--server->conn_count == 0)
		event_del(server->tick);
	server_check_room(server);
	server_settle_soon(server);
	server_check_idle(server);
}

static void conn_find_peer(struct conn *conn)
{
	struct http_server *server = conn->server;
	struct ucred peer;
	socklen_t length = sizeof(peer);
	conn->peer_why = "the kernel does not say who it is";
	if (getsockopt(bufferevent_getfd(conn->bev), SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0)
		conn->peer = server->admit(server->admit_arg, &peer, &conn->peer_why);
}

/* evhttp does not say which listener a connection came from; the kernel does. */
static void conn_find_origin(struct conn *conn)
{
	struct sockaddr_un address = { 0 };
	socklen_t length = sizeof(address) - 1; /* of other families it is cut short */
	struct listener *listener;
	if (getsockname(bufferevent_getfd(conn->bev), (struct sockaddr *)&address, &length) < 0 ||
	    address.sun_family != AF_UNIX)
		return;
	conn->is_local = true;
	TAILQ_FOREACH (listener, &conn->server->listeners, link)
		if (listener->is_control && strcmp(listener->path, address.sun_path) == 0)
			conn->is_control = true;
	if (conn->is_control)
		conn_find_peer(conn);
}

/*
 * A second event on the socket, so that it stays in epoll while evhttp stops reading for a request and
 * begins again after the reply: that cost two system calls each. If something does come meanwhile, more
 * bytes or the end, it is taken out, else the loop would spin; request_on_complete puts it back.
 */
static void conn_on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct conn *conn = arg;
	bool reads =
	    !conn->request && !conn->replying && (bufferevent_get_enabled(conn->bev) & EV_READ);
	if (!reads && !conn->has_read)
		event_del(&conn->watch);
	conn->has_read = false; /* this was about bytes that are read by now */
}

/* The bufferevent's argument is its evhttp_connection: there is no other way to it before a request
 * is whole. */
static void conn_adopt(struct conn *conn)
{
	void *evcon = NULL;
	struct timeval slow = conn->server->slow_reader;
	bufferevent_getcb(conn->bev, NULL, NULL, NULL, &evcon);
	conn->evcon = evcon;
	event_assign(&conn->watch, conn->server->base, bufferevent_getfd(conn->bev),
	    EV_READ | EV_PERSIST, conn_on_readable, conn);
	event_add(&conn->watch, NULL);
	conn_find_origin(conn);
	evhttp_connection_set_closecb(conn->evcon, conn_on_close, conn);
	bufferevent_set_timeouts(conn->bev, NULL, &slow); /* for reading we have our own */
	if (!conn->request)
		conn_arm(conn, conn->server->rules.settings->request_timeout_ms);
}

static void conn_tell_written(struct conn *conn)
{
	bufferevent_disable(conn->bev, EV_WRITE); /* evhttp enables it with every write */
	bufferevent_trigger(conn->bev, EV_WRITE, BEV_TRIG_IGNORE_WATERMARKS);
}

static void conn_tell_stream(struct http_request *request)
{
	request->is_due = false;
	request->stream->soon(request->stream_arg);
}

/*
 * What is done at the end of a turn: a new connection is adopted, one that is over is freed, a stream
 * writes what the turn has brought, and evhttp is told of what write_now has written. By now more may
 * have been put into the output; then its own event goes on.
 */
static void conn_on_soon(struct conn *conn)
{
	if (!conn->evcon)
		conn_adopt(conn);
	else if (conn->closing)
		evhttp_connection_free(conn->evcon);
	else if (conn->request && conn->request->is_due)
		conn_tell_stream(conn->request);
	else if (evbuffer_get_length(bufferevent_get_output(conn->bev)) == 0)
		conn_tell_written(conn);
}

static void server_on_soon(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct http_server *server = arg;
	struct conn *conn;
	while ((conn = TAILQ_FIRST(&server->soon_list))) {
		conn_not_soon(conn);
		conn_on_soon(conn);
	}
	server_check_settled(server);
}

/* Called with the bytes that have just been read, before evhttp sees them. */
static void conn_on_input(struct evbuffer *input, const struct evbuffer_cb_info *info, void *arg)
{
	struct conn *conn = arg;
	if (!info->n_added || conn->gate.moving)
		return;
	conn->has_read = true;
	gate_input(&conn->gate, input, info->n_added);
	if (conn->gate.wants_continue) {
		/* Straight to the socket: evhttp's output has a callback of the reply before on it.
		 * Nothing else is on its way out while a request is being read. */
		static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
		send(bufferevent_getfd(conn->bev), line, sizeof(line) - 1,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		conn->gate.wants_continue = false;
	}
	if (conn->request && evbuffer_get_length(input) >= STREAM_READ_MAX) {
		conn->closing = true; /* its end could not be seen any more behind what it sends */
		conn_soon(conn);
	}
	if (conn->reading || conn->request || conn->replying)
		return;
	conn->reading = true;
	if (conn->evcon)
		conn_arm(conn, conn->server->rules.settings->request_timeout_ms);
}

static struct bufferevent *conn_new(struct event_base *base, void *arg)
{
	struct http_server *server = arg;
	struct conn *conn = calloc(1, sizeof(*conn));
	struct bufferevent *bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
	if (conn && bev) {
		conn->bev = bev; /* freed with its evhttp_connection */
		HASH_ADD_PTR(server->by_bev, bev, conn);
	}
	if (!conn || !conn->hh.tbl) {
		free(conn);
		return bev; /* its requests are refused; NULL: evhttp makes its own */
	}
	conn->server = server;
	gate_init(&conn->gate, &server->gate_limits);
	evbuffer_add_cb(bufferevent_get_input(bev), conn_on_input, conn);
	TAILQ_INSERT_TAIL(&server->conns, conn, link);
	if (server->conn_count++ == 0)
		event_add(server->tick, &(struct timeval){ .tv_usec = TICK_MS * 1000 });
	if (server->conn_count >= (size_t)server->rules.settings->max_connections)
		server_pause(server, true);
	conn_soon(conn);
	return bev;
}

/*
 * One poll for all requests whose clients wait for an answer, or read one. POLLRDHUP tells of a client
 * that has closed, or shut down its writing, which one that still wants its answer has no reason to
 * do. Streams too: evhttp sees their end only while it reads, and it stops when it has read enough.
 */
static void check_held(struct http_server *server)
{
	size_t n = 0, count = server->held_count;
	struct pollfd *fds = calloc(count + 1, sizeof(*fds));
	struct evhttp_connection **evcons = calloc(count + 1, sizeof(struct evhttp_connection *));
	struct http_request *request;
	TAILQ_FOREACH (request, &server->held, held) {
		if (!fds || !evcons)
			break;
		evcons[n] = request->conn->evcon;
		fds[n++] = (struct pollfd){ .fd = bufferevent_getfd(request->conn->bev),
			.events = POLLRDHUP };
	}
	if (n && poll(fds, (nfds_t)n, 0) > 0)
		for (size_t i = 0; i < n; i++)
			if (fds[i].revents & (POLLRDHUP | POLLHUP | POLLERR))
				evhttp_connection_free(evcons[i]);
	free(fds);
	free(evcons);
}

/* Connections that took too long over a request, or were idle for too long. One timer for all of them
 * costs less than one for each, which every request would set three times. */
static void check_deadlines(struct http_server *server)
{
	uint64_t now = clock_monotonic_ms();
	struct conn *conn, *next;
	for (conn = TAILQ_FIRST(&server->conns); conn; conn = next) {
		next = TAILQ_NEXT(conn, link);
		if (conn->deadline_ms && conn->deadline_ms <= now && conn->evcon && !conn->request)
			evhttp_connection_free(conn->evcon);
	}
}

static void server_on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	check_held(arg);
	check_deadlines(arg);
	server_check_settled(arg);
}

/* The reply has left, or the stream has ended: the connection may bring another request. */
static void request_on_complete(struct evhttp_request *evreq, void *arg)
{
	struct conn *conn = arg;
	(void)evreq;
	struct timeval slow = conn->server->slow_reader;
	conn_not_soon(conn); /* evhttp knows already: told again, it would end the next request */
	bufferevent_setwatermark(conn->bev, EV_READ, 0, 0);
	bufferevent_set_timeouts(conn->bev, NULL, &slow);
	conn->replying = false;
	event_add(&conn->watch, NULL);
	gate_next(&conn->gate, bufferevent_get_input(conn->bev));
	conn->reading =
	    conn->gate.aside || evbuffer_get_length(bufferevent_get_input(conn->bev)) > 0;
	conn_arm(conn, conn->reading ? conn->server->rules.settings->request_timeout_ms
				     : conn->server->rules.settings->keep_alive_ms);
	conn->closing = conn->server->draining; /* it may not be freed here */
	if (conn->closing)
		conn_soon(conn);
}

static void server_on_request(struct evhttp_request *evreq, void *arg)
{
	struct http_server *server = arg;
	struct bufferevent *bev =
	    evhttp_connection_get_bufferevent(evhttp_request_get_connection(evreq));
	struct conn *conn;
	HASH_FIND_PTR(server->by_bev, &bev, conn);
	if (conn && !conn->evcon)
		conn_adopt(conn);
	struct http_request *request = conn ? request_new(conn, evreq) : NULL;
	if (!request) { /* out of memory, now or when the connection came */
		request_refuse(evreq);
		return;
	}
	conn->deadline_ms = 0;
	conn->has_asked = true;
	server_settle_soon(server);
	evhttp_request_set_on_complete_cb(evreq, request_on_complete, conn);
	server->handler(request->rules.arg, request);
}

/* The whole. */

struct http_server *http_server_new(struct event_base *base, http_handler handler)
{
	struct http_server *server = calloc(1, sizeof(*server));
	if (!server)
		return NULL;
	server->base = base;
	server->handler = handler;
	TAILQ_INIT(&server->listeners);
	TAILQ_INIT(&server->conns);
	TAILQ_INIT(&server->soon_list);
	TAILQ_INIT(&server->held);
	server->http = evhttp_new(base);
	server->tick = event_new(base, -1, EV_PERSIST, server_on_tick, server);
	server->soon = event_new(base, -1, 0, server_on_soon, server);
	server->accept_again = event_new(base, -1, 0, server_on_accept_again, server);
	server->scratch = evbuffer_new();
	if (!server->http || !server->tick || !server->soon || !server->accept_again ||
	    !server->scratch) {
		http_server_free(server);
		return NULL;
	}
	evhttp_set_bevcb(server->http, conn_new, server);
	evhttp_set_gencb(server->http, server_on_request, server);
	evhttp_set_default_content_type(server->http, NULL);
	/* Only known methods get past evhttp; which of them a route takes is route.c's answer. */
	evhttp_set_allowed_methods(
	    server->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST | EVHTTP_REQ_PUT |
			      EVHTTP_REQ_DELETE | EVHTTP_REQ_PATCH | EVHTTP_REQ_OPTIONS);
	return server;
}

void http_server_configure(struct http_server *server, const struct http_rules *rules)
{
	const struct http_settings *settings = rules->settings;
	struct era *before = server->rules.era;
	server->rules = *rules;
	era_ref(rules->era);
	server->slow_reader = (struct timeval){
		.tv_sec = settings->slow_reader_ms / 1000,
		.tv_usec = settings->slow_reader_ms % 1000 * 1000,
	};
	server->gate_limits = (struct gate_limits){
		.head = { (size_t)settings->max_head, (size_t)settings->max_fields },
		.body = (uint64_t)settings->max_body,
	};
	/* The gate keeps these bounds; evhttp's own are beyond them, since it answers in HTML. Both are of connections
	 * that come from now on. */
	evhttp_set_max_body_size(server->http, (ev_ssize_t)settings->max_body + 1);
	evhttp_set_max_headers_size(server->http, (ev_ssize_t)settings->max_head + 64);
	server_check_room(server);
	era_unref(before);
}

static void close_idle(struct http_server *server, bool fresh)
{
	struct conn *conn, *next;
	for (conn = TAILQ_FIRST(&server->conns); conn; conn = next) {
		next = TAILQ_NEXT(conn, link);
		if ((conn->has_asked || fresh) && conn_is_idle(conn))
			evhttp_connection_free(conn->evcon);
	}
}

void http_server_settle(struct http_server *server, void (*settled)(void *arg), void *arg)
{
	server->draining = true;
	server->settle_until_ms = clock_monotonic_ms() + ARRIVAL_MS;
	close_idle(server, false);
	server->settled = settled;
	server->settled_arg = arg;
	server_settle_soon(server);
}

void http_server_drain(struct http_server *server, void (*idle)(void *arg), void *arg)
{
	server->draining = true;
	server->settled = NULL;
	server->idle = idle;
	server->idle_arg = arg;
	event_del(server->accept_again);
	server_close_listeners(server);
	close_idle(server, true);
	server_check_idle(server);
}

void http_server_free(struct http_server *server)
{
	if (!server)
		return;
	server->draining = true;
	server->settled = NULL;
	server->idle = NULL;
	server_close_listeners(server);
	if (server->http)
		evhttp_free(server->http);
	if (server->tick)
		event_free(server->tick);
	if (server->soon)
		event_free(server->soon);
	if (server->accept_again)
		event_free(server->accept_again);
	if (server->scratch)
		evbuffer_free(server->scratch);
	era_unref(server->rules.era);
	free(server);
}
