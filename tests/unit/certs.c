#include "certs.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

EVP_PKEY *certs_key(int rsa_bits)
{
    EVP_PKEY *key =
        rsa_bits > 0 ? EVP_RSA_gen((unsigned)rsa_bits) : EVP_EC_gen(SN_X9_62_prime256v1);

    assert(key != NULL);
    return key;
}

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;

    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert(extension != NULL);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

static void add_extensions(X509 *certificate, X509 *issuer, const struct cert_order *order)
{
    const char *usage = order->usage, *extended = order->extended_usage;

    if (usage == NULL)
        usage = order->is_ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature";
    if (extended == NULL)
        extended = order->is_ca ? "" : "serverAuth,clientAuth";
    if (order->is_ca)
        add_extension(certificate, issuer, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(certificate, issuer, NID_subject_key_identifier, "hash");
    if (issuer != certificate)
        add_extension(certificate, issuer, NID_authority_key_identifier, "keyid");
    if (usage[0] != '\0')
        add_extension(certificate, issuer, NID_key_usage, usage);
    if (extended[0] != '\0')
        add_extension(certificate, issuer, NID_ext_key_usage, extended);
    if (order->constraints != NULL)
        add_extension(certificate, issuer, NID_name_constraints, order->constraints);
    if (order->san != NULL)
        add_extension(certificate, issuer, NID_subject_alt_name, order->san);
}

X509 *certs_make(const struct cert_order *order, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
    X509 *certificate = X509_new();
    unsigned char serial[16];
    BIGNUM *number;

    RAND_bytes(serial, sizeof serial);
    serial[0] = 0x39;
    number = BN_bin2bn(serial, sizeof serial, NULL);
    X509_set_version(certificate, X509_VERSION_3);
    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
    X509_gmtime_adj(X509_getm_notBefore(certificate),
                    order->to_s == 0 && order->from_s == 0 ? -30 : order->from_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), order->to_s == 0 ? 3600 : order->to_s);
    if (order->common_name != NULL)
        X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                                   (const unsigned char *)order->common_name, -1, -1, 0);
    if (order->organization != NULL)
        X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "O", MBSTRING_UTF8,
                                   (const unsigned char *)order->organization, -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer == NULL ? certificate : issuer));
    X509_set_pubkey(certificate, key);
    add_extensions(certificate, issuer == NULL ? certificate : issuer, order);
    assert(X509_sign(certificate, issuer == NULL ? key : issuer_key,
                     order->digest == NULL ? EVP_sha256() : order->digest) > 0);
    return certificate;
}

char *certs_pem(X509 *certificate)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text, *copy;
    long length;

    PEM_write_bio_X509(bio, certificate);
    length = BIO_get_mem_data(bio, &text);
    copy = strndup(text, (size_t)length - 1);
    BIO_free(bio);
    return copy;
}
