/* words: one function for each type of line. */
#include "words.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "chatter.h"
#include "files.h"
#include "job.h"
#include "say.h"

#define SHOWN_MAX_BYTES 200 /* of a line that makes no sense */

/* A member that is a string; nothing if it is none. */
static struct agentd_text get_text(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);
	return agentd_text(json_string_value(value), json_string_length(value));
}

/* A member as JSON, the caller's; NULL: there is none. */
static char *get_json(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);
	return value && !json_is_null(value) ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY)
					     : NULL;
}

static struct agentd_text text_of(const char *text)
{
	return agentd_text(text, text ? strlen(text) : 0);
}

static int take_delta(struct job *job, const json_t *words, size_t *said)
{
	if (job->cancelled)
		return 0; /* nobody reads it; the finish is what matters */
	return say_text(job->jobs->host, job->run, get_text(words, "text"), said);
}

static int take_event(struct job *job, const json_t *words, size_t *said)
{
	const struct agentd_host *host = job->jobs->host;
	const char *name = json_string_value(json_object_get(words, "name"));
	(void)said;
	if (job->cancelled)
		return 0;
	char *data = get_json(words, "data");
	int error = host->event(job->run, name, text_of(data ? data : "{}"));
	if (error < 0 && error != -EAGAIN && chatter_allows(host))
		host->run_log(
		    job->run, AGENTD_LOG_WARN, "an event is left out: %s", strerror(-error));
	free(data);
	return error;
}

static uint32_t finish_status(const json_t *words, struct agentd_text error)
{
	const char *status = json_string_value(json_object_get(words, "status"));
	if (status && strcmp(status, "cancelled") == 0)
		return AGENTD_CANCELLED;
	return error.p ? AGENTD_FAILED : AGENTD_DONE;
}

/* What the session is to remember. Their texts are borrowed, but for tool_calls. */
static struct agentd_message *get_messages(const json_t *words, size_t *ret_count)
{
	const json_t *array = json_object_get(words, "messages");
	size_t count = json_array_size(array);
	struct agentd_message *messages = count ? calloc(count, sizeof(*messages)) : NULL;
	for (size_t i = 0; messages && i < count; i++) {
		const json_t *message = json_array_get(array, i);
		messages[i].role = get_text(message, "role");
		messages[i].content = get_text(message, "content");
		messages[i].tool_calls = text_of(get_json(message, "tool_calls"));
		messages[i].tool_call_id = get_text(message, "tool_call_id");
	}
	*ret_count = messages ? count : 0;
	return messages;
}

static void free_messages(struct agentd_message *messages, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free((void *)(uintptr_t)messages[i].tool_calls.p);
	free(messages);
}

/* What is wrong with an answer; NULL: nothing. */
static const char *finish_mistake(const json_t *words)
{
	static const char *const texts[] = { "content", "error", "status" };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const json_t *value = json_object_get(words, texts[i]);
		if (value && !json_is_null(value) && !json_is_string(value))
			return "the program finished with a content, error or status that is no text";
	}
	return NULL;
}

static int take_finish(struct job *job, const json_t *words, size_t *said)
{
	const char *mistake = finish_mistake(words);
	(void)said;
	job->jobs->answered = true;
	if (mistake) {
		job_end(job, AGENTD_FAILED, mistake);
		return 0;
	}
	char *usage = get_json(words, "usage");
	size_t count, file_count;
	struct agentd_message *messages = get_messages(words, &count);
	struct agentd_attachment *files =
	    files_of_json(json_object_get(words, "attachments"), &file_count);
	struct agentd_result result = { .size = sizeof(result),
		.content = get_text(words, "content"),
		.error = get_text(words, "error"),
		.usage = text_of(usage),
		.messages = messages,
		.message_count = count,
		.message_size = sizeof(*messages),
		.attachments = files,
		.attachment_count = file_count,
		.attachment_size = sizeof(*files) };
	result.status = finish_status(words, result.error);
	job_finish(job, &result);
	free_messages(messages, count);
	free(files);
	free(usage);
	return 0;
}

static const struct kind {
	const char *type;
	const char *required; /* a member that must be a string; NULL: none */
	int (*take)(struct job *job, const json_t *words, size_t *said);
} kinds[] = {
	{ "delta", "text", take_delta },
	{ "event", "name", take_event },
	{ "finish", NULL, take_finish },
};

static const struct kind *words_kind(const json_t *words)
{
	const char *type = json_string_value(json_object_get(words, "type"));
	for (size_t i = 0; type && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(type, kinds[i].type) == 0)
			return &kinds[i];
	return NULL;
}

json_t *words_parse(const struct agentd_host *host, const char *line, size_t n)
{
	json_t *words = json_loadb(line, n, JSON_ALLOW_NUL, NULL);
	const struct kind *kind = words_kind(words);
	if (kind && (!kind->required || json_is_string(json_object_get(words, kind->required))))
		return words;
	if (chatter_allows(host))
		host->log(host, AGENTD_LOG_WARN, "a line of the program makes no sense: %.*s",
		    (int)(n < SHOWN_MAX_BYTES ? n : SHOWN_MAX_BYTES), line);
	json_decref(words);
	return NULL;
}

int words_take(struct jobs *jobs, const json_t *words, size_t *said)
{
	struct agentd_text id = get_text(words, "id");
	struct job *job = jobs_find(jobs, id.p, id.n);
	if (!job) {
		if (chatter_allows(jobs->host))
			jobs->host->log(jobs->host, AGENTD_LOG_DEBUG,
			    "a line of the program is about a run that is over, or never was: %.40s",
			    id.p ? id.p : "");
		return 0;
	}
	return words_kind(words)->take(job, words, said);
}
