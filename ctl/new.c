/* new: a folder with a plugin in it that builds, runs, and teaches. The files are those of template/,
 * carried in this program. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

EMBED(template_makefile, "ctl/template/Makefile.in");
EMBED(template_agent, "ctl/template/agent.c.in");
EMBED(template_agent_readme, "ctl/template/agent.md.in");
EMBED(template_interface, "ctl/template/interface.c.in");
EMBED(template_interface_readme, "ctl/template/interface.md.in");
EMBED(template_interface_conf, "ctl/template/interface.conf.in");
EMBED(template_hook, "ctl/template/hook.c.in");
EMBED(template_hook_readme, "ctl/template/hook.md.in");

#define FILES_MAX 4

struct file {
	const char *name; /* @NAME@ in it as in the text, which may say @AGENTD@ as well */
	const char *text;
};

struct kind {
	const char *command, *a_word; /* "new agent", "an agent" */
	struct file files[FILES_MAX];
	const char *next; /* what to do with it, where it says @PATH@ and @NAME@ */
};

static const struct kind agent = {
	.command = "new agent",
	.a_word = "an agent",
	.files = { { "@NAME@.c", template_agent }, { "Makefile", template_makefile },
	    { "README.md", template_agent_readme } },
	.next = "@PATH@/ has a small agent in it. Build it, and talk to it:\n\n"
		"  make -C @PATH@\n"
		"  agentctl try @PATH@/@NAME@.so \"hello\"\n",
};

static const struct kind interface = {
	.command = "new interface",
	.a_word = "an interface",
	.files = { { "@NAME@.c", template_interface }, { "Makefile", template_makefile },
	    { "README.md", template_interface_readme }, { "agent.conf", template_interface_conf } },
	.next = "@PATH@/ has a small interface in it, and a config to try it with:\n\n"
		"  make -C @PATH@\n"
		"  agentd -c @PATH@/agent.conf\n"
		"  nc 127.0.0.1 7700          (in another terminal: write a line)\n",
};

static const struct kind hook = {
	.command = "new hook",
	.a_word = "a hook",
	.files = { { "@NAME@.c", template_hook }, { "Makefile", template_makefile },
	    { "README.md", template_hook_readme } },
	.next = "@PATH@/ has a small hook in it. Build it, and name it in a config:\n\n"
		"  make -C @PATH@\n"
		"  agentd --probe @PATH@/@NAME@.so\n\n"
		"@PATH@/README.md has the lines of the config.\n",
};

/* What a plugin's name may be, and what makes a file's name of it that is no option. */
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

/* As a C identifier: my-agent is my_agent, 3po is plugin_3po. */
static void make_identifier(const char *name, char id[NAME_MAX_BYTES + 8])
{
	snprintf(
	    id, NAME_MAX_BYTES + 8, "%s%s", isdigit((unsigned char)name[0]) ? "plugin_" : "", name);
	for (char *c = id; *c; c++)
		if (*c == '-')
			*c = '_';
}

/* Where the header is that this program came with: beside the folder that the program is in, be it build/ of
 * a source folder or PREFIX/bin. */
static void add_agentd(struct buf *out)
{
	char self[PATH_MAX], header[PATH_MAX + 32];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[n > 0 ? n : 0] = '\0';
	for (int i = 0; i < 2; i++) {
		char *slash = strrchr(self, '/');
		if (slash)
			*slash = '\0';
	}
	snprintf(header, sizeof(header), "%s/include/agentd/plugin.h", self);
	bool is_there = self[0] && access(header, R_OK) == 0;
	bool is_plain = !strpbrk(self, " \t$#\\'\"`;&|()"); /* to make, and to the shell */
	buf_add_str(out, is_there && is_plain ? self : "/usr/local");
}

static char *fill_in(const char *text, const char *name, const char *id, const char *path)
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
		} else if (strncmp(text, "@PATH@", 6) == 0) {
			buf_add_str(&out, path);
			text += 6;
		} else if (strncmp(text, "@AGENTD@", 8) == 0) {
			add_agentd(&out);
			text += 8;
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

static int write_files(const struct kind *kind, const char *path, const char *name)
{
	char id[NAME_MAX_BYTES + 8];
	int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), code = 0;
	if (folder < 0)
		return say_error(EX_CANTCREAT, "cannot open %s: %s", path, strerror(errno));
	make_identifier(name, id);
	for (size_t i = 0; i < FILES_MAX && kind->files[i].name && code == 0; i++) {
		char *file = fill_in(kind->files[i].name, name, id, path),
		     *text = fill_in(kind->files[i].text, name, id, path);
		code = write_file(folder, file, text);
		free(file);
		free(text);
	}
	close(folder);
	return code;
}

static void say_next(const struct kind *kind, const char *path, const char *name)
{
	char *text = fill_in(kind->next, name, "", path);
	fputs(text, stdout);
	free(text);
}

static int new_plugin(const struct kind *kind, const struct arguments *arguments)
{
	const char *name = arguments_word(arguments, 0), *dir = arguments_get(arguments, "dir");
	struct buf out = { 0 };
	if (!is_name(name))
		return say_usage(kind->command,
		    "\"%s\" is no name for %s: letters, digits, _ and - make one", name,
		    kind->a_word);
	buf_addf(&out, "%s%s%s", dir ? dir : "", dir ? "/" : "", name);
	char *path = buf_take(&out);
	int code = 0;
	if (mkdir(path, 0777) < 0)
		code = say_error(EX_CANTCREAT, "cannot make the folder %s: %s%s", path,
		    strerror(errno), errno == EEXIST ? "; nothing was changed" : "");
	if (code == 0)
		code = write_files(kind, path, name);
	if (code == 0 && say_is_json())
		say_json(json_pack("{s:s, s:s}", "name", name, "folder", path));
	else if (code == 0)
		say_next(kind, path, name);
	free(path);
	return code;
}

int new_agent(struct client *client, const struct arguments *arguments)
{
	(void)client;
	return new_plugin(&agent, arguments);
}

int new_interface(struct client *client, const struct arguments *arguments)
{
	(void)client;
	return new_plugin(&interface, arguments);
}

int new_hook(struct client *client, const struct arguments *arguments)
{
	(void)client;
	return new_plugin(&hook, arguments);
}
