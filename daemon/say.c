/* say: what an operator is told in the log: what is served, and on request how it does. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/buf.h"
#include "daemon/base/log.h"
#include "daemon/dev.h"
#include "daemon/internal.h"
#include "daemon/version.h"

#define FOLDERS_SAID 4

/* Whether it leads to one of the first `count`. */
static bool is_way(const struct schema_list *files, size_t count, const char *folder)
{
	size_t length = strlen(folder);
	for (size_t i = 0; i < count; i++)
		if (strncmp(files->items[i], folder, length) == 0 && files->items[i][length] == '/')
			return true;
	return false;
}

/* Of the folders that lead to hidden files, those that agentd could write to, without the root: that the others are
 * closed is nothing new to anybody. ", nor make or rename files right in /home/me/bots, /home/me" */
static void add_closed(const struct schema_list *hidden, struct buf *text)
{
	size_t count = 0;
	for (size_t i = 0; i < hidden->count; i++) {
		char folder[PATH_MAX], *slash;
		snprintf(folder, sizeof(folder), "%s", hidden->items[i]);
		while ((slash = strrchr(folder, '/')) && slash > folder && count < FOLDERS_SAID) {
			*slash = '\0';
			if (is_way(hidden, i, folder) || access(folder, W_OK) < 0)
				continue;
			const char *before =
			    count++ ? ", " : ", nor make or rename files right in ";
			buf_addf(text, "%s%s", before, folder);
		}
	}
}

/* Who runs agentd beside what its agents write should know why that fails. */
static void daemon_say_hidden(const struct schema_list *hidden)
{
	if (hidden->count == 0 || !daemon_hides_files())
		return;
	struct buf text = { 0 };
	buf_addf(&text, "plugins cannot read %s", hidden->items[0]);
	add_closed(hidden, &text);
	buf_add(&text, "", 1);
	if (!text.failed)
		log_info("%s", text.data);
	buf_done(&text);
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
	daemon_say_hidden(&daemon->now.settings->hidden);
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
