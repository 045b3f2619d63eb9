/*
 * completion: the scripts are a few lines that hand the command line to `agentctl complete`, which
 * answers along the same tables as everything else, and asks agentd for names. So they cannot grow old.
 *
 * Names from a server end up in a shell: only those of plain characters are offered, and the scripts
 * never let the shell expand what they get (compgen -W would).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "ctl/command.h"
#include "ctl/say.h"

#define PATIENCE_MS 700 /* of whoever pressed Tab */
#define NAMES_MAX   "50"

static const char bash_script[] =
    "# bash completion for agentctl; made by: agentctl completion bash\n"
    "_agentctl()\n"
    "{\n"
    "\tlocal line part whole= before=\n"
    "\tlocal -a words=()\n"
    "\t# bash cuts words at : and =, and has only the last piece replaced\n"
    "\tfor part in \"${COMP_WORDS[@]:1:COMP_CWORD}\"; do\n"
    "\t\tif [[ ${#words[@]} -gt 0 && ($whole == *[:=] || $part == [:=]*) ]]; then\n"
    "\t\t\tbefore=$whole\n"
    "\t\t\twhole+=$part\n"
    "\t\t\t[[ $part == [:=]* ]] && before=$whole\n"
    "\t\t\twords[${#words[@]}-1]=$whole\n"
    "\t\telse\n"
    "\t\t\tbefore= whole=$part\n"
    "\t\t\twords+=(\"$part\")\n"
    "\t\tfi\n"
    "\tdone\n"
    "\tCOMPREPLY=()\n"
    "\twhile IFS= read -r line; do\n"
    "\t\tif [[ $line == :file ]]; then\n"
    "\t\t\tcompopt -o default 2>/dev/null\n"
    "\t\t\treturn\n"
    "\t\tfi\n"
    "\t\tline=${line%%$'\\t'*}\n"
    "\t\t[[ $line == \"$whole\"* ]] && COMPREPLY+=(\"${line#\"$before\"}\")\n"
    "\tdone < <(\"${COMP_WORDS[0]}\" complete -- \"${words[@]}\" 2>/dev/null)\n"
    "}\n"
    "complete -F _agentctl agentctl\n";

static const char zsh_script[] =
    "#compdef agentctl\n"
    "# zsh completion for agentctl; made by: agentctl completion zsh\n"
    "_agentctl()\n"
    "{\n"
    "\tlocal line\n"
    "\tlocal -a found\n"
    "\tfor line in ${(f)\"$(${words[1]} complete -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)\"}; do\n"
    "\t\tif [[ $line == :file ]]; then\n"
    "\t\t\t_files\n"
    "\t\t\treturn\n"
    "\t\tfi\n"
    "\t\tline=${line//:/\\\\:}\n"
    "\t\tfound+=(${line/$'\\t'/:})\n"
    "\tdone\n"
    "\t_describe agentctl found\n"
    "}\n"
    "if [[ ${funcstack[1]} == _agentctl ]]; then\n"
    "\t_agentctl \"$@\"\n"
    "else\n"
    "\tcompdef _agentctl agentctl\n"
    "fi\n";

static const struct {
	const char *name, *script;
} shells[] = {
	{ "bash", bash_script },
	{ "zsh", zsh_script },
};
#define SHELLS (sizeof(shells) / sizeof(shells[0]))

int completion_run(struct client *client, const struct arguments *arguments)
{
	const char *name = arguments_word(arguments, 0);
	(void)client;
	for (size_t i = 0; i < SHELLS; i++) {
		if (strcmp(shells[i].name, name) != 0)
			continue;
		if (say_is_json())
			return say_json(
			    json_pack("{s:s, s:s}", "shell", name, "script", shells[i].script));
		fputs(shells[i].script, stdout);
		return 0;
	}
	return say_usage("completion", "there is bash, and zsh, but not \"%s\"", name);
}

/* What a word may be. */

static void offer(const char *word, const char *what)
{
	if (what)
		printf("%s\t%s\n", word, what);
	else
		puts(word);
}

static bool is_plain(const char *name)
{
	size_t n =
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:@+,");
	return n && !name[n] && name[0] != '-' && name[0] != ':';
}

