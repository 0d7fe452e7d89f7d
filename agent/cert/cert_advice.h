/*
 * cert_advice - warnings about a new certificate that is not as expected
 *
 * Emits an `advice` event only if the fact is not the same as for the previous certificate.
 */
#ifndef LEAFD_CERT_CERT_ADVICE_H
#define LEAFD_CERT_CERT_ADVICE_H

#include "cert/cert_work.h"

/* cert_advice_ends - warns of a cut lifetime, an issuer that ends soon, or a path that ends
 * earlier */
void cert_advice_ends(struct cert_work *work, const struct issued *issued);

/* cert_advice_subject - warns if the subject is not as requested */
void cert_advice_subject(struct cert_work *work, const struct issued *issued);

#endif
