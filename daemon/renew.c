/*
 * renew: plugins get new processes when a file that theirs could read is replaced: what takes its place is closed to
 * them (proc/replaced.h). As with a reload, but by the config that is served, and whatever the file says now.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/base/log.h"
#include "daemon/internal.h"
#include "daemon/proc/replaced.h"

/* Who develops waits for what he has written; else a folder that is never at rest must not keep plugins from theirs. */
#define GAP_MOST_MS     600000
#define GAP_MOST_DEV_MS 5000

bool daemon_hides_files(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
}

static void renew_all(struct daemon *daemon)
{
	const struct loaded *now = &daemon->now;
	daemon->view++;
	struct registry_config registry = { now->era, now->settings, now->images, daemon->view };
	struct chats_config chats = {
		.era = now->era,
		.settings = now->settings,
		.images = now->images + now->settings->agent_count,
		.auth = now->auth,
		.view = daemon->view,
	};
	if (registry_apply(daemon->registry, &registry) < 0 ||
	    chats_apply(daemon->chats, &chats) < 0)
		log_error("out of memory: some plugins go on with the processes that they have");
}

static void on_replaced(void *arg, const char *path, size_t more, uint64_t wait_ms)
{
	struct daemon *daemon = arg;
	char others[48] = "", when[64] = "";
	if (daemon->phase != PHASE_SERVING)
		return;
	if (more)
		snprintf(others, sizeof(others), " and %zu more", more);
	if (wait_ms)
		snprintf(when, sizeof(when), " in %" PRIu64 " s, since there is no end to it",
		    (wait_ms + 999) / 1000);
	log_info("%s%s %s replaced: plugins get new processes to read %s%s", path, others,
	    more ? "were" : "was", more ? "them" : "it", when);
	if (!wait_ms)
		renew_all(daemon);
}

/* Whether anybody has something hidden from it. */
static bool is_fenced(const struct settings *settings)
{
	for (size_t i = 0; i < settings_instance_count(settings); i++)
		if (!settings_instance_at(settings, i)->limits.allow_files)
			return true;
	return false;
}

/* Files of plugins are read by agentd alone, and their changes are a reload's. To be freed, and each of them. */
static int plugin_files(const struct settings *settings, struct schema_list *ret)
{
	size_t count = settings_instance_count(settings);
	*ret = (struct schema_list){ .items = calloc(count + 1, sizeof(*ret->items)) };
	if (!ret->items)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const char *path = settings_instance_at(settings, i)->plugin_path;
		char *real = path ? realpath(path, NULL) : NULL;
		if (real)
			ret->items[ret->count++] = real;
	}
	return 0;
}

static int watch(struct daemon *daemon, const struct settings *settings)
{
	static const struct schema_list nothing = { 0 };
	struct schema_list files;
	int error = plugin_files(settings, &files);
	if (error < 0)
		return error;
	error = replaced_watch(
	    daemon->replaced, is_fenced(settings) ? &settings->hidden : &nothing, &files);
	for (size_t i = 0; i < files.count; i++)
		free(files.items[i]);
	free(files.items);
	return error;
}

void daemon_heed_replaced(struct daemon *daemon, const struct settings *settings)
{
	if (!daemon_hides_files())
		return;
	int error = 0;
	if (!daemon->replaced)
		error = replaced_new(daemon->base, daemon->dev ? GAP_MOST_DEV_MS : GAP_MOST_MS,
		    on_replaced, daemon, &daemon->replaced);
	if (error == 0)
		error = watch(daemon, settings);
	if (error < 0)
		log_warn(
		    "cannot watch all folders that lead to hidden files: %s%s; after a file there "
		    "is replaced, plugins have to be restarted to read it",
		    strerror(-error),
		    error == -EMFILE   ? " (sysctl fs.inotify.max_user_instances)"
		    : error == -ENOSPC ? " (sysctl fs.inotify.max_user_watches)"
				       : "");
}
