/*
 * listen: the sockets that a server listens on, and when nobody is accepted.
 *
 * A socket file that somebody listens on is left to them, and a file that is no socket is never removed.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/base/log.h"
#include "daemon/http/internal.h"
#include "daemon/proc/sockets.h"

#define ACCEPT_PAUSE_MS 200 /* after an accept that failed for want of a resource */
#define LISTEN_BACKLOG  1024
#define UNSENT_MAX      65536 /* bytes that the kernel may hold beyond the client's window */

/* Whom to accept. */

static void pause_listeners(struct http_server *server, bool control, bool pause)
{
	struct listener *listener;
	TAILQ_FOREACH (listener, &server->listeners, link) {
		if (listener->is_control != control)
			continue;
		if (pause)
			evconnlistener_disable(listener->listener);
		else
			evconnlistener_enable(listener->listener);
	}
}

void server_pause(struct http_server *server, bool pause)
{
	if (server->paused == pause)
		return;
	server->paused = pause;
	pause_listeners(server, false, pause);
}

/* The operator's way in is open also when there are too many connections, but not while none can be taken. */
static void server_pause_control(struct http_server *server, bool pause)
{
	pause_listeners(server, true, pause);
}

/* evhttp takes a listener's argument for its own use, and the error callback gets that: there is no
 * way but this to know whose listener it is. A process has one server. */
static struct http_server *accepting;

static void server_on_accept_error(struct evconnlistener *listener, void *arg)
{
	(void)listener;
	(void)arg; /* evhttp's */
	struct http_server *server = accepting;
	int error = EVUTIL_SOCKET_ERROR();
	struct timeval pause = { .tv_usec = ACCEPT_PAUSE_MS * 1000 };
	if (event_pending(server->accept_again, EV_TIMEOUT, NULL))
		return;
	log_warn("cannot accept a connection: %s; trying again in %d ms", strerror(error),
	    ACCEPT_PAUSE_MS);
	server_pause(server, true); /* else the loop would spin */
	server_pause_control(server, true);
	event_add(server->accept_again, &pause);
}

void server_on_accept_again(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct http_server *server = arg;
	server_pause_control(server, false);
	if (server->conn_count < (size_t)server->rules.settings->max_connections)
		server_pause(server, false);
}

/* Opening and closing. */

static void listener_free(struct listener *listener)
{
	free(listener->given);
	free(listener->address);
	free(listener->name);
	free(listener);
}

static void listener_close(struct http_server *server, struct listener *listener)
{
	TAILQ_REMOVE(&server->listeners, listener, link);
	if (listener->is_bound && listener->path)
		unlink(listener->path);
	evhttp_del_accept_socket(server->http, listener->bound);
	listener_free(listener);
}

