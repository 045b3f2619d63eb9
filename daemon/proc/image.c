/* image: a plugin file in a sealed memfd. Never dlopens it, nor looks into it. */
#include "daemon/proc/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/conf/file.h"

#define IMAGE_MAX ((off_t)256 << 20)

struct image {
	unsigned refs;
	char *path;
	struct stat file; /* as it was read */
	int fd;
	struct buf hello; /* the body, for comparison */
	struct descriptor *descriptor;
};

/* A plugin runs with our rights, so only we, or root, may have written it. */
static int image_check(const struct stat *st, char *reason, size_t size)
{
	if (!S_ISREG(st->st_mode)) {
		snprintf(reason, size, "not a regular file");
		return -EINVAL;
	}
	if (st->st_uid != 0 && st->st_uid != geteuid()) {
		snprintf(reason, size, "belongs to user %u, not to root or to agentd's own (%u)",
		    st->st_uid, geteuid());
		return -EPERM;
	}
	if (conf_file_is_open(st)) {
		snprintf(reason, size, "may be written by others (mode %04o); try chmod go-w",
		    st->st_mode & 07777u);
		return -EPERM;
	}
	if (st->st_size == 0 || st->st_size > IMAGE_MAX) {
		snprintf(reason, size, st->st_size ? "larger than 256 MiB" : "empty");
		return -EFBIG;
	}
	return 0;
}

static int image_copy(int from, off_t length, int to)
{
	for (off_t done = 0; done < length;) {
		ssize_t n = sendfile(to, from, NULL, (size_t)(length - done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO; /* shorter than it was: being written */
		done += n;
	}
	int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	return fcntl(to, F_ADD_SEALS, seals) < 0 ? -errno : 0;
}

int image_load(const char *path, struct image **ret, char *reason, size_t size)
{
	struct stat st;
	int error;
	int from = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (from < 0 || fstat(from, &st) < 0) {
		error = -errno;
		snprintf(reason, size, "%s", strerror(errno));
		if (from >= 0)
			close(from);
		return error;
	}
	struct image *image = calloc(1, sizeof(*image));
	if (image) {
		image->refs = 1;
		image->path = strdup(path);
		image->file = st;
		image->fd = memfd_create("agentd-plugin", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	}
	error = !image || !image->path ? -ENOMEM : image->fd < 0 ? -errno : 0;
	if (error == 0)
		error = image_check(&st, reason, size);
	else
		snprintf(reason, size, "%s", strerror(-error));
	if (error == 0 && (error = image_copy(from, st.st_size, image->fd)) < 0)
		snprintf(reason, size, "cannot be read: %s", strerror(-error));
	close(from);
	if (error < 0) {
		image_unref(image);
		return error;
	}
	*ret = image;
	return 0;
}

struct image *image_ref(struct image *image)
{
	image->refs++;
	return image;
}

void image_unref(struct image *image)
{
	if (!image || --image->refs)
		return;
	if (image->fd >= 0)
		close(image->fd);
	descriptor_free(image->descriptor);
	buf_done(&image->hello);
	free(image->path);
	free(image);
}

const char *image_path(const struct image *image)
{
	return image->path;
}

bool image_is_of(const struct image *image, const char *path)
{
	const struct stat *then = &image->file;
	struct stat now;
	return strcmp(image->path, path) == 0 && stat(path, &now) == 0 &&
	       then->st_dev == now.st_dev && then->st_ino == now.st_ino &&
	       then->st_size == now.st_size && then->st_mtim.tv_sec == now.st_mtim.tv_sec &&
	       then->st_mtim.tv_nsec == now.st_mtim.tv_nsec;
}

int image_fd(const struct image *image)
{
	return image->fd;
}

int image_hello(struct image *image, const struct frame *hello)
{
	if (image->descriptor) {
		bool same = image->hello.length == hello->length &&
			    memcmp(image->hello.data, hello->body, hello->length) == 0;
		return same ? 0 : -EPROTO;
	}
	int error = descriptor_read(hello, &image->descriptor);
	if (error < 0)
		return error;
	buf_add(&image->hello, hello->body, hello->length);
	return image->hello.failed ? -ENOMEM : 0;
}

const struct descriptor *image_descriptor(const struct image *image)
{
	return image->descriptor;
}
