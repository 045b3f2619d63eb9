/* output: lines, of which those with an envelope in them were received. */
#include "output.h"

#include <string.h>

/* The first line of what is left, without its end. */
static struct agentd_text line_of(struct agentd_text *rest)
{
	const char *end = memchr(rest->p, '\n', rest->n);
	struct agentd_text line = agentd_text(rest->p, end ? (size_t)(end - rest->p) : rest->n);
	size_t used = line.n + (end != NULL);
	rest->p += used;
	rest->n -= used;
	return line;
}

static bool was_received(struct agentd_text line)
{
	static const char key[] = "\"envelope\"";
	return memmem(line.p, line.n, key, sizeof(key) - 1) != NULL;
}

bool signal_output_next(struct agentd_text *rest, struct agentd_text *ret_line)
{
	while (rest->n) {
		*ret_line = line_of(rest);
		if (was_received(*ret_line))
			return true;
	}
	return false;
}

void signal_output_words(const char *output, char *words, size_t size)
{
	struct agentd_text rest = agentd_text(output, strlen(output));
	size_t n = 0;
	while (rest.n) {
		struct agentd_text line = line_of(&rest);
		if (was_received(line))
			continue;
		if (n && n < size - 1)
			words[n++] = ' ';
		for (; line.n && n < size - 1; line.p++, line.n--)
			words[n++] = (unsigned char)*line.p < ' ' ? ' ' : *line.p;
	}
	while (n && words[n - 1] == ' ')
		n--;
	words[n] = '\0';
}
