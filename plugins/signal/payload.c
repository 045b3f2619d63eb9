/* payload: jansson makes it; an attachment is a data URL with the file's name in it. */
#include "payload.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"

/* In the header of a data URL a name or type cannot be escaped: what would end it becomes "_". */
static char *header_word(const char *word, const char *fallback)
{
	char *copy = strdup(word && *word ? word : fallback);
	for (char *p = copy; p && *p; p++)
		if (strchr(";,=\"\\/", *p) || (unsigned char)*p < ' ')
			*p = '_';
	return copy;
}

/* As a word, but for the one "/" of a type. */
static char *mime_word(const char *type)
{
	char *copy = header_word(type, "application/octet-stream");
	const char *slash = type && *type ? strchr(type, '/') : NULL;
	if (copy && (slash || !type || !*type))
		copy[slash ? (size_t)(slash - type) : strlen("application")] = '/';
	return copy;
}

/* "data:MIME;filename=NAME;base64,…" */
static char *data_url(const struct signal_payload *payload)
{
	char *name = header_word(payload->file_name, "file"), *type = mime_word(payload->mime_type);
	char *url = NULL, *head = NULL;
	if (name && type && asprintf(&head, "data:%s;filename=%s;base64,", type, name) >= 0) {
		size_t n = strlen(head);
		url = calloc(1, n + signal_base64_length(payload->bytes_n) + 1);
		if (url) {
			memcpy(url, head, n);
			signal_base64_write(url + n, payload->bytes, payload->bytes_n);
		}
		free(head);
	}
	free(type);
	free(name);
	return url;
}

static bool add_quote(json_t *body, struct agentd_text quote)
{
	const char *colon = quote.n ? memrchr(quote.p, ':', quote.n) : NULL;
	char digits[24];
	if (!colon || (size_t)(quote.p + quote.n - colon) > sizeof(digits))
		return true;
	size_t author = (size_t)(colon - quote.p), n = quote.n - author - 1;
	memcpy(digits, colon + 1, n);
	digits[n] = '\0';
	return json_object_set_new(
		   body, "quote_timestamp", json_integer(strtoll(digits, NULL, 10))) == 0 &&
	       json_object_set_new(body, "quote_author", json_stringn(quote.p, author)) == 0;
}

/* The JSON with the attachment in it, put in front of the last brace, since 32 MiB need no more copies than
 * they must. Base64 and header_word's words need no escapes. */
static char *with_attachment(const char *json, const char *url)
{
	static const char key[] = ",\"base64_attachments\":[\"", end[] = "\"]}";
	size_t json_n = strlen(json) - 1, url_n = strlen(url);
	char *all = malloc(json_n + strlen(key) + url_n + sizeof(end));
	if (!all)
		return NULL;
	memcpy(all, json, json_n);
	memcpy(all + json_n, key, strlen(key));
	memcpy(all + json_n + strlen(key), url, url_n);
	memcpy(all + json_n + strlen(key) + url_n, end, sizeof(end));
	return all;
}

char *signal_payload_new(const struct signal_payload *payload)
{
	char *json = NULL, *all = NULL;
	json_t *body = json_pack("{s:s%, s:s, s:[s], s:s}", "message",
	    payload->text.n ? payload->text.p : "", payload->text.n, "number", payload->number,
	    "recipients", payload->recipient, "text_mode", "normal");
	if (body && add_quote(body, payload->quote))
		json = json_dumps(body, JSON_COMPACT);
	json_decref(body);
	if (!json || !payload->bytes)
		return json;
	char *url = data_url(payload);
	if (url)
		all = with_attachment(json, url);
	free(url);
	free(json);
	return all;
}
