/* Keys, CSRs and the vetting: each rule broken alone, and nothing kept of what breaks it. */
#include "unit.h"

#include "certs.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "pki/certificate.h"
#include "pki/chain.h"
#include "pki/crl.h"
#include "pki/key.h"
#include "pki/vet.h"

#include <openssl/pem.h>
#include <openssl/ui.h>

#include <stdlib.h>

/* -- keys and CSRs --------------------------------------------------------------------------------
 */

/* Those that the first test made, for the others: RSA keys take long. */
static EVP_PKEY *key_of[KEY_TYPE_COUNT];

static int free_made(void **state)
{
    (void)state;
    for (enum key_type type = 0; type < KEY_TYPE_COUNT; type++)
        key_free(key_of[type]);
    return 0;
}

static void every_key_type_is_made_written_and_read(void **state)
{
    struct err err;

    (void)state;
    for (enum key_type type = 0; type < KEY_TYPE_COUNT; type++) {
        if (unit_takes_minutes(type))
            continue;
        assert_true(key_generate(type, &key_of[type], &err));
        assert_true(key_is_type(key_of[type], type));
        assert_false(key_is_type(key_of[type], (type + 1) % KEY_TYPE_COUNT));
        for (int traditional = 0; traditional < 2; traditional++) {
            struct secret pem = {0};
            EVP_PKEY *again = NULL;

            assert_true(key_to_pem(key_of[type], traditional != 0, &pem, &err));
            assert_int_equal(strncmp(secret_expose(&pem), "-----BEGIN PRIVATE KEY-----\n", 28) == 0,
                             !traditional || type == KEY_ED25519);
            assert_true(key_from_pem(secret_expose(&pem), pem.length, &again, &err));
            assert_int_equal(EVP_PKEY_eq(key_of[type], again), 1);
            key_free(again);
            secret_wipe(&pem);
        }
    }
}

/* A number may begin with zero bytes: one in 256 does. */
static void an_ec_key_is_written_as_libcrypto_writes_it(void **state)
{
    static const enum key_type types[] = {KEY_ECDSA_P384, KEY_ECDSA_P521, KEY_ECDSA_P256};
    struct err err;

    (void)state;
    for (size_t i = 0; i < 1000; i++) {
        BIO *pem_bio = BIO_new(BIO_s_mem()), *der_bio = BIO_new(BIO_s_mem());
        struct secret pem = {0}, der = {0};
        EVP_PKEY *key = NULL;
        char *bytes;

        assert_true(key_generate(types[i < 20 ? i % 2 : 2], &key, &err));
        assert_true(key_to_pem(key, false, &pem, &err) && key_to_der(key, false, &der, &err));
        assert_int_equal(PEM_write_bio_PKCS8PrivateKey(pem_bio, key, NULL, NULL, 0, NULL, NULL), 1);
        assert_int_equal(i2d_PKCS8PrivateKey_bio(der_bio, key, NULL, NULL, 0, NULL, NULL), 1);
        assert_int_equal(BIO_get_mem_data(pem_bio, &bytes), pem.length);
        assert_memory_equal(bytes, secret_expose(&pem), pem.length);
        assert_int_equal(BIO_get_mem_data(der_bio, &bytes), der.length);
        assert_memory_equal(bytes, secret_expose(&der), der.length);
        secret_wipe(&pem);
        secret_wipe(&der);
        key_free(key);
        BIO_free(pem_bio);
        BIO_free(der_bio);
    }
}

static void what_is_no_plain_key_is_refused(void **state)
{
    static const char *const texts[] = {
        "", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGjMF8GCSqGSIb3DQEFDTBS\n"
         "-----END ENCRYPTED PRIVATE KEY-----\n")};
    EVP_PKEY *key = NULL;
    struct err err;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_false(key_from_pem(texts[i], strlen(texts[i]), &key, &err));
        assert_null(key);
    }
}

static int questions_asked;

static int note_question(UI *ui)
{
    (void)ui;
    questions_asked++;
    return 0;
}

/* A reply may carry whatever header it likes; there is nobody at the terminal. */
static void nobody_is_asked_for_a_password(void **state)
{
    static const char *const labels[] = {"CERTIFICATE", "X509 CRL", "PRIVATE KEY",
                                         "RSA PRIVATE KEY"};
    UI_METHOD *terminal = UI_create_method("terminal");

    (void)state;
    UI_method_set_opener(terminal, note_question);
    UI_set_default_method(terminal);
    for (size_t i = 0; i < COUNT_OF(labels); i++) {
        STACK_OF(X509) *certificates = sk_X509_new_null();
        struct certificate_facts facts;
        struct arena arena = {0};
        EVP_PKEY *key = NULL;
        struct err err;
        char pem[512];

        snprintf(pem, sizeof pem,
                 "-----BEGIN %s-----\nProc-Type: 4,ENCRYPTED\n"
                 "DEK-Info: AES-256-CBC,00112233445566778899AABBCCDDEEFF\n\n"
                 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n-----END %s-----\n",
                 labels[i], labels[i]);
        assert_false(chain_parse(pem, certificates, &err));
        assert_false(certificate_read(pem, &arena, &facts, &err));
        assert_null(crl_read(pem, pem, &err));
        assert_false(key_from_pem(pem, strlen(pem), &key, &err));
        sk_X509_free(certificates);
        arena_free(&arena);
    }
    UI_set_default_method(UI_OpenSSL());
    UI_destroy_method(terminal);
    assert_int_equal(questions_asked, 0);
}

static void add(struct text_list *list, struct arena *arena, const char *item)
{
    assert_true(text_list_add(list, arena, item, strlen(item)));
}

/* A text that begins like one that is known is another text. */
static void the_cache_knows_a_certificate_by_its_whole_text(void **state)
{
    EVP_PKEY *key = certs_key(0);
    struct ca_cache *cache = ca_cache_new();
    STACK_OF(X509) *parsed = sk_X509_new_null(), *of_both = sk_X509_new_null();
    char *pems[2], both[8192];
    struct err err;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(pems); i++) {
        const struct cert_order order = {.common_name = i == 0 ? "one" : "two", .is_ca = 1};
        X509 *certificate = certs_make(&order, key, NULL, NULL);

        pems[i] = certs_pem(certificate);
        assert_true(ca_cache_parse(cache, pems[i], parsed, &err));
        assert_int_equal(X509_cmp(sk_X509_value(parsed, (int)i), certificate), 0);
        X509_free(certificate);
    }
    snprintf(both, sizeof both, "%s\n%s\n", pems[0], pems[1]);
    assert_true(ca_cache_parse(cache, both, of_both, &err));
    assert_int_equal(sk_X509_num(of_both), 2);
    assert_int_equal(X509_cmp(sk_X509_value(parsed, 1), sk_X509_value(of_both, 1)), 0);
    sk_X509_pop_free(parsed, X509_free);
    sk_X509_pop_free(of_both, X509_free);
    ca_cache_free(cache);
    EVP_PKEY_free(key);
    free(pems[0]);
    free(pems[1]);
}

