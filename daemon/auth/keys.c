/*
 * keys: what the tokens of one issuer are checked with: a secret, a public key or a key set in a file, or a
 * key set at a URL. Those that change are looked at again; what cannot be read leaves what was there.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/auth/internal.h"
#include "daemon/auth/jwk.h"
#include "daemon/base/id.h"
#include "daemon/base/log.h"
#include "daemon/conf/file.h"

#define FILE_MAX_BYTES 262144
#define LOOK_MS        1000   /* between two looks at a file */
#define REFRESH_MS     900000 /* a URL, whether anybody asks or not: keys are also withdrawn */
#define RENEW_GAP_MS   5000   /* a token that names a key just asked for has got its answer */
#define RETRY_MIN_MS   1000   /* after a failure, doubling */
#define RETRY_MAX_MS   60000

struct keys {
	struct provider *provider; /* borrowed */
	struct jwk_set *set;       /* NULL: none could be got yet */
	const char *path;          /* borrowed; NULL: they are in no file */
	struct stat seen;          /* of that file */
	uint64_t looked_ms;
	struct event *timer; /* of a URL */
	struct fetch *fetch; /* the one under way */
	uint64_t fetched_ms; /* when the last one ended */
	int64_t retry_ms;
};

static int parse(const struct keys *keys, const char *text, size_t length, struct jwk_set **ret,
    char *reason, size_t size)
{
	if (keys->provider->settings->key_file)
		return jwk_set_from_pem(text, length, ret, reason, size);
	return jwk_set_from_jwks(text, length, ret, reason, size);
}

/* Files. */

static int read_file(struct keys *keys, struct jwk_set **ret, char *reason, size_t size)
{
	struct conf_file file;
	struct stat is;
	if (stat(keys->path, &is) == 0 &&
	    !S_ISREG(is.st_mode)) { /* a pipe would hold up everything */
		snprintf(reason, size, "it is no file, but a directory, a pipe or a device");
		return -EINVAL;
	}
	int error = conf_file_read(keys->path, FILE_MAX_BYTES, &file);
	if (error < 0) {
		snprintf(reason, size, "%s", strerror(-error));
		return error;
	}
	error = parse(keys, file.text, file.length, ret, reason, size);
	free(file.text);
	return error;
}

static bool has_changed(const struct stat *a, const struct stat *b)
{
	return a->st_dev != b->st_dev || a->st_ino != b->st_ino || a->st_size != b->st_size ||
	       a->st_mtim.tv_sec != b->st_mtim.tv_sec || a->st_mtim.tv_nsec != b->st_mtim.tv_nsec;
}

static void replace(struct keys *keys, struct jwk_set *set)
{
	jwk_set_free(keys->set);
	keys->set = set;
}

static void look_at_file(struct keys *keys)
{
	struct jwk_set *set = NULL;
	struct stat now;
	char reason[200];
	uint64_t ms = clock_monotonic_ms();
	if (!keys->path || ms < keys->looked_ms + LOOK_MS)
		return;
	keys->looked_ms = ms;
	if (stat(keys->path, &now) < 0 || !has_changed(&now, &keys->seen))
		return; /* one that is away for a moment is about to be replaced */
	keys->seen = now;
	const char *name = keys->provider->settings->name;
	if (read_file(keys, &set, reason, sizeof(reason)) < 0) {
		log_error("auth %s: cannot read %s: %s; the keys stay as they were", name,
		    keys->path, reason);
		return;
	}
	replace(keys, set);
	log_info("auth %s: new keys from %s", name, keys->path);
}

/* URLs. */

static void arm(struct keys *keys, int64_t after_ms)
{
	struct timeval after = { .tv_sec = after_ms / 1000, .tv_usec = after_ms % 1000 * 1000 };
	event_add(keys->timer, &after);
}

static void on_failure(struct keys *keys, const char *why)
{
	const struct provider_settings *settings = keys->provider->settings;
	log_warn("auth %s: cannot get %s: %s; trying again in %.3g s%s", settings->name,
	    settings->jwks_url, why, (double)keys->retry_ms / 1000,
	    keys->set ? ", and the keys stay as they were" : "");
	arm(keys, keys->retry_ms);
	keys->retry_ms = keys->retry_ms * 2 < RETRY_MAX_MS ? keys->retry_ms * 2 : RETRY_MAX_MS;
}

