/*
 * websocket_url: a ws:// or wss:// URL as what a client needs of it: the http:// or https:// URL to connect to
 * (Debian's libcurl knows no others), and the Host and the target of the request. Pure.
 */
#ifndef AGENTD_PLUGINS_COMMON_WEBSOCKET_URL_H
#define AGENTD_PLUGINS_COMMON_WEBSOCKET_URL_H

struct websocket_url { /* zero: empty */
	char *http, *host, *target;
};

/* 0; -EINVAL: it is none, or has a user; -ENOMEM. */
int websocket_url_init(struct websocket_url *url, const char *text);
void websocket_url_done(struct websocket_url *url);

#endif
