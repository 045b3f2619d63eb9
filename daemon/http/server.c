/*
 * server: evhttp, and round it what it lacks; connections are in conn.c.
 *
 * A client that leaves while its request is held is found by polling for POLLRDHUP: an event that stays on the
 * descriptor spins after a reset (libevent 2.1.12).
 */
#include "daemon/http/server.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/http/internal.h"

/* For who connected before a server settles, and has not said yet what they want. */
#define ARRIVAL_MS 2000

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

static void server_check_settled(struct http_server *server)
{
	void (*settled)(void *arg) = server->settled;
	struct conn *conn;
	if (!settled)
		return;
	if (clock_monotonic_ms() < server->settle_until_ms)
		TAILQ_FOREACH (conn, &server->conns, link)
			if (!conn->request && !conn->answered)
				return; /* its request may still come */
	server->settled = NULL;
	settled(server->settled_arg);
}

void server_settle_soon(struct http_server *server)
{
	if (server->settled)
		event_active(server->soon, EV_TIMEOUT, 0);
}

void server_on_come(struct http_server *server)
{
	if (server->conn_count++ == 0)
		event_add(server->tick, &(struct timeval){ .tv_usec = TICK_MS * 1000 });
	if (server->conn_count >= (size_t)server->rules.settings->max_connections)
		server_pause(server, true);
}

void server_on_left(struct http_server *server)
{
	if (--server->conn_count == 0)
		event_del(server->tick);
	server_check_room(server);
	server_settle_soon(server);
	server_check_idle(server);
}

static void server_on_soon(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	conn_run_soon(arg);
	server_check_settled(arg);
}

/*
 * One poll for all requests whose clients wait for an answer, or read one. POLLRDHUP tells of a client
 * that has closed, or shut down its writing, which one that still wants its answer has no reason to do.
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
		fds[n++] = (struct pollfd){ .fd = request->conn->fd, .events = POLLRDHUP };
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
	buf_reserve(&server->head, HEAD_ROOM);
	if (!server->http || !server->tick || !server->soon || !server->accept_again ||
	    server->head.failed) {
		http_server_free(server);
		return NULL;
	}
	evhttp_set_bevcb(server->http, conn_new, server);
	evhttp_set_gencb(server->http, conn_on_request, server);
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
	struct conn *conn;
	TAILQ_FOREACH (conn, &server->conns, link)
		conn_admit_again(conn);
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
	conn_run_soon(server); /* those that have just come */
	if (server->tick)
		event_free(server->tick);
	if (server->soon)
		event_free(server->soon);
	if (server->accept_again)
		event_free(server->accept_again);
	buf_done(&server->head);
	era_unref(server->rules.era);
	free(server);
}
