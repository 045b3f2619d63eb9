/*
 * websocket_handshake: the words with which a client turns an HTTP connection into a WebSocket
 * (RFC 6455, 4.1): what is asked, and whether what a server answers is a yes. No extension and no
 * subprotocol is asked for, so that none may be answered. Pure: chance is passed in.
 */
#ifndef AGENTD_PLUGINS_COMMON_WEBSOCKET_HANDSHAKE_H
#define AGENTD_PLUGINS_COMMON_WEBSOCKET_HANDSHAKE_H

#include <stddef.h>

#define WEBSOCKET_HEAD_MAX    (16u << 10) /* bytes, either way */
#define WEBSOCKET_KEY_SIZE    25          /* base64 of 16 bytes, and a NUL */
#define WEBSOCKET_ACCEPT_SIZE 29          /* base64 of 20 bytes, and a NUL */

enum websocket_verdict {
	WEBSOCKET_MORE, /* the head has no end yet */
	WEBSOCKET_GOOD,
	WEBSOCKET_BAD, /* and the reason says why */
};

struct websocket_head {
	size_t length;      /* if good: what is behind it belongs to the first frame */
	unsigned status;    /* of a bad one that is an HTTP answer, but not 101; else 0 */
	const char *reason; /* of a bad one; static */
};

void websocket_key(const unsigned char chance[16], char ret_key[WEBSOCKET_KEY_SIZE]);
/* What the server has to answer to that key. */
void websocket_accept(const char *key, char ret_accept[WEBSOCKET_ACCEPT_SIZE]);
/* The request, malloc'ed; NULL: memory is out, or a header is none (a line break in it), or all is longer than
 * WEBSOCKET_HEAD_MAX. `target`: path and query. `headers`: "Name: value"; NULL-terminated; NULL: none. */
char *websocket_ask(
    const char *host, const char *target, const char *key, const char *const *headers);
/* The answer, as much of it as there is. */
enum websocket_verdict websocket_head_scan(
    const char *bytes, size_t n, const char *accept, struct websocket_head *ret_head);

#endif
