/*
 * websocket: what a server may do, well or badly, and what its user is told of it. The server is a thread
 * with a script: bytes to be said and to be heard, one after another.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake_host.h"
#include "plugins/common/websocket.h"
#include "plugins/common/websocket_handshake.h"

/* The server. */

struct server {
	int listener, fd;
	char url[64];
	pthread_t thread;
	void (*script)(struct server *server);
	char head[4096];
	unsigned code;      /* of the client's close */
	char words[128];    /* and its reason */
	size_t heard_bytes; /* of its last message */
	char *heard;
	bool masked; /* all that was heard */
};

static void say(struct server *server, const void *bytes, size_t n)
{
	const char *p = bytes;
	while (n) {
		ssize_t sent = send(server->fd, p, n, MSG_NOSIGNAL);
		if (sent <= 0)
			return;
		p += sent, n -= (size_t)sent;
	}
}

static bool hear_bytes(struct server *server, void *bytes, size_t n)
{
	return n == 0 || recv(server->fd, bytes, n, MSG_WAITALL) == (ssize_t)n;
}

static void hear_head(struct server *server)
{
	size_t n = 0;
	while (n < sizeof(server->head) - 1 && !strstr(server->head, "\r\n\r\n"))
		if (!hear_bytes(server, server->head + n++, 1))
			return;
}

static void say_yes(struct server *server)
{
	char key[WEBSOCKET_KEY_SIZE] = "", accept[WEBSOCKET_ACCEPT_SIZE], answer[256];
	hear_head(server);
	const char *found = strstr(server->head, "Sec-WebSocket-Key: ");
	if (found)
		memcpy(key, found + 19, 24);
	websocket_accept(key, accept);
	int n = snprintf(answer, sizeof(answer),
	    "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\n"
	    "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
	    accept);
	say(server, answer, (size_t)n);
}

static void say_frame(struct server *server, unsigned char first, const void *bytes, size_t n)
{
	unsigned char head[10] = { first };
	size_t used = 2;
	if (n < 126) {
		head[1] = (unsigned char)n;
	} else {
		head[1] = 127;
		for (size_t i = 0; i < 8; i++)
			head[2 + i] = (unsigned char)((uint64_t)n >> (56 - 8 * i));
		used = 10;
	}
	say(server, head, used);
	say(server, bytes, n);
}

/* A frame of the client's, unmasked, into `heard`: its first byte, or 0 when it has gone. */
static unsigned char hear(struct server *server)
{
	unsigned char head[2], more[8], mask[4];
	if (!hear_bytes(server, head, 2))
		return 0;
	size_t n = head[1] & 0x7f, wide = n == 126 ? 2 : n == 127 ? 8 : 0;
	if (!hear_bytes(server, more, wide))
		return 0;
	for (size_t i = 0; i < wide; i++)
		n = (i ? n << 8 : 0) | more[i];
	server->masked = (head[1] & 0x80) != 0;
	if (!server->masked || !hear_bytes(server, mask, 4))
		return 0;
	free(server->heard);
	server->heard = calloc(1, n + 1);
	server->heard_bytes = n;
	if (!hear_bytes(server, server->heard, n))
		return 0;
	for (size_t i = 0; i < n; i++)
		server->heard[i] = (char)(server->heard[i] ^ mask[i % 4]);
	if (head[0] == 0x88 && n >= 2) {
		server->code = (unsigned)(unsigned char)server->heard[0] << 8 |
			       (unsigned char)server->heard[1];
		snprintf(server->words, sizeof(server->words), "%s", server->heard + 2);
	}
	return head[0];
}

static void hear_until_gone(struct server *server)
{
	while (hear(server))
		;
}

static void *serve(void *arg)
{
	struct server *server = arg;
	server->fd = accept(server->listener, NULL, NULL);
	server->script(server);
	close(server->fd);
	return NULL;
}

static void server_start(struct server *server, void (*script)(struct server *server))
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t n = sizeof(address);
	*server = (struct server){ .script = script };
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server->listener, (struct sockaddr *)&address, n), 0);
	assert_int_equal(listen(server->listener, 1), 0);
	getsockname(server->listener, (struct sockaddr *)&address, &n);
	snprintf(server->url, sizeof(server->url), "ws://127.0.0.1:%d/gate?v=10",
	    ntohs(address.sin_port));
	if (script)
		pthread_create(&server->thread, NULL, serve, server);
}

