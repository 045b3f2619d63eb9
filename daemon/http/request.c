/* request: what a handler sees of a request, and the access log's line of it. */
#include <event2/keyvalq_struct.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/base/log.h"
#include "daemon/http/internal.h"
#include "daemon/http/target.h"

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

/* Into one piece, as http_body gives it. */
static bool gather_body(struct evhttp_request *evreq)
{
	struct evbuffer *body = evhttp_request_get_input_buffer(evreq);
	return evbuffer_get_length(body) == 0 || evbuffer_pullup(body, -1);
}

struct http_request *request_new(struct conn *conn, struct evhttp_request *evreq)
{
	struct http_server *server = conn->server;
	struct http_request *request = gather_body(evreq) ? calloc(1, sizeof(*request)) : NULL;
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
	buf_done(&request->headers);
	free(request->path);
	free(request->refusal);
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

bool request_is_1_0(const struct http_request *request)
{
	return request->evreq->major == 1 && request->evreq->minor == 0;
}

bool request_is_head(const struct http_request *request)
{
	return evhttp_request_get_command(request->evreq) == EVHTTP_REQ_HEAD;
}

static bool list_has(const char *list, const char *word)
{
	size_t n = strlen(word);
	for (;;) {
		list += strspn(list, " \t,");
		size_t length = strcspn(list, " \t,");
		if (length == 0)
			return false;
		if (length == n && strncasecmp(list, word, n) == 0)
			return true;
		list += length;
	}
}

bool request_says(const struct http_request *request, const char *word)
{
	const char *list;
	for (unsigned i = 0; (list = http_header_nth(request, "Connection", i)); i++)
		if (list_has(list, word))
			return true;
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
	free(request->refusal);
	request->refusal = strdup(why); /* without it the line is shorter */
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
