/*
 * http: requests of a plugin, on agentd's loop: libcurl's multi interface over watches and timers.
 *
 * http and https only, certificates are verified, redirects are not followed. An error never has the
 * URL in it, which may hold a token.
 *
 * The loop thread only. What a request points to is copied, but for files, which are read as it goes.
 * Any function may be called from `data` and `done`.
 */
#ifndef AGENTD_PLUGINS_COMMON_HTTP_H
#define AGENTD_PLUGINS_COMMON_HTTP_H

#include <stdbool.h>

#include "agentd/plugin.h"

#define HTTP_CONNECT_MS 10000
#define HTTP_TIMEOUT_MS 60000
#define HTTP_ANSWER_MAX (8u << 20)

struct http_client;
struct http_call;

/* One part of a multipart/form-data body: text, or a file. */
struct http_part {
	const char *name;
	struct agentd_text text;
	const char *path;      /* of a file, which is the part then; NULL: it is the text */
	const char *file_name; /* as its reader is told; NULL: the text is a plain field */
	const char *mime_type; /* NULL: none */
};

struct http_answer {
	unsigned status;         /* 0: there is none, and error says why */
	const char *error;       /* for people; NULL if there is a status */
	struct agentd_text body; /* terminated with a NUL; empty if it went to `data` or a file */
	const struct http_call *call; /* for http_answer_header */
};

struct http_request {
	const char *method; /* NULL: GET, or POST with a body */
	const char *url;
	const char *const *headers;    /* "Name: value"; NULL-terminated; NULL: none */
	struct agentd_text body;       /* with the Content-Type among the headers */
	const struct http_part *parts; /* instead of a body */
	size_t part_count;
	int64_t connect_ms, timeout_ms; /* 0: the defaults above; timeout: of the whole */
	size_t answer_max; /* bytes; more is an error; 0: the default above, of a stream no bound */
	const char
	    *save_to; /* a file to be made: the body of a 2xx goes there, and not into memory.
				If it fails there is no file. */
	/* Optional: a stream. Each piece of the body of a 2xx as it comes. */
	void (*data)(void *arg, struct agentd_text piece);
	/* Once, and never before http_send has returned. The call is gone when it returns. */
	void (*done)(void *arg, const struct http_answer *answer);
	void *arg;
};

/* NULL: memory is out. `host` is borrowed. */
struct http_client *http_client_new(const struct agentd_host *host);
/* What is going on is given up; nobody is told. NULL is fine. */
void http_client_free(struct http_client *client);

/* Whether that path can be a part: it is a file that can be read. Else the request has no status, as if the server were
 * away, although no other try can help: who sends files asks first. */
bool http_can_send(const char *path);
/* NULL: memory is out, and `done` is not called. */
struct http_call *http_send(struct http_client *client, const struct http_request *request);
/* Gives it up; `done` is not called. Within its own `done` it changes nothing. NULL is fine. */
void http_cancel(struct http_call *call);
/* The last header of that name; NULL: there is none. Case does not matter. Borrowed for `done`. */
const char *http_answer_header(const struct http_answer *answer, const char *name);

#endif
