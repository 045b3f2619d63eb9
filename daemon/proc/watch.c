/* watch: inotify tells that something may have changed, and two snapshots what. */
#include "daemon/proc/watch.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/id.h"

/* What can change where a path leads to, and what can change the files of a folder. IN_ATTRIB: a time. */
#define MASK_NAMES                                                                             \
	(IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | \
	    IN_ONLYDIR | IN_MASK_ADD)
#define MASK_FILES   (MASK_NAMES | IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB)
#define READS_A_TURN 16
#define WRITING_MAX  64

/* A folder that is watched. */
struct folder {
	int wd;
	char *path;  /* without links, as it was when it was last looked at */
	bool is_all; /* whatever happens in it matters */
	bool is_used;
	char **names; /* else what becomes of these */
	size_t name_count;
};

/* A file whose writer has not closed it, by device and inode: it may have several names. */
struct writing {
	dev_t dev;
	ino_t ino;
	uint64_t last_ms; /* 0: this one is free */
};

struct watch {
	int fd;
	struct event *readable, *timer;
	watch_changed_fn *changed;
	void *arg;                /* borrowed */
	struct watch_item *items; /* owned, and their texts */
	size_t item_count;
	struct folder *folders;
	size_t folder_count, folder_room;
	struct snapshot seen;
	struct writing writing[WRITING_MAX];
	uint64_t first_ms; /* of the events that have not been heeded; 0: there is none */
	int error;         /* why a folder is not watched; 0 */
};

/* Folders. */

static void folder_done(struct folder *folder)
{
	for (size_t i = 0; i < folder->name_count; i++)
		free(folder->names[i]);
	free(folder->names);
	free(folder->path);
}

static void folder_add_name(struct folder *folder, const char *name)
{
	for (size_t i = 0; i < folder->name_count; i++)
		if (strcmp(folder->names[i], name) == 0)
			return;
	char *copy = strdup(name);
	char **names = reallocarray(folder->names, folder->name_count + 1, sizeof(*folder->names));
	if (names)
		folder->names = names;
	if (!names || !copy) { /* then too much is heeded, not too little */
		folder->is_all = true;
		free(copy);
		return;
	}
	names[folder->name_count++] = copy;
}

static bool folder_heeds(const struct folder *folder, const char *name)
{
	for (size_t i = 0; i < folder->name_count; i++)
		if (strcmp(folder->names[i], name) == 0)
			return true;
	return folder->is_all;
}

static struct folder *watch_folder(struct watch *watch, int wd)
{
	for (size_t i = 0; i < watch->folder_count; i++)
		if (watch->folders[i].wd == wd)
			return &watch->folders[i];
	return NULL;
}

static struct folder *watch_add_folder(struct watch *watch, int wd)
{
	if (watch->folder_count == watch->folder_room) {
		size_t room = watch->folder_room ? watch->folder_room * 2 : 16;
		struct folder *folders = reallocarray(watch->folders, room, sizeof(*folders));
		if (!folders)
			return NULL;
		watch->folders = folders;
		watch->folder_room = room;
	}
	struct folder *folder = &watch->folders[watch->folder_count++];
	*folder = (struct folder){ .wd = wd };
	return folder;
}

/* One more thing to heed in a folder. The kernel knows a folder that it watches already, by whatever path. */
static void watch_on_folder(void *arg, const char *path, const char *name, bool is_end)
{
	struct watch *watch = arg;
	int wd = inotify_add_watch(watch->fd, path, is_end ? MASK_FILES : MASK_NAMES);
	if (wd < 0) {
		/* Its parent tells when one that is gone comes back; through one that may not be read a
		 * path may lead nevertheless. */
		if (errno != ENOENT && errno != ENOTDIR && (errno != EACCES || is_end))
			watch->error = -errno;
		return;
	}
	struct folder *folder = watch_folder(watch, wd);
	if (!folder)
		folder = watch_add_folder(watch, wd);
	char *copy = strdup(path);
	if (!folder || !copy) {
		watch->error = -ENOMEM;
		free(copy);
		return;
	}
	free(folder->path);
	folder->path = copy;
	folder->is_used = true;
	if (name)
		folder_add_name(folder, name);
	else
		folder->is_all = true;
}

