/*
 * agentd-host: one plugin in a process of its own. agentd starts it; it is of no use by hand.
 *
 * Until the plugin is configured all is plain blocking reads and writes on fd 3, in the order that
 * message.h gives: SETUP, sandbox, load, HELLO, CONFIG. Then host_serve runs the loop.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/base/message.h"
#include "host/hook.h"
#include "host/host.h"
#include "host/load.h"
#include "host/pipe.h"

_Noreturn void host_leave(int fd, int code, const char *format, ...)
{
	char reason[512];
	va_list args;
	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	struct buf out = { 0 };
	struct frame_writer writer = frame_begin(&out, MESSAGE_LEAVING, 0);
	frame_put_str(&writer, reason);
	frame_end(&writer);
	pipe_send(fd, &out);
	_exit(code);
}

static struct host_setup read_setup(int fd, const struct frame *frame)
{
	struct frame_cursor cursor = frame_fields(frame);
	struct host_setup setup = { 0 };
	uint32_t protocol = frame_get_u32(&cursor);
	setup.name = frame_get_str(&cursor);
	setup.delta_max = frame_get_u32(&cursor);
	setup.event_max = frame_get_u32(&cursor);
	setup.events_max = frame_get_u32(&cursor);
	setup.content_max = frame_get_u64(&cursor);
	setup.threads = frame_get_u32(&cursor);
	uint32_t allowed = frame_get_u32(&cursor);
	setup.spool = frame_get_str(&cursor);
	setup.sandbox.daemon = getppid();
	setup.sandbox.unix_sockets = allowed & MESSAGE_ALLOW_UNIX;
	setup.sandbox.files = allowed & MESSAGE_ALLOW_FILES;
	size_t count = frame_get_count(&cursor, sizeof(uint32_t));
	pid_t *threads = calloc(count + 1, sizeof(*threads));
	for (size_t i = 0; threads && i < count; i++)
		threads[i] = (pid_t)frame_get_u32(&cursor);
	setup.sandbox.threads = threads;
	setup.sandbox.thread_count = count;
	count = frame_get_count(&cursor, sizeof(uint32_t));
	char **hidden = calloc(count + 1, sizeof(*hidden));
	for (size_t i = 0; hidden && i < count; i++)
		hidden[i] = frame_get_str(&cursor);
	setup.sandbox.hidden = hidden;
	setup.sandbox.hidden_count = count;
	if (frame->type != MESSAGE_SETUP || protocol != MESSAGE_PROTOCOL ||
	    frame_end_fields(&cursor) < 0)
		host_leave(fd, HOST_EXIT_REFUSED, "agentd and agentd-host are of different builds");
	return setup;
}

static void put_triggers(struct frame_writer *writer, const struct plugin *plugin)
{
	frame_put_u32(writer, (uint32_t)plugin->head.trigger_count);
	for (size_t i = 0; i < plugin->head.trigger_count; i++) {
		const struct agentd_trigger *trigger = &plugin->triggers[i];
		frame_put_u32(writer, trigger->type);
		frame_put_u32(writer, trigger->flags);
		frame_put_str(writer, trigger->name);
		frame_put_str(writer, trigger->path);
		frame_put_str(writer, trigger->method);
		frame_put_str(writer, trigger->schedule);
		frame_put_str(writer, trigger->zone);
		frame_put_str(writer, trigger->event);
		frame_put_str(writer, trigger->session);
	}
}

/* The stages of a hook, or what an interface can do. */
static uint32_t abilities(const struct plugin *plugin)
{
	uint32_t can = 0;
	for (uint32_t stage = 0; stage < STAGE_COUNT; stage++)
		if (hook_function(&plugin->hook, stage))
			can |= 1u << stage;
	if (plugin->head.kind == AGENTD_INTERFACE)
		can = (plugin->interface.typing ? MESSAGE_CAN_TYPE : 0) |
		      (plugin->interface.http ? MESSAGE_CAN_HTTP : 0);
	return can;
}

static void put_paths(struct frame_writer *writer, const struct plugin *plugin)
{
	frame_put_u32(writer, (uint32_t)plugin->head.path_count);
	for (size_t i = 0; i < plugin->head.path_count; i++) {
		frame_put_str(writer, plugin->paths[i].method);
		frame_put_str(writer, plugin->paths[i].path);
		frame_put_str(writer, plugin->paths[i].when);
	}
}

static void send_hello(int fd, const struct plugin *plugin)
{
	const struct agentd_plugin *head = &plugin->head;
	struct buf out = { 0 };
	struct frame_writer writer = frame_begin(&out, MESSAGE_HELLO, 0);
	frame_put_u32(&writer, MESSAGE_PROTOCOL);
	frame_put_u32(&writer, head->kind);
	frame_put_u32(&writer, head->flags);
	frame_put_str(&writer, head->name);
	frame_put_str(&writer, head->version);
	frame_put_str(&writer, head->summary ? head->summary : "");
	frame_put_u32(&writer, (uint32_t)head->option_count);
	for (size_t i = 0; i < head->option_count; i++) {
		const struct agentd_option *option = &plugin->options[i];
		frame_put_str(&writer, option->key);
		frame_put_u32(&writer, option->type);
		frame_put_u32(&writer, option->required);
		frame_put_str(&writer, option->fallback);
		frame_put_str(&writer, option->choices);
		frame_put_i64(&writer, option->min);
		frame_put_i64(&writer, option->max);
		frame_put_str(&writer, option->help);
	}
	put_triggers(&writer, plugin);
	frame_put_u32(&writer, abilities(plugin));
	put_paths(&writer, plugin);
	if (frame_end(&writer) < 0)
		host_leave(fd, HOST_EXIT_FAILED, "out of memory");
	pipe_send(fd, &out);
	buf_done(&out);
}

int main(int argc, char **argv)
{
	int fd = HOST_FD_CHANNEL;
	int type;
	socklen_t length = sizeof(type);
	if (argc != 2 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0) {
		fprintf(stderr, "%s: started by agentd to run one plugin; not for use by hand\n",
		    argv[0]);
		return 64;
	}
	prctl(PR_SET_NAME, "agentd-host"); /* fexecve leaves the number of the fd as the name */
	signal(SIGPIPE, SIG_IGN);
	fcntl(fd, F_SETFD, FD_CLOEXEC); /* what the plugin starts has no business with it */

	struct buf in = { 0 };
	struct frame frame = pipe_receive(fd, &in);
	struct host_setup setup = read_setup(fd, &frame);
	int error = sandbox_enter(&setup.sandbox);
	if (error < 0)
		host_leave(fd, HOST_EXIT_REFUSED, "cannot enter the sandbox: %s", strerror(-error));

	struct plugin plugin;
	char reason[384];
	if (load_plugin(HOST_FD_PLUGIN, &plugin, reason, sizeof(reason)) < 0)
		host_leave(fd, HOST_EXIT_REFUSED, "%s", reason);
	close(HOST_FD_PLUGIN);
	send_hello(fd, &plugin);

	frame = pipe_receive(fd, &in);
	if (frame.type == MESSAGE_QUIT)
		return 0;
	host_serve(fd, &setup, &plugin, &frame);
}
