#include "pem.h"

#include "must.h"
#include "owned.h"

#include <openssl/pem.h>

/* The content of the BIO without white space at its end. */
static char *text_of(struct arena *arena, BIO *bio)
{
    char *content, *text;
    long length = BIO_get_mem_data(bio, &content);

    MUST(length > 0);
    while (length > 0 && content[length - 1] == '\n')
        length--;
    text = arena_copy_part(arena, content, (size_t)length);
    MUST(text != NULL);
    return text;
}

char *pem_certificate(struct arena *arena, X509 *certificate)
{
    CLEANUP(drop_bio) BIO *bio = BIO_new(BIO_s_mem());

    MUST(bio != NULL && PEM_write_bio_X509(bio, certificate) == 1);
    return text_of(arena, bio);
}

char *pem_crl(struct arena *arena, X509_CRL *crl)
{
    CLEANUP(drop_bio) BIO *bio = BIO_new(BIO_s_mem());

    MUST(bio != NULL && PEM_write_bio_X509_CRL(bio, crl) == 1);
    return text_of(arena, bio);
}

char *pem_key(struct arena *arena, EVP_PKEY *key, bool traditional)
{
    CLEANUP(drop_bio) BIO *bio = BIO_new(BIO_s_secmem());

    MUST(bio != NULL);
    if (traditional && !EVP_PKEY_is_a(key, "ED25519"))
        MUST(PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
    else
        MUST(PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
    return text_of(arena, bio);
}

char *pem_public_key(struct arena *arena, EVP_PKEY *key)
{
    CLEANUP(drop_bio) BIO *bio = BIO_new(BIO_s_mem());

    MUST(bio != NULL && PEM_write_bio_PUBKEY(bio, key) == 1);
    return text_of(arena, bio);
}

char *pem_colons(struct arena *arena, const unsigned char *octets, size_t length)
{
    char *text = arena_take(arena, 3 * length + 1);

    MUST(text != NULL);
    for (size_t i = 0; i < length; i++)
        snprintf(text + 3 * i, 4, "%02x%s", octets[i], i + 1 < length ? ":" : "");
    return text;
}

char *pem_serial(struct arena *arena, const X509 *certificate)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);

    return pem_colons(arena, ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial));
}
