/*
 * Deployment as its table tells it: the stages are replaced by a trace, their ends are delivered by
 * hand.
 */
#include "machine.h"

#include <errno.h>

TRACED(deployment, stage_reload)
TRACED(deployment, stage_prove)
TRACED(deployment, stage_check)
TRACED(deployment, stage_roll_back)

static void quiet_err(struct cert_work *work, const struct err *err)
{
    (void)work;
    assert_int_not_equal(err->kind, ERR_NONE);
}

static void quiet_failed(struct cert_work *work, const struct err *err, uint64_t wait_ms)
{
    quiet_err(work, err);
    assert_in_range(wait_ms, 1000, 1800000);
}

static void traced_removal(struct cert_work *work)
{
    (void)work;
    note("plan_removal");
}

#define stage_reload                traced_stage_reload
#define stage_prove                 traced_stage_prove
#define stage_check                 traced_stage_check
#define stage_roll_back             traced_stage_roll_back
#define cert_log_reloaded           quiet
#define cert_log_proven             quiet
#define cert_log_consumer_failed    quiet_failed
#define cert_log_proof_lost         quiet_err
#define cert_log_rolled_back        quiet_err
#define cert_log_rollback_failed    quiet_err
#define cert_log_bug                traced_bug
#define cert_directory_plan_removal traced_removal
#include "cert/deployment.c"

static struct err refusal;

static void on_refused(struct cert_work *work, const struct err *why)
{
    (void)work;
    refusal = *why;
    note("refused");
}

static void on_unsure(struct cert_work *work)
{
    (void)work;
    note("unsure");
}

static void on_stepped(struct cert_work *work)
{
    (void)work;
}

static const struct deployment_listener listener = {on_refused, on_unsure, on_stepped};

/* A certificate that is published as "new", whose consumer had taken "old" and proves what it
 * serves. */
static int open_deployment(void **state)
{
    struct fixture *fixture = fixture_open();
    struct cert_work *work = &fixture->work;
    struct err err;

    fixture->reload.verb = RELOAD_EXEC;
    fixture->cert.reloads.items = &fixture->reload;
    fixture->cert.reloads.count = 1;
    fixture->cert.prove.method = PROVE_TLS;
    fixture->cert.prove_every_s = 300;
    fixture->cert.rollback = true;
    strcpy(work->state.consumer.accepted, "old");
    strcpy(work->previous, "old");
    strcpy(work->published.generation, "new");
    work->published.usable = true;
    work->published.end_s = clock_now_s() + 2000;
    *state = fixture;
    return !deployment_open(&fixture->deployment, work, &listener, &err);
}

static int close_deployment(void **state)
{
    struct fixture *fixture = *state;

    deployment_close(&fixture->deployment);
    cert_work_close(&fixture->work);
    mounts_close(&fixture->tools.mounts);
    fixture_close(fixture);
    return 0;
}

static void deliver(struct fixture *fixture, const struct err *err)
{
    fixture->deployment.end(&fixture->deployment, err);
}

static void done(struct fixture *fixture)
{
    deliver(fixture, &(const struct err){.kind = ERR_NONE});
}

static void say_no(struct fixture *fixture)
{
    deliver(fixture, &(const struct err){.kind = ERR_TRANSIENT, .text = "it says no"});
}

static void retry(struct fixture *fixture)
{
    on_ring(&fixture->deployment, false);
}

static void assert_at(const struct fixture *fixture, enum deployment_state state)
{
    assert_int_equal(fixture->deployment.state, state);
}

static void publish_new(struct fixture *fixture)
{
    deployment_take_new(&fixture->deployment);
    assert_at(fixture, DEPLOYMENT_RELOADING);
    trace[0] = '\0';
}

static void it_is_proven_after_every_reload(void **state)
{
    struct fixture *fixture = *state;
    const struct consumer_state *consumer = &fixture->work.state.consumer;

    publish_new(fixture);
    done(fixture);
    assert_at(fixture, DEPLOYMENT_PROVING);
    assert_string_equal(consumer->reloaded, "new");
    assert_string_equal(consumer->accepted, "old");
    done(fixture);
    assert_at(fixture, DEPLOYMENT_IDLE);
    assert_string_equal(consumer->proven, "new");
    assert_string_equal(consumer->accepted, "new");
    assert_string_equal(trace, "stage_prove plan_removal");
    assert_null(deployment_failure(&fixture->deployment));
}

