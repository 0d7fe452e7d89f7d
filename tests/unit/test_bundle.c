/* What a CA says of its issuers, as far as it ends at a trust anchor. */
#include "unit.h"

#include "certs.h"

#include "base/clock.h"
#include "pki/bundle.h"
#include "pki/chain.h"
#include "plan/ca_news.h"

#include <openssl/pem.h>

#include <stdlib.h>
#include <unistd.h>

enum { ROOT, MIDDLE, OTHER_ROOT, OTHER_MIDDLE, CROSS, EXPIRED, LEAF, OLD_ROOT, COUNT };

struct authority {
    EVP_PKEY *key;
    X509 *certificate;
    char *pem;
};

struct fixture {
    struct authority all[COUNT];
    char anchor[64];
};

static void make(struct authority *authority, const struct cert_order *order, EVP_PKEY *key,
                 const struct authority *issuer)
{
    authority->key = key == NULL ? certs_key(0) : key;
    if (key != NULL)
        EVP_PKEY_up_ref(key);
    authority->certificate =
        certs_make(order, authority->key, issuer == NULL ? NULL : issuer->certificate,
                   issuer == NULL ? NULL : issuer->key);
    authority->pem = certs_pem(authority->certificate);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct authority *all = fixture->all;
    int fd;

    make(&all[ROOT], &(struct cert_order){.common_name = "root", .is_ca = 1, .to_s = 90000}, NULL,
         NULL);
    make(&all[MIDDLE], &(struct cert_order){.common_name = "middle", .is_ca = 1, .to_s = 5000},
         NULL, &all[ROOT]);
    make(&all[OTHER_ROOT], &(struct cert_order){.common_name = "other", .is_ca = 1, .to_s = 90000},
         NULL, NULL);
    make(&all[OTHER_MIDDLE],
         &(struct cert_order){.common_name = "other middle", .is_ca = 1, .to_s = 7000}, NULL,
         &all[OTHER_ROOT]);
    /* The root vouches for the key of the other one. */
    make(&all[CROSS], &(struct cert_order){.common_name = "other", .is_ca = 1, .to_s = 6000},
         all[OTHER_ROOT].key, &all[ROOT]);
    make(&all[EXPIRED],
         &(struct cert_order){.common_name = "expired", .is_ca = 1, .from_s = -90, .to_s = -30},
         NULL, &all[ROOT]);
    make(&all[LEAF], &(struct cert_order){.common_name = "leaf"}, NULL, &all[ROOT]);
    make(&all[OLD_ROOT],
         &(struct cert_order){.common_name = "old", .is_ca = 1, .from_s = -90, .to_s = -30}, NULL,
         NULL);
    strcpy(fixture->anchor, "/tmp/leafd-bundle-XXXXXX");
    fd = mkstemp(fixture->anchor);
    *state = fixture;
    return fd < 0 || close(fd) != 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT; i++) {
        EVP_PKEY_free(fixture->all[i].key);
        X509_free(fixture->all[i].certificate);
        free(fixture->all[i].pem);
    }
    unlink(fixture->anchor);
    free(fixture);
    return 0;
}

/* The certificates of `numbers` one after the other, as PEM; ends at a negative one. */
static const char *join(const struct fixture *fixture, struct arena *arena, const int *numbers)
{
    const char *text = "";

    for (; *numbers >= 0; numbers++)
        text = arena_format(arena, "%s%s\n", text, fixture->all[*numbers].pem);
    return text;
}

/* Whether the list holds exactly these certificates. */
static void assert_holds(const struct fixture *fixture, const struct text_list *list,
                         const int *numbers)
{
    STACK_OF(X509) *listed = sk_X509_new_null();
    struct err err;
    size_t count = 0;

    assert_true(chain_parse_all(list, listed, &err));
    for (; *numbers >= 0; numbers++, count++)
        assert_int_equal(
            X509_cmp(sk_X509_value(listed, (int)count), fixture->all[*numbers].certificate), 0);
    assert_int_equal(list->count, count);
    sk_X509_pop_free(listed, X509_free);
}

enum { ITEMS = 5 };

