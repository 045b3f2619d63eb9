/*
 * verdict: what an answer of signal-cli-rest-api means.
 *
 * It answers 400 to nearly everything that did not work, from a group that does not exist to Signal's own
 * servers being down, so the words of the error have to be read. What they do not tell is taken as passing:
 * agentd gives up after so many tries, and an answer that was thrown away is gone. Pure.
 */
#ifndef SIGNAL_VERDICT_H
#define SIGNAL_VERDICT_H

#include <stdbool.h>

#include "agentd/plugin.h"

/* Of an answer to a message that was to be sent: AGENTD_SENT, AGENTD_RETRY or AGENTD_REJECTED. A status of
 * 0: there was no answer. */
uint32_t signal_verdict(unsigned status, const char *error);
/* Whether the API does not know the account. */
bool signal_verdict_unknown_account(unsigned status, const char *error);
/* Retry-After in milliseconds, at most an hour; 0: none, or a date. */
uint64_t signal_verdict_retry_ms(const char *retry_after);

#endif