static void what_a_crash_cut_off_is_made_up_for(void **state)
{
    struct fixture *fixture = *state;
    struct consumer_state *consumer = &fixture->work.state.consumer;
    const struct {
        const char *reloaded, *proven, *accepted;
        bool missing;
        const char *trace;
    } cases[] = {
        {"old", "old", "old", false, "stage_reload"},
        {"new", "old", "old", false, "stage_prove"},
        {"new", "new", "new", false, ""},
        /* One that took it and was stopped is looked at, and not woken. */
        {"new", "", "new", true, "stage_check"},
    };

    strcpy(consumer->served.serial, "12:34");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        strcpy(consumer->reloaded, cases[i].reloaded);
        strcpy(consumer->proven, cases[i].proven);
        strcpy(consumer->accepted, cases[i].accepted);
        consumer->missing = cases[i].missing;
        deployment_stop(&fixture->deployment);
        trace[0] = '\0';
        deployment_take_found(&fixture->deployment, false);
        assert_string_equal(trace, cases[i].trace);
        /* Told once more, it goes on with what it is at. */
        deployment_take_found(&fixture->deployment, false);
        assert_string_equal(trace, cases[i].trace);
    }
}

static void what_has_ended_is_not_deployed(void **state)
{
    struct fixture *fixture = *state;

    fixture->work.published.end_s = clock_now_s() - 1;
    deployment_take_found(&fixture->deployment, false);
    assert_at(fixture, DEPLOYMENT_IDLE);
    assert_string_equal(trace, "");
    fixture->work.published.end_s = clock_now_s() + 1000;
    deployment_take_found(&fixture->deployment, false);
    say_no(fixture);
    assert_at(fixture, DEPLOYMENT_BACKING_OFF);
    fixture->work.published.end_s = clock_now_s() - 1;
    retry(fixture);
    assert_at(fixture, DEPLOYMENT_IDLE);
    assert_string_equal(trace, "stage_reload");
}

static void a_failed_reload_is_tried_again(void **state)
{
    struct fixture *fixture = *state;
    const struct trouble *trouble = &fixture->work.state.consumer.trouble;

    publish_new(fixture);
    fixture->cert.prove.method = PROVE_NONE;
    say_no(fixture);
    assert_at(fixture, DEPLOYMENT_BACKING_OFF);
    assert_int_equal(trouble->failures, 1);
    assert_string_equal(deployment_failure(&fixture->deployment)->text, "it says no");
    assert_int_equal(fixture->work.state.issuing.failures, 0);
    retry(fixture);
    say_no(fixture);
    retry(fixture);
    done(fixture);
    done(fixture);
    assert_string_equal(trace, "stage_reload stage_reload stage_prove plan_removal");
    assert_at(fixture, DEPLOYMENT_IDLE);
    assert_int_equal(trouble->failures, 0);
}

static void a_newer_generation_ends_whatever_is_done_about_the_one_before(void **state)
{
    struct fixture *fixture = *state;

    for (enum deployment_state at = 0; at < DEPLOYMENT_STATE_COUNT; at++) {
        struct consumer_state *consumer = &fixture->work.state.consumer;

        fixture->deployment.state = at;
        consumer->trouble.failures = consumer->refusals = 2;
        consumer->insists = true;
        strcpy(consumer->refused, "older");
        publish_new(fixture);
        assert_int_equal(consumer->trouble.failures, 0);
        assert_int_equal(consumer->refusals, 0);
        assert_false(consumer->insists);
        assert_string_equal(consumer->refused, "");
    }
}

static void a_stop_ends_it_until_it_is_told_what_is_in_place(void **state)
{
    struct fixture *fixture = *state;

    publish_new(fixture);
    say_no(fixture);
    deployment_stop(&fixture->deployment);
    assert_at(fixture, DEPLOYMENT_IDLE);
    assert_int_equal(fixture->deployment.timer.until_us, 0);
    assert_false(deployment_try_within(&fixture->deployment, 1000));
    deployment_take_found(&fixture->deployment, true);
    assert_at(fixture, DEPLOYMENT_RELOADING);
}

static void
a_consumer_that_goes_on_with_the_old_leaf_is_told_again_and_never_rolled_back(void **state)
{
    struct fixture *fixture = *state;

    publish_new(fixture);
    for (unsigned i = 1; i <= 2 * REFUSALS_ENOUGH; i++) {
        done(fixture);
        fixture->work.seen.finding = PROVE_OTHER_LEAF;
        say_no(fixture);
        assert_at(fixture, DEPLOYMENT_BACKING_OFF);
        assert_int_equal(fixture->work.state.consumer.trouble.failures, i);
        retry(fixture);
        assert_at(fixture, DEPLOYMENT_RELOADING);
    }
}

