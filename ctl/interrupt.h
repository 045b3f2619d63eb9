/*
 * interrupt: Ctrl-C, and being told to end, as something to wait for beside a connection or the
 * keyboard. Until interrupt_open these signals end the program, as they do any other.
 */
#ifndef AGENTCTL_INTERRUPT_H
#define AGENTCTL_INTERRUPT_H

#include <stdbool.h>

/* From now on SIGINT, SIGTERM and SIGHUP are kept. */
void interrupt_open(void);
/* Readable while one is kept; -1 before interrupt_open. */
int interrupt_fd(void);
/* Whether one is kept. */
bool interrupt_is_pending(void);
/* The signal, which is forgotten by this; 0: none. SIGTERM and SIGHUP stay: who got one is to end. */
int interrupt_take(void);

#endif
