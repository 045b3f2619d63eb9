/*
 * http_call: one request of http, as libcurl is told of it, and its answer as it comes. Only for http.
 */
#ifndef AGENTD_PLUGINS_COMMON_HTTP_CALL_H
#define AGENTD_PLUGINS_COMMON_HTTP_CALL_H

#include <curl/curl.h>

#include "plugins/common/http.h"

struct http_call {
	struct http_client *client; /* borrowed */
	struct http_call *next, *previous;
	CURL *easy;
	struct curl_slist *headers;
	curl_mime *mime;
	char error[CURL_ERROR_SIZE];
	const char *refused; /* why it was never sent */
	const char *broken;  /* why the answer is not taken */
	char *body;
	size_t length, capacity;     /* of the body that is kept */
	size_t received, answer_max; /* of all of it, wherever it goes */
	char *save_to;
	int file; /* -1: not made yet */
	void (*data)(void *arg, struct agentd_text piece);
	void (*done)(void *arg, const struct http_answer *answer);
	void *arg;      /* borrowed */
	bool sent;      /* it is the multi's */
	bool cancelled; /* to be freed, without a word */
	bool telling;   /* in its `done` */
};

/* Tells libcurl all of it; sets `refused` if it cannot be sent. False: memory is out. */
bool http_call_set_up(struct http_call *call, const struct http_request *request);
/* Whether its status is a 2xx. */
bool http_call_is_fine(const struct http_call *call);
/* Makes the file that the answer goes to. False: it cannot be made, and `broken` says so. */
bool http_call_make_file(struct http_call *call);

#endif
