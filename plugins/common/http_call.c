/* http_call: the options of libcurl, and where the bytes of an answer go. */
#include "plugins/common/http_call.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool http_call_is_fine(const struct http_call *call)
{
	long status = 0;
	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	return status >= 200 && status < 300;
}

bool http_call_make_file(struct http_call *call)
{
	call->file =
	    open(call->save_to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (call->file < 0)
		call->broken = "the file to save it to cannot be made";
	return call->file >= 0;
}

/* The answer as it comes. */

static bool call_keep(struct http_call *call, const char *bytes, size_t n)
{
	if (call->length + n + 1 > call->capacity) {
		size_t capacity = 2 * call->capacity + n + 1;
		char *body = realloc(call->body, capacity);
		if (!body) {
			call->broken = "memory is out";
			return false;
		}
		call->body = body;
		call->capacity = capacity;
	}
	memcpy(call->body + call->length, bytes, n);
	call->length += n;
	call->body[call->length] = '\0';
	return true;
}

static bool call_save(struct http_call *call, const char *bytes, size_t n)
{
	if (call->file < 0 && !http_call_make_file(call))
		return false;
	while (n) {
		ssize_t wrote = write(call->file, bytes, n);
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0) {
			call->broken = "the file to save it to cannot be written";
			return false;
		}
		bytes += wrote;
		n -= (size_t)wrote;
	}
	return true;
}

static size_t on_body(char *bytes, size_t one, size_t n, void *arg)
{
	struct http_call *call = arg;
	bool fine = http_call_is_fine(call), taken = true;
	if (call->cancelled)
		return CURL_WRITEFUNC_ERROR;
	if (n > call->answer_max - call->received) {
		call->broken = "the answer is too long";
		return CURL_WRITEFUNC_ERROR;
	}
	if (fine && call->data)
		call->data(call->arg, agentd_text(bytes, n));
	else if (fine && call->save_to)
		taken = call_save(call, bytes, n);
	else
		taken = call_keep(call, bytes, n);
	if (!taken || call->cancelled)
		return CURL_WRITEFUNC_ERROR;
	call->received += n;
	return one * n;
}

/* How a call is made. */

static bool call_add_headers(struct http_call *call, const char *const *headers)
{
	/* Without "Expect: 100-continue", for which libcurl waits a second. */
	call->headers = curl_slist_append(NULL, "Expect:");
	bool fine = call->headers != NULL;
	for (; fine && headers && *headers; headers++) {
		struct curl_slist *longer = curl_slist_append(call->headers, *headers);
		if (strpbrk(*headers, "\r\n"))
			call->refused = "a header has a line break in it";
		fine = longer != NULL;
		call->headers = longer ? longer : call->headers;
	}
	return fine && curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers) == CURLE_OK;
}

/* libcurl opens it when it is sent; a folder or a pipe would be found out too late, or never. */
bool http_can_send(const char *path)
{
	struct stat status;
	return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, R_OK) == 0;
}

static bool call_add_part(struct http_call *call, const struct http_part *part)
{
	curl_mimepart *added = curl_mime_addpart(call->mime);
	if (!added || curl_mime_name(added, part->name) != CURLE_OK)
		return false;
	if (part->path && !http_can_send(part->path)) {
		call->refused = "the file to be sent cannot be read";
		return true;
	}
	CURLcode code = part->path
			    ? curl_mime_filedata(added, part->path)
			    : curl_mime_data(added, part->text.n ? part->text.p : "", part->text.n);
	return code == CURLE_OK &&
	       (!(part->file_name || part->path) ||
		   curl_mime_filename(added, part->file_name ? part->file_name : "file") ==
		       CURLE_OK) &&
	       (!part->mime_type || curl_mime_type(added, part->mime_type) == CURLE_OK);
}

static bool call_add_body(struct http_call *call, const struct http_request *request)
{
	CURL *easy = call->easy;
	if (request->part_count) {
		call->mime = curl_mime_init(easy);
		bool fine = call->mime != NULL;
		for (size_t i = 0; fine && i < request->part_count; i++)
			fine = call_add_part(call, &request->parts[i]);
		if (!fine || curl_easy_setopt(easy, CURLOPT_MIMEPOST, call->mime) != CURLE_OK)
			return false;
	} else if (request->body.p) {
		if (curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
			(curl_off_t)request->body.n) != CURLE_OK ||
		    curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, request->body.p) != CURLE_OK)
			return false;
	}
	if (request->method && strcmp(request->method, "HEAD") == 0)
		return curl_easy_setopt(easy, CURLOPT_NOBODY, 1L) == CURLE_OK;
	return !request->method ||
	       curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method) == CURLE_OK;
}

/* Of the options that can only fail for want of memory, which is then found out by another. */
bool http_call_set_up(struct http_call *call, const struct http_request *request)
{
	CURL *easy = call->easy;
	int64_t connect_ms = request->connect_ms ? request->connect_ms : HTTP_CONNECT_MS;
	int64_t timeout_ms = request->timeout_ms ? request->timeout_ms : HTTP_TIMEOUT_MS;
	curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	/* A connection each: a dead one must not hold up what else goes on. */
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	return curl_easy_setopt(easy, CURLOPT_USERAGENT, "agentd") == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_URL, request->url) == CURLE_OK &&
	       call_add_headers(call, request->headers) && call_add_body(call, request);
}
