/*
 * agent: places for runs.
 *
 * A worker is one supervised process and the runs in flight in it. `current` gets the new ones. The
 * queue holds runs whose session's turn has come and that wait for a place.
 */
#include "daemon/run/agent.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/message.h"
#include "daemon/run/internal.h"

#define BACKLOG_MAX (8u << 20) /* bytes a process has not read: then it gets no more runs */

struct worker {
	struct agent *agent; /* borrowed */
	struct child *child;
	TAILQ_HEAD(, run) runs;
	size_t count;
};

struct agent {
	struct agent_setup setup;
	struct image *image;
	struct buf config; /* the CONFIG frame */
	unsigned generations;
	struct worker current;
	TAILQ_HEAD(, run) queue;
	bool pumping;
	size_t waiting; /* started and not begun: in the queue, or before it in their session */
};

static void agent_pump(struct agent *agent);

/* The checked options as a frame, in the order of the plugin's table. */
static int encode_config(const struct agent_settings *settings, struct buf *out)
{
	size_t count = settings->option_schema->count;
	struct frame_writer writer = frame_begin(out, MESSAGE_CONFIG, 0);
	frame_put_u32(&writer, (uint32_t)count);
	for (size_t i = 0; i < count; i++) {
		const struct schema_value *value = &settings->options[i];
		frame_put_u32(&writer, value->set);
		frame_put_i64(&writer, value->number);
		frame_put_f64(&writer, value->real);
		frame_put_str(&writer, value->text);
		frame_put_u32(&writer, (uint32_t)value->count);
		for (size_t j = 0; j < value->count; j++)
			frame_put_str(&writer, value->items[j]);
	}
	return frame_end(&writer);
}

/* Processes. */

static int worker_on_frame(void *arg, struct child *child, const struct frame *frame)
{
	(void)child;
	struct worker *worker = arg;
	return wire_receive(worker->agent->setup.runs, worker, frame);
}

static void worker_on_gone(void *arg, struct child *child)
{
	struct worker *worker = arg;
	struct run *run;
	while ((run = TAILQ_FIRST(&worker->runs))) {
		TAILQ_REMOVE(&worker->runs, run, in_flight);
		worker->count--;
		run_lost(run, child_last_exit(child)->reason);
	}
}

static void agent_refuse_queued(struct agent *agent)
{
	char why[300];
	snprintf(why, sizeof(why), "%s is not running: %s", agent->setup.settings->label,
	    child_last_exit(agent->current.child)->reason);
	struct run *run;
	while ((run = TAILQ_FIRST(&agent->queue)))
		run_end(run, RUN_FAILED, RUN_AGENT_UNAVAILABLE, why);
}

static void worker_on_changed(void *arg, struct child *child)
{
	struct worker *worker = arg;
	struct agent *agent = worker->agent;
	enum state state = child_state(child);
	if (state == STATE_READY) {
		log_info("%s: ready (pid %d, generation %u)", agent->setup.settings->label,
		    child_pid(child), child_generation(child));
		agent_pump(agent);
	}
	if (state == STATE_BACKOFF || state == STATE_FAILED || state == STATE_DOWN)
		agent_refuse_queued(agent);
	if (agent->setup.changed)
		agent->setup.changed(agent->setup.arg);
	if (state == STATE_DRAINING && worker->count == 0)
		child_idle(child);
}

static void worker_on_drained(void *arg, struct child *child)
{
	(void)child;
	struct worker *worker = arg;
	agent_pump(worker->agent);
}

static const struct child_ops worker_ops = {
	.frame = worker_on_frame,
	.gone = worker_on_gone,
	.changed = worker_on_changed,
	.drained = worker_on_drained,
};

struct child *worker_child(const struct worker *worker)
{
	return worker->child;
}

struct agent *agent_new(struct event_base *base, const struct agent_setup *setup)
{
	struct agent *agent = calloc(1, sizeof(*agent));
	if (!agent)
		return NULL;
	agent->setup = *setup;
	agent->image = image_ref(setup->image);
	agent->current.agent = agent;
	TAILQ_INIT(&agent->queue);
	TAILQ_INIT(&agent->current.runs);
	struct child_setup child = {
		.name = setup->settings->name,
		.label = setup->settings->label,
		.image = setup->image,
		.config = &agent->config,
		.times = setup->supervision,
		.limits = &setup->settings->limits,
		.generations = &agent->generations,
		.host_fd = setup->host_fd,
	};
	if (encode_config(setup->settings, &agent->config) == 0)
		agent->current.child = child_new(base, &child, &worker_ops, &agent->current);
	if (!agent->current.child) {
		agent_free(agent);
		return NULL;
	}
	return agent;
}

