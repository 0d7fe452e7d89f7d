#include "cert/cert_steps.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "cert/cert_directory.h"
#include "cert/cert_log.h"
#include "cert/cert_stages.h"
#include "cert/consumer_stages.h"
#include "pki/vet.h"

#include <string.h>

void flow_enter(struct cert_flow *flow, enum flow_state state)
{
    flow->state = state;
    wall_timer_set(&flow->timer, 0, 0);
}

void flow_adopt_next(struct cert_flow *flow)
{
    struct config *config = TAKE(flow->next_config);
    /* Whoever sends a HUP wants to see now whether what failed goes well with the new settings. */
    bool failing = flow->state == FLOW_BACKING_OFF || flow->state == FLOW_RELOAD_BACKING_OFF;
    bool same = !failing && strcmp(flow->work.cert->digest, flow->next_cert->digest) == 0;

    cert_work_adopt(&flow->work, config, flow->next_cert);
    config_unref(config);
    if (same)
        cert_directory_look(&flow->work);
    else
        flow->work.deliver(&flow->work, EV_CHANGED, NULL);
}

void flow_rest(struct cert_flow *flow, enum flow_state state, uint64_t moment_s, uint64_t wait_ms)
{
    cert_work_release(&flow->work);
    flow_enter(flow, state);
    wall_timer_set(&flow->timer, moment_s, wait_ms);
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

    if (flow->work.state.ca.held_until_s != 0) {
        step_read_disk(flow); /* what waits is there, or is not wanted any more */
        return;
    }
    cert_work_give_reason(&flow->work,
                          hurried ? hurry->reason : "the published certificate is due");
    flow->work.in_time = !hurried;
    step_queue(flow);
}

void step_queue_revoked(struct cert_flow *flow)
{
    cert_work_cancel(&flow->work);
    cert_work_heed(&flow->work, REVOCATION_REPLACED);
    cert_work_give_reason(&flow->work, "the published certificate was revoked");
    /* What was revoked is never gone back to. */
    flow->work.state.consumer.accepted[0] = '\0';
    flow->work.repairable = flow->work.in_time = false;
    step_queue(flow);
}

void step_withdraw(struct cert_flow *flow)
{
    struct cert_work *work = &flow->work;

    cert_work_cancel(work);
    cert_work_heed(work, REVOCATION_FINAL);
    cert_work_forget_held(work);
    cert_work_forget_hurry(work);
    work->ca_rests_until_us = 0;
    /* What was revoked is never gone back to. */
    work->state.consumer.accepted[0] = '\0';
    work->repairable = work->in_time = false;
    cert_log_withdrawn(work);
    flow_rest(flow, FLOW_WITHDRAWN, 0, 0);
}

void step_queue_to_restage(struct cert_flow *flow)
{
    cert_log_wanted(&flow->work, "writing the files anew");
    flow->work.repairable = false;
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

/* What the token has leased ends with it. */
static void note_lease(struct cert_work *work)
{
    if (!work->draft->reply.leased)
        return;
    vault_token_note_lease(work->tools->token);
    if (!work->told_lease)
        cert_log_leased(work);
    work->told_lease = true;
}

void step_vet_reply(struct cert_flow *flow)
{
    cert_log_warnings(&flow->work);
    note_lease(&flow->work);
    if (flow->work.tools->ca_is_away)
        cert_log_back(flow->work.tools,
                      (clock_boot_us() - flow->work.tools->outage.since_us) / 1000000);
    flow->work.tools->ca_is_away = false;
    flow_enter(flow, FLOW_VETTING);
    stage_vet(&flow->work);
}

static void hold(struct cert_flow *flow)
{
    cert_log_held(&flow->work);
    /* A wait may be long: others go on meanwhile. */
    flow->work.permit = slot_drop(flow->work.permit);
    flow_enter(flow, FLOW_HOLDING);
    wall_timer_set(&flow->timer, flow->work.draft->issued.leaf.validity.not_before, 0);
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
    if (flow->work.draft->issued.leaf.validity.not_before > clock_now_s())
        hold(flow);
    else
        step_end_hold(flow);
}

void step_end_hold(struct cert_flow *flow)
{
    /* The machine may have slept, or its clock been set, far beyond the beginning. */
    if (vet_lasts(flow->work.draft->issued.end_s, clock_now_s()))
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

void step_ignore(struct cert_flow *flow)
{
    (void)flow;
}
