/* Addresses, and those that change while the server goes on: what stays is not touched, and nothing is done by
 * halves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/base/era.h"
#include "daemon/http/server.h"
#include "daemon/proc/sockets.h"

static struct event_base *base;
static struct http_server *server;
static struct sockets *none; /* that were handed over */
static char folder[] = "/tmp/relisten-XXXXXX", here[64], there[64];

static void answer(void *arg, struct http_request *request)
{
	struct buf body = { 0 };
	(void)arg;
	buf_add_str(&body, "hello");
	http_reply(request, 200, "text/plain", &body);
}

static void configure(int64_t connections)
{
	static struct http_settings settings;
	settings = (struct http_settings){ .max_connections = connections,
		.request_timeout_ms = 10000,
		.keep_alive_ms = 10000,
		.slow_reader_ms = 10000,
		.max_head = 8192,
		.max_fields = 20,
		.max_body = 1000 };
	struct era *era = era_new(base);
	http_server_configure(server, &(struct http_rules){ .era = era, .settings = &settings });
	era_unref(era);
}

static int set_up(void **state)
{
	(void)state;
	base = event_base_new();
	none = sockets_new();
	server = http_server_new(base, answer);
	configure(10);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	http_server_free(server);
	sockets_free(none);
	eras_release();
	event_base_free(base);
	return 0;
}

/* A socket that is connected to an address as the server says it; -1: nobody listens there. */
static int call(const char *address)
{
	struct sockaddr_un local = { .sun_family = AF_UNIX };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	const struct sockaddr *to = (const struct sockaddr *)&in;
	socklen_t length = sizeof(in);
	if (strncmp(address, "unix:", 5) == 0) {
		snprintf(local.sun_path, sizeof(local.sun_path), "%s", address + 5);
		to = (const struct sockaddr *)&local;
		length = sizeof(local);
	} else {
		in.sin_port = htons((uint16_t)strtoul(strrchr(address, ':') + 1, NULL, 10));
	}
	int fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	if (connect(fd, to, length) == 0)
		return fd;
	close(fd);
	return -1;
}

