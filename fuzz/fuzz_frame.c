/* fuzz_frame: what a hostile host may send: frames of any shape, and a HELLO of any content. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "daemon/base/frame.h"
#include "daemon/proc/descriptor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads fields in an order that the input itself chooses. */
static void read_fields(const struct frame *frame)
{
	struct frame_cursor cursor = frame_fields(frame);
	while (!cursor.bad && cursor.p < cursor.end) {
		switch (frame_get_u32(&cursor) % 5) {
		case 0:
			frame_get_u64(&cursor);
			break;
		case 1:
			frame_get_text(&cursor);
			break;
		case 2:
			free(frame_get_str(&cursor));
			break;
		case 3:
			if ((size_t)frame_get_count(&cursor, 8) * 8 >
			    (size_t)(cursor.end - cursor.p))
				abort(); /* a count must be one that the frame can hold */
			break;
		default:
			frame_get_f64(&cursor);
		}
	}
	frame_end_fields(&cursor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame frame;
	size_t used, done = 0;
	const char *bytes = (const char *)data;
	while (frame_read(bytes + done, size - done, &frame, &used) > 0) {
		struct descriptor *descriptor;
		if (descriptor_read(&frame, &descriptor) == 0)
			descriptor_free(descriptor);
		read_fields(&frame);
		done += used;
	}
	return 0;
}
