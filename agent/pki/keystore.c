#include "pki/keystore.h"

#include "pki/crypto.h"

#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/pem.h>

#include <limits.h>
#include <string.h>

/* Iterations of the key derivation: the default of Java's keytool since JDK 16. */
enum { STRETCH_TIMES = 10000, ALIAS_DIGITS = 16 };

/* Oracle's attribute trustedKeyUsage: sun.security.pkcs12.PKCS12KeyStore. Its value here is
 * anyExtendedKeyUsage. */
static const char trusted_key_usage[] = "2.16.840.1.113894.746875.1.1";

static void free_bags(STACK_OF(PKCS12_SAFEBAG) * bags)
{
    sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
}

static void free_safes(STACK_OF(PKCS7) * safes)
{
    sk_PKCS7_pop_free(safes, PKCS7_free);
}

DEFINE_CLEANUP(cleanup_bags, STACK_OF(PKCS12_SAFEBAG) *, free_bags)
DEFINE_CLEANUP(cleanup_safes, STACK_OF(PKCS7) *, free_safes)

static int cipher_of(const struct keystore_lock *lock)
{
    return lock->legacy ? NID_pbe_WithSHA1And3_Key_TripleDES_CBC : NID_aes_256_cbc;
}

static bool parse_all(const struct text_list *pem, STACK_OF(X509) * certificates, struct err *err)
{
    for (size_t i = 0; i < pem->count; i++) {
        CLEANUP(cleanup_bio) BIO *bio = BIO_new_mem_buf(pem->items[i], -1);
        X509 *certificate =
            bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, crypto_no_password, NULL);

        if (certificate == NULL)
            return crypto_failed(err, ERR_LOCAL, "read a certificate");
        if (sk_X509_push(certificates, certificate) <= 0) {
            X509_free(certificate);
            return err_memory(err);
        }
    }
    return true;
}

/* Adds the MAC and encodes the store. */
static bool seal(const struct keystore_lock *lock, PKCS12 *store, struct bytes *ret_der,
                 struct err *err)
{
    unsigned char *der = NULL;
    bool added;
    int length;

    if (PKCS12_set_mac(store, secret_expose(lock->password), (int)lock->password->length, NULL, 0,
                       STRETCH_TIMES, lock->legacy ? EVP_sha1() : EVP_sha256()) != 1)
        return crypto_failed(err, ERR_LOCAL, "sign a keystore");
    length = i2d_PKCS12(store, &der);
    if (length <= 0)
        return crypto_failed(err, ERR_LOCAL, "encode a keystore");
    added = bytes_add(ret_der, der, (size_t)length);
    OPENSSL_free(der);
    return added || err_set(err, ERR_LOCAL, "the keystore is too large");
}

bool keystore_make(const struct keystore_lock *lock, const char *alias, const EVP_PKEY *key,
                   const char *leaf_pem, const struct text_list *chain_pem, struct bytes *ret_der,
                   struct err *err)
{
    const struct text_list leaf = {&leaf_pem, 1};
    CLEANUP(cleanup_certificates) STACK_OF(X509) *leaves = sk_X509_new_null();
    CLEANUP(cleanup_certificates) STACK_OF(X509) *chain = sk_X509_new_null();
    CLEANUP(cleanup_pkcs12) PKCS12 *store = NULL;

    if (leaves == NULL || chain == NULL)
        return err_memory(err);
    if (!parse_all(&leaf, leaves, err) || !parse_all(chain_pem, chain, err))
        return false;
    /* PKCS12_create only reads the key, although the parameter is not const. -1: no MAC yet. */
    store = PKCS12_create(secret_expose(lock->password), alias, (EVP_PKEY *)key,
                          sk_X509_value(leaves, 0), chain, cipher_of(lock), cipher_of(lock),
                          STRETCH_TIMES, -1, 0);
    if (store == NULL)
        return crypto_failed(err, ERR_LOCAL, "make a keystore");
    return seal(lock, store, ret_der, err);
}

