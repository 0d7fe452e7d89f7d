/*
 * Issuance as its table tells it: the stages are replaced by a trace, the events are delivered by
 * hand.
 */
#include "machine.h"

#include "cert/cert_advice.h"
#include "install/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

TRACED(issuance, stage_read)
TRACED(issuance, stage_queue)
TRACED(issuance, stage_queue_to_restage)
TRACED(issuance, stage_make_key)
TRACED(issuance, stage_sign)
TRACED(issuance, stage_vet)
TRACED(issuance, stage_recover)
TRACED(issuance, stage_stage)
TRACED(issuance, stage_validate)
TRACED(issuance, stage_publish)

static void quiet_wanted(struct cert_work *work, const char *what)
{
    (void)work;
    (void)what;
}

static uint64_t told_wait_ms;

static void quiet_failed(struct cert_work *work, const struct err *err, uint64_t wait_ms)
{
    (void)work;
    assert_int_not_equal(err->kind, ERR_NONE);
    told_wait_ms = wait_ms;
}

static unsigned short_holds;

static void traced_short_hold(const struct cert_work *work, uint64_t shown_s)
{
    assert_in_range(shown_s, clock_now_s() - 1, work->published.end_s);
    short_holds++;
}

#define stage_read             traced_stage_read
#define stage_queue            traced_stage_queue
#define stage_queue_to_restage traced_stage_queue_to_restage
#define stage_make_key         traced_stage_make_key
#define stage_sign             traced_stage_sign
#define stage_vet              traced_stage_vet
#define stage_recover          traced_stage_recover
#define stage_stage            traced_stage_stage
#define stage_validate         traced_stage_validate
#define stage_publish          traced_stage_publish
#define cert_log_found         quiet
#define cert_log_wanted        quiet_wanted
#define cert_log_held          quiet
#define cert_log_renewed_early quiet
#define cert_advice_short_hold traced_short_hold
#define cert_log_published     quiet
#define cert_log_withdrawn     quiet
#define cert_advice_warnings   quiet
#define cert_advice_leased     quiet
#define cert_log_unchanged     quiet
#define cert_log_failed        quiet_failed
#define cert_log_waits         quiet_failed
#define cert_log_bug           traced_bug
#include "cert/issuance.c"
#include "cert/issuance_meaning.c"
#include "cert/issuance_news.c"
#include "cert/issuance_waits.h"

static unsigned steps;

static void on_in_place(struct cert_work *work, enum in_place how)
{
    static const char *const words[] = {"published", "fresh", "for-now"};

    (void)work;
    note(words[how]);
}

static void on_withdrawn(struct cert_work *work)
{
    (void)work;
    note("withdrawn");
}

static void on_stepped(struct cert_work *work)
{
    (void)work;
    steps++;
}

static const struct issuance_listener listener = {on_in_place, on_withdrawn, on_stepped};

static struct fixture *of_work; /* of which the looks tell */

static void on_found(struct cert_work *work, enum cert_found found)
{
    static const enum issuance_event events[] = {ISSUANCE_ON_DAMAGED, ISSUANCE_ON_REVOKED,
                                                 ISSUANCE_ON_WITHDRAW};

    assert_ptr_equal(work, &of_work->work);
    issuance_hear(&of_work->issuance, events[found], NULL);
}

static int open_issuance(void **state)
{
    struct fixture *fixture = fixture_open();
    struct err err;

    steps = 0;
    of_work = fixture;
    fixture->work.found = on_found;
    *state = fixture;
    if (!issuance_open(&fixture->issuance, &fixture->work, &listener, &err))
        return 1;
    issuance_begin(&fixture->issuance);
    return 0;
}

static void close_machine(struct fixture *fixture)
{
    if (fixture->issuance.work == NULL)
        return;
    issuance_close(&fixture->issuance);
    cert_work_close(&fixture->work);
    mounts_close(&fixture->tools.mounts);
    fixture->issuance.work = NULL;
}

static int close_issuance(void **state)
{
    struct fixture *fixture = *state;

    close_machine(fixture);
    fixture_close(fixture);
    return 0;
}

static const struct err wrong = {.kind = ERR_TRANSIENT, .text = "the CA is away"};

/* The end of a stage; stage_queue leaves an empty draft. */
static void deliver(struct fixture *fixture, enum issuance_event event)
{
    static const struct err fine;
    struct issuance *issuance = &fixture->issuance;

    if (event == ISSUANCE_ON_DONE &&
        (issuance->state == ISSUANCE_QUEUED || issuance->state == ISSUANCE_QUEUED_TO_RESTAGE)) {
        cert_draft_free(fixture->work.draft);
        fixture->work.draft = cert_draft_new();
    }
    issuance->end(issuance, event, event == ISSUANCE_ON_FAILED ? &wrong : &fine);
}

static void deliver_done(struct fixture *fixture, unsigned times)
{
    while (times-- > 0)
        deliver(fixture, ISSUANCE_ON_DONE);
}

static void hear(struct fixture *fixture, enum issuance_event event)
{
    issuance_hear(&fixture->issuance, event, &wrong);
}

static void ring(struct fixture *fixture, bool reached)
{
    on_ring(&fixture->issuance, reached);
}

static void assert_at(const struct fixture *fixture, enum issuance_state state)
{
    assert_int_equal(fixture->issuance.state, state);
}

/* What is published lasts so long, and is due a second from now. */
static void publish(struct fixture *fixture, uint64_t left_s)
{
    struct cert_published *published = &fixture->work.published;

    published->usable = true;
    published->validity = (struct validity){clock_now_s() - 3600, clock_now_s() + left_s};
    published->end_s = published->validity.not_after;
    published->due_s = clock_now_s() + 1;
    strcpy(published->generation, "now");
}

static void a_wanted_certificate_goes_the_whole_way(void **state)
{
    struct fixture *fixture = *state;

    deliver(fixture, ISSUANCE_ON_WANTED);
    deliver_done(fixture, 7);
    assert_at(fixture, ISSUANCE_IDLE);
    assert_string_equal(trace, "stage_read stage_queue stage_make_key stage_sign stage_vet "
                               "stage_stage stage_validate stage_publish published");
    assert_int_equal(bugs, 0);
    assert_null(fixture->work.draft);
    assert_null(fixture->issuance.turn);
    assert_true(fixture->issuance.tried);
}

static void a_fresh_certificate_asks_for_nothing(void **state)
{
    struct fixture *fixture = *state;

    publish(fixture, 3600);
    deliver(fixture, ISSUANCE_ON_FRESH);
    assert_string_equal(trace, "stage_read fresh");
    assert_at(fixture, ISSUANCE_IDLE);
    assert_int_equal(steps, 1);
    assert_int_equal(fixture->issuance.timer.moment_s, fixture->work.published.due_s);
}

static void files_are_written_anew_without_asking_the_ca(void **state)
{
    struct fixture *fixture = *state;

    deliver(fixture, ISSUANCE_ON_RESTAGE);
    deliver_done(fixture, 5);
    assert_string_equal(trace, "stage_read stage_queue_to_restage stage_recover stage_stage "
                               "stage_validate stage_publish published");
    assert_at(fixture, ISSUANCE_IDLE);
}

