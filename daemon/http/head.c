/* head: the request line, then the fields, each line once, from left to right. */
#include "daemon/http/head.h"

#include <string.h>
#include <strings.h>

#define CHUNK_DIGITS_MAX 8

struct text {
	const char *p;
	size_t n;
};

/* What a byte may be part of. */
#define T 1u /* a token (RFC 9110, 5.6.2): methods and field names */
#define V 2u /* a field value: visible ASCII, space, tab */
#define U 4u /* a request target: visible ASCII without "#" and what no URI has raw */

static const unsigned char kind[256] = {
	['\t'] = V,
	[' '] = V,
	['!'] = T | V | U,
	['"'] = V,
	['#'] = T | V,
	['$'] = T | V | U,
	['%'] = T | V | U,
	['&'] = T | V | U,
	['\''] = T | V | U,
	['('] = V | U,
	[')'] = V | U,
	['*'] = T | V | U,
	['+'] = T | V | U,
	[','] = V | U,
	['-'] = T | V | U,
	['.'] = T | V | U,
	['/'] = V | U,
	['0' ... '9'] = T | V | U,
	[':'] = V | U,
	[';'] = V | U,
	['<'] = V,
	['='] = V | U,
	['>'] = V,
	['?'] = V | U,
	['@'] = V | U,
	['A' ... 'Z'] = T | V | U,
	['['] = V | U,
	['\\'] = V,
	[']'] = V | U,
	['^'] = T | V,
	['_'] = T | V | U,
	['`'] = T | V,
	['a' ... 'z'] = T | V | U,
	['{'] = V,
	['|'] = T | V,
	['}'] = V,
	['~'] = T | V | U,
	[0x80 ... 0xff] = V, /* obs-text: old names in old clients; never a delimiter */
};

struct scan {
	struct head head;
	size_t fields, hosts;
	bool is_head, is_1_0;
};

static size_t span(const char *p, size_t n, unsigned char of)
{
	size_t i = 0;
	while (i < n && (kind[(unsigned char)p[i]] & of))
		i++;
	return i;
}

static bool is(struct text text, const char *word)
{
	return text.n == strlen(word) && strncasecmp(text.p, word, text.n) == 0;
}

static struct text trim(struct text text)
{
	while (text.n && (text.p[0] == ' ' || text.p[0] == '\t'))
		text.p++, text.n--;
	while (text.n && (text.p[text.n - 1] == ' ' || text.p[text.n - 1] == '\t'))
		text.n--;
	return text;
}

/* Names of methods are case-sensitive (RFC 9110, section 9.1). */
static bool method_is_known(struct text name)
{
	static const char *const known[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE",
		"OPTIONS" };
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (name.n == strlen(known[i]) && memcmp(name.p, known[i], name.n) == 0)
			return true;
	return false;
}

/* METHOD SP origin-form SP HTTP/1.x. NULL: good. */
static const char *scan_request_line(struct scan *scan, struct text line)
{
	size_t method = span(line.p, line.n, T);
	if (method == 0 || method == line.n || line.p[method] != ' ')
		return "the request line does not begin with a method and a space";
	const char *target = line.p + method + 1;
	size_t left = line.n - method - 1, n = span(target, left, U);
	if (n == 0 || target[0] != '/')
		return "the request target must begin with \"/\"";
	if (n > 1 && target[1] == '/')
		return "the request target must not begin with \"//\"";
	if (n == left || target[n] != ' ')
		return "the request target has a byte that may not stand there";
	struct text version = { target + n + 1, left - n - 1 };
	scan->is_1_0 = version.n == 8 && memcmp(version.p, "HTTP/1.0", 8) == 0;
	if (!scan->is_1_0 && (version.n != 8 || memcmp(version.p, "HTTP/1.1", 8) != 0))
		return "the version must be HTTP/1.0 or HTTP/1.1";
	scan->is_head = method == 4 && memcmp(line.p, "HEAD", 4) == 0;
	scan->head.knows_method = method_is_known((struct text){ line.p, method });
	return NULL;
}

/* A name or an address, and perhaps a port. */
static bool host_is_good(struct text host)
{
	static const char name[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
	size_t i = 0;
	if (host.n && host.p[0] == '[') {
		for (i = 1;
		     i < host.n && host.p[i] && strchr("0123456789abcdefABCDEF:.", host.p[i]);)
			i++;
		if (i < 3 || i == host.n || host.p[i++] != ']')
			return false;
	} else {
		while (i < host.n && host.p[i] && strchr(name, host.p[i]))
			i++;
	}
	if (i == host.n)
		return i > 0;
	if (i == 0 || host.p[i++] != ':' || host.n - i > 5)
		return false;
	while (i < host.n && host.p[i] >= '0' && host.p[i] <= '9')
		i++;
	return i == host.n;
}

static const char *read_length(struct text value, struct head *head)
{
	if (head->has_length)
		return "Content-Length is said twice";
	if (value.n == 0 || value.n > 18)
		return "Content-Length must be a number";
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] < '0' || value.p[i] > '9')
			return "Content-Length must be a number";
		head->content_length = head->content_length * 10 + (uint64_t)(value.p[i] - '0');
	}
	head->has_length = true;
	return NULL;
}

