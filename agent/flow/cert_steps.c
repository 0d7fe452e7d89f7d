#include "flow/cert_steps.h"

#include "base/cleanup.h"
#include "base/when.h"
#include "flow/cert_directory.h"
#include "flow/cert_log.h"
#include "flow/cert_stages.h"
#include "flow/consumer_stages.h"
#include "flow/consumer_steps.h"
#include "pki/vet.h"
#include "plan/backoff.h"

#include <string.h>

void flow_enter(struct cert_flow *flow, enum flow_state state)
{
    flow->state = state;
    alarm_set(&flow->alarm, 0, 0);
}

void flow_adopt_next(struct cert_flow *flow)
{
    struct config *config = TAKE(flow->next_config);
    /* Whoever sends a HUP wants to see now whether what failed goes well with the new settings. */
    bool failing = flow->state == FLOW_BACKING_OFF || flow->state == FLOW_RELOAD_BACKING_OFF;
    bool same = !failing && strcmp(flow->work.cert->digest, flow->next_cert->digest) == 0;

    cert_work_adopt(&flow->work, config, flow->next_cert);
    config_unref(config);
    if (!same)
        flow->work.deliver(&flow->work, EV_CHANGED, NULL);
}

void flow_rest(struct cert_flow *flow, enum flow_state state, uint64_t moment_s, uint64_t wait_ms)
{
    cert_work_release(&flow->work);
    flow_enter(flow, state);
    alarm_set(&flow->alarm, moment_s, wait_ms);
    flow->tried = true;
    flow->observer(flow->arg, flow);
    if (flow->next_config != NULL)
        flow_adopt_next(flow);
}

void step_read_disk(struct cert_flow *flow)
{
    flow->work.ca_rests_until_us = 0;
    cert_work_release(&flow->work);
    flow_enter(flow, FLOW_READING);
    stage_read(&flow->work);
}

void step_queue(struct cert_flow *flow)
{
    cert_log_wanted(&flow->work, "asking the CA for a certificate");
    flow->work.ca_rests_until_us = 0;
    flow_enter(flow, FLOW_QUEUED);
    stage_queue(&flow->work);
}

void step_queue_due(struct cert_flow *flow)
{
    const struct cert_hurry *hurry = &flow->work.hurry;
    bool hurried = hurry->due_s != 0 && hurry->due_s <= flow->work.published.due_s;

    cert_work_give_reason(&flow->work,
                          hurried ? hurry->reason : "the published certificate is due");
    flow->work.in_time = !hurried;
    step_queue(flow);
}

void step_queue_revoked(struct cert_flow *flow)
{
    cert_work_cancel(&flow->work);
    cert_work_give_reason(&flow->work, "the published certificate was revoked");
    /* What was revoked is never gone back to. */
    flow->work.state.consumer.accepted[0] = '\0';
    flow->work.in_time = false;
    step_queue(flow);
}

void step_queue_to_restage(struct cert_flow *flow)
{
    cert_log_wanted(&flow->work, "writing the files anew");
    flow_enter(flow, FLOW_QUEUED_TO_RESTAGE);
    stage_queue(&flow->work);
}

void step_log_in(struct cert_flow *flow)
{
    flow_enter(flow, FLOW_LOGGING_IN);
    stage_log_in(&flow->work);
}

void step_make_key(struct cert_flow *flow)
{
    flow_enter(flow, FLOW_MAKING_KEY);
    stage_make_key(&flow->work);
}

void step_sign(struct cert_flow *flow)
{
    flow_enter(flow, FLOW_SIGNING);
    stage_sign(&flow->work);
}

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

void step_vet_reply(struct cert_flow *flow)
{
    cert_log_warnings(&flow->work);
    flow_enter(flow, FLOW_VETTING);
    stage_vet(&flow->work);
}

static void hold(struct cert_flow *flow)
{
    cert_log_held(&flow->work);
    /* A wait may be long: others go on meanwhile. */
    flow->work.permit = slot_drop(flow->work.permit);
    flow_enter(flow, FLOW_HOLDING);
    alarm_set(&flow->alarm, flow->work.draft->issued.leaf.validity.not_before, 0);
    flow->tried = true;
    flow->observer(flow->arg, flow);
    if (flow->next_config != NULL)
        flow_adopt_next(flow);
}

void step_hold(struct cert_flow *flow)
{
    const struct cert_draft *draft = flow->work.draft;

    memcpy(flow->work.state.held, draft->generation, sizeof flow->work.state.held);
    cert_work_save(&flow->work);
    hold(flow);
}

void step_take_up_held(struct cert_flow *flow)
{
    if (flow->work.draft->issued.leaf.validity.not_before > when_now_s())
        hold(flow);
    else
        step_end_hold(flow);
}

void step_end_hold(struct cert_flow *flow)
{
    /* The machine may have slept, or its clock been set, far beyond the beginning. */
    if (vet_lasts(&flow->work.draft->issued.leaf.validity, when_now_s()))
        step_validate(flow);
    else
        step_read_disk(flow);
}

void step_reconsider_held(struct cert_flow *flow)
{
    cert_work_leave_held(&flow->work);
    step_read_disk(flow);
}

void step_recover(struct cert_flow *flow)
{
    flow_enter(flow, FLOW_RECOVERING);
    stage_recover(&flow->work);
}

void step_stage(struct cert_flow *flow)
{
    flow_enter(flow, FLOW_STAGING);
    stage_stage(&flow->work);
}

void step_validate(struct cert_flow *flow)
{
    flow_enter(flow, FLOW_VALIDATING);
    stage_validate(&flow->work);
}

void step_put_in_place(struct cert_flow *flow)
{
    flow_enter(flow, FLOW_PUBLISHING);
    stage_publish(&flow->work);
}

/* A failing CA is no reason for the consumer to miss what is published: it is told between tries.
 */
static void rest_from_ca(struct cert_flow *flow, uint64_t wait_ms, bool is_known)
{
    if (!is_known || !consumer_is_owed(&flow->work)) {
        flow_rest(flow, FLOW_BACKING_OFF, 0, wait_ms);
        return;
    }
    cert_work_release(&flow->work);
    flow->work.ca_rests_until_us = when_boot_us() + wait_ms * 1000;
    step_reload_again(flow);
}

/* Whether the failed stage has left alone what is published, so that memory knows it. */
static bool knows_published(enum flow_state failed)
{
    return failed >= FLOW_QUEUED && failed <= FLOW_VALIDATING;
}

void step_back_off(struct cert_flow *flow)
{
    bool is_known = knows_published(flow->state);
    uint64_t wait_ms = cert_work_note_failure(&flow->work, flow->err);

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

void step_ignore(struct cert_flow *flow)
{
    (void)flow;
}