static void a_failure_at_any_stage_backs_off_and_starts_from_the_disk(void **state)
{
    struct fixture *fixture = *state;
    struct trouble *trouble = &fixture->work.state.issuing;

    for (unsigned stage = 0; stage < 7; stage++) {
        deliver(fixture, ISSUANCE_ON_WANTED);
        deliver_done(fixture, stage);
        deliver(fixture, ISSUANCE_ON_FAILED);
        assert_at(fixture, ISSUANCE_BACKING_OFF);
        assert_int_equal(trouble->failures, stage + 1);
        assert_string_equal(trouble_err(trouble)->text, wrong.text);
        assert_in_range(told_wait_ms, 1000, 1800000);
        assert_null(fixture->work.draft);
        ring(fixture, false);
        assert_at(fixture, ISSUANCE_READING);
    }
    assert_int_equal(bugs, 0);
}

/* Only an operator wanted it, and hears of it. */
static void a_failed_wish_is_not_repeated(void **state)
{
    struct fixture *fixture = *state;

    for (unsigned stage = 0; stage < 7; stage++) {
        publish(fixture, 3600);
        fixture->work.published.due_s = clock_now_s() + 1800;
        deliver(fixture, ISSUANCE_ON_FRESH);
        issuance_ask(&fixture->issuance, false);
        deliver_done(fixture, stage);
        deliver(fixture, ISSUANCE_ON_FAILED);
        assert_at(fixture, ISSUANCE_READING);
        assert_int_equal(told_wait_ms, CERT_LOG_NOT_REPEATED);
        assert_int_equal(fixture->work.state.issuing.failures, 0);
        assert_false(fixture->issuance.asked);
        assert_null(fixture->issuance.unmet);
    }
    /* What has become due meanwhile is tried again. */
    deliver(fixture, ISSUANCE_ON_FRESH);
    issuance_ask(&fixture->issuance, false);
    fixture->work.published.due_s = clock_now_s() - 1;
    deliver(fixture, ISSUANCE_ON_FAILED);
    assert_at(fixture, ISSUANCE_BACKING_OFF);
    assert_int_equal(fixture->work.state.issuing.failures, 1);
    assert_int_equal(bugs, 0);
}

static void success_forgets_the_failures_of_the_ca_and_no_others(void **state)
{
    struct fixture *fixture = *state;

    deliver(fixture, ISSUANCE_ON_FAILED);
    ring(fixture, false);
    deliver(fixture, ISSUANCE_ON_WANTED);
    fixture->work.state.consumer.trouble.failures = 3;
    deliver_done(fixture, 7);
    assert_at(fixture, ISSUANCE_IDLE);
    assert_int_equal(fixture->work.state.issuing.failures, 0);
    assert_int_equal(trouble_err(&fixture->work.state.issuing)->kind, ERR_NONE);
    assert_int_equal(fixture->work.state.consumer.trouble.failures, 3);
}

static void a_failing_ca_keeps_no_consumer_from_what_is_in_place(void **state)
{
    struct fixture *fixture = *state;

    publish(fixture, 3600);
    deliver(fixture, ISSUANCE_ON_WANTED);
    deliver(fixture, ISSUANCE_ON_FAILED);
    assert_string_equal(trace, "stage_read stage_queue for-now");
    /* A rename that failed may have happened: memory does not know what is in place. */
    ring(fixture, false);
    deliver(fixture, ISSUANCE_ON_WANTED);
    deliver_done(fixture, 6);
    trace[0] = '\0';
    deliver(fixture, ISSUANCE_ON_FAILED);
    assert_string_equal(trace, "");
}

/* A draft that begins so long from now on, or ago, and lasts so long from then on. */
static void set_draft(struct fixture *fixture, int64_t begins_s, uint64_t life_s)
{
    struct cert_draft *draft = fixture->work.draft;
    uint64_t begin_s = clock_now_s() + (uint64_t)begins_s;

    if (draft == NULL)
        draft = fixture->work.draft = cert_draft_new();
    strcpy(draft->generation, "early");
    draft->issued.leaf.validity = (struct validity){begin_s, begin_s + life_s};
    draft->issued.end_s = begin_s + life_s;
}

static void stage_early(struct fixture *fixture)
{
    deliver(fixture, ISSUANCE_ON_WANTED);
    deliver_done(fixture, 4);
    assert_at(fixture, ISSUANCE_STAGING);
    set_draft(fixture, 1000, 3600);
    deliver(fixture, ISSUANCE_ON_EARLY);
    assert_at(fixture, ISSUANCE_HOLDING);
}

static void a_certificate_of_the_future_is_staged_and_held_and_then_published(void **state)
{
    struct fixture *fixture = *state;

    stage_early(fixture);
    assert_non_null(fixture->work.draft);
    assert_string_equal(fixture->work.state.held, "early");
    trace[0] = '\0';
    ring(fixture, true);
    deliver(fixture, ISSUANCE_ON_DONE);
    assert_string_equal(trace, "stage_validate stage_publish");
}

static void what_was_held_too_long_is_never_published(void **state)
{
    struct fixture *fixture = *state;

    stage_early(fixture);
    set_draft(fixture, -3600, 3600);
    trace[0] = '\0';
    ring(fixture, true);
    assert_string_equal(trace, "stage_read");
    assert_null(fixture->work.draft);
    assert_string_equal(fixture->work.state.held, "");
}

static void what_was_held_is_held_on_after_a_restart_until_its_time_has_come(void **state)
{
    struct fixture *fixture = *state;

    set_draft(fixture, 1000, 4000);
    deliver(fixture, ISSUANCE_ON_HELD);
    assert_at(fixture, ISSUANCE_HOLDING);
    assert_int_equal(fixture->issuance.timer.moment_s,
                     fixture->work.draft->issued.leaf.validity.not_before);
    hear(fixture, ISSUANCE_ON_CHANGED);
    trace[0] = '\0';
    set_draft(fixture, 0, 4000);
    deliver(fixture, ISSUANCE_ON_HELD);
    deliver(fixture, ISSUANCE_ON_DONE);
    assert_string_equal(trace, "stage_validate stage_publish");
}

/* An unknown issuer's leaf is staged while the certificate in place has so long to live. */
static void stage_unknown(struct fixture *fixture, uint64_t left_s)
{
    publish(fixture, left_s);
    deliver(fixture, ISSUANCE_ON_FRESH);
    ring(fixture, true);
    assert_true(fixture->work.in_time);
    deliver_done(fixture, 4);
    strcpy(fixture->work.draft->generation, "..new");
    short_holds = 0;
    deliver(fixture, ISSUANCE_ON_UNKNOWN_ISSUER);
}

static void a_leaf_of_an_unknown_issuer_waits_on_disk_while_its_ca_is_announced(void **state)
{
    struct fixture *fixture = *state;
    struct cert_work *work = &fixture->work;

    fixture->config->agent.ca_spread_s = 900;
    stage_unknown(fixture, 5000);
    assert_at(fixture, ISSUANCE_QUEUED_TO_RESTAGE);
    assert_string_equal(work->state.held, "..new");
    assert_in_range(work->state.ca.held_until_s, clock_now_s() + 440, clock_now_s() + 901);
    trace[0] = '\0';
    deliver_done(fixture, 5);
    assert_string_equal(trace, "stage_recover stage_stage stage_validate stage_publish published");
    assert_string_equal(work->state.held, "..new");
    /* Its time has come: it is there, or is not wanted any more. */
    ring(fixture, true);
    assert_at(fixture, ISSUANCE_READING);
}

