/* say: limits.delta is not told to a plugin, so the length of a piece is found out, once. */
#include "say.h"

#include <errno.h>

int say_text(
    const struct agentd_host *host, struct agentd_run *run, struct agentd_text text, size_t *said)
{
	static size_t piece_max = 65536;
	while (*said < text.n) {
		size_t left = text.n - *said;
		size_t piece = left < piece_max ? left : piece_max;
		int error = host->delta(run, agentd_text(text.p + *said, piece));
		if (error == -EMSGSIZE && piece > 1)
			piece_max = piece / 2;
		else if (error < 0)
			return error;
		else
			*said += piece;
	}
	return 0;
}