/* An entry of the list under that serial number. */
static void add_entry(X509_CRL *list, long serial, int reason)
{
    X509_REVOKED *entry = X509_REVOKED_new();
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    ASN1_ENUMERATED *why = ASN1_ENUMERATED_new();
    ASN1_TIME *now = ASN1_TIME_set(NULL, time(NULL));

    ASN1_INTEGER_set(number, serial);
    ASN1_ENUMERATED_set(why, reason);
    X509_REVOKED_set_serialNumber(entry, number);
    X509_REVOKED_set_revocationDate(entry, now);
    assert_int_equal(X509_REVOKED_add1_ext_i2d(entry, NID_crl_reason, why, 0, 0), 1);
    assert_int_equal(X509_CRL_add0_revoked(list, entry), 1);
    ASN1_INTEGER_free(number);
    ASN1_ENUMERATED_free(why);
    ASN1_TIME_free(now);
}

/* RFC 5280 section 5.3.1: removeFromCRL takes a hold back; every other reason revokes. */
static void an_entry_that_takes_a_hold_back_revokes_nothing(void **state)
{
    EVP_PKEY *key = certs_key(0);
    X509 *issuer =
        certs_make(&(struct cert_order){.common_name = "ca", .is_ca = 1}, key, NULL, NULL);
    X509_CRL *list = X509_CRL_new();
    ASN1_TIME *now = ASN1_TIME_set(NULL, time(NULL));
    BIO *bio = BIO_new(BIO_s_mem());
    EVP_PKEY *other_key = certs_key(0);
    X509 *other =
        certs_make(&(struct cert_order){.common_name = "ca", .is_ca = 1}, other_key, NULL, NULL);
    char *pem, *issuer_pem = certs_pem(issuer), *other_pem = certs_pem(other);
    struct crl_shared *shared;
    struct crl *crl;
    bool has;
    struct err err;

    (void)state;
    X509_CRL_set_version(list, 1);
    X509_CRL_set_issuer_name(list, X509_get_subject_name(issuer));
    X509_CRL_set1_lastUpdate(list, now);
    X509_CRL_set1_nextUpdate(list, now);
    add_entry(list, 0x1234, CRL_REASON_KEY_COMPROMISE);
    add_entry(list, 0x1235, CRL_REASON_REMOVE_FROM_CRL);
    add_entry(list, 0x1236, CRL_REASON_CERTIFICATE_HOLD);
    assert_true(X509_CRL_sign(list, key, EVP_sha256()) > 0);
    PEM_write_bio_X509_CRL(bio, list);
    BIO_write(bio, "", 1);
    BIO_get_mem_data(bio, &pem);
    crl = crl_read(pem, issuer_pem, &err);
    assert_non_null(crl);
    assert_true(crl_has(crl, "12:34"));
    assert_false(crl_has(crl, "12:35"));
    assert_true(crl_has(crl, "12:36"));
    assert_false(crl_has(crl, "12:37"));
    crl_free(crl);
    shared = crl_share(pem);
    has = false;
    assert_true(crl_shared_has(shared, issuer_pem, "12:34", &has, &err) && has);
    assert_true(crl_shared_has(crl_shared_ref(shared), issuer_pem, "12:35", &has, &err) && !has);
    assert_false(crl_shared_has(shared, other_pem, "12:34", &has, &err));
    assert_int_equal(err.kind, ERR_UNTRUSTED);
    assert_true(crl_shared_has(shared, issuer_pem, "12:36", &has, &err) && has);
    assert_null(crl_shared_drop(shared));
    assert_true(crl_shared_has(shared, issuer_pem, "12:34", &has, &err)); /* the other share */
    assert_null(crl_shared_drop(shared));
    shared = crl_share("no list");
    for (size_t i = 0; i < 2; i++) {
        assert_false(crl_shared_has(shared, issuer_pem, "12:34", &has, &err));
        assert_int_equal(err.kind, ERR_UNTRUSTED);
    }
    crl_shared_drop(shared);
    X509_free(other);
    EVP_PKEY_free(other_key);
    free(other_pem);
    BIO_free(bio);
    X509_CRL_free(list);
    ASN1_TIME_free(now);
    X509_free(issuer);
    EVP_PKEY_free(key);
    free(issuer_pem);
}

static void a_csr_carries_every_name(void **state)
{
    struct arena arena = {0};
    struct names names = {.common_name = "web.example.com"};
    struct bytes pem = {.limit = 65536};
    X509_REQ *request;
    STACK_OF(X509_EXTENSION) * extensions;
    GENERAL_NAMES *found;
    char subject[256];
    struct err err;
    BIO *bio;

    (void)state;
    add(&names.subject, &arena, "O=Example, Inc");
    add(&names.subject, &arena, "OU=Team A");
    add(&names.dns, &arena, "a.example.com");
    add(&names.dns, &arena, "*.b.example.com");
    add(&names.ip, &arena, "192.0.2.7");
    add(&names.ip, &arena, "2001:db8::7");
    add(&names.uri, &arena, "spiffe://example.org/x,DNS:evil.example");
    add(&names.email, &arena, "ops@example.com");
    for (enum key_type type = 0; type < KEY_TYPE_COUNT; type++) {
        EVP_PKEY *key = key_of[type];

        if (unit_takes_minutes(type))
            continue;
        assert_true(csr_build(key, &names, &pem, &err));
        bio = BIO_new_mem_buf(bytes_text(&pem), -1);
        request = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
        assert_non_null(request);
        assert_int_equal(X509_REQ_verify(request, key), 1);
        X509_NAME_oneline(X509_REQ_get_subject_name(request), subject, sizeof subject);
        assert_string_equal(subject, "/O=Example, Inc/OU=Team A/CN=web.example.com");
        extensions = X509_REQ_get_extensions(request);
        found = X509V3_get_d2i(extensions, NID_subject_alt_name, NULL, NULL);
        assert_int_equal(sk_GENERAL_NAME_num(found), 6);
        GENERAL_NAMES_free(found);
        sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
        X509_REQ_free(request);
        BIO_free(bio);
        bytes_free(&pem);
    }
    arena_free(&arena);
}

/* -- the vetting ----------------------------------------------------------------------------------
 */

struct pki {
    EVP_PKEY *root_key, *middle_key, *key;
    X509 *root, *middle;
    char *root_pem, *middle_pem;
    struct ca_cache *cache;
    struct arena arena;
    struct cert_request request;
    uint64_t later_s; /* than now it is vetted */
};

