/* fetch: a process, a frame to it, and a frame back. It is done when the process has ended. */
#include "daemon/proc/fetch.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/log.h"
#include "daemon/base/message.h"
#include "daemon/proc/process.h"
#include "daemon/proc/spawn.h"

#define TIMEOUT_MS 10000 /* of the request */
#define PATIENCE_S 12    /* with the process */
#define FILES_MAX  64

struct fetch {
	struct fetch_setup setup;
	struct process *process;
	struct event *patience;
	struct buf bytes;
	bool came;
	char error[300];
};

static void fetch_free(struct fetch *fetch)
{
	if (fetch->patience)
		event_free(fetch->patience);
	process_free(fetch->process);
	buf_done(&fetch->bytes);
	free(fetch);
}

static int fetch_on_frame(void *arg, const struct frame *frame)
{
	struct fetch *fetch = arg;
	if (frame->type == MESSAGE_FETCHED) {
		if (fetch->came || frame->length > fetch->setup.most)
			return -1;
		buf_add(&fetch->bytes, frame->body, frame->length);
		fetch->came = !fetch->bytes.failed;
		return 0;
	}
	struct frame_cursor cursor = frame_fields(frame);
	struct frame_text why = frame_get_text(&cursor);
	if (frame->type != MESSAGE_LEAVING || frame_end_fields(&cursor) < 0)
		return -1;
	snprintf(fetch->error, sizeof(fetch->error), "%.*s", why.n < 299 ? (int)why.n : 299,
	    why.p ? why.p : "");
	return 0;
}

static void fetch_on_end(void *arg, int error)
{
	struct fetch *fetch = arg;
	if (!error)
		return; /* the process is about to end */
	snprintf(fetch->error, sizeof(fetch->error), "agentd-fetch sent what makes no sense");
	process_signal(fetch->process, SIGKILL);
}

static void fetch_on_ended(void *arg, int signal, int code)
{
	(void)signal;
	(void)code; /* what it has said counts */
	struct fetch *fetch = arg;
	const char *error = fetch->came       ? NULL
			    : fetch->error[0] ? fetch->error
					      : "agentd-fetch ended without an answer";
	fetch->setup.done(fetch->setup.arg, fetch->bytes.data ? fetch->bytes.data : "",
	    fetch->bytes.length, error);
	fetch_free(fetch);
}

static void fetch_on_patience(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct fetch *fetch = arg;
	snprintf(fetch->error, sizeof(fetch->error), "no answer within %d s", PATIENCE_S);
	process_signal(fetch->process, SIGKILL);
}

static void fetch_send(struct fetch *fetch)
{
	const struct schema_list *hidden = fetch->setup.hidden;
	struct channel *channel = process_channel(fetch->process);
	struct frame_writer writer = channel_begin(channel, MESSAGE_FETCH, 0);
	frame_put_str(&writer, fetch->setup.url);
	frame_put_u32(&writer, TIMEOUT_MS);
	frame_put_u32(&writer, (uint32_t)fetch->setup.most);
	frame_put_u32(&writer, (uint32_t)hidden->count);
	for (size_t i = 0; i < hidden->count; i++)
		frame_put_str(&writer, hidden->items[i]);
	frame_end(&writer);
	channel_flush(channel);
}

/* 0 or -errno. */
static int fetch_spawn(struct fetch *fetch, struct event_base *base)
{
	static const struct channel_ops ops = { .frame = fetch_on_frame, .end = fetch_on_end };
	char path[PATH_MAX];
	int program = spawn_open("agentd-fetch", path, sizeof(path));
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct spawn_request request = {
		.program = "agentd-fetch", .host_fd = program, .plugin_fd = null, .files = FILES_MAX
	};
	struct process_setup setup = {
		.request = &request,
		.label = "agentd-fetch",
		.ops = &ops,
		.ended = fetch_on_ended,
		.arg = fetch,
	};
	int error = program < 0 ? program
		    : null < 0  ? -EMFILE
				: process_start(base, &setup, &fetch->process);
	if (error < 0)
		log_error("cannot start %s: %s", path, strerror(-error));
	if (program >= 0)
		close(program);
	if (null >= 0)
		close(null);
	return error;
}

struct fetch *fetch_start(struct event_base *base, const struct fetch_setup *setup)
{
	struct timeval patience = { .tv_sec = PATIENCE_S };
	struct fetch *fetch = calloc(1, sizeof(*fetch));
	if (!fetch)
		return NULL;
	fetch->setup = *setup;
	fetch->patience = event_new(base, -1, 0, fetch_on_patience, fetch);
	if (!fetch->patience || fetch_spawn(fetch, base) < 0 ||
	    event_add(fetch->patience, &patience) < 0) {
		fetch_free(fetch);
		return NULL;
	}
	fetch_send(fetch);
	fetch->setup.url = NULL;
	fetch->setup.hidden = NULL;
	return fetch;
}

void fetch_stop(struct fetch *fetch)
{
	fetch_free(fetch);
}
