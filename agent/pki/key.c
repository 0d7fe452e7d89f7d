#include "pki/key.h"

#include "pki/crypto.h"

#include <openssl/core_names.h>
#include <openssl/pem.h>

#include <limits.h>
#include <string.h>

static const struct algorithm {
    const char *name;  /* of EVP_KEYMGMT-RSA(7), -EC(7), -ED25519(7) */
    const char *group; /* the curve; NULL for RSA and Ed25519 */
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

typedef int key_writer(BIO *bio, const EVP_PKEY *key);

static int write_pem(BIO *bio, const EVP_PKEY *key)
{
    return PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
}

static int write_traditional_pem(BIO *bio, const EVP_PKEY *key)
{
    return PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL);
}

static int write_der(BIO *bio, const EVP_PKEY *key)
{
    return i2d_PKCS8PrivateKey_bio(bio, key, NULL, NULL, 0, NULL, NULL);
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
