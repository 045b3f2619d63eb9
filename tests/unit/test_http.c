/*
 * http: requests of plugins, on a loop made of libevent, to a server in a thread, which answers as badly as
 * servers do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "plugins/common/http.h"

/* A host that has a loop, and no more. */

struct agentd_timer {
	struct event *event;
	void (*fn)(void *arg);
	void *arg;
};

struct agentd_watch {
	struct event *event;
	int fd;
	void (*fn)(void *arg, uint32_t what);
	void *arg;
};

static struct event_base *base;
static unsigned timers, watches; /* that are there */

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct agentd_timer *timer = arg;
	(void)fd;
	(void)what;
	timer->fn(timer->arg);
}

static struct agentd_timer *timer_new(
    const struct agentd_host *host, void (*fn)(void *arg), void *arg)
{
	struct agentd_timer *timer = calloc(1, sizeof(*timer));
	(void)host;
	*timer = (struct agentd_timer){ event_new(base, -1, 0, on_timer, timer), fn, arg };
	timers++;
	return timer;
}

static int timer_set(struct agentd_timer *timer, uint64_t after_ms)
{
	struct timeval after = { (time_t)(after_ms / 1000), (suseconds_t)(after_ms % 1000) * 1000 };
	return event_add(timer->event, &after);
}

static void timer_clear(struct agentd_timer *timer)
{
	event_del(timer->event);
}

static void timer_free(struct agentd_timer *timer)
{
	if (!timer)
		return;
	event_free(timer->event);
	free(timer);
	timers--;
}

static void on_watch(evutil_socket_t fd, short what, void *arg)
{
	struct agentd_watch *watch = arg;
	(void)fd;
	watch->fn(
	    watch->arg, (what & EV_READ ? AGENTD_READ : 0) | (what & EV_WRITE ? AGENTD_WRITE : 0));
}

static struct agentd_watch *watch_new(
    const struct agentd_host *host, int fd, void (*fn)(void *arg, uint32_t what), void *arg)
{
	struct agentd_watch *watch = calloc(1, sizeof(*watch));
	(void)host;
	*watch =
	    (struct agentd_watch){ event_new(base, fd, EV_PERSIST, on_watch, watch), fd, fn, arg };
	watches++;
	return watch;
}

static int watch_set(struct agentd_watch *watch, uint32_t what)
{
	short events = (short)(EV_PERSIST | (what & AGENTD_READ ? EV_READ : 0) |
			       (what & AGENTD_WRITE ? EV_WRITE : 0));
	event_del(watch->event);
	event_assign(watch->event, base, watch->fd, events, on_watch, watch);
	return what ? event_add(watch->event, NULL) : 0;
}

static void watch_free(struct agentd_watch *watch)
{
	event_free(watch->event);
	free(watch);
	watches--;
}

static void host_fail(const struct agentd_host *host, const char *reason)
{
	(void)host;
	fail_msg("%s", reason);
}

static const struct agentd_host host = {
	.size = sizeof(host),
	.fail = host_fail,
	.timer_new = timer_new,
	.timer_set = timer_set,
	.timer_clear = timer_clear,
	.timer_free = timer_free,
	.watch_new = watch_new,
	.watch_set = watch_set,
	.watch_free = watch_free,
};

/* A server. Each connection has one request; what is answered depends on its path. */

static int listener;
static unsigned port;

static void say(int fd, const char *text, size_t n)
{
	while (n) {
		ssize_t wrote = send(fd, text, n, MSG_NOSIGNAL);
		if (wrote <= 0)
			return;
		text += wrote;
		n -= (size_t)wrote;
	}
}

static void say_text(int fd, const char *text)
{
	say(fd, text, strlen(text));
}

/* The whole request, as text. Its length is in *ret_n. */
static char *hear(int fd, size_t *ret_n)
{
	size_t capacity = 4 << 20, n = 0, whole = SIZE_MAX;
	char *request = calloc(1, capacity);
	while (n < whole) {
		ssize_t got = recv(fd, request + n, capacity - 1 - n, 0);
		if (got <= 0)
			break;
		n += (size_t)got;
		char *end = strstr(request, "\r\n\r\n");
		char *length = strcasestr(request, "\r\nContent-Length: ");
		if (end)
			whole = (size_t)(end + 4 - request) +
				(length && length < end ? strtoul(length + 18, NULL, 10) : 0);
	}
	*ret_n = n;
	return request;
}

