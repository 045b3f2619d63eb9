/*
 * identities: who is who across platforms: list, link, unlink. The server takes all links of a user at once; those
 * that the config has are none of ours to say.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/command.h"
#include "ctl/say.h"
#include "ctl/table.h"
#include "ctl/text.h"
#include "daemon/base/id.h"

static const char *text_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

/* "telegram:12345". A new reference. */
static json_t *name_of(const json_t *link)
{
	return json_sprintf("%s:%s", text_of(link, "platform"), text_of(link, "platform_user_id"));
}

static void add_row(struct table *table, const json_t *user, const json_t *link)
{
	struct buf age = { 0 };
	json_t *name = name_of(link);
	text_add_age(&age, text_of(link, "linked_at"), clock_wall_ms());
	buf_add(&age, "", 1);
	table_add(table, text_of(user, "user_id"));
	table_add(table, json_string_value(name));
	table_add(table, text_of(link, "user_name"));
	table_add(table, json_is_true(json_object_get(link, "fixed")) ? "config" : age.data);
	buf_done(&age);
	json_decref(name);
}

static void print_list(const json_t *users)
{
	static const char *const headings[] = { "USER", "IS", "NAME", ">LINKED", NULL };
	struct table *table = table_new(headings);
	size_t i, j;
	json_t *user, *link;
	json_array_foreach (users, i, user)
		json_array_foreach (json_object_get(user, "links"), j, link)
			add_row(table, user, link);
	if (i)
		table_print(table, stdout);
	else
		puts("Nobody is linked.");
	table_free(table);
}

int identities_list(struct client *client, const struct arguments *arguments)
{
	(void)arguments;
	return command_show(client, "GET", "/identities", "identities", print_list);
}

/* All that a user has of the store's, but for one, as PUT takes it. */
static json_t *own_links(const json_t *user, const char *but)
{
	json_t *list = json_array(), *link;
	size_t i;
	json_array_foreach (json_object_get(user, "links"), i, link) {
		json_t *name = name_of(link);
		bool is_own = !json_is_true(json_object_get(link, "fixed"));
		if (is_own && strcmp(json_string_value(name), but) != 0)
			json_array_append(list, name);
		json_decref(name);
	}
	return list;
}

/* Takes `links` over. */
static int put_links(
    struct client *client, const char *user, json_t *links, const char *link, const char *done)
{
	struct reply reply;
	json_t *body = json_pack("{s:o}", "links", links);
	char *path = client_path("/identities/", user, "");
	int code = client_call(client, "PUT", path, body, &reply);
	free(path);
	json_decref(body);
	if (code)
		return code;
	if (say_is_json()) {
		say_json_text(reply.body.data, reply.body.length);
	} else {
		say_word(stdout, link);
		printf(": %s ", done);
		say_word(stdout, user);
		putchar('\n');
	}
	reply_done(&reply);
	return 0;
}

/* Both are borrowed; NULL: there is none. */

static const json_t *find_user(const json_t *users, const char *id)
{
	size_t i;
	json_t *user;
	json_array_foreach (users, i, user)
		if (strcmp(text_of(user, "user_id"), id) == 0)
			return user;
	return NULL;
}

static const json_t *find_link(const json_t *users, const char *link, const json_t **ret_user)
{
	size_t i, j;
	json_t *user, *its;
	json_array_foreach (users, i, user)
		json_array_foreach (json_object_get(user, "links"), j, its) {
			json_t *name = name_of(its);
			bool is_it = strcmp(json_string_value(name), link) == 0;
			json_decref(name);
			if (is_it) {
				*ret_user = user;
				return its;
			}
		}
	return NULL;
}

int link_run(struct client *client, const struct arguments *arguments)
{
	struct reply reply;
	const char *user = arguments_word(arguments, 0), *link = arguments_word(arguments, 1);
	int code = client_call(client, "GET", "/identities", NULL, &reply);
	if (code)
		return code;
	const json_t *users = json_object_get(reply.json, "identities");
	json_t *links = own_links(find_user(users, user), link);
	json_array_append_new(links, json_string(link));
	reply_done(&reply);
	return put_links(client, user, links, link, "linked to");
}

int unlink_run(struct client *client, const struct arguments *arguments)
{
	struct reply reply;
	size_t last = arguments->word_count - 1;
	const char *name = arguments_word(arguments, last);
	const char *wanted = last ? arguments_word(arguments, 0) : NULL;
	int code = client_call(client, "GET", "/identities", NULL, &reply);
	if (code)
		return code;
	const json_t *user = NULL;
	const json_t *link = find_link(json_object_get(reply.json, "identities"), name, &user);
	const char *id = user ? text_of(user, "user_id") : NULL;
	if (!id || (wanted && strcmp(id, wanted) != 0))
		code = say_error(EXIT_REFUSED, "%s is linked to %s", name, id ? id : "nobody");
	else if (json_is_true(json_object_get(link, "fixed")))
		code = say_error(EXIT_REFUSED,
		    "%s is linked to %s by the config (identity): take it out there", name, id);
	else
		code = put_links(client, id, own_links(user, name), name, "no more linked to");
	reply_done(&reply);
	return code;
}
