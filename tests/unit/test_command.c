/* A command ends, and it is said how; what it started ends with it; one that takes too long is ended. */
#include <errno.h>
#include <event2/event.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/base/log.h"
#include "daemon/proc/command.h"

struct waiting {
	struct event_base *base;
	char error[300];
	bool done;
};

static void on_done(void *arg, const struct command_end *end)
{
	struct waiting *waiting = arg;
	snprintf(waiting->error, sizeof(waiting->error), "%s", end->error ? end->error : "");
	waiting->done = true;
	event_base_loopbreak(waiting->base);
}

static int start(struct waiting *waiting, char *script, int64_t patience_ms, struct command **ret)
{
	char shell[] = "sh", flag[] = "-c";
	char *const argv[] = { shell, flag, script, NULL };
	struct command_setup setup = { .path = "/bin/sh",
		.argv = argv,
		.label = "test",
		.patience_ms = patience_ms,
		.done = on_done,
		.arg = waiting };
	return command_start(waiting->base, &setup, ret);
}

/* Why it failed; "": it did not. The caller frees nothing: the text is the waiting's. */
static const char *run(struct waiting *waiting, char *script, int64_t patience_ms)
{
	struct command *command;
	waiting->done = false;
	assert_int_equal(start(waiting, script, patience_ms, &command), 0);
	event_base_dispatch(waiting->base);
	assert_true(waiting->done);
	return waiting->error;
}

static int set_up(void **state)
{
	struct waiting *waiting = calloc(1, sizeof(*waiting));
	log_open(STDERR_FILENO, LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	waiting->base = event_base_new();
	*state = waiting;
	return 0;
}

static int tear_down(void **state)
{
	struct waiting *waiting = *state;
	event_base_free(waiting->base);
	free(waiting);
	return 0;
}

static void test_how_it_ends(void **state)
{
	char good[] = "exit 0", bad[] = "echo first; echo last >&2; exit 3",
	     killed[] = "kill -9 $$";
	assert_string_equal(run(*state, good, 60000), "");
	assert_string_equal(run(*state, bad, 60000), "exited with code 3: last");
	assert_string_equal(run(*state, killed, 60000), "killed by SIGKILL");
}

static void test_it_takes_too_long(void **state)
{
	char script[] = "exec sleep 60";
	assert_string_equal(run(*state, script, 50), "did not end within 0.05 s");
}

static void test_what_it_has(void **state)
{
	char script[] = "read x && exit 1; [ -e /proc/self/fd/9 ] && exit 2; "
			"grep -q '^SigBlk:.0*$' /proc/self/status || exit 3; "
			"[ $(cut -d' ' -f6 /proc/$$/stat) = $$ ] || exit 4";
	sigset_t set, before;
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, &before);
	assert_int_equal(dup2(STDERR_FILENO, 9), 9); /* not close-on-exec */
	assert_string_equal(run(*state, script, 60000), "");
	close(9);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

static void test_what_it_leaves_behind(void **state)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	char script[] = "sleep 60 & setsid sleep 60 & exit 5";
	assert_string_equal(run(*state, script, 60000), "exited with code 5");
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* there is no child left */
}

static void test_what_cannot_be_started(void **state)
{
	struct waiting *waiting = *state;
	struct command *command = NULL;
	char word[] = "x";
	char *const argv[] = { word, NULL };
	struct command_setup setup = { .path = "/nonexistent/x",
		.argv = argv,
		.label = "test",
		.patience_ms = 60000,
		.done = on_done,
		.arg = waiting };
	assert_int_equal(command_start(waiting->base, &setup, &command), -ENOENT);
	setup.path = "/etc";
	assert_int_equal(command_start(waiting->base, &setup, &command), -EACCES);
	assert_false(waiting->done);
	assert_null(command);
}

static void test_it_is_stopped(void **state)
{
	struct waiting *waiting = *state;
	struct command *command;
	char script[] = "sleep 60";
	assert_int_equal(start(waiting, script, 60000, &command), 0);
	command_stop(command);
	event_base_dispatch(waiting->base); /* nothing is left that it could wait for */
	assert_false(waiting->done);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_how_it_ends, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_it_takes_too_long, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_it_has, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_it_leaves_behind, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_cannot_be_started, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_it_is_stopped, set_up, tear_down),
	};
	return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
