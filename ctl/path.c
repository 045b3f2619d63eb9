/* path: ids and words from anywhere as parts of a target (RFC 3986, section 2). */
#include <stdlib.h>
#include <string.h>

#include "ctl/client.h"

static void add_escaped(struct buf *out, const char *text)
{
	for (const char *c = text; *c; c++) {
		bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
			     (*c >= '0' && *c <= '9') || strchr("-._~", *c);
		if (plain)
			buf_add(out, c, 1);
		else
			buf_addf(out, "%%%02X", (unsigned char)*c);
	}
}

char *client_path(const char *before, const char *id, const char *after)
{
	struct buf path = { 0 };
	buf_add_str(&path, before);
	add_escaped(&path, id);
	buf_add_str(&path, after);
	char *taken = buf_take(&path);
	if (!taken)
		abort();
	return taken;
}

void client_add_query(struct buf *path, const char *name, const char *value)
{
	if (!value)
		return;
	buf_addf(
	    path, "%c%s=", path->length && memchr(path->data, '?', path->length) ? '&' : '?', name);
	add_escaped(path, value);
}
