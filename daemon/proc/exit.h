/* exit: how a process ended, in words. */
#ifndef AGENTD_PROC_EXIT_H
#define AGENTD_PROC_EXIT_H

#include <stddef.h>
#include <stdint.h>

/* How a process ended. */
struct child_exit {
	int signal, code;    /* signal 0: it exited with the code */
	uint64_t at_wall_ms; /* 0: it never did */
	char reason[256];    /* for everybody: "killed by SIGSEGV", or what the plugin said */
	char whole[512];     /* for the log and admins: its last words, too, of whoever's run */
};

/* Sets time and reasons. `said` is what the daemon or the plugin gave as the reason; "": look at signal
 * and code, and at the last `line` that the process wrote. Of several lines that are said the first is for everybody. */
void exit_describe(struct child_exit *last, const char *said, const char *line);
/* The process was to go: the reason says why, and then what it said before. */
void exit_say_replaced(struct child_exit *last, const char *why);

#endif
