/*
 * renew: the processes of an agent, and how others take their place: new first, and the old ones go once those are
 * ready. When a run does not heed its end, when an operator asks for it, when a config makes them others, and when they
 * cannot see a file any more that was replaced.
 */
#include <errno.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/run/agent_internal.h"

/* Processes. */

static struct child_setup agent_child(struct agent *agent)
{
	struct child_setup child = edition_child(agent->edition);
	child.generations = &agent->generations;
	child.host_fd = agent->setup.host_fd;
	return child;
}

struct worker *agent_add_worker(struct agent *agent, enum worker_role role)
{
	struct child_setup child = agent_child(agent);
	struct worker *worker = worker_new(agent->base, agent, role, agent->edition, &child);
	if (worker)
		TAILQ_INSERT_TAIL(&agent->workers, worker, link);
	return worker;
}

void agent_remove_worker(struct agent *agent, struct worker *worker)
{
	struct worker *other;
	TAILQ_REMOVE(&agent->workers, worker, link);
	TAILQ_FOREACH (other, &agent->workers, link)
		if (other->successor == worker)
			other->successor = NULL;
	if (agent->quarantine == worker)
		agent->quarantine = NULL;
	agent->restarts += child_restarts(worker->child);
	worker_free(worker);
}

static size_t agent_count_role(const struct agent *agent, enum worker_role role)
{
	const struct worker *worker;
	size_t count = 0;
	TAILQ_FOREACH (worker, &agent->workers, link)
		count += worker->role == role;
	return count;
}

/* Replacing. */

/* The successor of `worker` serves from now on. It may not be READY yet, if the old one has died: there is
 * nothing better. */
static void agent_hand_over(struct worker *worker)
{
	worker->successor->role = WORKER_SERVING;
	worker_retire(worker);
}

void agent_on_worker_gone(struct worker *worker)
{
	struct agent *agent = worker->agent;
	agent->last_exit = *child_last_exit(worker->child);
	if (worker->role == WORKER_RETIRED)
		exit_say_replaced(&agent->last_exit, worker->reason);
	if (worker->successor)
		agent_hand_over(worker);
}

static struct worker *agent_predecessor(const struct worker *successor)
{
	struct worker *worker;
	TAILQ_FOREACH (worker, &successor->agent->workers, link)
		if (worker->successor == successor)
			return worker;
	return NULL;
}

unsigned agent_generation_before(const struct worker *worker)
{
	const struct worker *before =
	    worker->role == WORKER_SUCCESSOR ? agent_predecessor(worker) : NULL;
	return before && child_state(before->child) == STATE_READY ? child_generation(before->child)
								   : 0;
}

static void agent_on_worker_ready(struct worker *worker)
{
	struct agent *agent = worker->agent;
	log_info("%s: ready (pid %d, generation %u)", agent->setup.config.settings->instance.label,
	    child_pid(worker->child), child_generation(worker->child));
	if (worker->role == WORKER_SUCCESSOR)
		agent_hand_over(agent_predecessor(worker));
	agent_pump(agent);
}

/* May free the worker. */
void agent_on_worker_changed(struct worker *worker)
{
	struct agent *agent = worker->agent;
	enum state state = child_state(worker->child);
	bool is_down = state == STATE_BACKOFF || state == STATE_FAILED || state == STATE_DOWN;
	if (state == STATE_READY)
		agent_on_worker_ready(worker);
	else if (state == STATE_DRAINING && worker->count == 0)
		child_idle(worker->child);
	else if (worker->role == WORKER_RETIRED && state == STATE_DOWN)
		agent_remove_worker(agent, worker);
	else if (worker->role == WORKER_RETIRED && is_down)
		child_down(worker->child);
	if (agent->is_late && agent_count_role(agent, WORKER_RETIRED) < RETIRED_MAX)
		agent_update(agent);
	if (is_down && !agent_is_available(agent))
		agent_refuse_queued(agent);
	agent_check_left(agent);
	if (agent->setup.changed)
		agent->setup.changed(agent->setup.arg);
}

bool agent_replace(struct run *run)
{
	struct worker *worker = run->worker;
	struct agent *agent = worker->agent;
	if (agent->stopping || worker->role == WORKER_RETIRED || worker->successor)
		return true;
	if (agent_count_role(agent, WORKER_RETIRED) >= RETIRED_MAX)
		return false;
	struct log_field fields[] = { { "run_id", run->id, false } };
	log_with(LOG_LEVEL_WARN, fields,
	    "%s: a run in pid %d (generation %u) does not heed its end: it is replaced",
	    agent->setup.config.settings->instance.label, child_pid(worker->child),
	    child_generation(worker->child));
	worker->reason = "a run in it did not end";
	if (worker->role == WORKER_QUARANTINE) {
		agent->quarantine = NULL;
		worker_retire(worker);
		agent_pump(agent);
		return true;
	}
	worker->successor = agent_add_worker(agent, WORKER_SUCCESSOR);
	if (!worker->successor)
		return false;
	child_up(worker->successor->child);
	return true;
}

