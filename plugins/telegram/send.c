/*
 * send: a job for each reply, with its parts, and the place in them. A part has more than one form: a text
 * as markup, then plain; a file as what it is, then as a document, then, if it is a URL, as a text. The next
 * form is tried when Telegram cannot read the one before.
 */
#include "plugins/telegram/send.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/common/outage.h"
#include "plugins/telegram/markup.h"

/* agentd waits two minutes for `sent`. What is begun may take one of them, and a file all that is left. */
#define BEGIN_MS  50000
#define END_MS    115000
#define TYPING_MS 4000 /* then agentd says it again */

struct part {
	char *text;   /* of a text, plain; else NULL */
	char *marked; /* the same with its markup; NULL: it is not sent so */
	uint32_t type;
	char *path, *url, *name, *mime_type; /* of a file: one of the first two; NULL: empty */
};

enum form { FORM_MARKED, FORM_PLAIN, FORM_FILE, FORM_DOCUMENT, FORM_LINK };

struct job {
	struct telegram_sender *sender; /* borrowed */
	struct job *next, *previous;
	uint64_t id, since_ms;
	char *chat_id;
	int64_t reply_to, thread; /* 0: none */
	struct part *parts;
	size_t count, at;
	enum form form; /* of the part at which it is */
	bool moved;     /* to the chat's new id, which is tried once */
	struct telegram_call *call;
};

struct telegram_sender {
	const struct agentd_host *host;       /* borrowed */
	const struct telegram_config *config; /* borrowed */
	struct telegram_api *api;             /* borrowed */
	struct job *jobs;
	struct outage outage;
};

/* How files are sent, by type and the beginning of their MIME type. The first that fits. */
static const struct {
	uint32_t type;
	const char *mime_type, *method, *field;
} ways[] = {
	{ AGENTD_IMAGE, "image/gif", "sendAnimation", "animation" },
	{ AGENTD_IMAGE, "image/svg", "sendDocument", "document" },
	{ AGENTD_IMAGE, "", "sendPhoto", "photo" },
	{ AGENTD_AUDIO, "audio/ogg", "sendVoice", "voice" },
	{ AGENTD_AUDIO, "", "sendAudio", "audio" },
	{ AGENTD_VIDEO, "", "sendVideo", "video" },
	{ AGENTD_FILE, "", "sendDocument", "document" },
};

struct telegram_sender *telegram_sender_new(
    const struct agentd_host *host, const struct telegram_config *config, struct telegram_api *api)
{
	struct telegram_sender *sender = calloc(1, sizeof(*sender));
	if (sender)
		*sender = (struct telegram_sender){ .host = host,
			.config = config,
			.api = api,
			.outage = { .failures_max = OUTAGE_FAILURES, .lasts_max_ms = OUTAGE_MS } };
	return sender;
}

static void job_free(struct job *job)
{
	telegram_call_cancel(job->call);
	if (job->next)
		job->next->previous = job->previous;
	if (job->previous)
		job->previous->next = job->next;
	else
		job->sender->jobs = job->next;
	for (size_t i = 0; i < job->count; i++) {
		struct part *part = &job->parts[i];
		free(part->text);
		free(part->marked);
		free(part->path);
		free(part->url);
		free(part->name);
		free(part->mime_type);
	}
	free(job->parts);
	free(job->chat_id);
	free(job);
}

void telegram_sender_free(struct telegram_sender *sender)
{
	while (sender && sender->jobs)
		job_free(sender->jobs);
	free(sender);
}

/* What becomes of a job. */

static void job_end(struct job *job, uint32_t status, const char *error, uint64_t retry_after_ms)
{
	const struct agentd_host *host = job->sender->host;
	struct agentd_sent sent = {
		.size = sizeof(sent),
		.status = status,
		.parts = (uint32_t)job->at,
		.retry_after_ms = retry_after_ms,
		.error = agentd_text(error, strlen(error)),
	};
	host->sent(host, job->id, &sent);
	job_free(job);
}

static void job_go_on(struct job *job);

static enum form first_form(const struct part *part)
{
	return !part->text ? FORM_FILE : part->marked ? FORM_MARKED : FORM_PLAIN;
}

