#include "cert/ca_steps.h"

#include "base/clock.h"
#include "base/event.h"
#include "base/random.h"
#include "cert/cert_log.h"
#include "cert/consumer_steps.h"
#include "plan/ca_news.h"

#include <stdlib.h>
#include <string.h>

enum { LIST_MOST_BYTES = 2 * 1024 * 1024 };

/* -- who is named as issuer -----------------------------------------------------------------------
 */

/* Moves the renewal forward, and tells it once. */
static void hurry(struct cert_flow *flow, uint64_t due_s, bool other_issuer, const char *reason)
{
    struct cert_work *work = &flow->work;

    work->hurry =
        (struct cert_hurry){.due_s = due_s, .reason = reason, .other_issuer = other_issuer};
    if (due_s < work->published.due_s)
        work->published.due_s = due_s;
    cert_work_save(work);
    cert_log_hurried(work);
    step_rest_until_due(flow);
}

/* What failed may go well with another issuer; a fleet does not ask together. */
static void end_pause(struct cert_flow *flow)
{
    uint64_t spread_ms = cert_work_spread_s(&flow->work) * 1000 / 8;

    if (flow->state == FLOW_BACKING_OFF)
        wall_timer_hasten(&flow->timer, 1 + random_share(spread_ms, random_draw()));
}

bool cert_flow_take_issuer(struct cert_flow *flow, const struct ca_named *named)
{
    struct cert_work *work = &flow->work;
    struct ca_state *ca = &work->state.ca;
    const struct ca_look look = {
        .named = named->key,
        .ours = work->published.authority_key,
        .is_known = cert_work_knows_issuer(work, named->key),
        .has_baseline = ca->has_baseline,
        .in_a_row = named->in_a_row,
        .now_s = clock_now_s(),
        .life_s = cert_work_life_s(work),
        .early_at_s = ca->early_at_s,
    };
    enum ca_news news = ca_news_of(&look);

    if (named->is_new)
        end_pause(flow);
    if (flow->state != FLOW_WAITING || !work->published.usable || work->hurry.due_s != 0 ||
        ca->held_until_s != 0)
        return false;
    if (news == CA_NEWS_OTHER_ISSUER) {
        ca->early_at_s = look.now_s;
        hurry(flow, look.now_s, true, "the CA has another issuer by now");
    } else if (news == CA_NEWS_BASELINE) {
        cert_work_remember_issuer(work, named->key);
    }
    if (news != CA_NEWS_UNSURE && !ca->has_baseline) {
        ca->has_baseline = true;
        cert_work_save(work);
    }
    return news == CA_NEWS_UNSURE;
}

/* -- revocation -----------------------------------------------------------------------------------
 */

bool cert_flow_give_own(const struct cert_flow *flow, struct ca_own *ret_own)
{
    const struct cert_published *published = &flow->work.published;

    if (!cert_work_lasts(&flow->work))
        return false;
    memcpy(ret_own->serial, published->serial, sizeof ret_own->serial);
    memcpy(ret_own->authority_key, published->authority_key, sizeof ret_own->authority_key);
    return true;
}

/*
 * Those that come after one another within a life, each revoked, wait ever longer. One that is
 * found revoked again after a restart is still the same one.
 */
static uint64_t replace_at_s(struct cert_work *work)
{
    struct ca_state *ca = &work->state.ca;
    uint64_t now_s = clock_now_s(), life_s = cert_work_life_s(work);

    if (strcmp(ca->revoked, work->published.serial) != 0) {
        if (now_s >= ca->revoked_at_s + life_s)
            ca->revoked_count = 0;
        ca->revoked_count++;
        ca->revoked_at_s = now_s;
        memcpy(ca->revoked, work->published.serial, sizeof ca->revoked);
    }
    return ca_news_replace_s(now_s, ca->revoked_count > 0 ? ca->revoked_count - 1 : 0, life_s);
}

