/* respond: the head of an answer, its body, and streams. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "daemon/http/internal.h"

/* RFC 9110, section 15, and RFC 6585. An interface's path may answer with any of them. */
static const char *const phrases[] = {
	[200] = "OK",
	[201] = "Created",
	[202] = "Accepted",
	[203] = "Non-Authoritative Information",
	[204] = "No Content",
	[205] = "Reset Content",
	[206] = "Partial Content",
	[300] = "Multiple Choices",
	[301] = "Moved Permanently",
	[302] = "Found",
	[303] = "See Other",
	[304] = "Not Modified",
	[307] = "Temporary Redirect",
	[308] = "Permanent Redirect",
	[400] = "Bad Request",
	[401] = "Unauthorized",
	[402] = "Payment Required",
	[403] = "Forbidden",
	[404] = "Not Found",
	[405] = "Method Not Allowed",
	[406] = "Not Acceptable",
	[407] = "Proxy Authentication Required",
	[408] = "Request Timeout",
	[409] = "Conflict",
	[410] = "Gone",
	[411] = "Length Required",
	[412] = "Precondition Failed",
	[413] = "Content Too Large",
	[414] = "URI Too Long",
	[415] = "Unsupported Media Type",
	[416] = "Range Not Satisfiable",
	[417] = "Expectation Failed",
	[421] = "Misdirected Request",
	[422] = "Unprocessable Content",
	[426] = "Upgrade Required",
	[428] = "Precondition Required",
	[429] = "Too Many Requests",
	[431] = "Request Header Fields Too Large",
	[500] = "Internal Server Error",
	[501] = "Not Implemented",
	[502] = "Bad Gateway",
	[503] = "Service Unavailable",
	[504] = "Gateway Timeout",
	[505] = "HTTP Version Not Supported",
	[511] = "Network Authentication Required",
};

/* A reason phrase may be empty (RFC 9112, section 4). */
static const char *phrase_of(int status)
{
	bool has = (size_t)status < sizeof(phrases) / sizeof(phrases[0]) && phrases[status];
	return has ? phrases[status] : "";
}

/* RFC 9110, section 5.6.7. */
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

static void add_field(struct buf *out, const char *name, const char *value)
{
	buf_add_str(out, name);
	buf_add(out, ": ", 2);
	buf_add_str(out, value);
	buf_add(out, "\r\n", 2);
}

void http_add_header(struct http_request *request, const char *name, const char *value)
{
	if (!strpbrk(value, "\r\n")) /* it would be more than one */
		add_field(&request->headers, name, value);
}

/* Whether the connection ends with this answer (RFC 9112, section 9.3). */
static bool is_last(const struct http_request *request, bool is_1_0)
{
	const struct conn *conn = request->conn;
	return conn->server->draining || conn->gate.status || request_says(request, "close") ||
	       (is_1_0 && !request_says(request, "keep-alive"));
}

/* All of the head but how long the body is, and the empty line. It is made in one place for all: what is made is
 * sent before the next. */
static struct buf *begin_head(
    struct http_request *request, int status, const char *type, bool until_close)
{
	struct conn *conn = request->conn;
	struct buf *head = &conn->server->head;
	bool is_1_0 = request_is_1_0(request);
	head->failed = request->headers.failed;
	buf_cut(head, 0);
	buf_add_str(head, is_1_0 ? "HTTP/1.0 " : "HTTP/1.1 ");
	buf_add_uint(head, (uint64_t)status);
	buf_add(head, " ", 1);
	buf_add_str(head, phrase_of(status));
	buf_add(head, "\r\n", 2);
	if (type)
		add_field(head, "Content-Type", type);
	add_field(head, "X-Request-Id", request->id);
	add_field(head, "Date", date_of(conn->server));
	if (request->headers.length)
		buf_add(head, request->headers.data, request->headers.length);
	conn->closes = until_close || is_last(request, is_1_0);
	if (conn->closes)
		add_field(head, "Connection", "close");
	else if (is_1_0)
		add_field(head, "Connection", "keep-alive");
	return head;
}

static void add_length(struct buf *head, size_t n)
{
	buf_add_str(head, "Content-Length: ");
	buf_add_uint(head, n);
	buf_add(head, "\r\n\r\n", 4);
}

/* What is answered where there is no memory for an answer. */
static const char no_memory[] =
    "{\"type\":\"about:blank\",\"title\":\"Internal Server Error\",\"status\":500,"
    "\"detail\":\"out of memory\",\"code\":\"internal\",\"error\":\"Internal Server Error\"}\n";

