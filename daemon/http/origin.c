/* origin: comparisons of names. */
#include "daemon/http/origin.h"

#include <string.h>
#include <strings.h>

/* How much of "host:port" or "[::1]:port" is the host. */
static size_t host_length(const char *host)
{
	const char *end = host[0] == '[' ? strchr(host, ']') : strchr(host, ':');
	if (!end)
		return strlen(host);
	return (size_t)(end - host) + (host[0] == '[');
}

static bool same_host(const char *a, const char *b)
{
	size_t n = host_length(a);
	return n == host_length(b) && strncasecmp(a, b, n) == 0;
}

bool origin_host_is_ours(const struct http_settings *settings, const char *host)
{
	static const char *const ours[] = { "localhost", "127.0.0.1", "[::1]" };
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (same_host(host, ours[i]))
			return true;
	for (size_t i = 0; i < settings->listen.count; i++)
		if (same_host(host, settings->listen.items[i]))
			return true;
	for (size_t i = 0; i < settings->hosts.count; i++)
		if (same_host(host, settings->hosts.items[i]))
			return true;
	return false;
}

bool origin_is_same(const char *origin, const char *host)
{
	static const char *const schemes[] = { "http://", "https://" };
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t n = strlen(schemes[i]);
		if (strncasecmp(origin, schemes[i], n) == 0)
			return strcasecmp(origin + n, host) == 0;
	}
	return false;
}

bool origin_is_allowed(const struct http_settings *settings, const char *origin)
{
	for (size_t i = 0; i < settings->cors_origins.count; i++)
		if (strcasecmp(settings->cors_origins.items[i], origin) == 0)
			return true;
	return false;
}