static void watch_begin_folders(struct watch *watch)
{
	for (size_t i = 0; i < watch->folder_count; i++) {
		struct folder *folder = &watch->folders[i], kept = { .wd = folder->wd };
		folder_done(folder);
		*folder = kept;
	}
	watch->error = 0;
}

static void watch_end_folders(struct watch *watch)
{
	size_t kept = 0;
	for (size_t i = 0; i < watch->folder_count; i++) {
		struct folder *folder = &watch->folders[i];
		if (folder->is_used) {
			watch->folders[kept++] = *folder;
			continue;
		}
		inotify_rm_watch(watch->fd, folder->wd);
		folder_done(folder);
	}
	watch->folder_count = kept;
}

/* Files that are being written. */

static void watch_note_writing(struct watch *watch, const struct stat *st, bool is_writing)
{
	struct writing *place = &watch->writing[0];
	for (size_t i = 0; i < WRITING_MAX; i++) {
		struct writing *other = &watch->writing[i];
		if (other->last_ms && other->dev == st->st_dev && other->ino == st->st_ino) {
			place = other;
			break;
		}
		if (other->last_ms < place->last_ms)
			place = other; /* free, or longest ago */
	}
	bool is_its = place->last_ms && place->dev == st->st_dev && place->ino == st->st_ino;
	if (is_writing)
		*place = (struct writing){ st->st_dev, st->st_ino, clock_monotonic_ms() };
	else if (is_its)
		place->last_ms = 0;
}

/* When it was written last, if its writer is still at it; 0: it is at rest. */
static uint64_t watch_written_at(const struct watch *watch, const struct snapshot_file *file)
{
	for (size_t i = 0; i < WRITING_MAX; i++) {
		const struct writing *one = &watch->writing[i];
		if (one->last_ms && one->dev == file->dev && one->ino == file->ino &&
		    clock_monotonic_ms() - one->last_ms < WATCH_MOST_MS)
			return one->last_ms;
	}
	return 0;
}

/* Events. */

static void watch_arm(struct watch *watch, uint64_t at_ms)
{
	uint64_t now = clock_monotonic_ms(), after = at_ms > now ? at_ms - now : 0;
	struct timeval wait = { .tv_sec = (time_t)(after / 1000),
		.tv_usec = (suseconds_t)(after % 1000 * 1000) };
	event_add(watch->timer, &wait);
}

static void watch_stir(struct watch *watch)
{
	uint64_t now = clock_monotonic_ms();
	if (!watch->first_ms)
		watch->first_ms = now;
	uint64_t quiet = now + WATCH_QUIET_MS, most = watch->first_ms + WATCH_MOST_MS;
	watch_arm(watch, quiet < most ? quiet : most);
}

/* Who makes a file will write to it, and closes it then; a link is whole at once. */
static void watch_heed_writing(
    struct watch *watch, const struct folder *folder, const struct inotify_event *event)
{
	char *path;
	struct stat st;
	if (!(event->mask & (IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO)) ||
	    (event->mask & IN_ISDIR))
		return;
	if (asprintf(&path, "%s/%s", folder->path, event->name) < 0)
		return;
	if (lstat(path, &st) == 0 && S_ISREG(st.st_mode))
		watch_note_writing(watch, &st, event->mask & (IN_CREATE | IN_MODIFY));
	free(path);
}

static void watch_on_event(struct watch *watch, const struct inotify_event *event)
{
	struct folder *folder = watch_folder(watch, event->wd);
	if (event->mask & IN_Q_OVERFLOW) {
		watch_stir(watch);
		return;
	}
	if (!folder) /* one that is not watched any more */
		return;
	if (event->len && folder->path && !folder_heeds(folder, event->name))
		return;
	if (event->len && folder->path)
		watch_heed_writing(watch, folder, event);
	watch_stir(watch);
}

