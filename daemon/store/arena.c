/* arena: pieces of memory in a list. */
#include "daemon/store/arena.h"

#include <stdlib.h>
#include <string.h>

struct arena_piece {
	struct arena_piece *next;
};

void *arena_take(struct arena *arena, size_t size)
{
	struct arena_piece *piece = malloc(sizeof(*piece) + size);
	if (!piece) {
		arena->failed = true;
		return NULL;
	}
	piece->next = arena->pieces;
	arena->pieces = piece;
	return piece + 1;
}

/* There is room for as many as the next power of two: then it is full, and twice as much is taken. */
void *arena_push(struct arena *arena, void *array, size_t count, size_t size)
{
	if (count & (count - 1))
		return array;
	void *bigger = arena_take(arena, (count ? 2 * count : 1) * size);
	if (bigger && count)
		memcpy(bigger, array, count * size);
	return bigger;
}

char *arena_str(struct arena *arena, const char *text)
{
	char *copy = text ? arena_take(arena, strlen(text) + 1) : NULL;
	if (copy)
		memcpy(copy, text, strlen(text) + 1);
	return copy;
}

struct frame_text arena_text(struct arena *arena, struct frame_text text)
{
	if (!text.p)
		return text;
	char *copy = arena_take(arena, text.n + 1);
	if (!copy)
		return (struct frame_text){ 0 };
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	return (struct frame_text){ copy, text.n };
}

struct frame_text arena_column(struct arena *arena, sqlite3_stmt *row, int column)
{
	return arena_text(arena, db_text(row, column));
}

const char *arena_column_str(struct arena *arena, sqlite3_stmt *row, int column)
{
	return arena_column(arena, row, column).p;
}

void arena_done(struct arena *arena)
{
	struct arena_piece *piece, *next;
	for (piece = arena->pieces; piece; piece = next) {
		next = piece->next;
		free(piece);
	}
	*arena = (struct arena){ 0 };
}
