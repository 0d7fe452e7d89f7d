/*
 * issuance_waits - shortens the waits of issuance after a failure
 *
 * For what happens elsewhere: the CA answers again, the clock was set, an operator or another
 * configuration asks for a try.
 */
#ifndef LEAFD_CERT_ISSUANCE_WAITS_H
#define LEAFD_CERT_ISSUANCE_WAITS_H

#include "cert/issuance.h"

/* issuance_try_within - shortens the wait after a failure to a random part of `most_ms`; returns
 * whether a retry follows or runs */
bool issuance_try_within(struct issuance *issuance, uint64_t most_ms);

/* issuance_ca_is_back - the CA answers again: shortens the wait to a random part of
 * cert_work_back_ms */
void issuance_ca_is_back(struct issuance *issuance);

/* issuance_recompute - adapts waits after the clock was set; `sooner`: retry failures that it may
 * have caused within seconds */
void issuance_recompute(struct issuance *issuance, bool sooner);

#endif
