/* tap: a watch, and a count of what is left once the program has ended. */
#include "tap.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agentd/plugin.h"

struct tap {
	const struct agentd_host *host; /* borrowed */
	int fd;
	struct agentd_watch *watch;
	void (*fn)(void *arg);
	void *arg; /* borrowed */
	bool watched, ended;
	size_t left; /* once it has ended */
};

static void tap_watch(struct tap *tap, bool on)
{
	if (tap->watched != on)
		tap->host->watch_set(tap->watch, on ? AGENTD_READ : 0);
	tap->watched = on;
}

static void on_readable(void *arg, uint32_t what)
{
	struct tap *tap = arg;
	(void)what;
	tap->fn(tap->arg);
}

struct tap *tap_new(const struct agentd_host *host, int fd, void (*fn)(void *arg), void *arg)
{
	struct tap *tap = calloc(1, sizeof(*tap));
	if (!tap) {
		close(fd);
		return NULL;
	}
	*tap = (struct tap){ .host = host, .fd = fd, .fn = fn, .arg = arg };
	tap->watch = host->watch_new(host, fd, on_readable, tap);
	if (!tap->watch) {
		tap_free(tap);
		return NULL;
	}
	tap_watch(tap, true);
	return tap;
}

void tap_free(struct tap *tap)
{
	if (!tap)
		return;
	tap->host->watch_free(tap->watch);
	close(tap->fd);
	free(tap);
}

ssize_t tap_read(struct tap *tap, void *into, size_t size)
{
	if (tap->ended && size > tap->left)
		size = tap->left;
	ssize_t n = size ? read(tap->fd, into, size) : 0;
	if (n < 0 && (errno == EAGAIN || errno == EINTR) && !tap->ended)
		return -EAGAIN;
	if (n <= 0) {
		tap_watch(tap, false); /* the end of a pipe is ready for ever */
		tap->left = 0;
		tap->ended = true;
		return 0;
	}
	if (tap->ended)
		tap->left -= (size_t)n;
	return n;
}

void tap_pause(struct tap *tap)
{
	tap_watch(tap, false);
}

void tap_resume(struct tap *tap)
{
	tap_watch(tap, !tap->ended);
}

void tap_end(struct tap *tap)
{
	int left = 0;
	tap_watch(tap, false);
	if (!tap->ended && ioctl(tap->fd, FIONREAD, &left) == 0)
		tap->left = (size_t)left;
	tap->ended = true;
}
