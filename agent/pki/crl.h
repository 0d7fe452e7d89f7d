/*
 * crl - what an issuer's revocation list says
 *
 * Two things are read from it: who signed it, which tells that the CA has another issuer by now,
 * and whether a serial number of ours is on it. RFC 5280 section 5.
 *
 * Its signature is not checked: it came over a connection that vouches for the CA, and all that
 * follows from it is that a certificate is asked for earlier.
 */
#ifndef LEAFD_PKI_CRL_H
#define LEAFD_PKI_CRL_H

#include "base/err.h"
#include "pki/certificate.h"

struct crl;

/* crl_read - reads a list in PEM; NULL with *err filled, class untrusted or local. End with
 * crl_free */
struct crl *crl_read(const char *pem, struct err *err);

/* crl_authority_key - identifies the key that signed it, as certificate_facts.authority_key does;
 * "" if it does not say */
const char *crl_authority_key(const struct crl *crl);

/* crl_has - whether the serial number, as certificate_facts writes it, was revoked */
bool crl_has(struct crl *crl, const char *serial);

/* crl_free - NULL is fine */
void crl_free(struct crl *crl);

#endif
