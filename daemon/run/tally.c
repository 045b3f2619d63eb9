/* tally: a row for each source. */
#include "daemon/run/tally.h"

#include <stdlib.h>
#include <string.h>

static struct tally_row *tally_find(struct tally *tally, const char *source)
{
	for (size_t i = 0; i < tally->count; i++)
		if (strcmp(tally->rows[i].source, source) == 0)
			return &tally->rows[i];
	struct tally_row *rows = reallocarray(tally->rows, tally->count + 1, sizeof(*rows));
	if (!rows)
		return NULL;
	tally->rows = rows;
	char *name = strdup(source);
	if (!name)
		return NULL;
	rows[tally->count] = (struct tally_row){ .source = name };
	return &rows[tally->count++];
}

void tally_add(struct tally *tally, const char *source, enum run_status status, uint64_t ran_us)
{
	struct tally_row *row = tally_find(tally, source);
	if (row) /* else it goes uncounted */
		row->ended[status]++;
	if (ran_us)
		histogram_add(&tally->running, ran_us);
}

void tally_done(struct tally *tally)
{
	for (size_t i = 0; i < tally->count; i++)
		free(tally->rows[i].source);
	free(tally->rows);
	*tally = (struct tally){ 0 };
}