static const struct bundle_case {
    const char *what;
    int anchors[ITEMS];
    int issuers[ITEMS][ITEMS];
    int held[ITEMS]; /* {-1}: nothing, and the failure is of class `kind` */
    int first;
    enum err_kind kind;
    const char *says; /* of the failure, or of who is left out; NULL: nobody is */
} cases[] = {
    {"a path to the anchor",
     {ROOT, -1},
     {{MIDDLE, ROOT, -1}, {-1}},
     {ROOT, MIDDLE, -1},
     MIDDLE,
     ERR_NONE,
     NULL},
    {"a chain without its root",
     {ROOT, -1},
     {{MIDDLE, -1}, {-1}},
     {ROOT, MIDDLE, -1},
     MIDDLE,
     ERR_NONE,
     NULL},
    {"a foreign issuer is left out, wherever it stands",
     {ROOT, -1},
     {{OTHER_MIDDLE, OTHER_ROOT, -1}, {MIDDLE, -1}, {-1}},
     {ROOT, MIDDLE, -1},
     MIDDLE,
     ERR_NONE,
     "CN=other middle"},
    {"nobody but foreign ones",
     {ROOT, -1},
     {{OTHER_MIDDLE, OTHER_ROOT, -1}, {-1}},
     {-1},
     0,
     ERR_UNTRUSTED,
     "CN=other middle"},
    {"the anchor itself", {ROOT, -1}, {{ROOT, -1}, {-1}}, {ROOT, -1}, ROOT, ERR_NONE, NULL},
    {"an anchor that is no root",
     {MIDDLE, -1},
     {{MIDDLE, ROOT, -1}, {-1}},
     {MIDDLE, -1},
     MIDDLE,
     ERR_NONE,
     NULL},
    {"a root that another one has vouched for: its key, not itself",
     {ROOT, -1},
     {{OTHER_MIDDLE, CROSS, OTHER_ROOT, -1}, {-1}},
     {ROOT, OTHER_MIDDLE, CROSS, -1},
     OTHER_MIDDLE,
     ERR_NONE,
     NULL},
    {"two anchors",
     {ROOT, OTHER_ROOT, -1},
     {{MIDDLE, -1}, {OTHER_MIDDLE, -1}, {-1}},
     {ROOT, OTHER_ROOT, MIDDLE, OTHER_MIDDLE, -1},
     MIDDLE,
     ERR_NONE,
     NULL},
    {"what has ended",
     {ROOT, OLD_ROOT, -1},
     {{EXPIRED, -1}, {MIDDLE, -1}, {-1}},
     {ROOT, MIDDLE, -1},
     MIDDLE,
     ERR_NONE,
     "not valid now"},
    {"a leaf is no issuer",
     {ROOT, -1},
     {{LEAF, -1}, {-1}},
     {-1},
     0,
     ERR_UNTRUSTED,
     "no CA certificate"},
    {"nobody", {ROOT, -1}, {{-1}}, {-1}, 0, ERR_UNTRUSTED, "named no issuer"},
};

static void only_what_ends_at_an_anchor_is_believed(void **state)
{
    const struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct bundle_case *at = &cases[i];
        const struct bundle_order order = {.trust_anchor = fixture->anchor, .now_s = clock_now_s()};
        FILE *file = fopen(fixture->anchor, "w");
        struct text_list issuers = {0};
        struct issued issued = {0};
        struct arena arena = {0};
        struct err err = {0};
        bool passed;

        assert_non_null(file);
        fputs(join(fixture, &arena, at->anchors), file);
        assert_int_equal(fclose(file), 0);
        for (size_t k = 0; at->issuers[k][0] >= 0; k++) {
            const char *text = join(fixture, &arena, at->issuers[k]);

            assert_true(text_list_add(&issuers, &arena, text, strlen(text)));
        }
        passed = bundle_vet(&order, &issuers, &issued, &err);
        if (passed != (at->kind == ERR_NONE))
            fail_msg("%s: %s", at->what, err.text);
        if (passed) {
            struct validity validity;

            assert_holds(fixture, &issued.ca_pem, at->held);
            assert_true(certificate_validity(fixture->all[at->first].certificate, &validity));
            assert_int_equal(issued.leaf.validity.not_after, validity.not_after);
            assert_in_range(issued.end_s, 1, validity.not_after);
            assert_int_equal(issued.chain_pem.count, 0);
            assert_int_equal(issued.key_pem.length, 0);
            if (at->says == NULL)
                assert_string_equal(issued.left_out, "");
            else
                assert_non_null(strstr(issued.left_out, at->says));
        } else {
            assert_int_equal(err.kind, at->kind);
            assert_non_null(strstr(err.text, at->says));
            assert_null(issued.leaf_pem);
        }
        issued_free(&issued);
        arena_free(&arena);
    }
}

static void an_anchor_that_cannot_be_read_is_this_machines_fault(void **state)
{
    const struct bundle_order order = {.trust_anchor = "/nowhere/root.pem", .now_s = clock_now_s()};
    const struct text_list issuers = {0};
    struct issued issued = {0};
    struct err err = {0};

    (void)state;
    assert_false(bundle_vet(&order, &issuers, &issued, &err));
    assert_int_equal(err.kind, ERR_LOCAL);
    assert_non_null(strstr(err.text, "trust_anchor"));
}

