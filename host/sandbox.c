/* sandbox: the order of its steps, and those that are one call each. */
#include "host/sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Leaves no capability, also to programs that root starts: to a process with capabilities, file
 * modes, the dumpable flag and half of the filter would mean little. */
static int drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };
	prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
				     SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED);
	for (unsigned long i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
		prctl(PR_CAPBSET_DROP, i, 0, 0, 0); /* fails for those who have nothing to drop */
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &head, none) == 0)
		return 0;
	/* A filter around agentd may refuse the call. Who has none has none to drop. */
	int error = -errno;
	struct __user_cap_data_struct now[_LINUX_CAPABILITY_U32S_3];
	bool has_none =
	    syscall(SYS_capget, &head, now) == 0 && memcmp(now, none, sizeof(none)) == 0;
	return has_none ? 0 : error;
}

int sandbox_enter(const struct sandbox *sandbox)
{
	/* What the plugin starts stays within reach: daemon/proc/orphan.h. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return -errno;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	int error = sandbox_hide_files(sandbox); /* before root loses its way into closed folders */
	if (error == 0)
		error = drop_capabilities();
	if (error == 0)
		error = sandbox_filter_calls(sandbox);
	if (error < 0)
		return error;
#ifndef __SANITIZE_ADDRESS__ /* LeakSanitizer attaches to its own process */
	/* Nobody of the same user may read its memory, which holds secrets, or attach to it. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
#endif
	return 0;
}
