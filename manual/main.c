/*
 * manual: `build/manual manual/agentd.8.in` prints a manual page, mdoc(7). Used while building, never
 * installed.
 *
 * A page is prose, in its .in file, with lines such as "@options http@" where a table goes: so what a
 * page says of an option is what is checked. @PLUGINDIR@ and the like may stand anywhere. A mark that
 * means nothing fails the build.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "daemon/conf/tables.h"
#include "daemon/conf/value.h"
#include "daemon/options.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define WIDTH   60 /* of a line, before its last word */
#define DAY_MS  INT64_C(86400000)

/* Words. */

/* A `quoted` text gets proper quotes, and what mdoc would take for itself is escaped. Returns how long
 * it became, more or less. */
static size_t print_escaped(const char *text, size_t length)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", stdout);
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '`')
			fputs(i == 0 ? "\\(oq" : "\\(cq", stdout);
		else if (text[i] == '\\')
			fputs("\\e", stdout);
		else if (text[i] == '.' && i + 1 < length && text[i + 1] == ' ')
			fputs(".\\&", stdout); /* it ends no sentence of the page's */
		else
			putchar(text[i]);
	}
	return length;
}

/* A help text as a sentence, in short lines. A first word that is one of the config ("auto:",
 * "api_key,") stays as it is written. */
static void print_sentence(const char *text)
{
	size_t letters = strspn(text, LETTERS), column = 0;
	bool is_plain = text[letters] == ' ' || text[letters] == '\0';
	if (is_plain && *text >= 'a' && *text <= 'z') {
		putchar(*text - 'a' + 'A');
		text++;
	}
	while (*text) {
		size_t n = strcspn(text, " ");
		column += print_escaped(text, n);
		text += n + (text[n] == ' ');
		if (*text)
			putchar(column > WIDTH ? '\n' : ' ');
		column = column > WIDTH ? 0 : column + 1;
	}
	puts(text[-1] == '.' ? "" : ".");
}

/* "a|b|c" as words of a macro line, or of a sentence. */
static void print_choices(const char *choices, const char *separator)
{
	for (;;) {
		size_t n = strcspn(choices, "|");
		printf("%.*s", (int)n, choices);
		if (!choices[n])
			return;
		fputs(separator, stdout);
		choices += n + 1;
	}
}

/* Options of agent.conf. */

static bool is_unbounded(const struct schema_row *row)
{
	return row->max == INT64_MAX;
}

/* The largest duration of 32 bits is no round number: whoever needs all of it will find it. */
static void print_bound(const struct schema_row *row, int64_t bound)
{
	char text[64];
	bool is_long = row->type == AGENTD_DURATION && bound > DAY_MS && bound % DAY_MS;
	if (row->type == AGENTD_DURATION)
		value_format_duration(is_long ? bound - bound % DAY_MS : bound, text, sizeof(text));
	else if (row->type == AGENTD_SIZE)
		value_format_size(bound, text, sizeof(text));
	else
		snprintf(text, sizeof(text), "%lld", (long long)bound);
	printf("%s%s", is_long ? "about " : "", text);
}

static void print_range(const struct schema_row *row)
{
	if ((!row->min && !row->max) || (!row->min && is_unbounded(row)))
		return;
	fputs(is_unbounded(row) ? "At least " : "From ", stdout);
	print_bound(row, row->min);
	if (!is_unbounded(row)) {
		fputs(" to ", stdout);
		print_bound(row, row->max);
	}
	puts(".");
}

/* "enabled: auto | true | false", or "max_body: size". The long form of a type is in the prose. */
static void print_heading(const struct schema_row *row)
{
	printf(".It Cm %s :", row->key);
	if (row->choices && row->type == AGENTD_STRING) {
		fputs(" Cm ", stdout);
		print_choices(row->choices, " | ");
	} else if (row->type != SCHEMA_SECTION) {
		const char *type = schema_type_name(row->type), *example = strstr(type, " (");
		printf(" Ar %.*s", (int)(example ? (size_t)(example - type) : strlen(type)), type);
	}
	putchar('\n');
}

static void print_row(const struct schema_row *row)
{
	print_heading(row);
	print_sentence(row->help);
	if (row->choices && row->type != AGENTD_STRING) {
		fputs("Of: ", stdout);
		print_choices(row->choices, ",\n");
		puts(".");
	}
	if (row->required) {
		puts("Required.");
	} else if (row->fallback) {
		fputs("Default: ", stdout);
		const char *quote = strchr(row->fallback, ' ') ? "\\(dq" : "";
		fputs(quote, stdout);
		print_escaped(row->fallback, strlen(row->fallback));
		fputs(quote, stdout);
		puts(".");
	}
	print_range(row);
}

static void print_schema(const struct schema *schema)
{
	puts(".Bl -tag -width Ds");
	for (size_t i = 0; i < schema->count; i++)
		print_row(&schema->rows[i]);
	puts(".El");
}

