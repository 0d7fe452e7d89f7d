/*
 * The life of a certificate as its table tells it: the stages are replaced by a trace, the events
 * are delivered by hand.
 */
#include "unit.h"

#include "base/keeper.h"
#include "cert/cert_directory.h"
#include "cert/cert_log.h"
#include "cert/cert_stages.h"
#include "cert/consumer_stages.h"

#include "install/revoked_mark.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static char trace[1024];

static void note(const char *name)
{
    size_t used = strlen(trace);

    snprintf(trace + used, sizeof trace - used, "%s%s", used == 0 ? "" : " ", name);
}

/* clang-format off */
#define TRACED(name) static void traced_##name(struct cert_work *work) { (void)work; note(#name); }
/* clang-format on */
TRACED(stage_read)
TRACED(stage_queue)
TRACED(stage_log_in)
TRACED(stage_make_key)
TRACED(stage_sign)
TRACED(stage_vet)
TRACED(stage_recover)
TRACED(stage_stage)
TRACED(stage_validate)
TRACED(stage_publish)
TRACED(stage_reload)
TRACED(stage_prove)
TRACED(stage_prove_back)
TRACED(stage_check)
TRACED(stage_roll_back)

static unsigned bugs;

static void traced_bug(const struct cert_work *work, const char *state, int event)
{
    (void)work;
    (void)state;
    (void)event;
    bugs++;
}

static void quiet(const struct cert_work *work)
{
    (void)work;
}

static void quiet_wanted(const struct cert_work *work, const char *what)
{
    (void)work;
    (void)what;
}

static void quiet_err(const struct cert_work *work, const struct err *err)
{
    (void)work;
    assert_int_not_equal(err->kind, ERR_NONE);
}

static void quiet_failed(const struct cert_work *work, const struct err *err, uint64_t wait_ms)
{
    quiet_err(work, err);
    /* What is left of a wait for the CA may be short when something else was seen to meanwhile. */
    assert_in_range(wait_ms, work->ca_rests_until_us == 0 ? 1000 : 0, 1800000);
}

static unsigned short_holds;

static void traced_short_hold(const struct cert_work *work, uint64_t shown_s)
{
    assert_in_range(shown_s, clock_now_s() - 1, work->published.end_s);
    short_holds++;
}

static void traced_removal(struct cert_work *work)
{
    (void)work;
    note("plan_removal");
}

#define stage_read                  traced_stage_read
#define stage_queue                 traced_stage_queue
#define stage_log_in                traced_stage_log_in
#define stage_make_key              traced_stage_make_key
#define stage_sign                  traced_stage_sign
#define stage_vet                   traced_stage_vet
#define stage_recover               traced_stage_recover
#define stage_stage                 traced_stage_stage
#define stage_validate              traced_stage_validate
#define stage_publish               traced_stage_publish
#define stage_reload                traced_stage_reload
#define stage_prove                 traced_stage_prove
#define stage_prove_back            traced_stage_prove_back
#define stage_check                 traced_stage_check
#define stage_roll_back             traced_stage_roll_back
#define cert_log_found              quiet
#define cert_log_wanted             quiet_wanted
#define cert_log_held               quiet
#define cert_log_hurried            quiet
#define cert_log_short_hold         traced_short_hold
#define cert_log_published          quiet
#define cert_log_withdrawn          quiet
#define cert_log_reloaded           quiet
#define cert_log_proven             quiet
#define cert_log_warnings           quiet
#define cert_log_leased             quiet
#define cert_log_failed             quiet_failed
#define cert_log_consumer_failed    quiet_failed
#define cert_log_proof_lost         quiet_err
#define cert_log_rolled_back        quiet_err
#define cert_log_rollback_failed    quiet_err
#define cert_log_bug                traced_bug
#define cert_directory_plan_removal traced_removal
#include "cert/back_off_steps.c"
#include "cert/ca_steps.c"
#include "cert/cert_flow.c"
#include "cert/cert_steps.c"
#include "cert/consumer_steps.c"

static unsigned rests;

static void on_rest_counted(void *arg, struct cert_flow *flow)
{
    (void)arg;
    (void)flow;
    rests++;
}

struct fixture {
    struct cert_tools tools;
    struct config *config;
    struct reload_action reload;
    struct cert_config cert;
    struct cert_flow *flow;
};

static int open_flow(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct err err;

    fixture->config = calloc(1, sizeof *fixture->config);
    fixture->config->references = 1;
    fixture->cert.name = "web";
    fixture->cert.directory = "/nowhere";
    fixture->cert.reloads.items = &fixture->reload;
    fixture->cert.reloads.count = 1;
    sd_event_new(&fixture->tools.loop);
    trace[0] = '\0';
    rests = bugs = 0;
    fixture->flow = cert_flow_new(&fixture->tools, fixture->config, &fixture->cert, on_rest_counted,
                                  NULL, &err);
    *state = fixture;
    return fixture->flow == NULL;
}

static int close_flow(void **state)
{
    struct fixture *fixture = *state;

    cert_flow_free(fixture->flow);
    sd_event_unref(fixture->tools.loop);
    config_unref(fixture->config);
    free(fixture);
    return 0;
}

static void deliver(struct fixture *fixture, enum cert_event event)
{
    static const struct err fine;
    static const struct err wrong = {.kind = ERR_TRANSIENT, .text = "the CA is away"};

    if (event == EV_DONE && fixture->flow->state == FLOW_QUEUED)
        fixture->flow->work.draft = cert_draft_new(); /* as stage_queue does */
    take_event(&fixture->flow->work, event,
               event == EV_FAILED || event == EV_DENIED ? &wrong : &fine);
}

static void deliver_done(struct fixture *fixture, unsigned times)
{
    while (times-- > 0)
        deliver(fixture, EV_DONE);
}

static void a_wanted_certificate_goes_the_whole_way(void **state)
{
    struct fixture *fixture = *state;

    deliver(fixture, EV_WANTED);
    deliver_done(fixture, 7);
    assert_string_equal(trace, "stage_read stage_queue stage_log_in stage_make_key stage_sign "
                               "stage_vet stage_stage stage_validate stage_publish");
    assert_int_equal(rests, 0);
    fixture->flow->work.published.due_s = clock_now_s() + 1000;
    deliver_done(fixture, 3);
    assert_int_equal(fixture->flow->state, FLOW_WAITING);
    assert_int_equal(rests, 2); /* published, and at rest */
    assert_int_equal(bugs, 0);
    assert_null(fixture->flow->work.draft);
    assert_null(cert_flow_failure(fixture->flow));
}

static void a_fresh_certificate_asks_for_nothing(void **state)
{
    struct fixture *fixture = *state;

    fixture->flow->work.published.due_s = clock_now_s() + 1000;
    deliver(fixture, EV_FRESH);
    assert_string_equal(trace, "stage_read");
    assert_int_equal(fixture->flow->state, FLOW_WAITING);
    assert_int_equal(rests, 1);
}

static void a_reload_that_a_crash_cut_off_is_made_up_for_without_issuing(void **state)
{
    struct fixture *fixture = *state;

    fixture->flow->work.published.due_s = clock_now_s() + 1000;
    deliver(fixture, EV_RELOAD);
    deliver_done(fixture, 2);
    assert_string_equal(trace, "stage_read stage_reload stage_prove plan_removal");
    assert_int_equal(fixture->flow->state, FLOW_WAITING);
}

static void files_are_written_anew_without_asking_the_ca(void **state)
{
    struct fixture *fixture = *state;

    deliver(fixture, EV_RESTAGE);
    deliver(fixture, EV_DONE);
    deliver_done(fixture, 1);
    assert_string_equal(trace, "stage_read stage_queue stage_recover stage_stage");
}

