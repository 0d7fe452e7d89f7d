#include "pki/crl.h"

#include "base/cleanup.h"
#include "pki/certificate.h"
#include "pki/crypto.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct crl {
    X509_CRL *list;
};

static bool is_signed_by(X509_CRL *list, const char *issuer_pem, struct err *err)
{
    CLEANUP(cleanup_bio) BIO *bio = BIO_new_mem_buf(issuer_pem, -1);
    X509 *issuer = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, crypto_no_password, NULL);
    EVP_PKEY *key = issuer == NULL ? NULL : X509_get0_pubkey(issuer);
    bool is_signed = key != NULL && X509_CRL_verify(list, key) == 1;

    X509_free(issuer);
    if (is_signed)
        return true;
    ERR_clear_error();
    return err_set(err, ERR_UNTRUSTED,
                   "the revocation list is not signed by the issuer of the certificate");
}

static struct crl *decode(const char *pem, struct err *err)
{
    CLEANUP(cleanup_bio) BIO *bio = BIO_new_mem_buf(pem, -1);
    struct crl *crl = calloc(1, sizeof *crl);

    if (bio == NULL || crl == NULL) {
        free(crl);
        err_memory(err);
        return NULL;
    }
    crl->list = PEM_read_bio_X509_CRL(bio, NULL, crypto_no_password, NULL);
    if (crl->list != NULL)
        return crl;
    crypto_failed(err, ERR_UNTRUSTED, "read the revocation list");
    crl_free(crl);
    return NULL;
}

struct crl *crl_read(const char *pem, const char *issuer_pem, struct err *err)
{
    struct crl *crl = decode(pem, err);

    if (crl == NULL || is_signed_by(crl->list, issuer_pem, err))
        return crl;
    crl_free(crl);
    return NULL;
}

/* 39:dd:2e without the colons. */
static bool plain_digits(const char *serial, char to[static SERIAL_TEXT_BYTES])
{
    size_t length = 0;

    for (; *serial != '\0' && length + 1 < SERIAL_TEXT_BYTES; serial++)
        if (*serial != ':')
            to[length++] = *serial;
    to[length] = '\0';
    return length > 0 && *serial == '\0';
}

bool crl_has(struct crl *crl, const char *serial)
{
    char digits[SERIAL_TEXT_BYTES];
    X509_REVOKED *revoked = NULL;
    ASN1_INTEGER *number = NULL;
    BIGNUM *value = NULL;
    bool found = false;

    if (plain_digits(serial, digits) && BN_hex2bn(&value, digits) > 0) {
        number = BN_to_ASN1_INTEGER(value, NULL);
        found = number != NULL && X509_CRL_get0_by_serial(crl->list, &revoked, number) == 1;
    }
    ASN1_INTEGER_free(number);
    BN_free(value);
    return found;
}

void crl_free(struct crl *crl)
{
    if (crl == NULL)
        return;
    X509_CRL_free(crl->list);
    free(crl);
}

/* -- for many -------------------------------------------------------------------------------------
 */

struct crl_shared {
    atomic_uint shares;   /* others than the first one */
    pthread_mutex_t lock; /* of what follows */
    char *pem;            /* NULL: it was decoded */
    struct crl *crl;
    char *issuer_pem;   /* whose signature was verified last; NULL: nobody's */
    struct err failure; /* why it cannot be decoded */
};

struct crl_shared *crl_share(const char *pem)
{
    struct crl_shared *list = calloc(1, sizeof *list);

    if (list == NULL)
        return NULL;
    list->pem = strdup(pem);
    if (list->pem != NULL && pthread_mutex_init(&list->lock, NULL) == 0)
        return list;
    free(list->pem);
    free(list);
    return NULL;
}

struct crl_shared *crl_shared_ref(struct crl_shared *list)
{
    atomic_fetch_add(&list->shares, 1);
    return list;
}

struct crl_shared *crl_shared_drop(struct crl_shared *list)
{
    if (list == NULL || atomic_fetch_sub(&list->shares, 1) > 0)
        return NULL;
    pthread_mutex_destroy(&list->lock);
    crl_free(list->crl);
    free(list->pem);
    free(list->issuer_pem);
    free(list);
    return NULL;
}

/* A lack of memory may be over when the next certificate asks. */
static bool decode_once(struct crl_shared *list, struct err *err)
{
    if (list->crl == NULL && list->failure.kind == ERR_UNTRUSTED) {
        *err = list->failure;
        return false;
    }
    if (list->crl != NULL)
        return true;
    list->crl = decode(list->pem, &list->failure);
    if (list->crl == NULL) {
        *err = list->failure;
        return false;
    }
    free(list->pem);
    list->pem = NULL;
    return true;
}

static bool verify_once(struct crl_shared *list, const char *issuer_pem, struct err *err)
{
    if (list->issuer_pem != NULL && strcmp(list->issuer_pem, issuer_pem) == 0)
        return true;
    if (!is_signed_by(list->crl->list, issuer_pem, err))
        return false;
    free(list->issuer_pem);
    list->issuer_pem = strdup(issuer_pem);
    return true;
}

bool crl_shared_has(struct crl_shared *list, const char *issuer_pem, const char *serial,
                    bool *ret_has, struct err *err)
{
    bool is_read;

    pthread_mutex_lock(&list->lock);
    is_read = decode_once(list, err) && verify_once(list, issuer_pem, err);
    if (is_read)
        *ret_has = crl_has(list->crl, serial);
    pthread_mutex_unlock(&list->lock);
    return is_read;
}
