/* arena: memory that is given back as a whole: what a job was given, or what it answers. Private to
 * daemon/store. All zero is an empty one. */
#ifndef AGENTD_STORE_ARENA_H
#define AGENTD_STORE_ARENA_H

#include "daemon/store/db.h"

struct arena {
	struct arena_piece *pieces;
	bool failed; /* memory was out once: what was taken since may not be there */
};

/* NULL: memory is out. */
void *arena_take(struct arena *arena, size_t size);
/* Room for one more in an array that has `count`, which grew by this alone; the array, moved perhaps. NULL:
 * memory is out. */
void *arena_push(struct arena *arena, void *array, size_t count, size_t size);
/* A copy, with a NUL behind it; NULL stays NULL. */
char *arena_str(struct arena *arena, const char *text);
struct frame_text arena_text(struct arena *arena, struct frame_text text);
/* The same of a column of a row. */
struct frame_text arena_column(struct arena *arena, sqlite3_stmt *row, int column);
const char *arena_column_str(struct arena *arena, sqlite3_stmt *row, int column);
/* Leaves it empty. */
void arena_done(struct arena *arena);

#endif
