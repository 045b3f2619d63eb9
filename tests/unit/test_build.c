/*
 * build: real commands, on a loop: how their ends are told, what is kept, and that nothing stays behind. Nothing
 * sleeps: the loop runs until a build is done, or a deadline has passed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/base/buf.h"
#include "daemon/base/log.h"
#include "daemon/conf/schema.h"
#include "daemon/proc/build.h"
#include "daemon/proc/orphan.h"

#define DEADLINE_S 10
#define LIMIT_MS   300

struct fixture {
	struct event_base *base;
	struct build *build;
	unsigned done;
	bool is_good;
	int log; /* what the log says, as a file */
};

static void on_done(void *arg, bool is_good)
{
	struct fixture *f = arg;
	f->done++;
	f->is_good = is_good;
}

static int setup(void **state)
{
	struct fixture *f = *state = calloc(1, sizeof(*f));
	char path[] = "/tmp/agentd-build-XXXXXX";
	f->base = event_base_new();
	f->build = build_new(f->base, BUILD_LIMIT_MS, "what was served goes on", on_done, f);
	f->log = mkstemp(path);
	log_open(f->log, LOG_FORMAT_JSON, LOG_LEVEL_INFO);
	return f->log < 0 || unlink(path);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	build_free(f->build);
	event_base_free(f->base);
	close(f->log);
	free(f);
	return 0;
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	fail_msg("the build did not end in time");
}

static void start(struct fixture *f, const char *script)
{
	char *words[] = { "sh", "-c", (char *)(uintptr_t)script };
	struct schema_list command = { words, 3 };
	assert_int_equal(build_set(f->build, &command, "/tmp"), 0);
	assert_true(build_start(f->build, "a test"));
	assert_true(build_is_running(f->build));
}

static void wait_done(struct fixture *f)
{
	struct timeval most = { .tv_sec = DEADLINE_S };
	struct event *deadline = event_new(f->base, -1, 0, on_deadline, f);
	unsigned before = f->done;
	event_add(deadline, &most);
	while (f->done == before)
		event_base_loop(f->base, EVLOOP_ONCE);
	event_free(deadline);
	assert_false(build_is_running(f->build));
}

static void run(struct fixture *f, const char *script)
{
	start(f, script);
	wait_done(f);
}

