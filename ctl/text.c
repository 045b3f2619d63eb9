/* text: widths, ages. Pure but for the question how wide a terminal is. */
#include "ctl/text.h"

#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "daemon/base/harmless.h"

static size_t width_of(uint32_t c)
{
	int width = wcwidth((wchar_t)c); /* -1 in a locale that does not know it */
	return width < 0 ? 1 : (size_t)width;
}

size_t text_width(const char *text, size_t n)
{
	size_t width = 0;
	for (size_t i = 0; i < n;) {
		uint32_t c;
		i += harmless_decode(text + i, &c);
		width += width_of(c);
	}
	return width;
}

size_t text_fit(const char *text, size_t n, size_t columns)
{
	size_t i = 0, width = 0;
	while (i < n) {
		uint32_t c;
		size_t length = harmless_decode(text + i, &c);
		width += width_of(c);
		if (width > columns)
			break;
		i += length;
	}
	return i;
}

size_t text_columns(int fd)
{
	struct winsize size;
	if (ioctl(fd, TIOCGWINSZ, &size) < 0)
		return 0;
	return size.ws_col ? size.ws_col : 80;
}

void text_add_size(struct buf *out, uint64_t bytes)
{
	static const char units[] = "BKMGT";
	double value = (double)bytes;
	size_t unit = 0;
	for (; value >= 1000 && units[unit + 1]; unit++)
		value /= 1024;
	buf_addf(out, unit && value < 9.95 ? "%.1f%c" : "%.0f%c", value, units[unit]);
}

static void add_span(struct buf *out, int64_t seconds)
{
	if (seconds < 100)
		buf_addf(out, "%ds", (int)seconds);
	else if (seconds < 100 * 60)
		buf_addf(out, "%dm", (int)(seconds / 60));
	else if (seconds < 48 * 3600)
		buf_addf(out, "%dh", (int)(seconds / 3600));
	else
		buf_addf(out, "%lldd", (long long)(seconds / 86400));
}

/* Seconds from then until now. False: it is no time. */
static bool read_age(const char *rfc3339, uint64_t now_wall_ms, int64_t *ret)
{
	struct tm tm = { 0 };
	if (!rfc3339 || !strptime(rfc3339, "%Y-%m-%dT%H:%M:%S", &tm))
		return false;
	*ret = (int64_t)(now_wall_ms / 1000) - (int64_t)timegm(&tm);
	return true;
}

void text_add_age(struct buf *out, const char *rfc3339, uint64_t now_wall_ms)
{
	int64_t age;
	if (!read_age(rfc3339, now_wall_ms, &age))
		return;
	if (age <= 0)
		buf_add_str(out, "now");
	else
		add_span(out, age);
}

void text_add_wait(struct buf *out, const char *rfc3339, uint64_t now_wall_ms)
{
	int64_t age;
	if (!read_age(rfc3339, now_wall_ms, &age))
		return;
	buf_add_str(out, age >= 0 ? "now" : "in ");
	if (age < 0)
		add_span(out, -age);
}
