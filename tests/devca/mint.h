/*
 * mint - makes keys and certificates, good ones and bad ones
 *
 * A recipe says everything that goes into a certificate; nothing in here judges it. That is what
 * makes faults short: they change a line of the recipe.
 */
#ifndef DEVCA_MINT_H
#define DEVCA_MINT_H

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <stdbool.h>
#include <stdint.h>

struct recipe {
    const char *common_name; /* NULL: an empty subject */
    EVP_PKEY *key;           /* what is certified */
    GENERAL_NAMES *names;    /* NULL or empty: no subject alternative names */
    uint64_t not_before_s, not_after_s;
    uint32_t key_usage;      /* of KU_..., see X509_get_key_usage(3) */
    uint32_t extended_usage; /* of XKU_SSL_SERVER and XKU_SSL_CLIENT */
    bool is_ca;
    const EVP_MD *digest; /* NULL: SHA-256 */
    X509 *issuer;         /* NULL: it signs itself */
    EVP_PKEY *issuer_key;
};

/* mint_key - a new key: "ec" (P-256), "rsa" or "ed25519"; `bits` counts for RSA only */
EVP_PKEY *mint_key(const char *type, unsigned bits);

/* mint_certificate - what the recipe says, with a random serial number; borrows all of it */
X509 *mint_certificate(const struct recipe *recipe);

#endif
