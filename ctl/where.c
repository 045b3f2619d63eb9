/* where: options, environment, and the places where agentd puts its socket. */
#include "ctl/where.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "ctl/say.h"

#define SYSTEM_SOCKET "/run/agentd/agentd.sock"
#define KEY_MAX       8200 /* a JWT may have 8 KiB */

static const char *environment(const char *name)
{
	const char *value = getenv(name);
	return value && value[0] ? value : NULL;
}

static char *usual_socket(void)
{
	const char *runtime = environment("XDG_RUNTIME_DIR");
	struct buf path = { 0 };
	if (runtime) {
		buf_addf(&path, "%s/agentd/agentd.sock", runtime);
		char *own = buf_take(&path);
		if (own && access(own, F_OK) == 0)
			return own;
		free(own);
	}
	return strdup(SYSTEM_SOCKET);
}

static char *whole_url(const char *url)
{
	struct buf out = { 0 };
	size_t n = strlen(url);
	while (n && url[n - 1] == '/')
		n--;
	if (!strstr(url, "://"))
		buf_add_str(&out, "http://");
	buf_add(&out, url, n);
	return buf_take(&out);
}

int where_find(const struct client_where *where, struct where_found *ret_found)
{
	const char *socket = where->socket, *url = where->url;
	if (socket && url)
		return say_usage(NULL, "--socket and --url exclude each other");
	if (!socket && !url)
		socket = environment("AGENTD_SOCKET");
	if (!socket && !url)
		url = environment("AGENTD_URL");
	if (socket && strncmp(socket, "unix:", 5) == 0) /* as in http.listen */
		socket += 5;
	*ret_found = (struct where_found){ 0 };
	if (url)
		ret_found->url = whole_url(url);
	else
		ret_found->socket = socket ? strdup(socket) : usual_socket();
	if (!ret_found->url && !ret_found->socket)
		abort();
	return 0;
}

static int read_key(const char *path, char key[KEY_MAX])
{
	FILE *file = fopen(path, "re");
	size_t n = file ? fread(key, 1, KEY_MAX - 1, file) : 0;
	bool failed = !file || ferror(file);
	int error = errno;
	if (file)
		fclose(file);
	if (failed)
		return say_error(
		    EX_NOINPUT, "cannot read the key in %s: %s", path, strerror(error));
	key[n] = '\0';
	key[strcspn(key, "\r\n")] = '\0';
	return 0;
}

/* As a bearer, which every auth takes: which header it takes else is the config's. */
int where_find_key(const struct client_where *where, char **ret_header)
{
	char key[KEY_MAX] = "";
	const char *given = environment("AGENTD_API_KEY");
	struct buf header = { 0 };
	if (where->key_file) {
		int code = read_key(where->key_file, key);
		if (code)
			return code;
	} else if (given) {
		snprintf(key, sizeof(key), "%s", given);
	}
	for (const char *c = key; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f)
			return say_error(
			    EX_DATAERR, "the API key has a space or a control character in it");
	if (where->key_file && !key[0])
		return say_error(
		    EX_DATAERR, "%s is empty: it should hold the API key", where->key_file);
	if (key[0])
		buf_addf(&header, "Authorization: Bearer %s", key);
	*ret_header = key[0] ? buf_take(&header) : NULL;
	explicit_bzero(key, sizeof(key));
	return 0;
}