static void it_waits_as_long_as_what_is_in_place_permits(void **state)
{
    struct fixture *fixture = *state;

    fixture->config->agent.ca_spread_s = 1800;
    stage_unknown(fixture, 1000);
    assert_at(fixture, ISSUANCE_QUEUED_TO_RESTAGE);
    assert_in_range(fixture->work.state.ca.held_until_s, clock_now_s() + 798, clock_now_s() + 800);
    assert_int_equal(short_holds, 1);
}

static void one_that_cannot_wait_is_shown_and_that_is_told(void **state)
{
    struct fixture *fixture = *state;

    fixture->config->agent.ca_spread_s = 1800;
    stage_unknown(fixture, 300);
    assert_at(fixture, ISSUANCE_VALIDATING);
    assert_int_equal(fixture->work.state.ca.held_until_s, 0);
    assert_string_equal(fixture->work.state.held, "");
    assert_int_equal(short_holds, 1);
}

/* Idle, with a certificate that the issuer "aa" has signed. */
static struct cert_work *wait_with_leaf(struct fixture *fixture)
{
    struct cert_work *work = &fixture->work;

    publish(fixture, 86300);
    work->published.due_s = clock_now_s() + 40000;
    work->published.validity.not_before = clock_now_s() - 100;
    strcpy(work->published.authority_key, "aa");
    strcpy(work->published.serial, "01:02");
    deliver(fixture, ISSUANCE_ON_FRESH);
    return work;
}

static void another_issuer_makes_one_early_renewal_once_it_is_certain(void **state)
{
    struct fixture *fixture = *state;
    struct cert_work *work = wait_with_leaf(fixture);
    struct ca_named_issuer named = {.key = "aa", .in_a_row = 1};

    assert_false(issuance_take_issuer(&fixture->issuance, &named));
    assert_true(work->state.ca.has_baseline);
    named.key = "bb";
    for (named.in_a_row = 1; named.in_a_row < 3; named.in_a_row++) {
        assert_true(issuance_take_issuer(&fixture->issuance, &named));
        assert_int_equal(work->early_renewal.due_s, 0);
    }
    assert_false(issuance_take_issuer(&fixture->issuance, &named));
    assert_in_range(work->early_renewal.due_s, clock_now_s() - 2, clock_now_s());
    assert_int_equal(fixture->issuance.timer.moment_s, work->early_renewal.due_s);

    /* Its leaf is of "bb"; a node out of step names "aa" again. */
    cert_work_forget_early_renewal(work);
    strcpy(work->published.authority_key, "bb");
    named = (struct ca_named_issuer){.key = "aa", .in_a_row = 9};
    assert_false(issuance_take_issuer(&fixture->issuance, &named));
    assert_int_equal(work->early_renewal.due_s, 0);
}

static void who_was_named_from_the_first_is_no_news(void **state)
{
    struct fixture *fixture = *state;
    struct cert_work *work = wait_with_leaf(fixture);
    struct ca_named_issuer named = {.key = "another tenant's", .in_a_row = 1};

    for (; named.in_a_row < 9; named.in_a_row++)
        assert_false(issuance_take_issuer(&fixture->issuance, &named));
    assert_int_equal(work->early_renewal.due_s, 0);
}

static void a_new_issuer_ends_a_pause(void **state)
{
    struct fixture *fixture = *state;
    struct ca_named_issuer named = {.key = "bb", .in_a_row = 3, .is_new = true};

    fixture->config->agent.ca_spread_s = 80;
    deliver(fixture, ISSUANCE_ON_FAILED);
    assert_at(fixture, ISSUANCE_BACKING_OFF);
    wall_timer_set(&fixture->issuance.timer, 0, 1800000);
    issuance_take_issuer(&fixture->issuance, &named);
    assert_in_range(fixture->issuance.timer.until_us, 0, clock_boot_us() + 10100000);
}

static void what_is_found_revoked_is_replaced_and_the_next_one_later(void **state)
{
    struct fixture *fixture = *state;
    struct cert_work *work = wait_with_leaf(fixture);

    issuance_take_revoked(&fixture->issuance, "0f:0f");
    assert_int_equal(work->early_renewal.due_s, 0);
    strcpy(work->state.consumer.accepted, "old");
    issuance_take_revoked(&fixture->issuance, "01:02");
    assert_in_range(work->published.due_s, clock_now_s() - 2, clock_now_s());
    assert_string_equal(work->state.consumer.accepted, "");
    /* Found again after a restart, it is no other one. */
    cert_work_forget_early_renewal(work);
    work->published.due_s = clock_now_s() + 40000;
    issuance_take_revoked(&fixture->issuance, "01:02");
    assert_in_range(work->published.due_s, clock_now_s() - 2, clock_now_s());
    cert_work_forget_early_renewal(work);
    work->published.due_s = clock_now_s() + 40000;
    strcpy(work->published.serial, "01:03");
    issuance_take_revoked(&fixture->issuance, "01:03");
    assert_in_range(work->published.due_s, clock_now_s() + 2690, clock_now_s() + 2710);
}

static void a_revocation_ends_the_hold_of_a_new_issuers_leaf(void **state)
{
    struct fixture *fixture = *state;
    struct cert_work *work = wait_with_leaf(fixture);

    strcpy(work->state.held, "..new");
    work->state.ca.held_until_s = work->published.due_s = clock_now_s() + 3000;
    trace[0] = '\0';
    issuance_take_revoked(&fixture->issuance, "01:02");
    assert_in_range(work->state.ca.held_until_s, clock_now_s() - 2, clock_now_s());
    assert_in_range(work->published.due_s, clock_now_s() - 2, clock_now_s());
    assert_string_equal(work->state.ca.revoked, "01:02");
    assert_int_equal(work->state.ca.replace_at_s, work->published.due_s);
    ring(fixture, true);
    assert_string_equal(trace, "stage_read");
}

static void a_held_certificate_may_still_be_what_a_changed_section_wants(void **state)
{
    struct fixture *fixture = *state;

    stage_early(fixture);
    hear(fixture, ISSUANCE_ON_CHANGED);
    assert_at(fixture, ISSUANCE_READING);
    assert_string_equal(fixture->work.state.held, "early");
}

static void what_is_on_its_way_for_another_section_is_begun_anew(void **state)
{
    struct fixture *fixture = *state;

    for (unsigned stage = 0; stage < 7; stage++) {
        deliver(fixture, ISSUANCE_ON_WANTED);
        deliver_done(fixture, stage);
        hear(fixture, ISSUANCE_ON_CHANGED);
        assert_at(fixture, ISSUANCE_READING);
        assert_null(fixture->work.draft);
        assert_null(fixture->issuance.config);
        assert_int_equal(fixture->work.state.issuing.failures, 0);
    }
    assert_int_equal(bugs, 0);
}

