/* Certificates of any bytes, texts that end with NUL: the leaf, its issuer, the chain. The key and
 * the names that are asked for are the leaf's own, so that the deeper rules are reached. */
#include "fuzz.h"

#include "pki/certificate.h"
#include "pki/vet.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include <string.h>

enum { NOW_S = 1800000000 };

static EVP_PKEY *key_of(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *certificate = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);
    EVP_PKEY *key = certificate == NULL ? NULL : X509_get_pubkey(certificate);

    X509_free(certificate);
    BIO_free(bio);
    return key;
}

/* One for the whole run; a reference to it. */
static EVP_PKEY *another_key(void)
{
    static EVP_PKEY *key;

    if (key == NULL)
        key = EVP_EC_gen(SN_X9_62_prime256v1);
    fuzz_promise(key != NULL && EVP_PKEY_up_ref(key) == 1, "a key");
    return key;
}

static void try_vet(const struct vet_reply *reply, struct arena *arena)
{
    struct certificate_facts facts = {0};
    struct wish wish = {.usage = USAGE_SERVER};
    struct issued issued = {0};
    struct err err = {0};
    struct vet_order order = {.wish = &wish, .now_s = NOW_S};

    if (certificate_read(reply->certificate, arena, &facts, &err)) {
        wish.names = facts.names;
        order.now_s = facts.validity.not_before;
    }
    order.key = key_of(reply->certificate);
    if (order.key == NULL)
        order.key = another_key();
    if (!vet(&order, reply, &issued, &err))
        fuzz_promise(err.kind != ERR_NONE && err.text[0] != '\0', "a failure says why");
    issued_free(&issued);
    EVP_PKEY_free(order.key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct vet_reply reply = {0};
    char *text = arena_copy_part(&arena, "", 0);

    for (size_t at = 0; at < size; at += strlen(text) + 1) {
        text = arena_copy_part(&arena, (const char *)data + at,
                               strnlen((const char *)data + at, size - at));
        if (reply.certificate == NULL)
            reply.certificate = text;
        else if (reply.issuing_ca == NULL)
            reply.issuing_ca = text;
        else
            text_list_add(&reply.ca_chain, &arena, text, strlen(text));
    }
    if (reply.certificate != NULL)
        try_vet(&reply, &arena);
    arena_free(&arena);
    return 0;
}
