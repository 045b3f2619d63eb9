/*
 * watch: what counts as a change, when it is told, and that none is lost, in a temporary folder and with the
 * kernel's own inotify. Nothing sleeps: the loop runs until there is what is waited for, or a deadline has
 * passed. That something is no change is seen from the next one, which is told alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/buf.h"
#include "daemon/base/id.h"
#include "daemon/proc/watch.h"

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))
#define DEADLINE_MS   10000

struct fixture {
	char folder[64];
	struct event_base *base;
	struct watch *watch;
	struct buf told; /* a line for each time that something was told: "a b\n" */
	unsigned times;
	uint64_t told_ms;
	const char *then_set; /* what the callback puts in the place of the set; NULL: nothing */
	/* Of a writer that takes its time. */
	struct event *writer;
	int fd;
	unsigned pieces;
	uint64_t stirred_ms, longest_ms; /* when it wrote last, and its longest pause */
};

static void on_changed(void *arg, const char *const *paths, size_t count)
{
	struct fixture *f = arg;
	if (f->then_set) {
		struct watch_item item = { WATCH_FILE, f->then_set, NULL };
		assert_int_equal(watch_set(f->watch, &item, 1), 0);
	}
	for (size_t i = 0; i < count; i++)
		buf_addf(&f->told, "%s%s", i ? " " : "", paths[i]);
	buf_add(&f->told, "\n", 1);
	f->times++;
	f->told_ms = clock_monotonic_ms();
}

static int setup(void **state)
{
	struct fixture *f = *state = calloc(1, sizeof(*f));
	strcpy(f->folder, "/tmp/agentd-watch-XXXXXX");
	f->base = event_base_new();
	return mkdtemp(f->folder) && chdir(f->folder) == 0 &&
		       watch_new(f->base, on_changed, f, &f->watch) == 0
		   ? 0
		   : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];
	snprintf(command, sizeof(command), "rm -rf %s", f->folder);
	watch_free(f->watch);
	if (f->writer)
		event_free(f->writer);
	event_base_free(f->base);
	buf_done(&f->told);
	free(f);
	return chdir("/") || system(command);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	fail_msg("nothing was told in time");
}

/* Runs the loop until something is told. */
static void wait_told(struct fixture *f)
{
	struct timeval most = { .tv_sec = DEADLINE_MS / 1000 };
	struct event *deadline = event_new(f->base, -1, 0, on_deadline, f);
	unsigned before = f->times;
	event_add(deadline, &most);
	while (f->times == before)
		event_base_loop(f->base, EVLOOP_ONCE);
	event_free(deadline);
}

/* The next that is told is exactly this. */
static void expect(struct fixture *f, const char *paths)
{
	wait_told(f);
	buf_add(&f->told, "", 1);
	assert_string_equal(f->told.data, paths);
	buf_done(&f->told);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void watch_paths(struct fixture *f, const struct watch_item *items, size_t count)
{
	assert_int_equal(watch_set(f->watch, items, count), 0);
}

static void watch_file(struct fixture *f, const char *path)
{
	watch_paths(f, &(struct watch_item){ WATCH_FILE, path, NULL }, 1);
}

static void a_file_that_is_written_over(void **state)
{
	/* Promise: `cp` over a plugin is a change, and so is a truncation. */
	struct fixture *f = *state;
	write_file("a.so", "one");
	watch_file(f, "a.so");
	write_file("a.so", "three");
	expect(f, "a.so\n");
	assert_int_equal(truncate("a.so", 0), 0);
	expect(f, "a.so\n");
}

static void a_new_time_is_a_change_and_reading_is_none(void **state)
{
	/* Promise: an event is no change. What was only read, or given another mode, is not told of. */
	struct fixture *f = *state;
	const struct watch_item items[] = { { WATCH_FILE, "a", NULL }, { WATCH_FILE, "b", NULL } };
	char text[8];
	write_file("a", "one");
	write_file("b", "one");
	watch_paths(f, items, LENGTH(items));
	int fd = open("a", O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, text, sizeof(text)), 3);
	close(fd);
	fd = open("a", O_RDWR | O_CLOEXEC); /* its end is an IN_CLOSE_WRITE */
	close(fd);
	assert_int_equal(chmod("a", 0600), 0);
	struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000, .tv_nsec = 1 } };
	assert_int_equal(utimensat(AT_FDCWD, "b", times, 0), 0);
	expect(f, "b\n");
	times[1].tv_nsec = 2;
	assert_int_equal(utimensat(AT_FDCWD, "b", times, 0), 0);
	expect(f, "b\n");
}