static void what_is_published_stays_while_the_issuers_are_the_same(void **state)
{
    struct fixture *fixture = *state;
    struct cert_work *work = &fixture->work;

    publish(fixture, 3600);
    work->published.issued_s = clock_now_s() - 500;
    fixture->cert.is_trust = true;
    fixture->config->agent.ca_poll_s = CA_NEWS_AUTO;
    deliver(fixture, ISSUANCE_ON_WANTED);
    deliver_done(fixture, 3);
    assert_at(fixture, ISSUANCE_VETTING);
    work->bundle_read_s = clock_now_s();
    strcpy(work->state.consumer.accepted, "..kept");
    strcpy(work->draft->issued.leaf.serial, work->published.serial);
    work->draft->issued.end_s = clock_now_s() + 1000000;
    trace[0] = '\0';
    deliver(fixture, ISSUANCE_ON_UNCHANGED);
    assert_at(fixture, ISSUANCE_IDLE);
    assert_string_equal(trace, "fresh");
    assert_null(work->draft);
    assert_null(fixture->issuance.turn);
    assert_in_range(work->published.issued_s, 0, clock_now_s() - 499);
    assert_in_range(work->published.due_s, clock_now_s() + 3000, clock_now_s() + 4200);
    assert_int_equal(bugs, 0);
}

static void a_revoked_certificate_is_replaced_at_once(void **state)
{
    struct fixture *fixture = *state;

    publish(fixture, 3600);
    deliver(fixture, ISSUANCE_ON_FRESH);
    hear(fixture, ISSUANCE_ON_REVOKED);
    assert_at(fixture, ISSUANCE_QUEUED);
    hear(fixture, ISSUANCE_ON_REVOKED);
    assert_at(fixture, ISSUANCE_QUEUED);
    assert_int_equal(bugs, 0);
}

static void what_is_withdrawn_rests_until_somebody_asks(void **state)
{
    struct fixture *fixture = *state;

    publish(fixture, 3600);
    deliver(fixture, ISSUANCE_ON_WANTED);
    deliver_done(fixture, 2);
    hear(fixture, ISSUANCE_ON_WITHDRAW); /* what was on its way is dropped */
    assert_at(fixture, ISSUANCE_WITHDRAWN);
    assert_non_null(strstr(trace, "withdrawn"));
    assert_null(fixture->work.draft);
    issuance_recompute(&fixture->issuance, true);
    assert_int_equal(fixture->issuance.timer.moment_s, 0);
    assert_int_equal(fixture->issuance.timer.until_us, 0);
    assert_false(issuance_try_within(&fixture->issuance, 1000));
    hear(fixture, ISSUANCE_ON_CHANGED);
    deliver(fixture, ISSUANCE_ON_WITHDRAW);
    assert_at(fixture, ISSUANCE_WITHDRAWN);
    hear(fixture, ISSUANCE_ON_REVOKED);
    assert_at(fixture, ISSUANCE_QUEUED);
    assert_int_equal(bugs, 0);
}

static void what_is_damaged_is_repaired_and_ends_no_wait_for_the_ca(void **state)
{
    struct fixture *fixture = *state;
    struct issuance *issuance = &fixture->issuance;
    uint64_t until_us;

    publish(fixture, 3600);
    deliver(fixture, ISSUANCE_ON_FRESH);
    hear(fixture, ISSUANCE_ON_DAMAGED);
    assert_at(fixture, ISSUANCE_READING);
    deliver(fixture, ISSUANCE_ON_WANTED);
    hear(fixture, ISSUANCE_ON_DAMAGED); /* what comes repairs it */
    assert_at(fixture, ISSUANCE_QUEUED);
    deliver(fixture, ISSUANCE_ON_FAILED);
    assert_at(fixture, ISSUANCE_BACKING_OFF);
    until_us = issuance->timer.until_us;
    hear(fixture, ISSUANCE_ON_DAMAGED);
    assert_at(fixture, ISSUANCE_QUEUED_TO_RESTAGE);
    deliver(fixture, ISSUANCE_ON_FAILED);
    assert_at(fixture, ISSUANCE_BACKING_OFF);
    assert_in_range(issuance->timer.until_us, until_us - 1000000, until_us + 1000000);
    assert_int_equal(fixture->work.state.issuing.failures, 1);
    hear(fixture, ISSUANCE_ON_DAMAGED);
    deliver_done(fixture, 5);
    assert_at(fixture, ISSUANCE_BACKING_OFF);
    assert_in_range(issuance->timer.until_us, until_us - 1000000, until_us + 1000000);
    assert_int_equal(fixture->work.state.issuing.failures, 1);
    /* What has ended is not worth it. */
    fixture->work.published.end_s = clock_now_s() - 1;
    hear(fixture, ISSUANCE_ON_DAMAGED);
    assert_at(fixture, ISSUANCE_BACKING_OFF);
    assert_int_equal(bugs, 0);
}

static void what_is_known_to_be_damaged_is_repaired_when_the_ca_fails(void **state)
{
    struct fixture *fixture = *state;

    publish(fixture, 3600);
    deliver(fixture, ISSUANCE_ON_WANTED);
    fixture->issuance.repairable = true; /* as stage_read finds it */
    trace[0] = '\0';
    deliver(fixture, ISSUANCE_ON_FAILED);
    assert_at(fixture, ISSUANCE_QUEUED_TO_RESTAGE);
    assert_string_equal(trace, "stage_queue_to_restage");
    deliver(fixture, ISSUANCE_ON_FAILED);
    assert_at(fixture, ISSUANCE_BACKING_OFF); /* once is enough */
    assert_string_equal(trace, "stage_queue_to_restage for-now");
}

static void what_the_consumer_refused_is_asked_for_when_the_old_set_grows_old(void **state)
{
    static const struct err refused = {.kind = ERR_CONSUMER, .text = "bad pair"};
    struct fixture *fixture = *state;
    struct issuance *issuance = &fixture->issuance;
    uint64_t least_us;

    publish(fixture, 8000);
    deliver(fixture, ISSUANCE_ON_FRESH);
    strcpy(fixture->work.state.consumer.refused, "new");
    issuance_hear(issuance, ISSUANCE_ON_REFUSED, &refused);
    assert_at(fixture, ISSUANCE_BACKING_OFF);
    least_us = clock_boot_us() + 3990 * 1000000ULL;
    assert_true(issuance->timer.until_us > least_us);
    assert_int_equal(trouble_err(&fixture->work.state.issuing)->kind, ERR_CONSUMER);
    /* Nothing that ends a wait for the CA ends this one. */
    assert_false(issuance_try_within(issuance, 1000));
    issuance_recompute(issuance, true);
    assert_true(issuance->timer.until_us > least_us);
    /* A changed section does. */
    hear(fixture, ISSUANCE_ON_CHANGED);
    assert_at(fixture, ISSUANCE_READING);
}

