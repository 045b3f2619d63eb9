/* fetch: agentd-fetch reads what the network says, so agentd believes it as little as a plugin. Here it is this program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/event.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/frame.h"
#include "daemon/base/message.h"
#include "daemon/proc/fetch.h"

#define MOST 1000

/* As agentd-fetch: answers with as many bytes as the URL's path says, and again, and stays. */
static _Noreturn void lie(void)
{
	char asked[4096] = "", bytes[4096] = "";
	struct buf out = { 0 };
	ssize_t n = read(HOST_FD_CHANNEL, asked, sizeof(asked) - 1);
	const char *path = n > 0 ? memmem(asked, (size_t)n, "//host/", 7) : NULL;
	for (int i = 0; path && i < 3; i++) {
		struct frame_writer writer = frame_begin(&out, MESSAGE_FETCHED, 0);
		frame_put_rest(&writer, bytes, (size_t)atoi(path + 7));
		frame_end(&writer);
	}
	n = write(HOST_FD_CHANNEL, out.data, out.length);
	for (;;)
		pause();
}

struct said {
	struct event_base *base;
	size_t length;
	char error[200];
};

static void on_done(void *arg, const char *bytes, size_t length, const char *error)
{
	(void)bytes;
	struct said *said = arg;
	said->length = length;
	snprintf(said->error, sizeof(said->error), "%s", error ? error : "");
	event_base_loopbreak(said->base);
}

static struct said fetch(const char *url)
{
	struct said said = { .base = event_base_new() };
	struct schema_list hidden = { 0 };
	struct fetch_setup setup = {
		.url = url, .most = MOST, .hidden = &hidden, .done = on_done, .arg = &said
	};
	assert_non_null(fetch_start(said.base, &setup));
	event_base_dispatch(said.base);
	event_base_free(said.base);
	return said;
}

/* Bug: what it answered was kept, however much it was, and as often as it answered. */
static void test_too_much(void **state)
{
	(void)state;
	struct said said = fetch("http://host/1001");
	assert_string_equal(said.error, "agentd-fetch sent what makes no sense");
	assert_int_equal(said.length, 0);
	said = fetch("http://host/1000"); /* the first counts */
	assert_string_equal(said.error, "");
	assert_int_equal(said.length, MOST);
}

int main(int argc, char **argv)
{
	char self[PATH_MAX], path[PATH_MAX + 16];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (argc > 0 && strcmp(argv[0], "agentd-fetch") == 0)
		lie();
	if (n < 0)
		return 1;
	self[n] = '\0';
	snprintf(path, sizeof(path), "%.*s/agentd-fetch", (int)(strrchr(self, '/') - self), self);
	unlink(path);
	if (symlink(self, path) < 0)
		return 1;
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_too_much) };
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return failed;
}