static void one_403_costs_one_login_and_a_second_one_a_wait(void **state)
{
    struct fixture *fixture = *state;

    deliver(fixture, EV_WANTED);
    deliver_done(fixture, 3);
    assert_int_equal(fixture->flow->state, FLOW_SIGNING);
    fixture->flow->work.draft->token_number = 1;
    deliver(fixture, EV_DENIED);
    assert_int_equal(fixture->flow->state, FLOW_LOGGING_IN_AGAIN);
    deliver(fixture, EV_DONE);
    assert_int_equal(fixture->flow->state, FLOW_SIGNING);
    deliver(fixture, EV_DENIED);
    assert_int_equal(fixture->flow->state, FLOW_BACKING_OFF);
    assert_string_equal(trace, "stage_read stage_queue stage_log_in stage_make_key stage_sign "
                               "stage_log_in stage_sign");
}

static void a_token_that_somebody_else_lost_is_no_denial(void **state)
{
    struct fixture *fixture = *state;

    deliver(fixture, EV_WANTED);
    deliver_done(fixture, 3);
    deliver(fixture, EV_DENIED); /* there was no token to send */
    deliver(fixture, EV_DONE);
    fixture->flow->work.draft->token_number = 2;
    deliver(fixture, EV_DENIED); /* now there was, and it was refused: once more */
    assert_int_equal(fixture->flow->state, FLOW_LOGGING_IN_AGAIN);
    assert_string_equal(trace, "stage_read stage_queue stage_log_in stage_make_key stage_sign "
                               "stage_log_in stage_sign stage_log_in");
}

static void a_token_that_has_worked_is_replaced_a_few_times_and_not_for_ever(void **state)
{
    struct fixture *fixture = *state;
    unsigned logins = 0;

    deliver(fixture, EV_WANTED);
    deliver_done(fixture, 3);
    while (fixture->flow->state == FLOW_SIGNING && logins < 100) {
        fixture->flow->work.draft->token_number = ++logins;
        fixture->flow->work.draft->token_worked = true;
        deliver(fixture, EV_DENIED);
        if (fixture->flow->state == FLOW_LOGGING_IN_AGAIN)
            deliver(fixture, EV_DONE);
    }
    assert_int_equal(fixture->flow->state, FLOW_BACKING_OFF);
    assert_int_equal(logins, 5);
}

static void a_failure_at_any_stage_backs_off_and_starts_from_the_disk(void **state)
{
    struct fixture *fixture = *state;

    /* Eight stages lie between wanted and published; each is failed once. */
    for (unsigned stage = 0; stage < 8; stage++) {
        deliver(fixture, EV_WANTED);
        deliver_done(fixture, stage);
        deliver(fixture, EV_FAILED);
        assert_int_equal(fixture->flow->state, FLOW_BACKING_OFF);
        assert_int_equal(fixture->flow->work.state.failures, stage + 1);
        assert_non_null(cert_flow_failure(fixture->flow));
        assert_null(fixture->flow->work.draft);
        deliver(fixture, EV_RETRY);
        assert_int_equal(fixture->flow->state, FLOW_READING);
    }
    assert_int_equal(bugs, 0);
}

static void success_forgets_the_failures(void **state)
{
    struct fixture *fixture = *state;

    deliver(fixture, EV_FAILED);
    deliver(fixture, EV_RETRY);
    deliver(fixture, EV_WANTED);
    fixture->flow->work.published.due_s = clock_now_s() + 1000;
    deliver_done(fixture, 10);
    assert_int_equal(fixture->flow->state, FLOW_WAITING);
    assert_int_equal(fixture->flow->work.state.failures, 0);
    assert_int_equal(fixture->flow->work.state.failure.kind, ERR_NONE);
}

/* Staged as "early", valid from 1000 s from now on for so long. */
static void stage_early(struct fixture *fixture, uint64_t life_s)
{
    struct cert_draft *draft;

    deliver(fixture, EV_WANTED);
    deliver_done(fixture, 5);
    assert_int_equal(fixture->flow->state, FLOW_STAGING);
    draft = fixture->flow->work.draft;
    strcpy(draft->generation, "early");
    draft->issued.leaf.validity.not_before = clock_now_s() + 1000;
    draft->issued.leaf.validity.not_after = clock_now_s() + 1000 + life_s;
    draft->issued.end_s = clock_now_s() + 1000 + life_s;
    deliver(fixture, EV_EARLY);
    assert_int_equal(fixture->flow->state, FLOW_HOLDING);
}

static void a_certificate_of_the_future_is_staged_and_held_and_then_published(void **state)
{
    struct fixture *fixture = *state;

    stage_early(fixture, 3600);
    assert_null(fixture->flow->work.permit);
    assert_non_null(fixture->flow->work.draft);
    assert_string_equal(fixture->flow->work.state.held, "early");
    trace[0] = '\0';
    deliver(fixture, EV_DUE);
    deliver(fixture, EV_DONE);
    assert_string_equal(trace, "stage_validate stage_publish");
}

static void what_was_held_too_long_is_never_published(void **state)
{
    struct fixture *fixture = *state;
    struct issued *issued;

    stage_early(fixture, 3600);
    issued = &fixture->flow->work.draft->issued;
    issued->leaf.validity.not_before = clock_now_s() - 3600;
    issued->end_s = clock_now_s();
    trace[0] = '\0';
    deliver(fixture, EV_DUE);
    assert_string_equal(trace, "stage_read");
    assert_null(fixture->flow->work.draft);
    assert_string_equal(fixture->flow->work.state.held, "");
}

static void what_was_held_is_held_on_after_a_restart(void **state)
{
    struct fixture *fixture = *state;
    struct cert_draft *draft = fixture->flow->work.draft = cert_draft_new();

    draft->issued.leaf.validity.not_before = clock_now_s() + 1000;
    draft->issued.leaf.validity.not_after = clock_now_s() + 5000;
    draft->issued.end_s = clock_now_s() + 5000;
    deliver(fixture, EV_HELD);
    assert_int_equal(fixture->flow->state, FLOW_HOLDING);
    assert_int_equal(fixture->flow->timer.moment_s, draft->issued.leaf.validity.not_before);
    assert_string_equal(trace, "stage_read");
}

static void what_was_held_is_published_after_a_restart_if_its_time_has_come(void **state)
{
    struct fixture *fixture = *state;
    struct cert_draft *draft = fixture->flow->work.draft = cert_draft_new();

    draft->issued.leaf.validity.not_before = clock_now_s();
    draft->issued.leaf.validity.not_after = clock_now_s() + 5000;
    draft->issued.end_s = clock_now_s() + 5000;
    deliver(fixture, EV_HELD);
    deliver(fixture, EV_DONE);
    assert_string_equal(trace, "stage_read stage_validate stage_publish");
    assert_int_equal(rests, 0); /* a single run does not end before it */
}

static void with_next_config(struct fixture *fixture, struct cert_config *changed)
{
    *changed = fixture->cert;
    cert_flow_adopt(fixture->flow, fixture->config, changed);
}

static void a_stranger_waits_on_disk_while_its_ca_is_announced(void **state)
{
    struct fixture *fixture = *state;
    struct cert_work *work = &fixture->flow->work;

    fixture->config->agent.ca_spread_s = 900;
    work->published.due_s = clock_now_s() + 1;
    work->published.end_s = clock_now_s() + 5000;
    deliver(fixture, EV_FRESH);
    deliver(fixture, EV_DUE);
    assert_true(work->in_time);
    deliver_done(fixture, 5);
    assert_int_equal(fixture->flow->state, FLOW_STAGING);
    strcpy(work->draft->generation, "..strange");
    deliver(fixture, EV_STRANGER);
    assert_int_equal(fixture->flow->state, FLOW_QUEUED_TO_RESTAGE);
    assert_string_equal(work->state.held, "..strange");
    assert_in_range(work->state.ca.held_until_s, clock_now_s() + 440, clock_now_s() + 901);
    trace[0] = '\0';
    deliver(fixture, EV_DONE);
    deliver(fixture, EV_DONE);
    assert_string_equal(trace, "stage_recover stage_stage");
    assert_string_equal(work->state.held, "..strange");
}

