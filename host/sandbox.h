/*
 * sandbox: what this process gives up before it loads foreign code. A plugin's constructors run
 * inside dlopen, so the sandbox stands first.
 */
#ifndef AGENTD_HOST_SANDBOX_H
#define AGENTD_HOST_SANDBOX_H

/* 0 or -errno. */
int sandbox_enter(void);

#endif
