#include "cert/cert_flow.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/random.h"
#include "cert/back_off_steps.h"
#include "cert/ca_steps.h"
#include "cert/cert_log.h"
#include "cert/cert_steps.h"
#include "cert/consumer_steps.h"
#include "cert/reload_state.h"

#include <stdlib.h>

/* clang-format off */
/* What is under way may repair it, or reads it; if not, the next look finds it again. */
#define REPAIRED_LATER [EV_DAMAGED] = step_ignore

/* A mark of revocation means nothing while a new certificate is on its way. */
#define ON_THE_WAY [EV_REVOKED] = step_ignore, [EV_WITHDRAWN] = step_withdraw, REPAIRED_LATER

/* Until it is known which certificate is in place, a mark is left to the next look at the disk. */
#define UNSETTLED  [EV_REVOKED] = step_ignore, [EV_WITHDRAWN] = step_ignore, REPAIRED_LATER

/* Once it is published, it is as good as any reason to ask for another one. */
#define IN_PLACE   [EV_REVOKED] = step_queue_revoked, [EV_WITHDRAWN] = step_withdraw

static step *const next[FLOW_STATE_COUNT][EV_COUNT] = {
    [FLOW_READING]            = { [EV_FRESH]   = step_rest_fresh,
                                  [EV_WANTED]  = step_queue,
                                  [EV_LATER]   = step_back_off_again,
                                  [EV_HELD]    = step_take_up_held,
                                  [EV_RESTAGE] = step_queue_to_restage,
                                  [EV_RELOAD]  = step_reload_again,
                                  [EV_PROVE]   = step_prove_again,
                                  [EV_FAILED]  = step_back_off,          ON_THE_WAY },

    [FLOW_WAITING]            = { [EV_DUE]     = step_queue_due,
                                  [EV_RETRY]   = step_check,
                                  [EV_DAMAGED] = step_read_disk,
                                  [EV_CHANGED] = step_read_disk,         IN_PLACE },

    [FLOW_QUEUED]             = { [EV_DONE]    = step_log_in,
                                  [EV_FAILED]  = step_back_off,          ON_THE_WAY },

    [FLOW_LOGGING_IN]         = { [EV_DONE]    = step_make_key,
                                  [EV_FAILED]  = step_back_off,          ON_THE_WAY },

    [FLOW_MAKING_KEY]         = { [EV_DONE]    = step_sign,
                                  [EV_FAILED]  = step_back_off,          ON_THE_WAY },

    [FLOW_SIGNING]            = { [EV_DONE]    = step_vet_reply,
                                  [EV_DENIED]  = step_log_in_again,
                                  [EV_FAILED]  = step_back_off,          ON_THE_WAY },

    [FLOW_LOGGING_IN_AGAIN]   = { [EV_DONE]    = step_sign,
                                  [EV_FAILED]  = step_back_off,          ON_THE_WAY },

    [FLOW_VETTING]            = { [EV_DONE]    = step_stage,
                                  [EV_FAILED]  = step_back_off,          ON_THE_WAY },

    [FLOW_QUEUED_TO_RESTAGE]  = { [EV_DONE]    = step_recover,
                                  [EV_FAILED]  = step_back_off,          ON_THE_WAY },

    [FLOW_RECOVERING]         = { [EV_DONE]    = step_stage,
                                  [EV_FAILED]  = step_back_off,          ON_THE_WAY },

    [FLOW_STAGING]            = { [EV_DONE]    = step_validate,
                                  [EV_EARLY]   = step_hold,
                                  [EV_STRANGER] = step_hold_stranger,
                                  [EV_FAILED]  = step_back_off,          ON_THE_WAY },

    [FLOW_HOLDING]            = { [EV_DUE]     = step_end_hold,
                                  [EV_CHANGED] = step_reconsider_held,   ON_THE_WAY },

    [FLOW_VALIDATING]         = { [EV_DONE]    = step_put_in_place,
                                  [EV_FAILED]  = step_back_off,          ON_THE_WAY },

    [FLOW_PUBLISHING]         = { [EV_DONE]    = step_reload_published,
                                  [EV_FAILED]  = step_back_off,          UNSETTLED },

    [FLOW_RELOADING]          = { [EV_DONE]    = step_prove,
                                  [EV_FAILED]  = step_reload_failed,     IN_PLACE, REPAIRED_LATER },

    [FLOW_PROVING]            = { [EV_DONE]    = step_settle,
                                  [EV_FAILED]  = step_proof_failed,      IN_PLACE, REPAIRED_LATER },

    [FLOW_LOOKING]            = { [EV_DONE]    = step_settle,
                                  [EV_FAILED]  = step_look_failed,       IN_PLACE, REPAIRED_LATER },

    [FLOW_CHECKING]           = { [EV_DONE]    = step_still_proven,
                                  [EV_FAILED]  = step_proof_lost,        IN_PLACE, REPAIRED_LATER },

    [FLOW_ROLLING_BACK]       = { [EV_DONE]    = step_reload_back,
                                  [EV_FAILED]  = step_cannot_roll_back,  UNSETTLED },

    [FLOW_RELOADING_BACK]     = { [EV_DONE]    = step_prove_back,
                                  [EV_FAILED]  = step_roll_forward,      UNSETTLED },

    [FLOW_PROVING_BACK]       = { [EV_DONE]    = step_rest_rolled_back,
                                  [EV_FAILED]  = step_roll_forward,      UNSETTLED },

    [FLOW_ROLLING_FORWARD]    = { [EV_DONE]    = step_go_on_reloading,
                                  [EV_FAILED]  = step_back_off,          UNSETTLED },

    [FLOW_BACKING_OFF]        = { [EV_RETRY]   = step_read_disk,
                                  [EV_REVOKED] = step_read_disk,
                                  [EV_WITHDRAWN] = step_withdraw,
                                  [EV_DAMAGED] = step_repair,
                                  [EV_CHANGED] = step_read_disk },

    [FLOW_WITHDRAWN]          = { [EV_REVOKED] = step_queue_revoked,
                                  [EV_WITHDRAWN] = step_ignore,
                                  [EV_DAMAGED] = step_ignore,
                                  [EV_CHANGED] = step_read_disk },

    [FLOW_RELOAD_BACKING_OFF] = { [EV_RETRY]   = step_reload_again,
                                  [EV_DUE]     = step_queue_due,
                                  [EV_DAMAGED] = step_read_disk,
                                  [EV_CHANGED] = step_read_disk,         IN_PLACE },
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

struct cert_flow *cert_flow_new(struct cert_tools *tools, struct config *config,
                                const struct cert_config *cert, flow_observer *observer, void *arg,
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
    flow->observer = observer;
    flow->arg = arg;
    if (!wall_timer_open(&flow->timer, tools->loop, on_alarm, flow, err)) {
        cert_flow_free(flow);
        return NULL;
    }
    step_read_disk(flow);
    return flow;
}

void cert_flow_note_end(struct cert_flow *flow)
{
    cert_work_note_end(&flow->work);
}

void cert_flow_abandon(struct cert_flow *flow, const struct config *config)
{
    cert_work_abandon(&flow->work, config);
}

void cert_flow_free(struct cert_flow *flow)
{
    if (flow == NULL)
        return;
    wall_timer_close(&flow->timer);
    cert_work_close(&flow->work);
    config_unref(flow->next_config);
    free(flow);
}

bool cert_flow_rests(const struct cert_flow *flow)
{
    return flow->state == FLOW_WAITING || flow->state == FLOW_HOLDING ||
           flow->state == FLOW_BACKING_OFF || flow->state == FLOW_RELOAD_BACKING_OFF ||
           flow->state == FLOW_WITHDRAWN;
}

void cert_flow_adopt(struct cert_flow *flow, struct config *config, const struct cert_config *cert)
{
    config_ref(config);
    config_unref(flow->next_config);
    flow->next_config = config;
    flow->next_cert = cert;
    if (cert_flow_rests(flow))
        flow_adopt_next(flow);
}

/* The wait may be under way as an timer, or while something else is seen to. */
static void hasten(struct cert_flow *flow, uint64_t wait_ms)
{
    uint64_t *rests_until_us = &flow->work.ca_rests_until_us;
    uint64_t until_us = clock_boot_us() + wait_ms * 1000;

    if (*rests_until_us > until_us)
        *rests_until_us = until_us;
    wall_timer_hasten(&flow->timer, wait_ms);
}

bool cert_flow_try_within(struct cert_flow *flow, uint64_t most_ms)
{
    if (flow->state == FLOW_WAITING || flow->state == FLOW_HOLDING || flow->state == FLOW_WITHDRAWN)
        return false;
    if (cert_flow_rests(flow))
        hasten(flow, random_share(most_ms, random_draw()));
    return true;
}

void cert_flow_recompute(struct cert_flow *flow, bool hurries)
{
    bool waits_for_ca = flow->state == FLOW_BACKING_OFF || flow->work.ca_rests_until_us != 0;

    if (hurries && waits_for_ca && cert_work_blames_clock(&flow->work))
        hasten(flow, cert_work_note_hurry(&flow->work));
    if (waits_for_ca || flow->state == FLOW_RELOAD_BACKING_OFF)
        hasten(flow, cert_work_shorter_wait_ms(&flow->work));
    wall_timer_recompute(&flow->timer);
}

const char *cert_flow_name(const struct cert_flow *flow)
{
    return flow->work.cert->name;
}

enum flow_state cert_flow_state(const struct cert_flow *flow)
{
    return flow->state;
}

uint64_t cert_flow_life_s(const struct cert_flow *flow)
{
    return cert_work_life_s(&flow->work);
}

struct cert_published cert_flow_published(const struct cert_flow *flow)
{
    struct cert_published published = flow->work.published;

    published.usable = cert_work_lasts(&flow->work);
    return published;
}

bool cert_flow_tried(const struct cert_flow *flow)
{
    bool waits_for_ca = flow->state >= FLOW_QUEUED && flow->state <= FLOW_LOGGING_IN_AGAIN;

    return flow->tried || (waits_for_ca && flow->work.tools->ca_is_away);
}

uint64_t cert_flow_try_again_s(const struct cert_flow *flow)
{
    return flow->work.state.try_again_at_s;
}

const struct err *cert_flow_failure(const struct cert_flow *flow)
{
    const struct cert_state *state = &flow->work.state;
    bool consumer_fails = (flow->state == FLOW_WAITING || flow->state == FLOW_RELOAD_BACKING_OFF) &&
                          state->consumer.failures > 0 && !consumer_is_awaited(&state->consumer);

    return flow->state == FLOW_BACKING_OFF || consumer_fails ? &state->failure : NULL;
}
