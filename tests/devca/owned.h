/*
 * owned - releases for what the libraries hand out
 *
 * For CLEANUP of base/cleanup.h: a local that owns one of these gives it back at the end of its
 * scope.
 */
#ifndef DEVCA_OWNED_H
#define DEVCA_OWNED_H

#include "base/cleanup.h"

#include <jansson.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

static inline void free_extensions(STACK_OF(X509_EXTENSION) * extensions)
{
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
}

DEFINE_CLEANUP(drop_authority_key_id, AUTHORITY_KEYID *, AUTHORITY_KEYID_free)
DEFINE_CLEANUP(drop_basic_constraints, BASIC_CONSTRAINTS *, BASIC_CONSTRAINTS_free)
DEFINE_CLEANUP(drop_bio, BIO *, BIO_free_all)
DEFINE_CLEANUP(drop_bit_string, ASN1_BIT_STRING *, ASN1_BIT_STRING_free)
DEFINE_CLEANUP(drop_bignum, BIGNUM *, BN_free)
DEFINE_CLEANUP(drop_certificate, X509 *, X509_free)
DEFINE_CLEANUP(drop_crl, X509_CRL *, X509_CRL_free)
DEFINE_CLEANUP(drop_digest_context, EVP_MD_CTX *, EVP_MD_CTX_free)
DEFINE_CLEANUP(drop_ecdsa, ECDSA_SIG *, ECDSA_SIG_free)
DEFINE_CLEANUP(drop_extended_usage, EXTENDED_KEY_USAGE *, EXTENDED_KEY_USAGE_free)
DEFINE_CLEANUP(drop_extensions, STACK_OF(X509_EXTENSION) *, free_extensions)
DEFINE_CLEANUP(drop_integer, ASN1_INTEGER *, ASN1_INTEGER_free)
DEFINE_CLEANUP(drop_key, EVP_PKEY *, EVP_PKEY_free)
DEFINE_CLEANUP(drop_names, GENERAL_NAMES *, GENERAL_NAMES_free)
DEFINE_CLEANUP(drop_octets, ASN1_OCTET_STRING *, ASN1_OCTET_STRING_free)
DEFINE_CLEANUP(drop_request, X509_REQ *, X509_REQ_free)
DEFINE_CLEANUP(drop_store, X509_STORE *, X509_STORE_free)
DEFINE_CLEANUP(drop_store_context, X509_STORE_CTX *, X509_STORE_CTX_free)
DEFINE_CLEANUP(drop_time, ASN1_TIME *, ASN1_TIME_free)

/* drop_openssl - releases a block that libcrypto allocated and handed over */
static inline void drop_openssl(void *owner)
{
    OPENSSL_free(*(void **)owner);
    *(void **)owner = NULL;
}

#endif
