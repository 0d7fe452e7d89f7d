/* What is done about what was found on disk. */
#include "unit.h"

#include "cert/cert_status.h"
#include "cert/consumer.h"
#include "cert/decide.h"
#include "plan/ca_news.h"
#include "plan/renewal.h"

enum { NOW = 1700000000 };

static const struct findings good = {
    .health = INSTALLED_WHOLE,
    .why = "",
    .due_s = NOW + 100,
    .end_s = NOW + 200,
    .now_s = NOW,
};

static void each_finding_has_its_verdict(void **state)
{
    struct {
        struct findings findings;
        enum verdict verdict;
        const char *reason;
    } cases[] = {
        {good, VERDICT_FRESH, ""},
        {good, VERDICT_RESTAGE, "a link is missing"},
        {good, VERDICT_RESTAGE, "mode changed"},
        {good, VERDICT_RESTAGE, "other files"},
        {good, VERDICT_ISSUE, "nothing is published yet"},
        {good, VERDICT_ISSUE, "names changed"},
        {good, VERDICT_ISSUE, "the published certificate was revoked"},
        {good, VERDICT_ISSUE, "the published certificate is due"},
        {good, VERDICT_ISSUE, "the published certificate has expired"},
        {good, VERDICT_LATER, "the published certificate is due"},
        {good, VERDICT_ISSUE, "the published certificate is due"},
        {good, VERDICT_RESTAGE, "a key is missing"},
        {good, VERDICT_HOLD, "the published certificate is due"},
        {good, VERDICT_FRESH, ""},
        {good, VERDICT_WITHDRAWN, "the published certificate was revoked"},
        {good, VERDICT_ISSUE, "names changed"},
        {good, VERDICT_WITHDRAWN, "the published certificate was revoked"},
        {good, VERDICT_LATER, "the published certificate is due"},
        {good, VERDICT_ISSUE, "the published certificate is due"},
        {good, VERDICT_ISSUE, "names changed"},
        {good, VERDICT_LATER, "names changed"},
        {good, VERDICT_ISSUE, BUNDLE_DUE},
    };
    const char *reason;

    (void)state;
    cases[1].findings.health = INSTALLED_DAMAGED;
    cases[1].findings.why = "a link is missing";
    cases[2].findings.health = INSTALLED_DAMAGED;
    cases[2].findings.why = "mode changed";
    cases[3].findings.health = INSTALLED_UNWANTED;
    cases[3].findings.why = "other files";
    cases[4].findings.health = INSTALLED_NOTHING;
    cases[4].findings.why = "nothing is published yet";
    cases[5].findings.difference = "names changed";
    cases[6].findings.revoked = true;
    cases[7].findings.now_s = NOW + 100;
    cases[8].findings.now_s = NOW + 200;
    cases[9].findings.now_s = NOW + 100;
    cases[9].findings.try_again_at_s = NOW + 160;
    cases[10].findings.now_s = NOW + 100;
    cases[10].findings.try_again_at_s = NOW + 100000; /* of a clock that was ahead */
    cases[11].findings.health = INSTALLED_DAMAGED; /* a wait for another one is no reason not to */
    cases[11].findings.why = "a key is missing";
    cases[11].findings.try_again_at_s = NOW + 160;
    cases[12].findings = cases[9].findings; /* a wait for another one is no reason to */
    cases[12].findings.held = true;
    cases[13].findings.held = true; /* the clock was set back: nothing is wanted */
    cases[14].findings.revoked = cases[14].findings.withdrawn = true;
    cases[15].findings = cases[14].findings;
    cases[15].findings.difference = "names changed";
    cases[16].findings =
        cases[14].findings; /* neither its end nor damage makes another one wanted */
    cases[16].findings.now_s = NOW + 300;
    cases[16].findings.health = INSTALLED_DAMAGED;
    cases[17].findings = cases[10].findings; /* refused: it waits as long as the old set lasts */
    cases[17].findings.refused = true;
    cases[17].findings.end_s = NOW + 200000;
    cases[18].findings = cases[10].findings;
    cases[18].findings.refused = true; /* and no longer */
    cases[19].findings = cases[17].findings;
    cases[19].findings.difference = "names changed";
    cases[19].findings.asks_otherwise = true;
    cases[20].findings =
        cases[19].findings; /* it is what the changed section got that was refused */
    cases[20].findings.asks_otherwise = false;
    cases[21].findings.is_trust = true;
    cases[21].findings.now_s = NOW + 100;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(decide(&cases[i].findings, &reason), cases[i].verdict);
        assert_string_equal(reason, cases[i].reason);
    }
}