static void answer_echo(int fd, const char *request, size_t n)
{
	char head[200];
	snprintf(head, sizeof(head),
	    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n", n);
	say_text(fd, head);
	say(fd, request, n);
}

static void answer_large(int fd, const char *request, size_t n)
{
	char block[65536]; /* each connection has a thread */
	(void)request;
	(void)n;
	say_text(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4194304\r\n\r\n");
	for (unsigned i = 0; i < 64; i++) {
		memset(block, 'a' + (int)i % 26, sizeof(block));
		say(fd, block, sizeof(block));
	}
}

/* Until its reader gives up. */
static void answer_for_ever(int fd, const char *request, size_t n)
{
	char byte;
	(void)request;
	(void)n;
	say_text(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 100\r\n\r\nand then");
	while (recv(fd, &byte, 1, 0) > 0)
		;
}

static const struct {
	const char *path, *answer;
	void (*more)(int fd, const char *request, size_t n);
} answers[] = {
	{ "/ok", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", NULL },
	{ "/echo", "", answer_echo },
	{ "/none", "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", NULL },
	{ "/empty", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", NULL },
	{ "/chunked",
	    "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n1\r\n \r\n3\r\ntwo\r\n0\r\n\r\n",
	    NULL },
	{ "/headers",
	    "HTTP/1.1 429 No\r\nConnection: close\r\nRetry-After: 1\r\nX-A: 2\r\nretry-after:  7 \r\nContent-Length: 2\r\n\r\n{}",
	    NULL },
	{ "/redirect",
	    "HTTP/1.1 302 Found\r\nConnection: close\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n",
	    NULL },
	{ "/error", "HTTP/1.1 500 Oh\r\nConnection: close\r\nContent-Length: 4\r\n\r\noops", NULL },
	{ "/cut", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 100\r\n\r\nshort",
	    NULL },
	{ "/cutchunk",
	    "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nshort",
	    NULL },
	{ "/nothing", "", NULL },
	{ "/garbage", "\x01\x02 lorem ipsum dolor\r\n\r\n", NULL },
	{ "/nostatus", "HTTP/1.1 abc\r\n\r\n", NULL },
	{ "/large", "", answer_large },
	{ "/forever", "", answer_for_ever },
};

static void *serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	size_t n;
	char *request = hear(fd, &n), *path = strchr(request, '/');
	size_t path_n = path ? strcspn(path, " ?") : 0;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		if (strlen(answers[i].path) == path_n &&
		    memcmp(answers[i].path, path, path_n) == 0) {
			say_text(fd, answers[i].answer);
			if (answers[i].more)
				answers[i].more(fd, request, n);
		}
	free(request);
	close(fd);
	return NULL;
}

static void *listen_on(void *arg)
{
	int fd;
	(void)arg;
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		pthread_t thread;
		if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) == 0)
			pthread_detach(thread);
	}
	return NULL;
}

/* What a test sees. */

struct seen {
	unsigned count, status;
	char error[300];
	char *body;
	size_t n;
	char header[50];
	bool sent;       /* http_send has returned */
	bool too_early;  /* it had not */
	size_t streamed; /* bytes */
	unsigned pieces;
	struct http_call *call;
	struct http_client *to_free;
	bool cancel_in_data, cancel_in_done;
};

static struct http_client *client;
static char url[200];
static char folder[] = "/tmp/agentd-http-XXXXXX";

static void on_done(void *arg, const struct http_answer *answer)
{
	struct seen *seen = arg;
	const char *header = http_answer_header(answer, "RETRY-After");
	seen->too_early = !seen->sent;
	seen->count++;
	seen->status = answer->status;
	assert_int_equal(answer->status == 0, answer->error != NULL);
	snprintf(seen->error, sizeof(seen->error), "%s", answer->error ? answer->error : "");
	snprintf(seen->header, sizeof(seen->header), "%s", header ? header : "");
	free(seen->body);
	seen->body = malloc(answer->body.n + 1);
	seen->n = answer->body.n;
	if (answer->body.n)
		memcpy(seen->body, answer->body.p, answer->body.n);
	seen->body[seen->n] = '\0';
	if (seen->cancel_in_done)
		http_cancel(seen->call);
	http_client_free(seen->to_free);
	event_base_loopbreak(base);
}

static const char *url_of(const char *path)
{
	snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", port, path);
	return url;
}

static void start(struct seen *seen, const struct http_request *request)
{
	struct http_request given = *request;
	given.done = on_done;
	given.arg = seen;
	seen->call = http_send(client, &given);
	assert_non_null(seen->call);
	seen->sent = true;
}

static void await(const struct seen *seen)
{
	while (!seen->count)
		assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
	assert_int_equal(seen->count, 1);
	assert_false(seen->too_early);
}

static struct seen ask(const struct http_request *request)
{
	struct seen seen = { 0 };
	start(&seen, request);
	await(&seen);
	return seen;
}

static void check_error(const char *path, const char *error)
{
	struct http_request request = { .url = url_of(path) };
	struct seen seen = ask(&request);
	assert_int_equal(seen.status, 0);
	assert_int_equal(seen.n, 0);
	if (!strstr(seen.error, error) || strstr(seen.error, path))
		fail_msg("%s: %s", path, seen.error);
	free(seen.body);
}

static void check_answer(const struct http_request *request, unsigned status, const char *body)
{
	struct seen seen = ask(request);
	assert_string_equal(seen.error, "");
	assert_int_equal(seen.status, status);
	assert_string_equal(seen.body, body);
	free(seen.body);
}

static void test_answers(void **state)
{
	static const struct {
		const char *path;
		unsigned status;
		const char *body;
	} rows[] = { { "/ok", 200, "hello" }, { "/none", 204, "" }, { "/empty", 200, "" },
		{ "/chunked", 200, "one two" }, { "/error", 500, "oops" },
		{ "/redirect", 302, "" } };
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct http_request request = { .url = url_of(rows[i].path) };
		check_answer(&request, rows[i].status, rows[i].body);
	}
}

