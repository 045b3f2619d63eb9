/* restart: names are unique, so whatever has that name is meant. */
#include <stdlib.h>
#include <sysexits.h>

#include "ctl/command.h"
#include "ctl/say.h"
#include "daemon/conf/schema.h"

#define KINDS 3

static const struct {
	const char *list, *folder;
} kinds[KINDS] = {
	{ "/agents", "/agents/" },
	{ "/interfaces", "/interfaces/" },
	{ "/hooks", "/hooks/" },
};

/* All names that the server shows to who asks. They only serve a hint: what fails is left out. */
static json_t *collect_names(struct client *client)
{
	json_t *names = json_array(), *one;
	struct reply reply;
	size_t j;
	for (size_t i = 0; i < KINDS; i++) {
		if (client_exchange(client, "GET", kinds[i].list, NULL, &reply) < 0)
			continue;
		json_array_foreach (json_object_get(reply.json, kinds[i].list + 1), j, one)
			json_array_append(names, json_object_get(one, "name"));
		reply_done(&reply);
	}
	return names;
}

static const char *name_at(const void *arg, size_t i)
{
	return json_string_value(json_array_get(arg, i));
}

static int say_no_such(struct client *client, const char *name)
{
	json_t *names = collect_names(client);
	const char *near = schema_nearest(name, name_at, names);
	int code = say_error(EXIT_REFUSED, "there is no agent, interface or hook \"%s\"%s%s%s",
	    name, near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	json_decref(names);
	return code;
}

int restart_run(struct client *client, const struct arguments *arguments)
{
	const char *name = arguments_word(arguments, 0);
	struct command_call call = { "POST", NULL, "/restart", "restarting" };
	struct reply reply;
	for (size_t i = 0; !call.before && i < KINDS; i++) {
		char *path = client_path(kinds[i].folder, name, "");
		int error = client_exchange(client, "GET", path, NULL, &reply);
		free(path);
		if (error < 0)
			return say_error(EX_UNAVAILABLE, "%s", client_failure(client));
		if (reply.status != 404 || !client_is_problem(&reply))
			call.before = kinds[i].folder; /* also what is refused: it says so again */
		reply_done(&reply);
	}
	if (!call.before)
		return say_no_such(client, name);
	return command_call(client, &call, name);
}
