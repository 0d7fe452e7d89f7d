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

/*
 * A list that many certificates of one issuer are looked up in, on several threads. It is decoded
 * once, and its signature is verified once for each issuer's certificate.
 */
struct crl_shared;

/* crl_share - copies the list in PEM without reading it; NULL if memory ran out. The caller has one
 * share; end with crl_shared_drop */
struct crl_shared *crl_share(const char *pem);

/* crl_shared_ref - one more share; gives the list */
struct crl_shared *crl_shared_ref(struct crl_shared *list);

/* crl_shared_drop - gives one share back; NULL is fine; gives NULL */
struct crl_shared *crl_shared_drop(struct crl_shared *list);

/* crl_shared_has - whether the serial number was revoked; fails as crl_read */
bool crl_shared_has(struct crl_shared *list, const char *issuer_pem, const char *serial,
                    bool *ret_has, struct err *err);

#endif
