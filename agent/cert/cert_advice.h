/*
 * cert_advice - what of a new certificate is not as one would think
 *
 * Told when it is another fact than with the certificate before.
 */
#ifndef LEAFD_CERT_CERT_ADVICE_H
#define LEAFD_CERT_CERT_ADVICE_H

#include "cert/cert_work.h"

/* cert_advice_ends - its life was cut, its issuer ends soon, or another path does; noted in the
 * work
 */
void cert_advice_ends(struct cert_work *work, const struct issued *issued);

/* cert_advice_subject - its subject is not as asked; likewise */
void cert_advice_subject(struct cert_work *work, const struct issued *issued);

#endif
