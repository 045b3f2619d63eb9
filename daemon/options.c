/* options: the rows, and what is made from them for getopt and for --help. */
#include "daemon/options.h"

#include <getopt.h>

#define COLUMN 24 /* where explanations begin */

/* clang-format off */
const struct option_row options_rows[] = {
	{ "config", OPTION_CONFIG, FORM_CONFIG, "FILE", "read FILE (default: " OPTIONS_DEFAULT_CONFIG ")" },
	{ "test", OPTION_TEST, FORM_CONFIG, NULL, "check the config, plugins' options too: exit with 0, or 78" },
	{ "print-config", OPTION_PRINT_CONFIG, FORM_CONFIG, NULL, "show the effective settings, defaults too" },
	{ "listen", OPTION_LISTEN, FORM_PLUGINS, "ADDR", "with plugins: host:port or unix:/path (default: 127.0.0.1:8000)" },
	{ "probe", OPTION_PROBE, FORM_PROBE, "PLUGIN", "show what a plugin is, its options and its triggers" },
	{ "dev", OPTION_DEV, FORM_SERVE, NULL, "heed changes of plugins and config, build sources, and serve /docs" },
	{ "version", OPTION_VERSION, FORM_NONE, NULL, "show the version" },
	{ "help", OPTION_HELP, FORM_NONE, NULL, "show a short help" },
};
/* clang-format on */
#define COUNT (sizeof(options_rows) / sizeof(options_rows[0]))
const size_t options_count = COUNT;

const struct form_row options_forms[FORM_COUNT] = {
	[FORM_CONFIG] = { false, NULL },
	[FORM_PLUGINS] = { false, "PLUGIN" },
	[FORM_PROBE] = { true, NULL },
};

const char options_operand_help[] =
    "PLUGIN is a .so file, or the name of a plugin that came with agentd, such as echo.";

bool options_is_of(const struct option_row *row, enum option_form form)
{
	bool serves = form == FORM_CONFIG || form == FORM_PLUGINS;
	return row->form == form || (row->form == FORM_SERVE && serves);
}

char options_letter(const struct option_row *row)
{
	return row->code < OPTION_PRINT_CONFIG ? (char)row->code : '\0';
}

int options_next(int argc, char **argv)
{
	struct option words[COUNT + 1] = { 0 };
	char letters[2 * COUNT + 1], *end = letters;
	for (size_t i = 0; i < COUNT; i++) {
		const struct option_row *row = &options_rows[i];
		words[i] = (struct option){
			.name = row->name,
			.has_arg = row->value ? required_argument : no_argument,
			.val = (int)row->code,
		};
		if (!options_letter(row))
			continue;
		*end++ = options_letter(row);
		if (row->value)
			*end++ = ':';
	}
	*end = '\0';
	return getopt_long(argc, argv, letters, words, NULL);
}

/* "-c FILE": as short as it can be written. */
static void print_short(FILE *out, const struct option_row *row)
{
	char letter = options_letter(row);
	if (letter)
		fprintf(out, "-%c", letter);
	else
		fprintf(out, "--%s", row->name);
	if (row->value)
		fprintf(out, " %s", row->value);
}

static void print_form(FILE *out, enum option_form form)
{
	const struct form_row *shape = &options_forms[form];
	fprintf(out, "%s agentd", form == 0 ? "usage:" : "      ");
	for (size_t i = 0; i < COUNT; i++) {
		if (!options_is_of(&options_rows[i], form))
			continue;
		fputs(shape->needs_option ? " " : " [", out);
		print_short(out, &options_rows[i]);
		fputs(shape->needs_option ? "" : "]", out);
	}
	if (shape->operand)
		fprintf(out, " %s...", shape->operand);
	fputc('\n', out);
}

static void print_option(FILE *out, const struct option_row *row)
{
	char text[64], letter = options_letter(row);
	snprintf(text, sizeof(text), "  %c%c%s--%s%s%s", letter ? '-' : ' ', letter ? letter : ' ',
	    letter ? ", " : "  ", row->name, row->value ? " " : "", row->value ? row->value : "");
	fprintf(out, "%-*s%s\n", COLUMN, text, row->help);
}

void options_print_help(FILE *out)
{
	for (enum option_form form = 0; form < FORM_COUNT; form++)
		print_form(out, form);
	fputc('\n', out);
	for (size_t i = 0; i < COUNT; i++)
		print_option(out, &options_rows[i]);
	fprintf(out, "\n%s\n", options_operand_help);
}
