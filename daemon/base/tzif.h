/* tzif: a file of tzdata (RFC 9636) as a table of when an offset changes. Pure; what it is given may be
 * anything. Its rule for the years after its table is written out until 2100. */
#ifndef AGENTD_BASE_TZIF_H
#define AGENTD_BASE_TZIF_H

#include <stddef.h>
#include <stdint.h>

#define TZIF_CHANGES_MAX 1024u /* London has 366 */

struct tzif_change {
	int64_t at;     /* since 1970, UTC */
	int32_t offset; /* seconds that local time is ahead of UTC, from then on */
};

struct tzif {
	int32_t first; /* the offset before all changes */
	size_t count;
	struct tzif_change
	    changes[TZIF_CHANGES_MAX]; /* each later than the last, and to another offset */
};

/* 0; -EBADMSG: it is no such file, or one with leap seconds in it, which clocks do not show. */
int tzif_read(const uint8_t *data, size_t n, struct tzif *ret);

#endif
