/* interrupt: a handler that writes to a pipe. (A signalfd would be simpler, and inherited: the mask
 * that it needs would pass to agentd and the plugins that `agentctl try` starts.) */
#include "ctl/interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

static int ends[2] = { -1, -1 };
static volatile sig_atomic_t ending;

static void on_signal(int number)
{
	int saved = errno;
	char byte = (char)number;
	if (number != SIGINT)
		ending = number;
	(void)!write(ends[1], &byte, 1);
	errno = saved;
}

void interrupt_open(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = on_signal };
	if (ends[0] >= 0 || pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return;
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaction(numbers[i], &action, NULL);
}

int interrupt_fd(void)
{
	return ends[0];
}

bool interrupt_is_pending(void)
{
	struct pollfd pending = { .fd = ends[0], .events = POLLIN };
	return ending || poll(&pending, 1, 0) > 0;
}

int interrupt_take(void)
{
	char bytes[16];
	ssize_t n = ends[0] < 0 ? 0 : read(ends[0], bytes, sizeof(bytes));
	return ending ? ending : n > 0 ? bytes[n - 1] : 0;
}