static void a_consumer_that_serves_a_bad_chain_is_looked_at_and_left_in_peace(void **state)
{
    struct fixture *fixture = *state;

    publish_new(fixture);
    done(fixture);
    trace[0] = '\0';
    for (unsigned i = 1; i <= 2 * REFUSALS_ENOUGH; i++) {
        fixture->work.seen.finding = PROVE_BAD_CHAIN;
        say_no(fixture);
        assert_at(fixture, DEPLOYMENT_IDLE);
        assert_int_equal(fixture->work.state.consumer.trouble.failures, i);
        assert_int_equal(fixture->work.state.consumer.refusals, 0);
        assert_string_equal(fixture->work.state.consumer.proven, "");
        retry(fixture);
        assert_at(fixture, DEPLOYMENT_CHECKING);
    }
    assert_null(strstr(trace, "stage_reload"));
    done(fixture);
    assert_string_equal(fixture->work.state.consumer.proven, "new");
}

static void refuse_until_rolled_back(struct fixture *fixture)
{
    publish_new(fixture);
    for (unsigned i = 1; i < REFUSALS_ENOUGH; i++) {
        say_no(fixture);
        assert_at(fixture, DEPLOYMENT_BACKING_OFF);
        retry(fixture);
    }
    trace[0] = '\0';
    say_no(fixture);
    assert_at(fixture, DEPLOYMENT_ROLLING_BACK);
    assert_string_equal(trace, "stage_roll_back");
}

/* As stage_roll_back leaves the work behind. */
static void swap_published(struct fixture *fixture, const char *published, const char *previous)
{
    strcpy(fixture->work.published.generation, published);
    strcpy(fixture->work.previous, previous);
    done(fixture);
}

static void what_the_consumer_refuses_is_rolled_back_and_that_is_told(void **state)
{
    struct fixture *fixture = *state;
    const struct consumer_state *consumer = &fixture->work.state.consumer;

    refuse_until_rolled_back(fixture);
    swap_published(fixture, "old", "new");
    assert_at(fixture, DEPLOYMENT_RELOADING_BACK);
    assert_string_equal(consumer->refused, "new");
    done(fixture);
    assert_at(fixture, DEPLOYMENT_PROVING_BACK);
    trace[0] = '\0';
    done(fixture);
    assert_at(fixture, DEPLOYMENT_IDLE);
    assert_string_equal(trace, "refused");
    assert_string_equal(refusal.text, "it says no");
    assert_string_equal(consumer->accepted, "old");
    assert_string_equal(consumer->refused, "new");
    assert_string_equal(fixture->work.previous, "");
    assert_null(deployment_failure(&fixture->deployment));
    retry(fixture);
    assert_at(fixture, DEPLOYMENT_CHECKING);
}

static void a_consumer_that_refuses_the_previous_set_as_well_gets_the_new_one_back(void **state)
{
    struct fixture *fixture = *state;

    refuse_until_rolled_back(fixture);
    swap_published(fixture, "old", "new");
    say_no(fixture);
    assert_at(fixture, DEPLOYMENT_ROLLING_FORWARD);
    swap_published(fixture, "new", "old");
    assert_at(fixture, DEPLOYMENT_BACKING_OFF);
    /* From now on it stays, however often it is refused. */
    for (unsigned i = 0; i < 2 * REFUSALS_ENOUGH; i++) {
        retry(fixture);
        say_no(fixture);
        assert_at(fixture, DEPLOYMENT_BACKING_OFF);
    }
    retry(fixture);
    done(fixture);
    done(fixture);
    assert_at(fixture, DEPLOYMENT_IDLE);
    assert_string_equal(fixture->work.state.consumer.accepted, "new");
}

static void without_a_good_previous_set_the_new_one_stays(void **state)
{
    struct fixture *fixture = *state;

    refuse_until_rolled_back(fixture);
    trace[0] = '\0';
    say_no(fixture);
    assert_at(fixture, DEPLOYMENT_BACKING_OFF);
    assert_string_equal(trace, "unsure"); /* the rename may have happened: the disk is asked */
    assert_true(fixture->work.state.consumer.insists);
    retry(fixture);
    say_no(fixture);
    assert_at(fixture, DEPLOYMENT_BACKING_OFF);
}

