/*
 * What a CA that was renewed, cross-signed and mixed up may send: a byte for the leaf, one for the
 * usage, one for the moment, then one for each certificate that came with it or that is trusted.
 * Whatever is found, OpenSSL's own verification finds as well, and the other way round.
 */
#include "fuzz.h"

#include "base/cert_request.h"
#include "pki/certificate.h"
#include "pki/chain.h"
#include "pki/crypto.h"
#include "pki/path.h"

#include "certs.h"

#include <string.h>
#include <time.h>

enum { CAS = 24, LEAVES = 4, MOMENTS = 5, SENT_MOST = 6, IS_ANCHOR = 0x80, LEVEL = 2 };

static X509 *cas[CAS], *leaves[LEAVES];
static size_t ca_count;
static uint64_t begin_s;

static void add(const struct cert_order *order, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
    fuzz_promise(ca_count < CAS, "room for them all");
    cas[ca_count++] = certs_make(order, key, issuer, issuer_key);
}

/* Two roots that have signed each other, three intermediates, each in several issues. */
static void make_all(void)
{
    EVP_PKEY *a = certs_key(0), *b = certs_key(0), *one = certs_key(0), *two = certs_key(0),
             *leaf = certs_key(0);
    const struct cert_order root_a = {.common_name = "A", .is_ca = 1, .to_s = 9000, .from_s = -90},
                            root_b = {.common_name = "B", .is_ca = 1},
                            first = {.common_name = "one", .is_ca = 1},
                            second = {.common_name = "two", .is_ca = 1};
    struct cert_order other;

    begin_s = (uint64_t)time(NULL);
    add(&root_a, a, NULL, NULL); /* 0 */
    add(&root_b, b, NULL, NULL);
    add(&root_a, a, cas[1], b); /* 2: cross-signed */
    add(&root_b, b, cas[0], a);
    add(&first, one, cas[0], a); /* 4 */
    add(&first, one, cas[1], b);
    add(&second, two, cas[4], one);
    add(&second, two, cas[0], a);
    add(&second, one, cas[6], two);                        /* 8: another key of one name */
    add(&first, two, cas[7], two);                         /* a circle of names */
    other = first, other.from_s = -9000, other.to_s = -60; /* has ended */
    add(&other, one, cas[0], a);                           /* 10 */
    other = first, other.from_s = 1200, other.to_s = 9000; /* has not begun */
    add(&other, one, cas[0], a);
    other = first, other.is_ca = 0;                     /* no CA */
    add(&other, one, cas[0], a);                        /* 12 */
    other = first, other.extended_usage = "clientAuth"; /* for clients alone */
    add(&other, one, cas[0], a);
    other = first, other.digest = EVP_sha1();                 /* too weak */
    add(&other, one, cas[0], a);                              /* 14 */
    other = first, other.usage = "critical,digitalSignature"; /* may not sign */
    add(&other, one, cas[0], a);
    other = root_a, other.from_s = -9000, other.to_s = -60; /* the root before */
    add(&other, a, NULL, NULL);                             /* 16 */
    other = root_a, other.digest = EVP_sha1();
    add(&other, a, NULL, NULL);
    other = second, other.to_s = 60, other.from_s = -30; /* ends soon */
    add(&other, two, cas[4], one);                       /* 18 */
    leaves[0] = certs_make(&(struct cert_order){.san = "DNS:a"}, leaf, cas[4], one);
    leaves[1] = certs_make(&(struct cert_order){.san = "DNS:a"}, leaf, cas[6], two);
    leaves[2] = certs_make(&(struct cert_order){.san = "DNS:a"}, leaf, cas[0], a);
    leaves[3] = certs_make(&(struct cert_order){.san = "DNS:a"}, leaf, cas[8], one);
    EVP_PKEY_free(a);
    EVP_PKEY_free(b);
    EVP_PKEY_free(one);
    EVP_PKEY_free(two);
    EVP_PKEY_free(leaf);
}

