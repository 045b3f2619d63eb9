/*
 * notify: tells systemd how the daemon does (sd_notify(3)), and feeds its watchdog. A datagram to
 * $NOTIFY_SOCKET is all there is to it, so libsystemd and what it links are not needed. Without
 * systemd all of this does nothing.
 */
#ifndef AGENTD_PROC_NOTIFY_H
#define AGENTD_PROC_NOTIFY_H

struct event_base;
struct notify;

/* Reads $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID, and unsets them, so that no child takes
 * them for its own. The watchdog is fed from the loop: a loop that is stuck is restarted. */
struct notify *notify_new(struct event_base *base);
void notify_free(struct notify *notify);
/* "READY=1", "STOPPING=1", "STATUS=…"; several, with newlines between. */
void notify_send(struct notify *notify, const char *state);

#endif