/* The disk is read again, and shows that the rename had happened. */
static void what_is_found_to_be_another_generation_is_dealt_with_anew(void **state)
{
    struct fixture *fixture = *state;

    refuse_until_rolled_back(fixture);
    say_no(fixture);
    deployment_take_found(&fixture->deployment, true);
    assert_at(fixture, DEPLOYMENT_BACKING_OFF);
    strcpy(fixture->work.published.generation, "old");
    deployment_take_found(&fixture->deployment, true);
    assert_at(fixture, DEPLOYMENT_RELOADING);
}

static void settle_new(struct fixture *fixture)
{
    publish_new(fixture);
    done(fixture);
    done(fixture);
    assert_at(fixture, DEPLOYMENT_IDLE);
    trace[0] = '\0';
    retry(fixture);
    assert_at(fixture, DEPLOYMENT_CHECKING);
}

static void a_consumer_that_lost_its_certificate_is_told_again(void **state)
{
    struct fixture *fixture = *state;

    settle_new(fixture);
    fixture->work.seen.finding = PROVE_OTHER_LEAF;
    say_no(fixture);
    assert_at(fixture, DEPLOYMENT_RELOADING);
    done(fixture);
    done(fixture);
    assert_string_equal(trace, "stage_check stage_reload stage_prove plan_removal");
    assert_string_equal(fixture->work.state.consumer.proven, "new");
}

static void a_consumer_that_is_away_is_not_woken(void **state)
{
    struct fixture *fixture = *state;

    settle_new(fixture);
    fixture->work.seen.finding = PROVE_UNREACHABLE;
    say_no(fixture);
    assert_at(fixture, DEPLOYMENT_IDLE);
    assert_string_equal(fixture->work.state.consumer.proven, "");
    retry(fixture);
    done(fixture);
    assert_string_equal(trace, "stage_check stage_check plan_removal");
    assert_string_equal(fixture->work.state.consumer.proven, "new");
    assert_int_equal(fixture->work.state.consumer.trouble.failures, 0);
}

static void a_proof_that_fails_beside_the_served_leaf_is_tried_again_in_peace(void **state)
{
    struct fixture *fixture = *state;
    const struct consumer_state *consumer = &fixture->work.state.consumer;

    publish_new(fixture);
    fixture->work.state.consumer.accepted[0] = '\0';
    done(fixture);
    trace[0] = '\0';
    for (unsigned i = 1; i <= 2 * REFUSALS_ENOUGH; i++) {
        fixture->work.seen.finding = PROVE_SERVED;
        say_no(fixture);
        assert_at(fixture, DEPLOYMENT_IDLE);
        assert_false(consumer->missing);
        assert_int_equal(consumer->trouble.failures, i);
        assert_int_equal(consumer->refusals, 0);
        retry(fixture);
        assert_at(fixture, DEPLOYMENT_CHECKING);
    }
    assert_null(strstr(trace, "stage_reload"));
}

static void a_look_that_leafd_could_not_take_says_nothing_about_the_consumer(void **state)
{
    static const struct err short_of = {.kind = ERR_LOCAL, .errnum = EMFILE, .text = "no sockets"};
    struct fixture *fixture = *state;
    struct cert_work *work = &fixture->work;

    publish_new(fixture);
    done(fixture);
    work->seen.finding = PROVE_UNREACHABLE;
    deliver(fixture, &short_of);
    assert_false(work->state.consumer.missing);
    retry(fixture);
    done(fixture);
    done(fixture);
    assert_string_equal(work->state.consumer.proven, "new");
    retry(fixture);
    assert_at(fixture, DEPLOYMENT_CHECKING);
    trace[0] = '\0';
    work->seen.finding = PROVE_NOT_LOOKED;
    deliver(fixture, &short_of);
    assert_at(fixture, DEPLOYMENT_IDLE);
    assert_false(work->state.consumer.missing);
    assert_string_equal(work->state.consumer.proven, "new");
    retry(fixture);
    done(fixture);
    assert_int_equal(work->state.consumer.trouble.failures, 0);
    assert_null(strstr(trace, "stage_reload"));
}