/* As a peer does it that trusts these; all of its own making. */
static bool openssl_verifies(const struct path_order *order, STACK_OF(X509) * between,
                             STACK_OF(X509) * trusted)
{
    CLEANUP(cleanup_x509_store) X509_STORE *store = X509_STORE_new();
    CLEANUP(cleanup_x509_store_context) X509_STORE_CTX *context = X509_STORE_CTX_new();
    X509_VERIFY_PARAM *parameters;
    bool verifies;

    for (int i = 0; i < sk_X509_num(trusted); i++)
        X509_STORE_add_cert(store, sk_X509_value(trusted, i));
    X509_STORE_CTX_init(context, store, order->leaf, between);
    parameters = X509_STORE_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN);
    X509_VERIFY_PARAM_set_time(parameters, (time_t)order->at_s);
    X509_VERIFY_PARAM_set_auth_level(parameters, LEVEL);
    X509_VERIFY_PARAM_set_depth(parameters, CHAIN_MOST_ON_PATH);
    X509_VERIFY_PARAM_set_purpose(parameters, (order->usage & USAGE_SERVER) != 0
                                                  ? X509_PURPOSE_SSL_SERVER
                                                  : X509_PURPOSE_SSL_CLIENT);
    verifies = X509_verify_cert(context) == 1;
    X509_STORE_CTX_set0_untrusted(context, NULL);
    return verifies;
}

static void promise_path(const struct path_order *order, const struct path *path)
{
    CLEANUP(cleanup_certificates) STACK_OF(X509) *between = sk_X509_new_null();
    CLEANUP(cleanup_certificates) STACK_OF(X509) *top = sk_X509_new_null();
    int last = sk_X509_num(path->certificates) - 1;
    uint64_t end_s = UINT64_MAX;

    fuzz_promise(last >= 1 && last <= CHAIN_MOST_ON_PATH, "a path has an issuer, and a ceiling");
    fuzz_promise(sk_X509_value(path->certificates, 0) == order->leaf, "a path begins at the leaf");
    for (int i = 0; i <= last; i++) {
        X509 *certificate = sk_X509_value(path->certificates, i);
        struct validity validity;

        fuzz_promise(i == 0 || chain_has(order->sent, certificate) ||
                         chain_has(order->anchors, certificate),
                     "whoever is on it was sent or is trusted");
        fuzz_promise(certificate_validity(certificate, &validity) &&
                         validity.not_before <= order->at_s && validity.not_after >= order->at_s,
                     "whoever is on it is valid now");
        end_s = validity.not_after < end_s ? validity.not_after : end_s;
        if (i > 0)
            X509_add_cert(i < last ? between : top, certificate, X509_ADD_FLAG_UP_REF);
    }
    fuzz_promise(path->end_s == end_s, "it ends with the first of them");
    fuzz_promise(openssl_verifies(order, between, top), "what holds here holds for OpenSSL");
}

static void promise_paths(const struct path_order *order, const struct paths *paths)
{
    fuzz_promise(paths->count > 0 && paths->count <= PATH_MOST_FOUND, "a few paths");
    fuzz_promise(sk_X509_num(order->anchors) == 0 || paths->items[0].is_anchored,
                 "where there are anchors, one is reached");
    for (size_t i = 0; i < paths->count; i++) {
        promise_path(order, &paths->items[i]);
        if (i > 0 && paths->items[i - 1].is_anchored == paths->items[i].is_anchored)
            fuzz_promise(paths->items[i - 1].end_s >= paths->items[i].end_s, "the best one first");
    }
}

static void try_order(const struct path_order *order)
{
    struct paths paths;
    struct err err = {.kind = ERR_NONE};

    if (paths_find(order, &paths, &err)) {
        promise_paths(order, &paths);
        paths_free(&paths);
        return;
    }
    fuzz_failure(&err);
    fuzz_promise(paths.count == 0, "a failure finds nothing");
    if (sk_X509_num(order->anchors) > 0)
        fuzz_promise(!openssl_verifies(order, order->sent, order->anchors),
                     "what holds for OpenSSL holds here");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const long moments[MOMENTS] = {1, 45, -45, 2400, 7000};
    CLEANUP(cleanup_certificates) STACK_OF(X509) *sent = sk_X509_new_null();
    CLEANUP(cleanup_certificates) STACK_OF(X509) *anchors = sk_X509_new_null();
    struct path_order order = {.sent = sent, .anchors = anchors};

    if (ca_count == 0)
        make_all();
    if (size < 4)
        return 0;
    order.leaf = leaves[data[0] % LEAVES];
    order.usage = data[1] % 2 == 0 ? USAGE_SERVER : USAGE_CLIENT;
    order.at_s = begin_s + (uint64_t)moments[data[2] % MOMENTS];
    for (size_t i = 3; i < size && i < 3 + SENT_MOST; i++)
        X509_add_cert((data[i] & IS_ANCHOR) != 0 ? anchors : sent,
                      cas[(data[i] & (IS_ANCHOR - 1U)) % ca_count],
                      X509_ADD_FLAG_UP_REF | X509_ADD_FLAG_NO_DUP);
    try_order(&order);
    return 0;
}
