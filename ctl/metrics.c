/* metrics: looks for lines; the format as a whole (Prometheus text 0.0.4) is none of our business. */
#include "ctl/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void metrics_read(struct client *client, struct metrics *ret_metrics)
{
	static const char build[] = "agentd_build_info{version=\"";
	struct reply reply;
	*ret_metrics = (struct metrics){ 0 };
	if (client_exchange(client, "GET", "/metrics", NULL, &reply) < 0)
		return;
	if (reply.status == 200)
		ret_metrics->text = buf_take(&reply.body);
	reply_done(&reply);
	const char *found = ret_metrics->text ? strstr(ret_metrics->text, build) : NULL;
	if (found) {
		found += sizeof(build) - 1;
		snprintf(ret_metrics->version, sizeof(ret_metrics->version), "%.*s",
		    (int)strcspn(found, "\"\n"), found);
	}
}

void metrics_done(struct metrics *metrics)
{
	free(metrics->text);
	*metrics = (struct metrics){ 0 };
}

uint64_t metrics_memory(const struct metrics *metrics, long long pid)
{
	static const char name[] = "\nagentd_host_resident_memory_bytes{";
	char label[48];
	snprintf(label, sizeof(label), "pid=\"%lld\"} ", pid);
	const char *at = metrics->text;
	while (at && (at = strstr(at, name))) {
		const char *end = strchr(++at, '\n'), *found = strstr(at, label);
		if (found && (!end || found < end))
			return (uint64_t)strtod(found + strlen(label), NULL);
	}
	return 0;
}
