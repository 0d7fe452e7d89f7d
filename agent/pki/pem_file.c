#include "pki/pem_file.h"

#include "base/bytes.h"
#include "base/file.h"
#include "pki/certificate.h"
#include "pki/crypto.h"
#include "pki/key.h"

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

/* Reads all certificates; false if one of them cannot be read. */
static bool count_certificates(BIO *bio, enum pem_file_form form, struct pem_file_facts *facts)
{
    X509 *(*read_next)(BIO *, X509 **, pem_password_cb *, void *) =
        form == PEM_FILE_OR_TRUSTED ? PEM_read_bio_X509_AUX : PEM_read_bio_X509;
    struct validity validity;
    unsigned long code;
    X509 *certificate;

    while ((certificate = read_next(bio, NULL, crypto_no_password, NULL)) != NULL) {
        if (certificate_validity(certificate, &validity) && validity.not_after > facts->end_s)
            facts->end_s = validity.not_after;
        X509_free(certificate);
        facts->certificates++;
    }
    code = ERR_peek_last_error();
    ERR_clear_error();
    return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
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