static void somebody_whose_tls_fails_is_not_awaited(void **state)
{
    struct fixture *fixture = *state;
    struct cert_work *work = &fixture->work;

    publish_new(fixture);
    work->state.consumer.accepted[0] = '\0';
    done(fixture);
    assert_at(fixture, DEPLOYMENT_PROVING);
    work->seen = (struct prove_seen){.finding = PROVE_NO_TLS};
    say_no(fixture);
    assert_false(consumer_is_awaited(&work->state.consumer));
    retry(fixture);
    done(fixture);
    work->seen = (struct prove_seen){.finding = PROVE_NO_TLS};
    say_no(fixture);
}

/* A reload that found nobody, as with a pidfile that is spelt wrong. */
static void find_nobody(struct fixture *fixture)
{
    static const struct err gone = {.kind = ERR_CONSUMER, .nobody = true, .text = "no pidfile"};

    publish_new(fixture);
    fixture->work.state.consumer.accepted[0] = '\0';
    deliver(fixture, &gone);
    assert_at(fixture, DEPLOYMENT_LOOKING);
    assert_string_equal(trace, "stage_check");
}

static void deliver_look(struct fixture *fixture, enum prove_finding finding, const char *leaf)
{
    static const struct err wrong = {.kind = ERR_CONSUMER, .text = "another one is served"};
    struct prove_seen *seen = &fixture->work.seen;

    *seen = (struct prove_seen){.finding = finding};
    seen->leaf.seen = leaf != NULL;
    snprintf(seen->leaf.serial, sizeof seen->leaf.serial, "%s", leaf == NULL ? "" : leaf);
    snprintf(seen->leaf.fingerprint, sizeof seen->leaf.fingerprint, "%s", leaf == NULL ? "" : leaf);
    seen->leaf.not_after_s = clock_now_s() + 78;
    deliver(fixture, &wrong);
}

static void nobody_there_ends_in_a_look_that_finds_who_serves_another_leaf(void **state)
{
    struct fixture *fixture = *state;
    struct cert_work *work = &fixture->work;
    const struct consumer_state *consumer = &work->state.consumer;

    find_nobody(fixture);
    deliver_look(fixture, PROVE_OTHER_LEAF, "somebody else's");
    assert_at(fixture, DEPLOYMENT_BACKING_OFF);
    assert_false(consumer_is_awaited(consumer));
    assert_string_equal(consumer->served.serial, "somebody else's");
    assert_true(consumer->served.foreign);
    assert_non_null(strstr(trouble_err(&work->state.consumer.trouble)->text,
                           "another one is served; it could not be told"));
    assert_non_null(strstr(trouble_err(&work->state.consumer.trouble)->text, "no pidfile"));
    assert_int_equal(consumer->refusals, 0);
    /* It has no more time than what it serves, however long the new set lasts. */
    assert_in_range(work->state.consumer.trouble.try_again_at_s, clock_now_s(), clock_now_s() + 5);
}

static void nobody_at_the_address_of_the_proof_either_is_nobody_there(void **state)
{
    struct fixture *fixture = *state;
    struct consumer_state *consumer = &fixture->work.state.consumer;

    find_nobody(fixture);
    strcpy(consumer->served.serial, "seen before");
    deliver_look(fixture, PROVE_UNREACHABLE, NULL);
    assert_true(consumer_is_awaited(consumer));
    assert_string_equal(consumer->served.serial, "");
    assert_string_equal(trouble_err(&fixture->work.state.consumer.trouble)->text, "no pidfile");
    retry(fixture);
    assert_at(fixture, DEPLOYMENT_RELOADING);
}

static void somebody_who_serves_the_leaf_though_nobody_was_told_is_proven(void **state)
{
    struct fixture *fixture = *state;

    find_nobody(fixture);
    done(fixture);
    assert_at(fixture, DEPLOYMENT_IDLE);
    assert_string_equal(fixture->work.state.consumer.proven, "new");
}

static void an_older_leaf_of_the_set_is_known_as_such(void **state)
{
    static const char ours[] = "0a1b2c3d4e5f60718293";
    struct fixture *fixture = *state;
    struct cert_work *work = &fixture->work;
    const struct served_state *served = &work->state.consumer.served;

    consumer_note_leaf(&work->state.consumer, ours);
    find_nobody(fixture);
    deliver_look(fixture, PROVE_OTHER_LEAF, ours);
    assert_string_equal(served->serial, ours);
    assert_false(served->foreign);
    assert_in_range(served->not_after_s, clock_now_s() + 70, clock_now_s() + 78);
    /* A reply that names no leaf says that it is not the new one, so the older one is served. */
    retry(fixture);
    done(fixture);
    deliver_look(fixture, PROVE_OTHER_LEAF, NULL);
    assert_string_equal(served->serial, ours);
    /* What is proven is what is served, and what was known stays known. */
    strcpy(work->published.serial, "12:34");
    work->seen = (struct prove_seen){.finding = PROVE_SERVED};
    retry(fixture);
    done(fixture);
    done(fixture);
    assert_string_equal(served->serial, "12:34");
    assert_int_equal(served->not_after_s, work->published.end_s);
    assert_true(consumer_knows_leaf(&work->state.consumer, ours));
}

