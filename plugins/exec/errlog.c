/* errlog: a tap, cut into lines. */
#include "errlog.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "chatter.h"
#include "tap.h"

#define LINE_MAX_BYTES 800 /* the rest of a line is left out */
#define TAIL_LINES     20
#define SEPARATOR      " | "

struct errlog {
	const struct agentd_host *host; /* borrowed */
	struct tap *tap;
	struct agentd_run *run; /* borrowed; NULL: none */
	char line[LINE_MAX_BYTES + 1];
	size_t length;
	bool cut;
	char tail[ERRLOG_TAIL_SIZE];
	size_t last; /* where its last line begins */
	unsigned tail_lines;
};

/* Drops the oldest line that is kept. */
static void errlog_forget(struct errlog *errlog)
{
	const char *separator = strstr(errlog->tail, SEPARATOR);
	const char *rest = separator ? separator + strlen(SEPARATOR) : "";
	memmove(errlog->tail, rest, strlen(rest) + 1);
	errlog->tail_lines -= errlog->tail_lines > 0;
}

/* Keeps the line that is complete now, and of those before it what there is room for. */
static void errlog_remember(struct errlog *errlog)
{
	size_t most = sizeof(errlog->tail) - 1 - strlen(SEPARATOR);
	while (errlog->tail[0] &&
	       (errlog->tail_lines >= TAIL_LINES || strlen(errlog->tail) + errlog->length > most))
		errlog_forget(errlog);
	size_t used = strlen(errlog->tail);
	errlog->last = used ? used + strlen(SEPARATOR) : 0;
	snprintf(errlog->tail + used, sizeof(errlog->tail) - used, "%s%s", used ? SEPARATOR : "",
	    errlog->line);
	errlog->tail_lines++;
}

static void errlog_say(const struct errlog *errlog)
{
	const struct agentd_host *host = errlog->host;
	const char *more = errlog->cut ? " (cut)" : "";
	if (errlog->run)
		host->run_log(errlog->run, AGENTD_LOG_INFO, "%s%s", errlog->line, more);
	else
		host->log(host, AGENTD_LOG_INFO, "%s%s", errlog->line, more);
}

static void errlog_end_line(struct errlog *errlog)
{
	errlog->line[errlog->length] = '\0';
	if (errlog->length)
		errlog_remember(errlog);
	if (errlog->length && chatter_allows(errlog->host))
		errlog_say(errlog);
	errlog->length = 0;
	errlog->cut = false;
}

static void errlog_take(struct errlog *errlog, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (text[i] == '\n')
			errlog_end_line(errlog);
		else if (errlog->length < LINE_MAX_BYTES)
			errlog->line[errlog->length++] = text[i] ? text[i] : ' ';
		else
			errlog->cut = true;
	}
}

/* Reads once. False: there is no more. */
static bool errlog_read(struct errlog *errlog)
{
	char text[4096];
	ssize_t n = tap_read(errlog->tap, text, sizeof(text));
	if (n > 0)
		errlog_take(errlog, text, (size_t)n);
	return n > 0;
}

static void on_readable(void *arg)
{
	errlog_read(arg);
}

struct errlog *errlog_new(const struct agentd_host *host, int fd, struct agentd_run *run)
{
	struct errlog *errlog = calloc(1, sizeof(*errlog));
	struct tap *tap = tap_new(host, fd, on_readable, errlog);
	if (!errlog || !tap) {
		tap_free(tap);
		free(errlog);
		return NULL;
	}
	errlog->host = host;
	errlog->tap = tap;
	errlog->run = run;
	return errlog;
}

void errlog_free(struct errlog *errlog)
{
	if (!errlog)
		return;
	tap_free(errlog->tap);
	free(errlog);
}

const char *errlog_finish(struct errlog *errlog)
{
	tap_end(errlog->tap);
	while (errlog_read(errlog))
		;
	errlog_end_line(errlog);
	chatter_report(errlog->host);
	return errlog->tail;
}

size_t errlog_last(const struct errlog *errlog)
{
	return errlog->last;
}