static void test_answers_that_are_none(void **state)
{
	(void)state;
	check_error("/cut", "95 bytes remaining");
	check_error("/cutchunk", "");
	check_error("/nothing", "Empty reply");
	check_error("/garbage", "HTTP/0.9");
	check_error("/nostatus", "");
}

static void test_what_is_sent(void **state)
{
	static const char *const headers[] = { "Content-Type: application/json", "X-Mine: yes",
		NULL };
	struct http_request request = {
		.url = url_of("/echo?q=1"), .headers = headers, .body = agentd_text("{\"a\":1}", 7)
	};
	struct seen seen;
	(void)state;
	seen = ask(&request);
	assert_int_equal(strncmp(seen.body, "POST /echo?q=1 HTTP/1.1\r\n", 25), 0);
	assert_non_null(strstr(seen.body, "\r\nContent-Type: application/json\r\n"));
	assert_non_null(strstr(seen.body, "\r\nX-Mine: yes\r\n"));
	assert_null(strcasestr(seen.body, "Expect"));
	assert_string_equal(strstr(seen.body, "\r\n\r\n"), "\r\n\r\n{\"a\":1}");
	free(seen.body);
	request.method = "PUT";
	request.body = agentd_text("", 0);
	seen = ask(&request);
	assert_int_equal(strncmp(seen.body, "PUT /echo", 9), 0);
	assert_non_null(strstr(seen.body, "\r\nContent-Length: 0\r\n"));
	free(seen.body);
	request = (struct http_request){ .url = url_of("/echo"), .method = "DELETE" };
	seen = ask(&request);
	assert_int_equal(strncmp(seen.body, "DELETE /echo", 12), 0);
	free(seen.body);
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void test_parts_are_sent(void **state)
{
	char path[100];
	snprintf(path, sizeof(path), "%s/sent", folder);
	write_file(path, "the file's bytes");
	struct http_part parts[] = {
		{ .name = "chat_id", .text = agentd_text("42", 2) },
		{ .name = "photo",
		    .path = path,
		    .file_name = "a \"b\".png",
		    .mime_type = "image/png" },
		{ .name = "files[0]", .text = agentd_text("inline", 6), .file_name = "x.txt" },
	};
	struct http_request request = { .url = url_of("/echo"), .parts = parts, .part_count = 3 };
	struct seen seen;
	(void)state;
	seen = ask(&request);
	assert_non_null(strstr(seen.body, "Content-Type: multipart/form-data; boundary="));
	assert_non_null(strstr(seen.body, "name=\"chat_id\"\r\n\r\n42\r\n"));
	assert_non_null(strstr(seen.body, "name=\"photo\"; filename=\"a %22b%22.png\"\r\n"));
	assert_non_null(strstr(seen.body, "Content-Type: image/png\r\n\r\nthe file's bytes\r\n"));
	assert_null(strstr(seen.body, path));
	free(seen.body);
	unlink(path);
	seen = ask(&request); /* it is gone now */
	assert_string_equal(seen.error, "the file to be sent cannot be read");
	free(seen.body);
	parts[1].path = folder;
	seen = ask(&request);
	assert_string_equal(seen.error, "the file to be sent cannot be read");
	free(seen.body);
}

static void test_a_header_cannot_become_two(void **state)
{
	static const char *const headers[] = { "X-A: b\r\nX-Evil: c", NULL };
	struct http_request request = { .url = url_of("/echo"), .headers = headers };
	struct seen seen;
	(void)state;
	seen = ask(&request);
	assert_string_equal(seen.error, "a header has a line break in it");
	free(seen.body);
}

static void test_the_last_header_of_a_name(void **state)
{
	struct http_request request = { .url = url_of("/headers") };
	struct seen seen;
	(void)state;
	seen = ask(&request);
	assert_int_equal(seen.status, 429);
	assert_string_equal(seen.header, "7");
	assert_string_equal(seen.body, "{}");
	free(seen.body);
}

static void test_other_protocols_are_refused(void **state)
{
	static const char *const urls[] = { "file:///etc/passwd", "ftp://127.0.0.1/x",
		"nonsense://x" };
	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		struct http_request request = { .url = urls[i] };
		struct seen seen = ask(&request);
		assert_int_equal(seen.status, 0);
		assert_non_null(strstr(seen.error, "not supported"));
		free(seen.body);
	}
}

