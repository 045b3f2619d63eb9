/* follow: events in, an end out. */
#include "ctl/follow.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "ctl/interrupt.h"
#include "ctl/say.h"
#include "ctl/sse.h"

#define TRIES      8 /* in vain, one after the other */
#define DELAY_MS   100
#define DELAY_LAST 6 /* doubled so often */

struct state {
	struct client *client;          /* borrowed */
	const struct follow_view *view; /* borrowed */
	struct follow *follow;          /* borrowed */
	struct sse sse;
	bool cancels; /* what Ctrl-C does */
	bool asked, over;
};

static const struct {
	const char *name;
	enum follow_end end;
} ends[] = {
	{ "run.finished", FOLLOW_SUCCEEDED },
	{ "run.failed", FOLLOW_FAILED },
	{ "run.cancelled", FOLLOW_CANCELLED },
};

/* The end event's data is the body that /run would have answered. */
static void take_end(
    struct state *state, enum follow_end end, const struct sse_event *event, json_t *data)
{
	struct reply *reply = &state->follow->reply;
	reply_done(reply);
	buf_add(&reply->body, event->data, event->length);
	reply->json = json_incref(data);
	reply->status = (long)json_integer_value(json_object_get(data, "status"));
	state->follow->end = end;
	state->over = true;
}

static void take_text(char **at, const json_t *data, const char *name)
{
	const char *text = json_string_value(json_object_get(data, name));
	if (text && !*at)
		*at = strdup(text);
}

static void on_event(void *arg, const struct sse_event *event)
{
	struct state *state = arg;
	json_t *data = json_loadb(event->data, event->length, JSON_ALLOW_NUL, NULL);
	if (!data || state->over) {
		json_decref(data);
		return;
	}
	take_text(&state->follow->run_id, data, "run_id");
	take_text(&state->follow->session_id, data, "session_id");
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (strcmp(event->name, ends[i].name) == 0)
			take_end(state, ends[i].end, event, data);
	struct follow_event shown = { event->id, event->name, event->data, data };
	if (state->view)
		state->view->on_event(state->view->arg, &shown);
	json_decref(data);
}

static bool on_bytes(void *arg, const char *bytes, size_t n)
{
	struct state *state = arg;
	return sse_feed(&state->sse, bytes, n, on_event, state);
}

/* The first Ctrl-C asks for the run's end, which then comes as an event; a second one does not wait
 * for it. A run that has no id yet is cancelled by leaving. */
static bool on_interrupt(void *arg, int number)
{
	struct state *state = arg;
	struct reply reply;
	(void)number;
	state->follow->interrupted = true;
	if (!state->cancels || state->asked || !state->follow->run_id)
		return false;
	state->asked = true;
	char *path = client_path("/runs/", state->follow->run_id, "/cancel");
	int error = client_exchange(state->client, "POST", path, NULL, &reply);
	free(path);
	if (error == 0)
		reply_done(&reply);
	return error == 0;
}

/* Once: from a request to the end of what it is answered. */
static void ask(struct state *state, const char *method, const char *path, const json_t *body)
{
	struct client_stream stream = {
		.method = method,
		.path = path,
		.body = body,
		.after = state->sse.id,
		.on_bytes = on_bytes,
		.on_interrupt = on_interrupt,
		.arg = state,
	};
	struct reply reply;
	/* What was cut within an event comes again as a whole. */
	buf_drop(&state->sse.line, state->sse.line.length);
	buf_drop(&state->sse.name, state->sse.name.length);
	buf_drop(&state->sse.data, state->sse.data.length);
	if (client_stream(state->client, &stream, &reply) < 0)
		return;
	/* 5xx of a run that there is: agentd is starting or stopping, and may know it later. What is no stream has a body,
	 * and agentd answers none but refusals so. */
	bool is_refused = reply.status >= 400 && !(state->follow->run_id && reply.status >= 500);
	bool is_strange = reply.status < 400 && (reply.status != 200 || reply.body.length);
	if ((is_refused || is_strange) && !state->over) {
		state->follow->end = FOLLOW_REFUSED;
		state->follow->reply = reply;
		state->over = true;
		return;
	}
	reply_done(&reply);
}

/* False: somebody does not want to wait. */
static bool wait_a_little(struct state *state, int try)
{
	struct pollfd interrupt = { .fd = interrupt_fd(), .events = POLLIN };
	poll(&interrupt, 1, DELAY_MS << (try < DELAY_LAST ? try : DELAY_LAST));
	if (!interrupt_take())
		return true;
	state->follow->interrupted = true;
	return false;
}

static void go_on_until_over(struct state *state)
{
	for (int try = 0; !state->over && !state->follow->interrupted && try < TRIES; try++) {
		uint64_t before = state->sse.id;
		if (!wait_a_little(state, try))
			return;
		if (try == 1 && state->view && state->view->on_note)
			state->view->on_note(state->view->arg);
		if (try == 1)
			say_note("%s; trying again", client_failure(state->client));
		char *path = client_path("/runs/", state->follow->run_id, "/events");
		ask(state, "GET", path, NULL);
		free(path);
		if (state->sse.id != before)
			try = 0;
	}
}

void follow_run(
    struct client *client, json_t *body, const struct follow_view *view, struct follow *ret_follow)
{
	*ret_follow = (struct follow){ .end = FOLLOW_LOST };
	struct state state = {
		.client = client, .view = view, .follow = ret_follow, .cancels = true
	};
	json_object_set_new(body, "stream", json_true());
	ask(&state, "POST", "/run", body);
	if (ret_follow->run_id)
		go_on_until_over(&state);
	sse_done(&state.sse);
}

void follow_events(struct client *client, const char *run_id, uint64_t after,
    const struct follow_view *view, struct follow *ret_follow)
{
	*ret_follow = (struct follow){ .end = FOLLOW_LOST };
	struct state state = { .client = client,
		.view = view,
		.follow = ret_follow,
		.sse = { .next = after, .id = after } };
	char *path = client_path("/runs/", run_id, "/events");
	ask(&state, "GET", path, NULL);
	free(path);
	if (ret_follow->run_id)
		go_on_until_over(&state);
	sse_done(&state.sse);
}

void follow_done(struct follow *follow)
{
	free(follow->run_id);
	free(follow->session_id);
	reply_done(&follow->reply);
}

int follow_say(const struct follow *follow, const struct client *client)
{
	if (follow->end == FOLLOW_SUCCEEDED)
		return 0;
	if (follow->end == FOLLOW_LOST)
		return say_error(follow->interrupted ? EXIT_INTERRUPTED : EX_UNAVAILABLE, "%s",
		    follow->interrupted ? "interrupted" : client_failure(client));
	if (follow->end == FOLLOW_REFUSED && !follow->interrupted &&
	    (follow->reply.status < 400 || !client_is_problem(&follow->reply)))
		return client_say_stranger(client, &follow->reply);
	bool ours = follow->interrupted && follow->end == FOLLOW_CANCELLED;
	char *problem = ours ? strdup("cancelled") : client_problem(&follow->reply);
	int code = follow->interrupted ? EXIT_INTERRUPTED : EXIT_REFUSED;
	if (say_is_json() && follow->reply.json) {
		say_note("%s", problem);
		say_json_text(follow->reply.body.data, follow->reply.body.length);
	} else {
		say_error(code, "%s", problem);
	}
	free(problem);
	return code;
}
