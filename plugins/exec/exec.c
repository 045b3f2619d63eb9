/*
 * exec: makes any program an agent. The program is started without a shell, so nothing in a run's
 * input is ever part of a command line.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agentd/plugin.h"
#include "mode.h"
#include "process.h"
#include "program.h"

static const struct agentd_option options[] = {
	{ .key = "command",
	    .type = AGENTD_LIST,
	    .required = 1,
	    .help = "the program and its arguments; there is no shell" },
	{ .key = "mode",
	    .type = AGENTD_STRING,
	    .fallback = "oneshot",
	    .choices = "oneshot|worker",
	    .help = "oneshot: a process for each run; worker: one that speaks JSON lines" },
	{ .key = "input",
	    .type = AGENTD_STRING,
	    .fallback = "text",
	    .choices = "text|json",
	    .help = "what a oneshot reads: the input, or a JSON object; not used by a worker" },
	{ .key = "env",
	    .type = AGENTD_MAP,
	    .help = "more variables for the program, which has only PATH and LANG" },
	{ .key = "cwd",
	    .type = AGENTD_STRING,
	    .help = "the program's folder; a relative one counts from agentd's own" },
};

static const struct mode *const modes[] = { &mode_oneshot, &mode_worker };

static struct exec exec;
static struct program program;
static const struct mode *mode;
static void *mode_self;

static int exec_open(
    const struct agentd_host *host, const struct agentd_options *given, void **ret_self)
{
	char why[400];
	*ret_self = NULL; /* a process has one plugin, and that one state */
	if (program_init(&program, given, why, sizeof(why)) < 0) {
		host->fatal(host, why);
		return -EINVAL;
	}
	exec.host = host;
	exec.program = &program;
	exec.input_is_json = strcmp(agentd_get_text(given, "input"), "json") == 0;
	exec.processes = processes_new(host);
	if (!exec.processes)
		return -ENOMEM;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(agentd_get_text(given, "mode"), modes[i]->name) == 0)
			mode = modes[i];
	return mode->open(&exec, &mode_self);
}

static int exec_run(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self;
	return mode->run(mode_self, run, request);
}

static void exec_cancel(void *self, struct agentd_run *run)
{
	(void)self;
	mode->cancel(mode_self, run);
}

static void exec_writable(void *self, struct agentd_run *run)
{
	(void)self;
	mode->writable(mode_self, run);
}

static void exec_close(void *self)
{
	(void)self;
	processes_end(exec.processes);
	mode->close(mode_self);
	processes_free(exec.processes);
	program_done(&program);
}

static const struct agentd_agent_ops agent = {
	.size = sizeof(agent),
	.open = exec_open,
	.run = exec_run,
	.cancel = exec_cancel,
	.writable = exec_writable,
	.close = exec_close,
};

const struct agentd_plugin agentd_plugin = {
	AGENTD_PLUGIN_HEAD,
	.kind = AGENTD_AGENT,
	.name = "exec",
	.version = "0.1.0",
	.summary = "makes any program an agent",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.agent = &agent,
};