static void on_fetched(void *arg, const char *bytes, size_t length, const char *error)
{
	struct keys *keys = arg;
	struct jwk_set *set = NULL;
	char reason[200];
	keys->fetch = NULL;
	keys->fetched_ms = clock_monotonic_ms();
	if (error) {
		on_failure(keys, error);
	} else if (parse(keys, bytes, length, &set, reason, sizeof(reason)) < 0) {
		on_failure(keys, reason);
	} else {
		if (!keys->set)
			log_info("auth %s: keys from %s", keys->provider->settings->name,
			    keys->provider->settings->jwks_url);
		replace(keys, set);
		keys->retry_ms = RETRY_MIN_MS;
		arm(keys, REFRESH_MS);
	}
	auth_wake(keys->provider->auth);
}

static void begin_fetch(struct keys *keys)
{
	const struct auth_fetcher *fetcher = auth_fetcher(keys->provider->auth);
	keys->fetch =
	    fetcher->start(fetcher->arg, keys->provider->settings->jwks_url, on_fetched, keys);
	if (!keys->fetch)
		on_failure(keys, "no process could be started for it");
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct keys *keys = arg;
	if (!keys->fetch)
		begin_fetch(keys);
}

bool keys_renew(struct keys *keys)
{
	if (!keys->timer)
		return false;
	bool lately = clock_monotonic_ms() < keys->fetched_ms + RENEW_GAP_MS;
	if (!keys->fetch && keys->set && !lately && auth_may_renew(keys->provider))
		begin_fetch(keys); /* without any keys it is being tried again as it is */
	return keys->fetch != NULL;
}

/* Both. */

const struct jwk_set *keys_current(struct keys *keys)
{
	look_at_file(keys);
	return keys->set;
}

static const struct conf_node *node_of(const struct keys *keys, const char *key)
{
	return conf_get(keys->provider->settings->section, key);
}

static void open_file(struct keys *keys, const char *key, struct conf_errors *errors)
{
	char reason[200];
	stat(keys->path, &keys->seen); /* before it is read: what comes later is seen */
	if (read_file(keys, &keys->set, reason, sizeof(reason)) < 0)
		conf_error(errors, node_of(keys, key), "%s: %s", keys->path, reason);
}

/* A secret that is too short for an algorithm, or keys of which none is for any, let nobody in. */
static void check_fit(const struct keys *keys, struct conf_errors *errors)
{
	const struct provider_settings *settings = keys->provider->settings;
	const struct schema_list *algorithms = &settings->algorithms;
	size_t fit = 0;
	for (size_t i = 0; i < algorithms->count; i++) {
		bool fits = jwk_set_fits(keys->set, algorithms->items[i]);
		fit += fits;
		if (!fits && settings->secret && algorithms->items[i][0] == 'H')
			conf_error(errors, node_of(keys, "secret"), "it is too short for %s",
			    algorithms->items[i]);
	}
	if (algorithms->count && !fit && !settings->secret)
		conf_error(errors, node_of(keys, "algorithms"), "no key in %s is for any of them",
		    keys->path);
}

int keys_open(struct provider *provider, struct conf_errors *errors, struct keys **ret)
{
	const struct provider_settings *settings = provider->settings;
	struct keys *keys = *ret = calloc(1, sizeof(*keys));
	char reason[200];
	if (!keys)
		return -ENOMEM;
	keys->provider = provider;
	keys->retry_ms = RETRY_MIN_MS;
	keys->path = settings->key_file ? settings->key_file : settings->jwks_file;
	if (keys->path)
		open_file(keys, settings->key_file ? "key_file" : "jwks_file", errors);
	else if (settings->secret && jwk_set_from_secret(settings->secret, strlen(settings->secret),
					 &keys->set, reason, sizeof(reason)) < 0)
		conf_error(errors, node_of(keys, "secret"), "%s", reason);
	if (keys->set)
		check_fit(keys, errors);
	return 0;
}

int keys_start(struct keys *keys)
{
	struct event_base *base = auth_base(keys->provider->auth);
	if (!keys->provider->settings->jwks_url)
		return 0;
	keys->timer = event_new(base, -1, 0, on_timer, keys);
	if (!keys->timer)
		return -ENOMEM;
	begin_fetch(keys);
	return 0;
}

void keys_inherit(struct keys *keys, const struct keys *before)
{
	const char *url = keys->provider->settings->jwks_url;
	const char *other = before->provider->settings->jwks_url;
	if (keys->set || !before->set || !url || !other || strcmp(url, other) != 0)
		return;
	keys->set = jwk_set_ref(before->set);
}

void keys_free(struct keys *keys)
{
	if (!keys)
		return;
	if (keys->fetch)
		auth_fetcher(keys->provider->auth)->stop(keys->fetch);
	if (keys->timer)
		event_free(keys->timer);
	jwk_set_free(keys->set);
	free(keys);
}
