/* help: `agentctl help`, -h of each command. */
#include "ctl/help.h"

#include <stdio.h>
#include <string.h>

#include "ctl/say.h"

#define COLUMN 30 /* where explanations begin */

static void print_option(const struct option_row *row)
{
	char text[64];
	snprintf(text, sizeof(text), "  %c%c%s--%s%s%s", row->letter ? '-' : ' ',
	    row->letter ? row->letter : ' ', row->letter ? ", " : "  ", row->name,
	    row->value ? " " : "", row->value ? row->value : "");
	printf("%-*s%s\n", COLUMN, text, row->help);
}

static void print_options(const char *title, const struct option_row *rows)
{
	if (!rows)
		return;
	printf("\n%s:\n", title);
	for (; rows->name; rows++)
		print_option(rows);
}

/* Words broken at spaces, so that a paragraph fits a terminal. */
static void print_paragraph(const char *text)
{
	size_t column = 0;
	putchar('\n');
	while (*text) {
		size_t n = strcspn(text, " ");
		if (column && column + 1 + n > 78) {
			putchar('\n');
			column = 0;
		}
		column += (size_t)printf("%s%.*s", column ? " " : "", (int)n, text);
		text += n + (text[n] == ' ');
	}
	putchar('\n');
}

static void print_command(const struct command *command)
{
	printf("usage: agentctl %s%s%s%s\n\n%s\n", command->name,
	    command->options ? " [OPTION]..." : "", command->arguments[0] ? " " : "",
	    command->arguments, command->summary);
	if (command->more)
		print_paragraph(command->more);
	print_options("options", command->options);
	print_options("options of every command", arguments_common);
}

static void print_all(void)
{
	const struct command *command;
	char text[64];
	puts("usage: agentctl [OPTION]... COMMAND [ARGUMENT]...\n");
	for (size_t i = 0; (command = command_at(i)); i++) {
		if (command->hidden)
			continue;
		snprintf(text, sizeof(text), "  %s %s", command->name, command->arguments);
		printf("%-*s%s\n", COLUMN, text, command->summary);
	}
	print_options("options", arguments_common);
	print_paragraph(
	    "Without --socket and --url it looks at $AGENTD_SOCKET, $AGENTD_URL, "
	    "$XDG_RUNTIME_DIR/agentd/agentd.sock, and /run/agentd/agentd.sock; an API key "
	    "is read from $AGENTD_API_KEY. \"agentctl help COMMAND\" says more.");
}

static json_t *describe_options(const struct option_row *rows)
{
	json_t *list = json_array();
	for (; rows && rows->name; rows++)
		json_array_append_new(list, json_pack("{s:s, s:s?, s:s}", "name", rows->name,
						"value", rows->value, "help", rows->help));
	return list;
}

static json_t *describe(const struct command *command)
{
	return json_pack("{s:s, s:s, s:s, s:s?, s:o}", "name", command->name, "arguments",
	    command->arguments, "summary", command->summary, "more", command->more, "options",
	    describe_options(command->options));
}

static json_t *describe_all(void)
{
	json_t *list = json_array();
	const struct command *command;
	for (size_t i = 0; (command = command_at(i)); i++)
		if (!command->hidden)
			json_array_append_new(list, describe(command));
	return json_pack(
	    "{s:o, s:o}", "commands", list, "options", describe_options(arguments_common));
}

int help_print(const struct command *command)
{
	if (say_is_json())
		return say_json(command ? describe(command) : describe_all());
	if (command)
		print_command(command);
	else
		print_all();
	return 0;
}

int help_run(struct client *client, const struct arguments *arguments)
{
	size_t taken;
	(void)client;
	if (arguments_get(arguments, "man"))
		return help_print_manual();
	if (arguments->word_count == 0)
		return help_print(NULL);
	const struct command *command =
	    command_find(arguments->words, arguments->word_count, &taken);
	if (command && taken == arguments->word_count)
		return help_print(command);
	return command_say_unknown(arguments->words, arguments->word_count);
}