/* A stranger is staged while the certificate in place has so long to live. */
static void stage_stranger(struct fixture *fixture, uint64_t left_s)
{
    struct cert_work *work = &fixture->flow->work;

    work->published.due_s = clock_now_s() + 1;
    work->published.end_s = clock_now_s() + left_s;
    deliver(fixture, EV_FRESH);
    deliver(fixture, EV_DUE);
    deliver_done(fixture, 5);
    strcpy(work->draft->generation, "..strange");
    deliver(fixture, EV_STRANGER);
}

static void a_stranger_waits_as_long_as_what_is_in_place_permits(void **state)
{
    struct fixture *fixture = *state;
    struct cert_work *work = &fixture->flow->work;

    short_holds = 0;
    fixture->config->agent.ca_spread_s = 1800;
    stage_stranger(fixture, 1000);
    assert_int_equal(fixture->flow->state, FLOW_QUEUED_TO_RESTAGE);
    assert_in_range(work->state.ca.held_until_s, clock_now_s() + 798, clock_now_s() + 800);
    assert_int_equal(short_holds, 1);
}

static void a_stranger_that_cannot_wait_is_shown_and_that_is_told(void **state)
{
    struct fixture *fixture = *state;
    struct cert_work *work = &fixture->flow->work;

    short_holds = 0;
    fixture->config->agent.ca_spread_s = 1800;
    stage_stranger(fixture, 300);
    assert_int_equal(fixture->flow->state, FLOW_VALIDATING);
    assert_int_equal(work->state.ca.held_until_s, 0);
    assert_string_equal(work->state.held, "");
    assert_int_equal(short_holds, 1);
}

static void a_stranger_that_waits_is_taken_up_when_its_time_has_come(void **state)
{
    struct fixture *fixture = *state;
    struct cert_work *work = &fixture->flow->work;

    work->published.due_s = clock_now_s() + 1000;
    deliver(fixture, EV_FRESH);
    strcpy(work->state.held, "..strange");
    work->state.ca.held_until_s = clock_now_s();
    trace[0] = '\0';
    deliver(fixture, EV_DUE);
    assert_int_equal(fixture->flow->state, FLOW_READING);
    assert_string_equal(trace, "stage_read");
}

/* A flow that waits, whose published certificate the issuer "aa" has signed. */
static struct cert_work *wait_with_leaf(struct fixture *fixture)
{
    struct cert_work *work = &fixture->flow->work;

    work->published.usable = true;
    work->published.due_s = clock_now_s() + 40000;
    work->published.validity.not_before = clock_now_s() - 100;
    work->published.validity.not_after = clock_now_s() + 86300;
    strcpy(work->published.authority_key, "aa");
    strcpy(work->published.serial, "01:02");
    deliver(fixture, EV_FRESH);
    return work;
}

static void another_issuer_makes_one_early_renewal_once_it_is_certain(void **state)
{
    struct fixture *fixture = *state;
    struct cert_work *work = wait_with_leaf(fixture);
    struct ca_named named = {.key = "aa", .in_a_row = 1};

    assert_false(cert_flow_take_issuer(fixture->flow, &named));
    assert_true(work->state.ca.has_baseline);
    named.key = "bb";
    for (named.in_a_row = 1; named.in_a_row < 3; named.in_a_row++) {
        assert_true(cert_flow_take_issuer(fixture->flow, &named));
        assert_int_equal(work->hurry.due_s, 0);
    }
    assert_false(cert_flow_take_issuer(fixture->flow, &named));
    assert_in_range(work->hurry.due_s, clock_now_s() - 2, clock_now_s());
    assert_int_equal(work->published.due_s, work->hurry.due_s);

    /* Its leaf is of "bb"; a node out of step names "aa" again. */
    cert_work_forget_hurry(work);
    strcpy(work->published.authority_key, "bb");
    named = (struct ca_named){.key = "aa", .in_a_row = 9};
    assert_false(cert_flow_take_issuer(fixture->flow, &named));
    assert_int_equal(work->hurry.due_s, 0);
}

static void who_was_named_from_the_first_is_no_news(void **state)
{
    struct fixture *fixture = *state;
    struct cert_work *work = wait_with_leaf(fixture);
    struct ca_named named = {.key = "another tenant's", .in_a_row = 1};

    for (; named.in_a_row < 9; named.in_a_row++)
        assert_false(cert_flow_take_issuer(fixture->flow, &named));
    assert_int_equal(work->hurry.due_s, 0);
}

static void a_new_issuer_ends_a_pause(void **state)
{
    struct fixture *fixture = *state;
    struct ca_named named = {.key = "bb", .in_a_row = 3, .is_new = true};

    fixture->config->agent.ca_spread_s = 80;
    deliver(fixture, EV_FAILED);
    assert_int_equal(fixture->flow->state, FLOW_BACKING_OFF);
    wall_timer_set(&fixture->flow->timer, 0, 1800000);
    cert_flow_take_issuer(fixture->flow, &named);
    assert_in_range(fixture->flow->timer.until_us, 0, clock_boot_us() + 10100000);
}

static void what_is_found_revoked_is_replaced_and_the_next_one_later(void **state)
{
    struct fixture *fixture = *state;
    struct cert_work *work = wait_with_leaf(fixture);

    cert_flow_take_revoked(fixture->flow, "0f:0f");
    assert_int_equal(work->hurry.due_s, 0);
    strcpy(work->state.consumer.accepted, "old");
    cert_flow_take_revoked(fixture->flow, "01:02");
    assert_in_range(work->published.due_s, clock_now_s() - 2, clock_now_s());
    assert_string_equal(work->state.consumer.accepted, "");
    /* Found again after a restart, it is no other one. */
    cert_work_forget_hurry(work);
    work->published.due_s = clock_now_s() + 40000;
    cert_flow_take_revoked(fixture->flow, "01:02");
    assert_in_range(work->published.due_s, clock_now_s() - 2, clock_now_s());
    cert_work_forget_hurry(work);
    work->published.due_s = clock_now_s() + 40000;
    strcpy(work->published.serial, "01:03");
    cert_flow_take_revoked(fixture->flow, "01:03");
    assert_in_range(work->published.due_s, clock_now_s() + 2690, clock_now_s() + 2710);
}

static void a_revocation_ends_the_hold_of_a_new_issuers_leaf(void **state)
{
    struct fixture *fixture = *state;
    struct cert_work *work = wait_with_leaf(fixture);

    strcpy(work->state.held, "..strange");
    work->state.ca.held_until_s = work->published.due_s = clock_now_s() + 3000;
    trace[0] = '\0';
    cert_flow_take_revoked(fixture->flow, "01:02");
    assert_in_range(work->state.ca.held_until_s, clock_now_s() - 2, clock_now_s());
    assert_in_range(work->published.due_s, clock_now_s() - 2, clock_now_s());
    assert_string_equal(work->state.ca.revoked, "01:02");
    assert_int_equal(work->state.ca.replace_at_s, work->published.due_s);
    deliver(fixture, EV_DUE);
    assert_string_equal(trace, "stage_read");
}

