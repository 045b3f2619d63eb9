/*
 * http: libcurl's multi interface, driven by watches and timers.
 *
 * libcurl calls back while it is being called, and must not be called then. So whatever a callback asks
 * for (to cancel, to go on, to free it all) is written down, and done by client_leave once libcurl has
 * returned. That is also the one place from which `done` is called.
 */
#include "plugins/common/http.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plugins/common/http_call.h"

struct http_client {
	const struct agentd_host *host; /* borrowed */
	CURLM *multi;
	struct agentd_timer *timer; /* libcurl's */
	struct agentd_timer *soon;  /* something is written down */
	struct http_call *calls;
	unsigned inside; /* libcurl, or a `done` */
	bool freed;
};

struct http_socket {
	struct http_client *client; /* borrowed */
	curl_socket_t fd;
	struct agentd_watch *watch;
};

static void client_enter(struct http_client *client);
static void client_leave(struct http_client *client);
static void client_do_soon(struct http_client *client);
static struct http_call *call_new(struct http_client *client, const struct http_request *request);
static void call_free(struct http_call *call);
static void on_timer(void *arg);
static void on_soon(void *arg);
static int on_curl_timer(CURLM *multi, long after_ms, void *arg);
static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg);

struct http_client *http_client_new(const struct agentd_host *host)
{
	struct http_client *client = calloc(1, sizeof(*client));
	if (!client)
		return NULL;
	client->host = host;
	client->timer = host->timer_new(host, on_timer, client);
	client->soon = host->timer_new(host, on_soon, client);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
		client->multi = curl_multi_init();
	if (!client->multi || !client->timer || !client->soon ||
	    curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer) != CURLM_OK ||
	    curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client) != CURLM_OK ||
	    curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket) != CURLM_OK ||
	    curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client) != CURLM_OK) {
		http_client_free(client);
		return NULL;
	}
	return client;
}

void http_client_free(struct http_client *client)
{
	if (!client)
		return;
	if (client->inside) {
		client->freed = true;
		for (struct http_call *call = client->calls; call; call = call->next)
			call->cancelled = true;
		return;
	}
	while (client->calls)
		call_free(client->calls);
	curl_multi_cleanup(client->multi); /* calls back for its sockets */
	client->host->timer_free(client->timer);
	client->host->timer_free(client->soon);
	free(client);
}

struct http_call *http_send(struct http_client *client, const struct http_request *request)
{
	struct http_call *call = client->freed ? NULL : call_new(client, request);
	if (!call)
		return NULL;
	if (call->refused) {
		client_do_soon(client);
		return call;
	}
	/* It only sets the timer: nothing is connected yet, and nobody called back. */
	if (curl_multi_add_handle(client->multi, call->easy) != CURLM_OK) {
		call_free(call);
		return NULL;
	}
	call->sent = true;
	return call;
}

void http_cancel(struct http_call *call)
{
	if (!call || call->telling)
		return;
	if (call->client->inside)
		call->cancelled = true;
	else
		call_free(call);
}

const char *http_answer_header(const struct http_answer *answer, const char *name)
{
	struct curl_header *header;
	CURL *easy = answer->call->easy;
	/* The last one of a name is found by the number of them, which comes with the first. */
	if (curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK ||
	    curl_easy_header(easy, name, header->amount - 1, CURLH_HEADER, -1, &header) !=
		CURLHE_OK)
		return NULL;
	return header->value;
}

/* What libcurl asks of the loop, and how the loop answers. */

static void client_do_soon(struct http_client *client)
{
	client->host->timer_set(client->soon, 0);
}

static void client_act(struct http_client *client, curl_socket_t fd, int what)
{
	int running;
	client_enter(client);
	if (curl_multi_socket_action(client->multi, fd, what, &running) != CURLM_OK)
		client->host->fail(client->host, "libcurl has failed: memory is out");
	client_leave(client);
}

static void on_timer(void *arg)
{
	client_act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static void on_soon(void *arg)
{
	client_enter(arg);
	client_leave(arg);
}

static void on_watch(void *arg, uint32_t what)
{
	struct http_socket *sock = arg; /* gone when libcurl returns, if it closes it */
	client_act(sock->client, sock->fd,
	    (what & AGENTD_READ ? CURL_CSELECT_IN : 0) |
		(what & AGENTD_WRITE ? CURL_CSELECT_OUT : 0));
}

/* 0 is "at once", but never from in here. */
static int on_curl_timer(CURLM *multi, long after_ms, void *arg)
{
	struct http_client *client = arg;
	(void)multi;
	if (after_ms < 0)
		client->host->timer_clear(client->timer);
	else if (client->host->timer_set(client->timer, (uint64_t)after_ms) < 0)
		return -1;
	return 0;
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct http_client *client = arg;
	struct http_socket *sock = socket_arg;
	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (sock)
			client->host->watch_free(sock->watch);
		free(sock);
		curl_multi_assign(client->multi, fd, NULL);
		return 0;
	}
	if (!sock) {
		sock = calloc(1, sizeof(*sock));
		if (!sock)
			return -1;
		*sock = (struct http_socket){ .client = client, .fd = fd };
		sock->watch = client->host->watch_new(client->host, fd, on_watch, sock);
		if (!sock->watch) {
			free(sock);
			return -1;
		}
		curl_multi_assign(client->multi, fd, sock);
	}
	return client->host->watch_set(sock->watch, (what & CURL_POLL_IN ? AGENTD_READ : 0) |
							(what & CURL_POLL_OUT ? AGENTD_WRITE : 0)) <
		       0
		   ? -1
		   : 0;
}

