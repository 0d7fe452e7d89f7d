/* What a CA says of its issuers, as far as it ends at a trust anchor. */
#include "unit.h"

#include "certs.h"

#include "base/clock.h"
#include "pki/bundle.h"
#include "pki/chain.h"
#include "plan/ca_news.h"

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
        cmocka_unit_test(issuers_are_read_often_enough),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
