/* The pure rooms: when a certificate is due, how long a failure waits. */
#include "unit.h"

#include "plan/backoff.h"
#include "plan/lint.h"
#include "plan/renewal.h"
#include "plan/urgency.h"

enum { DAY = 86400, START = 1700000000 };

static const struct renewal_rule by_default = {0};

static void due_lies_in_the_window(void **state)
{
    static const struct {
        uint64_t life_s;
        struct renewal_rule rule;
        unsigned from_permille, to_permille; /* of the life */
    } cases[] = {
        {DAY, {0, 0, 0}, 400, 550},          {10 * DAY, {0, 0, 0}, 400, 550},
        {10 * DAY + 1, {0, 0, 0}, 500, 670}, {90 * DAY, {0, 0, 0}, 500, 670},
        {DAY, {60, 70, 0}, 600, 700},        {90 * DAY, {33, 33, 0}, 330, 330},
        {30, {0, 0, 0}, 366, 550},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct validity life = {START, START + cases[i].life_s};

        for (uint64_t spread = 0; spread <= UINT32_MAX; spread += UINT32_MAX / 1000) {
            uint64_t due = renewal_due_s(&life, START, &cases[i].rule, (uint32_t)spread) - START;

            assert_in_range(due * 1000 / cases[i].life_s, cases[i].from_permille - 1,
                            cases[i].to_permille);
        }
    }
}

static void due_of_equals_is_spread_over_the_window(void **state)
{
    const struct validity life = {START, START + DAY};
    uint64_t early = renewal_due_s(&life, START, &by_default, 0);
    uint64_t middle = renewal_due_s(&life, START, &by_default, UINT32_MAX / 2);
    uint64_t late = renewal_due_s(&life, START, &by_default, UINT32_MAX);

    (void)state;
    assert_int_equal(early, START + DAY * 40 / 100);
    assert_in_range(middle, START + DAY * 47 / 100, START + DAY * 48 / 100);
    assert_in_range(late, START + DAY * 549 / 1000, START + DAY * 55 / 100);
}

static void a_backdated_certificate_is_not_due_when_it_is_new(void **state)
{
    /* Vault dates notBefore back by 30 s: of a ttl of 20 s, 60 % are over before it is issued. */
    const struct validity life = {START - 30, START + 20};

    (void)state;
    for (uint64_t spread = 0; spread <= UINT32_MAX; spread += UINT32_MAX / 100)
        assert_in_range(renewal_due_s(&life, START, &by_default, (uint32_t)spread), START + 8,
                        START + 11);
    assert_int_equal(renewal_start_s(&life, START), START);
    /* A clock that was wrong when it was issued counts for nothing. */
    assert_int_equal(renewal_start_s(&life, START + 21), START - 30);
    assert_int_equal(renewal_start_s(&life, 0), START - 30);
}

static void renew_before_is_obeyed_with_a_little_spread(void **state)
{
    const struct validity life = {START, START + 3600};
    const struct renewal_rule rule = {.before_s = 600};

    (void)state;
    assert_in_range(renewal_due_s(&life, START, &rule, 0), START + 2700, START + 2701);
    assert_in_range(renewal_due_s(&life, START, &rule, UINT32_MAX), START + 2998, START + 3000);
}

static void renew_before_that_eats_the_life_falls_back_to_the_window(void **state)
{
    /* The CA may give a shorter life than was asked for; that must not make a storm. */
    const struct validity life = {START, START + 600};
    const struct renewal_rule rule = {.before_s = 600};

    (void)state;
    assert_in_range(renewal_due_s(&life, START, &rule, 0), START + 240, START + 240);
}

static void due_is_after_the_start_whatever_the_life(void **state)
{
    static const struct validity lives[] = {
        {START, START}, {START, START + 1}, {START, START - 5}, {0, UINT64_MAX}, {0, 0}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(lives); i++)
        assert_true(renewal_due_s(&lives[i], START, &by_default, UINT32_MAX) >
                    renewal_start_s(&lives[i], START));
}

