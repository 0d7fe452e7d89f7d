#include "cert/consumer_steps.h"

#include "base/clock.h"
#include "base/random.h"
#include "cert/cert_directory.h"
#include "cert/cert_log.h"
#include "cert/consumer_stages.h"
#include "cert/reload_state.h"

#include <errno.h>
#include <string.h>

static void keep(char to[static GENERATION_NAME_BYTES], const char *generation)
{
    snprintf(to, GENERATION_NAME_BYTES, "%s", generation);
}

/* Half as long to one and a half times as long, so that a fleet's looks do not come together. */
static uint64_t next_check_ms(const struct cert_config *cert)
{
    uint64_t every_ms = cert->prove_every_s * 1000;

    if (cert->prove.method == PROVE_NONE)
        return 0;
    return every_ms / 2 + random_share(every_ms, random_draw());
}

/* Whether it took this very set, and is not there: it may have been stopped on purpose. */
static bool was_stopped(const struct cert_work *work)
{
    const struct consumer_state *consumer = &work->state.consumer;

    return work->cert->prove.method != PROVE_NONE && consumer->missing &&
           strcmp(consumer->accepted, work->published.generation) == 0;
}

/*
 * Whether it has loaded this very set, and lacks what no reload and no earlier set brings: a server
 * that was given the file with the leaf alone, or that lets anybody in, is repaired in its own
 * configuration. The same holds for one that serves the leaf while the proof failed elsewhere, as
 * mutual TLS that could not be asked for. It is looked at again, with growing pauses, and left in
 * peace.
 */
static bool is_for_a_person(const struct cert_work *work)
{
    return work->seen.finding == PROVE_BAD_CHAIN || work->seen.finding == PROVE_NOT_MUTUAL ||
           work->seen.finding == PROVE_SERVED;
}

/* Whether nobody answers there. That we could not look says nothing about the consumer. */
static bool is_nobody_there(const struct cert_flow *flow)
{
    return flow->work.seen.finding == PROVE_UNREACHABLE && flow->err->kind != ERR_LOCAL;
}

/* Whether the look that failed was one at a consumer that had been told, for reasons of our own. */
static bool is_look_of_ours(const struct cert_flow *flow)
{
    return flow->state == FLOW_CHECKING && flow->err->kind == ERR_LOCAL;
}

bool consumer_is_owed(const struct cert_work *work)
{
    return cert_work_lasts(work) &&
           !reload_state_is_settled(&work->state.consumer, work->cert, work->published.generation);
}

void step_catch_up(struct cert_flow *flow)
{
    if (was_stopped(&flow->work) || is_for_a_person(&flow->work))
        step_check(flow);
    else
        step_reload_again(flow);
}

/* Goes back to waiting for the CA, if that was interrupted; whether it was. */
static bool went_back_to_ca(struct cert_flow *flow)
{
    uint64_t wait_ms = cert_work_ca_rests_ms(&flow->work) + 1;

    if (flow->work.ca_rests_until_us == 0)
        return false;
    flow->work.ca_rests_until_us = 0;
    flow_rest(flow, FLOW_BACKING_OFF, 0, wait_ms);
    return true;
}

/* What the CA fails at is not over with what the consumer did meanwhile. */
static void keep_ca_failure(struct cert_work *work, const struct cert_state *before)
{
    work->state.failures = before->failures;
    work->state.failure = before->failure;
    work->state.failed_at_s = before->failed_at_s;
    work->state.try_again_at_s = before->try_again_at_s;
}

void step_rest_until_due(struct cert_flow *flow)
{
    if (went_back_to_ca(flow))
        return;
    flow_rest(flow, FLOW_WAITING, flow->work.published.due_s, next_check_ms(flow->work.cert));
}