static void server_stop(struct server *server)
{
	if (server->script)
		pthread_join(server->thread, NULL);
	close(server->listener);
	free(server->heard);
}

/* The client. */

struct client {
	struct fake_host *fake;
	struct websocket *socket;
	const char *first; /* to be said when it is open */
	bool opened, closed, free_when_opened, free_on_message, freed;
	bool close_on_message, pause_on_message;
	unsigned messages, code, status;
	size_t bytes;
	char last[64], reason[200];
};

static void on_opened(void *arg)
{
	struct client *client = arg;
	client->opened = true;
	if (client->first)
		assert_int_equal(websocket_send(client->socket,
				     agentd_text(client->first, strlen(client->first))),
		    0);
	if (client->free_when_opened) {
		websocket_free(client->socket);
		client->socket = NULL;
		client->freed = true;
	}
}

static void on_message(void *arg, struct agentd_text text)
{
	struct client *client = arg;
	client->messages++;
	client->bytes = text.n;
	snprintf(
	    client->last, sizeof(client->last), "%.*s", (int)(text.n < 60 ? text.n : 60), text.p);
	if (client->free_on_message) {
		websocket_free(client->socket);
		client->socket = NULL;
		client->freed = true;
	} else if (client->pause_on_message) {
		websocket_pause(client->socket, true);
	} else if (client->close_on_message) {
		websocket_close(client->socket, 4000, "enough");
	}
}

static void on_closed(void *arg, unsigned code, unsigned status, const char *reason)
{
	struct client *client = arg;
	assert_false(client->closed);
	client->closed = true;
	client->code = code;
	client->status = status;
	snprintf(client->reason, sizeof(client->reason), "%s", reason);
	websocket_free(client->socket);
	client->socket = NULL;
}

static void client_start(struct client *client, const char *url)
{
	static const char *const headers[] = { "Authorization: Bot secret", NULL };
	client->fake = fake_host_new();
	client->socket = websocket_new(&(struct websocket_setup){
	    .host = &client->fake->host,
	    .url = url,
	    .headers = headers,
	    .message_max = 4u << 20,
	    .opened = on_opened,
	    .message = on_message,
	    .closed = on_closed,
	    .arg = client,
	});
	assert_non_null(client->socket);
	assert_false(client->opened || client->closed);
}

static void client_stop(struct client *client)
{
	websocket_free(client->socket);
	fake_host_free(client->fake);
}

/* Runs a script until the client is told that it is over. */
static void run(void (*script)(struct server *server), struct client *client, struct server *server)
{
	server_start(server, script);
	client_start(client, server->url);
	fake_host_run_flag(client->fake, &client->closed);
	client_stop(client);
	server_stop(server);
	assert_null(strstr(client->reason, "127.0.0.1"));
}

/* The request is the one of RFC 6455, and a message, whole or in pieces, right behind the answer too, arrives. */

static void script_talk(struct server *server)
{
	say_yes(server);
	say_frame(server, 0x81, "one", 3);
	hear(server);
	say_frame(server, 0x01, "t", 1);
	say_frame(server, 0x89, "ping", 4); /* between the pieces */
	say_frame(server, 0x00, "w", 1);
	say_frame(server, 0x80, "o", 1);
	while (hear(server) != 0x8a)
		;
	say_frame(server, 0x88,
	    "\x0f\xa4"
	    "Authentication\nfailed",
	    23);
	hear_until_gone(server);
}

static void test_talk(void **state)
{
	(void)state;
	struct server server;
	struct client client = { .first = "hello" };
	run(script_talk, &client, &server);
	assert_non_null(strstr(server.head, "GET /gate?v=10 HTTP/1.1\r\nHost: 127.0.0.1:"));
	assert_non_null(strstr(server.head, "\r\nAuthorization: Bot secret\r\n"));
	assert_non_null(strstr(server.head, "\r\nSec-WebSocket-Version: 13\r\n"));
	assert_true(server.masked);
	assert_int_equal(client.messages, 2);
	assert_string_equal(client.last, "two");
	assert_int_equal(client.code, 4004);
	assert_int_equal(client.status, 0);
	assert_string_equal(client.reason, "Authentication failed");
	assert_int_equal(server.code, 4004); /* and answered */
}

