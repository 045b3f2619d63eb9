/* journal: entries as a reader of systemd's native protocol gets them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/base/log.h"

static char folder[] = "/tmp/agentd-journal-XXXXXX", path[96];
static int reader = -1;

static int open_reader(void **state)
{
	(void)state;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/socket", folder);
	memcpy(address.sun_path, path, strlen(path));
	reader = socket(AF_UNIX, SOCK_DGRAM, 0);
	return bind(reader, (struct sockaddr *)&address, sizeof(address));
}

static int close_reader(void **state)
{
	(void)state;
	close(reader);
	unlink(path);
	return rmdir(folder);
}

/* The value of a field: KEY=value, or KEY, a newline, the length in 64 bits, the value. */
static void assert_field(const char *entry, size_t length, const char *key, const char *want)
{
	size_t n = strlen(key), size;
	for (const char *at = entry; at < entry + length; at += size + 1) {
		const char *end = memchr(at, '\n', (size_t)(entry + length - at));
		const char *equals = memchr(at, '=', (size_t)(end - at));
		const char *name = at;
		if (equals) {
			size = (size_t)(end - equals - 1);
			at = equals + 1;
		} else {
			uint64_t le;
			memcpy(&le, end + 1, sizeof(le));
			size = (size_t)le64toh(le);
			at = end + 1 + sizeof(le);
		}
		if (strncmp(name, key, n) == 0 && (name[n] == '=' || name[n] == '\n')) {
			assert_int_equal(size, strlen(want));
			assert_memory_equal(at, want, size);
			return;
		}
	}
	fail_msg("no field %s", key);
}

/* A line is one entry: its level, its text with the fields in it, and each field to search by. */
static void test_an_entry(void **state)
{
	(void)state;
	char entry[4096];
	struct log_field fields[] = { { "run_id", "01a2", false }, { "status", "200", true },
		{ "absent", NULL, false }, { "path", "/x\nPRIORITY=0", false } };
	log_open(STDERR_FILENO, LOG_FORMAT_JOURNAL, LOG_LEVEL_INFO);
	assert_int_equal(log_open_journal(path), 0);
	log_with(LOG_LEVEL_WARN, fields, "two\nlines");
	ssize_t n = recv(reader, entry, sizeof(entry), MSG_DONTWAIT);
	assert_true(n > 0);
	assert_field(entry, (size_t)n, "SYSLOG_IDENTIFIER", "agentd");
	assert_field(entry, (size_t)n, "PRIORITY", "4");
	assert_field(entry, (size_t)n, "MESSAGE",
	    "two\\nlines run_id=01a2 status=200 path=\"/x\\nPRIORITY=0\"");
	assert_field(entry, (size_t)n, "AGENTD_RUN_ID", "01a2");
	assert_field(entry, (size_t)n, "AGENTD_STATUS", "200");
	assert_field(entry, (size_t)n, "AGENTD_PATH", "/x\nPRIORITY=0");
	log_debug("not this");
	assert_int_equal(recv(reader, entry, sizeof(entry), MSG_DONTWAIT), -1);
}

/* A journal that does not read delays nobody; how much was lost is said when it reads again. */
static void test_a_full_journal(void **state)
{
	(void)state;
	char entry[4096];
	bool told = false;
	for (int i = 0; i < 20000; i++)
		log_info("line %d", i);
	while (recv(reader, entry, sizeof(entry), MSG_DONTWAIT) > 0)
		;
	log_info("one more");
	for (ssize_t n; (n = recv(reader, entry, sizeof(entry), MSG_DONTWAIT)) > 0;)
		told |= memmem(entry, (size_t)n, "log lines lost", 14) != NULL;
	assert_true(told);
}

/* Without a journal lines go where they went. */
static void test_no_journal(void **state)
{
	(void)state;
	assert_true(log_open_journal("/nowhere/at/all") < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_entry),
		cmocka_unit_test(test_a_full_journal),
		cmocka_unit_test(test_no_journal),
	};
	return cmocka_run_group_tests(tests, open_reader, close_reader);
}
