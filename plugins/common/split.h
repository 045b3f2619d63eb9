/*
 * split: a long text as parts that a platform takes: at the last newline that fits, else the last space,
 * else hard; never inside a UTF-8 sequence, never an empty part, always making progress. Pure.
 */
#ifndef AGENTD_PLUGINS_COMMON_SPLIT_H
#define AGENTD_PLUGINS_COMMON_SPLIT_H

#include "agentd/plugin.h"

/* How a platform counts. */
enum split_unit {
	SPLIT_BYTES,
	SPLIT_CODE_POINTS,
	SPLIT_UTF16, /* code units, as Telegram counts */
};

/* The next part of at most `most` units (at least 4), and what is left behind it, without the white space
 * at which it was cut. An empty part: nothing is left to be said. */
struct agentd_text split_next(struct agentd_text *rest, size_t most, enum split_unit unit);

#endif