/* Whatever goes wrong, what is behind the host is in no error. */
static void test_an_error_does_not_tell_the_url(void **state)
{
	static const char *const urls[] = {
		"http://127.0.0.1:1/bot12345:SECRETTOKEN/getMe",
		"http://host.invalid/bot12345:SECRETTOKEN/getMe?key=SECRETTOKEN",
		"http://127.0.0.1:99999/bot12345:SECRETTOKEN/getMe",
		"http://[::1/bot12345:SECRETTOKEN",
		"http:///bot12345:SECRETTOKEN/getMe",
		"bot12345:SECRETTOKEN/getMe",
		"SECRETTOKEN://bot12345/getMe",
		"http://a b/bot12345:SECRETTOKEN",
		"http://127.0.0.1:1/SECRETTOKEN\n",
		"",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		struct http_request request = { .url = urls[i] };
		struct seen seen = ask(&request);
		assert_int_equal(seen.status, 0);
		assert_string_not_equal(seen.error, "");
		if (strstr(seen.error, "SECRET"))
			fail_msg("%s: %s", urls[i], seen.error);
		free(seen.body);
	}
}

static void test_an_answer_has_a_bound(void **state)
{
	struct http_request request = { .url = url_of("/large"), .answer_max = 4194303 };
	struct seen seen;
	(void)state;
	seen = ask(&request);
	assert_string_equal(seen.error, "the answer is too long");
	free(seen.body);
	request.answer_max = 4194304;
	seen = ask(&request);
	assert_int_equal(seen.status, 200);
	assert_int_equal(seen.n, 4194304);
	assert_int_equal(seen.body[4194303], 'a' + 63 % 26);
	free(seen.body);
}

static void test_a_whole_request_has_a_time(void **state)
{
	struct http_request request = { .url = url_of("/forever"), .timeout_ms = 100 };
	struct seen seen;
	(void)state;
	seen = ask(&request);
	assert_non_null(strstr(seen.error, "timed out"));
	free(seen.body);
}

static off_t size_of(const char *path)
{
	struct stat status;
	return stat(path, &status) == 0 ? status.st_size : -1;
}

