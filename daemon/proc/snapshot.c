/* snapshot: paths, walked name by name, and folders, read whole. */
#include "daemon/proc/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX  40 /* as the kernel's */
#define LEVELS_MAX 32

/* What is made, not written: by compilers, and by editors while they save. */
static const char *const passed_over[] = {
	".*",
	"*~",
	"#*#",
	"*.o",
	"*.d",
	"*.a",
	"*.so",
	"*.so.*",
	"*.pyc",
	"*.tmp",
	"*.swp",
	"*___jb_tmp___",
	"*___jb_old___",
	"4913", /* vim's trial file */
	"node_modules",
	"target",
	"__pycache__",
};

struct path {
	size_t length;
	char text[PATH_MAX];
};

struct taking {
	snapshot_folder_fn *folder;
	void *arg;
	struct snapshot taken;
	size_t folders;
	struct path shown,
	    real;    /* of what is being looked at: as its item has it, and without links */
	bool failed; /* memory is out */
};

static bool path_add(struct path *path, const char *name)
{
	size_t n = strlen(name);
	if (path->length + 1 + n >= sizeof(path->text))
		return false;
	path->text[path->length] = '/';
	memcpy(path->text + path->length + 1, name, n + 1);
	path->length += 1 + n;
	return true;
}

static void path_cut(struct path *path, size_t length)
{
	path->text[length] = '\0';
	path->length = length;
}

static void path_cut_last(struct path *path)
{
	const char *slash = strrchr(path->text, '/');
	path_cut(path, slash ? (size_t)(slash - path->text) : 0);
}

/* The root is an empty text. */
static const char *path_text(const struct path *path)
{
	return path->length ? path->text : "/";
}

static void add_file(struct taking *taking, const char *path, const struct stat *st)
{
	struct snapshot *taken = &taking->taken;
	if (taken->count == SNAPSHOT_FILES_MAX) {
		taken->cut = true;
		return;
	}
	if ((taken->count & (taken->count - 1)) == 0) { /* room up to the next power of two */
		struct snapshot_file *files =
		    reallocarray(taken->files, taken->count ? taken->count * 2 : 1, sizeof(*files));
		if (!files) {
			taking->failed = true;
			return;
		}
		taken->files = files;
	}
	char *copy = strdup(path);
	if (!copy) {
		taking->failed = true;
		return;
	}
	taken->files[taken->count++] = (struct snapshot_file){
		.path = copy,
		.dev = st->st_dev,
		.ino = st->st_ino,
		.size = st->st_size,
		.mtime = st->st_mtim,
	};
}

/* A path that is still to be walked. */
struct way {
	char text[2 * PATH_MAX];
	const char *at;
};

static bool way_set(struct way *way, const char *first, const char *then)
{
	char whole[sizeof(way->text)]; /* `then` may lie in the text */
	size_t n = strlen(first), m = strlen(then);
	if (n + 1 + m >= sizeof(whole))
		return false;
	memcpy(whole, first, n);
	whole[n] = '/';
	memcpy(whole + n + 1, then, m + 1);
	memcpy(way->text, whole, n + 1 + m + 1);
	way->at = way->text;
	return true;
}

static bool way_next(struct way *way, char name[NAME_MAX + 1])
{
	way->at += strspn(way->at, "/");
	size_t n = strcspn(way->at, "/");
	if (n == 0 || n > NAME_MAX)
		return false;
	memcpy(name, way->at, n);
	name[n] = '\0';
	way->at += n;
	return true;
}

/* One name further, which may be a link: then the way leads on from there. */
static bool step(
    struct taking *taking, struct way *way, struct path *real, const char *name, struct stat *st)
{
	char target[PATH_MAX];
	size_t before = real->length;
	bool is_end = way->at[strspn(way->at, "/")] == '\0';
	taking->folder(taking->arg, path_text(real), name, is_end);
	if (!path_add(real, name) || lstat(real->text, st) < 0)
		return false;
	if (!S_ISLNK(st->st_mode))
		return true;
	ssize_t n = readlink(real->text, target, sizeof(target) - 1);
	if (n <= 0)
		return false;
	target[n] = '\0';
	path_cut(real, target[0] == '/' ? 0 : before);
	return way_set(way, target, way->at);
}

/* Where a path leads to, and what is there; false: nothing. All folders on the way are told. */
static bool walk(struct taking *taking, const char *path, struct path *ret_real, struct stat *ret)
{
	char folder[PATH_MAX] = "", name[NAME_MAX + 1];
	struct way way;
	if (path[0] != '/' && !getcwd(folder, sizeof(folder)))
		return false;
	path_cut(ret_real, 0);
	bool good = way_set(&way, folder, path) && lstat("/", ret) == 0;
	for (unsigned links = 0; good && way_next(&way, name);) {
		if (strcmp(name, "..") == 0)
			path_cut_last(ret_real);
		else if (strcmp(name, ".") != 0)
			good = step(taking, &way, ret_real, name, ret);
		links += good && S_ISLNK(ret->st_mode);
		good = good && links <= LINKS_MAX;
	}
	/* A name that is too long leaves a rest; after a "..", what is there has not been looked at. */
	return good && !way.at[strspn(way.at, "/")] && lstat(path_text(ret_real), ret) == 0;
}

