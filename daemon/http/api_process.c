/* api_process: what agents, interfaces and hooks show alike: the plugin, and the processes that it is in. */
#include <string.h>

#include "daemon/http/api.h"
#include "daemon/http/reply.h"

/* What a process wrote last may be about anybody's run: it is for admins. */
static void add_last_exit(
    struct buf *out, const struct principal *who, const struct child_exit *last)
{
	const char *text = who->admin ? last->whole : last->reason;
	const char *signal = last->signal ? sigabbrev_np(last->signal) : NULL;
	if (!last->at_wall_ms) {
		buf_add_str(out, "null");
		return;
	}
	if (last->signal)
		buf_addf(out, "{\"signal\":\"SIG%s\",\"at\":", signal ? signal : "?");
	else
		buf_addf(out, "{\"code\":%d,\"at\":", last->code);
	reply_add_time(out, last->at_wall_ms);
	buf_add_str(out, ",\"reason\":");
	struct buf reason = { 0 };
	buf_add_utf8(&reason, NULL, text, strlen(text));
	buf_add_json(out, reason.data ? reason.data : "", reason.length);
	buf_done(&reason);
	buf_add_str(out, "}");
}

static void add_str(struct buf *out, const char *name, const char *text)
{
	buf_addf(out, "\"%s\":", name);
	buf_add_json_str(out, text);
	buf_add_str(out, ",");
}

void api_process_write(struct buf *out, const struct principal *who,
    const struct instance_settings *settings, const struct descriptor *plugin,
    const struct api_process *process)
{
	add_str(out, "name", settings->name);
	add_str(out, "plugin", plugin->name);
	add_str(out, "version", plugin->version);
	add_str(out, "summary", plugin->summary);
	buf_addf(out, "\"state\":\"%s\",\"generation\":%u,\"pids\":[", state_name(process->state),
	    process->generation);
	for (size_t i = 0; i < process->pid_count; i++)
		buf_addf(out, "%s%d", i ? "," : "", process->pids[i]);
	buf_addf(out, "],\"restarts\":%u,\"last_exit\":", process->restarts);
	add_last_exit(out, who, process->last_exit);
	buf_add_str(out, ",\"next_retry_at\":");
	reply_add_time(out, process->retry_at_wall_ms);
}
