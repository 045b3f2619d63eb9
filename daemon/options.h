/*
 * options: agentd's command line as a table. What getopt takes, `agentd --help` and the synopsis and
 * the options of agentd(8) are made from it (manual/main.c): a new option is a row here, and a case in
 * main.c.
 */
#ifndef AGENTD_OPTIONS_H
#define AGENTD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#ifndef AGENTD_SYSCONFDIR
#define AGENTD_SYSCONFDIR "/etc"
#endif
#define OPTIONS_DEFAULT_CONFIG AGENTD_SYSCONFDIR "/agentd/agent.conf"

/* What options_next returns. A letter is also the short option. */
enum option_code {
	OPTION_CONFIG = 'c',
	OPTION_HELP = 'h',
	OPTION_TEST = 't',
	OPTION_VERSION = 'v',
	OPTION_PRINT_CONFIG = 256, /* past the letters: these have a long name only */
	OPTION_LISTEN,
	OPTION_PROBE,
	OPTION_DEV,
};

/* The ways to call agentd. An option belongs to one, or to both that serve, or is shown in none of the
 * synopses. */
enum option_form {
	FORM_CONFIG,
	FORM_PLUGINS,
	FORM_PROBE,
	FORM_COUNT,
	FORM_NONE = FORM_COUNT,
	FORM_SERVE, /* FORM_CONFIG and FORM_PLUGINS */
};

struct option_row {
	const char *name;
	enum option_code code;
	enum option_form form;
	const char *value; /* what follows it, as help names it; NULL: nothing does */
	const char *help;
};

struct form_row {
	bool needs_option; /* its option is what makes it this form: no brackets */
	const char
	    *operand; /* a word after the options, which may come more than once; NULL: none */
};

extern const struct option_row options_rows[];
extern const size_t options_count;
extern const struct form_row options_forms[FORM_COUNT];
/* What an operand is: one sentence. */
extern const char options_operand_help[];

/* Whether an option belongs to a way to call agentd. */
bool options_is_of(const struct option_row *row, enum option_form form);
/* The letter of a row's short option; 0: it has none. */
char options_letter(const struct option_row *row);
/* The next option of the command line, as getopt_long: its code, -1 at the end, or '?' and has said
 * what is wrong. optarg and optind are getopt's. */
int options_next(int argc, char **argv);
/* What --help shows. */
void options_print_help(FILE *out);

#endif
