/*
 * landlock: files by Landlock, which knows only what is allowed. So all is allowed but the hidden
 * files: every folder on the way to one is opened up entry by entry, and the rest as whole trees. In
 * some folders files can only be read: those through which agentd could be ended or starved.
 *
 * The price: in a folder that holds such a file or folder, and in those above it, what is made after the
 * start of this process cannot be opened by it, nor can it make, remove or rename anything there
 * (a rename could put another file in the hidden one's place).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/sandbox.h"

/* Newer than Debian 12's headers. */
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14) /* ABI 3 */
#endif
#define SCOPE_ABSTRACT_UNIX_SOCKET (1ULL << 0) /* ABI 6 */
#define SCOPE_SIGNAL               (1ULL << 1) /* ABI 6 */

/* struct landlock_ruleset_attr as ABI 6 has it. */
struct ruleset_attr {
	uint64_t fs, net, scoped;
};

#define FILE_RIGHTS \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE)
#define FOLDER_RIGHTS                                                      \
	(LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |  \
	    LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |   \
	    LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |   \
	    LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | \
	    LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER)

/* What is being built. */
struct fence {
	const struct sandbox *sandbox;
	int ruleset;
	uint64_t handled; /* the rights that this kernel knows */
};

int sandbox_landlock_abi(void)
{
	return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

/* Cgroups end, freeze and starve who is in them, and may be the user's own: under `systemd --user`, and root's. What
 * /proc has of agentd is root's, since it is not dumpable, and so are the knobs of the kernel. */
static const struct {
	const char *path;
	bool from_root_only;
} to_read[] = {
	{ "/sys/fs/cgroup", false },
	{ "/proc", true },
};

/* Whether `target` is `path`, or below it. */
static bool leads_to(const char *path, const char *target)
{
	size_t n = strcmp(path, "/") == 0 ? 0 : strlen(path);
	return strncmp(target, path, n) == 0 && (target[n] == '/' || target[n] == '\0');
}

/* What is on the way to something that is not as the rest is; `ret_rights`: less, if it is where that is. */
static bool is_on_the_way(const struct sandbox *sandbox, const char *path, uint64_t *ret_rights)
{
	bool is_on = false;
	for (size_t i = 0; i < sizeof(to_read) / sizeof(to_read[0]); i++) {
		if (!leads_to(path, to_read[i].path) || (to_read[i].from_root_only && geteuid()))
			continue;
		if (strcmp(path, to_read[i].path) == 0)
			*ret_rights &= LANDLOCK_ACCESS_FS_READ_FILE;
		else
			is_on = true;
	}
	for (size_t i = 0; i < sandbox->hidden_count; i++) {
		if (!leads_to(path, sandbox->hidden[i]))
			continue;
		if (strcmp(path, sandbox->hidden[i]) == 0)
			*ret_rights = 0;
		is_on = true;
	}
	return is_on;
}

/* What cannot be opened up stays closed: it may just have gone. */
static void allow(const struct fence *fence, const char *path, uint64_t rights)
{
	struct stat st;
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && !S_ISLNK(st.st_mode)) { /* what it points to has its own place */
		if (!S_ISDIR(st.st_mode))
			rights &= FILE_RIGHTS;
		struct landlock_path_beneath_attr rule = {
			.allowed_access = rights & fence->handled, .parent_fd = fd
		};
		syscall(
		    SYS_landlock_add_rule, fence->ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	}
	close(fd);
}

static void allow_all_but_hidden(const struct fence *fence, const char *path, uint64_t rights)
{
	if (!is_on_the_way(fence->sandbox, path, &rights)) {
		allow(fence, path, rights);
		return;
	}
	DIR *folder = rights ? opendir(path) : NULL;
	const struct dirent *entry;
	while (folder && (entry = readdir(folder))) {
		char below[PATH_MAX];
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		int n = snprintf(
		    below, sizeof(below), "%s/%s", strcmp(path, "/") ? path : "", entry->d_name);
		if (n < (int)sizeof(below))
			allow_all_but_hidden(fence, below, rights);
	}
	if (folder)
		closedir(folder);
}

int sandbox_hide_files(const struct sandbox *sandbox)
{
	int version = sandbox_landlock_abi();
	if (version < 1)
		return 0; /* an old kernel, or one without Landlock */
	struct fence fence = { .sandbox = sandbox, .handled = FILE_RIGHTS | FOLDER_RIGHTS };
	if (version < 3)
		fence.handled &= ~(uint64_t)LANDLOCK_ACCESS_FS_TRUNCATE;
	if (version < 2)
		fence.handled &= ~(uint64_t)LANDLOCK_ACCESS_FS_REFER;
	/* Under ABI 1 files cannot be moved between folders at all. */
	struct ruleset_attr attr = { .fs = sandbox->files ? 0 : fence.handled };
	if (version >= 6)
		attr.scoped =
		    SCOPE_SIGNAL | (sandbox->unix_sockets ? 0 : SCOPE_ABSTRACT_UNIX_SOCKET);
	if (!attr.fs && !attr.scoped)
		return 0;
	fence.ruleset = (int)syscall(
	    SYS_landlock_create_ruleset, &attr, version >= 6 ? sizeof(attr) : sizeof(attr.fs), 0);
	if (fence.ruleset < 0)
		return -errno;
	if (attr.fs)
		allow_all_but_hidden(&fence, "/", FILE_RIGHTS | FOLDER_RIGHTS);
	int error = syscall(SYS_landlock_restrict_self, fence.ruleset, 0) < 0 ? -errno : 0;
	close(fence.ruleset);
	return error;
}