#define PIECES 20
#define PIECE_MS \
	125 /* longer than what counts as quiet; all together, longer than the longest wait */

static void on_write(evutil_socket_t fd, short what, void *arg)
{
	struct fixture *f = arg;
	struct timeval next = { .tv_usec = PIECE_MS * 1000 };
	(void)fd;
	(void)what;
	assert_int_equal(write(f->fd, "more", 4), 4);
	if (f->pieces == PIECES / 2)
		write_file("beside", "it"); /* makes all be looked at meanwhile */
	if (++f->pieces < PIECES)
		event_add(f->writer, &next);
	else
		close(f->fd);
}

static void start_writer(struct fixture *f, const char *path)
{
	f->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (f->writer)
		event_free(f->writer);
	f->writer = event_new(f->base, -1, 0, on_write, f);
	event_active(f->writer, EV_TIMEOUT, 0);
}

static void a_file_that_takes_two_seconds_to_write(void **state)
{
	/* Promise: a linker that takes its time is waited for; a file is told of once, when it is whole. */
	struct fixture *f = *state;
	const struct watch_item item = { WATCH_FOLDER, ".", "*.so" };
	write_file("b.so", "before");
	watch_paths(f, &item, 1);
	start_writer(f, "a.so");
	expect(f, "./a.so\n");
	assert_int_equal(f->pieces, PIECES);
	f->pieces = 0;
	start_writer(f, "b.so"); /* the same for one that was there */
	expect(f, "./b.so\n");
	assert_int_equal(f->pieces, PIECES);
	assert_int_equal(f->times, 2);
}

static void others_do_not_wait_for_it(void **state)
{
	/* Promise: what has changed while another file is being written is told of before that is whole. */
	struct fixture *f = *state;
	const struct watch_item items[] = { { WATCH_FILE, "a.so", NULL },
		{ WATCH_FILE, "beside", NULL } };
	watch_paths(f, items, LENGTH(items));
	start_writer(f, "a.so");
	expect(f, "beside\n");
	assert_true(f->pieces < PIECES);
	expect(f, "a.so\n");
	assert_int_equal(f->pieces, PIECES);
}

