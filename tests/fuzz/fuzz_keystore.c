/*
 * PKCS#12: a byte that says what to do, then any bytes: a keystore as it lies on the disk, the same
 * with a MAC that holds, so that what is inside is reached, or a password, an alias and a chain to
 * make one of.
 */
#include "fuzz.h"

#include "base/text.h"
#include "pki/certificate.h"
#include "pki/crypto.h"
#include "pki/key.h"
#include "pki/keystore.h"

#include "certs.h"

#include <openssl/err.h>

#include <stdlib.h>
#include <string.h>

enum { CERTIFICATES = 4, STORE_MOST_BYTES = 256 * 1024, PASSWORD_MOST_BYTES = 64 };

static EVP_PKEY *key;
static char *pems[CERTIFICATES]; /* the leaf first */

static void make_all(void)
{
    X509 *certificates[CERTIFICATES];

    key = certs_key(0);
    for (int i = CERTIFICATES - 1; i >= 0; i--) {
        bool is_top = i == CERTIFICATES - 1;

        certificates[i] = certs_make(&(struct cert_order){.common_name = "x", .is_ca = i > 0}, key,
                                     is_top ? NULL : certificates[i + 1], key);
        pems[i] = certs_pem(certificates[i]);
    }
    for (int i = 0; i < CERTIFICATES; i++)
        X509_free(certificates[i]);
}

static struct secret secret_of(const char *bytes, size_t length)
{
    struct secret secret = {0};
    struct err err;

    fuzz_promise(secret_copy(&secret, bytes, length, &err), "a secret");
    return secret;
}

static bool try_key(const char *der, size_t length, const struct secret *password)
{
    CLEANUP(cleanup_key) EVP_PKEY *found = NULL;
    struct err err = {.kind = ERR_NONE};
    bool has = keystore_key(der, length, password, &found, &err);

    if (!has)
        fuzz_failure(&err);
    fuzz_promise(has == (found != NULL), "a key or a failure");
    return has;
}

static void try_bytes(const char *der, size_t length)
{
    CLEANUP(secret_wipe) struct secret password = secret_of("changeit", 8);
    bool opens = keystore_opens(der, length, &password);

    fuzz_promise(!try_key(der, length, &password) || opens, "no key of what does not open");
}

/* With a MAC for our password around it. What is encrypted below it costs what it says: whoever
 * knows the password could have us wait. */
static void try_inside(const uint8_t *data, size_t size)
{
    PKCS12 *store = d2i_PKCS12(NULL, &data, (long)size);
    STACK_OF(PKCS7) *safes = store == NULL ? NULL : PKCS12_unpack_authsafes(store);
    unsigned char *der = NULL;
    bool plain = safes != NULL;
    int length;

    for (int i = 0; plain && i < sk_PKCS7_num(safes); i++) {
        STACK_OF(PKCS12_SAFEBAG) *bags = PKCS12_unpack_p7data(sk_PKCS7_value(safes, i));

        plain = bags != NULL;
        for (int j = 0; plain && j < sk_PKCS12_SAFEBAG_num(bags); j++)
            plain = PKCS12_SAFEBAG_get_nid(sk_PKCS12_SAFEBAG_value(bags, j)) == NID_keyBag ||
                    PKCS12_SAFEBAG_get_nid(sk_PKCS12_SAFEBAG_value(bags, j)) == NID_certBag;
        sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
    }
    if (plain && PKCS12_set_mac(store, "changeit", 8, NULL, 0, 1, EVP_sha256()) == 1 &&
        (length = i2d_PKCS12(store, &der)) > 0)
        try_bytes((const char *)der, (size_t)length);
    OPENSSL_free(der);
    sk_PKCS7_pop_free(safes, PKCS7_free);
    PKCS12_free(store);
    ERR_clear_error();
}

/* Ours: opens with its password and with no other, and gives the key back. */
static void try_round(const uint8_t *data, size_t size)
{
    struct text_list chain = {(const char **)pems + 1, 0};
    struct bytes der = {.limit = STORE_MOST_BYTES};
    char text[PASSWORD_MOST_BYTES + 1] = "x", alias[32] = "";
    CLEANUP(cleanup_key) EVP_PKEY *found = NULL;
    struct secret password, other;
    struct err err;
    size_t length;

    chain.count = data[0] % CERTIFICATES;
    length = size - 1 < PASSWORD_MOST_BYTES ? size - 1 : PASSWORD_MOST_BYTES;
    for (size_t i = 0; i < length; i++)
        text[i] = (char)(' ' + data[1 + i] % ('~' - ' ' + 1));
    password = secret_of(text, length == 0 ? 1 : length);
    text[0] = text[0] == 'x' ? 'y' : 'x';
    other = secret_of(text, password.length);
    text_printable(alias, sizeof alias, text);
    fuzz_promise(keystore_make(&(struct keystore_lock){&password, (data[0] & 0x80) != 0}, alias,
                               key, pems[0], &chain, &der, &err),
                 "a keystore can be made");
    fuzz_promise(keystore_opens(der.data, der.length, &password), "its password opens it");
    fuzz_promise(!keystore_opens(der.data, der.length, &other), "and no other");
    fuzz_promise(keystore_key(der.data, der.length, &password, &found, &err) &&
                     EVP_PKEY_eq(found, key) == 1,
                 "the key comes back");
    bytes_free(&der);
    secret_wipe(&password);
    secret_wipe(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned sum = 0;

    if (key == NULL)
        make_all();
    if (size < 2)
        return 0;
    for (size_t i = 1; i < size; i++)
        sum += data[i];
    /* Tens of thousands of turns of a digest each time: one of many is enough. */
    if (data[0] == 'm' && sum % 64 == 0)
        try_round(data + 1, size - 1);
    else if ((data[0] & 1) != 0)
        try_inside(data + 1, size - 1);
    else
        try_bytes((const char *)data + 1, size - 1);
    return 0;
}
