/*
 * command: the table of commands. Help, completions, the manual page and did-you-mean are made from it:
 * a new command is a row and a function.
 */
#ifndef AGENTCTL_COMMAND_H
#define AGENTCTL_COMMAND_H

#include <stdbool.h>

#include "ctl/arguments.h"
#include "ctl/client.h"

#ifndef AGENTD_SYSCONFDIR
#define AGENTD_SYSCONFDIR "/etc"
#endif
#define COMMAND_USUAL_CONFIG \
	AGENTD_SYSCONFDIR "/agentd/agent.conf" /* what agentd reads unless it is told otherwise */
#define COMMAND_WORDS_MAX 3

struct command {
	const char *name;                   /* one word or two */
	const char *arguments;              /* as help shows them, or "" */
	const char *summary;                /* half a line */
	const char *more;                   /* a paragraph, or NULL */
	const struct option_row *options;   /* its own, or NULL */
	enum word words[COMMAND_WORDS_MAX]; /* what its words are */
	size_t least, most;                 /* how many words it takes */
	bool needs_server;                  /* gets a client, else NULL */
	bool hidden;
	/* Returns the exit code. */
	int (*run)(struct client *client, const struct arguments *arguments);
};

/* The i-th, or NULL. */
const struct command *command_at(size_t i);
/* The command that the words begin with, and how many words its name is; NULL if there is none. */
const struct command *command_find(char *const *words, size_t count, size_t *ret_taken);
/* Whether commands of two words begin with this one: "runs", "key". */
bool command_is_group(const char *word);
/* Says what is wrong with words that name none; returns the exit code. */
int command_say_unknown(char *const *words, size_t count);

/* A client for the agentd that these options mean. Returns 0, or an exit code and has said why. */
int command_client(const struct arguments *arguments, struct client **ret_client);

/* Checks that a value is a number of this range, if it is there. Returns 0, or EX_USAGE, said. */
int command_check_number(const char *command, const char *name, const char *value, long max);

/* A request about one thing, whose answer is how it stands: prints "ID: cancelled". Returns the exit code. */
struct command_call {
	const char *method, *before, *after; /* the path, around the id */
	const char *done;                    /* how it stands, if the answer does not say it */
};
int command_call(struct client *client, const struct command_call *call, const char *id);

/* A request whose answer, or a member of it, is printed, or all of it as JSON. Returns the exit code. */
int command_show(struct client *client, const char *method, const char *path, const char *member,
    void (*print)(const json_t *answer));

#define COMMAND_FILTERS_MAX 3

/* A list: a page of what there is at a path, printed, or as JSON. */
struct command_list {
	const char *path;  /* "/runs" */
	const char *items; /* the member of the answer that has them */
	/* Words of the query, and the options that they come from. */
	struct {
		const char *query, *option;
	} filters[COMMAND_FILTERS_MAX];
	void (*print)(const json_t *items);
};
/* With --limit. Returns the exit code. */
int command_list(
    struct client *client, const struct arguments *arguments, const struct command_list *list);

/* Asks whether `what` is to be deleted, unless --yes says so. Returns 0, or an exit code and has said why not. */
int command_is_sure(const struct arguments *arguments, const char *command, const char *what);

/* The commands, by file. */
int status_run(struct client *client, const struct arguments *arguments);
int run_run(struct client *client, const struct arguments *arguments);
int chat_run(struct client *client, const struct arguments *arguments);
int runs_list(struct client *client, const struct arguments *arguments);
int runs_show(struct client *client, const struct arguments *arguments);
int runs_events(struct client *client, const struct arguments *arguments);
int runs_cancel(struct client *client, const struct arguments *arguments);
int sessions_list(struct client *client, const struct arguments *arguments);
int sessions_show(struct client *client, const struct arguments *arguments);
int sessions_delete(struct client *client, const struct arguments *arguments);
int reload_run(struct client *client, const struct arguments *arguments);
int restart_run(struct client *client, const struct arguments *arguments);
int triggers_list(struct client *client, const struct arguments *arguments);
int cron_run(struct client *client, const struct arguments *arguments);
int cron_pause(struct client *client, const struct arguments *arguments);
int cron_resume(struct client *client, const struct arguments *arguments);
int emit_run(struct client *client, const struct arguments *arguments);
int cron_next(struct client *client, const struct arguments *arguments);
int key_new(struct client *client, const struct arguments *arguments);
int key_hash(struct client *client, const struct arguments *arguments);
int new_interface(struct client *client, const struct arguments *arguments);
int new_hook(struct client *client, const struct arguments *arguments);
int outbox_list(struct client *client, const struct arguments *arguments);
int outbox_retry(struct client *client, const struct arguments *arguments);
int outbox_delete(struct client *client, const struct arguments *arguments);
int identities_list(struct client *client, const struct arguments *arguments);
int link_run(struct client *client, const struct arguments *arguments);
int unlink_run(struct client *client, const struct arguments *arguments);
int new_agent(struct client *client, const struct arguments *arguments);
int try_run(struct client *client, const struct arguments *arguments);
int doctor_run(struct client *client, const struct arguments *arguments);
int completion_run(struct client *client, const struct arguments *arguments);
int complete_run(struct client *client, const struct arguments *arguments);
int help_run(struct client *client, const struct arguments *arguments);

#endif
