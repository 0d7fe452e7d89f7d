/*
 * issuance - keeps a valid certificate published: the first machine of a certificate
 *
 * The table in issuance.c is the whole machine, in the order of a normal issuance: found on disk or
 * needed, turn at the CA, key, signature, vet, staged, held or validated, published, idle until the
 * renewal. This machine knows nothing of consumers.
 */
#ifndef LEAFD_CERT_ISSUANCE_H
#define LEAFD_CERT_ISSUANCE_H

#include "cert/issuance_stages.h"

/* issuance_open - initialises it; borrows `work` and `listener`; fails with class local */
bool issuance_open(struct issuance *issuance, struct cert_work *work,
                   const struct issuance_listener *listener, struct err *err);

/* issuance_begin - starts to read the disk */
void issuance_begin(struct issuance *issuance);

/* issuance_close - ends the stage under way; a held generation stays on disk */
void issuance_close(struct issuance *issuance);

/* issuance_rests - whether it waits, for a time or for a retry */
bool issuance_rests(const struct issuance *issuance);

/* issuance_hear - passes on an event from outside: CHANGED to REFUSED, or RECONSIDER; `err` is for
 * REFUSED */
void issuance_hear(struct issuance *issuance, enum issuance_event event, const struct err *err);

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
