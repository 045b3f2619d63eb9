/* cursor: the number of the last row. */
#include "daemon/store/cursor.h"

#include <stdio.h>
#include <stdlib.h>

int64_t cursor_read(const char *cursor)
{
	char *end;
	if (!cursor)
		return INT64_MAX;
	long long position = strtoll(cursor, &end, 10);
	return *cursor && !*end && position > 0 ? position : -1;
}

const char *cursor_write(char *into, int64_t position)
{
	snprintf(into, CURSOR_SIZE, "%lld", (long long)position);
	return into;
}
