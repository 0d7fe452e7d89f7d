/*
 * crl - what an issuer's revocation list says
 *
 * Whether a serial number of ours is on it, once its signature shows that it is the list of the
 * issuer that signed our certificate. RFC 5280 section 5.
 */
#ifndef LEAFD_PKI_CRL_H
#define LEAFD_PKI_CRL_H

#include "base/err.h"
#include <stdbool.h>

struct crl;

/*
 * crl_read - reads a list in PEM that the issuer, whose certificate is given in PEM, has signed
 *
 * NULL with *err filled, class untrusted or local. End with crl_free.
 */
struct crl *crl_read(const char *pem, const char *issuer_pem, struct err *err);

/* crl_has - whether the serial number, as certificate_facts writes it, was revoked */
bool crl_has(struct crl *crl, const char *serial);

/* crl_free - NULL is fine */
void crl_free(struct crl *crl);

#endif