/* How a call ends. */

/* libcurl's own words name hosts and numbers only; this holds it to that. */
static bool text_tells(const char *text, const char *url)
{
	const char *host = strstr(url, "://"), *from = host ? strpbrk(host + 3, "/?#") : url;
	char piece[64];
	while (from && *from) {
		size_t n = strcspn(from, "/?#&=");
		if (n >= 8) {
			size_t kept = n < sizeof(piece) ? n : sizeof(piece) - 1;
			memcpy(piece, from, kept);
			piece[kept] = '\0';
			if (strstr(text, piece))
				return true;
		}
		from += n + (from[n] != '\0');
	}
	return false;
}

static const char *call_error(const struct http_call *call, CURLcode code)
{
	char *url = NULL;
	if (call->refused || call->broken)
		return call->refused ? call->refused : call->broken;
	curl_easy_getinfo(call->easy, CURLINFO_EFFECTIVE_URL, &url);
	return call->error[0] && url && !text_tells(call->error, url) ? call->error
								      : curl_easy_strerror(code);
}

/* Closes the file. False: it could not all be written. */
static bool call_close_file(struct http_call *call)
{
	int fd = call->file;
	call->file = -1;
	if (close(fd) == 0)
		return true;
	call->broken = "the file to save it to cannot be written";
	return false;
}

/* The file of an answer that is there: whole, or none. */
static bool call_settle_file(struct http_call *call)
{
	if (!call->save_to || !http_call_is_fine(call))
		return true;
	if (call->file < 0 && !http_call_make_file(call)) /* an empty body */
		return false;
	if (call_close_file(call))
		return true;
	unlink(call->save_to);
	return false;
}

static void call_tell(struct http_call *call, CURLcode code)
{
	struct http_answer answer = { .call = call };
	long status = 0;
	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	if (call->refused || code != CURLE_OK || !call_settle_file(call))
		answer.error = call_error(call, code);
	else if (status < 100)
		answer.error = "the answer is not HTTP";
	else {
		answer.status = (unsigned)status;
		answer.body = agentd_text(call->body ? call->body : "", call->length);
	}
	call->telling = true;
	call->done(call->arg, &answer);
	call_free(call);
}

static void client_enter(struct http_client *client)
{
	client->inside++;
}

/* Those that libcurl is done with, each told once. */
static void client_tell(struct http_client *client)
{
	CURLMsg *message;
	int left;
	while ((message = curl_multi_info_read(client->multi, &left))) {
		struct http_call *call = NULL;
		CURLcode code = message->data.result; /* the message goes with its handle */
		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
		curl_multi_remove_handle(client->multi, call->easy);
		call->sent = false;
		if (call->cancelled)
			call_free(call);
		else
			call_tell(call, code);
	}
}

/* One thing that was written down. False: there is nothing. */
static bool client_catch_up(struct http_client *client)
{
	for (struct http_call *call = client->calls; call; call = call->next) {
		if (call->telling)
			continue;
		if (call->cancelled) {
			call_free(call);
			return true;
		}
		if (call->refused) {
			call_tell(call, CURLE_OK);
			return true;
		}
	}
	return false;
}

static void client_leave(struct http_client *client)
{
	if (client->inside == 1) {
		do
			client_tell(client);
		while (client_catch_up(client));
	}
	client->inside--;
	if (client->freed && !client->inside)
		http_client_free(client);
}

/* How a call is made, and ends. */

static struct http_call *call_new(struct http_client *client, const struct http_request *request)
{
	struct http_call *call = calloc(1, sizeof(*call));
	if (!call)
		return NULL;
	*call = (struct http_call){
		.client = client,
		.next = client->calls,
		.file = -1,
		.answer_max = request->answer_max ? request->answer_max
			      : request->data     ? SIZE_MAX
						  : HTTP_ANSWER_MAX,
		.data = request->data,
		.done = request->done,
		.arg = request->arg,
		.easy = curl_easy_init(),
		.save_to = request->save_to ? strdup(request->save_to) : NULL,
	};
	if (call->next)
		call->next->previous = call;
	client->calls = call;
	if (!call->easy || (request->save_to && !call->save_to) ||
	    !http_call_set_up(call, request)) {
		call_free(call);
		return NULL;
	}
	return call;
}

static void call_free(struct http_call *call)
{
	struct http_client *client = call->client;
	if (call->sent)
		curl_multi_remove_handle(client->multi, call->easy);
	if (call->file >= 0) { /* it never got to its end */
		close(call->file);
		unlink(call->save_to);
	}
	if (call->next)
		call->next->previous = call->previous;
	if (call->previous)
		call->previous->next = call->next;
	else
		client->calls = call->next;
	curl_easy_cleanup(call->easy); /* before what it borrows */
	curl_mime_free(call->mime);
	curl_slist_free_all(call->headers);
	free(call->save_to);
	free(call->body);
	free(call);
}
