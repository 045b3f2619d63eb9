/* replaced: a sorted list of what is known, and events that look into it. */
#include "daemon/proc/replaced.h"

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/id.h"
#include "daemon/conf/schema.h"

#define MASK         (IN_CREATE | IN_MOVED_TO | IN_ONLYDIR | IN_DONT_FOLLOW)
#define READS_A_TURN 16
/* Of a folder: so many turns come at once, then each doubles the time to the next; one is forgotten after a while. */
#define FREE_TURNS 4u
#define GAP_MS     5000
#define FORGET_MS  600000

/* What editors write while they save, and keep of what was there; and what shells, pagers and desktops replace in $HOME
 * as one works. */
static const char *const passed_over[] = {
	"*~",
	"#*#",
	".#*",
	".*.sw?",
	".*_history",
	".viminfo",
	".lesshst",
	".wget-hsts",
	".*authority",
	".zcompdump*",
	".xsession-errors*",
};

struct folder {
	int wd;
	char *path;
	bool is_open; /* to everybody */
	unsigned turns;
	uint64_t turn_ms; /* the last one, or when one was forgotten */
	bool is_told;     /* that there is one to come */
};

struct entry {
	char *path;
	unsigned dev_major, dev_minor;
	uint64_t ino;
	bool is_touched; /* it may be another */
};

struct list {
	struct entry *entries; /* by path */
	size_t count, room;
	int error;
};

struct replaced {
	int fd;
	struct event *readable, *timer, *learner;
	replaced_fn *told;
	void *arg;     /* borrowed */
	char **passed; /* paths that do not count */
	size_t passed_count;
	uint64_t gap_most_ms;
	struct folder *folders;
	size_t folder_count;
	struct list known;
	bool has_new;      /* names that are not known */
	uint64_t first_ms; /* of the events that have not been heeded; 0: there is none */
};

/* Lists. */

static void list_done(struct list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->entries[i].path);
	free(list->entries);
	*list = (struct list){ 0 };
}

/* Takes over the path. */
static void list_add(struct list *list, const struct entry *entry)
{
	if (list->count == list->room && list->count < REPLACED_ENTRIES_MAX) {
		size_t room = list->room ? list->room * 2 : 64;
		struct entry *entries = reallocarray(list->entries, room, sizeof(*entries));
		if (entries) {
			list->entries = entries;
			list->room = room;
		}
	}
	if (list->count < list->room && entry->path) {
		list->entries[list->count++] = *entry;
		return;
	}
	list->error = list->count == REPLACED_ENTRIES_MAX ? -E2BIG : -ENOMEM;
	free(entry->path);
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->path, ((const struct entry *)b)->path);
}

static struct entry *list_find(const struct list *list, char *path)
{
	struct entry key = { .path = path };
	return list->count ? bsearch(&key, list->entries, list->count, sizeof(key), compare) : NULL;
}

/* Folders. */

static char *join(const char *folder, const char *name)
{
	char *path;
	return asprintf(&path, "%s/%s", strcmp(folder, "/") ? folder : "", name) < 0 ? NULL : path;
}

static struct folder *find_folder(const struct replaced *replaced, const char *path, size_t length)
{
	for (size_t i = 0; i < replaced->folder_count; i++) {
		struct folder *folder = &replaced->folders[i];
		if (strncmp(folder->path, path, length) == 0 && folder->path[length] == '\0')
			return folder;
	}
	return NULL;
}

/* NULL: it is not watched any more. */
static struct folder *folder_of(const struct replaced *replaced, const char *path)
{
	size_t length = (size_t)(strrchr(path, '/') - path);
	return find_folder(replaced, path, length ? length : 1);
}

static struct folder *folder_by_wd(const struct replaced *replaced, int wd)
{
	for (size_t i = 0; i < replaced->folder_count; i++)
		if (replaced->folders[i].wd == wd)
			return &replaced->folders[i];
	return NULL;
}

/* When the next turn may come. */
static uint64_t folder_due(const struct replaced *replaced, struct folder *folder)
{
	uint64_t now = clock_monotonic_ms();
	while (folder->turns && now - folder->turn_ms >= FORGET_MS) {
		folder->turns--;
		folder->turn_ms += FORGET_MS;
	}
	if (folder->turns < FREE_TURNS)
		return now;
	unsigned doubled = folder->turns - FREE_TURNS;
	uint64_t gap = doubled < 16 ? (uint64_t)GAP_MS << doubled : UINT64_MAX;
	return folder->turn_ms + (gap < replaced->gap_most_ms ? gap : replaced->gap_most_ms);
}

static void folder_turn(struct folder *folder)
{
	folder->turns++;
	folder->turn_ms = clock_monotonic_ms();
	folder->is_told = false;
}

/* Looking. */

