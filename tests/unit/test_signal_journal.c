/* signal's journal: what was received and not stored is there for the next process, however this one ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_host.h"
#include "plugins/signal/journal.h"

static struct fake_host *fake;
static char folder[] = "/tmp/agentd-journal-XXXXXX";

static int set_up(void **state)
{
	(void)state;
	memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
	assert_non_null(mkdtemp(folder));
	fake = fake_host_new();
	fake->spool = folder;
	return 0;
}

static int tear_down(void **state)
{
	char command[64];
	(void)state;
	fake_host_free(fake);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static void add(struct signal_journal *journal, const char *text)
{
	signal_journal_add(journal, agentd_text(text, strlen(text)));
}

/* What the next process finds; it ends without having stored it. */
static void assert_left(const char *expected)
{
	struct signal_journal *journal = signal_journal_new(&fake->host);
	size_t n = 0;
	char *left = signal_journal_take_up(journal, &n);
	if (expected) {
		assert_non_null(left);
		assert_int_equal(n, strlen(expected));
		assert_memory_equal(left, expected, n);
	} else {
		assert_null(left);
	}
	free(left);
	signal_journal_free(journal);
}

/* How many files there are, and the name of one. */
static unsigned count_files(char name[256])
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	unsigned count = 0;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.') {
			count++;
			snprintf(name, 256, "%s", entry->d_name);
		}
	closedir(dir);
	return count;
}

static void test_what_is_left(void **state)
{
	struct signal_journal *journal = signal_journal_new(&fake->host);
	char name[256];
	(void)state;
	add(journal, "[{\"envelope\"");
	add(journal, ":{}}");
	add(journal, ",{\"enve");
	signal_journal_free(journal); /* as if killed: nothing of it is in the process only */
	assert_left("[{\"envelope\":{}},{\"enve");
	assert_left("[{\"envelope\":{}},{\"enve");
	assert_int_equal(count_files(name), 1);
}

static void test_what_is_taken_up_is_added_to(void **state)
{
	struct signal_journal *journal = signal_journal_new(&fake->host);
	size_t n;
	(void)state;
	add(journal, "{1}");
	signal_journal_free(journal);
	journal = signal_journal_new(&fake->host);
	free(signal_journal_take_up(journal, &n));
	add(journal, "2");
	signal_journal_free(journal);
	assert_left("{1}2");
}

static void test_cleared(void **state)
{
	struct signal_journal *journal = signal_journal_new(&fake->host);
	char name[256];
	(void)state;
	signal_journal_clear(journal);
	add(journal, "{1}");
	signal_journal_clear(journal);
	assert_int_equal(count_files(name), 0);
	add(journal, "{2}");
	signal_journal_free(journal);
	assert_left("{2}");
}

/* A receive that brings nothing is no file each second. */
static void test_no_message(void **state)
{
	struct signal_journal *journal = signal_journal_new(&fake->host);
	char name[256];
	(void)state;
	add(journal, "[]\n");
	assert_int_equal(count_files(name), 0);
	signal_journal_free(journal);
	assert_left(NULL);
}

/* A message that kills each process that reads it does not do so for ever, and is not thrown away. */
static void test_put_aside(void **state)
{
	struct signal_journal *journal = signal_journal_new(&fake->host);
	char name[256], path[512], bytes[8] = "";
	(void)state;
	add(journal, "{1}");
	signal_journal_free(journal);
	for (int i = 0; i < 10; i++)
		assert_left("{1}");
	assert_string_equal(fake->log, "");
	assert_left(NULL);
	assert_left(NULL);
	assert_int_equal(count_files(name), 1);
	assert_non_null(strstr(name, "-aside"));
	assert_non_null(strstr(fake->log, name));
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *file = fopen(path, "r");
	assert_non_null(fgets(bytes, sizeof(bytes), file));
	fclose(file);
	assert_string_equal(bytes, "{1}");
}

/* A disk that takes nothing costs a line in the log for each time, and nothing else. */
static void test_no_folder(void **state)
{
	struct signal_journal *journal;
	char gone[64];
	(void)state;
	snprintf(gone, sizeof(gone), "%s/gone", folder);
	fake->spool = gone;
	journal = signal_journal_new(&fake->host);
	add(journal, "{1}");
	add(journal, "{2}");
	signal_journal_clear(journal);
	assert_string_equal(fake->log,
	    "1 what is received cannot be written down (making a file: No such file or directory): "
	    "it is lost if this process is killed before it is stored\n");
	assert_int_equal(mkdir(gone, 0700), 0);
	add(journal, "{3}");
	signal_journal_free(journal);
	assert_left("{3}");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_left),
		TEST(test_what_is_taken_up_is_added_to),
		TEST(test_cleared),
		TEST(test_no_message),
		TEST(test_put_aside),
		TEST(test_no_folder),
	};
	return cmocka_run_group_tests_name("signal's journal", tests, NULL, NULL);
}
