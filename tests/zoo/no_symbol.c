/* Is a shared object, and no plugin. agentd must say which symbol it misses. */
#include "animal.h"

__attribute__((visibility("default"))) int agentd_plugins;
