/* copy: strings and texts one behind the other. */
#include "daemon/store/copy.h"

#include <stdlib.h>
#include <string.h>

static size_t str_size(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

const char *copy_str(char **room, const char *text)
{
	size_t n = str_size(text);
	const char *copy = n ? memcpy(*room, text, n) : NULL;
	*room += n;
	return copy;
}

void copy_text(char **room, struct frame_text *text)
{
	if (!text->p)
		return;
	memcpy(*room, text->p, text->n);
	text->p = *room;
	*room += text->n;
}

size_t copy_run_size(const struct store_run *run)
{
	return str_size(run->id) + str_size(run->agent) + str_size(run->session_id) +
	       str_size(run->user) + str_size(run->source) + str_size(run->trigger) +
	       str_size(run->code) + run->input.n + run->metadata.n + run->claims.n +
	       run->attachments.n + run->files.n + run->content.n + run->error.n + run->usage.n +
	       run->events.n;
}

void copy_run_into(char **room, struct store_run *into, const struct store_run *run)
{
	*into = *run;
	into->id = copy_str(room, run->id);
	into->agent = copy_str(room, run->agent);
	into->session_id = copy_str(room, run->session_id);
	into->user = copy_str(room, run->user);
	into->source = copy_str(room, run->source);
	into->trigger = copy_str(room, run->trigger);
	into->code = copy_str(room, run->code);
	copy_text(room, &into->input);
	copy_text(room, &into->metadata);
	copy_text(room, &into->claims);
	copy_text(room, &into->attachments);
	copy_text(room, &into->files);
	copy_text(room, &into->content);
	copy_text(room, &into->error);
	copy_text(room, &into->usage);
	copy_text(room, &into->events);
	into->messages = NULL;
	into->message_count = 0;
}

struct store_run *copy_run(const struct store_run *run)
{
	struct store_run *copy = malloc(sizeof(*copy) + copy_run_size(run));
	char *room = (char *)(copy + 1);
	if (copy)
		copy_run_into(&room, copy, run);
	return copy;
}

size_t copy_cron_size(const struct store_cron *cron)
{
	return str_size(cron->name) + str_size(cron->schedule) + str_size(cron->run_id);
}

void copy_cron_into(char **room, struct store_cron *into, const struct store_cron *cron)
{
	*into = *cron;
	into->name = copy_str(room, cron->name);
	into->schedule = copy_str(room, cron->schedule);
	into->run_id = copy_str(room, cron->run_id);
}

size_t copy_chat_size(const struct store_chat *chat)
{
	return str_size(chat->interface) + str_size(chat->user_id) + str_size(chat->chat_id) +
	       str_size(chat->session_id);
}

void copy_chat_into(char **room, struct store_chat *into, const struct store_chat *chat)
{
	*into = *chat;
	into->interface = copy_str(room, chat->interface);
	into->user_id = copy_str(room, chat->user_id);
	into->chat_id = copy_str(room, chat->chat_id);
	into->session_id = copy_str(room, chat->session_id);
}
