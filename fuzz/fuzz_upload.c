/*
 * fuzz_upload: any JSON array as the attachments of a request, and any bytes as base64.
 *
 * What must hold: what is refused is said to be; what is taken has one of a URL and data, a type that there
 * is, names within their bounds; data stands for as many bytes as is said, and these, written as base64 again,
 * are the same text but for its padding.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/base64.h"
#include "daemon/http/upload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t without_padding(const char *text, size_t n)
{
	while (n && text[n - 1] == '=')
		n--;
	return n;
}

static void check_base64(const char *text, size_t n)
{
	if (!base64_is_good(text, n))
		return;
	size_t bytes = base64_bytes(text, n), bare = without_padding(text, n);
	uint8_t *decoded = malloc(bytes ? bytes : 1); /* of its very size */
	struct buf again = { 0 };
	if (!decoded)
		return;
	base64_decode(text, n, decoded);
	base64_encode(&again, decoded, bytes);
	if (without_padding(again.data, again.length) != bare ||
	    (bare && memcmp(again.data, text, bare) != 0) || (bare != n && n != again.length))
		abort();
	buf_done(&again);
	free(decoded);
}

static void check_name(const char *name, size_t most)
{
	if (name && (!*name || strlen(name) > most || strpbrk(name, "\n\r\t\x7f")))
		abort();
}

static void check_upload(const struct upload *upload)
{
	if (!upload->type || !strstr("file image audio video", upload->type))
		abort();
	if (!upload->url == !upload->data || (upload->data && !upload->bytes))
		abort();
	if (upload->name && strchr(upload->name, '/'))
		abort();
	check_name(upload->name, 256);
	check_name(upload->mime_type, 256);
	check_name(upload->url, 8192);
	if (upload->data)
		check_base64(upload->data, upload->data_length);
	if (upload->data && !base64_is_good(upload->data, upload->data_length))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char why[256] = "";
	char *text = malloc(size ? size : 1);
	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	check_base64(text, size);
	json_t *array = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_array(array)) {
		bool good = uploads_check(array, why, sizeof(why)) == 0, has_data = false;
		if (good == (why[0] != '\0'))
			abort();
		for (size_t i = 0; good && i < json_array_size(array); i++) {
			struct upload upload = upload_at(array, i);
			check_upload(&upload);
			has_data = has_data || upload.data;
		}
		if (good && has_data != uploads_have_data(array))
			abort();
	}
	json_decref(array);
	free(text);
	return 0;
}
