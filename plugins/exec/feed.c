/* feed: bytes wait in one buffer; its watch is set while there are any. */
#include "feed.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agentd/plugin.h"

struct feed {
	const struct agentd_host *host; /* borrowed */
	int fd;                         /* -1: closed */
	struct agentd_watch *watch;
	void (*broken)(void *arg);
	void *arg; /* borrowed */
	bool ending;
	char *bytes;
	size_t from, length, capacity; /* what waits is [from, length) */
};

static void feed_drop(struct feed *feed)
{
	free(feed->bytes);
	feed->bytes = NULL;
	feed->from = feed->length = feed->capacity = 0;
}

static void feed_close(struct feed *feed)
{
	feed->host->watch_free(feed->watch);
	feed->watch = NULL;
	if (feed->fd >= 0)
		close(feed->fd);
	feed->fd = -1;
	feed_drop(feed);
}

/* Writes what the pipe takes: how much that is. */
static size_t feed_write(struct feed *feed, const char *bytes, size_t n)
{
	size_t done = 0;
	while (done < n) {
		ssize_t wrote = write(feed->fd, bytes + done, n - done);
		if (wrote >= 0) {
			done += (size_t)wrote;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN)
			return done;
		feed_close(feed); /* EPIPE: nobody will ever read it */
		if (feed->broken)
			feed->broken(feed->arg);
		return n;
	}
	return done;
}

/* Writes what waits. */
static void feed_go_on(void *arg, uint32_t what)
{
	struct feed *feed = arg;
	(void)what;
	size_t wrote = feed_write(feed, feed->bytes + feed->from, feed->length - feed->from);
	if (feed->fd < 0)
		return;
	feed->from += wrote;
	if (feed->from < feed->length)
		return;
	if (feed->ending) {
		feed_close(feed);
		return;
	}
	feed->host->watch_set(feed->watch, 0);
	feed_drop(feed);
}

struct feed *feed_new(const struct agentd_host *host, int fd, void (*broken)(void *arg), void *arg)
{
	struct feed *feed = calloc(1, sizeof(*feed));
	if (!feed) {
		close(fd);
		return NULL;
	}
	*feed = (struct feed){ .host = host, .fd = fd, .broken = broken, .arg = arg };
	feed->watch = host->watch_new(host, fd, feed_go_on, feed);
	if (!feed->watch) {
		feed_free(feed);
		return NULL;
	}
	return feed;
}

void feed_free(struct feed *feed)
{
	if (!feed)
		return;
	feed_close(feed);
	free(feed);
}

/* Makes room for n more bytes. */
static int feed_reserve(struct feed *feed, size_t n)
{
	if (feed->from > feed->length / 2) { /* else what is written already would pile up */
		memmove(feed->bytes, feed->bytes + feed->from, feed->length - feed->from);
		feed->length -= feed->from;
		feed->from = 0;
	}
	size_t needed = feed->length + n;
	if (needed <= feed->capacity)
		return 0;
	size_t capacity = needed > 2 * feed->capacity ? needed : 2 * feed->capacity;
	char *bytes = realloc(feed->bytes, capacity);
	if (!bytes)
		return -ENOMEM;
	feed->bytes = bytes;
	feed->capacity = capacity;
	return 0;
}

int feed_add(struct feed *feed, const void *bytes, size_t n)
{
	if (feed->fd < 0)
		return 0;
	/* Room first: once a part is written, the rest must follow. */
	if (feed_reserve(feed, n) < 0)
		return -ENOMEM;
	size_t wrote = feed->length ? 0 : feed_write(feed, bytes, n);
	if (feed->fd < 0)
		return 0;
	if (wrote == n) {
		feed_drop(feed);
		return 0;
	}
	memcpy(feed->bytes + feed->length, (const char *)bytes + wrote, n - wrote);
	feed->length += n - wrote;
	return feed->host->watch_set(feed->watch, AGENTD_WRITE);
}

void feed_end(struct feed *feed)
{
	feed->ending = true;
	if (feed->from == feed->length)
		feed_close(feed);
}