static int make_pki(void **state)
{
    struct pki *pki = calloc(1, sizeof *pki);

    pki->root_key = certs_key(0);
    pki->middle_key = certs_key(0);
    pki->key = certs_key(0);
    pki->cache = ca_cache_new();
    pki->root = certs_make(&(struct cert_order){.common_name = "root", .is_ca = 1, .to_s = 90000},
                           pki->root_key, NULL, NULL);
    pki->middle =
        certs_make(&(struct cert_order){.common_name = "middle", .is_ca = 1, .to_s = 90000},
                   pki->middle_key, pki->root, pki->root_key);
    pki->root_pem = certs_pem(pki->root);
    pki->middle_pem = certs_pem(pki->middle);
    add(&pki->request.names.dns, &pki->arena, "a.example.com");
    add(&pki->request.names.ip, &pki->arena, "2001:db8::7");
    add(&pki->request.names.uri, &pki->arena, "spiffe://example.org/a");
    add(&pki->request.names.email, &pki->arena, "ops@example.com");
    pki->request.usage = USAGE_SERVER | USAGE_CLIENT;
    *state = pki;
    return 0;
}

static int free_pki(void **state)
{
    struct pki *pki = *state;

    EVP_PKEY_free(pki->root_key);
    EVP_PKEY_free(pki->middle_key);
    EVP_PKEY_free(pki->key);
    X509_free(pki->root);
    X509_free(pki->middle);
    free(pki->root_pem);
    free(pki->middle_pem);
    ca_cache_free(pki->cache);
    arena_free(&pki->arena);
    free(pki);
    return 0;
}

static const char good_san[] =
    "DNS:a.example.com,IP:2001:db8::7,URI:spiffe://example.org/a,email:ops@example.com";

/* Vets a certificate made to order, with the whole chain. */
static bool vet_order_of(struct pki *pki, const struct cert_order *order, EVP_PKEY *key,
                         const char *current_serial, struct issued *issued, struct err *err)
{
    X509 *leaf = certs_make(order, key, pki->middle, pki->middle_key);
    CLEANUP(free_memory) char *leaf_pem = certs_pem(leaf);
    struct arena arena = {0};
    struct vet_reply reply = {.certificate = leaf_pem, .issuing_ca = pki->middle_pem};
    const struct vet_order vetting = {.request = &pki->request,
                                      .key = pki->key,
                                      .cache = pki->cache,
                                      .current_serial = current_serial,
                                      .now_s = clock_now_s() + pki->later_s};
    bool passed;

    add(&reply.ca_chain, &arena, pki->middle_pem);
    add(&reply.ca_chain, &arena, pki->root_pem);
    passed = vet(&vetting, &reply, issued, err);
    arena_free(&arena);
    X509_free(leaf);
    return passed;
}

/* As its own issuer it would vouch for itself, in the chain it would be sent twice. */
static void a_leaf_among_its_issuers_does_not_count(void **state)
{
    struct pki *pki = *state;
    const struct cert_order order = {.san = good_san};
    X509 *leaf = certs_make(&order, pki->key, pki->middle, pki->middle_key);
    CLEANUP(free_memory) char *leaf_pem = certs_pem(leaf);
    struct arena arena = {0};
    struct vet_reply reply = {.certificate = leaf_pem, .issuing_ca = leaf_pem};
    const struct vet_order vetting = {
        .request = &pki->request, .key = pki->key, .cache = pki->cache, .now_s = clock_now_s()};
    struct issued issued;
    struct err err;

    assert_false(vet(&vetting, &reply, &issued, &err));
    assert_int_equal(err.kind, ERR_UNTRUSTED);
    add(&reply.ca_chain, &arena, pki->middle_pem);
    assert_true(vet(&vetting, &reply, &issued, &err));
    assert_int_equal(issued.chain_pem.count, 1);
    assert_memory_equal(issued.chain_pem.items[0], pki->middle_pem, strlen(pki->middle_pem));
    issued_free(&issued);
    arena_free(&arena);
    X509_free(leaf);
}

/* Strict peers refuse a chain for one certificate that was bent on its way. */
static void what_its_issuer_did_not_sign_is_not_sent_to_peers(void **state)
{
    struct pki *pki = *state;
    const struct cert_order order = {.san = good_san};
    X509 *leaf = certs_make(&order, pki->key, pki->middle, pki->middle_key);
    X509 *bent = X509_dup(pki->middle);
    const ASN1_BIT_STRING *signature;
    CLEANUP(free_memory) char *leaf_pem = certs_pem(leaf);
    CLEANUP(free_memory) char *bent_pem = NULL;
    struct arena arena = {0};
    struct vet_reply reply = {.certificate = leaf_pem, .issuing_ca = pki->middle_pem};
    const struct vet_order vetting = {
        .request = &pki->request, .key = pki->key, .cache = pki->cache, .now_s = clock_now_s()};
    struct issued issued;
    struct err err;

    X509_get0_signature(&signature, NULL, bent);
    signature->data[signature->length - 1] ^= 1;
    bent_pem = certs_pem(bent);
    add(&reply.ca_chain, &arena, bent_pem);
    add(&reply.ca_chain, &arena, pki->root_pem);
    assert_true(vet(&vetting, &reply, &issued, &err));
    assert_int_equal(issued.chain_pem.count, 1);
    assert_memory_equal(issued.chain_pem.items[0], pki->middle_pem, strlen(pki->middle_pem));
    issued_free(&issued);
    arena_free(&arena);
    X509_free(bent);
    X509_free(leaf);
}

static void a_good_reply_passes_and_is_put_in_order(void **state)
{
    struct pki *pki = *state;
    const struct cert_order order = {.san = good_san};
    struct issued issued;
    struct err err;

    assert_true(vet_order_of(pki, &order, pki->key, NULL, &issued, &err));
    assert_int_equal(issued.chain_pem.count, 1);
    assert_int_equal(issued.ca_pem.count, 1);
    assert_memory_equal(issued.chain_pem.items[0], pki->middle_pem, strlen(pki->middle_pem));
    assert_memory_equal(issued.ca_pem.items[0], pki->root_pem, strlen(pki->root_pem));
    assert_int_equal(issued.leaf_pem[strlen(issued.leaf_pem) - 1], '\n');
    assert_string_equal(issued.leaf.issuer, "CN=middle");
    assert_int_equal(issued.leaf.serial[2], ':');
    assert_true(issued.key_pem.length > 0);
    issued_free(&issued);
}

static void a_common_name_may_stand_among_the_dns_names(void **state)
{
    struct pki *pki = *state;
    struct issued issued;
    struct err err;

    pki->request.names.common_name = "cn.example.com";
    assert_true(vet_order_of(
        pki,
        &(struct cert_order){.common_name = "cn.example.com",
                             .san = "DNS:cn.example.com,DNS:a.example.com,IP:2001:db8::7,"
                                    "URI:spiffe://example.org/a,email:ops@example.com"},
        pki->key, NULL, &issued, &err));
    issued_free(&issued);
}

