/* target: paths are decoded once, and what two servers may read in two ways is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "daemon/http/target.h"

/* What is decoded, and to what; NULL: refused. */
static void test_paths(void **state)
{
	(void)state;
	static const struct {
		const char *target, *path;
	} rows[] = {
		{ "/", "/" },
		{ "/run", "/run" },
		{ "/run?x=1", "/run" },
		{ "/agents/a%20b", "/agents/a b" },
		{ "/agents/%c3%9f", "/agents/ß" },
		{ "/a%25b", "/a%b" }, /* once, not twice */
		{ "/...", "/..." },
		{ "/.x/..y", "/.x/..y" },
		{ "", NULL },
		{ "*", NULL },
		{ "run", NULL },
		{ "http://other/run", NULL },
		{ "//evil/run", NULL },
		{ "/a%2fb", NULL },
		{ "/a%00", NULL },
		{ "/a%", NULL },
		{ "/a%4", NULL },
		{ "/a%zz", NULL },
		{ "/a#b", NULL },
		{ "/.", NULL },
		{ "/..", NULL },
		{ "/a/../b", NULL },
		{ "/a/%2e%2e/b", NULL },
		{ "/a/./b", NULL },
		{ "/a b", NULL },
		{ "/a\x80", NULL },
		{ "/a%ff", NULL },
		{ "/a\x7f", NULL },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *path = target_path(rows[i].target);
		if (rows[i].path)
			assert_string_equal(path, rows[i].path);
		else
			assert_null(path);
		free(path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
