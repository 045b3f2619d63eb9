/*
 * list: texts in an array.
 */
#include "daemon/conf/list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int list_add(struct schema_list *list, const char *text, size_t length)
{
	char **items = list->items;

	/* There is room up to the next power of two. */
	if ((list->count & (list->count - 1)) == 0)
		items = reallocarray(items, list->count ? list->count * 2 : 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	list->items = items;
	items[list->count] = strndup(text, length);
	if (!items[list->count])
		return -ENOMEM;
	list->count++;
	return 0;
}

void list_done(struct schema_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct schema_list){ 0 };
}

static int add_trimmed(struct schema_list *list, const char *p, const char *end)
{
	while (p < end && *p == ' ')
		p++;
	while (end > p && end[-1] == ' ')
		end--;
	return list_add(list, p, (size_t)(end - p));
}

int list_split(const char *text, char separator, struct schema_list *ret_list)
{
	struct schema_list list = { 0 };
	const char *end, *next = *text ? text : NULL;

	for (; next; next = end ? end + 1 : NULL) {
		end = strchr(next, separator);
		if (add_trimmed(&list, next, end ? end : strchr(next, '\0')) < 0) {
			list_done(&list);
			return -ENOMEM;
		}
	}
	*ret_list = list;
	return 0;
}

const char *list_next(const void *arg, size_t i)
{
	const struct schema_list *list = arg;

	return i < list->count ? list->items[i] : NULL;
}
