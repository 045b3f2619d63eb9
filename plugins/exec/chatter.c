/* chatter: lines in each second of the clock. */
#include "chatter.h"

#define LINES_PER_SECOND 45 /* of agentd's 100, in one second of which two of ours may arrive */

static uint64_t second; /* the one that is being counted */
static unsigned said, left_out;

void chatter_report(const struct agentd_host *host)
{
	if (left_out)
		host->log(host, AGENTD_LOG_WARN,
		    "%u line%s of the program left out (more than %d a second)", left_out,
		    left_out == 1 ? "" : "s", LINES_PER_SECOND);
	left_out = 0;
}

bool chatter_allows(const struct agentd_host *host)
{
	uint64_t now = host->now_ms(host) / 1000;
	if (now != second) {
		chatter_report(host);
		second = now;
		said = 0;
	}
	if (said++ < LINES_PER_SECOND)
		return true;
	left_out++;
	return false;
}
