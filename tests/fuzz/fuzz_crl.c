/* A revocation list: as text of any bytes, and as DER, which our issuer then signs. */
#include "fuzz.h"

#include "pki/certificate.h"
#include "pki/crl.h"

#include "certs.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SERIALS_MOST = 64 };

static EVP_PKEY *issuer_key;
static char *issuer_pem;

static void make_issuer(void)
{
    X509 *issuer;

    if (issuer_key != NULL)
        return;
    issuer_key = certs_key(0);
    issuer = certs_make(&(struct cert_order){.common_name = "issuer", .is_ca = 1}, issuer_key, NULL,
                        NULL);
    issuer_pem = certs_pem(issuer);
    X509_free(issuer);
}

static bool has(const X509_CRL *list, X509_REVOKED *revoked)
{
    X509_REVOKED *found = NULL;

    return X509_CRL_get0_by_serial((X509_CRL *)list, &found,
                                   X509_REVOKED_get0_serialNumber(revoked)) == 1;
}

/* 39:dd:2e, as the CA writes it; false for one that no certificate may have. */
static bool write_serial(const ASN1_INTEGER *serial, char to[static SERIAL_TEXT_BYTES])
{
    BIGNUM *number = ASN1_INTEGER_to_BN(serial, NULL);
    unsigned char bytes[20];
    int length = number == NULL || BN_is_negative(number) || BN_num_bytes(number) > 20
                     ? 0
                     : BN_bn2bin(number, bytes);

    for (int i = 0; i < length; i++)
        sprintf(to + 3 * i, "%02x%s", bytes[i], i + 1 < length ? ":" : "");
    BN_free(number);
    return length > 0;
}

/* Every number that is on the list is found, and the number after it only if it is on it too. */
static void promise_serials(struct crl *crl, X509_CRL *list)
{
    STACK_OF(X509_REVOKED) *all = X509_CRL_get_REVOKED(list);
    char serial[SERIAL_TEXT_BYTES];

    for (int i = 0; i < sk_X509_REVOKED_num(all) && i < SERIALS_MOST; i++) {
        X509_REVOKED *revoked = sk_X509_REVOKED_value(all, i);

        if (write_serial(X509_REVOKED_get0_serialNumber(revoked), serial))
            fuzz_promise(crl_has(crl, serial) == has(list, revoked), "who is revoked is found");
    }
    if (sk_X509_REVOKED_num(all) <= 0)
        fuzz_promise(!crl_has(crl, "39:dd:2e"), "an empty list names nobody");
    fuzz_promise(!crl_has(crl, "") && !crl_has(crl, "::"), "no number is on no list");
}

/* The list as PEM, as our issuer would have signed it; NULL if it cannot be one. malloc()ed. */
static char *sign(const uint8_t *data, size_t size)
{
    X509_CRL *list = d2i_X509_CRL(NULL, &data, (long)size);
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL, *in_bio;
    long length;

    if (list != NULL && X509_CRL_sign(list, issuer_key, EVP_sha256()) > 0 &&
        PEM_write_bio_X509_CRL(bio, list) == 1 && (length = BIO_get_mem_data(bio, &in_bio)) > 0)
        text = strndup(in_bio, (size_t)length);
    ERR_clear_error();
    X509_CRL_free(list);
    BIO_free(bio);
    return text;
}

static void try_signed(const char *text)
{
    BIO *bio = BIO_new_mem_buf(text, -1);
    X509_CRL *list = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);
    struct err err;
    struct crl *crl;

    ERR_clear_error();
    crl = crl_read(text, issuer_pem, &err);
    fuzz_promise((crl != NULL) == (list != NULL), "what its issuer has signed is believed");
    if (crl != NULL)
        promise_serials(crl, list);
    else
        fuzz_failure(&err);
    crl_free(crl);
    X509_CRL_free(list);
    BIO_free(bio);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = strndup((const char *)data, size);
    struct err err = {.kind = ERR_NONE};

    make_issuer();
    fuzz_promise(crl_read(text, issuer_pem, &err) == NULL,
                 "what our issuer has not signed is not believed");
    fuzz_failure(&err);
    free(text);
    text = sign(data, size);
    if (text != NULL)
        try_signed(text);
    free(text);
    return 0;
}
