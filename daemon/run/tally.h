/* tally: what became of an agent's runs, for those who measure (/metrics). One thread. */
#ifndef AGENTD_RUN_TALLY_H
#define AGENTD_RUN_TALLY_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/base/histogram.h"
#include "daemon/store/store.h"

/* Of one source: "http", or the name of a trigger; so there are few. */
struct tally_row {
	char *source;
	uint64_t ended[RUN_CANCELLED + 1]; /* by status */
};

struct tally {
	struct tally_row *rows;
	size_t count;
	struct histogram running; /* how long those ran that were begun */
};

/* `ran_us` is 0 for a run that was not begun. */
void tally_add(struct tally *tally, const char *source, enum run_status status, uint64_t ran_us);
void tally_done(struct tally *tally);

#endif
