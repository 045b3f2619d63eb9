/* connection: libcurl's multi interface until it is connected, its easy one from then on. */
#include "plugins/common/connection.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdlib.h>

struct connection {
	struct connection_setup setup;
	const struct agentd_host *host; /* borrowed */
	CURLM *multi;
	CURL *easy;
	struct agentd_timer *timer; /* libcurl's */
	struct agentd_watch *watch; /* once it is made */
	bool is_made;
};

/* A socket that libcurl tries. */
struct attempt {
	struct connection *connection; /* borrowed */
	curl_socket_t fd;
	struct agentd_watch *watch;
};

static int connection_init(struct connection *connection, const char *url);
static void on_timer(void *arg);

struct connection *connection_new(const struct connection_setup *setup)
{
	const struct agentd_host *host = setup->host;
	struct connection *connection = calloc(1, sizeof(*connection));
	if (!connection)
		return NULL;
	connection->setup = *setup;
	connection->setup.url = NULL; /* the caller may free it */
	connection->host = host;
	connection->timer = host->timer_new(host, on_timer, connection);
	if (!connection->timer || connection_init(connection, setup->url) < 0) {
		connection_free(connection);
		return NULL;
	}
	return connection;
}

void connection_free(struct connection *connection)
{
	if (!connection)
		return;
	const struct agentd_host *host = connection->host;
	if (connection->watch)
		host->watch_free(connection->watch);
	if (connection->multi && connection->easy)
		curl_multi_remove_handle(connection->multi, connection->easy);
	curl_easy_cleanup(connection->easy);
	if (connection->multi)
		curl_multi_cleanup(connection->multi);
	if (connection->timer)
		host->timer_free(connection->timer);
	free(connection);
}

ssize_t connection_read(
    struct connection *connection, void *to, size_t size, const char **ret_reason)
{
	size_t n = 0;
	CURLcode result = curl_easy_recv(connection->easy, to, size, &n);
	if (result == CURLE_AGAIN)
		return 0;
	if (result == CURLE_OK && n)
		return (ssize_t)n;
	*ret_reason =
	    result == CURLE_OK ? "the server ended the connection" : curl_easy_strerror(result);
	return -1;
}

ssize_t connection_write(
    struct connection *connection, const void *bytes, size_t size, const char **ret_reason)
{
	size_t n = 0;
	CURLcode result = curl_easy_send(connection->easy, bytes, size, &n);
	if (result == CURLE_OK)
		return (ssize_t)n;
	if (result == CURLE_AGAIN)
		return 0;
	*ret_reason = curl_easy_strerror(result);
	return -1;
}

void connection_wait(struct connection *connection, uint32_t what)
{
	connection->host->watch_set(connection->watch, what);
}

/* Connecting: libcurl says what it waits for, and is told when that has come. */

static void on_ready(void *arg, uint32_t what)
{
	(void)what;
	struct connection *connection = arg;
	connection->setup.ready(connection->setup.arg);
}

/* libcurl has done it. The handle stays in the multi, without which the connection would be closed. */
static void connection_made(struct connection *connection)
{
	const struct agentd_host *host = connection->host;
	curl_socket_t fd = CURL_SOCKET_BAD;
	connection->is_made = true;
	host->timer_clear(connection->timer);
	curl_easy_getinfo(connection->easy, CURLINFO_ACTIVESOCKET, &fd);
	if (fd != CURL_SOCKET_BAD)
		connection->watch = host->watch_new(host, fd, on_ready, connection);
	if (connection->watch)
		connection->setup.made(connection->setup.arg);
	else
		connection->setup.failed(connection->setup.arg, "it cannot be watched");
}

static void connection_drive(struct connection *connection, curl_socket_t fd, int what)
{
	int running, left;
	curl_multi_socket_action(connection->multi, fd, what, &running);
	const CURLMsg *said = curl_multi_info_read(connection->multi, &left);
	if (said && said->data.result == CURLE_OK)
		connection_made(connection);
	else if (said)
		connection->setup.failed(
		    connection->setup.arg, curl_easy_strerror(said->data.result));
}

static void on_attempt(void *arg, uint32_t what)
{
	struct attempt *attempt = arg;
	connection_drive(attempt->connection, attempt->fd,
	    (what & AGENTD_READ ? CURL_CSELECT_IN : 0) |
		(what & AGENTD_WRITE ? CURL_CSELECT_OUT : 0));
}

static void on_timer(void *arg)
{
	connection_drive(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *assigned)
{
	(void)easy;
	struct connection *connection = arg;
	const struct agentd_host *host = connection->host;
	struct attempt *attempt = assigned;
	if (what == CURL_POLL_REMOVE) {
		if (attempt)
			host->watch_free(attempt->watch);
		free(attempt);
		return 0;
	}
	if (!attempt) {
		attempt = calloc(1, sizeof(*attempt));
		if (!attempt)
			return -1;
		*attempt = (struct attempt){ .connection = connection, .fd = fd };
		attempt->watch = host->watch_new(host, fd, on_attempt, attempt);
		if (!attempt->watch) {
			free(attempt);
			return -1;
		}
		curl_multi_assign(connection->multi, fd, attempt);
	}
	host->watch_set(attempt->watch,
	    (what & CURL_POLL_IN ? AGENTD_READ : 0) | (what & CURL_POLL_OUT ? AGENTD_WRITE : 0));
	return 0;
}

static int on_curl_timer(CURLM *multi, long after_ms, void *arg)
{
	(void)multi;
	struct connection *connection = arg;
	if (after_ms < 0 || connection->is_made)
		connection->host->timer_clear(connection->timer);
	else
		connection->host->timer_set(connection->timer, (uint64_t)after_ms);
	return 0;
}

static int connection_init(struct connection *connection, const char *url)
{
	CURL *easy = connection->easy = curl_easy_init();
	CURLM *multi = connection->multi = curl_multi_init();
	if (!easy || !multi)
		return -1;
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
	curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, connection);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
	curl_multi_setopt(multi, CURLMOPT_TIMERDATA, connection);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
	/* Else TLS may agree on HTTP/2, in which nobody here speaks. */
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
	if (curl_easy_setopt(easy, CURLOPT_URL, url) != CURLE_OK)
		return -1;
	return curl_multi_add_handle(multi, easy) == CURLM_OK ? 0 : -1;
}
