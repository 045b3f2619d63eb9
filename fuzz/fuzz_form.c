/*
 * fuzz_form: any bytes as a form.
 *
 * What must hold: no name is empty; values are texts, the payload also an object, and a list is of two or
 * more of them; what was read, written as a form again, is read as the same; and blanks before a body do not
 * change whether it looks like a form.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/buf.h"
#include "daemon/http/form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add_escaped(struct buf *out, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_addf(out, "%%%02x", (unsigned char)text[i]);
}

static void add_field(struct buf *out, const char *name, size_t n, const json_t *value)
{
	if (json_is_object(value) && strcmp(name, "payload") != 0)
		abort();
	add_escaped(out, name, n);
	buf_add_str(out, "=");
	if (json_is_object(value)) {
		char *text = json_dumps(value, JSON_COMPACT);
		if (!text)
			abort();
		add_escaped(out, text, strlen(text));
		free(text);
	} else if (json_is_string(value)) {
		add_escaped(out, json_string_value(value), json_string_length(value));
	} else {
		abort();
	}
	buf_add_str(out, "&");
}

static void add_all(struct buf *out, json_t *form)
{
	for (void *at = json_object_iter(form); at; at = json_object_iter_next(form, at)) {
		const char *name = json_object_iter_key(at);
		size_t n = json_object_iter_key_len(at);
		json_t *value = json_object_iter_value(at);
		if (n == 0 || memchr(name, '\0', n) || json_array_size(value) == 1)
			abort();
		for (size_t i = 0; i < json_array_size(value); i++)
			add_field(out, name, n, json_array_get(value, i));
		if (!json_is_array(value))
			add_field(out, name, n, value);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy of its very size, so that reading past its end is seen. */
	char *text = malloc(size ? size : 1);
	struct buf again = { 0 }, blank = { 0 };
	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	buf_add_str(&blank, " \r\n");
	buf_add(&blank, text, size);
	if (form_looks_like_one(text, size) != form_looks_like_one(blank.data, blank.length))
		abort();
	json_t *form = form_read(text, size), *same = NULL;
	if (form) {
		if (!json_is_object(form))
			abort();
		add_all(&again, form);
		same = form_read(again.data ? again.data : "", again.length);
		if (!same || !json_equal(form, same))
			abort();
	}
	json_decref(same);
	json_decref(form);
	buf_done(&again);
	buf_done(&blank);
	free(text);
	return 0;
}
