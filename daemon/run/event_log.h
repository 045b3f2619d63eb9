/*
 * event_log: what the streams of a run were told, as bytes, so that a reader who comes later, or again,
 * is told the same. Pure.
 *
 * The end of a run is in it by its id only: what was said of it is made from the run's record.
 */
#ifndef AGENTD_RUN_EVENT_LOG_H
#define AGENTD_RUN_EVENT_LOG_H

#include "daemon/base/buf.h"
#include "daemon/run/run.h"

#define EVENT_LOG_MAX ((size_t)24 << 20) /* then nothing more is kept, and the log says so */

void event_log_add(struct buf *log, const struct run_event *event);
/* Takes out of a log the texts that the content has, too. */
void event_log_compact(struct buf *log, struct frame_text content);

/* A reader, which begins where these are 0. `content` is the run's. */
struct event_reader {
	struct frame_text log, content;
	size_t log_at, content_at;
};
/* The next event, whose texts point into the log or the content. False: there are no more, or the rest
 * makes no sense. */
bool event_log_next(struct event_reader *reader, struct run_event *ret);

#endif
