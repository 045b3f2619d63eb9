/* Connections, when libevent has no memory: nobody is left behind, and no handler sees half of a request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/http/internal.h"
#include "daemon/proc/sockets.h"

#define BODY_SIZE 300000

static struct event_base *base;
static struct http_server *server;
static struct sockets *none; /* that were handed over */
static char address[64];
static size_t most = SIZE_MAX; /* that libevent is given at once */
static size_t never;           /* so much it is never given */
static int left = -1;          /* how often it is given some until it is not, once; -1: always */
static unsigned answers;

static void *bounded_malloc(size_t size)
{
	if (left >= 0 && left-- == 0)
		return NULL;
	return size <= most && size != never ? malloc(size) : NULL;
}

static void answer(void *arg, struct http_request *request)
{
	size_t length;
	const char *bytes = http_body(request, &length);
	(void)arg;
	answers++;
	http_reply(request, length && bytes[length - 1] == 'x' ? 200 : 400, NULL, NULL);
}

static int set_up(void **state)
{
	static const struct http_settings settings = { .max_connections = 10,
		.request_timeout_ms = 10000,
		.keep_alive_ms = 10000,
		.slow_reader_ms = 10000,
		.max_head = 8192,
		.max_fields = 20,
		.max_body = 1 << 20 };
	(void)state;
	base = event_base_new();
	none = sockets_new();
	server = http_server_new(base, answer);
	struct era *era = era_new(base);
	http_server_configure(server, &(struct http_rules){ .era = era, .settings = &settings });
	era_unref(era);
	snprintf(address, sizeof(address), "unix:/tmp/conn-%d", (int)getpid());
	assert_int_equal(http_server_listen(server, address, none), 0);
	most = SIZE_MAX;
	never = 0;
	answers = 0;
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

/* Bug: evhttp fails once it has a bufferevent, and either forgets that or frees it; its connection was adopted, and
 * agentd ended. */
static void test_evhttp_has_no_memory_for_one(void **state)
{
	(void)state;
	assert_non_null(conn_new(base, server));
	bufferevent_free(conn_new(base, server));
	assert_int_equal(server->conn_count, 2);
	event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(server->conn_count, 0);
}

static void test_it_ends_before_one_is_adopted(void **state)
{
	(void)state;
	assert_non_null(conn_new(base, server));
}

static int call(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	memcpy(to.sun_path, address + 5, strlen(address + 5));
	assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* 0: the connection has ended. */
static ssize_t receive(int fd, char *reply, size_t size)
{
	ssize_t n;
	while ((n = recv(fd, reply, size, MSG_DONTWAIT)) < 0 && errno == EAGAIN)
		event_base_loop(base, EVLOOP_ONCE);
	return n;
}

/* The status that a request with a large body is answered with. */
static int ask_large(int fd)
{
	static char request[BODY_SIZE + 200], reply[1000];
	int head;
	head = sprintf(
	    request, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n", BODY_SIZE);
	memset(request + head, 'x', BODY_SIZE);
	for (size_t done = 0, size = (size_t)head + BODY_SIZE; done < size;) {
		ssize_t n = send(fd, request + done, size - done, MSG_DONTWAIT | MSG_NOSIGNAL);
		assert_true(n > 0 || errno == EAGAIN);
		done += n > 0 ? (size_t)n : 0;
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	assert_true(receive(fd, reply, sizeof(reply) - 1) > 0);
	return atoi(reply + strlen("HTTP/1.1 "));
}

/* Bug: a handler got no body, and its length. */
static void test_no_memory_for_a_body_in_one_piece(void **state)
{
	(void)state;
	int fd = call();
	assert_int_equal(ask_large(fd), 200);
	most = BODY_SIZE / 2;
	assert_int_equal(ask_large(fd), 500);
	assert_int_equal(answers, 1);
	close(fd);
}

/* Bug: its connection was not closed then, and evhttp read the next request as it came. */
static void test_no_memory_to_say_that_it_is_closed(void **state)
{
	static const char next[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
	char reply[100];
	int fd = call();
	(void)state;
	most = BODY_SIZE / 2;
	never = sizeof("Connection");
	assert_int_equal(ask_large(fd), 500);
	send(fd, next, strlen(next), MSG_NOSIGNAL);
	while (receive(fd, reply, sizeof(reply)) > 0)
		;
	assert_int_equal(answers, 0);
	close(fd);
}

/* What the gate lets through of a request, and of one behind it, that come in such pieces; "": it is refused. */
static void pass(const char *bytes, size_t piece, char *out, size_t size)
{
	static const struct gate_limits limits = { { 2000, 20 }, 2000 };
	int may = left;
	left = -1;
	struct evbuffer *input = evbuffer_new();
	struct gate gate;
	gate_init(&gate, &limits);
	out[0] = '\0';
	for (size_t i = 0, n = strlen(bytes); i < n && gate.state != GATE_CLOSED; i += piece) {
		size_t step = n - i < piece ? n - i : piece;
		evbuffer_add(input, bytes + i, step);
		left = may;
		gate_input(&gate, input, step);
		may = left;
		left = -1;
	}
	assert_int_equal(gate.state, GATE_CLOSED);
	assert_true(gate.status == 0 || gate.status == 500);
	if (!gate.status)
		out[evbuffer_remove(input, out, size - 1)] = '\0';
	gate_done(&gate);
	evbuffer_free(input);
	left = may;
}

/* Bug: bytes that there was no memory for were left out, and evhttp took what came next for theirs. */
static void test_gate_without_memory(void **state)
{
	static const char *const requests[] = {
		"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\n",
		"POST / HTTP/1.1\r\nExpect: 100-continue\r\nHost: localhost\r\n"
		"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\nT: x\r\n\r\nGET /",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		for (size_t piece = 1; piece <= strlen(requests[i]); piece++) {
			char good[500], got[500];
			pass(requests[i], piece, good, sizeof(good));
			assert_string_equal(good + strlen(good) - 9, "\r\n\r\nhello");
			for (int n = 0; left == -1; n++) {
				left = n;
				pass(requests[i], piece, got, sizeof(got));
				if (got[0])
					assert_string_equal(got, good);
			}
			left = -1;
		}
}

static void say_nothing(int severity, const char *text)
{
	(void)severity;
	(void)text;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_evhttp_has_no_memory_for_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_it_ends_before_one_is_adopted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_no_memory_for_a_body_in_one_piece, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_no_memory_to_say_that_it_is_closed, set_up, tear_down),
		cmocka_unit_test(test_gate_without_memory),
	};
	event_set_log_callback(say_nothing);
	event_set_mem_functions(bounded_malloc, realloc, free);
	return cmocka_run_group_tests_name("conn", tests, NULL, NULL);
}