void step_rest_fresh(struct cert_flow *flow)
{
    struct cert_state *state = &flow->work.state;

    cert_log_found(&flow->work);
    if (state->failure.kind != ERR_NONE) {
        /* What failed was for something that is not wanted any more. */
        state->failures = 0;
        state->failed_at_s = state->try_again_at_s = 0;
        state->failure = (struct err){0};
        state->consumer.failures = state->consumer.refusals = 0;
        state->consumer.refused[0] = '\0';
        cert_work_save(&flow->work);
    }
    step_rest_until_due(flow);
}

/* What the look that has just ended showed is kept: messages and `status` speak of that leaf. */
static void note_served(struct cert_work *work, const struct err *err)
{
    struct consumer_state *consumer = &work->state.consumer;
    const struct cert_published *published = &work->published;
    const struct served_leaf *leaf = &work->seen.leaf;
    struct served_state *served = &consumer->served;
    bool is_published = work->seen.finding == PROVE_SERVED ||
                        (leaf->seen && strcmp(leaf->fingerprint, published->fingerprint) == 0);

    if (work->cert->prove.method == PROVE_NONE || err->kind == ERR_LOCAL ||
        work->seen.finding == PROVE_SAYS_NO || work->seen.finding == PROVE_NOT_LOOKED)
        return;
    if (work->seen.finding == PROVE_UNREACHABLE || work->seen.finding == PROVE_NO_TLS) {
        *served = (struct served_state){0};
        return;
    }
    served->seen_s = clock_now_s();
    /* A reply that does not name the new leaf names none: it is still the one of before. */
    if (!is_published && !leaf->seen)
        return;
    served->foreign = !is_published && !consumer_knows_leaf(consumer, leaf->fingerprint);
    served->not_after_s = is_published ? published->end_s : leaf->not_after_s;
    memcpy(served->serial, is_published ? published->serial : leaf->serial, sizeof served->serial);
    served->chain_verified = work->seen.chain_verified;
}

/* -- reload ---------------------------------------------------------------------------------------
 */

void step_reload_published(struct cert_flow *flow)
{
    struct consumer_state *consumer = &flow->work.state.consumer;

    cert_log_published(&flow->work);
    cert_work_release(&flow->work);
    consumer->failures = consumer->refusals = 0;
    consumer->insists = false;
    consumer->refused[0] = '\0';
    step_reload_again(flow);
}

void step_reload_again(struct cert_flow *flow)
{
    flow_enter(flow, FLOW_RELOADING);
    flow->observer(flow->arg, flow); /* the set is usable, whatever comes of this */
    stage_reload(&flow->work);
}

/* Between two tries of the CA: its turn comes next, and its failure is the one that is kept. */
static void leave_to_ca(struct cert_flow *flow, const struct cert_state *before)
{
    struct cert_work *work = &flow->work;

    cert_log_consumer_failed(work, &work->state.failure, cert_work_ca_rests_ms(work));
    keep_ca_failure(work, before);
    cert_work_save(work);
    went_back_to_ca(flow);
}

/*
 * Waits for another try, or takes the generation back if it was refused often enough. One that was
 * stopped is not woken: it reads the files when it starts, and the slow look sees it then. Nor is
 * one told again that has the leaf and serves a bad chain.
 */
static void try_later(struct cert_flow *flow)
{
    struct cert_work *work = &flow->work;
    const struct cert_state before = work->state;
    uint64_t wait_ms = cert_work_note_refusal(work, flow->err);

    if (rollback_is_due(&work->state.consumer, work->cert, work->published.generation,
                        work->previous)) {
        work->ca_rests_until_us = 0; /* what was refused is the failure now */
        flow_enter(flow, FLOW_ROLLING_BACK);
        stage_roll_back(work);
        return;
    }
    if (work->ca_rests_until_us != 0) {
        leave_to_ca(flow, &before);
        return;
    }
    cert_log_consumer_failed(work, &work->state.failure, wait_ms);
    flow_rest(flow,
              was_stopped(work) || is_for_a_person(work) || is_look_of_ours(flow)
                  ? FLOW_WAITING
                  : FLOW_RELOAD_BACKING_OFF,
              work->published.due_s, wait_ms);
}