static void what_we_are_short_of_is_no_refusal_of_the_consumer(void **state)
{
    static const struct err short_of = {.kind = ERR_LOCAL, .text = "too many open files"};
    struct fixture *fixture = *state;
    struct cert_work *work = &fixture->work;

    publish_new(fixture);
    for (unsigned i = 0; i < 2 * REFUSALS_ENOUGH; i++) {
        deliver(fixture, &short_of);
        assert_at(fixture, DEPLOYMENT_BACKING_OFF);
        retry(fixture);
    }
    done(fixture);
    assert_at(fixture, DEPLOYMENT_PROVING);
    deliver(fixture, &short_of);
    assert_int_equal(work->state.consumer.refusals, 0);
    assert_int_equal(work->state.consumer.trouble.failures, 2 * REFUSALS_ENOUGH + 1);
}

/* -- what is left to find out later ---------------------------------------------------------------
 */

static void turn_clock_right(struct fixture *fixture)
{
    fixture->work.published.validity.not_before = clock_now_s() - 10;
    on_ring(&fixture->deployment, true);
}

/* A machine without a battery boots in 1970: what is in place has not begun by its clock. */
static void what_has_not_begun_by_the_clock_is_deployed_when_the_clock_is_right(void **state)
{
    struct fixture *fixture = *state;
    struct deployment *deployment = &fixture->deployment;
    const uint64_t begins_s = clock_now_s() + 5000;

    fixture->work.published.end_s = begins_s + 2000;
    fixture->work.published.validity.not_before = begins_s;
    deployment_take_found(deployment, true);
    assert_at(fixture, DEPLOYMENT_IDLE);
    assert_string_equal(trace, "");
    assert_int_equal(deployment->timer.moment_s, begins_s);
    deployment_recompute(deployment, true);
    assert_false(deployment_try_within(deployment, 0));
    turn_clock_right(fixture);
    assert_at(fixture, DEPLOYMENT_RELOADING);
    /* The same when the clock is set back while it waits for another try. */
    say_no(fixture);
    assert_at(fixture, DEPLOYMENT_BACKING_OFF);
    fixture->work.published.validity.not_before = begins_s;
    retry(fixture);
    assert_at(fixture, DEPLOYMENT_IDLE);
    assert_int_equal(deployment->timer.moment_s, begins_s);
    assert_int_equal(deployment->timer.until_us, 0);
    turn_clock_right(fixture);
    assert_string_equal(trace, "stage_reload stage_reload");
}

static void a_command_that_is_missing_is_a_failure_and_nobody_to_wait_for(void **state)
{
    static const struct err gone = {
        .kind = ERR_CONSUMER, .errnum = ENOENT, .text = "cannot start reload"};
    struct fixture *fixture = *state;

    fixture->cert.prove.method = PROVE_NONE;
    publish_new(fixture);
    fixture->work.state.consumer.accepted[0] = '\0';
    deliver(fixture, &gone);
    assert_at(fixture, DEPLOYMENT_BACKING_OFF);
    assert_false(consumer_is_awaited(&fixture->work.state.consumer));
    assert_non_null(deployment_failure(&fixture->deployment));
}

static void a_changed_section_begins_without_what_was_seen_by_the_one_before(void **state)
{
    struct fixture *fixture = *state;

    publish_new(fixture);
    done(fixture);
    fixture->work.seen.finding = PROVE_BAD_CHAIN;
    say_no(fixture);
    assert_at(fixture, DEPLOYMENT_IDLE);
    deployment_stop(&fixture->deployment);
    fixture->cert.prove.method = PROVE_NONE;
    fixture->work.state.consumer.reloaded[0] = '\0';
    trace[0] = '\0';
    deployment_take_found(&fixture->deployment, true);
    assert_at(fixture, DEPLOYMENT_RELOADING);
    assert_string_equal(trace, "stage_reload");
}

