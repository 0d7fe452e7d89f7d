/* What is done about what was found on disk. */
#include "unit.h"

#include "flow/assess.h"

enum { NOW = 1700000000 };

static const struct findings good = {
    .health = INSTALLED_WHOLE,
    .why = "",
    .due_s = NOW + 100,
    .not_after_s = NOW + 200,
    .now_s = NOW,
    .reloaded = true,
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
    };
    const char *reason;

    (void)state;
    cases[1].findings.reloaded = false;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_finding_has_its_verdict),
        cmocka_unit_test(a_wait_does_not_keep_what_is_fresh_from_being_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
