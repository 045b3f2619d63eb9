/*
 * schema: what each type takes and refuses, defaults, bounds, and the words of every complaint.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/conf/schema.h"

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

struct fixture {
	struct conf_errors *errors;
	struct conf_node *root;
	struct schema_value *values;
	size_t count; /* of values */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	*state = f;
	return 0;
}

static void clear(struct fixture *f)
{
	schema_values_free(f->values, f->count);
	conf_free(f->root);
	conf_errors_free(f->errors);
	*f = (struct fixture){ 0 };
}

static int teardown(void **state)
{
	clear(*state);
	free(*state);
	return 0;
}

/* Bytes that are text nowhere, as only the environment or a file can hold them. */
static const char *fake_getenv(const char *name)
{
	return strcmp(name, "BYTES") == 0 ? "\xff" : NULL;
}

static void parse(struct fixture *f, const char *text)
{
	static const struct conf_reader reader = { .getenv = fake_getenv };

	clear(f);
	f->errors = conf_errors_new();
	assert_non_null(f->errors);
	f->root = conf_parse(text, strlen(text), "agent.conf", &reader, f->errors);
	assert_non_null(f->root);
	assert_int_equal(conf_errors_count(f->errors), 0);
}

/* Checks the whole text as one section. */
static void check_rows(
    struct fixture *f, const struct schema_row *rows, size_t count, const char *text)
{
	const struct schema schema = { rows, count };

	parse(f, text);
	f->values = schema_check(&schema, f->root, f->errors);
	f->count = count;
	assert_non_null(f->values);
}

static void check_row(struct fixture *f, struct schema_row row, const char *text)
{
	check_rows(f, &row, 1, text);
}

static void assert_errors(struct fixture *f, const char *const *expected, size_t count)
{
	for (size_t i = 0; i < count && i < conf_errors_count(f->errors); i++)
		assert_string_equal(conf_errors_get(f->errors, i), expected[i]);
	if (conf_errors_count(f->errors) > count)
		print_error("unexpected: %s\n", conf_errors_get(f->errors, count));
	assert_int_equal(conf_errors_count(f->errors), count);
}

#define assert_says(f, ...)                                    \
	assert_errors(f, (const char *const[]){ __VA_ARGS__ }, \
	    LENGTH(((const char *const[]){ __VA_ARGS__ })))

static void assert_clean(struct fixture *f)
{
	assert_errors(f, NULL, 0);
}

static void assert_items(const struct schema_value *value, const char *const *items, size_t count)
{
	assert_true(value->set);
	assert_int_equal(value->count, count);
	for (size_t i = 0; i < count; i++)
		assert_string_equal(value->items[i], items[i]);
}

/* A text and what comes of it: an error, or a number. */
struct parsed {
	const char *text;
	int r;
	int64_t number;
};

static void assert_parsed(
    int (*parser)(const char *, int64_t *), const struct parsed *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int64_t number = -77;
		int r = parser(cases[i].text, &number);
		if (r != cases[i].r || (r == 0 && number != cases[i].number))
			print_error("at \"%s\"\n", cases[i].text);
		assert_int_equal(r, cases[i].r);
		assert_int_equal(number, r == 0 ? cases[i].number : -77);
	}
}

static void test_duration(void **state)
{
	/* A duration is a number with a unit that is whole in milliseconds; nothing is guessed. */
	static const struct parsed cases[] = {
		{ "500ms", 0, 500 },
		{ "30s", 0, 30000 },
		{ "5m", 0, 300000 },
		{ "2h", 0, 7200000 },
		{ "1d", 0, 86400000 },
		{ "0", 0, 0 },
		{ "0s", 0, 0 },
		{ "0.0", 0, 0 },
		{ "1.5s", 0, 1500 },
		{ "0.001s", 0, 1 },
		{ "0.5h", 0, 1800000 },
		{ "1.000ms", 0, 1 },
		{ "9223372036854775807ms", 0, INT64_MAX },
		{ "9223372036854775808ms", -ERANGE, 0 },
		{ "9223372036854776s", -ERANGE, 0 },
		{ "106751991168d", -ERANGE, 0 },
		{ "99999999999999999999d", -ERANGE, 0 },
		{ "0.5ms", -EINVAL, 0 },
		{ "1.0005s", -EINVAL, 0 },
		{ "0.0000000001d", -EINVAL, 0 },
		{ "30", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },
		{ "-1s", -EINVAL, 0 },
		{ "+1s", -EINVAL, 0 },
		{ " 1s", -EINVAL, 0 },
		{ "1s ", -EINVAL, 0 },
		{ "1 s", -EINVAL, 0 },
		{ "1.s", -EINVAL, 0 },
		{ ".5s", -EINVAL, 0 },
		{ "1S", -EINVAL, 0 },
		{ "1M", -EINVAL, 0 },
		{ "1h30m", -EINVAL, 0 },
		{ "1e3s", -EINVAL, 0 },
		{ "0x1s", -EINVAL, 0 },
		{ "1,5s", -EINVAL, 0 },
		{ "1sec", -EINVAL, 0 },
	};

	(void)state;
	assert_parsed(schema_parse_duration, cases, LENGTH(cases));
}