/* The table of a name, "http" or "auth jwt". */
static const struct schema *find_schema(const char *name)
{
	static const struct {
		const char *name;
		const struct schema *schema;
	} others[] = {
		{ "top", &settings_top },
		{ "limits", &settings_limits },
		{ "process", &settings_process },
		{ "deliver", &settings_deliver },
		{ "auth api_key", &settings_api_key },
		{ "auth key", &settings_auth_key },
		{ "auth jwt", &settings_jwt },
		{ "auth allowlist", &settings_allowlist },
		{ "auth composite", &settings_composite },
	};
	for (size_t i = 0; i < settings_section_count; i++)
		if (strcmp(settings_sections[i].key, name) == 0)
			return settings_sections[i].schema;
	for (size_t i = 0; i < INSTANCE_KINDS; i++)
		if (strcmp(settings_kinds[i].key, name) == 0)
			return settings_kinds[i].schema;
	for (size_t i = 0; i < TRIGGER_KINDS; i++)
		if (strcmp(settings_triggers[i].key, name) == 0)
			return settings_triggers[i].schema;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strcmp(others[i].name, name) == 0)
			return others[i].schema;
	return NULL;
}

static bool show_options(const char *name)
{
	const struct schema *schema = find_schema(name);
	if (schema)
		print_schema(schema);
	return schema;
}

/* The command line. */

static void print_flag(const struct option_row *row)
{
	if (options_letter(row))
		printf("Fl %c", options_letter(row));
	else
		printf("Fl Fl %s", row->name);
	if (row->value)
		printf(" Ar %s", row->value);
}

static bool show_synopsis(const char *argument)
{
	for (size_t form = 0; form < FORM_COUNT; form++) {
		puts(".Nm");
		for (size_t i = 0; i < options_count; i++) {
			if (!options_is_of(&options_rows[i], (enum option_form)form))
				continue;
			fputs(options_forms[form].needs_option ? "." : ".Op ", stdout);
			print_flag(&options_rows[i]);
			putchar('\n');
		}
		if (options_forms[form].operand)
			printf(".Ar %s ...\n", options_forms[form].operand);
	}
	return !*argument;
}

static bool show_command_line(const char *argument)
{
	puts(".Bl -tag -width Ds");
	for (size_t i = 0; i < options_count; i++) {
		const struct option_row *row = &options_rows[i];
		fputs(".It ", stdout);
		if (options_letter(row))
			printf("Fl %c , ", options_letter(row));
		printf("Fl Fl %s", row->name);
		printf(row->value ? " Ar %s\n" : "\n", row->value);
		print_sentence(row->help);
	}
	puts(".El");
	return !*argument;
}

static bool show_operand(const char *argument)
{
	print_sentence(options_operand_help);
	return !*argument;
}

/* The page. */

/* Lines that are marks, and what stands in their place. `show` returns false if there is no such
 * thing. */
static const struct {
	const char *name;
	bool (*show)(const char *argument);
} marks[] = {
	{ "options", show_options },
	{ "synopsis", show_synopsis },
	{ "command line", show_command_line },
	{ "operand", show_operand },
};

#ifndef AGENTD_LIBEXECDIR
#define AGENTD_LIBEXECDIR "/usr/libexec/agentd"
#endif
#ifndef AGENTD_PLUGINDIR
#define AGENTD_PLUGINDIR "/usr/lib/agentd/plugins"
#endif

/* Words that are marks. */
static const struct {
	const char *name, *text;
} words[] = {
	{ "@CONFIG@", OPTIONS_DEFAULT_CONFIG },
	{ "@LIBEXECDIR@", AGENTD_LIBEXECDIR },
	{ "@PLUGINDIR@", AGENTD_PLUGINDIR },
	{ "@SYSCONFDIR@", AGENTD_SYSCONFDIR },
};

/* `line` is "@name argument@" without the first @. */
static bool print_mark(char *line)
{
	char *end = strchr(line, '@');
	if (!end || end[1] != '\n')
		return false;
	*end = '\0';
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		size_t n = strlen(marks[i].name);
		if (strncmp(line, marks[i].name, n) == 0 && (!line[n] || line[n] == ' '))
			return marks[i].show(line[n] ? line + n + 1 : "");
	}
	return false;
}

static bool print_word(const char **text)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t n = strlen(words[i].name);
		if (strncmp(*text, words[i].name, n) != 0)
			continue;
		fputs(words[i].text, stdout);
		*text += n;
		return true;
	}
	return false;
}

/* An @ that is no word of ours is an @, as in "@ann". */
static bool print_line(char *line)
{
	if (*line == '@')
		return print_mark(line + 1);
	for (const char *c = line; *c;)
		if (*c != '@' || !print_word(&c))
			putchar(*c++);
	return true;
}

static int print_page(const char *name, FILE *in)
{
	char *line = NULL;
	size_t size = 0;
	int code = 0;
	for (unsigned n = 1; code == 0 && getline(&line, &size, in) >= 0; n++) {
		if (print_line(line))
			continue;
		fprintf(stderr, "%s:%u: a mark that means nothing\n", name, n);
		code = EX_DATAERR;
	}
	free(line);
	return ferror(in) || fflush(stdout) != 0 ? EX_IOERR : code;
}

int main(int argc, char **argv)
{
	FILE *in = argc == 2 ? fopen(argv[1], "re") : NULL;
	if (argc != 2) {
		fputs("usage: manual PAGE.in\n", stderr);
		return EX_USAGE;
	}
	if (!in) {
		fprintf(stderr, "manual: cannot read %s: %s\n", argv[1], strerror(errno));
		return EX_NOINPUT;
	}
	int code = print_page(argv[1], in);
	fclose(in);
	return code;
}
