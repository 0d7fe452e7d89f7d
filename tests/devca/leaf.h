/*
 * leaf - a certificate on its way from the role's rules to the reply
 *
 * Filled by the rules, bent by a fault perhaps, and minted.
 */
#ifndef DEVCA_LEAF_H
#define DEVCA_LEAF_H

#include "authority.h"

#include <openssl/x509v3.h>

#include <stdbool.h>
#include <stdint.h>

/* It owns the keys, the names and the certificate; end it with leaf_free. */
struct leaf {
    const char *common_name; /* NULL: none */
    EVP_PKEY *key;           /* what is certified */
    EVP_PKEY *private_key;   /* what `issue` hands out with it; NULL: nothing */
    GENERAL_NAMES *names;
    uint64_t not_before_s, not_after_s;
    uint32_t key_usage, extended_usage; /* of KU_... and XKU_... */
    bool is_ca;
    const EVP_MD *digest; /* NULL: SHA-256 */
    const struct authority *signer;
    X509 *certificate; /* once it is minted */
};

/* leaf_mint - makes the certificate */
void leaf_mint(struct leaf *leaf);

/* leaf_free - also the release for CLEANUP */
void leaf_free(struct leaf *leaf);

#endif
