/*
 * split: a long text as parts that a platform takes: at the last newline that fits, else the last space,
 * else hard; never inside a UTF-8 sequence, never an empty part, always making progress. Pure.
 */
#ifndef AGENTD_PLUGINS_COMMON_SPLIT_H
#define AGENTD_PLUGINS_COMMON_SPLIT_H

#include "agentd/plugin.h"

/* How a platform counts. A byte that is not UTF-8 counts as one. */
enum split_unit {
	SPLIT_BYTES,
	SPLIT_CODE_POINTS,
	SPLIT_UTF16, /* code units, as Telegram counts */
};

/* The next part of at most `most` units (at least 4), and what is left behind it, without the white space
 * at which it was cut; the indent of a line stays. An empty part: nothing is left to be said. Nothing left
 * after a part: it was the last. */
struct agentd_text split_next(struct agentd_text *rest, size_t most, enum split_unit unit);

size_t split_count(struct agentd_text text, enum split_unit unit);
/* How many bytes of it are at most so many units: whole sequences, and one at least. */
size_t split_fit(struct agentd_text text, size_t most, enum split_unit unit);

#endif
