/*
 * load: dlopen and the descriptor's checks.
 *
 * Every struct says its size. Smaller than ours: the rest is zero. Larger: accepted only if what we
 * do not know is zero (the kernel's copy_struct_from_user rule), since then nothing is asked of us
 * that we would silently not do.
 */
#include "host/load.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS_MAX  256
#define TRIGGERS_MAX 256
#define PATHS_MAX    16
#define FLAGS_KNOWN  AGENTD_BLOCKING

int load_copy(void *into, size_t ours, const void *from, size_t theirs)
{
	const unsigned char *bytes = from;
	for (size_t i = ours; i < theirs; i++)
		if (bytes[i])
			return -1;
	memset(into, 0, ours);
	memcpy(into, from, theirs < ours ? theirs : ours);
	return 0;
}

/* The descriptor, with as many bytes behind it as it says it has. */
static const void *find_descriptor(int fd, char *reason, size_t size)
{
	char path[32];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!object) {
		/* "/proc/self/fd/4: undefined symbol: x": the path tells nobody anything. */
		const char *error = dlerror(), *rest = strstr(error, ": ");
		snprintf(reason, size, "cannot be loaded: %s", rest ? rest + 2 : error);
		return NULL;
	}
	const uint32_t *head = dlsym(object, "agentd_plugin");
	if (!head) {
		snprintf(
		    reason, size, "is not an agentd plugin: it has no symbol \"agentd_plugin\"");
		return NULL;
	}
	Dl_info info;
	const ElfW(Sym) *symbol = NULL;
	dladdr1(head, &info, (void **)(uintptr_t)&symbol, RTLD_DL_SYMENT);
	size_t there = symbol ? symbol->st_size : 0;
	if (there < 3 * sizeof(*head) || head[0] != AGENTD_MAGIC) {
		snprintf(reason, size, "has a symbol \"agentd_plugin\" that is no descriptor");
		return NULL;
	}
	if (head[1] != AGENTD_ABI) {
		snprintf(reason, size,
		    "was built for plugin ABI %u, this agentd has ABI %u: build it again", head[1],
		    AGENTD_ABI);
		return NULL;
	}
	if (head[2] > there || head[2] < offsetof(struct agentd_plugin, name)) {
		snprintf(reason, size, "has a descriptor of %zu bytes that says it has %u", there,
		    head[2]);
		return NULL;
	}
	return head;
}

static int copy_options(struct plugin *plugin, char *reason, size_t size)
{
	const struct agentd_plugin *head = &plugin->head;
	if (head->option_count > OPTIONS_MAX || (head->option_count && !head->options)) {
		snprintf(reason, size, "has a broken option table (%zu rows)", head->option_count);
		return -1;
	}
	plugin->options = calloc(head->option_count + 1, sizeof(*plugin->options));
	if (!plugin->options) {
		snprintf(reason, size, "out of memory");
		return -1;
	}
	const char *row = (const char *)head->options;
	for (size_t i = 0; i < head->option_count; i++, row += head->option_size) {
		struct agentd_option *option = &plugin->options[i];
		if (load_copy(option, sizeof(*option), row, head->option_size) < 0) {
			snprintf(reason, size, "has options that need a newer agentd");
			return -1;
		}
		if (!option->key || !option->key[0] || option->type < AGENTD_STRING ||
		    option->type > AGENTD_JSON) {
			snprintf(reason, size,
			    "has no key or a wrong type in row %zu of its options", i);
			return -1;
		}
	}
	return 0;
}

/* What is wrong with a trigger that no agent.conf could put right; NULL: nothing. */
static const char *trigger_fault(const struct agentd_trigger *triggers, size_t i)
{
	const struct agentd_trigger *trigger = &triggers[i];
	if (!trigger->name || !trigger->name[0])
		return "no name";
	if (trigger->type < AGENTD_WEBHOOK || trigger->type > AGENTD_EVENT)
		return "a type that this agentd does not know";
	if (trigger->flags & ~AGENTD_NO_AUTH)
		return "a flag that this agentd does not know";
	if (!trigger->handle)
		return "no handler";
	for (size_t j = 0; j < i; j++)
		if (strcmp(triggers[j].name, trigger->name) == 0)
			return "the name of an earlier one";
	return NULL;
}

static int copy_triggers(struct plugin *plugin, char *reason, size_t size)
{
	const struct agentd_plugin *head = &plugin->head;
	if (head->trigger_count > TRIGGERS_MAX ||
	    (head->trigger_count && (!head->triggers || !head->trigger_size))) {
		snprintf(reason, size,
		    "has a broken table of triggers (%zu rows); use AGENTD_TRIGGERS",
		    head->trigger_count);
		return -1;
	}
	plugin->triggers = calloc(head->trigger_count + 1, sizeof(*plugin->triggers));
	if (!plugin->triggers) {
		snprintf(reason, size, "out of memory");
		return -1;
	}
	const char *row = (const char *)head->triggers;
	for (size_t i = 0; i < head->trigger_count; i++, row += head->trigger_size) {
		struct agentd_trigger *trigger = &plugin->triggers[i];
		if (load_copy(trigger, sizeof(*trigger), row, head->trigger_size) < 0) {
			snprintf(reason, size, "has triggers that need a newer agentd");
			return -1;
		}
		const char *fault = trigger_fault(plugin->triggers, i);
		if (fault) {
			snprintf(reason, size, "has %s in row %zu of its triggers%s%.64s%s", fault,
			    i, trigger->name && trigger->name[0] ? " (" : "",
			    trigger->name ? trigger->name : "",
			    trigger->name && trigger->name[0] ? ")" : "");
			return -1;
		}
	}
	return 0;
}

