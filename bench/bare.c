/*
 * bare: the floor. The least that evhttp can do for the same two routes: one thread, default flags,
 * jansson to parse and to write; no validation, no isolation, no ids, no log.
 */
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void send_json(struct evhttp_request *request, json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT);
	evhttp_add_header(
	    evhttp_request_get_output_headers(request), "Content-Type", "application/json");
	evbuffer_add(evhttp_request_get_output_buffer(request), text, strlen(text));
	evhttp_send_reply(request, 200, NULL, NULL);
	free(text);
	json_decref(value);
}

static void on_health(struct evhttp_request *request, void *arg)
{
	(void)arg;
	send_json(request, json_pack("{ssss}", "status", "ok", "agent", "echo"));
}

static void on_run(struct evhttp_request *request, void *arg)
{
	(void)arg;
	struct evbuffer *body = evhttp_request_get_input_buffer(request);
	size_t n = evbuffer_get_length(body);
	json_t *value = json_loadb((const char *)evbuffer_pullup(body, -1), n, 0, NULL);
	json_t *input = json_object_get(value, "input");
	if (!json_is_string(input)) {
		evhttp_send_reply(request, 400, NULL, NULL);
	} else {
		send_json(request, json_pack("{sOssss}", "content", input, "session_id",
				       "01a2026b-4483-74aa-a483-eb4bf882ea34", "run_id",
				       "01a2026b-4483-7a02-84de-b92b74deda6d"));
	}
	json_decref(value);
}

int main(int argc, char **argv)
{
	struct event_base *base = event_base_new();
	struct evhttp *http = evhttp_new(base);
	if (argc != 2)
		return 64;
	signal(SIGPIPE, SIG_IGN);
	evhttp_set_cb(http, "/health", on_health, NULL);
	evhttp_set_cb(http, "/run", on_run, NULL);
	if (evhttp_bind_socket(http, "127.0.0.1", (ev_uint16_t)atoi(argv[1])) < 0)
		return 69;
	event_base_dispatch(base);
	return 0;
}
