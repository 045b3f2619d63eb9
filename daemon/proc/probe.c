/* probe: a child without settings. It stays at HELLO, and a child that is not wanted any more ends. */
#include "daemon/proc/probe.h"

#include <stdlib.h>

struct probe {
	struct probe_setup setup;
	struct child *child;
	unsigned generations;
	bool said; /* HELLO came */
};

static void probe_on_hello(void *arg, struct child *child)
{
	struct probe *probe = arg;
	probe->said = true;
	child_kill(child);
}

static int probe_on_frame(void *arg, struct child *child, const struct frame *frame)
{
	(void)arg;
	(void)child;
	(void)frame;
	return -1; /* it has no run to speak of */
}

static void probe_on_gone(void *arg, struct child *child)
{
	(void)arg;
	(void)child;
}

static void probe_on_changed(void *arg, struct child *child)
{
	struct probe *probe = arg;
	enum state state = child_state(child);
	if (state != STATE_DOWN && state != STATE_BACKOFF && state != STATE_FAILED)
		return;
	probe->setup.done(probe->setup.arg, probe->said ? NULL : child_last_exit(child)->whole);
}

struct probe *probe_new(struct event_base *base, const struct probe_setup *setup)
{
	static const struct child_ops ops = {
		.frame = probe_on_frame,
		.gone = probe_on_gone,
		.changed = probe_on_changed,
		.hello = probe_on_hello,
	};
	struct probe *probe = calloc(1, sizeof(*probe));
	if (!probe)
		return NULL;
	probe->setup = *setup;
	struct child_setup child = {
		.name = "probe",
		.label = image_path(setup->image),
		.image = setup->image,
		.times = setup->supervision,
		.limits = setup->limits,
		.hidden = setup->hidden,
		.generations = &probe->generations,
		.host_fd = setup->host_fd,
		.quiet = true,
	};
	probe->child = child_new(base, &child, &ops, probe);
	if (!probe->child) {
		probe_free(probe);
		return NULL;
	}
	child_up(probe->child);
	return probe;
}

void probe_free(struct probe *probe)
{
	if (!probe)
		return;
	child_free(probe->child);
	free(probe);
}