/* Folders. */

static bool is_wanted(const struct watch_item *item, const char *name)
{
	if (item->kind == WATCH_FOLDER)
		return fnmatch(item->names, name, FNM_PERIOD) == 0;
	for (size_t i = 0; i < sizeof(passed_over) / sizeof(passed_over[0]); i++)
		if (fnmatch(passed_over[i], name, 0) == 0)
			return false;
	return true;
}

static void take_folder(struct taking *taking, const struct watch_item *item, unsigned level);

/* A link in a tree may lead to a file; one to a folder is not followed: it could lead in a circle. */
static void take_link(struct taking *taking)
{
	struct path *real = malloc(sizeof(*real));
	struct stat st;
	if (!real)
		taking->failed = true;
	else if (walk(taking, taking->shown.text, real, &st) && S_ISREG(st.st_mode))
		add_file(taking, taking->shown.text, &st);
	free(real);
}

/* One that stands at the end of both paths. */
static void take_entry(struct taking *taking, const struct watch_item *item, unsigned level)
{
	struct stat st;
	if (lstat(taking->real.text, &st) < 0)
		return;
	if (S_ISLNK(st.st_mode))
		take_link(taking);
	else if (S_ISREG(st.st_mode))
		add_file(taking, taking->shown.text, &st);
	else if (S_ISDIR(st.st_mode) && item->kind == WATCH_TREE)
		take_folder(taking, item, level + 1);
}

static bool has_room(struct taking *taking, unsigned level)
{
	if (level < LEVELS_MAX && taking->folders < SNAPSHOT_FOLDERS_MAX)
		return true;
	taking->taken.cut = true;
	return false;
}

static void take_folder(struct taking *taking, const struct watch_item *item, unsigned level)
{
	size_t shown = taking->shown.length, real = taking->real.length;
	const struct dirent *entry;
	if (item->kind == WATCH_TREE && !has_room(taking, level))
		return;
	taking->folders++;
	taking->folder(taking->arg, path_text(&taking->real), NULL, true);
	DIR *folder = opendir(path_text(&taking->real));
	while (folder && !taking->taken.cut && !taking->failed && (entry = readdir(folder))) {
		bool is_dots = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
		if (!is_dots && is_wanted(item, entry->d_name) &&
		    path_add(&taking->shown, entry->d_name) &&
		    path_add(&taking->real, entry->d_name))
			take_entry(taking, item, level);
		path_cut(&taking->shown, shown);
		path_cut(&taking->real, real);
	}
	if (folder)
		closedir(folder);
}

static void take_item(struct taking *taking, const struct watch_item *item)
{
	size_t n = strlen(item->path);
	struct stat st;
	if (n >= sizeof(taking->shown.text) || !walk(taking, item->path, &taking->real, &st))
		return;
	while (n > 1 && item->path[n - 1] == '/')
		n--;
	memcpy(taking->shown.text, item->path, n);
	path_cut(&taking->shown, n);
	if (S_ISDIR(st.st_mode) && item->kind != WATCH_FILE)
		take_folder(taking, item, 0);
	else if (S_ISREG(st.st_mode) && item->kind != WATCH_FOLDER)
		add_file(taking, taking->shown.text, &st);
}

/* The list. */

static int compare(const void *a, const void *b)
{
	return strcmp(
	    ((const struct snapshot_file *)a)->path, ((const struct snapshot_file *)b)->path);
}

static void drop_twins(struct snapshot *taken)
{
	size_t kept = 0;
	for (size_t i = 0; i < taken->count; i++)
		if (kept && strcmp(taken->files[kept - 1].path, taken->files[i].path) == 0)
			free(taken->files[i].path);
		else
			taken->files[kept++] = taken->files[i];
	taken->count = kept;
}

int snapshot_take(const struct watch_item *items, size_t count, snapshot_folder_fn *folder,
    void *arg, struct snapshot *ret)
{
	struct taking *taking = calloc(1, sizeof(*taking)); /* too large for a stack */
	if (!taking)
		return -ENOMEM;
	taking->folder = folder;
	taking->arg = arg;
	for (size_t i = 0; i < count; i++)
		take_item(taking, &items[i]);
	if (taking->taken.count)
		qsort(taking->taken.files, taking->taken.count, sizeof(struct snapshot_file),
		    compare);
	drop_twins(&taking->taken);
	bool failed = taking->failed;
	if (failed)
		snapshot_done(&taking->taken);
	else
		*ret = taking->taken;
	free(taking);
	return failed ? -ENOMEM : 0;
}

void snapshot_done(struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->count; i++)
		free(snapshot->files[i].path);
	free(snapshot->files);
	*snapshot = (struct snapshot){ 0 };
}

bool snapshot_is_same(const struct snapshot_file *a, const struct snapshot_file *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->mtime.tv_sec == b->mtime.tv_sec && a->mtime.tv_nsec == b->mtime.tv_nsec;
}
