/* Finishes with a result of more messages than it has. agentd must survive the crash of the host that
 * reads them: 502, and it starts again. */
#include "animal.h"

#include <sys/mman.h>

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	long page = sysconf(_SC_PAGESIZE);
	char *pages = mmap(NULL, 2 * (size_t)page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pages == MAP_FAILED || mprotect(pages + page, (size_t)page, PROT_NONE) < 0)
		return -errno;
	struct agentd_result result = { .size = sizeof(result) };
	result.messages = (const struct agentd_message *)(const void *)pages;
	result.message_count = SIZE_MAX;
	result.message_size = sizeof(*result.messages);
	return host->finish(run, &result);
}

ANIMAL(.open = animal_open, .run = bite);