static void a_held_certificate_hears_of_a_changed_section(void **state)
{
    struct fixture *fixture = *state;
    struct cert_config same, changed = fixture->cert;

    stage_early(fixture, 3600);
    with_next_config(fixture, &same);
    assert_int_equal(fixture->flow->state, FLOW_HOLDING);
    strcpy(changed.digest, "another");
    cert_flow_adopt(fixture->flow, fixture->config, &changed);
    assert_int_equal(fixture->flow->state, FLOW_READING);
    /* It may still be what is wanted: the next look at the disk tells. */
    assert_string_equal(fixture->flow->work.state.held, "early");
    fixture->flow->work.cert = &fixture->cert;
}

static void what_failed_is_tried_at_once_with_a_new_configuration(void **state)
{
    struct fixture *fixture = *state;
    struct cert_config changed;

    deliver(fixture, EV_FAILED);
    assert_int_equal(fixture->flow->state, FLOW_BACKING_OFF);
    with_next_config(fixture, &changed);
    assert_int_equal(fixture->flow->state, FLOW_READING);
    fixture->flow->work.cert = &fixture->cert;
}

static void a_failed_reload_is_tried_again_without_issuing(void **state)
{
    struct fixture *fixture = *state;

    deliver(fixture, EV_WANTED);
    deliver_done(fixture, 8);
    assert_int_equal(fixture->flow->state, FLOW_RELOADING);
    fixture->flow->work.published.due_s = clock_now_s() + 1000;
    trace[0] = '\0';
    deliver(fixture, EV_FAILED);
    assert_int_equal(fixture->flow->state, FLOW_RELOAD_BACKING_OFF);
    assert_int_equal(fixture->flow->work.state.consumer.failures, 1);
    deliver(fixture, EV_RETRY);
    deliver(fixture, EV_FAILED);
    deliver(fixture, EV_RETRY);
    deliver_done(fixture, 2);
    assert_string_equal(trace, "stage_reload stage_reload stage_prove plan_removal");
    assert_int_equal(fixture->flow->state, FLOW_WAITING);
    assert_int_equal(fixture->flow->work.state.consumer.failures, 0);
}

static void a_certificate_that_comes_due_is_renewed_even_while_its_reload_fails(void **state)
{
    struct fixture *fixture = *state;

    deliver(fixture, EV_RELOAD);
    fixture->flow->work.published.due_s = clock_now_s() + 1000;
    deliver(fixture, EV_FAILED);
    deliver(fixture, EV_DUE);
    assert_int_equal(fixture->flow->state, FLOW_QUEUED);
}

static void a_revoked_certificate_is_replaced_at_once(void **state)
{
    struct fixture *fixture = *state;

    fixture->flow->work.published.due_s = clock_now_s() + 1000;
    deliver(fixture, EV_FRESH);
    deliver(fixture, EV_REVOKED);
    assert_int_equal(fixture->flow->state, FLOW_QUEUED);
    deliver(fixture, EV_REVOKED);
    assert_int_equal(fixture->flow->state, FLOW_QUEUED);
    assert_int_equal(bugs, 0);
}

static void what_is_withdrawn_rests_until_somebody_asks(void **state)
{
    struct fixture *fixture = *state;

    fixture->flow->work.published.due_s = clock_now_s() + 1000;
    deliver(fixture, EV_WANTED);
    deliver_done(fixture, 2);
    deliver(fixture, EV_WITHDRAWN); /* what was on its way is dropped */
    assert_int_equal(fixture->flow->state, FLOW_WITHDRAWN);
    assert_null(fixture->flow->work.draft);
    assert_int_equal(fixture->flow->timer.moment_s, 0);
    assert_int_equal(fixture->flow->timer.until_us, 0);
    cert_flow_recompute(fixture->flow, true);
    assert_int_equal(fixture->flow->timer.until_us, 0);
    deliver(fixture, EV_CHANGED);
    deliver(fixture, EV_WITHDRAWN);
    assert_int_equal(fixture->flow->state, FLOW_WITHDRAWN);
    deliver(fixture, EV_REVOKED);
    assert_int_equal(fixture->flow->state, FLOW_QUEUED);
    assert_int_equal(bugs, 0);
}

static void what_is_damaged_is_read_again_and_ends_no_wait_for_the_ca(void **state)
{
    struct fixture *fixture = *state;
    struct cert_work *work = &fixture->flow->work;
    uint64_t until_us;

    work->published = (struct cert_published){.usable = true, .end_s = clock_now_s() + 3600};
    work->published.due_s = clock_now_s() + 1000;
    deliver(fixture, EV_FRESH);
    deliver(fixture, EV_DAMAGED);
    assert_int_equal(fixture->flow->state, FLOW_READING);
    deliver(fixture, EV_WANTED);
    deliver(fixture, EV_DAMAGED); /* seen to when it comes to rest */
    assert_int_equal(fixture->flow->state, FLOW_QUEUED);
    deliver(fixture, EV_FAILED);
    assert_int_equal(fixture->flow->state, FLOW_BACKING_OFF);
    until_us = fixture->flow->timer.until_us;
    deliver(fixture, EV_DAMAGED);
    assert_int_equal(fixture->flow->state, FLOW_QUEUED_TO_RESTAGE);
    assert_int_equal(work->ca_rests_until_us, until_us);
    deliver(fixture, EV_FAILED);
    assert_int_equal(fixture->flow->state, FLOW_BACKING_OFF);
    assert_in_range(fixture->flow->timer.until_us, until_us - 1000000, until_us + 1000000);
    /* What has ended is not worth it. */
    work->published.end_s = clock_now_s() - 1;
    deliver(fixture, EV_DAMAGED);
    assert_int_equal(fixture->flow->state, FLOW_BACKING_OFF);
    assert_int_equal(bugs, 0);
}

/* A certificate that is published as "new", whose consumer had taken "old" and proves what it
 * serves.
 */
static void publish_new(struct fixture *fixture)
{
    struct cert_work *work = &fixture->flow->work;

    fixture->reload.verb = RELOAD_EXEC;
    fixture->cert.prove.method = PROVE_TLS;
    fixture->cert.prove_every_s = 300;
    fixture->cert.rollback = true;
    strcpy(work->state.consumer.accepted, "old");
    strcpy(work->previous, "old");
    strcpy(work->published.generation, "new");
    work->published.usable = true;
    work->published.due_s = clock_now_s() + 1000;
    work->published.end_s = clock_now_s() + 2000;
    deliver(fixture, EV_RELOAD);
    trace[0] = '\0';
}

static void it_is_proven_after_every_reload(void **state)
{
    struct fixture *fixture = *state;
    const struct consumer_state *consumer = &fixture->flow->work.state.consumer;

    publish_new(fixture);
    deliver(fixture, EV_DONE);
    assert_int_equal(fixture->flow->state, FLOW_PROVING);
    assert_string_equal(consumer->reloaded, "new");
    assert_string_equal(consumer->accepted, "old");
    deliver(fixture, EV_DONE);
    assert_int_equal(fixture->flow->state, FLOW_WAITING);
    assert_string_equal(consumer->proven, "new");
    assert_string_equal(consumer->accepted, "new");
    assert_string_equal(trace, "stage_prove plan_removal");
}

static void a_proof_that_a_crash_cut_off_is_made_up_for_without_a_reload(void **state)
{
    struct fixture *fixture = *state;

    fixture->flow->work.published.due_s = clock_now_s() + 1000;
    deliver(fixture, EV_PROVE);
    deliver(fixture, EV_DONE);
    assert_string_equal(trace, "stage_read stage_prove plan_removal");
}

static void
a_consumer_that_goes_on_with_the_old_leaf_is_told_again_and_never_rolled_back(void **state)
{
    struct fixture *fixture = *state;

    publish_new(fixture);
    for (unsigned i = 1; i <= 2 * REFUSALS_ENOUGH; i++) {
        deliver(fixture, EV_DONE);
        fixture->flow->work.seen.finding = PROVE_OTHER_LEAF;
        deliver(fixture, EV_FAILED);
        assert_int_equal(fixture->flow->state, FLOW_RELOAD_BACKING_OFF);
        assert_int_equal(fixture->flow->work.state.consumer.failures, i);
        deliver(fixture, EV_RETRY);
        assert_int_equal(fixture->flow->state, FLOW_RELOADING);
    }
}

