/* markup: cuts where split says, then looks what was open there, and cuts shorter until all fits. */
#include "plugins/telegram/markup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/common/split.h"

#define NAME_MAX_BYTES   20 /* of a tag: "tg-spoiler" */
#define ENTITY_MAX_BYTES 12 /* "&#x10FFFF;" */

/* What is known at some place in a text. */
struct scan {
	const char *text, *at, *end;
	const char *atom; /* that began here and does not end before `end`; NULL: none */
	struct telegram_mark marks[TELEGRAM_MARKS_MAX];
	size_t count;
	bool too_deep;
};

static bool starts(const struct scan *scan, const char *with)
{
	size_t n = strlen(with);
	return (size_t)(scan->end - scan->at) >= n && memcmp(scan->at, with, n) == 0;
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_name(char c)
{
	return is_letter(c) || (c >= '0' && c <= '9') || c == '-';
}

static bool same(struct agentd_text a, struct agentd_text b)
{
	return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

static void scan_open(struct scan *scan, struct agentd_text open, struct agentd_text name)
{
	if (scan->count == TELEGRAM_MARKS_MAX)
		scan->too_deep = true;
	else
		scan->marks[scan->count++] = (struct telegram_mark){ open, name };
}

/* Passes over n bytes that belong together; too few of them are left: the atom is not whole. */
static void scan_pass(struct scan *scan, size_t n)
{
	if ((size_t)(scan->end - scan->at) < n) {
		scan->atom = scan->at;
		scan->at = scan->end;
	} else
		scan->at += n;
}

/* HTML. */

/* The bytes of a tag, from "<" to ">"; 0: there is no end of it. */
static size_t tag_length(const char *at, const char *end)
{
	char quote = '\0';
	for (const char *c = at; c < end; c++) {
		if (quote)
			quote = *c == quote ? '\0' : quote;
		else if (*c == '"' || *c == '\'')
			quote = *c;
		else if (*c == '>')
			return (size_t)(c + 1 - at);
	}
	return 0;
}

static void scan_tag(struct scan *scan)
{
	const char *at = scan->at;
	bool closes = starts(scan, "</");
	size_t n = tag_length(at, scan->end), from = closes ? 2 : 1, to = from;
	if (!n) {
		scan_pass(scan, SIZE_MAX);
		return;
	}
	while (to < n && is_name(at[to]))
		to++;
	struct agentd_text name = agentd_text(at + from, to - from);
	if (!closes)
		scan_open(scan, agentd_text(at, n), name);
	else if (scan->count && same(scan->marks[scan->count - 1].name, name))
		scan->count--;
	scan_pass(scan, n);
}

static void scan_entity(struct scan *scan)
{
	size_t left = (size_t)(scan->end - scan->at), n = 1;
	while (n < left && n < ENTITY_MAX_BYTES && (is_name(scan->at[n]) || scan->at[n] == '#'))
		n++;
	if (n == left)
		scan_pass(scan, n + 1); /* perhaps it goes on */
	else
		scan_pass(scan, scan->at[n] == ';' ? n + 1 : 1);
}

static void scan_html(struct scan *scan)
{
	const char *next = scan->at + 1;
	if (scan->at[0] == '&')
		scan_entity(scan);
	else if (scan->at[0] == '<' && (next == scan->end || *next == '/' || is_letter(*next)))
		scan_tag(scan);
	else
		scan->at++;
}

/* Markdown. The longest first. */

static const char *const tokens_v2[] = { "```", "||", "__", "*", "_", "~", "`", NULL };
static const char *const tokens_v1[] = { "```", "*", "_", "`", NULL };

/* A block of code takes its language with it, so that it can be opened again. */
static size_t opening_length(const struct scan *scan, const char *token)
{
	size_t n = strlen(token), left = (size_t)(scan->end - scan->at);
	if (strcmp(token, "```") != 0)
		return n;
	while (n < left && n < NAME_MAX_BYTES && (is_name(scan->at[n]) || scan->at[n] == '+'))
		n++;
	return n < left && scan->at[n] == '\n' ? n + 1 : 3;
}

/* [text](url) stays whole. */
static void scan_link(struct scan *scan)
{
	const char *at = scan->at, *end = scan->end;
	const char *middle = at;
	while (middle < end && *middle != ']' && *middle != '\n')
		middle += middle[0] == '\\' && middle + 1 < end ? 2 : 1;
	if (middle + 1 < end && (*middle != ']' || middle[1] != '(')) {
		scan->at++;
		return;
	}
	const char *close = middle;
	while (close < end && *close != ')')
		close++;
	scan_pass(scan, close < end ? (size_t)(close + 1 - at) : SIZE_MAX);
}

static void scan_token(struct scan *scan, const char *token)
{
	const struct telegram_mark *top = scan->count ? &scan->marks[scan->count - 1] : NULL;
	struct agentd_text name = agentd_text(scan->at, strlen(token));
	if (top && same(top->name, name)) {
		scan->count--;
		scan_pass(scan, name.n);
		return;
	}
	size_t n = opening_length(scan, token);
	scan_open(scan, agentd_text(scan->at, n), name);
	scan_pass(scan, n);
}

static void scan_markdown(struct scan *scan, const char *const *tokens)
{
	const struct telegram_mark *top = scan->count ? &scan->marks[scan->count - 1] : NULL;
	bool in_code = top && top->name.p[0] == '`';
	if (scan->at[0] == '\\') {
		scan_pass(scan, 2);
		return;
	}
	if (scan->at[0] == '[' && !in_code) {
		scan_link(scan);
		return;
	}
	for (; *tokens; tokens++) {
		bool closes = top && top->name.n == strlen(*tokens) && starts(scan, *tokens) &&
			      memcmp(top->name.p, *tokens, top->name.n) == 0;
		if (closes || (starts(scan, *tokens) && !in_code)) {
			scan_token(scan, *tokens);
			return;
		}
	}
	scan->at++;
}

static void scan_to_end(struct scan *scan, enum telegram_markup markup)
{
	while (scan->at < scan->end) {
		if (markup == TELEGRAM_HTML)
			scan_html(scan);
		else
			scan_markdown(scan, markup == TELEGRAM_MARKDOWN ? tokens_v1 : tokens_v2);
	}
}

/* Parts. */

static size_t closing_units(enum telegram_markup markup, const struct telegram_mark *mark)
{
	return mark->name.n + (markup == TELEGRAM_HTML ? 3 : mark->name.n == 3 ? 1 : 0);
}

static char *put(char *to, const char *bytes, size_t n)
{
	if (n)
		memcpy(to, bytes, n);
	return to + n;
}

/* What is open, the part, and what closes it. NULL: memory is out. */
static char *put_together(
    const struct telegram_cut *cut, struct agentd_text part, const struct scan *scan)
{
	size_t n = part.n + 1;
	for (size_t i = 0; i < cut->mark_count; i++)
		n += cut->marks[i].open.n;
	for (size_t i = 0; i < scan->count; i++)
		n += closing_units(cut->markup, &scan->marks[i]);
	char *text = malloc(n), *to = text;
	if (!text)
		return NULL;
	for (size_t i = 0; i < cut->mark_count; i++)
		to = put(to, cut->marks[i].open.p, cut->marks[i].open.n);
	to = put(to, part.p, part.n);
	for (size_t i = scan->count; i-- > 0;) {
		struct agentd_text name = scan->marks[i].name;
		bool html = cut->markup == TELEGRAM_HTML;
		to = put(to, html ? "</" : "\n", html ? 2 : name.n == 3 ? 1 : 0);
		to = put(to, name.p, name.n);
		to = put(to, ">", html);
	}
	*to = '\0';
	return text;
}

void telegram_cut_init(
    struct telegram_cut *cut, struct agentd_text text, size_t most, enum telegram_markup markup)
{
	*cut = (struct telegram_cut){ .rest = text, .most = most, .markup = markup };
}

/* The longest next part that is whole with its marks; the rest is behind it. False: there is none. */
static bool cut_marked(const struct telegram_cut *cut, struct agentd_text *rest,
    struct agentd_text *part, struct scan *scan)
{
	size_t around = 0, limit = cut->most;
	for (size_t i = 0; i < cut->mark_count; i++)
		around += split_count(cut->marks[i].open, SPLIT_UTF16);
	limit = limit > around ? limit - around : 0;
	while (limit >= 4) {
		*rest = cut->rest;
		*part = split_next(rest, limit, SPLIT_UTF16);
		*scan = (struct scan){ .text = part->p, .at = part->p, .end = part->p + part->n };
		memcpy(scan->marks, cut->marks, sizeof(scan->marks));
		scan->count = cut->mark_count;
		scan_to_end(scan, cut->markup);
		if (scan->too_deep)
			return false;
		if (!rest->n) {
			scan->count = 0; /* the last is left as it was written */
			return true;
		}
		size_t closing = 0, units = split_count(*part, SPLIT_UTF16);
		for (size_t i = 0; i < scan->count; i++)
			closing += closing_units(cut->markup, &scan->marks[i]);
		if (!scan->atom && around + units + closing <= cut->most)
			return true;
		size_t less =
		    scan->atom ? split_count(agentd_text(part->p, (size_t)(scan->atom - part->p)),
				     SPLIT_UTF16)
			       : units - (around + units + closing - cut->most);
		if (!scan->atom && units < around + units + closing - cut->most)
			return false;
		limit = less < limit ? less : limit - 1;
	}
	return false;
}

int telegram_cut_next(struct telegram_cut *cut, struct agentd_text *ret_plain, char **ret_marked)
{
	struct agentd_text rest = cut->rest, part;
	struct scan scan;
	if (cut->markup != TELEGRAM_PLAIN && cut_marked(cut, &rest, &part, &scan)) {
		if (!part.n)
			return 0;
		char *marked = put_together(cut, part, &scan);
		if (!marked)
			return -ENOMEM;
		memcpy(cut->marks, scan.marks, sizeof(cut->marks));
		cut->mark_count = scan.count;
		cut->rest = rest;
		*ret_plain = part;
		*ret_marked = marked;
		return 1;
	}
	cut->markup = TELEGRAM_PLAIN; /* it cannot be kept; nor can what follows */
	part = split_next(&cut->rest, cut->most, SPLIT_UTF16);
	if (!part.n)
		return 0;
	*ret_plain = part;
	*ret_marked = NULL;
	return 1;
}
