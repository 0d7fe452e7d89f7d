/*
 * keystore - PKCS#12 (RFC 7292) for Java and whoever else keeps keys and trust in one locked file
 *
 * A keystore holds the leaf, its key and its chain under one friendly name; a truststore holds CA
 * certificates, each marked with Oracle's attribute trustedKeyUsage, without which Java ignores
 * them. The password locks both, and its MAC tells whether a password is the one.
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
    /* 3DES and SHA-1, for Java before 8u301 and 11.0.12; else AES-256 by PBES2, MAC by SHA-256 */
    bool legacy;
};

/*
 * keystore_make - adds leaf, key and chain as PKCS#12 to `ret_der`
 *
 * `chain_pem` holds one certificate an item. Blocks for some ten milliseconds: the password is
 * stretched on purpose. Fails with class local.
 */
bool keystore_make(const struct keystore_lock *lock, const char *alias, const EVP_PKEY *key,
                   const char *leaf_pem, const struct text_list *chain_pem, struct bytes *ret_der,
                   struct err *err);

/*
 * keystore_trust - adds CA certificates as a truststore to `ret_der`
 *
 * Each is named "ca-" and the beginning of its SHA-256, so that a name means the same certificate
 * for ever. Fails with class local.
 */
bool keystore_trust(const struct keystore_lock *lock, const struct text_list *ca_pem,
                    struct bytes *ret_der, struct err *err);

/* So often a password is stretched at most to open what claims to be ours, where it is 10,000
 * times: a number of the file's own choice could take hours. */
enum { KEYSTORE_MOST_STRETCHES = 100000 };

/* keystore_opens - whether this is a PKCS#12 file with a MAC that the password opens */
bool keystore_opens(const char *der, size_t length, const struct secret *password);

/*
 * keystore_key - the private key in it; the caller owns *ret_key
 *
 * Nothing inside is looked at before the MAC has shown that whoever wrote it knows the password.
 * Fails with class local.
 */
bool keystore_key(const char *der, size_t length, const struct secret *password, EVP_PKEY **ret_key,
                  struct err *err);

#endif