static void the_wait_grows_and_is_jittered(void **state)
{
    struct backoff_state failing = {.failures = 1, .lifetime_s = DAY, .remaining_s = DAY / 2};

    (void)state;
    assert_int_equal(backoff_wait_ms(ERR_TRANSIENT, &failing, 0), 1000);
    assert_in_range(backoff_wait_ms(ERR_TRANSIENT, &failing, UINT32_MAX), 4999, 5000);
    failing.failures = 4;
    assert_in_range(backoff_wait_ms(ERR_TRANSIENT, &failing, UINT32_MAX), 39999, 40000);
    failing.failures = 100;
    assert_in_range(backoff_wait_ms(ERR_TRANSIENT, &failing, UINT32_MAX), 1799999, 1800000);
}

/* CVE-2025-55753: after some 30 days of failures the wait of mod_md overflowed to nothing. */
static void the_wait_is_never_over_a_sixteenth_of_the_rest_nor_under_a_second(void **state)
{
    (void)state;
    for (enum err_kind kind = ERR_TRANSIENT; kind < ERR_KIND_COUNT; kind++) {
        for (unsigned failures = 0; failures < 4000000000U; failures = failures * 3 + 1) {
            for (uint64_t remaining = 1; remaining < 4000ULL * DAY; remaining *= 2) {
                const struct backoff_state failing = {
                    .failures = failures, .lifetime_s = remaining * 2, .remaining_s = remaining};
                uint64_t wait = backoff_wait_ms(kind, &failing, UINT32_MAX);
                uint64_t most = remaining / 16 * 1000;

                if (most > 1800000)
                    most = 1800000;
                assert_in_range(wait, 1000, most < 1000 ? 1000 : most);
            }
        }
    }
}

static void without_a_certificate_the_wait_stays_short(void **state)
{
    static const struct {
        enum err_kind kind;
        uint64_t lifetime_s, most_s;
    } cases[] = {
        {ERR_TRANSIENT, 0, 420},    {ERR_TRANSIENT, DAY, 420},  {ERR_TRANSIENT, 90 * DAY, 420},
        {ERR_TRANSIENT, 3600, 420}, {ERR_TRANSIENT, 600, 75},   {ERR_TRANSIENT, 60, 7},
        {ERR_TRANSIENT, 5, 1},      {ERR_LOCAL, DAY, 420},      {ERR_DENIED, DAY, 420},
        {ERR_REFUSED, DAY, 1800},   {ERR_UNTRUSTED, DAY, 1800}, {ERR_CONFIG, DAY, 1800},
        {ERR_UNTRUSTED, 3600, 450}, {ERR_REFUSED, 60, 7},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct backoff_state none = {.failures = 50, .lifetime_s = cases[i].lifetime_s};

        assert_in_range(backoff_wait_ms(cases[i].kind, &none, UINT32_MAX),
                        cases[i].most_s * 1000 - 1, cases[i].most_s * 1000);
    }
}

static void a_clock_that_promises_more_than_the_life_is_not_believed(void **state)
{
    const struct backoff_state set_back = {
        .failures = 50, .lifetime_s = 3600, .remaining_s = 3650ULL * DAY};

    (void)state;
    assert_in_range(backoff_wait_ms(ERR_TRANSIENT, &set_back, UINT32_MAX), 224999, 225000);
}

static void nobody_comes_back_within_5_s_after_a_cold_boot(void **state)
{
    struct backoff_state booted = {.failures = 1, .lifetime_s = DAY, .just_booted = true};

    (void)state;
    assert_int_equal(backoff_wait_ms(ERR_TRANSIENT, &booted, 0), 5000);
    assert_in_range(backoff_wait_ms(ERR_TRANSIENT, &booted, UINT32_MAX), 9999, 10000);
    booted.retry_after_s = 60;
    assert_int_equal(backoff_wait_ms(ERR_TRANSIENT, &booted, 0), 60000);
    /* A certificate of seconds would end meanwhile. */
    booted = (struct backoff_state){.failures = 1, .lifetime_s = 20, .just_booted = true};
    assert_int_equal(backoff_wait_ms(ERR_TRANSIENT, &booted, 0), 2000);
}

