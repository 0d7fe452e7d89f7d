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

/* cert_advice_left_out - warns of an issuer that does not end at the trust anchor, or has no list;
 * for [trust] */
void cert_advice_left_out(struct cert_work *work, const struct issued *issued);

/* cert_advice_warnings - the warnings in the CA's reply */
void cert_advice_warnings(const struct cert_work *work);

/* cert_advice_leased - the certificate was leased with the token, and is revoked with it */
void cert_advice_leased(const struct cert_work *work);

/* cert_advice_short_hold - the certificate of a new issuer is published before all peers can trust
 * it */
void cert_advice_short_hold(const struct cert_work *work, uint64_t shown_s);

#endif
