#include "pki/pem_file.h"

#include "base/bytes.h"
#include "base/file.h"
#include "pki/certificate.h"
#include "pki/crypto.h"
#include "pki/key.h"

#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <errno.h>
#include <string.h>

enum { PEM_FILE_MOST_BYTES = 1024 * 1024, DER_SEQUENCE = 0x30 };

static bool read_text(const char *path, struct bytes *bytes, struct err *err)
{
    if (file_read_trusted(path, bytes, err))
        return true;
    if (err->errnum == EPERM)
        return err_wrap(err, "cannot be trusted");
    if (err->errnum != 0)
        return err_errno(err, ERR_LOCAL, err->errnum, "cannot be read; check who may read it");
    return err_set(err, ERR_LOCAL,
                   "cannot be read; name a regular file of up to 1 MiB with PEM in it");
}

/* Says what a file without a certificate seems to hold. */
static bool tell_what_it_is(const struct bytes *bytes, struct err *err)
{
    const char *text = bytes_text(bytes);

    if (text[strspn(text, " \t\r\n")] == '\0')
        return err_set(err, ERR_LOCAL, "is empty; put certificates into it, as PEM");
    if (strstr(text, "PRIVATE KEY-----") != NULL)
        return err_set(err, ERR_LOCAL,
                       "holds a private key and no certificate; name the file with the "
                       "certificates");
    if (strstr(text, "BEGIN TRUSTED CERTIFICATE-----") != NULL)
        return err_set(err, ERR_LOCAL,
                       "holds OpenSSL's TRUSTED CERTIFICATE; write it plain: openssl x509 -in FILE "
                       "-out FILE.pem");
    if (strstr(text, "CERTIFICATE REQUEST-----") != NULL)
        return err_set(err, ERR_LOCAL,
                       "holds a certificate request and no certificate; name the file with the "
                       "certificates");
    if ((unsigned char)text[0] == DER_SEQUENCE && strstr(text, "-----BEGIN") == NULL)
        return err_set(err, ERR_LOCAL,
                       "is DER; leafd reads PEM: openssl x509 -inform der -in FILE -out FILE.pem");
    return err_set(err, ERR_LOCAL,
                   "holds no certificate in PEM; it must have -----BEGIN CERTIFICATE-----");
}

/* -- certificates without their keys --------------------------------------------------------------
 */

/*
 * The structure of a certificate: RFC 5280, section 4.1. libcrypto's own reader also decodes the
 * public key, which is most of its work with OpenSSL 3.0, and a file of the system's CA
 * certificates has more than a hundred. The caller needs no key here.
 */
struct key_outline {
    X509_ALGOR *algorithm;
    ASN1_BIT_STRING *bits;
};

struct content_outline {
    ASN1_INTEGER *version, *serial;
    X509_ALGOR *algorithm;
    X509_NAME *issuer;
    X509_VAL *validity;
    X509_NAME *subject;
    struct key_outline *key;
    ASN1_BIT_STRING *issuer_id, *subject_id;
    STACK_OF(X509_EXTENSION) * extensions;
};

struct outline {
    struct content_outline *content;
    X509_ALGOR *algorithm;
    ASN1_BIT_STRING *signature;
};

/* clang-format off */
ASN1_SEQUENCE(key_outline) = {
    ASN1_SIMPLE(struct key_outline, algorithm, X509_ALGOR),
    ASN1_SIMPLE(struct key_outline, bits, ASN1_BIT_STRING)
} static_ASN1_SEQUENCE_END_name(struct key_outline, key_outline)

ASN1_SEQUENCE(content_outline) = {
    ASN1_EXP_OPT(struct content_outline, version, ASN1_INTEGER, 0),
    ASN1_SIMPLE(struct content_outline, serial, ASN1_INTEGER),
    ASN1_SIMPLE(struct content_outline, algorithm, X509_ALGOR),
    ASN1_SIMPLE(struct content_outline, issuer, X509_NAME),
    ASN1_SIMPLE(struct content_outline, validity, X509_VAL),
    ASN1_SIMPLE(struct content_outline, subject, X509_NAME),
    ASN1_SIMPLE(struct content_outline, key, key_outline),
    ASN1_IMP_OPT(struct content_outline, issuer_id, ASN1_BIT_STRING, 1),
    ASN1_IMP_OPT(struct content_outline, subject_id, ASN1_BIT_STRING, 2),
    ASN1_EXP_SEQUENCE_OF_OPT(struct content_outline, extensions, X509_EXTENSION, 3)
} static_ASN1_SEQUENCE_END_name(struct content_outline, content_outline)

