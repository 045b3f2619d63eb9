/*
 * hook_process: the processes of a hook: the one that serves, one that is to take its place once it is ready (new first,
 * then switch, then drain), and those that have been replaced, which end what they were asked.
 */
#include <errno.h>
#include <stdlib.h>

#include "daemon/base/log.h"
#include "daemon/chat/internal.h"

/* Replaced, or not wanted any more. May free it. */
static void process_retire(struct hook_process *process, const char *reason)
{
	process->is_retired = true;
	process->restarting = false;
	process->reason = reason;
	if (child_state(process->child) == STATE_DOWN)
		hook_process_free(process);
	else
		child_down(process->child);
}

/* The successor serves from now on. */
static void hook_hand_over(struct hook *hook)
{
	struct hook_process *before = hook->serving;
	hook->serving = hook->successor;
	hook->successor = NULL;
	process_retire(before, edition_change(before->edition, hook->serving->edition));
}

static void hook_drop_successor(struct hook *hook)
{
	struct hook_process *successor = hook->successor;
	hook->successor = NULL;
	if (successor)
		process_retire(successor, "it was not ready before it was not wanted any more");
}

/* The child's callbacks. */

static int process_on_frame(void *arg, struct child *child, const struct frame *frame)
{
	(void)child;
	struct hook_process *process = arg;
	switch (frame->type) {
	case MESSAGE_EMIT:
		return emissions_on_frame(&process->emissions, frame);
	case MESSAGE_DECIDE:
		return hook_on_decide(process, frame);
	default:
		return -EPROTO;
	}
}

static void process_on_gone(void *arg, struct child *child)
{
	struct hook_process *process = arg;
	struct child_exit *last = &process->hook->last_exit;
	emissions_forget(&process->emissions);
	*last = *child_last_exit(child);
	if (process->is_retired || process->restarting)
		exit_say_replaced(last, process->reason);
	hook_on_lost(process);
}

/* Said once of each, however often it is tried again. */
static void successor_on_down(struct hook_process *process)
{
	if (process->is_late)
		return;
	process->is_late = true;
	log_error("%s: what is to take its place is not ready (%s): the former goes on",
	    hook_label(process->hook), child_last_exit(process->child)->whole);
}

/* May free it. */
static void process_step(struct hook_process *process)
{
	struct hook *hook = process->hook;
	struct child *child = process->child;
	enum state state = child_state(child);
	bool is_off = state == STATE_BACKOFF || state == STATE_FAILED;
	if (state == STATE_READY) {
		log_info("%s: ready (pid %d, generation %u)", hook_label(hook), child_pid(child),
		    child_generation(child));
		if (process == hook->successor)
			hook_hand_over(hook);
	} else if (process->is_retired && state == STATE_DOWN) {
		hook_process_free(process);
	} else if (process->is_retired && is_off) {
		child_down(child);
	} else if (process == hook->successor && is_off) {
		successor_on_down(process);
	} else if (state == STATE_DOWN && process->restarting) {
		process->restarting = false;
		child_up(child);
	}
}

static void process_on_changed(void *arg, struct child *child)
{
	(void)child;
	struct hook_process *process = arg;
	struct hook *hook = process->hook;
	process_step(process);
	hook_pump(hook);
	chats_changed(hook->chats);
}

static const struct child_ops process_ops = {
	.frame = process_on_frame,
	.gone = process_on_gone,
	.changed = process_on_changed,
};

static void process_emit(void *arg, struct frame_text event, struct frame_text json,
    void (*done)(void *arg), void *done_arg)
{
	struct hook_process *process = arg;
	const struct chats_setup *setup = &process->hook->chats->setup;
	setup->emit(setup->arg, hook_label(process->hook), event, json, done, done_arg);
}

/* Making. */

static struct child_setup child_of(struct hook *hook, const struct edition *edition)
{
	struct child_setup child = edition_child(edition);
	child.generations = &hook->generations;
	child.host_fd = hook->chats->setup.host_fd;
	return child;
}

static size_t event_max(const struct edition *edition)
{
	return (size_t)edition_instance(edition)->limits.event;
}

struct hook_process *hook_process_new(struct hook *hook, struct edition *edition)
{
	struct hook_process *process = calloc(1, sizeof(*process));
	struct child_setup child = child_of(hook, edition);
	if (!process)
		return NULL;
	process->hook = hook;
	TAILQ_INIT(&process->asked);
	emissions_init(&process->emissions);
	process->child = child_new(hook->chats->setup.base, &child, &process_ops, process);
	if (!process->child) {
		free(process);
		return NULL;
	}
	process->edition = edition_ref(edition);
	process->emissions.child = process->child;
	process->emissions.emit = process_emit;
	process->emissions.arg = process;
	process->emissions.event_max = event_max(edition);
	TAILQ_INSERT_TAIL(&hook->processes, process, link);
	return process;
}

