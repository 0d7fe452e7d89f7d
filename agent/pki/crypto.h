/*
 * crypto - what the rooms of pki/ share when they speak to libcrypto
 *
 * Releases for CLEANUP, and errors: libcrypto queues its own, and the first of the queue tells the
 * cause. Nothing outside pki/ includes this.
 */
#ifndef LEAFD_PKI_CRYPTO_H
#define LEAFD_PKI_CRYPTO_H

#include "base/cleanup.h"
#include "base/err.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

static inline void free_certificates(STACK_OF(X509) * certificates)
{
    sk_X509_pop_free(certificates, X509_free);
}

DEFINE_CLEANUP(cleanup_bio, BIO *, BIO_free_all)
DEFINE_CLEANUP(cleanup_pkey_context, EVP_PKEY_CTX *, EVP_PKEY_CTX_free)
DEFINE_CLEANUP(cleanup_x509, X509 *, X509_free)
DEFINE_CLEANUP(cleanup_x509_req, X509_REQ *, X509_REQ_free)
DEFINE_CLEANUP(cleanup_x509_store, X509_STORE *, X509_STORE_free)
DEFINE_CLEANUP(cleanup_x509_store_context, X509_STORE_CTX *, X509_STORE_CTX_free)
DEFINE_CLEANUP(cleanup_certificates, STACK_OF(X509) *, free_certificates)
DEFINE_CLEANUP(cleanup_pkcs12, PKCS12 *, PKCS12_free)
DEFINE_CLEANUP(cleanup_general_names, GENERAL_NAMES *, GENERAL_NAMES_free)

/* crypto_failed - "cannot WHAT: REASON" from libcrypto's error queue, which it empties; false */
bool crypto_failed(struct err *err, enum err_kind kind, const char *what);

/*
 * crypto_no_password - the pem_password_cb for everything that is read
 *
 * Without one libcrypto asks at the terminal, for any text with an encryption header, and waits.
 */
int crypto_no_password(char *to, int size, int writing, void *arg);

#endif