/* A socket file that nobody listens on is left over from a process that was killed. */
static void remove_stale_socket(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;
	if (fd >= 0 && stat(address->sun_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	    connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
	    errno == ECONNREFUSED)
		unlink(address->sun_path);
	if (fd >= 0)
		close(fd);
}

pid_t http_listener_of(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct ucred peer = { .pid = -1 };
	socklen_t size = sizeof(peer);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		peer.pid = 0;
	if (fd >= 0)
		close(fd);
	return peer.pid;
}

static void prepare_tcp(int fd)
{
	int one = 1, unsent = UNSENT_MAX;
	/* Accepted sockets inherit it. With Nagle's algorithm a reply of 16 KiB waits 40 ms for an
	 * acknowledgement. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	/* A reader that stops costs the kernel no more than this, and is noticed soon. */
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
}

/* `listener` has its evconnlistener, and is all but known to the server. */
static int server_add_listener(struct http_server *server, struct listener *listener)
{
	int fd = evconnlistener_get_fd(listener->listener);
	listener->address = socket_address(fd);
	if (listener->address && strncmp(listener->address, "unix:", 5) == 0)
		listener->path = listener->address + 5;
	else
		prepare_tcp(fd);
	listener->bound = evhttp_bind_listener(server->http, listener->listener);
	if (!listener->address || !listener->bound) {
		if (listener->bound)
			evhttp_del_accept_socket(server->http, listener->bound);
		else
			evconnlistener_free(listener->listener);
		listener_free(listener);
		return -ENOMEM;
	}
	accepting = server;
	evconnlistener_set_error_cb(listener->listener, server_on_accept_error);
	TAILQ_INSERT_TAIL(&server->listeners, listener, link);
	return 0;
}

static int server_bind(struct http_server *server, const struct sockaddr *address, socklen_t length)
{
	unsigned flags = LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE;
	struct listener *listener = calloc(1, sizeof(*listener));
	if (!listener)
		return -ENOMEM;
	listener->is_bound = true;
	errno = EINVAL;
	listener->listener = evconnlistener_new_bind(
	    server->base, NULL, NULL, flags, LISTEN_BACKLOG, address, (int)length);
	if (!listener->listener) {
		int error = -errno;
		listener_free(listener);
		return error;
	}
	int error = server_add_listener(server, listener);
	if (error == 0 && listener->path)
		chmod(listener->path, 0660);
	return error;
}

/* A socket that was handed over listens already; who has connected to it is not kept waiting any longer. */
static int server_adopt(struct http_server *server, struct socket_handed *socket)
{
	unsigned flags = LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC;
	struct listener *listener = calloc(1, sizeof(*listener));
	if (listener)
		listener->listener =
		    evconnlistener_new(server->base, NULL, NULL, flags, 0, socket->fd);
	if (!listener || !listener->listener) {
		close(socket->fd);
		free(socket->name);
		free(listener);
		return -ENOMEM;
	}
	listener->is_bound = socket->is_bound;
	listener->name = socket->name;
	return server_add_listener(server, listener);
}

/* The one of this address that was handed over, or a new one. */
static int server_open(struct http_server *server, struct sockets *handed,
    const struct sockaddr *address, socklen_t length, bool any_port)
{
	struct socket_handed socket;
	if (sockets_take(handed, address, any_port, &socket))
		return server_adopt(server, &socket);
	if (address->sa_family == AF_UNIX)
		remove_stale_socket((const struct sockaddr_un *)(const void *)address);
	return server_bind(server, address, length);
}

static int server_open_unix(struct http_server *server, struct sockets *handed, const char *path)
{
	struct sockaddr_un local = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(local.sun_path))
		return -ENAMETOOLONG;
	memcpy(local.sun_path, path, strlen(path) + 1);
	return server_open(server, handed, (struct sockaddr *)&local, sizeof(local), false);
}

static int server_open_address(
    struct http_server *server, const char *address, struct sockets *handed)
{
	char host[256], service[12];
	int port, error;
	if (settings_parse_address(address, host, sizeof(host), &port) < 0)
		return -EINVAL;
	if (port < 0)
		return server_open_unix(server, handed, host);
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *found;
	snprintf(service, sizeof(service), "%d", port);
	if (getaddrinfo(host, service, &hints, &found) != 0)
		return -EADDRNOTAVAIL;
	error = server_open(server, handed, found->ai_addr, found->ai_addrlen, port == 0);
	freeaddrinfo(found);
	return error;
}

int http_server_listen(struct http_server *server, const char *address, struct sockets *handed)
{
	char *given = strdup(address);
	int error = given ? server_open_address(server, address, handed) : -ENOMEM;
	if (error == 0)
		TAILQ_LAST(&server->listeners, listeners)->given = given;
	else
		free(given);
	return error;
}

