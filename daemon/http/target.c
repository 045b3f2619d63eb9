/* target: percent-decoding with the doors shut that it opens elsewhere. */
#include "daemon/http/target.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/buf.h"
#include "daemon/http/head.h"

/* Decodes n bytes; NULL if an escape is broken, or stands for a byte of `never`, or for NUL, or if
 * the whole is not UTF-8. */
static char *decode(const char *text, size_t n, char never)
{
	struct buf out = { 0 }, clean = { 0 };
	bool bad = false;
	for (size_t i = 0; i < n && !bad; i++) {
		char c = text[i];
		if (c == '%') {
			int high = i + 2 < n ? head_hex_digit(text[i + 1]) : -1,
			    low = high < 0 ? -1 : head_hex_digit(text[i + 2]);
			bad = low < 0;
			c = (char)(high * 16 + low);
			bad = bad || c == '\0' || c == never;
			i += 2;
		} else {
			bad = c <= ' ' || c == 0x7f; /* char is signed: also bytes past ASCII */
		}
		buf_add(&out, &c, 1);
	}
	buf_add_utf8(&clean, NULL, out.data ? out.data : "", out.length);
	bad = bad || clean.length != out.length ||
	      (out.length && memcmp(clean.data, out.data, out.length) != 0);
	buf_done(&clean);
	if (bad) {
		buf_done(&out);
		return NULL;
	}
	return buf_take(&out);
}

static bool has_dot_segment(const char *path)
{
	for (const char *p = path; (p = strchr(p, '/')); p++) {
		size_t n = strcspn(p + 1, "/");
		if ((n == 1 || n == 2) && strspn(p + 1, ".") >= n)
			return true;
	}
	return false;
}

/* Nothing to decode, and nothing to refuse. */
static bool is_plain(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (text[i] <= ' ' || text[i] == '%' || text[i] == 0x7f)
			return false;
	return true;
}

char *target_path(const char *target)
{
	if (!target || target[0] != '/' || target[1] == '/' || strchr(target, '#'))
		return NULL;
	size_t n = strcspn(target, "?");
	char *path = is_plain(target, n) ? strndup(target, n) : decode(target, n, '/');
	if (path && has_dot_segment(path)) {
		free(path);
		return NULL;
	}
	return path;
}

/* A "+" is a space. */
static char *decode_value(const char *text, size_t n)
{
	struct buf escaped = { 0 };
	for (size_t i = 0; i < n; i++)
		buf_add(&escaped, text[i] == '+' ? "%20" : &text[i], text[i] == '+' ? 3 : 1);
	char *value =
	    escaped.failed ? NULL : decode(escaped.data ? escaped.data : "", escaped.length, '\0');
	buf_done(&escaped);
	return value;
}

int target_query(const char *target, const char *name, char **ret)
{
	const char *at = target + strcspn(target, "?");
	size_t length = strlen(name);
	*ret = NULL;
	while (*at++) {
		size_t n = strcspn(at, "&");
		if (n > length && strncmp(at, name, length) == 0 && at[length] == '=') {
			*ret = decode_value(at + length + 1, n - length - 1);
			return *ret ? 0 : -EINVAL;
		}
		at += n;
	}
	return 0;
}
