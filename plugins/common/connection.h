/*
 * connection: bytes to a server and back, over TCP or TLS, on agentd's loop. libcurl makes it (CONNECT_ONLY),
 * so that proxies, name resolution and the verification of certificates are libcurl's; HTTP is not spoken.
 *
 * The loop thread only. An error never has the URL in it, which may hold a token. Every callback is the last
 * thing that is done: the connection may be freed in it.
 */
#ifndef AGENTD_PLUGINS_COMMON_CONNECTION_H
#define AGENTD_PLUGINS_COMMON_CONNECTION_H

#include <sys/types.h>

#include "agentd/plugin.h"

struct connection;

struct connection_setup {
	const struct agentd_host *host; /* borrowed */
	const char *url;                /* http:// or https://: where to */
	/* None of them before connection_new has returned. How long it takes is for the caller to bound. */
	void (*made)(void *arg);
	void (*failed)(void *arg, const char *reason); /* it cannot be made */
	void (*ready)(void *arg);                      /* for what connection_wait has said */
	void *arg;                                     /* borrowed */
};

/* NULL: memory is out, or the URL is none. */
struct connection *connection_new(const struct connection_setup *setup);
/* Ends it. NULL is fine. */
void connection_free(struct connection *connection);

/* These three once it is made. How many bytes; 0: none now; -1: it has ended, and `*ret_reason`, which is
 * static, says why. After 0 the same bytes are to be written again, which TLS asks for. */
ssize_t connection_read(
    struct connection *connection, void *to, size_t size, const char **ret_reason);
ssize_t connection_write(
    struct connection *connection, const void *bytes, size_t size, const char **ret_reason);
/* AGENTD_READ, AGENTD_WRITE, both, or 0. Bytes that TLS has read ahead make nothing ready: read until there
 * are none before waiting. */
void connection_wait(struct connection *connection, uint32_t what);

#endif
