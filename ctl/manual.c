/* manual: agentctl(1) as mdoc (mdoc(7)), from the tables. Its texts must be plain words: none of them
 * may begin with a dot or hold a backslash. */
#include <stdio.h>
#include <string.h>

#include "ctl/help.h"
#include "ctl/say.h"

static const char head[] =
    ".Dd November 24, 2026\n"
    ".Dt AGENTCTL 1\n"
    ".Os\n"
    ".Sh NAME\n"
    ".Nm agentctl\n"
    ".Nd talk to agentd, and help with its upkeep\n"
    ".Sh SYNOPSIS\n"
    ".Nm\n"
    ".Op Ar option ...\n"
    ".Ar command\n"
    ".Op Ar argument ...\n"
    ".Sh DESCRIPTION\n"
    ".Nm\n"
    "talks to a running agentd\n"
    "over its socket, or over the network.\n"
    "Some commands need no server: they make keys, write a first plugin,\n"
    "try one, or check the system.\n"
    ".Pp\n"
    "What comes from a server is shown with its control characters escaped; with\n"
    ".Fl Fl json\n"
    "it is printed exactly.\n"
    ".Sh COMMANDS\n"
    ".Bl -tag -width Ds\n";

static const char tail[] = ".Sh ENVIRONMENT\n"
			   ".Bl -tag -width AGENTD_API_KEY\n"
			   ".It Ev AGENTD_SOCKET\n"
			   "The socket, if neither\n"
			   ".Fl Fl socket\n"
			   "nor\n"
			   ".Fl Fl url\n"
			   "is given.\n"
			   ".It Ev AGENTD_URL\n"
			   "The address, if there is no\n"
			   ".Ev AGENTD_SOCKET\n"
			   "either.\n"
			   ".It Ev AGENTD_API_KEY\n"
			   "The API key, or a JSON Web Token.\n"
			   ".It Ev NO_COLOR\n"
			   "No colours, if it is set.\n"
			   ".El\n"
			   ".Sh FILES\n"
			   ".Bl -tag -width Ds\n"
			   ".It Pa $XDG_RUNTIME_DIR/agentd/agentd.sock\n"
			   "The socket of a user's own agentd, which is looked for first.\n"
			   ".It Pa /run/agentd/agentd.sock\n"
			   "The socket of the system's.\n"
			   ".It Pa $XDG_STATE_HOME/agentctl/history\n"
			   "What was said in\n"
			   ".Cm chat .\n"
			   ".El\n"
			   ".Sh EXIT STATUS\n"
			   ".Bl -tag -width Ds\n"
			   ".It 0\n"
			   "It is done.\n"
			   ".It 1\n"
			   "The server said no, the run failed, or a check did.\n"
			   ".It 64\n"
			   "The command line is wrong.\n"
			   ".It 69\n"
			   "agentd cannot be reached.\n"
			   ".It 76\n"
			   "What answers there is no agentd.\n"
			   ".It 78\n"
			   "The config has mistakes: it was not reloaded.\n"
			   ".It 130\n"
			   "Ctrl-C.\n"
			   ".El\n"
			   ".Pp\n"
			   "Files that cannot be read or written give the codes of\n"
			   ".In sysexits.h .\n"
			   ".Sh EXAMPLES\n"
			   "Ask, and ask on in the same session:\n"
			   ".Bd -literal -offset indent\n"
			   "agentctl run \"what is new?\"\n"
			   "agentctl run --session 0190... \"and since when?\"\n"
			   ".Ed\n"
			   ".Pp\n"
			   "An agent on another machine:\n"
			   ".Bd -literal -offset indent\n"
			   "agentctl --url https://agents.example --key-file ~/.agentd-key chat\n"
			   ".Ed\n"
			   ".Pp\n"
			   "A plugin from nothing:\n"
			   ".Bd -literal -offset indent\n"
			   "agentctl new agent hello\n"
			   "make -C hello\n"
			   "agentctl try hello/hello.so \"hi\"\n"
			   ".Ed\n";

/* mdoc would take a lone punctuation mark, or a word that is a macro, for itself. */
static void print_words(const char *macro, const char *text)
{
	printf("%s", macro);
	while (*text) {
		size_t n = strcspn(text, " ");
		printf(" \\&%.*s", (int)n, text);
		text += n + (text[n] == ' ');
	}
}

/* Each sentence on a line of its own: then the formatter knows where one ends. */
static void print_text(const char *text)
{
	for (const char *c = text; *c; c++) {
		if (c == text && *c >= 'a' && *c <= 'z')
			putchar(*c - 'a' + 'A');
		else
			putchar(*c);
		if (*c == '.' && c[1] == ' ') {
			putchar('\n');
			c++;
		}
	}
	puts(text[strlen(text) - 1] == '.' ? "" : ".");
}

static void print_options(const struct option_row *rows)
{
	puts(".Bl -tag -width Ds");
	for (; rows->name; rows++) {
		printf(".It ");
		if (rows->letter)
			printf("Fl %c , ", rows->letter);
		printf("Fl Fl %s", rows->name);
		if (rows->value)
			printf(" Ar %s", rows->value);
		putchar('\n');
		print_text(rows->help);
	}
	puts(".El");
}

static void print_command(const struct command *command)
{
	print_words(".It Cm", command->name);
	if (command->arguments[0])
		print_words(" Ar", command->arguments);
	putchar('\n');
	print_text(command->summary);
	if (command->more)
		print_text(command->more);
	if (command->options)
		print_options(command->options);
}

int help_print_manual(void)
{
	const struct command *command;
	fputs(head, stdout);
	for (size_t i = 0; (command = command_at(i)); i++)
		if (!command->hidden)
			print_command(command);
	puts(".El\n.Sh OPTIONS\nAll commands take these:");
	print_options(arguments_common);
	fputs(tail, stdout);
	return 0;
}
