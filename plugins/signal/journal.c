/*
 * journal: one file, "received-N", made with the first bytes and removed when all is in the store.
 *
 * N is how often it was taken up. If what is in it ended each process that read it, this would go on for ever, and
 * nothing would be received: so the file is put aside after some tries, and stays for an operator.
 */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BYTES_MAX (128u << 20) /* an answer has half of that, at most */
#define TRIES_MAX 10
#define PATH_SIZE (PATH_MAX + 32)

struct signal_journal {
	const struct agentd_host *host; /* borrowed */
	char folder[PATH_MAX];          /* "": there is none */
	unsigned tries;                 /* the file's N */
	int fd;                         /* -1: there is no file */
	size_t bytes;
	bool failed; /* and that has been said: what follows would stand behind a gap */
};

struct signal_journal *signal_journal_new(const struct agentd_host *host)
{
	struct signal_journal *journal = calloc(1, sizeof(*journal));
	if (!journal)
		return NULL;
	journal->host = host;
	journal->fd = -1;
	/* The folder is that of any path which agentd would have us use. */
	char *end = host->spool(host, journal->folder, sizeof(journal->folder)) == 0
			? strrchr(journal->folder, '/')
			: journal->folder;
	*end = '\0';
	return journal;
}

void signal_journal_free(struct signal_journal *journal)
{
	if (!journal)
		return;
	if (journal->fd >= 0)
		close(journal->fd);
	free(journal);
}

/* The file's path at so many tries. */
static void path_of(const struct signal_journal *journal, unsigned tries, char path[PATH_SIZE])
{
	path[0] = '\0'; /* which nothing opens */
	if (journal->folder[0])
		snprintf(path, PATH_SIZE, "%s/received-%u", journal->folder, tries);
}

/* What could not be done, once for each time that the journal is filled. */
static void journal_fail(struct signal_journal *journal, const char *what, int error)
{
	if (!journal->failed)
		journal->host->log(journal->host, AGENTD_LOG_WARN,
		    "what is received cannot be written down (%s: %s): it is lost if this process "
		    "is killed before it is stored",
		    what, strerror(error));
	journal->failed = true;
}

/* Left over. */

static void put_aside(struct signal_journal *journal, const char *path)
{
	char aside[PATH_SIZE];
	if (journal->host->spool(journal->host, aside, PATH_MAX) < 0)
		return;
	strcat(aside, "-aside"); /* another name than agentd's own files have, which it removes */
	if (rename(path, aside) < 0)
		return;
	journal->host->log(journal->host, AGENTD_LOG_ERROR,
	    "messages that were received are put aside, since they could not be stored in %d tries: %s",
	    TRIES_MAX, aside);
}

/* Of the file that there is, if there is one, and one try more; fd: open for reading and writing. */
static int journal_reopen(struct signal_journal *journal)
{
	for (unsigned tries = 0; tries <= TRIES_MAX; tries++) {
		char path[PATH_SIZE], next[PATH_SIZE];
		path_of(journal, tries, path);
		if (access(path, F_OK) < 0)
			continue;
		if (tries == TRIES_MAX) {
			put_aside(journal, path);
			return -1;
		}
		path_of(journal, tries + 1, next);
		journal->tries = rename(path, next) == 0 ? tries + 1 : tries;
		path_of(journal, journal->tries, path);
		return open(path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
	}
	return -1;
}

char *signal_journal_take_up(struct signal_journal *journal, size_t *ret_n)
{
	struct stat file;
	size_t have = 0;
	ssize_t n = 1;
	journal->fd = journal_reopen(journal);
	if (journal->fd < 0 || fstat(journal->fd, &file) < 0)
		return NULL;
	size_t size = (size_t)file.st_size;
	char *bytes = malloc(size + 1);
	while (bytes && have < size && n > 0) {
		n = read(journal->fd, bytes + have, size - have);
		have += n > 0 ? (size_t)n : 0;
	}
	if (!bytes || n < 0) /* not given up: the next process tries it again */
		journal->host->fail(
		    journal->host, "what was received and not stored cannot be read");
	journal->bytes = *ret_n = have;
	return bytes;
}

/* Adding. */

static bool journal_open(struct signal_journal *journal)
{
	char path[PATH_SIZE];
	if (journal->fd >= 0)
		return true;
	journal->tries = 0;
	path_of(journal, 0, path);
	journal->fd =
	    open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (journal->fd < 0)
		journal_fail(journal, "making a file", errno);
	return journal->fd >= 0;
}

void signal_journal_add(struct signal_journal *journal, struct agentd_text bytes)
{
	if (journal->failed || (journal->fd < 0 && !memchr(bytes.p, '{', bytes.n)))
		return;
	if (journal->bytes + bytes.n > BYTES_MAX) {
		journal_fail(journal, "writing", EFBIG);
		return;
	}
	if (!journal_open(journal))
		return;
	while (bytes.n) {
		ssize_t n = write(journal->fd, bytes.p, bytes.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			journal_fail(journal, "writing", n < 0 ? errno : EIO);
			return;
		}
		journal->bytes += (size_t)n;
		bytes.p += n;
		bytes.n -= (size_t)n;
	}
}

void signal_journal_clear(struct signal_journal *journal)
{
	char path[PATH_SIZE];
	journal->failed = false;
	journal->bytes = 0;
	if (journal->fd < 0)
		return;
	close(journal->fd);
	journal->fd = -1;
	path_of(journal, journal->tries, path);
	unlink(path);
}