static bool is_passed(const struct replaced *replaced, const char *path)
{
	for (size_t i = 0; i < replaced->passed_count; i++)
		if (strcmp(replaced->passed[i], path) == 0)
			return true;
	return false;
}

static bool is_passed_over(const char *name)
{
	for (size_t i = 0; i < sizeof(passed_over) / sizeof(passed_over[0]); i++)
		if (fnmatch(passed_over[i], name, 0) == 0)
			return true;
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Without asking the server of a file system that may be gone. */
static bool look_at(int folder, const char *name, struct statx *ret)
{
	return statx(folder, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
		   STATX_TYPE | STATX_INO | STATX_UID, ret) == 0;
}

static bool is_ours(const struct folder *folder, const struct statx *st)
{
	return !folder->is_open || st->stx_uid == 0 || st->stx_uid == geteuid();
}

static void scan_folder(const struct replaced *replaced, struct folder *folder, struct list *list)
{
	DIR *open = opendir(folder->path);
	const struct dirent *name;
	struct stat its;
	if (!open)
		return;
	folder->is_open = fstat(dirfd(open), &its) == 0 && (its.st_mode & S_IWOTH);
	while ((name = readdir(open))) {
		struct statx st;
		if (is_passed_over(name->d_name) || !look_at(dirfd(open), name->d_name, &st) ||
		    !is_ours(folder, &st))
			continue;
		struct entry entry = {
			.path = join(folder->path, name->d_name),
			.dev_major = st.stx_dev_major,
			.dev_minor = st.stx_dev_minor,
			.ino = st.stx_ino,
		};
		if (entry.path && is_passed(replaced, entry.path))
			free(entry.path);
		else
			list_add(list, &entry);
	}
	closedir(open);
}

/* All that is there, sorted. */
static void scan(const struct replaced *replaced, struct list *ret)
{
	*ret = (struct list){ 0 };
	for (size_t i = 0; i < replaced->folder_count; i++)
		scan_folder(replaced, &replaced->folders[i], ret);
	if (ret->count)
		qsort(ret->entries, ret->count, sizeof(*ret->entries), compare);
}

static bool is_same(const struct entry *entry, const struct statx *st)
{
	return entry->ino == st->stx_ino && entry->dev_major == st->stx_dev_major &&
	       entry->dev_minor == st->stx_dev_minor;
}

static bool is_replaced(const struct folder *folder, const struct entry *entry)
{
	struct statx st;
	return look_at(AT_FDCWD, entry->path, &st) && !S_ISLNK(st.stx_mode) &&
	       is_ours(folder, &st) && !is_same(entry, &st);
}

/* Telling. */

static void arm(struct event *timer, uint64_t after_ms)
{
	struct timeval wait = { .tv_sec = (time_t)(after_ms / 1000),
		.tv_usec = (suseconds_t)(after_ms % 1000 * 1000) };
	event_add(timer, &wait);
}

static void stir(struct replaced *replaced)
{
	uint64_t now = clock_monotonic_ms();
	if (!replaced->first_ms)
		replaced->first_ms = now;
	uint64_t quiet = now + REPLACED_QUIET_MS, most = replaced->first_ms + REPLACED_MOST_MS;
	arm(replaced->timer, quiet < most ? REPLACED_QUIET_MS : most > now ? most - now : 0);
}

/* What one look has found. */
struct found {
	const struct entry *due, *later; /* the first of each; NULL: none */
	size_t count;                    /* of both */
	uint64_t due_ms;                 /* the earliest of those that are later */
};

static void look(struct replaced *replaced, struct found *ret)
{
	uint64_t now = clock_monotonic_ms();
	*ret = (struct found){ .due_ms = UINT64_MAX };
	for (size_t i = 0; i < replaced->known.count; i++) {
		struct entry *entry = &replaced->known.entries[i];
		struct folder *folder = entry->is_touched ? folder_of(replaced, entry->path) : NULL;
		entry->is_touched = folder && is_replaced(folder, entry);
		if (!entry->is_touched)
			continue;
		uint64_t due_ms = folder_due(replaced, folder);
		ret->count++;
		if (due_ms <= now && !ret->due) {
			ret->due = entry;
		} else if (due_ms > now && due_ms < ret->due_ms) {
			ret->due_ms = due_ms;
			ret->later = entry;
		}
	}
}

/* Each folder that has something has had its turn. */
static void count_turns(struct replaced *replaced)
{
	const struct folder *last = NULL;
	for (size_t i = 0; i < replaced->known.count; i++) {
		const struct entry *entry = &replaced->known.entries[i];
		struct folder *folder = entry->is_touched ? folder_of(replaced, entry->path) : NULL;
		if (folder && folder != last)
			folder_turn(folder);
		last = folder ? folder : last;
	}
}

/* A folder may have been replaced itself. */
static void watch_again(struct replaced *replaced)
{
	for (size_t i = 0; i < replaced->folder_count; i++) {
		int before = replaced->folders[i].wd;
		replaced->folders[i].wd =
		    inotify_add_watch(replaced->fd, replaced->folders[i].path, MASK);
		if (!folder_by_wd(replaced, before))
			inotify_rm_watch(replaced->fd, before);
	}
}

/* Without memory what was known stays, and counts as replaced when it is touched again. */
static void know(struct replaced *replaced)
{
	struct list now;
	watch_again(replaced);
	scan(replaced, &now);
	if (now.error != -ENOMEM) {
		list_done(&replaced->known);
		replaced->known = now;
		replaced->has_new = false;
		return;
	}
	list_done(&now);
	for (size_t i = 0; i < replaced->known.count; i++)
		replaced->known.entries[i].is_touched = false;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct replaced *replaced = arg;
	struct found found;
	replaced->first_ms = 0;
	look(replaced, &found);
	char *path = found.due ? strdup(found.due->path) : NULL;
	if (path) {
		count_turns(replaced);
		know(replaced);
		replaced->told(replaced->arg, path, found.count - 1, 0);
		free(path);
		return;
	}
	if (found.due) {
		stir(replaced); /* memory is out */
	} else if (found.later) {
		struct folder *folder = folder_of(replaced, found.later->path);
		uint64_t now = clock_monotonic_ms(), wait_ms = found.due_ms - now;
		arm(replaced->timer, found.due_ms > now ? wait_ms : 0);
		if (!folder->is_told && found.due_ms > now)
			replaced->told(replaced->arg, found.later->path, found.count - 1, wait_ms);
		folder->is_told = true;
	}
}

/* Events. */

static void on_event(struct replaced *replaced, const struct inotify_event *event)
{
	const struct folder *folder = folder_by_wd(replaced, event->wd);
	if (event->mask & IN_Q_OVERFLOW) {
		for (size_t i = 0; i < replaced->known.count; i++)
			replaced->known.entries[i].is_touched = true;
		replaced->has_new = true;
		stir(replaced);
	}
	char *path = folder && event->len ? join(folder->path, event->name) : NULL;
	struct entry *entry = path ? list_find(&replaced->known, path) : NULL;
	free(path);
	if (!entry) {
		replaced->has_new = true;
		return;
	}
	entry->is_touched = true;
	stir(replaced);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	struct replaced *replaced = arg;
	union {
		struct inotify_event event; /* for its alignment */
		char bytes[16384];
	} buffer;
	for (int i = 0; i < READS_A_TURN; i++) {
		ssize_t got = read(fd, buffer.bytes, sizeof(buffer.bytes));
		if (got <= 0)
			return;
		for (size_t at = 0; at < (size_t)got;) {
			const struct inotify_event *event =
			    (const struct inotify_event *)(const void *)(buffer.bytes + at);
			on_event(replaced, event);
			at += sizeof(*event) + event->len;
		}
	}
}

/* Learning. */

/* Of both lists, or of one. What is gone stays: it may come back. Consumes the entries. */
static void merge_one(
    struct replaced *replaced, struct list *list, const struct entry *old, const struct entry *new)
{
	struct entry entry = old ? *old : *new;
	if (old && new) {
		entry.is_touched |= old->ino != new->ino || old->dev_major != new->dev_major ||
				    old->dev_minor != new->dev_minor;
		free(new->path);
	} else if (old && (is_passed(replaced, old->path) || !folder_of(replaced, old->path))) {
		free(old->path);
		return;
	}
	if (entry.is_touched)
		stir(replaced);
	list_add(list, &entry);
}

/* What is there is known as well. */
static int learn(struct replaced *replaced)
{
	struct list now, merged = { 0 }, *known = &replaced->known;
	size_t i = 0, j = 0;
	scan(replaced, &now);
	int error = now.error;
	if (error == -ENOMEM) {
		list_done(&now);
		return error;
	}
	while (i < known->count || j < now.count) {
		struct entry *old = i < known->count ? &known->entries[i] : NULL;
		struct entry *new = j < now.count ? &now.entries[j] : NULL;
		int order = !old ? 1 : !new ? -1 : strcmp(old->path, new->path);
		merge_one(replaced, &merged, order <= 0 ? old : NULL, order >= 0 ? new : NULL);
		i += order <= 0;
		j += order >= 0;
	}
	free(known->entries);
	free(now.entries);
	*known = merged;
	replaced->has_new = false;
	return merged.error ? merged.error : error;
}

static void on_learner(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	learn(arg); /* what there is no memory for is not told of */
}

void replaced_learn(struct replaced *replaced)
{
	if (replaced->has_new && !event_pending(replaced->learner, EV_TIMEOUT, NULL))
		arm(replaced->learner, REPLACED_QUIET_MS);
}

/* Sets. */

static int pass(struct replaced *replaced, const char *path)
{
	char *copy = strdup(path);
	char **passed = reallocarray(replaced->passed, replaced->passed_count + 1, sizeof(*passed));
	if (passed)
		replaced->passed = passed;
	if (!copy || !passed) {
		free(copy);
		return -ENOMEM;
	}
	passed[replaced->passed_count++] = copy;
	return 0;
}

static void folders_done(struct folder *folders, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(folders[i].path);
	free(folders);
}

/* One that is not there, or that nobody can look into, cannot be opened entry by entry either. */
static int add_folder(struct replaced *replaced, const char *path, size_t length)
{
	char *copy;
	if (find_folder(replaced, path, length))
		return 0;
	size_t count = replaced->folder_count;
	struct folder *folders = reallocarray(replaced->folders, count + 1, sizeof(*folders));
	if (folders)
		replaced->folders = folders;
	if (!folders || !(copy = strndup(path, length)))
		return -ENOMEM;
	int wd = inotify_add_watch(replaced->fd, copy, MASK);
	if (wd >= 0) {
		folders[replaced->folder_count++] = (struct folder){ .wd = wd, .path = copy };
		return 0;
	}
	int error = errno == ENOENT || errno == ENOTDIR || errno == EACCES ? 0 : -errno;
	free(copy);
	return error;
}

static int add_way(struct replaced *replaced, const char *path)
{
	int error = 0;
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		int one = add_folder(replaced, path, slash == path ? 1 : (size_t)(slash - path));
		error = error ? error : one;
	}
	return error;
}

