#include "flow/back_off_steps.h"

#include "base/when.h"
#include "flow/cert_log.h"
#include "flow/cert_stages.h"
#include "flow/cert_steps.h"
#include "plan/backoff.h"

void step_log_in_again(struct cert_flow *flow)
{
    struct cert_draft *draft = flow->work.draft;

    if (draft->denied_once) {
        /* A fresh token was refused as well: it is the policy, not the token. */
        step_back_off(flow);
        return;
    }
    draft->denied_once = draft->token_number != 0;
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

    if (!is_known || !(work->mendable || consumer_is_owed(work))) {
        flow_rest(flow, FLOW_BACKING_OFF, 0, wait_ms);
        return;
    }
    cert_work_release(work);
    work->ca_rests_until_us = when_boot_us() + wait_ms * 1000;
    if (work->mendable) {
        cert_work_give_reason(work, "they are not as they should be, and the CA is of no help now");
        step_queue_to_restage(flow);
    } else {
        step_catch_up(flow);
    }
}

/* Whether a try failed, and not the mending between two, and memory knows what is published. */
static bool may_be_interrupted(const struct cert_flow *flow)
{
    return flow->work.ca_rests_until_us == 0 && flow->state >= FLOW_QUEUED &&
           flow->state <= FLOW_VALIDATING;
}

void step_back_off(struct cert_flow *flow)
{
    bool is_known = may_be_interrupted(flow);
    uint64_t wait_ms = cert_work_note_failure(&flow->work, flow->err);

    flow->work.ca_rests_until_us = 0;
    flow->work.hurry.is_announced = false; /* whatever was announced may not be in place */
    cert_log_failed(&flow->work, &flow->work.state.failure, wait_ms);
    rest_from_ca(flow, wait_ms, is_known);
}

void step_back_off_again(struct cert_flow *flow)
{
    uint64_t wait_ms = backoff_resume_ms(flow->work.state.try_again_at_s, when_now_s());

    /* It may have ended since it was looked at; an alarm without a wait would never ring. */
    if (wait_ms == 0)
        wait_ms = 1000;
    cert_log_failed(&flow->work, &flow->work.state.failure, wait_ms);
    rest_from_ca(flow, wait_ms, true);
}