ASN1_SEQUENCE(outline) = {
    ASN1_SIMPLE(struct outline, content, content_outline),
    ASN1_SIMPLE(struct outline, algorithm, X509_ALGOR),
    ASN1_SIMPLE(struct outline, signature, ASN1_BIT_STRING)
} static_ASN1_SEQUENCE_END_name(struct outline, outline)
    /* clang-format on */

    /* Whether what follows a certificate may follow it: nothing, or what it is trusted for. */
    static bool may_follow(const unsigned char *at, long length)
{
    X509_CERT_AUX *trust = length == 0 ? NULL : d2i_X509_CERT_AUX(NULL, &at, length);
    bool good = length == 0 || trust != NULL;

    X509_CERT_AUX_free(trust);
    return good;
}

/* False if it cannot be read. */
static bool count_certificate(const unsigned char *der, long length, enum pem_file_form form,
                              struct pem_file_facts *facts)
{
    const unsigned char *at = der;
    struct outline *outline =
        (struct outline *)ASN1_item_d2i(NULL, &at, length, ASN1_ITEM_rptr(outline));
    struct validity validity;

    if (outline == NULL)
        return false;
    if (certificate_moment(outline->content->validity->notBefore, &validity.not_before) &&
        certificate_moment(outline->content->validity->notAfter, &validity.not_after) &&
        validity.not_after > facts->end_s)
        facts->end_s = validity.not_after;
    ASN1_item_free((ASN1_VALUE *)outline, ASN1_ITEM_rptr(outline));
    facts->certificates++;
    return form == PEM_FILE_PLAIN || may_follow(at, length - (at - der));
}

/* Reads all certificates; false if one of them cannot be read. */
static bool count_certificates(BIO *bio, enum pem_file_form form, struct pem_file_facts *facts)
{
    const char *name = form == PEM_FILE_PLAIN ? PEM_STRING_X509 : PEM_STRING_X509_TRUSTED;
    unsigned char *der = NULL;
    bool good = true;
    unsigned long code;
    long length;

    while (good &&
           PEM_bytes_read_bio(&der, &length, NULL, name, bio, crypto_no_password, NULL) == 1) {
        good = count_certificate(der, length, form, facts);
        OPENSSL_free(der);
    }
    code = ERR_peek_last_error();
    ERR_clear_error();
    return good && ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

bool pem_file_certificates(const char *path, enum pem_file_form form,
                           struct pem_file_facts *ret_facts, struct err *err)
{
    CLEANUP(bytes_free) struct bytes bytes = {.limit = PEM_FILE_MOST_BYTES};
    CLEANUP(cleanup_bio) BIO *bio = NULL;

    if (!read_text(path, &bytes, err))
        return false;
    bio = BIO_new_mem_buf(bytes_text(&bytes), (int)bytes.length);
    if (bio == NULL)
        return err_memory(err);
    *ret_facts = (struct pem_file_facts){.bytes = bytes.length};
    if (!count_certificates(bio, form, ret_facts))
        return err_set(err, ERR_LOCAL,
                       "holds a certificate that cannot be read; write the file anew");
    return ret_facts->certificates > 0 || tell_what_it_is(&bytes, err);
}

bool pem_file_key(const char *path, const char *certificate_path, struct err *err)
{
    CLEANUP(bytes_free) struct bytes bytes = {.limit = PEM_FILE_MOST_BYTES};
    CLEANUP(bytes_free) struct bytes certificate = {.limit = PEM_FILE_MOST_BYTES};
    CLEANUP(cleanup_key) EVP_PKEY *key = NULL;
    struct pem_file_facts facts;
    struct err why;

    if (!read_text(path, &bytes, err))
        return false;
    if (strstr(bytes_text(&bytes), "ENCRYPTED") != NULL)
        return err_set(err, ERR_LOCAL,
                       "is encrypted, and leafd asks for no password; write the key without one, "
                       "readable for leafd alone");
    if (!key_from_pem(bytes_text(&bytes), bytes.length, &key, &why))
        return err_set(err, ERR_LOCAL,
                       "holds no private key in PEM; name the file with -----BEGIN PRIVATE "
                       "KEY-----");
    if (!pem_file_certificates(certificate_path, PEM_FILE_PLAIN, &facts, &why) ||
        !file_read_trusted(certificate_path, &certificate, &why))
        return true; /* the check of that file reports it */
    return certificate_has_key(bytes_text(&certificate), key, &why) ||
           err_set(err, ERR_LOCAL,
                   "does not fit the certificate in client_certificate; name the key that it was "
                   "made for");
}
