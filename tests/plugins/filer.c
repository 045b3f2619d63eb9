/*
 * filer: an agent for the tests that answers with files, and says which it was given.
 *
 *	file NAME MIME TEXT  "here", and a file of that name and type with that text in it
 *	big NAME BYTES       "here", and a file of so many bytes
 *	link URL             "here", and a file that is a URL
 *	anything else        a line for each attachment: "TYPE NAME MIME BYTES TEXT"
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agentd/plugin.h"

static const struct agentd_host *host;

static int filer_open(
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

static int answer(
    struct agentd_run *run, const char *content, const struct agentd_attachment *attachment)
{
	struct agentd_result result = {
		.size = sizeof(result),
		.status = AGENTD_DONE,
		.content = text_of(content),
		.attachments = attachment,
		.attachment_count = attachment != NULL,
		.attachment_size = sizeof(*attachment),
	};
	return host->finish(run, &result);
}

/* Writes text, or so many bytes of it again and again. */
static int file_write(const char *path, const char *text, size_t n)
{
	FILE *file = fopen(path, "w");
	size_t of = strlen(text);
	if (!file)
		return -errno;
	for (size_t i = 0; i < n; i++)
		putc(text[i % of], file);
	return fclose(file) == 0 ? 0 : -EIO;
}

static int answer_with_file(struct agentd_run *run, const struct agentd_request *request,
    const char *name, const char *mime_type, const char *text, size_t n)
{
	char folder[3000], path[4096];
	snprintf(folder, sizeof(folder), "%.*s", (int)request->spool.n, request->spool.p);
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	int error = file_write(path, text, n);
	if (error < 0)
		return error;
	return answer(run, "here",
	    &(struct agentd_attachment){ .type = AGENTD_FILE,
		.bytes = n,
		.name = text_of(name),
		.mime_type = text_of(mime_type),
		.path = text_of(path) });
}

/* The beginning of a file, or why there is none. */
static void put_file(FILE *out, struct agentd_text path)
{
	char name[4096], bytes[256];
	snprintf(name, sizeof(name), "%.*s", (int)path.n, path.p);
	FILE *file = fopen(name, "r");
	if (!file) {
		fputs(strerror(errno), out);
		return;
	}
	size_t n = fread(bytes, 1, sizeof(bytes), file);
	fwrite(bytes, 1, n, out);
	fclose(file);
}

static int answer_what_came(struct agentd_run *run, const struct agentd_request *request)
{
	static const char *const types[] = { "file", "image", "audio", "video" };
	char *content = NULL;
	size_t n;
	FILE *out = open_memstream(&content, &n);
	if (!out)
		return -ENOMEM;
	fprintf(out, "%zu files", request->attachment_count);
	for (size_t i = 0; i < request->attachment_count; i++) {
		const struct agentd_attachment *one =
		    (const void *)((const char *)request->attachments +
				   i * request->attachment_size);
		fprintf(out, "\n%s %.*s %.*s %llu ", types[one->type & 3], (int)one->name.n,
		    one->name.p, (int)one->mime_type.n, one->mime_type.p,
		    (unsigned long long)one->bytes);
		if (one->url.n)
			fwrite(one->url.p, 1, one->url.n, out);
		else
			put_file(out, one->path);
	}
	fclose(out);
	int error = answer(run, content, NULL);
	free(content);
	return error;
}

static int filer_run(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	char input[1024], name[200], mime_type[200], url[500];
	size_t bytes;
	int at = 0;
	(void)self;
	snprintf(input, sizeof(input), "%.*s", (int)request->input.n, request->input.p);
	if (sscanf(input, "file %199s %199s %n", name, mime_type, &at) == 2 && at)
		return answer_with_file(
		    run, request, name, mime_type, input + at, strlen(input + at));
	if (sscanf(input, "big %199s %zu", name, &bytes) == 2)
		return answer_with_file(run, request, name, "", "big ", bytes);
	if (sscanf(input, "link %499s", url) == 1)
		return answer(run, "here", &(struct agentd_attachment){ .url = text_of(url) });
	return answer_what_came(run, request);
}

static const struct agentd_agent_ops agent = {
	.size = sizeof(agent),
	.open = filer_open,
	.run = filer_run,
};

const struct agentd_plugin agentd_plugin = {
	AGENTD_PLUGIN_HEAD,
	.kind = AGENTD_AGENT,
	.name = "filer",
	.version = "1.0.0",
	.summary = "answers with files, and says which it was given",
	.agent = &agent,
};