static void watch_read(struct watch *watch)
{
	union {
		struct inotify_event event; /* for its alignment */
		char bytes[16384];
	} buffer;
	for (int i = 0; i < READS_A_TURN; i++) {
		ssize_t got = read(watch->fd, buffer.bytes, sizeof(buffer.bytes));
		if (got <= 0)
			return;
		for (size_t at = 0; at < (size_t)got;) {
			const struct inotify_event *event =
			    (const struct inotify_event *)(const void *)(buffer.bytes + at);
			watch_on_event(watch, event);
			at += sizeof(*event) + event->len;
		}
	}
}

static void watch_on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	watch_read(arg);
}

/* Looking. */

/* The snapshot of now; the folders that matter are watched from before it was taken. */
static int watch_take(struct watch *watch, struct snapshot *ret)
{
	watch_begin_folders(watch);
	int error = snapshot_take(watch->items, watch->item_count, watch_on_folder, watch, ret);
	if (error < 0)
		return error; /* too much is watched: harmless */
	watch_end_folders(watch);
	return 0;
}

/* Compares both lists, which are sorted. A file that is being written stays as it was, and `ret_again` is when
 * to look again. The paths are copies, since whoever is told may take a new set. NULL: memory is out, or there
 * is nothing new. */
static char **watch_compare(
    struct watch *watch, struct snapshot *now, size_t *ret_count, uint64_t *ret_again)
{
	const struct snapshot *seen = &watch->seen;
	char **paths = calloc(seen->count + now->count + 1, sizeof(*paths));
	size_t count = 0, kept = 0, i = 0, j = 0;
	while (paths && (i < seen->count || j < now->count)) {
		struct snapshot_file *old = i < seen->count ? &seen->files[i] : NULL;
		struct snapshot_file *new = j < now->count ? &now->files[j] : NULL;
		int order = !old ? 1 : !new ? -1 : strcmp(old->path, new->path);
		uint64_t written = order >= 0 ? watch_written_at(watch, new) : 0;
		bool is_same = order == 0 && snapshot_is_same(old, new);
		if (written && !is_same) { /* as it was: what it was, or not there */
			*ret_again = written + WATCH_MOST_MS;
			if (order == 0) {
				char *path = new->path;
				*new = *old;
				new->path = path;
			}
		} else if (!is_same &&
			   (paths[count] = strdup(order <= 0 ? old->path : new->path))) {
			count++;
		}
		if (order > 0 && written)
			free(new->path);
		else if (order >= 0)
			now->files[kept++] = *new;
		i += order <= 0;
		j += order >= 0;
	}
	if (paths)
		now->count = kept;
	*ret_count = count;
	return paths;
}

void watch_look(struct watch *watch)
{
	struct snapshot now;
	size_t count = 0;
	uint64_t again = 0;
	watch_read(watch);
	event_del(watch->timer);
	watch->first_ms = 0;
	if (watch_take(watch, &now) < 0) {
		watch_stir(watch);
		return;
	}
	char **paths = watch_compare(watch, &now, &count, &again);
	if (paths) {
		snapshot_done(&watch->seen);
		watch->seen = now;
	} else {
		snapshot_done(&now);
		watch_stir(watch);
	}
	if (again)
		watch_arm(watch, again);
	if (count)
		watch->changed(watch->arg, (const char *const *)paths, count);
	for (size_t i = 0; i < count; i++)
		free(paths[i]);
	free(paths);
}

static void watch_on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	watch_look(arg);
}

/* Sets. */

static void items_free(struct watch_item *items, size_t count)
{
	for (size_t i = 0; items && i < count; i++) {
		free((char *)(uintptr_t)items[i].path);
		free((char *)(uintptr_t)items[i].names);
	}
	free(items);
}

static struct watch_item *items_copy(const struct watch_item *items, size_t count)
{
	struct watch_item *copies = calloc(count + 1, sizeof(*copies));
	bool good = copies != NULL;
	for (size_t i = 0; good && i < count; i++) {
		const char *names = items[i].names;
		copies[i].kind = items[i].kind;
		copies[i].path = strdup(items[i].path);
		copies[i].names = names ? strdup(names) : NULL;
		good = copies[i].path && (copies[i].names || !names);
	}
	if (good)
		return copies;
	items_free(copies, count);
	return NULL;
}