/* Facts of a certificate that is as it should be, and is not reloaded by anybody. */
static struct status_facts facts_of(const struct cert_config *section,
                                    const struct cert_state *state)
{
    return (struct status_facts){
        .section = section,
        .state = state,
        .health = INSTALLED_WHOLE,
        .why = "",
        .is_intact = true,
        .generation = "now",
        .serial = "01",
        .fingerprint = "",
        .not_before_s = NOW - 100,
        .not_after_s = NOW + 300,
        .end_s = NOW + 200,
        .due_s = NOW + 100,
    };
}

static void each_word_of_the_status_has_its_facts(void **state)
{
    static struct reload_action none = {.verb = RELOAD_NONE}, action = {.verb = RELOAD_EXEC};
    static const struct cert_config plain = {.reloads = {&none, 1}};
    static const struct cert_config reloaded = {.reloads = {&action, 1}};
    static const struct cert_state nothing = {0}, refused = {.consumer.refused = "next"};
    static const struct cert_state revoked = {.ca.revoked = (char *)"01"};
    struct {
        enum status_word word;
        bool usable;
        struct status_facts facts;
    } cases[] = {
        {STATUS_FRESH, true, facts_of(&plain, &nothing)},
        {STATUS_UNKNOWN, false, facts_of(&plain, &nothing)},
        {STATUS_MISSING, false, facts_of(&plain, &nothing)},
        {STATUS_REVOKED, true, facts_of(&plain, &nothing)},
        {STATUS_EXPIRED, false, facts_of(&plain, &nothing)},
        {STATUS_EARLY, false, facts_of(&plain, &nothing)},
        {STATUS_REVOKED, true, facts_of(&plain, &revoked)},
        {STATUS_ROLLED_BACK, true, facts_of(&plain, &refused)},
        {STATUS_DAMAGED, false, facts_of(&plain, &nothing)},
        {STATUS_CHANGED, true, facts_of(&plain, &nothing)},
        {STATUS_CHANGED, true, facts_of(&plain, &nothing)},
        {STATUS_DUE, true, facts_of(&plain, &nothing)},
        {STATUS_UNKNOWN, true, facts_of(&plain, &nothing)},
        {STATUS_NOT_RELOADED, true, facts_of(&reloaded, &nothing)},
    };
    const char *detail;

    (void)state;
    cases[1].facts.health = cases[2].facts.health = INSTALLED_NOTHING;
    cases[1].facts.is_hidden = cases[12].facts.is_hidden = true;
    cases[3].facts.revocation = REVOCATION_FINAL;
    cases[4].facts.end_s = NOW;
    cases[5].facts.not_before_s = NOW + 1;
    cases[8].facts.health = INSTALLED_DAMAGED;
    cases[8].facts.is_intact = false;
    cases[9].facts.health = INSTALLED_UNWANTED;
    cases[10].facts.difference = "other names";
    cases[11].facts.due_s = NOW;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_string_equal(status_word_name(status_judge(&cases[i].facts, NOW, &detail)),
                            status_word_name(cases[i].word));
        assert_non_null(detail);
        assert_int_equal(status_is_usable(&cases[i].facts, NOW), cases[i].usable);
        assert_int_equal(status_is_ready(&cases[i].facts, NOW), cases[i].usable);
    }
}

static void a_wait_does_not_keep_what_is_fresh_from_being_used(void **state)
{
    struct findings findings = good;
    const char *reason;

    (void)state;
    findings.try_again_at_s = NOW + 60;
    assert_int_equal(decide(&findings, &reason), VERDICT_FRESH);
}

