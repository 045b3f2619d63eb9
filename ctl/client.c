/* client: libcurl, driven so that Ctrl-C is heard at once. (curl_easy_perform waits up to a second
 * before it asks anybody.) */
#include "ctl/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/interrupt.h"
#include "ctl/where.h"
#include "daemon/version.h"

#define REPLY_MAX          (256u << 20)
#define TIMEOUT_MS         60000
#define CONNECT_TIMEOUT_MS 10000
#define DEAF_TIMEOUT_MS    5000

struct client {
	char *socket, *url; /* one of them */
	char *key;          /* a header, or NULL */
	long timeout_ms;
	bool deaf; /* within on_interrupt: what it asks for is not interrupted in turn */
	char *failure;
};

/* What one exchange needs while it goes on. */
struct exchange {
	struct client *client;
	CURL *easy;
	const struct client_stream *stream; /* NULL: the answer is wanted whole */
	struct reply *reply;
	bool stopped, interrupted;
};

int client_new(const struct client_where *where, struct client **ret_client)
{
	struct client *client = calloc(1, sizeof(*client));
	struct where_found found;
	if (!client || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		abort();
	client->timeout_ms = TIMEOUT_MS;
	int code = where_find(where, &found);
	if (code)
		goto fail;
	client->socket = found.socket;
	client->url = found.url;
	code = where_find_key(where, &client->key);
	if (code)
		goto fail;
	*ret_client = client;
	return 0;
fail:
	client_free(client);
	return code;
}

void client_free(struct client *client)
{
	if (!client)
		return;
	free(client->socket);
	free(client->url);
	if (client->key)
		explicit_bzero(client->key, strlen(client->key));
	free(client->key);
	free(client->failure);
	free(client);
}

const char *client_address(const struct client *client)
{
	return client->socket ? client->socket : client->url;
}

void client_set_timeout(struct client *client, long timeout_ms)
{
	client->timeout_ms = timeout_ms;
}

const char *client_failure(const struct client *client)
{
	return client->failure ? client->failure : "nothing went wrong";
}

/* What goes wrong. */

static void fail_because(struct client *client, const char *what, const char *why, const char *then)
{
	struct buf text = { 0 };
	buf_addf(&text, "%s %s: %s%s", what, client_address(client), why, then);
	free(client->failure);
	client->failure = buf_take(&text);
}

static const char *advice_for(const struct client *client, int error)
{
	static const struct {
		int error;
		const char *then;
	} table[] = {
		{ ENOENT,
		    "; is agentd running? name its socket with --socket or its address with --url" },
		{ EACCES, "; you must be in its group, and in the control.admins of the config" },
		{ ECONNREFUSED, "; agentd is not running: it left its socket behind" },
	};
	if (!client->socket)
		return "; is agentd running there?";
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].error == error)
			return table[i].then;
	return "";
}

static void explain(struct client *client, const struct exchange *exchange, CURLcode code)
{
	long error = 0;
	const char *why = curl_easy_strerror(code);
	if (exchange->interrupted) {
		fail_because(client, "waiting for", "interrupted", "");
		return;
	}
	curl_easy_getinfo(exchange->easy, CURLINFO_OS_ERRNO, &error);
	if (code == CURLE_COULDNT_CONNECT)
		fail_because(client, "cannot connect to", error ? strerror((int)error) : why,
		    advice_for(client, (int)error));
	else if (code == CURLE_OPERATION_TIMEDOUT)
		fail_because(client, "no answer from", why, "");
	else if (code == CURLE_GOT_NOTHING || code == CURLE_PARTIAL_FILE ||
		 code == CURLE_RECV_ERROR)
		fail_because(client, "the connection was cut by", why, "");
	else
		fail_because(client, "cannot talk to", why, "");
}

/* One exchange. */

static bool is_stream(CURL *easy)
{
	long status = 0;
	const char *type = NULL;
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
	return status == 200 && type && strncmp(type, "text/event-stream", 17) == 0;
}

static size_t on_write(char *bytes, size_t one, size_t n, void *arg)
{
	struct exchange *exchange = arg;
	(void)one;
	if (exchange->stream && is_stream(exchange->easy)) {
		exchange->stopped = !exchange->stream->on_bytes(exchange->stream->arg, bytes, n);
		return exchange->stopped ? 0 : n;
	}
	if (exchange->reply->body.length + n > REPLY_MAX)
		return 0;
	buf_add(&exchange->reply->body, bytes, n);
	return exchange->reply->body.failed ? 0 : n;
}

