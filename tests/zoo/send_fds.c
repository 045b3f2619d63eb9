/* Sends descriptors along with frames that are good. agentd must not be left with them. */
#include "raw.h"

#define COUNT 100

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	struct raw_head pong = { .type = MESSAGE_PONG };
	char room[CMSG_SPACE(COUNT * sizeof(int))] = { 0 };
	struct iovec bytes = { &pong, sizeof(pong) };
	struct msghdr message = { .msg_iov = &bytes, .msg_iovlen = 1 };
	message.msg_control = room;
	message.msg_controllen = sizeof(room);
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(COUNT * sizeof(int));
	for (size_t i = 0; i < COUNT; i++)
		memcpy(CMSG_DATA(head) + i * sizeof(int), &(int){ STDERR_FILENO }, sizeof(int));
	for (int i = 0; i < 10; i++)
		sendmsg(HOST_FD_CHANNEL, &message, MSG_NOSIGNAL);
	return say(run, "sent");
}

ANIMAL(.open = animal_open, .run = bite);
