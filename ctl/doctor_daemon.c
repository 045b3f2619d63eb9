/* doctor: agentd itself: its program, its config, and the one that runs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "ctl/command.h"
#include "ctl/doctor.h"
#include "ctl/program.h"
#include "ctl/text.h"
#include "daemon/version.h"

void doctor_check_program(struct doctor *doctor)
{
	struct buf out = { 0 }, err = { 0 };
	doctor->agentd = program_find_agentd();
	if (!doctor->agentd) {
		doctor_say(VERDICT_FAIL, "agentd", "install it, or put its folder into PATH",
		    "there is no agentd beside agentctl, nor in $PATH");
		return;
	}
	char *argv[] = { doctor->agentd, (char[]){ "--version" }, NULL };
	int code = program_run(argv, &out, &err);
	buf_add(&out, "", 1);
	out.data[strcspn(out.data, "\n")] = '\0';
	if (code != 0)
		doctor_say(VERDICT_FAIL, "agentd", "build it anew, or install what it needs",
		    "%s does not run (%s)", doctor->agentd,
		    code < 0 ? strerror(-code) : "it fails");
	else if (strcmp(out.data, "agentd " AGENTD_VERSION) != 0)
		doctor_say(VERDICT_WARN, "agentd", "install both from one version",
		    "%s is %s, agentctl is %s", doctor->agentd, out.data, AGENTD_VERSION);
	else
		doctor_say(VERDICT_OK, "agentd", NULL, "%s, %s", doctor->agentd, out.data);
	buf_done(&out);
	buf_done(&err);
}

static void read_settings(struct doctor *doctor, const char *config)
{
	struct buf out = { 0 }, err = { 0 };
	char *argv[] = { doctor->agentd, (char[]){ "--print-config" }, (char[]){ "-c" },
		(char *)(uintptr_t)config, NULL };
	if (program_run(argv, &out, &err) == 0)
		doctor->settings = buf_take(&out);
	buf_done(&out);
	buf_done(&err);
}

/* What surprises who has agents that write files, since nothing else fails. */
static void say_closed(const char *config)
{
	char *real = realpath(config, NULL), *slash = real ? strrchr(real, '/') : NULL;
	if (slash && slash != real)
		doctor_say(VERDICT_OK, "config", NULL,
		    "plugins can make no files right in %.*s, nor right in the folders above",
		    (int)(slash - real), real);
	free(real);
}

/* Each line that agentd says about its config is a verdict of its own. */
static void say_lines(enum verdict verdict, const char *advice, struct buf *text)
{
	char *all = buf_take(text);
	for (char *line = all; line && *line;) {
		size_t n = strcspn(line, "\n");
		doctor_say(verdict, "config", advice, "%.*s", (int)n, line);
		line += n + (line[n] == '\n');
	}
	free(all);
}

void doctor_check_config(struct doctor *doctor)
{
	const char *given = arguments_get(doctor->arguments, "config");
	const char *config = given ? given : COMMAND_USUAL_CONFIG;
	struct buf out = { 0 }, err = { 0 };
	if (access(config, R_OK) < 0) {
		bool missing = errno == ENOENT && !given;
		doctor_say(given     ? VERDICT_FAIL
			   : missing ? VERDICT_OK
				     : VERDICT_WARN,
		    "config", given ? NULL : "name yours with -c FILE", "%s: %s", config,
		    strerror(errno));
		return;
	}
	if (!doctor->agentd)
		return;
	char *argv[] = { doctor->agentd, (char[]){ "-t" }, (char[]){ "-c" },
		(char *)(uintptr_t)config, NULL };
	int code = program_run(argv, &out, &err);
	if (code == 0) {
		doctor_say(VERDICT_OK, "config", NULL, "%s is good", config);
		say_closed(config);
		say_lines(VERDICT_WARN, NULL, &err);
		read_settings(doctor, config);
	} else if (err.length) {
		say_lines(VERDICT_FAIL, "mend the config; agentd -t checks it", &err);
	} else {
		doctor_say(
		    VERDICT_FAIL, "config", NULL, "agentd -t -c %s ended with %d", config, code);
	}
	buf_done(&out);
	buf_done(&err);
}

/* The one that runs. */

/* An agent, an interface or a hook. */
static void check_process(const char *what, const json_t *process)
{
	const char *name = json_string_value(json_object_get(process, "name"));
	const char *state = json_string_value(json_object_get(process, "state"));
	const json_t *exit = json_object_get(process, "last_exit");
	const char *reason = json_string_value(json_object_get(exit, "reason"));
	long long restarts = json_integer_value(json_object_get(process, "restarts"));
	if (!name || !state)
		return;
	if (strcmp(state, "failed") == 0)
		doctor_say(VERDICT_FAIL, what,
		    "it is not tried again: mend its plugin or its settings, and restart agentd; if it was "
		    "something else: agentctl restart",
		    "%s has failed: %s", name, reason ? reason : "it does not say why");
	else if (strcmp(state, "ready") != 0)
		doctor_say(VERDICT_WARN, what, NULL, "%s is in state %s%s%s", name, state,
		    reason ? "; its last end: " : "", reason ? reason : "");
	else if (restarts)
		doctor_say(VERDICT_WARN, what, "agentd's log has what it said before",
		    "%s is ready, after %lld restart%s; its last end: %s", name, restarts,
		    restarts == 1 ? "" : "s", reason ? reason : "not known");
	else
		doctor_say(VERDICT_OK, what, NULL, "%s is ready", name);
}