/* False: enough. */
static bool hear_interrupt(struct exchange *exchange)
{
	const struct client_stream *stream = exchange->stream;
	if (exchange->client->deaf || !interrupt_is_pending())
		return true;
	if (!stream || !stream->on_interrupt) {
		exchange->interrupted = true; /* and still pending, for whoever asked */
		return false;
	}
	exchange->client->deaf = true;
	bool go_on = stream->on_interrupt(stream->arg, interrupt_take());
	exchange->client->deaf = false;
	exchange->interrupted = !go_on;
	return go_on;
}

static CURLcode drive(CURLM *multi, struct exchange *exchange)
{
	struct curl_waitfd interrupt = { .fd = interrupt_fd(), .events = CURL_WAIT_POLLIN };
	bool hears = interrupt.fd >= 0 && !exchange->client->deaf;
	int running = 1, left;
	curl_multi_add_handle(multi, exchange->easy);
	while (running) {
		bool is_interrupted = interrupt_is_pending();
		/* What was said before counts: it may be the id of the run that is to end. */
		if (curl_multi_perform(multi, &running) != CURLM_OK)
			return CURLE_FAILED_INIT;
		if (running && is_interrupted && !hear_interrupt(exchange))
			return CURLE_ABORTED_BY_CALLBACK;
		if (running)
			curl_multi_poll(multi, &interrupt, hears, 1000, NULL);
	}
	const CURLMsg *message = curl_multi_info_read(multi, &left);
	return message ? message->data.result : CURLE_FAILED_INIT;
}

static struct curl_slist *make_headers(
    const struct client *client, const struct client_stream *request, bool streams)
{
	struct curl_slist *list = NULL;
	char last[64];
	if (request->body)
		list = curl_slist_append(list, "Content-Type: application/json");
	if (streams)
		list = curl_slist_append(list, "Accept: text/event-stream");
	snprintf(last, sizeof(last), "Last-Event-ID: %llu", (unsigned long long)request->after);
	if (request->after)
		list = curl_slist_append(list, last);
	if (client->key)
		list = curl_slist_append(list, client->key);
	return curl_slist_append(list, "Expect:"); /* agentd reads the body in any case */
}

static void set_options(CURL *easy, const struct client *client,
    const struct client_stream *request, const char *url, const char *body)
{
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L); /* a session may be named "..." */
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "agentctl/" AGENTD_VERSION);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	if (client->socket) {
		curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, client->socket);
		curl_easy_setopt(easy, CURLOPT_PROXY, "");
	}
	if (body) {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
	} else if (strcmp(request->method, "POST") == 0) {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
	}
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
}

static int perform(struct client *client, const struct client_stream *request, bool streams,
    struct reply *ret_reply)
{
	struct reply reply = { 0 };
	struct exchange exchange = {
		.client = client, .stream = streams ? request : NULL, .reply = &reply
	};
	struct buf url = { 0 };
	buf_addf(&url, "%s%s", client->socket ? "http://localhost" : client->url, request->path);
	char *target = buf_take(&url),
	     *body = request->body ? json_dumps(request->body, JSON_ENCODE_ANY) : NULL;
	struct curl_slist *headers = make_headers(client, request, streams);
	CURLM *multi = curl_multi_init();
	exchange.easy = curl_easy_init();
	if (!target || !multi || !exchange.easy || (request->body && !body))
		abort();
	set_options(exchange.easy, client, request, target, body);
	curl_easy_setopt(exchange.easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(exchange.easy, CURLOPT_TIMEOUT_MS,
	    streams        ? 0L
	    : client->deaf ? (long)DEAF_TIMEOUT_MS
			   : client->timeout_ms);
	curl_easy_setopt(exchange.easy, CURLOPT_WRITEFUNCTION, on_write);
	curl_easy_setopt(exchange.easy, CURLOPT_WRITEDATA, &exchange);
	CURLcode code = drive(multi, &exchange);
	curl_easy_getinfo(exchange.easy, CURLINFO_RESPONSE_CODE, &reply.status);
	if (code != CURLE_OK)
		explain(client, &exchange, code);
	curl_multi_remove_handle(multi, exchange.easy);
	curl_easy_cleanup(exchange.easy);
	curl_multi_cleanup(multi);
	curl_slist_free_all(headers);
	free(target);
	free(body);
	reply.json = json_loadb(
	    reply.body.data ? reply.body.data : "", reply.body.length, JSON_ALLOW_NUL, NULL);
	if (code == CURLE_OK)
		*ret_reply = reply;
	else
		reply_done(&reply);
	return code == CURLE_OK ? 0 : -1;
}

int client_exchange(struct client *client, const char *method, const char *path, const json_t *body,
    struct reply *ret_reply)
{
	struct client_stream request = { .method = method, .path = path, .body = body };
	return perform(client, &request, false, ret_reply);
}

int client_stream(
    struct client *client, const struct client_stream *stream, struct reply *ret_reply)
{
	return perform(client, stream, true, ret_reply);
}