/* A port of 0 may be there several times, and is as many sockets. */
static int want(struct http_server *server, const char *address, struct sockets *handed)
{
	struct listener *listener;
	TAILQ_FOREACH (listener, &server->listeners, link)
		if (!listener->is_control && !listener->is_wanted &&
		    strcmp(listener->given, address) == 0) {
			listener->is_wanted = true;
			return 0;
		}
	int error = http_server_listen(server, address, handed);
	if (error < 0)
		return error;
	listener = TAILQ_LAST(&server->listeners, listeners);
	listener->is_wanted = listener->is_new = true;
	if (server->paused)
		evconnlistener_disable(listener->listener);
	return 0;
}

/* One of systemd's is not agentd's to close: a later config may have a use for it again, and so may the next agentd. */
static void give_up(struct http_server *server, struct listener *listener, struct sockets *handed)
{
	int error = 0;
	if (!listener->is_bound)
		error =
		    sockets_put(handed, evconnlistener_get_fd(listener->listener), listener->name);
	if (error < 0)
		log_warn("cannot keep the socket %s for a later config: %s", listener->address,
		    strerror(-error));
	listener_close(server, listener);
}

int http_server_relisten(struct http_server *server, const char *const *addresses, size_t count,
    struct sockets *handed, char *reason, size_t size)
{
	struct listener *listener, *next;
	int error = 0;
	TAILQ_FOREACH (listener, &server->listeners, link)
		listener->is_wanted = listener->is_control;
	for (size_t i = 0; error == 0 && i < count; i++) {
		error = want(server, addresses[i], handed);
		if (error < 0)
			snprintf(reason, size, "cannot listen on %s: %s", addresses[i],
			    strerror(-error));
	}
	for (listener = TAILQ_FIRST(&server->listeners); listener; listener = next) {
		next = TAILQ_NEXT(listener, link);
		if (!error && (listener->is_new || !listener->is_wanted))
			log_info("%s %s%s",
			    listener->is_new ? "listening on" : "no longer listening on",
			    strncmp(listener->address, "unix:", 5) ? "http://" : "",
			    listener->address);
		if (error ? listener->is_new : !listener->is_wanted)
			give_up(server, listener, handed);
		else
			listener->is_new = false;
	}
	return error;
}

/* The folder is one that others may pass through, and nobody else may write to. */
static int make_folder_of(const char *path)
{
	char *folder = strdup(path), *slash = folder ? strrchr(folder, '/') : NULL;
	int error = slash ? 0 : -ENOMEM;
	if (slash && slash != folder) {
		*slash = '\0';
		if (mkdir(folder, 0755) == 0)
			error = chmod(folder, 0755) < 0 ? -errno : 0; /* whatever the umask */
		else if (errno != EEXIST)
			error = -errno;
	}
	free(folder);
	return error;
}

int http_server_listen_control(struct http_server *server, const char *path, struct sockets *handed,
    http_admit admit, void *arg)
{
	server->admit = admit;
	server->admit_arg = arg;
	int error = make_folder_of(path);
	if (error == 0)
		error = server_open_unix(server, handed, path);
	if (error == 0)
		TAILQ_LAST(&server->listeners, listeners)->is_control = true;
	return error;
}

const char *http_server_address(const struct http_server *server, size_t i)
{
	struct listener *listener;
	TAILQ_FOREACH (listener, &server->listeners, link)
		if (!listener->is_control && i-- == 0)
			return listener->address;
	return NULL;
}

int http_server_hand_over(struct http_server *server, struct sockets *into)
{
	struct listener *listener;
	size_t before = sockets_count(into);
	TAILQ_FOREACH (listener, &server->listeners, link) {
		int error = sockets_put(into, evconnlistener_get_fd(listener->listener),
		    listener->is_bound ? NULL : listener->name);
		if (error < 0) {
			sockets_forget(into, before);
			return error;
		}
	}
	TAILQ_FOREACH (listener, &server->listeners, link)
		listener->is_bound = false; /* its file is the next process's */
	event_del(server->accept_again);
	server_close_listeners(server);
	return 0;
}

void server_close_listeners(struct http_server *server)
{
	struct listener *listener;
	while ((listener = TAILQ_FIRST(&server->listeners)))
		listener_close(server, listener);
}
