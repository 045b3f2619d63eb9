/* new: a folder with a plugin in it that builds, runs, and teaches. The files are those of template/,
 * carried in this program. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "ctl/command.h"
#include "ctl/say.h"

#define NAME_MAX_BYTES 63

/* The assembler puts a file between two symbols (and a NUL behind it). */
#define EMBED(symbol, file)                                                       \
	__asm__(".section .rodata\n" #symbol ":\n.incbin \"" file "\"\n.byte 0\n" \
		".size " #symbol ", . - " #symbol "\n.previous\n");               \
	extern const char symbol[] __attribute__((visibility("hidden")))

EMBED(template_agent, "ctl/template/agent.c.in");
EMBED(template_makefile, "ctl/template/Makefile.in");
EMBED(template_readme, "ctl/template/README.md.in");

static const struct {
	const char *name; /* @NAME@ in it as in the text */
	const char *text;
} files[] = {
	{ "@NAME@.c", template_agent },
	{ "Makefile", template_makefile },
	{ "README.md", template_readme },
};
#define FILES (sizeof(files) / sizeof(files[0]))

/* What an agent's name may be, and what makes a file's name of it that is no option. */
static bool is_name(const char *name)
{
	size_t n = strlen(name);
	if (!n || n > NAME_MAX_BYTES || name[0] == '-')
		return false;
	for (const char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && *c != '_' && *c != '-')
			return false;
	return true;
}

/* As a C identifier: my-agent is my_agent, 3po is agent_3po. */
static void make_identifier(const char *name, char id[NAME_MAX_BYTES + 8])
{
	snprintf(
	    id, NAME_MAX_BYTES + 8, "%s%s", isdigit((unsigned char)name[0]) ? "agent_" : "", name);
	for (char *c = id; *c; c++)
		if (*c == '-')
			*c = '_';
}

static char *fill_in(const char *text, const char *name, const char *id)
{
	struct buf out = { 0 };
	while (*text) {
		size_t n = strcspn(text, "@");
		buf_add(&out, text, n);
		text += n;
		if (strncmp(text, "@NAME@", 6) == 0) {
			buf_add_str(&out, name);
			text += 6;
		} else if (strncmp(text, "@ID@", 4) == 0) {
			buf_add_str(&out, id);
			text += 4;
		} else if (*text) {
			buf_add(&out, text++, 1);
		}
	}
	char *filled = buf_take(&out);
	if (!filled)
		abort();
	return filled;
}

static int write_file(int folder, const char *name, const char *text)
{
	int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	size_t n = strlen(text);
	if (fd < 0)
		return say_error(EX_CANTCREAT, "cannot make %s: %s", name, strerror(errno));
	bool written = write(fd, text, n) == (ssize_t)n;
	int error = errno;
	if (close(fd) < 0 || !written)
		return say_error(EX_IOERR, "cannot write %s: %s", name, strerror(error));
	return 0;
}

static int write_files(const char *path, const char *name)
{
	char id[NAME_MAX_BYTES + 8];
	int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), code = 0;
	if (folder < 0)
		return say_error(EX_CANTCREAT, "cannot open %s: %s", path, strerror(errno));
	make_identifier(name, id);
	for (size_t i = 0; i < FILES && code == 0; i++) {
		char *file = fill_in(files[i].name, name, id),
		     *text = fill_in(files[i].text, name, id);
		code = write_file(folder, file, text);
		free(file);
		free(text);
	}
	close(folder);
	return code;
}

int new_agent(struct client *client, const struct arguments *arguments)
{
	const char *name = arguments_word(arguments, 0), *dir = arguments_get(arguments, "dir");
	struct buf out = { 0 };
	(void)client;
	if (!is_name(name))
		return say_usage("new agent",
		    "\"%s\" is no name for an agent: letters, digits, _ and - make one", name);
	buf_addf(&out, "%s%s%s", dir ? dir : "", dir ? "/" : "", name);
	char *path = buf_take(&out);
	int code = 0;
	if (mkdir(path, 0777) < 0)
		code = say_error(EX_CANTCREAT, "cannot make the folder %s: %s%s", path,
		    strerror(errno), errno == EEXIST ? "; nothing was changed" : "");
	if (code == 0)
		code = write_files(path, name);
	if (code == 0 && say_is_json())
		say_json(json_pack("{s:s, s:s}", "name", name, "folder", path));
	else if (code == 0)
		printf("%s/ has a small agent in it. Build it, and talk to it:\n\n"
		       "  make -C %s\n"
		       "  agentctl try %s/%s.so \"hello\"\n",
		    path, path, path, name);
	free(path);
	return code;
}
