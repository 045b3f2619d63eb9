/*
 * era: what lives as long as anything that began in it. A reload begins a new one: the settings, and what was made
 * of them, are given to the old era, and are released once the last run, request and process of that time is over.
 *
 * Reference counted, one thread. The release does not come inside era_unref, which may be called from the very
 * things that are released, but by the next turn of the loop, or by eras_release.
 */
#ifndef AGENTD_BASE_ERA_H
#define AGENTD_BASE_ERA_H

struct era;
struct event_base;

/* NULL: memory is out. `base` is borrowed, and must live until the era is released. */
struct era *era_new(struct event_base *base);
struct era *era_ref(struct era *era);
void era_unref(struct era *era); /* NULL is fine */
/* From now on it is the era's to release; what was given last goes first. 0; -ENOMEM: it is the caller's still. */
int era_give(struct era *era, void (*release)(void *arg), void *arg);
/* All that began before it hold it from now on: what is given to it may be known to them as well. 0; -ENOMEM: only some
 * of them do. `era` is not over. */
int era_outlast_older(struct era *era);
/* Releases all eras that nobody refers to, now: the loop does not run any more. */
void eras_release(void);

#endif
