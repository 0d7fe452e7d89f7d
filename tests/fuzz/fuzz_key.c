/* A private key, PEM or DER, of any bytes: what is read is written and reads back as the same. */
#include "fuzz.h"

#include "pki/key.h"

#include <openssl/evp.h>

typedef bool key_writer(const EVP_PKEY *key, bool traditional, struct secret *ret, struct err *err);
typedef bool key_reader(const char *bytes, size_t length, EVP_PKEY **ret_key, struct err *err);

static void try_form(const EVP_PKEY *key, key_writer *write_to, key_reader *read_from,
                     bool traditional)
{
    CLEANUP(secret_wipe) struct secret secret = {0};
    CLEANUP(cleanup_key) EVP_PKEY *again = NULL;
    struct err err = {.kind = ERR_NONE};

    if (!write_to(key, traditional, &secret, &err)) {
        fuzz_failure(&err);
        return;
    }
    fuzz_promise(read_from(secret_expose(&secret), secret.length, &again, &err),
                 "what we write can be read");
    fuzz_promise(EVP_PKEY_eq(key, again) == 1, "and is the same key");
}

static void try_key(const EVP_PKEY *key)
{
    unsigned types = 0;

    for (enum key_type type = 0; type < KEY_TYPE_COUNT; type++)
        types += key_is_type(key, type);
    fuzz_promise(types <= 1, "a key is of one type");
    /* A key of another type is never written. */
    for (int traditional = 0; types == 1 && traditional <= 1; traditional++) {
        try_form(key, key_to_pem, key_from_pem, traditional == 1);
        try_form(key, key_to_der, key_from_der, traditional == 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    key_reader *const readers[] = {key_from_pem, key_from_der};

    for (int i = 0; i < 2; i++) {
        CLEANUP(cleanup_key) EVP_PKEY *key = NULL;
        struct err err = {.kind = ERR_NONE};

        if (readers[i]((const char *)data, size, &key, &err))
            try_key(key);
        else
            fuzz_failure(&err);
    }
    return 0;
}
