/*
 * ledger - what has been issued and revoked
 *
 * By serial number, as far as the role stores certificates, and whatever was revoked by presenting
 * it.
 */
#ifndef DEVCA_LEDGER_H
#define DEVCA_LEDGER_H

#include "authority.h"

#include <openssl/x509.h>

#include <stdbool.h>
#include <stdint.h>

enum { SERIAL_TEXT_BYTES = 64 };

struct ledger_entry {
    char serial[SERIAL_TEXT_BYTES]; /* aa:bb:cc */
    const struct authority *issuer;
    uint64_t not_after_s;
    char *pem;
    uint64_t revoked; /* the moment, 0 if it is not */
};

/* A revocation list that is given out until something changes. */
struct ledger_list {
    const struct authority *issuer;
    X509_CRL *crl;
    size_t revoked; /* how many are on it */
    uint64_t made_s, life_s;
};

struct ledger {
    void *tree; /* of tsearch(3), by serial */
    struct ledger_list *lists;
    size_t list_count;
    uint64_t list_life_s; /* of lists that are made from now on; 0: three days */
    bool lists_are_old;   /* lists are not made anew because they end */
};

/* ledger_add - enters a certificate that `issuer` signed; the entry that is there if it is known */
struct ledger_entry *ledger_add(struct ledger *ledger, X509 *certificate,
                                const struct authority *issuer);

/* ledger_find - the entry of a serial number with colons or hyphens, or NULL */
struct ledger_entry *ledger_find(const struct ledger *ledger, const char *serial);

/* ledger_crl - the revocation list of an issuer: the last one, unless something was revoked since,
 * its life was set, or half of it is over */
X509_CRL *ledger_crl(struct ledger *ledger, const struct authority *issuer);

/* ledger_forge_crl - the list of that issuer with every certificate on it, signed by `signer` */
X509_CRL *ledger_forge_crl(const struct ledger *ledger, const struct authority *issuer,
                           const struct authority *signer);

/* ledger_close - forgets everything */
void ledger_close(struct ledger *ledger);

#endif
