/* exit: a sentence, safe to show. */
#include "daemon/proc/exit.h"

#include <stdio.h>
#include <string.h>

#include "daemon/base/buf.h"
#include "daemon/base/id.h"

/* The text as UTF-8, cut to its room: a plugin may have had a part in it, and people and JSON get to
 * see it. */
static void make_shown(char *text, size_t size)
{
	struct buf clean = { 0 };
	buf_add_utf8(&clean, NULL, text, strlen(text));
	size_t n = clean.length < size ? clean.length : size - 1;
	while (n < clean.length && n && (clean.data[n] & 0xc0) == 0x80)
		n--; /* not inside a character */
	if (n)
		memcpy(text, clean.data, n);
	text[n] = '\0';
	buf_done(&clean);
}

void exit_describe(struct child_exit *last, const char *said, const char *line)
{
	size_t first = strcspn(said, "\n");
	last->at_wall_ms = clock_wall_ms();
	if (first)
		snprintf(last->reason, sizeof(last->reason), "%.*s", (int)first, said);
	else if (last->signal)
		snprintf(last->reason, sizeof(last->reason), "killed by SIG%s",
		    sigabbrev_np(last->signal) ? sigabbrev_np(last->signal) : "?");
	else
		snprintf(last->reason, sizeof(last->reason), "exited with code %d", last->code);
	make_shown(last->reason, sizeof(last->reason));
	if (said[0])
		line = said[first] ? said + first + 1 : "";
	snprintf(last->whole, sizeof(last->whole), "%s%s%.200s", last->reason, line[0] ? ": " : "",
	    line);
	make_shown(last->whole, sizeof(last->whole));
}

void exit_say_replaced(struct child_exit *last, const char *why)
{
	const struct child_exit before = *last;
	snprintf(
	    last->reason, sizeof(last->reason), "replaced, since %s (%.128s)", why, before.reason);
	snprintf(
	    last->whole, sizeof(last->whole), "replaced, since %s (%.384s)", why, before.whole);
	make_shown(last->reason, sizeof(last->reason));
	make_shown(last->whole, sizeof(last->whole));
}