/* Nobody can be told; that does not mean that nobody serves. */
static void look_for_somebody(struct cert_flow *flow)
{
    struct cert_work *work = &flow->work;

    snprintf(work->nobody, sizeof work->nobody, "%.*s", (int)sizeof work->nobody - 1,
             flow->err->text);
    flow_enter(flow, FLOW_LOOKING);
    stage_check(work);
}

void step_reload_failed(struct cert_flow *flow)
{
    struct consumer_state *consumer = &flow->work.state.consumer;

    consumer->missing = flow->err->errnum == ENOENT || flow->err->errnum == ESRCH ||
                        flow->err->errnum == ECONNREFUSED;
    if (consumer->missing && flow->work.cert->prove.method != PROVE_NONE) {
        look_for_somebody(flow);
        return;
    }
    consumer->refusals += consumer->missing || flow->err->kind == ERR_LOCAL ? 0 : 1;
    try_later(flow);
}

void step_look_failed(struct cert_flow *flow)
{
    struct cert_work *work = &flow->work;
    struct consumer_state *consumer = &work->state.consumer;
    struct err err = *flow->err;

    note_served(work, flow->err);
    /* A command of the operator's cannot tell a consumer that is away from one that is behind. */
    consumer->missing =
        is_nobody_there(flow) || (work->seen.finding == PROVE_SAYS_NO && err.kind != ERR_LOCAL);
    consumer->proven[0] = '\0';
    if (consumer->missing)
        err_set(&err, ERR_CONSUMER, "%s", work->nobody);
    else
        err_append(&err, "; it could not be told, since nobody was found: %s", work->nobody);
    flow->err = &err;
    try_later(flow);
    flow->err = NULL;
}

/* -- prove ----------------------------------------------------------------------------------------
 */

void step_prove(struct cert_flow *flow)
{
    struct cert_work *work = &flow->work;

    if (work->cert->reloads.items[0].verb != RELOAD_NONE) {
        cert_log_reloaded(work);
        keep(work->state.consumer.reloaded, work->published.generation);
        if (work->cert->prove.method != PROVE_NONE)
            cert_work_save(work);
    }
    flow_enter(flow, FLOW_PROVING);
    stage_prove(work);
}

void step_prove_again(struct cert_flow *flow)
{
    flow_enter(flow, FLOW_PROVING);
    flow->observer(flow->arg, flow);
    stage_prove(&flow->work);
}

void step_proof_failed(struct cert_flow *flow)
{
    struct consumer_state *consumer = &flow->work.state.consumer;

    note_served(&flow->work, flow->err);
    consumer->missing = is_nobody_there(flow);
    /* Whoever goes on serving the old leaf has not noticed; that is no refusal. Nor is it when we
     * could not look for want of memory or descriptors. */
    if (flow->work.seen.finding != PROVE_OTHER_LEAF && !is_for_a_person(&flow->work) &&
        flow->err->kind != ERR_LOCAL)
        consumer->refusals++;
    consumer->proven[0] = '\0';
    try_later(flow);
}

void step_settle(struct cert_flow *flow)
{
    struct cert_work *work = &flow->work;
    const char *generation = work->published.generation;
    enum reload_state reached;
    bool failed = work->state.failures > 0 || work->state.failure.kind != ERR_NONE;
    const struct cert_state before = work->state;

    work->state = (struct cert_state){.consumer = before.consumer, .ca = before.ca};
    keep(work->state.held, before.held);
    consumer_forget_tries(&work->state.consumer);
    note_served(work, flow->err);
    if (work->ca_rests_until_us != 0)
        keep_ca_failure(work, &before);
    keep(work->state.consumer.accepted, generation);
    keep(work->state.consumer.reloaded, generation);
    keep(work->state.consumer.proven, generation);
    reached = reload_state_of(&work->state.consumer, work->cert, generation);
    if (reached == RELOAD_STATE_PROVEN)
        cert_log_proven(work);
    if (reached != RELOAD_STATE_NONE || failed)
        cert_work_save(work);
    work->seen.finding = PROVE_NOT_LOOKED; /* what comes next is looked at anew */
    cert_directory_plan_removal(work);
    step_rest_until_due(flow);
}