static void a_consumer_that_serves_a_bad_chain_is_looked_at_and_left_in_peace(void **state)
{
    struct fixture *fixture = *state;

    publish_new(fixture);
    deliver(fixture, EV_DONE);
    trace[0] = '\0';
    for (unsigned i = 1; i <= 2 * REFUSALS_ENOUGH; i++) {
        fixture->flow->work.seen.finding = PROVE_BAD_CHAIN;
        deliver(fixture, EV_FAILED);
        assert_int_equal(fixture->flow->state, FLOW_WAITING);
        assert_int_equal(fixture->flow->work.state.consumer.failures, i);
        assert_int_equal(fixture->flow->work.state.consumer.refusals, 0);
        assert_string_equal(fixture->flow->work.state.consumer.proven, "");
        deliver(fixture, EV_RETRY);
        assert_int_equal(fixture->flow->state, FLOW_CHECKING);
    }
    assert_null(strstr(trace, "stage_reload"));
    deliver(fixture, EV_DONE);
    assert_string_equal(fixture->flow->work.state.consumer.proven, "new");
}

static void refuse_until_rolled_back(struct fixture *fixture)
{
    publish_new(fixture);
    for (unsigned i = 1; i < REFUSALS_ENOUGH; i++) {
        deliver(fixture, EV_FAILED);
        assert_int_equal(fixture->flow->state, FLOW_RELOAD_BACKING_OFF);
        deliver(fixture, EV_RETRY);
    }
    trace[0] = '\0';
    deliver(fixture, EV_FAILED);
    assert_int_equal(fixture->flow->state, FLOW_ROLLING_BACK);
    assert_string_equal(trace, "stage_roll_back");
}

/* As stage_roll_back leaves the work behind. */
static void swap_published(struct fixture *fixture, const char *published, const char *previous)
{
    strcpy(fixture->flow->work.published.generation, published);
    strcpy(fixture->flow->work.previous, previous);
    deliver(fixture, EV_DONE);
}

static void what_the_consumer_refuses_is_rolled_back_and_tried_again_as_a_new_one(void **state)
{
    struct fixture *fixture = *state;
    const struct consumer_state *consumer = &fixture->flow->work.state.consumer;

    refuse_until_rolled_back(fixture);
    swap_published(fixture, "old", "new");
    assert_int_equal(fixture->flow->state, FLOW_RELOADING_BACK);
    deliver_done(fixture, 2);
    assert_int_equal(fixture->flow->state, FLOW_BACKING_OFF);
    assert_string_equal(consumer->accepted, "old");
    assert_string_equal(consumer->refused, "new");
    assert_string_equal(fixture->flow->work.previous, "");
    assert_int_equal(fixture->flow->work.state.failures, 1);
    deliver(fixture, EV_RETRY);
    assert_int_equal(fixture->flow->state, FLOW_READING);
}

static void a_consumer_that_refuses_the_previous_set_as_well_gets_the_new_one_back(void **state)
{
    struct fixture *fixture = *state;

    refuse_until_rolled_back(fixture);
    swap_published(fixture, "old", "new");
    deliver(fixture, EV_FAILED);
    assert_int_equal(fixture->flow->state, FLOW_ROLLING_FORWARD);
    swap_published(fixture, "new", "old");
    assert_int_equal(fixture->flow->state, FLOW_RELOAD_BACKING_OFF);
    /* From now on it stays, however often it is refused. */
    for (unsigned i = 0; i < 2 * REFUSALS_ENOUGH; i++) {
        deliver(fixture, EV_RETRY);
        deliver(fixture, EV_FAILED);
        assert_int_equal(fixture->flow->state, FLOW_RELOAD_BACKING_OFF);
    }
    deliver(fixture, EV_RETRY);
    deliver_done(fixture, 2);
    assert_int_equal(fixture->flow->state, FLOW_WAITING);
    assert_string_equal(fixture->flow->work.state.consumer.accepted, "new");
}

static void without_a_good_previous_set_the_new_one_stays(void **state)
{
    struct fixture *fixture = *state;

    refuse_until_rolled_back(fixture);
    deliver(fixture, EV_FAILED);
    assert_int_equal(fixture->flow->state, FLOW_BACKING_OFF);
    assert_true(fixture->flow->work.state.consumer.insists);
    deliver(fixture, EV_RETRY);
    assert_int_equal(fixture->flow->state, FLOW_READING);
    deliver(fixture, EV_RELOAD);
    deliver(fixture, EV_FAILED);
    assert_int_equal(fixture->flow->state, FLOW_RELOAD_BACKING_OFF);
}

static void settle_new(struct fixture *fixture)
{
    publish_new(fixture);
    deliver_done(fixture, 2);
    assert_int_equal(fixture->flow->state, FLOW_WAITING);
    trace[0] = '\0';
    deliver(fixture, EV_RETRY);
    assert_int_equal(fixture->flow->state, FLOW_CHECKING);
}

static void a_consumer_that_lost_its_certificate_is_told_again(void **state)
{
    struct fixture *fixture = *state;

    settle_new(fixture);
    fixture->flow->work.seen.finding = PROVE_OTHER_LEAF;
    deliver(fixture, EV_FAILED);
    assert_int_equal(fixture->flow->state, FLOW_RELOADING);
    deliver_done(fixture, 2);
    assert_string_equal(trace, "stage_check stage_reload stage_prove plan_removal");
    assert_string_equal(fixture->flow->work.state.consumer.proven, "new");
}

static void a_consumer_that_is_away_is_not_woken(void **state)
{
    struct fixture *fixture = *state;

    settle_new(fixture);
    fixture->flow->work.seen.finding = PROVE_UNREACHABLE;
    deliver(fixture, EV_FAILED);
    assert_int_equal(fixture->flow->state, FLOW_WAITING);
    assert_string_equal(fixture->flow->work.state.consumer.proven, "");
    deliver(fixture, EV_RETRY);
    deliver(fixture, EV_DONE);
    assert_string_equal(trace, "stage_check stage_check plan_removal");
    assert_string_equal(fixture->flow->work.state.consumer.proven, "new");
    assert_int_equal(fixture->flow->work.state.consumer.failures, 0);
}

static void a_proof_that_fails_beside_the_served_leaf_is_tried_again_in_peace(void **state)
{
    struct fixture *fixture = *state;
    const struct consumer_state *consumer = &fixture->flow->work.state.consumer;

    publish_new(fixture);
    fixture->flow->work.state.consumer.accepted[0] = '\0';
    deliver(fixture, EV_DONE);
    trace[0] = '\0';
    for (unsigned i = 1; i <= 2 * REFUSALS_ENOUGH; i++) {
        fixture->flow->work.seen.finding = PROVE_SERVED;
        deliver(fixture, EV_FAILED);
        assert_int_equal(fixture->flow->state, FLOW_WAITING);
        assert_false(consumer->missing);
        assert_int_equal(consumer->failures, i);
        assert_int_equal(consumer->refusals, 0);
        deliver(fixture, EV_RETRY);
        assert_int_equal(fixture->flow->state, FLOW_CHECKING);
    }
    assert_null(strstr(trace, "stage_reload"));
}

