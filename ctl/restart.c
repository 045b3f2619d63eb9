/* restart: names are unique, so whatever has that name is meant. */
#include <stdlib.h>
#include <sysexits.h>

#include "ctl/command.h"
#include "ctl/say.h"

int restart_run(struct client *client, const struct arguments *arguments)
{
	static const char *const folders[] = { "/agents/", "/interfaces/", "/hooks/" };
	const char *name = arguments_word(arguments, 0);
	struct command_call call = { "POST", NULL, "/restart", "restarting" };
	struct reply reply;
	for (size_t i = 0; !call.before && i < sizeof(folders) / sizeof(folders[0]); i++) {
		char *path = client_path(folders[i], name, "");
		int error = client_exchange(client, "GET", path, NULL, &reply);
		free(path);
		if (error < 0)
			return say_error(EX_UNAVAILABLE, "%s", client_failure(client));
		if (reply.status != 404)
			call.before = folders[i]; /* also what is refused: it says so again */
		reply_done(&reply);
	}
	if (!call.before)
		return say_error(EXIT_REFUSED, "there is no agent, interface or hook \"%s\"", name);
	return command_call(client, &call, name);
}
