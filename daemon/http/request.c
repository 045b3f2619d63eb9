/*
 * request: what a handler sees of a request, and how it answers.
 *
 * Nothing computed is ever passed as a reason phrase: evhttp does not look for line ends in it.
 */
#include <event2/keyvalq_struct.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "daemon/base/log.h"
#include "daemon/http/internal.h"
#include "daemon/http/target.h"

#define REFERENCE_LEAST 4096 /* bodies from this size on are handed over, not copied */

/* A client's request id is taken over if it is short and plain, else we make one. */
static void request_name(struct http_request *request)
{
	static const char plain[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-:/+=";
	const char *given = http_header(request, "X-Request-Id");
	size_t n = given ? strlen(given) : 0;
	if (n > 0 && n <= REQUEST_ID_MAX && strspn(given, plain) == n)
		memcpy(request->id, given, n + 1);
	else
		id_make(clock_wall_ms(), request->id);
}

struct http_request *request_new(struct conn *conn, struct evhttp_request *evreq)
{
	struct http_server *server = conn->server;
	struct http_request *request = calloc(1, sizeof(*request));
	if (!request)
		return NULL;
	request->conn = conn;
	request->evreq = evreq;
	request->rules = server->rules;
	era_ref(request->rules.era);
	request->started_us = clock_monotonic_us();
	request->path = target_path(evhttp_request_get_uri(evreq));
	conn->request = request;
	conn->reading = false;
	request_name(request);
	TAILQ_INSERT_TAIL(&server->held, request, held);
	server->held_count++;
	return request;
}

void request_free(struct http_request *request)
{
	struct http_server *server = request->conn->server;
	TAILQ_REMOVE(&server->held, request, held);
	server->held_count--;
	request->conn->request = NULL;
	principal_unref(request->principal);
	era_unref(request->rules.era);
	free(request->path);
	free(request);
}

static void put_number(char out[24], uint64_t value)
{
	struct buf text = { .data = out, .capacity = 24 };
	buf_add_uint(&text, value);
	out[text.length] = '\0';
}

/* Microseconds as milliseconds with three decimals. */
static void put_ms(char out[32], uint64_t us)
{
	put_number(out, us / 1000);
	size_t n = strlen(out);
	out[n] = '.';
	out[n + 1] = (char)('0' + us / 100 % 10);
	out[n + 2] = (char)('0' + us / 10 % 10);
	out[n + 3] = (char)('0' + us % 10);
	out[n + 4] = '\0';
}

/* Its address; of a proxy, if there is one in between. NULL: a unix socket. */
static const char *client_of(const struct http_request *request)
{
	char *address = NULL;
	ev_uint16_t port;
	if (!http_is_local(request))
		evhttp_connection_get_peer(request->conn->evcon, &address, &port);
	return address;
}

void request_log(const struct http_request *request, int status)
{
	const struct conn *conn = request->conn;
	conn->server->answered[status / 100]++;
	if (!conn->server->rules.log_access || !log_enabled(LOG_LEVEL_INFO))
		return;
	const struct principal *who = request->principal;
	char code[24], bytes[24], ms[32];
	put_number(code, (uint64_t)status);
	put_number(bytes, request->bytes);
	put_ms(ms, clock_monotonic_us() - request->started_us);
	struct log_field fields[] = {
		{ "client", client_of(request), false },
		{ "status", code, true },
		{ "bytes", bytes, true },
		{ "ms", ms, true },
		{ "user", who ? who->user_id : NULL, false },
		{ "key", who ? who->label : NULL, false },
		{ "refused", request->refusal, false },
		{ "request_id", request->id, false },
		{ "run_id", request->run_id[0] ? request->run_id : NULL, false },
	};
	if (conn->gate.status)
		log_with(LOG_LEVEL_INFO, fields, "refused: %s", conn->gate.reason);
	else
		log_with(LOG_LEVEL_INFO, fields, "%s %.512s", http_method_name(request),
		    http_target(request));
}

/* Reading. */

int http_refused(const struct http_request *request, const char **ret_reason)
{
	*ret_reason = request->conn->gate.reason;
	return request->conn->gate.status;
}

static const struct {
	enum evhttp_cmd_type type;
	enum http_method method;
	const char *name;
} methods[] = {
	{ EVHTTP_REQ_GET, HTTP_GET, "GET" },
	{ EVHTTP_REQ_HEAD, HTTP_GET, "HEAD" },
	{ EVHTTP_REQ_POST, HTTP_POST, "POST" },
	{ EVHTTP_REQ_PUT, HTTP_PUT, "PUT" },
	{ EVHTTP_REQ_DELETE, HTTP_DELETE, "DELETE" },
	{ EVHTTP_REQ_PATCH, HTTP_PATCH, "PATCH" },
	{ EVHTTP_REQ_OPTIONS, HTTP_OPTIONS, "OPTIONS" },
};

static size_t method_row(const struct http_request *request)
{
	enum evhttp_cmd_type type = evhttp_request_get_command(request->evreq);
	size_t i = 0;
	while (methods[i].type != type)
		i++; /* evhttp lets no other through */
	return i;
}

enum http_method http_method(const struct http_request *request)
{
	return methods[method_row(request)].method;
}

const char *http_method_name(const struct http_request *request)
{
	return methods[method_row(request)].name;
}

const char *http_target(const struct http_request *request)
{
	return evhttp_request_get_uri(request->evreq);
}

const char *http_path(const struct http_request *request)
{
	return request->path;
}

bool http_is_local(const struct http_request *request)
{
	return request->conn->is_local;
}

bool http_is_control(const struct http_request *request)
{
	return request->conn->is_control;
}

struct principal *http_peer(const struct http_request *request, const char **ret_why)
{
	*ret_why = request->conn->peer_why;
	return request->conn->peer;
}

const char *http_header_nth(const struct http_request *request, const char *name, unsigned nth)
{
	/* Not evhttp_find_header, which compares with a slow strcasecmp of its own. */
	const struct evkeyval *field;
	TAILQ_FOREACH (field, evhttp_request_get_input_headers(request->evreq), next)
		/* Most differ in their first letter. */
		if (((field->key[0] ^ name[0]) & ~0x20) == 0 && strcasecmp(field->key, name) == 0 &&
		    nth-- == 0)
			return field->value;
	return NULL;
}

const char *http_header(const struct http_request *request, const char *name)
{
	return http_header_nth(request, name, 0);
}

bool http_header_at(
    const struct http_request *request, size_t i, const char **ret_name, const char **ret_value)
{
	const struct evkeyval *field;
	TAILQ_FOREACH (field, evhttp_request_get_input_headers(request->evreq), next)
		if (i-- == 0) {
			*ret_name = field->key;
			*ret_value = field->value;
			return true;
		}
	return false;
}

const char *http_body(const struct http_request *request, size_t *ret_length)
{
	struct evbuffer *body = evhttp_request_get_input_buffer(request->evreq);
	*ret_length = evbuffer_get_length(body);
	return *ret_length ? (const char *)evbuffer_pullup(body, -1) : "";
}

void http_drop_body(struct http_request *request)
{
	struct evbuffer *body = evhttp_request_get_input_buffer(request->evreq);
	evbuffer_drain(body, evbuffer_get_length(body));
}

const char *http_request_id(const struct http_request *request)
{
	return request->id;
}

void http_look(const struct http_request *request, struct http_view *ret)
{
	const struct http_server *server = request->conn->server;
	ret->connections = server->conn_count;
	memcpy(ret->answered, server->answered, sizeof(ret->answered));
}

struct event_base *http_base(const struct http_request *request)
{
	return request->conn->server->base;
}

const struct http_settings *http_settings(const struct http_request *request)
{
	return request->rules.settings;
}

void http_set_principal(struct http_request *request, struct principal *principal)
{
	principal_unref(request->principal);
	request->principal = principal;
}

const struct principal *http_principal(const struct http_request *request)
{
	return request->principal;
}

void http_note_refusal(struct http_request *request, const char *why)
{
	request->refusal = why;
}

void http_note_run(struct http_request *request, const char *run_id)
{
	memcpy(request->run_id, run_id, ID_SIZE);
}

void http_on_gone(struct http_request *request, void (*gone)(void *arg), void *arg)
{
	request->gone = gone;
	request->gone_arg = arg;
}

/* Answering. */

void http_add_header(struct http_request *request, const char *name, const char *value)
{
	evhttp_add_header(evhttp_request_get_output_headers(request->evreq), name, value);
}

/* RFC 9110, section 5.6.7. Left to evhttp it is written anew for each reply: 1 µs of 25. */
static const char *date_of(struct http_server *server)
{
	time_t now = time(NULL);
	struct tm tm;
	if (now != server->date_s)
		strftime(server->date, sizeof(server->date), "%a, %d %b %Y %H:%M:%S GMT",
		    gmtime_r(&now, &tm));
	server->date_s = now;
	return server->date;
}

static void add_common_headers(struct http_request *request, const char *type)
{
	if (type)
		http_add_header(request, "Content-Type", type);
	http_add_header(request, "X-Request-Id", request->id);
	http_add_header(request, "Date", date_of(request->conn->server));
	if (request->conn->server->draining || request->conn->gate.status)
		http_add_header(request, "Connection", "close");
}

static void free_reference(const void *data, size_t length, void *arg)
{
	(void)length;
	(void)arg;
	free((void *)(uintptr_t)data);
}

/* Moves the bytes; a large body is handed over as it is. The buf is empty afterwards, and still the
 * caller's. */
static void move_into(struct evbuffer *into, struct buf *from)
{
	if (from->length >= REFERENCE_LEAST &&
	    evbuffer_add_reference(into, from->data, from->length, free_reference, NULL) == 0) {
		*from = (struct buf){ 0 };
		return;
	}
	evbuffer_add(into, from->data, from->length);
	from->length = 0;
}

/*
 * Writes what is in the output now. Left to itself a bufferevent waits until epoll says that the
 * socket takes bytes, which it nearly always does: two system calls and a turn of the loop for each
 * reply. If all of it went out, conn_on_soon tells evhttp at the end of this turn; if not, the
 * usual way goes on.
 */
static void write_now(struct conn *conn)
{
	struct evbuffer *output = bufferevent_get_output(conn->bev);
	evbuffer_unfreeze(output, 1); /* a bufferevent lets nobody take from its output */
	int wrote = evbuffer_write(output, bufferevent_getfd(conn->bev));
	evbuffer_freeze(output, 1);
	if (wrote > 0 && evbuffer_get_length(output) == 0)
		conn_soon(conn);
}

/* What is answered where there is no memory for an answer. */
static const char no_memory[] =
    "{\"type\":\"about:blank\",\"title\":\"Internal Server Error\",\"status\":500,"
    "\"detail\":\"out of memory\",\"code\":\"internal\",\"error\":\"Internal Server Error\"}\n";

/* The body into what is sent, if it is to be sent; how long it is. */
static size_t put_body(struct evhttp_request *evreq, bool sends, struct buf *body)
{
	struct evbuffer *output = evhttp_request_get_output_buffer(evreq);
	size_t n = body->failed ? sizeof(no_memory) - 1 : body->length;
	if (sends && body->failed)
		evbuffer_add_reference(output, no_memory, n, NULL, NULL);
	else if (sends)
		move_into(output, body);
	buf_done(body);
	return n;
}

/* Of the statuses that evhttp has no words for; NULL: it has, or says what class it is. */
static const char *phrase_of(int status)
{
	switch (status) {
	case 422:
		return "Unprocessable Content";
	case 429:
		return "Too Many Requests";
	default:
		return NULL;
	}
}

void http_reply(struct http_request *request, int status, const char *type, struct buf *body)
{
	struct evhttp_request *evreq = request->evreq;
	bool is_head = evhttp_request_get_command(evreq) == EVHTTP_REQ_HEAD;
	if (body && body->failed) {
		status = 500;
		type = "application/problem+json";
	}
	add_common_headers(request, type);
	if (body)
		request->bytes = put_body(evreq, !is_head, body);
	if (body && is_head) {
		char length[24]; /* evhttp would send the body */
		snprintf(length, sizeof(length), "%zu", (size_t)request->bytes);
		http_add_header(request, "Content-Length", length);
	}
	request_log(request, status);
	struct conn *conn = request->conn;
	conn->replying = true;
	request_free(request);
	evhttp_send_reply(evreq, status, phrase_of(status), NULL);
	write_now(conn);
}

void request_refuse(struct evhttp_request *evreq)
{
	struct buf body = { .failed = true };
	struct evkeyvalq *headers = evhttp_request_get_output_headers(evreq);
	evhttp_add_header(headers, "Content-Type", "application/problem+json");
	evhttp_add_header(headers, "Connection", "close");
	put_body(evreq, true, &body);
	evhttp_send_reply(evreq, 500, NULL, NULL);
}

/* evhttp looks for Connection yet. */
static void drop_headers(struct evkeyvalq *fields)
{
	struct evkeyval *field = TAILQ_FIRST(fields);
	while (field) {
		bool is_kept = strcasecmp(field->key, "Connection") == 0;
		if (!is_kept)
			evhttp_remove_header(fields, field->key); /* the first of that name */
		field = is_kept ? TAILQ_NEXT(field, next) : TAILQ_FIRST(fields);
	}
}

void http_stream_begin(
    struct http_request *request, const char *type, const struct http_stream_ops *ops, void *arg)
{
	request->stream = ops;
	request->stream_arg = arg;
	add_common_headers(request, type);
	http_add_header(request, "Cache-Control", "no-cache");
	http_add_header(request, "X-Accel-Buffering", "no"); /* nginx: pass it on as it comes */
	/* evhttp reads during a stream, and keeps all that it reads; conn_on_input cuts who sends more. */
	bufferevent_setwatermark(request->conn->bev, EV_READ, 0, STREAM_READ_MAX);
	evhttp_send_reply_start(request->evreq, 200, NULL);
	/* What was said is of no more use, and may hold a key. */
	drop_headers(evhttp_request_get_input_headers(request->evreq));
	drop_headers(evhttp_request_get_output_headers(request->evreq));
}

void http_stream_soon(struct http_request *request)
{
	request->is_due = true;
	conn_soon(request->conn);
}

static void stream_on_drained(struct evhttp_connection *evcon, void *arg)
{
	(void)evcon;
	struct conn *conn = arg;
	if (conn->request)
		conn->request->stream->drained(conn->request->stream_arg);
}

/*
 * A chunk (RFC 9112, section 7.1) straight into the socket, which has room for it as a rule: evhttp takes
 * three buffers and a printf for each. Its first chunk goes by evhttp, which so knows whom to call when
 * all is written; what the socket does not take goes into its output.
 */
static bool send_chunk(struct http_request *request, const struct buf *text)
{
	struct conn *conn = request->conn;
	struct evbuffer *output = bufferevent_get_output(conn->bev);
	if (!request->evreq->chunked || !request->has_chunk || evbuffer_get_length(output))
		return false;
	char head[24], end[] = "\r\n";
	size_t n = (size_t)snprintf(head, sizeof(head), "%" PRIx32 "\r\n", text->length);
	struct iovec parts[] = { { head, n }, { text->data, text->length }, { end, 2 } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 3 };
	ssize_t sent = sendmsg(bufferevent_getfd(conn->bev), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent <= 0)
		return false;
	size_t skip = (size_t)sent;
	for (size_t i = 0; i < 3; i++) {
		size_t taken = skip < parts[i].iov_len ? skip : parts[i].iov_len;
		evbuffer_add(output, (char *)parts[i].iov_base + taken, parts[i].iov_len - taken);
		skip -= taken;
	}
	if (evbuffer_get_length(output))
		bufferevent_enable(conn->bev, EV_WRITE);
	return true;
}

void http_stream_write(struct http_request *request, struct buf *text)
{
	struct evbuffer *scratch = request->conn->server->scratch;
	request->bytes += text->length;
	if (text->length && text->length < REFERENCE_LEAST && send_chunk(request, text)) {
		text->length = 0;
		return;
	}
	request->has_chunk = true;
	move_into(scratch, text);
	evhttp_send_reply_chunk_with_cb(request->evreq, scratch, stream_on_drained, request->conn);
	write_now(request->conn);
}

size_t http_stream_backlog(const struct http_request *request)
{
	return evbuffer_get_length(bufferevent_get_output(request->conn->bev));
}

void http_stream_end(struct http_request *request)
{
	struct evhttp_request *evreq = request->evreq;
	request_log(request, 200);
	struct conn *conn = request->conn;
	struct http_server *server = conn->server;
	struct bufferevent *bev = conn->bev;
	conn->replying = true;
	request_free(request);
	evhttp_send_reply_end(evreq);
	/* To an HTTP/1.0 client that had read all, this was the end of its connection. */
	HASH_FIND_PTR(server->by_bev, &bev, conn);
	if (conn)
		write_now(conn);
}

void http_stream_cut(struct http_request *request)
{
	request->gone = NULL;
	evhttp_connection_free(request->conn->evcon);
}
