/*
 * api_identities: who is who across platforms: the users, each with its links. What the config says stands; what the
 * store has can be changed, but nobody is taken away from another user by the way.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/message.h"
#include "daemon/chat/chats.h"
#include "daemon/http/api.h"
#include "daemon/http/body.h"
#include "daemon/http/problem.h"
#include "daemon/http/reply.h"
#include "daemon/http/route.h"

#define LINKS_MAX 1000 /* of one user */

static int compare(const void *a, const void *b)
{
	const struct identity_view *x = a, *y = b;
	int order = strcmp(x->user_id, y->user_id);
	if (order == 0)
		order = strcmp(x->platform, y->platform);
	return order ? order : strcmp(x->platform_user_id, y->platform_user_id);
}

/* All links, by user, platform and the user there. To be freed; NULL: memory is out. */
static struct identity_view *list_links(const struct identities *identities, size_t *ret_count)
{
	struct identity_view view, *links;
	size_t count = 0;
	while (identities_at(identities, count, &view))
		count++;
	if (!(links = calloc(count + 1, sizeof(*links))))
		return NULL;
	for (size_t i = 0; i < count; i++)
		identities_at(identities, i, &links[i]);
	qsort(links, count, sizeof(*links), compare);
	*ret_count = count;
	return links;
}

/* Those of one user: the first, and how many there are. */
static const struct identity_view *find_user(
    const struct identity_view *links, size_t count, const char *user_id, size_t *ret_count)
{
	size_t first = 0, n = 0;
	while (first < count && strcmp(links[first].user_id, user_id) != 0)
		first++;
	while (first + n < count && strcmp(links[first + n].user_id, user_id) == 0)
		n++;
	*ret_count = n;
	return &links[first];
}

static void add_link(struct buf *out, const struct identity_view *link)
{
	buf_add_str(out, "{\"platform\":");
	buf_add_json_str(out, link->platform);
	buf_add_str(out, ",\"platform_user_id\":");
	buf_add_json_str(out, link->platform_user_id);
	buf_add_str(out, ",\"user_name\":");
	if (link->user_name)
		buf_add_json_str(out, link->user_name);
	else
		buf_add_str(out, "null");
	buf_add_str(out, ",\"linked_at\":");
	reply_add_time(out, link->linked_wall_ms);
	buf_addf(out, ",\"fixed\":%s}", link->fixed ? "true" : "false");
}

static void add_user(
    struct buf *out, const char *user_id, const struct identity_view *links, size_t count)
{
	buf_add_str(out, "{\"user_id\":");
	buf_add_json_str(out, user_id);
	buf_add_str(out, ",\"links\":[");
	for (size_t i = 0; i < count; i++) {
		buf_add_str(out, i ? "," : "");
		add_link(out, &links[i]);
	}
	buf_add_str(out, "]}");
}

static void add_all(struct buf *out, const struct identity_view *links, size_t count)
{
	buf_add_str(out, "{\"identities\":[");
	for (size_t i = 0, n; i < count; i += n) {
		find_user(links + i, count - i, links[i].user_id, &n);
		buf_add_str(out, i ? "," : "");
		add_user(out, links[i].user_id, links + i, n);
	}
	buf_add_str(out, "]}");
}

void api_identities_list(
    struct api *api, struct http_request *request, const struct route_params *params)
{
	(void)params;
	size_t count;
	struct buf body = { 0 };
	struct identity_view *links = list_links(chats_identities(api->chats), &count);
	if (links)
		add_all(&body, links, count);
	body.failed = body.failed || !links;
	api_reply_json(request, &body);
	free(links);
}

static void reply_user(
    const struct api *api, struct http_request *request, const char *user_id, bool may_be_none)
{
	size_t count, n = 0;
	struct buf body = { 0 };
	const struct identity_view *its = NULL;
	struct identity_view *links = list_links(chats_identities(api->chats), &count);
	if (links)
		its = find_user(links, count, user_id, &n);
	if (links && n == 0 && !may_be_none) {
		problem_reply(request, PROBLEM_NOT_FOUND, "nobody is linked to that user");
	} else {
		add_user(&body, user_id, its, n);
		body.failed = body.failed || !links;
		api_reply_json(request, &body);
	}
	free(links);
}

