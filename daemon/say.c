/* say: what an operator is told in the log: what is served, and on request how it does. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/buf.h"
#include "daemon/base/log.h"
#include "daemon/conf/file.h"
#include "daemon/dev.h"
#include "daemon/internal.h"
#include "daemon/version.h"

#define FOLDERS_SAID 4

/* What leads to a hidden file. */

static bool is_way(const char *folder, size_t length, const char *file)
{
	return strncmp(file, folder, length) == 0 && file[length] == '/';
}

static bool is_way_to_any(const struct settings *settings, const char *folder, size_t length)
{
	for (size_t i = 0; i < settings->hidden.count; i++)
		if (is_way(folder, length, settings->hidden.items[i]))
			return true;
	return false;
}

/* Of those that agentd could write to, without the root: the others are nothing new to anybody. */
static bool is_worth_saying(const char *file, size_t length)
{
	char folder[PATH_MAX];
	int n = snprintf(folder, sizeof(folder), "%.*s", (int)length, file);
	return n > 0 && n < (int)sizeof(folder) && access(folder, W_OK) == 0;
}

/* ", or right in /tmp, /home/me and 2 more": without the folder of the first file, and none twice. */
static void add_above(const struct settings *settings, struct buf *text)
{
	const struct schema_list *hidden = &settings->hidden;
	size_t first = (size_t)(strrchr(hidden->items[0], '/') - hidden->items[0]), count = 0;
	for (size_t i = 0; i < hidden->count; i++) {
		const char *file = hidden->items[i];
		for (size_t n = strlen(file); n; n--) {
			bool is_said = i == 0 && n >= first;
			for (size_t j = 0; j < i && !is_said; j++)
				is_said = is_way(file, n, hidden->items[j]);
			if (file[n] != '/' || is_said || !is_worth_saying(file, n))
				continue;
			if (count++ < FOLDERS_SAID)
				buf_addf(text, "%s%.*s", count == 1 ? ", or right in " : ", ",
				    (int)n, file);
		}
	}
	if (count > FOLDERS_SAID)
		buf_addf(text, " and %zu more", count - FOLDERS_SAID);
}

/* Where the programs of an agent work, without links, to be freed. NULL: it is not there. */
static char *work_folder(const struct instance_settings *instance)
{
	const struct conf_node *cwd = conf_get(instance->section, "cwd");
	const struct conf_node *at = cwd ? cwd : instance->section;
	char *path = conf_file_beside(at && at->line ? at->file : "", cwd ? cwd->text : ".");
	char *real = path ? realpath(path, NULL) : NULL;
	free(path);
	return real;
}

/* Whoever writes an agent in a script meets it first. Said of one. */
static bool say_program(const struct settings *settings, const struct instance_settings *instance)
{
	char *folder = work_folder(instance);
	bool is_cwd = folder && is_way_to_any(settings, folder, strlen(folder));
	bool is_tmp = is_way_to_any(settings, "/tmp", strlen("/tmp")) &&
		      !(is_cwd && strcmp(folder, "/tmp") == 0);
	if (is_cwd || is_tmp)
		log_info(
		    "%s: its program can make no files right in %s%s%s; a cwd of its own%s, or "
		    "allow: [ files ], would let it",
		    instance->label, is_cwd ? folder : "", is_cwd && is_tmp ? " and " : "",
		    is_tmp ? "/tmp" : "", is_tmp ? ", a config elsewhere" : "");
	free(folder);
	return is_cwd || is_tmp;
}

static void say_programs(const struct daemon *daemon)
{
	const struct agent *agent;
	for (size_t i = 0; (agent = registry_at(daemon->registry, i)); i++) {
		const struct instance_settings *instance = &agent_settings(agent)->instance;
		if (strcmp(agent_descriptor(agent)->name, "exec") == 0 &&
		    !instance->limits.allow_files && say_program(daemon->now.settings, instance))
			return;
	}
}

/* Who runs agentd beside what its agents write should know why that fails. */
static void daemon_say_hidden(const struct daemon *daemon)
{
	const struct settings *settings = daemon->now.settings;
	if (settings->hidden.count == 0 || !daemon_hides_files())
		return;
	const char *file = settings->hidden.items[0];
	struct buf above = { 0 };
	add_above(settings, &above);
	buf_add(&above, "", 1);
	log_info("plugins cannot read %s, nor make or rename files beside it%s", file,
	    above.failed ? "" : above.data);
	buf_done(&above);
	say_programs(daemon);
}

static void daemon_say_chats(const struct daemon *daemon)
{
	const struct interface *interface;
	const struct hook *hook;
	for (size_t i = 0; (interface = chats_interface_at(daemon->chats, i)); i++) {
		const struct interface_settings *settings = interface_settings(interface);
		const struct descriptor *plugin = interface_descriptor(interface);
		log_info("%s: %s %s from %s, for agent %s%s", settings->instance.label,
		    plugin->name, plugin->version, settings->instance.plugin_path, settings->agent,
		    settings->open ? " (open to everybody)" : "");
		for (size_t j = 0; j < settings->path_count; j++)
			log_info("%s %s is answered by %s", settings->paths[j].method,
			    settings->paths[j].path, settings->instance.label);
	}
	for (size_t i = 0; (hook = chats_hook_at(daemon->chats, i)); i++) {
		const struct descriptor *plugin = hook_descriptor(hook);
		log_info("%s: %s %s from %s", hook_settings(hook)->instance.label, plugin->name,
		    plugin->version, hook_settings(hook)->instance.plugin_path);
	}
}