static void test_an_answer_in_a_file(void **state)
{
	char path[100];
	snprintf(path, sizeof(path), "%s/saved", folder);
	static const struct {
		const char *path;
		unsigned status;
		size_t most;
		off_t size; /* -1: no file */
	} rows[] = { { "/large", 200, 0, 4194304 }, { "/empty", 200, 0, 0 }, { "/none", 204, 0, 0 },
		{ "/error", 500, 0, -1 }, { "/cut", 0, 0, -1 }, { "/large", 0, 100000, -1 },
		{ "/forever", 0, 0, -1 } };
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct http_request request = { .url = url_of(rows[i].path),
			.save_to = path,
			.answer_max = rows[i].most,
			.timeout_ms = rows[i].path[1] == 'f' ? 100 : 0 };
		struct seen seen = ask(&request);
		assert_int_equal(seen.status, rows[i].status);
		assert_int_equal(size_of(path), rows[i].size);
		assert_int_equal(seen.n, rows[i].status == 500 ? 4 : 0); /* an error can be read */
		free(seen.body);
		unlink(path);
	}
	/* A file that is there is not touched, nor is what a link points to. */
	write_file(path, "mine");
	struct http_request request = { .url = url_of("/ok"), .save_to = path };
	struct seen seen = ask(&request);
	assert_non_null(strstr(seen.error, "cannot be made"));
	assert_int_equal(size_of(path), 4);
	free(seen.body);
	unlink(path);
	assert_int_equal(symlink("elsewhere", path), 0);
	seen = ask(&request);
	assert_non_null(strstr(seen.error, "cannot be made"));
	free(seen.body);
	unlink(path);
}

static void test_cancelled_is_not_told(void **state)
{
	char path[100];
	snprintf(path, sizeof(path), "%s/cancelled", folder);
	struct http_request request = { .url = url_of("/large"), .save_to = path };
	struct seen given_up = { 0 }, other = { 0 };
	(void)state;
	start(&given_up, &request);
	while (size_of(path) <= 0)
		event_base_loop(base, EVLOOP_ONCE);
	http_cancel(given_up.call);
	assert_int_equal(size_of(path), -1);
	start(&given_up, &request); /* before anything has happened */
	http_cancel(given_up.call);
	http_cancel(NULL);
	request = (struct http_request){ .url = url_of("/ok") };
	start(&other, &request);
	await(&other);
	assert_int_equal(given_up.count, 0);
	free(other.body);
}

static void test_cancelled_in_its_own_done(void **state)
{
	struct http_request request = { .url = url_of("/ok") };
	struct seen seen = { .cancel_in_done = true };
	(void)state;
	start(&seen, &request);
	await(&seen);
	assert_int_equal(seen.status, 200);
	free(seen.body);
}

static void again(void *arg, const struct http_answer *answer)
{
	struct seen *seen = arg;
	struct http_request request = { .url = url, .done = on_done, .arg = seen };
	assert_int_equal(answer->status, 200);
	seen->call = http_send(client, &request);
	seen->sent = true;
}

static void test_another_from_within_done(void **state)
{
	struct seen seen = { 0 };
	struct http_request request = { .url = url_of("/ok"), .done = again, .arg = &seen };
	(void)state;
	assert_non_null(http_send(client, &request));
	await(&seen);
	assert_int_equal(seen.status, 200);
	free(seen.body);
}

static void test_many_at_once(void **state)
{
	static struct seen seen[60];
	struct http_request request = { .url = url_of("/chunked") };
	(void)state;
	for (size_t i = 0; i < 60; i++) {
		seen[i] = (struct seen){ 0 };
		start(&seen[i], &request);
	}
	for (size_t i = 0; i < 60; i++) {
		await(&seen[i]);
		assert_string_equal(seen[i].body, "one two");
		free(seen[i].body);
	}
}

static void on_piece(void *arg, struct agentd_text piece)
{
	struct seen *seen = arg;
	for (size_t i = 0; i < piece.n; i++, seen->streamed++)
		assert_int_equal(piece.p[i], 'a' + (int)(seen->streamed / 65536) % 26);
	seen->pieces++;
	if (seen->cancel_in_data)
		http_cancel(seen->call);
	if (seen->to_free) {
		http_client_free(seen->to_free);
		event_base_loopbreak(base);
	}
}

static void test_a_stream(void **state)
{
	struct http_request request = { .url = url_of("/large"), .data = on_piece };
	struct seen seen = { 0 };
	(void)state;
	start(&seen, &request);
	await(&seen);
	assert_true(seen.pieces > 1);
	assert_int_equal(seen.status, 200);
	assert_int_equal(seen.streamed, 4194304);
	assert_int_equal(seen.n, 0);
	free(seen.body);
}

