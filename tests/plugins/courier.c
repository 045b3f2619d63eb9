/*
 * courier: an agent for the tests that deals in files. It answers with its input and what came along, a line each:
 * "TYPE NAME MIME-TYPE BYTES" of a file, "TYPE url URL" of a URL. But if the input begins with "send", it sends
 * what the other lines name: "TYPE MIME-TYPE NAME BYTES" is a file with these bytes, "TYPE URL" a URL. Of the type
 * inode/directory there is a folder instead of the file, and of inode/none nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agentd/plugin.h"

#define FILES_MAX 10

static const struct agentd_host *host;

static int courier_open(
    const struct agentd_host *given, const struct agentd_options *options, void **ret_self)
{
	(void)options;
	(void)ret_self;
	host = given;
	return 0;
}

static struct agentd_text text_of(const char *text)
{
	return agentd_text(text, strlen(text));
}

static void print_attachment(FILE *out, const struct agentd_attachment *one)
{
	char path[1024], bytes[1024];
	snprintf(path, sizeof(path), "%.*s", (int)one->path.n, one->path.p ? one->path.p : "");
	if (one->url.n) {
		fprintf(out, "\n%u url %.*s", one->type, (int)one->url.n, one->url.p);
		return;
	}
	FILE *file = fopen(path, "rb");
	size_t n = file ? fread(bytes, 1, sizeof(bytes), file) : 0;
	fprintf(out, "\n%u %.*s %.*s %.*s", one->type, (int)one->name.n,
	    one->name.p ? one->name.p : "", (int)one->mime_type.n,
	    one->mime_type.p ? one->mime_type.p : "", (int)n, bytes);
	if (file)
		fclose(file);
}

static void finish(struct agentd_run *run, struct agentd_text content,
    const struct agentd_attachment *attachments, size_t count)
{
	struct agentd_result result = { .size = sizeof(result),
		.content = content,
		.attachments = attachments,
		.attachment_count = count,
		.attachment_size = sizeof(*attachments) };
	host->finish(run, &result);
}

static void answer_read(struct agentd_run *run, const struct agentd_request *request)
{
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);
	fprintf(out, "%.*s", (int)request->input.n, request->input.p);
	for (size_t i = 0; i < request->attachment_count; i++)
		print_attachment(out,
		    (const struct agentd_attachment *)(const void *)((const char *)
									 request->attachments +
								     i * request->attachment_size));
	fclose(out);
	finish(run, agentd_text(text, n), NULL, 0);
	free(text);
}

/* False: it cannot be made. */
static int make_file(const char *path, const char *mime_type, const char *bytes)
{
	if (strcmp(mime_type, "inode/none") == 0)
		return 1;
	if (strcmp(mime_type, "inode/directory") == 0)
		return mkdir(path, 0700) == 0;
	FILE *file = fopen(path, "wb");
	if (!file)
		return 0;
	fputs(bytes, file);
	fclose(file);
	return 1;
}

/* One line as an attachment; its strings are borrowed from the line. False: it is none. */
static int make_attachment(
    char *line, struct agentd_text spool, struct agentd_attachment *ret, char *path, size_t size)
{
	char *mime_type, *name, *bytes, *end;
	uint32_t type = (uint32_t)strtoul(line, &end, 10);
	if (end == line || *end != ' ')
		return 0;
	mime_type = end + 1;
	*ret = (struct agentd_attachment){ .type = type };
	name = strchr(mime_type, ' ');
	bytes = name ? strchr(name + 1, ' ') : NULL;
	if (!bytes) {
		ret->url = text_of(mime_type);
		return 1;
	}
	*name++ = *bytes++ = '\0';
	snprintf(path, size, "%.*s", (int)spool.n, spool.p);
	mkdir(path, 0700); /* is the agent's to make */
	snprintf(path, size, "%.*s/%s", (int)spool.n, spool.p, name);
	if (!make_file(path, mime_type, bytes)) {
		host->log(host, AGENTD_LOG_WARN, "%s: %s", path, strerror(errno));
		return 0;
	}
	ret->mime_type = text_of(mime_type);
	ret->name = text_of(name);
	ret->path = text_of(path);
	return 1;
}

static int courier_run(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	struct agentd_attachment attachments[FILES_MAX];
	char paths[FILES_MAX][1024], *input, *rest, *line;
	size_t count = 0;
	(void)self;
	if (request->attachment_count || request->input.n < 4 ||
	    memcmp(request->input.p, "send", 4) != 0) {
		answer_read(run, request);
		return 0;
	}
	input = rest = strndup(request->input.p, request->input.n);
	if (!input)
		return -ENOMEM;
	while ((line = strsep(&rest, "\n")) && count < FILES_MAX)
		count += (size_t)make_attachment(
		    line, request->spool, &attachments[count], paths[count], sizeof(paths[count]));
	finish(run, agentd_text("here", 4), attachments, count);
	free(input);
	return 0;
}

static const struct agentd_agent_ops agent = {
	.size = sizeof(agent),
	.open = courier_open,
	.run = courier_run,
};

const struct agentd_plugin agentd_plugin = {
	AGENTD_PLUGIN_HEAD,
	.kind = AGENTD_AGENT,
	.name = "courier",
	.version = "1.0.0",
	.summary = "deals in files, for the tests",
	.agent = &agent,
};