/* A list of the server's. False: it is not to be had, which is said, unless only an admin may see it. */
static bool ask_list(
    struct client *client, const char *what, const char *path, bool is_for_all, struct reply *reply)
{
	if (client_exchange(client, "GET", path, NULL, reply) < 0) {
		doctor_say(VERDICT_FAIL, what, NULL, "%s", client_failure(client));
		return false;
	}
	if (reply->status == 200)
		return true;
	char *problem = client_problem(reply);
	if (is_for_all || reply->status != 403)
		doctor_say(VERDICT_FAIL, what, NULL, "%s", problem);
	free(problem);
	reply_done(reply);
	return false;
}

static void check_processes(struct client *client)
{
	static const struct {
		const char *path, *what;
		bool is_for_all;
	} lists[] = {
		{ "/agents", "agent", true },
		{ "/interfaces", "interface", true },
		{ "/hooks", "hook", false },
	};
	struct reply reply;
	size_t j;
	json_t *process;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		if (!ask_list(client, lists[i].what, lists[i].path, lists[i].is_for_all, &reply))
			continue;
		json_array_foreach (json_object_get(reply.json, lists[i].path + 1), j, process)
			check_process(lists[i].what, process);
		reply_done(&reply);
	}
}

/* Replies that nobody tries to send any more: of the last thousand. */
static void check_outbox(struct client *client)
{
	struct reply reply;
	size_t i, aside = 0;
	json_t *waits;
	if (!ask_list(client, "outbox", "/outbox?limit=1000", false, &reply))
		return;
	json_array_foreach (json_object_get(reply.json, "replies"), i, waits)
		aside += json_is_true(json_object_get(waits, "aside"));
	if (aside)
		doctor_say(VERDICT_WARN, "outbox",
		    "agentctl outbox says why; then outbox retry, or outbox delete",
		    "%zu %s kept aside: the platform has refused %s", aside,
		    aside == 1 ? "reply is" : "replies are", aside == 1 ? "it" : "them");
	reply_done(&reply);
}

static void check_ready(struct client *client)
{
	struct reply reply;
	if (client_exchange(client, "GET", "/ready", NULL, &reply) < 0) {
		doctor_say(VERDICT_FAIL, "server", NULL, "%s", client_failure(client));
		return;
	}
	const char *status = json_string_value(json_object_get(reply.json, "status"));
	doctor_say(reply.status == 200 ? VERDICT_OK : VERDICT_WARN, "server", NULL, "%s is %s",
	    client_address(client), status ? status : "not ready");
	const char *trouble = json_string_value(json_object_get(reply.json, "store_error"));
	if (trouble)
		doctor_say(VERDICT_FAIL, "store",
		    "make room on its disk; agentd goes on by itself then", "it cannot write: %s",
		    trouble);
	reply_done(&reply);
	check_processes(client);
	check_outbox(client);
}

/* What to do about one that does not answer. A URL is no path, and cannot be forbidden. */
static const char *advise(const struct client *client)
{
	if (access(client_address(client), W_OK) < 0 && errno == EACCES)
		return "add yourself to the group of the socket, or of its folder (usermod -aG), and to "
		       "control.admins, and log in again; or ask as root (sudo)";
	return "start it: systemctl start agentd, or agentd -c FILE";
}

void doctor_check_server(struct doctor *doctor)
{
	struct client *client;
	struct reply reply;
	if (command_client(doctor->arguments, &client)) {
		doctor_say(VERDICT_FAIL, "server", NULL, "it cannot be asked");
		return;
	}
	client_set_timeout(client, 5000);
	if (client_exchange(client, "GET", "/health", NULL, &reply) < 0) {
		doctor_say(VERDICT_FAIL, "server", advise(client), "%s", client_failure(client));
	} else {
		char *problem = client_problem(&reply);
		bool is_agentd = json_object_get(reply.json, "code") != NULL;
		if (reply.status == 200)
			check_ready(client);
		else
			doctor_say(VERDICT_FAIL, "server",
			    is_agentd ? NULL : "is it agentd that listens there?", "%s: %s",
			    client_address(client), problem);
		free(problem);
		reply_done(&reply);
	}
	client_free(client);
}

/* Room for the store. */

/* A folder that is not there yet will be made where its parents are. */
static int look_upward(char *folder, struct statvfs *space)
{
	while (statvfs(folder, space) < 0) {
		char *slash = strrchr(folder, '/');
		if (errno != ENOENT || !slash)
			return -errno;
		slash[slash == folder] = '\0';
	}
	return 0;
}

static void check_space(char *folder)
{
	struct statvfs space;
	struct buf text = { 0 };
	int error = look_upward(folder, &space);
	if (error < 0) {
		doctor_say(VERDICT_WARN, "store", NULL, "%s: %s", folder, strerror(-error));
		return;
	}
	uint64_t left = (uint64_t)space.f_bavail * space.f_frsize;
	uint64_t all = (uint64_t)space.f_blocks * space.f_frsize;
	text_add_size(&text, left);
	bool low = left < 100u << 20 || left < all / 20;
	doctor_say(low ? VERDICT_WARN : VERDICT_OK, "store",
	    low ? "make room: a full disk makes runs fail (store.max_size bounds the store)" : NULL,
	    "%s has %.*s left", folder, (int)text.length, text.data);
	if (access(folder, W_OK) < 0)
		doctor_say(geteuid() ? VERDICT_OK : VERDICT_WARN, "store", NULL,
		    "%s cannot be written by this user: %s", folder, strerror(errno));
	buf_done(&text);
}

void doctor_check_store(struct doctor *doctor)
{
	char *path = doctor_setting(doctor, "store", "path");
	char *slash = path ? strrchr(path, '/') : NULL;
	if (slash) {
		slash[slash == path] = '\0';
		check_space(path);
	}
	free(path);
}
