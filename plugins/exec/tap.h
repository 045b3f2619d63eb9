/*
 * tap: the reading end of a pipe from a program.
 *
 * Its end is not the pipe's: who else holds the other end, such as a child in the background, must
 * not delay anything. When the program has ended, what lies in the pipe then is all that it said.
 */
#ifndef EXEC_TAP_H
#define EXEC_TAP_H

#include <stddef.h>
#include <sys/types.h>

struct agentd_host;
struct tap;

/* Calls fn while there is something to read, or the end. The fd belongs to the tap, also if it is
 * NULL: memory is out. */
struct tap *tap_new(const struct agentd_host *host, int fd, void (*fn)(void *arg), void *arg);
void tap_free(struct tap *tap);

/* Some bytes. 0: there will be no more. -EAGAIN: none now. */
ssize_t tap_read(struct tap *tap, void *into, size_t size);
/* A paused tap does not call; the program waits when the pipe is full. */
void tap_pause(struct tap *tap);
void tap_resume(struct tap *tap);
/* The program has ended: what is in the pipe now is the rest. */
void tap_end(struct tap *tap);

#endif