/* Large ones too, both ways, one of them while the other side does not read. */

#define LARGE (3u << 20)
static char large[LARGE];

static void script_large(struct server *server)
{
	say_yes(server);
	say_frame(server, 0x81, large, LARGE); /* the client's first is not read meanwhile */
	hear(server);
	say_frame(server, 0x88, "", 0);
	hear_until_gone(server);
}

static void test_large(void **state)
{
	(void)state;
	struct server server;
	memset(large, 'x', LARGE - 1);
	struct client client = { .first = large };
	server_start(&server, script_large);
	client_start(&client, server.url);
	fake_host_run_flag(client.fake, &client.closed);
	client_stop(&client);
	assert_int_equal(client.bytes, LARGE);
	assert_int_equal(client.code, WEBSOCKET_NO_CODE);
	server_stop(&server);
}

/* Who is paused gets no more than what was read with the first, and all of it afterwards. */

#define MANY 400

static void script_many(struct server *server)
{
	say_yes(server);
	for (size_t i = 0; i < MANY; i++)
		say_frame(server, 0x81, large, 70000);
	say_frame(server, 0x88, "", 0);
	hear_until_gone(server);
}

static bool is_over(void *arg)
{
	bool *over = arg;
	return *over;
}

static void on_time(void *arg)
{
	bool *over = arg;
	*over = true;
}

static void test_pause(void **state)
{
	(void)state;
	struct server server;
	struct client client = { .pause_on_message = true };
	bool over = false;
	memset(large, 'x', LARGE - 1);
	server_start(&server, script_many);
	client_start(&client, server.url);
	const struct agentd_host *host = &client.fake->host;
	struct agentd_timer *timer = host->timer_new(host, on_time, &over);
	host->timer_set(timer, 300);
	fake_host_run(client.fake, is_over, &over);
	host->timer_free(timer);
	assert_int_equal(client.messages, 1);
	client.pause_on_message = false;
	websocket_pause(client.socket, false);
	fake_host_run_flag(client.fake, &client.closed);
	assert_int_equal(client.messages, MANY);
	client_stop(&client);
	server_stop(&server);
}

static void script_hear_large(struct server *server)
{
	say_yes(server);
	server->code = 0;
	if (hear(server) == 0x81 && server->heard_bytes == LARGE - 1 &&
	    memcmp(server->heard, large, LARGE - 1) == 0)
		say_frame(server, 0x88, "\x03\xe8", 2);
	hear_until_gone(server);
}

static void test_large_out(void **state)
{
	(void)state;
	struct server server;
	memset(large, 'x', LARGE - 1);
	struct client client = { .first = large };
	run(script_hear_large, &client, &server);
	assert_int_equal(client.code, 1000);
	assert_int_equal(server.code, 1000);
}

/* What is no WebSocket is refused, and says why. */

static void say_after_head(struct server *server, const char *answer)
{
	hear_head(server);
	say(server, answer, strlen(answer));
}

