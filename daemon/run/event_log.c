/* event_log: a head of fixed size and two texts for each event. */
#include "daemon/run/event_log.h"

#include <string.h>

struct head {
	uint64_t id;
	uint32_t type, name, text; /* lengths */
	uint32_t in_content;       /* 1: the text is the next piece of the content, and not here */
};

void event_log_add(struct buf *log, const struct run_event *event)
{
	struct head head = { .id = event->id,
		.type = (uint32_t)event->type,
		.name = (uint32_t)event->name.n,
		.text = (uint32_t)event->text.n };
	bool is_end = event->type == RUN_EVENT_ENDED;
	if (!is_end && log->length + sizeof(head) + head.name + head.text > EVENT_LOG_MAX)
		return;
	buf_reserve(log, 2 * sizeof(head)); /* most runs say little before their answer */
	buf_add(log, &head, sizeof(head));
	buf_add(log, event->name.p, event->name.n);
	buf_add(log, event->text.p, event->text.n);
}

/* Reads a head, and finds its texts. */
static bool read_event(struct event_reader *reader, struct head *head, struct run_event *ret)
{
	size_t left = reader->log.n - reader->log_at;
	if (left < sizeof(*head))
		return false;
	const char *texts = reader->log.p + reader->log_at + sizeof(*head);
	memcpy(head, reader->log.p + reader->log_at, sizeof(*head));
	left -= sizeof(*head);
	size_t here = head->in_content ? 0 : head->text;
	if (head->type > RUN_EVENT_ENDED || head->name > left || here > left - head->name ||
	    (head->in_content && head->text > reader->content.n - reader->content_at))
		return false;
	*ret = (struct run_event){ .type = (enum run_event_type)head->type,
		.id = head->id,
		.name = { texts, head->name },
		.text = { texts + head->name, head->text } };
	if (head->in_content) {
		ret->text.p = reader->content.p + reader->content_at;
		reader->content_at += head->text;
	}
	reader->log_at += sizeof(*head) + head->name + here;
	return true;
}

bool event_log_next(struct event_reader *reader, struct run_event *ret)
{
	struct head head;
	return read_event(reader, &head, ret);
}

/* Where the last attempt begins, if its deltas are the content. False: they are not. */
static bool find_content(const struct buf *log, struct frame_text content, size_t *ret)
{
	struct event_reader reader = { .log = { log->data, log->length } };
	struct run_event event;
	size_t had = 0;
	bool same = true;
	*ret = 0;
	while (event_log_next(&reader, &event)) {
		if (event.type == RUN_EVENT_RESTARTED) {
			*ret = reader.log_at;
			had = 0;
			same = true;
		} else if (event.type == RUN_EVENT_DELTA && same) {
			same = event.text.n <= content.n - had &&
			       memcmp(content.p + had, event.text.p, event.text.n) == 0;
			had += same ? event.text.n : 0;
		}
	}
	return same && had == content.n;
}

void event_log_compact(struct buf *log, struct frame_text content)
{
	struct event_reader reader = { .log = { log->data, log->length } };
	struct run_event event;
	struct head head;
	size_t to;
	if (content.n == 0 || !find_content(log, content, &to))
		return;
	reader.log_at = to;
	while (read_event(&reader, &head, &event)) {
		size_t here = head.name + (head.type == RUN_EVENT_DELTA ? 0 : head.text);
		head.in_content = head.type == RUN_EVENT_DELTA;
		memcpy(log->data + to, &head, sizeof(head));
		memmove(log->data + to + sizeof(head), event.name.p, here);
		to += sizeof(head) + here;
	}
	buf_cut(log, to);
}
