/*
 * agentctl: the command line client of agentd.
 *
 * Options that all commands share, the command, its own options: all along tables. What a command
 * does is in the file of its name.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "ctl/command.h"
#include "ctl/help.h"
#include "ctl/say.h"
#include "daemon/version.h"

/* Whether --json is anywhere, before the command line is understood: an error in it is then JSON too. */
static bool wants_json(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--json") == 0)
			return true;
	return false;
}

static int check_words(const struct command *command, const struct arguments *arguments)
{
	if (arguments->word_count < command->least)
		return say_usage(command->name, "%s needs %s", command->name, command->arguments);
	if (arguments->word_count > command->most && command_is_group(command->name)) {
		char *words[] = { (char *)(uintptr_t)command->name, arguments->words[0] };
		return command_say_unknown(words, 2);
	}
	if (arguments->word_count > command->most)
		return say_usage(command->name, "%s does not take \"%s\"%s", command->name,
		    arguments->words[command->most],
		    command->run == run_run     ? "; put quotes around the text"
		    : command->run == cron_next ? "; put quotes around the schedule"
						: "");
	return 0;
}

static int run_command(const struct command *command, const struct arguments *arguments)
{
	struct client *client = NULL;
	int code = 0;
	if (command->needs_server)
		code = command_client(arguments, &client);
	if (code == 0)
		code = command->run(client, arguments);
	client_free(client);
	return code;
}

static int print_version(void)
{
	if (say_is_json())
		return say_json(json_pack("{s:s}", "version", AGENTD_VERSION));
	puts("agentctl " AGENTD_VERSION);
	return 0;
}

static int run(int argc, char **argv)
{
	struct arguments arguments = { 0 };
	size_t taken = 0;
	int code = arguments_read(&arguments, NULL, NULL, argc, argv);
	if (code)
		return code;
	if (arguments_get(&arguments, "version"))
		return print_version();
	if (arguments.word_count == 0) {
		if (arguments_get(&arguments, "help"))
			return help_print(NULL);
		return say_usage(NULL, "what shall it do?");
	}
	const struct command *command = command_find(arguments.words, arguments.word_count, &taken);
	if (!command)
		return command_say_unknown(arguments.words, arguments.word_count);
	if (command->run == complete_run) { /* its words are another command line */
		arguments.words++;
		arguments.word_count--;
		return complete_run(NULL, &arguments);
	}
	static const struct option_row none[] = { { 0 } };
	/* The command's last word stands where getopt expects a program's name. */
	char **rest = arguments.words + taken - 1;
	code = arguments_read(&arguments, command->name, command->options ? command->options : none,
	    (int)(arguments.word_count - taken + 1), rest);
	if (code)
		return code;
	if (arguments_get(&arguments, "help"))
		return help_print(command);
	code = check_words(command, &arguments);
	return code ? code : run_command(command, &arguments);
}

/* A key, or a list that goes to a file, must not be lost without a word. */
static int check_output(int code)
{
	bool failed = ferror(stdout);
	errno = EIO; /* why an earlier write failed is not known any more */
	if (fflush(stdout) == 0 && !failed)
		return code;
	say_note("cannot write to standard output: %s", strerror(errno));
	return code ? code : EX_IOERR;
}

int main(int argc, char **argv)
{
	say_open(wants_json(argc, argv));
	return check_output(run(argc, argv));
}
