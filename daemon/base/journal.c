/* journal: one datagram for an entry. */
#include "daemon/base/journal.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int journal_open(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	int error = -errno;
	if (fd >= 0)
		close(fd);
	return error;
}

/* With its length in front, since it may have line ends in it. */
static void add_value(struct buf *out, const char *text, size_t length)
{
	uint64_t size = htole64(length);
	buf_add_str(out, "\n");
	buf_add(out, (const char *)&size, sizeof(size));
	buf_add(out, text, length);
	buf_add_str(out, "\n");
}

static void add_field(struct buf *out, const struct log_field *field)
{
	buf_add_str(out, "AGENTD_");
	for (const char *c = field->name; *c; c++) {
		char upper = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
		buf_add(out, &upper, 1);
	}
	add_value(out, field->text, strlen(field->text));
}

int journal_send(int fd, enum log_level level, const char *message, size_t length,
    const struct log_field *fields, size_t count, struct buf *scratch)
{
	static const int priority[] = { [LOG_LEVEL_ERROR] = 3,
		[LOG_LEVEL_WARN] = 4,
		[LOG_LEVEL_INFO] = 6,
		[LOG_LEVEL_DEBUG] = 7 };
	scratch->length = 0;
	buf_addf(scratch, "SYSLOG_IDENTIFIER=agentd\nPRIORITY=%d\nMESSAGE", priority[level]);
	add_value(scratch, message, length);
	for (size_t i = 0; i < count; i++)
		if (fields[i].text)
			add_field(scratch, &fields[i]);
	if (scratch->failed) {
		scratch->failed = false;
		return -ENOMEM;
	}
	ssize_t n = send(fd, scratch->data, scratch->length, MSG_DONTWAIT | MSG_NOSIGNAL);
	return n < 0 ? -errno : 0;
}
