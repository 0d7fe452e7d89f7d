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

/* issuance_hear - passes on an event from outside: CHANGED to REFUSED, or RECONSIDER; `err` is for
 * REFUSED */
void issuance_hear(struct issuance *issuance, enum issuance_event event, const struct err *err);

/*
 * issuance_ask - an operator asks for a new certificate now, though none may be due
 *
 * Joins an issuance that is under way. issuance->asked is true until a certificate was published,
 * or the try has failed. Nothing is asked for while a generation is held, which is published in its
 * time, nor for a withdrawn certificate, unless it was asked for `by_name`.
 */
void issuance_ask(struct issuance *issuance, bool by_name);

#endif
