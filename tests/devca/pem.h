/*
 * pem - certificates and keys as texts, as Vault writes them
 *
 * Vault's texts in JSON end without a line break; where one is wanted, the caller adds it.
 */
#ifndef DEVCA_PEM_H
#define DEVCA_PEM_H

#include "base/arena.h"

#include <openssl/x509.h>

#include <stdbool.h>

/* pem_certificate - a certificate, in the arena */
char *pem_certificate(struct arena *arena, X509 *certificate);

/* pem_crl - a revocation list, in the arena */
char *pem_crl(struct arena *arena, X509_CRL *crl);

/*
 * pem_key - a private key, in the arena
 *
 * PKCS#8, or with `traditional` what it was before: PKCS#1 for RSA, SEC 1 for EC. Ed25519 has no
 * form but PKCS#8.
 */
char *pem_key(struct arena *arena, EVP_PKEY *key, bool traditional);

/* pem_public_key - a public key, in the arena */
char *pem_public_key(struct arena *arena, EVP_PKEY *key);

/* pem_serial - the serial number of a certificate as aa:bb:cc, in the arena */
char *pem_serial(struct arena *arena, const X509 *certificate);

/* pem_colons - octets as aa:bb:cc, in the arena */
char *pem_colons(struct arena *arena, const unsigned char *octets, size_t length);

#endif