static void job_next(struct job *job)
{
	job->at++;
	if (job->at < job->count)
		job->form = first_form(&job->parts[job->at]);
	job_go_on(job);
}

static bool says(const struct telegram_outcome *outcome, const char *what)
{
	return strcasestr(outcome->error, what) != NULL;
}

static bool is_empty(const struct telegram_outcome *outcome)
{
	return says(outcome, "text is empty") || says(outcome, "must be non-empty");
}

/* To the next form of the part. False: there is none that could help. */
static bool job_change_form(struct job *job, const struct telegram_outcome *outcome)
{
	const struct part *part = &job->parts[job->at];
	bool too_large = outcome->code == 413;
	if (job->form == FORM_MARKED)
		job->form = FORM_PLAIN;
	else if (job->form == FORM_FILE && part->type != AGENTD_FILE)
		job->form = FORM_DOCUMENT;
	else if ((job->form == FORM_FILE || job->form == FORM_DOCUMENT) && part->url && !too_large)
		job->form = FORM_LINK;
	else
		return false;
	return true;
}

static bool job_move(struct job *job, int64_t chat_id)
{
	char *text;
	if (!chat_id || job->moved || asprintf(&text, "%lld", (long long)chat_id) < 0)
		return false;
	free(job->chat_id);
	job->chat_id = text;
	job->moved = true;
	return true;
}

/* With a webhook it is replies that tell of Telegram being away: nothing else is asked of it. */
static void sender_away(struct telegram_sender *sender, const struct telegram_outcome *outcome)
{
	const struct agentd_host *host = sender->host;
	uint64_t now_ms = host->now_ms(host);
	char reason[400];
	if (!outage_is_long(&sender->outage, now_ms, now_ms, 0) || !sender->config->webhook)
		return;
	snprintf(reason, sizeof(reason), "replies are not taken: %s", outcome->error);
	host->fail_for(host, reason, outcome->retry_after_ms);
}

/* A topic that is gone: then where the message is that is answered, or in the general one. */
static bool job_leave_topic(struct job *job, const struct telegram_outcome *outcome)
{
	if (!job->thread || !says(outcome, "thread not found"))
		return false;
	job->thread = 0;
	return true;
}

static void on_sent(void *arg, const struct telegram_outcome *outcome)
{
	struct job *job = arg;
	struct telegram_sender *sender = job->sender;
	const struct agentd_host *host = sender->host;
	bool is_bad = outcome->code == 400 || outcome->code == 413;
	job->call = NULL;
	if (telegram_is_trouble(outcome) && outcome->code != 413) {
		job_end(job, AGENTD_RETRY, outcome->error, outcome->retry_after_ms);
		sender_away(sender, outcome);
		return;
	}
	outage_end(&sender->outage);
	if (outcome->code == 200)
		job_next(job);
	else if (outcome->code == 401)
		host->fatal(host, "the bot token is refused by Telegram: 401 Unauthorized");
	else if (is_bad && job->parts[job->at].text && is_empty(outcome))
		job_next(job); /* markup around nothing */
	else if (is_bad && (job_move(job, outcome->moved_to) || job_leave_topic(job, outcome) ||
			       (!says(outcome, "chat not found") && job_change_form(job, outcome))))
		job_go_on(job);
	else
		job_end(job, AGENTD_REJECTED, outcome->error, 0);
}

/* One call. */

/* The message that is answered, if it is the first part. NULL: none, or memory is out. */
static json_t *reply_parameters(const struct job *job)
{
	return job->at == 0 && job->reply_to
		   ? json_pack("{s:I,s:b}", "message_id", (json_int_t)job->reply_to,
			 "allow_sending_without_reply", 1)
		   : NULL;
}

static json_t *job_body(const struct job *job)
{
	json_t *body = json_pack("{s:s}", "chat_id", job->chat_id), *reply = reply_parameters(job);
	if (reply)
		json_object_set_new(body, "reply_parameters", reply);
	if (job->thread)
		json_object_set_new(body, "message_thread_id", json_integer(job->thread));
	return body;
}

