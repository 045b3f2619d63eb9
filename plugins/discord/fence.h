/*
 * fence: a text in parts, as split_next makes them, whose code blocks (```) are whole in each: what is open
 * at the end of a part is closed there, and opened again, with its language, in the next. Pure.
 */
#ifndef DISCORD_FENCE_H
#define DISCORD_FENCE_H

#include <stdbool.h>

#include "plugins/common/split.h"

#define FENCE_LANGUAGE_MAX 20

struct fence {
	struct agentd_text rest; /* that is still to be said */
	bool is_open;
	char language[FENCE_LANGUAGE_MAX + 1];
};

/* The next part, malloc'ed, of at most `most` UTF-16 units (at least 64). NULL: nothing is left, or, if
 * there still is something in `rest`, memory is out. */
char *fence_next(struct fence *fence, size_t most);

#endif
