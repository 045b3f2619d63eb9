/* reload: the config is read again by the agentd that serves it. */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "ctl/command.h"
#include "ctl/say.h"

#define RELOAD_MS 300000 /* plugins that have changed are loaded once, each with its time */

/* What is wrong with the config, a line for each, as agentd -t says it. */
static int say_mistakes(const struct reply *reply)
{
	const char *lines = json_string_value(json_object_get(reply->json, "detail"));
	while (lines && *lines) {
		size_t n = strcspn(lines, "\n");
		say_note("%.*s", (int)n, lines);
		lines += n + (lines[n] == '\n');
	}
	say_note("not reloaded: agentd goes on with the config that it has");
	if (say_is_json())
		say_json_text(reply->body.data, reply->body.length);
	return EX_CONFIG;
}

static void say_warnings(const struct reply *reply)
{
	const json_t *warning;
	size_t i;
	json_array_foreach (json_object_get(reply->json, "warnings"), i, warning)
		say_note("%s", json_string_value(warning));
	puts("reloaded");
}

static int say_reply(const struct client *client, const struct reply *reply)
{
	if (reply->status == 200 ? !reply->json : !client_is_problem(reply))
		return client_say_stranger(client, reply);
	if (reply->status == 422)
		return say_mistakes(reply);
	if (reply->status != 200) {
		char *problem = client_problem(reply);
		int code = say_error(EXIT_REFUSED, "%s", problem ? problem : "out of memory");
		free(problem);
		return code;
	}
	if (say_is_json())
		return say_json_text(reply->body.data, reply->body.length);
	say_warnings(reply);
	return 0;
}

int reload_run(struct client *client, const struct arguments *arguments)
{
	struct reply reply;
	(void)arguments;
	client_set_timeout(client, RELOAD_MS);
	if (client_exchange(client, "POST", "/reload", NULL, &reply) < 0)
		return say_error(EX_UNAVAILABLE, "%s", client_failure(client));
	int code = say_reply(client, &reply);
	reply_done(&reply);
	return code;
}