static void test_a_stream_is_bound_if_asked(void **state)
{
	struct http_request request = { .url = url_of("/error"), .data = on_piece };
	struct seen seen;
	(void)state;
	seen = ask(&request); /* what is no success is no stream */
	assert_int_equal(seen.pieces, 0);
	assert_string_equal(seen.body, "oops");
	free(seen.body);
	request =
	    (struct http_request){ .url = url_of("/large"), .data = on_piece, .answer_max = 1 };
	seen = ask(&request);
	assert_string_equal(seen.error, "the answer is too long");
	free(seen.body);
}

static void test_cancelled_while_it_streams(void **state)
{
	struct http_request request = { .url = url_of("/large"), .data = on_piece };
	struct seen seen = { .cancel_in_data = true }, other = { 0 };
	(void)state;
	start(&seen, &request);
	while (!seen.pieces)
		event_base_loop(base, EVLOOP_ONCE);
	request = (struct http_request){ .url = url_of("/ok") };
	start(&other, &request);
	await(&other);
	assert_int_equal(seen.pieces, 1);
	assert_int_equal(seen.count, 0);
	free(other.body);
}

/* From outside, from `done`, from `data`: nobody is told afterwards, and nothing stays. */
static void test_the_client_may_go_at_any_time(void **state)
{
	struct http_request request = { .url = url_of("/forever") };
	struct seen lost = { 0 }, seen = { 0 };
	unsigned timers_before = timers, watches_before = watches;
	struct http_client *kept = client;
	(void)state;
	client = http_client_new(&host);
	start(&lost, &request);
	event_base_loop(base, EVLOOP_ONCE);
	http_client_free(client);
	for (unsigned in_data = 0; in_data < 2; in_data++) {
		client = http_client_new(&host);
		seen = (struct seen){ .to_free = client };
		request = (struct http_request){ .url = url_of("/forever") };
		start(&lost, &request);
		request = (struct http_request){ .url = url_of("/large"),
			.data = in_data ? on_piece : NULL };
		start(&seen, &request);
		while (!seen.count && !seen.pieces)
			event_base_loop(base, EVLOOP_ONCE);
		assert_int_equal(seen.count, in_data ? 0 : 1);
		if (!in_data)
			free(seen.body);
	}
	event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(lost.count, 0);
	assert_int_equal(timers, timers_before);
	assert_int_equal(watches, watches_before);
	client = kept;
}

static int set_up(void **state)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof(address);
	pthread_t thread;
	(void)state;
	base = event_base_new();
	client = http_client_new(&host);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!base || !client || !mkdtemp(folder) ||
	    bind(listener, (struct sockaddr *)&address, n) < 0 || listen(listener, 100) < 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &n) < 0 ||
	    pthread_create(&thread, NULL, listen_on, NULL) != 0)
		return -1;
	pthread_detach(thread);
	port = ntohs(address.sin_port);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	http_client_free(client);
	event_base_free(base);
	shutdown(listener, SHUT_RDWR);
	return rmdir(folder) == 0 && timers == 0 && watches == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_answers_that_are_none),
		cmocka_unit_test(test_what_is_sent),
		cmocka_unit_test(test_parts_are_sent),
		cmocka_unit_test(test_a_header_cannot_become_two),
		cmocka_unit_test(test_the_last_header_of_a_name),
		cmocka_unit_test(test_other_protocols_are_refused),
		cmocka_unit_test(test_an_error_does_not_tell_the_url),
		cmocka_unit_test(test_an_answer_has_a_bound),
		cmocka_unit_test(test_a_whole_request_has_a_time),
		cmocka_unit_test(test_an_answer_in_a_file),
		cmocka_unit_test(test_cancelled_is_not_told),
		cmocka_unit_test(test_cancelled_in_its_own_done),
		cmocka_unit_test(test_another_from_within_done),
		cmocka_unit_test(test_many_at_once),
		cmocka_unit_test(test_a_stream),
		cmocka_unit_test(test_a_stream_is_bound_if_asked),
		cmocka_unit_test(test_cancelled_while_it_streams),
		cmocka_unit_test(test_the_client_may_go_at_any_time),
	};
	return cmocka_run_group_tests_name("http", tests, set_up, tear_down);
}
