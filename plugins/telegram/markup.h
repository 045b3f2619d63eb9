/*
 * markup: a reply cut into parts that Telegram takes, so that no tag, entity, escape or link is cut in half:
 * what is open at a cut is closed there, and opened again in the next part. Pure.
 *
 * It does not judge the markup. What Telegram refuses is sent once more as plain text, and for that each
 * part is also there as it was written.
 */
#ifndef TELEGRAM_MARKUP_H
#define TELEGRAM_MARKUP_H

#include <stdbool.h>

#include "agentd/plugin.h"

enum telegram_markup {
	TELEGRAM_PLAIN,
	TELEGRAM_HTML,
	TELEGRAM_MARKDOWN_V2,
	TELEGRAM_MARKDOWN,
};

#define TELEGRAM_MARKS_MAX 16 /* open at once; more, and the rest is plain */

/* Something that is open. Borrowed from the text. */
struct telegram_mark {
	struct agentd_text open; /* "<a href=…>", "*" */
	struct agentd_text name; /* "a"; of Markdown what closes it */
};

struct telegram_cut { /* treat as private */
	struct agentd_text rest;
	size_t most;
	enum telegram_markup markup;
	struct telegram_mark marks[TELEGRAM_MARKS_MAX];
	size_t mark_count;
};

/* The text is borrowed. `most`: UTF-16 units of a part, at least 4. */
void telegram_cut_init(
    struct telegram_cut *cut, struct agentd_text text, size_t most, enum telegram_markup markup);
/* 1: the next part, as it was written (borrowed from the text), and as it is to be sent with a parse_mode
 * (the caller's); NULL: there is no markup to keep, send it plain. 0: there is no more. -ENOMEM. */
int telegram_cut_next(struct telegram_cut *cut, struct agentd_text *ret_plain, char **ret_marked);

#endif
