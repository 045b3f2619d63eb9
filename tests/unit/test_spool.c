/* spool: what is removed, and what is not, of folders in which plugins may write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/sync.h"
#include "daemon/run/spool.h"

#define OLD_S 1000

static char folder[64];
static struct spool *spool;

static const char *at(const char *name)
{
	static char paths[8][256];
	static size_t next;
	char *path = paths[next++ % 8];
	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

static void make(const char *name)
{
	int fd = open(at(name), O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static bool is_there(const char *name)
{
	struct stat there;
	return lstat(at(name), &there) == 0;
}

/* As if it had been made long ago. */
static void age(const char *name)
{
	struct timespec times[2] = { { .tv_sec = OLD_S }, { .tv_sec = OLD_S } };
	assert_int_equal(utimensat(AT_FDCWD, at(name), times, AT_SYMLINK_NOFOLLOW), 0);
}

/* sync: what is written, upwards. The C library's is not called by what is linked with this. */

static char synced[4][256];
static size_t synced_count;
static int sync_error;

int fsync(int fd)
{
	char link[64];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, synced[synced_count % 4], sizeof(synced[0]) - 1);
	assert_true(n > 0);
	synced[synced_count++ % 4][n] = '\0';
	errno = sync_error;
	return sync_error ? -1 : 0;
}

static int setup(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/agentd-spool-XXXXXX");
	assert_non_null(mkdtemp(folder));
	assert_int_equal(spool_new(at("spool"), &spool), 0);
	assert_int_equal(mkdir(at("other"), 0700), 0);
	make("other/precious");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	char command[128];
	spool_free(spool);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

/* An interface's folder is one, whatever was in its place. */
static void test_the_folder_of_an_interface(void **state)
{
	(void)state;
	struct stat there;
	for (int i = 0; i < 4; i++) {
		if (i == 1)
			assert_int_equal(rmdir(at("spool/in-tel")), 0);
		if (i == 1)
			assert_int_equal(symlink(at("other"), at("spool/in-tel")), 0);
		if (i == 2)
			assert_int_equal(rmdir(at("spool/in-tel")), 0);
		if (i == 2)
			make("spool/in-tel");
		char *path = spool_of_interface(spool, "tel");
		assert_string_equal(path, at("spool/in-tel"));
		assert_int_equal(lstat(path, &there), 0);
		assert_true(S_ISDIR(there.st_mode));
		free(path);
	}
	assert_true(is_there("other/precious"));
}

/* A file of a folder of the spool; nothing that is elsewhere, whatever the path says. */
static void test_files_are_removed(void **state)
{
	(void)state;
	static const char *const elsewhere[] = { "other/precious", "spool/../other/precious",
		"spool/in-tel/../../other/precious", "spool/link/precious", "spool/in-tel",
		"spool/in-tel/", "spool/", "spoolx/a" };
	free(spool_of_interface(spool, "tel"));
	assert_int_equal(symlink(at("other"), at("spool/link")), 0);
	assert_int_equal(symlink(at("other/precious"), at("spool/in-tel/link")), 0);
	make("spool/in-tel/a");
	for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++)
		spool_remove_file(spool, at(elsewhere[i]));
	assert_true(is_there("other/precious") && is_there("spool/in-tel/a"));
	spool_remove_file(spool, at("spool/in-tel/a"));
	spool_remove_file(spool, at("spool/in-tel/link"));
	assert_false(is_there("spool/in-tel/a") || is_there("spool/in-tel/link"));
	assert_true(is_there("other/precious") && is_there("spool/in-tel"));
}

/* A run's folder, with what is in it, and not with what a link leads to. */
static void test_runs_are_removed(void **state)
{
	(void)state;
	spool_remove_run(spool, "none");
	assert_int_equal(mkdir(at("spool/r1"), 0700), 0);
	make("spool/r1/a");
	assert_int_equal(symlink(at("other/precious"), at("spool/r1/link")), 0);
	assert_int_equal(symlink(at("other"), at("spool/r2")), 0);
	spool_remove_run(spool, "r1");
	spool_remove_run(spool, "r2");
	assert_false(is_there("spool/r1"));
	assert_true(is_there("other/precious"));
}

/* What is old, and agentd's. */
static void test_the_sweep(void **state)
{
	(void)state;
	static const char id[] = "spool/in-tel/01a20273-0000-7000-8000-000000000000";
	static const char fresh[] = "spool/in-tel/01a20273-0000-7000-8000-000000000001";
	free(spool_of_interface(spool, "tel"));
	make(id);
	make(fresh);
	make("spool/in-tel/its own");
	assert_int_equal(mkdir(at("spool/r1"), 0700), 0);
	make("spool/r1/a");
	assert_int_equal(mkdir(at("spool/r2"), 0700), 0);
	make("spool/r2/a");
	assert_int_equal(symlink(at("other"), at("spool/link")), 0);
	static const char *const aged[] = { id, "spool/in-tel/its own", "spool/in-tel",
		"spool/r1/a", "spool/r1", "other/precious", "other", "spool/link" };
	for (size_t i = 0; i < sizeof(aged) / sizeof(aged[0]); i++)
		age(aged[i]);
	spool_sweep(spool, (OLD_S + 1) * 1000);
	assert_false(is_there(id) || is_there("spool/r1"));
	assert_true(is_there(fresh) && is_there("spool/in-tel/its own") && is_there("spool/r2/a"));
	assert_true(is_there("other/precious"));
}

/* A file is on the disk when its name is, and that of its folder. */
static void test_sync(void **state)
{
	(void)state;
	char *path;
	synced_count = 0;
	sync_error = 0;
	assert_int_equal(spool_add(spool, "run", "input-1", "x", 1, &path), 0);
	assert_int_equal(synced_count, 0); /* whoever makes files does not wait */
	assert_int_equal(sync_file(path), 0);
	assert_int_equal(synced_count, 3);
	assert_string_equal(synced[0], path);
	assert_string_equal(synced[1], at("spool/run"));
	assert_string_equal(synced[2], at("spool"));
	sync_error = EIO;
	assert_int_equal(sync_file(path), -EIO);
	free(path);
}

/* Nothing that could be waited for for ever, and nothing outside. */
static void test_sync_of_what_is_no_file(void **state)
{
	(void)state;
	synced_count = 0;
	sync_error = 0;
	assert_int_equal(mkdir(at("spool/run"), 0700), 0);
	assert_int_equal(sync_file(at("spool/run/none")), -ENOENT);
	assert_int_equal(symlink(at("other/precious"), at("spool/run/link")), 0);
	assert_int_equal(sync_file(at("spool/run/link")), -ELOOP);
	assert_int_equal(symlink(at("other"), at("spool/linked")), 0);
	assert_int_equal(sync_file(at("spool/linked/precious")), -ENOTDIR);
	assert_int_equal(mkfifo(at("spool/run/fifo"), 0600), 0);
	sync_file(at("spool/run/fifo"));
	assert_int_equal(sync_file("relative"), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_folder_of_an_interface, setup, teardown),
		cmocka_unit_test_setup_teardown(test_files_are_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_runs_are_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_sweep, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sync, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sync_of_what_is_no_file, setup, teardown),
	};
	return cmocka_run_group_tests_name("spool", tests, NULL, NULL);
}
