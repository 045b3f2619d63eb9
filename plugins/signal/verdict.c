/* verdict: two tables, of statuses and of words. */
#include "verdict.h"

#include <stdlib.h>
#include <string.h>

#define RETRY_MAX_S 3600

static const struct {
	unsigned from, to; /* statuses */
	uint32_t verdict;
} statuses[] = {
	{ 200, 299, AGENTD_SENT },
	{ 400, 400, AGENTD_RETRY }, /* unless its words are in the table below */
	{ 408, 408, AGENTD_RETRY },
	{ 425, 425, AGENTD_RETRY },
	{ 429, 429, AGENTD_RETRY },
	{ 300, 499, AGENTD_REJECTED },
};

/* Words of the API, and of signal-cli, for what will be no better the next time. */
static const char *const hopeless[] = {
	"Couldn't process request",
	"Invalid group id",
	"Invalid Signal group size",
	"Invalid identifier",
	"Invalid recipient type",
	"InvalidNumberException",
	"Group not found",
	"Not a group member",
	"Unregistered user",
	"UnregisteredUserException",
};

uint32_t signal_verdict(unsigned status, const char *error)
{
	for (size_t i = 0; status == 400 && i < sizeof(hopeless) / sizeof(hopeless[0]); i++)
		if (strcasestr(error, hopeless[i]))
			return AGENTD_REJECTED;
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (status >= statuses[i].from && status <= statuses[i].to)
			return statuses[i].verdict;
	return AGENTD_RETRY;
}

bool signal_verdict_unknown_account(unsigned status, const char *error)
{
	static const char *const words[] = {
		"is not registered", /* "User +49… is not registered." */
		"account does not exist",
		"No local users found",
		"not registered with JSON-RPC",
	};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if ((status == 400 || status == 404) && strcasestr(error, words[i]))
			return true;
	return false;
}

uint64_t signal_verdict_retry_ms(const char *retry_after)
{
	char *end;
	unsigned long seconds = retry_after ? strtoul(retry_after, &end, 10) : 0;
	if (!seconds || *end || *retry_after == '-')
		return 0;
	return 1000 * (uint64_t)(seconds > RETRY_MAX_S ? RETRY_MAX_S : seconds);
}
