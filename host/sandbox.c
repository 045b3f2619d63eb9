/* sandbox: what the plugin starts stays within reach (a subreaper; see daemon/proc/orphan.h); no new
 * privileges; not dumpable: nobody of the same user may read its memory (which holds secrets) or
 * attach to it. LeakSanitizer attaches to its own process, so a build with it
 * stays dumpable; that is the only difference. */
#include "host/sandbox.h"

#include <errno.h>
#include <sys/prctl.h>

int sandbox_enter(void)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return -errno;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
#ifndef __SANITIZE_ADDRESS__
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
#endif
	return 0;
}
