#include "pki/crl.h"

#include "base/cleanup.h"
#include "pki/certificate.h"
#include "pki/crypto.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

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

struct crl *crl_read(const char *pem, const char *issuer_pem, struct err *err)
{
    CLEANUP(cleanup_bio) BIO *bio = BIO_new_mem_buf(pem, -1);
    struct crl *crl = calloc(1, sizeof *crl);

    if (bio == NULL || crl == NULL) {
        free(crl);
        err_memory(err);
        return NULL;
    }
    crl->list = PEM_read_bio_X509_CRL(bio, NULL, crypto_no_password, NULL);
    if (crl->list == NULL)
        crypto_failed(err, ERR_UNTRUSTED, "read the revocation list");
    if (crl->list == NULL || !is_signed_by(crl->list, issuer_pem, err)) {
        crl_free(crl);
        return NULL;
    }
    return crl;
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
