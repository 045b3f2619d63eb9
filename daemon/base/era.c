/* era: a count, and a list of what goes with it. */
#include "daemon/base/era.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/queue.h>

struct gift {
	void (*release)(void *arg);
	void *arg;
	SLIST_ENTRY(gift) link;
};

struct era {
	unsigned refs;
	struct event *over;
	SLIST_HEAD(, gift) gifts; /* the last first */
	TAILQ_ENTRY(era) link;    /* among those that go on, or that are over */
};

static TAILQ_HEAD(, era) going = TAILQ_HEAD_INITIALIZER(going); /* the oldest first */
static TAILQ_HEAD(, era) over = TAILQ_HEAD_INITIALIZER(over);

static void era_release(struct era *era)
{
	struct gift *gift;
	TAILQ_REMOVE(&over, era, link);
	while ((gift = SLIST_FIRST(&era->gifts))) {
		SLIST_REMOVE_HEAD(&era->gifts, link);
		gift->release(gift->arg);
		free(gift);
	}
	event_free(era->over);
	free(era);
}

static void on_over(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	era_release(arg);
}

void eras_release(void)
{
	struct era *era;
	while ((era = TAILQ_FIRST(&over)))
		era_release(era);
}

struct era *era_new(struct event_base *base)
{
	struct era *era = calloc(1, sizeof(*era));
	if (!era)
		return NULL;
	era->refs = 1;
	SLIST_INIT(&era->gifts);
	era->over = event_new(base, -1, 0, on_over, era);
	if (!era->over) {
		free(era);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&going, era, link);
	return era;
}

struct era *era_ref(struct era *era)
{
	era->refs++;
	return era;
}

void era_unref(struct era *era)
{
	if (!era || --era->refs)
		return;
	TAILQ_REMOVE(&going, era, link);
	TAILQ_INSERT_TAIL(&over, era, link);
	event_active(era->over, EV_TIMEOUT, 0);
}

int era_give(struct era *era, void (*release)(void *arg), void *arg)
{
	struct gift *gift = malloc(sizeof(*gift));
	if (!gift)
		return -ENOMEM;
	*gift = (struct gift){ .release = release, .arg = arg };
	SLIST_INSERT_HEAD(&era->gifts, gift, link);
	return 0;
}

static void let_go(void *arg)
{
	era_unref(arg);
}

int era_outlast_older(struct era *era)
{
	struct era *older;
	for (older = TAILQ_FIRST(&going); older != era; older = TAILQ_NEXT(older, link)) {
		if (era_give(older, let_go, era) < 0)
			return -ENOMEM;
		era_ref(era);
	}
	return 0;
}