static void a_look_that_leafd_could_not_take_says_nothing_about_the_consumer(void **state)
{
    static const struct err short_of = {.kind = ERR_LOCAL, .errnum = EMFILE, .text = "no sockets"};
    struct fixture *fixture = *state;
    struct cert_work *work = &fixture->flow->work;

    publish_new(fixture);
    deliver(fixture, EV_DONE);
    work->seen.finding = PROVE_UNREACHABLE;
    take_event(work, EV_FAILED, &short_of);
    assert_false(work->state.consumer.missing);
    deliver(fixture, EV_RETRY);
    deliver_done(fixture, 2);
    assert_string_equal(work->state.consumer.proven, "new");
    deliver(fixture, EV_RETRY);
    assert_int_equal(fixture->flow->state, FLOW_CHECKING);
    trace[0] = '\0';
    work->seen.finding = PROVE_NOT_LOOKED;
    take_event(work, EV_FAILED, &short_of);
    assert_int_equal(fixture->flow->state, FLOW_WAITING);
    assert_false(work->state.consumer.missing);
    assert_string_equal(work->state.consumer.proven, "new");
    deliver(fixture, EV_RETRY);
    deliver(fixture, EV_DONE);
    assert_int_equal(work->state.consumer.failures, 0);
    assert_null(strstr(trace, "stage_reload"));
}

static void somebody_whose_tls_fails_is_not_awaited(void **state)
{
    struct fixture *fixture = *state;
    struct cert_work *work = &fixture->flow->work;

    publish_new(fixture);
    work->state.consumer.accepted[0] = '\0';
    deliver(fixture, EV_DONE);
    assert_int_equal(fixture->flow->state, FLOW_PROVING);
    work->seen = (struct prove_seen){.finding = PROVE_NO_TLS};
    deliver(fixture, EV_FAILED);
    assert_false(consumer_is_awaited(&work->state.consumer));
    deliver(fixture, EV_RETRY);
    deliver(fixture, EV_DONE);
    work->seen = (struct prove_seen){.finding = PROVE_NO_TLS};
    deliver(fixture, EV_FAILED);
}

/* A reload that found nobody, as with a pidfile that is spelt wrong. */
static void find_nobody(struct fixture *fixture)
{
    static const struct err gone = {.kind = ERR_CONSUMER, .errnum = ENOENT, .text = "no pidfile"};

    publish_new(fixture);
    fixture->flow->work.state.consumer.accepted[0] = '\0';
    take_event(&fixture->flow->work, EV_FAILED, &gone);
    assert_int_equal(fixture->flow->state, FLOW_LOOKING);
    assert_string_equal(trace, "stage_check");
}

static void deliver_look(struct fixture *fixture, enum prove_finding finding, const char *leaf)
{
    static const struct err wrong = {.kind = ERR_CONSUMER, .text = "another one is served"};
    struct prove_seen *seen = &fixture->flow->work.seen;

    *seen = (struct prove_seen){.finding = finding};
    seen->leaf.seen = leaf != NULL;
    snprintf(seen->leaf.serial, sizeof seen->leaf.serial, "%s", leaf == NULL ? "" : leaf);
    snprintf(seen->leaf.fingerprint, sizeof seen->leaf.fingerprint, "%s", leaf == NULL ? "" : leaf);
    seen->leaf.not_after_s = clock_now_s() + 78;
    take_event(&fixture->flow->work, EV_FAILED, &wrong);
}

static void nobody_there_ends_in_a_look_that_finds_who_serves_another_leaf(void **state)
{
    struct fixture *fixture = *state;
    struct cert_work *work = &fixture->flow->work;
    const struct consumer_state *consumer = &work->state.consumer;

    find_nobody(fixture);
    deliver_look(fixture, PROVE_OTHER_LEAF, "somebody else's");
    assert_int_equal(fixture->flow->state, FLOW_RELOAD_BACKING_OFF);
    assert_false(consumer_is_awaited(consumer));
    assert_string_equal(consumer->served.serial, "somebody else's");
    assert_true(consumer->served.foreign);
    assert_non_null(
        strstr(work->state.failure.text, "another one is served; it could not be told"));
    assert_non_null(strstr(work->state.failure.text, "no pidfile"));
    assert_int_equal(consumer->refusals, 0);
    /* It has no more time than what it serves, however long the new set lasts. */
    assert_in_range(work->state.try_again_at_s, clock_now_s(), clock_now_s() + 5);
}

static void nobody_at_the_address_of_the_proof_either_is_nobody_there(void **state)
{
    struct fixture *fixture = *state;
    struct consumer_state *consumer = &fixture->flow->work.state.consumer;

    find_nobody(fixture);
    strcpy(consumer->served.serial, "seen before");
    deliver_look(fixture, PROVE_UNREACHABLE, NULL);
    assert_true(consumer_is_awaited(consumer));
    assert_string_equal(consumer->served.serial, "");
    assert_string_equal(fixture->flow->work.state.failure.text, "no pidfile");
    deliver(fixture, EV_RETRY);
    assert_int_equal(fixture->flow->state, FLOW_RELOADING);
}

static void somebody_who_serves_the_leaf_though_nobody_was_told_is_proven(void **state)
{
    struct fixture *fixture = *state;

    find_nobody(fixture);
    deliver(fixture, EV_DONE);
    assert_int_equal(fixture->flow->state, FLOW_WAITING);
    assert_string_equal(fixture->flow->work.state.consumer.proven, "new");
}

static void an_older_leaf_of_the_set_is_known_as_such(void **state)
{
    struct fixture *fixture = *state;
    struct cert_work *work = &fixture->flow->work;
    const struct served_state *served = &work->state.consumer.served;

    consumer_note_leaf(&work->state.consumer, "ours");
    find_nobody(fixture);
    deliver_look(fixture, PROVE_OTHER_LEAF, "ours");
    assert_string_equal(served->serial, "ours");
    assert_false(served->foreign);
    assert_in_range(served->not_after_s, clock_now_s() + 70, clock_now_s() + 78);
    /* A reply that names no leaf says that it is not the new one, so the older one is served. */
    deliver(fixture, EV_RETRY);
    deliver(fixture, EV_DONE);
    deliver_look(fixture, PROVE_OTHER_LEAF, NULL);
    assert_string_equal(served->serial, "ours");
    /* What is proven is what is served, and what was known stays known. */
    strcpy(work->published.serial, "12:34");
    work->seen = (struct prove_seen){.finding = PROVE_SERVED};
    deliver(fixture, EV_RETRY);
    deliver_done(fixture, 2);
    assert_string_equal(served->serial, "12:34");
    assert_int_equal(served->not_after_s, work->published.end_s);
    assert_true(consumer_knows_leaf(&work->state.consumer, "ours"));
}

static void a_revocation_is_not_lost_while_the_consumer_is_waited_for(void **state)
{
    struct fixture *fixture = *state;

    publish_new(fixture);
    deliver(fixture, EV_DONE);
    deliver(fixture, EV_REVOKED);
    assert_int_equal(fixture->flow->state, FLOW_QUEUED);
    assert_string_equal(fixture->flow->work.state.consumer.accepted, "");
}

