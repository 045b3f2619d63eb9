/* version: of agentd as a whole; the plugin ABI has a number of its own. */
#ifndef AGENTD_VERSION_H
#define AGENTD_VERSION_H

#define AGENTD_VERSION "0.1.0"

#endif
