/*
 * attach: what comes with a request becomes the attachments of its run. Data is written into files of the
 * run's folder.
 */
#ifndef AGENTD_HTTP_ATTACH_H
#define AGENTD_HTTP_ATTACH_H

#include <jansson.h>

struct run;

/* An array that uploads_check has found good; NULL or none at all is nothing to do. 0; or -errno, and then the
 * run is to be given up. */
int attach_uploads(struct run *run, const json_t *array);

#endif