static void test_size(void **state)
{
	/* K, M and G are powers of 1024 however they are written. */
	static const struct parsed cases[] = {
		{ "100", 0, 100 },
		{ "0", 0, 0 },
		{ "100B", 0, 100 },
		{ "64K", 0, 65536 },
		{ "64k", 0, 65536 },
		{ "64KB", 0, 65536 },
		{ "64KiB", 0, 65536 },
		{ "1M", 0, 1048576 },
		{ "2G", 0, INT64_C(2147483648) },
		{ "2GiB", 0, INT64_C(2147483648) },
		{ "1.5K", 0, 1536 },
		{ "9223372036854775807", 0, INT64_MAX },
		{ "9223372036854775808", -ERANGE, 0 },
		{ "8589934592G", -ERANGE, 0 },
		{ "0.3K", -EINVAL, 0 },
		{ "1.5", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "1T", -EINVAL, 0 },
		{ "1Ki", -EINVAL, 0 },
		{ "K", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "1 K", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 },
	};

	(void)state;
	assert_parsed(schema_parse_size, cases, LENGTH(cases));
}

static void test_int(void **state)
{
	/* An int is decimal digits and a minus: no octal, hex, blanks, junk, or wrapping. */
	static const struct parsed cases[] = {
		{ "0", 0, 0 },
		{ "-0", 0, 0 },
		{ "42", 0, 42 },
		{ "-42", 0, -42 },
		{ "9223372036854775807", 0, INT64_MAX },
		{ "-9223372036854775808", 0, INT64_MIN },
		{ "9223372036854775808", -ERANGE, 0 },
		{ "-9223372036854775809", -ERANGE, 0 },
		{ "18446744073709551617", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "-", -EINVAL, 0 },
		{ "--1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ "010", -EINVAL, 0 },
		{ "-01", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 },
		{ "1_000", -EINVAL, 0 },
		{ "1.0", -EINVAL, 0 },
		{ "1e3", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "1\n", -EINVAL, 0 },
	};

	(void)state;
	assert_parsed(schema_parse_int, cases, LENGTH(cases));
}

static void test_bool(void **state)
{
	/* Six words in any case, and no others: not 1, not y. */
	static const char *const yes[] = { "true", "True", "TRUE", "yes", "on", "ON" };
	static const char *const no[] = { "false", "no", "No", "off", "OFF" };
	static const char *const neither[] = { "", "1", "0", "y", "n", "t", "truee", " true", "~" };
	bool value;

	(void)state;
	for (size_t i = 0; i < LENGTH(yes); i++) {
		value = false;
		assert_int_equal(schema_parse_bool(yes[i], &value), 0);
		assert_true(value);
	}
	for (size_t i = 0; i < LENGTH(no); i++) {
		value = true;
		assert_int_equal(schema_parse_bool(no[i], &value), 0);
		assert_false(value);
	}
	for (size_t i = 0; i < LENGTH(neither); i++)
		assert_int_equal(schema_parse_bool(neither[i], &value), -EINVAL);
}

static void test_number(void **state)
{
	/* A number is a finite double in decimal: no inf, nan, hex, overflow, underflow. */
	struct fixture *f = *state;
	const struct schema_row row = { .key = "n", .type = AGENTD_NUMBER };
	static const struct {
		const char *text;
		double real;
	} good[] = { { "n: 0", 0 }, { "n: 0.7", 0.7 }, { "n: -1e3", -1000 }, { "n: .5", .5 },
		{ "n: '+2.'", 2 }, { "n: 1.7976931348623157e308", DBL_MAX } };
	static const char *const bad[] = { "n: inf", "n: .inf", "n: nan", "n: 0x1p3", "n: 1e999",
		"n: 1e-999", "n: 1.2.3", "n: 1,5", "n: ''", "n:", "n: '1 '", "n: e", "n: [ 1 ]" };

	for (size_t i = 0; i < LENGTH(good); i++) {
		check_row(f, row, good[i].text);
		assert_clean(f);
		assert_true(f->values[0].real == good[i].real);
	}
	for (size_t i = 0; i < LENGTH(bad); i++) {
		check_row(f, row, bad[i]);
		assert_int_equal(conf_errors_count(f->errors), 1);
		assert_false(f->values[0].set);
	}
}

static void test_wrong_types(void **state)
{
	/* Each type says what it wanted and shows what it found. */
	struct fixture *f = *state;
	static const struct {
		uint32_t type;
		const char *text, *says;
	} cases[] = {
		{ AGENTD_STRING, "o: [ a ]", "agent.conf:1: o: expected string, found a list" },
		{ AGENTD_STRING, "o: { a: b }", "agent.conf:1: o: expected string, found a map" },
		{ AGENTD_INT, "o: ten", "agent.conf:1: o: expected whole number, found \"ten\"" },
		{ AGENTD_INT, "o:", "agent.conf:1: o: expected whole number, found nothing" },
		{ AGENTD_INT, "o: ''",
		    "agent.conf:1: o: expected whole number, found an empty text" },
		{ AGENTD_INT, "o: 99999999999999999999",
		    "agent.conf:1: o: is out of range, found \"99999999999999999999\"" },
		{ AGENTD_NUMBER, "o: x", "agent.conf:1: o: expected number, found \"x\"" },
		{ AGENTD_BOOL, "o: 1",
		    "agent.conf:1: o: expected bool (true, false, yes, no, on, off), found \"1\"" },
		{ AGENTD_DURATION, "o: 30",
		    "agent.conf:1: o: a duration needs a unit: say \"30s\", found \"30\"" },
		{ AGENTD_DURATION, "o: soon",
		    "agent.conf:1: o: expected duration (500ms, 30s, 5m, 2h, 1d), found \"soon\"" },
		{ AGENTD_SIZE, "o: big",
		    "agent.conf:1: o: expected size (100, 64K, 1M, 2G), found \"big\"" },
		{ AGENTD_SECRET, "o: [ hunter2 ]",
		    "agent.conf:1: o: expected secret, found a list" },
		{ AGENTD_LIST, "o: { a: b }", "agent.conf:1: o: expected list, found a map" },
		{ AGENTD_MAP, "o: a",
		    "agent.conf:1: o: expected map of names to values, found \"a\"" },
		{ AGENTD_MAP, "o: [ a ]",
		    "agent.conf:1: o: expected map of names to values, found a list" },
	};

	for (size_t i = 0; i < LENGTH(cases); i++) {
		check_row(
		    f, (struct schema_row){ .key = "o", .type = cases[i].type }, cases[i].text);
		assert_says(f, cases[i].says);
		assert_false(f->values[0].set);
		assert_true(f->values[0].given);
	}
}

static void test_found_is_short(void **state)
{
	/* A long text is cut in a message, between characters and not within one. */
	struct fixture *f = *state;

	check_row(f, (struct schema_row){ .key = "o", .type = AGENTD_INT },
	    "o: xäääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääää");
	assert_says(
	    f, "agent.conf:1: o: expected whole number, found \"xäääääääääääääääääääääääääääää…\"");
}

static void test_bounds(void **state)
{
	/* Bounds are said in the option's unit; both 0 is none. */
	struct fixture *f = *state;
	static const struct {
		struct schema_row row;
		const char *text, *says;
	} cases[] = {
		{ { .key = "o", .type = AGENTD_INT, .min = 1, .max = 10 }, "o: 11",
		    "agent.conf:1: o: must be between 1 and 10, found \"11\"" },
		{ { .key = "o", .type = AGENTD_INT, .min = 1, .max = INT64_MAX }, "o: 0",
		    "agent.conf:1: o: must be at least 1, found \"0\"" },
		{ { .key = "o", .type = AGENTD_INT, .min = INT64_MIN, .max = 5 }, "o: 6",
		    "agent.conf:1: o: must be at most 5, found \"6\"" },
		{ { .key = "o", .type = AGENTD_DURATION, .min = 1000, .max = 86400000 }, "o: 999ms",
		    "agent.conf:1: o: must be between 1s and 1d, found \"999ms\"" },
		{ { .key = "o", .type = AGENTD_DURATION, .min = 0, .max = 90000 }, "o: 2m",
		    "agent.conf:1: o: must be between 0 and 90s, found \"2m\"" },
		{ { .key = "o", .type = AGENTD_SIZE, .min = 100, .max = 65536 }, "o: 1M",
		    "agent.conf:1: o: must be between 100 and 64K, found \"1M\"" },
		{ { .key = "o", .type = AGENTD_NUMBER, .min = 0, .max = 2 }, "o: 2.1",
		    "agent.conf:1: o: must be between 0 and 2, found \"2.1\"" },
		{ { .key = "o", .type = AGENTD_INT }, "o: -99", NULL },
		{ { .key = "o", .type = AGENTD_INT, .min = 1, .max = 10 }, "o: 1", NULL },
		{ { .key = "o", .type = AGENTD_INT, .min = 1, .max = 10 }, "o: 10", NULL },
		{ { .key = "o", .type = AGENTD_NUMBER, .min = 0, .max = 2 }, "o: 2", NULL },
	};

	for (size_t i = 0; i < LENGTH(cases); i++) {
		check_row(f, cases[i].row, cases[i].text);
		assert_errors(f, &cases[i].says, cases[i].says != NULL);
		assert_int_equal(f->values[0].set, cases[i].says == NULL);
	}
}

static void test_choices(void **state)
{
	/* One of the choices, exactly; otherwise all of them are said, and the nearest. */
	struct fixture *f = *state;
	const struct schema_row row = {
		.key = "o", .type = AGENTD_STRING, .choices = "error|warn|info"
	};

	check_row(f, row, "o: warn");
	assert_clean(f);
	assert_string_equal(f->values[0].text, "warn");
	check_row(f, row, "o: Warn");
	assert_says(f,
	    "agent.conf:1: o: expected one of error|warn|info, found \"Warn\"; did you mean \"warn\"?");
	check_row(f, row, "o: verbose");
	assert_says(f, "agent.conf:1: o: expected one of error|warn|info, found \"verbose\"");
	check_row(f, row, "o: error|warn");
	assert_int_equal(conf_errors_count(f->errors), 1);
}

static void test_text_is_as_written(void **state)
{
	/* A string is the text, be it a number, a bool or nothing at all in YAML. */
	struct fixture *f = *state;
	const struct schema_row row = { .key = "o", .type = AGENTD_STRING, .required = true };

	check_row(f, row, "o: 007");
	assert_string_equal(f->values[0].text, "007");
	check_row(f, row, "o: no");
	assert_string_equal(f->values[0].text, "no");
	check_row(f, row, "o: ''");
	assert_string_equal(f->values[0].text, "");
	assert_true(f->values[0].set);
	assert_clean(f);
}

static void test_required(void **state)
{
	/* A missing required option is said of its section, also where there is a default. */
	struct fixture *f = *state;
	static const struct schema_row rows[] = {
		{ .key = "model", .type = AGENTD_STRING, .required = true },
		{ .key = "plugin", .type = AGENTD_STRING, .required = true, .fallback = "x" },
	};
	static const struct schema schema = { rows, LENGTH(rows) };

	parse(f, "agents:\n  a:\n    other: 1\n");
	f->values = schema_check(&schema, conf_get(conf_get(f->root, "agents"), "a"), f->errors);
	f->count = LENGTH(rows);
	assert_says(f, "agent.conf:2: agents.a: the required option \"model\" is missing",
	    "agent.conf:2: agents.a: the required option \"plugin\" is missing");
}

static void test_secret(void **state)
{
	/* A required secret may not be empty, and no message ever shows a secret's text. */
	struct fixture *f = *state;
	const struct schema_row needed = {
		.key = "o", .type = AGENTD_SECRET, .required = true, .choices = "a|b"
	};
	const struct schema_row free_to_go = { .key = "o", .type = AGENTD_SECRET };

	check_row(f, needed, "o: hunter2");
	assert_clean(f);
	assert_string_equal(f->values[0].text, "hunter2");
	check_row(f, needed, "o: ${EMPTY:-}");
	assert_says(f, "agent.conf:1: o: is required, but empty");
	check_row(f, needed, "o: { hunter2: x }");
	assert_says(f, "agent.conf:1: o: expected secret, found a map");
	check_row(f, free_to_go, "o: ''");
	assert_clean(f);
	assert_true(f->values[0].set);
}

static void test_list(void **state)
{
	/* A list of scalars, a scalar as a list of one, nothing as an empty list. */
	struct fixture *f = *state;
	const struct schema_row row = { .key = "o", .type = AGENTD_LIST };

	check_row(f, row, "o: [ a, '', 3 ]");
	assert_items(&f->values[0], (const char *const[]){ "a", "", "3" }, 3);
	check_row(f, row, "o: a, b");
	assert_items(&f->values[0], (const char *const[]){ "a, b" }, 1);
	check_row(f, row, "o: ''");
	assert_items(&f->values[0], (const char *const[]){ "" }, 1);
	check_row(f, row, "o:");
	assert_items(&f->values[0], NULL, 0);
	check_row(f, row, "o: []");
	assert_items(&f->values[0], NULL, 0);
	assert_clean(f);
	check_row(f, row, "o: [ a, [ b ], c, { d: e } ]");
	assert_says(f, "agent.conf:1: o[1]: expected a single value, found a list",
	    "agent.conf:1: o[3]: expected a single value, found a map");
}

static void test_map(void **state)
{
	/* A map of scalars is key, value, key, value, in the order of the file. */
	struct fixture *f = *state;
	const struct schema_row row = { .key = "o", .type = AGENTD_MAP };

	check_row(f, row, "o: { z: 1, a: '', }");
	assert_items(&f->values[0], (const char *const[]){ "z", "1", "a", "" }, 4);
	check_row(f, row, "o:");
	assert_items(&f->values[0], NULL, 0);
	assert_clean(f);
	check_row(f, row, "o: { a: [ b ], c: d }");
	assert_says(f, "agent.conf:1: o.a: expected a single value, found a list");
	assert_null(f->values[0].items);
}

static void test_json(void **state)
{
	/* Any shape becomes compact JSON: unquoted words and numbers typed, quoted ones strings, and
	 * every digit kept. */
	struct fixture *f = *state;
	const struct schema_row row = { .key = "o", .type = AGENTD_JSON };
	static const struct {
		const char *text, *json;
	} cases[] = {
		{ "o: { a: 1, b: [ true, FALSE, null, ~, 'true', \"1\" ], c: }",
		    "{\"a\":1,\"b\":[true,false,null,null,\"true\",\"1\"],\"c\":null}" },
		{ "o: [ 0.1, -1.50, 1e5, 9007199254740993 ]", "[0.1,-1.50,1e5,9007199254740993]" },
		{ "o: [ 007, +1, .5, 1., 1_0, 0x1, yes, on, 1e, -, Nan ]",
		    "[\"007\",\"+1\",\".5\",\"1.\",\"1_0\",\"0x1\",\"yes\",\"on\",\"1e\",\"-\",\"Nan\"]" },
		{ "o: \"a\\\"b\\\\\\n\\t\\x01é\"", "\"a\\\"b\\\\\\n\\t\\u0001é\"" },
		{ "o: ''", "\"\"" },
		{ "o:", "null" },
		{ "o: {}", "{}" },
		{ "o: { \"q\\\"\": [] }", "{\"q\\\"\":[]}" },
	};

	for (size_t i = 0; i < LENGTH(cases); i++) {
		check_row(f, row, cases[i].text);
		assert_clean(f);
		assert_string_equal(f->values[0].text, cases[i].json);
	}
	check_row(f, row, "o: [ 1e999 ]");
	assert_says(f,
	    "agent.conf:1: o: cannot be written as JSON: a number is too large, or a text is "
	    "not UTF-8");
	check_row(f, row, "o: { a: 99999999999999999999 }");
	assert_int_equal(conf_errors_count(f->errors), 1);
	check_row(f, row, "o: { a: \"${BYTES}\" }");
	assert_int_equal(conf_errors_count(f->errors), 1);
	assert_false(f->values[0].set);
}

static void test_defaults(void **state)
{
	/* A default is read as the config would be, and is set but not given. */
	struct fixture *f = *state;
	static const struct schema_row rows[] = {
		{ .key = "s", .type = AGENTD_STRING, .fallback = "* a: b" },
		{ .key = "i", .type = AGENTD_INT, .fallback = "-3" },
		{ .key = "n", .type = AGENTD_NUMBER, .fallback = "0.5" },
		{ .key = "b", .type = AGENTD_BOOL, .fallback = "yes" },
		{ .key = "d", .type = AGENTD_DURATION, .fallback = "2m" },
		{ .key = "z", .type = AGENTD_SIZE, .fallback = "1K" },
		{ .key = "l", .type = AGENTD_LIST, .fallback = "a, b,,c d " },
		{ .key = "e", .type = AGENTD_LIST, .fallback = "" },
		{ .key = "m", .type = AGENTD_MAP, .fallback = "a: 1, b: x:y" },
		{ .key = "j", .type = AGENTD_JSON, .fallback = "{\"a\": [0.1]}" },
		{ .key = "none", .type = AGENTD_STRING },
	};

	check_rows(f, rows, LENGTH(rows), "");
	assert_clean(f);
	assert_string_equal(f->values[0].text, "* a: b");
	assert_int_equal(f->values[1].number, -3);
	assert_true(f->values[2].real == 0.5);
	assert_int_equal(f->values[3].number, 1);
	assert_int_equal(f->values[4].number, 120000);
	assert_int_equal(f->values[5].number, 1024);
	assert_items(&f->values[6], (const char *const[]){ "a", "b", "", "c d" }, 4);
	assert_items(&f->values[7], NULL, 0);
	assert_items(&f->values[8], (const char *const[]){ "a", "1", "b", "x:y" }, 4);
	assert_string_equal(f->values[9].text, "{\"a\": [0.1]}");
	assert_true(f->values[0].set);
	assert_false(f->values[0].given);
	assert_false(f->values[10].set);

	check_rows(f, rows, LENGTH(rows), "l: [ x ]\ni: 5");
	assert_items(&f->values[6], (const char *const[]){ "x" }, 1);
	assert_int_equal(f->values[1].number, 5);
	assert_true(f->values[1].given);
}

static void test_default_after_a_mistake(void **state)
{
	/* An option that is wrong has its default, so that the check can go on. */
	struct fixture *f = *state;

	check_row(
	    f, (struct schema_row){ .key = "o", .type = AGENTD_INT, .fallback = "7" }, "o: x");
	assert_int_equal(conf_errors_count(f->errors), 1);
	assert_true(f->values[0].set);
	assert_true(f->values[0].given);
	assert_int_equal(f->values[0].number, 7);
}

static void test_bad_tables(void **state)
{
	/* A plugin's table may be wrong: a bad default or an unknown type is an error, no abort. */
	struct fixture *f = *state;
	static const struct schema_row rows[] = {
		{ .key = "a", .type = AGENTD_DURATION, .fallback = "30" },
		{ .key = "b", .type = AGENTD_STRING, .choices = "x|y", .fallback = "z" },
		{ .key = "c", .type = AGENTD_INT, .min = 1, .max = 2, .fallback = "3" },
		{ .key = "d", .type = AGENTD_MAP, .fallback = "x" },
		{ .key = "e", .type = AGENTD_JSON, .fallback = "{" },
		{ .key = "f", .type = 77 },
		{ .key = "g", .type = 0, .required = true },
	};

	check_rows(f, rows, LENGTH(rows), "f: 1");
	assert_says(f,
	    "agent.conf:1: the default of option \"a\": a duration needs a unit: say \"30s\", "
	    "found \"30\"",
	    "agent.conf:1: the default of option \"b\": expected one of x|y, found \"z\"; "
	    "did you mean \"x\"?",
	    "agent.conf:1: the default of option \"c\": must be between 1 and 2, found \"3\"",
	    "agent.conf:1: the default of option \"d\": expected \"name: value\", found \"x\"",
	    "agent.conf:1: the default of option \"e\": expected JSON, found \"{\"",
	    "agent.conf:1: option \"f\" has the unknown type 77",
	    "agent.conf:1: option \"g\" has the unknown type 0");
	for (size_t i = 0; i < LENGTH(rows); i++)
		assert_false(f->values[i].set);
}

static void test_no_section(void **state)
{
	/* A section that is absent or empty is all defaults; one of another shape is one mistake. */
	struct fixture *f = *state;
	static const struct schema_row rows[] = {
		{ .key = "a", .type = AGENTD_INT, .fallback = "1" },
		{ .key = "b", .type = AGENTD_STRING, .required = true },
	};
	static const struct schema schema = { rows, LENGTH(rows) };

	parse(f, "empty:\nlist: [ a ]\n");
	f->count = LENGTH(rows);
	f->values = schema_check(&schema, NULL, f->errors);
	assert_int_equal(f->values[0].number, 1);
	schema_values_free(f->values, f->count);
	f->values = schema_check(&schema, conf_get(f->root, "empty"), f->errors);
	schema_values_free(f->values, f->count);
	f->values = schema_check(&schema, conf_get(f->root, "list"), f->errors);
	assert_int_equal(f->values[0].number, 1);
	assert_says(f, "the required option \"b\" is missing",
	    "agent.conf:1: empty: the required option \"b\" is missing",
	    "agent.conf:2: list: expected a section, with lines of \"name: value\"");
}

static void test_sections(void **state)
{
	/* A section is left alone: it has a table of its own. */
	struct fixture *f = *state;
	static const struct schema_row rows[] = {
		{ .key = "http", .type = SCHEMA_SECTION, .required = true },
	};

	check_rows(f, rows, LENGTH(rows), "http: 5\nhooks: [ a ]\n");
	assert_clean(f);
	assert_false(f->values[0].set);
}

static void test_unknown(void **state)
{
	/* A key that no table has is refused, with the nearest name of any of them. */
	struct fixture *f = *state;
	static const struct schema_row core[] = { { .key = "plugin", .type = AGENTD_STRING },
		{ .key = "timeout", .type = AGENTD_DURATION } };
	static const struct schema_row own[] = { { .key = "model", .type = AGENTD_STRING } };
	static const struct schema first = { core, LENGTH(core) }, second = { own, LENGTH(own) },
				   none = { NULL, 0 };
	static const struct schema *const tables[] = { &first, &none, &second };

	parse(f, "modle: 1\nplugin: 2\nTimeOut: 3\nzzz: 4\nmodel: 5\n");
	schema_reject_unknown(f->root, tables, LENGTH(tables), f->errors);
	assert_says(f, "agent.conf:1: modle: unknown option; did you mean \"model\"?",
	    "agent.conf:3: TimeOut: unknown option; did you mean \"timeout\"?",
	    "agent.conf:4: zzz: unknown option");
	schema_reject_unknown(NULL, tables, LENGTH(tables), f->errors);
	schema_reject_unknown(conf_get(f->root, "zzz"), tables, LENGTH(tables), f->errors);
	assert_int_equal(conf_errors_count(f->errors), 3);
}

static const char *next_word(const void *arg, size_t i)
{
	const char *const *words = arg;

	return words[i];
}

static void test_nearest(void **state)
{
	/* At most a third of the word, at least one; a swap is one; ties go to the first. */
	static const char *const words[] = { "model", "modes", "timeout", "instructions", "a",
		NULL };
	static const char *const none[] = { NULL };
	char endless[4096];

	(void)state;
	assert_string_equal(schema_nearest("modle", next_word, words), "model");
	assert_string_equal(schema_nearest("mode", next_word, words), "model");
	assert_string_equal(schema_nearest("modex", next_word, words), "model");
	assert_string_equal(schema_nearest("modes", next_word, words), "modes");
	assert_string_equal(schema_nearest("MODEL", next_word, words), "model");
	assert_string_equal(schema_nearest("tmieotu", next_word, words), "timeout");
	assert_string_equal(schema_nearest("instrutcion", next_word, words), "instructions");
	assert_string_equal(schema_nearest("b", next_word, words), "a");
	assert_string_equal(schema_nearest("", next_word, words), "a");
	assert_null(schema_nearest("moddddel", next_word, words));
	assert_null(schema_nearest("mdl", next_word, words));
	assert_null(schema_nearest("model", next_word, none));

	memset(endless, 'm', sizeof(endless) - 1);
	endless[sizeof(endless) - 1] = '\0';
	assert_null(schema_nearest(endless, next_word, words));
	const char *const long_words[] = { endless, "model", NULL };
	assert_string_equal(schema_nearest("modle", next_word, long_words), "model");
}

struct stored {
	char *string, *secret, *json;
	int64_t whole, duration, size;
	bool yes;
	double real;
	struct schema_list list, map;
	char *untouched;
};

#define AT(member) .at = offsetof(struct stored, member)

static void test_store(void **state)
{
	/* Values move into a struct by their offsets; what is not set leaves its member as it was. */
	struct fixture *f = *state;
	static const struct schema_row rows[] = {
		{ .key = "string", .type = AGENTD_STRING, AT(string) },
		{ .key = "secret", .type = AGENTD_SECRET, AT(secret) },
		{ .key = "json", .type = AGENTD_JSON, AT(json) },
		{ .key = "whole", .type = AGENTD_INT, AT(whole) },
		{ .key = "duration", .type = AGENTD_DURATION, AT(duration) },
		{ .key = "size", .type = AGENTD_SIZE, AT(size) },
		{ .key = "yes", .type = AGENTD_BOOL, AT(yes) },
		{ .key = "real", .type = AGENTD_NUMBER, AT(real) },
		{ .key = "list", .type = AGENTD_LIST, AT(list) },
		{ .key = "map", .type = AGENTD_MAP, AT(map) },
		{ .key = "untouched", .type = AGENTD_STRING, AT(untouched) },
		{ .key = "section", .type = SCHEMA_SECTION },
	};
	static const struct schema schema = { rows, LENGTH(rows) };
	char mark[] = "mark";
	struct stored s = { .untouched = mark };

	check_rows(f, rows, LENGTH(rows),
	    "string: a\nsecret: b\njson: [ 1 ]\nwhole: -1\nduration: 1s\nsize: 1K\nyes: on\nreal: 0.5\n"
	    "list: [ x, y ]\nmap: { k: v }\nsection: { }\n");
	assert_clean(f);
	schema_store(&schema, f->values, &s);
	assert_string_equal(s.string, "a");
	assert_string_equal(s.secret, "b");
	assert_string_equal(s.json, "[1]");
	assert_int_equal(s.whole, -1);
	assert_int_equal(s.duration, 1000);
	assert_int_equal(s.size, 1024);
	assert_true(s.yes);
	assert_true(s.real == 0.5);
	assert_int_equal(s.list.count, 2);
	assert_string_equal(s.list.items[1], "y");
	assert_string_equal(s.map.items[0], "k");
	assert_ptr_equal(s.untouched, mark);

	/* The struct owns them now: the values can go first, and releasing twice is harmless. */
	schema_values_free(f->values, f->count);
	f->values = NULL;
	s.untouched = NULL;
	schema_release(&schema, &s);
	assert_null(s.string);
	assert_null(s.list.items);
	schema_release(&schema, &s);
}

static void test_type_names(void **state)
{
	/* Every type has a name to be read; an unknown one too. */
	(void)state;
	assert_string_equal(schema_type_name(AGENTD_DURATION), "duration (500ms, 30s, 5m, 2h, 1d)");
	for (uint32_t type = AGENTD_STRING; type <= AGENTD_JSON; type++)
		assert_string_not_equal(schema_type_name(type), "unknown type");
	assert_string_equal(schema_type_name(77), "unknown type");
}

static void test_free_nothing(void **state)
{
	/* Freeing NULL is fine, and so is a table of no rows. */
	struct fixture *f = *state;

	schema_values_free(NULL, 3);
	check_rows(f, NULL, 0, "a: 1");
	assert_clean(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_duration),
		TEST(test_size),
		TEST(test_int),
		TEST(test_bool),
		TEST(test_number),
		TEST(test_wrong_types),
		TEST(test_found_is_short),
		TEST(test_bounds),
		TEST(test_choices),
		TEST(test_text_is_as_written),
		TEST(test_required),
		TEST(test_secret),
		TEST(test_list),
		TEST(test_map),
		TEST(test_json),
		TEST(test_defaults),
		TEST(test_default_after_a_mistake),
		TEST(test_bad_tables),
		TEST(test_no_section),
		TEST(test_sections),
		TEST(test_unknown),
		TEST(test_nearest),
		TEST(test_store),
		TEST(test_type_names),
		TEST(test_free_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