static bool items_cover(const struct watch_item *items, size_t count, const char *path)
{
	for (size_t i = 0; i < count; i++) {
		const struct watch_item *item = &items[i];
		size_t n = strlen(item->path);
		if (strcmp(item->path, path) == 0 ||
		    (item->kind != WATCH_FILE && strncmp(item->path, path, n) == 0 &&
			path[n] == '/'))
			return true;
	}
	return false;
}

/* What is in both sets stays as it was seen last, so that a change of it, its coming or its end, is not lost. Consumes
 * `now`. -ENOMEM, or whether there is such a change. */
static int watch_keep_seen(
    struct watch *watch, const struct watch_item *before, size_t count_before, struct snapshot *now)
{
	struct snapshot *seen = &watch->seen;
	struct snapshot_file *files = calloc(seen->count + now->count + 1, sizeof(*files));
	size_t count = 0, i = 0, j = 0;
	bool has_changed = false;
	if (!files)
		return -ENOMEM;
	while (i < seen->count || j < now->count) {
		struct snapshot_file *old = i < seen->count ? &seen->files[i] : NULL;
		struct snapshot_file *new = j < now->count ? &now->files[j] : NULL;
		int order = !old ? 1 : !new ? -1 : strcmp(old->path, new->path);
		bool is_kept = order == 0 || (order < 0 && items_cover(watch->items,
							       watch->item_count, old->path));
		bool has_come = order > 0 && items_cover(before, count_before, new->path);
		has_changed |= has_come;
		has_changed |= is_kept && (order < 0 || !snapshot_is_same(old, new));
		if (is_kept || (order > 0 && !has_come))
			files[count++] = is_kept ? *old : *new;
		if (order == 0 || has_come)
			free(new->path);
		else if (order < 0 && !is_kept)
			free(old->path);
		i += order <= 0;
		j += order >= 0;
	}
	free(seen->files);
	free(now->files);
	*seen = (struct snapshot){ .files = files, .count = count, .cut = now->cut };
	return has_changed;
}

int watch_set(struct watch *watch, const struct watch_item *items, size_t count)
{
	struct watch_item *copies = items_copy(items, count), *before = watch->items;
	size_t count_before = watch->item_count;
	struct snapshot now = { 0 };
	if (!copies)
		return -ENOMEM;
	watch->items = copies;
	watch->item_count = count;
	int error = watch_take(watch, &now);
	if (error == 0 && (error = watch_keep_seen(watch, before, count_before, &now)) >= 0) {
		items_free(before, count_before);
		if (error)
			watch_stir(watch);
		return watch->error ? watch->error : watch->seen.cut ? -E2BIG : 0;
	}
	snapshot_done(&now);
	watch->items = before;
	watch->item_count = count_before;
	items_free(copies, count);
	return error;
}

size_t watch_count(const struct watch *watch)
{
	return watch->seen.count;
}

int watch_new(struct event_base *base, watch_changed_fn *changed, void *arg, struct watch **ret)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	if (!watch)
		return -ENOMEM;
	watch->changed = changed;
	watch->arg = arg;
	watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	int error = watch->fd < 0 ? -errno : -ENOMEM;
	if (watch->fd < 0)
		goto fail;
	watch->readable =
	    event_new(base, watch->fd, EV_READ | EV_PERSIST, watch_on_readable, watch);
	watch->timer = event_new(base, -1, 0, watch_on_timer, watch);
	if (!watch->readable || !watch->timer || event_add(watch->readable, NULL) < 0)
		goto fail;
	*ret = watch;
	return 0;

fail:
	watch_free(watch);
	return error;
}

void watch_free(struct watch *watch)
{
	if (!watch)
		return;
	if (watch->readable)
		event_free(watch->readable);
	if (watch->timer)
		event_free(watch->timer);
	if (watch->fd >= 0)
		close(watch->fd);
	for (size_t i = 0; i < watch->folder_count; i++)
		folder_done(&watch->folders[i]);
	free(watch->folders);
	items_free(watch->items, watch->item_count);
	snapshot_done(&watch->seen);
	free(watch);
}
