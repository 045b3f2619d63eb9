/*
 * websocket: a WebSocket client (RFC 6455) on agentd's loop: libwslay's frames over a connection that
 * libcurl has made (CONNECT_ONLY), so that proxies, TLS and the verification of certificates are libcurl's.
 *
 * The loop thread only. An error never has the URL in it, which may hold a token.
 */
#ifndef AGENTD_PLUGINS_COMMON_WEBSOCKET_H
#define AGENTD_PLUGINS_COMMON_WEBSOCKET_H

#include "agentd/plugin.h"

#define WEBSOCKET_MESSAGE_MAX (16u << 20)

/* Codes of `closed` that no peer sends. */
#define WEBSOCKET_NO_CONNECTION 1006u /* it was never made, or broke: the reason says how */

struct websocket;

struct websocket_setup {
	const struct agentd_host *host; /* borrowed */
	const char *url;                /* ws:// or wss:// */
	const char *const *headers;     /* "Name: value"; NULL-terminated; NULL: none */
	int64_t connect_ms;             /* until `opened`; 0: 10 s */
	size_t message_max;             /* bytes; more closes it with 1009; 0: the default above */
	/* None of them before websocket_new has returned. */
	void (*opened)(void *arg);
	void (*message)(void *arg, struct agentd_text text); /* text or binary, whole */
	/* Once: it has ended, by whoever. `status` is that of the handshake if that was refused, else 0. It
	 * may be freed here, and must be somewhere. */
	void (*closed)(void *arg, unsigned code, unsigned status, const char *reason);
	void *arg;
};

/* NULL: memory is out, or the URL is none. */
struct websocket *websocket_new(const struct websocket_setup *setup);
/* A text message. 0; -ENOTCONN: it is not open; -ENOMEM. */
int websocket_send(struct websocket *socket, struct agentd_text text);
/* Begins to close it; `closed` follows, within two seconds whatever the peer does. */
void websocket_close(struct websocket *socket, unsigned code, const char *reason);
/* Ends it at once; `closed` is not called. NULL is fine. */
void websocket_free(struct websocket *socket);

#endif