static void what_differs_in_the_subject_is_noticed(void **state)
{
    static const struct {
        const char *wanted, *got, *says;
    } cases[] = {
        {NULL, NULL, ""},
        {"O=Example", "Example", ""},
        {NULL, "Example", "holds O=Example, which was not asked for"},
        {"O=Example", "Another", "holds O=Another, which was not asked for"},
        {"O=Example", NULL, "lacks O=Example"},
    };
    struct pki *pki = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct issued issued;
        struct err err;

        pki->request.names.subject = (struct text_list){0};
        if (cases[i].wanted != NULL)
            add(&pki->request.names.subject, &pki->arena, cases[i].wanted);
        assert_true(
            vet_order_of(pki, &(struct cert_order){.san = good_san, .organization = cases[i].got},
                         pki->key, NULL, &issued, &err));
        if (cases[i].says[0] == '\0')
            assert_string_equal(issued.odd_subject, "");
        else
            assert_non_null(strstr(issued.odd_subject, cases[i].says));
        issued_free(&issued);
    }
}

static void a_certificate_of_the_near_future_passes(void **state)
{
    struct pki *pki = *state;
    struct issued issued;
    struct err err;

    assert_true(vet_order_of(pki,
                             &(struct cert_order){.san = good_san, .from_s = 300, .to_s = 4000},
                             pki->key, NULL, &issued, &err));
    assert_true(issued.leaf.validity.not_before > clock_now_s());
    issued_free(&issued);
}

static void each_rule_refuses_what_breaks_it_alone(void **state)
{
    static const struct {
        const char *says;
        struct cert_order order;
        bool other_key;
        enum err_kind kind; /* refused is what the role gives */
    } cases[] = {
        {"another key than ours", {.san = good_san}, true, ERR_UNTRUSTED},
        {"spiffe://example.org/a is missing",
         {.san = "DNS:a.example.com,IP:2001:db8::7,email:ops@example.com"},
         false,
         ERR_REFUSED},
        {"a.example.com is missing",
         {.san = "IP:2001:db8::7,URI:spiffe://example.org/a,email:ops@example.com"},
         false,
         ERR_REFUSED},
        {"2001:db8::7 is missing",
         {.san = "DNS:a.example.com,URI:spiffe://example.org/a,email:ops@example.com"},
         false,
         ERR_REFUSED},
        {"ops@example.com is missing",
         {.san = "DNS:a.example.com,IP:2001:db8::7,URI:spiffe://example.org/a"},
         false,
         ERR_REFUSED},
        {"name evil.example, which",
         {.san = "DNS:evil.example,DNS:a.example.com,IP:2001:db8::7,URI:spiffe://example.org/a,"
                 "email:ops@example.com"},
         false,
         ERR_REFUSED},
        {"name 192.0.2.1, which",
         {.san = "IP:192.0.2.1,DNS:a.example.com,IP:2001:db8::7,URI:spiffe://example.org/a,"
                 "email:ops@example.com"},
         false,
         ERR_REFUSED},
        {"name of another kind, which",
         {.san = "otherName:1.2.3.4;UTF8:x,DNS:a.example.com,IP:2001:db8::7,"
                 "URI:spiffe://example.org/a,email:ops@example.com"},
         false,
         ERR_REFUSED},
        {"its common name", {.common_name = "evil.example", .san = good_san}, false, ERR_REFUSED},
        {"it ended at", {.san = good_san, .from_s = -7200, .to_s = -3600}, false, ERR_UNTRUSTED},
        {"it ended at", {.san = good_san, .from_s = -7200, .to_s = 3}, false, ERR_UNTRUSTED},
        {"more than a day from now",
         {.san = good_san, .from_s = 90000, .to_s = 99000},
         false,
         ERR_UNTRUSTED},
        {"it is a CA certificate",
         {.san = good_san, .is_ca = 1, .extended_usage = "serverAuth"},
         false,
         ERR_UNTRUSTED},
        {"lacks digitalSignature",
         {.san = good_san, .usage = "critical,keyEncipherment"},
         false,
         ERR_REFUSED},
        {"lacks serverAuth", {.san = good_san, .extended_usage = "clientAuth"}, false, ERR_REFUSED},
        {"lacks clientAuth", {.san = good_san, .extended_usage = "serverAuth"}, false, ERR_REFUSED},
    };
    struct pki *pki = *state;
    struct issued issued;
    struct err err;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        EVP_PKEY *other = certs_key(0);

        assert_false(vet_order_of(pki, &cases[i].order, cases[i].other_key ? other : pki->key, NULL,
                                  &issued, &err));
        assert_int_equal(err.kind, cases[i].kind);
        if (strstr(err.text, cases[i].says) == NULL)
            fail_msg("case %zu: %s", i, err.text);
        assert_null(issued.leaf_pem);
        assert_null(issued.key_pem.bytes);
        EVP_PKEY_free(other);
    }
}

static void a_weak_signature_is_refused(void **state)
{
    struct pki *pki = *state;
    struct cert_order order = {.san = good_san};
    struct issued issued;
    struct err err;

    order.digest = EVP_sha1();
    assert_false(vet_order_of(pki, &order, pki->key, NULL, &issued, &err));
    assert_non_null(strstr(err.text, "does not verify"));
}

static void a_key_of_another_type_is_refused(void **state)
{
    struct pki *pki = *state;
    struct issued issued;
    struct err err;

    pki->request.key_type = KEY_RSA_2048;
    assert_false(
        vet_order_of(pki, &(struct cert_order){.san = good_san}, pki->key, NULL, &issued, &err));
    assert_int_equal(err.kind, ERR_REFUSED);
    assert_non_null(strstr(err.text, "its key is not rsa-2048"));
}

static void the_certificate_that_is_published_already_is_refused(void **state)
{
    struct pki *pki = *state;
    const struct cert_order order = {.san = good_san};
    X509 *leaf = certs_make(&order, pki->key, pki->middle, pki->middle_key);
    char *leaf_pem = certs_pem(leaf);
    struct certificate_facts facts;
    struct vet_reply reply = {.certificate = leaf_pem, .issuing_ca = pki->middle_pem};
    struct vet_order vetting = {
        .request = &pki->request, .key = pki->key, .cache = pki->cache, .now_s = clock_now_s()};
    struct arena arena = {0};
    struct issued issued;
    struct err err;

    assert_true(certificate_read(leaf_pem, &arena, &facts, &err));
    assert_true(vet(&vetting, &reply, &issued, &err));
    issued_free(&issued);
    vetting.current_serial = facts.serial;
    assert_false(vet(&vetting, &reply, &issued, &err));
    assert_non_null(strstr(err.text, "published already"));
    arena_free(&arena);
    free(leaf_pem);
    X509_free(leaf);
}

/* -- the vetting: chains --------------------------------------------------------------------------
 */

struct chain_case {
    const char *says; /* NULL: passes */
    const char *certificate, *issuing_ca;
    const char *chain[34];
    const char *anchor; /* written into a file */
};

