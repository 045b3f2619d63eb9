/* notify: datagrams for systemd. */
#include "daemon/proc/notify.h"

#include <errno.h>
#include <event2/event.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct notify {
	int fd; /* -1: nobody listens */
	struct event *watchdog;
};

static void notify_on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	notify_send(arg, "WATCHDOG=1");
}

static int notify_connect(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t n = strlen(path);
	if ((path[0] != '/' && path[0] != '@') || n >= sizeof(address.sun_path))
		return -1;
	memcpy(address.sun_path, path, n);
	if (path[0] == '@')
		address.sun_path[0] = '\0'; /* an abstract name */
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, length) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void notify_start_watchdog(struct notify *notify, struct event_base *base)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	long long every = usec ? strtoll(usec, NULL, 10) / 2 : 0;
	if (every <= 0 || notify->fd < 0 || (pid && strtoll(pid, NULL, 10) != getpid()))
		return;
	struct timeval after = { .tv_sec = every / 1000000, .tv_usec = every % 1000000 };
	notify->watchdog = event_new(base, -1, EV_PERSIST, notify_on_watchdog, notify);
	if (notify->watchdog)
		event_add(notify->watchdog, &after);
}

struct notify *notify_new(struct event_base *base)
{
	struct notify *notify = calloc(1, sizeof(*notify));
	if (!notify)
		return NULL;
	const char *path = getenv("NOTIFY_SOCKET");
	notify->fd = path ? notify_connect(path) : -1;
	notify_start_watchdog(notify, base);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return notify;
}

void notify_free(struct notify *notify)
{
	if (!notify)
		return;
	if (notify->watchdog)
		event_free(notify->watchdog);
	if (notify->fd >= 0)
		close(notify->fd);
	free(notify);
}

void notify_send(struct notify *notify, const char *state)
{
	if (notify->fd >= 0)
		send(notify->fd, state, strlen(state), MSG_NOSIGNAL);
}
