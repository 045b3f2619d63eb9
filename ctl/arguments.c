/* arguments: getopt_long fed from tables. */
#include "ctl/arguments.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "ctl/say.h"
#include "daemon/conf/schema.h"

#define ROWS_MAX 24

const struct option_row arguments_common[] = {
	{ "socket", 's', "PATH", WORD_FILE, "where agentd's socket is" },
	{ "url", 'u', "URL", WORD_OTHER, "its address instead: http://host:port" },
	{ "key-file", 0, "FILE", WORD_FILE, "the API key is in FILE" },
	{ "json", 0, NULL, WORD_OTHER, "print JSON, one document" },
	{ "help", 'h', NULL, WORD_OTHER, "show help" },
	{ "version", 'v', NULL, WORD_OTHER, "show the version" },
	{ 0 },
};

/* The tables as one, and as getopt wants them. A long option's value is its row's number. */
struct rows {
	const struct option_row *row[ROWS_MAX];
	struct option longs[ROWS_MAX + 1];
	char letters[2 * ROWS_MAX + 3];
	int count;
};

static void rows_add(struct rows *rows, const struct option_row *table)
{
	for (; table && table->name && rows->count < ROWS_MAX; table++) {
		size_t n = strlen(rows->letters);
		if (table->letter) {
			rows->letters[n++] = table->letter;
			if (table->value)
				rows->letters[n] = ':';
		}
		rows->longs[rows->count] = (struct option){ table->name,
			table->value ? required_argument : no_argument, NULL, 256 + rows->count };
		rows->row[rows->count++] = table;
	}
}

static const struct option_row *row_of(const struct rows *rows, int c)
{
	if (c >= 256)
		return rows->row[c - 256];
	for (int i = 0; i < rows->count; i++)
		if (rows->row[i]->letter == c)
			return rows->row[i];
	return NULL;
}

static const char *name_at(const void *arg, size_t i)
{
	const struct rows *rows = arg;
	return i < (size_t)rows->count ? rows->row[i]->name : NULL;
}

static int say_unknown(const struct rows *rows, const char *command, const char *word)
{
	char name[64] = "";
	if (optopt && optopt < 256)
		return say_usage(command, "there is no option -%c", optopt);
	if (optopt >= 256)
		return say_usage(command, "--%s takes no value", row_of(rows, optopt)->name);
	if (strncmp(word, "--", 2) == 0)
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(word + 2, "="), word + 2);
	const char *near = schema_nearest(name, name_at, rows);
	return say_usage(command, "there is no option %s%s%s%s", word,
	    near ? "; did you mean --" : "", near ? near : "", near ? "?" : "");
}

int arguments_read(struct arguments *arguments, const char *command, const struct option_row *own,
    int argc, char **argv)
{
	struct rows rows = { .letters = ":" };
	int c;
	if (!own)
		memcpy(rows.letters, "+:", sizeof("+:"));
	rows_add(&rows, arguments_common);
	rows_add(&rows, own);
	optind = 0; /* glibc: begin anew */
	opterr = 0;
	while ((c = getopt_long(argc, argv, rows.letters, rows.longs, NULL)) != -1) {
		if (c == ':')
			return say_usage(command, "%s needs a value", argv[optind - 1]);
		if (c == '?')
			return say_unknown(&rows, command, argv[optind - 1]);
		if (arguments->given_count == ARGUMENTS_MAX)
			return say_usage(command, "too many options");
		arguments->given[arguments->given_count].row = row_of(&rows, c);
		arguments->given[arguments->given_count++].value = optarg ? optarg : "";
	}
	arguments->words = argv + optind;
	arguments->word_count = (size_t)(argc - optind);
	return 0;
}

const char *arguments_next(const struct arguments *arguments, const char *name, size_t *at)
{
	for (size_t i = *at; i < arguments->given_count; i++)
		if (strcmp(arguments->given[i].row->name, name) == 0) {
			*at = i + 1;
			return arguments->given[i].value;
		}
	return NULL;
}

const char *arguments_get(const struct arguments *arguments, const char *name)
{
	const char *value, *last = NULL;
	size_t at = 0;
	while ((value = arguments_next(arguments, name, &at)))
		last = value;
	return last;
}

const char *arguments_word(const struct arguments *arguments, size_t i)
{
	return i < arguments->word_count ? arguments->words[i] : NULL;
}
