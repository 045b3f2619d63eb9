/*
 * log: one line for each thing an operator should know, as text, as JSON, or with the priority
 * prefix that systemd's journal reads from stderr (sd-daemon(3)).
 *
 * Lines wait in a buffer and go out in one write: at once for a warning or worse, else when the
 * loop's turn ends (log_on_pending). A reader that blocks never blocks the daemon: what does not
 * fit is dropped, counted, and said later. Control characters in a message are escaped, so
 * untrusted text cannot forge a line. errno is preserved. One thread.
 */
#ifndef AGENTD_BASE_LOG_H
#define AGENTD_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

/* The same numbers as AGENTD_LOG_* of the plugin ABI. */
enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON, LOG_FORMAT_JOURNAL };

/* A named value beside the message: JSON gets it as a member, text as name=value. */
struct log_field {
	const char *name;
	const char *text; /* NULL: left out */
	bool bare;        /* a number: no quotes in JSON */
};

/* Writes to fd, which stays the caller's. Until this is called lines go to stderr as text. */
void log_open(int fd, enum log_format format, enum log_level level);
/* From now on lines are entries of systemd's journal, at whose socket they are taken, with their fields.
 * 0 or -errno: then they go where they went. */
int log_open_journal(const char *path);
/* Lines go to the fd again, before an exec. */
void log_close_journal(void);
/* Called when lines wait in the buffer; NULL (the default): every line goes out at once. */
void log_on_pending(void (*pending)(void *arg), void *arg);
void log_flush(void);
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

void log_write(enum log_level level, const struct log_field *fields, size_t count,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

#define log_error(...) log_write(LOG_LEVEL_ERROR, NULL, 0, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_LEVEL_WARN, NULL, 0, __VA_ARGS__)
#define log_info(...)  log_write(LOG_LEVEL_INFO, NULL, 0, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, NULL, 0, __VA_ARGS__)
/* With an array of fields. */
#define log_with(level, fields, ...) \
	log_write(level, fields, sizeof(fields) / sizeof((fields)[0]), __VA_ARGS__)

#endif
