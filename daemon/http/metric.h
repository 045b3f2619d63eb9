/*
 * metric: Prometheus' text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats). All samples of a
 * family stand together, behind its head.
 */
#ifndef AGENTD_HTTP_METRIC_H
#define AGENTD_HTTP_METRIC_H

#include "daemon/base/buf.h"
#include "daemon/base/histogram.h"

void metric_family(struct buf *out, const char *name, const char *type, const char *help);
/* name="value", whatever is in the value. */
void metric_label(struct buf *out, const char *name, const char *value);
/* A sample with one label: of what kind that is (an agent, say), and which of them. */
void metric_sample(
    struct buf *out, const char *name, const char *kind, const char *of, double value);
/* The same; without one if `kind` is NULL. */
void metric_histogram(struct buf *out, const char *name, const char *kind, const char *of,
    const struct histogram *histogram);

#endif
