/* fence: each ``` of the text turns the state. */
#include "fence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK     "```"
#define CLOSING  "\n" MARK
#define MARK_LEN 3

static bool is_white(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool begins_with_mark(struct agentd_text text)
{
	return text.n >= MARK_LEN && memcmp(text.p, MARK, MARK_LEN) == 0;
}

/* The word right behind an opening mark, if it has the line for itself: the block's language. */
static void take_language(struct fence *fence, struct agentd_text behind)
{
	size_t n = 0;
	while (n < behind.n && !is_white(behind.p[n]) && behind.p[n] != '`')
		n++;
	bool is_one = n <= FENCE_LANGUAGE_MAX && (n == behind.n || behind.p[n] == '\n');
	snprintf(fence->language, sizeof(fence->language), "%.*s", is_one ? (int)n : 0,
	    n ? behind.p : "");
}

/* Whether a block is open behind the piece. */
static void follow(struct fence *fence, struct agentd_text piece)
{
	while (piece.n >= MARK_LEN) {
		if (!begins_with_mark(piece)) {
			piece.p++, piece.n--;
			continue;
		}
		piece.p += MARK_LEN, piece.n -= MARK_LEN;
		fence->is_open = !fence->is_open;
		if (fence->is_open)
			take_language(fence, piece);
	}
}

/* A mark that was cut in two goes into the next part. */
static void give_back_half_a_mark(struct fence *fence, struct agentd_text *piece)
{
	size_t n = 0;
	if (piece->p + piece->n != fence->rest.p || fence->rest.n == 0 || fence->rest.p[0] != '`')
		return;
	while (n < piece->n && piece->p[piece->n - 1 - n] == '`')
		n++;
	n %= MARK_LEN;
	if (n == piece->n)
		return;
	piece->n -= n;
	fence->rest.p -= n, fence->rest.n += n;
}

/* Of an open block nothing is left but its end, which the part before has had. */
static void skip_end(struct fence *fence)
{
	struct agentd_text text = fence->rest;
	while (text.n && is_white(text.p[0]))
		text.p++, text.n--;
	if (!fence->is_open || !begins_with_mark(text))
		return;
	fence->is_open = false;
	fence->rest = agentd_text(text.p + MARK_LEN, text.n - MARK_LEN);
}

char *fence_next(struct fence *fence, size_t most)
{
	char opening[MARK_LEN + FENCE_LANGUAGE_MAX + 2] = "", *part = NULL;
	skip_end(fence);
	struct fence before = *fence;
	if (fence->is_open)
		snprintf(opening, sizeof(opening), MARK "%s\n", fence->language);
	if (fence->is_open ||
	    (fence->rest.n && memmem(fence->rest.p, fence->rest.n, MARK, MARK_LEN)))
		most -= strlen(CLOSING) + strlen(opening); /* bytes: at least as many as units */
	struct agentd_text piece = split_next(&fence->rest, most, SPLIT_UTF16);
	if (piece.n == 0)
		return NULL;
	give_back_half_a_mark(fence, &piece);
	follow(fence, piece);
	if (asprintf(&part, "%s%.*s%s", opening, (int)piece.n, piece.p,
		fence->is_open && fence->rest.n ? CLOSING : "") < 0) {
		*fence = before;
		return NULL;
	}
	return part;
}
