/*
 * arguments: a command line, read along tables of options. What a table says is what help, the
 * completions and the manual page say.
 */
#ifndef AGENTCTL_ARGUMENTS_H
#define AGENTCTL_ARGUMENTS_H

#include <stddef.h>

#define ARGUMENTS_MAX 64 /* options on one command line */

/* What a word is, for completing it. */
enum word {
	WORD_OTHER,
	WORD_AGENT,
	WORD_INSTANCE, /* an agent, an interface or a hook */
	WORD_REPLY,    /* of the outbox */
	WORD_USER,     /* who is somebody on a platform */
	WORD_LINK,     /* such a user, or somebody on a platform */
	WORD_SESSION,
	WORD_RUN,
	WORD_LIVE_RUN, /* one that is not over */
	WORD_CRON,     /* a schedule */
	WORD_EVENT,    /* what a trigger waits for */
	WORD_STATUS,
	WORD_COMMAND,
	WORD_SHELL,
	WORD_FILE,
};

struct option_row {
	const char *name;
	char letter;       /* 0: none */
	const char *value; /* what follows it, as help names it; NULL: nothing does */
	enum word word;    /* what that is */
	const char *help;
};

/* Options that every command takes. Tables end with a row without a name. */
extern const struct option_row arguments_common[];

struct arguments {
	struct {
		const struct option_row *row;
		const char *value; /* borrowed from argv; "" for an option without one */
	} given[ARGUMENTS_MAX];
	size_t given_count;
	char **words; /* borrowed from argv: what is no option */
	size_t word_count;
};

/*
 * Reads argv from argv[1] on, and adds to `arguments`. `own` is a command's table, or NULL: then it
 * stops at the first word. Returns 0, or EX_USAGE and has said why.
 */
int arguments_read(struct arguments *arguments, const char *command, const struct option_row *own,
    int argc, char **argv);

/* The last value given, "" for a switch; NULL if there is none. */
const char *arguments_get(const struct arguments *arguments, const char *name);
/* One after the other; *at begins with 0. */
const char *arguments_next(const struct arguments *arguments, const char *name, size_t *at);
/* The i-th word or NULL. */
const char *arguments_word(const struct arguments *arguments, size_t i);

#endif