void cert_flow_take_revoked(struct cert_flow *flow, const char *serial)
{
    struct cert_work *work = &flow->work;
    uint64_t due_s;

    if (flow->state != FLOW_WAITING || !work->published.usable ||
        (work->hurry.due_s != 0 && !work->hurry.other_issuer) ||
        strcmp(work->published.serial, serial) != 0)
        return;
    due_s = replace_at_s(work);
    /* What is held costs the CA nothing: it is shown now, though not all peers trust it yet. */
    if (work->state.ca.held_until_s != 0)
        work->state.ca.held_until_s = due_s = clock_now_s();
    work->state.ca.replace_at_s = due_s;
    /* What was revoked is never gone back to. */
    work->state.consumer.accepted[0] = '\0';
    hurry(flow, due_s, false, CA_REVOKED);
}

static void on_list_read(void *arg, const struct err *job_err)
{
    struct cert_flow *flow = arg;
    struct cert_work *work = &flow->work;
    const struct err err = *job_err;
    char serial[SERIAL_TEXT_BYTES];

    memcpy(serial, work->list_job->serial, sizeof serial);
    work->list_job = NULL;
    work->listing = slot_drop(work->listing);
    if (err.kind != ERR_NONE)
        event_emit(&(struct event){.kind = EVENT_ADVICE,
                                   .level = work->told_list ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING,
                                   .cert = work->cert->name},
                   "cannot see whether the certificate was revoked: %s", err.text);
    else if (serial[0] != '\0')
        cert_flow_take_revoked(flow, serial);
    work->told_list = err.kind != ERR_NONE;
}

void cert_flow_take_list(struct cert_flow *flow, const char *serial, const char *pem)
{
    struct cert_work *work = &flow->work;
    struct cert_job *job;
    struct err err;

    if (work->listing != NULL || strcmp(work->published.serial, serial) != 0)
        return;
    job = cert_job_new(work->config, work->cert, work->claim, NULL, &err);
    if (job == NULL)
        return;
    job->list.limit = LIST_MOST_BYTES;
    snprintf(job->serial, sizeof job->serial, "%s", serial);
    if (!bytes_add(&job->list, pem, strlen(pem))) {
        cert_job_free(job);
        return;
    }
    work->list_job = job;
    work->listing = worker_start(work->tools->workers, WORK_WHEN_IDLE, job_read_list, job,
                                 cert_job_free, on_list_read, flow, &err);
    if (work->listing == NULL)
        work->list_job = NULL;
}

/* -- a leaf that others may not trust yet ---------------------------------------------------------
 */

void step_hold_stranger(struct cert_flow *flow)
{
    struct cert_work *work = &flow->work;
    struct ca_state *ca = &work->state.ca;
    const char *const texts[] = {work->cert->name, work->draft->issued.leaf.serial, NULL};
    uint64_t now_s = clock_now_s(), spread_s = cert_work_spread_s(work);
    uint64_t shown_s =
        ca_news_shown_s(now_s, spread_s, work->published.end_s, digest_spread(texts));

    if (shown_s < now_s + spread_s / 2 && !work->told_short_hold) {
        cert_log_short_hold(work, shown_s);
        work->told_short_hold = true;
    }
    if (shown_s == now_s && spread_s > 0) {
        step_validate(flow);
        return;
    }
    ca->held_until_s = shown_s;
    memcpy(work->state.held, work->draft->generation, sizeof work->state.held);
    cert_work_leave_held(work);
    cert_work_save(work);
    cert_work_forget_hurry(work);
    work->hurry.reason = "the CA has another issuer by now";
    work->published.due_s = ca->held_until_s;
    cert_log_hurried(work);
    cert_work_give_reason(work, CA_ANNOUNCING);
    step_queue_to_restage(flow);
}

/* -- what the door knows of it --------------------------------------------------------------------
 */

static uint64_t tell_life_s(const void *cert)
{
    return cert_work_life_s(cert);
}

static bool on_issuer(void *cert, const struct ca_named *named)
{
    return cert_flow_take_issuer(cert, named);
}

static bool give_own(const void *cert, struct ca_own *ret_own)
{
    return cert_flow_give_own(cert, ret_own);
}

static void on_revoked(void *cert, const char *serial)
{
    cert_flow_take_revoked(cert, serial);
}

static void on_list(void *cert, const char *serial, const char *pem)
{
    cert_flow_take_list(cert, serial, pem);
}

const struct ca_watch_listener cert_flow_news = {tell_life_s, on_issuer, give_own, on_revoked,
                                                 on_list};
