/* log: lines to stderr, buffered, escaped, and never waited for. */
#include "daemon/base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/buf.h"
#include "daemon/base/harmless.h"
#include "daemon/base/id.h"
#include "daemon/base/journal.h"

#define LOG_BUFFER_MAX (256u << 10) /* beyond it lines are dropped and counted */
#define LOG_PIECE      4096         /* PIPE_BUF: poll promises room for this much */

static struct {
	int fd;
	enum log_format format;
	enum log_level level;
	void (*pending)(void *arg);
	void *arg;
	struct buf out;
	unsigned long dropped;
	int journal; /* -1: lines go to fd */
	struct buf entry;
} log_state = { .fd = STDERR_FILENO, .level = LOG_LEVEL_INFO, .journal = -1 };

static const struct {
	const char *text;
	const char *json;
	const char *journal;
} level_name[] = {
	[LOG_LEVEL_ERROR] = { "error", "error", "<3>" },
	[LOG_LEVEL_WARN] = { "warn ", "warn", "<4>" },
	[LOG_LEVEL_INFO] = { "info ", "info", "<6>" },
	[LOG_LEVEL_DEBUG] = { "debug", "debug", "<7>" },
};

void log_open(int fd, enum log_format format, enum log_level level)
{
	log_state.fd = fd;
	log_state.format = format;
	log_state.level = level;
}

void log_on_pending(void (*pending)(void *arg), void *arg)
{
	log_state.pending = pending;
	log_state.arg = arg;
}

int log_open_journal(const char *path)
{
	int fd = journal_open(path);
	if (fd >= 0)
		log_state.journal = fd;
	return fd < 0 ? fd : 0;
}

void log_close_journal(void)
{
	if (log_state.journal >= 0)
		close(log_state.journal);
	log_state.journal = -1;
}

void log_set_level(enum log_level level)
{
	log_state.level = level;
}

bool log_enabled(enum log_level level)
{
	return level <= log_state.level;
}

static void add_json(struct buf *out, const char *text, size_t n)
{
	if (utf8_is_good(text, n)) {
		buf_add_json(out, text, n);
		return;
	}
	struct buf clean = { 0 };
	buf_add_utf8(&clean, NULL, text, n);
	buf_add_json(out, clean.data ? clean.data : "", clean.length);
	buf_done(&clean);
}

static void add_time(struct buf *out)
{
	char now[TIME_SIZE];
	time_format(clock_wall_ms(), now);
	buf_add(out, now, TIME_SIZE - 1);
}

static void add_line_json(struct buf *out, enum log_level level, const struct log_field *fields,
    size_t count, const char *message, size_t n)
{
	buf_add_str(out, "{\"time\":\"");
	add_time(out);
	buf_add_str(out, "\",\"level\":\"");
	buf_add_str(out, level_name[level].json);
	buf_add_str(out, "\",\"message\":");
	add_json(out, message, n);
	for (size_t i = 0; i < count; i++) {
		if (!fields[i].text)
			continue;
		buf_add_str(out, ",\"");
		buf_add_str(out, fields[i].name);
		buf_add_str(out, "\":");
		if (fields[i].bare)
			buf_add_str(out, fields[i].text);
		else
			add_json(out, fields[i].text, strlen(fields[i].text));
	}
	buf_add(out, "}\n", 2);
}

/* In quotes if it is more than a word, so that it is seen where it ends, and that it is one field: a backslash at its end
 * must not seem to quote the mark behind it. */
static void add_value(struct buf *out, const char *text)
{
	if (*text && !strpbrk(text, " \"=")) {
		harmless_add(out, text, strlen(text), false);
		return;
	}
	buf_add(out, "\"", 1);
	for (;;) {
		size_t n = strcspn(text, "\"\\");
		harmless_add(out, text, n, false);
		text += n;
		if (!*text)
			break;
		buf_add(out, (char[]){ '\\', *text }, 2);
		text++;
	}
	buf_add(out, "\"", 1);
}

/* The message, and the fields behind it. */
static void add_words(
    struct buf *out, const struct log_field *fields, size_t count, const char *message, size_t n)
{
	harmless_add(out, message, n, false);
	for (size_t i = 0; i < count; i++) {
		if (!fields[i].text)
			continue;
		buf_addf(out, " %s=", fields[i].name);
		add_value(out, fields[i].text);
	}
}

static void add_line_text(struct buf *out, enum log_level level, const struct log_field *fields,
    size_t count, const char *message, size_t n)
{
	if (log_state.format == LOG_FORMAT_JOURNAL) { /* the journal has its own clock */
		buf_add_str(out, level_name[level].journal);
	} else {
		add_time(out);
		buf_addf(out, " %s ", level_name[level].text);
	}
	add_words(out, fields, count, message, n);
	buf_add(out, "\n", 1);
}

/* What people read has the fields in it, too: journalctl does not show them. */
static void send_entry(enum log_level level, const struct log_field *fields, size_t count,
    const char *message, size_t n)
{
	struct buf words = { 0 };
	add_words(&words, fields, count, message, n);
	if (words.failed || journal_send(log_state.journal, level, words.data ? words.data : "",
				words.length, fields, count, &log_state.entry) < 0)
		log_state.dropped++;
	buf_done(&words);
}

static void add_line(enum log_level level, const struct log_field *fields, size_t count,
    const char *message, size_t n)
{
	if (log_state.journal >= 0)
		send_entry(level, fields, count, message, n);
	else if (log_state.format == LOG_FORMAT_JSON)
		add_line_json(&log_state.out, level, fields, count, message, n);
	else
		add_line_text(&log_state.out, level, fields, count, message, n);
}

/* Writes while the reader takes it, so that a stuck terminal or pipe cannot hold the loop. */
void log_flush(void)
{
	struct buf *out = &log_state.out;
	size_t done = 0;
	while (done < out->length) {
		struct pollfd ready = { .fd = log_state.fd, .events = POLLOUT };
		if (poll(&ready, 1, 0) != 1 || !(ready.revents & POLLOUT))
			break;
		size_t piece = out->length - done < LOG_PIECE ? out->length - done : LOG_PIECE;
		ssize_t wrote = write(log_state.fd, out->data + done, piece);
		if (wrote <= 0)
			break;
		done += (size_t)wrote;
	}
	if (done)
		buf_drop(out, done);
}

static void say_dropped(void)
{
	char message[64];
	int n = snprintf(
	    message, sizeof(message), "%lu log lines lost: nobody read them", log_state.dropped);
	log_state.dropped = 0; /* it counts again if this line is lost, too */
	add_line(LOG_LEVEL_WARN, NULL, 0, message, (size_t)n);
}

void log_write(
    enum log_level level, const struct log_field *fields, size_t count, const char *format, ...)
{
	if (!log_enabled(level))
		return;
	int saved = errno;
	char message[2048];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	if (n >= (int)sizeof(message))
		n = (int)sizeof(message) - 1;
	if (n < 0 || log_state.out.length > LOG_BUFFER_MAX) {
		log_state.dropped++;
	} else {
		if (log_state.dropped)
			say_dropped();
		add_line(level, fields, count, message, (size_t)n);
	}
	log_state.out.failed = false; /* a line lost to memory must not silence the next */
	if (!log_state.pending || level <= LOG_LEVEL_WARN || log_state.out.length > LOG_PIECE * 4)
		log_flush();
	else
		log_state.pending(log_state.arg);
	errno = saved;
}
