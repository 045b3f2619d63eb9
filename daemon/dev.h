/*
 * dev: dev mode. Watches the files of what is served, and asks for a reload when they have changed; watches
 * sources, and builds when they have. What was built is not handed on: it is a plugin's file, which is watched.
 *
 * While a build runs, reloads wait for its end. If it has failed, what became of plugins meanwhile is left alone
 * until one succeeds: a linker that fails takes away what it has begun, and what is served is to go on.
 *
 * A build may change sources itself. What changes during one is followed by another, but not for ever: after
 * BUILDS_IN_A_ROW it takes a change that came between builds.
 */
#ifndef AGENTD_DEV_H
#define AGENTD_DEV_H

#include "daemon/conf/settings.h"

#define BUILDS_IN_A_ROW 3

struct build;
struct dev;
struct event_base;

/* `why` is for the log: "plugins/hello.so has changed". May call dev_try and dev_serve, not dev_free. */
typedef void dev_reload_fn(void *arg, const char *why);

/* Watches nothing yet. 0, or -errno. */
int dev_new(struct event_base *base, dev_reload_fn *reload, void *arg, struct dev **ret);
void dev_free(struct dev *dev);
/* These are the settings that are served: their files and sources are watched, and nothing else any more, and
 * what they build with is what sources are built with from now on. Borrowed for the call. */
void dev_serve(struct dev *dev, const struct settings *settings);
/* This config is about to be loaded: its files are watched too, until the next dev_try or dev_serve. So a file
 * that changes while it is loaded is seen, and so is the file that mends one that is refused. `settings` may be NULL:
 * it cannot be read to its end. Borrowed for the call. */
void dev_try(struct dev *dev, const struct conf_node *tree, const struct settings *settings);
/* What is built, for those who show how it failed; it lives as long as the dev. */
const struct build *dev_build(const struct dev *dev);
/* What is watched, into the log. */
void dev_say(const struct dev *dev);

#endif
