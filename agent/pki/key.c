#include "pki/key.h"

#include "pki/crypto.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/pem.h>

#include <arpa/inet.h>
#include <limits.h>
#include <string.h>

DEFINE_CLEANUP(cleanup_number, BIGNUM *, BN_clear_free)
DEFINE_CLEANUP(cleanup_info, PKCS8_PRIV_KEY_INFO *, PKCS8_PRIV_KEY_INFO_free)

/* The largest sizes: those of P-521. */
enum { EC_NUMBER_MOST_BYTES = 66, EC_POINT_MOST_BYTES = 1 + 2 * EC_NUMBER_MOST_BYTES };

/* The version of an ECPrivateKey: INTEGER 1. */
static const unsigned char ec_version[] = {V_ASN1_INTEGER, 1, 1};

static const struct algorithm {
    const char *name;  /* algorithm name: EVP_KEYMGMT-RSA(7), -EC(7), -ED25519(7) */
    const char *group; /* curve; NULL for RSA and Ed25519 */
    unsigned bits;     /* of an RSA modulus */
} algorithms[KEY_TYPE_COUNT] = {
    [KEY_ECDSA_P256] = {"EC", SN_X9_62_prime256v1, 0},
    [KEY_ECDSA_P384] = {"EC", SN_secp384r1, 0},
    [KEY_ECDSA_P521] = {"EC", SN_secp521r1, 0},
    [KEY_RSA_2048] = {"RSA", NULL, 2048},
    [KEY_RSA_3072] = {"RSA", NULL, 3072},
    [KEY_RSA_4096] = {"RSA", NULL, 4096},
    [KEY_ED25519] = {"ED25519", NULL, 0},
};

bool key_generate(enum key_type type, EVP_PKEY **ret_key, struct err *err)
{
    const struct algorithm *algorithm = &algorithms[type];
    CLEANUP(cleanup_pkey_context)
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, algorithm->name, NULL);
    CLEANUP(cleanup_key) EVP_PKEY *key = NULL;

    if (context == NULL || EVP_PKEY_keygen_init(context) != 1)
        return crypto_failed(err, ERR_LOCAL, "make a private key");
    if (algorithm->group != NULL && EVP_PKEY_CTX_set_group_name(context, algorithm->group) != 1)
        return crypto_failed(err, ERR_LOCAL, "choose the key's curve");
    if (algorithm->bits != 0 &&
        EVP_PKEY_CTX_set_rsa_keygen_bits(context, (int)algorithm->bits) != 1)
        return crypto_failed(err, ERR_LOCAL, "choose the key's size");
    if (EVP_PKEY_generate(context, &key) != 1)
        return crypto_failed(err, ERR_LOCAL, "make a private key");
    *ret_key = TAKE(key);
    return true;
}

void key_free(EVP_PKEY *key)
{
    EVP_PKEY_free(key);
}

/* The fields of an ECPrivateKey. */
struct ec_parts {
    unsigned char number[EC_NUMBER_MOST_BYTES];
    int number_length, point_length;
    unsigned char *point;
};

static bool take_ec_parts(const EVP_PKEY *key, struct ec_parts *parts)
{
    CLEANUP(cleanup_number) BIGNUM *number = NULL;
    size_t length;

    parts->number_length = (EVP_PKEY_get_bits(key) + 7) / 8;
    if (parts->number_length > (int)sizeof parts->number ||
        EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &number) != 1 ||
        BN_bn2binpad(number, parts->number, parts->number_length) != parts->number_length)
        return false;
    length = EVP_PKEY_get1_encoded_public_key((EVP_PKEY *)key, &parts->point);
    parts->point_length = (int)length;
    return length > 0 && length <= EC_POINT_MOST_BYTES;
}

/* An ECPrivateKey in DER (RFC 5915 section 3), without the curve, which the PKCS#8 algorithm
 * names. */