/* Where names come from: the objects of a list, or of a list in each of them. */
static const struct source {
	enum word word;
	const char *path, *list, *inner, *name;
	const char *before; /* what stands in front of the name, with a colon; NULL: nothing */
} sources[] = {
	{ WORD_AGENT, "/agents", "agents", NULL, "name", NULL },
	{ WORD_INSTANCE, "/agents", "agents", NULL, "name", NULL },
	{ WORD_INSTANCE, "/interfaces", "interfaces", NULL, "name", NULL },
	{ WORD_INSTANCE, "/hooks", "hooks", NULL, "name", NULL },
	{ WORD_SESSION, "/sessions?limit=" NAMES_MAX, "sessions", NULL, "session_id", NULL },
	{ WORD_RUN, "/runs?limit=" NAMES_MAX, "runs", NULL, "run_id", NULL },
	{ WORD_LIVE_RUN, "/runs?status=running&limit=" NAMES_MAX, "runs", NULL, "run_id", NULL },
	{ WORD_LIVE_RUN, "/runs?status=queued&limit=" NAMES_MAX, "runs", NULL, "run_id", NULL },
	{ WORD_CRON, "/triggers", "cron", NULL, "name", NULL },
	{ WORD_EVENT, "/triggers", "events", NULL, "event", NULL },
	{ WORD_REPLY, "/outbox?limit=" NAMES_MAX, "replies", NULL, "id", NULL },
	{ WORD_USER, "/identities", "identities", NULL, "user_id", NULL },
	{ WORD_LINK, "/identities", "identities", NULL, "user_id", NULL },
	{ WORD_LINK, "/identities", "identities", "links", "platform_user_id", "platform" },
};
#define SOURCES (sizeof(sources) / sizeof(sources[0]))

static void offer_name(const struct source *source, const json_t *row)
{
	const json_t *value = json_object_get(row, source->name);
	const char *text = json_string_value(value);
	const char *before =
	    source->before ? json_string_value(json_object_get(row, source->before)) : NULL;
	struct buf name = { 0 };
	if (before)
		buf_addf(&name, "%s:", before);
	if (json_is_integer(value))
		buf_addf(&name, "%lld", (long long)json_integer_value(value));
	else
		buf_add_str(&name, text ? text : "");
	char *whole = buf_take(&name);
	if (whole && is_plain(whole))
		offer(whole, NULL);
	free(whole);
}

static void offer_source(struct client *client, const struct source *source)
{
	struct reply reply;
	size_t i, j;
	json_t *row, *inner;
	if (client_exchange(client, "GET", source->path, NULL, &reply) < 0)
		return;
	json_array_foreach (json_object_get(reply.json, source->list), i, row) {
		if (!source->inner) {
			offer_name(source, row);
			continue;
		}
		json_array_foreach (json_object_get(row, source->inner), j, inner)
			offer_name(source, inner);
	}
	reply_done(&reply);
}

static void offer_names(const struct arguments *arguments, enum word word)
{
	struct client *client;
	if (command_client(arguments, &client))
		return;
	client_set_timeout(client, PATIENCE_MS);
	for (size_t i = 0; i < SOURCES; i++)
		if (sources[i].word == word)
			offer_source(client, &sources[i]);
	client_free(client);
}

/* Commands, after the words of one that are there already. */
static void offer_commands(char *const *words, size_t count)
{
	const struct command *command;
	char shown[32] = "";
	for (size_t i = 0; (command = command_at(i)); i++) {
		size_t first = strcspn(command->name, " ");
		const char *second = command->name[first] ? command->name + first + 1 : NULL;
		if (command->hidden)
			continue;
		if (count == 0 && strncmp(shown, command->name, first + 1) != 0) {
			snprintf(shown, sizeof(shown), "%.*s ", (int)first, command->name);
			printf("%.*s\t%s\n", (int)first, command->name, command->summary);
		} else if (count == 1 && second && strncmp(command->name, words[0], first) == 0 &&
			   !words[0][first]) {
			offer(second, command->summary);
		}
	}
}

static void offer_options(const struct option_row *rows)
{
	for (; rows && rows->name; rows++)
		printf("--%s\t%s\n", rows->name, rows->help);
}

