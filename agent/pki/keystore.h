/*
 * keystore - PKCS#12 files (RFC 7292), as Java and others use them
 *
 * A keystore holds the leaf, its key and its chain under one friendly name. A truststore holds CA
 * certificates, each with Oracle's attribute trustedKeyUsage, without which Java ignores them. Both
 * are encrypted with the password and carry a MAC made with it.
 */
#ifndef LEAFD_PKI_KEYSTORE_H
#define LEAFD_PKI_KEYSTORE_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/text.h"

#include <openssl/types.h>

struct keystore_lock {
    const struct secret *password;
    /* 3DES and SHA-1, for Java before 8u301 and 11.0.12; else AES-256 (PBES2) and a MAC with
     * SHA-256 */
    bool legacy;
};

/*
 * keystore_make - adds leaf, key and chain as a PKCS#12 file to `ret_der`
 *
 * Each item of `chain_pem` is one certificate. Blocks for some ten milliseconds: the password's key
 * derivation is slow by design. Fails with class local.
 */
bool keystore_make(const struct keystore_lock *lock, const char *alias, const EVP_PKEY *key,
                   const char *leaf_pem, const struct text_list *chain_pem, struct bytes *ret_der,
                   struct err *err);

/*
 * keystore_trust - adds CA certificates as a truststore to `ret_der`
 *
 * The friendly name of each is "ca-" and the first 16 hex digits of its SHA-256, so it is the same
 * in every file. Blocks as keystore_make. Fails with class local.
 */
bool keystore_trust(const struct keystore_lock *lock, const struct text_list *ca_pem,
                    struct bytes *ret_der, struct err *err);

/* The most iterations of the key derivation that are accepted in a file. leafd writes 10,000. A
 * forged file could demand hours of computation. */
enum { KEYSTORE_MOST_STRETCHES = 100000 };

/* keystore_opens - whether this is a PKCS#12 file whose MAC was made with the password */
bool keystore_opens(const char *der, size_t length, const struct secret *password);

/*
 * keystore_key - reads the private key of a keystore; the caller owns *ret_key
 *
 * Decrypts nothing before the MAC is verified. Fails with class local.
 */
bool keystore_key(const char *der, size_t length, const struct secret *password, EVP_PKEY **ret_key,
                  struct err *err);

#endif
