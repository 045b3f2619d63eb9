/* caller: headers as JSON, and what a browser says of a page. */
#include "daemon/http/caller.h"

#include <ctype.h>
#include <string.h>

#include "daemon/http/problem.h"

static void add_lower(struct buf *out, const char *name)
{
	for (; *name; name++)
		buf_add(out, &(char){ (char)tolower((unsigned char)*name) }, 1);
}

/* All values of a header, as one (RFC 9110, section 5.3). */
static void add_values(struct buf *out, const struct http_request *request, const char *name)
{
	struct buf text = { 0 };
	const char *value;
	for (unsigned i = 0; (value = http_header_nth(request, name, i)); i++) {
		buf_add_str(&text, i ? ", " : "");
		buf_add_utf8(&text, NULL, value, strlen(value));
	}
	buf_add_json(out, text.length ? text.data : "", text.length);
	out->failed = out->failed || text.failed;
	buf_done(&text);
}

void caller_add_headers(
    const struct http_request *request, caller_filter is_shown, const void *arg, struct buf *out)
{
	const char *name, *value;
	bool first = true;
	buf_add_str(out, "{");
	for (size_t i = 0; http_header_at(request, i, &name, &value); i++) {
		struct buf lower = { 0 };
		if (http_header(request, name) != value ||
		    (is_shown && !is_shown(arg, request, name)))
			continue; /* the first of that name has said it; or nobody may */
		add_lower(&lower, name);
		buf_add_str(out, first ? "" : ",");
		buf_add_json(out, lower.length ? lower.data : "", lower.length);
		buf_add_str(out, ":");
		add_values(out, request, name);
		out->failed = out->failed || lower.failed;
		buf_done(&lower);
		first = false;
	}
	buf_add_str(out, "}");
}

/* A page makes a browser GET what it likes, of any site and without saying Origin (an image, a link). What
 * has an Origin has been looked at. Fetch Metadata, section 2.3. */
bool caller_is_page(struct http_request *request)
{
	const char *site = http_header(request, "Sec-Fetch-Site");
	if (!site || http_header(request, "Origin") || strcmp(site, "same-origin") == 0 ||
	    strcmp(site, "none") == 0)
		return false;
	http_note_refusal(request, "a page of another site");
	problem_reply(request, PROBLEM_FORBIDDEN, "a page of another site may not call this path");
	return true;
}