static void whoever_asks_for_another_try_gets_a_look_at_what_was_left_alone(void **state)
{
    struct fixture *fixture = *state;
    struct deployment *deployment = &fixture->deployment;

    publish_new(fixture);
    done(fixture);
    fixture->work.seen.finding = PROVE_BAD_CHAIN;
    say_no(fixture);
    assert_at(fixture, DEPLOYMENT_IDLE);
    /* A clock that was wrong may be why it failed. */
    wall_timer_set(&deployment->timer, 0, 1000000);
    deployment_recompute(deployment, true);
    assert_in_range(deployment->timer.until_us, 1, clock_boot_us() + 5000000);
    wall_timer_set(&deployment->timer, 0, 1000000);
    assert_true(deployment_try_within(deployment, 0));
    assert_true(deployment->timer.until_us <= clock_boot_us());
    retry(fixture);
    assert_at(fixture, DEPLOYMENT_CHECKING);
    /* A look that is not owed to a failure comes when it comes. */
    done(fixture);
    wall_timer_set(&deployment->timer, 0, 1000000);
    assert_false(deployment_try_within(deployment, 0));
    assert_true(deployment->timer.until_us > clock_boot_us());
}

static void what_hinders_us_does_not_speak_for_the_set_that_was_refused(void **state)
{
    static const struct err short_of = {.kind = ERR_LOCAL, .text = "too many open files"};
    struct fixture *fixture = *state;
    struct consumer_state *consumer = &fixture->work.state.consumer;

    refuse_until_rolled_back(fixture);
    swap_published(fixture, "old", "new");
    deliver(fixture, &short_of);
    assert_at(fixture, DEPLOYMENT_ROLLING_FORWARD);
    assert_false(consumer->insists);
    swap_published(fixture, "new", "old");
    /* As long as it lasts, the names are left alone. */
    for (unsigned i = 0; i < 3; i++) {
        retry(fixture);
        deliver(fixture, &short_of);
        assert_at(fixture, DEPLOYMENT_BACKING_OFF);
    }
    retry(fixture);
    say_no(fixture);
    assert_at(fixture, DEPLOYMENT_ROLLING_BACK);
}

static void a_stage_that_ends_with_what_nobody_expected_is_tried_again(void **state)
{
    static const struct err fine;
    struct fixture *fixture = *state;

    publish_new(fixture);
    end_stage(&fixture->deployment, DEPLOYMENT_ON_LOST, &fine);
    assert_int_equal(bugs, 1);
    assert_at(fixture, DEPLOYMENT_BACKING_OFF);
    assert_int_not_equal(fixture->deployment.timer.until_us, 0);
}

/* -- the table ------------------------------------------------------------------------------------
 */

/* One letter for each state, and "." where an event has no meaning. */
static const char letters[] = "IRPLCBKTVF";

/* How a stage ended, what is in place, a stop, and the timer: as the enum has them. */
static const char *const pairs[DEPLOYMENT_STATE_COUNT] = {
    [DEPLOYMENT_IDLE] = "....... RRPCI I CCI",
    [DEPLOYMENT_RELOADING] = "P.BIL.K RRPCI I ...",
    [DEPLOYMENT_PROVING] = "I.BI..K RRPCI I ...",
    [DEPLOYMENT_LOOKING] = "I.BI..K RRPCI I ...",
    [DEPLOYMENT_CHECKING] = "IIBI.RK RRPCI I ...",
    [DEPLOYMENT_BACKING_OFF] = "....... RRPCI I RII",
    [DEPLOYMENT_ROLLING_BACK] = "T.B.... RKKKK I ...",
    [DEPLOYMENT_RELOADING_BACK] = "V.F.... RRPCI I ...",
    [DEPLOYMENT_PROVING_BACK] = "I.F.... RRPCI I ...",
    [DEPLOYMENT_ROLLING_FORWARD] = "B.B.... RFFFF I ...",
};

