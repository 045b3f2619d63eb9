/* news: the last reason, without its digits. */
#include "plugins/common/news.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

bool news_take(struct news *news, const char *reason)
{
	char words[sizeof(news->reason)];
	size_t n = 0;
	words[n++] = '!'; /* so that a reason without a word is one, too */
	for (; *reason && n < sizeof(words) - 1; reason++)
		if (!isdigit((unsigned char)*reason))
			words[n++] = *reason;
	words[n] = '\0';
	if (strcmp(words, news->reason) == 0)
		return false;
	memcpy(news->reason, words, n + 1);
	return true;
}

void news_end(struct news *news)
{
	news->reason[0] = '\0';
}
