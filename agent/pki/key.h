/*
 * key - generates private keys and CSRs, and converts keys from and to PEM and DER
 *
 * OpenSSL generates keys and keeps their private numbers on the secure heap. A key exists in memory
 * from its generation until its file is staged.
 */
#ifndef LEAFD_PKI_KEY_H
#define LEAFD_PKI_KEY_H

#include "base/bytes.h"
#include "base/cert_request.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/secret.h"

#include <openssl/types.h>

/*
 * key_generate - generates a key
 *
 * The caller owns *ret_key and frees it with key_free. Blocks: an RSA key takes up to seconds, so
 * call it on a worker. Fails with class local.
 */
bool key_generate(enum key_type type, EVP_PKEY **ret_key, struct err *err);

/* key_free - wipes and frees a key; NULL is fine */
void key_free(EVP_PKEY *key);

/* The release of a key for CLEANUP. */
DEFINE_CLEANUP(cleanup_key, EVP_PKEY *, key_free)

/*
 * key_to_pem - encodes the key as PEM: PKCS#8 (RFC 5958), or `traditional`: PKCS#1 or SEC1
 *
 * Ed25519 has no traditional form and is always PKCS#8. Replaces *ret_pem. Fails with class local.
 */
bool key_to_pem(const EVP_PKEY *key, bool traditional, struct secret *ret_pem, struct err *err);

/* key_to_der - the same in DER */
bool key_to_der(const EVP_PKEY *key, bool traditional, struct secret *ret_der, struct err *err);

/*
 * key_from_pem - reads the first private key in a PEM text
 *
 * The caller owns *ret_key. Fails with class local, also for an encrypted key.
 */
bool key_from_pem(const char *pem, size_t length, EVP_PKEY **ret_key, struct err *err);

/* key_from_der - reads a private key in DER, PKCS#8 or traditional; the rest as key_from_pem */
bool key_from_der(const char *der, size_t length, EVP_PKEY **ret_key, struct err *err);

/* key_is_type - whether the key has that algorithm and that curve or size */
bool key_is_type(const EVP_PKEY *key, enum key_type type);

/* -- the certificate signing request (PKCS#10, RFC 2986) ------------------------------------------
 *
 * It carries the requested subject and every requested subject alternative name, because Vault
 * takes the names from the CSR unless the role says otherwise. The extension is built name by name,
 * and not from a text that OpenSSL would parse: a name cannot inject another one.
 */

/* csr_build - builds a CSR for `names`, signs it with `key` and adds it to `pem` as PEM; fails with
 * class local */
bool csr_build(EVP_PKEY *key, const struct names *names, struct bytes *pem, struct err *err);

#endif
