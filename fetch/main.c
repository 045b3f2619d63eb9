/*
 * agentd-fetch: gets what one URL has, and ends. agentd starts it, so that libcurl, and what it reads, are
 * never in the daemon itself; it is in the sandbox that plugins are in.
 *
 * No redirects, and no proxies: what the config names is what is asked.
 */
#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/base/message.h"
#include "daemon/version.h"
#include "host/pipe.h"
#include "host/sandbox.h"

struct task {
	char *url;
	long timeout_ms;
	size_t most; /* bytes */
	struct sandbox sandbox;
};

/* Says it, and ends this process. */
static _Noreturn void leave(int code, uint16_t type, const void *text, size_t length)
{
	struct buf out = { 0 };
	struct frame_writer writer = frame_begin(&out, type, 0);
	if (type == MESSAGE_LEAVING)
		frame_put_text(&writer, text, length);
	else
		frame_put_rest(&writer, text, length);
	if (frame_end(&writer) == 0)
		pipe_send(HOST_FD_CHANNEL, &out);
	_exit(code);
}

static _Noreturn void fail(const char *why)
{
	leave(HOST_EXIT_FAILED, MESSAGE_LEAVING, why, strlen(why));
}

static struct task read_task(const struct frame *frame)
{
	struct frame_cursor cursor = frame_fields(frame);
	struct task task = { 0 };
	task.url = frame_get_str(&cursor);
	task.timeout_ms = (long)frame_get_u32(&cursor);
	task.most = frame_get_u32(&cursor);
	size_t count = frame_get_count(&cursor, sizeof(uint32_t));
	char **hidden = calloc(count + 1, sizeof(*hidden));
	for (size_t i = 0; hidden && i < count; i++)
		hidden[i] = frame_get_str(&cursor);
	task.sandbox =
	    (struct sandbox){ .daemon = getppid(), .hidden = hidden, .hidden_count = count };
	if (frame->type != MESSAGE_FETCH || frame_end_fields(&cursor) < 0 || !task.url || !hidden)
		fail("agentd and agentd-fetch are of different builds");
	return task;
}

struct body {
	struct buf bytes;
	size_t most;
};

static size_t on_bytes(char *bytes, size_t size, size_t count, void *arg)
{
	struct body *body = arg;
	if (body->bytes.length + size * count > body->most)
		return 0; /* curl gives up then */
	buf_add(&body->bytes, bytes, size * count);
	return body->bytes.failed ? 0 : size * count;
}

static CURL *prepare(const struct task *task, struct body *body, char *error)
{
	struct curl_slist *headers =
	    curl_slist_append(NULL, "Accept: application/jwk-set+json, application/json");
	CURL *curl = curl_easy_init();
	if (!curl || !headers)
		fail("out of memory");
	curl_easy_setopt(curl, CURLOPT_URL, task->url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, task->timeout_ms);
	curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)task->most);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "agentd/" AGENTD_VERSION);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "");
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
	return curl;
}

static _Noreturn void perform(const struct task *task)
{
	char error[CURL_ERROR_SIZE] = "", text[CURL_ERROR_SIZE + 64];
	struct body body = { .most = task->most };
	CURL *curl = prepare(task, &body, error);
	CURLcode result = curl_easy_perform(curl);
	long status = 0;
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	if (result == CURLE_WRITE_ERROR || result == CURLE_FILESIZE_EXCEEDED)
		snprintf(text, sizeof(text), "it has more than %zu bytes", task->most);
	else if (result != CURLE_OK)
		snprintf(text, sizeof(text), "%s", error[0] ? error : curl_easy_strerror(result));
	else if (status != 200)
		snprintf(text, sizeof(text), "it answers with status %ld%s", status,
		    status / 100 == 3 ? ", a redirect, which is not followed" : "");
	else
		leave(0, MESSAGE_FETCHED, body.bytes.data, body.bytes.length);
	fail(text);
}

int main(int argc, char **argv)
{
	int type;
	socklen_t length = sizeof(type);
	if (argc != 1 || getsockopt(HOST_FD_CHANNEL, SOL_SOCKET, SO_TYPE, &type, &length) < 0) {
		fprintf(stderr,
		    "%s: started by agentd to get what a URL has; not for use by hand\n", argv[0]);
		return 64;
	}
	prctl(PR_SET_NAME, "agentd-fetch"); /* fexecve leaves the number of the fd as the name */
	signal(SIGPIPE, SIG_IGN);
	struct buf in = { 0 };
	struct frame frame = pipe_receive(HOST_FD_CHANNEL, &in);
	struct task task = read_task(&frame);
	if (sandbox_enter(&task.sandbox) < 0)
		fail("cannot enter the sandbox");
	perform(&task);
}
