/* trial_log: agentd's JSON lines, as a person reads them. What is no JSON it says before it has a log. */
#include "ctl/trial_log.h"

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/say.h"
#include "daemon/base/buf.h"

#define LINE_BYTES (1u << 16)
#define KEPT_BYTES (1u << 18)

struct trial_log {
	int fd;
	pthread_t thread;
	struct buf line,
	    kept; /* the thread's until it has ended; kept: lines that were not shown */
};

/* What the plugin logs and prints, warnings and errors of agentd's; `always`: also lines from before there was a log. Whether
 * it was one of those. */
static bool show(const char *line, size_t n, bool always)
{
	json_t *entry = json_loadb(line, n, JSON_ALLOW_NUL, NULL);
	const char *message = json_string_value(json_object_get(entry, "message"));
	const char *level = json_string_value(json_object_get(entry, "level"));
	const char *from = json_string_value(json_object_get(entry, "from"));
	bool bad = level && (strcmp(level, "warn") == 0 || strcmp(level, "error") == 0);
	bool is_shown = message ? bad || from : always;
	struct buf text = { 0 };
	if (message)
		buf_addf(&text, "%s%s%s: %s", from ? from : "agentd", bad ? " " : "",
		    bad ? level : "", message);
	else
		buf_add(&text, line, n);
	if (is_shown && !text.failed)
		say_aside(bad || !message ? STYLE_NONE : STYLE_DIM, text.data, text.length);
	buf_done(&text);
	json_decref(entry);
	return is_shown;
}

static void take_line(struct trial_log *log)
{
	size_t n = log->line.length;
	if (!show(log->line.data, n, false) && log->kept.length + n < KEPT_BYTES) {
		buf_add(&log->kept, log->line.data, n);
		buf_add(&log->kept, "\n", 1);
	}
	buf_drop(&log->line, n);
}

static void *read_all(void *arg)
{
	struct trial_log *log = arg;
	char bytes[4096];
	ssize_t n;
	while ((n = read(log->fd, bytes, sizeof(bytes))) > 0)
		for (ssize_t i = 0; i < n; i++) {
			if (bytes[i] == '\n' && log->line.length)
				take_line(log);
			else if (log->line.length < LINE_BYTES)
				buf_add(&log->line, bytes + i, 1);
		}
	if (log->line.length)
		take_line(log);
	close(log->fd);
	return NULL;
}

struct trial_log *trial_log_new(int fd)
{
	struct trial_log *log = calloc(1, sizeof(*log));
	if (!log)
		abort();
	log->fd = fd;
	if (pthread_create(&log->thread, NULL, read_all, log))
		abort();
	return log;
}

void trial_log_free(struct trial_log *log, int show_all)
{
	if (!log)
		return;
	pthread_join(log->thread, NULL);
	char *text = show_all ? buf_take(&log->kept) : NULL;
	for (char *line = text; line && *line;) {
		size_t n = strcspn(line, "\n");
		show(line, n, true);
		line += n + (line[n] == '\n');
	}
	free(text);
	buf_done(&log->kept);
	buf_done(&log->line);
	free(log);
}
