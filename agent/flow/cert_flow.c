#include "flow/cert_flow.h"

#include "base/cleanup.h"
#include "base/when.h"
#include "flow/alarm.h"
#include "flow/cert_directory.h"
#include "flow/cert_log.h"
#include "flow/cert_stages.h"

#include <stdlib.h>
#include <string.h>

struct cert_flow {
    struct cert_work work; /* first: what a stage delivers to is the flow */
    enum flow_state state;
    const struct err *err; /* of the event that is being taken */
    struct alarm alarm;
    struct config *next_config; /* adopted when the flow comes to rest; NULL: none */
    const struct cert_config *next_cert;
    bool tried;
    flow_observer *on_rest;
    void *arg;
};

typedef void step(struct cert_flow *flow);

static step read_disk, rest_fresh, queue, queue_due, queue_revoked, queue_to_restage,
    back_off_again, log_in, make_key, sign, log_in_again, vet_reply, hold, recover, stage, validate,
    put_in_place, reload_published, reload_again, settle, back_off, back_off_reload, ignore;

/* clang-format off */
/* A mark of revocation means nothing once a new certificate is on its way. */
#define ON_THE_WAY [EV_REVOKED] = ignore

static step *const next[FLOW_STATE_COUNT][EV_COUNT] = {
    [FLOW_READING]            = { [EV_FRESH]   = rest_fresh,
                                  [EV_WANTED]  = queue,
                                  [EV_LATER]   = back_off_again,
                                  [EV_RESTAGE] = queue_to_restage,
                                  [EV_RELOAD]  = reload_again,
                                  [EV_FAILED]  = back_off,         ON_THE_WAY },

    [FLOW_WAITING]            = { [EV_DUE]     = queue_due,
                                  [EV_REVOKED] = queue_revoked,
                                  [EV_CHANGED] = read_disk },

    [FLOW_QUEUED]             = { [EV_DONE]    = log_in,
                                  [EV_FAILED]  = back_off,         ON_THE_WAY },

    [FLOW_LOGGING_IN]         = { [EV_DONE]    = make_key,
                                  [EV_FAILED]  = back_off,         ON_THE_WAY },

    [FLOW_MAKING_KEY]         = { [EV_DONE]    = sign,
                                  [EV_FAILED]  = back_off,         ON_THE_WAY },

    [FLOW_SIGNING]            = { [EV_DONE]    = vet_reply,
                                  [EV_DENIED]  = log_in_again,
                                  [EV_FAILED]  = back_off,         ON_THE_WAY },

    [FLOW_LOGGING_IN_AGAIN]   = { [EV_DONE]    = sign,
                                  [EV_FAILED]  = back_off,         ON_THE_WAY },

    [FLOW_VETTING]            = { [EV_DONE]    = stage,
                                  [EV_EARLY]   = hold,
                                  [EV_FAILED]  = back_off,         ON_THE_WAY },

    [FLOW_HOLDING]            = { [EV_DUE]     = stage,            ON_THE_WAY },

    [FLOW_QUEUED_TO_RESTAGE]  = { [EV_DONE]    = recover,
                                  [EV_FAILED]  = back_off,         ON_THE_WAY },

    [FLOW_RECOVERING]         = { [EV_DONE]    = stage,
                                  [EV_FAILED]  = back_off,         ON_THE_WAY },

    [FLOW_STAGING]            = { [EV_DONE]    = validate,
                                  [EV_FAILED]  = back_off,         ON_THE_WAY },

    [FLOW_VALIDATING]         = { [EV_DONE]    = put_in_place,
                                  [EV_FAILED]  = back_off,         ON_THE_WAY },

    [FLOW_PUBLISHING]         = { [EV_DONE]    = reload_published,
                                  [EV_FAILED]  = back_off,         ON_THE_WAY },

    [FLOW_RELOADING]          = { [EV_DONE]    = settle,
                                  [EV_FAILED]  = back_off_reload,  ON_THE_WAY },

    [FLOW_BACKING_OFF]        = { [EV_RETRY]   = read_disk,
                                  [EV_CHANGED] = read_disk,        ON_THE_WAY },

    [FLOW_RELOAD_BACKING_OFF] = { [EV_RETRY]   = reload_again,
                                  [EV_DUE]     = queue_due,
                                  [EV_REVOKED] = queue_revoked,
                                  [EV_CHANGED] = read_disk },
};
/* clang-format on */

static void take_event(struct cert_work *work, enum cert_event event, const struct err *err)
{
    struct cert_flow *flow = (struct cert_flow *)work;
    step *take = next[flow->state][event];

    flow->err = err;
    if (take == NULL)
        cert_log_bug(work, flow_state_name(flow->state), (int)event);
    else
        take(flow);
}