/* All that the log says. */
static char *read_log(const struct fixture *f)
{
	static char text[1 << 20];
	ssize_t n = pread(f->log, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void a_build_that_succeeds(void **state)
{
	/* Promise: its lines are in the log under its name, and there is no failure. */
	struct fixture *f = *state;
	run(f, "pwd; echo two >&2");
	assert_true(f->is_good);
	assert_null(build_failure(f->build));
	assert_non_null(strstr(read_log(f), "\"message\":\"/tmp\",\"from\":\"build\""));
	assert_non_null(strstr(read_log(f), "\"message\":\"two\",\"from\":\"build\""));
	assert_non_null(strstr(read_log(f), "build: done, after"));
}

static void a_build_that_fails(void **state)
{
	/* Promise: the reason and the output are kept until one succeeds; the log has an error with the last lines. */
	struct fixture *f = *state;
	run(f, "for i in 1 2 3 4 5 6; do echo line $i; done; printf 'a\\377b'; exit 3");
	assert_false(f->is_good);
	const struct build_failure *failure = build_failure(f->build);
	assert_non_null(failure);
	assert_string_equal(failure->reason, "exited with code 3");
	assert_string_equal(failure->output,
	    "line 1\nline 2\nline 3\nline 4\nline 5\nline 6\na\xef\xbf\xbd"
	    "b");
	assert_memory_equal(failure->command, "sh -c for", 9);
	assert_non_null(
	    strstr(read_log(f), "\"level\":\"error\",\"message\":\"build: exited with code 3; "
				"what was served goes on:\\nline 3\\nline 4"));
	run(f, "kill -TERM $$");
	assert_string_equal(build_failure(f->build)->reason, "killed by SIGTERM");
	assert_string_equal(build_failure(f->build)->output, "");
	run(f, "true");
	assert_true(f->is_good);
	assert_null(build_failure(f->build));
}

static void a_failure_is_that_of_its_command(void **state)
{
	/* Promise: a config with another command begins anew; the same one read again changes nothing. */
	struct fixture *f = *state;
	char *words[] = { "false" };
	struct schema_list command = { words, 1 }, nothing = { NULL, 0 };
	assert_int_equal(build_set(f->build, &command, "."), 0);
	assert_true(build_start(f->build, "a test"));
	wait_done(f);
	assert_int_equal(build_set(f->build, &command, "."), 0);
	assert_non_null(build_failure(f->build));
	assert_true(build_is_set(f->build));
	assert_int_equal(build_set(f->build, &nothing, "."), 0);
	assert_null(build_failure(f->build));
	assert_false(build_is_set(f->build));
}

static void a_command_that_is_not_there(void **state)
{
	/* Promise: what cannot be run is a failure like others, and says why. */
	struct fixture *f = *state;
	char *words[] = { "no-such-command" };
	struct schema_list command = { words, 1 };
	assert_int_equal(build_set(f->build, &command, "/tmp"), 0);
	assert_false(build_start(f->build, "a test"));
	assert_false(build_is_running(f->build));
	assert_string_equal(build_failure(f->build)->reason, "could not be started");
	assert_string_equal(build_failure(f->build)->output,
	    "cannot run no-such-command: No such file or directory\n");
	assert_int_equal(build_set(f->build, &command, "/no/such/folder"), 0);
	assert_false(build_start(f->build, "a test"));
	assert_string_equal(build_failure(f->build)->output,
	    "cannot run /no/such/folder: No such file or directory\n");
}

static void much_output(void **state)
{
	/* Promise: the end of it is kept, in whole lines, however much there is and whatever the log leaves out. */
	struct fixture *f = *state;
	run(f, "seq -f 'line %.0f' 1 100000; exit 1");
	const char *output = build_failure(f->build)->output;
	size_t n = strlen(output);
	assert_true(n <= BUILD_KEPT_MAX && n > BUILD_KEPT_MAX - 100);
	assert_memory_equal(output, "line ", 5);
	assert_string_equal(output + n - 12, "line 100000\n");
}

static void it_has_nothing_of_ours(void **state)
{
	/* Promise: no descriptor but its output, no input, a process group of its own, and no signal is blocked. */
	struct fixture *f = *state;
	assert_true(dup2(STDOUT_FILENO, 77) == 77);
	run(f, "ls -l /proc/$$/fd; umask; "
	       "read line || echo no input; ps -o pgid= -p $$ | grep -qx \" *$$\" && echo its own; "
	       "grep SigBlk /proc/self/status; exit 1");
	assert_int_equal(close(77), 0);
	const char *output = build_failure(f->build)->output;
	assert_non_null(strstr(output, " 0 -> /dev/null\n"));
	assert_non_null(strstr(output, " 1 -> pipe:"));
	assert_non_null(strstr(output, " 2 -> pipe:"));
	assert_string_equal(
	    strstr(output, "\n0022\n"), "\n0022\nno input\nits own\nSigBlk:\t0000000000000000\n");
	unsigned count = 0;
	for (const char *at = output; (at = strstr(at, " -> ")); at++)
		count++;
	assert_int_equal(count, 3);
}

static void what_it_leaves_behind(void **state)
{
	/* Promise: what it has put into the background ends with it, in its group or not, and is reaped. */
	struct fixture *f = *state;
	run(f, "sleep 1000 & setsid sleep 1000 & exit 1");
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* there is no child left */
}

static void one_that_takes_too_long(void **state)
{
	/* Promise: it is ended, with all that it has started. */
	struct fixture *f = *state;
	build_free(f->build);
	f->build = build_new(f->base, LIMIT_MS, "what was served goes on", on_done, f);
	run(f, "echo begun; sleep 1000; echo never");
	assert_false(f->is_good);
	assert_string_equal(
	    build_failure(f->build)->reason, "took longer than 0.3 s, and was ended");
	assert_string_equal(build_failure(f->build)->output, "begun\n");
}

static void it_is_no_orphan(void **state)
{
	/* Bug: when a host had died, whatever agentd had started besides hosts was taken for what that had left
	 * behind, and was ended. */
	struct fixture *f = *state;
	unsigned count = 0;
	int gate[2];
	char script[128];
	assert_int_equal(pipe(gate), 0);
	/* The inner shell ends at once, so its child becomes ours: that is in the build's group. */
	snprintf(script, sizeof(script),
	    "sh -c 'sh -c \"read line < /proc/%d/fd/%d\"; exit 4' & wait $!; exit $?", getpid(),
	    gate[0]);
	start(f, script);
	assert_true(orphans_end(ORPHANS_SOON_MS, &count));
	assert_int_equal(count, 0);
	assert_int_equal(write(gate[1], "\n", 1), 1);
	wait_done(f);
	assert_string_equal(build_failure(f->build)->reason, "exited with code 4");
	close(gate[0]);
	close(gate[1]);
}

static void it_ends_with_agentd(void **state)
{
	/* Promise: whoever frees it while it runs ends it, and is not told any more. */
	struct fixture *f = *state;
	start(f, "echo begun; sleep 1000");
	build_free(f->build);
	f->build = NULL;
	assert_int_equal(f->done, 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* there is no child left */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_build_that_succeeds),
		TEST(a_build_that_fails),
		TEST(a_failure_is_that_of_its_command),
		TEST(a_command_that_is_not_there),
		TEST(much_output),
		TEST(it_has_nothing_of_ours),
		TEST(one_that_takes_too_long),
		TEST(it_is_no_orphan),
		TEST(it_ends_with_agentd),
		TEST(what_it_leaves_behind),
	};
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); /* as agentd */
	return cmocka_run_group_tests_name("build", tests, NULL, NULL);
}