static void others_failures_put_a_try_off_no_longer_than_its_own_would(void **state)
{
    static const struct {
        uint64_t lifetime_s, remaining_s, patience_ms;
    } cases[] = {
        {DAY, DAY / 2, 30 * 60 * 1000},
        {DAY, 3600, 225000},
        {DAY, 1, 120000},
        {DAY, 0, 420000},
        {0, 0, 420000},
        {20, 0, 2000},
        {20, 16, 1000},
        {20, 9, 1000},
        {60, 48, 3000},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct backoff_state it = {
            .failures = 50, .lifetime_s = cases[i].lifetime_s, .remaining_s = cases[i].remaining_s};

        assert_int_equal(backoff_patience_ms(&it), cases[i].patience_ms);
        assert_true(backoff_wait_ms(ERR_TRANSIENT, &it, UINT32_MAX) <= cases[i].patience_ms);
        /* What the policy denies has a fresh token every fourth wait at the most. */
        assert_int_equal(backoff_login_ms(cases[i].patience_ms), 4 * cases[i].patience_ms);
    }
    assert_int_equal(backoff_login_ms(UINT64_MAX), UINT64_MAX);
}

static void what_has_ended_is_tried_at_once_when_the_ca_is_back(void **state)
{
    const struct {
        uint64_t lifetime_s, remaining_s, most_ms;
    } cases[] = {
        {DAY, 0, 1000},         {0, 0, 1000},         {DAY, 6400, 100000},
        {DAY, 10, 1000},        {3600, 359, 5609},    {3600, 360, UINT64_MAX},
        {DAY, DAY, UINT64_MAX}, {0, DAY, UINT64_MAX},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct backoff_state it = {
            .failures = 50, .lifetime_s = cases[i].lifetime_s, .remaining_s = cases[i].remaining_s};

        assert_int_equal(backoff_back_ms(&it), cases[i].most_ms);
    }
}

