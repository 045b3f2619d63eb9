/* zone: a table of changes, as small as it is, and the search in it. */
#include "daemon/base/zone.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/tzif.h"

#define NAME_SIZE 64u    /* the longest of IANA's has 32 */
#define FILE_MAX  32768u /* tzdata's have 4 KiB at most */
#define FOLDER    "/usr/share/zoneinfo"

struct zone {
	char name[NAME_SIZE];
	int32_t first; /* the offset before all changes */
	size_t count;
	struct tzif_change changes[];
};

/* What tzdata's names are made of, so that none leads out of its folder. */
static bool is_name(const char *name)
{
	static const char letters[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/";
	size_t n = strlen(name);
	return n > 0 && n < NAME_SIZE && name[0] != '/' && strspn(name, letters) == n;
}

static bool read_zone(const char *name, struct tzif *ret)
{
	const char *folder = getenv("TZDIR");
	char path[PATH_MAX];
	uint8_t data[FILE_MAX];
	if (snprintf(path, sizeof(path), "%s/%s", folder ? folder : FOLDER, name) >= PATH_MAX)
		return false;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, data, sizeof(data));
	close(fd);
	return n > 0 && tzif_read(data, (size_t)n, ret) == 0;
}

int zone_new(const char *name, struct zone **ret_zone)
{
	struct tzif tzif = { .count = 0 };
	if (!is_name(name) || (strcmp(name, "UTC") != 0 && !read_zone(name, &tzif)))
		return -ENOENT;
	size_t size = tzif.count * sizeof(*tzif.changes);
	struct zone *zone = malloc(sizeof(*zone) + size);
	if (!zone)
		return -ENOMEM;
	snprintf(zone->name, sizeof(zone->name), "%s", name);
	zone->first = tzif.first;
	zone->count = tzif.count;
	memcpy(zone->changes, tzif.changes, size);
	*ret_zone = zone;
	return 0;
}

void zone_free(struct zone *zone)
{
	free(zone);
}

const char *zone_name(const struct zone *zone)
{
	return zone->name;
}

/* The offset after so many changes. */
static int32_t offset_after(const struct zone *zone, size_t count)
{
	return count ? zone->changes[count - 1].offset : zone->first;
}

struct zone_span zone_span_at(const struct zone *zone, int64_t utc_s)
{
	size_t low = 0, high = zone->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (zone->changes[middle].at <= utc_s)
			low = middle + 1;
		else
			high = middle;
	}
	return (struct zone_span){
		.start = low ? zone->changes[low - 1].at : INT64_MIN,
		.end = low < zone->count ? zone->changes[low].at : INT64_MAX,
		.offset = offset_after(zone, low),
		.before = offset_after(zone, low ? low - 1 : 0),
	};
}
