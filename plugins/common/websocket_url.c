/* websocket_url: libcurl takes it apart, and says what it is with another scheme. */
#include "plugins/common/websocket_url.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct parts {
	CURLU *whole;
	char *scheme, *host, *port, *path, *query, *user, *http;
};

/* 0; -EINVAL, -ENOMEM; whatever of it is there is to be freed. */
static int take_apart(struct parts *parts, const char *text)
{
	parts->whole = curl_url();
	if (!parts->whole)
		return -ENOMEM;
	if (curl_url_set(parts->whole, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) ||
	    curl_url_get(parts->whole, CURLUPART_SCHEME, &parts->scheme, 0) ||
	    curl_url_get(parts->whole, CURLUPART_HOST, &parts->host, 0) ||
	    curl_url_get(parts->whole, CURLUPART_PATH, &parts->path, 0))
		return -EINVAL;
	curl_url_get(parts->whole, CURLUPART_PORT, &parts->port, 0);
	curl_url_get(parts->whole, CURLUPART_QUERY, &parts->query, 0);
	curl_url_get(parts->whole, CURLUPART_USER, &parts->user, 0);
	int is_secure = strcmp(parts->scheme, "wss") == 0;
	if ((!is_secure && strcmp(parts->scheme, "ws") != 0) || parts->user)
		return -EINVAL;
	if (curl_url_set(parts->whole, CURLUPART_SCHEME, is_secure ? "https" : "http", 0) ||
	    curl_url_get(parts->whole, CURLUPART_URL, &parts->http, 0))
		return -EINVAL;
	return 0;
}

static char *joined(const char *first, const char *between, const char *second)
{
	char *text = NULL;
	if (asprintf(&text, "%s%s%s", first, second ? between : "", second ? second : "") < 0)
		return NULL;
	return text;
}

int websocket_url_init(struct websocket_url *url, const char *text)
{
	struct parts parts = { 0 };
	int error = take_apart(&parts, text);
	if (error == 0) {
		*url = (struct websocket_url){ .http = strdup(parts.http),
			.host = joined(parts.host, ":", parts.port),
			.target = joined(parts.path, "?", parts.query) };
		if (!url->http || !url->host || !url->target) {
			websocket_url_done(url);
			error = -ENOMEM;
		}
	}
	curl_url_cleanup(parts.whole);
	char *const texts[] = { parts.scheme, parts.host, parts.port, parts.path, parts.query,
		parts.user, parts.http };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		curl_free(texts[i]);
	return error;
}

void websocket_url_done(struct websocket_url *url)
{
	free(url->http);
	free(url->host);
	free(url->target);
	*url = (struct websocket_url){ 0 };
}