/* A small body goes with the head in one piece. */
static void send_body(struct conn *conn, struct buf *head, struct buf *body)
{
	if (body->length >= REFERENCE_LEAST || body->failed) {
		conn_send(conn, head, body);
		return;
	}
	if (body->length)
		buf_add(head, body->data, body->length);
	conn_send(conn, head, NULL);
}

void http_reply(struct http_request *request, int status, const char *type, struct buf *body)
{
	struct conn *conn = request->conn;
	struct evhttp_request *evreq = request->evreq;
	struct buf none = { 0 };
	bool failed = request->headers.failed || (body && body->failed);
	if (!body)
		body = &none;
	if (failed) {
		status = 500;
		type = "application/problem+json";
		buf_done(body);
		buf_done(&request->headers);
	}
	struct buf *head = begin_head(request, status, type, false);
	request->bytes = failed ? sizeof(no_memory) - 1 : body->length;
	/* RFC 9110, section 8.6 */
	if (status == 204 || status == 304)
		buf_add(head, "\r\n", 2);
	else
		add_length(head, request->bytes);
	request_log(request, status);
	if (request_is_head(request))
		buf_cut(body, 0);
	else if (failed)
		buf_add_str(head, no_memory);
	request_free(request);
	send_body(conn, head, body);
	buf_done(body);
	conn_end_answer(conn, evreq);
}

static void free_nothing(const void *data, size_t length, void *arg)
{
	(void)data;
	(void)length;
	(void)arg;
}

/* By evhttp: there is nothing of ours for the connection, or for the request. */
void request_refuse(struct evhttp_request *evreq)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(evreq);
	evhttp_add_header(headers, "Content-Type", "application/problem+json");
	evhttp_add_header(headers, "Connection", "close");
	evbuffer_add_reference(evhttp_request_get_output_buffer(evreq), no_memory,
	    sizeof(no_memory) - 1, free_nothing, NULL);
	evhttp_send_reply(evreq, 500, NULL, NULL);
}

/* Streams. */

/* Everything has been handed to the connection. */
static void end_stream(struct http_request *request)
{
	struct evhttp_request *evreq = request->evreq;
	struct conn *conn = request->conn;
	request_log(request, 200);
	request_free(request);
	conn_end_answer(conn, evreq);
}

bool http_stream_begin(
    struct http_request *request, const char *type, const struct http_stream_ops *ops, void *arg)
{
	struct conn *conn = request->conn;
	bool in_chunks = !request_is_1_0(request);
	struct buf *head = begin_head(request, 200, type, !in_chunks);
	add_field(head, "Cache-Control", "no-cache");
	add_field(head, "X-Accel-Buffering", "no"); /* nginx: pass it on as it comes */
	if (in_chunks)
		add_field(head, "Transfer-Encoding", "chunked");
	buf_add(head, "\r\n", 2);
	conn_send(conn, head, NULL);
	if (request_is_head(request)) {
		end_stream(request);
		return false;
	}
	request->stream = ops;
	request->stream_arg = arg;
	request->in_chunks = in_chunks;
	conn_read_on(conn);
	/* What was said is of no more use, and may hold a key. */
	evhttp_clear_headers(evhttp_request_get_input_headers(request->evreq));
	buf_done(&request->headers);
	return true;
}

void http_stream_soon(struct http_request *request)
{
	request->is_due = true;
	conn_soon(request->conn);
}

static void add_chunk_size(struct buf *head, size_t n)
{
	char digits[16];
	size_t i = sizeof(digits);
	do
		digits[--i] = "0123456789abcdef"[n & 15];
	while (n >>= 4);
	buf_add(head, digits + i, sizeof(digits) - i);
	buf_add(head, "\r\n", 2);
}

/* A chunk is its length, its bytes, and a line end (RFC 9112, section 7.1). */
void http_stream_write(struct http_request *request, struct buf *text)
{
	struct conn *conn = request->conn;
	struct buf *head = &conn->server->head;
	request->bytes += text->length;
	head->failed = false;
	buf_cut(head, 0);
	if (text->length) {
		if (request->in_chunks) {
			add_chunk_size(head, text->length);
			buf_add(text, "\r\n", 2);
		}
		send_body(conn, head, text);
	}
	buf_cut(text, 0);
}

size_t http_stream_backlog(const struct http_request *request)
{
	return evbuffer_get_length(conn_output(request->conn));
}

void http_stream_end(struct http_request *request)
{
	static const char end[] = "0\r\n\r\n";
	struct buf last = { .data = (char *)(uintptr_t)end, .length = sizeof(end) - 1 };
	if (request->in_chunks)
		conn_send(request->conn, &last, NULL);
	end_stream(request);
}

void http_stream_cut(struct http_request *request)
{
	request->gone = NULL;
	evhttp_connection_free(request->conn->evcon);
}
