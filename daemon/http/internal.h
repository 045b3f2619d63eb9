/* internal: connections and requests, as listen.c, server.c, conn.c, request.c and respond.c share them. Nothing else
 * includes it. */
#ifndef AGENTD_HTTP_INTERNAL_H
#define AGENTD_HTTP_INTERNAL_H

#define HASH_NONFATAL_OOM 1
#include <event2/event_struct.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/listener.h>
#include <sys/queue.h>
#include <uthash.h>

#include "daemon/base/era.h"
#include "daemon/base/id.h"
#include "daemon/http/gate.h"
#include "daemon/http/server.h"

#define REQUEST_ID_MAX  64
#define READ_MAX        65536 /* bytes at once */
#define STREAM_READ_MAX 16384 /* bytes that a client may send while it gets a stream */
#define REFERENCE_LEAST 4096  /* bodies from this size on are handed over, not copied */
#define HEAD_ROOM       1024  /* what nearly every head of an answer fits into */
#define TICK_MS         250   /* how often deadlines, and clients that wait, are looked at */

struct listener {
	struct evconnlistener *listener;
	struct evhttp_bound_socket *bound; /* evhttp's handle of it; closes it */
	char *given;                       /* as the settings have it; NULL: the control socket */
	char *address;
	const char *path; /* of a unix socket: the end of its address */
	char *name;       /* under which it was handed over; NULL: it was not */
	bool is_bound;    /* by agentd, which removes its file */
	bool is_control;
	bool is_wanted, is_new; /* while the addresses change */
	TAILQ_ENTRY(listener) link;
};

struct conn {
	struct http_server *server;      /* borrowed */
	struct bufferevent *bev;         /* a reference until adopted, then borrowed from evhttp */
	struct evhttp_connection *evcon; /* borrowed; NULL until adopted */
	int fd;                          /* evhttp's */
	bool is_local;                   /* over a unix socket */
	bool is_control;                 /* over that of agentctl */
	bool soon,
	    closing;    /* soon: in the server's list of that name; closing: to be freed there */
	bool has_asked; /* it has sent a request already */
	bool reading;   /* the first byte of a request is here */
	bool closes;    /* after the answer that is on its way */
	bool lingers;   /* that has left, and what still comes is not heard */
	struct principal *peer; /* who is at its other end; NULL: nobody who is let in */
	const char *peer_why;
	uint64_t deadline_ms; /* monotonic; for the next request to be whole. 0: none */
	TAILQ_ENTRY(conn) soon_link;
	struct http_request *request; /* the one that is held */
	struct evhttp_request
	    *answered; /* its answer is on its way out, or has just left; NULL: none */
	struct gate gate;
	struct event readable;
	struct event *writable; /* NULL: the socket has always taken all */
	int queued;             /* bytes in the socket, when it began to wait for that */
	TAILQ_ENTRY(conn) link;
	UT_hash_handle hh; /* by bev: evhttp has no place for a pointer of ours */
};

struct http_request {
	struct conn *conn;            /* borrowed */
	struct evhttp_request *evreq; /* borrowed from evhttp */
	struct http_rules rules;      /* those that it began with */
	char *path;                   /* NULL: not acceptable */
	char id[REQUEST_ID_MAX + 1], run_id[ID_SIZE];
	struct principal *principal;
	char *refusal; /* why it was not heard; NULL: it was */
	uint64_t started_us;
	size_t bytes;
	struct buf headers; /* of the answer, beside those that each has; as they are sent */
	void (*gone)(void *arg);
	void *gone_arg;
	const struct http_stream_ops *stream; /* NULL: it is none */
	void *stream_arg;
	bool in_chunks; /* of a stream */
	bool is_due;    /* of a stream: it is called at the end of this turn */
	TAILQ_ENTRY(http_request) held;
};

struct http_server {
	struct event_base *base; /* borrowed */
	struct evhttp *http;
	struct http_rules rules;
	struct gate_limits gate_limits;
	struct timeval slow_reader;
	bool draining, paused;
	http_handler handler;
	void (*idle)(void *arg); /* of a drain */
	void *idle_arg;
	void (*settled)(void *arg); /* before that; NULL: nobody waits for it */
	void *settled_arg;
	uint64_t settle_until_ms;
	TAILQ_HEAD(listeners, listener) listeners;
	TAILQ_HEAD(, conn) conns;
	struct conn *by_bev;
	TAILQ_HEAD(, conn) soon_list; /* something is to be done for them at the end of this turn */
	TAILQ_HEAD(, http_request) held; /* not answered whole: the tick looks for their clients */
	size_t conn_count, held_count;
	uint64_t answered[6]; /* requests, by the first digit of their status */
	http_admit admit;     /* of the control socket */
	void *admit_arg;
	struct event *tick, *soon, *accept_again;
	struct buf head; /* of the answer that is being made */
	time_t date_s;   /* when `date` is */
	char date[32];
	char bytes[READ_MAX]; /* that are being read */
};

/* conn.c */
/* Of evhttp: makes the bufferevent of a new connection; has a request. */
struct bufferevent *conn_new(struct event_base *base, void *server);
void conn_on_request(struct evhttp_request *evreq, void *server);
/* Something is to be done for it at the end of this turn. */
void conn_soon(struct conn *conn);
/* The turn ends. */
void conn_run_soon(struct http_server *server);
/* Nothing has come for its next request, nor lies in the kernel: a close then would be a reset. */
bool conn_is_idle(const struct conn *conn);
/* Who is at its other end, by the auth that holds from now on. */
void conn_admit_again(struct conn *conn);
/* Its client is listened to, while it gets a stream. */
void conn_read_on(struct conn *conn);
/* What has not left yet. */
struct evbuffer *conn_output(const struct conn *conn);
/* Into the socket, which has room for it as a rule; the rest goes when it has. Of the body (NULL: none) the memory may
 * be kept, and the buf emptied. */
void conn_send(struct conn *conn, const struct buf *head, struct buf *body);
/* All of the answer has been sent. */
void conn_end_answer(struct conn *conn, struct evhttp_request *evreq);

/* server.c: a connection is there, or is no more; and one may be the last that a settling server waits for. */
void server_on_come(struct http_server *server);
void server_on_left(struct http_server *server);
void server_settle_soon(struct http_server *server);

/* listen.c: whether anybody is accepted, but at the control socket. */
void server_pause(struct http_server *server, bool pause);
/* Of the timer accept_again. */
void server_on_accept_again(evutil_socket_t fd, short what, void *arg);
void server_close_listeners(struct http_server *server);

/* request.c */
struct http_request *request_new(struct conn *conn, struct evhttp_request *evreq);
void request_log(const struct http_request *request, int status);
void request_free(struct http_request *request);
/* Whether it is an HTTP/1.0 request, or one that is not to have a body for an answer. */
bool request_is_1_0(const struct http_request *request);
bool request_is_head(const struct http_request *request);
/* Whether its Connection field has this word (RFC 9110, section 7.6.1). */
bool request_says(const struct http_request *request, const char *word);

/* respond.c: answers a request that there is no memory for, and ends its connection. */
void request_refuse(struct evhttp_request *evreq);

#endif
