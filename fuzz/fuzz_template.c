/*
 * fuzz_template: any text as a template, and any text as the data of one.
 *
 * What must hold: the same values give the same text; the bound holds, and is exact; a template without
 * values in it says so; data comes out as it went in, whatever braces it has; and what is written of a
 * body, jansson reads back as the same number of things.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST ((size_t)1 << 20)

static const char *header(const void *arg, const char *name, unsigned nth)
{
	if (!*name)
		abort();
	return nth < 2 ? arg : NULL;
}

static void check_template(const char *text, const struct template_values *values)
{
	struct template *template = NULL;
	struct buf a = { 0 }, b = { 0 };
	char reason[100] = "";
	int error = template_parse(text, &template, reason, sizeof(reason));
	if (error < 0) {
		if (template || !(strstr(reason, "column ") || strstr(reason, "line ")))
			abort();
		return;
	}
	error = template_render(template, values, MOST, &a);
	if (error < 0 ? a.length != 0 : a.length > MOST)
		abort();
	if (error == 0 &&
	    (template_render(template, values, a.length, &b) < 0 || a.length != b.length ||
		(a.length && memcmp(a.data, b.data, a.length) != 0)))
		abort();
	b.length = 0;
	if (error == 0 && a.length && template_render(template, values, a.length - 1, &b) >= 0)
		abort();
	buf_done(&a);
	buf_done(&b);
	template_free(template);
}

/* As a source it comes out byte for byte; so does the inside of a string. */
static void check_data(const char *text)
{
	struct template_values values = { .source = text };
	struct template *template = NULL;
	struct buf out = { 0 };
	char reason[100];
	if (template_parse("{{source}}|{{ body }}", &template, reason, sizeof(reason)) < 0)
		abort();
	values.body = json_string(text); /* NULL if it is not UTF-8 */
	size_t n = strlen(text), both = n + 1 + (values.body ? n : 0);
	if (template_render(template, &values, both, &out) < 0 || out.length != both ||
	    memcmp(out.data, text, n) != 0 ||
	    (values.body && memcmp(out.data + n + 1, text, n) != 0))
		abort();
	json_decref((json_t *)values.body);
	buf_done(&out);
	template_free(template);
}

static void check_body(const json_t *body)
{
	struct template_values values = { .body = body };
	struct template *template = NULL;
	struct buf out = { 0 };
	char reason[100];
	if (template_parse("{{ body }}", &template, reason, sizeof(reason)) < 0 ||
	    template_render(template, &values, SIZE_MAX, &out) < 0)
		abort();
	if (json_is_object(body) || json_is_array(body)) {
		json_t *again = json_loadb(out.data, out.length, JSON_ALLOW_NUL, NULL);
		if (!again || json_object_size(again) != json_object_size(body) ||
		    json_array_size(again) != json_array_size(body))
			abort();
		json_decref(again);
	}
	buf_done(&out);
	template_free(template);
}

/* Up to a NUL it is a template; what follows, or else all of it, is a body. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	size_t n = strlen(text), from = n < size ? n + 1 : 0;
	json_t *body = json_loadb(text + from, size - from, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	struct template_values values = { body, header, text, "POST /x", "2026-01-31T09:00:00Z" };
	check_template(text, &values);
	check_data(text);
	if (body)
		check_body(body);
	json_decref(body);
	free(text);
	return 0;
}