static void what_the_consumer_refused_is_left_alone_by_the_next_process_too(void **state)
{
    static const struct err refused = {.kind = ERR_CONSUMER, .text = "bad pair"};
    struct fixture *fixture = *state;
    struct cert_work *work = &fixture->work;

    publish(fixture, 8000);
    strcpy(work->state.consumer.refused, "new");
    trouble_set(&work->state.issuing, &refused);
    work->state.issuing.try_again_at_s = clock_now_s() + 4000;
    /* However often it is restarted, and however orderly it ended. */
    work->state.restart.in_order = true;
    assert_int_equal(cert_work_left_wait_s(work), work->state.issuing.try_again_at_s);
    assert_int_equal(work->state.restart.count, 0);
    deliver(fixture, ISSUANCE_ON_LATER);
    assert_at(fixture, ISSUANCE_BACKING_OFF);
    assert_true(fixture->issuance.timer.until_us > clock_boot_us() + 3990 * 1000000ULL);
}

/* Backing off after a failure of that class; the milliseconds that are left after the clock was
 * set. */
static uint64_t left_after_a_step(struct fixture *fixture, enum err_kind kind, bool sooner)
{
    const struct err failure = {.kind = kind, .text = "so it failed"};
    struct issuance *issuance = &fixture->issuance;
    uint64_t left_ms;

    fixture->work.state.issuing.failures = 20;
    issuance->end(issuance, ISSUANCE_ON_FAILED, &failure);
    assert_at(fixture, ISSUANCE_BACKING_OFF);
    wall_timer_set(&issuance->timer, 0, 1000000);
    issuance_recompute(issuance, sooner);
    left_ms = (issuance->timer.until_us - clock_boot_us()) / 1000;
    ring(fixture, false);
    return left_ms;
}

static void what_the_clock_may_be_to_blame_for_is_tried_again_when_it_is_set(void **state)
{
    struct fixture *fixture = *state;

    /* Nothing valid is in place: a machine that has no time yet believes in no certificate. */
    assert_in_range(left_after_a_step(fixture, ERR_TRANSIENT, true), 0, 10000);
    /* A wait that is too long for what is left by the new time is cut. */
    assert_in_range(left_after_a_step(fixture, ERR_TRANSIENT, false), 200000, 420000);
    publish(fixture, 3600);
    assert_in_range(left_after_a_step(fixture, ERR_UNTRUSTED, true), 0, 10000);
    assert_in_range(left_after_a_step(fixture, ERR_TRANSIENT, true), 110000, 225000);
    assert_in_range(left_after_a_step(fixture, ERR_REFUSED, true), 110000, 225000);
}

static void what_has_ended_waits_no_longer_when_the_ca_is_back(void **state)
{
    static const struct err away = {.kind = ERR_TRANSIENT, .text = "away"};
    struct fixture *fixture = *state;
    struct issuance *issuance = &fixture->issuance;

    fixture->work.state.issuing.failures = 20;
    publish(fixture, 3600);
    issuance->end(issuance, ISSUANCE_ON_FAILED, &away);
    assert_at(fixture, ISSUANCE_BACKING_OFF);
    wall_timer_set(&issuance->timer, 0, 1000000);
    issuance_ca_is_back(issuance);
    assert_true(issuance->timer.until_us > clock_boot_us() + 900000000);
    fixture->work.published.end_s = clock_now_s() - 1;
    issuance_ca_is_back(issuance);
    assert_in_range(issuance->timer.until_us, 1, clock_boot_us() + 1000000);
}

/* -- looks at a directory -------------------------------------------------------------------------
 */

static const char published_name[] = "..2026_11_20_21_28_38.4f2a91";

/* A directory that is watched, with a look at it under way; gives its path for end_look. */
static void start_look(struct fixture *fixture, char *folder)
{
    struct cert_work *work = &fixture->work;
    struct err err;
    int fd;

    assert_non_null(mkdtemp(folder));
    fixture->tools.stays = true;
    assert_true(workers_open(fixture->tools.loop, 1, &fixture->tools.workers, &err));
    assert_true(watches_open(fixture->tools.loop, &fixture->tools.watches, &err));
    fixture->cert.directory = folder;
    fixture->config->agent.files_every_s = 600;
    assert_true(set_claim_take(folder, 0755, &work->claim, &fd, &err));
    close(fd);
    strcpy(work->published.generation, published_name);
    work->published.due_s = clock_now_s() + 1000;
    deliver(fixture, ISSUANCE_ON_FRESH);
    cert_directory_watch(work);
    while (work->look.watching != NULL)
        sd_event_run(fixture->tools.loop, 100000);
    trace[0] = '\0';
}

static void look_until_it_ends(struct fixture *fixture)
{
    struct cert_look *look = &fixture->work.look;

    cert_directory_look(&fixture->work);
    for (unsigned i = 0; i < 100 && look->slot == NULL; i++)
        sd_event_run(fixture->tools.loop, 100000);
    assert_non_null(look->slot);
    for (unsigned i = 0; i < 100 && look->slot != NULL; i++)
        sd_event_run(fixture->tools.loop, 100000);
    assert_null(look->slot);
}

static void end_looks(struct fixture *fixture, const char *folder)
{
    int folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    close_machine(fixture);
    assert_true(workers_close(fixture->tools.workers, 10));
    watches_close(fixture->tools.watches);
    unlinkat(folder_fd, "..revoked", 0);
    unlinkat(folder_fd, "..state", 0);
    unlinkat(folder_fd, "..lock", 0);
    close(folder_fd);
    assert_int_equal(rmdir(folder), 0);
}

static void a_look_ends_with_the_directory_that_it_was_at(void **state)
{
    struct fixture *fixture = *state;
    struct cert_work *work = &fixture->work;
    struct cert_config moved;
    char folder[] = "/tmp/leafd-issuance.XXXXXX";

    start_look(fixture, folder);
    cert_directory_look(work);
    for (unsigned i = 0; i < 100 && work->look.slot == NULL; i++)
        sd_event_run(fixture->tools.loop, 100000);
    assert_non_null(work->look.slot);
    moved = fixture->cert;
    moved.directory = "/nowhere/either";
    strcpy(moved.digest, "another");
    assert_true(cert_work_adopt(work, fixture->config, &moved));
    hear(fixture, ISSUANCE_ON_CHANGED);
    assert_at(fixture, ISSUANCE_READING);
    assert_null(work->look.job);
    assert_null(work->look.watching);
    deliver(fixture, ISSUANCE_ON_FAILED);
    /* The job that nobody waits for is freed; nothing that is left of the look reaches it. */
    for (unsigned i = 0; i < 10; i++)
        sd_event_run(fixture->tools.loop, 50000);
    if (work->look.timer.schedule != NULL)
        look_until_it_ends(fixture);
    /* The next read begins the looks anew. */
    moved.directory = folder;
    cert_directory_watch(work);
    assert_int_not_equal(work->look.timer.until_us, 0);
    assert_non_null(work->look.watching);
    work->cert = &fixture->cert;
    end_looks(fixture, folder);
}

/* -- a turn that nobody waits for -----------------------------------------------------------------
 */

static struct cert_job *make_with_draft(void *arg, struct err *err)
{
    const struct fixture *fixture = arg;
    struct cert_draft *draft = cert_draft_new();

    strcpy(draft->generation, published_name);
    return cert_job_new(fixture->work.config, fixture->work.cert, fixture->work.claim, draft, err);
}

static bool run_nothing(void *arg, struct err *err)
{
    (void)arg;
    (void)err;
    return true;
}

static void never_heard(void *arg, const struct err *err)
{
    (void)arg;
    (void)err;
    fail();
}