static void the_consumer_is_as_far_as_the_state_tells(void **state)
{
    const struct {
        enum reload_verb verb;
        enum prove_method method;
        struct consumer_state consumer;
        enum consumer_progress reached;
    } cases[] = {
        {RELOAD_NONE, PROVE_NONE, {.trouble.failures = 3}, PROGRESS_NONE},
        {RELOAD_EXEC, PROVE_NONE, {.reloaded = "old"}, PROGRESS_PENDING},
        {RELOAD_EXEC, PROVE_NONE, {.reloaded = "now"}, PROGRESS_RELOADED},
        {RELOAD_EXEC, PROVE_NONE, {.reloaded = "old", .trouble.failures = 1}, PROGRESS_FAILED},
        {RELOAD_EXEC, PROVE_TLS, {.proven = "old"}, PROGRESS_PENDING},
        {RELOAD_EXEC, PROVE_TLS, {.reloaded = "now", .proven = "old"}, PROGRESS_RELOADED},
        {RELOAD_EXEC, PROVE_TLS, {.reloaded = "now", .trouble.failures = 1}, PROGRESS_FAILED},
        {RELOAD_EXEC,
         PROVE_TLS,
         {.reloaded = "now", .proven = "now", .served.serial = "1"},
         PROGRESS_PROVEN},
        /* Nobody was seen: no proof was asked for then, or the state is an older leafd's. */
        {RELOAD_EXEC, PROVE_TLS, {.reloaded = "now", .proven = "now"}, PROGRESS_RELOADED},
        {RELOAD_EXEC, PROVE_TLS, {.reloaded = "old", .proven = "now"}, PROGRESS_PENDING},
        {RELOAD_NONE, PROVE_TLS, {.proven = "old"}, PROGRESS_PENDING},
        {RELOAD_NONE, PROVE_TLS, {.proven = "now", .served.serial = "1"}, PROGRESS_PROVEN},
        {RELOAD_NONE, PROVE_TLS, {.proven = "now"}, PROGRESS_PENDING},
        {RELOAD_NONE, PROVE_TLS, {.proven = "", .trouble.failures = 2}, PROGRESS_FAILED},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct reload_action action = {.verb = cases[i].verb};
        const struct cert_config cert = {.reloads = {.items = &action, .count = 1},
                                         .prove = {.method = cases[i].method}};

        assert_int_equal(consumer_progress_of(&cases[i].consumer, &cert, "now"), cases[i].reached);
    }
}

