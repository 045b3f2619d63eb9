/* spool: files of runs are made where they seem to be, never over others or behind a link, and go whole. */
#include <setjmp.h>
#include <stdarg.h>
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

#include "daemon/run/spool.h"

static char folder[] = "/tmp/agentd-test-spool-XXXXXX";
static struct spool *spool;

static const char *in(const char *name)
{
	static char path[256];
	snprintf(path, sizeof(path), "%s/spool/%s", folder, name);
	return path;
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(folder) && spool_new(in(""), &spool) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	spool_free(spool);
	return rmdir(in("")) == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static int add(const char *run, const char *name, const char *text)
{
	char *path = NULL;
	int error = spool_add(spool, run, name, text, strlen(text), &path);
	assert_int_equal(error == 0, path != NULL);
	free(path);
	return error;
}

/* Two files of a run, for nobody else to read; they are removed with their folder. */
static void test_files_of_a_run(void **state)
{
	(void)state;
	struct stat made;
	char text[8] = "";
	assert_int_equal(add("r", "one", "text"), 0);
	assert_int_equal(add("r", "two", ""), 0);
	assert_int_equal(stat(in("r/one"), &made), 0);
	assert_int_equal(made.st_mode, S_IFREG | 0600);
	int fd = open(in("r/one"), O_RDONLY);
	assert_int_equal(read(fd, text, sizeof(text)), 4);
	assert_string_equal(text, "text");
	close(fd);
	spool_remove_run(spool, "r");
	assert_int_equal(access(in("r"), F_OK), -1);
	spool_remove_run(spool, "r");
}

/* Whoever put something in a file's place beforehand gets nothing. */
static void test_nothing_is_written_over(void **state)
{
	(void)state;
	char outside[64];
	snprintf(outside, sizeof(outside), "%s/outside", folder);
	assert_int_equal(mkdir(outside, 0700), 0);
	assert_int_equal(symlink(outside, in("r")), 0);
	assert_int_equal(add("r", "one", "text"), -ENOTDIR);
	assert_int_equal(rmdir(outside), 0); /* it is empty */
	assert_int_equal(unlink(in("r")), 0);
	assert_int_equal(mkdir(in("r"), 0700), 0);
	assert_int_equal(symlink(outside, in("r/one")), 0);
	assert_int_equal(add("r", "one", "text"), -EEXIST);
	assert_int_equal(access(outside, F_OK), -1);
	assert_int_equal(add("r", "two", "text"), 0);
	assert_int_equal(add("r", "two", "text"), -EEXIST);
	spool_remove_run(spool, "r");
	assert_int_equal(access(in("r"), F_OK), -1);
}

/* The sweep takes what was last changed before a time, whole folders of runs, and nothing later. */
static void test_sweep(void **state)
{
	(void)state;
	static const struct timespec old[2] = { { .tv_sec = 100 }, { .tv_sec = 100 } };
	assert_int_equal(add("old", "one", "x"), 0);
	assert_int_equal(add("new", "one", "x"), 0);
	assert_int_equal(utimensat(AT_FDCWD, in("old/one"), old, 0), 0);
	assert_int_equal(utimensat(AT_FDCWD, in("old"), old, 0), 0);
	spool_sweep(spool, 100000);
	assert_int_equal(access(in("old/one"), F_OK), 0);
	spool_sweep(spool, 101000);
	assert_int_equal(access(in("old"), F_OK), -1);
	assert_int_equal(access(in("new/one"), F_OK), 0);
	spool_remove_run(spool, "new");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files_of_a_run),
		cmocka_unit_test(test_nothing_is_written_over),
		cmocka_unit_test(test_sweep),
	};
	return cmocka_run_group_tests_name("spool", tests, set_up, tear_down);
}
