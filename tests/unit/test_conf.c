/*
 * conf: reading, expansion, includes, and above all what is said of a config that is wrong.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/conf/conf.h"

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

static const char *fake_getenv(const char *name)
{
	static const struct {
		const char *name, *value;
	} variables[] = {
		{ "NAME", "ann" },
		{ "EMPTY", "" },
		{ "NESTED", "${NAME}" },
		{ "YAML", "[ a: *b" },
	};

	for (size_t i = 0; i < LENGTH(variables); i++)
		if (strcmp(variables[i].name, name) == 0)
			return variables[i].value;
	return NULL;
}

static const struct conf_reader reader = { .getenv = fake_getenv };

struct fixture {
	struct conf_errors *errors;
	struct conf_node *root;
	char folder[64]; /* of files that the test writes; "" until there is one */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->errors = conf_errors_new();
	assert_non_null(f->errors);
	*state = f;
	return 0;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st, (void)kind, (void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	conf_free(f->root);
	conf_errors_free(f->errors);
	if (*f->folder)
		nftw(f->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

static void parse_bytes(struct fixture *f, const char *text, size_t length)
{
	conf_free(f->root);
	conf_errors_free(f->errors);
	f->errors = conf_errors_new();

	/* A copy without a terminator: a read past the end is seen by the sanitizer. */
	char *copy = malloc(length + !length);
	assert_non_null(copy);
	memcpy(copy, text, length);
	f->root = conf_parse(copy, length, "agent.conf", &reader, f->errors);
	free(copy);
	assert_non_null(f->root);
	assert_int_equal(f->root->kind, CONF_MAP);
}

static void parse(struct fixture *f, const char *text)
{
	parse_bytes(f, text, strlen(text));
}

static void assert_errors(struct fixture *f, const char *const *expected, size_t count)
{
	for (size_t i = 0; i < count && i < conf_errors_count(f->errors); i++)
		assert_string_equal(conf_errors_get(f->errors, i), expected[i]);
	if (conf_errors_count(f->errors) > count)
		print_error("unexpected: %s\n", conf_errors_get(f->errors, count));
	assert_int_equal(conf_errors_count(f->errors), count);
	assert_null(conf_errors_get(f->errors, count));
}

#define assert_says(f, ...)                                    \
	assert_errors(f, (const char *const[]){ __VA_ARGS__ }, \
	    LENGTH(((const char *const[]){ __VA_ARGS__ })))

static void assert_clean(struct fixture *f)
{
	assert_errors(f, NULL, 0);
}

/* The node at a path of keys, such as "a.b". */
static const struct conf_node *at(const struct fixture *f, const char *path)
{
	const struct conf_node *node = f->root;
	char copy[64], *rest = copy, *key;

	assert_true(strlen(path) < sizeof(copy));
	memcpy(copy, path, strlen(path) + 1);
	while ((key = strsep(&rest, ".")))
		node = conf_get(node, key);
	return node;
}

static void assert_text(const struct fixture *f, const char *path, const char *text)
{
	const struct conf_node *node = at(f, path);

	assert_non_null(node);
	assert_int_equal(node->kind, CONF_SCALAR);
	assert_string_equal(node->text, text);
}

/* Writes a file below the test's folder and returns its path, good until the next call. */
static const char *write_bytes(struct fixture *f, const char *name, const char *text, size_t length)
{
	static char path[128];

	if (!*f->folder) {
		snprintf(f->folder, sizeof(f->folder), "/tmp/test_conf.XXXXXX");
		assert_non_null(mkdtemp(f->folder));
	}
	snprintf(path, sizeof(path), "%s/%s", f->folder, name);
	char *slash = strrchr(path, '/');
	*slash = '\0';
	assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
	*slash = '/';

	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
	return path;
}

static const char *write_file(struct fixture *f, const char *name, const char *text)
{
	return write_bytes(f, name, text, strlen(text));
}

/* Loads a file of the test's folder, with the folder as "." so that messages are short. */
static void load(struct fixture *f, const char *name)
{
	char here[256];

	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(chdir(f->folder), 0);
	conf_free(f->root);
	conf_errors_free(f->errors);
	f->errors = conf_errors_new();
	f->root = conf_load(name, &reader, f->errors);
	assert_int_equal(chdir(here), 0);
	assert_non_null(f->root);
}

static void test_every_scalar_stays_text(void **state)
{
	/* No number is mangled, no word becomes a bool: all scalars are the text that was written. */
	struct fixture *f = *state;

	parse(f, "a: 007\nb: 1e3\nc: no\nd: 0x10\ne: 12:30:45\nf: 1_000\ng: ~\nh: 2001-01-01\n");
	assert_clean(f);
	assert_text(f, "a", "007");
	assert_text(f, "b", "1e3");
	assert_text(f, "c", "no");
	assert_text(f, "d", "0x10");
	assert_text(f, "e", "12:30:45");
	assert_text(f, "f", "1_000");
	assert_text(f, "g", "~");
	assert_text(f, "h", "2001-01-01");
}

static void test_plain_is_without_quotes(void **state)
{
	/* `plain` tells an unquoted scalar from a quoted or a block one. */
	struct fixture *f = *state;

	parse(f, "a: x\nb: 'x'\nc: \"x\"\nd: |\n  x\ne: >-\n  x\n  y\n");
	assert_clean(f);
	assert_true(at(f, "a")->plain);
	assert_false(at(f, "b")->plain);
	assert_false(at(f, "c")->plain);
	assert_false(at(f, "d")->plain);
	assert_text(f, "d", "x\n");
	assert_text(f, "e", "x y");
}

static void test_nothing_is_a_plain_empty_scalar(void **state)
{
	/* `key:` and the end of the line is a plain scalar with the text "", "" a quoted one. */
	struct fixture *f = *state;

	parse(f, "a:\nb: ''\nc: { d: , e }\n");
	assert_clean(f);
	assert_text(f, "a", "");
	assert_true(at(f, "a")->plain);
	assert_text(f, "b", "");
	assert_false(at(f, "b")->plain);
	assert_text(f, "c.d", "");
	assert_text(f, "c.e", "");
}

static void test_node_knows_its_place(void **state)
{
	/* Every node has its file, its line and its column: of its name, or of an item itself. */
	struct fixture *f = *state;

	parse(f, "a: 1\nb:\n  c: |\n    x\n  ä: { d: 1 }\n  l:\n  - x\n  -   y\n");
	assert_clean(f);
	assert_string_equal(at(f, "a")->file, "agent.conf");
	assert_int_equal(at(f, "a")->line, 1);
	assert_int_equal(at(f, "a")->column, 1);
	assert_int_equal(at(f, "b")->line, 2);
	assert_int_equal(at(f, "b.c")->line, 3);
	assert_int_equal(at(f, "b.c")->column, 3);
	assert_int_equal(at(f, "b.ä.d")->column, 8); /* columns are characters, not bytes */
	assert_int_equal(at(f, "b.l")->items[1]->line, 8);
	assert_int_equal(at(f, "b.l")->items[1]->column, 7);
	assert_ptr_equal(at(f, "b.c")->parent, at(f, "b"));
	assert_ptr_equal(at(f, "a")->parent, f->root);
	assert_null(f->root->parent);
	assert_int_equal(f->root->line, 1);
}

static void test_order_is_kept(void **state)
{
	/* Children are in the order of the file, names and items alike. */
	struct fixture *f = *state;

	parse(f, "z: 1\na: 2\nm: [ c, a, b ]\n");
	assert_clean(f);
	assert_int_equal(f->root->count, 3);
	assert_string_equal(f->root->items[0]->key, "z");
	assert_string_equal(f->root->items[2]->key, "m");
	assert_string_equal(at(f, "m")->items[0]->text, "c");
	assert_null(at(f, "m")->items[0]->key);
}

static void test_get_takes_anything(void **state)
{
	/* conf_get of NULL, of a list, of a scalar and of an absent name is NULL. */
	struct fixture *f = *state;

	parse(f, "a: 1\nl: [ a ]\n");
	assert_null(conf_get(NULL, "a"));
	assert_null(conf_get(at(f, "a"), "a"));
	assert_null(conf_get(at(f, "l"), "a"));
	assert_null(conf_get(f->root, "b"));
}

static void test_empty_config(void **state)
{
	/* A config of nothing, of comments, of a lone --- is an empty map without a mistake. */
	struct fixture *f = *state;
	static const char *const texts[] = { "", "\n", "# only\n", "---\n", "---\n...\n",
		"\xef\xbb\xbf", "{}" };

	for (size_t i = 0; i < LENGTH(texts); i++) {
		parse(f, texts[i]);
		assert_clean(f);
		assert_int_equal(f->root->count, 0);
	}
}

static void test_path(void **state)
{
	/* conf_path: names with dots, items with brackets, "" for the root, cut to its room. */
	struct fixture *f = *state;
	char path[64], small[8];

	parse(f, "http:\n  listen: [ a, [ b, { c: d } ] ]\n");
	const struct conf_node *inner = at(f, "http.listen")->items[1]->items[1];
	conf_path(conf_get(inner, "c"), path, sizeof(path));
	assert_string_equal(path, "http.listen[1][1].c");
	conf_path(f->root, path, sizeof(path));
	assert_string_equal(path, "");
	conf_path(inner, small, sizeof(small));
	assert_string_equal(small, "http.li");
	conf_path(inner, small, 1);
	assert_string_equal(small, "");
	conf_path(inner, NULL, 0);
}

static void test_tree_by_hand(void **state)
{
	/* Nodes made by hand have line 0, so a message names their path alone; NULL goes through. */
	struct fixture *f = *state;

	f->root = conf_new("command line");
	struct conf_node *listen = conf_add_list(conf_add_map(f->root, "http"), "listen");
	struct conf_node *item = conf_add_text(listen, NULL, "${NAME}");
	assert_non_null(item);
	assert_string_equal(item->text, "${NAME}");
	assert_string_equal(item->file, "command line");
	assert_int_equal(item->line, 0);
	assert_null(item->key);
	conf_error(f->errors, item, "no %s", "good");
	conf_error(f->errors, f->root, "whole");
	assert_says(f, "http.listen[0]: no good", "whole");
	assert_null(conf_add_text(NULL, "a", "b"));
	assert_null(conf_add_map(NULL, "a"));
	assert_null(conf_add_list(NULL, "a"));
}

/* One text and the one thing that is said of it. */
struct wrong {
	const char *text, *says;
};

static void assert_all_wrong(struct fixture *f, const struct wrong *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		parse(f, cases[i].text);
		assert_says(f, cases[i].says);
		assert_int_equal(f->root->count, 0);
	}
}

static void test_quote_hint(void **state)
{
	/* A value that fails because of its first character is shown as it should be quoted. */
	struct fixture *f = *state;
	static const struct wrong cases[] = {
		{ "cron:\n  m:\n    schedule: * * * * *\n",
		    "agent.conf:3:15: a value that begins with \"*\" must be quoted: \"* * * * *\"" },
		{ "s: */5 * * * *   # often\n",
		    "agent.conf:1:4: a value that begins with \"*\" must be quoted: \"*/5 * * * *\"" },
		{ "s: & so on\r\n",
		    "agent.conf:1:4: a value that begins with \"&\" must be quoted: \"& so on\"" },
		{ "s: %d of it\n",
		    "agent.conf:1:4: a value that begins with \"%\" must be quoted: \"%d of it\"" },
		{ "s: @all of you\n",
		    "agent.conf:1:4: a value that begins with \"@\" must be quoted: \"@all of you\"" },
		{ "s: `ls -l`\n",
		    "agent.conf:1:4: a value that begins with \"`\" must be quoted: \"`ls -l`\"" },
		{ "s: !important thing\n",
		    "agent.conf:1:4: a value that begins with \"!\" must be quoted: \"!important thing\"" },
		{ "s: [urgent] mail\n",
		    "agent.conf:1:4: a value that begins with \"[\" must be quoted: \"[urgent] mail\"" },
		{ "l:\n  - {name} wrote\n",
		    "agent.conf:2:5: a value that begins with \"{\" must be quoted: \"{name} wrote\"" },
		{ "input: {{ body.x }}\n",
		    "agent.conf:1:8: a value that begins with \"{\" must be quoted: \"{{ body.x }}\"" },
		{ "input: {{ body.x }} and {{ y }}",
		    "agent.conf:1:8: a value that begins with \"{\" must be quoted: "
		    "\"{{ body.x }} and {{ y }}\"" },
		{ "s: * say \"hi\"\n",
		    "agent.conf:1:4: a value that begins with \"*\" must be quoted: '* say \"hi\"'" },
	};

	assert_all_wrong(f, cases, LENGTH(cases));
}

static void test_quote_hint_without_example(void **state)
{
	/* No example where it would be a wrong one, and none that might be a password. */
	struct fixture *f = *state;
	static const struct wrong cases[] = {
		{ "api_key: @hunter2\n",
		    "agent.conf:1:10: a value that begins with \"@\" must be quoted" },
		{ "c: { schedule: * * * * *, agent: x }\n",
		    "agent.conf:1:16: a value that begins with \"*\" must be quoted" },
		{ "c: {\n  schedule: * * * * *,\n  agent: x }\n",
		    "agent.conf:2:13: a value that begins with \"*\" must be quoted" },
		{ "w: { input: {{ body }} }\n",
		    "agent.conf:1:13: a value that begins with \"{\" must be quoted" },
		{ "l: [ {{ a b }}, c ]\n",
		    "agent.conf:1:6: a value that begins with \"{\" must be quoted" },
		{ "s: * \"it's\"\n",
		    "agent.conf:1:4: a value that begins with \"*\" must be quoted" },
	};

	assert_all_wrong(f, cases, LENGTH(cases));
}

static void test_brace_within_braces(void **state)
{
	/* `{ key: ${NAME} }` is no YAML; who writes it is told so and where, not that a } lacks. */
	struct fixture *f = *state;
	static const struct wrong cases[] = {
		{ "a: { k: ${X}, b: c }\n",
		    "agent.conf:1:10: a value with \"{\" in it, such as ${NAME}, must be quoted when it "
		    "stands between braces or brackets" },
		{ "a: [ 1, hello {{ x }} ]\n",
		    "agent.conf:1:15: a value with \"{\" in it, such as ${NAME}, must be quoted when it "
		    "stands between braces or brackets" },
	};

	assert_all_wrong(f, cases, LENGTH(cases));
}

static void test_refused_yaml(void **state)
{
	/* Anchors, aliases, tags, several documents, names that are no text: refused, with places. */
	struct fixture *f = *state;
	static const struct wrong cases[] = {
		{ "a: &x 1\nb: 2\n",
		    "agent.conf:1:4: a value that begins with \"&\" must be quoted: \"&x 1\"" },
		{ "a: *x\n", "agent.conf:1:4: a value that begins with \"*\" must be quoted" },
		{ "a: &x [ 1 ]\n",
		    "agent.conf:1:4: a value that begins with \"&\" must be quoted" },
		{ "a: !!int 1\n",
		    "agent.conf:1:4: a value that begins with \"!\" must be quoted: \"!!int 1\"" },
		{ "a: !<tag:x> {}\n",
		    "agent.conf:1:4: a value that begins with \"!\" must be quoted" },
		{ "*x : 1\n", "agent.conf:1:1: a value that begins with \"*\" must be quoted" },
		{ "!t\na: 1\n", "agent.conf:1:1: a value that begins with \"!\" must be quoted" },
		{ "a: 1\n---\nb: 2\n",
		    "agent.conf:2:1: a second document begins here; a config is only one" },
		{ "? [ a ]\n: b\n",
		    "agent.conf:1:3: expected a name before \":\", found a list or a map" },
		{ "a:\n  {b: c}: d\n",
		    "agent.conf:2:3: expected a name before \":\", found a list or a map" },
		{ "\"\": x\n", "agent.conf:1:1: expected a name before \":\"" },
		{ "\"a\\0b\": x\n", "agent.conf:1:1: a name cannot have a NUL character in it" },
		{ "- a\n", "agent.conf:1:1: expected lines of the form \"name: value\"" },
		{ "just text\n", "agent.conf:1:1: expected lines of the form \"name: value\"" },
	};

	assert_all_wrong(f, cases, LENGTH(cases));
}

static void test_syntax_in_plain_words(void **state)
{
	/* A syntax error has file, line, column and what was expected, without libyaml's jargon. */
	struct fixture *f = *state;
	static const struct wrong cases[] = {
		{ "a:\n\tb: c\n", "agent.conf:2:1: a tab in the indentation; YAML wants spaces" },
		{ "a: b\n\tc: d\n", "agent.conf:2:1: a tab in the indentation; YAML wants spaces" },
		{ "a:\n  - b\n \t- c\n",
		    "agent.conf:3:2: a tab in the indentation; YAML wants spaces" },
		{ "a: 1\nb\n", "agent.conf:2:1: expected \"name: value\", found no \":\"" },
		{ "a:\n    b: 1\n   c: 2\n",
		    "agent.conf:3:4: expected another \"name: value\", in the same column as those before "
		    "it" },
		{ "a:\n  - b\n  c: d\n",
		    "agent.conf:3:3: expected another \"- item\", in the same column as those before it" },
		{ "  a: 1\nb: 2\n",
		    "agent.conf:2:1: expected the end of the file; all names of the top level stand in the "
		    "same column" },
		{ "a: Note: this\n",
		    "agent.conf:1:8: unexpected \":\"; a value that has \": \" in it must be quoted, and "
		    "names of one section stand in the same column" },
		{ "a: - b\n",
		    "agent.conf:1:4: unexpected \"-\"; the items of a list stand on lines of their own" },
		{ "a: 1\nb: \"x\nc: 2\n",
		    "agent.conf:2:4: the text that begins here has no closing quote" },
		{ "a: \"x\" y\n", "agent.conf:1:8: unexpected text after a closing quote" },
		{ "a: \"\\d\"\n",
		    "agent.conf:1:5: unknown escape after \"\\\"; between single quotes a \"\\\" is only a "
		    "\"\\\"" },
		{ "a: [ b, c\nd: e\n",
		    "agent.conf:1:4: the list that begins here has no \"]\", or lacks a \",\"; a text that "
		    "begins with \"[\" must be quoted" },
		{ "a: {b: c\n",
		    "agent.conf:1:4: the map that begins here has no \"}\", or lacks a \",\"; a text that "
		    "begins with \"{\" must be quoted" },
		{ "ok: 1\nä: \xff\n", "agent.conf:2:4: expected UTF-8 text, found other bytes" },
		{ "ä: \x01\n", "agent.conf:1:4: a config cannot have a control character in it" },
	};

	assert_all_wrong(f, cases, LENGTH(cases));
}

static void test_doubled_keys(void **state)
{
	/* A name said twice is an error that names the first line; the first one counts. */
	struct fixture *f = *state;

	parse(f, "a: 1\nb:\n  c: 1\n  d: 2\n  c: { e: 1, e: 2 }\na: 3\n");
	assert_says(f, "agent.conf:5: b.c.e: said already on line 5",
	    "agent.conf:5: b.c: said already on line 3", "agent.conf:6: a: said already on line 1");
	assert_text(f, "a", "1");
	assert_text(f, "b.c", "1");
	assert_int_equal(f->root->count, 2);
}

static void test_merge_key_is_a_key(void **state)
{
	/* `<<` means nothing: it is a name like any other. */
	struct fixture *f = *state;

	parse(f, "a:\n  <<: { b: c }\n");
	assert_clean(f);
	assert_text(f, "a.<<.b", "c");
}

static void test_nul_in_text(void **state)
{
	/* A NUL cannot be smuggled into a text by an escape. */
	struct fixture *f = *state;

	parse(f, "a:\n  b: \"x\\0y\"\n");
	assert_says(f, "agent.conf:2: a.b: a text cannot have a NUL character in it");
	parse_bytes(f, "a: x\0y\n", 7);
	assert_says(f, "agent.conf:1:5: a config cannot have a control character in it");
}

static void test_bounds(void **state)
{
	/* Depth, number of nodes and size have bounds, and what is at the bound still works. */
	struct fixture *f = *state;
	enum { NODES = 100000, SIZE = 4 << 20 };
	char deep[256], *big = malloc(SIZE + 1);

	assert_non_null(big);
	snprintf(deep, sizeof(deep), "a: %.*s%.*s", 63, /* with its own level, 64 */
	    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", 63,
	    "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
	parse(f, deep);
	assert_clean(f);
	snprintf(deep, sizeof(deep), "a: %.*s1", 64,
	    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[");
	parse(f, deep);
	assert_says(f, "agent.conf:1:68: nested more than 64 deep");

	memcpy(big, "a:\n", 3);
	for (size_t i = 0; i < NODES; i++)
		memcpy(big + 3 + i * 4, "- 1\n", 4);
	parse_bytes(f, big, 3 + (NODES - 1) * 4);
	assert_clean(f);
	assert_int_equal(at(f, "a")->count, NODES - 1);
	parse_bytes(f, big, 3 + NODES * 4);
	assert_says(f, "agent.conf:100001:3: more values than a config may have");

	memset(big, '#', SIZE + 1);
	parse_bytes(f, big, SIZE);
	assert_clean(f);
	parse_bytes(f, big, SIZE + 1);
	assert_says(f, "agent.conf: is larger than the 4194304 bytes that a config may have");
	free(big);
}

static void test_messages_are_in_the_order_of_the_file(void **state)
{
	/* Without a line first, then by file as first read, then by line, then as they came. */
	struct fixture *f = *state;

	write_file(f, "a.conf", "include: b.conf\nx: 1\ny: 2\n");
	write_file(f, "b.conf", "z: ${UNSET}\n");
	load(f, "a.conf");
	conf_error(f->errors, at(f, "y"), "second");
	conf_error(f->errors, at(f, "x"), "first");
	conf_error_at(f->errors, "a.conf", 3, 9, "third");
	conf_error_at(f->errors, "c.conf", 1, 0, "last");
	conf_error_at(f->errors, "c.conf", 0, 5, "whole");
	conf_error_at(f->errors, NULL, 0, 0, "command line");
	assert_says(f, "c.conf: whole", "command line", "a.conf:2: x: first", "a.conf:3: y: second",
	    "a.conf:3:9: third",
	    "b.conf:1: z: the environment variable UNSET is not set; set it, or write ${UNSET:-default}",
	    "c.conf:1: last");
	conf_error(f->errors, at(f, "x"), "more"); /* after the first look */
	assert_string_equal(conf_errors_get(f->errors, 3), "a.conf:2: x: more");
}

static void test_messages_are_one_line(void **state)
{
	/* What a config holds cannot break a line of the log, or colour it. */
	struct fixture *f = *state;

	parse(f, "\"a\\nb\\e[31m\": 1\n");
	assert_clean(f);
	conf_error(f->errors, f->root->items[0], "found \"%s\"", "x\ty\x7f");
	assert_says(f, "agent.conf:1: a\\nb\\x1b[31m: found \"x\\ty\\x7f\"");
}

static void test_expansion(void **state)
{
	/* ${NAME}, defaults and $${ in every kind of scalar value. */
	struct fixture *f = *state;

	parse(f,
	    "a: ${NAME}\nb: \"<${NAME}|${UNSET:-x y}>\"\nc: [ '${NAME}${NAME}' ]\nd: |\n  ${NAME}\n"
	    "e: ${UNSET:-}\nf: ${EMPTY:-full}\ng: ${EMPTY}\nh: $${NAME} $$ $ $NAME\n"
	    "i: $$${NAME}\nj: \"}${NAME}$${${NAME}\"\nk: ${UNSET:-a:-b}\n");
	assert_clean(f);
	assert_text(f, "a", "ann");
	assert_text(f, "b", "<ann|x y>");
	assert_string_equal(at(f, "c")->items[0]->text, "annann");
	assert_text(f, "d", "ann\n");
	assert_text(f, "e", "");
	assert_text(f, "f", "full");
	assert_text(f, "g", "");
	assert_text(f, "h", "${NAME} $$ $ $NAME");
	assert_text(f, "i", "$${NAME}");
	assert_text(f, "j", "}ann${ann");
	assert_text(f, "k", "a:-b");
}

static void test_expansion_is_of_values_only(void **state)
{
	/* Names are not expanded. */
	struct fixture *f = *state;

	parse(f, "\"${NAME}\": 1\n");
	assert_clean(f);
	assert_string_equal(f->root->items[0]->key, "${NAME}");
}

static void test_expansion_happens_once(void **state)
{
	/* What a variable holds is neither expanded again nor read as YAML. */
	struct fixture *f = *state;

	parse(f, "a: ${NESTED}\nb: ${YAML}\n");
	assert_clean(f);
	assert_text(f, "a", "${NAME}");
	assert_text(f, "b", "[ a: *b");
}

static void test_expansion_mistakes(void **state)
{
	/* All that is wrong with ${…} is said, with line and path; the default, which may be a
	 * secret, is not. The text stays as it was. */
	struct fixture *f = *state;

	parse(f,
	    "a:\n  b: ${UNSET} ${OTHER}\n  c: [ x, '${NAME' ]\nd: ${9X}\ne: ${}\nf: ${A-secret}\n"
	    "g: ${A:secret}\nh: ${A:-${B}}\ni: ${ A }\n");
	assert_says(f,
	    "agent.conf:2: a.b: the environment variable UNSET is not set; set it, or write "
	    "${UNSET:-default}",
	    "agent.conf:2: a.b: the environment variable OTHER is not set; set it, or write "
	    "${OTHER:-default}",
	    "agent.conf:3: a.c[1]: ${ without a closing }; for a literal ${ write $${",
	    "agent.conf:4: d: ${9X}: expected ${NAME}, ${NAME:-default} or ${file:/path}; "
	    "for a literal ${ write $${",
	    "agent.conf:5: e: ${}: expected ${NAME}, ${NAME:-default} or ${file:/path}; "
	    "for a literal ${ write $${",
	    "agent.conf:6: f: ${A-secret}: expected ${NAME}, ${NAME:-default} or ${file:/path}; "
	    "for a literal ${ write $${",
	    "agent.conf:7: g: ${A}: a default is written ${NAME:-default}",
	    "agent.conf:8: h: ${A}: a default cannot have a brace in it",
	    "agent.conf:9: i: ${ A }: expected ${NAME}, ${NAME:-default} or ${file:/path}; "
	    "for a literal ${ write $${");
	assert_text(f, "g", "${A:secret}");
}

static void test_process_environment(void **state)
{
	/* Without a reader the variables are the process's own. */
	struct fixture *f = *state;

	assert_int_equal(setenv("AGENTD_TEST_CONF", "own", 1), 0);
	f->root = conf_parse("a: ${AGENTD_TEST_CONF}", 22, "x", NULL, f->errors);
	assert_clean(f);
	assert_text(f, "a", "own");
}

static void test_file_expansion(void **state)
{
	/* ${file:}: beside the file that says it, absolute, without its last newline, and only that. */
	struct fixture *f = *state;
	char text[256];

	write_file(f, "sub/key", "s3cret\n\n");
	write_file(f, "sub/none", "");
	snprintf(text, sizeof(text), "a: ${file:key}\nb: <${file:%s/sub/key}>\nc: ${file:none}\n",
	    f->folder);
	write_file(f, "sub/agent.conf", text);
	load(f, "sub/agent.conf");
	assert_clean(f);
	assert_text(f, "a", "s3cret\n");
	assert_text(f, "b", "<s3cret\n>");
	assert_text(f, "c", "");
}

static void test_file_expansion_mistakes(void **state)
{
	/* A missing, binary, too large or unnamed file is said with its name. */
	struct fixture *f = *state;
	enum { SIZE = 1 << 20 };
	char *big = calloc(1, SIZE + 1);

	assert_non_null(big);
	memset(big, 'x', SIZE + 1);
	write_bytes(f, "binary", "a\0b", 3);
	write_bytes(f, "most", big, SIZE);
	write_bytes(f, "more", big, SIZE + 1);
	free(big);
	write_file(f, "agent.conf",
	    "a: ${file:gone}\nb: ${file:binary}\nc: ${file:more}\nd: ${file:}\ne: ${file:.}\n"
	    "f: ${file:most}\n"
	    "g: ${file:most}${file:most}${file:most}${file:most}${file:most}${file:most}\n");
	load(f, "agent.conf");
	assert_says(f, "agent.conf:1: a: ${file:gone}: No such file or directory",
	    "agent.conf:2: b: ${file:binary}: has a NUL byte, so it is not text",
	    "agent.conf:3: c: ${file:more}: has more than 1048576 bytes",
	    "agent.conf:4: d: ${file:} names no file", "agent.conf:5: e: ${file:.}: Is a directory",
	    "agent.conf:7: g: is more than 4194304 bytes long once expanded");
	assert_int_equal(strlen(at(f, "f")->text), SIZE);
}

static void test_missing_config(void **state)
{
	/* A config that is not there is said, with what to do; the root is an empty map. */
	struct fixture *f = *state;

	write_file(f, "x", "");
	load(f, "gone.conf");
	assert_says(
	    f, "gone.conf: No such file or directory; write it, or name another with -c FILE");
	assert_int_equal(f->root->count, 0);
	load(f, ".");
	assert_says(f, ".: Is a directory; name the file in it");
}

static void test_include(void **state)
{
	/* Sections of several files are one map, a level deep; `include` itself is gone. */
	struct fixture *f = *state;

	write_file(f, "agent.conf", "include: [ conf.d/a.conf ]\nagents:\n  one: { plugin: a }\n");
	write_file(f, "conf.d/a.conf", "agents:\n  two: { plugin: b }\nname: x\ninclude: b.conf\n");
	write_file(f, "conf.d/b.conf", "agents: { three: { plugin: c } }\n");
	load(f, "agent.conf");
	assert_clean(f);
	assert_text(f, "agents.one.plugin", "a");
	assert_text(f, "agents.two.plugin", "b");
	assert_text(f, "agents.three.plugin", "c");
	assert_text(f, "name", "x");
	assert_null(at(f, "include"));
	assert_string_equal(at(f, "agents.three")->file, "conf.d/b.conf");
	assert_string_equal(at(f, "agents")->file, "agent.conf");
	assert_ptr_equal(at(f, "agents.two")->parent, at(f, "agents"));
}

static void test_include_pattern(void **state)
{
	/* Patterns: sorted by bytes, no match is fine, and a folder's own [ ] are not wildcards. */
	struct fixture *f = *state;

	write_file(
	    f, "d[x]/agent.conf", "include: [ 'c/*.conf', 'none/*.conf', 'c/?.no' ]\nl: { }\n");
	write_file(f, "d[x]/c/b.conf", "l: { b: 1 }\n");
	write_file(f, "d[x]/c/a.conf", "l: { a: 1 }\n");
	write_file(f, "d[x]/c/B.conf", "l: { B: 1 }\n");
	write_file(f, "d[x]/c/a.conf~", "l: { wrong: 1 }\n");
	load(f, "d[x]/agent.conf");
	assert_clean(f);
	assert_int_equal(at(f, "l")->count, 3);
	assert_string_equal(at(f, "l")->items[0]->key, "B");
	assert_string_equal(at(f, "l")->items[1]->key, "a");
	assert_string_equal(at(f, "l")->items[2]->key, "b");
}

static int add_include(void *arg, const char *folder, const char *names)
{
	strcat(strcat(strcat(strcat(arg, folder), " "), names), "\n");
	return 0;
}

static void test_includes_that_are_named(void **state)
{
	/* What includes name is known, also of files that are not there, or not yet: they may come. */
	struct fixture *f = *state;
	char all[256] = "";

	write_file(
	    f, "agent.conf", "include: [ 'c/*.conf', '*.d', gone.conf, '/none-*', 'x*/y' ]\n");
	write_file(f, "c/a.conf", "include: b.conf\n");
	load(f, "agent.conf");
	assert_says(f, "agent.conf:1: include[2]: gone.conf: No such file or directory",
	    "c/a.conf:1: include: c/b.conf: No such file or directory");
	assert_int_equal(conf_includes(f->root, add_include, all), 0);
	assert_string_equal(all, "c *.conf\nc b.conf\n. *.d\n. gone.conf\n/ none-*\n");
}

static void test_include_conflicts(void **state)
{
	/* A name said in two files is an error that has both places. */
	struct fixture *f = *state;

	write_file(
	    f, "agent.conf", "include: a.conf\nname: x\nagents:\n  one: { plugin: a }\nlog: [ ]\n");
	write_file(
	    f, "a.conf", "name: y\nagents:\n  two: 1\n  one: { queue: 1 }\nlog: { level: info }\n");
	load(f, "agent.conf");
	assert_says(f, "a.conf:1: name: said already at agent.conf:2",
	    "a.conf:4: agents.one: said already at agent.conf:4",
	    "a.conf:5: log: said already at agent.conf:5");
	assert_text(f, "name", "x");
	assert_text(f, "agents.two", "1");
}

static void test_include_mistakes(void **state)
{
	/* A named file that is missing, a value that is no path: said of the include, all of them. */
	struct fixture *f = *state;

	write_file(
	    f, "agent.conf", "include:\n- gone.conf\n- [ x ]\n- ''\n- bad.conf\n- good.conf\n");
	write_file(f, "bad.conf", "a: 1\nb: * * *\n");
	write_file(f, "good.conf", "c: ${UNSET}\n");
	load(f, "agent.conf");
	assert_says(f, "agent.conf:2: include[0]: gone.conf: No such file or directory",
	    "agent.conf:3: include[1]: expected the path of a file, or a pattern",
	    "agent.conf:4: include[2]: expected the path of a file, or a pattern",
	    "bad.conf:2:4: a value that begins with \"*\" must be quoted: \"* * *\"",
	    "good.conf:1: c: the environment variable UNSET is not set; set it, or write "
	    "${UNSET:-default}");
	assert_null(at(f, "a")); /* half a file would only draw more complaints */
}

static void test_include_loop(void **state)
{
	/* A file that includes itself is refused by name, by whatever path it does so. */
	struct fixture *f = *state;

	write_file(f, "agent.conf", "include: d/a.conf\n");
	write_file(f, "d/a.conf", "x: 1\ninclude: [ ../agent.conf, '*.conf' ]\n");
	load(f, "agent.conf");
	assert_says(f,
	    "d/a.conf:2: include[0]: d/../agent.conf: includes itself by way of this file",
	    "d/a.conf:2: include[1]: d/a.conf: includes itself by way of this file");
	assert_text(f, "x", "1");
}

static void test_include_depth(void **state)
{
	/* Includes go eight deep and no deeper. */
	struct fixture *f = *state;
	char name[16], text[64];

	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "%d.conf", i);
		snprintf(text, sizeof(text), "include: %d.conf\nk%d: x\n", i + 1, i);
		write_file(f, name, text);
	}
	load(f, "0.conf");
	assert_says(f, "8.conf:1: include: 9.conf: included more than 8 deep");
	assert_text(f, "k8", "x");
	assert_null(at(f, "k9"));
}

static void test_include_is_expanded(void **state)
{
	/* An include may have variables in it, as any value. */
	struct fixture *f = *state;

	write_file(f, "agent.conf", "include: ${NAME}.conf\n");
	write_file(f, "ann.conf", "a: 1\n");
	load(f, "agent.conf");
	assert_clean(f);
	assert_text(f, "a", "1");
}

static void test_include_from_memory(void **state)
{
	/* conf_parse includes relative to the name that it was given. */
	struct fixture *f = *state;
	char name[128];

	write_file(f, "a.conf", "a: 1\n");
	snprintf(name, sizeof(name), "%s/no-such-file", f->folder);
	f->root = conf_parse("include: a.conf", 15, name, &reader, f->errors);
	assert_clean(f);
	assert_text(f, "a", "1");
}

static void test_free_nothing(void **state)
{
	/* Freeing NULL is fine. */
	(void)state;
	conf_free(NULL);
	conf_errors_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_scalar_stays_text),
		TEST(test_plain_is_without_quotes),
		TEST(test_nothing_is_a_plain_empty_scalar),
		TEST(test_node_knows_its_place),
		TEST(test_order_is_kept),
		TEST(test_get_takes_anything),
		TEST(test_empty_config),
		TEST(test_path),
		TEST(test_tree_by_hand),
		TEST(test_quote_hint),
		TEST(test_quote_hint_without_example),
		TEST(test_brace_within_braces),
		TEST(test_refused_yaml),
		TEST(test_syntax_in_plain_words),
		TEST(test_doubled_keys),
		TEST(test_merge_key_is_a_key),
		TEST(test_nul_in_text),
		TEST(test_bounds),
		TEST(test_messages_are_in_the_order_of_the_file),
		TEST(test_messages_are_one_line),
		TEST(test_expansion),
		TEST(test_expansion_is_of_values_only),
		TEST(test_expansion_happens_once),
		TEST(test_expansion_mistakes),
		TEST(test_process_environment),
		TEST(test_file_expansion),
		TEST(test_file_expansion_mistakes),
		TEST(test_missing_config),
		TEST(test_include),
		TEST(test_include_pattern),
		TEST(test_includes_that_are_named),
		TEST(test_include_conflicts),
		TEST(test_include_mistakes),
		TEST(test_include_loop),
		TEST(test_include_depth),
		TEST(test_include_is_expanded),
		TEST(test_include_from_memory),
		TEST(test_free_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
