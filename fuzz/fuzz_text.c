/* fuzz_text: UTF-8 repair gives UTF-8 wherever the text is cut, and what JSON escapes write, jansson
 * reads back as it was. */
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/buf.h"
#include "daemon/http/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const struct buf *a, const struct buf *b)
{
	if (a->length != b->length || (a->length && memcmp(a->data, b->data, a->length) != 0))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct buf whole = { 0 }, pieces = { 0 }, again = { 0 }, json = { 0 };
	struct utf8_tail tail = { 0 };
	size_t step = size ? 1 + data[0] % 5 : 1;
	buf_add_utf8(&whole, NULL, text, size);
	for (size_t i = 0; i < size; i += step)
		buf_add_utf8(&pieces, &tail, text + i, size - i < step ? size - i : step);
	buf_end_utf8(&pieces, &tail);
	check_same(&whole, &pieces);
	buf_add_utf8(&again, NULL, whole.data ? whole.data : "", whole.length);
	check_same(&whole, &again); /* what is repaired stays as it is */

	buf_add_json(&json, whole.data ? whole.data : "", whole.length);
	json_t *value = json_loadb(json.data, json.length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	if (!value || json_string_length(value) != whole.length ||
	    (whole.length && memcmp(json_string_value(value), whole.data, whole.length) != 0))
		abort();
	json_decref(value);

	buf_add(&pieces, "", 1);
	free(target_path(pieces.data));
	buf_done(&whole);
	buf_done(&pieces);
	buf_done(&again);
	buf_done(&json);
	return 0;
}