/* -- revocation lists -----------------------------------------------------------------------------
 */

/* A list in the name of `issuer`, signed by `signer`, from and to so many seconds from now. */
static const char *list_pem(struct arena *arena, const struct authority *issuer,
                            const struct authority *signer, long from_s, long to_s)
{
    X509_CRL *list = X509_CRL_new();
    ASN1_TIME *from = ASN1_TIME_set(NULL, time(NULL) + from_s);
    ASN1_TIME *to = ASN1_TIME_set(NULL, time(NULL) + to_s);
    BIO *bio = BIO_new(BIO_s_mem());
    const char *pem;
    char *text;
    long length;

    assert_int_equal(X509_CRL_set_version(list, X509_CRL_VERSION_2), 1);
    X509_CRL_set_issuer_name(list, X509_get_subject_name(issuer->certificate));
    X509_CRL_set1_lastUpdate(list, from);
    X509_CRL_set1_nextUpdate(list, to);
    assert_true(X509_CRL_sign(list, signer->key, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_X509_CRL(bio, list), 1);
    length = BIO_get_mem_data(bio, &text);
    pem = arena_copy_part(arena, text, (size_t)length);
    BIO_free(bio);
    ASN1_TIME_free(from);
    ASN1_TIME_free(to);
    X509_CRL_free(list);
    return pem;
}

static void a_set_of_lists_is_complete_or_it_is_none(void **state)
{
    const struct fixture *fixture = *state;
    const struct authority *all = fixture->all;
    static const struct {
        const char *what;
        struct {
            int issuer, signer;
            long from_s, to_s;
        } given[4]; /* ends where to_s is 0 */
        enum err_kind kind;
        size_t count;
        long end_s;       /* from now */
        const char *says; /* of the failure, or of left_out */
    } rows[] = {
        {"one of each", {{ROOT, ROOT, -5, 500}, {MIDDLE, MIDDLE, -5, 300}}, ERR_NONE, 2, 300, ""},
        {"none of the root", {{MIDDLE, MIDDLE, -5, 300}}, ERR_REFUSED, 0, 0, "list of CN=root"},
        {"a forged one",
         {{ROOT, OTHER_ROOT, -5, 500}, {MIDDLE, MIDDLE, -5, 300}},
         ERR_REFUSED,
         0,
         0,
         "list of CN=root"},
        {"one that has ended",
         {{ROOT, ROOT, -50, -5}, {MIDDLE, MIDDLE, -5, 300}},
         ERR_REFUSED,
         0,
         0,
         "has ended at"},
        {"one of a clock that is ahead",
         {{ROOT, ROOT, 60, 500}, {MIDDLE, MIDDLE, -5, 300}},
         ERR_REFUSED,
         0,
         0,
         "begins at"},
        {"the latest one",
         {{ROOT, ROOT, -50, 900}, {ROOT, ROOT, -5, 500}, {MIDDLE, MIDDLE, -5, 600}},
         ERR_NONE,
         2,
         500,
         ""},
        {"those of others as well",
         {{ROOT, ROOT, -5, 500},
          {MIDDLE, MIDDLE, -5, 600},
          {OTHER_MIDDLE, OTHER_MIDDLE, -5, 400},
          {OTHER_ROOT, OTHER_ROOT, -5, 450}},
         ERR_NONE,
         4,
         400,
         ""},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct text_list lists = {0}, issuers = {0};
        const bool has_others = rows[i].given[3].to_s != 0;
        const int middle[] = {MIDDLE, -1}, other[] = {OTHER_MIDDLE, -1};
        const int anchors[] = {ROOT, has_others ? OTHER_ROOT : -1, -1};
        const struct bundle_order order = {
            .trust_anchor = fixture->anchor, .now_s = clock_now_s(), .lists = &lists};
        FILE *file = fopen(fixture->anchor, "w");
        struct issued issued = {0};
        struct arena arena = {0};
        struct err err = {0};
        bool passed;

        assert_non_null(file);
        fputs(join(fixture, &arena, anchors), file);
        assert_int_equal(fclose(file), 0);
        text_list_add(&issuers, &arena, join(fixture, &arena, middle),
                      strlen(join(fixture, &arena, middle)));
        if (has_others)
            text_list_add(&issuers, &arena, join(fixture, &arena, other),
                          strlen(join(fixture, &arena, other)));
        for (size_t k = 0; k < 4 && rows[i].given[k].to_s != 0; k++) {
            const char *pem =
                list_pem(&arena, &all[rows[i].given[k].issuer], &all[rows[i].given[k].signer],
                         rows[i].given[k].from_s, rows[i].given[k].to_s);

            text_list_add(&lists, &arena, pem, strlen(pem));
        }
        passed = bundle_vet(&order, &issuers, &issued, &err);
        if (passed != (rows[i].kind == ERR_NONE))
            fail_msg("%s: %s", rows[i].what, err.text);
        if (passed) {
            assert_int_equal(issued.crl_pem.count, rows[i].count);
            assert_in_range(issued.end_s, order.now_s + (uint64_t)rows[i].end_s - 1,
                            order.now_s + (uint64_t)rows[i].end_s + 1);
            assert_string_equal(issued.left_out, rows[i].says);
        } else {
            assert_int_equal(err.kind, rows[i].kind);
            assert_non_null(strstr(err.text, rows[i].says));
        }
        issued_free(&issued);
        arena_free(&arena);
    }
}

static void an_issuer_that_is_not_the_first_may_lack_a_list(void **state)
{
    const struct fixture *fixture = *state;
    const int middle[] = {MIDDLE, -1}, other[] = {OTHER_MIDDLE, -1},
              both[] = {ROOT, OTHER_ROOT, -1};
    struct text_list lists = {0}, issuers = {0};
    const struct bundle_order order = {
        .trust_anchor = fixture->anchor, .now_s = clock_now_s(), .lists = &lists};
    FILE *file = fopen(fixture->anchor, "w");
    struct issued issued = {0};
    struct arena arena = {0};
    struct err err = {0};
    const char *pems[] = {list_pem(&arena, &fixture->all[ROOT], &fixture->all[ROOT], -5, 500),
                          list_pem(&arena, &fixture->all[MIDDLE], &fixture->all[MIDDLE], -5, 500),
                          join(fixture, &arena, middle), join(fixture, &arena, other)};

    assert_non_null(file);
    fputs(join(fixture, &arena, both), file);
    assert_int_equal(fclose(file), 0);
    for (size_t i = 0; i < COUNT_OF(pems); i++)
        text_list_add(i < 2 ? &lists : &issuers, &arena, pems[i], strlen(pems[i]));
    assert_true(bundle_vet(&order, &issuers, &issued, &err));
    assert_int_equal(issued.crl_pem.count, 2);
    assert_non_null(strstr(issued.left_out, "CN=other"));
    issued_free(&issued);
    text_list_add(&lists, &arena, "no list", 7);
    assert_false(bundle_vet(&order, &issuers, &issued, &err));
    assert_int_equal(err.kind, ERR_UNTRUSTED);
    arena_free(&arena);
}

/* A list of minutes is read again in its window, whatever the poll is. */
static void lists_are_read_again_long_before_they_end(void **state)
{
    (void)state;
    for (uint64_t random = 0; random <= UINT32_MAX; random += UINT32_MAX / 50) {
        uint64_t short_s = ca_news_read_again_s(1000, 1600, 3600, (uint32_t)random) - 1000;
        uint64_t long_s = ca_news_read_again_s(1000, 1000000, 3600, (uint32_t)random) - 1000;

        assert_in_range(short_s, 600 * 40 / 100, 600 * 55 / 100);
        assert_in_range(long_s, 3600 * 7 / 8, 3600 * 9 / 8 + 1);
        assert_in_range(ca_news_read_again_s(1000, 900, 3600, (uint32_t)random), 1001, 1003);
        assert_in_range(ca_news_read_again_s(1000, 1001, 1, (uint32_t)random), 1001, 1002);
    }
}

/* By default an hour, and a day at the most. */
static void issuers_are_read_often_enough(void **state)
{
    (void)state;
    assert_int_equal(ca_news_bundle_s(CA_NEWS_AUTO), 3600);
    assert_int_equal(ca_news_bundle_s(60), 60);
    assert_int_equal(ca_news_bundle_s(0), 86400);
    assert_int_equal(ca_news_bundle_s(90000), 86400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_what_ends_at_an_anchor_is_believed, set_up, tear_down),
        cmocka_unit_test(an_anchor_that_cannot_be_read_is_this_machines_fault),
        cmocka_unit_test_setup_teardown(a_set_of_lists_is_complete_or_it_is_none, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_issuer_that_is_not_the_first_may_lack_a_list, set_up,
                                        tear_down),
        cmocka_unit_test(lists_are_read_again_long_before_they_end),
        cmocka_unit_test(issuers_are_read_often_enough),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