static void run_chain_case(struct pki *pki, const struct chain_case *chain_case)
{
    char anchor_path[] = "/tmp/leafd-unit-XXXXXX";
    struct vet_reply reply = {.certificate = chain_case->certificate,
                              .issuing_ca = chain_case->issuing_ca};
    struct vet_order vetting = {
        .request = &pki->request, .key = pki->key, .cache = pki->cache, .now_s = clock_now_s()};
    struct arena arena = {0};
    struct issued issued;
    struct err err;
    bool passed;
    int fd = mkstemp(anchor_path);

    assert_true(fd >= 0);
    if (chain_case->anchor != NULL) {
        assert_true(write(fd, chain_case->anchor, strlen(chain_case->anchor)) > 0);
        vetting.trust_anchor = anchor_path;
    }
    for (size_t i = 0; i < COUNT_OF(chain_case->chain) && chain_case->chain[i] != NULL; i++)
        add(&reply.ca_chain, &arena, chain_case->chain[i]);
    passed = vet(&vetting, &reply, &issued, &err);
    if (passed != (chain_case->says == NULL) ||
        (!passed && strstr(err.text, chain_case->says) == NULL))
        fail_msg("wanted: %s; got: %s", chain_case->says == NULL ? "to pass" : chain_case->says,
                 passed ? "passed" : err.text);
    if (passed)
        issued_free(&issued);
    arena_free(&arena);
    close(fd);
    unlink(anchor_path);
}

static void a_chain_is_believed_only_if_it_holds(void **state)
{
    struct pki *pki = *state;
    const struct cert_order order = {.san = good_san};
    const struct cert_order ca = {.common_name = "middle", .is_ca = 1};
    X509 *leaf = certs_make(&order, pki->key, pki->middle, pki->middle_key);
    EVP_PKEY *foreign_key = certs_key(0), *weak_key = certs_key(1024);
    X509 *foreign = certs_make(&ca, foreign_key, NULL, NULL);
    X509 *weak = certs_make(&ca, weak_key, pki->root, pki->root_key);
    X509 *weak_leaf = certs_make(&order, pki->key, weak, weak_key);
    char *leaf_pem = certs_pem(leaf), *foreign_pem = certs_pem(foreign);
    char *weak_pem = certs_pem(weak), *weak_leaf_pem = certs_pem(weak_leaf);
    char *both = malloc(2 * 4096), *huge = calloc(1, 100001);
    const struct chain_case cases[] = {
        {NULL, leaf_pem, pki->middle_pem, {pki->middle_pem, pki->root_pem}, NULL},
        {NULL, leaf_pem, pki->middle_pem, {NULL}, NULL},
        {NULL, leaf_pem, NULL, {pki->root_pem, pki->middle_pem}, NULL},
        {NULL, leaf_pem, pki->middle_pem, {pki->middle_pem}, pki->root_pem},
        {NULL, leaf_pem, pki->middle_pem, {NULL}, pki->middle_pem},
        {"no issuing CA came", leaf_pem, NULL, {NULL}, NULL},
        {"does not verify", leaf_pem, foreign_pem, {foreign_pem}, NULL},
        {"does not verify", leaf_pem, pki->root_pem, {pki->root_pem}, NULL},
        {"does not verify", leaf_pem, pki->middle_pem, {pki->root_pem}, foreign_pem},
        {"does not verify", weak_leaf_pem, weak_pem, {pki->root_pem}, NULL},
        {"no certificate in it", NULL, pki->middle_pem, {NULL}, NULL},
        {"cannot read a certificate", "", pki->middle_pem, {NULL}, NULL},
        {"cannot read a certificate",
         "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
         pki->middle_pem,
         {NULL},
         NULL},
        {"cannot read a certificate",
         leaf_pem,
         "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
         {NULL},
         NULL},
        {"2 certificates in place of one", both, pki->middle_pem, {NULL}, NULL},
        {"longer than", huge, pki->middle_pem, {NULL}, NULL},
    };

    snprintf(both, 2 * 4096, "%s\n%s\n", leaf_pem, pki->middle_pem);
    memset(huge, 'A', 100000);
    /* The second time all that can be known of the issuers is known. */
    for (size_t i = 0; i < 2 * COUNT_OF(cases); i++)
        run_chain_case(pki, &cases[i % COUNT_OF(cases)]);
    X509_free(leaf);
    X509_free(foreign);
    X509_free(weak);
    X509_free(weak_leaf);
    EVP_PKEY_free(foreign_key);
    EVP_PKEY_free(weak_key);
    free(leaf_pem);
    free(foreign_pem);
    free(weak_pem);
    free(weak_leaf_pem);
    free(both);
    free(huge);
}

/* A PKI whose issuers have been verified before: whatever differs is verified as ever. */
static void what_was_verified_once_vouches_for_nothing_else(void **state)
{
    struct pki *pki = *state;
    const struct cert_order order = {.san = good_san};
    const struct cert_order root = {.common_name = "root", .is_ca = 1, .to_s = 90000};
    const struct cert_order narrow = {.common_name = "narrow root",
                                      .is_ca = 1,
                                      .constraints = "critical,permitted;DNS:b.example.com"};
    const struct cert_order below = {.common_name = "below", .is_ca = 1};
    EVP_PKEY *other_key = certs_key(0);
    X509 *certificates[] = {
        certs_make(&order, pki->key, pki->middle, pki->middle_key),
        certs_make(&order, pki->key, pki->middle, other_key), /* not the middle's key */
        certs_make(&root, other_key, NULL, NULL),             /* not the root that signed it */
        certs_make(&narrow, pki->root_key, NULL, NULL),
        NULL,
        NULL,
        X509_dup(pki->middle), /* and then bent */
    };
    const ASN1_BIT_STRING *signature;
    char *pems[COUNT_OF(certificates)];

    certificates[4] = certs_make(&below, pki->middle_key, certificates[3], pki->root_key);
    certificates[5] = certs_make(&order, pki->key, certificates[4], pki->middle_key);
    X509_get0_signature(&signature, NULL, certificates[6]);
    signature->data[signature->length - 1] ^= 1;
    for (size_t i = 0; i < COUNT_OF(certificates); i++)
        pems[i] = certs_pem(certificates[i]);
    for (int i = 0; i < 3; i++) {
        const struct chain_case cases[] = {
            {NULL, pems[0], pki->middle_pem, {pki->root_pem}, NULL},
            {"signature failure", pems[1], pki->middle_pem, {pki->root_pem}, NULL},
            {"signature failure", pems[0], pems[6], {pki->root_pem}, pki->root_pem},
            {"does not verify", pems[0], pki->middle_pem, {pki->root_pem}, pems[2]},
            {"permitted subtree violation", pems[5], pems[4], {pems[3]}, NULL},
        };

        for (size_t k = 0; k < COUNT_OF(cases); k++)
            run_chain_case(pki, &cases[k]);
    }
    for (size_t i = 0; i < COUNT_OF(certificates); i++) {
        X509_free(certificates[i]);
        free(pems[i]);
    }
    EVP_PKEY_free(other_key);
}

