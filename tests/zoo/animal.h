/*
 * animal: what the animals of the zoo have in common, so that each file is what is bad about one, and
 * nothing else. Its first comment says what it does, and what agentd must do.
 *
 * Compiled into each; an animal uses what it needs. What is tried here on the rest of the machine would
 * do no harm if it were let through.
 */
#ifndef AGENTD_TESTS_ZOO_ANIMAL_H
#define AGENTD_TESTS_ZOO_ANIMAL_H

#include "agentd/plugin.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct agentd_host *host;

/* The descriptor of an animal, made of its functions; and of one whose `run` is called on threads. */
#define ANIMAL(...)          ANIMAL_OF(0, __VA_ARGS__)
#define BLOCKING_ANIMAL(...) ANIMAL_OF(AGENTD_BLOCKING, __VA_ARGS__)
#define ANIMAL_OF(given_flags, ...)                                                     \
	static const struct agentd_agent_ops animal_ops = { .size = sizeof(animal_ops), \
		__VA_ARGS__ };                                                          \
	const struct agentd_plugin agentd_plugin = {                                    \
		AGENTD_PLUGIN_HEAD,                                                     \
		.kind = AGENTD_AGENT,                                                   \
		.flags = (given_flags),                                                 \
		.name = "animal",                                                       \
		.version = "1",                                                         \
		.summary = "is bad",                                                    \
		.agent = &animal_ops,                                                   \
	}

/* The same of an interface, and of a hook, whose functions are rows of these. */
#define INTERFACE_ANIMAL(...)                                                \
	static const struct agentd_interface_ops animal_ops = {              \
		.size = sizeof(animal_ops), .open = animal_open, __VA_ARGS__ \
	};                                                                   \
	const struct agentd_plugin agentd_plugin = {                         \
		AGENTD_PLUGIN_HEAD,                                          \
		.kind = AGENTD_INTERFACE,                                    \
		.name = "animal",                                            \
		.version = "1",                                              \
		.summary = "is bad",                                         \
		.interface = &animal_ops,                                    \
	}
#define HOOK_ANIMAL(...)                                                     \
	static const struct agentd_hook_ops animal_ops = {                   \
		.size = sizeof(animal_ops), .open = animal_open, __VA_ARGS__ \
	};                                                                   \
	const struct agentd_plugin agentd_plugin = {                         \
		AGENTD_PLUGIN_HEAD,                                          \
		.kind = AGENTD_HOOK,                                         \
		.name = "animal",                                            \
		.version = "1",                                              \
		.summary = "is bad",                                         \
		.hook = &animal_ops,                                         \
	}

/* Ends a run with a text. */
static inline int say(struct agentd_run *run, const char *text)
{
	struct agentd_result result = { .size = sizeof(result) };
	result.content = agentd_text(text, strlen(text));
	return host->finish(run, &result);
}

/* The input of a run, terminated. */
static inline const char *input_of(const struct agentd_request *request, char *room, size_t size)
{
	snprintf(room, size, "%.*s", (int)request->input.n, request->input.p);
	return room;
}

/* An `open` that is as it should be. */
static inline int animal_open(
    const struct agentd_host *given, const struct agentd_options *options, void **ret_self)
{
	(void)options, (void)ret_self;
	host = given;
	signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler would make an exit of it */
	return 0;
}

/* A `run` that is as it should be. */
static inline int animal_run(
    void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	return say(run, "tame");
}

/* Of an interface, functions that are as they should be. */
static inline int animal_start(void *self)
{
	(void)self;
	return 0;
}

static inline int animal_stop(void *self)
{
	(void)self;
	return 0;
}

static inline int animal_send(void *self, const struct agentd_reply *reply)
{
	(void)self;
	struct agentd_sent sent = { .size = sizeof(sent), .status = AGENTD_SENT };
	return host->sent(host, reply->id, &sent);
}

/* A message for the agent, with a key of its own; `file`: NULL, it has none. */
static inline int animal_submit(const char *text, const struct agentd_attachment *file)
{
	static unsigned count;
	char key[64];
	snprintf(key, sizeof(key), "%d-%u", getpid(), ++count);
	struct agentd_incoming message = { .size = sizeof(message),
		.key = agentd_text(key, strlen(key)),
		.user_id = agentd_text("beast", 5),
		.chat_id = agentd_text("den", 3),
		.text = agentd_text(text, strlen(text)),
		.attachments = file,
		.attachment_count = file ? 1 : 0,
		.attachment_size = sizeof(*file) };
	return host->submit(host, &message, NULL, NULL);
}

/* A thread of the animal's own. */
static inline void in_thread(void *(*fn)(void *arg), void *arg)
{
	pthread_t thread;
	if (pthread_create(&thread, NULL, fn, arg))
		abort();
	pthread_detach(thread);
}

static inline void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static inline _Noreturn void hang(void)
{
	for (;;)
		pause();
}

/* Waits to be ended, as hang; for as long as a test may need to see that it is not. */
static inline _Noreturn void linger(void)
{
	alarm(30);
	hang();
}

/* What was tried, and how it went: a line for each, "NAME refused (ERRNO)" or "NAME ALLOWED". */
struct report {
	char text[2048];
	size_t n;
};

static inline void tried(struct report *report, const char *name, long result)
{
	const char *why = result < 0 ? strerrorname_np(errno) : NULL;
	char *room = report->text + report->n;
	size_t size = sizeof(report->text) - report->n;
	report->n += (size_t)(result < 0 ? snprintf(room, size, "%s refused (%s)\n", name, why)
					 : snprintf(room, size, "%s ALLOWED\n", name));
}

#endif
