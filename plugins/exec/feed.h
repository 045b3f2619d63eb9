/*
 * feed: the writing end of a pipe to a program. What the pipe does not take waits here, so that a
 * program that writes before it reads is no deadlock. What waits is bounded by who adds it: runs at
 * once, times the length of their input.
 */
#ifndef EXEC_FEED_H
#define EXEC_FEED_H

#include <stddef.h>

struct agentd_host;
struct feed;

/* `broken` is called, at most once, when the program has closed its end; what is added afterwards is
 * dropped. It must not free the feed. NULL: nobody minds. The fd belongs to the feed, also if it is
 * NULL: memory is out. */
struct feed *feed_new(const struct agentd_host *host, int fd, void (*broken)(void *arg), void *arg);
void feed_free(struct feed *feed);

/* Writes what it can now, and the rest later. -ENOMEM: nothing was taken. */
int feed_add(struct feed *feed, const void *bytes, size_t n);
/* Closes the pipe once all is written. */
void feed_end(struct feed *feed);

#endif
