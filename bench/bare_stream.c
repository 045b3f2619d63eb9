/*
 * bare_stream: the floor of a stream. It takes so many clients, sends each of them an event every
 * millisecond, a send() for each, ends, and takes the next: what the kernel alone wants for it.
 *
 *	bare_stream PORT CLIENTS EVENTS
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 1024

static void send_text(int fd, const char *text)
{
	send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* One that asks for something: others only look whether anybody listens. */
static int accept_client(int listener)
{
	char request[4096];
	int fd = accept(listener, NULL, NULL);
	while (recv(fd, request, sizeof(request), 0) <= 0) {
		close(fd);
		fd = accept(listener, NULL, NULL);
	}
	send_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	return fd;
}

int main(int argc, char **argv)
{
	static int client[CLIENTS_MAX];
	int count = argc == 4 ? atoi(argv[2]) : 0, events = argc == 4 ? atoi(argv[3]) : 0;
	int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (count < 1 || count > CLIENTS_MAX)
		return 2;
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons((unsigned short)atoi(argv[1])),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, CLIENTS_MAX) < 0)
		return 1;
	for (;;) {
		struct timespec pause = { .tv_nsec = 1000 * 1000 };
		for (int i = 0; i < count; i++)
			client[i] = accept_client(listener);
		for (int n = 0; n < events; n++) {
			for (int i = 0; i < count; i++)
				send_text(client[i], "39\r\nid: 123\nevent: run.delta\n"
						     "data: {\"text\":\"12345678\"}\n\n\r\n");
			nanosleep(&pause, NULL);
		}
		for (int i = 0; i < count; i++) {
			send_text(client[i], "16\r\nevent: run.finished\n\n\n\r\n0\r\n\r\n");
			close(client[i]);
		}
	}
}
