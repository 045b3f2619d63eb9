/* websocket_handshake: the request in one piece; the answer line by line, a table of the headers that count. */
#include "websocket_handshake.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455, 1.3 */

void websocket_key(const unsigned char chance[16], char ret_key[WEBSOCKET_KEY_SIZE])
{
	EVP_EncodeBlock((unsigned char *)ret_key, chance, 16);
}

/* libcrypto is loaded anyway, by libcurl. */
void websocket_accept(const char *key, char ret_accept[WEBSOCKET_ACCEPT_SIZE])
{
	char text[128];
	unsigned char digest[EVP_MAX_MD_SIZE] = { 0 };
	int n = snprintf(text, sizeof(text), "%s%s", key, GUID);
	EVP_Digest(text, (size_t)n, digest, NULL, EVP_sha1(), NULL);
	EVP_EncodeBlock((unsigned char *)ret_accept, digest, 20);
}

char *websocket_ask(
    const char *host, const char *target, const char *key, const char *const *headers)
{
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);
	if (!out)
		return NULL;
	bool good = true;
	fprintf(out,
	    "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n",
	    target, host, key);
	for (; headers && *headers; headers++) {
		good = good && !strpbrk(*headers, "\r\n");
		fprintf(out, "%s\r\n", *headers);
	}
	fputs("\r\n", out);
	good = fclose(out) == 0 && good && n <= WEBSOCKET_HEAD_MAX;
	if (!good) {
		free(text);
		return NULL;
	}
	return text;
}

struct span {
	const char *p;
	size_t n;
};

static struct span trimmed(struct span text)
{
	while (text.n && (text.p[0] == ' ' || text.p[0] == '\t'))
		text.p++, text.n--;
	while (text.n && (text.p[text.n - 1] == ' ' || text.p[text.n - 1] == '\t'))
		text.n--;
	return text;
}

static bool is(struct span text, const char *word)
{
	return text.n == strlen(word) && strncasecmp(text.p, word, text.n) == 0;
}

/* Is the word one of the list's, between commas? */
static bool lists(struct span list, const char *word)
{
	while (list.n) {
		const char *comma = memchr(list.p, ',', list.n);
		size_t n = comma ? (size_t)(comma - list.p) : list.n;
		if (is(trimmed((struct span){ list.p, n }), word))
			return true;
		n += comma != NULL;
		list.p += n, list.n -= n;
	}
	return false;
}

static bool is_upgrade(struct span value, const char *accept)
{
	(void)accept;
	return lists(value, "websocket");
}

static bool is_connection(struct span value, const char *accept)
{
	(void)accept;
	return lists(value, "upgrade");
}

/* Exactly: it is base64, where case counts. */
static bool is_accept(struct span value, const char *accept)
{
	return value.n == strlen(accept) && memcmp(value.p, accept, value.n) == 0;
}

static bool is_never(struct span value, const char *accept)
{
	(void)accept;
	return value.n == 0;
}

static const struct header {
	const char *name;
	bool needed;
	bool (*is_good)(struct span value, const char *accept);
	const char *reason;
} headers_that_count[] = {
	{ "upgrade", true, is_upgrade, "the server does not upgrade to a WebSocket" },
	{ "connection", true, is_connection, "the server does not upgrade the connection" },
	{ "sec-websocket-accept", true, is_accept, "the server's Sec-WebSocket-Accept is wrong" },
	{ "sec-websocket-extensions", false, is_never, "the server wants an extension" },
	{ "sec-websocket-protocol", false, is_never, "the server wants a subprotocol" },
};

#define HEADERS (sizeof(headers_that_count) / sizeof(headers_that_count[0]))

/* "HTTP/1.1 101 …": the status, or 0. */
static unsigned status_of(struct span line)
{
	if (line.n < 12 || memcmp(line.p, "HTTP/1.", 7) != 0 || line.p[8] != ' ')
		return 0;
	unsigned status = 0;
	for (size_t i = 9; i < 12; i++) {
		if (line.p[i] < '0' || line.p[i] > '9')
			return 0;
		status = status * 10 + (unsigned)(line.p[i] - '0');
	}
	return line.n == 12 || line.p[12] == ' ' ? status : 0;
}

/* One header. Each that counts may be there once; `seen` has a bit for each. NULL: it is good. */
static const char *header_check(struct span line, const char *accept, unsigned *seen)
{
	const char *colon = memchr(line.p, ':', line.n);
	if (!colon || colon == line.p)
		return "the server's answer is not HTTP";
	struct span name = { line.p, (size_t)(colon - line.p) };
	struct span value = trimmed((struct span){ colon + 1, line.n - name.n - 1 });
	for (size_t i = 0; i < HEADERS; i++) {
		if (!is(name, headers_that_count[i].name))
			continue;
		if ((*seen & 1u << i) || !headers_that_count[i].is_good(value, accept))
			return headers_that_count[i].reason;
		*seen |= 1u << i;
	}
	return NULL;
}

/* The lines up to the empty one. NULL: all is well. */
static const char *head_check(struct span head, const char *accept, unsigned *ret_status)
{
	unsigned seen = 0;
	for (bool first = true; head.n; first = false) {
		const char *end = memmem(head.p, head.n, "\r\n", 2);
		struct span line = { head.p, (size_t)(end - head.p) };
		head.p += line.n + 2, head.n -= line.n + 2;
		unsigned status = first ? status_of(line) : 101;
		if (status == 0)
			return "the server's answer is not HTTP";
		if (status != 101) {
			*ret_status = status;
			return "the server refuses the WebSocket";
		}
		const char *reason = first ? NULL : header_check(line, accept, &seen);
		if (reason)
			return reason;
	}
	for (size_t i = 0; i < HEADERS; i++)
		if (headers_that_count[i].needed && !(seen & 1u << i))
			return headers_that_count[i].reason;
	return NULL;
}

enum websocket_verdict websocket_head_scan(
    const char *bytes, size_t n, const char *accept, struct websocket_head *ret_head)
{
	struct websocket_head head = { 0 };
	size_t most = n < WEBSOCKET_HEAD_MAX ? n : WEBSOCKET_HEAD_MAX;
	const char *end = memmem(bytes, most, "\r\n\r\n", 4);
	if (!end && n < WEBSOCKET_HEAD_MAX)
		return WEBSOCKET_MORE;
	if (end) {
		head.length = (size_t)(end - bytes) + 4;
		head.reason =
		    head_check((struct span){ bytes, head.length - 2 }, accept, &head.status);
	} else {
		head.reason = "the server's answer is too long";
	}
	*ret_head = head;
	return head.reason ? WEBSOCKET_BAD : WEBSOCKET_GOOD;
}