/* At a moment when the root has ended, and one at which all is as it was. */
static void what_was_verified_once_holds_while_its_dates_do(void **state)
{
    struct pki *pki = *state;
    const struct cert_order order = {.san = good_san, .to_s = 200000};
    struct issued issued;
    struct err err;

    for (int i = 0; i < 3; i++) {
        assert_true(vet_order_of(pki, &order, pki->key, NULL, &issued, &err));
        issued_free(&issued);
        pki->later_s = 100000;
        assert_false(vet_order_of(pki, &order, pki->key, NULL, &issued, &err));
        assert_non_null(strstr(err.text, "has expired"));
        pki->later_s = 0;
    }
}

/* What Vault sends of a root that was issued anew with its key, or that another root signed. */
static void roots_are_trusted_and_what_they_signed_of_one_another_only_without_one(void **state)
{
    struct pki *pki = *state;
    const struct cert_order order = {.san = good_san};
    const struct cert_order root = {.common_name = "root", .is_ca = 1, .to_s = 99000};
    const struct cert_order old = {.common_name = "old root", .is_ca = 1, .to_s = 80000};
    EVP_PKEY *old_key = certs_key(0);
    X509 *leaf = certs_make(&order, pki->key, pki->middle, pki->middle_key);
    X509 *again = certs_make(&root, pki->root_key, NULL, NULL);
    X509 *other = certs_make(&old, old_key, NULL, NULL);
    X509 *crossed = certs_make(&root, pki->root_key, other, old_key);
    X509 *crossed_back = certs_make(&old, old_key, pki->root, pki->root_key);
    CLEANUP(free_memory) char *leaf_pem = certs_pem(leaf);
    CLEANUP(free_memory) char *again_pem = certs_pem(again);
    CLEANUP(free_memory) char *other_pem = certs_pem(other);
    CLEANUP(free_memory) char *crossed_pem = certs_pem(crossed);
    CLEANUP(free_memory) char *crossed_back_pem = certs_pem(crossed_back);
    const struct {
        const char *chain[5];
        size_t trusted, sent;
    } cases[] = {
        {{pki->middle_pem, pki->root_pem, again_pem}, 2, 1},
        {{pki->middle_pem, pki->root_pem, crossed_pem, other_pem}, 2, 2},
        {{pki->middle_pem, pki->root_pem, crossed_pem}, 1, 2},
        {{pki->middle_pem, crossed_pem, pki->root_pem}, 1, 2},
        {{pki->middle_pem, crossed_pem}, 1, 2},
        {{pki->middle_pem, crossed_pem, other_pem}, 1, 2},
        {{pki->middle_pem, crossed_pem, crossed_back_pem}, 3, 3},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct arena arena = {0};
        struct vet_reply reply = {.certificate = leaf_pem, .issuing_ca = pki->middle_pem};
        const struct vet_order vetting = {
            .request = &pki->request, .key = pki->key, .cache = pki->cache, .now_s = clock_now_s()};
        struct issued issued;
        struct err err = {0};

        for (size_t j = 0; cases[i].chain[j] != NULL; j++)
            add(&reply.ca_chain, &arena, cases[i].chain[j]);
        if (!vet(&vetting, &reply, &issued, &err))
            fail_msg("case %zu: %s", i, err.text);
        assert_int_equal(issued.ca_pem.count, cases[i].trusted);
        assert_int_equal(issued.chain_pem.count, cases[i].sent);
        issued_free(&issued);
        arena_free(&arena);
    }
    EVP_PKEY_free(old_key);
    X509_free(leaf);
    X509_free(again);
    X509_free(other);
    X509_free(crossed);
    X509_free(crossed_back);
}

static void a_chain_of_too_many_certificates_is_refused(void **state)
{
    struct pki *pki = *state;
    const struct cert_order order = {.san = good_san};
    X509 *leaf = certs_make(&order, pki->key, pki->middle, pki->middle_key);
    char *leaf_pem = certs_pem(leaf);
    struct chain_case chain_case = {
        .says = "more than 32", .certificate = leaf_pem, .issuing_ca = pki->middle_pem};
    char *pems[33];

    for (size_t i = 0; i < COUNT_OF(pems); i++) {
        X509 *other = certs_make(&(struct cert_order){.common_name = "x", .is_ca = 1},
                                 pki->root_key, NULL, NULL);

        pems[i] = certs_pem(other);
        chain_case.chain[i] = pems[i];
        X509_free(other);
    }
    run_chain_case(pki, &chain_case);
    for (size_t i = 0; i < COUNT_OF(pems); i++)
        free(pems[i]);
    free(leaf_pem);
    X509_free(leaf);
}

/* -- the vetting: which paths hold ----------------------------------------------------------------
 */

/* A CA that has several certificates of one name and key, and those above it. */
enum cast_name {
    ROOT_A, /* expired */
    ROOT_B,
    ROOT_C,     /* ends before the leaf does */
    BY_A,       /* the issuing CA, by root A ... */
    BY_B,       /* ... and by root B */
    BY_C,       /* ... and by root C */
    BY_B_BRIEF, /* ends before the leaf does */
    BY_B_EXPIRED,
    BY_B_FOR_CLIENTS, /* its extended key usage is clientAuth */
    BY_B_SHA1,
    ROOT_B_BY_A, /* root B, signed by the root of before */
    ROOT_B_SHA1, /* root B, by itself with SHA-1 */
    STRANGER,    /* another root */
    BY_STRANGER, /* another CA below it */
    CAST_COUNT,
    NO /* ends a list */
};

struct cast {
    EVP_PKEY *keys[4];
    X509 *certificates[CAST_COUNT];
    char *pems[CAST_COUNT];
    char *leaf_pem;
};

enum cast_key { KEY_A, KEY_B, KEY_ISSUING, KEY_STRANGER };

static void cast_one(struct cast *cast, enum cast_name name, const struct cert_order *order,
                     enum cast_key key, enum cast_name issuer, enum cast_key issuer_key)
{
    struct cert_order full = *order;

    full.is_ca = 1;
    if (full.from_s == 0)
        full.from_s = -7200;
    if (full.to_s == 0)
        full.to_s = 90000;
    cast->certificates[name] =
        certs_make(&full, cast->keys[key], issuer == NO ? NULL : cast->certificates[issuer],
                   cast->keys[issuer_key]);
    cast->pems[name] = certs_pem(cast->certificates[name]);
}