static struct telegram_call *job_send_text(
    struct job *job, const char *text, const char *parse_mode)
{
	json_t *body = job_body(job);
	json_object_set_new(body, "text", json_string(text));
	if (parse_mode)
		json_object_set_new(body, "parse_mode", json_string(parse_mode));
	return telegram_api_call(job->sender->api, "sendMessage", body, 0, on_sent, job);
}

static struct agentd_text text_of(const char *text)
{
	return agentd_text(text, strlen(text));
}

static struct telegram_call *job_upload(
    struct job *job, const struct part *part, const char *method, const char *field)
{
	json_t *reply = reply_parameters(job);
	char *reply_text = reply ? json_dumps(reply, JSON_COMPACT) : NULL, thread[24];
	snprintf(thread, sizeof(thread), "%lld", (long long)job->thread);
	size_t count = 2;
	struct http_part parts[4] = {
		{ .name = "chat_id", .text = text_of(job->chat_id) },
		{ .name = field,
		    .path = part->path,
		    .file_name = part->name ? part->name : "file",
		    .mime_type = part->mime_type },
	};
	if (reply_text)
		parts[count++] =
		    (struct http_part){ .name = "reply_parameters", .text = text_of(reply_text) };
	if (job->thread)
		parts[count++] =
		    (struct http_part){ .name = "message_thread_id", .text = text_of(thread) };
	const struct agentd_host *host = job->sender->host;
	int64_t left_ms = END_MS - (int64_t)(host->now_ms(host) - job->since_ms);
	struct telegram_call *call =
	    telegram_api_post(job->sender->api, method, parts, count, left_ms, on_sent, job);
	free(reply_text);
	json_decref(reply);
	return call;
}

static struct telegram_call *job_send_file(struct job *job, const struct part *part)
{
	const char *mime_type = part->mime_type ? part->mime_type : "";
	uint32_t type = job->form == FORM_DOCUMENT ? AGENTD_FILE : part->type;
	size_t way = 0;
	while (ways[way].type != type ||
	       strncmp(mime_type, ways[way].mime_type, strlen(ways[way].mime_type)) != 0)
		way++;
	if (part->path)
		return job_upload(job, part, ways[way].method, ways[way].field);
	json_t *body = job_body(job);
	json_object_set_new(body, ways[way].field, json_string(part->url));
	return telegram_api_call(job->sender->api, ways[way].method, body, 0, on_sent, job);
}

/* A part whose file is none, or cannot be read, ends the job. */
static void job_end_unreadable(struct job *job, const struct part *part)
{
	char error[300];
	snprintf(error, sizeof(error), "the file cannot be read: %.200s",
	    part->name ? part->name : "it has no name");
	job_end(job, AGENTD_REJECTED, error, 0);
}

static void job_go_on(struct job *job)
{
	const struct agentd_host *host = job->sender->host;
	if (job->at >= job->count) {
		job_end(job, AGENTD_SENT, "", 0);
		return;
	}
	if (host->now_ms(host) - job->since_ms > BEGIN_MS) {
		job_end(job, AGENTD_RETRY, "it takes long, and goes on", 1);
		return;
	}
	const struct part *part = &job->parts[job->at];
	if (part->path && !http_can_send(part->path)) {
		job_end_unreadable(job, part);
		return;
	}
	if (job->form == FORM_MARKED)
		job->call = job_send_text(job, part->marked, job->sender->config->parse_mode);
	else if (job->form == FORM_PLAIN || job->form == FORM_LINK)
		job->call = job_send_text(job, part->text ? part->text : part->url, NULL);
	else
		job->call = job_send_file(job, part);
	if (!job->call)
		job_end(job, AGENTD_RETRY, "memory is out", 0);
}

/* How a job is made. */

static struct part *job_add_part(struct job *job)
{
	struct part *parts = realloc(job->parts, (job->count + 1) * sizeof(*parts));
	if (!parts)
		return NULL;
	job->parts = parts;
	parts[job->count] = (struct part){ 0 };
	return &parts[job->count++];
}