static void every_pair_of_the_table_leads_where_it_is_written(void **state)
{
    static const struct err wrong = {.kind = ERR_TRANSIENT, .text = "it says no"};
    struct fixture *fixture = *state;
    struct deployment *deployment = &fixture->deployment;
    unsigned empty = 0;

    for (enum deployment_state at = 0; at < DEPLOYMENT_STATE_COUNT; at++) {
        enum deployment_event event = 0;

        for (const char *letter = pairs[at]; *letter != '\0'; letter++) {
            if (*letter == ' ')
                continue;
            deployment->state = at;
            deployment->wait_ms = 1000;
            keep(deployment->generation, "new");
            wall_timer_set(&deployment->timer, 0, deployment_rests(deployment) ? 60000 : 0);
            trouble_set(&fixture->work.state.consumer.trouble, &wrong);
            trace[0] = '\0';
            take(deployment, event++, &wrong);
            empty += *letter == '.';
            assert_int_equal(letters[deployment->state], *letter == '.' ? letters[at] : *letter);
            assert_int_equal(bugs, empty);
            /* Nothing rings for a wait that is over. */
            if (*letter != '.' && !deployment_rests(deployment))
                assert_int_equal(deployment->timer.until_us, 0);
            /* Nothing rests for ever but what is to be told first what is in place. */
            if (*letter != '.' && deployment_rests(deployment) && deployment->generation[0] != '\0')
                assert_int_not_equal(deployment->timer.moment_s + deployment->timer.until_us, 0);
        }
        assert_int_equal(event, DEPLOYMENT_EVENT_COUNT);
    }
    assert_int_equal(sizeof letters, DEPLOYMENT_STATE_COUNT + 1);
}

int main(int argc, char **argv)
{
#define DEPLOYMENT_TEST(name)                                                                      \
    cmocka_unit_test_setup_teardown(name, open_deployment, close_deployment)
    const struct CMUnitTest tests[] = {
        DEPLOYMENT_TEST(it_is_proven_after_every_reload),
        DEPLOYMENT_TEST(what_a_crash_cut_off_is_made_up_for),
        DEPLOYMENT_TEST(what_has_ended_is_not_deployed),
        DEPLOYMENT_TEST(a_failed_reload_is_tried_again),
        DEPLOYMENT_TEST(a_newer_generation_ends_whatever_is_done_about_the_one_before),
        DEPLOYMENT_TEST(a_stop_ends_it_until_it_is_told_what_is_in_place),
        DEPLOYMENT_TEST(
            a_consumer_that_goes_on_with_the_old_leaf_is_told_again_and_never_rolled_back),
        DEPLOYMENT_TEST(a_consumer_that_serves_a_bad_chain_is_looked_at_and_left_in_peace),
        DEPLOYMENT_TEST(what_the_consumer_refuses_is_rolled_back_and_that_is_told),
        DEPLOYMENT_TEST(a_consumer_that_refuses_the_previous_set_as_well_gets_the_new_one_back),
        DEPLOYMENT_TEST(without_a_good_previous_set_the_new_one_stays),
        DEPLOYMENT_TEST(what_is_found_to_be_another_generation_is_dealt_with_anew),
        DEPLOYMENT_TEST(a_consumer_that_lost_its_certificate_is_told_again),
        DEPLOYMENT_TEST(a_consumer_that_is_away_is_not_woken),
        DEPLOYMENT_TEST(a_proof_that_fails_beside_the_served_leaf_is_tried_again_in_peace),
        DEPLOYMENT_TEST(a_look_that_leafd_could_not_take_says_nothing_about_the_consumer),
        DEPLOYMENT_TEST(somebody_whose_tls_fails_is_not_awaited),
        DEPLOYMENT_TEST(nobody_there_ends_in_a_look_that_finds_who_serves_another_leaf),
        DEPLOYMENT_TEST(nobody_at_the_address_of_the_proof_either_is_nobody_there),
        DEPLOYMENT_TEST(somebody_who_serves_the_leaf_though_nobody_was_told_is_proven),
        DEPLOYMENT_TEST(an_older_leaf_of_the_set_is_known_as_such),
        DEPLOYMENT_TEST(what_we_are_short_of_is_no_refusal_of_the_consumer),
        DEPLOYMENT_TEST(what_has_not_begun_by_the_clock_is_deployed_when_the_clock_is_right),
        DEPLOYMENT_TEST(a_command_that_is_missing_is_a_failure_and_nobody_to_wait_for),
        DEPLOYMENT_TEST(a_changed_section_begins_without_what_was_seen_by_the_one_before),
        DEPLOYMENT_TEST(whoever_asks_for_another_try_gets_a_look_at_what_was_left_alone),
        DEPLOYMENT_TEST(what_hinders_us_does_not_speak_for_the_set_that_was_refused),
        DEPLOYMENT_TEST(a_stage_that_ends_with_what_nobody_expected_is_tried_again),
        DEPLOYMENT_TEST(every_pair_of_the_table_leads_where_it_is_written),
    };

    if (keeper_is_wanted(argc, argv))
        return keeper_run(argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