static void a_bad_certificate_is_one_that_had_ended_or_that_the_set_never_held(void **state)
{
    const struct {
        enum prove_method method;
        enum reload_verb verb;
        struct served_state served;
        bool is_bad;
        const char *text;
    } cases[] = {
        {PROVE_TLS, RELOAD_NONE, {.serial = ""}, false, ""},
        {PROVE_TLS,
         RELOAD_NONE,
         {.serial = "now", .not_after_s = NOW - 1, .seen_s = NOW - 2},
         false,
         ""},
        {PROVE_TLS,
         RELOAD_NONE,
         {.serial = "old", .not_after_s = NOW + 78, .seen_s = NOW - 2},
         false,
         "the consumer was last seen to serve serial old, which ends in 1m18s"},
        {PROVE_TLS,
         RELOAD_NONE,
         {.serial = "old", .not_after_s = NOW - 78, .seen_s = NOW - 80},
         false,
         "the consumer was last seen to serve serial old, which ended 1m18s ago"},
        {PROVE_TLS,
         RELOAD_NONE,
         {.serial = "old", .not_after_s = NOW - 78, .seen_s = NOW - 78},
         true,
         "the consumer was last seen to serve serial old, which ended 1m18s ago"},
        {PROVE_NONE,
         RELOAD_NONE,
         {.serial = "old", .not_after_s = NOW - 78, .seen_s = NOW - 78},
         false,
         "the consumer was last seen to serve serial old, which ended 1m18s ago"},
        {PROVE_TLS,
         RELOAD_NONE,
         {.serial = "odd", .not_after_s = NOW + 60, .seen_s = NOW - 2, .foreign = true},
         true,
         "the consumer was last seen to serve a certificate that is none of this set's, serial "
         "odd, which ends in "
         "1m"},
        /* The reload onto the new files has not succeeded: the old leaf is served on. */
        {PROVE_TLS,
         RELOAD_EXEC,
         {.serial = "old", .not_after_s = NOW, .seen_s = NOW - 80},
         true,
         "the consumer was last seen to serve serial old, which ended 0s ago"},
        {PROVE_TLS,
         RELOAD_EXEC,
         {.serial = "old", .not_after_s = NOW + 1, .seen_s = NOW - 80},
         false,
         "the consumer was last seen to serve serial old, which ends in 1s"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct reload_action reload = {.verb = cases[i].verb};
        const struct cert_config cert = {.prove = {.method = cases[i].method},
                                         .reloads = {.items = &reload, .count = 1}};
        const struct consumer_state consumer = {.served = cases[i].served};
        char text[SERVED_TEXT_BYTES];

        assert_int_equal(served_is_bad(&consumer, &cert, "new", NOW), cases[i].is_bad);
        served_text(&cases[i].served, "now", NOW, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void the_leaves_of_the_set_are_remembered_the_last_ones_longest(void **state)
{
    struct consumer_state consumer = {.trouble.failures = 3};
    char leaf[DIGEST_HEX_BYTES];

    (void)state;
    assert_false(consumer_knows_leaf(&consumer, "0000000000000000"));
    for (unsigned i = 0; i <= KNOWN_LEAVES_MOST; i++) {
        snprintf(leaf, sizeof leaf, "%016u%048u", i, 0);
        consumer_note_leaf(&consumer, leaf);
        consumer_note_leaf(&consumer, leaf);
    }
    snprintf(leaf, sizeof leaf, "%016u%048u", 0, 0);
    assert_false(consumer_knows_leaf(&consumer, leaf));
    consumer_forget_tries(&consumer);
    assert_int_equal(consumer.trouble.failures, 0);
    for (unsigned i = 1; i <= KNOWN_LEAVES_MOST; i++) {
        snprintf(leaf, sizeof leaf, "%016u%048u", i, 0);
        assert_true(consumer_knows_leaf(&consumer, leaf));
    }
}

static void only_what_was_refused_and_never_taken_is_rolled_back(void **state)
{
    static const struct consumer_state refusing = {.accepted = "old", .refusals = REFUSALS_ENOUGH};
    struct cert_config cert = {.rollback = true};
    struct consumer_state consumer = refusing;

    (void)state;
    assert_true(rollback_is_due(&consumer, &cert, "now", "old"));
    assert_false(rollback_is_due(&consumer, &cert, "now", ""));
    assert_false(rollback_is_due(&consumer, &cert, "now", "older"));
    assert_false(rollback_is_due(&consumer, &cert, "old", "old"));
    consumer.refusals--;
    assert_false(rollback_is_due(&consumer, &cert, "now", "old"));
    consumer = refusing;
    consumer.insists = true;
    assert_false(rollback_is_due(&consumer, &cert, "now", "old"));
    cert.rollback = false;
    assert_false(rollback_is_due(&refusing, &cert, "now", "old"));
}

static void news_is_what_was_not_so_when_ours_was_issued(void **state)
{
    enum { LIFE = 86400 };
    const struct {
        struct ca_look look;
        enum ca_news news;
    } cases[] = {
        {{.named = "aa", .ours = "aa", .has_baseline = true}, CA_NEWS_NONE},
        {{.named = "", .ours = "aa", .has_baseline = true, .in_a_row = 9}, CA_NEWS_NONE},
        {{.named = "bb", .ours = "", .has_baseline = true, .in_a_row = 9}, CA_NEWS_NONE},
        /* A role may have an issuer of its own. */
        {{.named = "bb", .ours = "aa", .in_a_row = 9}, CA_NEWS_BASELINE},
        {{.named = "bb", .ours = "aa", .is_known = true, .has_baseline = true, .in_a_row = 9},
         CA_NEWS_NONE},
        /* A look or two may come from a node that is out of step. */
        {{.named = "bb", .ours = "aa", .has_baseline = true, .in_a_row = 1}, CA_NEWS_UNSURE},
        {{.named = "bb", .ours = "aa", .has_baseline = true, .in_a_row = CA_NEWS_IN_A_ROW - 1},
         CA_NEWS_UNSURE},
        {{.named = "bb", .ours = "aa", .has_baseline = true, .in_a_row = CA_NEWS_IN_A_ROW},
         CA_NEWS_OTHER_ISSUER},
        /* One early renewal in half a life. */
        {{.named = "bb", .ours = "aa", .has_baseline = true, .in_a_row = 9, .early_at_s = NOW - 9},
         CA_NEWS_NONE},
        {{.named = "bb",
          .ours = "aa",
          .has_baseline = true,
          .in_a_row = 9,
          .early_at_s = NOW - LIFE / 2},
         CA_NEWS_OTHER_ISSUER},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ca_look look = cases[i].look;

        look.now_s = NOW;
        look.life_s = LIFE;
        assert_int_equal(ca_news_of(&look), cases[i].news);
    }
}

static void the_ca_is_looked_at_every_twentieth_of_a_life(void **state)
{
    const struct {
        uint64_t configured, life_s, poll_s;
    } cases[] = {
        {CA_NEWS_AUTO, 0, 300},
        {CA_NEWS_AUTO, 60, 300},
        {CA_NEWS_AUTO, 86400, 4320},
        {CA_NEWS_AUTO, 90 * 86400, 21600},
        {7, 86400, 7},
        {0, 86400, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(ca_news_poll_s(cases[i].configured, cases[i].life_s), cases[i].poll_s);
    assert_int_equal(ca_news_spread_s(CA_NEWS_AUTO, 300), 1800);
    assert_int_equal(ca_news_spread_s(900, 300), 1800);
    assert_int_equal(ca_news_spread_s(900, 4320), 25920);
    assert_int_equal(ca_news_spread_s(3600, 300), 3600);
    assert_int_equal(ca_news_spread_s(900, 0), 900);
}

static void looks_are_spread_and_back_off(void **state)
{
    const struct {
        struct ca_wait wait;
        uint64_t least_ms, most_ms;
    } cases[] = {
        {{.poll_s = 800}, 700000, 900000},
        {{.poll_s = 800, .unsure = true}, 87500, 112500},
        {{.poll_s = 800, .failures = 1}, 1400000, 1800000},
        {{.poll_s = 800, .failures = 1, .unsure = true}, 1400000, 1800000},
        {{.poll_s = 800, .failures = 2}, 2800000, 3600000},
        {{.poll_s = 800, .failures = UINT32_MAX}, 2800000, 3600000},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(ca_news_wait_ms(&cases[i].wait, 0), cases[i].least_ms);
        assert_in_range(ca_news_wait_ms(&cases[i].wait, UINT32_MAX), cases[i].most_ms - 2,
                        cases[i].most_ms);
    }
    assert_int_equal(ca_news_first_ms(800, 0), 0);
    assert_in_range(ca_news_first_ms(800, UINT32_MAX), 799990, 800000);
}

/* Else a leaf could be shown before everybody trusts its CA. */
static void everybody_has_confirmed_a_new_issuer_within_half_the_spread(void **state)
{
    const struct ca_wait wait = {.poll_s = 4320}, unsure = {.poll_s = 4320, .unsure = true};
    uint64_t learnt_ms = 2 * ca_news_wait_ms(&wait, UINT32_MAX) +
                         (CA_NEWS_IN_A_ROW - 1) * ca_news_wait_ms(&unsure, UINT32_MAX);
    uint64_t spread_s = ca_news_spread_s(CA_NEWS_AUTO, 4320);

    (void)state;
    assert_in_range(NOW + learnt_ms / 1000, NOW, ca_news_shown_s(NOW, spread_s, UINT64_MAX, 0));
}

static void a_new_issuers_certificates_come_in_the_second_half_of_the_spread(void **state)
{
    (void)state;
    assert_int_equal(ca_news_shown_s(NOW, 900, UINT64_MAX, 0), NOW + 450);
    assert_in_range(ca_news_shown_s(NOW, 900, UINT64_MAX, UINT32_MAX), NOW + 890, NOW + 900);
    assert_int_equal(ca_news_shown_s(NOW, 0, UINT64_MAX, UINT32_MAX), NOW);
}

/* The certificate in place must last until then, with a reserve. */
static void a_hold_ends_before_the_certificate_in_place_does(void **state)
{
    static const struct {
        uint64_t spread_s, left_s, least_s, most_s;
    } cases[] = {
        /* An hour by the default settings: renewed when 45 to 60 % of it are left. */
        {1800, 2160, 900, 1728},
        {1800, 1620, 900, 1296},
        {1800, 1200, 900, 960},
        /* Not everybody has learnt by then, but most have. */
        {1800, 1000, 800, 800},
        {1800, 375, 300, 300},
        /* Of no use: nobody has had a poll's time. */
        {1800, 370, 0, 0},
        {1800, 0, 0, 0},
        {60, 3600, 30, 60},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint64_t end_s = NOW + cases[i].left_s;

        assert_int_equal(ca_news_shown_s(NOW, cases[i].spread_s, end_s, 0), NOW + cases[i].least_s);
        assert_in_range(ca_news_shown_s(NOW, cases[i].spread_s, end_s, UINT32_MAX) + 1,
                        NOW + cases[i].most_s, NOW + cases[i].most_s + 1);
    }
    assert_int_equal(ca_news_shown_s(NOW, 1800, NOW - 5, 0), NOW);
}

/* By the default settings, whatever the lifetime, from an hour on. */
static void a_regular_renewal_leaves_everybody_the_time_to_learn(void **state)
{
    static const uint64_t lives_s[] = {3600, 2 * 3600, 86400, 30 * 86400ULL};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(lives_s); i++) {
        const struct validity life = {.not_before = NOW, .not_after = NOW + lives_s[i]};
        const struct renewal_rule rule = {0};
        uint64_t due_s = renewal_due_s(&life, NOW, &rule, UINT32_MAX);
        uint64_t spread_s =
            ca_news_spread_s(CA_NEWS_AUTO, ca_news_poll_s(CA_NEWS_AUTO, lives_s[i]));

        assert_in_range(ca_news_shown_s(due_s, spread_s, life.not_after, 0), due_s + spread_s / 2,
                        life.not_after - (life.not_after - due_s) / 5);
    }
}

static void what_is_revoked_again_and_again_is_replaced_ever_later(void **state)
{
    (void)state;
    assert_int_equal(ca_news_replace_s(NOW, 0, 3200), NOW);
    assert_int_equal(ca_news_replace_s(NOW, 1, 3200), NOW + 100);
    assert_int_equal(ca_news_replace_s(NOW, 2, 3200), NOW + 200);
    assert_int_equal(ca_news_replace_s(NOW, 5, 3200), NOW + 1600);
    assert_int_equal(ca_news_replace_s(NOW, UINT32_MAX, 3200), NOW + 1600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_finding_has_its_verdict),
        cmocka_unit_test(each_word_of_the_status_has_its_facts),
        cmocka_unit_test(the_consumer_is_as_far_as_the_state_tells),
        cmocka_unit_test(a_bad_certificate_is_one_that_had_ended_or_that_the_set_never_held),
        cmocka_unit_test(the_leaves_of_the_set_are_remembered_the_last_ones_longest),
        cmocka_unit_test(only_what_was_refused_and_never_taken_is_rolled_back),
        cmocka_unit_test(news_is_what_was_not_so_when_ours_was_issued),
        cmocka_unit_test(the_ca_is_looked_at_every_twentieth_of_a_life),
        cmocka_unit_test(looks_are_spread_and_back_off),
        cmocka_unit_test(everybody_has_confirmed_a_new_issuer_within_half_the_spread),
        cmocka_unit_test(a_new_issuers_certificates_come_in_the_second_half_of_the_spread),
        cmocka_unit_test(a_hold_ends_before_the_certificate_in_place_does),
        cmocka_unit_test(a_regular_renewal_leaves_everybody_the_time_to_learn),
        cmocka_unit_test(what_is_revoked_again_and_again_is_replaced_ever_later),
        cmocka_unit_test(a_wait_does_not_keep_what_is_fresh_from_being_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