static void daemon_say_triggers(const struct daemon *daemon)
{
	const struct trigger *trigger;
	for (enum trigger_kind kind = 0; kind < TRIGGER_KINDS; kind++)
		for (size_t i = 0; (trigger = triggers_at(daemon->triggers, kind, i)); i++)
			log_info("%s runs %s", trigger->source,
			    agent_settings(trigger->agent)->instance.label);
}

/* Who develops finds the page of the API by it. */
static void daemon_say_docs(const struct daemon *daemon)
{
	const char *address;
	for (size_t i = 0; (address = http_server_address(daemon->http, i)); i++) {
		if (strncmp(address, "unix:", 5) == 0)
			continue;
		log_info("dev mode: the API can be tried at http://%s/docs", address);
		return;
	}
}

void daemon_say_all(const struct daemon *daemon)
{
	const struct provider_settings *auth = daemon->now.settings->http.auth;
	const struct control_settings *control = &daemon->now.settings->control;
	const struct agent *agent;
	const char *address;
	log_info("agentd %s serves \"%s\" (pid %d)", AGENTD_VERSION, daemon->now.settings->name,
	    getpid());
	for (size_t i = 0; (agent = registry_at(daemon->registry, i)); i++) {
		const struct descriptor *plugin = agent_descriptor(agent);
		log_info("%s: %s %s from %s%s", agent_settings(agent)->instance.label, plugin->name,
		    plugin->version, agent_settings(agent)->instance.plugin_path,
		    agent == registry_default(daemon->registry) ? " (default)" : "");
	}
	daemon_say_chats(daemon);
	daemon_say_triggers(daemon);
	daemon_say_hidden(daemon);
	if (daemon->now.settings->store.enabled)
		log_info("runs and sessions are kept in %s", daemon->now.settings->store.path);
	else
		log_info("sessions are kept in memory: they end with this process; runs are not "
			 "kept, so no background runs and no Idempotency-Key");
	for (size_t i = 0; (address = http_server_address(daemon->http, i)); i++)
		log_info("listening on %s%s (%s%s)", strncmp(address, "unix:", 5) ? "http://" : "",
		    address, auth ? "auth " : "no auth", auth ? auth->name : "");
	if (!http_server_address(daemon->http, 0))
		log_info("HTTP is off (http.enabled, http.listen)");
	if (daemon->dev) {
		dev_say(daemon->dev);
		daemon_say_docs(daemon);
	}
	if (daemon->has_control)
		log_info("agentctl finds it at %s", control->socket);
	else if (!control->socket && !control->is_given)
		log_info("there is no socket for agentctl: XDG_RUNTIME_DIR is not set, and "
			 "control.socket names none");
}

static void daemon_dump_chats(const struct daemon *daemon)
{
	const struct interface *interface;
	const struct hook *hook;
	for (size_t i = 0; (interface = chats_interface_at(daemon->chats, i)); i++) {
		struct interface_view view;
		interface_look(interface, &view);
		log_info("state: %s: %s, pid %d, generation %u, %u restart%s, %" PRIu64
			 " received, %" PRIu64 " answered, %" PRIu64 " failed, %zu waiting",
		    interface_settings(interface)->instance.label, state_name(view.state), view.pid,
		    view.generation, view.restarts, view.restarts == 1 ? "" : "s", view.received,
		    view.answered, view.failed, view.waiting);
	}
	for (size_t i = 0; (hook = chats_hook_at(daemon->chats, i)); i++) {
		struct hook_view view;
		hook_look(hook, &view);
		log_info("state: %s: %s, pid %d, generation %u, %u restart%s, %" PRIu64
			 " calls, %zu waiting",
		    hook_settings(hook)->instance.label, state_name(view.state), view.pid,
		    view.generation, view.restarts, view.restarts == 1 ? "" : "s", view.calls,
		    view.waiting);
	}
}

void daemon_say_state(const struct daemon *daemon)
{
	const struct agent *agent;
	size_t live = runs_live(daemon->runs);
	log_info("state: %zu run%s not ended", live, live == 1 ? " has" : "s have");
	for (size_t i = 0; (agent = registry_at(daemon->registry, i)); i++) {
		struct agent_view view;
		agent_look(agent, &view);
		log_info(
		    "state: %s: %s, pid %d, generation %u, %u restart%s, %zu running, %zu queued",
		    agent_settings(agent)->instance.label, state_name(view.state),
		    view.pid_count ? view.pids[0] : 0, view.generation, view.restarts,
		    view.restarts == 1 ? "" : "s", view.running, view.queued);
	}
	daemon_dump_chats(daemon);
}
