/* spool: what the sweep takes, and what it leaves: a plugin's own files are not agentd's to remove. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/id.h"
#include "daemon/run/spool.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ID           "0192f0c1-3a5b-7cde-8f01-23456789abcd"

static void make_file(const char *folder, const char *name, time_t at)
{
	char path[512];
	struct timespec times[2] = { { .tv_sec = at }, { .tv_sec = at } };
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
}

static bool is_there(const char *folder, const char *name)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return access(path, F_OK) == 0;
}

static void test_sweep(void **state)
{
	static const struct {
		const char *name;
		time_t at;
		bool stays_of_interface, stays_of_run;
	} rows[] = {
		{ ID, 100, false, false },
		{ "0192f0c1-3a5b-7cde-8f01-23456789abce", 300, true, true }, /* young */
		{ "received-0", 100, true, false },
		{ ID "-aside", 100, true, false },
		{ "0192F0C1-3A5B-7CDE-8F01-23456789ABCD", 100, true, false },
		{ "0192f0c1-3a5b-7cde-8f01-23456789abc", 100, true, false },
		{ "0192f0c1x3a5b-7cde-8f01-23456789abcd", 100, true, false },
	};
	char path[] = "/tmp/agentd-spool-XXXXXX", command[64];
	struct spool *spool;
	(void)state;
	assert_non_null(mkdtemp(path));
	assert_int_equal(spool_new(path, &spool), 0);
	char *interface = spool_of_interface(spool, "tel"), *run = spool_of_run(spool, ID);
	assert_int_equal(mkdir(run, 0700), 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		make_file(interface, rows[i].name, rows[i].at);
		make_file(run, rows[i].name, rows[i].at);
	}
	spool_sweep(spool, 200000);
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(is_there(interface, rows[i].name), rows[i].stays_of_interface);
		assert_int_equal(is_there(run, rows[i].name), rows[i].stays_of_run);
	}
	spool_remove_run(spool, ID);
	assert_false(is_there(path, ID));
	free(interface);
	free(run);
	spool_free(spool);
	snprintf(command, sizeof(command), "rm -r %s", path);
	assert_int_equal(system(command), 0);
}

/* What the sweep goes by is what host->spool makes. */
static void test_ids(void **state)
{
	char id[ID_SIZE];
	(void)state;
	id_make(clock_wall_ms(), id);
	assert_true(id_is_good(id));
	assert_false(id_is_good(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sweep),
		cmocka_unit_test(test_ids),
	};
	return cmocka_run_group_tests_name("spool", tests, NULL, NULL);
}