/* The old leaf is served until it ends, the new one lies on disk, and the CA fails meanwhile. */
static void a_failing_ca_keeps_no_consumer_from_what_is_published(void **state)
{
    static const struct err away = {.kind = ERR_TRANSIENT, .text = "the CA is away"};
    struct fixture *fixture = *state;
    struct cert_work *work = &fixture->flow->work;

    publish_new(fixture);
    fixture->cert.rollback = false;
    deliver(fixture, EV_FAILED);
    assert_int_equal(fixture->flow->state, FLOW_RELOAD_BACKING_OFF);
    deliver(fixture, EV_DUE);
    assert_int_equal(fixture->flow->state, FLOW_QUEUED);
    deliver(fixture, EV_DONE);
    take_event(work, EV_FAILED, &away);
    assert_int_equal(fixture->flow->state, FLOW_RELOADING);
    deliver(fixture, EV_FAILED);
    assert_int_equal(fixture->flow->state, FLOW_BACKING_OFF);
    assert_true(fixture->flow->timer.until_us > clock_boot_us());
    assert_int_equal(fixture->flow->timer.moment_s, 0);

    deliver(fixture, EV_RETRY);
    assert_int_equal(fixture->flow->state, FLOW_READING);
    deliver(fixture, EV_WANTED);
    take_event(work, EV_FAILED, &away);
    assert_int_equal(fixture->flow->state, FLOW_RELOADING);
    deliver(fixture, EV_DONE);
    work->seen.finding = PROVE_SERVED;
    strcpy(work->published.serial, "12:34");
    deliver(fixture, EV_DONE);
    assert_int_equal(fixture->flow->state, FLOW_BACKING_OFF); /* the CA is waited for as before */
    assert_string_equal(work->state.consumer.proven, "new");
    assert_int_equal(work->state.failures, 2);
    assert_int_equal(work->state.failure.kind, ERR_TRANSIENT);

    deliver(fixture, EV_RETRY);
    deliver(fixture, EV_WANTED);
    take_event(work, EV_FAILED, &away);
    assert_int_equal(fixture->flow->state, FLOW_BACKING_OFF); /* nothing is owed any more */
}

static void what_we_are_short_of_is_no_refusal_of_the_consumer(void **state)
{
    static const struct err short_of = {.kind = ERR_LOCAL, .text = "too many open files"};
    struct fixture *fixture = *state;
    struct cert_work *work = &fixture->flow->work;

    publish_new(fixture);
    for (unsigned i = 0; i < 2 * REFUSALS_ENOUGH; i++) {
        take_event(work, EV_FAILED, &short_of);
        assert_int_equal(fixture->flow->state, FLOW_RELOAD_BACKING_OFF);
        deliver(fixture, EV_RETRY);
    }
    deliver(fixture, EV_DONE);
    assert_int_equal(fixture->flow->state, FLOW_PROVING);
    take_event(work, EV_FAILED, &short_of);
    assert_int_equal(work->state.consumer.refusals, 0);
    assert_int_equal(work->state.consumer.failures, 2 * REFUSALS_ENOUGH + 1);
}

/* Backing off after a failure of that class; the milliseconds that are left after the clock was
 * set. */
static uint64_t left_after_a_step(struct fixture *fixture, enum err_kind kind, bool hurries)
{
    const struct err failure = {.kind = kind, .text = "so it failed"};
    struct wall_timer *timer = &fixture->flow->timer;
    uint64_t left_ms;

    fixture->flow->work.state.failures = 20;
    take_event(&fixture->flow->work, EV_FAILED, &failure);
    assert_int_equal(fixture->flow->state, FLOW_BACKING_OFF);
    wall_timer_set(timer, 0, 1000000);
    cert_flow_recompute(fixture->flow, hurries);
    left_ms = (timer->until_us - clock_boot_us()) / 1000;
    deliver(fixture, EV_RETRY);
    return left_ms;
}

static void what_the_clock_may_be_to_blame_for_is_tried_again_when_it_is_set(void **state)
{
    struct fixture *fixture = *state;
    struct cert_published *published = &fixture->flow->work.published;

    /* Nothing valid is in place: a machine that has no time yet believes in no certificate. */
    assert_in_range(left_after_a_step(fixture, ERR_TRANSIENT, true), 0, 10000);
    /* A wait that is too long for what is left by the new time is cut. */
    assert_in_range(left_after_a_step(fixture, ERR_TRANSIENT, false), 200000, 420000);
    published->usable = true;
    published->validity = (struct validity){clock_now_s() - 3600, clock_now_s() + 3600};
    published->end_s = published->validity.not_after;
    assert_in_range(left_after_a_step(fixture, ERR_UNTRUSTED, true), 0, 10000);
    assert_in_range(left_after_a_step(fixture, ERR_TRANSIENT, true), 110000, 225000);
    assert_in_range(left_after_a_step(fixture, ERR_REFUSED, true), 110000, 225000);
}

/* -- looks at a directory -------------------------------------------------------------------------
 */

static const char published_name[] = "..2026_11_20_21_28_38.4f2a91";

/* A directory that is watched, with a look at it under way; gives its path for end_look. */
static void start_look(struct fixture *fixture, char *folder)
{
    struct cert_work *work = &fixture->flow->work;
    struct err err;
    int fd;

    assert_non_null(mkdtemp(folder));
    fixture->tools.stays = true;
    assert_true(workers_open(fixture->tools.loop, 1, &fixture->tools.workers, &err));
    fixture->cert.directory = folder;
    fixture->config->agent.files_every_s = 600;
    assert_true(set_claim_take(folder, 0755, &work->claim, &fd, &err));
    close(fd);
    strcpy(work->published.generation, published_name);
    work->published.due_s = clock_now_s() + 1000;
    deliver(fixture, EV_FRESH);
    cert_directory_watch(work);
    trace[0] = '\0';
}

static void look_until_it_ends(struct fixture *fixture)
{
    struct cert_look *look = &fixture->flow->work.look;

    cert_directory_look(&fixture->flow->work);
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

    cert_flow_free(fixture->flow);
    fixture->flow = NULL;
    workers_close(fixture->tools.workers);
    unlinkat(folder_fd, "..revoked", 0);
    unlinkat(folder_fd, "..state", 0);
    unlinkat(folder_fd, "..lock", 0);
    close(folder_fd);
    assert_int_equal(rmdir(folder), 0);
}

static void a_look_ends_with_the_directory_that_it_was_at(void **state)
{
    struct fixture *fixture = *state;
    struct cert_work *work = &fixture->flow->work;
    struct cert_config moved;
    char folder[] = "/tmp/leafd-flow.XXXXXX";

    start_look(fixture, folder);
    cert_directory_look(work);
    for (unsigned i = 0; i < 100 && work->look.slot == NULL; i++)
        sd_event_run(fixture->tools.loop, 100000);
    assert_non_null(work->look.slot);
    moved = fixture->cert;
    moved.directory = "/nowhere/either";
    strcpy(moved.digest, "another");
    cert_flow_adopt(fixture->flow, fixture->config, &moved);
    assert_int_equal(fixture->flow->state, FLOW_READING);
    assert_null(work->look.job);
    assert_null(work->watch);
    deliver(fixture, EV_FAILED);
    /* The job that nobody waits for is freed; nothing that is left of the look reaches it. */
    for (unsigned i = 0; i < 10; i++)
        sd_event_run(fixture->tools.loop, 50000);
    if (work->look.timer != NULL)
        look_until_it_ends(fixture);
    /* The next read begins the looks anew. */
    moved.directory = folder;
    cert_directory_watch(work);
    assert_int_equal(sd_event_source_get_enabled(work->look.timer, NULL), 1);
    assert_non_null(work->watch);
    work->cert = &fixture->cert;
    end_looks(fixture, folder);
}

static void mark(struct cert_work *work, enum revocation revocation)
{
    struct err err;
    int fd;

    assert_true(cert_work_open_set(work, &fd));
    assert_true(revoked_mark_write(fd, published_name, revocation, &err));
    close(fd);
}