void hook_process_free(struct hook_process *process)
{
	struct hook *hook = process->hook;
	TAILQ_REMOVE(&hook->processes, process, link);
	hook->restarts += child_restarts(process->child);
	emissions_forget(&process->emissions);
	child_free(process->child);
	edition_unref(process->edition);
	free(process);
}

void hook_processes_free(struct hook *hook)
{
	while (!TAILQ_EMPTY(&hook->processes))
		hook_process_free(TAILQ_FIRST(&hook->processes));
}

/* Another config. */

static void process_rebind(struct hook_process *process, struct edition *edition)
{
	struct edition *before = process->edition;
	struct child_setup child = child_of(process->hook, edition);
	child_rebind(process->child, &child);
	process->edition = edition_ref(edition);
	process->emissions.event_max = event_max(edition);
	edition_unref(before);
}

/* What has failed may work by now: who gives another config may have seen to it. */
static void process_try_again(struct hook_process *process)
{
	if (child_state(process->child) != STATE_FAILED)
		return;
	process->is_late = false;
	child_up(process->child);
}

bool hook_has_process_of(const struct hook *hook, const struct edition *edition)
{
	return edition_is_alike(hook->serving->edition, edition) ||
	       (hook->successor && edition_is_alike(hook->successor->edition, edition));
}

void hook_configure(
    struct hook *hook, const struct hook_settings *settings, struct edition *edition)
{
	struct edition *before = hook->edition;
	hook->edition = edition_ref(edition);
	hook->settings = settings;
	edition_unref(before);
	if (edition_is_alike(hook->serving->edition, edition)) {
		hook_drop_successor(hook);
		process_rebind(hook->serving, edition);
		process_try_again(hook->serving);
	} else if (hook->successor && edition_is_alike(hook->successor->edition, edition)) {
		process_rebind(hook->successor, edition);
		process_try_again(hook->successor);
	}
}

void hook_succeed(struct hook *hook, struct hook_process *successor)
{
	bool serves = child_state(hook->serving->child) == STATE_READY;
	hook_drop_successor(hook);
	hook->successor = successor;
	if (!serves)
		hook_hand_over(hook); /* there is nothing that could go on meanwhile */
	if (hook->chats->started)
		child_up(successor->child);
	hook_pump(hook);
}

/* Its life. */

void hook_start(struct hook *hook)
{
	child_up(hook->serving->child);
}

void hook_drain(struct hook *hook)
{
	hook_drop_successor(hook);
	hook_pump(hook);
}

void hook_stop(struct hook *hook)
{
	hook_drop_successor(hook);
	hook->serving->restarting = false;
	child_down(hook->serving->child);
	hook_pump(hook);
}

void hook_restart(struct hook *hook)
{
	struct child *child = hook->serving->child;
	enum state state = child_state(child);
	if (hook->chats->stopping || !hook->chats->started)
		return;
	if (hook->successor) {
		child_up(hook->successor->child);
	} else if (state == STATE_READY || state == STATE_DRAINING || state == STATE_STOPPING) {
		hook->serving->restarting = true;
		hook->serving->reason = "that was asked for";
		child_down(child);
		hook_pump(hook);
	} else {
		child_up(child);
	}
}

bool hook_is_down(const struct hook *hook)
{
	const struct hook_process *process;
	TAILQ_FOREACH (process, &hook->processes, link)
		if (child_state(process->child) != STATE_DOWN)
			return false;
	return true;
}

void hook_check_idle(struct hook *hook)
{
	struct hook_process *process;
	TAILQ_FOREACH (process, &hook->processes, link)
		if (child_state(process->child) == STATE_DRAINING && TAILQ_EMPTY(&process->asked))
			child_idle(process->child);
}

void hook_look(const struct hook *hook, struct hook_view *ret)
{
	const struct child *child = hook->serving->child;
	const struct hook_process *process;
	*ret = (struct hook_view){
		.state = child_state(child),
		.generation = child_generation(child),
		.restarts = hook->restarts,
		.pid = child_pid(child),
		.last_exit = &hook->last_exit,
		.retry_at_wall_ms = child_retry_at_wall_ms(child),
		.calls = hook->calls,
		.waiting = hook->waiting_count,
	};
	TAILQ_FOREACH (process, &hook->processes, link)
		ret->restarts += child_restarts(process->child);
}
