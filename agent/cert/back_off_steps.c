#include "cert/back_off_steps.h"

#include "base/clock.h"
#include "cert/cert_log.h"
#include "cert/cert_stages.h"
#include "cert/cert_steps.h"
#include "plan/backoff.h"

enum { DENIALS_MOST = 4 };

void step_log_in_again(struct cert_flow *flow)
{
    struct cert_draft *draft = flow->work.draft;

    /*
     * A fresh token was refused as well: it is the policy, not the token. One that others used up
     * meanwhile says nothing of the kind, though not for ever.
     */
    if (draft->denials >= (draft->token_worked ? DENIALS_MOST : 1)) {
        step_back_off(flow);
        return;
    }
    draft->denials += draft->token_number != 0;
    flow_enter(flow, FLOW_LOGGING_IN_AGAIN);
    stage_log_in(&flow->work);
}

/*
 * A failing CA is no reason for the consumer to miss what is published, nor for its files to stay
 * as they should not be: both are seen to between tries.
 */
static void rest_from_ca(struct cert_flow *flow, uint64_t wait_ms, bool is_known)
{
    struct cert_work *work = &flow->work;
    bool repairs = is_known && work->repairable && cert_work_lasts(work);

    if (!repairs && !(is_known && consumer_is_owed(work))) {
        flow_rest(flow, FLOW_BACKING_OFF, 0, wait_ms);
        return;
    }
    cert_work_release(work);
    work->ca_rests_until_us = clock_boot_us() + wait_ms * 1000;
    if (repairs) {
        cert_work_give_reason(work, "they are not as they should be, and the CA is of no help now");
        step_queue_to_restage(flow);
    } else {
        step_catch_up(flow);
    }
}

void step_repair(struct cert_flow *flow)
{
    struct cert_work *work = &flow->work;

    if (!cert_work_lasts(work) || flow->timer.until_us == 0)
        return;
    work->ca_rests_until_us = flow->timer.until_us;
    step_queue_to_restage(flow);
}

/* Whether the failed stage has left alone what is published, so that memory knows it. */
static bool knows_published(enum flow_state failed)
{
    return failed >= FLOW_QUEUED && failed <= FLOW_VALIDATING;
}

/* It is no failure of the CA's, whose turn comes when it would have come. */
static void leave_unrepaired(struct cert_flow *flow, bool is_known)
{
    struct cert_work *work = &flow->work;

    cert_log_failed(work, flow->err, cert_work_ca_rests_ms(work));
    cert_work_release(work);
    if (is_known && consumer_is_owed(work))
        step_catch_up(flow);
    else
        step_rest_until_due(flow);
}

/* Whether whoever else asks the CA now would fare no better. */
static bool tells_of_outage(enum flow_state failed, const struct err *err)
{
    if (failed == FLOW_LOGGING_IN || failed == FLOW_LOGGING_IN_AGAIN)
        return err->kind != ERR_LOCAL;
    return failed == FLOW_SIGNING &&
           (err->http_status == 0 || (err->http_status >= 502 && err->http_status <= 504)) &&
           (err->kind == ERR_TRANSIENT || err->kind == ERR_UNTRUSTED);
}

void step_back_off(struct cert_flow *flow)
{
    bool is_known = knows_published(flow->state);
    uint64_t wait_ms;

    if (!flow->work.tools->ca_is_away && tells_of_outage(flow->state, flow->err)) {
        flow->work.tools->ca_is_away = true;
        flow->work.tools->outage.since_us = clock_boot_us();
        cert_log_away(flow->work.tools, flow->err);
    }
    if (flow->work.ca_rests_until_us != 0) {
        leave_unrepaired(flow, is_known);
        return;
    }
    wait_ms = cert_work_note_failure(&flow->work, flow->err);
    cert_log_failed(&flow->work, &flow->work.state.failure, wait_ms);
    rest_from_ca(flow, wait_ms, is_known);
}

void step_back_off_again(struct cert_flow *flow)
{
    uint64_t wait_ms = backoff_resume_ms(flow->work.state.try_again_at_s, clock_now_s());

    /* It may have ended since it was looked at; an timer without a wait would never ring. */
    if (wait_ms == 0)
        wait_ms = 1000;
    cert_log_waits(&flow->work, &flow->work.state.failure, wait_ms);
    rest_from_ca(flow, wait_ms, true);
}
