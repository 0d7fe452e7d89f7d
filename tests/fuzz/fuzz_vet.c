/* Certificates of any bytes, texts that end with NUL: the leaf, its issuer, the chain. The key and
 * the names that are asked for are the leaf's own, so that the deeper rules are reached. */
#include "fuzz.h"

#include "pki/certificate.h"
#include "pki/chain.h"
#include "pki/crypto.h"
#include "pki/vet.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include <string.h>

enum { NOW_S = 1800000000, LEVEL = 2 };

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

/* OpenSSL's own verification, as a client does it that trusts the set's ca and is shown its
 * fullchain. */
static bool openssl_verifies(const struct vet_order *order, STACK_OF(X509) * leaf,
                             STACK_OF(X509) * chain, STACK_OF(X509) * ca)
{
    CLEANUP(cleanup_x509_store) X509_STORE *store = X509_STORE_new();
    CLEANUP(cleanup_x509_store_context) X509_STORE_CTX *context = X509_STORE_CTX_new();
    struct validity validity;
    X509_VERIFY_PARAM *parameters;

    for (int i = 0; i < sk_X509_num(ca); i++)
        X509_STORE_add_cert(store, sk_X509_value(ca, i));
    X509_STORE_CTX_init(context, store, sk_X509_value(leaf, 0), chain);
    fuzz_promise(certificate_validity(sk_X509_value(leaf, 0), &validity), "it has dates");
    parameters = X509_STORE_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN);
    /* One that is not valid yet is held until it is. */
    X509_VERIFY_PARAM_set_time(
        parameters,
        (time_t)(order->now_s > validity.not_before ? order->now_s : validity.not_before));
    X509_VERIFY_PARAM_set_auth_level(parameters, LEVEL);
    X509_VERIFY_PARAM_set_purpose(parameters, X509_PURPOSE_SSL_SERVER);
    return X509_verify_cert(context) == 1;
}

static void promise_issued(const struct vet_order *order, const struct issued *issued)
{
    CLEANUP(cleanup_certificates) STACK_OF(X509) *leaf = sk_X509_new_null();
    CLEANUP(cleanup_certificates) STACK_OF(X509) *chain = sk_X509_new_null();
    CLEANUP(cleanup_certificates) STACK_OF(X509) *ca = sk_X509_new_null();
    struct err err;

    fuzz_promise(chain_parse(issued->leaf_pem, leaf, &err) && sk_X509_num(leaf) == 1, "one leaf");
    fuzz_promise(chain_parse_all(&issued->chain_pem, chain, &err) &&
                     chain_parse_all(&issued->ca_pem, ca, &err),
                 "what was vetted is written so that it can be read");
    fuzz_promise(sk_X509_num(ca) > 0, "there is something to trust");
    fuzz_promise(certificate_has_key(issued->leaf_pem, order->key, &err), "its key is ours");
    fuzz_promise(openssl_verifies(order, leaf, chain, ca),
                 "what vet takes holds for OpenSSL as well");
    fuzz_promise(issued->end_s > order->now_s && issued->end_s <= issued->leaf.validity.not_after,
                 "it is of use, and no longer than it is valid");
}

static void try_vet(const struct vet_reply *reply, struct arena *arena)
{
    struct certificate_facts facts = {0};
    struct cert_request request = {.usage = USAGE_SERVER};
    struct issued issued = {0};
    struct err err = {0};
    struct vet_order order = {.request = &request, .now_s = NOW_S};

    if (certificate_read(reply->certificate, arena, &facts, &err)) {
        request.names = facts.names;
        order.now_s = facts.validity.not_before;
    }
    order.key = key_of(reply->certificate);
    if (order.key == NULL)
        order.key = another_key();
    if (vet(&order, reply, &issued, &err))
        promise_issued(&order, &issued);
    else
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
