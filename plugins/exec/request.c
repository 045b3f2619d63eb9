/* request: one row for each field. */
#include "request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "files.h"

struct field {
	const char *name;
	size_t offset; /* of a struct agentd_text */
	bool is_json;
};

static const struct field request_fields[] = {
	{ "run_id", offsetof(struct agentd_request, run_id), false },
	{ "session_id", offsetof(struct agentd_request, session_id), false },
	{ "user_id", offsetof(struct agentd_request, user_id), false },
	{ "claims", offsetof(struct agentd_request, claims), true },
	{ "source", offsetof(struct agentd_request, source), false },
	{ "metadata", offsetof(struct agentd_request, metadata), true },
	{ "traceparent", offsetof(struct agentd_request, traceparent), false },
	{ "spool", offsetof(struct agentd_request, spool), false },
};

static const struct field message_fields[] = {
	{ "tool_calls", offsetof(struct agentd_message, tool_calls), true },
	{ "tool_call_id", offsetof(struct agentd_message, tool_call_id), false },
};

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

/* Adds a value, which is taken over; NULL is the failure of who made it. */
static int put(json_t *object, const char *name, json_t *value)
{
	return json_object_set_new(object, name, value);
}

static int put_text(json_t *object, const char *name, struct agentd_text text)
{
	return put(object, name, json_stringn(text.p ? text.p : "", text.n));
}

/* Adds the fields of a struct that are not empty. */
static int put_fields(json_t *object, const void *from, const struct field *fields, size_t count)
{
	int error = 0;
	for (size_t i = 0; i < count && error == 0; i++) {
		const struct agentd_text *text =
		    (const void *)((const char *)from + fields[i].offset);
		if (text->n && fields[i].is_json)
			error = put(object, fields[i].name,
			    json_loadb(text->p, text->n, JSON_ALLOW_NUL, NULL));
		else if (text->n)
			error = put_text(object, fields[i].name, *text);
	}
	return error;
}

static int add_message(json_t *history, const struct agentd_message *message)
{
	json_t *object = json_object();
	int error = put_text(object, "role", message->role);
	if (error == 0)
		error = put_text(object, "content", message->content);
	if (error == 0)
		error = put_fields(object, message, message_fields, COUNT(message_fields));
	if (error < 0)
		json_decref(object);
	return error < 0 ? error : json_array_append_new(history, object);
}

static int put_history(json_t *object, const struct agentd_request *request)
{
	if (request->history_count == 0)
		return 0;
	json_t *history = json_array();
	const char *row = (const char *)request->history;
	int error = put(object, "history", history);
	for (size_t i = 0; i < request->history_count && error == 0; i++) {
		error = add_message(history, (const void *)row);
		row += request->message_size;
	}
	return error;
}

static double seconds_left(const struct agentd_host *host, const struct agentd_request *request)
{
	uint64_t now = host->now_ms(host);
	return now < request->deadline_ms ? (double)(request->deadline_ms - now) / 1000 : 0;
}

json_t *request_to_json(const struct agentd_host *host, const struct agentd_request *request)
{
	json_t *object = json_object();
	int error = put_text(object, "input", request->input);
	if (error == 0)
		error = put_fields(object, request, request_fields, COUNT(request_fields));
	if (error == 0)
		error = put(object, "attempt", json_integer(request->attempt));
	if (error == 0)
		error = put(object, "timeout", json_real(seconds_left(host, request)));
	if (error == 0)
		error = put_history(object, request);
	if (error == 0 && request->attachment_count)
		error = put(object, "attachments", files_to_json(request));
	if (error < 0) {
		json_decref(object);
		return NULL;
	}
	return object;
}

char *request_to_line(json_t *object)
{
	char *line = NULL, *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	json_decref(object);
	if (text && asprintf(&line, "%s\n", text) < 0)
		line = NULL;
	free(text);
	return line;
}
