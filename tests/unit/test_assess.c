/* What is done about what was found on disk. */
#include "unit.h"

#include "flow/assess.h"
#include "flow/ca_news.h"
#include "flow/reload_state.h"

enum { NOW = 1700000000 };

static const struct findings good = {
    .health = INSTALLED_WHOLE,
    .why = "",
    .due_s = NOW + 100,
    .end_s = NOW + 200,
    .now_s = NOW,
    .told = true,
    .settled = true,
};

static void each_finding_has_its_verdict(void **state)
{
    struct {
        struct findings findings;
        enum verdict verdict;
        const char *reason;
    } cases[] = {
        {good, VERDICT_FRESH, ""},
        {good, VERDICT_RELOAD, ""},
        {good, VERDICT_RESTAGE, "mode changed"},
        {good, VERDICT_RESTAGE, "other files"},
        {good, VERDICT_ISSUE, "nothing is published yet"},
        {good, VERDICT_ISSUE, "names changed"},
        {good, VERDICT_ISSUE, "the published certificate was revoked"},
        {good, VERDICT_ISSUE, "the published certificate is due"},
        {good, VERDICT_ISSUE, "the published certificate has expired"},
        {good, VERDICT_LATER, "the published certificate is due"},
        {good, VERDICT_ISSUE, "the published certificate is due"},
        {good, VERDICT_PROVE, ""},
        {good, VERDICT_HOLD, "the published certificate is due"},
        {good, VERDICT_FRESH, ""},
        {good, VERDICT_WITHDRAWN, "the published certificate was revoked"},
        {good, VERDICT_ISSUE, "names changed"},
        {good, VERDICT_WITHDRAWN, "the published certificate was revoked"},
    };
    const char *reason;

    (void)state;
    cases[1].findings.told = cases[1].findings.settled = false;
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
    cases[11].findings.settled = false;
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
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(assess(&cases[i].findings, &reason), cases[i].verdict);
        assert_string_equal(reason, cases[i].reason);
    }
}

static void a_wait_does_not_keep_what_is_fresh_from_being_used(void **state)
{
    struct findings findings = good;
    const char *reason;

    (void)state;
    findings.try_again_at_s = NOW + 60;
    assert_int_equal(assess(&findings, &reason), VERDICT_FRESH);
}

static void the_consumer_is_as_far_as_the_state_tells(void **state)
{
    const struct {
        enum reload_verb verb;
        enum prove_method method;
        struct consumer_state consumer;
        enum reload_state reached;
    } cases[] = {
        {RELOAD_NONE, PROVE_NONE, {.failures = 3}, RELOAD_STATE_NONE},
        {RELOAD_EXEC, PROVE_NONE, {.reloaded = "old"}, RELOAD_STATE_PENDING},
        {RELOAD_EXEC, PROVE_NONE, {.reloaded = "now"}, RELOAD_STATE_RELOADED},
        {RELOAD_EXEC, PROVE_NONE, {.reloaded = "old", .failures = 1}, RELOAD_STATE_FAILED},
        {RELOAD_EXEC, PROVE_TLS, {.proven = "old"}, RELOAD_STATE_PENDING},
        {RELOAD_EXEC, PROVE_TLS, {.reloaded = "now", .proven = "old"}, RELOAD_STATE_RELOADED},
        {RELOAD_EXEC, PROVE_TLS, {.reloaded = "now", .failures = 1}, RELOAD_STATE_FAILED},
        {RELOAD_EXEC, PROVE_TLS, {.reloaded = "now", .proven = "now"}, RELOAD_STATE_PROVEN},
        {RELOAD_EXEC, PROVE_TLS, {.reloaded = "old", .proven = "now"}, RELOAD_STATE_PENDING},
        {RELOAD_NONE, PROVE_TLS, {.proven = "old"}, RELOAD_STATE_PENDING},
        {RELOAD_NONE, PROVE_TLS, {.proven = "now"}, RELOAD_STATE_PROVEN},
        {RELOAD_NONE, PROVE_TLS, {.proven = "", .failures = 2}, RELOAD_STATE_FAILED},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct reload_action action = {.verb = cases[i].verb};
        const struct cert_config cert = {.reloads = {.items = &action, .count = 1},
                                         .prove = {.method = cases[i].method}};

        assert_int_equal(reload_state_of(&cases[i].consumer, &cert, "now"), cases[i].reached);
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
    const struct {
        struct ca_look look;
        enum ca_news news;
    } cases[] = {
        {{.signer = "aa", .ours = "aa", .known = ""}, CA_NEWS_NONE},
        {{.signer = "bb", .ours = "aa", .known = ""}, CA_NEWS_OTHER_ISSUER},
        {{.signer = "bb", .ours = "aa", .known = "aa"}, CA_NEWS_OTHER_ISSUER},
        {{.signer = "bb", .ours = "aa", .known = "bb"},
         CA_NEWS_NONE}, /* a role of its own issuer */
        {{.signer = "", .ours = "aa", .known = "aa"}, CA_NEWS_NONE},
        {{.signer = "bb", .ours = "", .known = ""}, CA_NEWS_NONE},
        {{.signer = "aa", .ours = "aa", .known = "aa", .revoked = true}, CA_NEWS_REVOKED},
        {{.signer = "", .ours = "", .known = "", .revoked = true}, CA_NEWS_REVOKED},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(ca_news_of(&cases[i].look), cases[i].news);
}

static void replacements_come_in_the_second_half_of_the_spread(void **state)
{
    (void)state;
    assert_int_equal(ca_news_due_s(NOW, 900, 0), NOW + 450);
    assert_in_range(ca_news_due_s(NOW, 900, UINT32_MAX), NOW + 890, NOW + 900);
    assert_int_equal(ca_news_due_s(NOW, 0, UINT32_MAX), NOW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_finding_has_its_verdict),
        cmocka_unit_test(the_consumer_is_as_far_as_the_state_tells),
        cmocka_unit_test(only_what_was_refused_and_never_taken_is_rolled_back),
        cmocka_unit_test(news_is_what_was_not_so_when_ours_was_issued),
        cmocka_unit_test(replacements_come_in_the_second_half_of_the_spread),
        cmocka_unit_test(a_wait_does_not_keep_what_is_fresh_from_being_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
