/*
 * api: requests to signal-cli-rest-api. Which they are is the caller's affair; here is where it is, whose
 * account it serves, and how its errors read.
 */
#ifndef SIGNAL_API_H
#define SIGNAL_API_H

#include <jansson.h>

#include "agentd/plugin.h"
#include "plugins/common/http.h"

#define SIGNAL_WHY_SIZE 300

struct signal_api;

struct signal_api_request {
	const char *method; /* NULL: GET */
	const char
	    *path; /* "/v1/receive/{n}": {n} is the account's number, {id} what stands here: */
	const char *id;
	const char *json; /* the body; NULL: none */
	/* As in http.h. */
	int64_t timeout_ms;
	size_t answer_max;
	const char *save_to;
	void (*data)(void *arg, struct agentd_text piece);
	void (*done)(void *arg, const struct http_answer *answer);
	void *arg;
};

/* NULL: memory is out. The host is borrowed. */
struct signal_api *signal_api_new(
    const struct agentd_host *host, const char *base_url, const char *number);
/* Gives up what is going on; nobody is told. NULL is fine. */
void signal_api_free(struct signal_api *api);

/* NULL: memory is out, and `done` is not called. */
struct http_call *signal_api_send(struct signal_api *api, const struct signal_api_request *request);
/* The same place as a WebSocket; the caller's to free. NULL: memory is out. */
char *signal_api_socket_url(const struct signal_api *api, const char *path);

/* Whether it did what it was asked. If not, `why` says so in a line: the API's words, or the network's. */
bool signal_api_succeeded(const struct http_answer *answer, char why[SIGNAL_WHY_SIZE]);
/* The body; the caller's. NULL: it is no JSON. */
json_t *signal_api_json(const struct http_answer *answer);

#endif
