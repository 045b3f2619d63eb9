/*
 * news: whether the reason of a trouble is worth a line in the log: the first, and each that is another one than the
 * one before. What says itself again and again is not. Pure.
 */
#ifndef AGENTD_PLUGINS_COMMON_NEWS_H
#define AGENTD_PLUGINS_COMMON_NEWS_H

#include <stdbool.h>

/* Zero-initialised. */
struct news {
	char reason[200]; /* the last one; longer ones are compared as far as that */
};

/* Numbers are not looked at: those in a reason are as a rule of how long something took, or is to take. */
bool news_take(struct news *news, const char *reason);
/* The trouble is over. */
void news_end(struct news *news);

#endif