static int copy_paths(struct plugin *plugin, char *reason, size_t size)
{
	const struct agentd_plugin *head = &plugin->head;
	if (head->path_count > PATHS_MAX ||
	    (head->path_count && (!head->paths || !head->path_size))) {
		snprintf(reason, size, "has a broken table of paths (%zu rows); use AGENTD_PATHS",
		    head->path_count);
		return -1;
	}
	plugin->paths = calloc(head->path_count + 1, sizeof(*plugin->paths));
	if (!plugin->paths) {
		snprintf(reason, size, "out of memory");
		return -1;
	}
	const char *row = (const char *)head->paths;
	for (size_t i = 0; i < head->path_count; i++, row += head->path_size) {
		struct agentd_path *path = &plugin->paths[i];
		if (load_copy(path, sizeof(*path), row, head->path_size) < 0) {
			snprintf(reason, size, "has paths that need a newer agentd");
			return -1;
		}
		if (!path->method || !path->path) {
			snprintf(
			    reason, size, "has no method or no path in row %zu of its paths", i);
			return -1;
		}
	}
	return 0;
}

/* The functions of each kind. NULL: they are as they must be; else what is missing. */

static const char *take_agent(struct plugin *plugin)
{
	const struct agentd_agent_ops *theirs = plugin->head.agent;
	if (theirs && load_copy(&plugin->agent, sizeof(plugin->agent), theirs, theirs->size) < 0)
		return "needs a newer agentd";
	plugin->open = plugin->agent.open;
	plugin->close = plugin->agent.close;
	return plugin->agent.run ? NULL : "is an agent without a `run`";
}

static const char *take_interface(struct plugin *plugin)
{
	const struct agentd_interface_ops *theirs = plugin->head.interface,
					  *ours = &plugin->interface;
	if (theirs && load_copy(&plugin->interface, sizeof(*ours), theirs, theirs->size) < 0)
		return "needs a newer agentd";
	plugin->open = ours->open;
	plugin->close = ours->close;
	if (!ours->start || !ours->stop || !ours->send)
		return "is an interface without a `start`, a `stop` or a `send`";
	if (plugin->head.path_count && !ours->http)
		return "is an interface with paths, and without an `http`";
	return NULL;
}

static const char *take_hook(struct plugin *plugin)
{
	const struct agentd_hook_ops *theirs = plugin->head.hook, *ours = &plugin->hook;
	if (theirs && load_copy(&plugin->hook, sizeof(*ours), theirs, theirs->size) < 0)
		return "needs a newer agentd";
	plugin->open = ours->open;
	plugin->close = ours->close;
	if (!ours->on_message && !ours->before_run && !ours->after_run && !ours->on_error)
		return "is a hook without a function";
	return NULL;
}

static const char *(*const takers[])(struct plugin *plugin) = {
	[AGENTD_AGENT] = take_agent,
	[AGENTD_INTERFACE] = take_interface,
	[AGENTD_HOOK] = take_hook,
};

/* What only agents have. */
static const char *misplaced(const struct agentd_plugin *head)
{
	if (head->kind == AGENTD_AGENT)
		return head->path_count
			   ? "is an agent with paths, which interfaces have; an agent's "
			     "are webhooks, among its triggers"
			   : NULL;
	if (head->flags & AGENTD_BLOCKING)
		return "is blocking (AGENTD_BLOCKING), and no agent";
	return head->trigger_count ? "has triggers, and is no agent" : NULL;
}

int load_plugin(int fd, struct plugin *ret, char *reason, size_t size)
{
	const void *found = find_descriptor(fd, reason, size);
	if (!found)
		return -1;
	struct plugin plugin = { 0 };
	const struct agentd_plugin *theirs = found;
	if (load_copy(&plugin.head, sizeof(plugin.head), theirs, theirs->size) < 0 ||
	    plugin.head.flags & ~FLAGS_KNOWN) {
		snprintf(reason, size, "needs a newer agentd");
		return -1;
	}
	if (!plugin.head.name || !plugin.head.version) {
		snprintf(reason, size, "has a descriptor without a name or a version");
		return -1;
	}
	uint32_t kind = plugin.head.kind;
	if (kind < AGENTD_AGENT || kind > AGENTD_HOOK) {
		snprintf(reason, size, "is of kind %u, which this agentd does not know", kind);
		return -1;
	}
	const char *fault = takers[kind](&plugin);
	if (!fault)
		fault = misplaced(&plugin.head);
	if (fault) {
		snprintf(reason, size, "%s", fault);
		return -1;
	}
	if (copy_options(&plugin, reason, size) < 0 || copy_triggers(&plugin, reason, size) < 0 ||
	    copy_paths(&plugin, reason, size) < 0)
		return -1;
	*ret = plugin;
	return 0;
}
