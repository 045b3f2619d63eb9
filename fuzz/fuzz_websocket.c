/*
 * fuzz_websocket: any bytes as the answer to a WebSocket's handshake.
 *
 * What must hold: a piece of a good answer is not yet good, and never bad; what lies behind it changes
 * nothing; a bad one has a reason, and a good one ends with an empty line.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/common/websocket_handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

static enum websocket_verdict scan(const char *bytes, size_t n, struct websocket_head *head)
{
	char *copy = malloc(n ? n : 1); /* so that reading past its end is seen */
	if (!copy)
		abort();
	memcpy(copy, bytes, n);
	enum websocket_verdict verdict = websocket_head_scan(copy, n, ACCEPT, head);
	free(copy);
	return verdict;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data;
	struct websocket_head head = { 0 }, again = { 0 };
	enum websocket_verdict verdict = scan(bytes, size, &head);
	if (verdict == WEBSOCKET_BAD && !head.reason)
		abort();
	if (verdict != WEBSOCKET_GOOD)
		return 0;
	if (head.length > size || memcmp(bytes + head.length - 4, "\r\n\r\n", 4) != 0)
		abort();
	if (scan(bytes, head.length, &again) != WEBSOCKET_GOOD || again.length != head.length)
		abort();
	for (size_t i = 0; i < head.length; i += 1 + i / 8)
		if (scan(bytes, i, &again) != WEBSOCKET_MORE)
			abort();
	return 0;
}
