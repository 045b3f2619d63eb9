/*
 * sandbox: what this process gives up before it loads foreign code. A plugin's constructors run
 * inside dlopen, so the sandbox stands first; programs that the plugin starts inherit it.
 *
 * It keeps the daemon and its files from the plugin, though both run as one user. It does not keep
 * the plugin from the network, nor from other files of that user. docs/security.md says what it is
 * worth, and what each kernel has of it.
 */
#ifndef AGENTD_HOST_SANDBOX_H
#define AGENTD_HOST_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct sandbox {
	pid_t daemon;
	const pid_t *threads; /* its others: to the kernel each of them means the daemon as well */
	size_t thread_count;
	bool unix_sockets;   /* socket(AF_UNIX) is allowed */
	bool files;          /* every file of the user is allowed */
	char *const *hidden; /* else these are not: absolute, without symbolic links */
	size_t hidden_count;
};

/* All of it, in the order in which one step allows the next. 0 or -errno. */
int sandbox_enter(const struct sandbox *sandbox);

/* seccomp.c: system calls that a plugin has no business with fail from now on. 0 or -errno. */
int sandbox_filter_calls(const struct sandbox *sandbox);
/* landlock.c: no hidden files, no changes to cgroups, and no signals to other processes' than its own offspring. Does
 * what the running kernel can, which may be nothing. 0 or -errno. */
int sandbox_hide_files(const struct sandbox *sandbox);
/* What the running kernel has of Landlock; below 1: nothing. */
int sandbox_landlock_abi(void);

#endif
