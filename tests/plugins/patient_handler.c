/* patient_handler: the same, blocking. */
#include "agentd/plugin.h"
#define FLAGS AGENTD_BLOCKING
#include "handler.c"