/* How often a folder has had its turn is not forgotten. Consumes those before. */
static void inherit(struct replaced *replaced, struct folder *before, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct folder *old = &before[i];
		struct folder *folder = find_folder(replaced, old->path, strlen(old->path));
		if (folder) {
			folder->turns = old->turns;
			folder->turn_ms = old->turn_ms;
		}
		if (!folder_by_wd(replaced, old->wd))
			inotify_rm_watch(replaced->fd, old->wd);
	}
	folders_done(before, count);
}

static void passed_done(struct replaced *replaced)
{
	for (size_t i = 0; i < replaced->passed_count; i++)
		free(replaced->passed[i]);
	free(replaced->passed);
	replaced->passed = NULL;
	replaced->passed_count = 0;
}

int replaced_watch(struct replaced *replaced, const struct replaced_set *set)
{
	struct folder *before = replaced->folders;
	size_t count = replaced->folder_count;
	int error = 0, one;
	replaced->folders = NULL;
	replaced->folder_count = 0;
	replaced->gap_most_ms = set->gap_most_ms;
	passed_done(replaced);
	for (size_t i = 0; i < set->hidden->count; i++) {
		one = pass(replaced, set->hidden->items[i]);
		error = error ? error : one;
		one = add_way(replaced, set->hidden->items[i]);
		error = error ? error : one;
	}
	for (size_t i = 0; i < set->other_count; i++) {
		one = pass(replaced, set->others[i]);
		error = error ? error : one;
	}
	inherit(replaced, before, count);
	one = learn(replaced);
	return error ? error : one;
}

