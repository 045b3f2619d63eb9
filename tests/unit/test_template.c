/* template: what comes out, what is refused and where, and that data never becomes template. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/base/template.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MOST         100000

static const struct {
	const char *name, *value;
} headers[] = {
	{ "X-GitHub-Event", "push" },
	{ "Via", "a" },
	{ "Via", "b" },
	{ "X-Latin", "caf\xe9" },
	{ "X-Evil", "{{ body.name }}" },
	{ "X.Dotted", "dots" },
};

static const char body[] =
    "{\"name\":\"agentd\",\"evil\":\"{{ source }} {{{{ }} ${HOME}\",\"n\":42,\"big\":9223372036854775807,"
    "\"neg\":-1,\"price\":19.99,\"tenth\":0.1,\"third\":0.3333333333333333,\"whole\":3.0,\"huge\":1e300,"
    "\"yes\":true,\"no\":false,\"nil\":null,\"empty\":\"\",\"a\":{\"b\":{\"c\":\"deep\"},\"z\":1,\"y\":[]},"
    "\"items\":[{\"name\":\"first\"},{\"name\":\"second\"},null,1.5],\"list\":[0.1,\"a\\\"\\u0001\\u00e9\",null,{}],"
    "\"0\":\"zero\",\"caf\\u00e9\":\"utf8\",\"nul\":\"a\\u0000b\",\"two words\":1,\"a-b_c$\":\"odd\"}";

static json_t *document;
static char reason[200];

static const char *header(const void *arg, const char *name, unsigned nth)
{
	assert_ptr_equal(arg, headers);
	for (size_t i = 0; i < COUNT(headers); i++)
		if (strcasecmp(headers[i].name, name) == 0 && nth-- == 0)
			return headers[i].value;
	return NULL;
}

static struct template_values values(void)
{
	return (struct template_values){ document, header, headers, "POST /github",
		"2026-01-31T09:00:00Z" };
}

static struct template *parse(const char *text)
{
	struct template *template = NULL;
	reason[0] = '\0';
	if (template_parse(text, &template, reason, sizeof(reason)) < 0)
		fail_msg("%s: %s", text, reason);
	return template;
}

static void check_render(const char *text, const char *expected, size_t n)
{
	struct template_values given = values();
	struct template *template = parse(text);
	struct buf out = { 0 };
	buf_add_str(&out, ">");
	assert_int_equal(template_render(template, &given, n, &out), 0); /* exactly fits */
	if (out.length != n + 1 || memcmp(out.data + 1, expected, n) != 0)
		fail_msg("%s: got %.*s", text, (int)out.length, out.data);
	assert_true(utf8_is_good(out.data, out.length));
	out.length = 1;
	if (n)
		assert_int_equal(template_render(template, &given, n - 1, &out), -EMSGSIZE);
	assert_int_equal(out.length, 1);
	buf_done(&out);
	template_free(template);
}

/* Values of every kind, present and missing. */
static void test_values(void **state)
{
	(void)state;
	static const struct {
		const char *text, *expected;
	} rows[] = {
		{ "", "" },
		{ "nothing to see", "nothing to see" },
		{ "{{ body.name }}", "agentd" },
		{ "{{body.name}}", "agentd" },
		{ "{{\t\n body.name\r\n}}", "agentd" },
		{ "a{{ body.name }}b{{ source }}c", "aagentdbPOST /githubc" },
		{ "{{ source }}{{ timestamp }}", "POST /github2026-01-31T09:00:00Z" },
		{ "{{ body.n }} {{ body.big }} {{ body.neg }}", "42 9223372036854775807 -1" },
		{ "{{ body.price }} {{ body.tenth }} {{ body.third }} {{ body.whole }} {{ body.huge }}",
		    "19.99 0.1 0.3333333333333333 3 1e+300" },
		{ "{{ body.yes }} {{ body.no }}", "true false" },
		{ "[{{ body.nil }}{{ body.empty }}]", "[]" },
		{ "{{ body.a }}", "{\"b\":{\"c\":\"deep\"},\"z\":1,\"y\":[]}" },
		{ "{{ body.a.b.c }}", "deep" },
		{ "{{ body.list }}", "[0.1,\"a\\\"\\u0001\xc3\xa9\",null,{}]" },
		{ "{{ body.items.0.name }},{{ body.items.1.name }},{{ body.items.3 }}",
		    "first,second,1.5" },
		{ "{{ body.0 }}", "zero" },
		{ "{{ body.caf\xc3\xa9 }}", "utf8" },
		{ "{{ body.a-b_c$ }}", "odd" },
		/* Missing, through everything that has no members. */
		{ "{{ body.x }}{{ body.x.y.z }}{{ body.name.x }}{{ body.nil.x }}{{ body.n.0 }}",
		    "" },
		{ "{{ body.items.2 }}{{ body.items.4 }}{{ body.items.name }}", "" },
		{ "{{ body.items.00 }}{{ body.items.-1 }}{{ body.items.+1 }}{{ body.items.1x }}",
		    "" },
		{ "{{ body.items.4294967296 }}{{ body.items.18446744073709551616 }}", "" },
		{ "{{ headers.x-github-event }} {{ headers.X-GITHUB-EVENT }}", "push push" },
		{ "{{ headers.via }}", "a, b" },
		{ "{{ headers.x.dotted }}", "dots" },
		{ "{{ headers.x-latin }}", "caf\xef\xbf\xbd" },
		{ "[{{ headers.x-none }}]", "[]" },
	};
	for (size_t i = 0; i < COUNT(rows); i++)
		check_render(rows[i].text, rows[i].expected, strlen(rows[i].expected));
	check_render("{{ body.nul }}", "a\0b", 3);
}

