/* reply: what the server says, and what it has against it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "ctl/client.h"
#include "ctl/say.h"

void reply_done(struct reply *reply)
{
	buf_done(&reply->body);
	json_decref(reply->json);
	*reply = (struct reply){ 0 };
}

char *client_problem(const struct reply *reply)
{
	const char *title = json_string_value(json_object_get(reply->json, "title"));
	const char *detail = json_string_value(json_object_get(reply->json, "detail"));
	const char *run_id = json_string_value(json_object_get(reply->json, "run_id"));
	struct buf text = { 0 };
	if (title)
		buf_addf(&text, "%s%s%s", title, detail ? ": " : "", detail ? detail : "");
	else
		buf_addf(&text, "it answered with status %ld", reply->status);
	if (run_id)
		buf_addf(&text, " (run %s)", run_id);
	if (reply->status == 401)
		buf_add_str(&text, "; give your API key in AGENTD_API_KEY or with --key-file");
	char *taken = buf_take(&text);
	return taken ? taken : strdup("out of memory");
}

bool client_is_problem(const struct reply *reply)
{
	return json_is_string(json_object_get(reply->json, "title"));
}

int client_say_stranger(const struct client *client, const struct reply *reply)
{
	bool is_gateway = reply->status >= 502 && reply->status <= 504;
	return say_error(EX_PROTOCOL, "%s does not answer as agentd does (status %ld)%s",
	    client_address(client), reply->status,
	    is_gateway ? "; it may be a proxy, whose agentd is down" : "");
}

int client_call(struct client *client, const char *method, const char *path, const json_t *body,
    struct reply *ret_reply)
{
	struct reply reply;
	if (client_exchange(client, method, path, body, &reply) < 0)
		return say_error(EX_UNAVAILABLE, "%s", client_failure(client));
	if (reply.status < 300 && (reply.json || !reply.body.length)) {
		*ret_reply = reply;
		return 0;
	}
	if (reply.status < 400 || !client_is_problem(&reply)) {
		int code = client_say_stranger(client, &reply);
		reply_done(&reply);
		return code;
	}
	char *problem = client_problem(&reply);
	if (say_is_json() && reply.json) {
		say_note("%s", problem);
		say_json_text(reply.body.data, reply.body.length);
	} else {
		say_error(EXIT_REFUSED, "%s", problem);
	}
	free(problem);
	reply_done(&reply);
	return EXIT_REFUSED;
}
