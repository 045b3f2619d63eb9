/* typing: a list of the chats in which it is shown. Nobody minds if it fails. */
#include "typing.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FORGET_MS  60000 /* Signal itself shows it for 15 s */
#define CHATS_MAX  256
#define TIMEOUT_MS 10000

struct chat {
	struct signal_typing *typing; /* borrowed */
	char *id;
	uint64_t shown_ms;
	/* One at a time: in mode native it may take longer than the four seconds to the next. */
	struct http_call *call;
	bool over; /* to be taken back once that has been answered, and not before */
	struct chat *next;
};

struct signal_typing {
	const struct agentd_host *host; /* borrowed */
	struct signal_api *api;         /* borrowed */
	struct chat *chats;
	size_t count;
};

struct signal_typing *signal_typing_new(const struct agentd_host *host, struct signal_api *api)
{
	struct signal_typing *typing = calloc(1, sizeof(*typing));
	if (typing)
		*typing = (struct signal_typing){ .host = host, .api = api };
	return typing;
}

/* Takes it out of the list, at which `place` points. */
static void chat_free(struct chat **place)
{
	struct chat *chat = *place;
	*place = chat->next;
	chat->typing->count--;
	http_cancel(chat->call);
	free(chat->id);
	free(chat);
}

void signal_typing_free(struct signal_typing *typing)
{
	if (!typing)
		return;
	while (typing->chats)
		chat_free(&typing->chats);
	free(typing);
}

/* Where the chat is in the list; where the list ends, if it is not. */
static struct chat **typing_find(struct signal_typing *typing, struct agentd_text id)
{
	struct chat **place = &typing->chats;
	while (*place && (strlen((*place)->id) != id.n || memcmp((*place)->id, id.p, id.n) != 0))
		place = &(*place)->next;
	return place;
}

/* Chats whose answer never came: a hook refused it, or the run failed without a word. */
static void typing_forget(struct signal_typing *typing)
{
	uint64_t now = typing->host->now_ms(typing->host);
	for (struct chat **place = &typing->chats; *place;) {
		if (now - (*place)->shown_ms > FORGET_MS && !(*place)->call)
			chat_free(place);
		else
			place = &(*place)->next;
	}
}

static void on_hidden(void *arg, const struct http_answer *answer)
{
	(void)arg;
	(void)answer;
}

static struct http_call *typing_send(struct signal_typing *typing, const char *method,
    const char *id, void (*done)(void *arg, const struct http_answer *answer), void *arg)
{
	json_t *body = json_pack("{s:s}", "recipient", id);
	char *json = body ? json_dumps(body, JSON_COMPACT) : NULL;
	struct signal_api_request request = {
		.method = method,
		.path = "/v1/typing-indicator/{n}",
		.json = json,
		.timeout_ms = TIMEOUT_MS,
		.done = done,
		.arg = arg,
	};
	struct http_call *call = json ? signal_api_send(typing->api, &request) : NULL;
	json_decref(body);
	free(json);
	return call;
}

/* Takes it back. The chat is gone then. */
static void chat_hide(struct chat *chat)
{
	struct signal_typing *typing = chat->typing;
	typing_send(typing, "DELETE", chat->id, on_hidden, NULL);
	chat_free(typing_find(typing, agentd_text(chat->id, strlen(chat->id))));
}

static void on_shown(void *arg, const struct http_answer *answer)
{
	struct chat *chat = arg;
	char why[SIGNAL_WHY_SIZE];
	chat->call = NULL;
	if (!signal_api_succeeded(answer, why))
		chat->typing->host->log(
		    chat->typing->host, AGENTD_LOG_DEBUG, "typing is not shown: %s", why);
	if (chat->over)
		chat_hide(chat);
}

void signal_typing_show(struct signal_typing *typing, struct agentd_text chat_id)
{
	typing_forget(typing);
	struct chat **place = typing_find(typing, chat_id), *chat = *place;
	if (!chat) {
		chat = typing->count < CHATS_MAX ? calloc(1, sizeof(*chat)) : NULL;
		if (!chat)
			return;
		chat->typing = typing;
		chat->id = strndup(chat_id.p, chat_id.n);
		if (!chat->id) {
			free(chat);
			return;
		}
		*place = chat;
		typing->count++;
	}
	chat->over = false;
	chat->shown_ms = typing->host->now_ms(typing->host);
	if (!chat->call)
		chat->call = typing_send(typing, "PUT", chat->id, on_shown, chat);
}

void signal_typing_hide(struct signal_typing *typing, struct agentd_text chat_id)
{
	struct chat *chat = *typing_find(typing, chat_id);
	if (chat && chat->call)
		chat->over = true;
	else if (chat)
		chat_hide(chat);
}