static bool is_open(const char *address)
{
	int fd = call(address);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Whether a request is answered on it. */
static bool is_answered(int fd)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
	char reply[1000];
	ssize_t n = -1;
	assert_int_equal(
	    send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
	while ((n = recv(fd, reply, sizeof(reply) - 1, MSG_DONTWAIT)) < 0 && errno == EAGAIN)
		event_base_loop(base, EVLOOP_ONCE);
	reply[n > 0 ? n : 0] = '\0';
	return strncmp(reply, "HTTP/1.1 200 ", 13) == 0 && strstr(reply, "hello");
}

static int relisten(const char *one, const char *two)
{
	const char *addresses[] = { one, two };
	char reason[200];
	return http_server_relisten(server, addresses,
	    two   ? 2
	    : one ? 1
		  : 0,
	    none, reason, sizeof(reason));
}

static ino_t inode(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 ? st.st_ino : 0;
}

/* The port that 0 has got stays, and so does the file, of one that was there before. */
static void test_what_stays(void **state)
{
	(void)state;
	assert_int_equal(http_server_listen(server, "127.0.0.1:0", none), 0);
	assert_int_equal(http_server_listen(server, here, none), 0);
	char *before = strdup(http_server_address(server, 0));
	ino_t file = inode(here + 5);
	assert_int_equal(relisten(here, "127.0.0.1:0"), 0);
	assert_string_equal(http_server_address(server, 0), before);
	assert_string_equal(http_server_address(server, 1), here);
	assert_null(http_server_address(server, 2));
	assert_true(file && inode(here + 5) == file);
	int fd = call(before);
	assert_true(is_answered(fd));
	close(fd);
	assert_int_equal(relisten("127.0.0.1:0", "127.0.0.1:0"), 0); /* one more */
	assert_string_equal(http_server_address(server, 0), before);
	assert_string_not_equal(http_server_address(server, 1), before);
	assert_false(is_open(here));
	free(before);
}

/* Whoever has come by one that is gone is served, on the same connection; nobody else comes. */
static void test_what_goes_and_what_comes(void **state)
{
	(void)state;
	struct stat st;
	assert_int_equal(http_server_listen(server, "127.0.0.1:0", none), 0);
	assert_int_equal(http_server_listen(server, here, none), 0);
	char *before = strdup(http_server_address(server, 0));
	int tcp = call(before), local = call(here);
	assert_true(is_answered(tcp) && is_answered(local));
	assert_int_equal(relisten(there, NULL), 0);
	assert_false(is_open(before));
	assert_int_equal(inode(here + 5), 0);
	assert_true(is_answered(tcp) && is_answered(local));
	assert_int_equal(stat(there + 5, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	int fd = call(there);
	assert_true(is_answered(fd));
	close(fd);
	assert_int_equal(relisten(NULL, NULL), 0);
	assert_null(http_server_address(server, 0));
	assert_int_equal(inode(there + 5), 0);
	assert_true(is_answered(tcp));
	close(tcp);
	close(local);
	free(before);
}

/* One that cannot be opened: what could be is closed again, and what was to go stays. */
static void test_all_or_nothing(void **state)
{
	(void)state;
	char reason[200] = "";
	const char *addresses[] = { there, "unix:/nowhere/at/all" };
	assert_int_equal(http_server_listen(server, here, none), 0);
	assert_int_equal(
	    http_server_relisten(server, addresses, 2, none, reason, sizeof(reason)), -ENOENT);
	assert_string_equal(
	    reason, "cannot listen on unix:/nowhere/at/all: No such file or directory");
	assert_string_equal(http_server_address(server, 0), here);
	assert_null(http_server_address(server, 1));
	assert_int_equal(inode(there + 5), 0);
	int fd = call(here);
	assert_true(is_answered(fd));
	close(fd);
	assert_int_equal(relisten("127.0.0.1:0", NULL), 0);
	char taken[64];
	snprintf(taken, sizeof(taken), "%s", http_server_address(server, 0));
	assert_int_equal(relisten("127.0.0.1:0", taken), -EADDRINUSE);
	assert_true(is_open(taken));
}

/* Where there are as many connections as may be, a new address waits like the others, until there may be more. */
static void test_more_connections(void **state)
{
	(void)state;
	assert_int_equal(http_server_listen(server, here, none), 0);
	configure(1);
	int first = call(here);
	assert_true(is_answered(first));
	assert_int_equal(relisten(here, there), 0);
	int second = call(there);
	event_base_loop(base, EVLOOP_NONBLOCK);
	configure(2);
	assert_true(is_answered(second));
	close(first);
	close(second);
}

static struct principal *admit(
    void *arg, const struct ucred *peer, bool again, const char **ret_why)
{
	(void)again;
	(void)arg;
	(void)peer;
	*ret_why = "nobody is";
	return NULL;
}

static void test_the_control_socket_stays(void **state)
{
	(void)state;
	assert_int_equal(http_server_listen_control(server, here + 5, none, admit, NULL), 0);
	assert_int_equal(relisten(NULL, NULL), 0);
	assert_true(is_open(here));
	assert_int_equal(relisten(there, NULL), 0);
	assert_true(is_open(here) && is_open(there));
}

/* Bug: replies waited 40 ms for an acknowledgement (Nagle's algorithm). */
static void test_replies_do_not_stall(void **state)
{
	struct sockaddr_in own, peer;
	int found = 0, value = 0;
	socklen_t size = sizeof(own), length = sizeof(value);
	(void)state;
	assert_int_equal(http_server_listen(server, "127.0.0.1:0", none), 0);
	int fd = call(http_server_address(server, 0));
	assert_true(is_answered(fd));
	assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &size), 0);
	for (int its = 3; !found && its < 100; its++) { /* the server's end of it */
		size = sizeof(peer);
		if (getpeername(its, (struct sockaddr *)&peer, &size) == 0 &&
		    size == sizeof(peer) && peer.sin_port == own.sin_port)
			found = its;
	}
	assert_int_equal(getsockopt(found, IPPROTO_TCP, TCP_NODELAY, &value, &length), 0);
	assert_true(value);
	close(fd);
}

int main(void)
{
#define SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		SERVER(test_what_stays),
		SERVER(test_what_goes_and_what_comes),
		SERVER(test_all_or_nothing),
		SERVER(test_more_connections),
		SERVER(test_the_control_socket_stays),
		SERVER(test_replies_do_not_stall),
	};
	if (!mkdtemp(folder))
		return 1;
	snprintf(here, sizeof(here), "unix:%s/here", folder);
	snprintf(there, sizeof(there), "unix:%s/there", folder);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(folder);
	return failed;
}