void api_identities_get(
    struct api *api, struct http_request *request, const struct route_params *params)
{
	reply_user(api, request, params->value[0], false);
}

/* Changing: one link after the other, those that are new first. Of a change that the store could make in part
 * only the same request does the rest. */

struct change {
	struct api_wait *wait;
	char user_id[260];
	json_t *links; /* texts: what the user is to have; NULL: nothing, and it is deleted */
	size_t next;   /* of these */
};

static void change_step(struct change *change);

static void change_end(struct change *change, int error)
{
	struct http_request *request = change->wait->request;
	if (error == 0)
		log_info("identity: the links of user %s were changed", change->user_id);
	if (request && error == -EPERM)
		problem_reply(
		    request, PROBLEM_IDENTITY_CONFLICT, "somebody was made another user meanwhile");
	else if (request && error == -ENOTSUP)
		problem_reply(request, PROBLEM_BAD_REQUEST,
		    "links are kept in the store, which is off (store.enabled: false)");
	else if (request && error < 0)
		reply_store_error(request, error);
	else if (request && !change->links)
		http_reply(request, 204, NULL, NULL);
	else if (request)
		reply_user(change->wait->api, request, change->user_id, true);
	json_decref(change->links);
	free(change->wait);
	free(change);
}

static void on_changed(void *arg, int error)
{
	struct change *change = arg;
	if (error < 0 && error != -ENOENT)
		change_end(change, error);
	else
		change_step(change);
}

/* "telegram:12345" taken apart: the length of the platform, and what is behind it. */
static const char *split(const json_t *link, int *ret_length)
{
	const char *text = json_string_value(link), *colon = strchr(text, ':');
	*ret_length = (int)(colon - text);
	return colon + 1;
}

static bool is_link(const struct identity_view *view, const json_t *link)
{
	int n;
	const char *id = split(link, &n), *text = json_string_value(link);
	return strlen(view->platform) == (size_t)n &&
	       memcmp(view->platform, text, (size_t)n) == 0 &&
	       strcmp(view->platform_user_id, id) == 0;
}

static bool is_wanted(const struct change *change, const struct identity_view *view)
{
	size_t i;
	json_t *link;
	json_array_foreach (change->links, i, link)
		if (is_link(view, link))
			return true;
	return false;
}

/* False: there is nothing more of it to do; else change_step is called again. */
static bool link_next(struct change *change, struct identities *identities)
{
	while (change->next < json_array_size(change->links)) {
		int n;
		const char *id = split(json_array_get(change->links, change->next), &n);
		char *platform = strndup(
		    json_string_value(json_array_get(change->links, change->next++)), (size_t)n);
		const char *has = platform ? identities_find(identities, platform, id) : NULL;
		struct store_identity link = {
			.platform = platform, .platform_user_id = id, .user_id = change->user_id
		};
		bool is_new = !has, is_others = has && strcmp(has, change->user_id) != 0;
		if (!platform)
			change_end(change, -ENOMEM);
		else if (is_others)
			change_end(change, -EPERM);
		else if (is_new)
			identities_link(identities, &link, on_changed, change);
		free(platform);
		if (is_new || is_others)
			return true;
	}
	return false;
}

static bool unlink_next(struct change *change, struct identities *identities)
{
	struct identity_view view;
	for (size_t i = 0; identities_at(identities, i, &view); i++) {
		if (view.fixed || strcmp(view.user_id, change->user_id) != 0 ||
		    is_wanted(change, &view))
			continue;
		identities_unlink(
		    identities, view.platform, view.platform_user_id, on_changed, change);
		return true;
	}
	return false;
}

static void change_step(struct change *change)
{
	struct identities *identities = chats_identities(change->wait->api->chats);
	if (!link_next(change, identities) && !unlink_next(change, identities))
		change_end(change, 0);
}

