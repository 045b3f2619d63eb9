/* replaced: a timer that events set, and a sorted list of what was there when it fired last. */
#include "daemon/proc/replaced.h"

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/id.h"
#include "daemon/conf/schema.h"

/* So many turns come at once, then each doubles the time to the next, until none is asked for in FORGET_MS. */
#define FREE_TURNS   4u
#define DOUBLED_MOST 8u
#define GAP_MS       5000
#define FORGET_MS    600000
#define MASK         (IN_CREATE | IN_MOVED_TO | IN_ONLYDIR)

struct name {
	char *path;
	uint64_t dev, ino;
	unsigned seen; /* in which look */
};

struct replaced {
	int fd;
	struct event *readable, *timer;
	replaced_fn *told;
	void *arg;                /* borrowed */
	struct schema_list files; /* that do not count; the first `hidden` ones are */
	size_t hidden;
	struct name *names; /* by path */
	size_t count, room;
	unsigned looks;
	uint64_t first_ms; /* of the events that have not been heeded; 0: there is none */
	bool is_held;      /* something waits for its turn */
	unsigned turns;
	uint64_t due_ms, gap_most_ms; /* when the next may be */
};

/* One look through all folders. */
struct look {
	struct replaced *replaced;
	bool is_turn;      /* what is replaced is known from now on */
	size_t sorted;     /* names; those that are new come after them */
	const char *first; /* of those that are replaced; NULL: there is none */
	size_t count;
	int error;
};

/* Names. */

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->path, ((const struct name *)b)->path);
}

/* Takes over the path. */
static void add_name(struct look *look, const struct name *name)
{
	struct replaced *replaced = look->replaced;
	if (replaced->count == replaced->room) {
		size_t room = replaced->room ? replaced->room * 2 : 64;
		struct name *names = NULL;
		if (room <= REPLACED_NAMES_MAX)
			names = reallocarray(replaced->names, room, sizeof(*names));
		if (!names) {
			free(name->path);
			look->error = room > REPLACED_NAMES_MAX ? -E2BIG : -ENOMEM;
			return;
		}
		replaced->names = names;
		replaced->room = room;
	}
	replaced->names[replaced->count++] = *name;
}

/* What is gone stays, since it may come back, until half of the room is taken. */
static void forget_gone(struct replaced *replaced)
{
	size_t kept = 0;
	for (size_t i = 0; i < replaced->count; i++)
		if (replaced->names[i].seen == replaced->looks)
			replaced->names[kept++] = replaced->names[i];
		else
			free(replaced->names[i].path);
	replaced->count = kept;
}

/* Looking. */

/* Takes over the path. */
static void see(struct look *look, char *path, const struct statx *st)
{
	struct replaced *replaced = look->replaced;
	uint64_t dev = (uint64_t)st->stx_dev_major << 32 | st->stx_dev_minor;
	struct name now = { path, dev, st->stx_ino, replaced->looks }, *old = NULL;
	if (look->sorted)
		old = bsearch(&now, replaced->names, look->sorted, sizeof(now), compare);
	if (!old) {
		add_name(look, &now);
		return;
	}
	bool counts = (old->ino != now.ino || old->dev != dev) && !S_ISLNK(st->stx_mode) &&
		      !schema_list_has(&replaced->files, path);
	free(path);
	now.path = old->path;
	if (counts && (look->count++ == 0 || strcmp(now.path, look->first) < 0))
		look->first = now.path;
	if (!counts || look->is_turn)
		*old = now;
	old->seen = now.seen;
}