static bool is_left(struct fixture *fixture, const char *folder, bool stages)
{
    struct set_owner owner = {0};
    struct cert_job *job = NULL;
    const struct set_order order = {.loop = fixture->tools.loop,
                                    .workers = fixture->tools.workers,
                                    .mounts = &fixture->tools.mounts,
                                    .urgency = WORK_NEXT,
                                    .stages = stages,
                                    .job = &job,
                                    .make = make_with_draft,
                                    .run = run_nothing,
                                    .arg = fixture};
    char path[64];
    struct err err;
    bool left;

    snprintf(path, sizeof path, "%s/%s", folder, published_name);
    assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
    slot_drop(set_owner_start(&owner, &order, never_heard, &err));
    for (unsigned i = 0; i < 100 && owner.first != NULL; i++)
        sd_event_run(fixture->tools.loop, 100000);
    assert_null(owner.first);
    left = access(path, F_OK) == 0;
    rmdir(path);
    return left;
}

static void a_read_that_nobody_hears_of_leaves_what_is_held(void **state)
{
    struct fixture *fixture = *state;
    char folder[] = "/tmp/leafd-issuance.XXXXXX";

    start_look(fixture, folder);
    assert_true(is_left(fixture, folder, false));
    assert_false(is_left(fixture, folder, true));
    end_looks(fixture, folder);
}

/* -- what waits for the set while a stage ends ----------------------------------------------------
 */

static struct slot *rollback;
static bool rollback_began;

static struct cert_job *make_rollback(void *arg, struct err *err)
{
    rollback_began = true;
    return make_with_draft(arg, err);
}

static void drop_rollback(struct issuance *issuance, enum issuance_event event,
                          const struct err *err)
{
    (void)issuance;
    (void)event;
    (void)err;
    rollback = slot_drop(rollback);
}

#undef stage_read /* the real one, from here on */

/* A publication that ends tells the deployment, which drops the rollback that waits behind it. */
static void what_the_end_of_a_stage_drops_never_begins(void **state)
{
    struct fixture *fixture = *state;
    struct cert_job *job = NULL;
    struct set_order order = {.loop = fixture->tools.loop,
                              .mounts = &fixture->tools.mounts,
                              .urgency = WORK_NEXT,
                              .swaps = true,
                              .job = &job,
                              .make = make_rollback,
                              .run = run_nothing,
                              .arg = fixture};
    char folder[] = "/tmp/leafd-issuance.XXXXXX";
    struct err err;

    start_look(fixture, folder);
    order.workers = fixture->tools.workers;
    fixture->issuance.end = drop_rollback;
    rollback_began = false;
    stage_read(&fixture->issuance);
    rollback = set_owner_start(&fixture->work.set, &order, never_heard, &err);
    assert_non_null(rollback);
    while (rollback != NULL)
        sd_event_run(fixture->tools.loop, 100000);
    assert_null(fixture->work.set.first);
    assert_false(rollback_began);
    end_looks(fixture, folder);
}

static void mark(struct cert_work *work, enum revocation revocation)
{
    struct err err;
    int fd;

    assert_true(set_claim_open(work->claim, work->cert->directory, &fd, &err));
    assert_true(revoked_mark_write(fd, published_name, revocation, &err));
    close(fd);
}

static void a_mark_ends_one_wait_and_no_more(void **state)
{
    struct fixture *fixture = *state;
    struct cert_work *work = &fixture->work;
    char folder[] = "/tmp/leafd-issuance.XXXXXX";

    start_look(fixture, folder);
    mark(work, REVOCATION_REPLACED);
    look_until_it_ends(fixture);
    assert_at(fixture, ISSUANCE_QUEUED);
    deliver(fixture, ISSUANCE_ON_FAILED);
    assert_at(fixture, ISSUANCE_BACKING_OFF);
    for (unsigned i = 0; i < 3; i++)
        look_until_it_ends(fixture);
    assert_at(fixture, ISSUANCE_BACKING_OFF);
    assert_string_equal(trace, "stage_queue for-now");
    /* What is told now is something else. */
    mark(work, REVOCATION_FINAL);
    look_until_it_ends(fixture);
    assert_at(fixture, ISSUANCE_WITHDRAWN);
    mark(work, REVOCATION_REPLACED);
    look_until_it_ends(fixture);
    assert_at(fixture, ISSUANCE_QUEUED);
    assert_int_equal(bugs, 0);
    end_looks(fixture, folder);
}

static void a_mark_that_was_not_heeded_is_told_again(void **state)
{
    struct fixture *fixture = *state;
    struct cert_work *work = &fixture->work;
    char folder[] = "/tmp/leafd-issuance.XXXXXX";

    start_look(fixture, folder);
    hear(fixture, ISSUANCE_ON_REVOKED);
    work->heeded = (struct cert_mark){0};
    mark(work, REVOCATION_REPLACED);
    look_until_it_ends(fixture);
    assert_at(fixture, ISSUANCE_QUEUED);
    deliver(fixture, ISSUANCE_ON_FAILED);
    look_until_it_ends(fixture);
    assert_at(fixture, ISSUANCE_READING);
    end_looks(fixture, folder);
}

/* -- what operators ask for -----------------------------------------------------------------------
 */

/* What a read says, and where a renewal that was asked for meanwhile goes. */
static void whoever_asks_during_a_read_gets_a_new_certificate(void **state)
{
    struct fixture *fixture = *state;
    struct issuance *issuance = &fixture->issuance;
    static const enum issuance_event found[] = {ISSUANCE_ON_FRESH, ISSUANCE_ON_RESTAGE,
                                                ISSUANCE_ON_LATER, ISSUANCE_ON_WANTED};

    publish(fixture, 3600);
    for (size_t i = 0; i < sizeof found / sizeof *found; i++) {
        issuance_ask(issuance, false);
        deliver(fixture, found[i]);
        assert_at(fixture, ISSUANCE_QUEUED);
        assert_true(issuance->asked);
        deliver_done(fixture, 7);
        assert_false(issuance->asked);
        assert_int_equal(issuance->issued, i + 1);
        hear(fixture, ISSUANCE_ON_CHANGED);
    }
    assert_int_equal(bugs, 0);
}

static void whoever_asks_joins_the_issuance_under_way(void **state)
{
    struct fixture *fixture = *state;

    publish(fixture, 3600);
    deliver(fixture, ISSUANCE_ON_FRESH);
    trace[0] = '\0';
    issuance_ask(&fixture->issuance, false);
    for (unsigned stage = 0; stage < 7; stage++) {
        issuance_ask(&fixture->issuance, stage % 2 == 0);
        deliver_done(fixture, 1);
    }
    assert_at(fixture, ISSUANCE_IDLE);
    assert_string_equal(trace, "stage_queue stage_make_key stage_sign stage_vet stage_stage "
                               "stage_validate stage_publish published");
    assert_true(fixture->work.in_time);
    assert_false(fixture->issuance.asked);
    assert_false(fixture->issuance.asked_by_name);
    assert_int_equal(fixture->issuance.issued, 1);
}

