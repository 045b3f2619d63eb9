/* trial_log: what an agentd says, read by a thread: a plugin's warning is to be seen when it is said, not
 * when the answer is over. */
#ifndef AGENTCTL_TRIAL_LOG_H
#define AGENTCTL_TRIAL_LOG_H

struct trial_log;

/* Reads until the pipe's other end is closed, and closes fd. */
struct trial_log *trial_log_new(int fd);
/* Waits for the end of the pipe. `show`: what explains a start that failed, too. */
void trial_log_free(struct trial_log *log, int show);

#endif