/* Without asking the server of a file system that may be gone. */
static bool look_at(DIR *folder, const char *name, struct statx *ret)
{
	if (name[0] == '.' || name[0] == '#' || name[strlen(name) - 1] == '~')
		return false;
	return statx(dirfd(folder), name,
		   AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
		   STATX_TYPE | STATX_INO, ret) == 0 &&
	       !(ret->stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

/* It is watched again each time, before it is looked through, since it may be another folder than before. Who cannot
 * look into it cannot open what is there one by one, either. */
static void look_into(struct look *look, const char *path)
{
	DIR *folder = opendir(path);
	struct stat its;
	const struct dirent *name;
	if (!folder)
		return;
	bool is_open = fstat(dirfd(folder), &its) < 0 || (its.st_mode & S_IWOTH);
	if (!is_open && inotify_add_watch(look->replaced->fd, path, MASK) < 0)
		look->error = -errno;
	while (!is_open && look->error != -E2BIG && (name = readdir(folder))) {
		struct statx st;
		char *full;
		if (!look_at(folder, name->d_name, &st))
			continue;
		if (asprintf(&full, "%s%s", path, name->d_name) < 0)
			look->error = -ENOMEM;
		else
			see(look, full, &st);
	}
	closedir(folder);
}

/* Those that lead to a file, but for those that lead to one before it. */
static void look_along(struct look *look, size_t i)
{
	char *const *files = look->replaced->files.items;
	for (const char *slash = strchr(files[i], '/'); slash; slash = strchr(slash + 1, '/')) {
		char folder[PATH_MAX];
		size_t length = (size_t)(slash + 1 - files[i]), j = 0;
		while (j < i && strncmp(files[i], files[j], length) != 0)
			j++;
		if (j < i || length >= sizeof(folder))
			continue;
		snprintf(folder, sizeof(folder), "%.*s", (int)length, files[i]);
		look_into(look, folder);
	}
}

static void look_at_all(struct replaced *replaced, struct look *look)
{
	replaced->looks++;
	look->replaced = replaced;
	look->sorted = replaced->count;
	for (size_t i = 0; i < replaced->hidden; i++)
		look_along(look, i);
	if (replaced->count > REPLACED_NAMES_MAX / 2)
		forget_gone(replaced);
	if (replaced->count)
		qsort(replaced->names, replaced->count, sizeof(*replaced->names), compare);
}

/* Telling. */

static void arm(struct replaced *replaced, uint64_t after_ms)
{
	struct timeval wait = { .tv_sec = (time_t)(after_ms / 1000),
		.tv_usec = (suseconds_t)(after_ms % 1000 * 1000) };
	event_add(replaced->timer, &wait);
}

/* What is held is looked at when it is due, with all that came meanwhile. */
static void stir(struct replaced *replaced)
{
	uint64_t now = clock_monotonic_ms();
	if (replaced->is_held)
		return;
	if (!replaced->first_ms)
		replaced->first_ms = now;
	uint64_t most = replaced->first_ms + REPLACED_MOST_MS, left = most > now ? most - now : 0;
	arm(replaced, left < REPLACED_QUIET_MS ? left : REPLACED_QUIET_MS);
}

static void count_turn(struct replaced *replaced, uint64_t now)
{
	uint64_t gap = 0;
	if (replaced->turns < FREE_TURNS + DOUBLED_MOST)
		replaced->turns++;
	if (replaced->turns >= FREE_TURNS)
		gap = (uint64_t)GAP_MS << (replaced->turns - FREE_TURNS);
	replaced->due_ms = now + (gap < replaced->gap_most_ms ? gap : replaced->gap_most_ms);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct replaced *replaced = arg;
	uint64_t now = clock_monotonic_ms();
	struct look look = { .is_turn = replaced->is_held || now >= replaced->due_ms };
	if (now >= replaced->due_ms + FORGET_MS)
		replaced->turns = 0;
	look_at_all(replaced, &look);
	replaced->first_ms = 0;
	replaced->is_held = look.count && !look.is_turn;
	uint64_t wait_ms = replaced->is_held ? replaced->due_ms - now : 0;
	if (replaced->is_held)
		arm(replaced, wait_ms);
	else if (look.count)
		count_turn(replaced, now);
	if (look.count)
		replaced->told(replaced->arg, look.first, look.count - 1, wait_ms);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	char events[16384];
	if (read(fd, events, sizeof(events)) > 0)
		stir(arg);
}

/* Sets. */

static int add_files(struct schema_list *files, const struct schema_list *more)
{
	size_t count = files->count + more->count;
	char **items = reallocarray(files->items, count + 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	files->items = items;
	for (size_t i = 0; i < more->count; i++)
		if ((items[files->count] = strdup(more->items[i])))
			files->count++;
	return files->count == count ? 0 : -ENOMEM;
}

static void files_done(struct schema_list *files)
{
	for (size_t i = 0; i < files->count; i++)
		free(files->items[i]);
	free(files->items);
	*files = (struct schema_list){ 0 };
}

int replaced_watch(
    struct replaced *replaced, const struct schema_list *hidden, const struct schema_list *others)
{
	struct look look = { 0 };
	files_done(&replaced->files);
	int error = add_files(&replaced->files, hidden);
	replaced->hidden = replaced->files.count;
	if (error == 0)
		error = add_files(&replaced->files, others);
	look_at_all(replaced, &look);
	if (look.count)
		stir(replaced);
	return error ? error : look.error;
}

int replaced_new(struct event_base *base, uint64_t gap_most_ms, replaced_fn *told, void *arg,
    struct replaced **ret)
{
	struct replaced *replaced = calloc(1, sizeof(*replaced));
	if (!replaced)
		return -ENOMEM;
	replaced->told = told;
	replaced->arg = arg;
	replaced->gap_most_ms = gap_most_ms;
	replaced->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	int error = replaced->fd < 0 ? -errno : -ENOMEM;
	if (replaced->fd < 0)
		goto fail;
	replaced->timer = event_new(base, -1, 0, on_timer, replaced);
	replaced->readable =
	    event_new(base, replaced->fd, EV_READ | EV_PERSIST, on_readable, replaced);
	if (!replaced->timer || !replaced->readable || event_add(replaced->readable, NULL) < 0)
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
	if (replaced->fd >= 0)
		close(replaced->fd);
	files_done(&replaced->files);
	replaced->looks++;
	forget_gone(replaced); /* all of them */
	free(replaced->names);
	free(replaced);
}
