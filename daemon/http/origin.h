/*
 * origin: keeps web pages from driving a server that listens on this machine.
 *
 * A page that a browser shows may send requests to 127.0.0.1, by name (DNS rebinding: then Host is the
 * page's own name) or from its own origin (then the browser says so in Origin; RFC 6454). Pure.
 */
#ifndef AGENTD_HTTP_ORIGIN_H
#define AGENTD_HTTP_ORIGIN_H

#include <stdbool.h>

#include "daemon/conf/settings.h"

/* Whether Host is this machine, an address of http.listen, or in http.hosts; ports do not count. */
bool origin_host_is_ours(const struct http_settings *settings, const char *host);
/* Whether Origin is the server that Host names, over http or https. */
bool origin_is_same(const char *origin, const char *host);
/* Whether Origin is in http.cors_origins. */
bool origin_is_allowed(const struct http_settings *settings, const char *origin);

#endif
