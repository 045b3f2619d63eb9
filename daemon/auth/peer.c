/* peer: users of this machine. */
#include "daemon/auth/peer.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ORDINARY_UID_MIN 1000 /* below are root and services (login.defs: UID_MIN) */
#define ANCESTORS_MAX    64

struct peers {
	size_t count;
	struct {
		uid_t uid;
		struct principal *who;
	} users[];
};

static bool add(struct peers *peers, uid_t uid, const char *name)
{
	char user[300];
	snprintf(user, sizeof(user), "unix_%s", name);
	struct principal who = { .provider = "",
		.label = "control",
		.user_id = user,
		.admin = true,
		.sight = SEES_ALL };
	peers->users[peers->count].uid = uid;
	peers->users[peers->count].who = principal_new(&who);
	return peers->users[peers->count++].who != NULL;
}

static bool add_named(
    struct peers *peers, const struct settings *settings, size_t i, struct conf_errors *errors)
{
	const char *name = settings->control.admins.items[i];
	const struct conf_node *list = conf_get(conf_get(settings->tree, "control"), "admins");
	const struct passwd *found = getpwnam(name);
	if (found)
		return add(peers, found->pw_uid, name);
	conf_error(errors, list && list->kind == CONF_LIST ? list->items[i] : list,
	    "there is no user \"%s\" on this machine", name);
	return true;
}

/* A service's user is also that of its plugins; an ordinary user is a person, too, and so is whoever
 * develops. */
static bool add_own(struct peers *peers, const struct settings *settings)
{
	uid_t uid = geteuid();
	if (uid < ORDINARY_UID_MIN && !settings->dev.is_on)
		return true;
	const struct passwd *found = getpwuid(uid);
	char number[16];
	snprintf(number, sizeof(number), "%u", uid);
	return add(peers, uid, found ? found->pw_name : number);
}

struct peers *peers_new(const struct settings *settings, struct conf_errors *errors)
{
	size_t admins = settings->control.admins.count;
	struct peers *peers = calloc(1, sizeof(*peers) + (admins + 2) * sizeof(peers->users[0]));
	if (!peers)
		return NULL;
	bool ok = add(peers, 0, "root");
	for (size_t i = 0; ok && i < admins; i++)
		ok = add_named(peers, settings, i, errors);
	if (ok && add_own(peers, settings))
		return peers;
	peers_free(peers);
	return NULL;
}

void peers_free(struct peers *peers)
{
	for (size_t i = 0; peers && i < peers->count; i++)
		principal_unref(peers->users[i].who);
	free(peers);
}

/* 0: nobody, as of the topmost process of a container; -1: it is gone. */
static pid_t parent_of(pid_t pid)
{
	char path[32], text[512];
	int parent;
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	const char *name_end = strrchr(text, ')'); /* the name may hold anything */
	return name_end && sscanf(name_end + 1, " %*c %d", &parent) == 1 ? parent : -1;
}

/* agentd is a subreaper, so all that its processes start stays below it. What is gone, or cannot be
 * seen from here, is taken for one of them. */
static bool is_ours(pid_t pid)
{
	bool is_seen = pid > 0;
	for (int i = 0; i < ANCESTORS_MAX && pid > 0; i++) {
		if (pid == getpid())
			return true;
		pid = parent_of(pid);
	}
	return !is_seen || pid != 0;
}

enum auth_verdict peers_ask(const struct peers *peers, const struct ucred *peer,
    struct principal **ret_who, const char **ret_why)
{
	/* What agentd starts has its user, and no way to another (no_new_privs, no capabilities); of other
	 * users' processes /proc may show nothing. */
	*ret_why = "what agentd has started may not use its control socket";
	if (peer->uid == geteuid() && is_ours(peer->pid))
		return AUTH_REFUSED;
	return peers_ask_again(peers, peer, ret_who, ret_why);
}

enum auth_verdict peers_ask_again(const struct peers *peers, const struct ucred *peer,
    struct principal **ret_who, const char **ret_why)
{
	*ret_why = "this user is not among control.admins";
	for (size_t i = 0; i < peers->count; i++)
		if (peers->users[i].uid == peer->uid) {
			*ret_who = principal_ref(peers->users[i].who);
			return AUTH_KNOWN;
		}
	return AUTH_REFUSED;
}
