/*
 * server: HTTP/1.1 on evhttp, done safely, behind an interface of our own, so that no other file
 * knows evhttp, and so that it can be replaced.
 *
 * What evhttp leaves to us is done here: a cap on connections, a deadline for a whole request (not
 * for each read), accept errors that do not spin, clients that leave while they wait for an answer,
 * streams that are paced, and a drain.
 *
 * A request is handed to the handler once it is read whole. The handler answers it, now or later,
 * with http_reply, or with http_stream_begin, _write and _end. If the client leaves before that,
 * the `gone` callback is called instead and the request is over. One thread.
 */
#ifndef AGENTD_HTTP_SERVER_H
#define AGENTD_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/auth/principal.h"
#include "daemon/base/buf.h"
#include "daemon/conf/settings.h"

struct era;
struct event_base;
struct http_request;
struct http_server;
struct sockets;
struct ucred;

enum http_method {
	HTTP_GET = 1,
	HTTP_POST = 2,
	HTTP_PUT = 4,
	HTTP_DELETE = 8,
	HTTP_PATCH = 16,
	HTTP_OPTIONS = 32
};

typedef void (*http_handler)(void *arg, struct http_request *request);

struct http_server *http_server_new(struct event_base *base, http_handler handler);
/* What it goes by, from now on, also while it serves. A request keeps what it began with: a reference to its era is
 * taken, from which the settings, and the handler's argument, are borrowed. */
struct http_rules {
	struct era *era;
	const struct http_settings *settings;
	bool log_access;
	void *arg;
};
void http_server_configure(struct http_server *server, const struct http_rules *rules);
/* Opens one address of the settings, or takes the socket that was handed over for it. Those with port 0, which
 * take any of their host, come after the others. 0 or -errno. */
int http_server_listen(struct http_server *server, const char *address, struct sockets *handed);
/* These are the addresses from now on, the control socket aside. One that is open already, as the settings say it (port 0
 * too, with the port that it got), stays as it is. New ones are opened first: 0; or -errno, a reason for people, and
 * nothing has changed. Then those that are gone are closed; whoever has come by them is served on, as elsewhere. Where
 * two cannot be open at once, as 0.0.0.0:80 beside 127.0.0.1:80, one cannot take the place of the other. */
int http_server_relisten(struct http_server *server, const char *const *addresses, size_t count,
    struct sockets *handed, char *reason, size_t size);
/* Who is at the other end of the control socket: a reference, or NULL and why not, a constant. */
typedef struct principal *(*http_admit)(
    void *arg, const struct ucred *peer, bool again, const char **ret_why);
/* Opens the control socket: a unix socket that serves the same, also while no more connections are taken
 * elsewhere. `admit` is asked when somebody comes, and `again` when http_server_configure is called: then its process
 * may be gone, and another have its number. Its folder is made if it is not there. 0 or -errno. */
int http_server_listen_control(struct http_server *server, const char *path, struct sockets *handed,
    http_admit admit, void *arg);
/* The i-th open address as it is ("127.0.0.1:41234" for port 0); NULL past the last. */
const char *http_server_address(const struct http_server *server, size_t i);
/* Puts all that is listened on into the sockets, for the next process: nobody is accepted any more, and nobody is
 * refused. 0; or -errno, and all is as before. */
int http_server_hand_over(struct http_server *server, struct sockets *into);
/* For a server that has handed over: who has connected before is still served, once. Idle connections are closed,
 * and others after their reply. `settled` is called once every connection that is left has its request, later; or
 * when that takes too long. http_server_drain is to follow. */
void http_server_settle(struct http_server *server, void (*settled)(void *arg), void *arg);
/* No new connections; idle ones are closed, the others after their reply. `idle` is called once none
 * is left, maybe before this returns. */
void http_server_drain(struct http_server *server, void (*idle)(void *arg), void *arg);
/* Closes everything; requests that are held see `gone`. */
void http_server_free(struct http_server *server);

/* What the server that a request came to has done. */
struct http_view {
	size_t connections;
	uint64_t answered[6]; /* requests, by the first digit of their status */
};
void http_look(const struct http_request *request, struct http_view *ret);

/* The request. Texts live as long as it. */
enum http_method http_method(const struct http_request *request); /* HEAD is GET without a body */
const char *http_method_name(const struct http_request *request);
const char *http_target(const struct http_request *request); /* as it was sent */
const char *http_path(const struct http_request *request);   /* decoded; NULL: not acceptable */
/* Whether the request was refused before anybody could route it: 400, 413, 500 or 501, and why. Nothing
 * else of it means anything then. 0: it was not. */
int http_refused(const struct http_request *request, const char **ret_reason);
/* Whether it came over a unix socket, where no browser can send it from. */
bool http_is_local(const struct http_request *request);
/* Whether it came over the control socket. */
bool http_is_control(const struct http_request *request);
/* Who is at its other end, as `admit` said; borrowed. */
struct principal *http_peer(const struct http_request *request, const char **ret_why);
const char *http_header(const struct http_request *request, const char *name); /* NULL: absent */
/* The nth of several of that name, from 0. */
const char *http_header_nth(const struct http_request *request, const char *name, unsigned nth);
/* The i-th of all, from 0. False: there are no more. */
bool http_header_at(
    const struct http_request *request, size_t i, const char **ret_name, const char **ret_value);
const char *http_body(const struct http_request *request, size_t *ret_length);
/* Frees the body of a request that will be held for long. */
void http_drop_body(struct http_request *request);
struct event_base *http_base(const struct http_request *request);
const struct http_settings *http_settings(const struct http_request *request);

/* Who sent it, once that is known; NULL before. Takes the reference over. */
void http_set_principal(struct http_request *request, struct principal *principal);
const struct principal *http_principal(const struct http_request *request);

/* For the access log: the run that the request made; and why it was not heard, which is copied. */
void http_note_run(struct http_request *request, const char *run_id);
void http_note_refusal(struct http_request *request, const char *why);

/* Who wants to know that the client left. */
void http_on_gone(struct http_request *request, void (*gone)(void *arg), void *arg);

/* Who listens at the file of a socket: a process's id; 0: somebody whose id is not known here; -1: nobody. */
pid_t http_listener_of(const char *path);

/* The answer. A header must come before the reply. http_reply and http_stream_end end the request;
 * `body` is emptied, and freed. */
void http_add_header(struct http_request *request, const char *name, const char *value);
void http_reply(struct http_request *request, int status, const char *type, struct buf *body);
/* What a stream's maker hears. */
struct http_stream_ops {
	void (*soon)(void *arg);    /* http_stream_soon asked for it: this turn of the loop ends */
	void (*drained)(void *arg); /* what could not leave at once has left for the network */
};
/* False: it was a HEAD, which has no body: it is answered, and over. */
bool http_stream_begin(
    struct http_request *request, const char *type, const struct http_stream_ops *ops, void *arg);
void http_stream_soon(struct http_request *request);
/* `text` is emptied; its memory stays for the next. */
void http_stream_write(struct http_request *request, struct buf *text);
size_t http_stream_backlog(const struct http_request *request); /* bytes the client has not taken */
void http_stream_end(struct http_request *request);
/* Closes the connection under a stream, as if the client had left, but without `gone`. */
void http_stream_cut(struct http_request *request);

#endif
