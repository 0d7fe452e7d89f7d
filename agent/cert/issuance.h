/*
 * issuance - keeps a certificate that is wanted in place: the first machine of a certificate
 *
 * The table in issuance.c reads from top to bottom as the way of a certificate: found on disk or
 * wanted, its turn at the CA, key made, signed, vetted, staged, held or validated, published,
 * waiting until it is due. Every transition stands there and nowhere else. It knows nothing of
 * consumers.
 */
#ifndef LEAFD_CERT_ISSUANCE_H
#define LEAFD_CERT_ISSUANCE_H

#include "cert/issuance_stages.h"

/* issuance_open - makes it ready to read the disk, which issuance_begin starts; borrows `work` and
 * `listener`; fails with class local */
bool issuance_open(struct issuance *issuance, struct cert_work *work,
                   const struct issuance_listener *listener, struct err *err);

/* issuance_begin - looks at what is on disk, to decide what is to be done */
void issuance_begin(struct issuance *issuance);

/* issuance_close - ends what is under way; what is held stays on disk */
void issuance_close(struct issuance *issuance);

/* issuance_rests - whether it waits: for a moment, or for another try */
bool issuance_rests(const struct issuance *issuance);

/* issuance_hear - takes one of the events that others tell: CHANGED to REFUSED, RECONSIDER */
void issuance_hear(struct issuance *issuance, enum issuance_event event, const struct err *err);

/* issuance_try_within - ends a wait after a failure within `most_ms`, jittered; whether a try
 * follows, or is under way */
bool issuance_try_within(struct issuance *issuance, uint64_t most_ms);

/* issuance_ca_is_back - the CA answers again: what is urgent waits no longer than
 * cert_work_back_ms */
void issuance_ca_is_back(struct issuance *issuance);

/* issuance_recompute - the clock was set; a failure that it may be to blame for is tried again
 * within seconds if it is `sooner` */
void issuance_recompute(struct issuance *issuance, bool sooner);

#endif
