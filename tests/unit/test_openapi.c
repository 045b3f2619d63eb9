/* openapi: what depends on the config, and that the document is whole or none. The rest is pinned
 * from outside, in tests/e2e/test_openapi.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>

#include "daemon/http/embed.h"
#include "daemon/http/openapi.h"

static json_t *operation(json_t *document, const char *path, const char *method)
{
	json_t *paths = json_object_get(document, "paths");
	return json_object_get(json_object_get(paths, path), method);
}

static size_t ways_in(json_t *document, const char *path)
{
	return json_array_size(json_object_get(operation(document, path, "get"), "security"));
}

static bool may_be(json_t *document, const char *path, const char *status)
{
	json_t *responses = json_object_get(operation(document, path, "get"), "responses");
	return json_object_get(responses, status) != NULL;
}

/* With auth there is no third way, which is none; metrics ask for it if they are told to. */
static void test_auth(void **state)
{
	(void)state;
	static const struct {
		struct openapi_setup setup;
		size_t runs, metrics;
	} rows[] = {
		{ { "x", .key_header = "K" }, 3, 0 },
		{ { "x", .auth = true, .key_header = "K" }, 2, 0 },
		{ { "x", .auth = true }, 1, 0 },
		{ { "x", .auth = true, .metrics_auth = true, .key_header = "K" }, 2, 2 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *document = openapi_make(&rows[i].setup);
		assert_int_equal(ways_in(document, "/health"), 0);
		assert_int_equal(ways_in(document, "/runs"), rows[i].runs);
		assert_int_equal(ways_in(document, "/metrics"), rows[i].metrics);
		assert_true(may_be(document, "/runs", "401"));
		assert_int_equal(may_be(document, "/metrics", "401"), rows[i].metrics > 0);
		assert_int_equal(may_be(document, "/metrics", "429"), rows[i].metrics > 0);
		json_decref(document);
	}
}

static size_t allocations, fails_at;

static void *allocate(size_t size)
{
	return allocations++ == fails_at ? NULL : malloc(size);
}

static size_t allocations_of_schemas(void)
{
	fails_at = SIZE_MAX;
	allocations = 0;
	json_decref(
	    json_loadb(embed_schemas, (size_t)(embed_schemas_end - embed_schemas), 0, NULL));
	return allocations;
}

/* Whichever of our allocations fails: never a document of which a part is missing. Not those of
 * jansson's parser, which comes first: it ignores some. */
static void test_out_of_memory(void **state)
{
	(void)state;
	struct openapi_setup setup = { .title = "x", .key_header = "K" };
	json_set_alloc_funcs(allocate, free);
	size_t first = allocations_of_schemas();
	allocations = 0;
	json_t *whole = openapi_make(&setup);
	size_t most = allocations;
	assert_non_null(whole);
	for (size_t n = first; n < most; n += 7) {
		allocations = 0;
		fails_at = n;
		json_t *document = openapi_make(&setup);
		fails_at = SIZE_MAX;
		if (document && !json_equal(document, whole))
			fail_msg("allocation %zu of %zu fails, and a part is missing", n, most);
		json_decref(document);
	}
	json_decref(whole);
	json_set_alloc_funcs(malloc, free);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_auth),
		cmocka_unit_test(test_out_of_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