/* Takes the links over. */
static void change_begin(
    struct api *api, struct http_request *request, const char *user_id, json_t *links)
{
	struct change *change = calloc(1, sizeof(*change));
	if (change && (change->wait = api_wait_new(api, request))) {
		change->links = links;
		memcpy(change->user_id, user_id, strlen(user_id) + 1);
		change_step(change);
		return;
	}
	if (!change)
		problem_reply(request, PROBLEM_INTERNAL, "out of memory");
	free(change);
	json_decref(links);
}

static bool is_plain(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	return true;
}

static bool is_good(const json_t *link)
{
	const char *text = json_string_value(link), *colon = text ? strchr(text, ':') : NULL;
	char *platform = colon ? strndup(text, (size_t)(colon - text)) : NULL;
	bool good = platform && settings_name_is_good(platform) && colon[1] &&
		    strlen(colon + 1) <= MESSAGE_ID_MAX && is_plain(colon + 1);
	free(platform);
	return good;
}

/* The user that somebody on a platform is; NULL: none. */
static const char *user_of(const struct identities *identities, const json_t *link)
{
	struct identity_view view;
	for (size_t i = 0; identities_at(identities, i, &view); i++)
		if (is_link(&view, link))
			return view.user_id;
	return NULL;
}

/* Whether the user may have those links; else that is answered. */
static bool may_have(const struct identities *identities, struct http_request *request,
    const char *user_id, const json_t *links)
{
	size_t i;
	json_t *link;
	if (!json_is_array(links) || json_array_size(links) > LINKS_MAX) {
		problem_reply(request, PROBLEM_BAD_REQUEST,
		    "\"links\" must be a list of at most %d texts, such as \"telegram:12345\"",
		    LINKS_MAX);
		return false;
	}
	json_array_foreach (links, i, link) {
		if (!is_good(link)) {
			problem_reply(request, PROBLEM_BAD_REQUEST,
			    "\"links\" has something that is not PLATFORM:ID, such as "
			    "\"telegram:12345\"");
			return false;
		}
		const char *user = user_of(identities, link);
		if (user && strcmp(user, user_id) != 0) {
			problem_reply(request, PROBLEM_IDENTITY_CONFLICT,
			    "%s is the user \"%s\"; unlink it there first", json_string_value(link),
			    user);
			return false;
		}
	}
	return true;
}

static void put(struct api *api, struct http_request *request, const char *user_id, json_t *links)
{
	if (strlen(user_id) > MESSAGE_ID_MAX || !is_plain(user_id))
		problem_reply(request, PROBLEM_BAD_REQUEST,
		    "the id of a user has from 1 to %d bytes, and no control character",
		    MESSAGE_ID_MAX);
	else if (may_have(chats_identities(api->chats), request, user_id, links))
		change_begin(api, request, user_id, json_incref(links));
}

void api_identities_put(
    struct api *api, struct http_request *request, const struct route_params *params)
{
	json_t *body = body_has_good_type(request) ? body_read(request, 0) : NULL;
	if (json_is_object(body))
		put(api, request, params->value[0], json_object_get(body, "links"));
	else if (body)
		problem_reply(request, PROBLEM_BAD_REQUEST, "the body must be a JSON object");
	json_decref(body);
}

void api_identities_delete(
    struct api *api, struct http_request *request, const struct route_params *params)
{
	const char *user_id = params->value[0];
	const struct identities *identities = chats_identities(api->chats);
	struct identity_view view;
	size_t found = 0, fixed = 0;
	for (size_t i = 0; identities_at(identities, i, &view); i++) {
		bool is_its = strcmp(view.user_id, user_id) == 0;
		found += is_its;
		fixed += is_its && view.fixed;
	}
	if (!found)
		problem_reply(request, PROBLEM_NOT_FOUND, "nobody is linked to that user");
	else if (fixed)
		problem_reply(request, PROBLEM_IDENTITY_CONFLICT,
		    "%zu of its links are the config's (identity), which alone can take them away",
		    fixed);
	else
		change_begin(api, request, user_id, NULL);
}