static bool name_certificate(X509 *certificate, struct err *err)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    char alias[] = "ca-0123456789abcdef";

    if (X509_digest(certificate, EVP_sha256(), hash, NULL) != 1)
        return crypto_failed(err, ERR_LOCAL, "hash a certificate");
    for (size_t i = 0; i < ALIAS_DIGITS / 2; i++)
        snprintf(alias + 3 + 2 * i, 3, "%02x", hash[i]);
    return X509_alias_set1(certificate, (const unsigned char *)alias, -1) == 1 || err_memory(err);
}

static bool add_trusted(STACK_OF(PKCS12_SAFEBAG) * *bags, X509 *certificate, struct err *err)
{
    const ASN1_OBJECT *any = OBJ_nid2obj(NID_anyExtendedKeyUsage);
    PKCS12_SAFEBAG *bag;

    if (!name_certificate(certificate, err))
        return false;
    bag = PKCS12_add_cert(bags, certificate);
    /* -1 as the length passes a complete ASN1_OBJECT: X509_ATTRIBUTE_set1_data(3). */
    if (bag == NULL || PKCS12_add1_attr_by_txt(bag, trusted_key_usage, V_ASN1_OBJECT,
                                               (const unsigned char *)any, -1) != 1)
        return crypto_failed(err, ERR_LOCAL, "put a certificate into a truststore");
    return true;
}

bool keystore_trust(const struct keystore_lock *lock, const struct text_list *ca_pem,
                    struct bytes *ret_der, struct err *err)
{
    CLEANUP(cleanup_certificates) STACK_OF(X509) *certificates = sk_X509_new_null();
    CLEANUP(cleanup_bags) STACK_OF(PKCS12_SAFEBAG) *bags = NULL;
    CLEANUP(cleanup_safes) STACK_OF(PKCS7) *safes = NULL;
    CLEANUP(cleanup_pkcs12) PKCS12 *store = NULL;

    if (certificates == NULL)
        return err_memory(err);
    if (!parse_all(ca_pem, certificates, err))
        return false;
    for (int i = 0; i < sk_X509_num(certificates); i++)
        if (!add_trusted(&bags, sk_X509_value(certificates, i), err))
            return false;
    if (PKCS12_add_safe(&safes, bags, cipher_of(lock), STRETCH_TIMES,
                        secret_expose(lock->password)) == 1)
        store = PKCS12_add_safes(safes, 0);
    if (store == NULL)
        return crypto_failed(err, ERR_LOCAL, "make a truststore");
    return seal(lock, store, ret_der, err);
}

static PKCS12 *read_store(const char *der, size_t length)
{
    const unsigned char *at = (const unsigned char *)der;
    PKCS12 *store = length > LONG_MAX ? NULL : d2i_PKCS12(NULL, &at, (long)length);

    ERR_clear_error();
    return store;
}

/* Whether the MAC was made with the password. */
static bool is_authentic(PKCS12 *store, const struct secret *password)
{
    const ASN1_INTEGER *times = NULL;
    long stretches = 1; /* the default: RFC 7292 section 4 */

    if (store == NULL || PKCS12_mac_present(store) != 1)
        return false;
    PKCS12_get0_mac(NULL, NULL, NULL, &times, store);
    if (times != NULL)
        stretches = ASN1_INTEGER_get(times);
    return stretches >= 1 && stretches <= KEYSTORE_MOST_STRETCHES &&
           PKCS12_verify_mac(store, secret_expose(password), (int)password->length) == 1;
}

bool keystore_opens(const char *der, size_t length, const struct secret *password)
{
    CLEANUP(cleanup_pkcs12) PKCS12 *store = read_store(der, length);
    bool opens = is_authentic(store, password);

    ERR_clear_error();
    return opens;
}

bool keystore_key(const char *der, size_t length, const struct secret *password, EVP_PKEY **ret_key,
                  struct err *err)
{
    CLEANUP(cleanup_pkcs12) PKCS12 *store = read_store(der, length);
    EVP_PKEY *key = NULL;

    if (store == NULL)
        return err_set(err, ERR_LOCAL, "it is no PKCS#12 file");
    if (!is_authentic(store, password) ||
        PKCS12_parse(store, secret_expose(password), &key, NULL, NULL) != 1 || key == NULL)
        return crypto_failed(err, ERR_LOCAL, "open a keystore");
    *ret_key = key;
    return true;
}