static int write_ec_parts(const struct ec_parts *parts, unsigned char **ret_der)
{
    const int number = ASN1_object_size(0, parts->number_length, V_ASN1_OCTET_STRING);
    const int bits = ASN1_object_size(0, parts->point_length + 1, V_ASN1_BIT_STRING);
    const int body = (int)sizeof ec_version + number + ASN1_object_size(1, bits, 1);
    const int length = ASN1_object_size(1, body, V_ASN1_SEQUENCE);
    unsigned char *at = OPENSSL_malloc((size_t)length);

    *ret_der = at;
    if (at == NULL)
        return 0;
    ASN1_put_object(&at, 1, body, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
    memcpy(at, ec_version, sizeof ec_version);
    at += sizeof ec_version;
    ASN1_put_object(&at, 0, parts->number_length, V_ASN1_OCTET_STRING, V_ASN1_UNIVERSAL);
    memcpy(at, parts->number, (size_t)parts->number_length);
    at += parts->number_length;
    ASN1_put_object(&at, 1, bits, 1, V_ASN1_CONTEXT_SPECIFIC);
    ASN1_put_object(&at, 0, parts->point_length + 1, V_ASN1_BIT_STRING, V_ASN1_UNIVERSAL);
    *at++ = 0; /* number of unused bits */
    memcpy(at, parts->point, (size_t)parts->point_length);
    return length;
}

/*
 * An EC key in PKCS#8 (RFC 5958), composed from curve, private number and public point. libcrypto's
 * own function first loads all of its encoders, which takes OpenSSL 3.0 longer than making the key
 * and the CSR.
 */
static PKCS8_PRIV_KEY_INFO *ec_info(const EVP_PKEY *key)
{
    CLEANUP(cleanup_info) PKCS8_PRIV_KEY_INFO *info = PKCS8_PRIV_KEY_INFO_new();
    struct ec_parts parts = {0};
    unsigned char *der = NULL;
    char curve[64];
    bool made = info != NULL && take_ec_parts(key, &parts) &&
                EVP_PKEY_get_group_name(key, curve, sizeof curve, NULL) == 1;
    int length = made ? write_ec_parts(&parts, &der) : 0;

    OPENSSL_cleanse(parts.number, sizeof parts.number);
    OPENSSL_free(parts.point);
    if (length > 0 && PKCS8_pkey_set0(info, OBJ_nid2obj(NID_X9_62_id_ecPublicKey), 0, V_ASN1_OBJECT,
                                      OBJ_nid2obj(OBJ_sn2nid(curve)), der, length) == 1)
        return TAKE(info);
    OPENSSL_clear_free(der, (size_t)length);
    return NULL;
}

typedef int key_writer(BIO *bio, const EVP_PKEY *key);

static int write_pem(BIO *bio, const EVP_PKEY *key)
{
    CLEANUP(cleanup_info)
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY_is_a(key, "EC") ? ec_info(key) : NULL;

    return info != NULL ? PEM_write_bio_PKCS8_PRIV_KEY_INFO(bio, info)
                        : PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
}

static int write_traditional_pem(BIO *bio, const EVP_PKEY *key)
{
    return PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL);
}

static int write_der(BIO *bio, const EVP_PKEY *key)
{
    CLEANUP(cleanup_info)
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY_is_a(key, "EC") ? ec_info(key) : NULL;

    return info != NULL ? i2d_PKCS8_PRIV_KEY_INFO_bio(bio, info)
                        : i2d_PKCS8PrivateKey_bio(bio, key, NULL, NULL, 0, NULL, NULL);
}

static bool write_key(const EVP_PKEY *key, key_writer *write_to, struct secret *ret_bytes,
                      struct err *err)
{
    /* A memory BIO in the secure heap: BIO_s_secmem(3). */
    CLEANUP(cleanup_bio) BIO *bio = BIO_new(BIO_s_secmem());
    char *bytes;
    long length;

    if (bio == NULL || write_to(bio, key) != 1)
        return crypto_failed(err, ERR_LOCAL, "write a private key");
    length = BIO_get_mem_data(bio, &bytes);
    if (length <= 0)
        return crypto_failed(err, ERR_LOCAL, "write a private key");
    return secret_copy(ret_bytes, bytes, (size_t)length, err);
}

static bool has_traditional(const EVP_PKEY *key)
{
    return !EVP_PKEY_is_a(key, "ED25519");
}

bool key_to_pem(const EVP_PKEY *key, bool traditional, struct secret *ret_pem, struct err *err)
{
    return write_key(key, traditional && has_traditional(key) ? write_traditional_pem : write_pem,
                     ret_pem, err);
}

bool key_to_der(const EVP_PKEY *key, bool traditional, struct secret *ret_der, struct err *err)
{
    return write_key(key, traditional && has_traditional(key) ? i2d_PrivateKey_bio : write_der,
                     ret_der, err);
}

bool key_from_pem(const char *pem, size_t length, EVP_PKEY **ret_key, struct err *err)
{
    CLEANUP(cleanup_bio) BIO *bio = NULL;
    EVP_PKEY *key;

    if (length <= INT_MAX)
        bio = BIO_new_mem_buf(pem, (int)length);
    if (bio == NULL)
        return crypto_failed(err, ERR_LOCAL, "read a private key");
    key = PEM_read_bio_PrivateKey(bio, NULL, crypto_no_password, NULL);
    if (key == NULL)
        return crypto_failed(err, ERR_LOCAL, "read a private key");
    *ret_key = key;
    return true;
}

bool key_from_der(const char *der, size_t length, EVP_PKEY **ret_key, struct err *err)
{
    const unsigned char *at = (const unsigned char *)der;
    EVP_PKEY *key = length > LONG_MAX ? NULL : d2i_AutoPrivateKey(NULL, &at, (long)length);

    if (key == NULL)
        return crypto_failed(err, ERR_LOCAL, "read a private key");
    *ret_key = key;
    return true;
}

bool key_is_type(const EVP_PKEY *key, enum key_type type)
{
    const struct algorithm *algorithm = &algorithms[type];
    char group[64];
    size_t length;

    if (!EVP_PKEY_is_a(key, algorithm->name))
        return false;
    if (algorithm->bits != 0)
        return EVP_PKEY_get_bits(key) == (int)algorithm->bits;
    if (algorithm->group == NULL)
        return true;
    return EVP_PKEY_get_group_name(key, group, sizeof group, &length) == 1 &&
           strcmp(group, algorithm->group) == 0;
}

/* -- the certificate signing request (PKCS#10, RFC 2986) ------------------------------------------
 */

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
 * Sets an EC key as curve and point. X509_REQ_set_pubkey encodes and decodes the whole key for
 * that, which takes OpenSSL 3.0 eight times as long as signing.
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

/* The digest that matches the key's strength; NULL for Ed25519, which needs none. */
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