static void files_that_are_rewritten_are_no_answer_for_whoever_asks(void **state)
{
    struct fixture *fixture = *state;

    publish(fixture, 3600);
    deliver(fixture, ISSUANCE_ON_RESTAGE);
    for (unsigned stage = 0; stage < 5; stage++) {
        issuance_ask(&fixture->issuance, false);
        deliver_done(fixture, 1);
    }
    assert_at(fixture, ISSUANCE_QUEUED);
    assert_int_equal(fixture->issuance.issued, 0);
    deliver_done(fixture, 7);
    assert_at(fixture, ISSUANCE_IDLE);
    assert_int_equal(fixture->issuance.issued, 1);
    assert_false(fixture->issuance.asked);

    /* Likewise of what is repaired during a wait, which the question ends. */
    deliver(fixture, ISSUANCE_ON_FAILED);
    fixture->issuance.state = ISSUANCE_BACKING_OFF;
    wall_timer_set(&fixture->issuance.timer, 0, 60000);
    hear(fixture, ISSUANCE_ON_DAMAGED);
    issuance_ask(&fixture->issuance, false);
    deliver(fixture, ISSUANCE_ON_FAILED);
    assert_at(fixture, ISSUANCE_READING);
    assert_true(fixture->issuance.asked);
}

static void a_failed_try_ends_the_question_and_the_next_one_ends_the_wait(void **state)
{
    struct fixture *fixture = *state;

    publish(fixture, 3600);
    fixture->work.published.due_s = clock_now_s() - 1;
    deliver(fixture, ISSUANCE_ON_FRESH);
    for (unsigned stage = 0; stage < 7; stage++) {
        issuance_ask(&fixture->issuance, false);
        if (stage > 0)
            deliver(fixture, ISSUANCE_ON_FRESH);
        deliver_done(fixture, stage);
        deliver(fixture, ISSUANCE_ON_FAILED);
        assert_at(fixture, ISSUANCE_BACKING_OFF);
        assert_false(fixture->issuance.asked);
    }
    /* The wait after a failed renewal ends with what is in place. */
    ring(fixture, false);
    deliver(fixture, ISSUANCE_ON_FRESH);
    assert_at(fixture, ISSUANCE_IDLE);
    assert_int_equal(bugs, 0);
}

static void another_section_does_not_end_the_question(void **state)
{
    struct fixture *fixture = *state;

    deliver(fixture, ISSUANCE_ON_WANTED);
    issuance_ask(&fixture->issuance, false);
    hear(fixture, ISSUANCE_ON_CHANGED);
    assert_at(fixture, ISSUANCE_READING);
    deliver(fixture, ISSUANCE_ON_FRESH);
    assert_at(fixture, ISSUANCE_QUEUED);
}

static void what_is_held_is_not_asked_for_again(void **state)
{
    struct fixture *fixture = *state;

    stage_early(fixture);
    trace[0] = '\0';
    issuance_ask(&fixture->issuance, true);
    assert_at(fixture, ISSUANCE_HOLDING);
    assert_false(fixture->issuance.asked);
    assert_true(issuance_is_held(&fixture->issuance));
    assert_string_equal(trace, "");
    /* Whoever asked for it knows now that it is held. */
    ring(fixture, true);
    issuance_ask(&fixture->issuance, false);
    deliver(fixture, ISSUANCE_ON_FAILED);
    assert_false(fixture->issuance.asked);
}

static void what_waits_until_peers_trust_its_ca_is_not_asked_for_again(void **state)
{
    struct fixture *fixture = *state;

    fixture->config->agent.ca_spread_s = 900;
    stage_unknown(fixture, 5000);
    issuance_ask(&fixture->issuance, false);
    deliver_done(fixture, 5);
    assert_at(fixture, ISSUANCE_IDLE);
    assert_false(fixture->issuance.asked);
    assert_true(issuance_is_held(&fixture->issuance));
    issuance_ask(&fixture->issuance, true);
    assert_at(fixture, ISSUANCE_IDLE);
    hear(fixture, ISSUANCE_ON_RECONSIDER);
    issuance_ask(&fixture->issuance, true);
    deliver(fixture, ISSUANCE_ON_FRESH);
    assert_at(fixture, ISSUANCE_IDLE);
    assert_false(fixture->issuance.asked);
}

static void what_is_withdrawn_is_asked_for_by_its_name_only(void **state)
{
    struct fixture *fixture = *state;
    struct issuance *issuance = &fixture->issuance;

    publish(fixture, 3600);
    issuance_ask(issuance, false);
    deliver(fixture, ISSUANCE_ON_WITHDRAW);
    assert_at(fixture, ISSUANCE_WITHDRAWN);
    assert_false(issuance->asked);
    issuance_ask(issuance, false);
    assert_at(fixture, ISSUANCE_WITHDRAWN);
    issuance_ask(issuance, true);
    assert_at(fixture, ISSUANCE_QUEUED);
    assert_false(fixture->work.in_time);
    /* The mark on disk is the same until another certificate is published. */
    deliver(fixture, ISSUANCE_ON_FAILED);
    assert_at(fixture, ISSUANCE_READING);
    deliver(fixture, ISSUANCE_ON_WITHDRAW);
    assert_at(fixture, ISSUANCE_WITHDRAWN);
    hear(fixture, ISSUANCE_ON_CHANGED);
    issuance_ask(issuance, true);
    deliver(fixture, ISSUANCE_ON_WITHDRAW);
    assert_at(fixture, ISSUANCE_QUEUED);
    assert_int_equal(bugs, 0);
}

/* -- the table ------------------------------------------------------------------------------------
 */

static void what_was_not_expected_is_logged_as_a_bug_and_changes_nothing(void **state)
{
    struct fixture *fixture = *state;

    hear(fixture, ISSUANCE_ON_DUE);
    assert_int_equal(bugs, 1);
    assert_at(fixture, ISSUANCE_READING);
}

static void a_stage_that_ends_with_what_nobody_expected_is_tried_again(void **state)
{
    struct fixture *fixture = *state;

    deliver(fixture, ISSUANCE_ON_EARLY);
    assert_int_equal(bugs, 1);
    assert_at(fixture, ISSUANCE_BACKING_OFF);
    assert_int_not_equal(fixture->issuance.timer.until_us, 0);
}

/* One letter for each state, and "." where an event has no meaning. */
static const char letters[] = "RIQKSVTCGHAPBW";

/* Ends of stages, what the disk tells, what the clocks tell, what others tell: as the enum has
 * them. */
static const char *const pairs[ISSUANCE_STATE_COUNT] = {
    [ISSUANCE_READING] = ".B...... IQBHAT ..R. RRRRRWRR",
    [ISSUANCE_IDLE] = "........ ...... Q.R. IRRRQWBQ",
    [ISSUANCE_QUEUED] = "KBR..... ...... ..Q. QRQQQWQQ",
    [ISSUANCE_MAKING_KEY] = "SBR..... ...... ..K. KRKKKWKK",
    [ISSUANCE_SIGNING] = "VBR..... ...... ..S. SRSSSWSS",
    [ISSUANCE_VETTING] = "GBR...I. ...... ..V. VRVVVWVV",
    [ISSUANCE_QUEUED_TO_RESTAGE] = "CBR.B... ...... ..T. TRTTTWTT",
    [ISSUANCE_RECOVERING] = "GBR.B... ...... ..C. CRCCCWCC",
    [ISSUANCE_STAGING] = "ABR.BH.T ...... ..G. GRGGGWGG",
    [ISSUANCE_HOLDING] = "........ ...... ARH. HRHHHWHH",
    [ISSUANCE_VALIDATING] = "PBR.B... ...... ..A. ARAAAWAA",
    [ISSUANCE_PUBLISHING] = "IBRBB... ...... ..P. PRPPPPPP",
    [ISSUANCE_BACKING_OFF] = "........ ...... ..BR BRTBRWBR",
    [ISSUANCE_WITHDRAWN] = "........ ...... ..W. WRWWQWWQ",
};