static void on_alarm(void *arg, bool reached)
{
    struct cert_flow *flow = arg;

    take_event(&flow->work, reached ? EV_DUE : EV_RETRY, NULL);
}

/* Enters a state that lasts until its stage delivers, or until the alarm rings. */
static void enter(struct cert_flow *flow, enum flow_state state)
{
    flow->state = state;
    alarm_set(&flow->alarm, 0, 0);
}

static void adopt_next(struct cert_flow *flow)
{
    struct config *config = TAKE(flow->next_config);
    bool same = strcmp(flow->work.cert->digest, flow->next_cert->digest) == 0;

    cert_work_adopt(&flow->work, config, flow->next_cert);
    config_unref(config);
    if (!same)
        take_event(&flow->work, EV_CHANGED, NULL);
}

/* Comes to rest: nothing is under way until a moment is reached. */
static void rest(struct cert_flow *flow, enum flow_state state, uint64_t moment_s, uint64_t wait_ms)
{
    cert_work_release(&flow->work);
    enter(flow, state);
    alarm_set(&flow->alarm, moment_s, wait_ms);
    flow->tried = true;
    flow->on_rest(flow->arg, flow);
    if (flow->next_config != NULL)
        adopt_next(flow);
}

/* -- steps: one for each entry of the table
 * -------------------------------------------------------- */

static void read_disk(struct cert_flow *flow)
{
    cert_work_release(&flow->work);
    enter(flow, FLOW_READING);
    stage_read(&flow->work);
}

static void rest_fresh(struct cert_flow *flow)
{
    cert_log_found(&flow->work);
    rest(flow, FLOW_WAITING, flow->work.published.due_s, 0);
}

static void queue(struct cert_flow *flow)
{
    cert_log_wanted(&flow->work, "asking the CA for a certificate");
    enter(flow, FLOW_QUEUED);
    stage_queue(&flow->work);
}

static void queue_due(struct cert_flow *flow)
{
    cert_work_give_reason(&flow->work, "the published certificate is due");
    queue(flow);
}

static void queue_revoked(struct cert_flow *flow)
{
    cert_work_give_reason(&flow->work, "the published certificate was revoked");
    queue(flow);
}

static void queue_to_restage(struct cert_flow *flow)
{
    cert_log_wanted(&flow->work, "writing the files anew");
    enter(flow, FLOW_QUEUED_TO_RESTAGE);
    stage_queue(&flow->work);
}

static void log_in(struct cert_flow *flow)
{
    enter(flow, FLOW_LOGGING_IN);
    stage_log_in(&flow->work);
}

static void make_key(struct cert_flow *flow)
{
    enter(flow, FLOW_MAKING_KEY);
    stage_make_key(&flow->work);
}

static void sign(struct cert_flow *flow)
{
    enter(flow, FLOW_SIGNING);
    stage_sign(&flow->work);
}

static void log_in_again(struct cert_flow *flow)
{
    struct cert_draft *draft = flow->work.draft;

    if (draft->denied_once) {
        /* A fresh token was refused as well: it is the policy, not the token. */
        back_off(flow);
        return;
    }
    if (draft->token_number != 0) {
        draft->denied_once = true;
        vault_token_reject(flow->work.tools->token, draft->token_number);
    }
    enter(flow, FLOW_LOGGING_IN_AGAIN);
    stage_log_in(&flow->work);
}

static void vet_reply(struct cert_flow *flow)
{
    cert_log_warnings(&flow->work);
    enter(flow, FLOW_VETTING);
    stage_vet(&flow->work);
}

static void hold(struct cert_flow *flow)
{
    cert_log_held(&flow->work);
    /* A wait may be long: others go on meanwhile. */
    flow->work.permit = slot_drop(flow->work.permit);
    enter(flow, FLOW_HOLDING);
    alarm_set(&flow->alarm, flow->work.draft->issued.leaf.validity.not_before, 0);
    flow->tried = true;
    flow->on_rest(flow->arg, flow);
}

static void recover(struct cert_flow *flow)
{
    enter(flow, FLOW_RECOVERING);
    stage_recover(&flow->work);
}

static void stage(struct cert_flow *flow)
{
    enter(flow, FLOW_STAGING);
    stage_stage(&flow->work);
}

static void validate(struct cert_flow *flow)
{
    enter(flow, FLOW_VALIDATING);
    stage_validate(&flow->work);
}

static void put_in_place(struct cert_flow *flow)
{
    cert_directory_remove_previous(&flow->work);
    enter(flow, FLOW_PUBLISHING);
    stage_publish(&flow->work);
}