/* Braces that are text. */
static void test_literals(void **state)
{
	(void)state;
	static const struct {
		const char *text, *expected;
	} rows[] = {
		{ "{{{{", "{{" },
		{ "{{{{ body.name }}", "{{ body.name }}" },
		{ "{{{{{{ body.name }}", "{{agentd" },
		{ "{{{{{{{{", "{{{{" },
		{ "{{{{{", "{{{" },
		{ "{ } }} {a} ${x} %s \\n", "{ } }} {a} ${x} %s \\n" },
		{ "{{ body.name }}}}", "agentd}}" },
		{ "{\"a\":{\"b\":\"{{ body.name }}\"}}", "{\"a\":{\"b\":\"agentd\"}}" },
	};
	for (size_t i = 0; i < COUNT(rows); i++)
		check_render(rows[i].text, rows[i].expected, strlen(rows[i].expected));
}

/* No data is looked at again, from wherever it comes. */
static void test_no_second_look(void **state)
{
	(void)state;
	static const char evil[] = "{{ source }} {{{{ }} ${HOME}";
	check_render("{{ body.evil }}", evil, strlen(evil));
	check_render("{{ headers.x-evil }}", "{{ body.name }}", 15);
	/* Not even put together from two. */
	struct template_values given = { .source = "{", .timestamp = "{ source }}" };
	struct template *template = parse("{{ source }}{{ timestamp }}");
	struct buf out = { 0 };
	assert_int_equal(template_render(template, &given, MOST, &out), 0);
	assert_int_equal(out.length, 12);
	assert_memory_equal(out.data, "{{ source }}", 12);
	buf_done(&out);
	template_free(template);
}

/* Each mistake is said with its place and what is expected there. */
static void test_mistakes(void **state)
{
	(void)state;
	static const struct {
		const char *text, *reason;
	} rows[] = {
		{ "{{", "column 1: {{ is not closed; for a literal {{ write {{{{" },
		{ "ab {{ body.a", "column 4: {{ is not closed; for a literal {{ write {{{{" },
		{ "ab {{ body.a  ", "column 4: {{ is not closed; for a literal {{ write {{{{" },
		{ "{{ body.a }", "column 11: expected }}" },
		{ "{{ body.a } }", "column 11: expected }}" },
		{ "{{ body.a {{ source }}", "column 11: expected }}" },
		{ "{{ body.a b }}", "column 11: expected }}" },
		{ "{{ body.a | upper }}", "column 11: expected }}" },
		{ "{{ source.x }}", "column 10: expected }}" },
		{ "{{ timestamp.x }}", "column 13: expected }}" },
		{ "{{ headers.a:b }}", "column 13: expected }}" },
		{ "{{ }}",
		    "column 4: expected body, headers.NAME, source or timestamp; for a literal {{ write {{{{" },
		{ "{{}}",
		    "column 3: expected body, headers.NAME, source or timestamp; for a literal {{ write {{{{" },
		{ "\xc3\xa9 {{ bdy.a }}",
		    "column 6: expected body, headers.NAME, source or timestamp; for a literal {{ write {{{{" },
		{ "{{ Body }}",
		    "column 4: expected body, headers.NAME, source or timestamp; for a literal {{ write {{{{" },
		{ "{{ .a }}",
		    "column 4: expected body, headers.NAME, source or timestamp; for a literal {{ write {{{{" },
		{ "{{{ body.a }}}",
		    "column 3: expected body, headers.NAME, source or timestamp; for a literal {{ write {{{{" },
		{ "{{ body. }}", "column 9: expected the name of a member, as in body.a.b" },
		{ "{{ body..a }}", "column 9: expected the name of a member, as in body.a.b" },
		{ "{{ body.a. }}", "column 11: expected the name of a member, as in body.a.b" },
		{ "{{ body.", "column 9: expected the name of a member, as in body.a.b" },
		{ "{{ headers }}",
		    "column 11: expected the name of a header, as in headers.content-type" },
		{ "{{ headers. }}",
		    "column 12: expected the name of a header, as in headers.content-type" },
		{ "one\ntwo {{ x }}",
		    "line 2, column 8: expected body, headers.NAME, source or timestamp; for a literal {{ write {{{{" },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct template *template = NULL;
		assert_int_equal(
		    template_parse(rows[i].text, &template, reason, sizeof(reason)), -EINVAL);
		assert_null(template);
		assert_string_equal(reason, rows[i].reason);
	}
	char small[8];
	struct template *template = NULL;
	assert_int_equal(template_parse("{{", &template, small, sizeof(small)), -EINVAL);
	assert_string_equal(small, "column ");
}