static void every_pair_of_the_table_leads_where_it_is_written(void **state)
{
    struct fixture *fixture = *state;
    struct issuance *issuance = &fixture->issuance;
    unsigned empty = 0;

    publish(fixture, 3600);
    for (enum issuance_state at = 0; at < ISSUANCE_STATE_COUNT; at++) {
        enum issuance_event event = 0;
        bool rang, rested;

        for (const char *letter = pairs[at]; *letter != '\0'; letter++) {
            if (*letter == ' ')
                continue;
            issuance->state = at;
            issuance->next_try_us = 0;
            issuance->asked = issuance->restages = false;
            rang = event >= ISSUANCE_ON_DUE && event <= ISSUANCE_ON_RETRY;
            rested = issuance_rests(issuance);
            wall_timer_set(&issuance->timer, 0, rang ? 0 : 60000);
            fixture->work.published.due_s = clock_now_s() + 1;
            set_draft(fixture, 0, 3600);
            trouble_set(&fixture->work.state.issuing, &wrong);
            trace[0] = '\0';
            take(issuance, event++, &wrong);
            empty += *letter == '.';
            assert_int_equal(letters[issuance->state], *letter == '.' ? letters[at] : *letter);
            assert_int_equal(bugs, empty);
            /* Nothing rings for a wait that is over. */
            if (*letter != '.' && rested && !issuance_rests(issuance))
                assert_int_equal(issuance->timer.moment_s + issuance->timer.until_us, 0);
            /* Nothing rests for ever but what was withdrawn, until somebody asks. */
            if (*letter != '.' && !rang && issuance_rests(issuance) &&
                issuance->state != ISSUANCE_WITHDRAWN)
                assert_int_not_equal(issuance->timer.moment_s + issuance->timer.until_us, 0);
        }
        assert_int_equal(event, ISSUANCE_EVENT_COUNT);
    }
    assert_int_equal(sizeof letters, ISSUANCE_STATE_COUNT + 1);
}

int main(int argc, char **argv)
{
#define ISSUANCE_TEST(name) cmocka_unit_test_setup_teardown(name, open_issuance, close_issuance)
    const struct CMUnitTest tests[] = {
        ISSUANCE_TEST(a_wanted_certificate_goes_the_whole_way),
        ISSUANCE_TEST(a_fresh_certificate_asks_for_nothing),
        ISSUANCE_TEST(files_are_written_anew_without_asking_the_ca),
        ISSUANCE_TEST(a_failure_at_any_stage_backs_off_and_starts_from_the_disk),
        ISSUANCE_TEST(a_failed_wish_is_not_repeated),
        ISSUANCE_TEST(success_forgets_the_failures_of_the_ca_and_no_others),
        ISSUANCE_TEST(a_failing_ca_keeps_no_consumer_from_what_is_in_place),
        ISSUANCE_TEST(a_certificate_of_the_future_is_staged_and_held_and_then_published),
        ISSUANCE_TEST(what_was_held_too_long_is_never_published),
        ISSUANCE_TEST(what_was_held_is_held_on_after_a_restart_until_its_time_has_come),
        ISSUANCE_TEST(a_leaf_of_an_unknown_issuer_waits_on_disk_while_its_ca_is_announced),
        ISSUANCE_TEST(it_waits_as_long_as_what_is_in_place_permits),
        ISSUANCE_TEST(one_that_cannot_wait_is_shown_and_that_is_told),
        ISSUANCE_TEST(another_issuer_makes_one_early_renewal_once_it_is_certain),
        ISSUANCE_TEST(who_was_named_from_the_first_is_no_news),
        ISSUANCE_TEST(a_new_issuer_ends_a_pause),
        ISSUANCE_TEST(what_is_found_revoked_is_replaced_and_the_next_one_later),
        ISSUANCE_TEST(a_revocation_ends_the_hold_of_a_new_issuers_leaf),
        ISSUANCE_TEST(a_held_certificate_may_still_be_what_a_changed_section_wants),
        ISSUANCE_TEST(what_is_on_its_way_for_another_section_is_begun_anew),
        ISSUANCE_TEST(what_is_published_stays_while_the_issuers_are_the_same),
        ISSUANCE_TEST(a_revoked_certificate_is_replaced_at_once),
        ISSUANCE_TEST(what_is_withdrawn_rests_until_somebody_asks),
        ISSUANCE_TEST(what_is_damaged_is_repaired_and_ends_no_wait_for_the_ca),
        ISSUANCE_TEST(what_is_known_to_be_damaged_is_repaired_when_the_ca_fails),
        ISSUANCE_TEST(what_has_ended_waits_no_longer_when_the_ca_is_back),
        ISSUANCE_TEST(what_the_consumer_refused_is_asked_for_when_the_old_set_grows_old),
        ISSUANCE_TEST(what_the_consumer_refused_is_left_alone_by_the_next_process_too),
        ISSUANCE_TEST(what_the_clock_may_be_to_blame_for_is_tried_again_when_it_is_set),
        ISSUANCE_TEST(a_look_ends_with_the_directory_that_it_was_at),
        ISSUANCE_TEST(a_mark_ends_one_wait_and_no_more),
        ISSUANCE_TEST(a_mark_that_was_not_heeded_is_told_again),
        ISSUANCE_TEST(what_was_not_expected_is_logged_as_a_bug_and_changes_nothing),
        ISSUANCE_TEST(a_stage_that_ends_with_what_nobody_expected_is_tried_again),
        ISSUANCE_TEST(a_read_that_nobody_hears_of_leaves_what_is_held),
        ISSUANCE_TEST(what_the_end_of_a_stage_drops_never_begins),
        ISSUANCE_TEST(whoever_asks_during_a_read_gets_a_new_certificate),
        ISSUANCE_TEST(whoever_asks_joins_the_issuance_under_way),
        ISSUANCE_TEST(files_that_are_rewritten_are_no_answer_for_whoever_asks),
        ISSUANCE_TEST(a_failed_try_ends_the_question_and_the_next_one_ends_the_wait),
        ISSUANCE_TEST(another_section_does_not_end_the_question),
        ISSUANCE_TEST(what_is_held_is_not_asked_for_again),
        ISSUANCE_TEST(what_waits_until_peers_trust_its_ca_is_not_asked_for_again),
        ISSUANCE_TEST(what_is_withdrawn_is_asked_for_by_its_name_only),
        ISSUANCE_TEST(every_pair_of_the_table_leads_where_it_is_written),
    };

    if (keeper_is_wanted(argc, argv))
        return keeper_run(argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