static void what_is_left_of_a_wait_survives_a_restart_but_no_other_clock(void **state)
{
    static const struct {
        uint64_t try_again_at_s, now_s, left_ms;
    } cases[] = {
        {START + 60, START, 60000},
        {START + 1, START, 1000},
        {START, START, 0},
        {START - 1, START, 0},
        {0, START, 0},
        {START + BACKOFF_MOST_S, START, BACKOFF_MOST_S * 1000},
        {START + BACKOFF_MOST_S + 1, START, 0}, /* the clock was ahead then */
        {START, 0, 0},                          /* it stands in 1970 now */
        {UINT64_MAX, START, 0},
        {0, UINT64_MAX, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(backoff_resume_ms(cases[i].try_again_at_s, cases[i].now_s),
                         cases[i].left_ms);
}

static void no_wait_is_longer_than_what_a_restart_believes(void **state)
{
    static const uint32_t asked[] = {0, 1, 60, 1439, 1440, 1441, 1800, 3600, UINT32_MAX};

    (void)state;
    for (enum err_kind kind = ERR_NONE; kind < ERR_KIND_COUNT; kind++) {
        for (size_t i = 0; i < COUNT_OF(asked); i++) {
            const struct backoff_state late = {.failures = UINT32_MAX,
                                               .lifetime_s = 3650ULL * DAY,
                                               .remaining_s = 3650ULL * DAY,
                                               .retry_after_s = asked[i]};

            assert_in_range(backoff_wait_ms(kind, &late, UINT32_MAX), 1000, BACKOFF_MOST_S * 1000);
            assert_true(backoff_wait_ms(kind, &late, 0) >=
                        (asked[i] > 1440 ? 1440 : asked[i]) * 1000);
        }
    }
}

static void what_a_person_must_mend_is_asked_less_often(void **state)
{
    const struct backoff_state first = {.failures = 1, .lifetime_s = DAY, .remaining_s = DAY};

    (void)state;
    assert_true(backoff_wait_ms(ERR_REFUSED, &first, UINT32_MAX) >
                backoff_wait_ms(ERR_DENIED, &first, UINT32_MAX));
    assert_true(backoff_wait_ms(ERR_DENIED, &first, UINT32_MAX) >
                backoff_wait_ms(ERR_TRANSIENT, &first, UINT32_MAX));
}

static void retry_after_is_obeyed_and_capped(void **state)
{
    struct backoff_state asked = {
        .failures = 1, .lifetime_s = DAY, .remaining_s = DAY, .retry_after_s = 60};

    (void)state;
    assert_int_equal(backoff_wait_ms(ERR_TRANSIENT, &asked, 0), 60000);
    assert_in_range(backoff_wait_ms(ERR_TRANSIENT, &asked, UINT32_MAX), 60000, 75000);
    /* The longer it has failed, the wider it is spread: a fleet was told the same number. */
    asked.failures = 8;
    assert_int_equal(backoff_wait_ms(ERR_TRANSIENT, &asked, 0), 60000);
    assert_in_range(backoff_wait_ms(ERR_TRANSIENT, &asked, UINT32_MAX), 699999, 700000);
    asked.failures = 1;
    asked.retry_after_s = UINT32_MAX;
    assert_int_equal(backoff_wait_ms(ERR_TRANSIENT, &asked, 0), 1440000);
    assert_in_range(backoff_wait_ms(ERR_TRANSIENT, &asked, UINT32_MAX), 1799999, 1800000);
    asked.remaining_s = 40;
    assert_in_range(backoff_wait_ms(ERR_TRANSIENT, &asked, UINT32_MAX), 14999, 15000);
}

static void a_wait_outlives_crashes_and_not_a_person_who_restarts(void **state)
{
    static const struct {
        struct backoff_restart restart;
        bool outlives;
    } cases[] = {
        {{.in_order = false, .changed = false, .in_a_row = 1}, true},
        {{.in_order = true, .changed = false, .in_a_row = 1}, false},
        {{.in_order = true, .changed = false, .in_a_row = 3}, false},
        {{.in_order = true, .changed = false, .in_a_row = 4}, true},
        {{.in_order = false, .changed = true, .in_a_row = 1}, false},
        {{.in_order = true, .changed = true, .in_a_row = 100}, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(backoff_outlives_restart(&cases[i].restart), cases[i].outlives);
}

static void only_a_500_that_repeats_makes_the_role_a_suspect(void **state)
{
    static const struct {
        struct err err;
        unsigned failures;
        bool suspects;
    } cases[] = {
        {{.kind = ERR_TRANSIENT, .http_status = 500}, 1, false},
        {{.kind = ERR_TRANSIENT, .http_status = 500}, 3, false},
        {{.kind = ERR_TRANSIENT, .http_status = 500}, 4, true},
        {{.kind = ERR_TRANSIENT, .http_status = 503}, 1000, false},
        {{.kind = ERR_TRANSIENT}, 1000, false},
        {{.kind = ERR_REFUSED, .http_status = 400}, 1000, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(backoff_suspects_role(&cases[i].err, cases[i].failures),
                         cases[i].suspects);
}

static void a_name_that_the_others_lack_is_found(void **state)
{
    const char *one[] = {"a.example.test"}, *two[] = {"b.example.test", "a.example.test"};
    const char *ip[] = {"192.0.2.1"};
    const struct names a = {.dns = {one, 1}}, both = {.dns = {two, 2}};
    const struct names address = {.dns = {one, 1}, .ip = {ip, 1}};
    const struct names common = {.common_name = "A.example.test"}, none = {0};

    (void)state;
    assert_null(names_missing_any(&none, &none));
    assert_null(names_missing_any(&a, &both));
    assert_string_equal(names_missing_any(&both, &a), "b.example.test");
    assert_string_equal(names_missing_any(&address, &both), "192.0.2.1");
    assert_string_equal(names_missing_any(&a, &none), "a.example.test");
    /* A common name and a DNS name are the same name, in whatever case. */
    assert_null(names_missing_any(&a, &common));
    assert_string_equal(names_missing_any(&common, &none), "A.example.test");
}

static void advice_is_given_for_what_is_unwise_and_only_then(void **state)
{
    struct cert_request request = {.ttl_s = DAY};
    struct lint_facts facts = {.request = &request};
    struct lint_advice advice[LINT_MOST];

    (void)state;
    assert_int_equal(lint_advise(&facts, advice), 0);
    request.ttl_s = 0;
    facts.key_never_rotates = facts.key_from_ca = facts.nothing_reloads = true;
    facts.key_for_group = facts.trusts_what_ca_says = facts.nothing_proves = true;
    assert_int_equal(lint_advise(&facts, advice), 7);
    facts = (struct lint_facts){.request = &request};
    request.ttl_s = 59;
    assert_int_equal(lint_advise(&facts, advice), 1);
    assert_non_null(strstr(advice[0].text, "ttl is under a minute"));
    request.ttl_s = 60;
    assert_int_equal(lint_advise(&facts, advice), 0);
    request.names.dns.items = (const char *[]){"a_b.example"};
    request.names.dns.count = 1;
    assert_int_equal(lint_advise(&facts, advice), 1);
    assert_non_null(strstr(advice[0].text, "enforce_hostnames = false"));
}

/* A CA signs all of these; none of them is refused. */
static void names_that_a_peer_may_refuse_are_advised_on(void **state)
{
    static const struct {
        const char *uri, *told;
    } uris[] = {
        {"spiffe://example.org/A", NULL},
        {"spiffe://Example.org/a", "in lower case"},
        {"https://Example.org/A", NULL},
        {"http://example.org", NULL},
        {"spire://example.org/a", "did you mean spiffe:?"},
        {"shttp://example.org", "did you mean https:?"},
        {"file:///etc/x", NULL},
        {"spiffee://example.org/a", "did you mean spiffe:?"},
        {"ldap:///dc=a", NULL},
        {"spife://Example.org/a", "did you mean spiffe:?"},
    };
    static const char *const addresses[] = {"0.0.0.0", "::"};
    struct lint_advice advice[LINT_MOST];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(uris); i++) {
        const struct cert_request request = {.ttl_s = DAY,
                                             .names.uri = {(const char **)&uris[i].uri, 1}};
        const struct lint_facts facts = {.request = &request};
        size_t count = lint_advise(&facts, advice);

        assert_int_equal(count, uris[i].told != NULL);
        assert_true(count == 0 || strstr(advice[0].text, uris[i].told) != NULL);
    }
    for (size_t i = 0; i < COUNT_OF(addresses); i++) {
        const struct cert_request request = {.ttl_s = DAY,
                                             .names.ip = {(const char **)&addresses[i], 1}};
        const struct lint_facts facts = {.request = &request};

        assert_int_equal(lint_advise(&facts, advice), 1);
        assert_non_null(strstr(advice[0].text, "stand for any address"));
    }
}

static enum posture only_advice(const struct lint_facts *facts)
{
    struct lint_advice advice[LINT_MOST];

    assert_int_equal(lint_advise(facts, advice), 1);
    return advice[0].id;
}

/* At each limit and one step beyond it. */
static void lifetime_margin_and_key_have_limits(void **state)
{
    struct cert_request request = {.ttl_s = 7 * DAY};
    struct lint_facts facts = {.request = &request};
    struct lint_advice advice[LINT_MOST];

    (void)state;
    assert_int_equal(lint_advise(&facts, advice), 0);
    request.ttl_s = 7 * DAY + 1;
    assert_int_equal(only_advice(&facts), POSTURE_TTL_LONG);
    request.ttl_s = 3 * DAY;
    facts.renewal.before_s = DAY;
    assert_int_equal(lint_advise(&facts, advice), 0);
    facts.renewal.before_s = DAY - 1;
    assert_int_equal(only_advice(&facts), POSTURE_NO_MARGIN);
    facts.renewal = (struct renewal_rule){.from_percent = 50, .to_percent = 67};
    assert_int_equal(lint_advise(&facts, advice), 0);
    facts.renewal.to_percent = 68;
    assert_int_equal(only_advice(&facts), POSTURE_NO_MARGIN);
    facts.renewal.to_percent = 0;
    request.key_type = KEY_RSA_3072;
    assert_int_equal(lint_advise(&facts, advice), 0);
    request.key_type = KEY_RSA_2048;
    assert_int_equal(only_advice(&facts), POSTURE_WEAK_KEY);
}

static void a_life_that_is_cut_and_an_issuer_near_its_end_are_noticed(void **state)
{
    static const struct {
        uint64_t asked_s, given_s;
        bool is_cut;
    } lives[] = {
        {0, 60, false},     {3600, 3600, false}, {3600, 3630, false},    {3600, 3240, false},
        {3600, 3239, true}, {3600, 0, true},     {UINT64_MAX, 60, true},
    };
    static const struct {
        uint64_t left_s, life_s;
        bool is_near;
    } issuers[] = {
        {10800, 3600, false}, {10797, 3600, true},       {0, 3600, true},
        {3600, 0, false},     {UINT64_MAX, 3600, false}, {10, UINT64_MAX, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(lives); i++)
        assert_int_equal(renewal_life_is_cut(lives[i].asked_s, lives[i].given_s), lives[i].is_cut);
    for (size_t i = 0; i < COUNT_OF(issuers); i++)
        assert_int_equal(renewal_is_near_end(issuers[i].left_s, issuers[i].life_s),
                         issuers[i].is_near);
}

/* -- what is told of failures that go on ----------------------------------------------------------
 */

static void of_many_certificates_a_few_are_told(void **state)
{
    struct told_many told = {0};
    unsigned count, told_count = 0;

    (void)state;
    for (unsigned i = 1; i <= 1000; i++) {
        bool is_told = urgency_note_many(&told, URGENCY_TENTH, 5000 + i / 10, &count);

        assert_int_equal(count, i);
        assert_int_equal(is_told, i <= 3 || i == 10 || i == 100 || i == 1000);
        told_count += is_told;
    }
    assert_int_equal(told_count, 6);
    assert_true(urgency_note_many(&told, URGENCY_OVER, 5100, &count));
    assert_int_equal(count, 1);
    assert_false(urgency_note_many(&told, URGENCY_TENTH, 5599, &count));
    assert_true(urgency_note_many(&told, URGENCY_TENTH, 5600, &count));
    assert_int_equal(count, 1);
    /* The clock was set back. */
    assert_true(urgency_note_many(&told, URGENCY_TENTH, 100, &count));
    assert_int_equal(count, 1);
}

static void a_failure_is_told_when_its_class_or_urgency_changes(void **state)
{
    static const struct {
        const char *name;
        struct told_failure told;
        struct failure_look look;
        enum log_level level; /* debug: it is not told */
    } cases[] = {
        {"the first of what repairs itself",
         {0},
         {ERR_TRANSIENT, 1, START, 60, 100, false},
         LOG_LEVEL_NOTICE},
        {"the first of what a person repairs",
         {0},
         {ERR_REFUSED, 1, START, 60, 100, false},
         LOG_LEVEL_WARNING},
        {"the first with little left",
         {0},
         {ERR_TRANSIENT, 1, START, 25, 100, false},
         LOG_LEVEL_WARNING},
        {"the first with next to nothing left",
         {0},
         {ERR_TRANSIENT, 1, START, 10, 100, false},
         LOG_LEVEL_ERR},
        {"the first with nothing in place",
         {0},
         {ERR_TRANSIENT, 1, START, 0, 0, false},
         LOG_LEVEL_ERR},
        {"the same again",
         {START, 1, ERR_TRANSIENT, URGENCY_LOW},
         {ERR_TRANSIENT, 1, START + 9, 51, 100, false},
         LOG_LEVEL_DEBUG},
        {"the same at a half",
         {START, 1, ERR_TRANSIENT, URGENCY_LOW},
         {ERR_TRANSIENT, 1, START + 9, 50, 100, false},
         LOG_LEVEL_NOTICE},
        {"the same at a quarter",
         {START, 1, ERR_TRANSIENT, URGENCY_HALF},
         {ERR_TRANSIENT, 1, START + 9, 25, 100, false},
         LOG_LEVEL_WARNING},
        {"the same at a tenth",
         {START, 1, ERR_TRANSIENT, URGENCY_QUARTER},
         {ERR_TRANSIENT, 1, START + 9, 10, 100, false},
         LOG_LEVEL_ERR},
        {"the same, over",
         {START, 1, ERR_TRANSIENT, URGENCY_TENTH},
         {ERR_TRANSIENT, 1, START + 9, 0, 100, false},
         LOG_LEVEL_ERR},
        {"the same, long over",
         {START, 1, ERR_TRANSIENT, URGENCY_OVER},
         {ERR_TRANSIENT, 1, START + 9, 0, 100, false},
         LOG_LEVEL_DEBUG},
        {"a day later",
         {START, 1, ERR_TRANSIENT, URGENCY_OVER},
         {ERR_TRANSIENT, 1, START + DAY, 0, 100, false},
         LOG_LEVEL_ERR},
        {"less urgent than before",
         {START, 1, ERR_TRANSIENT, URGENCY_TENTH},
         {ERR_TRANSIENT, 1, START + 9, 60, 100, false},
         LOG_LEVEL_DEBUG},
        {"another class",
         {START, 1, ERR_TRANSIENT, URGENCY_HALF},
         {ERR_DENIED, 1, START + 9, 40, 100, false},
         LOG_LEVEL_WARNING},
        {"another reason of what repairs itself",
         {START, 1, ERR_TRANSIENT, URGENCY_HALF},
         {ERR_TRANSIENT, 3, START + 9, 40, 100, false},
         LOG_LEVEL_DEBUG},
        {"another reason of what a person repairs",
         {START, 1, ERR_REFUSED, URGENCY_HALF},
         {ERR_REFUSED, 3, START + 9, 40, 100, false},
         LOG_LEVEL_WARNING},
        {"the first of an outage", {0}, {ERR_TRANSIENT, 1, START, 40, 100, true}, LOG_LEVEL_DEBUG},
        {"an outage, another class",
         {START, 1, ERR_REFUSED, URGENCY_HALF},
         {ERR_TRANSIENT, 1, START, 40, 100, true},
         LOG_LEVEL_DEBUG},
        {"an outage at a quarter",
         {0},
         {ERR_TRANSIENT, 1, START, 25, 100, true},
         LOG_LEVEL_WARNING},
        {"an outage, still a quarter",
         {START, 1, ERR_TRANSIENT, URGENCY_QUARTER},
         {ERR_TRANSIENT, 1, START, 20, 100, true},
         LOG_LEVEL_DEBUG},
        {"an outage, over",
         {START, 1, ERR_TRANSIENT, URGENCY_TENTH},
         {ERR_TRANSIENT, 1, START, 0, 100, true},
         LOG_LEVEL_ERR},
        {"an outage, nothing in place", {0}, {ERR_TRANSIENT, 1, START, 0, 0, true}, LOG_LEVEL_ERR},
        {"an outage of a day",
         {START, 1, ERR_TRANSIENT, URGENCY_OVER},
         {ERR_TRANSIENT, 1, START + DAY, 0, 100, true},
         LOG_LEVEL_ERR},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct told_failure told = cases[i].told;
        enum log_level level;
        bool is_told = urgency_note_failure(&cases[i].look, &told, &level);

        if (level != cases[i].level || is_told != (level != LOG_LEVEL_DEBUG))
            fail_msg("%s: %d", cases[i].name, level);
        if (is_told)
            assert_false(urgency_note_failure(&cases[i].look, &told, &level));
        else
            assert_memory_equal(&told, &cases[i].told, sizeof told);
    }
}

static void a_reason_is_the_same_whatever_the_numbers_in_it(void **state)
{
    (void)state;
    assert_int_equal(urgency_reason("timed out after 1001 ms"),
                     urgency_reason("timed out after 999 ms"));
    assert_int_not_equal(urgency_reason("timed out"), urgency_reason("refused"));
    assert_int_not_equal(urgency_reason(""), 0);
}

static void a_certificate_is_about_to_end_only_after_its_renewal_was_due(void **state)
{
    static const struct {
        uint64_t life_s, due_s, expiring_s;
    } cases[] = {
        {1000, 500, 900}, {1000, 980, 990}, {1000, 900, 950}, {1000, 2000, 1000}, {5, 2, 5}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct expiry_look look = {START, START + cases[i].due_s, START + cases[i].life_s};

        assert_int_equal(urgency_expiring_s(&look), START + cases[i].expiring_s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(due_lies_in_the_window),
        cmocka_unit_test(a_life_that_is_cut_and_an_issuer_near_its_end_are_noticed),
        cmocka_unit_test(due_of_equals_is_spread_over_the_window),
        cmocka_unit_test(a_backdated_certificate_is_not_due_when_it_is_new),
        cmocka_unit_test(renew_before_is_obeyed_with_a_little_spread),
        cmocka_unit_test(renew_before_that_eats_the_life_falls_back_to_the_window),
        cmocka_unit_test(due_is_after_the_start_whatever_the_life),
        cmocka_unit_test(what_has_ended_is_tried_at_once_when_the_ca_is_back),
        cmocka_unit_test(the_wait_grows_and_is_jittered),
        cmocka_unit_test(the_wait_is_never_over_a_sixteenth_of_the_rest_nor_under_a_second),
        cmocka_unit_test(without_a_certificate_the_wait_stays_short),
        cmocka_unit_test(a_clock_that_promises_more_than_the_life_is_not_believed),
        cmocka_unit_test(nobody_comes_back_within_5_s_after_a_cold_boot),
        cmocka_unit_test(others_failures_put_a_try_off_no_longer_than_its_own_would),
        cmocka_unit_test(what_is_left_of_a_wait_survives_a_restart_but_no_other_clock),
        cmocka_unit_test(no_wait_is_longer_than_what_a_restart_believes),
        cmocka_unit_test(what_a_person_must_mend_is_asked_less_often),
        cmocka_unit_test(retry_after_is_obeyed_and_capped),
        cmocka_unit_test(a_wait_outlives_crashes_and_not_a_person_who_restarts),
        cmocka_unit_test(only_a_500_that_repeats_makes_the_role_a_suspect),
        cmocka_unit_test(a_name_that_the_others_lack_is_found),
        cmocka_unit_test(advice_is_given_for_what_is_unwise_and_only_then),
        cmocka_unit_test(lifetime_margin_and_key_have_limits),
        cmocka_unit_test(names_that_a_peer_may_refuse_are_advised_on),
        cmocka_unit_test(of_many_certificates_a_few_are_told),
        cmocka_unit_test(a_failure_is_told_when_its_class_or_urgency_changes),
        cmocka_unit_test(a_reason_is_the_same_whatever_the_numbers_in_it),
        cmocka_unit_test(a_certificate_is_about_to_end_only_after_its_renewal_was_due),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