static void a_writer_that_never_closes(void **state)
{
	/* Promise: a file that is kept open is told of all the same, once its writer has paused for long. */
	struct fixture *f = *state;
	watch_file(f, "a");
	int fd = open("a", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(write(fd, "text", 4), 4);
	uint64_t begin = clock_monotonic_ms();
	expect(f, "a\n");
	assert_true(f->told_ms - begin >= WATCH_MOST_MS - 10);
	close(fd);
}

static void on_stir(evutil_socket_t fd, short what, void *arg)
{
	struct fixture *f = arg;
	struct timeval next = { .tv_usec = WATCH_QUIET_MS / 2 * 1000 };
	(void)fd;
	(void)what;
	write_file("other", f->pieces++ % 2 ? "x" : "xx");
	uint64_t now = clock_monotonic_ms();
	if (f->stirred_ms && now - f->stirred_ms > f->longest_ms)
		f->longest_ms = now - f->stirred_ms;
	f->stirred_ms = now;
	event_add(f->writer, &next);
}

/* False: it was quiet after all, since the writer had to wait for a processor. */
static bool was_never_quiet(struct fixture *f)
{
	const struct watch_item items[] = { { WATCH_FILE, "a", NULL },
		{ WATCH_FILE, "other", NULL } };
	watch_paths(f, items, LENGTH(items));
	write_file("a", "one");
	f->writer = event_new(f->base, -1, 0, on_stir, f);
	event_active(f->writer, EV_TIMEOUT, 0);
	uint64_t begin = clock_monotonic_ms();
	wait_told(f);
	event_del(f->writer);
	uint64_t pause = clock_monotonic_ms() - f->stirred_ms;
	if (f->told_ms - begin < WATCH_MOST_MS - 100 &&
	    (pause > f->longest_ms ? pause : f->longest_ms) >= WATCH_QUIET_MS * 3 / 4)
		return false;
	assert_true(f->told_ms - begin >= WATCH_MOST_MS - 100);
	assert_true(f->told_ms - begin < WATCH_MOST_MS + 1000);
	buf_add(&f->told, "", 1);
	assert_string_equal(f->told.data, "a other\n");
	return true;
}

static void a_folder_that_is_never_quiet(void **state)
{
	/* Promise: what has changed is told two seconds after the first event at the latest. */
	for (int i = 0; !was_never_quiet(*state); i++) {
		assert_true(i < 20);
		assert_int_equal(teardown(state) + setup(state), 0);
	}
}

static void how_editors_save(void **state)
{
	/* Promise: each editor's dance is one change of the file, and what it leaves beside is none. */
	struct fixture *f = *state;
	const struct watch_item item = { WATCH_TREE, "src", NULL };
	assert_int_equal(mkdir("src", 0755), 0);
	write_file("src/hello.c", "one");
	watch_paths(f, &item, 1);

	/* vim with writebackup and backupcopy=no: a trial file, the old one away, the new one in place. */
	write_file("src/.hello.c.swp", "x");
	write_file("src/4913", "");
	assert_int_equal(unlink("src/4913"), 0);
	assert_int_equal(rename("src/hello.c", "src/hello.c~"), 0);
	write_file("src/hello.c", "two");
	assert_int_equal(unlink("src/hello.c~"), 0);
	expect(f, "src/hello.c\n");

	/* emacs: a link as a lock, the old one renamed to a backup that stays. */
	assert_int_equal(symlink("me@host.1", "src/.#hello.c"), 0);
	write_file("src/#hello.c#", "half");
	assert_int_equal(rename("src/hello.c", "src/hello.c~"), 0);
	write_file("src/hello.c", "three");
	assert_int_equal(unlink("src/#hello.c#") + unlink("src/.#hello.c"), 0);
	expect(f, "src/hello.c\n");

	/* JetBrains: written beside, the old one aside, the new one over it. */
	write_file("src/hello.c___jb_tmp___", "four");
	assert_int_equal(rename("src/hello.c", "src/hello.c___jb_old___"), 0);
	assert_int_equal(rename("src/hello.c___jb_tmp___", "src/hello.c"), 0);
	assert_int_equal(unlink("src/hello.c___jb_old___"), 0);
	expect(f, "src/hello.c\n");

	/* install, and most others: a rename over it. */
	write_file("new", "five");
	assert_int_equal(rename("new", "src/hello.c"), 0);
	expect(f, "src/hello.c\n");
	assert_int_equal(f->times, 4);
}

static void a_file_that_goes_and_comes(void **state)
{
	/* Promise: the end of a file is a change, and its return another. */
	struct fixture *f = *state;
	write_file("a", "one");
	watch_file(f, "a");
	assert_int_equal(unlink("a"), 0);
	expect(f, "a\n");
	assert_int_equal(watch_count(f->watch), 0);
	write_file("a", "one");
	expect(f, "a\n");
	assert_int_equal(rename("a", "b"), 0);
	expect(f, "a\n");
}

static void a_folder_that_is_replaced(void **state)
{
	/* Promise: a folder is watched by its path: moved away, deleted, made again, and one of its parents
	 * likewise. */
	struct fixture *f = *state;
	assert_int_equal(mkdir("up", 0755) + mkdir("up/in", 0755) + mkdir("up.new", 0755) +
			     mkdir("up.new/in", 0755),
	    0);
	write_file("up/in/a.so", "one");
	write_file("up.new/in/a.so", "other");
	watch_file(f, "up/in/a.so");
	assert_int_equal(rename("up", "up.old") + rename("up.new", "up"), 0);
	expect(f, "up/in/a.so\n");
	write_file("up.old/in/a.so", "not looked at any more");
	write_file("up/in/a.so", "and this is");
	expect(f, "up/in/a.so\n");
	assert_int_equal(unlink("up/in/a.so") + rmdir("up/in") + rmdir("up"), 0);
	expect(f, "up/in/a.so\n");
	assert_int_equal(mkdir("up", 0755), 0);
	assert_int_equal(mkdir("up/in", 0755), 0);
	write_file("up/in/a.so", "back");
	expect(f, "up/in/a.so\n");
}

static void links_that_are_swapped(void **state)
{
	/* Promise: a link's target counts, and so does each link on the way, as package managers and
	 * Kubernetes swap them. */
	struct fixture *f = *state;
	assert_int_equal(mkdir("v1", 0755) + mkdir("v2", 0755) + symlink("v1", "current") +
			     symlink("current/a.so", "a.so"),
	    0);
	write_file("v1/a.so", "one");
	write_file("v2/a.so", "two");
	watch_file(f, "a.so");
	assert_int_equal(symlink("v2", "new") + rename("new", "current"), 0);
	expect(f, "a.so\n");
	write_file("v1/a.so", "is not current");
	write_file("v2/a.so", "is");
	expect(f, "a.so\n");
	assert_int_equal(unlink("a.so") + symlink("v1/a.so", "a.so"), 0);
	expect(f, "a.so\n");
	assert_int_equal(unlink("a.so") + symlink("a.so", "a.so"), 0); /* leads nowhere */
	expect(f, "a.so\n");
	assert_int_equal(watch_count(f->watch), 0);
}

static void a_folder_of_plugins(void **state)
{
	/* Promise: of plugins.dir every .so counts, new ones and links too, and nothing else. */
	struct fixture *f = *state;
	const struct watch_item item = { WATCH_FOLDER, "plugins/", "*.so" };
	assert_int_equal(mkdir("plugins", 0755), 0);
	write_file("plugins/a.so", "one");
	watch_paths(f, &item, 1);
	write_file("plugins/README", "x");
	write_file("plugins/.hidden.so", "x");
	write_file("plugins/b.so", "one");
	expect(f, "plugins/b.so\n");
	write_file("elsewhere", "one");
	assert_int_equal(symlink("../elsewhere", "plugins/c.so"), 0);
	expect(f, "plugins/c.so\n");
	write_file("elsewhere", "two and more");
	assert_int_equal(unlink("plugins/a.so"), 0);
	expect(f, "plugins/a.so plugins/c.so\n");
}

static void a_tree_of_sources(void **state)
{
	/* Promise: all files of a tree count, those of new folders too; not what compilers make. */
	struct fixture *f = *state;
	const struct watch_item item = { WATCH_TREE, "src", NULL };
	assert_int_equal(mkdir("src", 0755) + mkdir("src/deep", 0755) + mkdir("src/.git", 0755), 0);
	write_file("src/deep/a.c", "one");
	assert_int_equal(symlink("..", "src/deep/circle"), 0);
	watch_paths(f, &item, 1);
	assert_int_equal(watch_count(f->watch), 1);
	write_file("src/a.o", "x");
	write_file("src/a.so", "x");
	write_file("src/.git/index", "x");
	write_file("src/deep/a.c", "three");
	expect(f, "src/deep/a.c\n");
	assert_int_equal(mkdir("src/new", 0755), 0);
	assert_int_equal(mkdir("src/new/deeper", 0755), 0);
	write_file("src/new/deeper/b.c", "one");
	expect(f, "src/new/deeper/b.c\n");
	write_file("src/new/deeper/b.c", "three");
	expect(f, "src/new/deeper/b.c\n");
}

static void more_events_than_the_kernel_keeps(void **state)
{
	/* Promise: events that were lost cost nothing: all is looked at again. */
	struct fixture *f = *state;
	const struct watch_item item = { WATCH_FOLDER, ".", "*" };
	FILE *limit = fopen("/proc/sys/fs/inotify/max_queued_events", "re");
	unsigned most = 0;
	assert_true(limit && fscanf(limit, "%u", &most) == 1);
	fclose(limit);
	assert_int_equal(mkdir("deep", 0755), 0);
	write_file("last", "one");
	watch_paths(f, &item, 1);
	for (unsigned i = 0; i < most / 2 + 10;
	     i++) /* two events each, never the same twice in a row */
		assert_int_equal(symlink("x", ".flood") + unlink(".flood"), 0);
	write_file("last", "three");
	expect(f, "./last\n");
	write_file("last", "four!"); /* and it goes on */
	expect(f, "./last\n");
}

static void a_set_in_the_place_of_another(void **state)
{
	/* Promise: what changes while the set is replaced is not lost: neither a new state nor an end; and what
	 * is not in the new set is not told of any more. */
	struct fixture *f = *state;
	const struct watch_item first[] = { { WATCH_FILE, "a", NULL }, { WATCH_FILE, "b", NULL },
		{ WATCH_FILE, "c", NULL } };
	const struct watch_item second[] = { { WATCH_FILE, "a", NULL }, { WATCH_FILE, "b", NULL },
		{ WATCH_FILE, "d", NULL } };
	for (const char *name = "a\0b\0c\0d\0"; *name; name += 2)
		write_file(name, "one");
	watch_paths(f, first, LENGTH(first));
	write_file("a", "three");
	assert_int_equal(unlink("b"), 0);
	write_file("c", "three");
	write_file("d", "three");
	watch_paths(f, second, LENGTH(second));
	expect(f, "a b\n");
	write_file("c", "four!");
	write_file("d", "four!");
	expect(f, "d\n");
}

static void a_set_from_within_the_callback(void **state)
{
	/* Promise: whoever is told may take a new set then and there: a reload does. */
	struct fixture *f = *state;
	write_file("a", "one");
	watch_file(f, "a");
	f->then_set = "b";
	write_file("a", "three");
	expect(f, "a\n");
	write_file("a", "four!");
	write_file("b", "one");
	expect(f, "b\n");
}

static void too_large_a_tree(void **state)
{
	/* Promise: there is a bound, and whoever asks for more is told. */
	struct fixture *f = *state;
	const struct watch_item item = { WATCH_TREE, "src", NULL };
	char path[32];
	assert_int_equal(mkdir("src", 0755), 0);
	for (unsigned i = 0; i < SNAPSHOT_FILES_MAX + 1; i++) {
		snprintf(path, sizeof(path), "src/f%u", i);
		int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		assert_true(fd >= 0);
		close(fd);
	}
	assert_int_equal(watch_set(f->watch, &item, 1), -E2BIG);
	assert_int_equal(watch_count(f->watch), SNAPSHOT_FILES_MAX);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(watch_set(f->watch, &item, 1), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_file_that_is_written_over),
		TEST(a_new_time_is_a_change_and_reading_is_none),
		TEST(a_file_that_takes_two_seconds_to_write),
		TEST(others_do_not_wait_for_it),
		TEST(a_writer_that_never_closes),
		TEST(a_folder_that_is_never_quiet),
		TEST(how_editors_save),
		TEST(a_file_that_goes_and_comes),
		TEST(a_folder_that_is_replaced),
		TEST(links_that_are_swapped),
		TEST(a_folder_of_plugins),
		TEST(a_tree_of_sources),
		TEST(more_events_than_the_kernel_keeps),
		TEST(a_set_in_the_place_of_another),
		TEST(a_set_from_within_the_callback),
		TEST(too_large_a_tree),
	};
	return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
