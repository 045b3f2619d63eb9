/* fuzz_tzif: any bytes as a file of tzdata. What must hold: it is refused, or its changes are a table in
 * order, each to another offset. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "daemon/base/tzif.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tzif tzif;
	int error = tzif_read(data, size, &tzif);
	if (error < 0 ? error != -EBADMSG : tzif.count > TZIF_CHANGES_MAX)
		abort();
	int32_t offset = tzif.first;
	for (size_t i = 0; error == 0 && i < tzif.count; i++) {
		if (tzif.changes[i].offset == offset ||
		    (i && tzif.changes[i].at <= tzif.changes[i - 1].at))
			abort();
		offset = tzif.changes[i].offset;
	}
	return 0;
}
