/* output: a pipe that is read into the log. A child that prints without end costs no more than the
 * reading: lines over the rate are counted, not kept. */
#include "daemon/proc/output.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/buf.h"
#include "daemon/base/id.h"

#define LINE_MAX_BYTES 1024 /* longer ones are cut into several */
#define READS_A_TURN   16

struct output {
	int fd;
	char *name;
	struct event *readable;
	char line[LINE_MAX_BYTES + 1], last[LINE_MAX_BYTES + 1];
	size_t length;
	uint64_t second; /* the one that is being counted */
	unsigned lines, dropped;
	size_t keep; /* 0: nothing is kept */
	struct buf kept;
};

static void output_say_dropped(struct output *output)
{
	if (!output->dropped)
		return;
	struct log_field fields[] = { { "from", output->name, false } };
	log_with(LOG_LEVEL_WARN, fields, "%u line%s of output left out (more than %d a second)",
	    output->dropped, output->dropped == 1 ? "" : "s", OUTPUT_LINES_PER_SECOND);
	output->dropped = 0;
}

static void output_line(struct output *output)
{
	if (output->length == 0)
		return;
	output->line[output->length] = '\0';
	memcpy(output->last, output->line, output->length + 1);
	output_say(output, LOG_LEVEL_INFO, "", output->line, output->length);
	output->length = 0;
}

void output_say(
    struct output *output, enum log_level level, const char *run_id, const char *text, size_t n)
{
	uint64_t second = clock_monotonic_ms() / 1000;
	if (second != output->second) {
		output_say_dropped(output);
		output->second = second;
		output->lines = 0;
	}
	if (++output->lines > OUTPUT_LINES_PER_SECOND) {
		output->dropped++;
		return;
	}
	struct log_field fields[] = {
		{ "from", output->name, false },
		{ "run_id", run_id[0] ? run_id : NULL, false },
	};
	log_with(level, fields, "%.*s", (int)n, text);
}

static void output_take(struct output *output, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (text[i] == '\n') {
			output_line(output);
			continue;
		}
		if (output->length == LINE_MAX_BYTES)
			output_line(output);
		output->line[output->length++] = text[i] ? text[i] : ' ';
	}
}

/* Twice as much is let come together before the first half is dropped: each byte is moved once. */
static void output_add_kept(struct output *output, const char *text, size_t n)
{
	if (!output->keep)
		return;
	buf_add(&output->kept, text, n);
	if (output->kept.length > 2 * output->keep)
		buf_drop(&output->kept, output->kept.length - output->keep);
}

void output_keep(struct output *output, size_t most)
{
	output->keep = most;
}

const char *output_kept(const struct output *output, size_t *ret_length)
{
	*ret_length = output->kept.length;
	return output->kept.data ? output->kept.data : "";
}

static void output_on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	struct output *output = arg;
	for (int i = 0; i < READS_A_TURN; i++) {
		char text[4096];
		ssize_t got = read(fd, text, sizeof(text));
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (got <= 0) { /* every writer is gone */
			event_del(output->readable);
			return;
		}
		output_take(output, text, (size_t)got);
		output_add_kept(output, text, (size_t)got);
	}
}

struct output *output_new(struct event_base *base, int fd, const char *name)
{
	struct output *output = calloc(1, sizeof(*output));
	if (!output) {
		close(fd);
		return NULL;
	}
	output->fd = fd;
	output->name = strdup(name);
	output->readable = event_new(base, fd, EV_READ | EV_PERSIST, output_on_readable, output);
	if (!output->name || !output->readable || event_add(output->readable, NULL) < 0) {
		output_free(output);
		return NULL;
	}
	return output;
}

void output_finish(struct output *output)
{
	output_on_readable(output->fd, EV_READ, output);
	output_line(output);
	output_say_dropped(output);
}

const char *output_last_line(const struct output *output)
{
	return output->last;
}

void output_free(struct output *output)
{
	if (!output)
		return;
	if (output->readable)
		event_free(output->readable);
	close(output->fd);
	free(output->name);
	buf_done(&output->kept);
	free(output);
}