static void make_cast(struct cast *cast, EVP_PKEY *leaf_key)
{
    const struct cert_order leaf = {.san = good_san}, a = {.common_name = "root A", .to_s = -60},
                            b = {.common_name = "root B"},
                            c = {.common_name = "root C", .to_s = 1800};
    const struct cert_order ca = {.common_name = "issuing"};
    struct cert_order other;
    X509 *made;

    for (size_t i = 0; i < COUNT_OF(cast->keys); i++)
        cast->keys[i] = certs_key(0);
    cast_one(cast, ROOT_A, &a, KEY_A, NO, KEY_A);
    cast_one(cast, ROOT_B, &b, KEY_B, NO, KEY_B);
    cast_one(cast, ROOT_C, &c, KEY_STRANGER, NO, KEY_STRANGER);
    cast_one(cast, BY_A, &ca, KEY_ISSUING, ROOT_A, KEY_A);
    cast_one(cast, BY_B, &ca, KEY_ISSUING, ROOT_B, KEY_B);
    cast_one(cast, BY_C, &ca, KEY_ISSUING, ROOT_C, KEY_STRANGER);
    other = (struct cert_order){.common_name = "issuing", .to_s = 900};
    cast_one(cast, BY_B_BRIEF, &other, KEY_ISSUING, ROOT_B, KEY_B);
    other.to_s = -30;
    cast_one(cast, BY_B_EXPIRED, &other, KEY_ISSUING, ROOT_B, KEY_B);
    other = (struct cert_order){.common_name = "issuing", .extended_usage = "clientAuth"};
    cast_one(cast, BY_B_FOR_CLIENTS, &other, KEY_ISSUING, ROOT_B, KEY_B);
    other = (struct cert_order){.common_name = "issuing", .digest = EVP_sha1()};
    cast_one(cast, BY_B_SHA1, &other, KEY_ISSUING, ROOT_B, KEY_B);
    cast_one(cast, ROOT_B_BY_A, &b, KEY_B, ROOT_A, KEY_A);
    other = (struct cert_order){.common_name = "root B", .digest = EVP_sha1()};
    cast_one(cast, ROOT_B_SHA1, &other, KEY_B, NO, KEY_B);
    other = (struct cert_order){.common_name = "stranger"};
    cast_one(cast, STRANGER, &other, KEY_STRANGER, NO, KEY_STRANGER);
    other.common_name = "below a stranger";
    cast_one(cast, BY_STRANGER, &other, KEY_A, STRANGER, KEY_STRANGER);
    made = certs_make(&leaf, leaf_key, cast->certificates[BY_B], cast->keys[KEY_ISSUING]);
    cast->leaf_pem = certs_pem(made);
    X509_free(made);
}

static void free_cast(struct cast *cast)
{
    for (size_t i = 0; i < COUNT_OF(cast->keys); i++)
        EVP_PKEY_free(cast->keys[i]);
    for (size_t i = 0; i < CAST_COUNT; i++) {
        X509_free(cast->certificates[i]);
        free(cast->pems[i]);
    }
    free(cast->leaf_pem);
}

struct path_case {
    const char *says; /* NULL: passes */
    enum cast_name sent[6], anchor;
    unsigned usage;
    enum cast_name chain[4], ca[4]; /* what is published */
    long end_s;                     /* from now */
};

static bool vet_path_case(struct pki *pki, const struct cast *cast,
                          const struct path_case *path_case, struct issued *issued, struct err *err)
{
    char anchor_path[] = "/tmp/leafd-unit-XXXXXX";
    struct vet_reply reply = {.certificate = cast->leaf_pem};
    struct vet_order order = {
        .request = &pki->request, .key = pki->key, .cache = pki->cache, .now_s = clock_now_s()};
    struct arena arena = {0};
    bool passed;
    int fd = mkstemp(anchor_path);

    assert_true(fd >= 0);
    if (path_case->anchor != NO) {
        const char *pem = cast->pems[path_case->anchor];

        assert_true(write(fd, pem, strlen(pem)) > 0);
        order.trust_anchor = anchor_path;
    }
    pki->request.usage = path_case->usage;
    for (size_t i = 0; path_case->sent[i] != NO; i++)
        add(&reply.ca_chain, &arena, cast->pems[path_case->sent[i]]);
    passed = vet(&order, &reply, issued, err);
    arena_free(&arena);
    close(fd);
    unlink(anchor_path);
    return passed;
}

static void check_list(size_t number, const char *what, const struct text_list *list,
                       const struct cast *cast, const enum cast_name *names)
{
    size_t count = 0;

    while (names[count] != NO)
        count++;
    if (list->count != count)
        fail_msg("case %zu: %s holds %zu certificates, not %zu", number, what, list->count, count);
    for (size_t i = 0; i < count; i++)
        if (strncmp(list->items[i], cast->pems[names[i]], strlen(cast->pems[names[i]])) != 0)
            fail_msg("case %zu: certificate %zu of %s is another one", number, i, what);
}

