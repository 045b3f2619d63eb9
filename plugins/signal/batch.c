/* batch: objects, one after another; what cannot be read is skipped up to what looks like the next. */
#include "batch.h"

#include <string.h>

#define MISTAKES_MAX 32 /* each may cost a walk over all that is left */

static void batch_skip(struct signal_batch *batch, size_t n)
{
	batch->rest.p += n;
	batch->rest.n -= n;
}

/* Up to the next brace: what stands between the objects of an array is no loss. */
static void batch_skip_between(struct signal_batch *batch)
{
	while (batch->rest.n && *batch->rest.p != '{') {
		batch->lost += !memchr("[], \t\r\n", *batch->rest.p, 7);
		batch_skip(batch, 1);
	}
}

/* Past an object that cannot be read, to where the next one begins. */
static void batch_skip_mistake(struct signal_batch *batch)
{
	static const char beginning[] = "{\"envelope\"";
	const char *next = NULL;
	if (++batch->mistakes < MISTAKES_MAX)
		next =
		    memmem(batch->rest.p + 1, batch->rest.n - 1, beginning, sizeof(beginning) - 1);
	size_t skipped = next ? (size_t)(next - batch->rest.p) : batch->rest.n;
	batch->lost += skipped;
	batch_skip(batch, skipped);
}

json_t *signal_batch_next(struct signal_batch *batch)
{
	for (;;) {
		json_error_t error;
		batch_skip_between(batch);
		if (!batch->rest.n)
			return NULL;
		json_t *object = json_loadb(
		    batch->rest.p, batch->rest.n, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, &error);
		if (object) {
			batch_skip(batch, (size_t)error.position);
			return object;
		}
		batch_skip_mistake(batch);
	}
}
