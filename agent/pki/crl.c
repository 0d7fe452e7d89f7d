#include "pki/crl.h"

#include "base/cleanup.h"
#include "pki/crypto.h"

#include <openssl/bn.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <stdlib.h>
#include <string.h>

struct crl {
    X509_CRL *list;
    char authority_key[KEY_IDENTIFIER_BYTES];
};

static void note_authority(struct crl *crl)
{
    AUTHORITY_KEYID *authority =
        X509_CRL_get_ext_d2i(crl->list, NID_authority_key_identifier, NULL, NULL);

    if (authority != NULL)
        key_identifier_text(authority->keyid, crl->authority_key);
    AUTHORITY_KEYID_free(authority);
}

struct crl *crl_read(const char *pem, struct err *err)
{
    CLEANUP(cleanup_bio) BIO *bio = BIO_new_mem_buf(pem, -1);
    struct crl *crl = calloc(1, sizeof *crl);

    if (bio == NULL || crl == NULL) {
        free(crl);
        err_memory(err);
        return NULL;
    }
    crl->list = PEM_read_bio_X509_CRL(bio, NULL, crypto_no_password, NULL);
    if (crl->list == NULL) {
        crypto_failed(err, ERR_UNTRUSTED, "read the revocation list");
        crl_free(crl);
        return NULL;
    }
    note_authority(crl);
    return crl;
}

const char *crl_authority_key(const struct crl *crl)
{
    return crl->authority_key;
}

/* The digits of 39:dd:2e without the colons. */
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
