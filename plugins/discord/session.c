/*
 * session: a file of two lines, the signature and JSON. It is put in place of the one before whole (rename), so that
 * a kill finds one or the other.
 */
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILE_MAX_BYTES 4096
#define PATH_SIZE      (PATH_MAX + 32)
#define DIGEST_HEX     64 /* of SHA-256 */

struct discord_session {
	const struct agentd_host *host; /* borrowed */
	const char *token;              /* borrowed */
	char *about;
	char path[PATH_SIZE], draft[PATH_SIZE]; /* "": nothing is written */
	char *id, *url;                         /* NULL: there is none */
	char self_id[DISCORD_ID_MAX + 1];
	bool is_troubled; /* and that has been said */
};

struct discord_session *discord_session_new(
    const struct agentd_host *host, const char *token, const char *about)
{
	char path[PATH_MAX];
	struct discord_session *session = calloc(1, sizeof(*session));
	if (!session || !(session->about = strdup(about))) {
		free(session);
		return NULL;
	}
	session->host = host;
	session->token = token;
	/* The folder is that of any path which agentd would have us use. */
	char *end = host->spool(host, path, sizeof(path)) == 0 ? strrchr(path, '/') : NULL;
	if (end) {
		int n = (int)(end - path);
		snprintf(session->path, PATH_SIZE, "%.*s/session", n, path);
		snprintf(session->draft, PATH_SIZE, "%.*s/session.new", n, path);
	}
	return session;
}

static void session_end(struct discord_session *session)
{
	free(session->id);
	free(session->url);
	session->id = session->url = NULL;
}

void discord_session_free(struct discord_session *session)
{
	if (!session)
		return;
	session_end(session);
	free(session->about);
	free(session);
}

const char *discord_session_id(const struct discord_session *session)
{
	return session->id;
}

const char *discord_session_url(const struct discord_session *session)
{
	return session->url;
}

/* Signing. */

static bool sign(const struct discord_session *session, const char *text, char out[DIGEST_HEX + 1])
{
	unsigned char digest[DIGEST_HEX / 2];
	if (!HMAC(EVP_sha256(), session->token, (int)strlen(session->token),
		(const unsigned char *)text, strlen(text), digest, NULL))
		return false;
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(out + 2 * i, 3, "%02x", digest[i]);
	return true;
}

/* Loading. */

/* What the file says, if it is young and signed. */
static json_t *session_read(const struct discord_session *session)
{
	char bytes[FILE_MAX_BYTES], digest[DIGEST_HEX + 1];
	struct stat file;
	int fd = open(session->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return NULL;
	bool is_young = fstat(fd, &file) == 0 && time(NULL) - file.st_mtime < DISCORD_SESSION_MAX_S;
	ssize_t n = read(fd, bytes, sizeof(bytes) - 1);
	close(fd);
	if (!is_young || n <= DIGEST_HEX || bytes[DIGEST_HEX] != '\n')
		return NULL;
	bytes[n] = '\0';
	const char *text = bytes + DIGEST_HEX + 1;
	if (!sign(session, text, digest) || CRYPTO_memcmp(digest, bytes, DIGEST_HEX) != 0)
		return NULL;
	return json_loads(text, 0, NULL);
}

static const char *str(const json_t *all, const char *key)
{
	const char *text = json_string_value(json_object_get(all, key));
	return text ? text : "";
}

bool discord_session_load(
    struct discord_session *session, int64_t *ret_sequence, char ret_self_id[DISCORD_ID_MAX + 1])
{
	json_t *all = session_read(session);
	if (all && strcmp(str(all, "about"), session->about) == 0) {
		discord_session_begin(
		    session, str(all, "id"), str(all, "url"), str(all, "self_id"));
		*ret_sequence = json_integer_value(json_object_get(all, "sequence"));
		snprintf(ret_self_id, DISCORD_ID_MAX + 1, "%s", session->self_id);
	}
	json_decref(all);
	return session->id != NULL;
}

/* Writing. */

void discord_session_begin(
    struct discord_session *session, const char *id, const char *url, const char *self_id)
{
	session_end(session);
	session->id = strdup(id);
	session->url = strdup(url);
	snprintf(session->self_id, sizeof(session->self_id), "%s", self_id);
	if (!session->id || !session->url)
		session_end(session); /* then a new one is begun after the next break */
}

/* 0 or -errno. */
static int session_write(const struct discord_session *session, const char *text)
{
	char bytes[FILE_MAX_BYTES], digest[DIGEST_HEX + 1];
	if (!sign(session, text, digest))
		return -ENOMEM;
	int n = snprintf(bytes, sizeof(bytes), "%s\n%s", digest, text);
	if (n >= (int)sizeof(bytes))
		return -EMSGSIZE;
	int fd = open(session->draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	ssize_t written = write(fd, bytes, (size_t)n);
	int error = written == n ? 0 : written < 0 ? -errno : -ENOSPC;
	close(fd);
	if (error == 0 && rename(session->draft, session->path) < 0)
		error = -errno;
	return error;
}

void discord_session_confirm(struct discord_session *session, int64_t sequence)
{
	if (!session->id || !session->path[0])
		return;
	json_t *all =
	    json_pack("{s:s, s:s, s:s, s:s, s:I}", "about", session->about, "id", session->id,
		"url", session->url, "self_id", session->self_id, "sequence", (json_int_t)sequence);
	char *text = all ? json_dumps(all, JSON_COMPACT) : NULL;
	int error = text ? session_write(session, text) : -ENOMEM;
	free(text);
	json_decref(all);
	if (error < 0 && !session->is_troubled)
		session->host->log(session->host, AGENTD_LOG_WARN,
		    "Discord's session cannot be written down (%s): what comes while this process "
		    "is killed and started again is lost",
		    strerror(-error));
	session->is_troubled = error < 0;
}

void discord_session_forget(struct discord_session *session)
{
	session_end(session);
	if (session->path[0])
		unlink(session->path);
}