void agent_free(struct agent *agent)
{
	if (!agent)
		return;
	while (agent->current.count)
		run_leave_worker(TAILQ_FIRST(&agent->current.runs));
	child_free(agent->current.child);
	image_unref(agent->image);
	if (agent->config.data)
		explicit_bzero(agent->config.data, agent->config.length); /* it holds secrets */
	buf_done(&agent->config);
	free(agent);
}

void agent_start(struct agent *agent)
{
	child_up(agent->current.child);
}

void agent_stop(struct agent *agent)
{
	struct run *run = TAILQ_FIRST(&agent->current.runs), *next;
	for (; run; run = next) {
		next = TAILQ_NEXT(run, in_flight);
		if (run->ended) /* answered, by its deadline or a cancel: nobody waits for it */
			run_leave_worker(run);
	}
	child_down(agent->current.child);
}

bool agent_is_down(const struct agent *agent)
{
	return child_state(agent->current.child) == STATE_DOWN;
}

/* Places. */

enum run_code agent_admit(const struct agent *agent)
{
	const struct agent_settings *settings = agent->setup.settings;
	switch (child_state(agent->current.child)) {
	case STATE_BACKOFF:
	case STATE_FAILED:
	case STATE_DOWN:
	case STATE_DRAINING:
		return RUN_AGENT_UNAVAILABLE;
	default:
		break;
	}
	size_t most = (size_t)(settings->concurrency + settings->queue);
	return agent->current.count + agent->waiting < most ? RUN_OK : RUN_OVERLOADED;
}

unsigned agent_retry_after_s(const struct agent *agent)
{
	uint64_t at = child_retry_at_wall_ms(agent->current.child), now = clock_wall_ms();
	if (child_state(agent->current.child) == STATE_FAILED)
		return 60; /* until somebody does something */
	return at > now ? (unsigned)((at - now + 999) / 1000) : 1;
}

void agent_count(struct agent *agent, struct run *run)
{
	run->counted = true;
	agent->waiting++;
}

static bool agent_has_place(const struct agent *agent)
{
	return child_state(agent->current.child) == STATE_READY &&
	       agent->current.count < (size_t)agent->setup.settings->concurrency &&
	       child_backlog(agent->current.child) < BACKLOG_MAX;
}

static void agent_pump(struct agent *agent)
{
	struct run *run;
	if (agent->pumping)
		return; /* a run that ended in run_begin: the loop below goes on */
	agent->pumping = true;
	while (agent_has_place(agent) && (run = TAILQ_FIRST(&agent->queue))) {
		agent_withdraw(agent, run);
		TAILQ_INSERT_TAIL(&agent->current.runs, run, in_flight);
		agent->current.count++;
		run_begin(run, &agent->current);
	}
	agent->pumping = false;
}

void agent_submit(struct agent *agent, struct run *run)
{
	enum state state = child_state(agent->current.child);
	run->is_queued = true;
	TAILQ_INSERT_TAIL(&agent->queue, run, queued);
	if (state == STATE_BACKOFF || state == STATE_FAILED || state == STATE_DOWN)
		agent_refuse_queued(agent);
	else
		agent_pump(agent);
}

void agent_withdraw(struct agent *agent, struct run *run)
{
	if (run->is_queued)
		TAILQ_REMOVE(&agent->queue, run, queued);
	if (run->counted)
		agent->waiting--;
	run->is_queued = run->counted = false;
}

void agent_release(struct run *run)
{
	struct worker *worker = run->worker;
	TAILQ_REMOVE(&worker->runs, run, in_flight);
	worker->count--;
	run->worker = NULL;
	if (worker->count == 0)
		child_idle(worker->child);
	agent_pump(worker->agent);
}

/* Showing. */

const struct agent_settings *agent_settings(const struct agent *agent)
{
	return agent->setup.settings;
}

const struct descriptor *agent_descriptor(const struct agent *agent)
{
	return image_descriptor(agent->image);
}

void agent_look(const struct agent *agent, struct agent_view *ret)
{
	const struct child *child = agent->current.child;
	*ret = (struct agent_view){
		.state = child_state(child),
		.generation = child_generation(child),
		.restarts = child_restarts(child),
		.running = agent->current.count,
		.queued = agent->waiting,
		.last_exit = child_last_exit(child),
		.retry_at_wall_ms = child_retry_at_wall_ms(child),
	};
	if (child_pid(child))
		ret->pids[ret->pid_count++] = child_pid(child);
}
