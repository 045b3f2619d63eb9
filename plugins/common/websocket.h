/*
 * websocket: a WebSocket client (RFC 6455) on agentd's loop: libwslay's frames over a connection that
 * libcurl has made (CONNECT_ONLY), so that proxies, TLS and the verification of certificates are libcurl's.
 *
 * Messages come whole, and pings are answered. What breaks the protocol, or is too long, ends it. There
 * are no extensions, and it does not connect again: that is for who knows why it ended.
 *
 * The loop thread only. An error never has the URL in it, which may hold a token. Every function may be
 * called in every callback.
 */
#ifndef AGENTD_PLUGINS_COMMON_WEBSOCKET_H
#define AGENTD_PLUGINS_COMMON_WEBSOCKET_H

#include <stdbool.h>

#include "agentd/plugin.h"

#define WEBSOCKET_CONNECT_MS  10000
#define WEBSOCKET_CLOSE_MS    2000
#define WEBSOCKET_MESSAGE_MAX (16u << 20)

/* Codes of `closed` that no peer sends. */
#define WEBSOCKET_NO_CODE       1005u /* the peer closed it without one */
#define WEBSOCKET_NO_CONNECTION 1006u /* it was never made, or broke: the reason says how */

struct websocket;

struct websocket_setup {
	const struct agentd_host *host; /* borrowed */
	const char *url;                /* ws:// or wss://, without a user */
	const char *const *headers;     /* "Name: value"; NULL-terminated; NULL: none */
	int64_t connect_ms;             /* until `opened`; 0: the default above */
	size_t message_max;             /* bytes; more closes it with 1009; 0: the default above */
	/* None of them before websocket_new has returned. */
	void (*opened)(void *arg);
	/* Text (which is UTF-8) or binary, whole. None after websocket_close. */
	void (*message)(void *arg, struct agentd_text text);
	/* Once: it has ended, by whoever; websocket_free is still to be called, here or later. `code`: the
	 * peer's if it sent one, else that with which we closed it. `status`: of the handshake if that was
	 * refused, else 0. `reason`: one line, there for the call. */
	void (*closed)(void *arg, unsigned code, unsigned status, const char *reason);
	void *arg; /* borrowed */
};

/* NULL: memory is out, or the URL or a header is none. */
struct websocket *websocket_new(const struct websocket_setup *setup);
/* A text message. 0; -ENOTCONN: it is not open; -ENOMEM; -EAGAIN: the peer reads too slowly. */
int websocket_send(struct websocket *socket, struct agentd_text text);
/* Whether it is not read from, so that the peer has to wait; what has been read already still comes, a few
 * KiB. Pings are not answered meanwhile. */
void websocket_pause(struct websocket *socket, bool paused);
/* Begins to close it; `closed` follows, within two seconds whatever the peer does. `code`: 1000, or one
 * from 3000 to 4999; `reason`: at most 123 bytes, or NULL. */
void websocket_close(struct websocket *socket, unsigned code, const char *reason);
/* Ends it at once; `closed` is not called. NULL is fine. */
void websocket_free(struct websocket *socket);

#endif
