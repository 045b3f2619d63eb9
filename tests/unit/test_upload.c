/* upload: attachments of a request, and the base64 in them, are what they seem, or are refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/base64.h"
#include "daemon/http/upload.h"

/* Any number of bytes becomes a text, with padding and without, that is those bytes again. */
static void test_there_and_back(void **state)
{
	(void)state;
	uint8_t bytes[300], again[300];
	srand(1);
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		struct buf text = { 0 };
		for (size_t i = 0; i < n; i++)
			bytes[i] = (uint8_t)rand();
		base64_encode(&text, bytes, n);
		assert_false(text.failed);
		assert_int_equal(text.length, (n + 2) / 3 * 4);
		size_t bare = text.length;
		while (bare && text.data[bare - 1] == '=')
			bare--;
		for (size_t length = bare; length <= text.length; length++) {
			if (length != bare && length != text.length) {
				assert_false(base64_is_good(text.data, length));
				continue;
			}
			assert_true(base64_is_good(text.data, length));
			assert_int_equal(base64_bytes(text.data, length), n);
			memset(again, 0xa5, sizeof(again));
			base64_decode(text.data, length, again);
			assert_memory_equal(again, bytes, n);
			assert_true(n == sizeof(again) || again[n] == 0xa5);
		}
		buf_done(&text);
	}
}

/* The vectors of RFC 4648, section 10. */
static void test_vectors(void **state)
{
	(void)state;
	static const char *const rows[][2] = {
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf text = { 0 };
		base64_encode(&text, rows[i][0], strlen(rows[i][0]));
		assert_int_equal(text.length, strlen(rows[i][1]));
		assert_memory_equal(text.data ? text.data : "", rows[i][1], text.length);
		buf_done(&text);
	}
}

/* Each byte in each place of a text: good if it is of the alphabet, and leaves no bits over. */
static void test_every_character(void **state)
{
	(void)state;
	static const char alphabet[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (unsigned c = 1; c < 256; c++) {
		const char *at = strchr(alphabet, (int)c);
		size_t value = at ? (size_t)(at - alphabet) : 0;
		for (size_t place = 0; place < 4; place++) {
			char text[] = "AAAA";
			text[place] = (char)c;
			bool padding = c == '=' && place == 3;
			assert_int_equal(base64_is_good(text, 4), at || padding);
		}
		char two[] = { 'A', (char)c }, three[] = { 'A', 'A', (char)c };
		assert_int_equal(base64_is_good(two, 2), at && value % 16 == 0);
		assert_int_equal(base64_is_good(three, 3), at && value % 4 == 0);
		assert_false(base64_is_good(two + 1, 1));
	}
	assert_false(base64_is_good("AA\0A", 4));
	assert_false(base64_is_good("A===", 4));
	assert_false(base64_is_good("====", 4));
}

/* Only what is too long is -EFBIG, and by a single byte. */
static void test_the_largest(void **state)
{
	(void)state;
	size_t n = (UPLOAD_MAX_BYTES + 3) / 3 * 4;
	char *text = malloc(n), why[256] = "";
	assert_non_null(text);
	memset(text, 'A', n);
	for (size_t more = 0; more < 2; more++) {
		size_t bytes = UPLOAD_MAX_BYTES + more;
		size_t length = bytes / 3 * 4 + (bytes % 3 ? bytes % 3 + 1 : 0);
		json_t *one = json_object(), *array = json_array();
		json_object_set_new(one, "data", json_stringn(text, length));
		json_array_append_new(array, one);
		assert_int_equal(uploads_check(array, why, sizeof(why)), more ? -EFBIG : 0);
		assert_int_equal(upload_at(array, 0).bytes, bytes);
		json_decref(array);
	}
	assert_string_equal(why, "\"attachments[0].data\" stands for more than 32 MiB");
	free(text);
}

static int check(const char *json, char *why, size_t size)
{
	json_t *array = json_loads(json, 0, NULL);
	assert_non_null(array);
	int error = uploads_check(array, why, size);
	json_decref(array);
	return error;
}

/* What is good is found again; what is wrong is named, with its place. */
static void test_members(void **state)
{
	(void)state;
	char why[256];
	json_t *array = json_loads("[{\"url\":\"http://h\",\"data\":null},"
				   "{\"type\":\"video\",\"name\":\"\",\"mime_type\":\"a/b+c\","
				   "\"data\":\"Zm8\",\"more\":[]}]",
	    0, NULL);
	assert_int_equal(uploads_check(array, why, sizeof(why)), 0);
	assert_true(uploads_have_data(array));
	struct upload one = upload_at(array, 0), two = upload_at(array, 1);
	assert_string_equal(one.type, "file");
	assert_string_equal(one.url, "http://h");
	assert_null(one.data);
	assert_string_equal(two.type, "video");
	assert_null(two.name);
	assert_string_equal(two.mime_type, "a/b+c");
	assert_int_equal(two.bytes, 2);
	json_decref(array);
	assert_false(uploads_have_data(NULL));
	assert_int_equal(uploads_check(NULL, why, sizeof(why)), 0);
	assert_int_equal(
	    check("[{\"url\":\"http://h\"},{\"url\":\"h\"}]", why, sizeof(why)), -EINVAL);
	assert_string_equal(
	    why, "\"attachments[1].url\" must be an http:// or https:// URL of at most 8192 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_every_character),
		cmocka_unit_test(test_the_largest),
		cmocka_unit_test(test_members),
	};
	return cmocka_run_group_tests_name("upload", tests, NULL, NULL);
}