static void a_mark_ends_one_wait_and_no_more(void **state)
{
    struct fixture *fixture = *state;
    struct cert_work *work = &fixture->flow->work;
    char folder[] = "/tmp/leafd-flow.XXXXXX";

    start_look(fixture, folder);
    mark(work, REVOCATION_REPLACED);
    look_until_it_ends(fixture);
    assert_int_equal(fixture->flow->state, FLOW_QUEUED);
    deliver(fixture, EV_FAILED);
    assert_int_equal(fixture->flow->state, FLOW_BACKING_OFF);
    for (unsigned i = 0; i < 3; i++)
        look_until_it_ends(fixture);
    assert_int_equal(fixture->flow->state, FLOW_BACKING_OFF);
    assert_string_equal(trace, "stage_queue");
    /* What is told now is something else. */
    mark(work, REVOCATION_FINAL);
    look_until_it_ends(fixture);
    assert_int_equal(fixture->flow->state, FLOW_WITHDRAWN);
    mark(work, REVOCATION_REPLACED);
    look_until_it_ends(fixture);
    assert_int_equal(fixture->flow->state, FLOW_QUEUED);
    assert_int_equal(bugs, 0);
    end_looks(fixture, folder);
}

static void a_mark_that_was_not_heeded_is_told_again(void **state)
{
    struct fixture *fixture = *state;
    struct cert_work *work = &fixture->flow->work;
    char folder[] = "/tmp/leafd-flow.XXXXXX";

    start_look(fixture, folder);
    flow_enter(fixture->flow, FLOW_QUEUED);
    mark(work, REVOCATION_REPLACED);
    look_until_it_ends(fixture);
    assert_int_equal(fixture->flow->state, FLOW_QUEUED);
    deliver(fixture, EV_FAILED);
    look_until_it_ends(fixture);
    assert_int_equal(fixture->flow->state, FLOW_READING);
    end_looks(fixture, folder);
}

static void what_was_not_expected_is_logged_as_a_bug_and_changes_nothing(void **state)
{
    struct fixture *fixture = *state;

    deliver(fixture, EV_EARLY);
    assert_int_equal(bugs, 1);
    assert_int_equal(fixture->flow->state, FLOW_READING);
}

static void every_state_answers_to_failure_or_rests(void **state)
{
    (void)state;
    for (enum flow_state at = 0; at < FLOW_STATE_COUNT; at++) {
        bool rests_there = at == FLOW_WAITING || at == FLOW_HOLDING || at == FLOW_BACKING_OFF ||
                           at == FLOW_RELOAD_BACKING_OFF || at == FLOW_WITHDRAWN;
        bool answers = false;

        for (enum cert_event event = 0; event < EV_COUNT; event++)
            answers |= next[at][event] != NULL && next[at][event] != step_ignore;
        assert_true(answers);
        assert_non_null(next[at][EV_REVOKED]);
        assert_non_null(next[at][EV_WITHDRAWN]);
        assert_non_null(next[at][EV_DAMAGED]);
        assert_true(strcmp(flow_state_name(at), "unknown") != 0);
        if (rests_there)
            assert_non_null(next[at][EV_CHANGED]);
        else
            assert_non_null(next[at][EV_FAILED]);
    }
}

int main(int argc, char **argv)
{
#define FLOW_TEST(name) cmocka_unit_test_setup_teardown(name, open_flow, close_flow)
    const struct CMUnitTest tests[] = {
        FLOW_TEST(a_wanted_certificate_goes_the_whole_way),
        FLOW_TEST(a_fresh_certificate_asks_for_nothing),
        FLOW_TEST(a_reload_that_a_crash_cut_off_is_made_up_for_without_issuing),
        FLOW_TEST(files_are_written_anew_without_asking_the_ca),
        FLOW_TEST(one_403_costs_one_login_and_a_second_one_a_wait),
        FLOW_TEST(a_token_that_somebody_else_lost_is_no_denial),
        FLOW_TEST(a_token_that_has_worked_is_replaced_a_few_times_and_not_for_ever),
        FLOW_TEST(a_failure_at_any_stage_backs_off_and_starts_from_the_disk),
        FLOW_TEST(success_forgets_the_failures),
        FLOW_TEST(a_certificate_of_the_future_is_staged_and_held_and_then_published),
        FLOW_TEST(what_was_held_too_long_is_never_published),
        FLOW_TEST(what_was_held_is_held_on_after_a_restart),
        FLOW_TEST(what_was_held_is_published_after_a_restart_if_its_time_has_come),
        FLOW_TEST(a_stranger_waits_on_disk_while_its_ca_is_announced),
        FLOW_TEST(a_stranger_waits_as_long_as_what_is_in_place_permits),
        FLOW_TEST(a_stranger_that_cannot_wait_is_shown_and_that_is_told),
        FLOW_TEST(a_stranger_that_waits_is_taken_up_when_its_time_has_come),
        FLOW_TEST(another_issuer_makes_one_early_renewal_once_it_is_certain),
        FLOW_TEST(who_was_named_from_the_first_is_no_news),
        FLOW_TEST(a_new_issuer_ends_a_pause),
        FLOW_TEST(what_is_found_revoked_is_replaced_and_the_next_one_later),
        FLOW_TEST(a_revocation_ends_the_hold_of_a_new_issuers_leaf),
        FLOW_TEST(a_held_certificate_hears_of_a_changed_section),
        FLOW_TEST(what_failed_is_tried_at_once_with_a_new_configuration),
        FLOW_TEST(a_failed_reload_is_tried_again_without_issuing),
        FLOW_TEST(a_certificate_that_comes_due_is_renewed_even_while_its_reload_fails),
        FLOW_TEST(a_revoked_certificate_is_replaced_at_once),
        FLOW_TEST(what_is_withdrawn_rests_until_somebody_asks),
        FLOW_TEST(what_is_damaged_is_read_again_and_ends_no_wait_for_the_ca),
        FLOW_TEST(it_is_proven_after_every_reload),
        FLOW_TEST(a_proof_that_a_crash_cut_off_is_made_up_for_without_a_reload),
        FLOW_TEST(a_consumer_that_goes_on_with_the_old_leaf_is_told_again_and_never_rolled_back),
        FLOW_TEST(a_consumer_that_serves_a_bad_chain_is_looked_at_and_left_in_peace),
        FLOW_TEST(what_the_consumer_refuses_is_rolled_back_and_tried_again_as_a_new_one),
        FLOW_TEST(a_consumer_that_refuses_the_previous_set_as_well_gets_the_new_one_back),
        FLOW_TEST(without_a_good_previous_set_the_new_one_stays),
        FLOW_TEST(a_consumer_that_lost_its_certificate_is_told_again),
        FLOW_TEST(a_consumer_that_is_away_is_not_woken),
        FLOW_TEST(a_proof_that_fails_beside_the_served_leaf_is_tried_again_in_peace),
        FLOW_TEST(a_look_that_leafd_could_not_take_says_nothing_about_the_consumer),
        FLOW_TEST(somebody_whose_tls_fails_is_not_awaited),
        FLOW_TEST(nobody_there_ends_in_a_look_that_finds_who_serves_another_leaf),
        FLOW_TEST(nobody_at_the_address_of_the_proof_either_is_nobody_there),
        FLOW_TEST(somebody_who_serves_the_leaf_though_nobody_was_told_is_proven),
        FLOW_TEST(an_older_leaf_of_the_set_is_known_as_such),
        FLOW_TEST(a_revocation_is_not_lost_while_the_consumer_is_waited_for),
        FLOW_TEST(a_failing_ca_keeps_no_consumer_from_what_is_published),
        FLOW_TEST(what_we_are_short_of_is_no_refusal_of_the_consumer),
        FLOW_TEST(what_the_clock_may_be_to_blame_for_is_tried_again_when_it_is_set),
        FLOW_TEST(a_look_ends_with_the_directory_that_it_was_at),
        FLOW_TEST(a_mark_ends_one_wait_and_no_more),
        FLOW_TEST(a_mark_that_was_not_heeded_is_told_again),
        FLOW_TEST(what_was_not_expected_is_logged_as_a_bug_and_changes_nothing),
        cmocka_unit_test(every_state_answers_to_failure_or_rests),
    };

    if (keeper_is_wanted(argc, argv))
        return keeper_run(argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