static void any_path_that_holds_is_good_and_only_what_lies_on_one_is_published(void **state)
{
    enum { SERVER = USAGE_SERVER, CLIENT = USAGE_CLIENT };
    static const struct path_case cases[] = {
        /* A chain that Vault was told (manual_chain), with an old root and its successor. */
        {NULL, {BY_A, BY_B, ROOT_A, ROOT_B, NO}, NO, 0, {BY_B, NO}, {ROOT_B, NO}, 3600},
        {NULL, {BY_A, BY_B, ROOT_A, ROOT_B, NO}, ROOT_B, 0, {BY_B, NO}, {ROOT_B, NO}, 3600},
        {"has expired", {BY_A, BY_B, ROOT_A, ROOT_B, NO}, ROOT_A, 0, {0}, {0}, 0},
        /* The old root has cross-signed the new one. */
        {NULL, {BY_B, ROOT_B_BY_A, ROOT_A, ROOT_B, NO}, NO, 0, {BY_B, NO}, {ROOT_B, NO}, 3600},
        {NULL, {BY_B, ROOT_B_BY_A, ROOT_A, NO}, ROOT_B, 0, {BY_B, NO}, {ROOT_B, NO}, 3600},
        {NULL, {BY_B_EXPIRED, BY_B, ROOT_B, NO}, NO, 0, {BY_B, NO}, {ROOT_B, NO}, 3600},
        /* What has nothing to do with our leaf. */
        {NULL, {STRANGER, BY_STRANGER, BY_B, ROOT_B, NO}, NO, 0, {BY_B, NO}, {ROOT_B, NO}, 3600},
        {NULL, {BY_STRANGER, BY_B, NO}, NO, 0, {BY_B, NO}, {BY_B, NO}, 3600},
        /* No path at all. */
        {"has expired", {BY_A, ROOT_A, NO}, NO, 0, {0}, {0}, 0},
        {"has expired", {BY_B_EXPIRED, ROOT_B, NO}, NO, 0, {0}, {0}, 0},
        {"does not verify", {BY_STRANGER, STRANGER, NO}, NO, 0, {0}, {0}, 0},
        {"does not verify", {BY_B, ROOT_B, NO}, STRANGER, 0, {0}, {0}, 0},
        /* The first to end on a path counts; of several paths the one that ends last. */
        {NULL, {BY_B_BRIEF, ROOT_B, NO}, NO, 0, {BY_B_BRIEF, NO}, {ROOT_B, NO}, 900},
        {NULL, {BY_C, ROOT_C, NO}, NO, 0, {BY_C, NO}, {ROOT_C, NO}, 1800},
        {NULL,
         {BY_C, ROOT_C, BY_B, ROOT_B, NO},
         NO,
         0,
         {BY_B, BY_C, NO},
         {ROOT_B, ROOT_C, NO},
         3600},
        {NULL, {BY_C, ROOT_C, BY_B, ROOT_B, NO}, ROOT_C, 0, {BY_C, BY_B, NO}, {ROOT_C, NO}, 1800},
        /* What a CA may certify for. */
        {"does not permit", {BY_B_FOR_CLIENTS, ROOT_B, NO}, NO, SERVER, {0}, {0}, 0},
        {"does not permit", {BY_B_FOR_CLIENTS, ROOT_B, NO}, NO, SERVER | CLIENT, {0}, {0}, 0},
        {NULL,
         {BY_B_FOR_CLIENTS, ROOT_B, NO},
         NO,
         CLIENT,
         {BY_B_FOR_CLIENTS, NO},
         {ROOT_B, NO},
         3600},
        {NULL, {BY_B_FOR_CLIENTS, ROOT_B, NO}, NO, 0, {BY_B_FOR_CLIENTS, NO}, {ROOT_B, NO}, 3600},
        {NULL, {BY_B_FOR_CLIENTS, BY_B, ROOT_B, NO}, NO, SERVER, {BY_B, NO}, {ROOT_B, NO}, 3600},
        /* SHA-1 counts for nothing, but a root's own signature says nothing. */
        {"does not verify", {BY_B_SHA1, ROOT_B, NO}, NO, 0, {0}, {0}, 0},
        {"does not verify", {BY_B_SHA1, NO}, NO, 0, {0}, {0}, 0},
        {NULL, {BY_B_SHA1, NO}, BY_B_SHA1, 0, {BY_B_SHA1, NO}, {BY_B_SHA1, NO}, 3600},
        {NULL, {BY_B, ROOT_B_SHA1, NO}, NO, 0, {BY_B, NO}, {ROOT_B_SHA1, NO}, 3600},
    };
    struct pki *pki = *state;
    struct cast cast = {0};
    uint64_t now_s = clock_now_s();

    make_cast(&cast, pki->key);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct issued issued;
        struct err err = {0};
        bool passed = vet_path_case(pki, &cast, &cases[i], &issued, &err);

        if (passed != (cases[i].says == NULL) ||
            (!passed && strstr(err.text, cases[i].says) == NULL))
            fail_msg("case %zu: wanted %s; got: %s", i,
                     cases[i].says == NULL ? "to pass" : cases[i].says,
                     passed ? "passed" : err.text);
        if (!passed)
            continue;
        check_list(i, "chain", &issued.chain_pem, &cast, cases[i].chain);
        check_list(i, "ca", &issued.ca_pem, &cast, cases[i].ca);
        assert_in_range(issued.end_s, now_s + (uint64_t)cases[i].end_s - 5,
                        clock_now_s() + (uint64_t)cases[i].end_s + 5);
        issued_free(&issued);
    }
    free_cast(&cast);
}

/* Thirty issues of two roots that have signed each other: more ways than anybody could go. */
static void a_search_that_a_reply_makes_endless_ends(void **state)
{
    struct pki *pki = *state;
    const struct cert_order leaf = {.san = good_san};
    EVP_PKEY *keys[] = {certs_key(0), certs_key(0)};
    const struct cert_order orders[] = {
        {.common_name = "one", .is_ca = 1, .to_s = 90000},
        {.common_name = "two", .is_ca = 1, .to_s = 90000},
    };
    X509 *roots[] = {certs_make(&orders[0], keys[0], NULL, NULL),
                     certs_make(&orders[1], keys[1], NULL, NULL)};
    X509 *made = certs_make(&leaf, pki->key, roots[0], keys[0]);
    CLEANUP(free_memory) char *leaf_pem = certs_pem(made);
    struct chain_case chain_case = {.certificate = leaf_pem};
    char *pems[30];

    for (size_t i = 0; i < COUNT_OF(pems); i++) {
        X509 *crossed = certs_make(&orders[i % 2], keys[i % 2], roots[1 - i % 2], keys[1 - i % 2]);

        chain_case.chain[i] = pems[i] = certs_pem(crossed);
        X509_free(crossed);
    }
    run_chain_case(pki, &chain_case);
    chain_case.anchor = pki->root_pem;
    chain_case.says = "more than 8";
    run_chain_case(pki, &chain_case);
    for (size_t i = 0; i < COUNT_OF(pems); i++)
        free(pems[i]);
    for (size_t i = 0; i < 2; i++) {
        EVP_PKEY_free(keys[i]);
        X509_free(roots[i]);
    }
    X509_free(made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_type_is_made_written_and_read),
        cmocka_unit_test(an_ec_key_is_written_as_libcrypto_writes_it),
        cmocka_unit_test(what_is_no_plain_key_is_refused),
        cmocka_unit_test(nobody_is_asked_for_a_password),
        cmocka_unit_test(the_cache_knows_a_certificate_by_its_whole_text),
        cmocka_unit_test(an_entry_that_takes_a_hold_back_revokes_nothing),
        cmocka_unit_test(a_csr_carries_every_name),
#define VET_TEST(name) cmocka_unit_test_setup_teardown(name, make_pki, free_pki)
        VET_TEST(a_good_reply_passes_and_is_put_in_order),
        VET_TEST(what_its_issuer_did_not_sign_is_not_sent_to_peers),
        VET_TEST(a_leaf_among_its_issuers_does_not_count),
        VET_TEST(a_common_name_may_stand_among_the_dns_names),
        VET_TEST(a_certificate_of_the_near_future_passes),
        VET_TEST(what_differs_in_the_subject_is_noticed),
        VET_TEST(each_rule_refuses_what_breaks_it_alone),
        VET_TEST(a_weak_signature_is_refused),
        VET_TEST(a_key_of_another_type_is_refused),
        VET_TEST(the_certificate_that_is_published_already_is_refused),
        VET_TEST(a_chain_is_believed_only_if_it_holds),
        VET_TEST(what_was_verified_once_vouches_for_nothing_else),
        VET_TEST(what_was_verified_once_holds_while_its_dates_do),
        VET_TEST(roots_are_trusted_and_what_they_signed_of_one_another_only_without_one),
        VET_TEST(a_chain_of_too_many_certificates_is_refused),
        VET_TEST(any_path_that_holds_is_good_and_only_what_lies_on_one_is_published),
        VET_TEST(a_search_that_a_reply_makes_endless_ends),
    };

    return cmocka_run_group_tests(tests, NULL, free_made);
}
