/* metric: lines of the format. */
#include "daemon/http/metric.h"

void metric_family(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* The only texts are names that the config gives, and they may be anything. */
void metric_label(struct buf *out, const char *name, const char *value)
{
	buf_addf(out, "%s=\"", name);
	for (; *value; value++) {
		if (*value == '\\' || *value == '"')
			buf_add_str(out, "\\");
		if (*value == '\n')
			buf_add_str(out, "\\n");
		else
			buf_add(out, value, 1);
	}
	buf_add_str(out, "\"");
}

void metric_sample(
    struct buf *out, const char *name, const char *kind, const char *of, double value)
{
	buf_addf(out, "%s{", name);
	metric_label(out, kind, of);
	buf_addf(out, "} %.15g\n", value);
}

void metric_histogram(struct buf *out, const char *name, const char *kind, const char *of,
    const struct histogram *histogram)
{
	struct buf who = { 0 };
	uint64_t below = 0;
	if (kind)
		metric_label(&who, kind, of);
	int n = (int)who.length;
	const char *labels = who.data ? who.data : "";
	for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++) {
		below += histogram->count[i];
		buf_addf(out, "%s_bucket{%.*s%sle=\"", name, n, labels, n ? "," : "");
		if (i < HISTOGRAM_BOUNDS)
			buf_addf(out, "%g", histogram_bound[i]);
		else
			buf_add_str(out, "+Inf");
		buf_addf(out, "\"} %llu\n", (unsigned long long)below);
	}
	const char *open = n ? "{" : "", *close = n ? "}" : "";
	buf_addf(out, "%s_sum%s%.*s%s %.9g\n%s_count%s%.*s%s %llu\n", name, open, n, labels, close,
	    (double)histogram->sum_us / 1e6, name, open, n, labels, close,
	    (unsigned long long)below);
	buf_done(&who);
}