/* One that is starting in its place is not what is wanted any more. */
static void drop_successor(struct worker *worker)
{
	struct worker *successor = worker->successor;
	worker->successor = NULL;
	successor->reason = "another took its place before it was ready";
	worker_retire(successor);
}

/* Another is started, which takes its place once it is ready. */
static int worker_succeed(struct worker *worker, const char *reason)
{
	struct agent *agent = worker->agent;
	if (agent_count_role(agent, WORKER_RETIRED) >= RETIRED_MAX)
		return -EBUSY;
	worker->successor = agent_add_worker(agent, WORKER_SUCCESSOR);
	if (!worker->successor)
		return -ENOMEM;
	worker->reason = reason;
	child_up(worker->successor->child);
	return 0;
}

/* One that does not serve is started at once; one that does goes on until another can take its place. */
static int worker_renew(struct worker *worker)
{
	enum state state = child_state(worker->child);
	if (worker->successor) {
		child_up(worker->successor->child); /* if it is down, and waits, or had failed */
		return 0;
	}
	if (state == STATE_STARTING)
		return 0;
	if (state != STATE_READY) {
		child_up(worker->child);
		return 0;
	}
	return worker_succeed(worker, "that was asked for");
}

int agent_restart(struct agent *agent)
{
	struct worker *worker = TAILQ_FIRST(&agent->workers), *next;
	int error = 0;
	for (; worker && error == 0; worker = next) {
		next = TAILQ_NEXT(worker, link);
		if (worker->role == WORKER_SERVING && !agent->stopping)
			error = worker_renew(worker);
	}
	return error;
}

/* Reconfiguring. */

/* One whose edition is not its agent's. -EBUSY: too many older ones have not ended yet. */
static int worker_update(struct worker *worker)
{
	const struct agent *agent = worker->agent;
	if (worker->edition == agent->edition ||
	    (worker->successor && worker->successor->edition == agent->edition))
		return 0;
	if (worker->successor)
		drop_successor(worker);
	return worker_succeed(worker, edition_change(worker->edition, agent->edition));
}

static struct worker *agent_find_serving(const struct agent *agent)
{
	struct worker *worker;
	TAILQ_FOREACH (worker, &agent->workers, link)
		if (worker->role == WORKER_SERVING)
			break;
	return worker;
}

/* As many processes that serve as the settings say: those that are too many go, and others of them at once, so that it
 * is always the first that is looked for; those that are missing come. */
static int agent_resize(struct agent *agent)
{
	struct worker *worker;
	size_t wanted = (size_t)agent->setup.config.settings->workers;
	while (agent_count_role(agent, WORKER_SERVING) > wanted) {
		worker = agent_find_serving(agent);
		if (worker->successor)
			drop_successor(worker);
		worker->reason = "there are to be fewer";
		worker_retire(worker);
	}
	while (agent_count_role(agent, WORKER_SERVING) < wanted) {
		worker = agent_add_worker(agent, WORKER_SERVING);
		if (!worker)
			return -ENOMEM;
		child_up(worker->child);
	}
	return 0;
}

/* What cannot be done now is done when an older process has ended. A successor that is dropped may be gone at once:
 * what comes after one is looked up when it is done with. */
void agent_update(struct agent *agent)
{
	struct worker *worker;
	if (agent->stopping || agent->updating)
		return;
	agent->is_late = false;
	agent->updating = true;
	TAILQ_FOREACH (worker, &agent->workers, link)
		if (worker->role == WORKER_SERVING && worker_update(worker) < 0)
			agent->is_late = true;
	if (agent_resize(agent) < 0)
		agent->is_late = true;
	agent->updating = false;
}

/* Its processes are as good as new ones: they borrow from the new config, so that the old one can go. */
static void agent_rebind(struct agent *agent, struct edition *before)
{
	struct child_setup child = agent_child(agent);
	struct worker *worker;
	TAILQ_FOREACH (worker, &agent->workers, link)
		if (worker->edition == before)
			worker_rebind(worker, agent->edition, &child);
}

/* One that had failed for good may work now: what it needs need not be in its config. */
static void agent_try_failed(struct agent *agent)
{
	struct worker *worker;
	TAILQ_FOREACH (worker, &agent->workers, link)
		if (!agent->stopping && worker->edition == agent->edition &&
		    child_state(worker->child) == STATE_FAILED)
			child_up(worker->child);
}

int agent_reconfigure(struct agent *agent, const struct agent_config *config)
{
	struct edition_setup setup = {
		.era = config->era,
		.instance = &config->settings->instance,
		.supervision = config->supervision,
		.hidden = config->hidden,
		.image = config->image,
		.view = config->view,
	};
	struct edition *edition = edition_new(&setup), *before = agent->edition;
	if (!edition)
		return -ENOMEM;
	agent->setup.config = *config;
	agent->edition = edition;
	if (edition_is_alike(edition, before))
		agent_rebind(agent, before);
	edition_unref(before);
	agent_update(agent);
	agent_try_failed(agent);
	agent_pump(agent); /* there may be more places */
	return 0;
}
