/*
 * crypto - what the files of pki/ share for calling libcrypto
 *
 * Releases for CLEANUP, and errors: libcrypto queues its errors, and the first one names the cause.
 * Only pki/ includes this header.
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

/*
 * crypto_failed - fills *err with "cannot WHAT: REASON" from libcrypto's error queue; returns false
 *
 * Empties the queue. The class is `kind`, or local if memory ran out.
 */
bool crypto_failed(struct err *err, enum err_kind kind, const char *what);

/*
 * crypto_no_password - the pem_password_cb for all input; gives no password
 *
 * Without a callback libcrypto asks at the terminal for the password of an encrypted key, and
 * blocks.
 */
int crypto_no_password(char *to, int size, int writing, void *arg);

#endif