/* Its text without NULs, which Telegram does not take. */
static char *copy_text(struct agentd_text text)
{
	char *copy = malloc(text.n + 1), *to = copy;
	for (size_t i = 0; copy && i < text.n; i++)
		if (text.p[i])
			*to++ = text.p[i];
	if (copy)
		*to = '\0';
	return copy;
}

static int job_add_texts(struct job *job, struct agentd_text text)
{
	const struct telegram_config *config = job->sender->config;
	struct telegram_cut cut;
	struct agentd_text plain;
	char *marked;
	int more;
	telegram_cut_init(&cut, text, config->message_max, config->markup);
	while ((more = telegram_cut_next(&cut, &plain, &marked)) > 0) {
		struct part *part = job_add_part(job);
		if (!part) {
			free(marked);
			return -ENOMEM;
		}
		part->marked = marked;
		part->text = strndup(plain.p, plain.n);
		if (!part->text)
			return -ENOMEM;
	}
	return more;
}

static bool copy_field(char **ret, struct agentd_text text)
{
	*ret = text.n ? strndup(text.p, text.n) : NULL;
	return *ret || !text.n;
}

static int job_add_file(struct job *job, const struct agentd_attachment *attachment)
{
	if (!attachment->path.n && !attachment->url.n)
		return 0;
	struct part *part = job_add_part(job);
	if (!part)
		return -ENOMEM;
	part->type = attachment->type <= AGENTD_VIDEO ? attachment->type : AGENTD_FILE;
	if (!copy_field(&part->path, attachment->path) ||
	    !copy_field(&part->url, attachment->url) ||
	    !copy_field(&part->name, attachment->name) ||
	    !copy_field(&part->mime_type, attachment->mime_type))
		return -ENOMEM;
	return 0;
}

/* "55", or "55/7" in a topic, as intake.c has made it; anything else is none. */
static void job_read_reply_to(struct job *job, struct agentd_text id)
{
	char text[48], *end;
	snprintf(
	    text, sizeof(text), "%.*s", (int)(id.n < sizeof(text) ? id.n : 0), id.n ? id.p : "");
	long long message = strtoll(text, &end, 10);
	long long thread = *end == '/' ? strtoll(end + 1, &end, 10) : 0;
	if (*end || message <= 0)
		return;
	job->reply_to = message;
	job->thread = thread > 0 ? thread : 0;
}

static int job_fill(struct job *job, const struct agentd_reply *reply)
{
	char *text = copy_text(reply->text);
	int error = text ? job_add_texts(job, agentd_text(text, strlen(text))) : -ENOMEM;
	free(text);
	for (size_t i = 0; error == 0 && i < reply->attachment_count; i++)
		error = job_add_file(job,
		    (const struct agentd_attachment *)(const void *)((const char *)
									 reply->attachments +
								     i * reply->attachment_size));
	job_read_reply_to(job, reply->reply_to);
	if (error == 0 && !copy_field(&job->chat_id, reply->chat_id))
		error = -ENOMEM;
	return error == 0 && !job->chat_id ? -EINVAL : error;
}

int telegram_send(struct telegram_sender *sender, const struct agentd_reply *reply)
{
	struct job *job = calloc(1, sizeof(*job));
	if (!job)
		return -ENOMEM;
	*job = (struct job){
		.sender = sender,
		.next = sender->jobs,
		.id = reply->id,
		.since_ms = sender->host->now_ms(sender->host),
		.at = reply->parts,
	};
	if (job->next)
		job->next->previous = job;
	sender->jobs = job;
	int error = job_fill(job, reply);
	if (error < 0) {
		job_free(job);
		return error;
	}
	if (job->at < job->count)
		job->form = first_form(&job->parts[job->at]);
	job_go_on(job);
	return 0;
}

static void on_typing(void *arg, const struct telegram_outcome *outcome)
{
	(void)arg; /* nobody minds */
	(void)outcome;
}

void telegram_send_typing(struct telegram_sender *sender, struct agentd_text chat_id)
{
	json_t *body = json_pack("{s:s%,s:s}", "chat_id", chat_id.p, chat_id.n, "action", "typing");
	telegram_api_call(sender->api, "sendChatAction", body, TYPING_MS, on_typing, NULL);
}