int replaced_new(struct event_base *base, replaced_fn *told, void *arg, struct replaced **ret)
{
	struct replaced *replaced = calloc(1, sizeof(*replaced));
	if (!replaced)
		return -ENOMEM;
	replaced->told = told;
	replaced->arg = arg;
	replaced->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	int error = replaced->fd < 0 ? -errno : -ENOMEM;
	if (replaced->fd < 0)
		goto fail;
	replaced->readable =
	    event_new(base, replaced->fd, EV_READ | EV_PERSIST, on_readable, replaced);
	replaced->timer = event_new(base, -1, 0, on_timer, replaced);
	replaced->learner = event_new(base, -1, 0, on_learner, replaced);
	if (!replaced->readable || !replaced->timer || !replaced->learner ||
	    event_add(replaced->readable, NULL) < 0)
		goto fail;
	*ret = replaced;
	return 0;

fail:
	replaced_free(replaced);
	return error;
}

void replaced_free(struct replaced *replaced)
{
	if (!replaced)
		return;
	if (replaced->readable)
		event_free(replaced->readable);
	if (replaced->timer)
		event_free(replaced->timer);
	if (replaced->learner)
		event_free(replaced->learner);
	if (replaced->fd >= 0)
		close(replaced->fd);
	folders_done(replaced->folders, replaced->folder_count);
	passed_done(replaced);
	list_done(&replaced->known);
	free(replaced);
}