static void offer_word(const struct arguments *arguments, enum word word)
{
	static const char *const states[] = { "queued", "running", "succeeded", "failed",
		"cancelled" };
	switch (word) {
	case WORD_AGENT:
	case WORD_INSTANCE:
	case WORD_SESSION:
	case WORD_RUN:
	case WORD_LIVE_RUN:
	case WORD_CRON:
	case WORD_EVENT:
	case WORD_REPLY:
	case WORD_USER:
	case WORD_LINK:
		offer_names(arguments, word);
		break;
	case WORD_STATUS:
		for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
			offer(states[i], NULL);
		break;
	case WORD_SHELL:
		for (size_t i = 0; i < SHELLS; i++)
			offer(shells[i].name, NULL);
		break;
	case WORD_FILE:
		puts(":file");
		break;
	default:
		break;
	}
}

/* The option that waits for its value at the end of the line; NULL: none does. */
static const struct option_row *waiting(const struct option_row *rows, const char *before)
{
	for (; before && rows && rows->name; rows++)
		if (rows->value &&
		    ((strncmp(before, "--", 2) == 0 && strcmp(before + 2, rows->name) == 0) ||
			(rows->letter && before[0] == '-' && before[1] == rows->letter &&
			    !before[2])))
			return rows;
	return NULL;
}

/* A line as far as it goes: what is wrong with it is no matter here, so it is not arguments_read. */
struct line {
	struct arguments arguments; /* common options, for the client */
	char *words[8];
	size_t count;
	const struct command *command;
	size_t taken;
};

static void give(struct line *line, const struct option_row *row, const char *value)
{
	struct arguments *arguments = &line->arguments;
	if (arguments->given_count == ARGUMENTS_MAX)
		return;
	arguments->given[arguments->given_count].row = row;
	arguments->given[arguments->given_count++].value = value;
}

/* "--url=URL" */
static void read_whole_option(struct line *line, const char *word)
{
	size_t n = strcspn(word, "=");
	for (const struct option_row *row = arguments_common; word[n] && row->name; row++)
		if (row->value && strlen(row->name) + 2 == n &&
		    strncmp(word + 2, row->name, n - 2) == 0)
			give(line, row, word + n + 1);
}

/* Returns how many words it is. */
static size_t read_option(struct line *line, char **argv, size_t count)
{
	const struct option_row *row = waiting(arguments_common, argv[0]);
	if (row && count > 1)
		give(line, row, argv[1]);
	else if (!row && line->command)
		row = waiting(line->command->options, argv[0]);
	read_whole_option(line, argv[0]);
	return row ? 2 : 1;
}

static void read_line(struct line *line, char **argv, size_t count)
{
	size_t i = 0;
	while (i < count && line->count < 8) {
		if (argv[i][0] == '-') {
			i += read_option(line, argv + i, count - i);
			continue;
		}
		line->words[line->count++] = argv[i++];
		line->command = command_find(line->words, line->count, &line->taken);
	}
}

/* The last of the words is the one to complete, maybe empty. */
int complete_run(struct client *client, const struct arguments *arguments)
{
	struct line line = { 0 };
	char **argv = arguments->words;
	size_t count = arguments->word_count;
	(void)client;
	if (count && strcmp(argv[0], "--") == 0) {
		argv++;
		count--;
	}
	if (!count)
		return EX_USAGE;
	const char *word = argv[--count], *before = count ? argv[count - 1] : NULL;
	read_line(&line, argv, count);
	const struct option_row *row = waiting(arguments_common, before);
	if (!row && line.command)
		row = waiting(line.command->options, before);
	if (row) {
		offer_word(&line.arguments, row->word);
	} else if (word[0] == '-') {
		offer_options(line.command ? line.command->options : NULL);
		offer_options(arguments_common);
	} else {
		size_t nth = line.count - line.taken;
		enum word kind =
		    line.command && nth < COMMAND_WORDS_MAX ? line.command->words[nth] : WORD_OTHER;
		if (!line.command || (nth == 0 && line.taken == 1))
			offer_commands(line.words, line.count);
		if (kind == WORD_COMMAND)
			offer_commands(line.words + line.taken, nth);
		else
			offer_word(&line.arguments, kind);
	}
	return 0;
}