static void script_wrong_accept(struct server *server)
{
	say_after_head(server, "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
			       "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
}

static void script_forbidden(struct server *server)
{
	say_after_head(server, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
}

static void script_garbage(struct server *server)
{
	say_after_head(server, "SSH-2.0-OpenSSH_9.2\r\n\r\n");
}

static void script_endless(struct server *server)
{
	hear_head(server);
	say(server, "HTTP/1.1 101 Yes\r\n", 18);
	for (int i = 0; i < 4000; i++)
		say(server, "X-Header: y\r\n", 13);
}

static void script_gone(struct server *server)
{
	hear_head(server);
}

static void script_drop(struct server *server)
{
	say_yes(server);
	say_frame(server, 0x81, "one", 3);
	say(server, "\x81", 1);
}

static void script_too_long(struct server *server)
{
	say_yes(server);
	for (int i = 0; i < 5; i++)
		say_frame(server, i ? 0x00 : 0x01, large, 1u << 20);
	hear_until_gone(server);
}

static void script_not_utf8(struct server *server)
{
	say_yes(server);
	say_frame(server, 0x81, "\xff\xfe", 2);
	hear_until_gone(server);
}

static void script_reserved(struct server *server)
{
	say_yes(server);
	say_frame(server, 0xc1, "compressed", 10);
	hear_until_gone(server);
}

static void script_masked(struct server *server)
{
	say_yes(server);
	say(server, "\x81\x81\x01\x02\x03\x04\x05", 7);
	hear_until_gone(server);
}

static const struct row {
	void (*script)(struct server *server);
	unsigned code, status, told; /* told: the close code that the server hears */
	const char *reason;
} rows[] = {
	{ script_wrong_accept, 1006, 0, 0, "Sec-WebSocket-Accept is wrong" },
	{ script_forbidden, 1006, 403, 0, "refuses the WebSocket" },
	{ script_garbage, 1006, 0, 0, "not HTTP" },
	{ script_endless, 1006, 0, 0, "too long" },
	{ script_gone, 1006, 0, 0, "ended the connection" },
	{ script_drop, 1006, 0, 0, "ended the connection" },
	{ script_too_long, 1009, 0, 1009, "too long" },
	{ script_not_utf8, 1007, 0, 1007, "not UTF-8" },
	{ script_reserved, 1002, 0, 1002, "protocol" },
	{ script_masked, 1002, 0, 1002, "protocol" },
};

static void test_bad_servers(void **state)
{
	(void)state;
	memset(large, 'x', LARGE);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct server server;
		struct client client = { 0 };
		run(rows[i].script, &client, &server);
		if (client.code != rows[i].code || client.status != rows[i].status ||
		    server.code != rows[i].told || !strstr(client.reason, rows[i].reason))
			fail_msg("row %zu: code %u, told %u, status %u: %s", i, client.code,
			    server.code, client.status, client.reason);
	}
}

/* Nobody listens; and somebody listens who says nothing. */

static void test_no_server(void **state)
{
	(void)state;
	struct server server;
	struct client client = { 0 };
	server_start(&server, NULL);
	close(server.listener);
	client_start(&client, server.url);
	fake_host_run_flag(client.fake, &client.closed);
	assert_int_equal(client.code, WEBSOCKET_NO_CONNECTION);
	assert_non_null(strstr(client.reason, "connect"));
	client_stop(&client);
}

static void test_silent_server(void **state)
{
	(void)state;
	struct server server;
	struct client client = { .fake = fake_host_new() };
	server_start(&server, NULL); /* the kernel takes the connection */
	client.socket = websocket_new(&(struct websocket_setup){
	    .host = &client.fake->host,
	    .url = server.url,
	    .connect_ms = 50,
	    .opened = on_opened,
	    .message = on_message,
	    .closed = on_closed,
	    .arg = &client,
	});
	fake_host_run_flag(client.fake, &client.closed);
	assert_int_equal(client.code, WEBSOCKET_NO_CONNECTION);
	assert_false(client.opened);
	client_stop(&client);
	server_stop(&server);
}

/* Our close: the server is told, what it says meanwhile is not, and it has two seconds to answer. */

static void script_close(struct server *server)
{
	say_yes(server);
	say_frame(server, 0x81, "one", 3);
	say_frame(server, 0x81, "two", 3);
	hear(server);
	say_frame(server, 0x81, "three", 5);
	say_frame(server, 0x88, "\x0f\xa0", 2);
	hear_until_gone(server);
}

static void script_never_close(struct server *server)
{
	say_yes(server);
	say_frame(server, 0x81, "one", 3);
	hear_until_gone(server);
}

static void test_close(void **state)
{
	(void)state;
	static void (*const scripts[])(
	    struct server * server) = { script_close, script_never_close };
	for (size_t i = 0; i < 2; i++) {
		struct server server;
		struct client client = { .close_on_message = true };
		run(scripts[i], &client, &server);
		assert_int_equal(client.messages, 1);
		assert_int_equal(client.code, 4000);
		assert_int_equal(server.code, 4000);
		assert_string_equal(server.words, "enough");
	}
}

/* It may be closed, and freed, whenever one likes. */

static void test_close_before_open(void **state)
{
	(void)state;
	struct server server;
	struct client client = { 0 };
	server_start(&server, NULL);
	client_start(&client, server.url);
	websocket_close(client.socket, 1000, NULL);
	assert_false(client.closed);
	assert_int_equal(websocket_send(client.socket, agentd_text("x", 1)), -ENOTCONN);
	fake_host_run_flag(client.fake, &client.closed);
	assert_int_equal(client.code, 1000);
	client_stop(&client);
	server_stop(&server);
}

static void test_free_early(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct server server;
		struct client client = { .free_when_opened = i == 1, .free_on_message = i == 2 };
		server_start(&server, i ? script_never_close : NULL);
		client_start(&client, server.url);
		if (i)
			fake_host_run_flag(client.fake, &client.freed);
		client_stop(&client);
		server_stop(&server);
		assert_false(client.closed);
	}
}

