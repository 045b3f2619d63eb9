/*
 * program: the checks. The host's process belongs to this plugin alone, so it stands in `cwd` itself,
 * and whatever is relative needs no joining of paths.
 */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "environment.h"

static int program_enter_cwd(const char *cwd, char *why, size_t size)
{
	if (!cwd || chdir(cwd) == 0)
		return 0;
	int error = errno;
	snprintf(why, size, "cwd: cannot enter \"%s\": %s", cwd, strerror(error));
	return -error;
}

static int program_read_env(
    struct program *program, const struct agentd_value *env, char *why, size_t size)
{
	program->environment = environment_new();
	if (!program->environment)
		return -ENOMEM;
	for (size_t i = 0; env && i + 1 < env->count; i += 2) {
		const struct agentd_text *pair = env->items + i;
		int error = environment_set(program->environment, pair[0], pair[1]);
		if (error == -EINVAL)
			snprintf(why, size, "env: \"%.*s\" cannot be a variable", (int)pair[0].n,
			    pair[0].p);
		if (error < 0)
			return error;
	}
	return 0;
}

static int program_read_command(
    struct program *program, const struct agentd_value *command, char *why, size_t size)
{
	if (!command || command->count == 0 || command->items[0].n == 0) {
		snprintf(why, size, "command: is empty; it must name a program");
		return -EINVAL;
	}
	program->argv = calloc(command->count + 1, sizeof(*program->argv));
	if (!program->argv)
		return -ENOMEM;
	for (size_t i = 0; i < command->count; i++) {
		program->argv[i] = strndup(command->items[i].p, command->items[i].n);
		if (!program->argv[i])
			return -ENOMEM;
	}
	return 0;
}

/* Whether a path is a file that may be executed. */
static int check_executable(const char *path)
{
	struct stat status;
	if (stat(path, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -EACCES;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

/* Looks for a name in the folders of a PATH. -ENOENT: it is in none; -EACCES: it is in one, and may
 * not be executed. */
static int search_path(const char *path, const char *name, char **ret_path)
{
	int found = -ENOENT;
	for (const char *end, *folder = path;; folder = end + 1) {
		char *candidate;
		end = strchrnul(folder, ':');
		int n = (int)(end - folder);
		if (asprintf(&candidate, "%.*s/%s", n ? n : 1, n ? folder : ".", name) < 0)
			return -ENOMEM;
		int error = check_executable(candidate);
		if (error == 0) {
			*ret_path = candidate;
			return 0;
		}
		free(candidate);
		if (error == -EACCES)
			found = error;
		if (!*end)
			return found;
	}
}

/* A whole command line as one item is what a shell would take. */
static const char *hint_at_words(const struct program *program)
{
	return !program->argv[1] && strchr(program->argv[0], ' ')
		   ? "; arguments are items of their own, as in [ ls, -l ]"
		   : "";
}

static int program_find(struct program *program, char *why, size_t size)
{
	const char *name = program->argv[0];
	if (strchr(name, '/')) {
		program->path = strdup(name);
		int error = program->path ? check_executable(name) : -ENOMEM;
		char *folder = error < 0 && name[0] != '/' ? getcwd(NULL, 0) : NULL;
		if (error < 0)
			snprintf(why, size, "command: cannot execute \"%s\"%s%s: %s%s", name,
			    folder ? " in " : "", folder ? folder : "", strerror(-error),
			    hint_at_words(program));
		free(folder);
		return error;
	}
	const char *path = environment_get(program->environment, "PATH");
	int error = path ? search_path(path, name, &program->path) : -ENOENT;
	if (error < 0)
		snprintf(why, size, "command: cannot execute \"%s\" from PATH (%s): %s%s", name,
		    path ? path : "not set", strerror(-error), hint_at_words(program));
	return error;
}

int program_init(
    struct program *program, const struct agentd_options *options, char *why, size_t size)
{
	*program = (struct program){ 0 };
	snprintf(why, size, "%s", strerror(ENOMEM));
	int error = program_enter_cwd(agentd_get_text(options, "cwd"), why, size);
	if (error == 0)
		error = program_read_env(program, agentd_get(options, "env"), why, size);
	if (error == 0)
		error = program_read_command(program, agentd_get(options, "command"), why, size);
	if (error == 0)
		error = program_find(program, why, size);
	return error;
}

void program_done(struct program *program)
{
	for (char **argument = program->argv; argument && *argument; argument++)
		free(*argument);
	free(program->argv);
	free(program->path);
	environment_free(program->environment);
}
