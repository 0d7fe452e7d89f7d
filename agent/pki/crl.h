/*
 * crl - a certificate revocation list (RFC 5280 section 5)
 *
 * A list is accepted only if the issuer of our certificate signed it.
 */
#ifndef LEAFD_PKI_CRL_H
#define LEAFD_PKI_CRL_H

#include "base/err.h"
#include <stdbool.h>

struct crl;

/*
 * crl_read - parses a list in PEM and verifies its signature with the issuer's certificate, in PEM
 *
 * NULL with *err filled: class untrusted if it is no list or has another signer, class local if
 * memory ran out. The caller ends it with crl_free.
 */
struct crl *crl_read(const char *pem, const char *issuer_pem, struct err *err);

/* crl_has - whether the list holds the serial number, in the form of certificate_facts */
bool crl_has(struct crl *crl, const char *serial);

/* crl_free - frees the list; NULL is fine */
void crl_free(struct crl *crl);

#endif