static void test_bad_setup(void **state)
{
	(void)state;
	static const char *const urls[] = { "http://127.0.0.1/", "ws://", "ws://u:p@127.0.0.1/",
		"x", "ws://127.0.0.1/a b", "ws://127.0.0.1/\r\nX: y" };
	static const char *const broken[] = { "X: y\r\nZ: z", NULL };
	struct fake_host *fake = fake_host_new();
	struct websocket_setup setup = { .host = &fake->host };
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		setup.url = urls[i];
		assert_null(websocket_new(&setup));
	}
	setup.url = "ws://127.0.0.1/";
	setup.headers = broken;
	assert_null(websocket_new(&setup));
	fake_host_free(fake);
}

/* The example of RFC 6455, 1.3, and what is left out of an answer, or is twice in it. */
static void test_handshake(void **state)
{
	(void)state;
#define LINE   "HTTP/1.1 101 Switching Protocols\r\n"
#define UP     "Upgrade: websocket\r\n"
#define CON    "Connection: Upgrade\r\n"
#define ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
	static const struct {
		const char *head;
		enum websocket_verdict verdict;
	} heads[] = {
		{ LINE UP CON ACCEPT "\r\n", WEBSOCKET_GOOD },
		{ LINE UP CON ACCEPT "\r\n\x81\x01x", WEBSOCKET_GOOD },
		{ LINE UP CON ACCEPT "Sec-WebSocket-Extensions:\r\n\r\n", WEBSOCKET_GOOD },
		{ LINE UP CON ACCEPT "\r", WEBSOCKET_MORE },
		{ "", WEBSOCKET_MORE },
		{ LINE UP CON "\r\n", WEBSOCKET_BAD },
		{ LINE UP ACCEPT "\r\n", WEBSOCKET_BAD },
		{ LINE CON ACCEPT "\r\n", WEBSOCKET_BAD },
		{ LINE UP CON ACCEPT ACCEPT "\r\n", WEBSOCKET_BAD },
		{ LINE UP CON ACCEPT "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
		    WEBSOCKET_BAD },
		{ LINE UP CON ACCEPT "Sec-WebSocket-Protocol: chat\r\n\r\n", WEBSOCKET_BAD },
		{ LINE UP CON ACCEPT " folded\r\n\r\n", WEBSOCKET_BAD },
		{ UP CON ACCEPT "\r\n", WEBSOCKET_BAD },
		{ "HTTP/1.1 1010 x\r\n" UP CON ACCEPT "\r\n", WEBSOCKET_BAD },
		{ "\r\n\r\n", WEBSOCKET_BAD },
	};
	char accept[WEBSOCKET_ACCEPT_SIZE];
	websocket_accept("dGhlIHNhbXBsZSBub25jZQ==", accept);
	assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		struct websocket_head head;
		if (websocket_head_scan(heads[i].head, strlen(heads[i].head), accept, &head) !=
		    heads[i].verdict)
			fail_msg("row %zu", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handshake),
		cmocka_unit_test(test_talk),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_large_out),
		cmocka_unit_test(test_bad_servers),
		cmocka_unit_test(test_no_server),
		cmocka_unit_test(test_silent_server),
		cmocka_unit_test(test_close),
		cmocka_unit_test(test_close_before_open),
		cmocka_unit_test(test_free_early),
		cmocka_unit_test(test_bad_setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
