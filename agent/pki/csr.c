#include "pki/csr.h"

#include "pki/crypto.h"

#include <openssl/pem.h>

#include <arpa/inet.h>
#include <limits.h>
#include <string.h>

/* An IP address as the octets of RFC 5280 section 4.2.1.6, or NULL. */
static ASN1_OCTET_STRING *ip_octets(const char *text)
{
    unsigned char raw[sizeof(struct in6_addr)];
    bool six = strchr(text, ':') != NULL;
    ASN1_OCTET_STRING *octets = NULL;

    if (inet_pton(six ? AF_INET6 : AF_INET, text, raw) == 1)
        octets = ASN1_OCTET_STRING_new();
    if (octets != NULL && ASN1_OCTET_STRING_set(octets, raw, six ? 16 : 4) != 1) {
        ASN1_OCTET_STRING_free(octets);
        return NULL;
    }
    return octets;
}

static ASN1_IA5STRING *ia5_text(const char *text)
{
    ASN1_IA5STRING *string = ASN1_IA5STRING_new();

    if (string != NULL && ASN1_STRING_set(string, text, -1) != 1) {
        ASN1_IA5STRING_free(string);
        return NULL;
    }
    return string;
}

static bool add_names(GENERAL_NAMES *all, int type, const struct text_list *names)
{
    for (size_t i = 0; i < names->count; i++) {
        GENERAL_NAME *name = GENERAL_NAME_new();
        ASN1_STRING *value =
            type == GEN_IPADD ? ip_octets(names->items[i]) : ia5_text(names->items[i]);

        if (name == NULL || value == NULL) {
            GENERAL_NAME_free(name);
            ASN1_STRING_free(value);
            return false;
        }
        GENERAL_NAME_set0_value(name, type, value);
        if (sk_GENERAL_NAME_push(all, name) <= 0) {
            GENERAL_NAME_free(name);
            return false;
        }
    }
    return true;
}

static bool add_extension(X509_REQ *request, const struct names *names)
{
    CLEANUP(cleanup_general_names) GENERAL_NAMES *all = GENERAL_NAMES_new();
    STACK_OF(X509_EXTENSION) *extensions = NULL;
    bool added;

    if (all == NULL || !add_names(all, GEN_DNS, &names->dns) ||
        !add_names(all, GEN_IPADD, &names->ip) || !add_names(all, GEN_URI, &names->uri) ||
        !add_names(all, GEN_EMAIL, &names->email))
        return false;
    added = X509V3_add1_i2d(&extensions, NID_subject_alt_name, all, 0, X509V3_ADD_DEFAULT) == 1 &&
            X509_REQ_add_extensions(request, extensions) == 1;
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    return added;
}

static bool add_subject_part(X509_NAME *subject, const char *part)
{
    const char *value = strchr(part, '=');
    char type[32];

    if (value == NULL || (size_t)(value - part) >= sizeof type)
        return false;
    snprintf(type, sizeof type, "%.*s", (int)(value - part), part);
    return X509_NAME_add_entry_by_txt(subject, type, MBSTRING_UTF8,
                                      (const unsigned char *)value + 1, -1, -1, 0) == 1;
}

static bool add_subject(X509_REQ *request, const struct names *names)
{
    X509_NAME *subject = X509_REQ_get_subject_name(request);
    const char *common_name = names->common_name;

    for (size_t i = 0; i < names->subject.count; i++)
        if (!add_subject_part(subject, names->subject.items[i]))
            return false;
    return common_name == NULL ||
           X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
                                      (const unsigned char *)common_name, -1, -1, 0) == 1;
}

/*
 * Puts an EC key into the request as the curve and the point that it is. X509_REQ_set_pubkey does
 * the same by encoding and decoding the whole key, which takes OpenSSL 3.0 eight times as long as
 * signing.
 */
static bool set_ec_key(X509_REQ *request, EVP_PKEY *key)
{
    unsigned char *point = NULL;
    char curve[64];
    size_t length = EVP_PKEY_get1_encoded_public_key(key, &point);

    if (length == 0 || length > INT_MAX ||
        EVP_PKEY_get_group_name(key, curve, sizeof curve, NULL) != 1 ||
        X509_PUBKEY_set0_param(X509_REQ_get_X509_PUBKEY(request),
                               OBJ_nid2obj(NID_X9_62_id_ecPublicKey), V_ASN1_OBJECT,
                               OBJ_nid2obj(OBJ_sn2nid(curve)), point, (int)length) != 1) {
        OPENSSL_free(point);
        return false;
    }
    return true;
}

static bool set_key(X509_REQ *request, EVP_PKEY *key)
{
    return EVP_PKEY_is_a(key, "EC") ? set_ec_key(request, key)
                                    : X509_REQ_set_pubkey(request, key) == 1;
}

/* The digest that matches the key's strength; Ed25519 brings its own. */
static const EVP_MD *digest_for(const EVP_PKEY *key)
{
    if (EVP_PKEY_is_a(key, "ED25519"))
        return NULL;
    if (EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_bits(key) > 384)
        return EVP_sha512();
    if (EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_bits(key) > 256)
        return EVP_sha384();
    return EVP_sha256();
}

bool csr_build(EVP_PKEY *key, const struct names *names, struct bytes *pem, struct err *err)
{
    CLEANUP(cleanup_x509_req) X509_REQ *request = X509_REQ_new();
    CLEANUP(cleanup_bio) BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    long length;

    if (request == NULL || bio == NULL || X509_REQ_set_version(request, X509_REQ_VERSION_1) != 1 ||
        !set_key(request, key))
        return crypto_failed(err, ERR_LOCAL, "build a CSR");
    if (!add_subject(request, names))
        return crypto_failed(err, ERR_LOCAL, "put the subject into a CSR");
    if (names_count(names) > 0 && !add_extension(request, names))
        return crypto_failed(err, ERR_LOCAL, "put the names into a CSR");
    if (X509_REQ_sign(request, key, digest_for(key)) <= 0 ||
        PEM_write_bio_X509_REQ(bio, request) != 1)
        return crypto_failed(err, ERR_LOCAL, "sign a CSR");
    length = BIO_get_mem_data(bio, &text);
    if (length <= 0 || !bytes_add(pem, text, (size_t)length))
        return err_set(err, ERR_LOCAL, "the CSR is too large; ask for fewer names");
    return true;
}