static void reload_published(struct cert_flow *flow)
{
    cert_log_published(&flow->work);
    cert_directory_plan_removal(&flow->work);
    flow->work.state.reload_failures = 0;
    cert_work_release(&flow->work);
    enter(flow, FLOW_RELOADING);
    stage_reload(&flow->work);
}

static void reload_again(struct cert_flow *flow)
{
    enter(flow, FLOW_RELOADING);
    stage_reload(&flow->work);
}

static void settle(struct cert_flow *flow)
{
    struct cert_state *state = &flow->work.state;
    bool reloads = flow->work.cert->reloads.items[0].verb != RELOAD_NONE;
    bool failed = state->failures > 0 || state->failure.kind != ERR_NONE;

    *state = (struct cert_state){0};
    if (reloads) {
        memcpy(state->reloaded, flow->work.published.generation, sizeof state->reloaded);
        cert_log_reloaded(&flow->work);
    }
    if (reloads || failed)
        cert_work_save(&flow->work);
    rest(flow, FLOW_WAITING, flow->work.published.due_s, 0);
}

static void back_off(struct cert_flow *flow)
{
    uint64_t wait_ms = cert_work_note_failure(&flow->work, flow->err, ++flow->work.state.failures);

    cert_log_failed(&flow->work, &flow->work.state.failure, wait_ms);
    rest(flow, FLOW_BACKING_OFF, 0, wait_ms);
}

static void back_off_again(struct cert_flow *flow)
{
    uint64_t wait_s = flow->work.state.try_again_at_s - when_now_s();

    cert_log_failed(&flow->work, &flow->work.state.failure, wait_s * 1000);
    rest(flow, FLOW_BACKING_OFF, 0, wait_s * 1000);
}

static void back_off_reload(struct cert_flow *flow)
{
    uint64_t wait_ms =
        cert_work_note_failure(&flow->work, flow->err, ++flow->work.state.reload_failures);

    cert_log_reload_failed(&flow->work, &flow->work.state.failure, wait_ms);
    rest(flow, FLOW_RELOAD_BACKING_OFF, flow->work.published.due_s, wait_ms);
}

static void ignore(struct cert_flow *flow)
{
    (void)flow;
}

/* -- from outside ---------------------------------------------------------------------------------
 */

struct cert_flow *cert_flow_new(struct cert_tools *tools, struct config *config,
                                const struct cert_config *cert, flow_observer *on_rest, void *arg,
                                struct err *err)
{
    struct cert_flow *flow = calloc(1, sizeof *flow);

    if (flow == NULL) {
        err_memory(err);
        return NULL;
    }
    if (!cert_work_open(&flow->work, tools, config, cert, err)) {
        free(flow);
        return NULL;
    }
    flow->work.deliver = take_event;
    flow->on_rest = on_rest;
    flow->arg = arg;
    if (!alarm_open(&flow->alarm, tools->loop, on_alarm, flow, err)) {
        cert_flow_free(flow);
        return NULL;
    }
    read_disk(flow);
    return flow;
}

void cert_flow_free(struct cert_flow *flow)
{
    if (flow == NULL)
        return;
    alarm_close(&flow->alarm);
    cert_work_close(&flow->work);
    config_unref(flow->next_config);
    free(flow);
}

static bool is_at_rest(const struct cert_flow *flow)
{
    return flow->state == FLOW_WAITING || flow->state == FLOW_BACKING_OFF ||
           flow->state == FLOW_RELOAD_BACKING_OFF;
}

void cert_flow_adopt(struct cert_flow *flow, struct config *config, const struct cert_config *cert)
{
    config_ref(config);
    config_unref(flow->next_config);
    flow->next_config = config;
    flow->next_cert = cert;
    if (is_at_rest(flow))
        adopt_next(flow);
}

void cert_flow_recompute(struct cert_flow *flow)
{
    alarm_recompute(&flow->alarm);
}

const char *cert_flow_name(const struct cert_flow *flow)
{
    return flow->work.cert->name;
}

enum flow_state cert_flow_state(const struct cert_flow *flow)
{
    return flow->state;
}

struct cert_published cert_flow_published(const struct cert_flow *flow)
{
    struct cert_published published = flow->work.published;

    published.usable = published.usable && when_now_s() < published.validity.not_after;
    return published;
}

bool cert_flow_tried(const struct cert_flow *flow)
{
    return flow->tried;
}

const struct err *cert_flow_failure(const struct cert_flow *flow)
{
    return flow->state == FLOW_BACKING_OFF || flow->state == FLOW_RELOAD_BACKING_OFF
               ? &flow->work.state.failure
               : NULL;
}