/* One field line that stands `at` so many bytes into the head. NULL: good. */
static const char *scan_field(struct scan *scan, struct text line, size_t at)
{
	struct head *head = &scan->head;
	if (line.p[0] == ' ' || line.p[0] == '\t')
		return "a header field goes on over a line end";
	struct text name = { line.p, span(line.p, line.n, T) };
	if (name.n == 0 || name.n == line.n || line.p[name.n] != ':')
		return "a header field's name is no token, or not followed by \":\"";
	struct text value = { line.p + name.n + 1, line.n - name.n - 1 };
	if (span(value.p, value.n, V) != value.n)
		return "a header field has a control character";
	value = trim(value);
	if (is(name, "Content-Length"))
		return read_length(value, head);
	if (is(name, "Transfer-Encoding")) {
		if (head->chunked)
			return "Transfer-Encoding is said twice";
		if (!is(value, "chunked"))
			return "the only Transfer-Encoding is \"chunked\"";
		head->chunked = true;
		head->coding_at = at;
		head->coding_length = line.n + 2;
	} else if (is(name, "Host")) {
		if (scan->hosts++)
			return "Host is said twice";
		if (!host_is_good(value))
			return "Host is no host";
	} else if (is(name, "Expect")) {
		if (head->expects_continue || !is(value, "100-continue"))
			return "the only Expect is \"100-continue\"";
		head->expects_continue = true;
		head->expect_at = at;
		head->expect_length = line.n + 2;
	}
	return NULL;
}

static const char *check_whole(const struct scan *scan)
{
	const struct head *head = &scan->head;
	if (head->chunked && head->has_length)
		return "both Content-Length and Transfer-Encoding";
	if (head->chunked && scan->is_1_0)
		return "Transfer-Encoding in HTTP/1.0";
	if (scan->is_head && (head->chunked || head->content_length))
		return "HEAD with a body";
	if (!scan->is_1_0 && scan->hosts == 0)
		return "HTTP/1.1 without Host";
	return NULL;
}

/* A line without its CRLF. 1: there is one; 0: not yet; -1: a line end that is not CRLF, or a NUL. */
static int next_line(const char *bytes, size_t n, struct text *ret)
{
	const char *end = memchr(bytes, '\n', n);
	size_t length = end ? (size_t)(end - bytes) : n;
	const char *cr = memchr(bytes, '\r', length);
	if (memchr(bytes, '\0', length))
		return -1;
	if (!end)
		return cr && cr != bytes + n - 1 ? -1 : 0;
	if (!cr || cr != end - 1)
		return -1;
	*ret = (struct text){ bytes, length - 1 };
	return 1;
}

static enum head_verdict bad(const char *reason, const char **ret_reason)
{
	*ret_reason = reason;
	return HEAD_BAD;
}

enum head_verdict head_scan(const char *bytes, size_t n, const struct head_limits *limits,
    struct head *ret, const char **ret_reason)
{
	struct scan scan = { 0 };
	size_t most = n < limits->bytes ? n : limits->bytes;
	for (size_t at = 0, lines = 0;; lines++) {
		struct text line;
		int got = next_line(bytes + at, most - at, &line);
		const char *reason = NULL;
		if (got < 0)
			return bad("a NUL byte, or a line end that is not CRLF", ret_reason);
		if (got == 0)
			return n >= limits->bytes ? bad("the head is too long", ret_reason)
						  : HEAD_MORE;
		if (lines == 0)
			reason = scan_request_line(&scan, line);
		else if (line.n == 0)
			reason = check_whole(&scan);
		else if (scan.fields++ == limits->fields)
			reason = "too many header fields";
		else
			reason = scan_field(&scan, line, at);
		if (reason)
			return bad(reason, ret_reason);
		at += line.n + 2;
		if (lines && line.n == 0) {
			*ret = scan.head;
			ret->length = at;
			return HEAD_GOOD;
		}
	}
}

int head_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One line of a chunked body; as next_line, but bounded. */
static int chunk_line(const char *bytes, size_t n, struct text *ret)
{
	size_t most = n < HEAD_CHUNK_LINE_MAX ? n : HEAD_CHUNK_LINE_MAX;
	int got = next_line(bytes, most, ret);
	return got == 0 && n >= HEAD_CHUNK_LINE_MAX ? -1 : got;
}

int head_scan_chunk(const char *bytes, size_t n, uint64_t *ret_size)
{
	struct text line;
	uint64_t size = 0;
	size_t digits = 0;
	int got = chunk_line(bytes, n, &line);
	if (got <= 0)
		return got;
	for (int digit; digits < line.n && (digit = head_hex_digit(line.p[digits])) >= 0;
	     digits++) {
		if (digits == CHUNK_DIGITS_MAX)
			return -1;
		size = size * 16 + (uint64_t)digit;
	}
	if (digits == 0 || (digits < line.n && line.p[digits] != ';') ||
	    span(line.p + digits, line.n - digits, V) != line.n - digits)
		return -1;
	*ret_size = size;
	return (int)line.n + 2;
}

int head_scan_trailer(const char *bytes, size_t n, bool *ret_last)
{
	struct text line;
	int got = chunk_line(bytes, n, &line);
	if (got <= 0)
		return got;
	size_t name = span(line.p, line.n, T);
	if (line.n && (name == 0 || name == line.n || line.p[name] != ':' ||
			  span(line.p + name + 1, line.n - name - 1, V) != line.n - name - 1))
		return -1;
	*ret_last = line.n == 0;
	return (int)line.n + 2;
}