/* -- the slow look --------------------------------------------------------------------------------
 */

void step_check(struct cert_flow *flow)
{
    flow_enter(flow, FLOW_CHECKING);
    stage_check(&flow->work);
}

void step_still_proven(struct cert_flow *flow)
{
    struct cert_work *work = &flow->work;

    if (work->state.consumer.failures > 0) {
        step_settle(flow);
        return;
    }
    note_served(work, flow->err);
    work->seen.finding = PROVE_NOT_LOOKED;
    step_rest_until_due(flow);
}

void step_proof_lost(struct cert_flow *flow)
{
    struct cert_work *work = &flow->work;
    struct consumer_state *consumer = &work->state.consumer;

    note_served(work, flow->err);
    if (!is_look_of_ours(flow))
        consumer->proven[0] = '\0';
    consumer->missing = is_nobody_there(flow);
    if (consumer->missing || is_for_a_person(work) || is_look_of_ours(flow)) {
        try_later(flow);
        return;
    }
    cert_log_proof_lost(work, flow->err);
    step_reload_again(flow);
}

/* -- roll back ------------------------------------------------------------------------------------
 */

void step_reload_back(struct cert_flow *flow)
{
    cert_log_rolled_back(&flow->work, &flow->work.state.failure);
    flow_enter(flow, FLOW_RELOADING_BACK);
    stage_reload(&flow->work);
}

void step_prove_back(struct cert_flow *flow)
{
    flow_enter(flow, FLOW_PROVING_BACK);
    stage_prove_back(&flow->work);
}

void step_rest_rolled_back(struct cert_flow *flow)
{
    struct cert_work *work = &flow->work;
    struct consumer_state *consumer = &work->state.consumer;
    const struct err failure = work->state.failure;
    uint64_t wait_ms;

    note_served(work, flow->err);
    consumer_forget_tries(consumer);
    keep(consumer->accepted, work->published.generation);
    keep(consumer->reloaded, work->published.generation);
    keep(consumer->proven, work->published.generation);
    keep(consumer->refused, work->previous);
    cert_directory_remove_previous(work);
    wait_ms = cert_work_note_failure(work, &failure);
    cert_log_failed(work, &work->state.failure, wait_ms);
    flow_rest(flow, FLOW_BACKING_OFF, 0, wait_ms);
}

void step_cannot_roll_back(struct cert_flow *flow)
{
    struct cert_work *work = &flow->work;
    const struct err failure = work->state.failure;
    uint64_t wait_ms;

    cert_log_rollback_failed(work, flow->err);
    work->state.consumer.insists = true;
    wait_ms = cert_work_note_refusal(work, &failure);
    /* The rename may have happened after all: the disk is asked, not the memory. */
    flow_rest(flow, FLOW_BACKING_OFF, 0, wait_ms);
}

void step_roll_forward(struct cert_flow *flow)
{
    struct cert_work *work = &flow->work;

    cert_log_rollback_failed(work, flow->err);
    work->state.consumer.insists = true;
    flow_enter(flow, FLOW_ROLLING_FORWARD);
    stage_roll_back(work);
}

void step_go_on_reloading(struct cert_flow *flow)
{
    struct cert_work *work = &flow->work;
    const struct err failure = work->state.failure;
    uint64_t wait_ms = cert_work_note_refusal(work, &failure);

    cert_log_consumer_failed(work, &work->state.failure, wait_ms);
    flow_rest(flow, FLOW_RELOAD_BACKING_OFF, work->published.due_s, wait_ms);
}