/* The whole body: a string as it is, anything else as the JSON it was. */
static void test_whole_body(void **state)
{
	(void)state;
	static const struct {
		const char *json, *expected;
	} rows[] = {
		{ "\"text\"", "text" },
		{ "[1,[2,{\"b\":1,\"a\":2}]]", "[1,[2,{\"b\":1,\"a\":2}]]" },
		{ "{}", "{}" },
		{ "7", "7" },
		{ "null", "" },
	};
	struct template *template = parse("{{ body }}");
	for (size_t i = 0; i < COUNT(rows); i++) {
		json_t *json = json_loads(rows[i].json, JSON_DECODE_ANY, NULL);
		struct template_values given = { .body = json };
		struct buf out = { 0 };
		assert_int_equal(template_render(template, &given, MOST, &out), 0);
		buf_add(&out, "", 1);
		assert_string_equal(out.data, rows[i].expected);
		buf_done(&out);
		json_decref(json);
	}
	template_free(template);
}

/* What is written of the whole document, jansson reads back as the same. */
static void test_json_is_whole(void **state)
{
	(void)state;
	struct template_values given = values();
	struct template *template = parse("{{ body }}");
	struct buf out = { 0 };
	assert_int_equal(template_render(template, &given, MOST, &out), 0);
	/* A whole real has become an integer; json_equal would call that another value. */
	json_t *again = json_loadb(out.data, out.length, JSON_ALLOW_NUL, NULL);
	assert_non_null(again);
	json_object_set_new(again, "whole", json_real(3.0));
	assert_true(json_equal(again, document));
	json_decref(again);
	buf_done(&out);
	template_free(template);
}

/* With no values at all everything is missing, and nothing is asked for. */
static void test_no_values(void **state)
{
	(void)state;
	struct template_values given = { 0 };
	struct template *template =
	    parse("{{ body }}{{ body.a }}{{ headers.a }}{{ source }}{{ timestamp }}");
	struct buf out = { 0 };
	assert_int_equal(template_render(template, &given, 0, &out), 0);
	assert_int_equal(out.length, 0);
	buf_done(&out);
	template_free(template);
}

/* The bound holds for what is written, whatever makes it long; what was there before stays. */
static void test_bound(void **state)
{
	(void)state;
	static char control[50000];
	memset(control, 1, sizeof(control) - 1); /* six bytes each in JSON */
	json_t *json = json_pack("{s:s}", "a", control);
	struct template_values given = { .body = json };
	struct template *template = parse("{{ body }}");
	struct buf out = { 0 };
	buf_add_str(&out, "kept");
	assert_int_equal(template_render(template, &given, MOST, &out), -EMSGSIZE);
	assert_int_equal(out.length, 4);
	assert_false(out.failed);
	assert_int_equal(template_render(template, &given, SIZE_MAX, &out), 0);
	assert_int_equal(out.length, 4 + 6 * (sizeof(control) - 1) + strlen("{\"a\":\"\"}"));
	out.failed = true; /* as when memory is out */
	assert_int_equal(template_render(template, &given, SIZE_MAX, &out), -ENOMEM);
	buf_done(&out);
	template_free(template);
	json_decref(json);
}

/* The deepest body that jansson reads. */
static void test_deep(void **state)
{
	(void)state;
	enum { DEPTH = 2048 };
	char text[2 * DEPTH];
	memset(text, '[', DEPTH);
	memset(text + DEPTH, ']', DEPTH);
	json_t *json = json_loadb(text, sizeof(text), 0, NULL);
	assert_non_null(json);
	struct template_values given = { .body = json };
	struct template *template = parse("{{ body }}");
	struct buf out = { 0 };
	assert_int_equal(template_render(template, &given, MOST, &out), 0);
	assert_int_equal(out.length, sizeof(text));
	assert_memory_equal(out.data, text, sizeof(text));
	buf_done(&out);
	template_free(template);
	json_decref(json);
}

static int set_up(void **state)
{
	(void)state;
	document = json_loads(body, JSON_ALLOW_NUL, NULL);
	return document ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	json_decref(document);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_literals),
		cmocka_unit_test(test_no_second_look),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_whole_body),
		cmocka_unit_test(test_json_is_whole),
		cmocka_unit_test(test_no_values),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_deep),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
